//! Bits and Huffman codes for scans that go through the coefficient store: progressive
//! ones, components one after the other, and broken ones. Knows no blocks. (The sequential
//! decoder of whole frames has its own, made for that one purpose: `entropy`, `huffman`.)

use crate::huffman::Class;
use crate::tables::HuffmanSpec;

/// How many bits one look-up sees.
const LOOKUP_BITS: u32 = 10;

/// Bits from bytes, most significant first; after the last byte, zeros without end.
#[derive(Clone)]
pub(crate) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The next bits, left aligned; at least `count` of them.
    ahead: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Bits<'a> {
        Bits { bytes, at: 0, ahead: 0, count: 0 }
    }

    /// Makes sure that 56 bits are ahead.
    #[inline(always)]
    pub(crate) fn refill(&mut self) {
        let word = match self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<8>()) {
            Some(word) => u64::from_be_bytes(*word),
            None => self.last_word(),
        };
        self.ahead |= word >> self.count;
        self.at += ((63 - self.count) >> 3) as usize;
        self.count |= 0b11_1000;
    }

    #[cold]
    fn last_word(&self) -> u64 {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        rest.iter()
            .zip([56, 48, 40, 32, 24, 16, 8])
            .fold(0, |word, (&byte, shift)| word | u64::from(byte) << shift)
    }

    #[inline(always)]
    fn consume(&mut self, length: u32) {
        self.ahead <<= length;
        self.count -= length;
    }

    /// The next `length` bits (at most 32, no more than are ahead).
    #[inline(always)]
    pub(crate) fn take(&mut self, length: u32) -> u32 {
        let bits = (self.ahead >> 1) >> (63 - length);
        self.consume(length);
        bits as u32
    }

    /// The value whose size is `size` bits, at least 1 (T.81 F.2.2.1, EXTEND).
    #[inline(always)]
    pub(crate) fn value(&mut self, size: u32) -> i32 {
        let is_positive = (self.ahead.cast_signed() >> 63) as i32;
        let least = 1_i32.wrapping_sub(1 << size);
        self.take(size).cast_signed() + (!is_positive & least)
    }

    /// Whether more bits were taken than there are.
    #[inline(always)]
    pub(crate) fn is_overdrawn(&self) -> bool {
        self.position() > self.bytes.len() * 8
    }

    /// How many bits were taken.
    #[inline(always)]
    pub(crate) fn position(&self) -> usize {
        self.at * 8 - self.count as usize
    }

    /// Whether whole bytes are left.
    pub(crate) fn has_bytes_left(&self) -> bool {
        self.position() + 8 <= self.bytes.len() * 8
    }
}

/// Codes to symbols.
pub(crate) struct CodeTable {
    /// Length times 256 plus symbol, or 0 for longer codes.
    lookup: Box<[u16; 1 << LOOKUP_BITS]>,
    /// For each code length, the first 16-bit pattern that is beyond its codes.
    limits: [u32; 17],
    /// For each code length, what leads from a code to its symbol's place.
    offsets: [i32; 17],
    symbols: [u8; 256],
}

impl Default for CodeTable {
    fn default() -> CodeTable {
        CodeTable {
            lookup: Box::new([0; 1 << LOOKUP_BITS]),
            limits: [0; 17],
            offsets: [0; 17],
            symbols: [0; 256],
        }
    }
}

