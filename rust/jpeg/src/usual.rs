//! Rows of MCUs of the usual kind: luma and two components of chroma, to RGB, in full
//! size. Most of a keyframe is flat, and what is flat is made as what it is. Knows
//! neither bits nor single pixels.
//!
//! ```text
//! coefficients ─ DC to pixel, all blocks ─┬─ flat MCUs: their first and last rows only
//!                                         ├─ others: each block one value, then
//!                                         └─ blocks with more: in lists by class, IDCT
//! rows of RGB, one span of MCUs after the other
//!     row  0 of an MCU row ┐ between two rows of chroma: with row 15 of the one above
//!     rows 1 and 2         ┘ ┐
//!     …                      ┘ two rows of pixels between each two rows of chroma
//! ```

use std::ops::Range;

use crate::entropy::{LAST_OF_CORNER, MacroRow, Unit};
use crate::flat::{Filling, FlatRow, Span};
use crate::kernels::scalar::flat_pixel;
use crate::kernels::{Job, Kernels};
use crate::planes::{Plane, Planes, Upsampling};
use crate::stages::{Clock, Stage};
use crate::tables::Quantization;

/// Components of the usual kind of picture.
const COMPONENTS: usize = 3;

/// Memory for one row of MCUs.
#[derive(Default)]
pub(crate) struct Work {
    /// For each block, the pixel that its DC coefficient alone would make.
    pixels: Vec<u8>,
    /// For each component, the blocks whose other coefficients lie in the top left
    /// corner, and the others.
    jobs: [[Vec<Job>; 2]; COMPONENTS],
}

/// Coefficients of a row of MCUs to pixels of the planes. The scan has all components, the
/// first one with the largest factors, and the others have one block in an MCU.
#[inline(always)]
pub(crate) fn transform<K: Kernels>(
    kernels: K,
    macro_row: &MacroRow,
    (units, tables): (&[Unit], &[Quantization; 4]),
    planes: &mut Planes,
    work: &mut Work,
    row: usize,
    clock: &mut Clock,
) {
    let Some([previous, mut flat]) = planes.flat.take() else { return };
    find_pixels(macro_row, units, tables, &mut work.pixels);
    find_flats(macro_row, units.len(), &work.pixels, &mut flat);
    fill_luma(macro_row, units.len(), &work.pixels, &flat, planes.plane(0), row);
    for index in [1, 2] {
        fill_chroma(macro_row, (units.len(), index), &work.pixels, &flat, planes.plane(index), row);
    }
    sort_jobs(macro_row, units, planes, &mut work.jobs, row);
    clock.mark(Stage::Flat);
    for (index, [corner, full]) in work.jobs.iter().enumerate() {
        let plane = planes.plane(index);
        kernels.idct_corner(corner, &macro_row.blocks, &tables[index], plane.pixels());
        kernels.idct(full, &macro_row.blocks, &tables[index], plane.pixels());
    }
    planes.flat = Some([previous, flat]);
    clock.mark(Stage::Idct);
}

/// The pixel of each block's DC coefficient.
#[inline(always)]
fn find_pixels(
    macro_row: &MacroRow,
    units: &[Unit],
    tables: &[Quantization; 4],
    pixels: &mut Vec<u8>,
) {
    pixels.resize(macro_row.dc.len(), 0);
    let is_one_factor = tables[1][0] == tables[0][0] && tables[2][0] == tables[0][0];
    if is_one_factor {
        for (pixel, &dc) in pixels.iter_mut().zip(&macro_row.dc) {
            *pixel = flat_pixel(dc, tables[0][0]);
        }
    } else {
        let all = pixels.chunks_exact_mut(units.len());
        for (pixels, dc) in all.zip(macro_row.dc.chunks_exact(units.len())) {
            for ((pixel, &dc), unit) in pixels.iter_mut().zip(dc).zip(units) {
                *pixel = flat_pixel(dc, tables[usize::from(unit.component & 3)][0]);
            }
        }
    }
}

