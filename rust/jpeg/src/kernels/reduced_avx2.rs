//! The smaller IDCTs for AVX2: two blocks in the halves of each register, the definition is
//! in `reduced`.

#[allow(clippy::wildcard_imports, reason = "the instruction set's own names")]
use std::arch::x86_64::*;

use textbook_simd::x86::{load_i16x8, load_u8x16};

use super::idct_avx2::{add, is_wild, multiply_add, sub};
use super::reduced::{
    F_0_211, F_0_509, F_0_601, F_0_720, F_0_765, F_0_850, F_0_899, F_1_061, F_1_272, F_1_451,
    F_1_847, F_2_172, F_2_562, F_3_624, idct_4x4_block,
};
use super::{Job, PlaneMut};
use crate::macro_row::Block;
use crate::tables::Quantization;

/// Row `y` of the table in both halves.
#[target_feature(enable = "avx2")]
#[inline]
fn factors(table: &Quantization) -> [__m256i; 8] {
    let mut factors = [_mm256_setzero_si256(); 8];
    for (factor, row) in factors.iter_mut().zip(table.as_chunks::<8>().0) {
        *factor = _mm256_broadcastsi128_si256(load_i16x8(row));
    }
    factors
}

/// Row `y` of two blocks, dequantized.
#[target_feature(enable = "avx2")]
#[inline]
fn dequantize(first: &Block, second: &Block, y: usize, factors: &[__m256i; 8]) -> __m256i {
    let (a, b) = (&first.0.as_chunks::<8>().0[y], &second.0.as_chunks::<8>().0[y]);
    let both = _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(load_i16x8(a)), load_i16x8(b));
    _mm256_mullo_epi16(both, factors[y])
}

/// The 16-bit lanes times 2 to the 16 − `SHIFT`, as 32 bits.
#[target_feature(enable = "avx2")]
#[inline]
fn widen_scaled<const SHIFT: i32>(a: __m256i) -> [__m256i; 2] {
    let zero = _mm256_setzero_si256();
    [
        _mm256_srai_epi32::<SHIFT>(_mm256_unpacklo_epi16(zero, a)),
        _mm256_srai_epi32::<SHIFT>(_mm256_unpackhi_epi16(zero, a)),
    ]
}

// No closures here: they are compiled without the instructions where they are not inlined.

#[target_feature(enable = "avx2")]
#[inline]
fn descale<const SHIFT: i32>(a: __m256i) -> __m256i {
    _mm256_srai_epi32::<SHIFT>(_mm256_add_epi32(a, _mm256_set1_epi32(1 << (SHIFT - 1))))
}

/// Descales and packs both halves of a row of sums.
#[target_feature(enable = "avx2")]
#[inline]
fn pack<const SHIFT: i32>(a: [__m256i; 2]) -> __m256i {
    _mm256_packs_epi32(descale::<SHIFT>(a[0]), descale::<SHIFT>(a[1]))
}

/// Pairs of values times pairs of factors, each pair summed.
#[target_feature(enable = "avx2")]
#[inline]
fn madd(values: __m256i, first: i32, second: i32) -> __m256i {
    _mm256_madd_epi16(values, _mm256_set1_epi32((first & 0xffff) | second << 16))
}

/// The first pass of 4 x 4: rows of coefficients to four rows of sums.
#[target_feature(enable = "avx2")]
#[inline]
fn columns_4(r: [__m256i; 8]) -> [__m256i; 4] {
    let first = widen_scaled::<2>(r[0]);
    let second = multiply_add(r[2], r[6], F_1_847, -F_0_765);
    let even = [add(first, second), sub(first, second)];
    let odd = [
        add(
            multiply_add(r[1], r[3], F_2_562, F_0_899),
            multiply_add(r[5], r[7], -F_0_601, -F_0_509),
        ),
        add(
            multiply_add(r[1], r[3], F_1_061, -F_2_172),
            multiply_add(r[5], r[7], F_1_451, -F_0_211),
        ),
    ];
    [
        pack::<12>(add(even[0], odd[0])),
        pack::<12>(add(even[1], odd[1])),
        pack::<12>(sub(even[1], odd[1])),
        pack::<12>(sub(even[0], odd[0])),
    ]
}

