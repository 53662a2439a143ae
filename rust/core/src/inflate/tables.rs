//! Huffman codes of deflate as look-up tables: canonical code lengths in, entries
//! out (RFC 1951, section 3.2.2). Reads no bits.
//!
//! ```text
//! literal   1....... ........ byte     ........ length of the code
//! match     0      base (9 or 15 bits) code length | code length + extra bits
//! others    0 ...  start (subtable)    1 kind bits | length of the code so far
//!           31     30           16     15       8   7                     0
//! ```
//! Bits 0 to 7 say how much is consumed. A code longer than the root table's index
//! leads to a subtable behind it.

use super::matches::Pairs;
use super::runs::Runs;

/// The root table of literals and lengths is indexed by so many bits.
pub(super) const LITERAL_BITS: u32 = 11;
pub(super) const DISTANCE_BITS: u32 = 9;
const LITERAL_ENTRIES: usize = 4096;
const DISTANCE_ENTRIES: usize = 1024;

pub(super) const LITERAL: u32 = 1 << 31;
/// Neither a literal nor a match.
pub(super) const SPECIAL: u32 = 1 << 15;
pub(super) const SUBTABLE: u32 = 1 << 14;
pub(super) const END_OF_BLOCK: u32 = 1 << 13;
/// Bits that no code begins with, or a symbol that RFC 1951 leaves out.
const INVALID: u32 = SPECIAL;

const MAX_LENGTH: usize = 15;
pub(super) const LITERAL_SYMBOLS: usize = 288;
pub(super) const DISTANCE_SYMBOLS: usize = 32;

#[rustfmt::skip]
/// What a match's length symbols 257 to 285 mean: base and extra bits (3.2.5).
const LENGTHS: [(u16, u8); 29] = [
    (3, 0), (4, 0), (5, 0), (6, 0), (7, 0), (8, 0), (9, 0), (10, 0), (11, 1), (13, 1),
    (15, 1), (17, 1), (19, 2), (23, 2), (27, 2), (31, 2), (35, 3), (43, 3), (51, 3), (59, 3),
    (67, 4), (83, 4), (99, 4), (115, 4), (131, 5), (163, 5), (195, 5), (227, 5), (258, 0),
];
#[rustfmt::skip]
const DISTANCES: [(u16, u8); 30] = [
    (1, 0), (2, 0), (3, 0), (4, 0), (5, 1), (7, 1), (9, 2), (13, 2), (17, 3), (25, 3),
    (33, 4), (49, 4), (65, 5), (97, 5), (129, 6), (193, 6), (257, 7), (385, 7), (513, 8),
    (769, 8), (1025, 9), (1537, 9), (2049, 10), (3073, 10), (4097, 11), (6145, 11),
    (8193, 12), (12289, 12), (16385, 13), (24577, 13),
];

/// Code lengths that make no code: too many codes, or not all bits are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoCode;

/// The two codes of a block.
#[derive(Debug, Clone)]
pub(super) struct Tables {
    pub runs: Runs,
    /// Of blocks whose runs are not worth it.
    pub pairs: Pairs,
    pub literals: [u32; LITERAL_ENTRIES],
    pub distances: [u32; DISTANCE_ENTRIES],
}

impl Tables {
    pub fn new() -> Box<Tables> {
        Box::new(Tables {
            runs: Runs::new(),
            pairs: Pairs::new(),
            literals: [INVALID; LITERAL_ENTRIES],
            distances: [INVALID; DISTANCE_ENTRIES],
        })
    }

