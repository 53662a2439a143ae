//! The definition of every kernel, in plain Rust. What libjpeg-turbo's SIMD code does,
//! step by step, with its 16-bit sums where that has them: for coefficients that an
//! encoder can write both are the same as its C code.

use super::survey::{self, McuKind, Survey};
use super::{Job, Kernels, Neighbors, PlaneMut, Rows, RowsMut, VECTOR};
use crate::entropy::{self, BitReader, Broken, ScanLayout, ScanTables};
use crate::macro_row::{Block, DC_ONLY, MacroRow};
use crate::tables::Quantization;

/// Plain Rust.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scalar;

// 13-bit fixed point constants of the "islow" IDCT (Loeffler, Ligtenberg, Moschytz 1989).
pub(super) const F_0_298: i32 = 2446;
pub(super) const F_0_390: i32 = 3196;
pub(super) const F_0_541: i32 = 4433;
pub(super) const F_0_765: i32 = 6270;
pub(super) const F_0_899: i32 = 7373;
pub(super) const F_1_175: i32 = 9633;
pub(super) const F_1_501: i32 = 12299;
pub(super) const F_1_847: i32 = 15137;
pub(super) const F_1_961: i32 = 16069;
pub(super) const F_2_053: i32 = 16819;
pub(super) const F_2_562: i32 = 20995;
pub(super) const F_3_072: i32 = 25172;

/// One pass over eight values. `SHIFT`: 11 after the columns, 18 after the rows.
fn idct_pass<const SHIFT: u32>(input: [i16; 8]) -> [i16; 8] {
    let wide = input.map(i32::from);
    let (z2, z3) = (wide[2], wide[6]);
    let even2 = z2 * F_0_541 + z3 * (F_0_541 - F_1_847);
    let even3 = z2 * (F_0_541 + F_0_765) + z3 * F_0_541;
    let even0 = i32::from(input[0].wrapping_add(input[4])) << 13;
    let even1 = i32::from(input[0].wrapping_sub(input[4])) << 13;
    let even = [even0 + even3, even1 + even2, even1 - even2, even0 - even3];

    let z3 = i32::from(input[7].wrapping_add(input[3]));
    let z4 = i32::from(input[5].wrapping_add(input[1]));
    let sum3 = z3 * (F_1_175 - F_1_961) + z4 * F_1_175;
    let sum4 = z3 * F_1_175 + z4 * (F_1_175 - F_0_390);
    let odd = [
        wide[7] * -F_0_899 + wide[1] * (F_1_501 - F_0_899) + sum4,
        wide[5] * -F_2_562 + wide[3] * (F_3_072 - F_2_562) + sum3,
        wide[5] * (F_2_053 - F_2_562) + wide[3] * -F_2_562 + sum4,
        wide[7] * (F_0_298 - F_0_899) + wide[1] * -F_0_899 + sum3,
    ];

    let round = 1 << (SHIFT - 1);
    let descale = |value: i32| {
        let value = value.wrapping_add(round) >> SHIFT;
        value.clamp(i16::MIN.into(), i16::MAX.into()) as i16
    };
    let mut output = [0; 8];
    for row in 0..4 {
        output[row] = descale(even[row].wrapping_add(odd[row]));
        output[7 - row] = descale(even[row].wrapping_sub(odd[row]));
    }
    output
}

/// Dequantizes and transforms one block.
pub(super) fn idct_block(block: &Block, table: &Quantization) -> [[u8; 8]; 8] {
    // With nothing below its first row, the first pass is a shift without saturation.
    let has_one_row = block.0[8..].iter().all(|&coefficient| coefficient == 0);
    let mut columns = [[0; 8]; 8];
    for x in 0..8 {
        let mut column = [0; 8];
        for (y, value) in column.iter_mut().enumerate() {
            *value = block.0[y * 8 + x].wrapping_mul(table[y * 8 + x]);
        }
        let first = column[0].wrapping_mul(4);
        columns[x] = if has_one_row { [first; 8] } else { idct_pass::<11>(column) };
    }
    let mut pixels = [[0; 8]; 8];
    for (y, row) in pixels.iter_mut().enumerate() {
        let line = columns.map(|column| column[y]);
        *row = idct_pass::<18>(line).map(|value| (value.clamp(-128, 127) + 128) as u8);
    }
    pixels
}