/// Finds the flat MCUs of a row.
#[inline(always)]
fn find_flats(macro_row: &MacroRow, count: usize, pixels: &[u8], flat: &mut FlatRow) {
    let luma_blocks = (1 << (count - 2)) - 1;
    flat.start(macro_row.coded.len());
    let all = pixels.chunks_exact(count).zip(&macro_row.coded);
    for (mcu, (pixels, &coded)) in all.enumerate() {
        let (luma, chroma) = pixels.split_at(count - 2);
        let is_one_value = match *luma {
            [a, b, c, d] => u32::from_ne_bytes([a, b, c, d]) == u32::from_ne_bytes([a; 4]),
            _ => luma.iter().all(|&pixel| pixel == luma[0]),
        };
        let luma_is_flat = is_one_value && coded & luma_blocks == 0;
        flat.set(
            mcu,
            luma_is_flat.then_some(luma[0]),
            (coded & !luma_blocks == 0).then_some([chroma[0], chroma[1]]),
        );
    }
    flat.finish();
}

/// Fills each block of luma with its pixel, but not where nobody looks at it.
#[inline(always)]
fn fill_luma(
    macro_row: &MacroRow,
    count: usize,
    pixels: &[u8],
    flat: &FlatRow,
    plane: &mut Plane,
    row: usize,
) {
    let (across, down) = (plane.horizontal, plane.vertical);
    let luma_blocks = (1 << (across * down)) - 1;
    let mut at = plane.at(0, row * down * 8);
    let plane = plane.pixels();
    let all = pixels.chunks_exact(count).zip(&macro_row.coded);
    for (mcu, (pixels, &coded)) in all.enumerate() {
        if flat.is_color(mcu) {
            // Only the rows that the MCU rows above and below look at.
            for at in [at, at + (down * 8 - 1) * plane.stride] {
                plane.pixels[at..at + across * 8].fill(pixels[0]);
            }
        } else if coded & luma_blocks != luma_blocks {
            for (y, line) in pixels[..across * down].chunks_exact(across).enumerate() {
                let at = at + y * 8 * plane.stride;
                if let &[left, right] = line {
                    let line = u128::from_le_bytes([left; 16]) & u128::from(u64::MAX);
                    let line = line | u128::from_le_bytes([right; 16]) << 64;
                    fill_block(plane.pixels, at, plane.stride, line.to_le_bytes());
                } else {
                    for (x, &pixel) in line.iter().enumerate() {
                        fill_block(plane.pixels, at + x * 8, plane.stride, [pixel; 8]);
                    }
                }
            }
        }
        at += across * 8;
    }
}

/// Fills each block of a component of chroma with its pixel, but not where nobody looks.
#[inline(always)]
fn fill_chroma(
    macro_row: &MacroRow,
    (count, index): (usize, usize),
    pixels: &[u8],
    flat: &FlatRow,
    plane: &mut Plane,
    row: usize,
) {
    let number = count - 3 + index;
    let mut at = plane.at(0, row * 8);
    let plane = plane.pixels();
    let all = pixels.chunks_exact(count).zip(&macro_row.coded);
    for (mcu, (pixels, &coded)) in all.enumerate() {
        let line = [pixels[number]; 8];
        if flat.is_chroma_hidden(mcu) {
            for at in [at, at + 7 * plane.stride] {
                plane.pixels[at..at + 8].copy_from_slice(&line);
            }
        } else if coded >> number & 1 == 0 {
            fill_block(plane.pixels, at, plane.stride, line);
        }
        at += 8;
    }
}

/// Eight equal lines.
#[inline(always)]
fn fill_block<const WIDTH: usize>(pixels: &mut [u8], at: usize, stride: usize, line: [u8; WIDTH]) {
    let pixels = &mut pixels[at..at + 7 * stride + WIDTH];
    for row in pixels.chunks_mut(stride) {
        row[..WIDTH].copy_from_slice(&line);
    }
}

