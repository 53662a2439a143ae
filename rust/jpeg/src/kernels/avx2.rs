//! The kernels for AVX2. Intrinsics only; the definition is in `scalar`.
//!
//! ```text
//! IDCT    two blocks at a time, one in each half of the registers: row y of both in one
//!         register, all sums of libjpeg-turbo's SIMD code in its order
//! color   even and odd pixels apart (16-bit lanes for nothing), put together again by
//!         the byte shuffle that interleaves red, green and blue
//! ```

#[allow(clippy::wildcard_imports, reason = "the instruction set's own names")]
use std::arch::x86_64::*;
use std::ops::Range;

use textbook_simd::x86::{load_i16x8, load_u8x16, load_u8x32, store_u8x32};
use textbook_simd::{Avx2, Avx512};

use super::scalar::{
    F_0_298, F_0_390, F_0_541, F_0_765, F_0_899, F_1_175, F_1_501, F_1_847, F_1_961, F_2_053,
    F_2_562, F_3_072,
};
use super::survey::{McuKind, Survey};
use super::{Job, Neighbors, PlaneMut, Rows, RowsMut, survey_avx2};
use crate::entropy::{self, BitReader, Broken, ScanLayout, ScanTables};
use crate::macro_row::{Block, DC_ONLY, MacroRow};
use crate::tables::Quantization;

/// Proof that the CPU has AVX2, and the kernels that need it; with AVX-512, those that
/// are faster with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kernels(Avx2, Option<Avx512>);

impl Kernels {
    pub(crate) fn new(token: Avx2, more: Option<Avx512>) -> Kernels {
        Kernels(token, more)
    }
}

/// Calls a function of this level. The token inside of `Kernels` is the proof.
macro_rules! with_avx2 {
    ($call:expr) => {
        // SAFETY: `self` holds an `Avx2` token, which exists only where the CPU has all
        // features that the functions in this file enable.
        unsafe { $call }
    };
}

impl super::Kernels for Kernels {
    #[inline(always)]
    fn run<T>(self, code: impl FnOnce() -> T) -> T {
        with_avx2!(run(code))
    }

