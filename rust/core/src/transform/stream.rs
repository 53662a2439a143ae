//! Rows in, rows out: what has to be kept between them, and no more.
//!
//! ```text
//! horizontal first   rows → bands of 16 → horizontal → window → vertical → output
//! vertical first     rows → window → vertical → bands of 16 → horizontal → output
//! ```
//! A window holds the rows that an output row still needs; an output row leaves as soon as
//! its last one is there.

use std::ops::Range;

use super::coefficients::Axis;
use super::geometry::Size;
use super::kernels::{BAND, BandMemory, BandMut, Kernels};
use super::output::Output;
use super::plan::{Passes, Plan};

/// A band with fewer rows costs as much as a full one. From so many on it is not worth
/// copying them to wait for more.
const ENOUGH: usize = 12;

/// Consecutive rows, the first of which can be dropped.
#[derive(Debug, Default)]
struct Rows {
    bytes: Vec<u8>,
    stride: usize,
    /// The number of the first row, and how many there are.
    first: usize,
    count: usize,
}

impl Rows {
    fn start(&mut self, stride: usize, first: usize) {
        (self.stride, self.first, self.count) = (stride, first, 0);
    }

    fn end(&self) -> usize {
        self.first + self.count
    }

    /// Room for so many more rows.
    fn room(&mut self, rows: usize) -> &mut [u8] {
        let start = self.count * self.stride;
        let end = start + rows * self.stride;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        &mut self.bytes[start..end]
    }

    fn push(&mut self, row: &[u8]) {
        self.room(1)[..row.len()].copy_from_slice(row);
        self.count += 1;
    }

    /// The rows from `first` to before `end`.
    fn get(&self, first: usize, end: usize) -> &[u8] {
        &self.bytes[(first - self.first) * self.stride..(end - self.first) * self.stride]
    }

    fn drop_before(&mut self, row: usize) {
        let gone = row.saturating_sub(self.first).min(self.count);
        self.bytes.copy_within(gone * self.stride..self.count * self.stride, 0);
        self.first += gone;
        self.count -= gone;
    }

    /// Drops what no output row from this one on looks at.
    fn drop_unneeded(&mut self, axis: &Axis, next: usize) {
        self.drop_before(Reach::of(axis, next).map_or(self.end(), |reach| reach.first));
    }

    fn row(&self, at: usize) -> &[u8] {
        &self.bytes[at * self.stride..(at + 1) * self.stride]
    }
}

/// Memory that is used again from picture to picture.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    memory: BandMemory,
    /// Rows that wait to be a band.
    pending: Rows,
    /// Rows that the vertical pass looks at.
    window: Rows,
    /// A band after the horizontal pass, or a single row.
    done: Vec<u8>,
    /// A row with its canvas.
    canvas: Vec<u8>,
}

/// A picture on its way.
pub(crate) struct Stream<'a, K> {
    kernels: K,
    plan: &'a Plan,
    scratch: &'a mut Scratch,
    output: Output<'a>,
    /// The next row of the source canvas.
    y: usize,
    /// The next kept row.
    next: usize,
}

