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

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

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
fn run(parts: &Parts, from: u64, to: u64, is_over: &AtomicBool) -> Option<Guess> {
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

/// Ends the threads that guess.
pub(super) struct End<'a>(&'a Guesses<'a>);

impl Drop for End<'_> {
    fn drop(&mut self) {
        // Under the lock, so that nobody begins to wait meanwhile.
        let _state = self.0.lock();
        self.0.is_over.store(true, Ordering::Relaxed);
        self.0.changed.notify_all();
    }
}

/// The guesses of some threads, in the order of the stream. A thread that has made one
/// begins the next one at once, but is never far ahead of the walk.
///
/// ```text
/// stream | walk | guess 0 | guess 1 | walk | guess 2 | guess 3 | walk | ...
/// ```
/// The walk has more to do than a guess, for it also compresses the pages of all: an eighth
/// of a stretch more for each thread. So its own stretches are shorter by so much.
pub(super) struct Guesses<'a> {
    parts: &'a Parts,
    /// Where the first stretch begins, how long each is, and how many are guessed in a row.
    first: u64,
    stretch: u64,
    in_row: u64,
    state: Mutex<State>,
    changed: Condvar,
    is_over: AtomicBool,
}

#[derive(Default)]
struct State {
    /// The numbers of the guess that is begun next and of the one that is taken next.
    begun: u64,
    taken: u64,
    made: BTreeMap<u64, Option<Guess>>,
}

impl<'a> Guesses<'a> {
    /// From byte `first` of the stream on, by so many threads.
    pub fn new(parts: &'a Parts, first: u64, threads: u64, stretch: u64) -> Guesses<'a> {
        let (state, changed, is_over) = (Mutex::default(), Condvar::new(), AtomicBool::new(false));
        Guesses { parts, first, stretch, in_row: threads, state, changed, is_over }
    }

    /// Where a guess begins and ends; `None` where too little is left for one. What is left
    /// at the stream's end is one more row of shorter stretches.
    fn range(&self, number: u64) -> Option<Range<u64>> {
        let row = number.checked_div(self.in_row)?;
        // In eighths of a stretch.
        let walked = 8_u64.saturating_sub(self.in_row).max(1);
        let all = walked + 8 * self.in_row;
        let start = self.first + row * all * (self.stretch / 8);
        let left = self.parts.size().checked_sub(start)?;
        let eighth = (self.stretch / 8).min(left / all);
        let start = start + (walked + number % self.in_row * 8) * eighth;
        (eighth >= self.stretch / 64).then_some(start..start + 8 * eighth)
    }

    /// Makes guesses until there are no more.
    pub fn work(&self) {
        let mut state = self.lock();
        while !self.is_over.load(Ordering::Relaxed) {
            let number = state.begun;
            let Some(range) = self.range(number) else { return };
            if number >= state.taken + 2 * self.in_row {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.begun += 1;
            drop(state);
            // A guess that panicked is one that found nothing.
            let guess = || run(self.parts, range.start, range.end, &self.is_over);
            let guess = std::panic::catch_unwind(AssertUnwindSafe(guess)).unwrap_or_default();
            state = self.lock();
            state.made.insert(number, guess);
            self.changed.notify_all();
        }
    }

    /// Where the next guess begins that was not taken.
    pub fn next_start(&self) -> Option<u64> {
        self.range(self.lock().taken).map(|range| range.start)
    }

    /// Takes the next guess, and waits for it.
    pub fn next(&self) -> Option<Guess> {
        let mut state = self.lock();
        loop {
            let number = state.taken;
            if let Some(guess) = state.made.remove(&number) {
                state.taken += 1;
                self.changed.notify_all();
                return guess;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// No more are wanted as soon as what this gives is dropped.
    pub fn end_when_dropped(&self) -> End<'_> {
        End(self)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
