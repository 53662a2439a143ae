//! Encoded bytes, or pixels, to what a model takes: the decoder hands its rows to a
//! transform while they are in the cache. Opens no files.

use std::sync::Arc;

use textbook_jpeg::{Damage, Header, JpegError, Options, Scale};

use crate::buffers::Buffer;
use crate::decode::{self, ENCODED, ImageFailure, Picture, flatten};
use crate::pool;
use crate::store::{Reads, Stores};
use crate::transform::{Shape, Size, Transform, TransformError, oriented, oriented_size};

/// A transformed picture.
#[derive(Debug)]
pub struct Prepared {
    /// Its size in pixels.
    pub size: Size,
    /// What the transform's layout makes of it.
    pub bytes: Buffer,
    /// What is broken, where it was made of broken data all the same.
    pub damage: Option<JpegError>,
}

/// What is known of a JPEG before it is decoded.
#[derive(Debug)]
pub struct Preview {
    header: Header,
    /// What it will be.
    pub shape: Shape,
}

impl Preview {
    /// Reads the header, checks its size and that of the result.
    pub fn of(
        data: &[u8],
        transform: &Transform,
        limit: Option<u64>,
    ) -> Result<Preview, ImageFailure> {
        let header = textbook_jpeg::read_header(data)?;
        let (width, height) = (header.width, header.height);
        match limit {
            Some(limit) if u64::from(width) * u64::from(height) > limit => {
                return Err(ImageFailure::TooManyPixels { width, height, limit });
            }
            _ => {}
        }
        let shape = transform.shape(upright(&header, transform), limit)?;
        Ok(Preview { header, shape })
    }
}

/// The EXIF orientation, where it is to be applied and does something.
fn turn(header: &Header, transform: &Transform) -> Option<u8> {
    header.orientation.filter(|&turn| transform.settings().is_oriented && turn != 1)
}

/// The picture's size, after turning.
fn upright(header: &Header, transform: &Transform) -> Size {
    let size = Size { height: header.height as usize, width: header.width as usize };
    turn(header, transform).map_or(size, |turn| oriented_size(size, turn))
}

/// Decodes and transforms a JPEG.
pub fn prepare(
    data: &[u8],
    transform: &Transform,
    limit: Option<u64>,
    damage: Damage,
) -> Result<Prepared, ImageFailure> {
    let preview = Preview::of(data, transform, limit)?;
    let mut bytes = Buffer::take(preview.shape.bytes);
    let damage = prepare_into(data, &preview, transform, damage, &mut bytes)?;
    Ok(Prepared { size: preview.shape.size, bytes, damage })
}

/// Decodes and transforms a JPEG into memory of the size that its preview says. After an
/// error the content is unspecified. Returns what is broken, where [`Damage::Fill`] made a
/// picture all the same.
pub fn prepare_into(
    data: &[u8],
    preview: &Preview,
    transform: &Transform,
    damage: Damage,
    out: &mut [u8],
) -> Result<Option<JpegError>, ImageFailure> {
    let (expected, found) = (preview.shape.bytes, out.len());
    if expected != found {
        return Err(ImageFailure::WrongLength { expected, found });
    }
    let original = upright(&preview.header, transform);
    let options = Options { scale: scale(original, transform)?, damage, ..Options::default() };
    let decoded = options.size(&preview.header);
    let size = Size { height: decoded.height, width: decoded.width };
    if let Some(turn) = turn(&preview.header, transform) {
        let mut pixels = Buffer::take(decoded.bytes());
        let damage = decode::with_decoder(|decoder| decoder.decode(data, &options, &mut pixels))?;
        let mut turned = Buffer::take(pixels.len());
        oriented(&pixels, size, turn, &mut turned);
        let picture = oriented_size(size, turn);
        return transform.apply(original, picture, out, |push| {
            push(0, &turned);
            Ok(damage)
        });
    }
    // Of broken data that is filled, the decoder hands out all rows once more.
    transform.apply(original, size, out, |push| {
        let mut sink = |first: usize, rows: &[u8]| push(first, rows);
        decode::with_decoder(|decoder| decoder.decode_rows(data, &options, &mut sink))
    })
}

