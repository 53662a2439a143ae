//! From a byte to a float: what normalizing makes of the 256 values of each channel.
//!
//! The caller's table is the definition. The same values come out of two multiplications
//! by a constant in two parts and one subtraction,
//!
//! ```text
//! scaled = fma(x, factor_high, x * factor_low)         x * factor or x / 255, rounded once
//! value  = fma(scaled - mean, inverse_high, (scaled - mean) * inverse_low)
//! ```
//! which is faster than looking them up. All 768 are compared when a transform is made;
//! if one differs, the table is used.

use textbook_simd::Level;

use super::kernels::{self, Algorithm, Kernels};

/// What an output number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Float {
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16: a binary32, rounded to nearest even.
    F16,
}

impl Float {
    /// Bytes of a number.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Float::F32 => 4,
            Float::F16 => 2,
        }
    }
}

/// How often the constants repeat in a row: three registers of eight lanes, eight pixels.
pub(crate) const LANES: usize = 24;

/// The constants of the formula above.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Arithmetic {
    pub factor_high: [f32; LANES],
    pub factor_low: [f32; LANES],
    pub mean: [f32; LANES],
    pub inverse_high: [f32; LANES],
    pub inverse_low: [f32; LANES],
}

/// A number as the sum of two floats.
fn split(value: f64) -> (f32, f32) {
    let high = value as f32;
    (high, (value - f64::from(high)) as f32)
}

impl Arithmetic {
    /// `channel` says which channel a lane is of.
    fn new(steps: &Steps, channel: impl Fn(usize) -> usize) -> Arithmetic {
        let (high, low) = split(steps.factor);
        let inverse = |lane| split(1.0 / f64::from(steps.std[channel(lane)]));
        Arithmetic {
            factor_high: [high; LANES],
            factor_low: [low; LANES],
            mean: std::array::from_fn(|lane| steps.mean[channel(lane)]),
            inverse_high: std::array::from_fn(|lane| inverse(lane).0),
            inverse_low: std::array::from_fn(|lane| inverse(lane).1),
        }
    }

    #[inline(always)]
    pub fn apply(&self, byte: u8, lane: usize) -> f32 {
        let x = f32::from(byte);
        let scaled = x.mul_add(self.factor_high[lane], x * self.factor_low[lane]);
        let centered = scaled - self.mean[lane];
        centered.mul_add(self.inverse_high[lane], centered * self.inverse_low[lane])
    }
}

/// What normalizing does, step by step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Steps {
    /// Bytes are multiplied by it first.
    pub factor: f64,
    /// What is subtracted then.
    pub mean: [f32; 3],
    /// What is divided by last.
    pub std: [f32; 3],
}

/// The floats of the 256 values of each channel.
#[derive(Clone, Debug)]
pub struct Values {
    float: Float,
    /// For each channel 256 numbers in this machine's byte order.
    table: Vec<u8>,
    /// Constants that give the table's numbers: by channel, and in pixels' order.
    planar: Option<Box<[Arithmetic; 3]>>,
    interleaved: Option<Box<Arithmetic>>,
}

impl Values {
    /// From the numbers that the bytes 0 to 255 become in the three channels, in this
    /// machine's byte order, and the steps that make them. None where the table's size is
    /// not 3 * 256 numbers.
    #[must_use]
    pub fn new(float: Float, table: Vec<u8>, steps: &Steps) -> Option<Values> {
        if table.len() != 3 * 256 * float.size() {
            return None;
        }
        let mut values = Values { float, table, planar: None, interleaved: None };
        let planar = [0, 1, 2].map(|channel| Arithmetic::new(steps, |_| channel));
        if values.are_made_by(&planar) {
            values.planar = Some(Box::new(planar));
            values.interleaved = Some(Box::new(Arithmetic::new(steps, |lane| lane % 3)));
        }
        Some(values)
    }

    /// What the numbers are.
    #[must_use]
    pub fn float(&self) -> Float {
        self.float
    }

    fn are_made_by(&self, planar: &[Arithmetic; 3]) -> bool {
        let bytes: Vec<u8> = (0..=255).cycle().take(768).collect();
        let mut made = vec![0; 768 * self.float.size()];
        planar.iter().zip(self.table.chunks_exact(256 * self.float.size())).all(
            |(arithmetic, expected)| {
                let float = self.float;
                let convert = Convert { bytes: &bytes, arithmetic, float, out: &mut made };
                kernels::run(Level::active(), convert);
                made.chunks_exact(expected.len()).all(|part| part == expected)
            },
        )
    }

    /// Whether the numbers are calculated, not looked up.
    #[must_use]
    pub fn are_calculated(&self) -> bool {
        self.planar.is_some()
    }

    /// A row of one channel.
    #[inline(always)]
    pub(crate) fn of_channel<K: Kernels>(
        &self,
        kernels: K,
        channel: usize,
        bytes: &[u8],
        out: &mut [u8],
    ) {
        match &self.planar {
            Some(planar) => kernels.to_floats(bytes, &planar[channel], self.float, out),
            None => self.look_up(bytes, |_| channel, out),
        }
    }

