//! Numbers of a page, each in few bits. The numbers of a field have much the same width,
//! so a page says how wide its narrowest one is, and in how many bits each number says
//! how much wider it is itself.
//!
//! ```text
//! for each field | 0, where all are zero | 1 | least width (6 bits) | bits of "wider" (3) |
//! for each number, as they were put      | wider | its bits below the highest one        |
//! ```
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

/// What a number of a page says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Members,
    Kind,
    /// What is as in the name before.
    NameForm,
    SamePrefix,
    NewPrefix,
    Tail,
    Digits,
    Decimals,
    Keyframe,
    Link,
    Gap,
    Bits,
    HeaderBack,
    Left,
    Skip,
    Size,
    Zeros,
    Header,
    Window,
    Sum,
}

const FIELDS: usize = Field::Sum as usize + 1;
/// Each number has fewer bits than this.
const MAX_LEAST: u32 = 63;

/// The numbers of a page that is written.
#[derive(Debug, Default)]
pub(super) struct Writer(Vec<(Field, u64)>);

impl Writer {
    pub fn put(&mut self, field: Field, value: u64) {
        self.0.push((field, value));
    }

    pub fn into_bytes(self) -> Vec<u8> {
        let mut widths = [const { None::<(u32, u32)> }; FIELDS];
        for &(field, value) in &self.0 {
            if let Some(widths) = widths.get_mut(field as usize) {
                let width = width(value);
                let (least, most) = widths.unwrap_or((width, width));
                *widths = Some((least.min(width), most.max(width)));
            }
        }
        let mut bits = BitWriter::default();
        let forms = widths.map(|widths| {
            let (least, most) = widths.unwrap_or_default();
            let least = least.min(MAX_LEAST);
            let form = Form { least, wider: width(u64::from(most.saturating_sub(least))) };
            bits.put(u64::from(most > 0), 1);
            if most > 0 {
                bits.put(u64::from(form.least), 6);
                bits.put(u64::from(form.wider), 3);
            }
            form
        });
        for (field, value) in self.0 {
            let Some(form) = forms.get(field as usize) else { continue };
            let width = width(value);
            bits.put(u64::from(width.saturating_sub(form.least)), form.wider);
            bits.put(value, width.saturating_sub(1));
        }
        bits.finish()
    }
}

/// How a page writes the numbers of a field.
#[derive(Debug, Clone, Copy, Default)]
struct Form {
    least: u32,
    wider: u32,
}

/// The numbers of a page that is read, in the order in which they were put.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    bits: BitReader<'a>,
    forms: [Form; FIELDS],
}

impl<'a> Reader<'a> {
    /// `None` where the bytes are none of numbers.
    pub fn new(bytes: &'a [u8]) -> Option<Reader<'a>> {
        let mut bits = BitReader { bytes, at: 0 };
        let mut forms = [Form::default(); FIELDS];
        for form in &mut forms {
            if bits.get(1)? == 1 {
                *form = Form { least: bits.get(6)? as u32, wider: bits.get(3)? as u32 };
            }
        }
        Some(Reader { bits, forms })
    }

    /// The next number, which has to be one of this field; `None` where there is none.
    pub fn get(&mut self, field: Field) -> Option<u64> {
        let form = *self.forms.get(field as usize)?;
        let width = form.least.checked_add(self.bits.get(form.wider)? as u32)?;
        let Some(below) = width.checked_sub(1) else { return Some(0) };
        Some(self.bits.get(below)? | 1_u64.checked_shl(below)?)
    }

    /// The same for what counts bytes.
    pub fn length(&mut self, field: Field) -> Option<usize> {
        usize::try_from(self.get(field)?).ok()
    }
}

fn width(value: u64) -> u32 {
    u64::BITS.saturating_sub(value.leading_zeros())
}

/// The lowest bits of a number.
fn lowest(value: u128, width: u32) -> u64 {
    (value & !(u128::MAX.checked_shl(width).unwrap_or(0))) as u64
}

/// Bits, the lowest first.
#[derive(Debug, Default)]
struct BitWriter {
    bytes: Vec<u8>,
    bits: u128,
    count: u32,
}

impl BitWriter {
    /// Puts the lowest bits of a number, at most 64.
    fn put(&mut self, value: u64, width: u32) {
        self.bits |= u128::from(lowest(value.into(), width)) << self.count;
        self.count = self.count.saturating_add(width);
        while let Some(left) = self.count.checked_sub(8) {
            self.bytes.push(self.bits as u8);
            self.bits >>= 8;
            self.count = left;
        }
    }

    fn finish(mut self) -> Vec<u8> {
        self.put(0, 7);
        self.bytes
    }
}

#[derive(Debug)]
struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl BitReader<'_> {
    /// The next bits, at most 64; `None` where there are fewer.
    fn get(&mut self, width: u32) -> Option<u64> {
        let end = self
            .at
            .checked_add(width as usize)
            .filter(|end| end.div_ceil(8) <= self.bytes.len())?;
        let rest = self.bytes.get(self.at / 8..)?;
        let loaded = rest.first_chunk().copied().unwrap_or_else(|| {
            let mut loaded = [0; 16];
            loaded.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            loaded
        });
        let bits = u128::from_le_bytes(loaded) >> (self.at % 8);
        self.at = end;
        Some(lowest(bits, width))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_round_trip() {
        let numbers: Vec<u64> =
            (0..64).flat_map(|bit| [(1 << bit) - 1, 1 << bit, u64::MAX >> bit]).collect();
        let runs = [&numbers[..], &[0; 5], &[u64::MAX; 3], &[7], &[1, 2, 300], &[]];
        for run in runs {
            let mut writer = Writer::default();
            for &number in run {
                writer.put(Field::Size, number);
                writer.put(Field::Skip, 0);
                writer.put(Field::Sum, number & 0xffff | 1 << 32);
            }
            let bytes = writer.into_bytes();
            let mut reader = Reader::new(&bytes).expect("numbers");
            for &number in run {
                assert_eq!(reader.get(Field::Size), Some(number));
                assert_eq!(reader.get(Field::Skip), Some(0));
                assert_eq!(reader.get(Field::Sum), Some(number & 0xffff | 1 << 32));
            }
            assert_eq!(reader.get(Field::Sum), if run.is_empty() { Some(0) } else { None });
        }
    }

    #[test]
    fn numbers_take_few_bits() {
        let bytes = |values: &[u64]| {
            let mut writer = Writer::default();
            for &value in values {
                writer.put(Field::Size, value);
            }
            writer.into_bytes().len() - Writer::default().into_bytes().len()
        };
        assert_eq!(bytes(&[0; 100]), 0);
        assert_eq!(bytes(&[1; 100]), 1);
        assert_eq!(bytes(&[1 << 32 | 5; 8]), 33);
        assert!(bytes(&[40_000, 70_000, 30_000, 110_000]) <= 10);
    }

    #[test]
    fn other_bytes_are_numbers_or_none() {
        assert!(Reader::new(&[]).is_none() && Reader::new(&[255; 24]).is_none());
        let mut wide = Reader::new(&[255; 60]).expect("fields");
        assert_eq!(wide.get(Field::Size), None);
    }
}
