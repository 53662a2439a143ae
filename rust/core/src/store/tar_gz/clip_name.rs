//! The end of a keyframe's name, `<start>_<end>#<number>.jpg`, as numbers. Only what comes
//! out the same to the byte is one.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::io::Write;

/// A decimal number as it is written: 2.50 is 250 with 2 decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Decimal {
    pub digits: u64,
    pub decimals: u32,
}

/// The end of a keyframe's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Clip {
    pub start: Decimal,
    pub end: Decimal,
    pub number: u64,
}

impl Clip {
    pub fn parse(text: &[u8]) -> Option<Clip> {
        let whole = std::str::from_utf8(text).ok()?;
        let (times, number) = whole.strip_suffix(".jpg")?.split_once('#')?;
        let (start, end) = times.split_once('_')?;
        let (start, end) = (Decimal::parse(start)?, Decimal::parse(end)?);
        let clip = Clip { start, end, number: number.parse().ok()? };
        let mut written = Vec::new();
        clip.write(&mut written)?;
        (written == text).then_some(clip)
    }

    /// Appends it as text; `None` where it is none.
    pub fn write(&self, bytes: &mut Vec<u8>) -> Option<()> {
        self.start.write(bytes)?;
        bytes.push(b'_');
        self.end.write(bytes)?;
        write!(bytes, "#{}.jpg", self.number).ok()
    }
}

impl Decimal {
    fn parse(text: &str) -> Option<Decimal> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = [whole, fraction].concat().parse().ok()?;
        Some(Decimal { digits, decimals: u32::try_from(fraction.len()).ok()? })
    }

    fn write(self, bytes: &mut Vec<u8>) -> Option<()> {
        let Decimal { digits, decimals } = self;
        let unit = 10_u64.checked_pow(decimals)?;
        let (whole, fraction) = (digits.checked_div(unit)?, digits.checked_rem(unit)?);
        write!(bytes, "{whole}").ok()?;
        if decimals > 0 {
            write!(bytes, ".{fraction:0width$}", width = decimals as usize).ok()?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_names_are_numbers_where_they_come_out_the_same() {
        for name in [
            "0.0_10.0#1.jpg",
            "2250.2200000000003_2271.26#12.jpg",
            "0.05_0.5#0.jpg",
            "7_1844674407370955161#18446744073709551615.jpg",
            "0.0000000000000000001_0.1234567890123456789#3.jpg",
        ] {
            let clip = Clip::parse(name.as_bytes()).expect("numbers");
            let mut bytes = Vec::new();
            clip.write(&mut bytes).expect("text");
            assert_eq!(bytes, name.as_bytes());
        }
        for name in [
            "",
            "00.0_10.0#1.jpg",
            "0.0_10.#1.jpg",
            ".5_1#1.jpg",
            "+1_2#1.jpg",
            "1_+2#1.jpg",
            "1_2#+1.jpg",
            "1_2#01.jpg",
            "1_2#1.jpeg",
            "1_2_3#1.jpg",
            "1_2#1#1.jpg",
            "1.1.1_2#1.jpg",
            "1e5_2#1.jpg",
            "1_99999999999999999999#1.jpg",
            "0.00000000000000000001_2#1.jpg",
            "1_2#.jpg",
            "\u{661}_2#1.jpg",
        ] {
            assert_eq!(Clip::parse(name.as_bytes()), None, "{name}");
        }
        let wide = Decimal { digits: 1, decimals: 20 };
        assert_eq!(wide.write(&mut Vec::new()), None);
    }
}
