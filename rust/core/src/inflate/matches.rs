//! The symbols of blocks that are mostly matches, as those of texts are: a literal and
//! the match that follows it are found by one look-up.
//!
//! Whether a literal stands before the next match cannot be guessed, and a wrong guess
//! costs as much as a match. With both in one entry there is nothing to be guessed, and
//! what remains is the chain from one look-up to the next: length, distance, length.
//!
//! ```text
//! 31       24 23       16 15    14    13 12    11     8 7            0
//! length - 3  literal     OTHER MATCH literals  codes   codes and extra bits
//!        or a second one
//! ```

use super::symbols::{Ahead, Ended, NO_DISTANCE, NO_SYMBOL, copy_match};
use super::tables::{END_OF_BLOCK, LITERAL, SPECIAL, SUBTABLE, Tables};
use super::{Bits, History, MAX_MATCH, Output, SLACK};

/// The table is indexed by so many bits: a literal of a text and the length after it
/// mostly have no more.
const INDEX: u32 = 11;

/// A match follows the literals.
const MATCH: u32 = 1 << 14;
/// What is no literal or length whose code is short enough: see the table of symbols.
const OTHER: u32 = 1 << 15;
/// How many literals come first: 0 to 2.
const COUNT: u32 = 12;

/// So many entries without a match are taken between refills.
const GROUP: usize = 3;
/// What one round puts out at most, and the bytes that copying writes too much.
const ROOM: usize = 2 * (GROUP + 1) + MAX_MATCH + SLACK;

/// The code of literals and lengths, by pairs.
#[derive(Debug, Clone)]
pub(super) struct Pairs([u32; 1 << INDEX]);

impl Pairs {
    pub fn new() -> Pairs {
        Pairs([OTHER; 1 << INDEX])
    }

    #[inline(always)]
    fn entry(&self, ahead: u64) -> u32 {
        self.0[(ahead & ((1 << INDEX) - 1)) as usize]
    }

    /// From the table of single symbols, which is indexed by as many bits. `shortest`: the
    /// length of the shortest code.
    pub fn build(&mut self, symbols: &[u32], shortest: u32) {
        let Some(symbols) = symbols.first_chunk::<{ 1 << INDEX }>() else { return };
        // What comes after a literal's code, by the bits that are left for it; a 1 before
        // them tells how many they are.
        let mut seconds = [0; 1 << INDEX];
        for left in shortest..=INDEX.saturating_sub(shortest) {
            let places = &mut seconds[1 << left..2 << left];
            for (place, &symbol) in places.iter_mut().zip(symbols) {
                *place = second(symbol, left);
            }
        }
        for (index, (place, &symbol)) in self.0.iter_mut().zip(symbols).enumerate() {
            let (entry, left) = first(symbol);
            *place = entry + seconds[(1 << INDEX | index) >> (INDEX - left) & (seconds.len() - 1)];
        }
    }
}

/// The entry of a symbol, and how many bits are left for one after it.
#[inline(always)]
fn first(symbol: u32) -> (u32, u32) {
    let code = symbol & 15;
    let literal = symbol & 0xff_0000 | 1 << COUNT | code;
    let other = if symbol & SPECIAL == 0 { matched(symbol) } else { OTHER };
    if symbol & LITERAL == 0 { (other, 0) } else { (literal, INDEX - code) }
}

/// What a symbol adds to the entry of a literal before it: 0 where its code does not fit
/// into the bits that are left.
#[inline(always)]
fn second(symbol: u32, left: u32) -> u32 {
    let (entry, length) = if symbol & LITERAL != 0 {
        (symbol << 8 & 0xff00_0000 | 1 << COUNT | symbol & 15, symbol & 15)
    } else {
        // Its code's length is there twice, so the first one's is added to both.
        (matched(symbol) + ((INDEX - left) << 8), symbol >> 8 & 15)
    };
    let is_one = symbol & (LITERAL | SPECIAL) != SPECIAL;
    if is_one && length <= left { entry } else { 0 }
}

/// The entry of a match alone.
#[inline(always)]
fn matched(symbol: u32) -> u32 {
    (symbol >> 16).wrapping_sub(3) << 24 | MATCH | symbol & 0xfff
}

