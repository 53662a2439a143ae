//! The weights of one axis: how far each output pixel looks, and how much each input
//! pixel counts. Fixed-point numbers of 22 fraction bits, the same integers as Pillow
//! computes. Knows no pixels.

use std::f64::consts::PI;
use std::ops::Range;

/// Fraction bits of a weight: Pillow's 8-bit precision, 32 - 8 - 2.
pub(crate) const PRECISION: u32 = 22;

/// How an output pixel is made of input pixels. All but nearest are antialiased: their
/// support grows with the factor of a reduction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// The input pixel at the output pixel's center.
    Nearest,
    /// A triangle of support 1.
    Bilinear,
    /// Cubic convolution with a = -0.5, support 2.
    Bicubic,
    /// A sinc windowed by a sinc, support 3.
    Lanczos,
}

impl Filter {
    fn support(self) -> f64 {
        match self {
            Filter::Nearest => 0.5,
            Filter::Bilinear => 1.0,
            Filter::Bicubic => 2.0,
            Filter::Lanczos => 3.0,
        }
    }

    /// The weight at a distance. The order of operations is part of the definition.
    fn at(self, x: f64) -> f64 {
        let sinc = |x: f64| if x == 0.0 { 1.0 } else { (x * PI).sin() / (x * PI) };
        match self {
            Filter::Nearest => f64::from(u8::from(x > -0.5 && x <= 0.5)),
            Filter::Bilinear => (1.0 - x.abs()).max(0.0),
            Filter::Bicubic => {
                let x = x.abs();
                if x < 1.0 {
                    (1.5 * x - 2.5) * x * x + 1.0
                } else if x < 2.0 {
                    (((x - 5.0) * x + 8.0) * x - 4.0) * -0.5
                } else {
                    0.0
                }
            }
            Filter::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
            Filter::Lanczos => 0.0,
        }
    }
}

/// The weights of two neighboring input pixels, split so that 8-bit and 16-bit multiplies
/// can be exact: weight = high * 65536 + low. Each part fills the 32 bits of a broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    /// Two times two numbers of 8 bits, in memory order.
    pub high: i32,
    /// Two numbers of 16 bits, in memory order.
    pub low: i32,
}

impl Pair {
    /// None where a sum of two products of `high` with bytes would not fit 16 bits. That
    /// needs weights that add up to more than 2, which no filter has.
    fn new(weights: [i32; 2]) -> Option<Pair> {
        let low = weights.map(|weight| weight as i16);
        let [first, second] = [0, 1].map(|at| (weights[at] - i32::from(low[at])) >> 16);
        if !(-128..=128).contains(&(first + second)) {
            return None;
        }
        let (first, second) = (i8::try_from(first).ok()?, i8::try_from(second).ok()?);
        let high = i32::from_le_bytes([first, second, first, second].map(|part| part as u8));
        let [first, second] = low.map(i16::to_le_bytes);
        let low = i32::from_le_bytes([first[0], first[1], second[0], second[1]]);
        Some(Pair { high, low })
    }

    pub fn weights(self) -> [i32; 2] {
        let high = self.high.to_le_bytes();
        let low = self.low.to_le_bytes();
        [0, 1].map(|at| {
            let low = i16::from_le_bytes([low[2 * at], low[2 * at + 1]]);
            (i32::from(high[at] as i8) << 16) + i32::from(low)
        })
    }
}

/// The weights of four neighboring input pixels, split so that 8-bit multiplies can be
/// exact: weight = (parts[0] * 256 + parts[1]) * 256 + parts[2].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quad {
    /// Four numbers of 8 bits each, in memory order.
    pub parts: [i32; 3],
}

impl Quad {
    /// None where a weight is 2 or more, which no filter has.
    fn new(weights: [i32; 4]) -> Option<Quad> {
        let mut parts = [[0; 4]; 3];
        for (at, mut weight) in weights.into_iter().enumerate() {
            for part in parts.iter_mut().rev() {
                part[at] = weight as i8;
                weight = (weight - i32::from(part[at])) >> 8;
            }
            if weight != 0 {
                return None;
            }
        }
        Some(Quad { parts: parts.map(|part| i32::from_le_bytes(part.map(|x| x as u8))) })
    }

    #[cfg(test)]
    fn weights(self) -> [i32; 4] {
        let parts = self.parts.map(|part| part.to_le_bytes().map(|x| i32::from(x as i8)));
        std::array::from_fn(|at| (parts[0][at] * 256 + parts[1][at]) * 256 + parts[2][at])
    }
}

