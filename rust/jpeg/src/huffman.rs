//! Tables that decode one Huffman code and its extra bits in one look-up. Knows tables
//! and bits, not blocks.
//!
//! ```text
//! bits ahead, left aligned:  code | extra bits | what follows
//! an entry knows             how long both are together (the next look-up depends on
//!                            nothing else), how far the symbol advances in the block,
//!                            and what turns the extra bits into a value
//! ```
//! Entries are filled code by code: a table costs a few hundred stores, since keyframes
//! bring their own tables. Codes longer than [`LOOKUP_BITS`] are searched by their
//! length, as T.81 F.2.2.3 does.

use crate::tables::HuffmanSpec;

/// How many bits one look-up sees.
pub(crate) const LOOKUP_BITS: u32 = 10;

/// How far an end-of-block symbol advances: out of every block.
pub(crate) const END_OF_BLOCK: u32 = 128;

/// A symbol: everything that is to do for it, in 8 bytes.
///
/// bits 0–7: length of code and extra bits, 0 for "not in the look-up"
/// (it then advances by 255, out of every block); 8–15: length of
/// the code; 16–23: 63 minus the number of extra bits; 24–31: how far it advances;
/// 32–63: what is added to the extra bits if the first of them is 0 (T.81 F.2.2.1, EXTEND).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Entry(u64);

impl Entry {
    const NONE: Entry = Entry(255 << 24);

    fn new(code_length: u32, size: u32, advance: u32) -> Entry {
        let bias = 1_i32.wrapping_sub(1 << size).cast_unsigned();
        Entry(
            u64::from(code_length + size)
                | u64::from(code_length) << 8
                | u64::from(63 - size) << 16
                | u64::from(advance) << 24
                | u64::from(bias) << 32,
        )
    }

    /// Bits of the code and its extra bits; 0 if the look-up does not know the code.
    #[inline(always)]
    pub(crate) fn length(self) -> u32 {
        (self.0 & 63) as u32
    }

    /// How many coefficients further it is.
    #[inline(always)]
    pub(crate) fn advance(self) -> u32 {
        (self.0 >> 24) as u32 & 0xff
    }

    /// The value that the extra bits stand for; 0 if there are none. `ahead`: the bits,
    /// left aligned, beginning with the code.
    #[inline(always)]
    pub(crate) fn value(self, ahead: u64) -> i32 {
        let extra = ahead << ((self.0 >> 8) & 63);
        let is_positive = (extra.cast_signed() >> 63) as i32;
        let bits = ((extra >> 1) >> ((self.0 >> 16) & 63)) as i32;
        bits + (!is_positive & (self.0 >> 32) as i32)
    }
}

/// A table ready for decoding.
pub(crate) struct HuffmanTable {
    lookup: Box<[Entry; 1 << LOOKUP_BITS]>,
    /// For each code length, the first 16-bit pattern that is beyond its codes.
    limits: [u32; 17],
    /// For each code length, what leads from a code to its symbol's place.
    offsets: [i32; 17],
    symbols: [u8; 256],
    is_ac: bool,
    spec: Option<HuffmanSpec>,
}

/// What a symbol stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Class {
    /// The size of a DC difference.
    Dc,
    /// A run of zeros and the size of the value after it.
    Ac,
}

impl Default for HuffmanTable {
    fn default() -> HuffmanTable {
        HuffmanTable {
            lookup: Box::new([Entry::NONE; 1 << LOOKUP_BITS]),
            limits: [0; 17],
            offsets: [0; 17],
            symbols: [0; 256],
            is_ac: false,
            spec: None,
        }
    }
}

impl HuffmanTable {
    /// Makes it the table of this specification. An error says what breaks the rules.
    pub(crate) fn build(&mut self, spec: &HuffmanSpec, class: Class) -> Result<(), &'static str> {
        let is_ac = class == Class::Ac;
        self.spec = None;
        self.is_ac = is_ac;
        self.symbols = spec.symbols;
        self.lookup.fill(Entry::NONE);
        let (mut code, mut place) = (0_u32, 0_usize);
        for length in 1..=16_u32 {
            let count = spec.counts[length as usize - 1];
            self.offsets[length as usize] = place as i32 - code.cast_signed();
            for _ in 0..count {
                let symbol = spec.symbols[place & 255];
                if !is_ac && symbol > 15 {
                    return Err("a DC difference has more than 15 bits");
                }
                if length <= LOOKUP_BITS {
                    let shift = LOOKUP_BITS - length;
                    let first = (code << shift) as usize;
                    let slots = self.lookup.get_mut(first..first + (1 << shift));
                    let slots = slots.ok_or("there are more codes than bits can tell apart")?;
                    slots.fill(entry(symbol, length, is_ac).unwrap_or(Entry::NONE));
                }
                code += 1;
                place += 1;
            }
            // No code consists of ones only (T.81 annex C): one pattern stays unused.
            if count > 0 && code >= 1 << length {
                return Err("there are more codes than bits can tell apart");
            }
            self.limits[length as usize] = code << (16 - length);
            code <<= 1;
        }
        self.spec = Some(*spec);
        Ok(())
    }

    /// The entry for the bits ahead, if their code is in the look-up (`length` not 0).
    #[inline(always)]
    pub(crate) fn look_up(&self, ahead: u64) -> Entry {
        self.lookup[(ahead >> (64 - LOOKUP_BITS)) as usize]
    }

    /// The entry for the bits ahead, whatever the length of their code; `None` if no code
    /// begins like this.
    #[cold]
    #[inline(never)]
    pub(crate) fn search(&self, ahead: u64) -> Option<Entry> {
        let pattern = (ahead >> 48) as u32;
        let length = (1..=16).find(|&length| pattern < self.limits[length as usize])?;
        let code = (pattern >> (16 - length)).cast_signed();
        let place = usize::try_from(code + self.offsets[length as usize]).ok()?;
        entry(*self.symbols.get(place)?, length, self.is_ac)
    }

    /// The bits of the code that means "no difference" (DC) or "end of block" (AC), right
    /// aligned, and their number.
    pub(crate) fn code_of_zero(&self) -> Option<(u32, u32)> {
        let spec = self.spec.as_ref()?;
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
}

