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

use crate::entropy::Unit;
use crate::flat::{Filling, Span};
use crate::kernels::survey::{LANES, McuKind, Survey};
use crate::kernels::{Job, Kernels, PlaneMut, RowsMut};
use crate::macro_row::{Block, IS_BEYOND_CORNER, MacroRow};
use crate::planes::{Plane, Planes, Upsampling};
use crate::stages::{Clock, Stage};
use crate::tables::Quantization;

/// How many bytes are copied at once.
const VECTOR: usize = 32;

/// Components of the usual kind of picture.
const COMPONENTS: usize = 3;

/// Of each component the blocks of two classes.
const LISTS: usize = 2 * COMPONENTS;

/// So many MCUs are sorted and transformed at once.
const GROUP: usize = 128;

/// A list is shorter than this.
const LIST: usize = 1 << LENGTH_BITS;

/// Bits of a list's length, of which six have to fit into 64.
const LENGTH_BITS: u32 = 10;

// Even if all blocks are on one list.
const _: () = assert!(GROUP * 6 < LIST);

/// Memory for one row of MCUs.
#[derive(Default)]
pub(crate) struct Work {
    /// What [`Kernels::survey`] finds.
    pixels: Vec<[u8; LANES]>,
    /// Up to whole words.
    coded: Vec<u8>,
    /// The runs of MCUs whose inner rows somebody looks at, in one component.
    seen: Vec<Range<usize>>,
    /// The pixels of a row of blocks of one component, each pixel eight times, and then some
    /// up to whole vectors.
    line: Vec<u8>,
    /// For each component, blocks whose other coefficients lie in the top left corner, and
    /// others.
    jobs: Vec<[Job; LIST]>,
}

impl Work {
    /// To be called before the first MCUs of a row are looked at.
    pub(crate) fn start_row(&mut self, planes: &mut Planes, mcus: usize) {
        self.pixels.resize(mcus, [0; LANES]);
        self.coded.resize(mcus.next_multiple_of(WORD), 0);
        self.coded[mcus..].fill(0);
        if let Some([_, flat]) = &mut planes.flat {
            flat.start(mcus);
        }
    }

    /// Looks at decoded MCUs of a row.
    #[inline(always)]
    pub(crate) fn survey<K: Kernels>(
        &mut self,
        kernels: K,
        macro_row: &mut MacroRow,
        (kind, predictions): (&McuKind, &mut [i16; 4]),
        planes: &mut Planes,
        mcus: &Range<usize>,
    ) {
        let Some([_, flat]) = &mut planes.flat else { return };
        let [luma, chroma] = flat.values_mut();
        let mut found = Survey {
            pixels: &mut self.pixels[mcus.clone()],
            coded: &mut self.coded[mcus.clone()],
            luma: &mut luma[mcus.clone()],
            chroma: &mut chroma[mcus.clone()],
        };
        let first = mcus.start * kind.count();
        let (sums, blocks) = (&macro_row.sums[first..], &mut macro_row.blocks[first..]);
        kernels.survey(kind, sums, blocks, predictions, &mut found);
    }

    /// Makes a row that nobody wants 0 again.
    pub(crate) fn pass_over(&self, macro_row: &mut MacroRow, kind: &McuKind) {
        let blocks = macro_row.blocks.chunks_exact_mut(kind.count());
        for (blocks, _) in blocks.zip(&self.coded).filter(|(_, coded)| **coded != 0) {
            blocks.fill(Block([0; 64]));
        }
        macro_row.set_clean();
    }
}

/// MCUs whose coded blocks are sorted out in one go: a byte each.
const WORD: usize = 8;

