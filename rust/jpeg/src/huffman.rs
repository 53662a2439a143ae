//! Huffman tables, made for decoding: several symbols with their values in one look-up
//! (T.81 F.2.2.1, F.2.2.3). Knows bits, not blocks.
//!
//! ```text
//! bits ahead, left aligned:  code | extra bits | code | extra bits | what follows
//!                            └───── one look-up, if it is that short ─────┘
//! ```
//! An entry says how many bits it is about, how far it leads in the block and which values
//! it puts there: one or two coefficients, or one and the end of the block. A value that
//! does not fit into the look-up is computed, a code that does not fit is searched by its
//! length, as T.81 F.2.2.3 does.
//!
//! Keyframes bring their own tables, so making one is cheap: each code's entries lie side
//! by side, and are filled in the order of the codes.

use crate::tables::HuffmanSpec;

/// How many bits a look-up in an AC table sees.
pub(crate) const AC_BITS: u32 = 11;

/// How many bits a look-up in a DC table sees.
pub(crate) const DC_BITS: u32 = 10;

/// How far an end-of-block symbol advances: out of every block.
pub(crate) const END_OF_BLOCK: u32 = 128;

/// Further than an end of block can lead: the entry has no values.
const NO_VALUES: u32 = 255;

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
    /// How many coefficients further it is.
    pub advance: u32,
}

impl Symbol {
    /// The symbol of this code; `None` for symbols that sequential coding does not have.
    fn new(symbol: u8, code_length: u32, class: Class) -> Option<Symbol> {
        let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
        let advance = match (class, run, size) {
            (Class::Dc, 0, _) => 0,
            (Class::Ac, 0, 0) => END_OF_BLOCK,
            // ZRL, 16 zeros; its value is a zero too.
            (Class::Ac, 15, 0) => 16,
            (Class::Dc, ..) | (Class::Ac, _, 0) => return None,
            (Class::Ac, ..) => run + 1,
        };
        Some(Symbol { code_length, size, advance })
    }

    /// Bits of the code and its extra bits: at most 31.
    #[inline(always)]
    pub(crate) fn length(self) -> u32 {
        self.code_length + self.size
    }

    /// The value that the extra bits stand for (T.81 F.2.2.1, EXTEND); 0 if there are none.
    /// `ahead`: the bits, left aligned, beginning with the code.
    #[inline(always)]
    pub(crate) fn value(self, ahead: u64) -> i16 {
        let extra = ahead << (self.code_length & 63);
        let bits = ((extra >> 1) >> (63 - (self.size & 15))) as i32;
        extend(bits, self.size & 15) as i16
    }
}

/// The value of these extra bits, so many of them: below zero if the first of them is 0.
#[inline(always)]
fn extend(bits: i32, size: u32) -> i32 {
    if bits < 1 << size >> 1 { bits - (1 << size) + 1 } else { bits }
}

/// What a look-up in an AC table finds.
///
/// bits 0–7: how many bits it is about; 8–15: how far it leads in the block (an end of the
/// block counts as [`END_OF_BLOCK`]); 16–23: how far its first value lies; 32–47: its first
/// value; 48–63: its last value, the first one again if there is no other.
///
/// Where bits 8–15 are [`NO_VALUES`], the entry has a symbol instead of values: its advance
/// in bits 16–23, its code's length in bits 32–39 (0 if the code is longer than the
/// look-up), its size in bits 40–47.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Entry(u64);

impl Entry {
    const NONE: Entry = Entry((NO_VALUES as u64) << 8);

    fn new(length: u32, both: u32, first: u32, values: [i16; 2]) -> Entry {
        let [first_value, last_value] = values.map(|value| u64::from(value.cast_unsigned()));
        Entry(
            u64::from(length)
                | u64::from(both) << 8
                | u64::from(first) << 16
                | first_value << 32
                | last_value << 48,
        )
    }

    fn of_symbol(symbol: Symbol) -> Entry {
        let code = u64::from(symbol.code_length) << 32 | u64::from(symbol.size) << 40;
        Entry(Entry::NONE.0 | u64::from(symbol.advance) << 16 | code)
    }

    /// This one, and right after it another one.
    fn and(self, second: Entry) -> Entry {
        let values = [self.first_value(), second.first_value()];
        let both = self.both() + second.both();
        Entry::new(self.length() + second.length(), both, self.first(), values)
    }

    /// How many bits it is about, in the lowest six bits; what is above them is noise.
    #[inline(always)]
    pub(crate) fn noisy_length(self) -> u32 {
        self.0 as u32
    }

