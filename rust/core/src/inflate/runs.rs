//! Runs of literals, which keyframes mostly are: without a look-up between one symbol
//! and the next.
//!
//! A look-up table gives a code's length after mask, load and shift: about seven cycles,
//! and the next code cannot begin before. But deflate's codes are canonical (RFC 1951,
//! section 3.2.2): read from their most significant bit on, all codes of n bits are
//! smaller numbers than those of n + 1. Nearly all literals of a block have one of three
//! lengths in a row, so two comparisons tell which, and the three possible rests are
//! shifted meanwhile: three cycles. Which literals they were is looked up beside that.
//!
//! ```text
//! ahead   | 1st code | 2nd code | ......... 63 bits in all ......... | 1 |
//!           < ends[0]  n bits                                     mark ▲
//!           < ends[1]  n + 1      the mark moves with the shifts, and tells
//!           else       n + 2      how many bits were consumed
//! ```
//! Bits come in bytes from the least significant on, so the bytes are turned round.

#![allow(clippy::cast_possible_truncation, reason = "bytes and lengths taken out of entries")]

use super::tables::Counts;

/// Codes up to this length can be part of a run.
const LONGEST: usize = 9;
/// So many literals are taken between refills: 54 bits of 63.
pub(super) const GROUP: usize = 6;
/// Literals of the three lengths are worth it where they are so much of all, in 1/256.
const WORTH: usize = 128;

/// The table is indexed by so many bits.
const INDEX: usize = 10;
/// An entry: a literal, its length above, and this.
const LITERAL: u16 = 1 << 15;
/// One of another length than the three.
const OTHER: u16 = 1 << 14;

/// The code of literals and lengths as runs need it.
#[derive(Debug, Clone)]
pub(super) struct Runs {
    /// The shortest of the three lengths; 0 where runs are not worth it.
    shortest: u32,
    /// Where the codes of the shortest length end, and those of the next one.
    ends: [u64; 2],
    /// By the next bits. 0 for what is no literal, or has a longer code.
    table: [u16; 1 << INDEX],
}

impl Runs {
    pub fn new() -> Runs {
        Runs { shortest: 0, ends: [0; 2], table: [0; 1 << INDEX] }
    }

    #[inline(always)]
    fn entry(&self, ahead: u64) -> u16 {
        self.table[(ahead >> (64 - INDEX)) as usize]
    }

    pub fn are_worth_it(&self) -> bool {
        self.shortest > 0
    }

    /// From a complete code: how many symbols have each length, and all of them in the
    /// order of their codes.
    pub fn build(&mut self, counts: &Counts, symbols: &[u16]) {
        // Of one length the literals come first.
        let mut literals = [0_usize; INDEX + 1];
        let mut rest = symbols;
        for (length, count) in literals.iter_mut().enumerate() {
            let (of_length, longer) = rest.split_at(usize::from(counts[length]));
            *count = of_length.partition_point(|&symbol| symbol < 256);
            rest = longer;
        }
        // How often a code comes is about what its length says.
        let share = |first: usize| -> usize {
            (first..first + 3).map(|length| literals[length] << (LONGEST - length)).sum()
        };
        let shortest = (1..=LONGEST - 2).max_by_key(|&first| share(first)).unwrap_or(1);
        if share(shortest) << 8 < WORTH << LONGEST {
            self.shortest = 0;
            return;
        }
        self.shortest = shortest as u32;
        self.ends = [shortest, shortest + 1].map(|length| {
            let codes =
                (1..=length).map(|shorter| u64::from(counts[shorter]) << (length - shorter));
            let end: u64 = codes.sum();
            // Where no code is longer, no number is as large.
            if end == 1 << length { u64::MAX } else { end << (64 - length) }
        });
        let (mut at, mut rest) = (0, symbols);
        for (length, &literals) in literals.iter().enumerate() {
            let (of_length, longer) = rest.split_at(usize::from(counts[length]));
            rest = longer;
            let kind = if (shortest..shortest + 3).contains(&length) { LITERAL } else { OTHER };
            let entry = |symbol: u16| kind | (length as u16) << 8 | symbol;
            let width = 1 << (INDEX - length);
            let end = at + of_length.len() * width;
            let Some(places) = self.table.get_mut(at..end) else { break };
            let entries = of_length[..literals].iter().map(|&symbol| entry(symbol));
            match width {
                1 => fill::<1>(places, entries),
                2 => fill::<2>(places, entries),
                4 => fill::<4>(places, entries),
                8 => fill::<8>(places, entries),
                _ => places.chunks_mut(width).zip(entries).for_each(|(places, e)| places.fill(e)),
            }
            places[literals * width..].fill(0);
            at = end;
        }
        self.table[at..].fill(0);
    }
}

