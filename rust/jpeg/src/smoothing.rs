//! Smoothing between blocks of an incomplete progressive picture, as libjpeg-turbo does it
//! (`jdcoefct.c`; T.81 K.8 has the idea): what the first AC coefficients may be is estimated
//! from the DC coefficients of the 5 x 5 blocks around.
//!
//! ```text
//!  0  1  2  3  4
//!  5  6  7  8  9     the weights below are in this order; 12 is the block itself
//! 10 11 12 13 14
//! 15 16 17 18 19
//! 20 21 22 23 24
//! ```

use crate::macro_row::Block;
use crate::store::Store;
use crate::tables::{Quantization, ZIGZAG};

/// How many coefficients are estimated, DC included.
const COUNT: usize = 10;

/// How well coefficients are known: −1 not at all, else how many low bits are missing.
pub(crate) type Accuracy = [i8; 64];

/// The weights of the DC coefficients where no AC coefficient is known: for places 0 to 9 of
/// the zigzag order.
const FROM_NOTHING: [[i32; 25]; COUNT] = [
    [
        -2, -6, -8, -6, -2, -6, 6, 42, 6, -6, -8, 42, 152, 42, -8, -6, 6, 42, 6, -6, -2, -6, -8,
        -6, -2,
    ],
    [-1, -1, 0, 1, 1, -3, 13, 0, -13, 3, -3, 38, 0, -38, 3, -3, 13, 0, -13, 3, -1, -1, 0, 1, 1],
    [-1, -3, -3, -3, -1, -1, 13, 38, 13, -1, 0, 0, 0, 0, 0, 1, -13, -38, -13, 1, 1, 3, 3, 3, 1],
    [0, 0, 1, 0, 0, 0, 2, 7, 2, 0, 0, -5, -14, -5, 0, 0, 2, 7, 2, 0, 0, 0, 1, 0, 0],
    [-1, 0, 0, 0, 1, 0, 9, 0, -9, 0, 0, 0, 0, 0, 0, 0, -9, 0, 9, 0, 1, 0, 0, 0, -1],
    [0, 0, 0, 0, 0, 0, 2, -5, 2, 0, 1, 7, -14, 7, 1, 0, 2, -5, 2, 0, 0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0, 0, 1, 0, -1, 0, 0, 2, 0, -2, 0, 0, 1, 0, -1, 0, 0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0, 0, 1, -3, 1, 0, 0, 0, 0, 0, 0, 0, -1, 3, -1, 0, 0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0, 0, 1, 0, -1, 0, 0, -3, 0, 3, 0, 0, 1, 0, -1, 0, 0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0, 0, 1, 2, 1, 0, 0, 0, 0, 0, 0, 0, -1, -2, -1, 0, 0, 0, 0, 0, 0],
];

/// The same where some are known: for places 1 to 5.
const FROM_SOME: [[i32; 25]; 5] = [
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -7, 50, 0, -50, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    [0, 0, -7, 0, 0, 0, 0, 50, 0, 0, 0, 0, 0, 0, 0, 0, 0, -50, 0, 0, 0, 0, 7, 0, 0],
    [0, 0, -1, 0, 0, 0, 0, 13, 0, 0, 0, 0, -24, 0, 0, 0, 0, 13, 0, 0, 0, 0, -1, 0, 0],
    [0, -1, 0, 1, 0, -1, 10, 0, -10, 1, 0, 0, 0, 0, 0, 1, -10, 0, 10, -1, 0, 1, 0, -1, 0],
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1, 13, -24, 13, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
];

/// What smoothing a picture needs to know.
pub(crate) struct Smoothing {
    quantization: [Quantization; 4],
    /// Of each component: after the last scan, and before its last one.
    accuracy: [[Accuracy; 2]; 4],
}