    /// From the code lengths of a dynamic block.
    pub fn build(&mut self, literals: &[u8], distances: &[u8]) -> Result<(), NoCode> {
        let mut sorted = [0; LITERAL_SYMBOLS];
        let (counts, symbols) = sort(literals, &mut sorted);
        build(&mut self.literals, LITERAL_BITS, &counts, symbols, &LITERAL_VALUES)?;
        self.runs.build(&counts, symbols);
        if !self.runs.are_worth_it() {
            let shortest = counts.iter().position(|&count| count > 0).unwrap_or(1);
            self.pairs.build(&self.literals, shortest as u32);
        }
        let (counts, symbols) = sort(distances, &mut sorted);
        build(&mut self.distances, DISTANCE_BITS, &counts, symbols, &DISTANCE_VALUES)
    }

    /// The code that needs no description (3.2.6).
    pub fn build_fixed(&mut self) {
        let mut lengths = [8; LITERAL_SYMBOLS];
        lengths[144..256].fill(9);
        lengths[256..280].fill(7);
        let built = self.build(&lengths, &[5; DISTANCE_SYMBOLS]);
        debug_assert_eq!(built, Ok(()));
    }

    /// The entry that the low bits of `ahead` begin with, and its subtable's not.
    #[inline(always)]
    pub fn literal(&self, ahead: u64) -> u32 {
        self.literals[(ahead & ((1 << LITERAL_BITS) - 1)) as usize]
    }

    #[inline(always)]
    pub fn distance(&self, ahead: u64) -> u32 {
        self.distances[(ahead & ((1 << DISTANCE_BITS) - 1)) as usize]
    }

    /// The entry in the subtable that `entry` leads to; its bits are consumed already.
    #[inline(always)]
    pub fn literal_below(&self, entry: u32, ahead: u64) -> u32 {
        self.literals[below(entry, ahead) & (LITERAL_ENTRIES - 1)]
    }

    #[inline(always)]
    pub fn distance_below(&self, entry: u32, ahead: u64) -> u32 {
        self.distances[below(entry, ahead) & (DISTANCE_ENTRIES - 1)]
    }
}

#[inline(always)]
fn below(entry: u32, ahead: u64) -> usize {
    let bits = entry >> 8 & 15;
    (entry >> 16) as usize + (ahead & ((1 << bits) - 1)) as usize
}

/// The code of the code lengths (3.2.7): a symbol and its length in an entry.
pub(super) fn build_code_lengths(lengths: &[u8; 19]) -> Result<[u32; 128], NoCode> {
    const VALUES: [u32; 19] = {
        let mut values = [0; 19];
        let mut symbol = 0;
        while symbol < 19 {
            values[symbol as usize] = LITERAL | symbol << 16;
            symbol += 1;
        }
        values
    };
    let used: u32 = lengths.iter().filter(|&&length| length > 0).map(|&length| 128 >> length).sum();
    if used != 128 {
        return Err(NoCode);
    }
    let mut table = [INVALID; 128];
    let mut sorted = [0; LITERAL_SYMBOLS];
    let (counts, symbols) = sort(lengths, &mut sorted);
    build(&mut table, 7, &counts, symbols, &VALUES)?;
    Ok(table)
}

/// What an entry holds beside the length of the code, by symbol.
const LITERAL_VALUES: [u32; LITERAL_SYMBOLS] = {
    let mut values = [INVALID; LITERAL_SYMBOLS];
    let mut symbol = 0;
    while symbol < 256 {
        values[symbol as usize] = LITERAL | symbol << 16;
        symbol += 1;
    }
    values[256] = SPECIAL | END_OF_BLOCK;
    let mut index = 0;
    while index < LENGTHS.len() {
        values[257 + index] = matched(LENGTHS[index]);
        index += 1;
    }
    values
};

const DISTANCE_VALUES: [u32; DISTANCE_SYMBOLS] = {
    let mut values = [INVALID; DISTANCE_SYMBOLS];
    let mut index = 0;
    while index < DISTANCES.len() {
        values[index] = matched(DISTANCES[index]);
        index += 1;
    }
    values
};

#[allow(clippy::cast_lossless, reason = "From is not const")]
const fn matched((base, extra): (u16, u8)) -> u32 {
    (base as u32) << 16 | extra as u32
}

