//! Huffman tables, made for decoding: a symbol with its value, and the next one with its value
//! or the end of the block or both, in one look-up (T.81 F.2.2.1, F.2.2.3). Knows bits, not
//! blocks.
//!
//! ```text
//! bits ahead, left aligned:  code | extra bits | code | extra bits | code of the end | …
//!                            └───┘ the look-up sees the code
//!                            └─ and as much of this as are ten bits ──────────┘
//! ```
//! An entry says how many bits it is about, how far it leads in the block, and where in
//! [`VALUES`] the values lie that it puts there, to be found with the extra bits. Tables are
//! small, for they and the coefficients share the first cache. A code that does not fit is
//! looked up in a second table.
//!
//! Keyframes bring their own tables, so making one is cheap: each code's entries lie side
//! by side, and are filled in the order of the codes.

use crate::tables::HuffmanSpec;
use crate::values::{
    MAX_SIZE, MAX_SIZE_BEFORE_END, MAX_SIZE_OF_PAIR, VALUES, constant, extend, pair, row_of_size,
};

/// How many bits a look-up sees.
pub(crate) const LOOKUP_BITS: u32 = 10;

/// Most bits that an entry is about.
pub(crate) const MAX_LENGTH: u32 = LOOKUP_BITS + MAX_SIZE;

/// How far two values that are looked up together may lead: as far as one can.
const MAX_ADVANCE: u8 = 16;

/// What the end of the block adds to the advance of the value before it.
pub(crate) const END_AFTER_VALUE: u8 = 80;

/// How far the end of a block advances that stands alone.
pub(crate) const END_ALONE: u8 = 160;

/// What a symbol stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Class {
    /// The size of a DC difference.
    Dc,
    /// A run of zeros and the size of the value after it.
    Ac,
}

/// One symbol, its value still to be computed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Symbol {
    /// Bits of its code.
    code_length: u32,
    /// Bits after its code, from 0 to 15.
    size: u32,
    /// How far it leads in the block, as [`Entry::noisy_advance`].
    pub advance: u8,
}

impl Symbol {
    const NONE: Symbol = Symbol { code_length: 0, size: 0, advance: 0 };

    /// The symbol of this code; `None` for symbols that sequential coding does not have.
    fn new(symbol: u8, code_length: u32, class: Class) -> Option<Symbol> {
        let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
        let advance = match (class, run, size) {
            (Class::Dc, 0, _) => 1,
            (Class::Ac, 0, 0) => END_ALONE,
            // ZRL, 16 zeros; its value is a zero too.
            (Class::Ac, 15, 0) => 16,
            (Class::Dc, ..) | (Class::Ac, _, 0) => return None,
            (Class::Ac, ..) => run as u8 + 1,
        };
        Some(Symbol { code_length, size, advance })
    }

    /// The value that the bits after the code stand for (T.81 F.2.2.1, EXTEND), 0 if there
    /// are none. `ahead`: the bits, left aligned, beginning with the code.
    #[inline(always)]
    pub(crate) fn value(self, ahead: u64) -> i16 {
        let extra = ahead << (self.code_length & 63);
        let bits = ((extra >> 1) >> (63 - (self.size & 15))) as i32;
        extend(bits, self.size & 15) as i16
    }

    /// Bits of the code and its extra bits: at most 31.
    #[inline(always)]
    pub(crate) fn length(self) -> u32 {
        self.code_length + self.size
    }
}

/// In an [`Entry`]: the block ends there.
pub(crate) const ENDS_BLOCK: u32 = 1 << 7;

/// [`ENDS_BLOCK`], if who advances so far ends the block.
fn end_bit(advance: u8) -> u32 {
    if advance > END_AFTER_VALUE { ENDS_BLOCK } else { 0 }
}

/// What a look-up finds.
///
/// bits 0–5: how many bits it is about; bit 7: whether the block ends there; 8–15: how far
/// it leads in the block; 16–23: the row of [`VALUES`] with the values that it puts there;
/// 24–31: 0 less how far the last value is from the first one.
///
/// Where bits 0–5 are 0, the value still has to be computed: bits 16–20 are the length of its
/// code (0 if that is longer than the look-up), 24–29 are 63 less its size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(transparent)]
pub(crate) struct Entry(u32);