    fn length(self) -> u32 {
        self.0 as u32 & 63
    }

    /// How many coefficients further its last value is.
    #[inline(always)]
    pub(crate) fn both(self) -> u32 {
        (self.0 >> 8) as u32 & 0xff
    }

    /// How many coefficients further its first value is.
    #[inline(always)]
    pub(crate) fn first(self) -> u32 {
        (self.0 >> 16) as u32 & 0xff
    }

    #[inline(always)]
    pub(crate) fn first_value(self) -> i16 {
        (self.0 >> 32) as i16
    }

    #[inline(always)]
    pub(crate) fn last_value(self) -> i16 {
        (self.0 >> 48) as i16
    }

    /// The symbol of an entry without values.
    #[inline(always)]
    fn symbol(self) -> Option<Symbol> {
        let code_length = (self.0 >> 32) as u32 & 0xff;
        let size = (self.0 >> 40) as u32 & 0xff;
        let is_symbol = self.both() == NO_VALUES && code_length > 0;
        is_symbol.then_some(Symbol { code_length, size, advance: self.first() })
    }
}

/// What a look-up in a DC table finds: the difference, and whether it is the block's only
/// coefficient.
///
/// bits 0–7: how many bits it is about, 0 if it is not in the look-up; bit 8: whether the
/// end of the block is part of it; 16–31: the difference.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct DcEntry(u32);

impl DcEntry {
    const ENDS: u32 = 1 << 8;

    /// How many bits it is about, in the lowest six bits; what is above them is noise.
    #[inline(always)]
    pub(crate) fn noisy_length(self) -> u32 {
        self.0
    }

    #[inline(always)]
    pub(crate) fn is_found(self) -> bool {
        self.0 & 63 != 0
    }

    #[inline(always)]
    pub(crate) fn ends_block(self) -> bool {
        self.0 & DcEntry::ENDS != 0
    }

