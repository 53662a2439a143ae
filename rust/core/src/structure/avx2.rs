//! The masks with AVX2, and the strings' mask by carry-less multiplication.
#![allow(clippy::cast_ptr_alignment, reason = "the loads need no alignment")]
#![allow(unsafe_code, reason = "loads through a pointer, calls of functions with CPU features")]

use std::arch::x86_64::{
    __m256i, _MM_HINT_T0, _mm_clmulepi64_si128, _mm_cvtsi128_si64, _mm_prefetch, _mm_set_epi32,
    _mm_set_epi64x, _mm_set1_epi8, _mm256_and_si256, _mm256_broadcastsi128_si256,
    _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_max_epu8, _mm256_movemask_epi8, _mm256_or_si256,
    _mm256_set1_epi8, _mm256_shuffle_epi8, _mm256_testz_si256, _mm256_xor_si256, _pext_u64,
};

use textbook_simd::Avx2;

use super::{Algorithm, Glance, Kernel, Masks, half};

pub(super) fn run<A: Algorithm>(token: Avx2, algorithm: A) -> A::Output {
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt,pclmulqdq")]
    fn inner<A: Algorithm>(kernel: Avx2Kernel, algorithm: A) -> A::Output {
        algorithm.run(kernel)
    }
    // SAFETY: the token proves that the CPU has the features.
    unsafe { inner(Avx2Kernel(token), algorithm) }
}

#[derive(Clone, Copy)]
struct Avx2Kernel(#[allow(dead_code, reason = "held as a proof")] Avx2);

impl Kernel for Avx2Kernel {
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
#[target_feature(enable = "avx2,popcnt")]
fn glance(window: &[u8; 129]) -> Glance {
    let ((a, b), (c, d)) = (load(half::<1>(window)), load(half::<65>(window)));
    let (low_before, high_before) = (load(half::<0>(window)), load(half::<64>(window)));
    let quote = _mm256_set1_epi8(b'"'.cast_signed());
    let (qa, qb) = (_mm256_cmpeq_epi8(a, quote), _mm256_cmpeq_epi8(b, quote));
    let (qc, qd) = (_mm256_cmpeq_epi8(c, quote), _mm256_cmpeq_epi8(d, quote));
    let special_low = _mm256_or_si256(special(low_before.0, a, qa), special(low_before.1, b, qb));
    let special_high =
        _mm256_or_si256(special(high_before.0, c, qc), special(high_before.1, d, qd));
    let special = _mm256_or_si256(special_low, special_high);
    let quotes = _mm256_xor_si256(_mm256_xor_si256(qa, qb), _mm256_xor_si256(qc, qd));
    Glance {
        is_plain: _mm256_testz_si256(special, special) == 1,
        has_odd_quotes: _mm256_movemask_epi8(quotes).count_ones() & 1 == 1,
    }
}

/// Which bytes are brackets, or quotes after a backslash. A low nibble belongs to one
/// bracket at most, up to bit 5, in which `[` and `{`, as `]` and `}`, differ.
#[inline]
#[target_feature(enable = "avx2")]
fn special(before: __m256i, bytes: __m256i, quotes: __m256i) -> __m256i {
    let by_nibble = _mm256_broadcastsi128_si256(_mm_set_epi32(0x0000_7d00, 0x7b00_0000, 0, 0));
    let folded = _mm256_or_si256(bytes, _mm256_set1_epi8(0x20));
    let brackets = _mm256_cmpeq_epi8(_mm256_shuffle_epi8(by_nibble, bytes), folded);
    let escapes = _mm256_cmpeq_epi8(before, _mm256_set1_epi8(b'\\'.cast_signed()));
    _mm256_or_si256(brackets, _mm256_and_si256(quotes, escapes))
}

#[inline]
#[target_feature(enable = "avx2")]
fn masks(block: &[u8; 64]) -> Masks {
    let (low, high) = load(block);
    // `[` and `{`, as `]` and `}`, differ in bit 5 alone.
    let bit5 = _mm256_set1_epi8(0x20);
    let (low5, high5) = (_mm256_or_si256(low, bit5), _mm256_or_si256(high, bit5));
    Masks {
        quotes: equal(low, high, b'"'),
        backslashes: equal(low, high, b'\\'),
        open: equal(low5, high5, b'{'),
        close: equal(low5, high5, b'}'),
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn stops(block: &[u8; 64]) -> u64 {
    let (low, high) = load(block);
    // The larger of a byte and 0x1f is 0x1f for control characters alone.
    let last = _mm256_set1_epi8(0x1f);
    let (low_max, high_max) = (_mm256_max_epu8(low, last), _mm256_max_epu8(high, last));
    equal(low, high, b'"') | equal(low, high, b'\\') | equal(low_max, high_max, 0x1f)
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(block: &[u8; 64]) -> (__m256i, __m256i) {
    let pointer = block.as_ptr().cast::<__m256i>();
    // SAFETY: the block has 64 bytes, two vectors; these loads need no alignment.
    unsafe { (_mm256_loadu_si256(pointer), _mm256_loadu_si256(pointer.add(1))) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn equal(low: __m256i, high: __m256i, byte: u8) -> u64 {
    let wanted = _mm256_set1_epi8(byte.cast_signed());
    let low = _mm256_movemask_epi8(_mm256_cmpeq_epi8(low, wanted)).cast_unsigned();
    let high = _mm256_movemask_epi8(_mm256_cmpeq_epi8(high, wanted)).cast_unsigned();
    u64::from(low) | u64::from(high) << 32
}

#[inline(always)]
pub(super) fn prefetch(address: *const u8) {
    // SAFETY: a prefetch is a hint: no address faults, nothing is read or written that
    // the program can see. Every x86-64 CPU has it.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
}

#[inline]
#[target_feature(enable = "bmi2")]
pub(super) fn extract(bits: u64, mask: u64) -> u64 {
    _pext_u64(bits, mask)
}

/// A carry-less product with all ones is the XOR of all lower bits, for every bit.
#[inline]
#[target_feature(enable = "pclmulqdq")]
pub(super) fn prefix_xor(bits: u64) -> u64 {
    let product = _mm_clmulepi64_si128(_mm_set_epi64x(0, bits.cast_signed()), _mm_set1_epi8(-1), 0);
    _mm_cvtsi128_si64(product).cast_unsigned()
}