impl Entry {
    pub(crate) const NONE: Entry = Entry(0);

    fn new(length: u32, advance: u8, row: u8, gap: u8) -> Entry {
        let bytes = [0, advance, row, gap.wrapping_neg()];
        Entry(length | end_bit(advance) | u32::from_le_bytes(bytes))
    }

    fn of_symbol(symbol: Symbol) -> Entry {
        let Symbol { code_length, size, advance } = symbol;
        Entry(end_bit(advance) | u32::from(advance) << 8 | code_length << 16 | (63 - size) << 24)
    }

    /// The symbol whose value is to be computed; `None` if this is no code.
    fn symbol(self) -> Option<Symbol> {
        let [_, advance, code_length, size] = self.0.to_le_bytes();
        let (code_length, size) = (u32::from(code_length), 63_u32.wrapping_sub(size.into()));
        (code_length > 0).then_some(Symbol { code_length, size, advance })
    }

    /// How many bits it is about, in the lowest six bits; what is above them is noise.
    #[inline(always)]
    pub(crate) fn noisy_length(self) -> u32 {
        self.0
    }

    /// Whether its value needs no computing.
    #[inline(always)]
    pub(crate) fn is_found(self) -> bool {
        self.0 & 63 != 0
    }

    /// How far it leads in the block: past its value, and [`END_AFTER_VALUE`] or
    /// [`END_ALONE`] more where the block ends.
    #[inline(always)]
    pub(crate) fn advance(self) -> u8 {
        (self.0 >> 8) as u8
    }

    /// How far the last value is from the first one, 0 if there is one only.
    #[inline(always)]
    pub(crate) fn gap(self) -> u8 {
        ((self.0 >> 24) as u8).wrapping_neg()
    }

    /// Its last value and its first one. `ahead`: the bits, left aligned, beginning with the
    /// code.
    #[inline(always)]
    pub(crate) fn values(self, ahead: u64) -> [i16; 2] {
        // The extra bits are the last ones of all that it is about.
        let bits = ahead.rotate_left(self.noisy_length() & 63) as u32;
        let [mask, first] = VALUES.rows[(self.0 >> 16) as usize & 127];
        VALUES.values[((bits & mask) + first) as usize]
    }
}

/// The codes of a table: whatever their length, one at a time.
#[derive(Clone, Copy)]
struct Codes {
    /// For each code length, the first 16-bit pattern that is beyond its codes.
    limits: [u32; 17],
    /// For each code length, what leads from a code to its symbol's place.
    offsets: [i32; 17],
    symbols: [u8; 256],
    class: Class,
}

impl Codes {
    const NONE: Codes =
        Codes { limits: [0; 17], offsets: [0; 17], symbols: [0; 256], class: Class::Dc };