/// Each entry so many times.
fn fill<const WIDTH: usize>(places: &mut [u16], entries: impl Iterator<Item = u16>) {
    for (places, entry) in places.as_chunks_mut().0.iter_mut().zip(entries) {
        *places = [entry; WIDTH];
    }
}

/// The two steps that one symbol waits for after the other.
pub(super) trait Pass {
    /// `ahead` without its first code: one of `shifts[0]` bits where it is below
    /// `ends[0]`, else of `shifts[1]` where it is below `ends[1]`, else of one more.
    fn pass(ahead: u64, ends: [u64; 2], shifts: [u32; 2]) -> u64;

    /// `rest`, whose mark says that so many bits were consumed, with bits of `next`
    /// after those that are left, and a new mark.
    fn refill(rest: u64, next: u64, consumed: u64) -> u64;
}

/// In plain Rust.
#[derive(Debug)]
pub(super) struct Plain;

impl Pass for Plain {
    #[inline(always)]
    fn pass(ahead: u64, ends: [u64; 2], shifts: [u32; 2]) -> u64 {
        use std::hint::select_unpredictable as select;
        let [short, long] = shifts.map(|shift| ahead << (shift & 63));
        select(ahead < ends[0], short, select(ahead < ends[1], long, long << 1))
    }

    #[inline(always)]
    fn refill(rest: u64, next: u64, consumed: u64) -> u64 {
        rest & rest.wrapping_sub(1) | next >> (!consumed & 63) | 1
    }
}

const TURNED: usize = 1 << 10;

/// A piece of the input with each byte's bits the other way round.
pub(super) struct Turned {
    bytes: [u8; TURNED + 8],
    /// Which of the input's bytes it begins with, and how many can begin a word.
    start: usize,
    words: usize,
}

impl Turned {
    pub fn new() -> Turned {
        Turned { bytes: [0; TURNED + 8], start: 0, words: 0 }
    }

    /// The word of 64 bits from a byte on.
    #[inline(always)]
    fn word(&self, byte: usize) -> u64 {
        let word = self.bytes[byte & (TURNED - 1)..].first_chunk();
        word.map_or(0, |word| u64::from_be_bytes(*word))
    }

    /// Makes what [`take`] needs from a bit on be there; `false` near the input's end.
    #[inline(always)]
    pub fn cover(&mut self, input: &[u8], bit: usize) -> bool {
        /// Three words are loaded at once.
        const NEEDED: usize = 24;
        let byte = bit / 8;
        if byte.checked_sub(self.start).is_some_and(|place| place + NEEDED <= self.words) {
            return true;
        }
        let from = input.get(byte..).unwrap_or_default();
        let count = from.len().min(TURNED + 8);
        for (turned, byte) in self.bytes.iter_mut().zip(&from[..count]) {
            *turned = byte.reverse_bits();
        }
        self.start = byte;
        self.words = count.saturating_sub(7).min(TURNED);
        NEEDED <= self.words
    }
}

/// What [`take`] works on.
pub(super) struct Run<'a> {
    pub runs: &'a Runs,
    /// It covers `bit`.
    pub turned: &'a Turned,
    /// Where it goes on in the input.
    pub bit: usize,
    pub out: &'a mut [u8],
    /// Where output goes on. Up to [`GROUP`] bytes after it are overwritten.
    pub at: usize,
}

