//! All coefficients of a picture, for what cannot be transformed row by row: progressive
//! scans, and components that come one after the other. Knows neither bits nor pixels.

use crate::header::Header;
use crate::macro_row::Block;
use crate::planes::Extent;

/// Memory for more blocks than this (12 MB of coefficients) is given back after a picture.
const KEPT_BLOCKS: usize = 96 << 10;

/// The blocks of one component, whole MCUs of an interleaved scan.
#[derive(Default)]
pub(crate) struct ComponentBlocks {
    pub blocks: Vec<Block>,
    /// For each block, which AC coefficients are not 0: bit `k` for place `k` of the zigzag
    /// order.
    pub masks: Vec<u64>,
    /// Blocks in a row, those included that only fill up MCUs.
    pub stride: usize,
    /// Blocks in a row that have pixels of the picture.
    pub width: usize,
    /// Rows of blocks that have pixels of the picture.
    pub height: usize,
    /// Sampling factors, of a single component too.
    pub horizontal: usize,
    pub vertical: usize,
}

/// The blocks of all components.
#[derive(Default)]
pub(crate) struct Store {
    pub components: [ComponentBlocks; 4],
    /// The row of MCUs (of an interleaved scan) that the last scan's data reached.
    pub last_good_row: usize,
}

impl Store {
    /// Makes room for a picture, all 0.
    pub(crate) fn start(&mut self, header: &Header, extent: Extent) {
        self.last_good_row = 0;
        for (own, component) in self.components.iter_mut().zip(&header.components) {
            let (horizontal, vertical) = extent.factors(*component);
            own.width = (header.width as usize * horizontal).div_ceil(extent.horizontal * 8);
            own.height = (header.height as usize * vertical).div_ceil(extent.vertical * 8);
            own.horizontal = component.horizontal.into();
            own.vertical = component.vertical.into();
            own.stride = own.width.next_multiple_of(own.horizontal);
            let count = own.stride * own.height.next_multiple_of(own.vertical);
            own.blocks.clear();
            own.blocks.resize(count, Block([0; 64]));
            own.masks.clear();
            own.masks.resize(count, 0);
        }
    }

    /// Gives back what an unusually large picture took.
    pub(crate) fn finish(&mut self) {
        for component in &mut self.components {
            if component.blocks.capacity() > KEPT_BLOCKS {
                component.blocks = Vec::new();
                component.masks = Vec::new();
            }
        }
    }
}
