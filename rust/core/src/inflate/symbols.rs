//! The symbols of a block: literals and matches. One of the fast loops (see `runs` and
//! `matches`) runs where neither end is near; near an end the careful one takes a symbol
//! at a time.

use super::bits::Bits;
use super::matches;
use super::runs::{self, Plain, Run, Turned};
use super::tables::{END_OF_BLOCK, LITERAL, SPECIAL, SUBTABLE, Tables};
use super::{History, Output, Pending, SLACK};

/// Why the symbols of a block stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The block is over.
    Block,
    Limit,
    /// The next symbol does not lie whole in the input.
    Input,
    /// The limit is inside a match, whose code begins at bit `symbol`.
    InMatch {
        symbol: usize,
        done: u32,
        left: u32,
        distance: u32,
    },
}

type Outcome = Result<Ended, &'static str>;

/// Takes symbols until one of the ends. `bits` is after the last symbol taken whole.
pub(super) fn run<H: History>(
    tables: &Tables,
    bits: &mut Bits<'_>,
    output: &mut Output<'_, H>,
) -> Outcome {
    #[cfg(target_arch = "x86_64")]
    if let Some(token) = textbook_simd::Avx2::get()
        && textbook_simd::Level::active() >= textbook_simd::Level::Avx2
    {
        return super::bmi2::run(token, tables, bits, output);
    }
    run_all(tables, bits, output, runs::take::<Plain>)
}

#[inline(always)]
pub(super) fn run_all<H: History>(
    tables: &Tables,
    bits: &mut Bits<'_>,
    output: &mut Output<'_, H>,
    take: impl Fn(&mut Run<'_>),
) -> Outcome {
    loop {
        let ended = if tables.runs.are_worth_it() {
            run_in_runs(tables, bits, output, &take)?
        } else {
            matches::run(tables, bits, output)?
        };
        if let Some(ended) = ended {
            return Ok(ended);
        }
        if let Some(ended) = take_one(tables, bits, output)? {
            return Ok(ended);
        }
    }
}

/// What a fast loop keeps in registers: the input not loaded yet, and the bits ahead.
pub(super) struct Ahead<'a> {
    rest: &'a [u8],
    pub bits: u64,
    count: usize,
}

impl<'a> Ahead<'a> {
    #[inline(always)]
    pub fn new(place: &Bits<'a>) -> Ahead<'a> {
        let rest = place.bytes.get(place.next..).unwrap_or_default();
        Ahead { rest, bits: place.ahead, count: place.count as usize }
    }

    /// Puts the place where it is back.
    #[inline(always)]
    pub fn leave(self, place: &mut Bits<'a>) {
        place.next = place.bytes.len() - self.rest.len();
        (place.ahead, place.count) = (self.bits, self.count as u32);
    }

    /// Makes at least 56 bits be there, or says that the input's end is near.
    #[inline(always)]
    pub fn refill(&mut self) -> bool {
        let Some(word) = self.rest.first_chunk::<8>() else { return false };
        let count = self.count & 63;
        self.bits |= u64::from_le_bytes(*word) << count;
        self.rest = &self.rest[(63 - count) >> 3..];
        self.count = count | 0x38; // 56
        true
    }

    #[inline(always)]
    pub fn consume(&mut self, entry: u32) {
        self.bits >>= entry & 63;
        self.count = self.count.wrapping_sub(entry as usize & 255);
    }

    /// The length or distance of an entry; consumes its code and its extra bits.
    #[inline(always)]
    fn value(&mut self, entry: u32) -> usize {
        let all = self.bits & ((1 << (entry & 63)) - 1);
        self.consume(entry);
        (entry >> 16) as usize + (all >> (entry >> 8 & 15)) as usize
    }

    /// A match's distance; `None` where the bits are no code of one.
    #[inline(always)]
    pub fn distance(&mut self, tables: &Tables) -> Option<usize> {
        let mut entry = tables.distance(self.bits);
        if entry & SPECIAL != 0 {
            let is_longer = entry & SUBTABLE != 0;
            self.consume(entry & 255);
            entry = tables.distance_below(entry, self.bits);
            if !is_longer || entry & SPECIAL != 0 {
                return None;
            }
        }
        Some(self.value(entry))
    }
}

/// Takes symbols as long as neither end is near, in blocks that are runs of literals with
/// other symbols between.
#[inline(always)]
fn run_in_runs<H: History>(
    tables: &Tables,
    place: &mut Bits<'_>,
    output: &mut Output<'_, H>,
    take: impl Fn(&mut Run<'_>),
) -> Result<Option<Ended>, &'static str> {
    let limit = output.limit;
    if output.at + runs::GROUP > limit {
        return Ok(None);
    }
    let input = place.bytes;
    let mut turned = Turned::new();
    let mut bit = place.position();
    let mut at = output.at;
    let out = &mut output.out[..limit + SLACK];
    let mut ended = Ok(None);
    'runs: while at + runs::GROUP <= limit {
        if turned.cover(input, bit) {
            let out = &mut out[..limit];
            let mut run = Run { runs: &tables.runs, turned: &turned, bit, out, at };
            take(&mut run);
            (bit, at) = (run.bit, run.at);
        }
        // One other symbol, and matches that follow it.
        loop {
            let Some(word) = input.get(bit / 8..).and_then(|rest| rest.first_chunk::<8>()) else {
                break 'runs;
            };
            if at == limit {
                break 'runs;
            }
            let rest = &input[input.len()..];
            let bits = u64::from_le_bytes(*word) >> (bit % 8);
            let mut ahead = Ahead { rest, bits, count: 0 };
            let mut entry = tables.literal(bits);
            if entry & (SPECIAL | SUBTABLE) == SPECIAL | SUBTABLE {
                ahead.consume(entry & 255);
                entry = tables.literal_below(entry, ahead.bits);
            }
            if entry & LITERAL != 0 {
                out[at] = (entry >> 16) as u8;
                at += 1;
                ahead.consume(entry & 255);
                bit = bit.wrapping_sub(ahead.count);
                continue 'runs;
            }
            if entry & SPECIAL != 0 {
                if entry & END_OF_BLOCK != 0 {
                    ahead.consume(entry);
                    bit = bit.wrapping_sub(ahead.count);
                    ended = Ok(Some(Ended::Block));
                } else {
                    ended = Err(NO_SYMBOL);
                }
                break 'runs;
            }
            // At most 15 + 5 + 15 + 13 bits of 57.
            let length = ahead.value(entry);
            let Some(distance) = ahead.distance(tables) else {
                ended = Err(NO_DISTANCE);
                break 'runs;
            };
            if length > limit - at {
                break 'runs;
            }
            bit = bit.wrapping_sub(ahead.count);
            let from = at.wrapping_sub(distance);
            if from < output.guard
                && let Err(reason) = output.history.demand(out, at, from, length)
            {
                ended = Err(reason);
                break 'runs;
            }
            copy_match(out, at, distance, length);
            at += length;
        }
    }
    output.at = at;
    *place = Bits::at(input, bit);
    ended
}

