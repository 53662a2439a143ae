//! The definition, in plain Rust.

use super::{C1, C2, Kernel, LANES, PIXELS, WINDOW, Windows};

/// Σx and 49 Σx² − (Σx)² of each window, row by row. Written so that a compiler can make
/// vectors of it: the levels compile the same code.
#[inline(always)]
pub(super) fn window_sums(width: usize, pixels: &[u8]) -> (Vec<i16>, Vec<i32>) {
    let windows = width + 1 - WINDOW;
    let rows = pixels.len() / width + 1 - WINDOW;
    let mut columns = vec![0i32; width];
    let mut squares = vec![0i32; width];
    for row in pixels.chunks_exact(width).take(WINDOW - 1) {
        add_row(&mut columns, &mut squares, row);
    }
    let mut sums = vec![0i16; windows * rows];
    let mut deviations = vec![0i32; windows * rows];
    let entering = pixels.chunks_exact(width).skip(WINDOW - 1);
    let leaving = pixels.chunks_exact(width);
    let out = sums.chunks_exact_mut(windows).zip(deviations.chunks_exact_mut(windows));
    for ((entering, leaving), (sums, deviations)) in entering.zip(leaving).zip(out) {
        add_row(&mut columns, &mut squares, entering);
        // Seven views of one length, each a place further on.
        let columns_at: [&[i32]; WINDOW] = std::array::from_fn(|at| &columns[at..at + windows]);
        let squares_at: [&[i32]; WINDOW] = std::array::from_fn(|at| &squares[at..at + windows]);
        for (at, (sum, deviation)) in sums.iter_mut().zip(deviations).enumerate() {
            let (mut total, mut of_squares) = (0, 0);
            for (columns, squares) in columns_at.iter().zip(&squares_at) {
                total += columns[at];
                of_squares += squares[at];
            }
            // At most 49 · 255, which fits.
            #[allow(clippy::cast_possible_truncation, reason = "see above")]
            let narrow = total as i16;
            *sum = narrow;
            *deviation = PIXELS * of_squares - total * total;
        }
        for ((column, square), &value) in columns.iter_mut().zip(&mut squares).zip(leaving) {
            *column -= i32::from(value);
            *square -= i32::from(value) * i32::from(value);
        }
    }
    (sums, deviations)
}

#[inline(always)]
fn add_row(columns: &mut [i32], squares: &mut [i32], row: &[u8]) {
    for ((column, square), &value) in columns.iter_mut().zip(squares).zip(row) {
        *column += i32::from(value);
        *square += i32::from(value) * i32::from(value);
    }
}

#[derive(Clone, Copy)]
pub(super) struct Scalar;

impl Kernel for Scalar {
    fn add_products(self, columns: &mut [i32], a: &[u8], b: &[u8]) {
        for ((column, &a), &b) in columns.iter_mut().zip(a).zip(b) {
            *column += i32::from(a) * i32::from(b);
        }
    }

    fn move_products(self, columns: &mut [i32], old: (&[u8], &[u8]), new: (&[u8], &[u8])) {
        let olds = old.0.iter().zip(old.1);
        let news = new.0.iter().zip(new.1);
        for ((column, (&a, &b)), (&c, &d)) in columns.iter_mut().zip(olds).zip(news) {
            *column += i32::from(c) * i32::from(d) - i32::from(a) * i32::from(b);
        }
    }

    fn sum_row(self, columns: &[i32], a: Windows<'_>, b: Windows<'_>) -> [f32; LANES] {
        let mut lanes = [0f32; LANES];
        add_windows(&mut lanes, 0, columns, a, b);
        lanes
    }
}

/// Adds the windows from `first` on to the lanes.
#[allow(clippy::cast_precision_loss, reason = "part of the definition: rounded to f32")]
pub(super) fn add_windows(
    lanes: &mut [f32; LANES],
    first: usize,
    columns: &[i32],
    a: Windows<'_>,
    b: Windows<'_>,
) {
    for (number, window) in columns.windows(WINDOW).enumerate().skip(first) {
        let products: i32 = window.iter().sum();
        let (sum_a, sum_b) = (i32::from(a.sums[number]), i32::from(b.sums[number]));
        let mixed = PIXELS * products - sum_a * sum_b;
        let above = ((2 * sum_a * sum_b) as f32 + C1) * ((2 * mixed) as f32 + C2);
        let below = ((sum_a * sum_a + sum_b * sum_b) as f32 + C1)
            * ((a.deviations[number] + b.deviations[number]) as f32 + C2);
        lanes[number % LANES] += above / below;
    }
}