/// The pixel of a block that has only a DC coefficient; `factor` is its quantization.
#[inline]
pub(crate) fn flat_pixel(dc: i16, factor: i16) -> u8 {
    let value = i32::from(dc.wrapping_mul(factor).wrapping_mul(4));
    (((value + 16) >> 5) + 128).clamp(0, 255) as u8
}

/// YCbCr of one pixel to RGB (JFIF 1.02, in 16-bit fixed point).
#[inline]
pub(crate) fn pixel_to_rgb(y: u8, cb: u8, cr: u8) -> [u8; 3] {
    shift_of(cb, cr).map(|shift| (i16::from(y) + shift).clamp(0, 255) as u8)
}

/// What chroma adds to luma for red, green and blue.
#[inline]
pub(crate) fn shift_of(cb: u8, cr: u8) -> [i16; 3] {
    let (cb, cr) = (i32::from(cb) - 128, i32::from(cr) - 128);
    let half = 1 << 15;
    let red = (91881 * cr + half) >> 16;
    let green = (-22554 * cb - 46802 * cr + half) >> 16;
    let blue = (116_130 * cb + half) >> 16;
    [red, green, blue].map(|value| value as i16)
}

impl Kernels for Scalar {
    fn run<T>(self, code: impl FnOnce() -> T) -> T {
        code()
    }