pub(super) const NO_SYMBOL: &str = "bits that are no code of a literal or a length";
pub(super) const NO_DISTANCE: &str = "bits that are no code of a distance";

/// The length or distance of an entry; consumes its code and its extra bits.
#[inline(always)]
fn value(bits: &mut Bits<'_>, entry: u32) -> usize {
    let all = bits.ahead & ((1 << (entry & 63)) - 1);
    let extra = all >> (entry >> 8 & 15);
    bits.consume(entry & 255);
    (entry >> 16) as usize + extra as usize
}

/// Copies a match to `at`; up to [`SLACK`] bytes after it are overwritten.
#[inline(always)]
pub(super) fn copy_match(out: &mut [u8], at: usize, distance: usize, length: usize) {
    let from = at - distance;
    if distance >= 32 {
        let mut done = 0;
        loop {
            out.copy_within(from + done..from + done + 32, at + done);
            done += 32;
            if done >= length {
                break;
            }
        }
    } else if distance >= 8 {
        for done in (0..length).step_by(8) {
            out.copy_within(from + done..from + done + 8, at + done);
        }
    } else if distance == 1 {
        let byte = out[from];
        out[at..at + length].fill(byte);
    } else {
        let (known, rest) = out.split_at_mut(at);
        let pattern = &known[from..];
        for (place, &byte) in rest[..length].iter_mut().zip(pattern.iter().cycle()) {
            *place = byte;
        }
    }
}

/// Takes one symbol, wherever the ends are.
fn take_one<H: History>(
    tables: &Tables,
    place: &mut Bits<'_>,
    output: &mut Output<'_, H>,
) -> Result<Option<Ended>, &'static str> {
    if output.at == output.limit {
        return Ok(Some(Ended::Limit));
    }
    let symbol = place.position();
    let mut bits = *place;
    bits.refill();
    let mut entry = tables.literal(bits.ahead);
    if entry & (SPECIAL | SUBTABLE) == SPECIAL | SUBTABLE {
        bits.consume(entry & 255);
        entry = tables.literal_below(entry, bits.ahead);
    }
    if entry & LITERAL != 0 || entry & SPECIAL != 0 {
        bits.consume(entry & 255);
        if bits.is_beyond() {
            return Ok(Some(Ended::Input));
        }
        if entry & LITERAL != 0 {
            output.out[output.at] = (entry >> 16) as u8;
            output.at += 1;
            *place = bits;
            return Ok(None);
        }
        if entry & END_OF_BLOCK == 0 {
            return Err(NO_SYMBOL);
        }
        *place = bits;
        return Ok(Some(Ended::Block));
    }
    let length = value(&mut bits, entry);
    let mut entry = tables.distance(bits.ahead);
    if entry & (SPECIAL | SUBTABLE) == SPECIAL | SUBTABLE {
        bits.consume(entry & 255);
        entry = tables.distance_below(entry, bits.ahead);
    }
    let is_code = entry & SPECIAL == 0;
    let distance = value(&mut bits, entry);
    if bits.is_beyond() {
        return Ok(Some(Ended::Input));
    }
    if !is_code {
        return Err(NO_DISTANCE);
    }
    *place = bits;
    let (left, distance) = (length as u32, distance as u32);
    let mut pending = Some(Pending { symbol_bit: 0, done: 0, left, distance });
    finish_match(&mut pending, output)?;
    Ok(pending.map(|Pending { done, left, distance, .. }| Ended::InMatch {
        symbol,
        done,
        left,
        distance,
    }))
}

/// Puts out what is left of a match, up to the limit.
pub(super) fn finish_match<H: History>(
    pending: &mut Option<Pending>,
    output: &mut Output<'_, H>,
) -> Result<(), &'static str> {
    let Some(Pending { symbol_bit, done, left, distance }) = *pending else { return Ok(()) };
    let count = (left as usize).min(output.limit - output.at);
    let from = output.at.wrapping_sub(distance as usize);
    if count > 0 && from < output.guard {
        output.history.demand(output.out, output.at, from, count)?;
    }
    for at in output.at..output.at + count {
        output.out[at] = output.out[at - distance as usize];
    }
    output.at += count;
    let (done, left) = (done + count as u32, left - count as u32);
    *pending = (left > 0).then_some(Pending { symbol_bit, done, left, distance });
    Ok(())
}