/// Sorts the blocks with more than a DC coefficient by component and class.
#[inline(always)]
fn sort_jobs(
    macro_row: &MacroRow,
    units: &[Unit],
    planes: &mut Planes,
    jobs: &mut [[Vec<Job>; 2]; COMPONENTS],
    row: usize,
) {
    let used = macro_row.used();
    // Where each unit of the first MCU is, the distance to the next MCU, its component.
    let mut places = [(0, 0, 0); 16];
    for (place, unit) in places.iter_mut().zip(units) {
        let plane = planes.plane(unit.component.into());
        let y = (row * plane.vertical + usize::from(unit.y)) * 8;
        let pixel = plane.at(usize::from(unit.x) * 8, y) as u32;
        *place = (pixel, plane.horizontal as u32 * 8, usize::from(unit.component).min(2));
    }
    let mut lists = jobs.each_mut().map(|lists| {
        lists.each_mut().map(|list| {
            list.resize(used, Job { block: 0, pixel: 0 });
            (list.as_mut_slice(), 0)
        })
    });
    let coded = macro_row.owners[..used].iter().zip(&macro_row.lasts[..used]);
    for (block, (&owner, &last)) in (0..).zip(coded) {
        let (start, step, component) = places[owner as usize & 15];
        let (list, length) = &mut lists[component][usize::from(last > LAST_OF_CORNER)];
        list[*length] = Job { block, pixel: start + step * (owner >> 4) };
        *length += 1;
    }
    let lengths = lists.map(|lists| lists.map(|(_, length)| length));
    for (lists, lengths) in jobs.iter_mut().zip(lengths) {
        for (list, length) in lists.iter_mut().zip(lengths) {
            list.truncate(length);
        }
    }
}

/// Memory for the way from planes to rows of RGB.
#[derive(Default)]
pub(crate) struct Spans {
    /// Of the rows inside of a row of MCUs, of its first one, and of the last one of the
    /// row of MCUs before.
    inner: Vec<Span>,
    above: Vec<Span>,
    below: Vec<Span>,
    /// Where a row goes that nobody wants.
    spare: Vec<u8>,
}

/// Writes the rows `wanted`, which the MCU row `row` completes, to `out`.
#[inline(always)]
pub(crate) fn write<K: Kernels>(
    kernels: K,
    planes: &Planes,
    spans: &mut Spans,
    row: usize,
    wanted: Range<usize>,
    out: &mut [u8],
) {
    let Some([previous, current]) = &planes.flat else { return };
    let Spans { inner, above, below, spare } = spans;
    let bytes = planes.width * 3;
    spare.resize(bytes, 0);
    let mut out = Rows { planes, first: wanted.start, bytes, out, spare };
    let mut first = row * planes.largest * 8;
    if row > 0 && planes.needs_context {
        // The two rows of pixels that belong to both rows of MCUs.
        current.spans(Some(previous), above);
        previous.spans(Some(current), below);
        let both = wanted.start.max(first - 1)..wanted.end.min(first + 1);
        for span in above.iter() {
            if span.filling == Filling::General {
                out.write_general(kernels, span, both.clone());
            } else if both.contains(&first) {
                out.write_flat(kernels, span, first..first + 1);
            }
        }
        if both.contains(&(first - 1)) {
            for span in below.iter() {
                out.write_flat(kernels, span, first - 1..first);
            }
        }
        first += 1;
    }
    let rows = wanted.start.max(first)..wanted.end;
    if !rows.is_empty() {
        current.spans(None, inner);
        for span in inner.iter() {
            if span.filling == Filling::General {
                out.write_general(kernels, span, rows.clone());
            } else {
                out.write_flat(kernels, span, rows.clone());
            }
        }
    }
}

/// Rows of the result.
struct Rows<'a> {
    planes: &'a Planes,
    /// Which row of the picture comes first.
    first: usize,
    /// Bytes of a row.
    bytes: usize,
    out: &'a mut [u8],
    spare: &'a mut [u8],
}

