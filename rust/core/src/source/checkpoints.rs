//! The places at which a compressed text can be inflated from: one at each MiB of text,
//! with the bytes of its window that are referred to; and a checksum for each 64 KiB of
//! text. They lie in a file of the index, or in memory.
//!
//! ```text
//! a checkpoint, 44 bytes:
//! 0  bit of the file that comes next (u64)   32  block: 0 header next, 1 stored,
//! 8  bit of the block's header (u64)             2 codes, 3 over; + 4 the last (u8)
//! 16 place of its window (u64)               34  bytes left of a stored block (u16)
//! 24 length of its window (u32)              36  of a match: bytes done, left, its
//! 28 CRC-32C of its window (u32)                 distance (u16 each); 42  zero (u16)
//! ```
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::ops::Range;
use std::sync::Arc;

use super::Map;
use crate::inflate::stream::Point;
use crate::inflate::{Block, Pending, WINDOW};

/// Bytes of text between two checkpoints.
pub(crate) const SEGMENT: u64 = 1 << 20;
/// Bytes of text to a checksum.
pub(crate) const CHECKED: u64 = 64 << 10;
/// Bytes of a checkpoint.
pub(crate) const POINT: usize = 44;

/// The checkpoints of one text.
#[derive(Debug, Clone)]
pub(crate) struct Checkpoints {
    map: Arc<Map>,
    windows: Range<usize>,
    points: Range<usize>,
    checks: Range<usize>,
    length: u64,
}

/// Where the parts of the checkpoints lie in a map.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    pub windows: Range<usize>,
    pub points: Range<usize>,
    pub checks: Range<usize>,
}

impl Checkpoints {
    /// `None` where the parts do not have the sizes that a text of `length` bytes needs.
    pub fn new(map: Arc<Map>, places: Places, length: u64) -> Option<Checkpoints> {
        let Places { windows, points, checks } = places;
        let all = map.bytes().len();
        let is_in = |range: &Range<usize>| range.start <= range.end && range.end <= all;
        let has = |range: &Range<usize>, count: u64, size: usize| {
            usize::try_from(count).ok().and_then(|count| count.checked_mul(size))
                == Some(range.len())
        };
        let fits = [&windows, &points, &checks].into_iter().all(is_in)
            && has(&points, length.div_ceil(SEGMENT), POINT)
            && has(&checks, length.div_ceil(CHECKED), 4);
        fits.then_some(Checkpoints { map, windows, points, checks, length })
    }

    /// Bytes of the text.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The checkpoint at which a segment begins, and its window.
    pub fn get(&self, segment: u64) -> Option<(Point, Window<'_>)> {
        let at = usize::try_from(segment).ok()?.checked_mul(POINT)?;
        let bytes = self.map.bytes().get(self.points.clone())?.get(at..)?.first_chunk::<POINT>()?;
        let (point, place) = decode(bytes)?;
        let start = usize::try_from(place.offset).ok()?;
        let windows = self.map.bytes().get(self.windows.clone())?;
        let bytes = windows.get(start..start.checked_add(place.length as usize)?)?;
        Some((point, Window { bytes, crc32c: place.crc32c }))
    }

    /// The CRC-32C of a block of text.
    pub fn check(&self, block: u64) -> Option<u32> {
        let at = usize::try_from(block).ok()?.checked_mul(4)?;
        let bytes = self.map.bytes().get(self.checks.clone())?.get(at..)?.first_chunk()?;
        Some(u32::from_le_bytes(*bytes))
    }
}

/// A window as it is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window<'a> {
    bytes: &'a [u8],
    crc32c: u32,
}

impl Window<'_> {
    /// Writes the window to the beginning of `out`; bytes that nothing refers to are
    /// zeros. False where it is damaged.
    pub fn unpack(&self, out: &mut [u8]) -> bool {
        let Some(out) = out.get_mut(..WINDOW) else { return false };
        if crc32c::crc32c(self.bytes) != self.crc32c {
            return false;
        }
        if self.bytes.is_empty() {
            out.fill(0);
            return true;
        }
        let mut inflate = flate2::Decompress::new(false);
        inflate.decompress(self.bytes, out, flate2::FlushDecompress::Finish).is_ok()
            && inflate.total_out() == WINDOW as u64
    }
}

/// Where a window is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WindowPlace {
    pub offset: u64,
    pub length: u32,
    pub crc32c: u32,
}

/// A checkpoint as bytes.
pub(crate) fn encode(point: &Point, place: WindowPlace) -> [u8; POINT] {
    let (kind, header, left) = match point.block {
        Block::None => (0, 0, 0),
        Block::Stored(left) => (1, 0, left),
        Block::Coded(header) => (2, header, 0),
        Block::End => (3, 0, 0),
    };
    let kind = kind | u16::from(point.is_last) << 2;
    let small = |value: u32| u16::try_from(value).unwrap_or(u16::MAX);
    let of_match = point.pending.map_or([0; 3], |Pending { done, left, distance, .. }| {
        [small(done), small(left), small(distance)]
    });
    let mut bytes = Vec::with_capacity(POINT);
    for word in [point.bit, header, place.offset] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.extend_from_slice(&place.length.to_le_bytes());
    bytes.extend_from_slice(&place.crc32c.to_le_bytes());
    for word in [kind, small(left)].into_iter().chain(of_match).chain([0]) {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.first_chunk().copied().unwrap_or([0; POINT])
}

pub(crate) fn decode(bytes: &[u8; POINT]) -> Option<(Point, WindowPlace)> {
    let word = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let half = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let small = |at: usize| Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let kind = small(32)?;
    let block = match kind & 3 {
        0 => Block::None,
        1 => Block::Stored(u32::from(small(34)?)),
        2 => Block::Coded(word(8)?),
        _ => Block::End,
    };
    let (done, left, distance) = (small(36)?, small(38)?, small(40)?);
    let pending = (left > 0).then_some(Pending {
        symbol_bit: 0,
        done: u32::from(done),
        left: u32::from(left),
        distance: u32::from(distance),
    });
    // A match may not reach back further than the window.
    if usize::from(distance) > WINDOW || (left > 0 && distance == 0) {
        return None;
    }
    let point = Point { bit: word(0)?, block, is_last: kind & 4 != 0, pending };
    Some((point, WindowPlace { offset: word(16)?, length: half(24)?, crc32c: half(28)? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_round_trip() {
        let place = WindowPlace { offset: u64::MAX, length: 7, crc32c: 0xdead_beef };
        let blocks = [Block::None, Block::Stored(65535), Block::Coded(u64::MAX), Block::End];
        for block in blocks {
            for is_last in [false, true] {
                for pending in [None, Some((1, 257, 32768)), Some((257, 1, 1))] {
                    let pending = pending.map(|(done, left, distance)| Pending {
                        symbol_bit: 0,
                        done,
                        left,
                        distance,
                    });
                    let point = Point { bit: 1 << 45, block, is_last, pending };
                    assert_eq!(decode(&encode(&point, place)), Some((point, place)));
                }
            }
        }
    }
}
