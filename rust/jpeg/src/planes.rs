//! The pixels of the components on their way to rows of RGB: memory for them, upsampling,
//! color. Knows no coded data.
//!
//! ```text
//! MCU row r     ┌ luma, 16 rows ┐ ┌ chroma, 8 rows ┐     kept: this MCU row and the one
//!               └───────────────┘ └────────────────┘     before it (a ring), or all
//! rows of RGB:  16 r - 1 … 16 r + 14, for the last row of an MCU row needs the chroma
//!               of the next one
//! ```

use std::ops::Range;

use crate::JpegError;
use crate::color::Conversion;
use crate::flat::FlatRow;
use crate::header::{Component, Header};
use crate::kernels::{Kernels, PlaneMut, Rows};
use crate::options::Options;
use crate::output::Output;
use crate::usual;

/// Bytes before the first pixel of each row: room for its left neighbor.
const MARGIN: usize = 32;

/// How a component gets the size of the picture (what libjpeg-turbo chooses).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upsampling {
    /// It has that size.
    None,
    /// "Fancy", twice as wide.
    H2V1,
    /// "Fancy", twice as high.
    H1V2,
    /// "Fancy", both.
    H2V2,
    /// Each pixel repeated, so many times across and down.
    Repeat(usize, usize),
}

/// The pixels of one component.
#[derive(Default)]
pub(crate) struct Plane {
    pixels: Vec<u8>,
    stride: usize,
    /// Rows that are kept, between one more above and one more below them; row `y` is at
    /// `1 + y % rows`.
    pub rows: usize,
    /// Pixels in a row, as they count.
    pub width: usize,
    /// Rows, as they count.
    pub height: usize,
    /// Sampling factors.
    pub horizontal: usize,
    pub vertical: usize,
    /// Pixels of a block, across and down: 8, or less where the picture is made smaller.
    pub block: usize,
    /// Rows of this plane for `Planes::largest` rows of the picture.
    rows_in_group: usize,
    pub upsampling: Option<Upsampling>,
    upsampled: Vec<u8>,
}

impl Plane {
    /// Where the pixel is. The row has to be kept.
    pub(crate) fn at(&self, x: usize, y: usize) -> usize {
        (1 + y % self.rows) * self.stride + MARGIN + x
    }

    /// All pixels.
    pub(crate) fn pixels(&mut self) -> PlaneMut<'_> {
        PlaneMut { stride: self.stride, pixels: &mut self.pixels }
    }

    /// How many MCUs are in a row.
    pub(crate) fn mcus_across(&self) -> usize {
        self.width.div_ceil(self.horizontal * self.block)
    }

    /// Row `y`, or the one next to it that exists, with a neighbor at both ends.
    #[inline(always)]
    fn row(&self, y: usize) -> &[u8] {
        let start = self.at(0, y.min(self.height - 1)) - 1;
        &self.pixels[start..start + self.width + 2]
    }

    /// The pixels from this place on, in the row at `place` of all that are kept: 0 is the
    /// one above.
    #[inline(always)]
    pub(crate) fn starting_at(&self, x: usize, place: usize) -> Rows<'_> {
        let start = place * self.stride + MARGIN + x;
        Rows { bytes: &self.pixels[start..], stride: self.stride }
    }

    /// The same from the pixel before on.
    #[inline(always)]
    pub(crate) fn starting_before(&self, x: usize, place: usize) -> Rows<'_> {
        let start = place * self.stride + MARGIN + x - 1;
        Rows { bytes: &self.pixels[start..], stride: self.stride }
    }

    /// Copies a row, its margins included, to another place.
    pub(crate) fn copy_row(&mut self, from: usize, to: usize) {
        let from = from * self.stride;
        self.pixels.copy_within(from..from + self.stride, to * self.stride);
    }

    /// Repeats the first and last pixel of each of these rows beyond its ends.
    pub(crate) fn finish_rows(&mut self, rows: Range<usize>) {
        for y in rows.start..rows.end.min(self.height) {
            let start = self.at(0, y);
            self.pixels[start - 1] = self.pixels[start];
            self.pixels[start + self.width] = self.pixels[start + self.width - 1];
        }
    }

    /// The row of the picture `y` in the size of the picture, made from these columns.
    #[inline(always)]
    fn upsample<K: Kernels>(
        &mut self,
        kernels: K,
        y: usize,
        largest: usize,
        columns: Range<usize>,
    ) {
        let Some(upsampling) = self.upsampling else { return };
        let own = y * self.rows_in_group / largest;
        // The row whose weight is 1/4.
        let other = if y.is_multiple_of(2) { own.saturating_sub(1) } else { own + 1 };
        let mut upsampled = std::mem::take(&mut self.upsampled);
        let start = columns.start;
        // Kernels like whole vectors: what is too much falls into the margins.
        let count = (columns.end.min(self.width) - start).next_multiple_of(16);
        let end = start + count;
        let with_neighbors = |y: usize| {
            let first = self.at(start, y.min(self.height - 1)) - 1;
            &self.pixels[first..first + count + 2]
        };
        let (own, other) = (with_neighbors(own), with_neighbors(other));
        match upsampling {
            Upsampling::None => {}
            Upsampling::H2V1 => kernels.upsample_h2v1(own, &mut upsampled[2 * start..2 * end]),
            Upsampling::H2V2 => {
                kernels.upsample_h2v2(own, other, &mut upsampled[2 * start..2 * end]);
            }
            Upsampling::H1V2 => {
                let bias = if y.is_multiple_of(2) { 1 } else { 2 };
                let (own, other) = (&own[1..=count], &other[1..=count]);
                kernels.upsample_h1v2(own, other, bias, &mut upsampled[start..end]);
            }
            Upsampling::Repeat(times, _) => {
                let upsampled = upsampled[start * times..].chunks_exact_mut(times);
                for (out, &pixel) in upsampled.zip(&own[1..=count]) {
                    out.fill(pixel);
                }
            }
        }
        self.upsampled = upsampled;
    }

    /// The row that was upsampled last.
    #[inline(always)]
    fn upsampled(&self, y: usize, width: usize) -> &[u8] {
        match self.upsampling {
            Some(Upsampling::None) | None => &self.row(y)[1..=width],
            Some(_) => &self.upsampled[..width],
        }
    }
}