    /// An error says what breaks the rules.
    fn new(spec: &HuffmanSpec, class: Class) -> Result<Codes, &'static str> {
        let mut codes = Codes { symbols: spec.symbols, class, ..Codes::NONE };
        let (mut code, mut place) = (0_u32, 0_u32);
        for length in 1..=16_u32 {
            let count = u32::from(spec.counts[length as usize - 1]);
            codes.offsets[length as usize] = place.cast_signed() - code.cast_signed();
            code += count;
            place += count;
            // No code consists of ones only (T.81 annex C): one pattern stays unused.
            if count > 0 && code >= 1 << length {
                return Err("there are more codes than bits can tell apart");
            }
            codes.limits[length as usize] = code << (16 - length);
            code <<= 1;
        }
        let used = spec.symbols.get(..place as usize).unwrap_or(&spec.symbols);
        if class == Class::Dc && used.iter().any(|&symbol| symbol > 15) {
            return Err("a DC difference has more than 15 bits");
        }
        Ok(codes)
    }

    /// The symbol ahead; `None` if no code begins like this.
    fn search(&self, ahead: u64) -> Option<Symbol> {
        let pattern = (ahead >> 48) as u32;
        let length = (1..=16).find(|&length| pattern < self.limits[length as usize])?;
        let code = (pattern >> (16 - length)).cast_signed();
        let place = usize::try_from(code + self.offsets[length as usize]).ok()?;
        Symbol::new(*self.symbols.get(place)?, length, self.class)
    }

    /// Calls `fill` for each code, in their order, with the symbol and the first of the
    /// patterns of 16 bits that begin with the code.
    fn for_each(&self, counts: &[u8; 16], mut fill: impl FnMut(Symbol, usize)) {
        let (mut pattern, mut place) = (0, 0);
        for length in 1..=16 {
            for _ in 0..counts[length as usize - 1] {
                let symbol = self.symbols[place & 255];
                if let Some(symbol) = Symbol::new(symbol, length, self.class) {
                    fill(symbol, pattern);
                }
                pattern += 1 << (16 - length);
                place += 1;
            }
        }
    }
}

/// The bits of the code of symbol 0, right aligned, and their number.
pub(crate) fn code_of_zero(spec: &HuffmanSpec) -> Option<(u32, u32)> {
    let (mut code, mut place) = (0_u32, 0_usize);
    for length in 1..=16_u32 {
        for _ in 0..spec.counts[length as usize - 1] {
            if spec.symbols[place & 255] == 0 {
                return Some((code, length));
            }
            code += 1;
            place += 1;
        }
        code <<= 1;
    }
    None
}

/// The entries of a table.
#[derive(Clone)]
#[repr(C, align(64))]
pub(crate) struct Lookup {
    /// By the bits ahead.
    entries: [Entry; 1 << LOOKUP_BITS],
    /// The 16 bits ahead that `long` begins with: all patterns from there on are in it, none
    /// if this is 2^16.
    pub long_start: u64,
    /// Codes that are longer than the look-up. Their values are to be computed.
    pub long: [Entry; MAX_LONG],
}

/// Most patterns of 16 bits that [`Lookup::long`] holds.
const MAX_LONG: usize = 1 << 11;

impl Lookup {
    const NONE: Lookup = Lookup {
        entries: [Entry::NONE; 1 << LOOKUP_BITS],
        long_start: 1 << 16,
        long: [Entry::NONE; MAX_LONG],
    };

    /// What is found for these bits.
    #[inline(always)]
    pub(crate) fn entry(&self, ahead: u64) -> Entry {
        self.entries[(ahead >> (64 - LOOKUP_BITS)) as usize]
    }

    /// What is found for a code that is longer than a look-up; [`Entry::NONE`] if the table
    /// does not hold it.
    fn long_entry(&self, ahead: u64) -> Entry {
        let place = (ahead >> 48).checked_sub(self.long_start);
        place.and_then(|place| self.long.get(place as usize)).copied().unwrap_or(Entry::NONE)
    }
}

/// A table ready for decoding.
pub(crate) struct Table {
    /// The code of symbol 0, right aligned, and its length: no difference, or the end of a
    /// block.
    pub zero: Option<(u32, u32)>,
    pub lookup: Box<Lookup>,
    codes: Codes,
}

impl Default for Table {
    fn default() -> Table {
        Table { zero: None, lookup: Box::new(Lookup::NONE), codes: Codes::NONE }
    }
}

