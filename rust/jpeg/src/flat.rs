//! Which parts of a row of MCUs are flat, so that they need no IDCT, no upsampling and
//! no color conversion. Knows pixels of blocks, not coefficients.
//!
//! ```text
//! MCU           a      b      c      d        chroma of b = of a and c: upsampling b's
//! chroma flat   yes    yes    yes    no       chroma changes nothing ("calm");
//! calm          yes    yes    no     no       its luma flat, too: one color
//! ```
//! The first and the last row of pixels of an MCU row also mix with the MCU row above or
//! below: there, both have to be calm, with the same chroma.

use std::ops::Range;

use crate::kernels::scalar::pixel_to_rgb;
use crate::kernels::{Kernels, Neighbors};

/// "Not flat", for luma and chroma.
pub(crate) const NONE: u32 = u32::MAX;

/// What is flat in one row of MCUs. Whether something is so is a bit for each MCU, in words.
#[derive(Default)]
pub(crate) struct FlatRow {
    mcus: usize,
    /// The luma of each MCU, if it is one value. There are more MCUs than the row has, up to
    /// whole words and one vector, which continue the last one.
    luma: Vec<u32>,
    /// The same for Cb and Cr, if each is one value.
    chroma: Vec<u32>,
    /// Of luma and of chroma.
    luma_neighbors: Neighbors,
    chroma_neighbors: Neighbors,
    /// Chroma is flat, and so is that of the neighbors left and right, with the same value.
    calm: Vec<u64>,
    /// For the moment.
    other: Vec<u64>,
}

/// The shortest run of calm MCUs that is worth a span, a power of two. Short ones cost more
/// than they save.
const SHORTEST: u32 = 8;

/// How a span of pixels of a row is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Filling {
    /// Upsampling and color conversion.
    General,
    /// Chroma is constant: what is added to luma for red, green and blue.
    Shift([i16; 3]),
    /// One color: red, green and blue.
    Color([u8; 3]),
}

/// A span of MCUs in a row that are made in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub start: usize,
    pub end: usize,
    pub filling: Filling,
}

/// The word after `at` and before, seen from each bit `by` bits further: 0 beyond the row.
fn shifted(words: &[u64], at: usize, by: u32, is_up: bool) -> u64 {
    if is_up {
        let before = at.checked_sub(1).map_or(0, |at| words[at]);
        words[at] << by | before >> (64 - by)
    } else {
        let after = words.get(at + 1).copied().unwrap_or(0);
        words[at] >> by | after << (64 - by)
    }
}

/// Takes away runs of ones that are shorter than [`SHORTEST`]. `other` is for the moment.
fn keep_long_runs(words: &mut Vec<u64>, other: &mut Vec<u64>) {
    // First only the places stay where a long run begins, then each becomes a run.
    for is_up in [false, true] {
        let mut by = 1;
        while by < SHORTEST {
            other.clear();
            other.extend((0..words.len()).map(|at| {
                let shifted = shifted(words, at, by, is_up);
                if is_up { words[at] | shifted } else { words[at] & shifted }
            }));
            std::mem::swap(words, other);
            by *= 2;
        }
    }
}

/// The runs of ones before place `end`.
fn runs(words: &[u64], end: usize) -> impl Iterator<Item = Range<usize>> {
    let next = move |from: usize, is_one: bool| {
        let mut at = from / 64;
        let flip = if is_one { 0 } else { u64::MAX };
        let mut word = (words.get(at)? ^ flip) & u64::MAX << (from % 64);
        while word == 0 {
            at += 1;
            word = words.get(at)? ^ flip;
        }
        Some(at * 64 + word.trailing_zeros() as usize).filter(|&place| place < end)
    };
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = next(at, true)?;
        at = next(start, false).unwrap_or(end);
        Some(start..at)
    })
}

impl FlatRow {
    pub(crate) fn start(&mut self, mcus: usize) {
        self.mcus = mcus;
        let (words, length) = (mcus.div_ceil(64), mcus.next_multiple_of(64) + 8);
        for values in [&mut self.luma, &mut self.chroma] {
            values.resize(length, NONE);
        }
        for neighbors in [&mut self.luma_neighbors, &mut self.chroma_neighbors] {
            neighbors.is_none.resize(words, 0);
            neighbors.is_as_next.resize(words, 0);
        }
    }

    /// Luma and chroma of each MCU: one value, that of chroma being Cb and 256 times Cr, or
    /// [`NONE`].
    pub(crate) fn values_mut(&mut self) -> [&mut [u32]; 2] {
        [&mut self.luma[..self.mcus], &mut self.chroma[..self.mcus]]
    }

    /// To be called when these values are known.
    #[inline(always)]
    pub(crate) fn finish<K: Kernels>(&mut self, kernels: K) {
        let both = [
            (&mut self.luma, &mut self.luma_neighbors),
            (&mut self.chroma, &mut self.chroma_neighbors),
        ];
        for (values, neighbors) in both {
            let last = values[self.mcus - 1];
            values[self.mcus..].fill(last);
            kernels.compare_neighbors(values, neighbors);
        }
        let Neighbors { is_none, is_as_next } = &self.chroma_neighbors;
        self.calm.clear();
        self.calm.extend((0..is_none.len()).map(|at| {
            // What is left of the first one is like it.
            let is_as_last = shifted(is_as_next, at, 1, true) | u64::from(at == 0);
            !is_none[at] & is_as_next[at] & is_as_last
        }));
        if let Some(last) = self.calm.last_mut() {
            *last &= u64::MAX >> ((64 - self.mcus % 64) % 64);
        }
        keep_long_runs(&mut self.calm, &mut self.other);
    }

