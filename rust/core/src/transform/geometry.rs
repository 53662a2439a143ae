//! From a picture's size to where its pixels go: what is resized to what, which part of it
//! is kept, and where that lies in the output. Knows no pixels.

use super::TransformError;

/// Height and width in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Rows.
    pub height: usize,
    /// Pixels in a row.
    pub width: usize,
}

/// What a picture is resized to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Resize {
    /// Its own size.
    Keep,
    /// This size, whatever the aspect ratio.
    Exact(Size),
    /// The smallest size of its aspect ratio that covers this one.
    Cover(Size),
    /// The largest size of its aspect ratio that fits into this one.
    Contain(Size),
    /// The longer side to at most `longest`, then each side to at least `shortest`.
    Within {
        /// The shorter side's limit, which has the last word.
        shortest: usize,
        /// The longer side's limit.
        longest: usize,
    },
    /// About the same aspect ratio, the number of pixels between two limits, both sides
    /// multiples of a number.
    PixelBudget {
        /// At least so many pixels.
        min_pixels: usize,
        /// At most so many pixels.
        max_pixels: usize,
        /// Both sides are multiples of it.
        multiple: usize,
    },
}

/// What is done to the resized picture to come to the output's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Nothing.
    None,
    /// The middle is kept; where it is too small, it is put on a canvas.
    Crop(Size),
    /// It is put in the middle of a canvas.
    Pad(Size),
}

/// How a picture comes to its output size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// Whether it is put in the middle of a square canvas first.
    pub is_squared: bool,
    /// The size it is resized to.
    pub resize: Resize,
    /// What follows.
    pub frame: Frame,
}

/// A rectangle: its top left corner and its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rectangle {
    pub top: usize,
    pub left: usize,
    pub size: Size,
}

impl Rectangle {
    fn whole(size: Size) -> Rectangle {
        Rectangle { top: 0, left: 0, size }
    }

    /// One size in the middle of another, the borders divided by a function.
    fn inside(inner: Size, outer: Size, half: impl Fn(usize) -> usize) -> Rectangle {
        let top = half(outer.height - inner.height);
        Rectangle { top, left: half(outer.width - inner.width), size: inner }
    }
}

/// Where everything goes.
///
/// ```text
/// picture → placed in `source` → resized to `resized` → `kept` of it → placed in `output`
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// The canvas that is resized, and where the picture lies in it.
    pub source: Size,
    pub picture: Rectangle,
    pub resized: Size,
    pub kept: Rectangle,
    /// The result, and where the kept part lies in it.
    pub output: Size,
    pub placed: Rectangle,
}

/// The ratio of sides above which a pixel budget makes no sense (Qwen's own limit).
const MAX_RATIO: usize = 200;

impl Geometry {
    /// The geometry of a picture that has at least one pixel.
    pub fn new(fit: Fit, picture: Size) -> Result<Geometry, TransformError> {
        let longer = picture.height.max(picture.width);
        let canvas = if fit.is_squared { Size { height: longer, width: longer } } else { picture };
        let resized = match fit.resize {
            Resize::Keep => canvas,
            Resize::Exact(size) => size,
            Resize::Cover(size) => cover(canvas, size),
            Resize::Contain(size) => contain(canvas, size),
            Resize::Within { shortest, longest } => within(canvas, shortest, longest),
            Resize::PixelBudget { min_pixels, max_pixels, multiple } => {
                budget(canvas, min_pixels, max_pixels, multiple)?
            }
        };
        let Size { height, width } = resized;
        if height == 0 || width == 0 {
            return Err(TransformError::Vanishes { of: picture, to: resized });
        }
        let output = match fit.frame {
            Frame::None => resized,
            Frame::Crop(size) | Frame::Pad(size) => size,
        };
        let inner = Size { height: height.min(output.height), width: width.min(output.width) };
        let placed = match fit.frame {
            // As Hugging Face's center crop does it, and as `PIL.ImageOps.pad` does.
            Frame::Crop(_) => Rectangle::inside(inner, output, |border| border.div_ceil(2)),
            _ => Rectangle::inside(inner, output, |border| {
                (border as f64 * 0.5).round_ties_even() as usize
            }),
        };
        let down = |border| border / 2;
        Ok(Geometry {
            source: canvas,
            picture: Rectangle::inside(picture, canvas, down),
            resized,
            kept: Rectangle::inside(inner, resized, down),
            output,
            placed,
        })
    }

    /// Whether the output has pixels that no resized one covers.
    pub fn has_border(&self) -> bool {
        self.placed != Rectangle::whole(self.output)
    }
}

/// As Python's `int(a * b / c)`: the product is exact, the quotient is a double.
fn scaled(a: usize, b: usize, c: usize) -> usize {
    ((a as u64 * b as u64) as f64 / c as f64) as usize
}

/// The smallest size of the picture's aspect ratio that covers `size`.
fn cover(picture: Size, size: Size) -> Size {
    let (wide, high) = (picture.width * size.height, picture.height * size.width);
    if wide >= high {
        Size { height: size.height, width: scaled(size.height, picture.width, picture.height) }
    } else {
        Size { height: scaled(size.width, picture.height, picture.width), width: size.width }
    }
}

/// The largest size of the picture's aspect ratio that fits into `size`, with the
/// arithmetic of `PIL.ImageOps.contain`.
fn contain(picture: Size, size: Size) -> Size {
    let (height, width) = (picture.height as f64, picture.width as f64);
    let (ratio, wanted) = (width / height, size.width as f64 / size.height as f64);
    if ratio > wanted {
        let height = (height / width * size.width as f64).round_ties_even() as usize;
        Size { height: height.min(size.height), width: size.width }
    } else if ratio < wanted {
        let width = (width / height * size.height as f64).round_ties_even() as usize;
        Size { height: size.height, width: width.min(size.width) }
    } else {
        size
    }
}

/// The arithmetic of Idefics 2.
fn within(picture: Size, shortest: usize, longest: usize) -> Size {
    let Size { height, width } = picture;
    let (mut tall, mut wide) = (height, width);
    let ratio = width as f64 / height as f64;
    let fitted = |side: f64| side as usize;
    if width >= height && width > longest {
        (wide, tall) = (longest, fitted(longest as f64 / ratio));
    } else if height > width && height > longest {
        (tall, wide) = (longest, fitted(longest as f64 * ratio));
    }
    Size { height: tall.max(shortest), width: wide.max(shortest) }
}

/// Qwen2-VL's smart resize.
fn budget(
    picture: Size,
    min_pixels: usize,
    max_pixels: usize,
    multiple: usize,
) -> Result<Size, TransformError> {
    let Size { height, width } = picture;
    if height.max(width) > MAX_RATIO * height.min(width) {
        return Err(TransformError::TooLong { width, height, ratio: MAX_RATIO });
    }
    let unit = multiple as f64;
    let (tall, wide) = (height as f64, width as f64);
    let nearest = |side: f64| (side / unit).round_ties_even() as usize * multiple;
    let size = Size { height: nearest(tall), width: nearest(wide) };
    let pixels = size.height * size.width;
    if pixels > max_pixels {
        let beta = (tall * wide / max_pixels as f64).sqrt();
        let down = |side: f64| ((side / beta / unit).floor() as usize * multiple).max(multiple);
        return Ok(Size { height: down(tall), width: down(wide) });
    }
    if pixels < min_pixels {
        let beta = (min_pixels as f64 / (tall * wide)).sqrt();
        let up = |side: f64| (side * beta / unit).ceil() as usize * multiple;
        return Ok(Size { height: up(tall), width: up(wide) });
    }
    Ok(size)
}
