//! Whole transforms: every level, and every way to cut a picture into pieces, gives what a
//! plain computation over the whole picture gives. Pillow itself is compared in Python.

use textbook_simd::Level;

use super::coefficients::{Alignment, Axis, PRECISION};
use super::geometry::Geometry;
use super::*;

/// Numbers that look random and are the same each time (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 8) as usize % end
    }
}

fn settings(fit: Fit, filter: Filter, layout: Layout) -> Settings {
    Settings {
        fit,
        filter,
        color: [10, 20, 250],
        layout,
        values: None,
        is_oriented: false,
        reducing_gap: None,
    }
}

/// Transforms a picture that comes in pieces of rows.
fn transform(
    settings: Settings,
    level: Level,
    size: Size,
    pixels: &[u8],
    mut piece: impl FnMut() -> usize,
) -> Vec<u8> {
    let transform = Transform::with_level(settings, level);
    let mut out = vec![77; transform.shape(size, None).expect("fits").bytes];
    let feed = |push: &mut dyn FnMut(usize, &[u8])| {
        let row_bytes = size.width * 3;
        // First a part of another picture: it counts no more when row 0 comes again.
        let other = vec![200; row_bytes * (piece() % (size.height + 1))];
        if !other.is_empty() {
            push(0, &other);
        }
        let mut first = 0;
        while first < size.height {
            let end = (first + piece()).min(size.height);
            push(first, &pixels[first * row_bytes..end * row_bytes]);
            first = end;
        }
        Ok::<(), TransformError>(())
    };
    transform.apply(size, size, &mut out, feed).expect("applies");
    out
}

/// One axis of a whole picture: `count` runs of `from` values that are `step` apart.
fn resize_axis(pixels: &[u8], axis: &Axis, lines: usize, is_vertical: bool) -> Vec<u8> {
    let (from, to) = (pixels.len() / lines / 3, axis.len());
    let mut out = vec![0; lines * to * 3];
    for line in 0..lines {
        for place in 0..to {
            for channel in 0..3 {
                let at = |line: usize, place: usize, lines: usize, length: usize| {
                    let pixel =
                        if is_vertical { place * lines + line } else { line * length + place };
                    pixel * 3 + channel
                };
                let (start, pairs) = axis.window(place);
                let weights = pairs.iter().flat_map(|pair| pair.weights());
                let first = axis.input.start + start;
                let sum: i64 = (first..from)
                    .zip(weights)
                    .map(|(place, weight)| {
                        i64::from(weight) * i64::from(pixels[at(line, place, lines, from)])
                    })
                    .sum();
                let value = (sum + (1 << (PRECISION - 1))) >> PRECISION;
                out[at(line, place, lines, to)] = value.clamp(0, 255) as u8;
            }
        }
    }
    out
}

/// The definition, without pieces, windows and 32-bit sums.
fn expected(fit: Fit, filter: Filter, size: Size, pixels: &[u8]) -> Vec<u8> {
    let geometry = Geometry::new(fit, size).expect("fits");
    let Geometry { source, picture, resized, kept, output, placed } = geometry;
    let color = [10, 20, 250];
    let mut whole = color.repeat(source.height * source.width);
    for (y, row) in pixels.chunks_exact(size.width * 3).enumerate() {
        let start = ((picture.top + y) * source.width + picture.left) * 3;
        whole[start..start + row.len()].copy_from_slice(row);
    }
    let axis = |from: usize, to: usize| Axis::new(filter, from, to, 0..to, Alignment::Any);
    let horizontal = axis(source.width, resized.width).expect("splits");
    let vertical = axis(source.height, resized.height).expect("splits");
    let is_wider = source.width != resized.width;
    let is_higher = source.height != resized.height;
    let gone = |from: usize, to: usize| from as i64 - to as i64;
    let rows = gone(source.height, resized.height);
    if rows > 0 && rows > 2 * gone(source.width, resized.width) && is_wider {
        whole = resize_axis(&whole, &vertical, source.width, true);
        whole = resize_axis(&whole, &horizontal, resized.height, false);
    } else {
        if is_wider {
            whole = resize_axis(&whole, &horizontal, source.height, false);
        }
        if is_higher {
            whole = resize_axis(&whole, &vertical, resized.width, true);
        }
    }
    let mut out = color.repeat(output.height * output.width);
    for y in 0..kept.size.height {
        let from = ((kept.top + y) * resized.width + kept.left) * 3;
        let to = ((placed.top + y) * output.width + placed.left) * 3;
        let length = kept.size.width * 3;
        out[to..to + length].copy_from_slice(&whole[from..from + length]);
    }
    out
}

fn fits(height: usize, width: usize) -> Vec<Fit> {
    let size = Size { height, width };
    let plain = Fit { is_squared: false, resize: Resize::Exact(size), frame: Frame::None };
    let other = Size { height: width, width: height };
    vec![
        plain,
        Fit { resize: Resize::Cover(size), frame: Frame::Crop(size), ..plain },
        Fit { resize: Resize::Contain(size), frame: Frame::Pad(size), ..plain },
        Fit { resize: Resize::Cover(size), ..plain },
        Fit { is_squared: true, resize: Resize::Cover(size), frame: Frame::Crop(size) },
        Fit { resize: Resize::Cover(size), frame: Frame::Crop(other), ..plain },
        Fit { resize: Resize::Keep, frame: Frame::Crop(size), ..plain },
    ]
}

