//! The kernels for AVX2: what the trait asks for, and where it is. Intrinsics only; the
//! definition is in `scalar`.

#[allow(clippy::wildcard_imports, reason = "the instruction set's own names")]
use std::arch::x86_64::*;
use std::ops::Range;

use textbook_simd::x86::load_u8x32;
use textbook_simd::{Avx2, Avx512};

use super::survey::{McuKind, Survey};
use super::{
    Job, Neighbors, PlaneMut, Rows, RowsMut, color_avx2, idct_avx2, reduced_avx2, survey_avx2,
};
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
        // features that the functions of this level enable.
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
        with_avx2!(idct_avx2::idct(jobs, blocks, table, plane.pixels, plane.stride));
    }

    #[inline(always)]
    fn idct_corner(
        self,
        jobs: &[Job],
        blocks: &mut [Block],
        table: &Quantization,
        plane: PlaneMut<'_>,
    ) {
        with_avx2!(idct_avx2::idct_corner(jobs, blocks, table, plane.pixels, plane.stride));
    }

    #[inline(always)]
    fn idct_4x4(self, jobs: &[Job], blocks: &[Block], table: &Quantization, plane: PlaneMut<'_>) {
        with_avx2!(reduced_avx2::idct_4x4::<false>(jobs, blocks, table, plane));
    }

    #[inline(always)]
    fn idct_4x4_corner(
        self,
        jobs: &[Job],
        blocks: &[Block],
        table: &Quantization,
        plane: PlaneMut<'_>,
    ) {
        with_avx2!(reduced_avx2::idct_4x4::<true>(jobs, blocks, table, plane));
    }

    #[inline(always)]
    fn idct_2x2(self, jobs: &[Job], blocks: &[Block], table: &Quantization, plane: PlaneMut<'_>) {
        with_avx2!(reduced_avx2::idct_2x2(jobs, blocks, table, plane));
    }

    #[inline(always)]
    fn upsample_h2v1(self, row: &[u8], out: &mut [u8]) {
        let done = with_avx2!(color_avx2::upsample_h2v1(row, out));
        super::scalar::Scalar.upsample_h2v1(&row[done..], &mut out[2 * done..]);
    }

    #[inline(always)]
    fn upsample_h2v2(self, near: &[u8], far: &[u8], out: &mut [u8]) {
        let done = with_avx2!(color_avx2::upsample_h2v2(near, far, out));
        super::scalar::Scalar.upsample_h2v2(&near[done..], &far[done..], &mut out[2 * done..]);
    }

    #[inline(always)]
    fn upsample_h1v2(self, near: &[u8], far: &[u8], bias: u16, out: &mut [u8]) {
        let done = with_avx2!(color_avx2::upsample_h1v2(near, far, bias, out));
        super::scalar::Scalar.upsample_h1v2(&near[done..], &far[done..], bias, &mut out[done..]);
    }

    #[inline(always)]
    fn ycc_to_rgb(self, y: &[u8], cb: &[u8], cr: &[u8], out: &mut [u8]) {
        with_avx2!(color_avx2::ycc_to_rgb(y, cb, cr, out));
    }

    #[inline(always)]
    fn ycc_h2v1_to_rgb(self, y: &[u8], cb: &[u8], cr: &[u8], out: &mut [u8]) {
        with_avx2!(color_avx2::ycc_h2v1_to_rgb(y, cb, cr, out));
    }

    #[inline(always)]
    fn ycc_h2v2_to_rgb(self, y: Rows<'_>, cb: Rows<'_>, cr: Rows<'_>, out: RowsMut<'_>) {
        if self.1.is_some() {
            // SAFETY: `self` holds an `Avx512` token, which exists only where the CPU has
            // all features that the function enables.
            unsafe { super::avx512::ycc_h2v2_to_rgb(y, cb, cr, out) };
        } else {
            with_avx2!(color_avx2::ycc_h2v2_to_rgb(y, cb, cr, out));
        }
    }

    #[inline(always)]
    fn fill(self, color: [u8; 3], out: RowsMut<'_>) {
        with_avx2!(color_avx2::fill(color, out));
    }

    #[inline(always)]
    fn shift_to_rgb(self, y: Rows<'_>, shift: [i16; 3], out: RowsMut<'_>) {
        with_avx2!(color_avx2::shift_to_rgb(y, shift, out));
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