/// How much smaller the decoder may make a picture of this size.
fn scale(original: Size, transform: &Transform) -> Result<Scale, ImageFailure> {
    Ok(match transform.reduction(original)? {
        8 => Scale::Eighth,
        4 => Scale::Quarter,
        2 => Scale::Half,
        _ => Scale::Full,
    })
}

/// Transforms RGB pixels without gaps.
pub fn prepare_pixels(
    pixels: &[u8],
    size: Size,
    transform: &Transform,
    limit: Option<u64>,
) -> Result<Prepared, TransformError> {
    let shape = transform.shape(size, limit)?;
    let mut bytes = Buffer::take(shape.bytes);
    transform.apply::<_, TransformError>(size, size, &mut bytes, |push| {
        push(0, pixels);
        Ok(())
    })?;
    Ok(Prepared { size: shape.size, bytes, damage: None })
}

/// What is to become of images.
#[derive(Debug, Clone, Default)]
pub struct Recipe {
    /// None where the decoded pixels are wanted as they are.
    pub transform: Option<Arc<Transform>>,
    /// The most pixels that an image, or what becomes of it, may have.
    pub limit: Option<u64>,
    /// What is done about an image that is cut or broken.
    pub damage: Damage,
}

/// What became of an image.
#[derive(Debug)]
pub enum Made {
    /// Its pixels.
    Picture(Picture),
    /// What this transform made of them.
    Prepared(Prepared, Arc<Transform>),
}

impl Made {
    /// What is broken, where it was made of broken data all the same.
    pub fn take_damage(&mut self) -> Option<JpegError> {
        match self {
            Made::Picture(picture) => picture.damage.take(),
            Made::Prepared(prepared, _) => prepared.damage.take(),
        }
    }
}

impl Recipe {
    /// Makes of a JPEG what is wanted.
    pub fn make(&self, data: &[u8]) -> Result<Made, ImageFailure> {
        Ok(match &self.transform {
            None => {
                let options = Options { damage: self.damage, ..Options::default() };
                Made::Picture(decode::decode(data, &options, self.limit)?)
            }
            Some(transform) => {
                let prepared = prepare(data, transform, self.limit, self.damage)?;
                Made::Prepared(prepared, Arc::clone(transform))
            }
        })
    }

    /// How many bytes that will have.
    pub fn bytes(&self, data: &[u8]) -> Result<usize, ImageFailure> {
        match &self.transform {
            None => decode::bytes_of_pixels(data, self.limit),
            Some(transform) => Ok(Preview::of(data, transform, self.limit)?.shape.bytes),
        }
    }
}

/// Reads images of the stores and does `make` with the bytes of each, on up to `threads`
/// threads; results in order.
#[must_use]
pub fn read_many<R: Send + 'static>(
    store: &Arc<Stores>,
    paths: Vec<String>,
    threads: usize,
    make: impl Fn(&mut Vec<u8>) -> Result<R, ImageFailure> + Send + Sync + 'static,
) -> Vec<Result<R, ImageFailure>> {
    let reads = Reads::new(store, paths);
    let count = reads.len();
    let read = move |number: usize| {
        ENCODED.with_borrow_mut(|encoded| {
            reads.read(number, encoded)?;
            make(encoded)
        })
    };
    flatten(pool::run(threads, count, read))
}

/// As [`read_many`], and makes of the images what is wanted.
#[must_use]
pub fn load_many(
    store: &Arc<Stores>,
    paths: Vec<String>,
    recipe: &Recipe,
    threads: usize,
) -> Vec<Result<Made, ImageFailure>> {
    let recipe = recipe.clone();
    read_many(store, paths, threads, move |encoded| recipe.make(encoded))
}
