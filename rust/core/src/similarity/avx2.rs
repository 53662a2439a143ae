//! SSIM with AVX2: 16 pixels' products, then 8 windows at a time.
#![allow(unsafe_code, reason = "calls of functions with CPU features")]

use std::arch::x86_64::{
    __m128i, __m256i, _mm256_add_epi32, _mm256_add_ps, _mm256_castsi256_si128,
    _mm256_cvtepi16_epi32, _mm256_cvtepi32_ps, _mm256_cvtepu8_epi16, _mm256_cvtepu16_epi32,
    _mm256_div_ps, _mm256_extracti128_si256, _mm256_madd_epi16, _mm256_mul_ps, _mm256_mullo_epi16,
    _mm256_mullo_epi32, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setzero_ps, _mm256_slli_epi32,
    _mm256_sub_epi32,
};

use textbook_simd::Avx2;
use textbook_simd::x86::{load_i16x8, load_i32x8, load_u8x16, store_f32x8, store_i32x8};

use super::scalar::{self, Scalar};
use super::{C1, C2, Kernel, LANES, PIXELS, WINDOW, Windows};

/// The scalar code, compiled for AVX2.
pub(super) fn window_sums(_token: Avx2, width: usize, pixels: &[u8]) -> (Vec<i16>, Vec<i32>) {
    #[target_feature(enable = "avx2")]
    fn inner(width: usize, pixels: &[u8]) -> (Vec<i16>, Vec<i32>) {
        scalar::window_sums(width, pixels)
    }
    // SAFETY: the token proves that the CPU has the features.
    unsafe { inner(width, pixels) }
}

#[derive(Clone, Copy)]
pub(super) struct Avx2Kernel(pub Avx2);

impl Kernel for Avx2Kernel {
    fn add_products(self, columns: &mut [i32], a: &[u8], b: &[u8]) {
        // Seven rows of a picture: not worth a kernel.
        Scalar.add_products(columns, a, b);
    }

    fn move_products(self, columns: &mut [i32], old: (&[u8], &[u8]), new: (&[u8], &[u8])) {
        // SAFETY: the token that `self` holds proves that the CPU has the features.
        unsafe { move_products(columns, old, new) }
    }

    fn sum_row(self, columns: &[i32], a: Windows<'_>, b: Windows<'_>) -> [f32; LANES] {
        // SAFETY: the token that `self` holds proves that the CPU has the features.
        unsafe { sum_row(columns, a, b) }
    }
}

#[target_feature(enable = "avx2")]
fn move_products(columns: &mut [i32], old: (&[u8], &[u8]), new: (&[u8], &[u8])) {
    let (blocks, rest) = columns.as_chunks_mut::<16>();
    let old_blocks = old.0.as_chunks::<16>().0.iter().zip(old.1.as_chunks::<16>().0);
    let new_blocks = new.0.as_chunks::<16>().0.iter().zip(new.1.as_chunks::<16>().0);
    for ((block, (a, b)), (c, d)) in blocks.iter_mut().zip(old_blocks).zip(new_blocks) {
        let gone = products(load_u8x16(a), load_u8x16(b));
        let come = products(load_u8x16(c), load_u8x16(d));
        let (halves, _) = block.as_chunks_mut::<8>();
        let low = (_mm256_castsi256_si128(gone), _mm256_castsi256_si128(come));
        let high = (_mm256_extracti128_si256::<1>(gone), _mm256_extracti128_si256::<1>(come));
        for (half, (gone, come)) in halves.iter_mut().zip([low, high]) {
            let change = _mm256_sub_epi32(_mm256_cvtepu16_epi32(come), _mm256_cvtepu16_epi32(gone));
            store_i32x8(half, _mm256_add_epi32(load_i32x8(half), change));
        }
    }
    let start = blocks.len() * 16;
    let rows = [old.0, old.1, new.0, new.1].map(|row| row.get(start..).unwrap_or_default());
    Scalar.move_products(rest, (rows[0], rows[1]), (rows[2], rows[3]));
}

/// 16 products, which fit 16 bits without a sign.
#[inline]
#[target_feature(enable = "avx2")]
fn products(a: __m128i, b: __m128i) -> __m256i {
    _mm256_mullo_epi16(_mm256_cvtepu8_epi16(a), _mm256_cvtepu8_epi16(b))
}

#[target_feature(enable = "avx2")]
fn sum_row(columns: &[i32], a: Windows<'_>, b: Windows<'_>) -> [f32; LANES] {
    let pixels = _mm256_set1_epi32(PIXELS);
    let (c1, c2) = (_mm256_set1_ps(C1), _mm256_set1_ps(C2));
    let mut total = _mm256_setzero_ps();
    let sums = a.sums.as_chunks::<8>().0.iter().zip(b.sums.as_chunks::<8>().0);
    let deviations = a.deviations.as_chunks::<8>().0.iter().zip(b.deviations.as_chunks::<8>().0);
    let mut done = 0;
    for ((sums_a, sums_b), (deviations_a, deviations_b)) in sums.zip(deviations) {
        let Some(reach) = columns.get(done..).and_then(|rest| rest.first_chunk::<14>()) else {
            break;
        };
        let products = seven(reach);
        let sum_a = _mm256_cvtepi16_epi32(load_i16x8(sums_a));
        let sum_b = _mm256_cvtepi16_epi32(load_i16x8(sums_b));
        // The upper half of each 32-bit lane is zero, so a pair's sum is one product.
        let both = _mm256_madd_epi16(sum_a, sum_b);
        let squares =
            _mm256_add_epi32(_mm256_madd_epi16(sum_a, sum_a), _mm256_madd_epi16(sum_b, sum_b));
        let mixed = _mm256_sub_epi32(_mm256_mullo_epi32(products, pixels), both);
        let spread = _mm256_add_epi32(load_i32x8(deviations_a), load_i32x8(deviations_b));
        let above = _mm256_mul_ps(
            _mm256_add_ps(_mm256_cvtepi32_ps(_mm256_slli_epi32::<1>(both)), c1),
            _mm256_add_ps(_mm256_cvtepi32_ps(_mm256_slli_epi32::<1>(mixed)), c2),
        );
        let below = _mm256_mul_ps(
            _mm256_add_ps(_mm256_cvtepi32_ps(squares), c1),
            _mm256_add_ps(_mm256_cvtepi32_ps(spread), c2),
        );
        total = _mm256_add_ps(total, _mm256_div_ps(above, below));
        done += LANES;
    }
    let mut lanes = [0f32; LANES];
    store_f32x8(&mut lanes, total);
    // `done` is a multiple of 8, so the rest goes on with lane 0.
    scalar::add_windows(&mut lanes, done, columns, a, b);
    lanes
}

/// The sums of 7 neighbors, for 8 places.
#[inline]
#[target_feature(enable = "avx2")]
fn seven(columns: &[i32; 14]) -> __m256i {
    let at = |start: usize| {
        let window = columns.get(start..).and_then(|rest| rest.first_chunk::<8>());
        load_i32x8(window.unwrap_or(&[0; 8]))
    };
    let pairs = [(0, 1), (2, 3), (4, 5)].map(|(a, b)| _mm256_add_epi32(at(a), at(b)));
    let [first, second, third] = pairs;
    _mm256_add_epi32(_mm256_add_epi32(first, second), _mm256_add_epi32(third, at(WINDOW - 1)))
}
