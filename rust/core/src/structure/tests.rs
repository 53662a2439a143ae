//! Every level equals the scalar one, on any bytes.

use textbook_simd::Level;

use super::{Algorithm, Glance, Kernel, Masks, half, run};
use crate::index::scan_tests::Numbers;

struct All<'a>(&'a [u8; 129], u64, u64);

impl Algorithm for All<'_> {
    type Output = (Masks, u64, u64, u64, Glance);

    #[inline(always)]
    fn run<K: Kernel>(self, kernel: K) -> Self::Output {
        let block = half::<1>(self.0);
        let prefix = kernel.prefix_xor(self.1);
        let extracted = kernel.extract(self.1, self.2);
        (kernel.masks(block), kernel.stops(block), prefix, extracted, kernel.glance(self.0))
    }
}

#[test]
fn every_level_equals_the_scalar_one() {
    let (mut numbers, mut plain) = (Numbers(7), 0);
    for round in 0..20_000usize {
        let mut window = [b'a'; 129];
        // Few special bytes, many, or any: plain windows have to occur as well.
        let count = [2, 129, 129][round % 3];
        for _ in 0..count {
            let byte = &mut window[numbers.below(129)];
            let special = b"\"\\[]{}\x1f\x20\x00\x7f\xff ,:";
            *byte = match round % 3 {
                0 | 1 => special[numbers.below(special.len())],
                _ => u8::try_from(numbers.below(256)).expect("a byte"),
            };
        }
        let bits = (numbers.below(1 << 32) as u64) << 32 | numbers.below(1 << 32) as u64;
        let mask = bits.rotate_left(17) ^ bits >> 3;
        let expected = run(Level::Scalar, All(&window, bits, mask));
        plain += usize::from(expected.4.is_plain);
        for level in Level::available() {
            assert_eq!(run(level, All(&window, bits, mask)), expected, "{level} on {window:?}");
        }
    }
    assert!((1000..19_000).contains(&plain), "{plain} windows are plain");
}

#[test]
fn every_byte_in_every_place_is_what_it_is() {
    for value in 0..=255u8 {
        for place in 0..129 {
            let mut window = [b'a'; 129];
            window[place] = value;
            let is_in_block = (1..65).contains(&place);
            for level in Level::available() {
                let (masks, stops, _, _, glance) = run(level, All(&window, 0, 0));
                let bit =
                    |is_set: bool| u64::from(is_set && is_in_block) << ((place.max(1) - 1) % 64);
                assert_eq!(masks.quotes, bit(value == b'"'));
                assert_eq!(masks.backslashes, bit(value == b'\\'));
                assert_eq!(masks.open, bit(value == b'[' || value == b'{'));
                assert_eq!(masks.close, bit(value == b']' || value == b'}'));
                assert_eq!(stops, bit(value == b'"' || value == b'\\' || value < 32));
                assert_eq!(glance.is_plain, place == 0 || !b"[]{}".contains(&value));
                assert_eq!(glance.has_odd_quotes, value == b'"' && place > 0);
            }
        }
    }
}

#[test]
fn a_quote_after_a_backslash_is_not_plain_wherever_it_is() {
    for place in 1..129 {
        let mut window = [b'a'; 129];
        window[place - 1] = b'\\';
        for (after, is_plain) in [(b'"', false), (b'n', true), (b'\\', true)] {
            window[place] = after;
            for level in Level::available() {
                assert_eq!(run(level, All(&window, 0, 0)).4.is_plain, is_plain);
            }
        }
    }
}
