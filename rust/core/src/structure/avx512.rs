//! The masks with AVX-512: one load and four compares a block.
#![allow(clippy::cast_ptr_alignment, reason = "the loads need no alignment")]
#![allow(unsafe_code, reason = "loads through a pointer, calls of functions with CPU features")]

use std::arch::x86_64::{
    __m512i, _mm512_cmpeq_epi8_mask, _mm512_cmplt_epu8_mask, _mm512_loadu_si512,
    _mm512_mask_cmpeq_epi8_mask, _mm512_or_si512, _mm512_set1_epi8, _mm512_set4_epi32,
    _mm512_shuffle_epi8,
};

use textbook_simd::Avx512;

use super::avx2::{extract, prefetch, prefix_xor};
use super::{Algorithm, Glance, Kernel, Masks, half};

pub(super) fn run<A: Algorithm>(token: Avx512, algorithm: A) -> A::Output {
    #[target_feature(enable = "avx512f,avx512bw,avx2,bmi1,bmi2,lzcnt,popcnt,pclmulqdq")]
    fn inner<A: Algorithm>(kernel: Avx512Kernel, algorithm: A) -> A::Output {
        algorithm.run(kernel)
    }
    // SAFETY: the token proves that the CPU has the features.
    unsafe { inner(Avx512Kernel(token), algorithm) }
}

#[derive(Clone, Copy)]
struct Avx512Kernel(#[allow(dead_code, reason = "held as a proof")] Avx512);

impl Kernel for Avx512Kernel {
    #[inline(always)]
    fn masks(self, block: &[u8; 64]) -> Masks {
        // SAFETY: the token that `self` holds proves that the CPU has the features.
        unsafe { masks(block) }
    }

    #[inline(always)]
    fn stops(self, block: &[u8; 64]) -> u64 {
        // SAFETY: the token that `self` holds proves that the CPU has the features.
        unsafe { stops(block) }
    }

    #[inline(always)]
    fn prefix_xor(self, bits: u64) -> u64 {
        // SAFETY: the token that `self` holds proves that the CPU has the features.
        unsafe { prefix_xor(bits) }
    }

    #[inline(always)]
    fn extract(self, bits: u64, mask: u64) -> u64 {
        // SAFETY: the token that `self` holds proves that the CPU has the features.
        unsafe { extract(bits, mask) }
    }

    #[inline(always)]
    fn prefetch(self, address: *const u8) {
        prefetch(address);
    }

    #[inline(always)]
    fn glance(self, window: &[u8; 129]) -> Glance {
        // SAFETY: the token that `self` holds proves that the CPU has the features.
        unsafe { glance(window) }
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,popcnt")]
fn glance(window: &[u8; 129]) -> Glance {
    let (low, high) = (load(half::<1>(window)), load(half::<65>(window)));
    let (before_low, before_high) = (load(half::<0>(window)), load(half::<64>(window)));
    let quote = _mm512_set1_epi8(b'"'.cast_signed());
    let backslash = _mm512_set1_epi8(b'\\'.cast_signed());
    let low_quotes = _mm512_cmpeq_epi8_mask(low, quote);
    let high_quotes = _mm512_cmpeq_epi8_mask(high, quote);
    let escapes = _mm512_mask_cmpeq_epi8_mask(low_quotes, before_low, backslash)
        | _mm512_mask_cmpeq_epi8_mask(high_quotes, before_high, backslash);
    let special = escapes | brackets(low) | brackets(high);
    Glance {
        is_plain: special == 0,
        has_odd_quotes: (low_quotes ^ high_quotes).count_ones() & 1 == 1,
    }
}

/// Which bytes are brackets. A low nibble belongs to one of them at most, up to bit 5,
/// in which `[` and `{`, as `]` and `}`, differ.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn brackets(bytes: __m512i) -> u64 {
    let by_nibble = _mm512_set4_epi32(0x0000_7d00, 0x7b00_0000, 0, 0);
    let folded = _mm512_or_si512(bytes, _mm512_set1_epi8(0x20));
    _mm512_cmpeq_epi8_mask(_mm512_shuffle_epi8(by_nibble, bytes), folded)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn masks(block: &[u8; 64]) -> Masks {
    let bytes = load(block);
    // `[` and `{`, as `]` and `}`, differ in bit 5 alone.
    let bit5 = _mm512_or_si512(bytes, _mm512_set1_epi8(0x20));
    Masks {
        quotes: equal(bytes, b'"'),
        backslashes: equal(bytes, b'\\'),
        open: equal(bit5, b'{'),
        close: equal(bit5, b'}'),
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn stops(block: &[u8; 64]) -> u64 {
    let bytes = load(block);
    let control = _mm512_cmplt_epu8_mask(bytes, _mm512_set1_epi8(0x20));
    control | equal(bytes, b'"') | equal(bytes, b'\\')
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load(block: &[u8; 64]) -> __m512i {
    // SAFETY: the block has 64 bytes, one vector; this load needs no alignment.
    unsafe { _mm512_loadu_si512(block.as_ptr().cast::<__m512i>()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn equal(bytes: __m512i, byte: u8) -> u64 {
    _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(byte.cast_signed()))
}