/// The second pass of 4 x 4: to 16 pixels of each block, row by row.
#[target_feature(enable = "avx2")]
#[inline]
fn rows_4(sums: [__m256i; 4]) -> __m256i {
    // Four values of each column in a row; the columns in pairs.
    let (top_low, top_high) =
        (_mm256_unpacklo_epi16(sums[0], sums[1]), _mm256_unpackhi_epi16(sums[0], sums[1]));
    let (bottom_low, bottom_high) =
        (_mm256_unpacklo_epi16(sums[2], sums[3]), _mm256_unpackhi_epi16(sums[2], sums[3]));
    let c01 = _mm256_unpacklo_epi32(top_low, bottom_low);
    let c23 = _mm256_unpackhi_epi32(top_low, bottom_low);
    let c45 = _mm256_unpacklo_epi32(top_high, bottom_high);
    let c67 = _mm256_unpackhi_epi32(top_high, bottom_high);
    let second = madd(_mm256_unpacklo_epi16(c23, c67), F_1_847, -F_0_765);
    let (c13, c57) = (_mm256_unpackhi_epi16(c01, c23), _mm256_unpackhi_epi16(c45, c67));
    let odd = [
        _mm256_add_epi32(madd(c13, F_2_562, F_0_899), madd(c57, -F_0_601, -F_0_509)),
        _mm256_add_epi32(madd(c13, F_1_061, -F_2_172), madd(c57, F_1_451, -F_0_211)),
    ];
    finish_4(c01, second, odd)
}

/// The sums of the second pass to 16 pixels of each block. `c01` begins with column 0.
#[target_feature(enable = "avx2")]
#[inline]
fn finish_4(c01: __m256i, second: __m256i, odd: [__m256i; 2]) -> __m256i {
    let zero = _mm256_setzero_si256();
    let first = _mm256_srai_epi32::<2>(_mm256_unpacklo_epi16(zero, c01));
    let even = [_mm256_add_epi32(first, second), _mm256_sub_epi32(first, second)];
    let left = pack::<19>([_mm256_add_epi32(even[0], odd[0]), _mm256_add_epi32(even[1], odd[1])]);
    let right = pack::<19>([_mm256_sub_epi32(even[1], odd[1]), _mm256_sub_epi32(even[0], odd[0])]);
    // Each half of these holds one column; as bytes 4 x 4, and those transposed.
    let bytes = _mm256_packs_epi16(left, right);
    let transposed = [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15];
    let order = _mm256_broadcastsi128_si256(load_u8x16(&transposed));
    _mm256_xor_si256(_mm256_shuffle_epi8(bytes, order), _mm256_set1_epi8(-128))
}

/// Both passes for blocks that are 0 outside of their top left 4 x 4 coefficients: `r` are
/// their four rows, of which the first four columns count.
#[target_feature(enable = "avx2")]
#[inline]
fn corner_4(r: [__m256i; 4]) -> __m256i {
    let zero = _mm256_setzero_si256();
    let first = _mm256_srai_epi32::<2>(_mm256_unpacklo_epi16(zero, r[0]));
    let second = madd(_mm256_unpacklo_epi16(r[2], zero), F_1_847, 0);
    let r13 = _mm256_unpacklo_epi16(r[1], r[3]);
    let odd = [madd(r13, F_2_562, F_0_899), madd(r13, F_1_061, -F_2_172)];
    let even = [_mm256_add_epi32(first, second), _mm256_sub_epi32(first, second)];
    let top = pack::<12>([_mm256_add_epi32(even[0], odd[0]), _mm256_add_epi32(even[1], odd[1])]);
    let bottom = pack::<12>([_mm256_sub_epi32(even[1], odd[1]), _mm256_sub_epi32(even[0], odd[0])]);
    // Rows 0 and 2, 1 and 3; then four values of each column in a row.
    let (a, b) = (_mm256_unpacklo_epi16(top, bottom), _mm256_unpackhi_epi16(top, bottom));
    let (c01, c23) = (_mm256_unpacklo_epi16(a, b), _mm256_unpackhi_epi16(a, b));
    let second = madd(_mm256_unpacklo_epi16(c23, zero), F_1_847, 0);
    let c13 = _mm256_unpackhi_epi16(c01, c23);
    finish_4(c01, second, [madd(c13, F_2_562, F_0_899), madd(c13, F_1_061, -F_2_172)])
}

#[target_feature(enable = "avx2")]
#[inline]
fn store_4(rows: __m128i, pixels: &mut [u8], at: usize, stride: usize) {
    let pixels = &mut pixels[at..at + 3 * stride + 4];
    let rows = [
        _mm_cvtsi128_si32(rows),
        _mm_extract_epi32::<1>(rows),
        _mm_extract_epi32::<2>(rows),
        _mm_extract_epi32::<3>(rows),
    ];
    for (y, row) in rows.into_iter().enumerate() {
        pixels[y * stride..y * stride + 4].copy_from_slice(&row.to_le_bytes());
    }
}

