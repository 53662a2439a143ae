//! The inverse transform for AVX2: two blocks at a time, one in each half of the registers,
//! row y of both in one register; all sums of libjpeg-turbo's SIMD code in its order.

#[allow(clippy::wildcard_imports, reason = "the instruction set's own names")]
use std::arch::x86_64::*;

use textbook_simd::x86::load_i16x8;

use super::scalar::{
    F_0_298, F_0_390, F_0_541, F_0_765, F_0_899, F_1_175, F_1_501, F_1_847, F_1_961, F_2_053,
    F_2_562, F_3_072,
};
use super::{Job, PlaneMut};
use crate::macro_row::Block;
use crate::tables::Quantization;

/// Two constants for `madd`: the first goes with the even lanes.
#[target_feature(enable = "avx2")]
#[inline]
fn pair(first: i32, second: i32) -> __m256i {
    _mm256_set1_epi32((first & 0xffff) | second << 16)
}

/// `a` times `first` plus `b` times `second`: lanes 0–3, then 4–7 of each half.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn multiply_add(a: __m256i, b: __m256i, first: i32, second: i32) -> [__m256i; 2] {
    let factors = pair(first, second);
    [
        _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), factors),
        _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), factors),
    ]
}

#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn add(a: [__m256i; 2], b: [__m256i; 2]) -> [__m256i; 2] {
    [_mm256_add_epi32(a[0], b[0]), _mm256_add_epi32(a[1], b[1])]
}

#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn sub(a: [__m256i; 2], b: [__m256i; 2]) -> [__m256i; 2] {
    [_mm256_sub_epi32(a[0], b[0]), _mm256_sub_epi32(a[1], b[1])]
}

/// The 16-bit lanes times 2^13, as 32 bits.
#[target_feature(enable = "avx2")]
#[inline]
fn widen_scaled(a: __m256i) -> [__m256i; 2] {
    let zero = _mm256_setzero_si256();
    [
        _mm256_srai_epi32::<3>(_mm256_unpacklo_epi16(zero, a)),
        _mm256_srai_epi32::<3>(_mm256_unpackhi_epi16(zero, a)),
    ]
}

/// One pass: `r[k]` holds value `k` of eight columns of two blocks.
#[target_feature(enable = "avx2")]
#[inline]
fn idct_pass<const SHIFT: i32>(r: [__m256i; 8]) -> [__m256i; 8] {
    let round = _mm256_set1_epi32(1 << (SHIFT - 1));
    let even2 = multiply_add(r[2], r[6], F_0_541, F_0_541 - F_1_847);
    let even3 = multiply_add(r[2], r[6], F_0_541 + F_0_765, F_0_541);
    let even0 = add(widen_scaled(_mm256_add_epi16(r[0], r[4])), [round; 2]);
    let even1 = add(widen_scaled(_mm256_sub_epi16(r[0], r[4])), [round; 2]);
    let even = [add(even0, even3), add(even1, even2), sub(even1, even2), sub(even0, even3)];

    let (z3, z4) = (_mm256_add_epi16(r[7], r[3]), _mm256_add_epi16(r[5], r[1]));
    let sum3 = multiply_add(z3, z4, F_1_175 - F_1_961, F_1_175);
    let sum4 = multiply_add(z3, z4, F_1_175, F_1_175 - F_0_390);
    let odd = [
        add(multiply_add(r[7], r[1], -F_0_899, F_1_501 - F_0_899), sum4),
        add(multiply_add(r[5], r[3], -F_2_562, F_3_072 - F_2_562), sum3),
        add(multiply_add(r[5], r[3], F_2_053 - F_2_562, -F_2_562), sum4),
        add(multiply_add(r[7], r[1], F_0_298 - F_0_899, -F_0_899), sum3),
    ];
    let mut output = [round; 8];
    for k in 0..4 {
        output[k] = descale::<SHIFT>(add(even[k], odd[k]));
        output[7 - k] = descale::<SHIFT>(sub(even[k], odd[k]));
    }
    output
}

#[target_feature(enable = "avx2")]
#[inline]
fn descale<const SHIFT: i32>(a: [__m256i; 2]) -> __m256i {
    _mm256_packs_epi32(_mm256_srai_epi32::<SHIFT>(a[0]), _mm256_srai_epi32::<SHIFT>(a[1]))
}