/// Where an output pixel's input pixels begin, and their weights in pairs. The same in
/// fours, which may begin up to three pixels before.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    pub start: usize,
    pub pairs: Range<usize>,
    quads_start: usize,
    quads: Range<usize>,
}

/// Whether windows may begin anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alignment {
    Any,
    /// At even pixels only, in fours at multiples of four; weights of 0 fill up.
    Even,
}

/// The weights of all output pixels along one axis.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    /// The input pixels that are looked at; windows count from its start.
    pub input: Range<usize>,
    windows: Vec<Window>,
    pairs: Vec<Pair>,
    quads: Vec<Quad>,
}

impl Axis {
    /// The weights that make the pixels `output` of an axis of `to` pixels from `from`
    /// pixels. None where a weight cannot be split.
    pub fn new(
        filter: Filter,
        from: usize,
        to: usize,
        output: Range<usize>,
        alignment: Alignment,
    ) -> Option<Axis> {
        let scale = from as f64 / to as f64;
        let stretch = scale.max(1.0);
        let support = filter.support() * stretch;
        let mut axis =
            Axis { input: 0..0, windows: Vec::new(), pairs: Vec::new(), quads: Vec::new() };
        let mut weights = Vec::new();
        for place in output {
            let center = (place as f64 + 0.5) * scale;
            // As `(int)` does in C: towards 0.
            let first = (center - support + 0.5).max(0.0) as usize;
            let end = ((center + support + 0.5) as usize).min(from);
            weights.clear();
            let inverse = 1.0 / stretch;
            let (mut sum, base) = (0.0, first as f64);
            for at in 0..end - first {
                let weight = filter.at((at as f64 + base - center + 0.5) * inverse);
                weights.push(weight);
                sum += weight;
            }
            let to_fixed = |weight: &f64| {
                let weight = if sum == 0.0 { *weight } else { weight / sum };
                let half = if weight < 0.0 { -0.5 } else { 0.5 };
                (half + weight * f64::from(1 << PRECISION)) as i32
            };
            let mut fixed: Vec<i32> = weights.iter().map(to_fixed).collect();
            axis.push(first, &mut fixed, alignment)?;
        }
        let first = axis.windows.iter().map(|window| window.start).min()?;
        let end = axis.windows.iter().map(|window| window.start + 2 * window.pairs.len()).max()?;
        axis.input = first..end.min(from);
        for window in &mut axis.windows {
            window.start -= first;
        }
        axis.add_quads(alignment)?;
        Some(axis)
    }

    /// Puts the weights in fours as well.
    fn add_quads(&mut self, alignment: Alignment) -> Option<()> {
        for window in &mut self.windows {
            let before = if alignment == Alignment::Even { window.start % 4 } else { 0 };
            let pairs = &self.pairs[window.pairs.clone()];
            let weights = std::iter::repeat_n(0, before);
            let weights: Vec<i32> =
                weights.chain(pairs.iter().flat_map(|pair| pair.weights())).collect();
            window.quads_start = window.start - before;
            window.quads.start = self.quads.len();
            for part in weights.chunks(4) {
                let mut four = [0; 4];
                four[..part.len()].copy_from_slice(part);
                self.quads.push(Quad::new(four)?);
            }
            window.quads.end = self.quads.len();
        }
        Some(())
    }

    fn push(
        &mut self,
        mut start: usize,
        weights: &mut Vec<i32>,
        alignment: Alignment,
    ) -> Option<()> {
        // Zeros at the end, as at whole distances, would cost time. Those at the start stay,
        // so that windows never go back.
        while weights.len() > 1 && weights.last() == Some(&0) {
            weights.pop();
        }
        if alignment == Alignment::Even && start % 2 == 1 {
            weights.insert(0, 0);
            start -= 1;
        }
        let begin = self.pairs.len();
        for pair in weights.chunks(2) {
            self.pairs.push(Pair::new([pair[0], *pair.get(1).unwrap_or(&0)])?);
        }
        let pairs = begin..self.pairs.len();
        self.windows.push(Window { start, pairs, quads_start: 0, quads: 0..0 });
        Some(())
    }

    /// How many output pixels there are.
    pub fn len(&self) -> usize {
        self.windows.len()
    }