    #[inline(always)]
    fn decode_mcus(
        self,
        run: (&mut BitReader<'_>, usize),
        (layout, tables): (&ScanLayout, &ScanTables),
        mcus: &Range<usize>,
        row: &mut MacroRow,
        upcoming: &[u8],
    ) -> Result<(), Broken> {
        with_avx2!(decode_mcus(run, layout, tables, mcus, row, upcoming))
    }

    #[inline(always)]
    fn find_coded(self, row: &mut MacroRow) {
        with_avx2!(find_coded(row));
    }

    #[inline(always)]
    fn survey(
        self,
        kind: &McuKind,
        sums: &[u8],
        blocks: &mut [Block],
        predictions: &mut [i16; 4],
        found: &mut Survey<'_>,
    ) {
        with_avx2!(match kind.luma {
            4 => survey_avx2::survey::<4>(kind, sums, blocks, predictions, found),
            2 => survey_avx2::survey::<2>(kind, sums, blocks, predictions, found),
            _ => survey_avx2::survey::<1>(kind, sums, blocks, predictions, found),
        });
    }

    #[inline(always)]
    fn compare_neighbors(self, values: &[u32], found: &mut Neighbors) {
        with_avx2!(survey_avx2::compare_neighbors(values, found));
    }

    #[inline(always)]
    fn idct(self, jobs: &[Job], blocks: &mut [Block], table: &Quantization, plane: PlaneMut<'_>) {
        with_avx2!(idct(jobs, blocks, table, plane.pixels, plane.stride));
    }

    #[inline(always)]
    fn idct_corner(
        self,
        jobs: &[Job],
        blocks: &mut [Block],
        table: &Quantization,
        plane: PlaneMut<'_>,
    ) {
        with_avx2!(idct_corner(jobs, blocks, table, plane.pixels, plane.stride));
    }

    #[inline(always)]
    fn idct_4x4(self, jobs: &[Job], blocks: &[Block], table: &Quantization, plane: PlaneMut<'_>) {
        with_avx2!(super::reduced_avx2::idct_4x4::<false>(jobs, blocks, table, plane));
    }

    #[inline(always)]
    fn idct_4x4_corner(
        self,
        jobs: &[Job],
        blocks: &[Block],
        table: &Quantization,
        plane: PlaneMut<'_>,
    ) {
        with_avx2!(super::reduced_avx2::idct_4x4::<true>(jobs, blocks, table, plane));
    }

    #[inline(always)]
    fn idct_2x2(self, jobs: &[Job], blocks: &[Block], table: &Quantization, plane: PlaneMut<'_>) {
        with_avx2!(super::reduced_avx2::idct_2x2(jobs, blocks, table, plane));
    }

    #[inline(always)]
    fn upsample_h2v1(self, row: &[u8], out: &mut [u8]) {
        let done = with_avx2!(upsample_h2v1(row, out));
        super::scalar::Scalar.upsample_h2v1(&row[done..], &mut out[2 * done..]);
    }

    #[inline(always)]
    fn upsample_h2v2(self, near: &[u8], far: &[u8], out: &mut [u8]) {
        let done = with_avx2!(upsample_h2v2(near, far, out));
        super::scalar::Scalar.upsample_h2v2(&near[done..], &far[done..], &mut out[2 * done..]);
    }

    #[inline(always)]
    fn upsample_h1v2(self, near: &[u8], far: &[u8], bias: u16, out: &mut [u8]) {
        let done = with_avx2!(upsample_h1v2(near, far, bias, out));
        super::scalar::Scalar.upsample_h1v2(&near[done..], &far[done..], bias, &mut out[done..]);
    }

    #[inline(always)]
    fn ycc_to_rgb(self, y: &[u8], cb: &[u8], cr: &[u8], out: &mut [u8]) {
        with_avx2!(ycc_to_rgb(y, cb, cr, out));
    }

    #[inline(always)]
    fn ycc_h2v1_to_rgb(self, y: &[u8], cb: &[u8], cr: &[u8], out: &mut [u8]) {
        with_avx2!(ycc_h2v1_to_rgb(y, cb, cr, out));
    }

    #[inline(always)]
    fn ycc_h2v2_to_rgb(self, y: Rows<'_>, cb: Rows<'_>, cr: Rows<'_>, out: RowsMut<'_>) {
        if self.1.is_some() {
            // SAFETY: `self` holds an `Avx512` token, which exists only where the CPU has
            // all features that the function enables.
            unsafe { super::avx512::ycc_h2v2_to_rgb(y, cb, cr, out) };
        } else {
            with_avx2!(ycc_h2v2_to_rgb(y, cb, cr, out));
        }
    }

    #[inline(always)]
    fn fill(self, color: [u8; 3], out: RowsMut<'_>) {
        with_avx2!(fill(color, out));
    }

    #[inline(always)]
    fn shift_to_rgb(self, y: Rows<'_>, shift: [i16; 3], out: RowsMut<'_>) {
        with_avx2!(shift_to_rgb(y, shift, out));
    }
}

#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
fn run<T>(code: impl FnOnce() -> T) -> T {
    code()
}

#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
#[inline(never)]
fn decode_mcus(
    run: (&mut BitReader<'_>, usize),
    layout: &ScanLayout,
    tables: &ScanTables,
    mcus: &Range<usize>,
    row: &mut MacroRow,
    upcoming: &[u8],
) -> Result<(), Broken> {
    entropy::decode_mcus(run, layout, tables, mcus, row, |reader, scan, mcus, row| {
        super::entropy_bmi2::decode_changed(reader, scan, mcus, row, upcoming)
    })
}

#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
#[inline(never)]
fn find_coded(row: &mut MacroRow) {
    let dc_only = DC_ONLY.map(|sum| _mm256_set1_epi8(sum.cast_signed()));
    row.find_coded(|sums| {
        let sums = load_u8x32(sums);
        let equal = dc_only.map(|sum| _mm256_cmpeq_epi8(sums, sum));
        let any = _mm256_or_si256(_mm256_or_si256(equal[0], equal[1]), equal[2]);
        !_mm256_movemask_epi8(any).cast_unsigned()
    });
}

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
fn idct(
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
fn idct_corner(
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

/// 16 bytes as 16-bit values.
#[target_feature(enable = "avx2")]
#[inline]
fn widen(bytes: &[u8], at: usize) -> __m256i {
    bytes[at..]
        .first_chunk::<16>()
        .map_or_else(|| _mm256_setzero_si256(), |bytes| _mm256_cvtepu8_epi16(load_u8x16(bytes)))
}

/// Three times `a` plus `b`.
#[target_feature(enable = "avx2")]
#[inline]
fn three_to_one(a: __m256i, b: __m256i) -> __m256i {
    _mm256_add_epi16(_mm256_add_epi16(a, _mm256_slli_epi16::<1>(a)), b)
}

/// Returns how many pixels of the row it did; the rest is left.
#[target_feature(enable = "avx2")]
#[inline]
fn upsample_h2v1(row: &[u8], out: &mut [u8]) -> usize {
    let (out, _) = out.as_chunks_mut::<32>();
    let count = out.len().min(row.len().saturating_sub(2) / 16);
    let (one, two) = (_mm256_set1_epi16(1), _mm256_set1_epi16(2));
    for (step, out) in out.iter_mut().take(count).enumerate() {
        let at = step * 16;
        let (last, this, next) = (widen(row, at), widen(row, at + 1), widen(row, at + 2));
        let even = _mm256_add_epi16(three_to_one(this, last), one);
        let odd = _mm256_add_epi16(three_to_one(this, next), two);
        let (even, odd) = (_mm256_srli_epi16::<2>(even), _mm256_srli_epi16::<2>(odd));
        store_u8x32(out, _mm256_or_si256(even, _mm256_slli_epi16::<8>(odd)));
    }
    count * 16
}

/// Returns how many pixels of the rows it did; the rest is left.
#[target_feature(enable = "avx2")]
#[inline]
fn upsample_h2v2(near: &[u8], far: &[u8], out: &mut [u8]) -> usize {
    let (out, _) = out.as_chunks_mut::<32>();
    let count = out.len().min(near.len().min(far.len()).saturating_sub(2) / 16);
    let (seven, eight) = (_mm256_set1_epi16(7), _mm256_set1_epi16(8));
    for (step, out) in out.iter_mut().take(count).enumerate() {
        let at = step * 16;
        let last = three_to_one(widen(near, at), widen(far, at));
        let this = three_to_one(widen(near, at + 1), widen(far, at + 1));
        let next = three_to_one(widen(near, at + 2), widen(far, at + 2));
        let even = _mm256_add_epi16(three_to_one(this, last), eight);
        let odd = _mm256_add_epi16(three_to_one(this, next), seven);
        let (even, odd) = (_mm256_srli_epi16::<4>(even), _mm256_srli_epi16::<4>(odd));
        store_u8x32(out, _mm256_or_si256(even, _mm256_slli_epi16::<8>(odd)));
    }
    count * 16
}

/// Returns how many pixels of the rows it did; the rest is left.
#[target_feature(enable = "avx2")]
#[inline]
fn upsample_h1v2(near: &[u8], far: &[u8], bias: u16, out: &mut [u8]) -> usize {
    let (out, _) = out.as_chunks_mut::<32>();
    let count = out.len().min(near.len().min(far.len()) / 32);
    let bias = _mm256_set1_epi16(bias.cast_signed());
    for (step, out) in out.iter_mut().take(count).enumerate() {
        let [low, high] = [0, 16].map(|shift| {
            let sum = three_to_one(widen(near, step * 32 + shift), widen(far, step * 32 + shift));
            _mm256_srli_epi16::<2>(_mm256_add_epi16(sum, bias))
        });
        let packed = _mm256_packus_epi16(low, high);
        store_u8x32(out, _mm256_permute4x64_epi64::<0b11_01_10_00>(packed));
    }
    count * 32
}

/// Where byte `position` of the interleaved pixels comes from, for one channel: a mask
/// for the byte shuffle of pixels 0, 1, … 15, or with `halves` of 0, 2, … 14, 1, 3, … 15. One shuffle serves all three
/// vectors of the result, for no two of them want the channel at the same position.
const fn interleave(channel: usize, halves: bool) -> [u8; 32] {
    let mut mask = [0; 32];
    let mut byte = 0;
    while byte < 48 {
        if byte % 3 == channel {
            let pixel = byte / 3;
            let place = if !halves {
                pixel
            } else if pixel % 2 == 1 {
                pixel / 2 + 8
            } else {
                pixel / 2
            };
            mask[byte % 16] = place as u8;
            mask[16 + byte % 16] = place as u8;
        }
        byte += 1;
    }
    mask
}

/// Which bytes of result `part` are of the channel: all bits set.
const fn select(part: usize, channel: usize) -> [u8; 32] {
    let mut mask = [0; 32];
    let mut byte = 0;
    while byte < 32 {
        if (part * 16 + byte % 16) % 3 == channel {
            mask[byte] = 0xff;
        }
        byte += 1;
    }
    mask
}

/// 16 values of each channel to red, green and blue. Chroma is centered: 128 less.
#[target_feature(enable = "avx2")]
#[inline]
fn convert(y: __m256i, cb: __m256i, cr: __m256i) -> [__m256i; 3] {
    // 1.402 - 1 in 15 and 1.772 in 14 bits; equal to the 16-bit table for every byte.
    let red = _mm256_mulhrs_epi16(cr, _mm256_set1_epi16(13173));
    let red = _mm256_add_epi16(_mm256_add_epi16(y, cr), red);
    let blue = _mm256_mulhrs_epi16(_mm256_add_epi16(cb, cb), _mm256_set1_epi16(29033));
    let blue = _mm256_add_epi16(y, blue);
    // -22554, -46802, 1 / 2 and 16 bits of fraction: all even, so halved.
    let half = _mm256_set1_epi32(1 << 14);
    let [low, high] = multiply_add(cb, cr, -11277, -23401);
    let green = _mm256_packs_epi32(
        _mm256_srai_epi32::<15>(_mm256_add_epi32(low, half)),
        _mm256_srai_epi32::<15>(_mm256_add_epi32(high, half)),
    );
    [red, _mm256_add_epi16(y, green), blue]
}

/// 32 pixels, chroma of the even and of the odd ones.
#[target_feature(enable = "avx2")]
#[inline]
fn convert_32(y: &[u8; 32], cb: [__m256i; 2], cr: [__m256i; 2]) -> [__m256i; 3] {
    const INTERLEAVE: [[u8; 32]; 3] =
        [interleave(0, true), interleave(1, true), interleave(2, true)];
    let y = load_u8x32(y);
    let even = convert(_mm256_and_si256(y, _mm256_set1_epi16(0xff)), cb[0], cr[0]);
    let odd = convert(_mm256_srli_epi16::<8>(y), cb[1], cr[1]);
    let mut channels = even;
    for (channel, own) in channels.iter_mut().enumerate() {
        let packed = _mm256_packus_epi16(even[channel], odd[channel]);
        *own = _mm256_shuffle_epi8(packed, load_u8x32(&INTERLEAVE[channel]));
    }
    channels
}

/// 32 bytes of chroma: the even and the odd ones, centered.
#[target_feature(enable = "avx2")]
#[inline]
fn centered(bytes: &[u8; 32]) -> [__m256i; 2] {
    let (bytes, center) = (load_u8x32(bytes), _mm256_set1_epi16(128));
    let even = _mm256_and_si256(bytes, _mm256_set1_epi16(0xff));
    [even, _mm256_srli_epi16::<8>(bytes)].map(|values| _mm256_sub_epi16(values, center))
}

/// The even and the odd pixels between those of half the width, times 4. `row` begins one
/// pixel before.
#[target_feature(enable = "avx2")]
#[inline]
fn double_across(row: &[u8; 18]) -> [__m256i; 2] {
    let (last, this, next) = (widen(row, 0), widen(row, 1), widen(row, 2));
    let three = _mm256_add_epi16(_mm256_add_epi16(this, this), this);
    [_mm256_add_epi16(three, last), _mm256_add_epi16(three, next)]
}

/// From what [`double_across`] makes of two rows: the pixels of both rows between them,
/// centered.
#[target_feature(enable = "avx2")]
#[inline]
fn double_down(upper: [__m256i; 2], lower: [__m256i; 2]) -> [[__m256i; 2]; 2] {
    let mut pixels = [upper, lower];
    for (parity, round) in [8, 7].into_iter().enumerate() {
        let (upper, lower) = (upper[parity], lower[parity]);
        let bias = _mm256_set1_epi16(round - 16 * 128);
        let sum = _mm256_add_epi16(_mm256_add_epi16(upper, lower), bias);
        for (row, near) in [upper, lower].into_iter().enumerate() {
            let sum = _mm256_add_epi16(sum, _mm256_add_epi16(near, near));
            pixels[row][parity] = _mm256_srai_epi16::<4>(sum);
        }
    }
    pixels
}

/// Stores 32 pixels at this step, or as many of them as there is room for.
#[target_feature(enable = "avx2")]
#[inline]
fn store_step(channels: [__m256i; 3], out: &mut [u8], step: usize) {
    let out = &mut out[step * 96..];
    if let Some(out) = out.first_chunk_mut::<96>() {
        store_interleaved(channels, out);
        return;
    }
    let mut pixels = [0; 96];
    store_interleaved(channels, &mut pixels);
    match <&mut [u8; 48]>::try_from(&mut *out) {
        // One MCU, where another span begins.
        Ok(out) => out.copy_from_slice(&pixels[..48]),
        Err(_) => out.copy_from_slice(&pixels[..out.len()]),
    }
}

/// The vectors of a row that this step looks at.
#[inline(always)]
fn window<const LENGTH: usize>(row: &[u8], start: usize) -> &[u8; LENGTH] {
    row[start..start + LENGTH].first_chunk().expect("a slice of this length")
}

/// The same to write to.
#[inline(always)]
fn window_mut<const LENGTH: usize>(row: &mut [u8], start: usize) -> &mut [u8; LENGTH] {
    row[start..start + LENGTH].first_chunk_mut().expect("a slice of this length")
}

/// The end of a row as a whole vector.
#[cold]
fn padded(rest: &[u8]) -> [u8; 32] {
    let mut padded = [0; 32];
    padded[..rest.len()].copy_from_slice(rest);
    padded
}

#[target_feature(enable = "avx2")]
#[inline]
fn ycc_h2v1_to_rgb(y: &[u8], cb: &[u8], cr: &[u8], out: &mut [u8]) {
    for step in 0..out.len().div_ceil(96) {
        let [cb, cr] = [cb, cr].map(|row| {
            let [even, odd] = double_across(window(row, step * 16));
            [(even, 1), (odd, 2)].map(|(sum, round)| {
                let bias = _mm256_set1_epi16(round - 4 * 128);
                _mm256_srai_epi16::<2>(_mm256_add_epi16(sum, bias))
            })
        });
        store_step(convert_32(window(y, step * 32), cb, cr), out, step);
    }
}

#[target_feature(enable = "avx2")]
fn ycc_h2v2_to_rgb(y: Rows<'_>, cb: Rows<'_>, cr: Rows<'_>, out: RowsMut<'_>) {
    let RowsMut { bytes, stride, length } = out;
    // Column after column, so that what is made of a row of chroma serves twice.
    for step in 0..length.div_ceil(96) {
        let at = step * 16;
        let mut upper =
            [double_across(window(cb.from(0), at)), double_across(window(cr.from(0), at))];
        for (pair, out) in bytes.chunks_mut(2 * stride).enumerate() {
            let next = pair + 1;
            let lower = [
                double_across(window(cb.from(next), at)),
                double_across(window(cr.from(next), at)),
            ];
            let (cb, cr) = (double_down(upper[0], lower[0]), double_down(upper[1], lower[1]));
            upper = lower;
            for (row, out) in out.chunks_mut(stride).enumerate() {
                let y = window(y.from(2 * pair + row), step * 32);
                store_step(convert_32(y, cb[row], cr[row]), &mut out[..length], step);
            }
        }
    }
}

/// Stores 32 pixels of three channels that are shuffled as [`interleave`] says.
#[target_feature(enable = "avx2")]
#[inline]
fn store_interleaved(channels: [__m256i; 3], out: &mut [u8; 96]) {
    const GREEN: [[u8; 32]; 3] = [select(0, 1), select(1, 1), select(2, 1)];
    const BLUE: [[u8; 32]; 3] = [select(0, 2), select(1, 2), select(2, 2)];
    let mut parts = channels;
    for (part, own) in parts.iter_mut().enumerate() {
        let two = _mm256_blendv_epi8(channels[0], channels[1], load_u8x32(&GREEN[part]));
        *own = _mm256_blendv_epi8(two, channels[2], load_u8x32(&BLUE[part]));
    }
    let whole = [
        _mm256_permute2x128_si256::<0x20>(parts[0], parts[1]),
        _mm256_permute2x128_si256::<0x30>(parts[2], parts[0]),
        _mm256_permute2x128_si256::<0x31>(parts[1], parts[2]),
    ];
    let (out, _) = out.as_chunks_mut::<32>();
    for (out, vector) in out.iter_mut().zip(whole) {
        store_u8x32(out, vector);
    }
}

#[target_feature(enable = "avx2")]
fn fill(color: [u8; 3], mut out: RowsMut<'_>) {
    let mut memory = [0; 102];
    memory.as_chunks_mut::<3>().0.fill(color);
    for out in out.each() {
        // Stores within a line of the cache are cheaper than those across two.
        let head = out.as_ptr().align_offset(32);
        let last = out.len().saturating_sub(32);
        if head >= last {
            out.as_chunks_mut::<3>().0.fill(color);
            continue;
        }
        store_u8x32(window_mut(out, 0), load_u8x32(window(&memory, 0)));
        store_u8x32(window_mut(out, last), load_u8x32(window(&memory, last % 3)));
        let vectors = [0, 32, 64].map(|at| load_u8x32(window(&memory, at + head % 3)));
        let (threes, rest) = out[head..].as_chunks_mut::<96>();
        for three in threes {
            for (part, vector) in three.as_chunks_mut::<32>().0.iter_mut().zip(vectors) {
                store_u8x32(part, vector);
            }
        }
        for (part, vector) in rest.as_chunks_mut::<32>().0.iter_mut().zip(vectors) {
            store_u8x32(part, vector);
        }
    }
}

#[target_feature(enable = "avx2")]
fn shift_to_rgb(y: Rows<'_>, shift: [i16; 3], mut out: RowsMut<'_>) {
    const INTERLEAVE: [[u8; 32]; 3] =
        [interleave(0, false), interleave(1, false), interleave(2, false)];
    let byte = |value: i16| _mm256_set1_epi8(value.clamp(0, 255) as u8 as i8);
    let more = shift.map(byte);
    let less = shift.map(|shift| byte(-shift));
    for (row, out) in out.each().enumerate() {
        for step in 0..out.len().div_ceil(96) {
            let y = &y.from(row)[step * 32..];
            let y = match y.first_chunk() {
                Some(y) => load_u8x32(y),
                None => load_u8x32(&padded(y)),
            };
            let mut channels = more;
            for (channel, own) in channels.iter_mut().enumerate() {
                let value = _mm256_subs_epu8(_mm256_adds_epu8(y, more[channel]), less[channel]);
                *own = _mm256_shuffle_epi8(value, load_u8x32(&INTERLEAVE[channel]));
            }
            store_step(channels, out, step);
        }
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn ycc_to_rgb(y: &[u8], cb: &[u8], cr: &[u8], out: &mut [u8]) {
    for step in 0..out.len() / 96 {
        let [cb, cr] = [cb, cr].map(|row| centered(window(row, step * 32)));
        store_step(convert_32(window(y, step * 32), cb, cr), out, step);
    }
    let done = out.len() / 96 * 32;
    let rest = out.len() / 3 - done;
    if rest > 0 {
        // The rows may end here.
        let [y, cb, cr] = [y, cb, cr].map(|row| padded(&row[done..done + rest]));
        store_step(convert_32(&y, centered(&cb), centered(&cr)), out, done / 32);
    }
}