impl Smoothing {
    /// `None` where there is nothing to smooth. `accuracy` and `tables`: of each component;
    /// a component of which nothing came has no table.
    pub(crate) fn new(
        accuracy: &[[Accuracy; 2]],
        tables: &[Option<Quantization>],
    ) -> Option<Smoothing> {
        let mut own = Smoothing { quantization: [[0; 64]; 4], accuracy: [[[-1; 64]; 2]; 4] };
        let mut is_useful = false;
        for (index, (accuracy, table)) in accuracy.iter().zip(tables).enumerate() {
            let table = (*table)?;
            let has_zero = ZIGZAG[..COUNT].iter().any(|&place| table[usize::from(place)] == 0);
            if has_zero || accuracy[0][0] < 0 {
                return None;
            }
            is_useful |= accuracy[0][1..COUNT].iter().any(|&bits| bits != 0);
            own.quantization[index] = table;
            own.accuracy[index] = *accuracy;
        }
        is_useful.then_some(own)
    }

    /// Adds the blocks of row `y` of a component, with estimates in them, to `smoothed`.
    pub(crate) fn row(&self, store: &Store, index: usize, y: usize, smoothed: &mut Vec<Block>) {
        let component = &store.components[index];
        let mcu_row = y / component.vertical;
        let accuracy = &self.accuracy[index][usize::from(mcu_row > store.last_good_row)];
        // How libjpeg-turbo counts rows: by those of this row of MCUs, which in the last one
        // may be fewer. Rows that only fill up MCUs do count below.
        let rows_here = (component.height - mcu_row * component.vertical).min(component.vertical);
        let counted = mcu_row * rows_here + y % component.vertical;
        let end = rows_here * component.height.div_ceil(component.vertical);
        let up = [counted.min(2), counted.min(1)];
        let below = end - 1 - counted;
        let lines = [y - up[0], y - up[1], y, y + below.min(1), y + below.min(2)];
        let lines = lines.map(|y| &component.blocks[y * component.stride..][..component.width]);
        let last = component.width - 1;
        for x in 0..component.width {
            let columns = [x.saturating_sub(2), x.saturating_sub(1), x];
            let columns = [columns[0], columns[1], x, (x + 1).min(last), (x + 2).min(last)];
            let mut around = [0; 25];
            for (values, line) in around.chunks_exact_mut(5).zip(lines) {
                for (value, &x) in values.iter_mut().zip(&columns) {
                    *value = i32::from(line[x].0[0]);
                }
            }
            let mut block = lines[2][x];
            estimate(&mut block, &around, accuracy, &self.quantization[index]);
            smoothed.push(block);
        }
    }
}

/// Puts estimates where a coefficient is 0 and not known for sure.
fn estimate(block: &mut Block, around: &[i32; 25], accuracy: &Accuracy, table: &Quantization) {
    let is_nothing_known = accuracy[1..COUNT].iter().all(|&bits| bits == -1);
    let factor = |place: usize| i64::from(table[place].cast_unsigned());
    let weighted = |weights: &[i32; 25]| {
        let products = weights.iter().zip(around).map(|(&weight, &dc)| weight.wrapping_mul(dc));
        i64::from(products.fold(0_i32, i32::wrapping_add)) * factor(0)
    };
    let rounded = |sum: i64, own: i64| {
        let size = ((own << 7) + sum.abs()) / (own << 8);
        (size, if sum < 0 { -1 } else { 1 })
    };
    let weights = if is_nothing_known { &FROM_NOTHING[1..] } else { &FROM_SOME[..] };
    for (k, weights) in (1..).zip(weights) {
        let place = usize::from(ZIGZAG[k]);
        if accuracy[k] == 0 || block.0[place] != 0 {
            continue;
        }
        let (mut size, sign) = rounded(weighted(weights), factor(place));
        if accuracy[k] > 0 {
            size = size.min((1 << accuracy[k]) - 1);
        }
        block.0[place] = (size * sign) as i16;
    }
    if is_nothing_known {
        let (size, sign) = rounded(weighted(&FROM_NOTHING[0]), factor(0));
        block.0[0] = (size * sign) as i16;
    }
}