/// Transposes 8 x 8 in each half.
#[target_feature(enable = "avx2")]
#[inline]
fn transpose(r: [__m256i; 8]) -> [__m256i; 8] {
    let low = |a: usize, b: usize| _mm256_unpacklo_epi16(r[a], r[b]);
    let high = |a: usize, b: usize| _mm256_unpackhi_epi16(r[a], r[b]);
    let a = [low(0, 1), low(2, 3), low(4, 5), low(6, 7)];
    let b = [high(0, 1), high(2, 3), high(4, 5), high(6, 7)];
    let mut out = r;
    for (half, quads) in [a, b].into_iter().enumerate() {
        let top =
            [_mm256_unpacklo_epi32(quads[0], quads[1]), _mm256_unpackhi_epi32(quads[0], quads[1])];
        let bottom =
            [_mm256_unpacklo_epi32(quads[2], quads[3]), _mm256_unpackhi_epi32(quads[2], quads[3])];
        for k in 0..2 {
            out[half * 4 + k * 2] = _mm256_unpacklo_epi64(top[k], bottom[k]);
            out[half * 4 + k * 2 + 1] = _mm256_unpackhi_epi64(top[k], bottom[k]);
        }
    }
    out
}

/// Columns of 16-bit values to rows of pixels: each result holds two rows of each block.
#[target_feature(enable = "avx2")]
#[inline]
fn to_pixels(c: [__m256i; 8]) -> [__m256i; 4] {
    let [a, b, c, d] = [(0, 4), (1, 5), (2, 6), (3, 7)]
        .map(|(left, right): (usize, usize)| _mm256_packs_epi16(c[left], c[right]));
    let (ab, cd) = (_mm256_unpacklo_epi8(a, b), _mm256_unpacklo_epi8(c, d));
    let (ef, gh) = (_mm256_unpackhi_epi8(a, b), _mm256_unpackhi_epi8(c, d));
    let (left0, left4) = (_mm256_unpacklo_epi16(ab, cd), _mm256_unpackhi_epi16(ab, cd));
    let (right0, right4) = (_mm256_unpacklo_epi16(ef, gh), _mm256_unpackhi_epi16(ef, gh));
    let center = _mm256_set1_epi8(-128);
    [
        _mm256_unpacklo_epi32(left0, right0),
        _mm256_unpackhi_epi32(left0, right0),
        _mm256_unpacklo_epi32(left4, right4),
        _mm256_unpackhi_epi32(left4, right4),
    ]
    .map(|rows| _mm256_xor_si256(rows, center))
}

#[target_feature(enable = "avx2")]
#[inline]
fn store_block(rows: [__m128i; 4], pixels: &mut [u8], stride: usize) {
    for (lines, pair) in pixels.chunks_mut(2 * stride).zip(rows) {
        let (upper, lower) = (_mm_cvtsi128_si64(pair), _mm_extract_epi64::<1>(pair));
        lines[..8].copy_from_slice(&upper.to_le_bytes());
        lines[stride..stride + 8].copy_from_slice(&lower.to_le_bytes());
    }
}

/// Whether a value of a block's first row is so large that the definition's shift may
/// overflow where `idct_pass` saturates. No encoder writes one.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn is_wild(first_row: __m256i) -> bool {
    let shifted = _mm256_add_epi16(first_row, _mm256_set1_epi16(1 << 13));
    _mm256_testz_si256(shifted, _mm256_set1_epi16(i16::MIN | 1 << 14)) == 0
}

#[cold]
fn idct_wild(
    jobs: &[Job],
    blocks: &mut [Block],
    table: &Quantization,
    pixels: &mut [u8],
    stride: usize,
) {
    use super::Kernels;
    super::scalar::Scalar.idct(jobs, blocks, table, PlaneMut { pixels, stride });
}

#[target_feature(enable = "avx2")]
pub(super) fn idct(
    jobs: &[Job],
    blocks: &mut [Block],
    table: &Quantization,
    pixels: &mut [u8],
    stride: usize,
) {
    let mut factors = [_mm256_setzero_si256(); 8];
    for (factor, row) in factors.iter_mut().zip(table.as_chunks::<8>().0) {
        *factor = _mm256_broadcastsi128_si256(load_i16x8(row));
    }
    for two in jobs.chunks(2) {
        let (first, second) = (two[0], two[two.len() - 1]);
        let (a, _) = blocks[first.block as usize].0.as_chunks::<8>();
        let (b, _) = blocks[second.block as usize].0.as_chunks::<8>();
        let mut rows = factors;
        for ((row, a), b) in rows.iter_mut().zip(a).zip(b) {
            let both =
                _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(load_i16x8(a)), load_i16x8(b));
            *row = _mm256_mullo_epi16(both, *row);
        }
        if is_wild(rows[0]) {
            idct_wild(two, blocks, table, pixels, stride);
            continue;
        }
        blocks[first.block as usize].0 = [0; 64];
        blocks[second.block as usize].0 = [0; 64];
        let columns = transpose(idct_pass::<11>(rows));
        let rows = to_pixels(idct_pass::<18>(columns));
        let length = 7 * stride + 8;
        let at = first.pixel as usize;
        let low = rows.map(|rows| _mm256_castsi256_si128(rows));
        store_block(low, &mut pixels[at..at + length], stride);
        let at = second.pixel as usize;
        let high = rows.map(|rows| _mm256_extracti128_si256::<1>(rows));
        store_block(high, &mut pixels[at..at + length], stride);
    }
}