/// An entry: a symbol's value with its code's length (in this table) put in.
#[inline(always)]
fn entry(value: u32, length: u32) -> u32 {
    let is_match = value & (LITERAL | SPECIAL) == 0;
    value + length + if is_match { length << 8 } else { 0 }
}

/// Fills a root table of `1 << root_bits` entries and the subtables behind it.
///
/// Deflate reads a code from its most significant bit on, but numbers' bits from the
/// least significant on, so codes are kept reversed. The table grows with the length:
/// what is filled for codes of up to n bits is doubled for n + 1.
fn build(
    table: &mut [u32],
    root_bits: u32,
    counts: &Counts,
    symbols: &[u16],
    values: &[u32],
) -> Result<(), NoCode> {
    check(counts, table, root_bits)?;
    let mut symbols = symbols.iter().map(|&symbol| values[usize::from(symbol)]);
    let mut code = 0_u32;
    for length in 1..=root_bits {
        let half = 1_usize << (length - 1);
        table.copy_within(..half, half);
        for value in symbols.by_ref().take(usize::from(counts[length as usize])) {
            table[code as usize] = entry(value, length);
            code = next_code(code, length);
        }
    }
    let mut start = 1_usize << root_bits;
    let (mut prefix, mut bits) = (u32::MAX, 0);
    for length in root_bits + 1..=15 {
        for left in (1..=counts[length as usize]).rev() {
            let Some(value) = symbols.next() else { return Err(NoCode) };
            let below = code & ((1 << root_bits) - 1);
            if below != prefix {
                start += if prefix == u32::MAX { 0 } else { 1 << bits };
                prefix = below;
                bits = subtable_bits(counts, length, root_bits, left);
                let kind = SPECIAL | SUBTABLE | bits << 8;
                table[prefix as usize] = (start as u32) << 16 | kind | root_bits;
            }
            let mut at = (code >> root_bits) as usize;
            while at < 1 << bits {
                table[start + at] = entry(value, length - root_bits);
                at += 1 << (length - root_bits);
            }
            code = next_code(code, length);
        }
    }
    Ok(())
}

/// Whether the lengths make a complete code, or one of those that are let pass
/// without being it: no symbol at all, or one of one bit.
fn check(counts: &Counts, table: &mut [u32], root_bits: u32) -> Result<(), NoCode> {
    let mut left = 1_i32;
    for &count in &counts[1..] {
        left = left * 2 - i32::from(count);
        if left < 0 {
            return Err(NoCode);
        }
    }
    let symbols: u16 = counts.iter().sum();
    if left > 0 {
        if symbols > 1 || symbols != counts[1] {
            return Err(NoCode);
        }
        table[..1 << root_bits].fill(INVALID | 1);
    }
    Ok(())
}

/// How many symbols have a code of each length; none is counted as of length 0.
pub(super) type Counts = [u16; MAX_LENGTH + 1];

/// The symbols that have a code, by its length and then by themselves.
///
/// Most codes have one of a few lengths, and each would wait for the count of the one
/// before. So they are counted and placed in four parts at once.
fn sort<'a>(lengths: &[u8], sorted: &'a mut [u16; LITERAL_SYMBOLS]) -> (Counts, &'a [u16]) {
    const PARTS: usize = 4;
    let mut padded = [0; LITERAL_SYMBOLS];
    padded[..lengths.len()].copy_from_slice(lengths);
    let step = lengths.len().div_ceil(PARTS);
    let length_of = |symbol: usize| usize::from(padded[symbol] & 15);
    let mut places = [[0_u16; MAX_LENGTH + 1]; PARTS];
    for at in 0..step {
        for (part, places) in places.iter_mut().enumerate() {
            places[length_of(part * step + at)] += 1;
        }
    }
    // Symbols without a code come last.
    let mut counts = [0; MAX_LENGTH + 1];
    let mut all = 0;
    for length in (1..=MAX_LENGTH).chain([0]) {
        let before = all;
        for places in &mut places {
            all += std::mem::replace(&mut places[length], all);
        }
        counts[length] = all - before;
    }
    for at in 0..step {
        for (part, places) in places.iter_mut().enumerate() {
            let symbol = part * step + at;
            let place = &mut places[length_of(symbol)];
            sorted[usize::from(*place)] = symbol as u16;
            *place += 1;
        }
    }
    let coded = all - counts[0];
    counts[0] = 0;
    (counts, &sorted[..usize::from(coded)])
}