impl Table {
    /// Makes it the table of this specification. `end`: the code of the end of a block, if
    /// it shall be read together with what comes before it. An error says what breaks the
    /// rules.
    pub(crate) fn build(
        &mut self,
        spec: &HuffmanSpec,
        class: Class,
        end: Option<(u32, u32)>,
    ) -> Result<(), &'static str> {
        self.codes = Codes::new(spec, class)?;
        self.zero = code_of_zero(spec);
        let Lookup { entries, long_start, long } = &mut *self.lookup;
        // Codes come in the order of their patterns, the longer ones later.
        *long_start = u64::from(self.codes.limits[LOOKUP_BITS as usize]);
        let long_count = (1 << 16) - *long_start as usize;
        let long = long.get_mut(..long_count).unwrap_or_else(|| {
            *long_start = 1 << 16;
            &mut []
        });
        entries.fill(Entry::NONE);
        long.fill(Entry::NONE);
        let (mut shorts, mut short_count) = ([(0, Symbol::NONE); 64], 0);
        self.codes.for_each(&spec.counts, |symbol, pattern| {
            let Symbol { code_length, size, advance } = symbol;
            let Some(left) = LOOKUP_BITS.checked_sub(code_length) else {
                if let Some(place) = pattern.checked_sub(*long_start as usize) {
                    let slots = &mut long[place..place + (1 << (16 - code_length))];
                    slots.fill(Entry::of_symbol(symbol));
                }
                return;
            };
            let first = pattern >> (16 - LOOKUP_BITS);
            let slots = &mut entries[first..first + (1 << left)];
            if size > MAX_SIZE {
                slots.fill(Entry::of_symbol(symbol));
                return;
            }
            slots.fill(Entry::new(code_length + size, advance, row_of_size(size), 0));
            if class == Class::Ac
                && (1..=MAX_SIZE_OF_PAIR).contains(&size)
                && let Some(short) = shorts.get_mut(short_count)
            {
                *short = (first >> left, symbol);
                short_count += 1;
            }
            if advance < END_AFTER_VALUE && size <= MAX_SIZE_BEFORE_END && size <= left {
                for (slots, bits) in slots.chunks_exact_mut(1 << (left - size)).zip(0..) {
                    let row = constant(extend(bits, size));
                    add_end(slots, end, (code_length + size, advance, row, 0));
                }
            }
        });
        let shorts = &shorts[..short_count];
        for first in shorts {
            // In the order of their lengths, so that no later one fits either.
            let room = LOOKUP_BITS.saturating_sub(first.1.length() + 1);
            for last in shorts.iter().take_while(|last| last.1.code_length <= room) {
                join(entries, first, last, end);
            }
        }
        Ok(())
    }

    /// The one symbol ahead, without the end of the block after it; `entry` was looked up
    /// there and its value is to be computed, or it is [`Entry::NONE`]. `None` if no code
    /// begins like this.
    pub(crate) fn symbol(&self, entry: Entry, ahead: u64) -> Option<Symbol> {
        let entry = if entry == Entry::NONE { self.lookup.long_entry(ahead) } else { entry };
        entry.symbol().or_else(|| self.codes.search(ahead))
    }
}

/// Makes entries of two values, where both fit: of these codes, right aligned, and symbols.
/// `end`: the code of the end of a block, read together with them where that fits, too.
fn join(
    entries: &mut [Entry; 1 << LOOKUP_BITS],
    &(first_code, first): &(usize, Symbol),
    &(last_code, last): &(usize, Symbol),
    end: Option<(u32, u32)>,
) {
    let length = first.length() + last.length();
    let advance = first.advance + last.advance;
    let Some(left) = LOOKUP_BITS.checked_sub(length).filter(|_| advance <= MAX_ADVANCE) else {
        return;
    };
    for first_bits in 0..1 << first.size {
        for last_bits in 0..1 << last.size {
            let row = pair(extend(first_bits, first.size), extend(last_bits, last.size));
            let codes = first_code << first.size | first_bits as usize;
            let codes = (codes << (last.length() - last.size) | last_code) << last.size;
            let start = (codes | last_bits as usize) << left;
            let slots = &mut entries[start..start + (1 << left)];
            slots.fill(Entry::new(length, advance, row, last.advance));
            add_end(slots, end, (length, advance, row, last.advance));
        }
    }
}