impl Rows<'_> {
    /// The pixels of a span.
    fn columns(&self, span: &Span) -> Range<usize> {
        let across = self.planes.all[0].horizontal * 8;
        span.start * across..(span.end * across).min(self.planes.width)
    }

    /// The bytes of these pixels.
    #[inline(always)]
    fn row(&mut self, y: usize, columns: &Range<usize>) -> &mut [u8] {
        let start = (y - self.first) * self.bytes;
        &mut self.out[start + columns.start * 3..start + columns.end * 3]
    }

    /// The same of the row and the next one.
    #[inline(always)]
    fn two_rows(&mut self, y: usize, columns: &Range<usize>) -> [&mut [u8]; 2] {
        let start = (y - self.first) * self.bytes;
        let (upper, lower) = self.out[start..].split_at_mut(self.bytes);
        [upper, lower].map(|row| &mut row[columns.start * 3..columns.end * 3])
    }

    /// The bytes of these pixels as the upper or the lower one of two rows, and memory that
    /// nobody reads for the other one.
    fn row_and_spare(
        &mut self,
        y: usize,
        columns: &Range<usize>,
        is_upper: bool,
    ) -> [&mut [u8]; 2] {
        let start = (y - self.first) * self.bytes;
        let own = &mut self.out[start + columns.start * 3..start + columns.end * 3];
        let spare = &mut self.spare[columns.start * 3..columns.end * 3];
        if is_upper { [own, spare] } else { [spare, own] }
    }

    /// Nothing for spans that are not flat.
    #[inline(always)]
    fn write_flat<K: Kernels>(&mut self, kernels: K, span: &Span, rows: Range<usize>) {
        let columns = self.columns(span);
        for y in rows {
            match &span.filling {
                Filling::General => {}
                Filling::Color(pattern) => fill(self.row(y, &columns), pattern),
                Filling::Shift(shift) => {
                    let luma = self.planes.all[0].vectors(y, &columns);
                    kernels.shift_to_rgb(luma, *shift, self.row(y, &columns));
                }
            }
        }
    }

    /// Upsampling and color conversion.
    #[inline(always)]
    fn write_general<K: Kernels>(&mut self, kernels: K, span: &Span, rows: Range<usize>) {
        let columns = self.columns(span);
        let [luma, cb, cr, _] = &self.planes.all;
        if cb.upsampling == Some(Upsampling::H2V2) {
            return self.write_between(kernels, &columns, rows);
        }
        let narrow = columns.start / 2..columns.end.div_ceil(2);
        for y in rows {
            let luma = luma.vectors(y, &columns);
            if cb.upsampling == Some(Upsampling::H2V1) {
                let [cb, cr] = [cb, cr].map(|plane| plane.with_neighbors(y, &narrow));
                kernels.ycc_h2v1_to_rgb(luma, cb, cr, self.row(y, &columns));
            } else {
                let [cb, cr] = [cb, cr].map(|plane| plane.vectors(y, &columns));
                kernels.ycc_to_rgb(luma, cb, cr, self.row(y, &columns));
            }
        }
    }

    /// The same where two rows of pixels are between each two rows of chroma.
    #[inline(always)]
    fn write_between<K: Kernels>(
        &mut self,
        kernels: K,
        columns: &Range<usize>,
        rows: Range<usize>,
    ) {
        let [luma, cb, cr, _] = &self.planes.all;
        let narrow = columns.start / 2..columns.end.div_ceil(2);
        let mut y = rows.start;
        while y < rows.end {
            let is_upper = !y.is_multiple_of(2);
            let next = y.div_ceil(2);
            let [cb, cr] = [cb, cr].map(|plane| {
                [next.saturating_sub(1), next].map(|y| plane.with_neighbors(y, &narrow))
            });
            if is_upper && y + 1 < rows.end {
                let luma = [y, y + 1].map(|y| luma.vectors(y, columns));
                kernels.ycc_h2v2_to_rgb(luma, cb, cr, self.two_rows(y, columns));
                y += 2;
            } else {
                let luma = [luma.vectors(y, columns); 2];
                kernels.ycc_h2v2_to_rgb(luma, cb, cr, self.row_and_spare(y, columns, is_upper));
                y += 1;
            }
        }
    }
}

/// Fills with 16 pixels again and again.
#[inline(always)]
fn fill(out: &mut [u8], pattern: &[u8; 48]) {
    let (whole, rest) = out.as_chunks_mut::<48>();
    whole.fill(*pattern);
    rest.copy_from_slice(&pattern[..rest.len()]);
}
