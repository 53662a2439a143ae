//! The definition, in plain Rust.

use super::{C1, C2, Kernel, LANES, PIXELS, WINDOW, Windows};

/// Σx and 49 Σx² − (Σx)² of each window, row by row.
pub(super) fn window_sums(width: usize, pixels: &[u8]) -> (Vec<i16>, Vec<i32>) {
    let rows: Vec<_> = pixels.chunks_exact(width).collect();
    let mut columns = vec![(0i32, 0i32); width];
    let mut sums = Vec::new();
    let mut deviations = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        for (column, &value) in columns.iter_mut().zip(*row) {
            let value = i32::from(value);
            column.0 += value;
            column.1 += value * value;
        }
        if number + 1 < WINDOW {
            continue;
        }
        for window in columns.windows(WINDOW) {
            let sum: i32 = window.iter().map(|column| column.0).sum();
            let squares: i32 = window.iter().map(|column| column.1).sum();
            sums.push(i16::try_from(sum).unwrap_or(i16::MAX));
            deviations.push(PIXELS * squares - sum * sum);
        }
        for (column, &value) in columns.iter_mut().zip(rows[number + 1 - WINDOW]) {
            let value = i32::from(value);
            column.0 -= value;
            column.1 -= value * value;
        }
    }
    (sums, deviations)
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
