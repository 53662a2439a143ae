//! Every kernel of every level against the definition.

use super::scalar::Scalar;
use super::{BAND, BandMemory, BandMut, Kernels};
use crate::transform::coefficients::{Alignment, Axis, Filter};
use crate::transform::values::{Arithmetic, Float, LANES};

/// Numbers that look random and are the same each time (xorshift).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 8
    }

    fn below(&mut self, end: u64) -> usize {
        usize::try_from(self.next() % end).expect("small")
    }

    /// Many of them at the ends of the range, where sums are largest.
    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut byte = || match self.next() % 3 {
            0 => 0,
            1 => 255,
            _ => self.next() as u8,
        };
        (0..count).map(|_| byte()).collect()
    }
}

/// Runs a check for each level but the definition.
macro_rules! for_each_level {
    ($check:ident) => {
        #[cfg(target_arch = "x86_64")]
        match textbook_simd::Avx2::get() {
            Some(token) => $check(super::avx2::Kernels::new(token)),
            None => println!("not tested: this CPU lacks AVX2"),
        }
        #[cfg(target_arch = "x86_64")]
        match (textbook_simd::Avx512::get(), textbook_simd::Avx2::get()) {
            (Some(token), Some(avx2)) => $check(super::avx512::Kernels::new(token, avx2)),
            _ => println!("not tested: this CPU lacks AVX-512"),
        }
    };
}

const FILTERS: [Filter; 3] = [Filter::Bilinear, Filter::Bicubic, Filter::Lanczos];

fn horizontal(kernels: impl Kernels, rows: &[&[u8]; BAND], axis: &Axis) -> Vec<Vec<u8>> {
    let stride = (axis.len() * 3).next_multiple_of(BAND);
    let mut bytes = vec![7; stride * BAND];
    // Used memory: what an earlier band left must not matter.
    let columns = vec![[99; 2 * BAND]; 7];
    let mut memory = BandMemory { columns, output: vec![[99; BAND]; 1000] };
    kernels.horizontal(rows, axis, &[], &mut memory, BandMut { bytes: &mut bytes, stride });
    bytes.chunks_exact(stride).map(|row| row[..axis.len() * 3].to_vec()).collect()
}

#[test]
fn horizontal_equals_the_definition() {
    fn check(kernels: impl Kernels) {
        let mut numbers = Numbers(0x1234_5678_9abc_def1);
        for round in 0..1500 {
            let (from, to) = match round % 3 {
                0 => (1 + numbers.below(40), 1 + numbers.below(40)),
                1 => (1 + numbers.below(900), 1 + numbers.below(60)),
                _ => (1 + numbers.below(60), 1 + numbers.below(300)),
            };
            let start = numbers.below(to as u64);
            let output = start..start + 1 + numbers.below((to - start) as u64);
            let filter = FILTERS[numbers.below(3)];
            let axis = Axis::new(filter, from, to, output, Alignment::Even).expect("splits");
            let bytes = numbers.bytes(axis.input.len() * 3 * BAND);
            let rows: Vec<&[u8]> = bytes.chunks_exact(axis.input.len() * 3).collect();
            let rows: [&[u8]; BAND] = rows.try_into().expect("sixteen");
            let expected = horizontal(Scalar, &rows, &axis);
            assert_eq!(horizontal(kernels, &rows, &axis), expected, "{filter:?} {from} to {to}");
        }
    }
    for_each_level!(check);
}

