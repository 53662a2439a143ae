//! Encoded bytes to pixels: the limit, the memory, the decoder. Opens no files.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use textbook_jpeg::{Decoder, JpegError, Options, Size};

use crate::buffers::Buffer;
use crate::pool::{self, Panicked, panicked};
use crate::store::StoreError;
use crate::transform::TransformError;

/// A picture: rows of pixels of one or three bytes, without gaps.
#[derive(Debug)]
pub struct Picture {
    /// Its size.
    pub size: Size,
    /// As many bytes as `size` says.
    pub pixels: Buffer,
    /// What is broken, where a picture was made of broken data all the same.
    pub damage: Option<JpegError>,
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
        /// What the picture has.
        expected: usize,
        /// What was given.
        found: usize,
    },
    /// It is a picture, but not one that the transform takes.
    #[error(transparent)]
    Transform(#[from] TransformError),
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
            ImageFailure::Transform(_) => "transform",
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
    pub(crate) static ENCODED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Works with this thread's decoder. A panic is an error, and the end of that decoder: what
/// it kept may be half done.
pub(crate) fn with_decoder<R>(
    work: impl FnOnce(&mut Decoder) -> Result<R, JpegError>,
) -> Result<R, ImageFailure> {
    let done = catch_unwind(AssertUnwindSafe(|| DECODER.with_borrow_mut(work)));
    match done {
        Ok(result) => Ok(result?),
        Err(payload) => {
            DECODER.set(Decoder::new());
            Err(panicked(payload).into())
        }
    }
}

/// The size of the result, if the file's pixels are within the limit.
fn size(data: &[u8], options: &Options, limit: Option<u64>) -> Result<Size, ImageFailure> {
    let header = textbook_jpeg::read_header(data)?;
    let (width, height) = (header.width, header.height);
    let pixels = u64::from(width) * u64::from(height);
    match limit {
        Some(limit) if pixels > limit => Err(ImageFailure::TooManyPixels { width, height, limit }),
        _ => Ok(options.size(&header)),
    }
}

/// How many bytes of memory [`decode`] takes for the pixels of this JPEG.
pub fn bytes_of_pixels(data: &[u8], limit: Option<u64>) -> Result<usize, ImageFailure> {
    Ok(size(data, &Options::default(), limit)?.bytes())
}

/// Decodes a JPEG into memory of the cache.
pub fn decode(data: &[u8], options: &Options, limit: Option<u64>) -> Result<Picture, ImageFailure> {
    let size = size(data, options, limit)?;
    let mut pixels = Buffer::take(size.bytes());
    let damage = with_decoder(|decoder| decoder.decode(data, options, &mut pixels))?;
    Ok(Picture { size, pixels, damage })
}

/// Decodes a JPEG into the caller's memory. Returns what is broken, where a picture was made
/// of broken data all the same.
pub fn decode_into(
    data: &[u8],
    options: &Options,
    limit: Option<u64>,
    out: &mut [u8],
) -> Result<Option<JpegError>, ImageFailure> {
    let (expected, found) = (size(data, options, limit)?.bytes(), out.len());
    if expected != found {
        return Err(ImageFailure::WrongLength { expected, found });
    }
    with_decoder(|decoder| decoder.decode(data, options, out))
}

/// Decodes many JPEGs on up to `threads` threads; results in order.
#[must_use]
pub fn decode_many<D>(
    data: Vec<D>,
    options: &Options,
    limit: Option<u64>,
    threads: usize,
) -> Vec<Result<Picture, ImageFailure>>
where
    D: AsRef<[u8]> + Send + Sync + 'static,
{
    let (count, options) = (data.len(), options.clone());
    flatten(pool::run(threads, count, move |index| decode(data[index].as_ref(), &options, limit)))
}

pub(crate) fn flatten<T>(
    results: Vec<Result<Result<T, ImageFailure>, Panicked>>,
) -> Vec<Result<T, ImageFailure>> {
    results.into_iter().map(|result| result.unwrap_or_else(|panic| Err(panic.into()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_and_the_next_picture_is_decoded() {
        let panics = with_decoder(|_| -> Result<(), JpegError> { panic!("on purpose") });
        assert!(matches!(panics, Err(ImageFailure::Bug(message)) if message == "on purpose"));
        let next = with_decoder(|decoder| decoder.decode(b"", &Options::default(), &mut []));
        assert!(matches!(next, Err(ImageFailure::Jpeg(JpegError::Empty))));
    }
}