/// How many bits index the subtable whose first code has this length, when `left`
/// codes of it are left, this one included.
fn subtable_bits(counts: &Counts, length: u32, root_bits: u32, left: u16) -> u32 {
    let mut bits = length - root_bits;
    let mut used = u32::from(left);
    while used < 1 << bits && bits + root_bits < 15 {
        bits += 1;
        used = used * 2 + u32::from(counts[(bits + root_bits) as usize]);
    }
    bits
}

/// The reversed code after `code`: the highest zero among its bits becomes one, the
/// ones above it zeros.
#[inline(always)]
fn next_code(code: u32, length: u32) -> u32 {
    let zeros = !code & ((1 << length) - 1);
    if zeros == 0 {
        return 0;
    }
    let highest = 1 << zeros.ilog2();
    code & (highest - 1) | highest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The entry for the bits `ahead`, found through the subtable.
    fn look_up(tables: &Tables, ahead: u64) -> (u32, u32) {
        let entry = tables.literal(ahead);
        if entry & (SPECIAL | SUBTABLE) == SPECIAL | SUBTABLE {
            let consumed = entry & 255;
            let below = tables.literal_below(entry, ahead >> consumed);
            (below, consumed + (below & 255))
        } else {
            (entry, entry & 255)
        }
    }

    #[test]
    fn every_code_of_random_complete_lengths_finds_its_symbol() {
        let mut seed = 1_u64;
        let mut random = move || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as usize
        };
        for _ in 0..300 {
            // Splitting leaves of a tree at random keeps the code complete.
            let mut leaves = vec![0_u8];
            let wanted = 2 + random() % 255;
            while leaves.len() < wanted {
                let at = random() % leaves.len();
                if leaves[at] < 15 {
                    leaves[at] += 1;
                    let length = leaves[at];
                    leaves.insert(random() % (leaves.len() + 1), length);
                }
            }
            let mut tables = Tables::new();
            tables.build(&leaves, &[1]).expect("complete");
            let mut code = 0_u32;
            for length in 1..=15_u32 {
                code <<= 1;
                for (symbol, _) in
                    leaves.iter().enumerate().filter(|&(_, &l)| u32::from(l) == length)
                {
                    let reversed = u64::from(code.reverse_bits() >> (32 - length));
                    for above in [0, u64::MAX << length] {
                        let (entry, consumed) = look_up(&tables, reversed | above);
                        assert_eq!((consumed, entry >> 16 & 255), (length, symbol as u32));
                        assert_ne!(entry & LITERAL, 0);
                    }
                    code += 1;
                }
            }
        }
    }

    #[test]
    fn what_is_no_code_is_refused() {
        let mut tables = Tables::new();
        for wrong in [&[1, 1, 1][..], &[2, 2, 2], &[2], &[1, 2], &[15; 2]] {
            assert_eq!(tables.build(wrong, &[1]), Err(NoCode), "{wrong:?}");
            assert_eq!(tables.build(&[1, 1], wrong), Err(NoCode), "{wrong:?}");
        }
        for right in [&[1, 1][..], &[1], &[0, 0, 1], &[0, 0], &[], &[2, 2, 1]] {
            assert_eq!(tables.build(right, right), Ok(()), "{right:?}");
        }
    }
}
