//! Where the rows of the result go: pixel by pixel, channel by channel, or cut into
//! patches; as bytes or as floats. Knows no resizing.

use super::geometry::{Geometry, Size};
use super::kernels::Kernels;
use super::values::Values;
use super::{Settings, TransformError};

/// How the output lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// (height, width, 3).
    Hwc,
    /// (3, height, width).
    Chw,
    /// Qwen2-VL's flattened patches.
    ///
    /// ```text
    /// a row of the result     one patch: 3 channels x `temporal` copies x side x side
    /// their order             squares of `merge` x `merge` patches in reading order,
    ///                         and inside of them the patches in reading order
    /// ```
    Patches {
        /// Pixels along a patch.
        side: usize,
        /// Patches along a square that a model merges.
        merge: usize,
        /// How many times each patch is there.
        temporal: usize,
    },
}

impl Layout {
    /// How many numbers a picture of this size is.
    pub fn numbers(self, size: Size) -> Result<usize, TransformError> {
        let pixels = size.height * size.width;
        match self {
            Layout::Hwc | Layout::Chw => Ok(pixels * 3),
            Layout::Patches { side, merge, temporal } => {
                let multiple = side * merge;
                if !size.height.is_multiple_of(multiple) || !size.width.is_multiple_of(multiple) {
                    return Err(TransformError::Uncuttable { output: size, multiple });
                }
                Ok(pixels * 3 * temporal)
            }
        }
    }
}

/// The memory of a result.
pub(crate) struct Output<'a> {
    geometry: Geometry,
    layout: Layout,
    values: Option<&'a Values>,
    bytes: &'a mut [u8],
    /// A row by channels, and the same as floats.
    planes: Vec<u8>,
    floats: Vec<u8>,
}

impl<'a> Output<'a> {
    pub fn new(settings: &'a Settings, geometry: Geometry, bytes: &'a mut [u8]) -> Output<'a> {
        let values = settings.values.as_ref();
        let planes = vec![0; geometry.output.width * 3];
        let floats = vec![0; planes.len() * values.map_or(1, |values| values.float().size())];
        Output { geometry, layout: settings.layout, values, bytes, planes, floats }
    }

    /// Where a kept row lies, if it lies there as it is.
    pub fn row_mut(&mut self, y: usize) -> Option<&mut [u8]> {
        if self.layout != Layout::Hwc || self.values.is_some() {
            return None;
        }
        let placed = self.geometry.placed;
        let start = ((placed.top + y) * self.geometry.output.width + placed.left) * 3;
        Some(&mut self.bytes[start..start + placed.size.width * 3])
    }

    /// Takes a kept row.
    #[inline(always)]
    pub fn put<K: Kernels>(&mut self, kernels: K, y: usize, row: &[u8]) {
        let placed = self.geometry.placed;
        self.put_at(kernels, placed.top + y, placed.left, row);
    }

    /// Gives all of the output one color, where not all of it will be covered.
    pub fn fill<K: Kernels>(&mut self, kernels: K, color: [u8; 3]) {
        if self.geometry.has_border() {
            let row = color.repeat(self.geometry.output.width);
            for y in 0..self.geometry.output.height {
                self.put_at(kernels, y, 0, &row);
            }
        }
    }

    #[inline(always)]
    fn put_at<K: Kernels>(&mut self, kernels: K, y: usize, left: usize, row: &[u8]) {
        let Size { height, width } = self.geometry.output;
        let size = self.values.map_or(1, |values| values.float().size());
        let count = row.len() / 3;
        if self.layout == Layout::Hwc {
            let start = (y * width + left) * 3 * size;
            let out = &mut self.bytes[start..start + row.len() * size];
            return match self.values {
                Some(values) => values.of_pixels(kernels, row, out),
                None => out.copy_from_slice(row),
            };
        }
        let (red, rest) = self.planes.split_at_mut(count);
        let (green, rest) = rest.split_at_mut(count);
        kernels.to_planes(row, [red, green, &mut rest[..count]]);
        for (channel, plane) in self.planes.chunks_exact(count).take(3).enumerate() {
            if let Layout::Patches { side, merge, temporal } = self.layout {
                let numbers = match self.values {
                    Some(values) => {
                        let floats = &mut self.floats[..count * size];
                        values.of_channel(kernels, channel, plane, floats);
                        &*floats
                    }
                    None => plane,
                };
                let place = PatchRow { width, side, merge, temporal, y, channel, size };
                place.put(left, numbers, self.bytes);
                continue;
            }
            let start = ((channel * height + y) * width + left) * size;
            let out = &mut self.bytes[start..start + count * size];
            match self.values {
                Some(values) => values.of_channel(kernels, channel, plane, out),
                None => out.copy_from_slice(plane),
            }
        }
    }
}

/// A row of one channel in the patches.
struct PatchRow {
    width: usize,
    side: usize,
    merge: usize,
    temporal: usize,
    y: usize,
    channel: usize,
    /// Bytes of a number.
    size: usize,
}

impl PatchRow {
    fn put(&self, left: usize, mut numbers: &[u8], out: &mut [u8]) {
        let PatchRow { side, merge, temporal, size, .. } = *self;
        let (patch_row, y) = (self.y / side, self.y % side);
        let squares_across = self.width / (side * merge);
        let area = side * side;
        let mut x = left;
        while !numbers.is_empty() {
            let column = x / side;
            let square = patch_row / merge * squares_across + column / merge;
            let patch = (square * merge + patch_row % merge) * merge + column % merge;
            let start = (patch * 3 + self.channel) * temporal * area + y * side + x % side;
            let count = (side - x % side) * size;
            let (run, rest) = numbers.split_at(count.min(numbers.len()));
            for copy in 0..temporal {
                let start = (start + copy * area) * size;
                out[start..start + run.len()].copy_from_slice(run);
            }
            x += run.len() / size;
            numbers = rest;
        }
    }
}