#[test]
fn all_levels_and_all_pieces_give_the_definition() {
    let mut numbers = Numbers(0x1234_5678_9abc_def1);
    for round in 0..400 {
        let small =
            |numbers: &mut Numbers| 1 + numbers.below(if round % 9 == 0 { 150 } else { 45 });
        let [height, width, to_height, to_width] = [0; 4].map(|_| small(&mut numbers));
        let size = Size { height, width };
        let pixels: Vec<u8> = (0..height * width * 3)
            .map(|_| [0, 255, numbers.below(256) as u8][numbers.below(3)])
            .collect();
        let filters = [Filter::Bilinear, Filter::Bicubic, Filter::Lanczos];
        let filter = filters[numbers.below(3)];
        for fit in fits(to_height, to_width) {
            if Geometry::new(fit, size).is_err() {
                continue;
            }
            let right = expected(fit, filter, size, &pixels);
            for level in Level::available() {
                let pieces = 1 + numbers.below(40);
                let settings = settings(fit, filter, Layout::Hwc);
                let found = transform(settings, level, size, &pixels, || 1 + numbers.below(pieces));
                assert!(found == right, "{level} {fit:?} {filter:?} {size:?}");
            }
        }
    }
}

#[test]
fn layouts_hold_the_same_numbers() {
    let (size, output) = (Size { height: 50, width: 37 }, Size { height: 24, width: 36 });
    let pixels: Vec<u8> = (0..50 * 37 * 3).map(|at| (at * 31 % 251) as u8).collect();
    for fit in fits(output.height, output.width).into_iter().take(3) {
        for level in Level::available() {
            let make = |layout| {
                transform(settings(fit, Filter::Bicubic, layout), level, size, &pixels, || 9)
            };
            let pixels_first = make(Layout::Hwc);
            let at = |y: usize, x: usize, c: usize| pixels_first[(y * output.width + x) * 3 + c];
            let channels_first = make(Layout::Chw);
            let area = output.height * output.width;
            for (place, &value) in channels_first.iter().enumerate() {
                let (c, pixel) = (place / area, place % area);
                assert_eq!(value, at(pixel / output.width, pixel % output.width, c));
            }
            let (edge, merge) = (4, 3);
            let patches = make(Layout::Patches { side: edge, merge, temporal: 2 });
            let mut found = patches.iter();
            for square_y in 0..output.height / (edge * merge) {
                for square_x in 0..output.width / (edge * merge) {
                    for patch in 0..merge * merge {
                        for c in 0..3 {
                            for _ in 0..2 {
                                for pixel in 0..edge * edge {
                                    let y =
                                        (square_y * merge + patch / merge) * edge + pixel / edge;
                                    let x =
                                        (square_x * merge + patch % merge) * edge + pixel % edge;
                                    assert_eq!(found.next(), Some(&at(y, x, c)));
                                }
                            }
                        }
                    }
                }
            }
            assert_eq!(found.next(), None);
        }
    }
}

#[test]
fn what_cannot_be_done_is_an_error_with_its_sizes() {
    let budget = Resize::PixelBudget { min_pixels: 100, max_pixels: 10_000, multiple: 14 };
    let fit = Fit { is_squared: false, resize: budget, frame: Frame::None };
    let shape = |fit, layout, height, width, limit| {
        Transform::new(settings(fit, Filter::Bicubic, layout)).shape(Size { height, width }, limit)
    };
    assert_eq!(
        shape(fit, Layout::Hwc, 1, 201, None),
        Err(TransformError::TooLong { width: 201, height: 1, ratio: 200 })
    );
    let whole = Size { height: 10, width: 10 };
    let contain = Fit { resize: Resize::Contain(whole), frame: Frame::Pad(whole), ..fit };
    assert_eq!(
        shape(contain, Layout::Hwc, 1, 100, None),
        Err(TransformError::Vanishes {
            of: Size { height: 1, width: 100 },
            to: Size { height: 0, width: 10 }
        })
    );
    let cover = Fit { resize: Resize::Cover(whole), ..fit };
    assert_eq!(
        shape(cover, Layout::Hwc, 1, 2000, Some(199_999)),
        Err(TransformError::TooManyPixels {
            to: Size { height: 10, width: 20_000 },
            limit: 199_999
        })
    );
    let patches = Layout::Patches { side: 14, merge: 2, temporal: 2 };
    assert_eq!(
        shape(cover, patches, 20, 20, None),
        Err(TransformError::Uncuttable { output: whole, multiple: 28 })
    );
}

#[test]
fn the_decoder_may_scale_down_as_far_as_the_gap_allows() {
    let size = Size { height: 336, width: 336 };
    let fit = Fit { is_squared: false, resize: Resize::Exact(size), frame: Frame::None };
    let picture = Size { height: 720, width: 1280 };
    for (gap, expected) in [(1.0, 2), (1.07, 2), (1.08, 1), (2.0, 1), (0.5, 4), (0.01, 8)] {
        let mut settings = settings(fit, Filter::Bicubic, Layout::Hwc);
        settings.reducing_gap = Some(gap);
        assert_eq!(Transform::new(settings).reduction(picture), Ok(expected), "gap {gap}");
    }
}
