//! Every level equals the scalar one, on any bytes.

use textbook_simd::Level;

use super::{Algorithm, Kernel, Masks, run};
use crate::index::scan_tests::Numbers;

struct All<'a>(&'a [u8; 64], u64);

impl Algorithm for All<'_> {
    type Output = (Masks, u64, u64);

    #[inline(always)]
    fn run<K: Kernel>(self, kernel: K) -> Self::Output {
        (kernel.masks(self.0), kernel.stops(self.0), kernel.prefix_xor(self.1))
    }
}

#[test]
fn every_level_equals_the_scalar_one() {
    let mut numbers = Numbers(7);
    for round in 0..20_000usize {
        let mut block = [0u8; 64];
        for byte in &mut block {
            let special = b"\"\\[]{}\x1f\x20\x00\x7f\xff ,:";
            *byte = match round % 2 {
                0 => special[numbers.below(special.len())],
                _ => u8::try_from(numbers.below(256)).expect("a byte"),
            };
        }
        let bits = (numbers.below(1 << 32) as u64) << 32 | numbers.below(1 << 32) as u64;
        let expected = run(Level::Scalar, All(&block, bits));
        for level in Level::available() {
            assert_eq!(run(level, All(&block, bits)), expected, "{level} on {block:?}");
        }
    }
    // Every byte value in every place.
    for value in 0..=255u8 {
        for place in 0..64 {
            let mut block = [b'a'; 64];
            block[place] = value;
            let expected = run(Level::Scalar, All(&block, 1 << place));
            assert_eq!(expected.1 != 0, value == b'"' || value == b'\\' || value < 32);
            for level in Level::available() {
                assert_eq!(run(level, All(&block, 1 << place)), expected);
            }
        }
    }
}
