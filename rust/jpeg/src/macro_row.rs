//! What the entropy decoder makes of a row of MCUs: DC coefficients, and the blocks that
//! have more. Knows no bits.

use std::ops::Range;

use crate::entropy::ScanLayout;
use crate::huffman::{END_AFTER_VALUE, END_ALONE};
use crate::tables::ZIGZAG;

/// The coefficients of a block, in rows of 8.
#[derive(Clone, Copy)]
#[repr(align(32))]
pub(crate) struct Block(pub [i16; 64]);

/// The last place in zigzag order (T.81 figure A.6) that lies in the top left 4 x 4
/// coefficients together with all before it.
pub(crate) const LAST_OF_CORNER: u32 = 9;

/// Where in a block, in rows of 8, a value is. Given is the sum of the place that the
/// decoder was at and the advance of the entry read there:
///
/// ```text
///   1 …  64   a value at the place before; at 64 the block is full
///  81 … 144   the same, and the end of the block
/// 160 … 223   the end of the block, no value: a 0 where there is one
/// others      a value beyond the block
/// ```
pub(crate) const PLACES: [u8; 256] = {
    let mut places = [63; 256];
    let mut place = 0;
    while place < 64 {
        places[place + 1] = ZIGZAG[place];
        places[place + 1 + END_AFTER_VALUE as usize] = ZIGZAG[place];
        places[place + END_ALONE as usize] = ZIGZAG[place];
        place += 1;
    }
    places
};

/// The sum of a block that ends without a code for it: its last place has a value.
pub(crate) const FULL: u8 = 64;

/// Whether a sum is beyond the block: the bits are broken, or what was read together belongs
/// to two blocks.
pub(crate) const fn is_beyond(sum: u8) -> bool {
    matches!(sum, 65..=80 | 144..=160)
}

/// The last place in zigzag order that may be other than 0, of a block that ended with
/// this sum.
const LASTS: [u8; 256] = {
    let mut lasts = [0; 256];
    let mut place = 0;
    while place < 64 {
        lasts[place + 1] = place as u8;
        if place < 63 {
            lasts[place + 1 + END_AFTER_VALUE as usize] = place as u8;
            lasts[place + 1 + END_ALONE as usize] = place as u8;
        }
        place += 1;
    }
    lasts
};

/// Whether a block that ended with a sum may have something outside of its top left 4 x 4
/// coefficients.
pub(crate) const IS_BEYOND_CORNER: [bool; 256] = {
    let mut beyond = [false; 256];
    let mut sum = 0;
    while sum < 256 {
        beyond[sum] = LASTS[sum] as u32 > LAST_OF_CORNER;
        sum += 1;
    }
    beyond
};

/// The coefficients of one row of MCUs.
#[derive(Default)]
pub(crate) struct MacroRow {
    /// The DC coefficient of each block, MCU by MCU.
    pub dc: Vec<i16>,
    /// The coefficients of `coded_blocks`; of the others, all but the first are 0.
    pub blocks: Vec<Block>,
    /// The blocks that have more than a DC coefficient.
    coded_blocks: Vec<CodedBlock>,
    /// The sum that each block ended with, see [`PLACES`]; [`UNCHANGED`] in MCUs that are the
    /// one before once more.
    pub sums: Vec<u8>,
    /// More blocks than `coded_blocks` may hold more than a DC coefficient.
    is_torn: bool,
}

/// A block that has more than a DC coefficient.
#[derive(Clone, Copy)]
pub(crate) struct CodedBlock {
    /// Where in the row of MCUs it is.
    pub block: u32,
    /// The last place in zigzag order that may be other than 0.
    pub last: u32,
}

/// Takes the place of a block in a row of MCUs apart, without a division.
#[derive(Clone, Copy)]
pub(crate) struct BlocksPerMcu {
    count: u32,
    reciprocal: u64,
}

impl BlocksPerMcu {
    #[inline(always)]
    pub(crate) fn new(count: usize) -> BlocksPerMcu {
        // Rounded up: exact as long as block times count is below 2^32.
        let count = count.max(1) as u32;
        BlocksPerMcu { count, reciprocal: (1 << 32) / u64::from(count) + 1 }
    }

    /// The number of its MCU, and its number in the MCU.
    #[inline(always)]
    pub(crate) fn split(self, block: u32) -> (u32, u32) {
        let mcu = ((u64::from(block) * self.reciprocal) >> 32) as u32;
        (mcu, block - mcu * self.count)
    }
}

/// In place of the sums of MCUs that are the one before once more.
pub(crate) const UNCHANGED: u8 = 0;

