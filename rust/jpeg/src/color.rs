//! Colors of a row of pixels: from what a file stores to what is wanted. Knows rows, not
//! planes.
//!
//! Ink (CMYK, YCCK) becomes RGB as Pillow's `convert("RGB")` makes it: the values are taken
//! for Adobe's, which are stored inverted, whether there is an Adobe marker or not.

use crate::header::ColorSpace;
use crate::kernels::scalar::pixel_to_rgb;
use crate::kernels::{Kernels, Rows, RowsMut};
use crate::options::Color;

/// From which colors to which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conversion {
    GrayToRgb,
    YcbcrToRgb,
    RgbToRgb,
    CmykToRgb,
    YcckToRgb,
    /// Gray, or the luma of YCbCr.
    LumaToGray,
    RgbToGray,
    CmykToGray,
    YcckToGray,
}

impl Conversion {
    pub(crate) fn new(from: ColorSpace, to: Color) -> Conversion {
        match (from, to) {
            (ColorSpace::Gray, Color::Rgb) => Conversion::GrayToRgb,
            (ColorSpace::YCbCr, Color::Rgb) => Conversion::YcbcrToRgb,
            (ColorSpace::Rgb, Color::Rgb) => Conversion::RgbToRgb,
            (ColorSpace::Cmyk, Color::Rgb) => Conversion::CmykToRgb,
            (ColorSpace::Ycck, Color::Rgb) => Conversion::YcckToRgb,
            (ColorSpace::Gray | ColorSpace::YCbCr, Color::Gray) => Conversion::LumaToGray,
            (ColorSpace::Rgb, Color::Gray) => Conversion::RgbToGray,
            (ColorSpace::Cmyk, Color::Gray) => Conversion::CmykToGray,
            (ColorSpace::Ycck, Color::Gray) => Conversion::YcckToGray,
        }
    }

    /// How many of the file's components it looks at.
    pub(crate) fn components(self) -> usize {
        match self {
            Conversion::GrayToRgb | Conversion::LumaToGray => 1,
            Conversion::YcbcrToRgb | Conversion::RgbToRgb | Conversion::RgbToGray => 3,
            _ => 4,
        }
    }

    /// One row; `rows` that it does not look at may be empty.
    pub(crate) fn convert<K: Kernels>(self, kernels: K, rows: [&[u8]; 4], out: &mut [u8]) {
        let [first, second, third, fourth] = rows;
        let cmyk = |cyan, magenta, yellow, key| ink([cyan, magenta, yellow], key);
        // YCbCr stands for inverted RGB here, and libjpeg inverts it once more.
        let ycck = |y, cb, cr, key| ink(pixel_to_rgb(y, cb, cr).map(|value| 255 - value), key);
        match self {
            Conversion::LumaToGray => out.copy_from_slice(first),
            Conversion::GrayToRgb => {
                let (stride, length) = (out.len().max(1), out.len());
                let rows = Rows { bytes: first, stride };
                kernels.shift_to_rgb(rows, [0; 3], RowsMut { bytes: out, stride, length });
            }
            Conversion::YcbcrToRgb => kernels.ycc_to_rgb(first, second, third, out),
            Conversion::RgbToRgb => {
                let colors = first.iter().zip(second).zip(third);
                for (pixel, ((&red, &green), &blue)) in
                    out.as_chunks_mut::<3>().0.iter_mut().zip(colors)
                {
                    *pixel = [red, green, blue];
                }
            }
            Conversion::RgbToGray => {
                for (((gray, &red), &green), &blue) in
                    out.iter_mut().zip(first).zip(second).zip(third)
                {
                    *gray = luma([red, green, blue]);
                }
            }
            Conversion::CmykToRgb => each([first, second, third, fourth], out, cmyk),
            Conversion::YcckToRgb => each([first, second, third, fourth], out, ycck),
            Conversion::CmykToGray => each_gray([first, second, third, fourth], out, cmyk),
            Conversion::YcckToGray => each_gray([first, second, third, fourth], out, ycck),
        }
    }
}

fn each(rows: [&[u8]; 4], out: &mut [u8], color: impl Fn(u8, u8, u8, u8) -> [u8; 3]) {
    let [a, b, c, d] = rows;
    let (pixels, _) = out.as_chunks_mut::<3>();
    for ((((pixel, &a), &b), &c), &d) in pixels.iter_mut().zip(a).zip(b).zip(c).zip(d) {
        *pixel = color(a, b, c, d);
    }
}

fn each_gray(rows: [&[u8]; 4], out: &mut [u8], color: impl Fn(u8, u8, u8, u8) -> [u8; 3]) {
    let [a, b, c, d] = rows;
    for ((((gray, &a), &b), &c), &d) in out.iter_mut().zip(a).zip(b).zip(c).zip(d) {
        *gray = luma(color(a, b, c, d));
    }
}

/// Inverted ink to RGB.
fn ink(inverted: [u8; 3], inverted_key: u8) -> [u8; 3] {
    let key = u32::from(inverted_key);
    inverted.map(|inverted| {
        let product = u32::from(255 - inverted) * key + 128;
        // A division by 255, rounded.
        let covered = ((product >> 8) + product) >> 8;
        key.saturating_sub(covered) as u8
    })
}

/// Rec. 601, in 16-bit fixed point: libjpeg's and Pillow's.
fn luma([red, green, blue]: [u8; 3]) -> u8 {
    let sum = 19595 * u32::from(red) + 38470 * u32::from(green) + 7471 * u32::from(blue);
    ((sum + (1 << 15)) >> 16) as u8
}