/// Coefficients of a row of MCUs to pixels of the planes. The scan has all components, the
/// first one with the largest factors, and the others have one block in an MCU.
#[inline(always)]
pub(crate) fn transform<K: Kernels>(
    kernels: K,
    macro_row: &mut MacroRow,
    (units, tables): (&[Unit], &[Quantization; 4]),
    planes: &mut Planes,
    work: &mut Work,
    row: usize,
    clock: &mut Clock,
) {
    let Some([previous, mut flat]) = planes.flat.take() else { return };
    for plane in &mut planes.all[..COMPONENTS] {
        // One row of MCUs is enough, and of the one before its last row.
        plane.rows = plane.vertical * 8;
        plane.copy_row(plane.rows, 0);
    }
    let line = planes.plane(0).pixels().stride + VECTOR;
    work.line.resize(line, 0);
    flat.finish(kernels);
    for index in 0..COMPONENTS {
        // Nobody looks at the inner rows of what is flat.
        match index {
            0 => flat.luma_runs(&mut work.seen),
            1 => flat.chroma_runs(&mut work.seen),
            _ => {}
        }
        let plane = planes.plane(index);
        let first = if index == 0 { 0 } else { units.len() - COMPONENTS + index };
        for y in 0..plane.vertical {
            let own = (first + y * plane.horizontal, plane.horizontal);
            expand(&work.pixels, own, &mut work.line);
            let rows = (row * plane.vertical + y) * 8;
            let outer = (y == 0, y + 1 == plane.vertical);
            fill_blocks(&work.line, plane, rows, outer, &work.seen);
        }
    }
    let sites = find_sites(units, planes, row);
    work.jobs.resize(LISTS, [Job { block: 0, pixel: 0 }; LIST]);
    for (coded, first) in work.coded.chunks(GROUP).zip((0..).step_by(GROUP)) {
        let sums = &macro_row.sums[first * units.len()..];
        let lengths = sort_jobs((coded, sums, first), (&sites, units.len()), &mut work.jobs);
        clock.mark(Stage::Flat);
        let lists = work.jobs.iter().zip(lengths).map(|(list, length)| &list[..length]);
        for (list, jobs) in lists.enumerate() {
            let (table, plane) = (&tables[list / 2], planes.plane(list / 2));
            if list % 2 == 0 {
                kernels.idct_corner(jobs, &mut macro_row.blocks, table, plane.pixels());
            } else {
                kernels.idct(jobs, &mut macro_row.blocks, table, plane.pixels());
            }
        }
        clock.mark(Stage::Idct);
    }
    macro_row.set_clean();
    planes.flat = Some([previous, flat]);
    clock.mark(Stage::Flat);
}

/// Each pixel eight times: of every MCU those from `first` on, as many as blocks lie side by
/// side in it.
#[inline(always)]
fn expand(pixels: &[[u8; LANES]], (first, across): (usize, usize), line: &mut [u8]) {
    let mcus = pixels.iter().map(|pixels| &pixels[first..first + across]);
    match across {
        1 => {
            for (eight, pixels) in line.as_chunks_mut::<8>().0.iter_mut().zip(mcus) {
                *eight = [pixels[0]; 8];
            }
        }
        2 => {
            for (two, pixels) in line.as_chunks_mut::<16>().0.iter_mut().zip(mcus) {
                let (left, right) = two.split_at_mut(8);
                left.copy_from_slice(&[pixels[0]; 8]);
                right.copy_from_slice(&[pixels[1]; 8]);
            }
        }
        _ => {
            let (eights, _) = line.as_chunks_mut::<8>();
            for (eights, pixels) in eights.chunks_exact_mut(across).zip(mcus) {
                for (eight, &pixel) in eights.iter_mut().zip(pixels) {
                    *eight = [pixel; 8];
                }
            }
        }
    }
}

/// Fills a row of blocks, eight rows of pixels, with these pixels: all of the rows that
/// other rows of MCUs look at (`outer`: the first one, the last one), and of the others
/// what is seen of the MCUs.
#[inline(always)]
fn fill_blocks(
    line: &[u8],
    plane: &mut Plane,
    first: usize,
    outer: (bool, bool),
    seen: &[Range<usize>],
) {
    let (across, mcus) = (plane.horizontal * 8, plane.mcus_across());
    let at = plane.at(0, first);
    let PlaneMut { pixels, stride } = plane.pixels();
    let pixels = &mut pixels[at..];
    if outer.0 {
        copy_vectors(line, pixels, 0..mcus * across);
    }
    if outer.1 {
        copy_vectors(line, &mut pixels[7 * stride..], 0..mcus * across);
    }
    for run in seen {
        for y in usize::from(outer.0)..8 - usize::from(outer.1) {
            copy_vectors(line, &mut pixels[y * stride..], run.start * across..run.end * across);
        }
    }
}

/// Copies these bytes and some after them, up to whole vectors.
#[inline(always)]
fn copy_vectors(from: &[u8], to: &mut [u8], bytes: Range<usize>) {
    let end = bytes.start + bytes.len().next_multiple_of(VECTOR);
    let (from, _) = from[bytes.start..end].as_chunks::<VECTOR>();
    let (to, _) = to[bytes.start..end].as_chunks_mut::<VECTOR>();
    for (from, to) in from.iter().zip(to) {
        *to = *from;
    }
}