/// The sums of blocks that have no more than a DC coefficient: unchanged, their end with it,
/// or alone.
pub(crate) const DC_ONLY: [u8; 3] = [UNCHANGED, END_AFTER_VALUE + 1, END_ALONE + 1];

impl MacroRow {
    /// Makes room for so many MCUs and forgets what it held.
    pub(crate) fn start(&mut self, mcus: usize, unit_count: usize) {
        let count = mcus * unit_count;
        if self.is_torn {
            self.blocks.fill(Block([0; 64]));
        } else {
            for coded in &self.coded_blocks {
                self.blocks[coded.block as usize].0 = [0; 64];
            }
        }
        self.coded_blocks.clear();
        self.is_torn = true;
        self.dc.resize(count, 0);
        self.sums.clear();
        // Some more, to be read in whole vectors.
        self.sums.resize((count + 8).next_multiple_of(32), UNCHANGED);
        if self.blocks.len() < count {
            self.blocks.resize(count, Block([0; 64]));
        }
    }

    /// The blocks that have more than a DC coefficient.
    pub(crate) fn coded_blocks(&self) -> &[CodedBlock] {
        &self.coded_blocks
    }

    /// From differences to DC coefficients, in these MCUs.
    #[inline(always)]
    pub(crate) fn add_differences(
        &mut self,
        layout: &ScanLayout,
        predictions: &mut [i16; 4],
        mcus: &Range<usize>,
    ) {
        let components = layout.units.map(|unit| usize::from(unit.component & 3));
        // The usual kinds with numbers that the compiler knows.
        match components[..layout.unit_count] {
            [0, 0, 0, 0, 1, 2] => self.add_up(&[0, 0, 0, 0, 1, 2], predictions, mcus),
            [0, 0, 1, 2] => self.add_up(&[0, 0, 1, 2], predictions, mcus),
            [0, 1, 2] => self.add_up(&[0, 1, 2], predictions, mcus),
            [0] => self.add_up(&[0], predictions, mcus),
            ref components => self.add_up(components, predictions, mcus),
        }
    }

    /// The same; `components`: whose the blocks of an MCU are.
    #[inline(always)]
    fn add_up(&mut self, components: &[usize], predictions: &mut [i16; 4], mcus: &Range<usize>) {
        let count = components.len();
        let blocks = mcus.start * count..mcus.end * count;
        let (dc, sums) = (&mut self.dc[blocks.clone()], &self.sums[blocks.clone()]);
        let mcus = dc.chunks_exact_mut(count).zip(self.blocks[blocks].chunks_exact(count));
        // A copy, so that it stays in registers.
        let mut last = *predictions;
        for ((dc, blocks), sums) in mcus.zip(sums.chunks_exact(count)) {
            if sums[0] == UNCHANGED {
                for (dc, &component) in dc.iter_mut().zip(components) {
                    *dc = last[component];
                }
            } else {
                for ((dc, block), &component) in dc.iter_mut().zip(blocks).zip(components) {
                    last[component] = last[component].wrapping_add(block.0[0]);
                    *dc = last[component];
                }
            }
        }
        *predictions = last;
    }

    /// Finds the blocks that have more than a DC coefficient, when the whole row is decoded.
    #[inline(always)]
    pub(crate) fn find_coded(&mut self, coded_mask: impl Fn(&[u8; 32]) -> u32) {
        let (sums, _) = self.sums.as_chunks::<32>();
        for (chunk, sums) in sums.iter().enumerate() {
            let mut mask = coded_mask(sums);
            while mask != 0 {
                let place = mask.trailing_zeros();
                mask &= mask - 1;
                let block = chunk * 32 + place as usize;
                let last = LASTS[usize::from(sums[place as usize & 31])];
                self.coded_blocks.push(CodedBlock { block: block as u32, last: last.into() });
                self.blocks[block].0[0] = self.dc[block];
            }
        }
        self.is_torn = false;
    }

    /// To be called when no block holds more than a DC coefficient any more.
    pub(crate) fn set_clean(&mut self) {
        self.is_torn = false;
    }

    /// Whether in these blocks all values were within their blocks, and all ends.
    #[inline(always)]
    pub(crate) fn is_within(&self, blocks: Range<usize>) -> bool {
        let beyond = |sum: u8| {
            u8::from(sum.wrapping_sub(65) <= 80 - 65) | u8::from(sum.wrapping_sub(144) <= 160 - 144)
        };
        self.sums[blocks].iter().fold(0, |all, &sum| all | beyond(sum)) == 0
    }
}
