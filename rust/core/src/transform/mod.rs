//! Decoded pictures to what a model takes: resized, cropped or padded, normalized, laid
//! out. Pixels are Pillow 13's, byte for byte. Knows no files and no JPEG.
//!
//! ```text
//! geometry       a picture's size → what is resized to what, what is kept of it
//! coefficients   the weights of an axis
//! plan           both, for pictures of one size
//! values         what the 256 bytes become as floats
//! stream         takes rows as they are decoded, gives rows of the output
//! output         puts rows where the layout wants them
//! kernels        the inner loops
//! orientation    turns a picture as its EXIF tag says
//! ```
//! Rows pass through while they are in the cache: a picture is never there as a whole.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "fixed-point arithmetic, and sizes that are far below 2^52"
)]

mod coefficients;
mod geometry;
mod kernels;
mod orientation;
mod output;
mod plan;
mod stream;
#[cfg(test)]
mod tests;
mod values;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use textbook_simd::Level;

pub use coefficients::Filter;
pub use geometry::{Fit, Frame, Resize, Size};
pub use orientation::{oriented, oriented_size};
pub use output::Layout;
pub use values::{Float, Steps, Values};

use output::Output;
use plan::Plan;
use stream::{Scratch, Stream};

/// Why a picture cannot be transformed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransformError {
    /// Its sides differ too much for a pixel budget.
    #[error(
        "its {width} x {height} pixels are more than {ratio} times as long as wide, which a \
         PixelBudget does not take"
    )]
    TooLong {
        /// Pixels in a row.
        width: usize,
        /// Rows.
        height: usize,
        /// The limit.
        ratio: usize,
    },
    /// Nothing would be left of it.
    #[error(
        "its {} x {} pixels would be resized to {} x {}: it is too long for this size and fit",
        of.width, of.height, to.width, to.height
    )]
    Vanishes {
        /// The picture's size.
        of: Size,
        /// The size that it would have.
        to: Size,
    },
    /// It would be larger than pictures may be.
    #[error(
        "it would be resized to {} x {} pixels, more than the limit of {limit}: \
         set textbook_fast.MAX_IMAGE_PIXELS if that is meant",
        to.width, to.height
    )]
    TooManyPixels {
        /// The size that it would have.
        to: Size,
        /// The limit in force.
        limit: u64,
    },
    /// The output's sides are no multiples of the patches'.
    #[error(
        "it would be {} x {} pixels, which cannot be cut into patches: both sides have to be \
         multiples of {multiple} (the patch size times the merge size)",
        output.width, output.height
    )]
    Uncuttable {
        /// The output's size.
        output: Size,
        /// What the sides have to be multiples of.
        multiple: usize,
    },
    /// A weight is out of range. No filter has such.
    #[error("a bug in textbook_fast, please report it: a weight does not fit")]
    Weights,
}

/// What is done to each picture.
#[derive(Debug)]
pub struct Settings {
    /// How it comes to its size.
    pub fit: Fit,
    /// How pixels are resized.
    pub filter: Filter,
    /// The color of canvases.
    pub color: [u8; 3],
    /// How the output lies in memory.
    pub layout: Layout,
    /// Floats instead of bytes.
    pub values: Option<Values>,
    /// Whether the EXIF orientation is applied first.
    pub is_oriented: bool,
    /// How much larger than its result a picture has to stay when the decoder scales it
    /// down; None for no scaling.
    pub reducing_gap: Option<f64>,
}

/// What a transformed picture is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Its size in pixels.
    pub size: Size,
    /// Bytes of the whole output.
    pub bytes: usize,
}

/// Transforms pictures of any size.
#[derive(Debug)]
pub struct Transform {
    settings: Settings,
    level: Level,
    /// Names it among all others of the process, in the threads' caches of plans.
    number: u64,
}

/// What a thread keeps: the plan of the last size, which is that of most pictures of a
/// sample, and memory.
#[derive(Default)]
struct Kept {
    plan: Option<(u64, Size, Size, Rc<Plan>)>,
    scratch: Scratch,
}

