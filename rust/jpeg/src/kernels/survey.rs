//! What can be said of MCUs of the usual kind before any transform: the definition. Luma
//! comes first, of one, two or four blocks, then a block of Cb and one of Cr.

use super::scalar::flat_pixel;
use crate::flat::NONE;
use crate::macro_row::{Block, DC_ONLY, UNCHANGED};

/// Lanes for the blocks of an MCU, of which there are at most six.
pub(crate) const LANES: usize = 8;

/// What MCUs are like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct McuKind {
    /// How many blocks of luma there are: 1, 2 or 4.
    pub luma: usize,
    /// The quantization of the DC coefficients of Y, Cb and Cr.
    pub factors: [i16; 3],
}

impl McuKind {
    /// How many blocks there are.
    pub(crate) fn count(&self) -> usize {
        self.luma + 2
    }
}

/// What is found, in each slice for one MCU after the other.
pub(crate) struct Survey<'a> {
    /// For each block, the pixel that its DC coefficient alone would make.
    pub pixels: &'a mut [[u8; LANES]],
    /// The blocks that have more than a DC coefficient: bit `k` for number `k`.
    pub coded: &'a mut [u8],
    /// Luma, if it is one value, else [`NONE`].
    pub luma: &'a mut [u32],
    /// Cb and 256 times Cr, if each is one value, else [`NONE`].
    pub chroma: &'a mut [u32],
}

/// See [`super::Kernels::survey`].
pub(super) fn survey(
    kind: &McuKind,
    sums: &[u8],
    blocks: &mut [Block],
    predictions: &mut [i16; 4],
    found: &mut Survey<'_>,
) {
    let count = kind.count();
    let mcus = sums.chunks_exact(count).zip(blocks.chunks_exact_mut(count));
    for (mcu, (sums, blocks)) in mcus.take(found.pixels.len()).enumerate() {
        let mut pixels = [flat_pixel(0, 0); LANES];
        let mut coded = 0;
        for (number, (sum, block)) in sums.iter().zip(blocks).enumerate() {
            let component = (number + 1).saturating_sub(kind.luma);
            if sums[0] != UNCHANGED {
                predictions[component] = predictions[component].wrapping_add(block.0[0]);
                block.0[0] = predictions[component];
            }
            pixels[number] = flat_pixel(predictions[component], kind.factors[component]);
            coded |= u8::from(!DC_ONLY.contains(sum)) << number;
        }
        let luma_blocks = (1 << kind.luma) - 1;
        let luma = &pixels[..kind.luma];
        let is_luma_flat = coded & luma_blocks == 0 && luma.iter().all(|&pixel| pixel == luma[0]);
        let chroma = u16::from_le_bytes([pixels[kind.luma], pixels[kind.luma + 1]]);
        let is_chroma_flat = coded & !luma_blocks == 0;
        found.luma[mcu] = if is_luma_flat { luma[0].into() } else { NONE };
        found.chroma[mcu] = if is_chroma_flat { chroma.into() } else { NONE };
        (found.pixels[mcu], found.coded[mcu]) = (pixels, coded);
    }
}
