//! The pixels of the components on their way to rows of RGB: memory for them, upsampling,
//! color. Knows no coded data.
//!
//! ```text
//! MCU row r     ┌ luma, 16 rows ┐ ┌ chroma, 8 rows ┐     kept: this MCU row and the one
//!               └───────────────┘ └────────────────┘     before it (a ring), or all
//! rows of RGB:  16 r - 1 … 16 r + 14, for the last row of an MCU row needs the chroma
//!               of the next one
//! ```

use crate::JpegError;
use crate::flat::{Filling, FlatRow, Span};
use crate::header::{ColorSpace, Component, Header};
use crate::kernels::{Kernels, PlaneMut};
use crate::output::Output;

/// Bytes before the first pixel of each row: room for its left neighbor.
const MARGIN: usize = 32;

/// How a component gets the size of the picture (what libjpeg-turbo chooses).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upsampling {
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
    /// Rows that are kept; row `y` is at `y % rows`.
    rows: usize,
    /// Pixels in a row, as they count.
    pub width: usize,
    /// Rows, as they count.
    pub height: usize,
    /// Sampling factors.
    pub horizontal: usize,
    pub vertical: usize,
    upsampling: Option<Upsampling>,
    upsampled: Vec<u8>,
}

impl Plane {
    /// Where the pixel is. The row has to be kept.
    pub(crate) fn at(&self, x: usize, y: usize) -> usize {
        (y % self.rows) * self.stride + MARGIN + x
    }

    /// All pixels.
    pub(crate) fn pixels(&mut self) -> PlaneMut<'_> {
        PlaneMut { stride: self.stride, pixels: &mut self.pixels }
    }

    /// Row `y`, or the one next to it that exists, with a neighbor at both ends.
    #[inline(always)]
    fn row(&self, y: usize) -> &[u8] {
        let start = self.at(0, y.min(self.height - 1)) - 1;
        &self.pixels[start..start + self.width + 2]
    }

    /// Repeats the first and last pixel of each of these rows beyond its ends.
    pub(crate) fn finish_rows(&mut self, rows: std::ops::Range<usize>) {
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
        columns: std::ops::Range<usize>,
    ) {
        let Some(upsampling) = self.upsampling else { return };
        let own = y * self.vertical / largest;
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
    all: [Plane; 4],
    count: usize,
    width: usize,
    height: usize,
    /// The largest vertical sampling factor.
    largest: usize,
    /// Whether the last row of an MCU row needs the next MCU row.
    needs_context: bool,
    next_row: usize,
    color: Option<ColorSpace>,
    /// What is flat in the last row of MCUs and, while a new one is made, in that one;
    /// `None` if that is not looked for.
    pub flat: Option<[FlatRow; 2]>,
    spans: [Vec<Span>; 3],
}

impl Planes {
    /// Makes room. `keep_all`: for scans that come one after the other.
    pub(crate) fn start(&mut self, header: &Header, extent: Extent) -> Result<(), JpegError> {
        let (mcus_across, mcus_down) = (extent.mcus_across, extent.mcus_down);
        self.count = header.components.len();
        self.width = header.width as usize;
        self.height = header.height as usize;
        self.largest = extent.vertical;
        self.next_row = 0;
        self.color = Some(header.color_space());
        self.needs_context = false;
        let factors = header.components.iter().map(|&component| extent.factors(component));
        let factors: Vec<_> = factors.collect();
        let largest = (extent.horizontal, extent.vertical);
        let is_usual = factors == [largest, (1, 1), (1, 1)];
        let is_flat_of_use = is_usual && !extent.keep_all && self.color == Some(ColorSpace::YCbCr);
        let flat = self.flat.take().unwrap_or_default();
        self.flat = is_flat_of_use.then_some(flat);
        for (plane, component) in self.all.iter_mut().zip(&header.components) {
            let (horizontal, vertical) = extent.factors(*component);
            let upsampling = upsampling(horizontal, vertical, extent, self.width);
            let upsampling = upsampling.ok_or_else(|| JpegError::Unsupported {
                offset: header.scan_offset,
                coding: "a sampling factor that does not divide the largest one".to_owned(),
            })?;
            self.needs_context |= matches!(upsampling, Upsampling::H1V2 | Upsampling::H2V2);
            plane.upsampling = Some(upsampling);
            (plane.horizontal, plane.vertical) = (horizontal, vertical);
            plane.width = (self.width * horizontal).div_ceil(extent.horizontal);
            plane.height = (self.height * vertical).div_ceil(extent.vertical);
            plane.stride = (mcus_across * horizontal * 8 + 2 * MARGIN).next_multiple_of(64);
            let kept = if extent.keep_all { mcus_down } else { mcus_down.min(2) };
            plane.rows = kept * vertical * 8;
            plane.pixels.resize(plane.rows * plane.stride, 0);
            let upsampled =
                if upsampling == Upsampling::None { 0 } else { self.width + 2 * MARGIN };
            let upsampled = upsampled + 4 * MARGIN;
            plane.upsampled.resize(upsampled, 0);
        }
        Ok(())
    }

    pub(crate) fn plane(&mut self, index: usize) -> &mut Plane {
        &mut self.all[index & 3]
    }