thread_local! {
    static KEPT: RefCell<Kept> = RefCell::default();
}

impl Transform {
    /// A transform on the process's level.
    #[must_use]
    pub fn new(settings: Settings) -> Transform {
        Transform::with_level(settings, Level::active())
    }

    /// A transform on this level, or on the best one below that the CPU has.
    #[must_use]
    pub fn with_level(settings: Settings, level: Level) -> Transform {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        Transform { settings, level: level.min(Level::of_cpu()), number }
    }

    /// What it was made with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What a picture of this size (after turning) becomes; at most `limit` pixels.
    pub fn shape(&self, picture: Size, limit: Option<u64>) -> Result<Shape, TransformError> {
        let geometry = geometry::Geometry::new(self.settings.fit, picture)?;
        for to in [geometry.source, geometry.resized, geometry.output] {
            match limit {
                Some(limit) if to.height as u64 * to.width as u64 > limit => {
                    return Err(TransformError::TooManyPixels { to, limit });
                }
                _ => {}
            }
        }
        let size = geometry.output;
        let number = self.settings.values.as_ref().map_or(1, |values| values.float().size());
        Ok(Shape { size, bytes: self.settings.layout.numbers(size)? * number })
    }

    /// By how much the decoder may divide both sides of a picture: the largest of 8, 4, 2
    /// and 1 that leaves it `reducing_gap` times as large as it will be.
    pub fn reduction(&self, picture: Size) -> Result<usize, TransformError> {
        let Some(gap) = self.settings.reducing_gap else { return Ok(1) };
        if self.settings.fit.is_squared {
            return Ok(1);
        }
        let resized = geometry::Geometry::new(self.settings.fit, picture)?.resized;
        let times = |side: usize, to: usize| (side as f64 / (gap * to as f64)).floor() as usize;
        let most = times(picture.width, resized.width).min(times(picture.height, resized.height));
        Ok([8, 4, 2].into_iter().find(|&factor| factor <= most).unwrap_or(1))
    }

    /// Transforms a picture whose rows `feed` hands over, in order and in pieces of any
    /// number, each with the number of its first row. From row 0 on they may come again:
    /// then those count. `original` is its size before the decoder scaled it down to `picture`.
    /// `out` has to have as many bytes as `shape` says.
    pub fn apply<T, E: From<TransformError>>(
        &self,
        original: Size,
        picture: Size,
        out: &mut [u8],
        feed: impl FnOnce(&mut dyn FnMut(usize, &[u8])) -> Result<T, E>,
    ) -> Result<T, E> {
        // Taken out, so that whatever `feed` does may transform pictures itself.
        let mut kept = KEPT.take();
        let found = kept.plan.take().filter(|(number, from, to, _)| {
            (*number, *from, *to) == (self.number, original, picture)
        });
        let plan = match found {
            Some((.., plan)) => plan,
            None => Rc::new(Plan::new(&self.settings, original, picture)?),
        };
        let output = Output::new(&self.settings, plan.geometry, out);
        let apply = Apply { plan: &plan, scratch: &mut kept.scratch, output, feed };
        let result = kernels::run(self.level, apply);
        kept.plan = Some((self.number, original, picture, plan));
        KEPT.set(kept);
        result
    }
}

/// Feeds a stream, whose kernels the level decides.
struct Apply<'a, F> {
    plan: &'a Plan,
    scratch: &'a mut Scratch,
    output: Output<'a>,
    feed: F,
}

impl<T, E, F> kernels::Algorithm for Apply<'_, F>
where
    F: FnOnce(&mut dyn FnMut(usize, &[u8])) -> Result<T, E>,
{
    type Output = Result<T, E>;

    fn run<K: kernels::Kernels>(self, kernels: K) -> Result<T, E> {
        let mut stream = Stream::new(kernels, self.plan, self.scratch, self.output);
        let fed = (self.feed)(&mut |first, rows| stream.push(first, rows))?;
        stream.finish();
        Ok(fed)
    }
}