/// The entry of a symbol; `None` for symbols that sequential coding does not have.
fn entry(symbol: u8, length: u32, is_ac: bool) -> Option<Entry> {
    let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
    Some(match (is_ac, run, size) {
        (false, ..) => Entry::new(length, size, 0),
        (true, 0, 0) => Entry::new(length, 0, END_OF_BLOCK),
        // ZRL, 16 zeros; its value is a zero too.
        (true, 15, 0) => Entry::new(length, 0, 16),
        (true, _, 0) => return None,
        (true, ..) => Entry::new(length, size, run + 1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::standard;

    /// T.81 F.2.2.3 and F.2.2.1 by the letter, bit by bit.
    fn by_the_letter(spec: &HuffmanSpec, ahead: u64) -> Option<(u8, u32, i32)> {
        let (mut code, mut first, mut place) = (0_u64, 0_u64, 0_usize);
        for length in 1..=16_u32 {
            code = ahead >> (64 - length);
            let count = u64::from(spec.counts[length as usize - 1]);
            if code >= first && code < first + count {
                let symbol = spec.symbols[place + (code - first) as usize];
                let size = u32::from(symbol & 15);
                let bits = if size == 0 { 0 } else { ahead << length >> (64 - size) } as i32;
                let half = if size == 0 { 0 } else { 1 << (size - 1) };
                let value = if bits < half { bits - (1 << size) + 1 } else { bits };
                return Some((symbol, length + size, value));
            }
            place += count as usize;
            first = (first + count) << 1;
        }
        let _ = code;
        None
    }

    #[test]
    fn every_pattern_decodes_as_by_the_letter() {
        for (spec, class) in [
            (standard::DC_LUMINANCE, Class::Dc),
            (standard::DC_CHROMINANCE, Class::Dc),
            (standard::AC_LUMINANCE, Class::Ac),
            (standard::AC_CHROMINANCE, Class::Ac),
        ] {
            let mut table = HuffmanTable::default();
            table.build(&spec, class).expect("a good table");
            for high in 0..=0xffff_u64 {
                for low in [0, 0x1234_5678_9abc, 0xffff_ffff_ffff, 0x8000_0000_0000] {
                    let ahead = high << 48 | low;
                    let mut entry = Some(table.look_up(ahead));
                    if entry == Some(Entry::NONE) {
                        entry = table.search(ahead);
                    }
                    let expected = by_the_letter(&spec, ahead);
                    let found = entry.map(|entry| (entry.length(), entry.value(ahead)));
                    assert_eq!(found, expected.map(|(_, length, value)| (length, value)));
                    if let (Some(entry), Some((symbol, ..)), Class::Ac) = (entry, expected, class) {
                        let run = u32::from(symbol >> 4) + 1;
                        let advance = if symbol == 0 { END_OF_BLOCK } else { run };
                        assert_eq!(entry.advance(), advance);
                    }
                }
            }
        }
    }

    #[test]
    fn codes_that_do_not_fit_are_refused() {
        let mut table = HuffmanTable::default();
        for counts in [[3, 0], [2, 0], [1, 2], [0, 4], [0, 5]] {
            let mut all = [0; 16];
            all[..2].copy_from_slice(&counts);
            let spec = HuffmanSpec::new(all, &[0; 16]);
            assert!(table.build(&spec, Class::Ac).is_err(), "{counts:?}");
        }
        let spec = HuffmanSpec::new([1; 16], &[16; 16]);
        assert!(table.build(&spec, Class::Dc).is_err());
    }

    #[test]
    fn the_code_of_zero_is_found() {
        let mut table = HuffmanTable::default();
        table.build(&standard::AC_LUMINANCE, Class::Ac).expect("a good table");
        assert_eq!(table.code_of_zero(), Some((0b1010, 4)));
        table.build(&standard::DC_CHROMINANCE, Class::Dc).expect("a good table");
        assert_eq!(table.code_of_zero(), Some((0b00, 2)));
    }
}