/// Takes symbols as long as neither end is near.
#[inline(always)]
pub(super) fn run<H: History>(
    tables: &Tables,
    place: &mut Bits<'_>,
    output: &mut Output<'_, H>,
) -> Result<Option<Ended>, &'static str> {
    let mut ahead = Ahead::new(place);
    let mut at = output.at;
    let out = &mut output.out[..output.limit + SLACK];
    let mut ended = Ok(None);
    if at + ROOM > out.len() || !ahead.refill() {
        return ended;
    }
    let mut entry = tables.pairs.entry(ahead.bits);
    'symbols: while at + ROOM <= out.len() {
        if entry & MATCH == 0 {
            if entry & OTHER == 0 {
                for _ in 0..GROUP {
                    put(out, &mut at, entry);
                    ahead.consume(entry & 63);
                    entry = tables.pairs.entry(ahead.bits);
                    if entry & (MATCH | OTHER) != 0 {
                        break;
                    }
                }
                if !ahead.refill() {
                    break;
                }
                if entry & MATCH == 0 {
                    continue;
                }
            } else {
                let mut symbol = tables.literal(ahead.bits);
                if symbol & (LITERAL | SPECIAL | SUBTABLE) == SPECIAL | SUBTABLE {
                    ahead.consume(symbol & 255);
                    symbol = tables.literal_below(symbol, ahead.bits);
                }
                if symbol & LITERAL != 0 {
                    out[at] = (symbol >> 16) as u8;
                    at += 1;
                    ahead.consume(symbol & 255);
                    entry = tables.pairs.entry(ahead.bits);
                    if ahead.refill() {
                        continue;
                    }
                    break;
                }
                if symbol & SPECIAL != 0 {
                    ended = if symbol & END_OF_BLOCK == 0 {
                        Err(NO_SYMBOL)
                    } else {
                        ahead.consume(symbol & 255);
                        Ok(Some(Ended::Block))
                    };
                    break 'symbols;
                }
                entry = matched(symbol);
            }
        }
        put(out, &mut at, entry);
        // At most 15 + 5 + 15 + 13 bits.
        let all = ahead.bits & ((1 << (entry & 63)) - 1);
        let length = (entry >> 24) as usize + 3 + (all >> (entry >> 8 & 15)) as usize;
        ahead.consume(entry & 63);
        let Some(distance) = ahead.distance(tables) else {
            ended = Err(NO_DISTANCE);
            break;
        };
        // The next entry is on its way while bytes are copied, and does not wait for the
        // refill: of the 64 bits that the last one left, 48 are consumed at most.
        entry = tables.pairs.entry(ahead.bits);
        let has_more = ahead.refill();
        let from = at.wrapping_sub(distance);
        if from < output.guard
            && let Err(reason) = output.history.demand(out, at, from, length)
        {
            ended = Err(reason);
            break;
        }
        copy_match(out, at, distance, length);
        at += length;
        if !has_more {
            break;
        }
    }
    output.at = at;
    ahead.leave(place);
    ended
}

/// Puts out the literals of an entry; what is none is overwritten.
#[inline(always)]
fn put(out: &mut [u8], at: &mut usize, entry: u32) {
    if let Some(place) = out[*at..].first_chunk_mut() {
        *place = ((entry >> 16) as u16).to_le_bytes();
    }
    *at += (entry >> COUNT & 3) as usize;
}

#[cfg(test)]
mod tests {
    use super::super::header::Kind;
    use super::super::tests::{Random, deflate, samples};
    use super::super::{Bits, header};
    use super::*;

    /// The literals and the length that an entry stands for, and how many bits they have.
    fn of_pair(entry: u32, ahead: u64) -> (Vec<u8>, Option<usize>, u32) {
        let literals = [(entry >> 16) as u8, (entry >> 24) as u8];
        let count = (entry >> COUNT & 3) as usize;
        let all = ahead & ((1 << (entry & 63)) - 1);
        let length = (entry >> 24) as usize + 3 + (all >> (entry >> 8 & 15)) as usize;
        (literals[..count].to_vec(), (entry & MATCH != 0).then_some(length), entry & 63)
    }

    /// The same, found symbol by symbol.
    fn of_symbols(tables: &Tables, mut ahead: u64, entry: u32) -> (Vec<u8>, Option<usize>, u32) {
        let (mut literals, mut consumed) = (Vec::new(), 0);
        for _ in 0..entry >> COUNT & 3 {
            let symbol = tables.literal(ahead);
            assert_ne!(symbol & LITERAL, 0);
            literals.push((symbol >> 16) as u8);
            ahead >>= symbol & 63;
            consumed += symbol & 255;
        }
        let symbol = tables.literal(ahead);
        let length = (entry & MATCH != 0).then(|| {
            assert_eq!(symbol & (LITERAL | SPECIAL), 0);
            consumed += symbol & 255;
            let all = ahead & ((1 << (symbol & 63)) - 1);
            (symbol >> 16) as usize + (all >> (symbol >> 8 & 15)) as usize
        });
        (literals, length, consumed)
    }

    #[test]
    fn pairs_are_what_symbols_are() {
        let mut random = Random(9);
        let mut kinds = [0; 6];
        for data in samples() {
            let stream = deflate(&data, 6, zlib_rs::Strategy::Default);
            let mut tables = Tables::new();
            let mut bits = Bits::at(&stream, 0);
            let kind = header::read(&mut bits, &mut tables).expect("a header").1;
            if !matches!(kind, Kind::Coded) {
                continue;
            }
            tables.pairs.build(&tables.literals, 1);
            for index in 0..1 << INDEX {
                let ahead = (random.next() as u64) << INDEX | index;
                let entry = tables.pairs.entry(ahead);
                let symbol = tables.literal(ahead);
                let is_other = symbol & (LITERAL | SPECIAL) == SPECIAL;
                assert_eq!(entry & OTHER != 0, is_other);
                if !is_other {
                    assert_eq!(of_pair(entry, ahead), of_symbols(&tables, ahead, entry));
                    kinds[(entry >> COUNT & 7) as usize] += 1;
                }
            }
        }
        // A literal, two; a match, one after a literal.
        let [_, one, two, _, alone, after] = kinds;
        assert!([one, two, alone, after].iter().all(|&count| count > 100), "{kinds:?}");
    }
}