    fn decode_mcus(
        self,
        run: (&mut BitReader<'_>, usize),
        (layout, tables): (&ScanLayout, &ScanTables),
        mcus: &std::ops::Range<usize>,
        row: &mut MacroRow,
        _: &[u8],
    ) -> Result<(), Broken> {
        entropy::decode_mcus(run, layout, tables, mcus, row, entropy::decode_changed)
    }

    #[inline(always)]
    fn find_coded(self, row: &mut MacroRow) {
        row.find_coded(|sums| {
            let bit = |(sum, bit)| u32::from(!DC_ONLY.contains(sum)) << bit;
            sums.iter().zip(0..).map(bit).sum()
        });
    }

    fn survey(
        self,
        kind: &McuKind,
        sums: &[u8],
        blocks: &mut [Block],
        predictions: &mut [i16; 4],
        found: &mut Survey<'_>,
    ) {
        survey::survey(kind, sums, blocks, predictions, found);
    }

    fn compare_neighbors(self, values: &[u32], found: &mut Neighbors) {
        let Neighbors { is_none, is_as_next } = found;
        let words = is_none.iter_mut().zip(is_as_next).zip((0..).step_by(64));
        for ((is_none, is_as_next), first) in words {
            (*is_none, *is_as_next) = (0, 0);
            for (bit, pair) in values[first..=first + 64].windows(2).enumerate() {
                *is_none |= u64::from(pair[0] >> 31) << bit;
                *is_as_next |= u64::from(pair[0] == pair[1]) << bit;
            }
        }
    }

    fn idct(self, jobs: &[Job], blocks: &mut [Block], table: &Quantization, plane: PlaneMut<'_>) {
        for job in jobs {
            let block = &mut blocks[job.block as usize];
            let pixels = idct_block(block, table);
            *block = Block([0; 64]);
            for (y, row) in pixels.iter().enumerate() {
                let at = job.pixel as usize + y * plane.stride;
                plane.pixels[at..at + 8].copy_from_slice(row);
            }
        }
    }

    fn idct_corner(
        self,
        jobs: &[Job],
        blocks: &mut [Block],
        table: &Quantization,
        plane: PlaneMut<'_>,
    ) {
        self.idct(jobs, blocks, table, plane);
    }

    fn idct_4x4(self, jobs: &[Job], blocks: &[Block], table: &Quantization, plane: PlaneMut<'_>) {
        for job in jobs {
            let pixels = super::reduced::idct_4x4_block(&blocks[job.block as usize], table);
            for (y, row) in pixels.iter().enumerate() {
                let at = job.pixel as usize + y * plane.stride;
                plane.pixels[at..at + 4].copy_from_slice(row);
            }
        }
    }

    fn idct_4x4_corner(
        self,
        jobs: &[Job],
        blocks: &[Block],
        table: &Quantization,
        plane: PlaneMut<'_>,
    ) {
        self.idct_4x4(jobs, blocks, table, plane);
    }

    fn idct_2x2(self, jobs: &[Job], blocks: &[Block], table: &Quantization, plane: PlaneMut<'_>) {
        for job in jobs {
            let pixels = super::reduced::idct_2x2_block(&blocks[job.block as usize], table);
            for (y, row) in pixels.iter().enumerate() {
                let at = job.pixel as usize + y * plane.stride;
                plane.pixels[at..at + 2].copy_from_slice(row);
            }
        }
    }

    fn upsample_h2v1(self, row: &[u8], out: &mut [u8]) {
        let (pairs, _) = out.as_chunks_mut::<2>();
        for (window, pair) in row.windows(3).zip(pairs) {
            let [last, this, next] = [0, 1, 2].map(|at| u16::from(window[at]));
            *pair = [(this * 3 + last + 1) >> 2, (this * 3 + next + 2) >> 2].map(|v| v as u8);
        }
    }

    fn upsample_h2v2(self, near: &[u8], far: &[u8], out: &mut [u8]) {
        let (pairs, _) = out.as_chunks_mut::<2>();
        for ((near, far), pair) in near.windows(3).zip(far.windows(3)).zip(pairs) {
            let [last, this, next] =
                [0, 1, 2].map(|at| u16::from(near[at]) * 3 + u16::from(far[at]));
            *pair = [(this * 3 + last + 8) >> 4, (this * 3 + next + 7) >> 4].map(|v| v as u8);
        }
    }

    fn upsample_h1v2(self, near: &[u8], far: &[u8], bias: u16, out: &mut [u8]) {
        for ((&near, &far), out) in near.iter().zip(far).zip(out) {
            *out = ((u16::from(near) * 3 + u16::from(far) + bias) >> 2) as u8;
        }
    }

    fn ycc_to_rgb(self, y: &[u8], cb: &[u8], cr: &[u8], out: &mut [u8]) {
        let (pixels, _) = out.as_chunks_mut::<3>();
        for (((&y, &cb), &cr), pixel) in y.iter().zip(cb).zip(cr).zip(pixels) {
            *pixel = pixel_to_rgb(y, cb, cr);
        }
    }

    fn ycc_h2v1_to_rgb(self, y: &[u8], cb: &[u8], cr: &[u8], out: &mut [u8]) {
        let mut wide = [[0; VECTOR]; 2];
        for (step, out) in out.chunks_mut(3 * VECTOR).enumerate() {
            for (wide, narrow) in wide.iter_mut().zip([cb, cr]) {
                self.upsample_h2v1(&narrow[step * VECTOR / 2..], wide);
            }
            self.ycc_to_rgb(&y[step * VECTOR..], &wide[0], &wide[1], out);
        }
    }

    fn ycc_h2v2_to_rgb(self, y: Rows<'_>, cb: Rows<'_>, cr: Rows<'_>, mut out: RowsMut<'_>) {
        let mut wide = [[0; VECTOR]; 2];
        for (row, out) in out.each().enumerate() {
            let (near, far) = (row.div_ceil(2), row / 2 + 1 - row % 2);
            for (step, out) in out.chunks_mut(3 * VECTOR).enumerate() {
                for (wide, narrow) in wide.iter_mut().zip([cb, cr]) {
                    let [near, far] = [near, far].map(|row| &narrow.from(row)[step * VECTOR / 2..]);
                    self.upsample_h2v2(near, far, wide);
                }
                self.ycc_to_rgb(&y.from(row)[step * VECTOR..], &wide[0], &wide[1], out);
            }
        }
    }

    fn shift_to_rgb(self, y: Rows<'_>, shift: [i16; 3], mut out: RowsMut<'_>) {
        for (row, out) in out.each().enumerate() {
            for (&y, pixel) in y.from(row).iter().zip(out.as_chunks_mut::<3>().0) {
                *pixel = shift.map(|shift| (i16::from(y) + shift).clamp(0, 255) as u8);
            }
        }
    }

    fn fill(self, color: [u8; 3], mut out: RowsMut<'_>) {
        for out in out.each() {
            out.as_chunks_mut::<3>().0.fill(color);
        }
    }
}