impl CodeTable {
    /// Makes it the table of this specification. An error says what breaks the rules.
    pub(crate) fn build(&mut self, spec: &HuffmanSpec, class: Class) -> Result<(), &'static str> {
        self.lookup.fill(0);
        self.symbols = spec.symbols;
        let (mut code, mut place) = (0_u32, 0_usize);
        for length in 1..=16_u32 {
            let count = spec.counts[length as usize - 1];
            self.offsets[length as usize] = place as i32 - code.cast_signed();
            // No code consists of ones only (T.81 annex C): one pattern stays unused.
            if count > 0 && code + u32::from(count) >= 1 << length {
                return Err("there are more codes than bits can tell apart");
            }
            for _ in 0..count {
                let symbol = spec.symbols[place & 255];
                if class == Class::Dc && symbol > 15 {
                    return Err("a DC difference has more than 15 bits");
                }
                if let Some(shift) = LOOKUP_BITS.checked_sub(length) {
                    let first = (code << shift) as usize;
                    let entry = (length << 8) as u16 | u16::from(symbol);
                    self.lookup[first..first + (1 << shift)].fill(entry);
                }
                code += 1;
                place += 1;
            }
            self.limits[length as usize] = code << (16 - length);
            code <<= 1;
        }
        Ok(())
    }

    /// The symbol whose code is ahead, which is taken; `None` (and 17 bits are taken, as
    /// libjpeg does) if no code begins like this.
    #[inline(always)]
    pub(crate) fn take(&self, bits: &mut Bits<'_>) -> Option<u8> {
        let entry = self.lookup[(bits.ahead >> (64 - LOOKUP_BITS)) as usize];
        if entry == 0 {
            return self.search(bits);
        }
        bits.consume(u32::from(entry >> 8));
        Some(entry as u8)
    }

    #[cold]
    fn search(&self, bits: &mut Bits<'_>) -> Option<u8> {
        let pattern = (bits.ahead >> 48) as u32;
        let length = (1..=16).find(|&length| pattern < self.limits[length as usize]);
        bits.consume(length.unwrap_or(17));
        let length = length?;
        let code = (pattern >> (16 - length)).cast_signed();
        let place = usize::try_from(code + self.offsets[length as usize]).ok()?;
        self.symbols.get(place).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::standard;

    #[test]
    fn bits_come_in_order_and_zeros_after_them() {
        let bytes: Vec<u8> = (0..23).map(|byte: u8| byte.wrapping_mul(37) ^ 0x5a).collect();
        let bit =
            |at: usize| bytes.get(at / 8).map_or(0, |byte| u32::from(byte >> (7 - at % 8)) & 1);
        let mut bits = Bits::new(&bytes);
        let mut at = 0;
        for length in (0..=32).chain([17, 1, 0, 32, 5]) {
            bits.refill();
            let expected = (at..at + length).fold(0, |value, at| value << 1 | bit(at));
            assert_eq!(bits.take(length as u32), expected, "{length} bits at {at}");
            at += length;
            assert_eq!(bits.position(), at);
            assert_eq!(bits.is_overdrawn(), at > bytes.len() * 8);
            assert_eq!(bits.has_bytes_left(), at + 8 <= bytes.len() * 8);
        }
        for (byte, size, value) in
            [(0b1000_0000, 1, 1), (0, 1, -1), (0b1010_0000, 3, 5), (0, 15, -32767)]
        {
            let mut bits = Bits { bytes: &[], at: 8, ahead: byte << 56, count: 60 };
            assert_eq!(bits.value(size), value);
        }
    }

    #[test]
    fn every_pattern_is_its_symbol() {
        for (spec, class) in [
            (standard::DC_LUMINANCE, Class::Dc),
            (standard::AC_LUMINANCE, Class::Ac),
            (standard::AC_CHROMINANCE, Class::Ac),
        ] {
            let mut table = CodeTable::default();
            table.build(&spec, class).expect("a good table");
            for pattern in 0..=0xffff_u16 {
                let data = [pattern.to_be_bytes(), [0xff; 2]].concat();
                let mut bits = Bits::new(&data);
                bits.refill();
                // T.81 F.2.2.3, by the letter.
                let (mut first, mut place, mut expected) = (0_u32, 0, (None, 17));
                for length in 1..=16 {
                    let code = u32::from(pattern) >> (16 - length);
                    let count = u32::from(spec.counts[length as usize - 1]);
                    if code >= first && code < first + count && expected.0.is_none() {
                        let symbol = spec.symbols[place + (code - first) as usize];
                        expected = (Some(symbol), length as usize);
                    }
                    place += count as usize;
                    first = (first + count) << 1;
                }
                assert_eq!((table.take(&mut bits), bits.position()), expected);
            }
        }
    }

    #[test]
    fn codes_that_do_not_fit_are_refused() {
        let mut table = CodeTable::default();
        for counts in [[3, 0], [2, 0], [1, 2], [0, 4], [0, 5]] {
            let mut all = [0; 16];
            all[..2].copy_from_slice(&counts);
            assert!(table.build(&HuffmanSpec::new(all, &[0; 16]), Class::Ac).is_err());
        }
        assert!(table.build(&HuffmanSpec::new([1; 16], &[16; 16]), Class::Dc).is_err());
    }
}