/// All components of a picture.
#[derive(Default)]
pub(crate) struct Planes {
    pub all: [Plane; 4],
    /// How many of them are needed for the result.
    pub count: usize,
    pub width: usize,
    height: usize,
    /// The largest vertical sampling factor.
    pub largest: usize,
    /// Rows of the picture that a row of MCUs makes.
    mcu_rows: usize,
    /// Whether the last row of an MCU row needs the next MCU row.
    pub needs_context: bool,
    next_row: usize,
    color: Option<Conversion>,
    /// What is flat in the last row of MCUs and, while a new one is made, in that one;
    /// `None` if that is not looked for.
    pub flat: Option<[FlatRow; 2]>,
    spans: usual::Spans,
}

impl Planes {
    /// Makes room.
    pub(crate) fn start(
        &mut self,
        header: &Header,
        extent: Extent,
        options: &Options,
    ) -> Result<(), JpegError> {
        let conversion = Conversion::new(header.color_space(), options.color);
        let size = options.scale.block_size();
        self.count = conversion.components();
        self.width = (header.width as usize * size).div_ceil(8);
        self.height = (header.height as usize * size).div_ceil(8);
        self.largest = extent.vertical;
        self.mcu_rows = extent.vertical * size;
        self.next_row = 0;
        self.color = Some(conversion);
        self.needs_context = false;
        let factors = header.components.iter().map(|&component| extent.factors(component));
        let factors: Vec<_> = factors.collect();
        let largest = (extent.horizontal, extent.vertical);
        let is_usual = factors == [largest, (1, 1), (1, 1)] && size == 8;
        let flat = self.flat.take().unwrap_or_default();
        self.flat = (is_usual && conversion == Conversion::YcbcrToRgb).then_some(flat);
        for (plane, component) in self.all.iter_mut().zip(&header.components).take(self.count) {
            let (horizontal, vertical) = extent.factors(*component);
            plane.block = extent.block_size((horizontal, vertical), size);
            // In units of the largest factors, as the smaller IDCTs leave them.
            let across = horizontal * plane.block / size;
            let down = vertical * plane.block / size;
            let width =
                (header.width as usize * horizontal * plane.block).div_ceil(extent.horizontal * 8);
            let upsampling = upsampling((across, down), extent, width, size);
            let upsampling = upsampling.ok_or_else(|| JpegError::Unsupported {
                offset: header.frame_offset,
                coding: "a sampling factor that does not divide the largest one".to_owned(),
            })?;
            self.needs_context |= matches!(upsampling, Upsampling::H1V2 | Upsampling::H2V2);
            plane.upsampling = Some(upsampling);
            plane.rows_in_group = down;
            (plane.horizontal, plane.vertical) = (horizontal, vertical);
            plane.width = width;
            plane.height =
                (header.height as usize * vertical * plane.block).div_ceil(extent.vertical * 8);
            let stride = extent.mcus_across * horizontal * plane.block + 2 * MARGIN;
            plane.stride = stride.next_multiple_of(64);
            plane.rows = extent.mcus_down.min(2) * vertical * plane.block;
            plane.pixels.resize((plane.rows + 2) * plane.stride, 0);
            let upsampled =
                if upsampling == Upsampling::None { 0 } else { self.width + 2 * MARGIN };
            plane.upsampled.resize(upsampled + 4 * MARGIN, 0);
        }
        // Of the ways to upsample, those that `usual` knows.
        if !matches!(
            self.all[1].upsampling,
            Some(Upsampling::None | Upsampling::H2V1 | Upsampling::H2V2)
        ) {
            self.flat = None;
        }
        Ok(())
    }

    pub(crate) fn plane(&mut self, index: usize) -> &mut Plane {
        &mut self.all[index & 3]
    }

    /// Whether wanted rows depend on this row of MCUs, be it as the one above or below.
    pub(crate) fn is_needed(&self, row: usize, output: &Output<'_>) -> bool {
        let start = row * self.mcu_rows;
        output.wants(start.saturating_sub(1)..start + self.mcu_rows + 1)
    }