    /// Where each output pixel's window begins, counted from `input.start`, and its weights.
    pub fn windows(&self) -> impl Iterator<Item = (usize, &[Pair])> {
        self.windows.iter().map(|window| (window.start, &self.pairs[window.pairs.clone()]))
    }

    /// The same of one output pixel.
    pub fn window(&self, place: usize) -> (usize, &[Pair]) {
        let window = &self.windows[place];
        (window.start, &self.pairs[window.pairs.clone()])
    }

    /// The same in fours.
    pub fn window_of_quads(&self, place: usize) -> (usize, &[Quad]) {
        let window = &self.windows[place];
        (window.quads_start, &self.quads[window.quads.clone()])
    }
}

/// Which input pixel each output pixel is, for nearest: the one at its center, which is
/// found by adding steps up, as Pillow does.
pub(crate) fn nearest(from: usize, to: usize, output: Range<usize>) -> Vec<usize> {
    let step = from as f64 / to as f64;
    let mut center = step * 0.5;
    let mut places = Vec::with_capacity(output.len());
    for place in 0..output.end {
        if place >= output.start {
            places.push((center as usize).min(from - 1));
        }
        center += step;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_split_exactly() {
        for weight in (-2_000_000..=5_500_000).step_by(37).chain([0, 32767, 32768, -32768, 65535]) {
            if let Some(pair) = Pair::new([weight, 1_000_000]) {
                assert_eq!(pair.weights(), [weight, 1_000_000]);
            }
        }
        assert_eq!(Pair::new([1 << 22, 1 << 22]).map(Pair::weights), Some([1 << 22, 1 << 22]));
        assert_eq!(Pair::new([1 << 23, 1 << 20]), None, "no room for 255 times that");
    }

    #[test]
    fn weights_split_exactly_in_fours() {
        for weight in (-8_000_000..=8_000_000).step_by(1237).chain([127, 128, 32639, 32640]) {
            let four = [weight, -weight, 1_000_000, 0];
            assert_eq!(Quad::new(four).map(Quad::weights), Some(four));
        }
        assert_eq!(Quad::new([0, 0, 0, 1 << 23]), None, "no room for that");
    }

    #[test]
    fn every_filter_splits_at_every_size() {
        for filter in [Filter::Bilinear, Filter::Bicubic, Filter::Lanczos] {
            for from in (1..40).chain([100, 255, 640, 719, 720, 1280, 2000, 30_000]) {
                for to in (1..20).chain([63, 224, 336, 384, 1000]) {
                    for alignment in [Alignment::Any, Alignment::Even] {
                        let axis = Axis::new(filter, from, to, 0..to, alignment);
                        let axis = axis.unwrap_or_else(|| panic!("{filter:?} {from} to {to}"));
                        assert_eq!(axis.len(), to);
                        for (start, pairs) in axis.windows() {
                            assert!(alignment == Alignment::Any || start % 2 == 0);
                            assert!(axis.input.start + start < axis.input.end && !pairs.is_empty());
                            let sum: i32 = pairs.iter().flat_map(|pair| pair.weights()).sum();
                            let rounding = i32::try_from(pairs.len() * 2).expect("small");
                            assert!((sum - (1 << PRECISION)).abs() <= rounding, "{sum}");
                        }
                        for place in 0..to {
                            let (start, pairs) = axis.window(place);
                            let (quads_start, quads) = axis.window_of_quads(place);
                            assert!(alignment == Alignment::Any || quads_start % 4 == 0);
                            let before = std::iter::repeat_n(0, start - quads_start);
                            let pairs = pairs.iter().flat_map(|pair| pair.weights());
                            let count = 4 * quads.len();
                            let quads = quads.iter().flat_map(|quad| quad.weights());
                            assert!(quads.eq(before.chain(pairs).chain([0; 3]).take(count)));
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_part_of_an_axis_is_that_part() {
        for (from, to) in [(1280, 597), (720, 336), (100, 400), (7, 3)] {
            let whole =
                Axis::new(Filter::Bicubic, from, to, 0..to, Alignment::Even).expect("splits");
            let output = to / 4..to - to / 5;
            let part = Axis::new(Filter::Bicubic, from, to, output.clone(), Alignment::Even);
            let part = part.expect("splits");
            assert_eq!(part.len(), output.len());
            for (place, (start, pairs)) in output.zip(part.windows()) {
                let (expected, all) = whole.window(place);
                assert_eq!((start + part.input.start, pairs), (expected, all));
            }
        }
    }
}