/// `CORNER`: the blocks are 0 outside of their top left 4 x 4 coefficients.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn idct_4x4<const CORNER: bool>(
    jobs: &[Job],
    blocks: &[Block],
    table: &Quantization,
    plane: PlaneMut<'_>,
) {
    let PlaneMut { pixels, stride } = plane;
    let factors = factors(table);
    for two in jobs.chunks(2) {
        let (first, second) = (two[0], two[two.len() - 1]);
        let (a, b) = (&blocks[first.block as usize], &blocks[second.block as usize]);
        let mut rows = factors;
        for (y, row) in rows.iter_mut().enumerate().take(if CORNER { 4 } else { 8 }) {
            *row = dequantize(a, b, y, &factors);
        }
        if is_wild(rows[0]) {
            store_wild(two, blocks, table, pixels, stride);
            continue;
        }
        let rows = if CORNER {
            corner_4([rows[0], rows[1], rows[2], rows[3]])
        } else {
            rows_4(columns_4(rows))
        };
        store_4(_mm256_castsi256_si128(rows), pixels, first.pixel as usize, stride);
        store_4(_mm256_extracti128_si256::<1>(rows), pixels, second.pixel as usize, stride);
    }
}

#[cold]
fn store_wild(
    jobs: &[Job],
    blocks: &[Block],
    table: &Quantization,
    pixels: &mut [u8],
    stride: usize,
) {
    for job in jobs {
        let rows = idct_4x4_block(&blocks[job.block as usize], table);
        for (y, row) in rows.iter().enumerate() {
            let at = job.pixel as usize + y * stride;
            pixels[at..at + 4].copy_from_slice(row);
        }
    }
}

/// The first pass of 2 x 2 for two blocks, and the odd part of the second one: for both rows
/// column 0, and the products of the others, still to be summed.
#[target_feature(enable = "avx2")]
#[inline]
fn halves_2(a: &Block, b: &Block, factors: &[__m256i; 8]) -> [__m256i; 2] {
    let even = widen_scaled::<1>(dequantize(a, b, 0, factors));
    let (r1, r3) = (dequantize(a, b, 1, factors), dequantize(a, b, 3, factors));
    let (r5, r7) = (dequantize(a, b, 5, factors), dequantize(a, b, 7, factors));
    let odd = add(multiply_add(r1, r3, F_3_624, -F_1_272), multiply_add(r5, r7, F_0_850, -F_0_720));
    let (upper, lower) = (add(even, odd), sub(even, odd));
    let upper = [descale::<13>(upper[0]), descale::<13>(upper[1])];
    let lower = [descale::<13>(lower[0]), descale::<13>(lower[1])];
    let odd_factors = _mm256_setr_epi16(
        0,
        F_3_624 as i16,
        0,
        -F_1_272 as i16,
        0,
        F_0_850 as i16,
        0,
        -F_0_720 as i16,
        0,
        F_3_624 as i16,
        0,
        -F_1_272 as i16,
        0,
        F_0_850 as i16,
        0,
        -F_0_720 as i16,
    );
    [
        _mm256_unpacklo_epi32(upper[0], lower[0]),
        _mm256_hadd_epi32(
            _mm256_madd_epi16(_mm256_packs_epi32(upper[0], upper[1]), odd_factors),
            _mm256_madd_epi16(_mm256_packs_epi32(lower[0], lower[1]), odd_factors),
        ),
    ]
}

#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn idct_2x2(jobs: &[Job], blocks: &[Block], table: &Quantization, plane: PlaneMut<'_>) {
    let PlaneMut { pixels, stride } = plane;
    let factors = factors(table);
    for four in jobs.chunks(4) {
        let last = four.len() - 1;
        let mut all = [&blocks[four[0].block as usize]; 4];
        for (k, block) in all.iter_mut().enumerate() {
            *block = &blocks[four[k.min(last)].block as usize];
        }
        let first = halves_2(all[0], all[1], &factors);
        let second = halves_2(all[2], all[3], &factors);
        // Rows 0 and 1 of a block of each pair, in each half.
        let even = _mm256_slli_epi32::<15>(_mm256_unpacklo_epi64(first[0], second[0]));
        let odd = _mm256_hadd_epi32(first[1], second[1]);
        let words = pack::<20>([_mm256_add_epi32(even, odd), _mm256_sub_epi32(even, odd)]);
        let bytes = _mm256_xor_si256(_mm256_packs_epi16(words, words), _mm256_set1_epi8(-128));
        let order = [0, 4, 1, 5, 2, 6, 3, 7, 0, 4, 1, 5, 2, 6, 3, 7];
        let bytes = _mm256_shuffle_epi8(bytes, _mm256_broadcastsi128_si256(load_u8x16(&order)));
        let halves = [
            _mm_cvtsi128_si64(_mm256_castsi256_si128(bytes)),
            _mm_cvtsi128_si64(_mm256_extracti128_si256::<1>(bytes)),
        ];
        for (k, job) in four.iter().enumerate() {
            let rows = (halves[k % 2] >> (k / 2 * 32)) as u32;
            let at = job.pixel as usize;
            pixels[at..at + 2].copy_from_slice(&(rows as u16).to_le_bytes());
            let lower = at + stride;
            pixels[lower..lower + 2].copy_from_slice(&((rows >> 16) as u16).to_le_bytes());
        }
    }
}