    /// The runs of MCUs of which somebody looks at the luma of inner rows: they are not one
    /// color.
    pub(crate) fn luma_runs(&mut self, runs_of: &mut Vec<Range<usize>>) {
        self.other.clear();
        let both = self.calm.iter().zip(&self.luma_neighbors.is_none);
        self.other.extend(both.map(|(calm, is_none)| !calm | is_none));
        runs_of.clear();
        runs_of.extend(runs(&self.other, self.mcus));
    }

    /// The runs of MCUs of which somebody looks at the chroma of inner rows: they or their
    /// neighbors are not calm.
    pub(crate) fn chroma_runs(&mut self, runs_of: &mut Vec<Range<usize>>) {
        let (calm, last) = (&self.calm, self.mcus - 1);
        self.other.clear();
        self.other.extend((0..calm.len()).map(|at| {
            let is_last = if at == last / 64 { 1 << (last % 64) } else { 0 };
            let right = shifted(calm, at, 1, false) | is_last;
            let left = shifted(calm, at, 1, true) | u64::from(at == 0);
            !(calm[at] & left & right)
        }));
        runs_of.clear();
        runs_of.extend(runs(&self.other, self.mcus));
    }

    /// The spans of a row of pixels. `other`: the MCU row that it mixes with, if any. `calm` is
    /// for the moment.
    #[inline(always)]
    pub(crate) fn spans(
        &self,
        other: Option<&FlatRow>,
        calm: &mut Vec<u64>,
        spans: &mut Vec<Span>,
    ) {
        spans.clear();
        let other = other.unwrap_or(self);
        // Of the MCUs that are calm in both rows, neighbors have the same value.
        calm.clear();
        calm.extend(self.calm.iter().zip(&other.calm).map(|(a, b)| a & b));
        let mut general = 0;
        for run in runs(calm, self.mcus) {
            let chroma = self.chroma[run.start];
            if chroma != other.chroma[run.start] {
                continue;
            }
            if general < run.start {
                spans.push(Span { start: general, end: run.start, filling: Filling::General });
            }
            general = run.end;
            let mut start = run.start;
            while start < run.end {
                let end = self.end_of_luma(start).min(run.end);
                spans.push(Span { start, end, filling: filling(chroma, self.luma[start]) });
                start = end;
            }
        }
        if general < self.mcus {
            spans.push(Span { start: general, end: self.mcus, filling: Filling::General });
        }
    }

    /// Where MCUs that have the same luma as this one, or like it are not flat, end.
    fn end_of_luma(&self, mcu: usize) -> usize {
        let is_as_next = &self.luma_neighbors.is_as_next;
        let mut at = mcu / 64;
        let mut word = !is_as_next[at] & u64::MAX << (mcu % 64);
        while word == 0 && at + 1 < is_as_next.len() {
            at += 1;
            word = !is_as_next[at];
        }
        if word == 0 { self.mcus } else { at * 64 + word.trailing_zeros() as usize + 1 }
    }
}

/// How a calm span with this chroma and luma is made.
fn filling(chroma: u32, luma: u32) -> Filling {
    let (cb, cr) = ((chroma & 255) as u8, (chroma >> 8) as u8);
    if luma == NONE {
        return Filling::Shift(crate::kernels::scalar::shift_of(cb, cr));
    }
    Filling::Color(pixel_to_rgb(luma as u8, cb, cr))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::scalar::Scalar;

    #[test]
    fn only_what_has_equal_neighbors_is_flat() {
        let mut row = FlatRow::default();
        row.start(16);
        let [luma, chroma] = row.values_mut();
        luma[3..].fill(50);
        chroma[..12].fill(7 | 8 << 8);
        chroma[12..].fill(9 | 8 << 8);
        row.finish(Scalar);
        let mut spans = Vec::new();
        row.spans(None, &mut Vec::new(), &mut spans);
        let found: Vec<_> = spans
            .iter()
            .map(|span| {
                let kind = match span.filling {
                    Filling::General => "general",
                    Filling::Shift(_) => "shift",
                    Filling::Color(_) => "color",
                };
                (span.start, span.end, kind)
            })
            .collect();
        // The borders of 7 and 9 are not calm, the run after them is too short.
        assert_eq!(found, [(0, 3, "shift"), (3, 11, "color"), (11, 16, "general")]);
        let mut seen = Vec::new();
        row.luma_runs(&mut seen);
        assert_eq!(seen, [0..3, 11..16]);
        row.chroma_runs(&mut seen);
        assert!(seen.len() == 1 && seen[0] == (10..16), "{seen:?}");

        let mut other = FlatRow::default();
        other.start(16);
        other.values_mut()[1].fill(7 | 9 << 8);
        other.finish(Scalar);
        row.spans(Some(&other), &mut Vec::new(), &mut spans);
        assert_eq!(spans, [Span { start: 0, end: 16, filling: Filling::General }]);
    }
}