/// Where a unit of the first MCU of a row is, and how much further in the next one.
#[derive(Clone, Copy, Default)]
struct Site {
    pixel: u32,
    step: u32,
    /// The first of the component's two lists.
    list: u32,
}

/// For each unit, where it is in the planes.
#[inline(always)]
fn find_sites(units: &[Unit], planes: &mut Planes, row: usize) -> [Site; LANES] {
    let mut sites = [Site::default(); LANES];
    for (site, unit) in sites.iter_mut().zip(units) {
        let plane = planes.plane(unit.component.into());
        let y = (row * plane.vertical + usize::from(unit.y)) * 8;
        let pixel = plane.at(usize::from(unit.x) * 8, y) as u32;
        *site =
            Site { pixel, step: plane.horizontal as u32 * 8, list: u32::from(unit.component) * 2 };
    }
    sites
}

/// Sorts the coded blocks of a group of MCUs by component and class, into [`LISTS`] lists.
/// Returns how long these are. The group: which blocks are coded, the sums of all, and the
/// first MCU's place in the row.
#[inline(always)]
fn sort_jobs(
    (coded, sums, first): (&[u8], &[u8], usize),
    (sites, count): (&[Site; LANES], usize),
    jobs: &mut [[Job; LIST]],
) -> [usize; LISTS] {
    // All in one register, so that no length waits for its store.
    let mut lengths = 0_u64;
    let jobs = jobs.as_flattened_mut();
    for (word, place) in coded.as_chunks::<WORD>().0.iter().zip((0..).step_by(WORD)) {
        let mut coded = u64::from_le_bytes(*word);
        while coded != 0 {
            let bit = coded.trailing_zeros() as usize;
            coded &= coded - 1;
            let (mcu, number) = (place + bit / LANES, bit % LANES);
            let block = mcu * count + number;
            let Site { pixel, step, list } = sites[number];
            let list = list + u32::from(IS_BEYOND_CORNER[usize::from(sums[block])]);
            let shift = list * LENGTH_BITS;
            let length = (lengths >> (shift & 63)) as usize & (LIST - 1);
            jobs[list as usize * LIST + length] = Job {
                block: (first * count + block) as u32,
                pixel: pixel + step * (first + mcu) as u32,
            };
            lengths += 1 << (shift & 63);
        }
    }
    std::array::from_fn(|list| (lengths >> (list as u32 * LENGTH_BITS)) as usize & (LIST - 1))
}

/// Memory for the way from planes to rows of RGB.
#[derive(Default)]
pub(crate) struct Spans {
    /// Of the rows inside of a row of MCUs, of its first one, and of the last one of the
    /// row of MCUs before.
    inner: Vec<Span>,
    above: Vec<Span>,
    below: Vec<Span>,
    /// Two rows of which one is wanted.
    pair: Vec<u8>,
    /// For the moment.
    calm: Vec<u64>,
}

/// Writes the rows `wanted`, which the MCU row `row` completes, to `out`.
#[inline(always)]
pub(crate) fn write<K: Kernels>(
    kernels: K,
    planes: &mut Planes,
    spans: &mut Spans,
    row: usize,
    wanted: Range<usize>,
    out: &mut [u8],
) {
    let rows = planes.largest * 8;
    if planes.needs_context {
        repeat_edges(planes, row);
    }
    let Some([previous, current]) = &planes.flat else { return };
    let Spans { inner, above, below, pair, calm } = spans;
    pair.resize(planes.width * 6, 0);
    let stride = planes.width * 3;
    // From here on rows are counted from the one above this row of MCUs.
    let wanted = wanted.start + 1 - row * rows..wanted.end + 1 - row * rows;
    let mut out = Lines { planes, first: wanted.start, stride, bytes: out, pair };
    let mut inside = wanted.start.max(1)..wanted.end;
    if row > 0 && planes.needs_context {
        // The two rows of pixels that belong to both rows of MCUs.
        current.spans(Some(previous), calm, above);
        previous.spans(Some(current), calm, below);
        for (spans, place, is_current) in [(above, 1, true), (below, 0, false)] {
            for span in spans.iter() {
                if span.filling == Filling::General {
                    if is_current {
                        out.write_general(kernels, span, wanted.start..wanted.end.min(2));
                    }
                } else if wanted.contains(&place) {
                    out.write_flat(kernels, span, place..place + 1);
                }
            }
        }
        inside.start = wanted.start.max(2);
    }
    if !inside.is_empty() {
        current.spans(None, calm, inner);
        for span in inner.iter() {
            if span.filling == Filling::General {
                out.write_general(kernels, span, inside.clone());
            } else {
                out.write_flat(kernels, span, inside.clone());
            }
        }
    }
}