impl<'a, K: Kernels> Stream<'a, K> {
    pub fn new(
        kernels: K,
        plan: &'a Plan,
        scratch: &'a mut Scratch,
        mut output: Output<'a>,
    ) -> Stream<'a, K> {
        output.fill(kernels, plan.color);
        let mut stream = Stream { kernels, plan, scratch, output, y: 0, next: 0 };
        stream.begin();
        stream
    }

    /// Begins with the first row, whatever came before.
    fn begin(&mut self) {
        let (plan, scratch) = (self.plan, &mut *self.scratch);
        let width = plan.geometry.kept.size.width;
        (self.y, self.next) = (0, 0);
        match &plan.passes {
            Passes::Horizontal(axis) => scratch.pending.start(axis.input.len() * 3, 0),
            Passes::Vertical(axis) => scratch.window.start(width * 3, axis.input.start),
            Passes::HorizontalFirst { horizontal, vertical } => {
                scratch.pending.start(horizontal.input.len() * 3, vertical.input.start);
                scratch.window.start(stride_of(horizontal), vertical.input.start);
            }
            Passes::VerticalFirst { horizontal, vertical } => {
                scratch.window.start(horizontal.input.len() * 3, vertical.input.start);
                scratch.pending.start(horizontal.input.len() * 3, 0);
            }
            Passes::Keep | Passes::Nearest { .. } => {}
        }
        self.border(plan.geometry.picture.top);
    }

    /// Takes the next rows of the picture: whole ones, any number, of which `first` is the
    /// first. Where row 0 comes again, the picture begins anew.
    pub fn push(&mut self, first: usize, rows: &[u8]) {
        if first == 0 && self.y > self.plan.geometry.picture.top {
            self.begin();
        }
        let (picture, source) = (self.plan.geometry.picture, self.plan.geometry.source);
        if picture.size.width == source.width {
            return self.take(rows);
        }
        let mut canvas = std::mem::take(&mut self.scratch.canvas);
        canvas.clear();
        canvas.extend_from_slice(&self.plan.color.repeat(source.width));
        let start = picture.left * 3;
        for row in rows.chunks_exact(picture.size.width * 3) {
            canvas[start..start + row.len()].copy_from_slice(row);
            self.take(&canvas);
        }
        self.scratch.canvas = canvas;
    }

    /// Makes what is left. All rows have to have been pushed.
    pub fn finish(mut self) {
        self.border(self.plan.geometry.source.height - self.y);
        match &self.plan.passes {
            Passes::Horizontal(axis)
            | Passes::VerticalFirst { horizontal: axis, .. }
            | Passes::HorizontalFirst { horizontal: axis, .. } => self.resize_pending(axis),
            Passes::Keep | Passes::Nearest { .. } | Passes::Vertical(_) => {}
        }
    }

    /// Rows of the canvas above or below the picture.
    fn border(&mut self, rows: usize) {
        let row = self.plan.color.repeat(self.plan.geometry.source.width);
        for _ in 0..rows {
            self.take(&row);
        }
    }

    /// Takes rows of the source canvas.
    fn take(&mut self, rows: &[u8]) {
        let Size { width, .. } = self.plan.geometry.source;
        let kept = self.plan.geometry.kept;
        let (first, end) = (self.y, self.y + rows.len() / (width * 3));
        self.y = end;
        let source = Source { bytes: rows, stride: width * 3, first };
        match &self.plan.passes {
            Passes::Keep => {
                for y in first.max(kept.top)..end.min(kept.top + kept.size.height) {
                    let row = source.row(y, kept.left..kept.left + kept.size.width);
                    self.output.put(self.kernels, y - kept.top, row);
                }
            }
            Passes::Nearest { rows, columns } => self.take_nearest(&source, end, rows, columns),
            Passes::Horizontal(axis) => {
                let range = first.max(kept.top)..end.min(kept.top + kept.size.height);
                self.take_bands(&source, range, axis);
            }
            Passes::Vertical(axis) => {
                for y in first.max(axis.input.start)..end.min(axis.input.end) {
                    let row = source.row(y, kept.left..kept.left + kept.size.width);
                    self.scratch.window.push(row);
                }
                self.drain_window(axis);
            }
            Passes::HorizontalFirst { horizontal, vertical } => {
                let range = first.max(vertical.input.start)..end.min(vertical.input.end);
                self.take_bands(&source, range, horizontal);
            }
            Passes::VerticalFirst { horizontal, vertical } => {
                for y in first.max(vertical.input.start)..end.min(vertical.input.end) {
                    self.scratch.window.push(source.row(y, horizontal.input.clone()));
                }
                self.drain_window_to_bands(horizontal, vertical);
            }
        }
    }

    fn take_nearest(&mut self, source: &Source<'_>, end: usize, rows: &[usize], columns: &[usize]) {
        while let Some(&y) = rows.get(self.next)
            && y < end
        {
            let (row, _) = source.row(y, 0..source.stride / 3).as_chunks::<3>();
            let done = &mut self.scratch.done;
            done.clear();
            for &column in columns {
                done.extend_from_slice(&row[column]);
            }
            self.output.put(self.kernels, self.next, done);
            self.next += 1;
        }
    }

    /// Gathers rows, cut to the axis's input, into bands.
    fn take_bands(&mut self, source: &Source<'_>, mut range: Range<usize>, axis: &Axis) {
        while !range.is_empty() {
            let row = |y| source.row(y, axis.input.clone());
            if self.scratch.pending.count == 0 && range.len() >= ENOUGH {
                let (first, count) = (range.start, range.len().min(BAND));
                // A band that is not full repeats its last row.
                let rows = std::array::from_fn(|at| row(first + at.min(count - 1)));
                range.start += count;
                let ahead = source.rows(range.start..range.end.min(range.start + BAND));
                self.resize_band(&rows, count, ahead, axis);
            } else {
                self.scratch.pending.push(row(range.start));
                range.start += 1;
                if self.scratch.pending.count == BAND {
                    self.resize_pending(axis);
                }
            }
        }
    }

    /// Resizes the rows that wait.
    fn resize_pending(&mut self, axis: &Axis) {
        let mut pending = std::mem::take(&mut self.scratch.pending);
        if pending.count > 0 {
            let last = pending.count - 1;
            let rows = std::array::from_fn(|at| pending.row(at.min(last)));
            self.resize_band(&rows, pending.count, &[], axis);
            pending.count = 0;
        }
        self.scratch.pending = pending;
    }

    /// Resizes a band horizontally, `count` rows of which are new, and hands it on.
    fn resize_band(&mut self, rows: &[&[u8]; BAND], count: usize, ahead: &[u8], axis: &Axis) {
        let Scratch { memory, window, done, .. } = &mut *self.scratch;
        if let Passes::HorizontalFirst { vertical, .. } = &self.plan.passes {
            let out = BandMut { stride: window.stride, bytes: window.room(BAND) };
            self.kernels.horizontal(rows, axis, ahead, memory, out);
            window.count += count;
            return self.drain_window(vertical);
        }
        let stride = stride_of(axis);
        done.resize(stride * BAND, 0);
        self.kernels.horizontal(rows, axis, ahead, memory, BandMut { bytes: done, stride });
        for row in done.chunks_exact(stride).take(count) {
            self.output.put(self.kernels, self.next, &row[..axis.len() * 3]);
            self.next += 1;
        }
    }

    /// Makes the output's rows whose window is there.
    fn drain_window(&mut self, axis: &Axis) {
        let Scratch { window, done, .. } = &mut *self.scratch;
        let length = self.plan.geometry.kept.size.width * 3;
        while let Some(Reach { first, end }) = Reach::of(axis, self.next)
            && end <= window.end()
        {
            let rows = window.get(first, end);
            if let Some(out) = self.output.row_mut(self.next) {
                self.kernels.vertical(rows, window.stride, axis, self.next, out);
            } else {
                done.resize(length, 0);
                self.kernels.vertical(rows, window.stride, axis, self.next, done);
                self.output.put(self.kernels, self.next, done);
            }
            self.next += 1;
        }
        window.drop_unneeded(axis, self.next);
    }

    /// The same where the horizontal pass follows. `pending` counts the rows so far.
    fn drain_window_to_bands(&mut self, horizontal: &Axis, vertical: &Axis) {
        let length = horizontal.input.len() * 3;
        loop {
            let Scratch { window, pending, .. } = &mut *self.scratch;
            let next = self.next + pending.count;
            let reach = Reach::of(vertical, next).filter(|reach| reach.end <= window.end());
            let Some(Reach { first, end }) = reach else {
                return window.drop_unneeded(vertical, next);
            };
            let rows = window.get(first, end);
            let out = &mut pending.room(1)[..length];
            self.kernels.vertical(rows, window.stride, vertical, next, out);
            pending.count += 1;
            if pending.count == BAND {
                self.resize_pending(horizontal);
            }
        }
    }
}

/// Bytes from a row of a band's output to the next.
fn stride_of(axis: &Axis) -> usize {
    (axis.len() * 3).next_multiple_of(BAND)
}

/// The source rows that an output row is made of.
struct Reach {
    first: usize,
    end: usize,
}

impl Reach {
    fn of(axis: &Axis, place: usize) -> Option<Reach> {
        if place >= axis.len() {
            return None;
        }
        let (start, pairs) = axis.window(place);
        let first = axis.input.start + start;
        Some(Reach { first, end: (first + 2 * pairs.len()).min(axis.input.end) })
    }
}

/// Rows of the source canvas, from number `first` on.
struct Source<'a> {
    bytes: &'a [u8],
    stride: usize,
    first: usize,
}

impl<'a> Source<'a> {
    /// Whole rows.
    fn rows(&self, rows: Range<usize>) -> &'a [u8] {
        &self.bytes[(rows.start - self.first) * self.stride..(rows.end - self.first) * self.stride]
    }

    /// Some pixels of a row.
    fn row(&self, y: usize, pixels: Range<usize>) -> &'a [u8] {
        let start = (y - self.first) * self.stride;
        &self.bytes[start + pixels.start * 3..start + pixels.end * 3]
    }
}