    #[inline(always)]
    pub(crate) fn difference(self) -> i16 {
        (self.0 >> 16) as i16
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
    #[cold]
    #[inline(never)]
    fn search(&self, ahead: u64) -> Option<Symbol> {
        let pattern = (ahead >> 48) as u32;
        let length = (1..=16).find(|&length| pattern < self.limits[length as usize])?;
        let code = (pattern >> (16 - length)).cast_signed();
        let place = usize::try_from(code + self.offsets[length as usize]).ok()?;
        Symbol::new(*self.symbols.get(place)?, length, self.class)
    }

    /// Calls `fill` for each code of at most `bits` bits, in their order, with the symbol
    /// and the first of the patterns of so many bits that begin with the code.
    fn for_each(&self, counts: &[u8; 16], bits: u32, mut fill: impl FnMut(Symbol, usize)) {
        let (mut pattern, mut place) = (0, 0);
        for length in 1..=bits {
            for _ in 0..counts[length as usize - 1] {
                let symbol = self.symbols[place & 255];
                if let Some(symbol) = Symbol::new(symbol, length, self.class) {
                    fill(symbol, pattern);
                }
                pattern += 1 << (bits - length);
                place += 1;
            }
        }
    }
}

/// The bits of the code of symbol 0, right aligned, and their number.
fn code_of_zero(spec: &HuffmanSpec) -> Option<(u32, u32)> {
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

/// An AC table ready for decoding.
pub(crate) struct AcTable {
    /// The code of the end of a block, right aligned, and its length.
    pub end_of_block: Option<(u32, u32)>,
    lookup: Box<[Entry; 1 << AC_BITS]>,
    codes: Codes,
}

impl Default for AcTable {
    fn default() -> AcTable {
        let lookup = Box::new([Entry::NONE; 1 << AC_BITS]);
        AcTable { end_of_block: None, lookup, codes: Codes::NONE }
    }
}

impl AcTable {
    /// Makes it the table of this specification. An error says what breaks the rules.
    pub(crate) fn build(&mut self, spec: &HuffmanSpec) -> Result<(), &'static str> {
        self.codes = Codes::new(spec, Class::Ac)?;
        self.end_of_block = code_of_zero(spec);
        let lookup = &mut self.lookup[..];
        lookup.fill(Entry::NONE);
        self.codes.for_each(&spec.counts, AC_BITS, |symbol, pattern| {
            let (length, advance) = (symbol.length(), symbol.advance);
            let slots = &mut lookup[pattern..pattern + (1 << (AC_BITS - symbol.code_length))];
            if length > AC_BITS {
                slots.fill(Entry::of_symbol(symbol));
            } else if advance == END_OF_BLOCK {
                slots.fill(Entry::new(length, advance, 0, [0; 2]));
            } else {
                let values = slots.chunks_exact_mut(1 << (AC_BITS - length));
                for (slots, bits) in values.zip(0..) {
                    let value = extend(bits, symbol.size) as i16;
                    slots.fill(Entry::new(length, advance, advance, [value; 2]));
                }
            }
        });
        self.join_pairs();
        Ok(())
    }

    /// Makes one entry of two symbols where both fit.
    fn join_pairs(&mut self) {
        let singles = *self.lookup;
        for (pattern, entry) in self.lookup.iter_mut().enumerate() {
            if entry.both() < END_OF_BLOCK {
                // What is behind the look-up's bits is 0 here; no entry depends on it
                // that is short enough.
                let second = singles[pattern << entry.length() & ((1 << AC_BITS) - 1)];
                let is_known = second.both() != NO_VALUES;
                if is_known && entry.length() + second.length() <= AC_BITS {
                    *entry = entry.and(second);
                }
            }
        }
    }

    /// What begins with these bits.
    #[inline(always)]
    pub(crate) fn look_up(&self, ahead: u64) -> Entry {
        self.lookup[(ahead >> (64 - AC_BITS)) as usize]
    }

    /// The one symbol ahead, if `entry`, which was looked up there, does not fit.
    #[inline(always)]
    pub(crate) fn symbol(&self, entry: Entry, ahead: u64) -> Option<Symbol> {
        entry.symbol().or_else(|| self.codes.search(ahead))
    }
}

/// A DC table, and what the AC table of the same blocks adds to it.
pub(crate) struct DcTable {
    /// The code of no difference, right aligned, and its length.
    pub no_difference: Option<(u32, u32)>,
    lookup: Box<[DcEntry; 1 << DC_BITS]>,
    codes: Codes,
}

impl Default for DcTable {
    fn default() -> DcTable {
        let lookup = Box::new([DcEntry(0); 1 << DC_BITS]);
        DcTable { no_difference: None, lookup, codes: Codes::NONE }
    }
}

impl DcTable {
    /// Makes it the table of this specification. `end`: the code of the end of a block
    /// that follows. An error says what breaks the rules.
    pub(crate) fn build(
        &mut self,
        spec: &HuffmanSpec,
        end: Option<(u32, u32)>,
    ) -> Result<(), &'static str> {
        self.codes = Codes::new(spec, Class::Dc)?;
        self.no_difference = code_of_zero(spec);
        let lookup = &mut self.lookup[..];
        lookup.fill(DcEntry(0));
        self.codes.for_each(&spec.counts, DC_BITS, |symbol, pattern| {
            let length = symbol.length();
            if length > DC_BITS {
                return;
            }
            let left = DC_BITS - length;
            let slots = &mut lookup[pattern..pattern + (1 << (DC_BITS - symbol.code_length))];
            for (slots, bits) in slots.chunks_exact_mut(1 << left).zip(0..) {
                let value = extend(bits, symbol.size) << 16;
                let entry = DcEntry(value.cast_unsigned() | length);
                slots.fill(entry);
                if let Some((code, end_length)) = end.filter(|&(_, length)| length <= left) {
                    let shift = left - end_length;
                    let first = (code << shift) as usize;
                    let entry = DcEntry((entry.0 + end_length) | DcEntry::ENDS);
                    slots[first..first + (1 << shift)].fill(entry);
                }
            }
        });
        Ok(())
    }

    /// What begins with these bits.
    #[inline(always)]
    pub(crate) fn look_up(&self, ahead: u64) -> DcEntry {
        self.lookup[(ahead >> (64 - DC_BITS)) as usize]
    }

