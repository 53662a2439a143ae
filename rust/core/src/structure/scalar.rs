//! The masks in plain Rust: the definition that the other levels are tested against.

use super::{Kernel, Masks};

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
}