/// Repeats the first and the last row of chroma beyond the picture.
fn repeat_edges(planes: &mut Planes, row: usize) {
    for plane in &mut planes.all[1..COMPONENTS] {
        if row == 0 {
            plane.copy_row(1, 0);
        }
        let left = plane.height - row * plane.rows;
        if left <= plane.rows {
            plane.copy_row(left, left + 1);
        }
    }
}

/// Rows of the result. They are counted from the one above a row of MCUs, as the planes'
/// places are.
struct Lines<'a> {
    planes: &'a Planes,
    /// The one that `bytes` begin with.
    first: usize,
    /// Bytes of a row.
    stride: usize,
    bytes: &'a mut [u8],
    pair: &'a mut [u8],
}

impl Lines<'_> {
    /// The pixels of a span.
    fn columns(&self, span: &Span) -> Range<usize> {
        let across = self.planes.all[0].horizontal * 8;
        span.start * across..(span.end * across).min(self.planes.width)
    }

    /// These pixels of these rows.
    #[inline(always)]
    fn lines(&mut self, rows: &Range<usize>, columns: &Range<usize>) -> RowsMut<'_> {
        let (stride, length) = (self.stride, columns.len() * 3);
        let start = (rows.start - self.first) * stride + columns.start * 3;
        let end = start + (rows.len() - 1) * stride + length;
        RowsMut { bytes: &mut self.bytes[start..end], stride, length }
    }

    /// A flat span.
    #[inline(always)]
    fn write_flat<K: Kernels>(&mut self, kernels: K, span: &Span, rows: Range<usize>) {
        let columns = self.columns(span);
        match &span.filling {
            Filling::General => {}
            Filling::Color(color) => kernels.fill(*color, self.lines(&rows, &columns)),
            Filling::Shift(shift) => {
                let luma = self.planes.all[0].starting_at(columns.start, rows.start);
                kernels.shift_to_rgb(luma, *shift, self.lines(&rows, &columns));
            }
        }
    }

    /// Upsampling and color conversion.
    #[inline(always)]
    fn write_general<K: Kernels>(&mut self, kernels: K, span: &Span, rows: Range<usize>) {
        let columns = self.columns(span);
        let [luma, cb, cr, _] = &self.planes.all;
        if cb.upsampling == Some(Upsampling::H2V2) {
            self.write_pairs(kernels, &columns, rows);
            return;
        }
        for place in rows {
            let luma = luma.starting_at(columns.start, place).bytes;
            let out = self.lines(&(place..place + 1), &columns).bytes;
            if cb.upsampling == Some(Upsampling::H2V1) {
                let chroma = [cb, cr].map(|plane| plane.starting_before(columns.start / 2, place));
                kernels.ycc_h2v1_to_rgb(luma, chroma[0].bytes, chroma[1].bytes, out);
            } else {
                let chroma = [cb, cr].map(|plane| plane.starting_at(columns.start, place));
                kernels.ycc_to_rgb(luma, chroma[0].bytes, chroma[1].bytes, out);
            }
        }
    }

    /// The same where two rows of pixels, an even place and the next one, are between each
    /// two rows of chroma.
    #[inline(always)]
    fn write_pairs<K: Kernels>(&mut self, kernels: K, columns: &Range<usize>, rows: Range<usize>) {
        let [luma, cb, cr, _] = &self.planes.all;
        let whole = rows.start.next_multiple_of(2)..rows.end / 2 * 2;
        for single in rows.clone().filter(|place| !whole.contains(place)) {
            let place = single / 2 * 2;
            let luma = luma.starting_at(columns.start, place);
            let [cb, cr] =
                [cb, cr].map(|plane| plane.starting_before(columns.start / 2, place / 2));
            let length = columns.len() * 3;
            let both = RowsMut { bytes: &mut self.pair[..2 * length], stride: length, length };
            kernels.ycc_h2v2_to_rgb(luma, cb, cr, both);
            let own = single % 2 * length;
            let start = (single - self.first) * self.stride + columns.start * 3;
            self.bytes[start..start + length].copy_from_slice(&self.pair[own..own + length]);
        }
        if !whole.is_empty() {
            let luma = luma.starting_at(columns.start, whole.start);
            let [cb, cr] =
                [cb, cr].map(|plane| plane.starting_before(columns.start / 2, whole.start / 2));
            kernels.ycc_h2v2_to_rgb(luma, cb, cr, self.lines(&whole, columns));
        }
    }
}
