//! The inner loops, one family with a member for each instruction set. Kernels see
//! arrays, never headers.
//!
//! `scalar` is the definition; every other member gives the same bytes for all input.

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "calls code of a level whose proof is a token")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "loads and stores whose place a slice proves")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod color_avx2;
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "assembly")]
mod entropy_bmi2;
#[cfg(target_arch = "x86_64")]
mod idct_avx2;
pub(crate) mod reduced;
#[cfg(target_arch = "x86_64")]
mod reduced_avx2;
pub(crate) mod scalar;
pub(crate) mod survey;
#[cfg(target_arch = "x86_64")]
mod survey_avx2;
#[cfg(test)]
mod tests;

use crate::entropy::{BitReader, Broken, ScanLayout, ScanTables};
use crate::macro_row::{Block, MacroRow};
use crate::tables::Quantization;
use survey::{McuKind, Survey};

/// A block to be transformed: its place in the list of blocks, and the place of its top
/// left pixel in the plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Job {
    pub block: u32,
    pub pixel: u32,
}

/// Pixels of one component.
pub(crate) struct PlaneMut<'a> {
    pub pixels: &'a mut [u8],
    pub stride: usize,
}

/// How many pixels at once the kernels that upsample and convert may look at.
pub(crate) const VECTOR: usize = 64;

/// Rows of bytes in memory, each `stride` bytes after the one before.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub bytes: &'a [u8],
    pub stride: usize,
}

/// Rows of pixels to be written: `length` bytes each, as many rows as begin in `bytes`.
pub(crate) struct RowsMut<'a> {
    pub bytes: &'a mut [u8],
    pub stride: usize,
    pub length: usize,
}

impl<'a> Rows<'a> {
    /// Row `y` and all after it.
    #[inline(always)]
    fn from(self, y: usize) -> &'a [u8] {
        &self.bytes[y * self.stride..]
    }
}

impl RowsMut<'_> {
    /// Row by row, from top to bottom.
    #[inline(always)]
    fn each(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let length = self.length;
        self.bytes.chunks_mut(self.stride).map(move |row| &mut row[..length])
    }
}

/// Bits for values one after the other, in words.
#[derive(Default)]
pub(crate) struct Neighbors {
    /// Whether a value has its highest bit set.
    pub is_none: Vec<u64>,
    /// Whether it is equal to the one after it.
    pub is_as_next: Vec<u64>,
}

/// The inner loops of one instruction set.
pub(crate) trait Kernels: Copy {
    /// Runs code that calls kernels, compiled for this instruction set as far as it is
    /// inlined, so that calls of kernels cost nothing.
    fn run<T>(self, code: impl FnOnce() -> T) -> T;

    /// Decodes the MCUs from `mcus.start` to `mcus.end` of a row: see
    /// [`crate::entropy::decode_mcus`].
    fn decode_mcus(
        self,
        run: (&mut BitReader<'_>, usize),
        scan: (&ScanLayout, &ScanTables),
        mcus: &std::ops::Range<usize>,
        row: &mut MacroRow,
        upcoming: &[u8],
    ) -> Result<(), Broken>;

    /// Finds the blocks of a decoded row that have more than a DC coefficient: see
    /// [`MacroRow::find_coded`].
    fn find_coded(self, row: &mut MacroRow);

    /// Looks at decoded MCUs of the usual kind, one after the other: sums of their blocks and
    /// some bytes after them, and the blocks. Their DC coefficients are differences to
    /// `predictions`, those of the last block of each component, which they are added to, but
    /// in unchanged MCUs.
    fn survey(
        self,
        kind: &McuKind,
        sums: &[u8],
        blocks: &mut [Block],
        predictions: &mut [i16; 4],
        found: &mut Survey<'_>,
    );

    /// Compares values with those after them, for as many words as `found` has; there are
    /// eight values more than bits.
    fn compare_neighbors(self, values: &[u32], found: &mut Neighbors);

    /// Dequantizes and transforms blocks into the plane, and makes them 0.
    fn idct(self, jobs: &[Job], blocks: &mut [Block], table: &Quantization, plane: PlaneMut<'_>);

    /// The same for blocks that are 0 outside of their top left 4 x 4 coefficients.
    fn idct_corner(
        self,
        jobs: &[Job],
        blocks: &mut [Block],
        table: &Quantization,
        plane: PlaneMut<'_>,
    );

    /// Dequantizes and transforms blocks to 4 x 4 pixels each.
    fn idct_4x4(self, jobs: &[Job], blocks: &[Block], table: &Quantization, plane: PlaneMut<'_>);

    /// The same for blocks that are 0 outside of their top left 4 x 4 coefficients.
    fn idct_4x4_corner(
        self,
        jobs: &[Job],
        blocks: &[Block],
        table: &Quantization,
        plane: PlaneMut<'_>,
    );

    /// Dequantizes and transforms blocks to 2 x 2 pixels each.
    fn idct_2x2(self, jobs: &[Job], blocks: &[Block], table: &Quantization, plane: PlaneMut<'_>);

    /// Doubles a row: each new pixel is 3/4 of its near old one and 1/4 of the next one.
    /// `row` has one more pixel at both ends; `out` has twice as many as are between.
    fn upsample_h2v1(self, row: &[u8], out: &mut [u8]);

    /// The same in both directions: `near` is the row that counts 3/4, `far` the other.
    fn upsample_h2v2(self, near: &[u8], far: &[u8], out: &mut [u8]);

    /// Between rows only. `bias` rounds: 1 for the upper, 2 for the lower row of a pair.
    fn upsample_h1v2(self, near: &[u8], far: &[u8], bias: u16, out: &mut [u8]);

    /// YCbCr to RGB, `out` has three bytes for each of the others.
    fn ycc_to_rgb(self, y: &[u8], cb: &[u8], cr: &[u8], out: &mut [u8]);

    /// The same with chroma of half the width, doubled as [`Kernels::upsample_h2v1`] does.
    /// The rows of chroma begin one pixel before; all rows have at least as many pixels as
    /// whole vectors ([`VECTOR`] of luma) need.
    fn ycc_h2v1_to_rgb(self, y: &[u8], cb: &[u8], cr: &[u8], out: &mut [u8]);

    /// The same with chroma of half the width and height, row after row: the first two rows
    /// of `y` and `out` are between the first two rows of chroma, of which each is the near
    /// one for one of them, the next two rows between the second and the third one.
    fn ycc_h2v2_to_rgb(self, y: Rows<'_>, cb: Rows<'_>, cr: Rows<'_>, out: RowsMut<'_>);

    /// Luma to RGB where chroma is constant: each of the three is luma and its shift
    /// (at most 255 either way).
    fn shift_to_rgb(self, y: Rows<'_>, shift: [i16; 3], out: RowsMut<'_>);

    /// One color again and again.
    fn fill(self, color: [u8; 3], out: RowsMut<'_>);
}