    /// The symbol ahead, whatever its length; `None` if no code begins like this.
    pub(crate) fn search(&self, ahead: u64) -> Option<Symbol> {
        self.codes.search(ahead)
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

    fn for_each_pattern(mut check: impl FnMut(u64)) {
        for high in 0..=0xffff_u64 {
            for low in [0, 0x1234_5678_9abc, 0xffff_ffff_ffff, 0x8000_0000_0000] {
                check(high << 48 | low);
            }
        }
    }

    #[test]
    fn dc_patterns_decode_as_by_the_letter() {
        let (mut found, mut with_end) = (0, 0);
        for (spec, ac_spec) in [
            (standard::DC_LUMINANCE, standard::AC_LUMINANCE),
            (standard::DC_CHROMINANCE, standard::AC_CHROMINANCE),
            (lopsided(0..16), lopsided((0..16).map(|symbol| symbol * 17))),
        ] {
            let (mut ac, mut dc) = (AcTable::default(), DcTable::default());
            ac.build(&ac_spec).expect("a good table");
            dc.build(&spec, ac.end_of_block).expect("a good table");
            for_each_pattern(|ahead| {
                let expected = by_the_letter(&spec, ahead);
                let symbol = dc.search(ahead);
                let searched = symbol.map(|symbol| (symbol.length(), symbol.value(ahead)));
                assert_eq!(searched, expected.map(|(_, length, value)| (length, value)));
                let entry = dc.look_up(ahead);
                if entry.is_found() {
                    found += 1;
                    let (_, mut length, value) = expected.expect("a code");
                    if entry.ends_block() {
                        with_end += 1;
                        let (symbol, more, _) =
                            by_the_letter(&ac_spec, ahead << length).expect("a code");
                        assert_eq!(symbol, 0);
                        length += more;
                    }
                    assert_eq!((entry.noisy_length() & 63, entry.difference()), (length, value));
                }
            });
        }
        assert!(found > 500_000 && with_end > 50_000, "{found} found, {with_end} with an end");
    }

    #[test]
    fn ac_patterns_decode_as_by_the_letter() {
        let mut kinds = [0; 3];
        for spec in [
            standard::AC_LUMINANCE,
            standard::AC_CHROMINANCE,
            lopsided([1, 0, 0xf0, 2, 0x11, 0xf1].into_iter().chain(0x21..0x2a)),
            lopsided([0, 1, 0xf0, 0x51, 0x0a, 0x10].into_iter().chain(0x61..0x6b)),
        ] {
            let mut table = AcTable::default();
            table.build(&spec).expect("a good table");
            let advance = |symbol: u8| match symbol {
                0 => END_OF_BLOCK,
                _ => u32::from(symbol >> 4) + 1,
            };
            for_each_pattern(|ahead| {
                let first = by_the_letter(&spec, ahead);
                let entry = table.look_up(ahead);
                if entry.both() == NO_VALUES {
                    let symbol = table.symbol(entry, ahead);
                    let found =
                        symbol.map(|symbol| (symbol.advance, symbol.length(), symbol.value(ahead)));
                    // A run without a value means nothing but after 15 zeros.
                    let is_known = |symbol: u8| symbol & 15 > 0 || symbol == 0 || symbol == 0xf0;
                    let first = first.filter(|&(symbol, ..)| is_known(symbol));
                    let first =
                        first.map(|(symbol, length, value)| (advance(symbol), length, value));
                    assert_eq!(found, first);
                    return;
                }
                let (symbol, mut length, value) = first.expect("a code");
                let (mut both, mut last) = (advance(symbol), value);
                let is_pair = entry.length() != length;
                if is_pair {
                    let second = by_the_letter(&spec, ahead << length).expect("a code");
                    length += second.1;
                    both += advance(second.0);
                    last = second.2;
                }
                kinds[if is_pair { 1 + usize::from(both >= END_OF_BLOCK) } else { 0 }] += 1;
                assert_eq!((entry.length(), entry.both()), (length, both));
                assert_eq!((entry.first_value(), entry.last_value()), (value, last));
                assert_eq!(entry.first(), if symbol == 0 { 0 } else { advance(symbol) });
            });
        }
        assert!(kinds.iter().all(|&count| count > 20_000), "{kinds:?}");
    }

    #[test]
    fn codes_that_do_not_fit_are_refused() {
        let (mut ac, mut dc) = (AcTable::default(), DcTable::default());
        for counts in [[3, 0], [2, 0], [1, 2], [0, 4], [0, 5]] {
            let mut all = [0; 16];
            all[..2].copy_from_slice(&counts);
            let spec = HuffmanSpec::new(all, &[0; 16]);
            assert!(ac.build(&spec).is_err(), "{counts:?}");
            assert!(dc.build(&spec, None).is_err(), "{counts:?}");
        }
        let mut last = [0; 16];
        last[15] = 1;
        assert!(dc.build(&HuffmanSpec::new(last, &[16]), None).is_err());
    }

    #[test]
    fn the_code_of_zero_is_found() {
        assert_eq!(code_of_zero(&standard::AC_LUMINANCE), Some((0b1010, 4)));
        assert_eq!(code_of_zero(&standard::DC_CHROMINANCE), Some((0b00, 2)));
        assert_eq!(code_of_zero(&HuffmanSpec::new([0; 16], &[0])), None);
    }
}
