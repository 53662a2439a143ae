//! The definition of every kernel, in plain Rust.

use super::{BAND, BandMemory, BandMut, Kernels};
use crate::transform::coefficients::{Axis, PRECISION};
use crate::transform::values::{Arithmetic, Float};

/// Plain Rust.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Scalar;

/// A weighted sum to a byte: rounded, then clamped. Sums wrap as 32-bit sums do; those of
/// real weights fit.
#[inline]
pub(super) fn to_byte(sum: i32) -> u8 {
    (sum.wrapping_add(1 << (PRECISION - 1)) >> PRECISION).clamp(0, 255) as u8
}

impl Kernels for Scalar {
    fn horizontal(
        self,
        rows: &[&[u8]; BAND],
        axis: &Axis,
        _ahead: &[u8],
        _memory: &mut BandMemory,
        out: BandMut<'_>,
    ) {
        for (row, out) in rows.iter().zip(out.bytes.chunks_exact_mut(out.stride)) {
            let (out, _) = out.as_chunks_mut::<3>();
            for ((start, pairs), pixel) in axis.windows().zip(out) {
                let mut sums = [0i32; 3];
                let weights = pairs.iter().flat_map(|pair| pair.weights());
                // The last pixel of the last pair may be beyond the row; its weight is 0.
                for (weight, input) in weights.zip(row[start * 3..].chunks_exact(3)) {
                    for (sum, &byte) in sums.iter_mut().zip(input) {
                        *sum = sum.wrapping_add(weight.wrapping_mul(i32::from(byte)));
                    }
                }
                *pixel = sums.map(to_byte);
            }
        }
    }

    fn vertical(self, rows: &[u8], stride: usize, axis: &Axis, place: usize, out: &mut [u8]) {
        let (_, pairs) = axis.window(place);
        for (at, byte) in out.iter_mut().enumerate() {
            let weights = pairs.iter().flat_map(|pair| pair.weights());
            let products = weights
                .zip(rows.chunks_exact(stride))
                .map(|(weight, row)| weight.wrapping_mul(row[at].into()));
            *byte = to_byte(products.fold(0, i32::wrapping_add));
        }
    }

    fn to_planes(self, row: &[u8], planes: [&mut [u8]; 3]) {
        let [red, green, blue] = planes;
        let planes = red.iter_mut().zip(green).zip(blue);
        for (pixel, ((red, green), blue)) in row.chunks_exact(3).zip(planes) {
            (*red, *green, *blue) = (pixel[0], pixel[1], pixel[2]);
        }
    }

    fn to_floats(self, bytes: &[u8], arithmetic: &Arithmetic, float: Float, out: &mut [u8]) {
        for (at, &byte) in bytes.iter().enumerate() {
            let value = arithmetic.apply(byte, at % 24);
            match float {
                Float::F32 => {
                    out[at * 4..at * 4 + 4].copy_from_slice(&value.to_ne_bytes());
                }
                Float::F16 => {
                    let half = crate::transform::values::to_half(value);
                    out[at * 2..at * 2 + 2].copy_from_slice(&half.to_ne_bytes());
                }
            }
        }
    }
}
