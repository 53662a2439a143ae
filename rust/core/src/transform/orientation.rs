//! Turns and mirrors a picture as its EXIF orientation says (EXIF 2.32, tag 0x0112), so
//! that it stands upright: what `PIL.ImageOps.exif_transpose` does.

use super::geometry::Size;

/// The size of the picture after turning.
#[must_use]
pub fn oriented_size(size: Size, orientation: u8) -> Size {
    if matches!(orientation, 5..=8) {
        Size { height: size.width, width: size.height }
    } else {
        size
    }
}

/// Writes a picture upright. Both have three bytes a pixel and no gaps.
///
/// ```text
/// 1 as it is            5 mirrored at the main diagonal
/// 2 mirrored, ↔         6 a quarter turn to the right
/// 3 half a turn         7 mirrored at the other diagonal
/// 4 mirrored, ↕         8 a quarter turn to the left
/// ```
pub fn oriented(pixels: &[u8], size: Size, orientation: u8, out: &mut [u8]) {
    let Size { height, width } = size;
    let (from, _) = pixels.as_chunks::<3>();
    let (out, _) = out.as_chunks_mut::<3>();
    let to = oriented_size(size, orientation);
    for (y, row) in out.chunks_exact_mut(to.width).enumerate() {
        for (x, pixel) in row.iter_mut().enumerate() {
            let (row, column) = match orientation {
                2 => (y, width - 1 - x),
                3 => (height - 1 - y, width - 1 - x),
                4 => (height - 1 - y, x),
                5 => (x, y),
                6 => (height - 1 - x, y),
                7 => (height - 1 - x, width - 1 - y),
                8 => (x, width - 1 - y),
                _ => (y, x),
            };
            *pixel = from[row * width + column];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_orientation_moves_the_corners() {
        // 2 rows of 3 pixels, numbered in reading order.
        let pixels: Vec<u8> = (0..6).flat_map(|pixel| [pixel; 3]).collect();
        let expected: [(u8, [u8; 6]); 8] = [
            (1, [0, 1, 2, 3, 4, 5]),
            (2, [2, 1, 0, 5, 4, 3]),
            (3, [5, 4, 3, 2, 1, 0]),
            (4, [3, 4, 5, 0, 1, 2]),
            (5, [0, 3, 1, 4, 2, 5]),
            (6, [3, 0, 4, 1, 5, 2]),
            (7, [5, 2, 4, 1, 3, 0]),
            (8, [2, 5, 1, 4, 0, 3]),
        ];
        for (orientation, expected) in expected {
            let mut out = vec![9; 18];
            oriented(&pixels, Size { height: 2, width: 3 }, orientation, &mut out);
            let found: Vec<u8> = out.chunks_exact(3).map(|pixel| pixel[0]).collect();
            assert_eq!(found, expected, "orientation {orientation}");
        }
    }
}