/// Of the slots of an entry, makes those where this end of the block follows one with it.
fn add_end(
    slots: &mut [Entry],
    end: Option<(u32, u32)>,
    (length, advance, row, gap): (u32, u8, u8, u8),
) {
    let left = slots.len().trailing_zeros();
    if let Some((code, more)) = end
        && let Some(rest) = left.checked_sub(more)
    {
        let first = (code << rest) as usize;
        let entry = Entry::new(length + more, advance + END_AFTER_VALUE, row, gap);
        slots[first..first + (1 << rest)].fill(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::standard;

    /// T.81 F.2.2.3 and F.2.2.1 by the letter: symbol, bits of code and value, value.
    fn by_the_letter(spec: &HuffmanSpec, ahead: u64) -> Option<(u8, u32, i16)> {
        let (mut first, mut place) = (0_u64, 0_usize);
        for length in 1..=16_u32 {
            let code = ahead >> (64 - length);
            let count = u64::from(spec.counts[length as usize - 1]);
            if code >= first && code < first + count {
                let symbol = spec.symbols[place + (code - first) as usize];
                let size = u32::from(symbol & 15);
                let bits = if size == 0 { 0 } else { ahead << length >> (64 - size) } as i32;
                let half = if size == 0 { 0 } else { 1 << (size - 1) };
                let value = if bits < half { bits - (1 << size) + 1 } else { bits };
                return Some((symbol, length + size, value as i16));
            }
            place += count as usize;
            first = (first + count) << 1;
        }
        None
    }

    /// A table as optimizing encoders write them: one symbol has by far the shortest code,
    /// and there are codes of all lengths.
    fn lopsided(symbols: impl IntoIterator<Item = u8>) -> HuffmanSpec {
        let symbols: Vec<u8> = symbols.into_iter().collect();
        let mut counts = [1; 16];
        counts[15] = (symbols.len() - 15).min(1) as u8;
        HuffmanSpec::new(counts, &symbols)
    }

    /// More codes longer than a look-up than the second table has room for.
    fn only_long() -> HuffmanSpec {
        let mut counts = [0; 16];
        counts[10] = 160;
        let symbols: Vec<u8> = (0..160).map(|code| (code / 10) << 4 | (code % 10 + 1)).collect();
        HuffmanSpec::new(counts, &symbols)
    }

    fn for_each_pattern(mut check: impl FnMut(u64)) {
        for high in 0..=0xffff_u64 {
            for low in [0, 0x1234_5678_9abc, 0xffff_ffff_ffff, 0x8000_0000_0000] {
                check(high << 48 | low);
            }
        }
    }

    /// Checks all patterns of a table; returns how many entries need no computing, how many of
    /// these have the end of the block, how many values are to be computed, how many codes are
    /// longer than a look-up, and how many entries have two values.
    fn check(
        table: &Table,
        spec: &HuffmanSpec,
        (class, end_spec): (Class, Option<&HuffmanSpec>),
    ) -> [usize; 5] {
        let advance = |symbol: u8| match (class, symbol) {
            (Class::Dc, _) => 1,
            (Class::Ac, 0) => END_ALONE,
            _ => (symbol >> 4) + 1,
        };
        let is_known =
            |symbol: u8| class == Class::Dc || symbol & 15 > 0 || symbol == 0 || symbol == 0xf0;
        let mut kinds = [0; 5];
        for_each_pattern(|ahead| {
            let expected = by_the_letter(spec, ahead).filter(|&(symbol, ..)| is_known(symbol));
            let expected = expected.map(|(symbol, length, value)| (advance(symbol), length, value));
            let entry = table.lookup.entry(ahead);
            for given in [Entry::NONE, entry] {
                if given == Entry::NONE || !given.is_found() {
                    let symbol = table.symbol(given, ahead);
                    let found =
                        symbol.map(|symbol| (symbol.advance, symbol.length(), symbol.value(ahead)));
                    assert_eq!(found, expected);
                }
            }
            if !entry.is_found() {
                kinds[2] += usize::from(entry != Entry::NONE);
                kinds[3] += usize::from(table.lookup.long_entry(ahead) != Entry::NONE);
                return;
            }
            kinds[0] += 1;
            let (mut advance, mut length, value) = expected.expect("a code");
            let mut values = [value; 2];
            if entry.gap() > 0 {
                kinds[4] += 1;
                let (symbol, more, value) = by_the_letter(spec, ahead << length).expect("a code");
                assert_eq!(entry.gap(), (symbol >> 4) + 1);
                (advance, length) = (advance + entry.gap(), length + more);
                values[0] = value;
            }
            let ends = entry.noisy_length() & ENDS_BLOCK != 0;
            if ends && advance != END_ALONE {
                kinds[1] += 1;
                let end_spec = end_spec.expect("ends are read, too");
                let (symbol, more, _) = by_the_letter(end_spec, ahead << length).expect("a code");
                assert_eq!(symbol, 0);
                (advance, length) = (advance + END_AFTER_VALUE, length + more);
            }
            assert_eq!(ends, advance > END_AFTER_VALUE);
            let found = (entry.advance(), entry.noisy_length() & 63, entry.values(ahead));
            assert_eq!(found, (advance, length, values));
        });
        kinds
    }

    #[test]
    fn dc_patterns_decode_as_by_the_letter() {
        let mut sums = [0; 5];
        for (spec, ac_spec) in [
            (standard::DC_LUMINANCE, standard::AC_LUMINANCE),
            (standard::DC_CHROMINANCE, standard::AC_CHROMINANCE),
            (lopsided(0..16), lopsided((0..16).map(|symbol| symbol * 17))),
        ] {
            let mut table = Table::default();
            table.build(&spec, Class::Dc, code_of_zero(&ac_spec)).expect("a good table");
            assert_eq!(table.zero, code_of_zero(&spec));
            let kinds = check(&table, &spec, (Class::Dc, Some(&ac_spec)));
            sums.iter_mut().zip(kinds).for_each(|(sum, count)| *sum += count);
        }
        assert!(sums[0] > 500_000 && sums[1] > 50_000 && sums[2] > 1_000, "{sums:?}");
        assert!(sums[3] > 100, "{sums:?}");
    }

    #[test]
    fn ac_patterns_decode_as_by_the_letter() {
        let mut sums = [0; 5];
        for spec in [
            standard::AC_LUMINANCE,
            standard::AC_CHROMINANCE,
            lopsided([1, 0, 0xf0, 2, 0x11, 0xf1].into_iter().chain(0x21..0x2a)),
            lopsided([0, 1, 0xf0, 0x51, 0x0a, 0x10].into_iter().chain(0x61..0x6b)),
            only_long(),
        ] {
            let mut table = Table::default();
            for end in [code_of_zero(&spec), None] {
                table.build(&spec, Class::Ac, end).expect("a good table");
                let kinds = check(&table, &spec, (Class::Ac, end.map(|_| &spec)));
                sums.iter_mut().zip(kinds).for_each(|(sum, count)| *sum += count);
            }
        }
        assert!(sums[0] > 500_000 && sums[1] > 20_000 && sums[2] > 1_000, "{sums:?}");
        assert!(sums[3] > 5_000 && sums[4] > 50_000, "{sums:?}");
    }

    #[test]
    fn codes_that_do_not_fit_are_refused() {
        let mut table = Table::default();
        for counts in [[3, 0], [2, 0], [1, 2], [0, 4], [0, 5]] {
            let mut all = [0; 16];
            all[..2].copy_from_slice(&counts);
            let spec = HuffmanSpec::new(all, &[0; 16]);
            for class in [Class::Ac, Class::Dc] {
                assert!(table.build(&spec, class, None).is_err(), "{counts:?}");
            }
        }
        let mut last = [0; 16];
        last[15] = 1;
        assert!(table.build(&HuffmanSpec::new(last, &[16]), Class::Dc, None).is_err());
    }

    #[test]
    fn the_code_of_zero_is_found() {
        assert_eq!(code_of_zero(&standard::AC_LUMINANCE), Some((0b1010, 4)));
        assert_eq!(code_of_zero(&standard::DC_CHROMINANCE), Some((0b00, 2)));
        assert_eq!(code_of_zero(&HuffmanSpec::new([0; 16], &[0])), None);
    }
}