    /// Goes past a row of MCUs that is not needed.
    pub(crate) fn pass_mcu_row(&mut self, row: usize) {
        self.next_row = self.end_of(row);
    }

    /// The row of the picture up to which it is complete with this row of MCUs.
    fn end_of(&self, row: usize) -> usize {
        let end = (row + 1) * self.mcu_rows;
        if end >= self.height { self.height } else { end - usize::from(self.needs_context) }
    }

    /// The rows of the picture that a row of MCUs is about.
    pub(crate) fn rows_of(&self, row: usize) -> Range<usize> {
        row * self.mcu_rows..((row + 1) * self.mcu_rows).min(self.height)
    }

    /// The MCU row `row` is in the planes: writes what rows that completes.
    pub(crate) fn finish_mcu_row<K: Kernels>(
        &mut self,
        kernels: K,
        row: usize,
        output: &mut Output<'_>,
    ) {
        for plane in &mut self.all[..self.count] {
            let rows = plane.vertical * plane.block;
            plane.finish_rows(row * rows..(row + 1) * rows);
        }
        let end = self.end_of(row);
        output.write(self.next_row..end, |rows, out| {
            if self.flat.is_some() {
                let mut spans = std::mem::take(&mut self.spans);
                kernels.run(
                    #[inline(always)]
                    || usual::write(kernels, self, &mut spans, row, rows, out),
                );
                self.spans = spans;
            } else {
                let row_bytes = out.len() / rows.len();
                for (y, out) in rows.zip(out.chunks_exact_mut(row_bytes)) {
                    self.write_row(kernels, y, out);
                }
            }
        });
        if let Some(flat) = &mut self.flat {
            // The older one is the next one's place.
            flat.swap(0, 1);
        }
        self.next_row = end;
    }

    fn write_row<K: Kernels>(&mut self, kernels: K, y: usize, out: &mut [u8]) {
        for plane in &mut self.all[..self.count] {
            plane.upsample(kernels, y, self.largest, 0..plane.width);
        }
        let rows = |index: usize| {
            let plane = &self.all[index];
            plane.upsampled(y, self.width)
        };
        if let Some(conversion) = self.color {
            let rows = [0, 1, 2, 3].map(|index| if index < self.count { rows(index) } else { &[] });
            conversion.convert(kernels, rows, out);
        }
    }
}

/// The size of a frame in MCUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub mcus_across: usize,
    pub mcus_down: usize,
    /// The largest sampling factors.
    pub horizontal: usize,
    pub vertical: usize,
    is_single: bool,
}

impl Extent {
    pub(crate) fn new(header: &Header) -> Extent {
        // The sampling factors of a single component mean nothing (T.81 A.2.2).
        let is_single = header.components.len() == 1;
        let largest = |factor: fn(&Component) -> u8| {
            let factors = header.components.iter().map(factor);
            if is_single { 1 } else { usize::from(factors.max().unwrap_or(1)) }
        };
        let horizontal = largest(|component| component.horizontal);
        let vertical = largest(|component| component.vertical);
        Extent {
            mcus_across: (header.width as usize).div_ceil(horizontal * 8),
            mcus_down: (header.height as usize).div_ceil(vertical * 8),
            horizontal,
            vertical,
            is_single,
        }
    }

    /// The factors that a component counts with.
    pub(crate) fn factors(self, component: Component) -> (usize, usize) {
        if self.is_single {
            (1, 1)
        } else {
            (component.horizontal.into(), component.vertical.into())
        }
    }

    /// How many pixels a block of a component with these factors gets, across and down, if
    /// one with the largest factors gets `size`: as many as save upsampling (`jdmaster.c`).
    fn block_size(self, (horizontal, vertical): (usize, usize), size: usize) -> usize {
        let mut own = size;
        while own < 8
            && (self.horizontal * size).is_multiple_of(horizontal * own * 2)
            && (self.vertical * size).is_multiple_of(vertical * own * 2)
        {
            own *= 2;
        }
        own
    }
}

/// What libjpeg-turbo's `jdsample.c` chooses for a component that is `across` by `down` in
/// units of the largest factors, in a picture of so many pixels a block; `None` where it
/// gives up.
fn upsampling(
    (across, down): (usize, usize),
    extent: Extent,
    width: usize,
    size: usize,
) -> Option<Upsampling> {
    // Rows of one or two pixels are too short for its fancy upsampling.
    let (is_fancy, is_long) = (size > 1, size > 1 && width > 2);
    match (extent.horizontal, extent.vertical) {
        all if all == (across, down) => Some(Upsampling::None),
        all if all == (2 * across, down) && is_long => Some(Upsampling::H2V1),
        all if all == (across, 2 * down) && is_fancy => Some(Upsampling::H1V2),
        all if all == (2 * across, 2 * down) && is_long => Some(Upsampling::H2V2),
        (horizontal, vertical)
            if horizontal.is_multiple_of(across) && vertical.is_multiple_of(down) =>
        {
            Some(Upsampling::Repeat(horizontal / across, vertical / down))
        }
        _ => None,
    }
}
