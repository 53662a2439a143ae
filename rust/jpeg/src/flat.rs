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

use crate::kernels::scalar::pixel_to_rgb;

/// "Not flat", for luma and chroma.
pub(crate) const NONE: u32 = u32::MAX;

/// What is flat in one row of MCUs.
#[derive(Default)]
pub(crate) struct FlatRow {
    /// The luma of each MCU, if it is one value.
    luma: Vec<u32>,
    /// Cb and Cr of each MCU, if each is one value.
    chroma: Vec<u32>,
    /// The same, if the neighbors left and right have the same.
    calm: Vec<u32>,
}

/// The shortest run of calm MCUs that is worth a span.
const SHORTEST_CALM: usize = 8;

/// Makes runs of flat MCUs (of equal value or not) that are shorter than this general.
fn forget_short_runs(values: &mut [u32], shortest: usize) {
    for run in values.chunk_by_mut(|a, b| (*a == NONE) == (*b == NONE)) {
        if run.len() < shortest {
            run.fill(NONE);
        }
    }
}

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

impl FlatRow {
    pub(crate) fn start(&mut self, mcus: usize) {
        for values in [&mut self.luma, &mut self.chroma, &mut self.calm] {
            values.clear();
            values.resize(mcus, NONE);
        }
    }

    /// Luma and chroma of each MCU: one value, that of chroma being Cb and 256 times Cr, or
    /// [`NONE`].
    pub(crate) fn values_mut(&mut self) -> [&mut [u32]; 2] {
        [&mut self.luma, &mut self.chroma]
    }

    /// To be called when these values are known.
    #[inline(always)]
    pub(crate) fn finish(&mut self) {
        let FlatRow { chroma, calm, .. } = self;
        calm.copy_from_slice(chroma);
        let pairs = chroma.windows(2).zip(1..);
        for (pair, right) in pairs {
            if pair[0] != pair[1] {
                (calm[right - 1], calm[right]) = (NONE, NONE);
            }
        }
        // Short runs cost more than they save.
        forget_short_runs(calm, SHORTEST_CALM);
    }

    /// Whether the MCU's inner rows are one color, so that nobody looks at their luma.
    pub(crate) fn is_color(&self, mcu: usize) -> bool {
        self.calm[mcu] != NONE && self.luma[mcu] != NONE
    }

    /// Whether nobody looks at the chroma of the MCU's inner rows: it and its neighbors
    /// are calm.
    pub(crate) fn is_chroma_hidden(&self, mcu: usize) -> bool {
        let last = self.calm.len() - 1;
        let calm = [mcu.saturating_sub(1), mcu, (mcu + 1).min(last)];
        calm.iter().all(|&mcu| self.calm[mcu] != NONE)
    }

    /// The spans of a row of pixels. `other`: the MCU row that it mixes with, if any.
    #[inline(always)]
    pub(crate) fn spans(&self, other: Option<&FlatRow>, spans: &mut Vec<Span>) {
        spans.clear();
        let other = other.unwrap_or(self);
        let all = self.calm.iter().zip(&other.calm).zip(&self.luma);
        let keys = all.map(
            |((&calm, &other), &luma)| {
                if calm == other && calm != NONE { (calm, luma) } else { (NONE, NONE) }
            },
        );
        let (mut start, mut current) = (0, (NONE, NONE));
        for (mcu, key) in keys.enumerate() {
            if key != current {
                if start < mcu {
                    spans.push(Span { start, end: mcu, filling: filling(current) });
                }
                (start, current) = (mcu, key);
            }
        }
        spans.push(Span { start, end: self.calm.len(), filling: filling(current) });
    }
}

fn filling((chroma, luma): (u32, u32)) -> Filling {
    if chroma == NONE {
        return Filling::General;
    }
    let (cb, cr) = ((chroma & 255) as u8, (chroma >> 8) as u8);
    if luma == NONE {
        return Filling::Shift(crate::kernels::scalar::shift_of(cb, cr));
    }
    Filling::Color(pixel_to_rgb(luma as u8, cb, cr))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_equal_neighbors_is_flat() {
        let mut row = FlatRow::default();
        row.start(16);
        let [luma, chroma] = row.values_mut();
        luma[3..].fill(50);
        chroma[..12].fill(7 | 8 << 8);
        chroma[12..].fill(9 | 8 << 8);
        row.finish();
        let mut spans = Vec::new();
        row.spans(None, &mut spans);
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
        assert!(row.is_color(3) && !row.is_color(2) && !row.is_color(11));
        assert!(row.is_chroma_hidden(9) && !row.is_chroma_hidden(10));

        let mut other = FlatRow::default();
        other.start(16);
        other.values_mut()[1].fill(7 | 9 << 8);
        other.finish();
        row.spans(Some(&other), &mut spans);
        assert_eq!(spans, [Span { start: 0, end: 16, filling: Filling::General }]);
    }
}