    /// The MCU row `row` is in the planes: writes what rows that completes.
    pub(crate) fn finish_mcu_row<K: Kernels>(
        &mut self,
        kernels: K,
        row: usize,
        output: &mut Output<'_>,
    ) {
        for plane in &mut self.all[..self.count] {
            let rows = plane.vertical * 8;
            plane.finish_rows(row * rows..(row + 1) * rows);
        }
        let mut end = (row + 1) * self.largest * 8;
        if end >= self.height {
            end = self.height;
        } else if self.needs_context {
            end -= 1;
        }
        output.write(self.next_row..end, |rows, out| {
            if self.flat.is_some() {
                kernels.run(
                    #[inline(always)]
                    || self.write_spans(kernels, row, rows, out),
                );
            } else {
                for (y, out) in rows.zip(out.chunks_exact_mut(self.width * 3)) {
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

    /// Writes these rows, what is flat in its own way.
    #[inline(always)]
    fn write_spans<K: Kernels>(
        &mut self,
        kernels: K,
        row: usize,
        wanted: std::ops::Range<usize>,
        out: &mut [u8],
    ) {
        let Some([previous, current]) = self.flat.take() else { return };
        let [mut inner, mut above, mut below] = std::mem::take(&mut self.spans);
        let context = |other| if self.needs_context { Some(other) } else { None };
        current.spans(None, &mut inner);
        let rows = self.largest * 8;
        let first = row * rows;
        if row > 0 {
            current.spans(context(&previous), &mut above);
            previous.spans(context(&current), &mut below);
        }
        for (y, out) in wanted.zip(out.chunks_exact_mut(self.width * 3)) {
            let spans = match y {
                _ if y < first => &below,
                _ if y == first && row > 0 => &above,
                _ => &inner,
            };
            self.write_row_of_spans(kernels, y, spans, out);
        }
        self.spans = [inner, above, below];
        self.flat = Some([previous, current]);
    }

    #[inline(always)]
    fn write_row_of_spans<K: Kernels>(
        &mut self,
        kernels: K,
        y: usize,
        spans: &[Span],
        out: &mut [u8],
    ) {
        let across = self.all[0].horizontal * 8;
        for span in spans {
            // Up to whole vectors: the next span writes over what is too much.
            let start = span.start * across;
            let end =
                (start + ((span.end - span.start) * across).next_multiple_of(32)).min(self.width);
            let out = &mut out[start * 3..end * 3];
            match &span.filling {
                Filling::Color(pattern) => {
                    let length = ((span.end - span.start) * across * 3).min(out.len());
                    fill(&mut out[..length], pattern);
                }
                Filling::Shift(shift) => {
                    let luma = &self.all[0].row(y)[1 + start..=end];
                    kernels.shift_to_rgb(luma, *shift, out);
                }
                Filling::General => {
                    let [luma, cb, cr, _] = &mut self.all;
                    for plane in [&mut *cb, &mut *cr] {
                        plane.upsample(
                            kernels,
                            y,
                            self.largest,
                            span.start * 8..end.div_ceil(across) * 8,
                        );
                    }
                    let luma = &luma.row(y)[1 + start..=end];
                    let [cb, cr] =
                        [cb, cr].map(|plane| &plane.upsampled(y, self.width)[start..end]);
                    kernels.ycc_to_rgb(luma, cb, cr, out);
                }
            }
        }
    }

    fn write_row<K: Kernels>(&mut self, kernels: K, y: usize, out: &mut [u8]) {
        for plane in &mut self.all[..self.count] {
            plane.upsample(kernels, y, self.largest, 0..plane.width);
        }
        let rows = |index: usize| {
            let plane = &self.all[index];
            plane.upsampled(y, self.width)
        };
        let (pixels, _) = out.as_chunks_mut::<3>();
        match self.color {
            Some(ColorSpace::Gray) => {
                for (pixel, &gray) in pixels.iter_mut().zip(rows(0)) {
                    *pixel = [gray; 3];
                }
            }
            Some(ColorSpace::Rgb) => {
                let colors = rows(0).iter().zip(rows(1)).zip(rows(2));
                for (pixel, ((&red, &green), &blue)) in pixels.iter_mut().zip(colors) {
                    *pixel = [red, green, blue];
                }
            }
            _ => kernels.ycc_to_rgb(rows(0), rows(1), rows(2), out),
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
    /// Whether all rows are kept until the end.
    pub keep_all: bool,
    is_single: bool,
}

impl Extent {
    pub(crate) fn new(header: &Header, keep_all: bool) -> Extent {
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
            keep_all,
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
}

/// What libjpeg-turbo's `jdsample.c` chooses; `None` where it gives up.
fn upsampling(h: usize, v: usize, extent: Extent, width: usize) -> Option<Upsampling> {
    // Rows of one or two pixels are too short for its fancy upsampling.
    let is_long = (width * h).div_ceil(extent.horizontal) > 2;
    match (extent.horizontal, extent.vertical) {
        (across, down) if (across, down) == (h, v) => Some(Upsampling::None),
        (across, down) if (across, down) == (2 * h, v) && is_long => Some(Upsampling::H2V1),
        (across, down) if (across, down) == (h, 2 * v) => Some(Upsampling::H1V2),
        (across, down) if (across, down) == (2 * h, 2 * v) && is_long => Some(Upsampling::H2V2),
        (across, down) if across.is_multiple_of(h) && down.is_multiple_of(v) => {
            Some(Upsampling::Repeat(across / h, down / v))
        }
        _ => None,
    }
}

/// Fills with 16 pixels again and again.
fn fill(out: &mut [u8], pattern: &[u8; 48]) {
    let (whole, rest) = out.as_chunks_mut::<48>();
    whole.fill(*pattern);
    rest.copy_from_slice(&pattern[..rest.len()]);
}
