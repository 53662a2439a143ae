//! The masks in plain Rust: the definition that the other levels are tested against.

use super::{Glance, Kernel, Masks, half};

#[derive(Clone, Copy)]
pub(super) struct Scalar;

impl Kernel for Scalar {
    fn masks(self, block: &[u8; 64]) -> Masks {
        let mut masks = Masks { quotes: 0, backslashes: 0, open: 0, close: 0 };
        for (bit, &byte) in block.iter().enumerate() {
            masks.quotes |= u64::from(byte == b'"') << bit;
            masks.backslashes |= u64::from(byte == b'\\') << bit;
            masks.open |= u64::from(byte == b'{' || byte == b'[') << bit;
            masks.close |= u64::from(byte == b'}' || byte == b']') << bit;
        }
        masks
    }

    fn stops(self, block: &[u8; 64]) -> u64 {
        let is_stop = |byte: u8| byte == b'"' || byte == b'\\' || byte < 0x20;
        block.iter().rev().fold(0, |mask, &byte| mask << 1 | u64::from(is_stop(byte)))
    }

    fn prefix_xor(self, mut bits: u64) -> u64 {
        for shift in [1, 2, 4, 8, 16, 32] {
            bits ^= bits << shift;
        }
        bits
    }

    fn extract(self, bits: u64, mut mask: u64) -> u64 {
        let mut extracted = 0;
        for place in 0..mask.count_ones() {
            extracted |= (bits >> mask.trailing_zeros() & 1) << place;
            mask &= mask - 1;
        }
        extracted
    }

    fn prefetch(self, _: *const u8) {}

    fn glance(self, window: &[u8; 129]) -> Glance {
        let (low, high) = (self.masks(half::<1>(window)), self.masks(half::<65>(window)));
        let after_low = low.backslashes << 1 | u64::from(window[0] == b'\\');
        let after_high = high.backslashes << 1 | low.backslashes >> 63;
        let escapes = low.quotes & after_low | high.quotes & after_high;
        let is_plain = low.open | low.close | high.open | high.close | escapes == 0;
        Glance { is_plain, has_odd_quotes: (low.quotes ^ high.quotes).count_ones() & 1 == 1 }
    }
}
