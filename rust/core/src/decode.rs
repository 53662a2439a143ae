//! Encoded bytes to pixels: the limit, the memory, the decoder. Opens no files.

use std::cell::RefCell;
use std::sync::Arc;

use textbook_jpeg::{Decoder, JpegError};

use crate::buffers::Buffer;
use crate::pool::{self, Panicked};
use crate::store::{StoreError, Stores};

/// An RGB picture: `height` rows of `width` pixels of three bytes, without gaps.
#[derive(Debug)]
pub struct Picture {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `height * width * 3` bytes.
    pub pixels: Buffer,
}

/// Why there is no picture.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ImageFailure {
    /// The store has no bytes of it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bytes are no JPEG that can be decoded.
    #[error(transparent)]
    Jpeg(#[from] JpegError),
    /// The header claims more pixels than are allowed.
    #[error(
        "it claims {width} x {height} pixels, more than the limit of {limit}: \
         set textbook_fast.MAX_IMAGE_PIXELS if the image is meant to be that large"
    )]
    TooManyPixels {
        /// Claimed pixels in a row.
        width: u32,
        /// Claimed rows.
        height: u32,
        /// The limit in force.
        limit: u64,
    },
    /// The caller's memory has another size.
    #[error("the image needs {expected} bytes of memory, the given array has {found}")]
    WrongLength {
        /// `height * width * 3`.
        expected: usize,
        /// What was given.
        found: usize,
    },
    /// A bug in this library. The message is the panic's.
    #[error("a bug in textbook_fast, please report it: {0}")]
    Bug(String),
}

impl ImageFailure {
    /// A short stable name of what is wrong.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            ImageFailure::Store(StoreError::Missing { .. }) => "missing",
            ImageFailure::Store(StoreError::Refused { .. }) => "bad_path",
            ImageFailure::Store(StoreError::Unreadable { .. }) => "unreadable",
            ImageFailure::Jpeg(error) => error.kind(),
            ImageFailure::TooManyPixels { .. } => "too_many_pixels",
            ImageFailure::WrongLength { .. } => "wrong_length",
            ImageFailure::Bug(_) => "bug",
        }
    }
}

impl From<Panicked> for ImageFailure {
    fn from(Panicked(message): Panicked) -> ImageFailure {
        ImageFailure::Bug(message)
    }
}

thread_local! {
    static DECODER: RefCell<Decoder> = RefCell::new(Decoder::new());
    static ENCODED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Width and height, if they are within the limit.
fn dimensions(data: &[u8], limit: Option<u64>) -> Result<(usize, usize), ImageFailure> {
    let header = textbook_jpeg::read_header(data)?;
    let (width, height) = (header.width, header.height);
    let pixels = u64::from(width) * u64::from(height);
    match limit {
        Some(limit) if pixels > limit => Err(ImageFailure::TooManyPixels { width, height, limit }),
        _ => Ok((width as usize, height as usize)),
    }
}

/// How many bytes of memory [`decode`] takes for the pixels of this JPEG.
pub fn bytes_of_pixels(data: &[u8], limit: Option<u64>) -> Result<usize, ImageFailure> {
    let (width, height) = dimensions(data, limit)?;
    Ok(width * height * 3)
}

/// Decodes a JPEG into memory of the cache.
pub fn decode(data: &[u8], limit: Option<u64>) -> Result<Picture, ImageFailure> {
    let (width, height) = dimensions(data, limit)?;
    let mut pixels = Buffer::take(width * height * 3);
    DECODER.with_borrow_mut(|decoder| decoder.decode_rgb(data, &mut pixels))?;
    Ok(Picture { width, height, pixels })
}

/// Decodes a JPEG into the caller's memory and returns its width and height.
pub fn decode_into(
    data: &[u8],
    limit: Option<u64>,
    out: &mut [u8],
) -> Result<(usize, usize), ImageFailure> {
    let (width, height) = dimensions(data, limit)?;
    let (expected, found) = (width * height * 3, out.len());
    if expected != found {
        return Err(ImageFailure::WrongLength { expected, found });
    }
    DECODER.with_borrow_mut(|decoder| decoder.decode_rgb(data, out))?;
    Ok((width, height))
}

/// Decodes many JPEGs on up to `threads` threads; results in order.
#[must_use]
pub fn decode_many<D>(
    data: Vec<D>,
    limit: Option<u64>,
    threads: usize,
) -> Vec<Result<Picture, ImageFailure>>
where
    D: AsRef<[u8]> + Send + Sync + 'static,
{
    let count = data.len();
    flatten(pool::run(threads, count, move |index| decode(data[index].as_ref(), limit)))
}

/// Reads and decodes images of the stores on up to `threads` threads; results in order.
#[must_use]
pub fn load_many(
    store: &Arc<Stores>,
    paths: Vec<String>,
    limit: Option<u64>,
    threads: usize,
) -> Vec<Result<Picture, ImageFailure>> {
    let store = Arc::clone(store);
    let count = paths.len();
    let load = move |index: usize| {
        ENCODED.with_borrow_mut(|encoded| {
            store.read(&paths[index], encoded)?;
            decode(encoded, limit)
        })
    };
    flatten(pool::run(threads, count, load))
}

fn flatten(
    results: Vec<Result<Result<Picture, ImageFailure>, Panicked>>,
) -> Vec<Result<Picture, ImageFailure>> {
    results.into_iter().map(|result| result.unwrap_or_else(|panic| Err(panic.into()))).collect()
}