/// Takes literals as long as neither end is near.
#[inline(always)]
pub(super) fn take<P: Pass>(run: &mut Run<'_>) {
    let Run { runs, turned, bit, ref mut out, at } = *run;
    let ends = runs.ends;
    let shifts = [runs.shortest, runs.shortest + 1];
    let mut place = bit - turned.start * 8;
    let word = |place: usize| turned.word(place / 8) << (place % 8);
    let end = turned.words * 8;
    let mut ahead = word(place) & !0xff | word(place + 56) >> 56 | 1;
    place += 63;
    let mut next = word(place);
    let mut done = at;
    while let Some(group) = out.get_mut(done..).and_then(|out| out.first_chunk_mut::<GROUP>()) {
        let mut rests = [ahead; GROUP + 1];
        for number in 0..GROUP {
            rests[number + 1] = P::pass(rests[number], ends, shifts);
        }
        let mut rest = rests[GROUP];
        let mut other = None;
        for (number, byte) in group.iter_mut().enumerate() {
            let entry = runs.entry(rests[number]);
            *byte = entry as u8;
            if entry & LITERAL == 0 {
                rest = rests[number];
                other = Some((number, entry));
                break;
            }
        }
        if let Some((number, entry)) = other {
            done += number;
            if entry & OTHER == 0 {
                ahead = rest;
                break;
            }
            done += 1;
            rest <<= entry >> 8 & 15;
        } else {
            done += GROUP;
        }
        let consumed = rest.trailing_zeros();
        ahead = P::refill(rest, next, u64::from(consumed));
        place += consumed as usize;
        if place >= end {
            break;
        }
        next = word(place);
    }
    run.at = done;
    run.bit = turned.start * 8 + place - 63 + ahead.trailing_zeros() as usize;
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::header::Kind;
    use super::super::tests::{Random, deflate};
    use super::super::{Bits, Tables, header};
    use super::*;

    /// Runs of literals with codes of every mixture of lengths, symbol by symbol and in runs.
    pub fn runs_are_what_symbols_are(take: impl Fn(&mut Run<'_>)) {
        let mut random = Random(5);
        let (mut worth, mut taken) = (0, 0);
        for round in 0..400 {
            // The more often some bytes come, the more lengths there are.
            let (kinds, common, often) =
                (2 + random.below(255), 1 + random.below(40), random.below(5));
            let data: Vec<u8> = (0..6000)
                .map(|_| {
                    let kinds = if random.below(6) < often { common.min(kinds) } else { kinds };
                    random.below(kinds) as u8
                })
                .collect();
            let strategy = zlib_rs::Strategy::HuffmanOnly;
            let stream = deflate(&data, 6, strategy);
            let mut tables = Tables::new();
            let mut bits = Bits::at(&stream, 0);
            let kind = header::read(&mut bits, &mut tables).expect("a header").1;
            if !matches!(kind, Kind::Coded) || !tables.runs.are_worth_it() {
                continue;
            }
            worth += 1;
            let mut out = vec![0; data.len() + GROUP];
            let (mut bit, mut at) = (bits.position(), 0);
            let mut turned = Turned::new();
            while turned.cover(&stream, bit) && at < data.len() {
                let room = if round % 2 == 0 { out.len() } else { out.len().min(at + 50) };
                let (runs, turned) = (&tables.runs, &turned);
                let mut run = Run { runs, turned, bit, out: &mut out[..room], at };
                take(&mut run);
                let before = at;
                (bit, at) = (run.bit, run.at);
                taken += at - before;
                // The next one as symbols are read one by one.
                let mut bits = Bits::at(&stream, bit);
                let mut entry = tables.literal(bits.ahead);
                if entry >> 31 == 0 {
                    bits.consume(entry & 255);
                    entry = tables.literal_below(entry, bits.ahead);
                }
                bits.consume(entry & 255);
                if at < data.len() {
                    out[at] = (entry >> 16) as u8;
                    (bit, at) = (bits.position(), at + 1);
                }
            }
            assert!(data[..at] == out[..at], "round {round}");
            assert!(data.len() - at < 250, "round {round}: {at}");
        }
        assert!(worth > 200 && taken > worth * 3000, "{worth} were worth it, {taken} bytes");
    }

    #[test]
    fn plain_runs_are_what_symbols_are() {
        runs_are_what_symbols_are(take::<Plain>);
    }
}
