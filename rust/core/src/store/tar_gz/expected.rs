//! What stands right before a member's data, as far as its size tells: its tar
//! header, and the zeros that pad what comes before. Its symbols often refer to these
//! bytes, and what is expected needs no place in the index.
//!
//! ```text
//! ... data of the member before | zeros ...... | header, 512 bytes | data
//!       not to be told             all of them    XOR with what is expected
//! ```
//! Never change what is expected but with the version of the index.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::store::tar_header::{BLOCK, Block};

#[derive(Debug)]
pub(super) struct Expected {
    header: Block,
    zeros: usize,
}

/// What is known of a byte before the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// It is zero.
    Zero,
    /// It lies in the header, and is likely to be this one.
    Likely(u8),
    Nothing,
}

impl Expected {
    /// For a member of this size, with so many zeros before its header.
    pub fn new(size: u64, zeros: u32) -> Expected {
        let mut header = [0; BLOCK];
        let mut put = |at: usize, bytes: &[u8]| {
            for (place, &byte) in header.iter_mut().skip(at).zip(bytes) {
                *place = byte;
            }
        };
        put(100, b"0000644\x000001750\x000001750\0");
        put(124, format!("{size:011o}\x0000000000000\x00000000\x00 0").as_bytes());
        put(257, b"ustar  ");
        Expected { header, zeros: zeros as usize }
    }

    /// The zeros right before the last block of `bytes`, which is a header.
    pub fn zeros_before_header(bytes: &[u8]) -> u32 {
        let end = bytes.len().saturating_sub(BLOCK);
        let padding = bytes.get(..end).unwrap_or_default().iter().rev().take(BLOCK);
        padding.take_while(|&&byte| byte == 0).count() as u32
    }

    /// How many of the bytes from a place on, which is `before` bytes before the data, lie
    /// where nothing is known.
    pub fn unknown_from(&self, before: usize) -> usize {
        before.saturating_sub(BLOCK.saturating_add(self.zeros))
    }

    /// What is known of the byte that is `before` bytes before the data.
    #[inline]
    pub fn at(&self, before: usize) -> Known {
        let known = BLOCK.checked_sub(before).and_then(|place| self.header.get(place));
        match known {
            Some(&byte) => Known::Likely(byte),
            None if before <= BLOCK.saturating_add(self.zeros) => Known::Zero,
            None => Known::Nothing,
        }
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "made here")]
mod tests {
    use super::*;
    use crate::store::tar_write::file_header;

    #[test]
    fn most_of_a_header_is_expected() {
        let name = b"set/-1uixJ1V-As/-1uixJ1V-As@0.0_10.0#1.jpg";
        let header = file_header(name, 52_321, 1_730_000_000);
        let expected = Expected::new(52_321, 7);
        let is_likely =
            |&before: &usize| expected.at(before) == Known::Likely(header[BLOCK - before]);
        let likely = (1..=BLOCK).filter(is_likely).count();
        assert!(likely > 410, "{likely}");
        let known = [513, 519, 520, 32_768].map(|before| expected.at(before));
        assert_eq!(known, [Known::Zero, Known::Zero, Known::Nothing, Known::Nothing]);
        let long = Expected::new(u64::MAX, 0);
        assert_eq!((long.at(412), long.at(413)), (Known::Likely(b'0'), Known::Likely(0)));
    }

    #[test]
    fn zeros_are_counted_before_the_header() {
        for (zeros, expected) in [(0, 0), (1, 1), (511, 511), (600, 512)] {
            let bytes = [&[0, 0, 7][..], &vec![0; zeros], &[9; BLOCK]].concat();
            assert_eq!(Expected::zeros_before_header(&bytes), expected);
        }
        assert_eq!(Expected::zeros_before_header(&[0; 3]), 0);
        assert_eq!(Expected::zeros_before_header(&[0; BLOCK + 3]), 3);
    }
}
