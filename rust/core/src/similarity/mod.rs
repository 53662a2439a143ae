//! How alike two gray pictures are: SSIM (Wang et al. 2004) as scikit-image's
//! `structural_similarity` defines it by default, with a uniform window of 7 × 7, the
//! sample covariance, K1 = 0.01, K2 = 0.03, and pixels of 0 to 255.
//!
//! All sums are integers, so that nothing cancels: with N = 49 pixels in a window,
//! S = Σx and D = N Σx² − S² (the variance times N²), and the same for two pictures,
//!
//! ```text
//! SSIM = (2 Sx Sy + C1 N²) (2 Dxy + C2 N (N−1)) / ((Sx² + Sy² + C1 N²) (Dx + Dy + C2 N (N−1)))
//! ```
//!
//! Sums of one picture are made once ([`Gray`]), however many it is compared with.
//! Knows no files.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod scalar;
#[cfg(test)]
mod tests;

use textbook_simd::Level;

use crate::area;

/// The window is so many pixels wide and high.
pub const WINDOW: usize = 7;
const LANES: usize = 8;
const PIXELS: i32 = 49;
/// (0.01 · 255)² · 49²
const C1: f32 = 15_612.502;
/// (0.03 · 255)² · 49 · 48
const C2: f32 = 137_644.92;

/// A gray picture, and the sums of each of its windows.
#[derive(Debug)]
pub struct Gray {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
    /// Σx of each window: at most 49 · 255.
    sums: Vec<i16>,
    /// 49 Σx² − (Σx)²
    deviations: Vec<i32>,
}

impl Gray {
    /// A picture of `width` · `height` pixels; `None` where a window does not fit in.
    #[must_use]
    pub fn new(width: usize, height: usize, pixels: Vec<u8>) -> Option<Gray> {
        if width < WINDOW || height < WINDOW || pixels.len() != width * height {
            return None;
        }
        let (sums, deviations) = window_sums(width, &pixels, Level::active());
        Some(Gray { width, height, pixels, sums, deviations })
    }

    /// Width and height.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// The pixels, row by row.
    #[must_use]
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Windows in a row.
    fn windows(&self) -> usize {
        self.width + 1 - WINDOW
    }

    /// SSIM with a picture of the same size; `None` where the sizes differ.
    #[must_use]
    pub fn ssim(&self, other: &Gray) -> Option<f64> {
        self.ssim_at(other, Level::active())
    }

    pub(crate) fn ssim_at(&self, other: &Gray, level: Level) -> Option<f64> {
        if self.size() != other.size() {
            return None;
        }
        #[cfg(target_arch = "x86_64")]
        if level >= Level::Avx2
            && let Some(token) = textbook_simd::Avx2::get()
        {
            return Some(mean(self, other, avx2::Avx2Kernel(token)));
        }
        let _ = level;
        Some(mean(self, other, scalar::Scalar))
    }
}

fn window_sums(width: usize, pixels: &[u8], level: Level) -> (Vec<i16>, Vec<i32>) {
    #[cfg(target_arch = "x86_64")]
    if level >= Level::Avx2
        && let Some(token) = textbook_simd::Avx2::get()
    {
        return avx2::window_sums(token, width, pixels);
    }
    let _ = level;
    scalar::window_sums(width, pixels)
}

/// What an instruction set has to offer. A row of windows needs `columns`, the sums of the
/// products of 7 pixels that lie one below the other.
trait Kernel: Copy {
    /// Adds the products of one row's pixels.
    fn add_products(self, columns: &mut [i32], a: &[u8], b: &[u8]);

    /// Takes away those of the row that has left the window, and adds those of the new one.
    fn move_products(self, columns: &mut [i32], old: (&[u8], &[u8]), new: (&[u8], &[u8]));

    /// Sums of the SSIM of a row of windows: window k counts to lane k modulo 8.
    fn sum_row(self, columns: &[i32], a: Windows<'_>, b: Windows<'_>) -> [f32; LANES];
}

/// A row of windows of one picture.
#[derive(Clone, Copy)]
struct Windows<'a> {
    sums: &'a [i16],
    deviations: &'a [i32],
}

impl Gray {
    fn row(&self, number: usize) -> &[u8] {
        &self.pixels[number * self.width..][..self.width]
    }

    fn windows_of_row(&self, number: usize) -> Windows<'_> {
        let (start, count) = (number * self.windows(), self.windows());
        Windows {
            sums: &self.sums[start..][..count],
            deviations: &self.deviations[start..][..count],
        }
    }
}

fn mean<K: Kernel>(a: &Gray, b: &Gray, kernel: K) -> f64 {
    let mut columns = vec![0i32; a.width];
    for row in 0..WINDOW {
        kernel.add_products(&mut columns, a.row(row), b.row(row));
    }
    let rows = a.height + 1 - WINDOW;
    let mut total = 0f64;
    for row in 0..rows {
        if row > 0 {
            let (old, new) = (row - 1, row - 1 + WINDOW);
            let (old, new) = ((a.row(old), b.row(old)), (a.row(new), b.row(new)));
            kernel.move_products(&mut columns, old, new);
        }
        let lanes = kernel.sum_row(&columns, a.windows_of_row(row), b.windows_of_row(row));
        total += lanes.iter().map(|&lane| f64::from(lane)).sum::<f64>();
    }
    #[allow(clippy::cast_precision_loss, reason = "a number of pixels is exact in f64")]
    let count = (rows * a.windows()) as f64;
    total / count
}

/// The mean SSIM of all pairs of pictures; `None` for fewer than two. A picture of another
/// size is brought to the size of the first one of its pair, by the mean of areas.
#[must_use]
pub fn of_all_pairs(pictures: &[Gray]) -> Option<f64> {
    let mut total = 0.0;
    let mut pairs = 0u32;
    for (number, first) in pictures.iter().enumerate() {
        for second in &pictures[number + 1..] {
            total += if second.size() == first.size() {
                first.ssim(second)?
            } else {
                let (width, height) = first.size();
                let pixels = area::resize(&second.pixels, 1, second.size(), first.size());
                first.ssim(&Gray::new(width, height, pixels)?)?
            };
            pairs += 1;
        }
    }
    (pairs > 0).then(|| total / f64::from(pairs))
}
