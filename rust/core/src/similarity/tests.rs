use super::*;

/// A picture that is neither flat nor noise, and never the same for two seeds.
fn picture(width: usize, height: usize, seed: u32, limit: u32) -> Gray {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let pixels = (0..width * height).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        u8::try_from((state >> 24).min(limit)).expect("a byte")
    });
    Gray::new(width, height, pixels.collect()).expect("large enough")
}

#[test]
fn every_level_equals_the_definition() {
    for width in 7..60 {
        for (height, limit) in [(7, 255), (9, 255), (8, 3), (11, 0)] {
            let a = picture(width, height, 1, limit);
            let b = picture(width, height, 2, 255);
            let expected = a.ssim_at(&b, Level::Scalar).expect("one size");
            let sums = window_sums(width, a.pixels(), Level::Scalar);
            for level in Level::available() {
                assert_eq!(window_sums(width, a.pixels(), level), sums, "{level}");
                let value = a.ssim_at(&b, level).expect("one size");
                assert_eq!(value.to_bits(), expected.to_bits(), "{level}, {width} x {height}");
            }
        }
    }
}

/// The formula as it is printed, in f64, window by window.
fn as_printed(a: &Gray, b: &Gray) -> f64 {
    let (c1, c2) = ((0.01f64 * 255.0).powi(2), (0.03f64 * 255.0).powi(2));
    let (width, height) = a.size();
    let mut values = Vec::new();
    for top in 0..=height - WINDOW {
        for left in 0..=width - WINDOW {
            let window = |gray: &Gray| -> Vec<f64> {
                let rows = (top..top + WINDOW).map(|row| &gray.row(row)[left..left + WINDOW]);
                rows.flatten().map(|&value| f64::from(value)).collect()
            };
            let (x, y) = (window(a), window(b));
            let mean = |values: &[f64]| values.iter().sum::<f64>() / 49.0;
            let (mx, my) = (mean(&x), mean(&y));
            let covariance = |a: &[f64], ma: f64, b: &[f64], mb: f64| {
                a.iter().zip(b).map(|(a, b)| (a - ma) * (b - mb)).sum::<f64>() / 48.0
            };
            let above = (2.0 * mx * my + c1) * (2.0 * covariance(&x, mx, &y, my) + c2);
            let below = (mx * mx + my * my + c1)
                * (covariance(&x, mx, &x, mx) + covariance(&y, my, &y, my) + c2);
            values.push(above / below);
        }
    }
    #[allow(clippy::cast_precision_loss, reason = "a few values")]
    let count = values.len() as f64;
    values.iter().sum::<f64>() / count
}

#[test]
fn it_is_the_printed_formula() {
    for (limit_a, limit_b) in [(255, 255), (255, 200), (0, 255), (0, 0), (1, 2)] {
        let a = picture(33, 20, 5, limit_a);
        let b = picture(33, 20, 6, limit_b);
        let value = a.ssim(&b).expect("one size");
        assert!((value - as_printed(&a, &b)).abs() < 1e-6, "{value} {}", as_printed(&a, &b));
        assert!((a.ssim(&a).expect("one size") - 1.0).abs() < 1e-6);
    }
    let white = Gray::new(9, 9, vec![255; 81]).expect("large enough");
    let black = Gray::new(9, 9, vec![0; 81]).expect("large enough");
    let value = white.ssim(&black).expect("one size");
    assert!((value - as_printed(&white, &black)).abs() < 1e-9);
}

#[test]
fn sizes_are_checked_and_made_equal() {
    assert!(Gray::new(6, 7, vec![0; 42]).is_none());
    assert!(Gray::new(8, 8, vec![0; 63]).is_none());
    let (a, b) = (picture(20, 20, 1, 255), picture(40, 10, 2, 255));
    assert!(a.ssim(&b).is_none());
    let resized = crate::area::resize(b.pixels(), 1, b.size(), a.size());
    let expected = a.ssim(&Gray::new(20, 20, resized).expect("large enough"));
    assert_eq!(of_all_pairs(&[a, b]), expected);
    assert_eq!(of_all_pairs(&[]), None);
    let three: Vec<_> = (0..3).map(|seed| picture(12, 12, seed, 255)).collect();
    let pairs = [(0, 1), (0, 2), (1, 2)].map(|(a, b)| three[a].ssim(&three[b]).expect("one size"));
    let mean = pairs.iter().sum::<f64>() / 3.0;
    assert!((of_all_pairs(&three).expect("pairs") - mean).abs() < 1e-12);
}