#[test]
fn vertical_equals_the_definition() {
    fn check(kernels: impl Kernels) {
        let mut numbers = Numbers(99);
        for round in 0..600 {
            let length = if round < 200 { round } else { 1 + numbers.below(400) };
            let (from, to) = (1 + numbers.below(50), 1 + numbers.below(50));
            let filter = FILTERS[numbers.below(3)];
            let axis = Axis::new(filter, from, to, 0..to, Alignment::Any).expect("splits");
            let stride = length + numbers.below(5);
            let bytes = numbers.bytes(stride.max(1) * from);
            for (place, (start, pairs)) in axis.windows().enumerate() {
                let end = (start + 2 * pairs.len()).min(from);
                let rows = &bytes[start * stride.max(1)..end * stride.max(1)];
                let (mut expected, mut found) = (vec![1; length], vec![2; length]);
                Scalar.vertical(rows, stride.max(1), &axis, place, &mut expected);
                kernels.vertical(rows, stride.max(1), &axis, place, &mut found);
                assert_eq!(found, expected, "{filter:?} {from} to {to}, {length} bytes");
            }
        }
    }
    for_each_level!(check);
}

#[test]
fn planes_equal_the_definition() {
    fn check(kernels: impl Kernels) {
        let mut numbers = Numbers(5);
        for count in 0..150 {
            let row = numbers.bytes(count * 3);
            let mut expected = [0; 3].map(|_| vec![1; count]);
            let mut found = [0; 3].map(|_| vec![2; count]);
            Scalar.to_planes(&row, expected.each_mut().map(|plane| &mut plane[..]));
            kernels.to_planes(&row, found.each_mut().map(|plane| &mut plane[..]));
            assert_eq!(found, expected, "{count} pixels");
        }
    }
    for_each_level!(check);
}

#[test]
fn floats_equal_the_definition_bit_for_bit() {
    fn check(kernels: impl Kernels) {
        let mut numbers = Numbers(17);
        // Also numbers that no normalizing has: tiny, huge, infinite.
        let values = [0.0, 1.0, 1.0 / 255.0, 0.481_454_66, -3.5, 1e-7, 6e-5, 1e38, 2048.7];
        for round in 0..400 {
            let constants = [0; 5].map(|_| [0; 3].map(|_| values[numbers.below(9)]));
            let lanes = |which: usize| -> [f32; LANES] {
                std::array::from_fn(|lane| constants[which][lane % 3])
            };
            let arithmetic = Arithmetic {
                factor_high: lanes(0),
                factor_low: lanes(1).map(|x| x * 1e-9),
                mean: lanes(2),
                inverse_high: lanes(3),
                inverse_low: lanes(4).map(|x| x * 1e-9),
            };
            let bytes = numbers.bytes(3 * (round % 60));
            for float in [Float::F32, Float::F16] {
                let mut expected = vec![1; bytes.len() * float.size()];
                let mut found = vec![2; expected.len()];
                Scalar.to_floats(&bytes, &arithmetic, float, &mut expected);
                kernels.to_floats(&bytes, &arithmetic, float, &mut found);
                assert_eq!(found, expected, "{float:?} {arithmetic:?}");
            }
        }
    }
    for_each_level!(check);
}

#[test]
fn halves_equal_the_definition_for_all_kinds_of_numbers() {
    fn check(kernels: impl Kernels) {
        // x = byte * 0 + ... gives one number in all lanes: that of `mean`, negated.
        let mut bits = 0u32;
        for round in 0..200_000u32 {
            bits = bits.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Most of them near the halves' range, and on or beside the middle of two.
            let exponent = 100 + round % 48;
            let mantissa = if round % 2 == 0 { bits & 0x007f_ffff } else { bits & 0x007f_f000 };
            let number =
                f32::from_bits((bits & (1 << 31)) | (exponent << 23) | mantissa | (round % 3));
            let arithmetic = Arithmetic {
                factor_high: [0.0; LANES],
                factor_low: [0.0; LANES],
                mean: [-number; LANES],
                inverse_high: [1.0; LANES],
                inverse_low: [0.0; LANES],
            };
            let (mut expected, mut found) = ([0; 48], [1; 48]);
            Scalar.to_floats(&[0; 24], &arithmetic, Float::F16, &mut expected);
            kernels.to_floats(&[0; 24], &arithmetic, Float::F16, &mut found);
            assert_eq!(found, expected, "{number}");
        }
    }
    for_each_level!(check);
}
