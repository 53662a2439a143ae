//! A walk that begins inside the stream without knowing what comes before, on a thread
//! of its own, and the proof that it was right.
//!
//! ```text
//! walk      ──────────────────────────────►●  same bit, block and 32 KiB: from here on
//! guess               ├──wrong bytes──┬────●────────────────► all is the same
//!                     a block's header └ first tar header that is whole
//! ```
//! Bits and lengths of deflate do not depend on the bytes before, so the guess is wrong
//! only in bytes that were copied from there, and data of keyframes soon copies none.
//! Where the walk comes to a point of the guess and both have the same 32 KiB behind
//! them, bit, block and window are all of the state: what the guess found after it is
//! exact, and the walk goes on from the guess's end. Where they never meet, it is dropped.

use std::sync::atomic::{AtomicBool, Ordering};

use super::page::Entry;
use super::parts::Parts;
use super::point::Point;
use super::walker::{Step, Walker};
use crate::error::{Error, Result};
use crate::inflate::{Block, Inflater, Stop};

/// So many points are kept for the walk to meet.
const POINTS: usize = 64;
/// The guess may end where it last stood after so many bytes of the stream.
const END_EVERY: u64 = 1 << 20;
/// A block's header is looked for in so many bytes.
const SEARCHED: usize = 256 << 10;

/// What a guess found.
pub(super) struct Guess {
    /// In the order of the archive.
    entries: Vec<Entry>,
    /// Where the walk may meet it, and how many members came before.
    points: Vec<(Point, usize)>,
    end: (Point, usize),
}

/// Walks from some block's header after byte `from` of the stream to about byte `to`.
/// `None` where there is nothing to be found.
pub(super) fn run(parts: &Parts, from: u64, to: u64, is_over: &AtomicBool) -> Option<Guess> {
    let mut watch = |_| if is_over.load(Ordering::Relaxed) { Err(Error::Stopped) } else { Ok(()) };
    let mut bytes = vec![0; SEARCHED];
    let count = parts.read(from, &mut bytes).ok()?;
    bytes.truncate(count);
    let mut bit = 0;
    while let Some(header) = next_header(&bytes, bit) {
        let mut walker = Walker::blind(parts, from * 8 + header as u64);
        match walker.find_header(to, &mut watch) {
            Ok(true) => return walk(walker, to, &mut watch),
            // No tar header in all of it.
            Ok(false) | Err(Error::Stopped) => return None,
            // Bits that only looked like a block's header.
            Err(_) => bit = header + 1,
        }
    }
    None
}

fn walk(
    mut walker: Walker<'_>,
    to: u64,
    watch: &mut dyn FnMut(u64) -> Result<()>,
) -> Option<Guess> {
    let mut guess: Option<Guess> = None;
    loop {
        let step = walker.step(watch);
        let is_header = matches!(step, Ok(Step::Header));
        if is_header {
            let bit = walker.stream_bit();
            let guess = guess.get_or_insert_with(|| {
                walker.found.clear();
                let end = (walker.point(), 0);
                Guess { entries: Vec::new(), points: Vec::new(), end }
            });
            guess.entries.extend(walker.found.drain(..));
            let count = guess.entries.len();
            if guess.points.len() < POINTS {
                guess.points.push((walker.point(), count));
            }
            if bit / 8 >= to || bit / 8 - guess.end.0.bit / 8 >= END_EVERY {
                guess.end = (walker.point(), count);
            }
            if bit / 8 < to {
                continue;
            }
        } else if walker.has_tar_fault() {
            // A header that was copied in part from the unknown.
            guess = None;
            if walker.find_header(to, watch).is_ok_and(|found| found) {
                continue;
            }
        }
        return guess;
    }
}

impl Guess {
    /// How far the walk has to go at most to meet it.
    pub fn last_bit(&self) -> u64 {
        self.points.last().map_or(0, |(point, _)| point.bit)
    }

    /// Where the walk stands at one of its points: the members after it, and the point
    /// at which the walk goes on, as if it had gone there itself.
    pub fn meet(&mut self, walker: &Walker<'_>) -> Option<(Vec<Entry>, Point)> {
        let place = self.points.binary_search_by_key(&walker.stream_bit(), |(point, _)| point.bit);
        let (point, first) = self.points.get(place.ok()?)?;
        let (end, last) = &self.end;
        let reached = walker.point();
        if end.bit < point.bit || !point.meets(&reached) {
            return None;
        }
        let between = end.length - point.length;
        let crc = crc_between(point.crc, end.crc, between);
        let goes_on = Point {
            offset: reached.offset + (end.offset - point.offset),
            length: reached.length + between,
            crc: combined(reached.crc, crc, between),
            ..end.clone()
        };
        Some((self.entries.drain(*first..*last).collect(), goes_on))
    }
}

/// The CRC-32 of two pieces one after the other; the second has `length` bytes.
fn combined(first: u32, second: u32, length: u64) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(first);
    hasher.combine(&crc32fast::Hasher::new_with_initial_len(second, length));
    hasher.finalize()
}

/// The CRC-32 of what comes after the first piece, of which the whole is known.
fn crc_between(first: u32, whole: u32, length: u64) -> u32 {
    whole ^ combined(first, 0, length)
}

/// The first bit from `bit` on at which a dynamic block, not the last one, can begin.
fn next_header(bytes: &[u8], bit: usize) -> Option<usize> {
    let mut inflater = Inflater::new();
    let end = bytes.len().saturating_sub(600) * 8;
    (bit..end).find(|&bit| {
        let word = bytes[bit / 8..].first_chunk().map_or(0, |word| u32::from_le_bytes(*word));
        let head = word >> (bit % 8);
        // Not the last, type 2, at most 286 and 30 symbols (RFC 1951, section 3.2.7).
        let is_plausible = head & 7 == 4 && head >> 3 & 31 <= 29 && head >> 8 & 31 <= 29;
        is_plausible && {
            let mut at = bit;
            let read = inflater.read_header(bytes, &mut at, 0);
            read == Ok(Stop::Limit) && matches!(inflater.block(), Block::Coded(_))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_of_pieces() {
        let bytes: Vec<u8> = (0..1000_u32).map(|at| (at * 7 % 251) as u8).collect();
        let crc = |bytes: &[u8]| crc32fast::hash(bytes);
        for at in [0, 1, 499, 1000] {
            let (one, two) = bytes.split_at(at);
            let length = two.len() as u64;
            assert_eq!(combined(crc(one), crc(two), length), crc(&bytes));
            assert_eq!(crc_between(crc(one), crc(&bytes), length), crc(two));
        }
    }
}