    /// A row of pixels.
    #[inline(always)]
    pub(crate) fn of_pixels<K: Kernels>(&self, kernels: K, bytes: &[u8], out: &mut [u8]) {
        match &self.interleaved {
            Some(arithmetic) => kernels.to_floats(bytes, arithmetic, self.float, out),
            None => self.look_up(bytes, |at| at % 3, out),
        }
    }

    fn look_up(&self, bytes: &[u8], channel: impl Fn(usize) -> usize, out: &mut [u8]) {
        let size = self.float.size();
        for (at, (&byte, out)) in bytes.iter().zip(out.chunks_exact_mut(size)).enumerate() {
            let place = (channel(at) * 256 + usize::from(byte)) * size;
            out.copy_from_slice(&self.table[place..place + size]);
        }
    }
}

/// Runs a kernel once, to compare what it gives.
struct Convert<'a> {
    bytes: &'a [u8],
    arithmetic: &'a Arithmetic,
    float: Float,
    out: &'a mut [u8],
}

impl Algorithm for Convert<'_> {
    type Output = ();

    fn run<K: Kernels>(self, kernels: K) {
        kernels.to_floats(self.bytes, self.arithmetic, self.float, self.out);
    }
}

/// A binary32 as a binary16, rounded to nearest even, as IEEE 754 defines it.
pub(crate) fn to_half(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = (bits >> 16 & 0x8000) as u16;
    let magnitude = bits & 0x7fff_ffff;
    if magnitude > 0x7f80_0000 {
        // What is not a number stays so: quiet, with the top of its payload.
        return sign | 0x7e00 | (magnitude >> 13 & 0x3ff) as u16;
    }
    if magnitude >= 0x4780_0000 {
        return sign | 0x7c00;
    }
    if magnitude < 0x3880_0000 {
        // Below 2^-14 steps are 2^-24 wide: the addition rounds to them.
        let magic = 0.5f32;
        let rounded = (f32::from_bits(magnitude) + magic).to_bits() - magic.to_bits();
        return sign | rounded as u16;
    }
    // From 13 bits too many: round to even by adding just below half and the last kept bit.
    let even = magnitude >> 13 & 1;
    let rebased = magnitude - (112 << 23);
    sign | ((rebased + 0xfff + even) >> 13) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_round_to_nearest_even() {
        // Values of IEEE 754-2008, binary16.
        let cases = [
            (0.0, 0x0000),
            (-0.0, 0x8000),
            (1.0, 0x3c00),
            (-2.0, 0xc000),
            (65504.0, 0x7bff),
            (65519.9, 0x7bff),
            (65520.0, 0x7c00),
            (1e9, 0x7c00),
            (f32::INFINITY, 0x7c00),
            (6.103_515_6e-5, 0x0400),
            (6.097_555e-5, 0x03ff),
            (5.960_464_5e-8, 0x0001),
            (2.980_232_2e-8, 0x0000),
            (2.980_232_6e-8, 0x0001),
            (1.000_488_3, 0x3c00),
            (1.001_464_8, 0x3c02),
            (0.333_333_34, 0x3555),
        ];
        for (value, expected) in cases {
            assert_eq!(to_half(value), expected, "{value}");
        }
        assert_eq!(to_half(f32::NAN) & 0x7e00, 0x7e00);
    }

    fn clip() -> Steps {
        Steps {
            factor: 1.0 / 255.0,
            mean: [0.481_454_66, 0.457_827_5, 0.408_210_73],
            std: [0.268_629_54, 0.261_302_6, 0.275_777_1],
        }
    }

    fn table(steps: &Steps) -> Vec<u8> {
        let value = |at: usize| {
            let (channel, x) = (at / 256, (at % 256) as f32);
            (x / 255.0 - steps.mean[channel]) / steps.std[channel]
        };
        (0..768).flat_map(|at| value(at).to_ne_bytes()).collect()
    }

    #[test]
    fn division_is_calculated_exactly() {
        for steps in [clip(), Steps { mean: [0.5; 3], std: [0.5; 3], ..clip() }] {
            let values = Values::new(Float::F32, table(&steps), &steps).expect("768 numbers");
            assert!(values.are_calculated());
        }
        assert!(Values::new(Float::F16, table(&clip()), &clip()).is_none());
    }

    #[test]
    fn a_table_that_differs_is_looked_up() {
        let mut table = table(&clip());
        table[700 * 4] ^= 1;
        let values = Values::new(Float::F32, table.clone(), &clip()).expect("768 numbers");
        assert!(!values.are_calculated());
        let bytes: Vec<u8> = (0..=255).flat_map(|x| [x; 3]).collect();
        let mut out = vec![0; 768 * 4];
        values.of_pixels(kernels::scalar::Scalar, &bytes, &mut out);
        for (at, number) in out.chunks_exact(4).enumerate() {
            let place = (at % 3 * 256 + at / 3) * 4;
            assert_eq!(number, &table[place..place + 4]);
        }
    }
}
