//! The definition of the smaller IDCTs: a block of 8 x 8 coefficients to 4 x 4, 2 x 2 or one
//! pixel. What libjpeg-turbo's SIMD code (`jidctred`) does, step by step, with its 16-bit
//! sums, and its C code for one pixel. Most high coefficients are not even looked at:
//!
//! ```text
//! 4 x 4   all but row and column 4          2 x 2   rows and columns 0, 1, 3, 5, 7
//! ```

use crate::macro_row::Block;
use crate::tables::Quantization;

// 13-bit fixed point constants.
pub(super) const F_0_211: i32 = 1730;
pub(super) const F_0_509: i32 = 4176;
pub(super) const F_0_601: i32 = 4926;
pub(super) const F_0_720: i32 = 5906;
pub(super) const F_0_765: i32 = 6270;
pub(super) const F_0_850: i32 = 6967;
pub(super) const F_0_899: i32 = 7373;
pub(super) const F_1_061: i32 = 8697;
pub(super) const F_1_272: i32 = 10426;
pub(super) const F_1_451: i32 = 11893;
pub(super) const F_1_847: i32 = 15137;
pub(super) const F_2_172: i32 = 17799;
pub(super) const F_2_562: i32 = 20995;
pub(super) const F_3_624: i32 = 29692;

fn saturate(value: i32) -> i16 {
    value.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

fn pixel(value: i32) -> u8 {
    (value.clamp(-128, 127) + 128) as u8
}

/// Sum of products, wrapping.
fn dot<const N: usize>(values: [i16; N], factors: [i32; N]) -> i32 {
    let products = values.iter().zip(factors).map(|(&value, factor)| i32::from(value) * factor);
    products.fold(0, i32::wrapping_add)
}

fn dequantized(block: &Block, table: &Quantization) -> [i16; 64] {
    std::array::from_fn(|place| block.0[place].wrapping_mul(table[place]))
}

/// One pass over eight values, of which the fifth does not count, to four. `SHIFT`: 12 after
/// the columns, 19 after the rows.
fn pass_4<const SHIFT: u32>(input: [i16; 8]) -> [i32; 4] {
    let [v0, v1, v2, v3, _, v5, v6, v7] = input;
    let first = i32::from(v0) << 14;
    let second = dot([v2, v6], [F_1_847, -F_0_765]);
    let even = [first.wrapping_add(second), first.wrapping_sub(second)];
    let values = [v1, v3, v5, v7];
    let odd = [
        dot(values, [F_2_562, F_0_899, -F_0_601, -F_0_509]),
        dot(values, [F_1_061, -F_2_172, F_1_451, -F_0_211]),
    ];
    let descale = |value: i32| value.wrapping_add(1 << (SHIFT - 1)) >> SHIFT;
    [
        descale(even[0].wrapping_add(odd[0])),
        descale(even[1].wrapping_add(odd[1])),
        descale(even[1].wrapping_sub(odd[1])),
        descale(even[0].wrapping_sub(odd[0])),
    ]
}

/// Dequantizes and transforms one block to 4 x 4 pixels.
pub(super) fn idct_4x4_block(block: &Block, table: &Quantization) -> [[u8; 4]; 4] {
    let values = dequantized(block, table);
    // With nothing below its first row, the first pass is a shift without saturation.
    let has_one_row = [1, 2, 3, 5, 6, 7].iter().all(|y| block.0[y * 8..y * 8 + 8] == [0; 8]);
    let mut columns = [[0_i16; 4]; 8];
    for (x, column) in columns.iter_mut().enumerate() {
        *column = if has_one_row {
            [values[x].wrapping_mul(4); 4]
        } else {
            pass_4::<12>(std::array::from_fn(|y| values[y * 8 + x])).map(saturate)
        };
    }
    std::array::from_fn(|y| pass_4::<19>(columns.map(|column| column[y])).map(pixel))
}

/// The factors of values 1, 3, 5 and 7.
const ODD_2: [i32; 4] = [F_3_624, -F_1_272, F_0_850, -F_0_720];

/// Dequantizes and transforms one block to 2 x 2 pixels.
pub(super) fn idct_2x2_block(block: &Block, table: &Quantization) -> [[u8; 2]; 2] {
    let values = dequantized(block, table);
    let descale = |value: i32, shift: u32| value.wrapping_add(1 << (shift - 1)) >> shift;
    let column = |x: usize| {
        let even = i32::from(values[x]) << 15;
        let odd = dot([1, 3, 5, 7].map(|y| values[y * 8 + x]), ODD_2);
        [descale(even.wrapping_add(odd), 13), descale(even.wrapping_sub(odd), 13)]
    };
    let columns = [0, 1, 3, 5, 7].map(column);
    std::array::from_fn(|y| {
        let even = columns[0][y] << 15;
        let odd = dot([1, 2, 3, 4].map(|k: usize| saturate(columns[k][y])), ODD_2);
        let row = [descale(even.wrapping_add(odd), 20), descale(even.wrapping_sub(odd), 20)];
        row.map(|value| pixel(saturate(value).into()))
    })
}

/// The pixel of a block that has only a DC coefficient, or becomes one pixel. `size`: pixels
/// of the block, across and down.
#[inline]
pub(crate) fn flat_pixel_of_size(size: usize, dc: i16, factor: i16) -> u8 {
    match size {
        // The C code: 32-bit product, and 10 bits of the result count.
        1 => {
            let value = (i32::from(dc) * i32::from(factor) + 4) >> 3;
            pixel(value << 22 >> 22)
        }
        // 15 bits of the product count.
        2 => {
            let value = i32::from(dc.wrapping_mul(factor)) << 17;
            pixel(value.wrapping_add(1 << 19) >> 20)
        }
        _ => super::scalar::flat_pixel(dc, factor),
    }
}
