//! Pictures at another size, each new pixel the mean of the area that it covers. For
//! thumbnails and for comparing pictures of two sizes. Knows no files.

/// The part of the old pixels that one new pixel covers: the first one, and each one's
/// share.
struct Span {
    first: usize,
    shares: Vec<f32>,
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sizes of pictures are exact in f64, shares need no more than f32"
)]
fn spans(old: usize, new: usize) -> Vec<Span> {
    let scale = old as f64 / new as f64;
    let span = |number: usize| {
        let (start, end) = (number as f64 * scale, (number + 1) as f64 * scale);
        let first = (start as usize).min(old - 1);
        let last = (end.ceil() as usize).clamp(first + 1, old);
        let share = |pixel: usize| {
            let covered = end.min((pixel + 1) as f64) - start.max(pixel as f64);
            (covered.max(0.0) / scale) as f32
        };
        Span { first, shares: (first..last).map(share).collect() }
    };
    (0..new).map(span).collect()
}

/// A picture of `channels` interleaved channels and `size` (width, height) at the size
/// `to`. Sizes are not zero.
#[must_use]
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a mean of bytes, rounded, is a byte"
)]
pub fn resize(pixels: &[u8], channels: usize, size: (usize, usize), to: (usize, usize)) -> Vec<u8> {
    let (columns, rows) = (spans(size.0, to.0), spans(size.1, to.1));
    let stride = size.0 * channels;
    let mut out = Vec::with_capacity(to.0 * to.1 * channels);
    let mut row = vec![0f32; stride];
    for of_row in &rows {
        row.fill(0.0);
        let old_rows = pixels.chunks_exact(stride).skip(of_row.first);
        for (old, share) in old_rows.zip(&of_row.shares) {
            for (sum, &value) in row.iter_mut().zip(old) {
                *sum += share * f32::from(value);
            }
        }
        for of_column in &columns {
            let covered = row[of_column.first * channels..].chunks_exact(channels);
            let mut sums = [0f32; 4];
            for (pixel, share) in covered.zip(&of_column.shares) {
                for (sum, value) in sums.iter_mut().zip(pixel) {
                    *sum += share * value;
                }
            }
            out.extend(sums[..channels].iter().map(|sum| sum.round() as u8));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pixel_is_the_mean_of_its_area() {
        let pixels = [0, 10, 20, 30, 40, 50, 60, 70];
        assert_eq!(resize(&pixels, 1, (4, 2), (4, 2)), pixels);
        assert_eq!(resize(&pixels, 1, (4, 2), (2, 1)), [25, 45]);
        assert_eq!(resize(&pixels, 2, (2, 2), (1, 1)), [30, 40]);
        assert_eq!(resize(&[0, 90], 1, (2, 1), (3, 1)), [0, 45, 90]);
        assert_eq!(resize(&[0, 30, 90], 1, (3, 1), (2, 1)), [10, 70]);
        assert_eq!(resize(&[7; 3 * 35], 3, (7, 5), (3, 2)), [7; 18]);
    }
}