/// One pass over values of which the last four of eight are 0; not yet descaled. The two
/// odd values go into one multiplication: their factors are the sums of those above.
#[target_feature(enable = "avx2")]
#[inline]
fn idct_pass_corner<const SHIFT: i32>(r: [__m256i; 4]) -> [[__m256i; 2]; 8] {
    let zero = _mm256_setzero_si256();
    let round = [_mm256_set1_epi32(1 << (SHIFT - 1)); 2];
    let even0 = add(widen_scaled(r[0]), round);
    let even2 = multiply_add(r[2], zero, F_0_541, 0);
    let even3 = multiply_add(r[2], zero, F_0_541 + F_0_765, 0);
    let even = [add(even0, even3), add(even0, even2), sub(even0, even2), sub(even0, even3)];
    let of_3 = [0, F_3_072 - F_2_562, -F_2_562, 0];
    let of_1 = [F_1_501 - F_0_899, 0, 0, -F_0_899];
    let sum_of_3 = [F_1_175, F_1_175 - F_1_961];
    let sum_of_1 = [F_1_175 - F_0_390, F_1_175];
    let mut output = [round; 8];
    for k in 0..4 {
        let odd = multiply_add(r[3], r[1], of_3[k] + sum_of_3[k % 2], of_1[k] + sum_of_1[k % 2]);
        output[k] = add(even[k], odd);
        output[7 - k] = sub(even[k], odd);
    }
    output
}

#[target_feature(enable = "avx2")]
pub(super) fn idct_corner(
    jobs: &[Job],
    blocks: &mut [Block],
    table: &Quantization,
    pixels: &mut [u8],
    stride: usize,
) {
    let mut factors = [_mm256_setzero_si256(); 4];
    for (factor, row) in factors.iter_mut().zip(table.as_chunks::<8>().0) {
        *factor = _mm256_broadcastsi128_si256(load_i16x8(row));
    }
    for two in jobs.chunks(2) {
        let (first, second) = (two[0], two[two.len() - 1]);
        let (a, _) = blocks[first.block as usize].0.as_chunks::<8>();
        let (b, _) = blocks[second.block as usize].0.as_chunks::<8>();
        let mut rows = factors;
        for ((row, a), b) in rows.iter_mut().zip(a).zip(b) {
            let both =
                _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(load_i16x8(a)), load_i16x8(b));
            *row = _mm256_mullo_epi16(both, *row);
        }
        if is_wild(rows[0]) {
            idct_wild(two, blocks, table, pixels, stride);
            continue;
        }
        blocks[first.block as usize].0[..32].fill(0);
        blocks[second.block as usize].0[..32].fill(0);
        // Four columns only: two rows of the result fit in one register.
        let sums = idct_pass_corner::<11>(rows);
        let pack = |row: usize| {
            _mm256_packs_epi32(
                _mm256_srai_epi32::<11>(sums[row][0]),
                _mm256_srai_epi32::<11>(sums[row + 1][0]),
            )
        };
        let [top, bottom] = [[pack(0), pack(2)], [pack(4), pack(6)]].map(|[p, q]| {
            let (a, b) = (_mm256_unpacklo_epi16(p, q), _mm256_unpackhi_epi16(p, q));
            [_mm256_unpacklo_epi16(a, b), _mm256_unpackhi_epi16(a, b)]
        });
        let columns = [
            _mm256_unpacklo_epi64(top[0], bottom[0]),
            _mm256_unpackhi_epi64(top[0], bottom[0]),
            _mm256_unpacklo_epi64(top[1], bottom[1]),
            _mm256_unpackhi_epi64(top[1], bottom[1]),
        ];
        let sums = idct_pass_corner::<18>(columns);
        let rows = to_pixels(sums.map(|sum| descale::<18>(sum)));
        let length = 7 * stride + 8;
        let at = first.pixel as usize;
        let low = rows.map(|rows| _mm256_castsi256_si128(rows));
        store_block(low, &mut pixels[at..at + length], stride);
        let at = second.pixel as usize;
        let high = rows.map(|rows| _mm256_extracti128_si256::<1>(rows));
        store_block(high, &mut pixels[at..at + length], stride);
    }
}
