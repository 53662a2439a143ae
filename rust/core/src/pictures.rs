//! What is shown and told of images: thumbnails, sizes, how alike a sample's images are.
//! Opens no files itself.

use std::sync::Arc;

use jpeg_encoder::{ColorType, Encoder};
use textbook_jpeg::{Color, Options, Scale};

use crate::area;
use crate::decode::{self, ImageFailure, Picture};
use crate::pool;
use crate::prepare::read_many;
use crate::similarity::{self, Gray, WINDOW};
use crate::store::{Reads, StoreError, Stores};

/// Good enough to read a slide's title.
const THUMBNAIL_QUALITY: u8 = 80;

/// An image as it lies in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// Bytes of the file.
    pub bytes: usize,
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// A small JPEG of an encoded picture, no wider and no higher than asked, its proportions
/// kept. Where the file is much larger, most of it is never transformed.
pub fn thumbnail(
    data: &[u8],
    most: (usize, usize),
    limit: Option<u64>,
) -> Result<Vec<u8>, ImageFailure> {
    let header = textbook_jpeg::read_header(data)?;
    let whole = (header.width as usize, header.height as usize);
    let to = fit(whole, (most.0.clamp(1, 4096), most.1.clamp(1, 4096)));
    let is_enough = |scale: &Scale| {
        let size = Options { scale: *scale, ..Options::default() }.size(&header);
        size.width >= to.0 && size.height >= to.1
    };
    let scales = [Scale::Eighth, Scale::Quarter, Scale::Half];
    let scale = scales.into_iter().find(is_enough).unwrap_or_default();
    let picture = decode::decode(data, &Options { scale, ..Options::default() }, limit)?;
    let size = (picture.size.width, picture.size.height);
    let resized = (size != to).then(|| area::resize(&picture.pixels, 3, size, to));
    let pixels = resized.as_deref().unwrap_or(&picture.pixels);
    let mut out = Vec::new();
    let sides = (u16::try_from(to.0).unwrap_or(1), u16::try_from(to.1).unwrap_or(1));
    // Into memory, of as many pixels as it is told: it cannot fail.
    let _ =
        Encoder::new(&mut out, THUMBNAIL_QUALITY).encode(pixels, sides.0, sides.1, ColorType::Rgb);
    Ok(out)
}

/// The size of `size` made smaller, so that it fits into `limit`.
fn fit(size: (usize, usize), limit: (usize, usize)) -> (usize, usize) {
    if size.0 <= limit.0 && size.1 <= limit.1 {
        return size;
    }
    if size.0 * limit.1 >= size.1 * limit.0 {
        (limit.0, (size.1 * limit.0 / size.0).max(1))
    } else {
        ((size.0 * limit.1 / size.1).max(1), limit.1)
    }
}

/// Bytes, width and height of images, on up to `threads` threads; results in order.
#[must_use]
pub fn measure_many(
    store: &Arc<Stores>,
    paths: Vec<String>,
    threads: usize,
) -> Vec<Result<Measured, ImageFailure>> {
    read_many(store, paths, threads, |encoded| {
        let header = textbook_jpeg::read_header(encoded)?;
        let (width, height) = (header.width, header.height);
        Ok(Measured { bytes: encoded.len(), width, height })
    })
}

/// Why a sample's images cannot be compared: which one, and what is wrong with it.
pub type Incomparable = (usize, ImageFailure);

/// The mean SSIM of all pairs of each sample's images, on up to `threads` threads; results
/// in order. Each image is decoded once.
#[must_use]
pub fn similarities(
    store: &Arc<Stores>,
    samples: Vec<Vec<String>>,
    limit: Option<u64>,
    threads: usize,
) -> Vec<Result<f64, Incomparable>> {
    let store = Arc::clone(store);
    let count = samples.len();
    let compare = move |index: usize| {
        let reads = Reads::new(&store, samples[index].clone());
        let load = |number| load_gray(&reads, number, limit).map_err(|failure| (number, failure));
        let pictures = (0..reads.len()).map(load);
        let pictures = pictures.collect::<Result<Vec<Gray>, Incomparable>>()?;
        Ok(similarity::of_all_pairs(&pictures).unwrap_or(f64::NAN))
    };
    let results = pool::run(threads, count, compare);
    results
        .into_iter()
        .map(|result| result.unwrap_or_else(|panic| Err((0, panic.into()))))
        .collect()
}

fn load_gray(reads: &Reads, number: usize, limit: Option<u64>) -> Result<Gray, ImageFailure> {
    let mut encoded = Vec::new();
    reads.read(number, &mut encoded)?;
    let options = Options { color: Color::Gray, ..Options::default() };
    let Picture { size, pixels, .. } = decode::decode(&encoded, &options, limit)?;
    Gray::new(size.width, size.height, pixels.to_vec()).ok_or_else(|| {
        StoreError::Unreadable {
            place: reads.path(number).to_owned(),
            reason: format!(
                "it has {} x {} pixels, fewer than a window of {WINDOW} x {WINDOW}",
                size.width, size.height
            ),
        }
        .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbnails_keep_their_proportions() {
        for (size, most, expected) in [
            ((1280, 720), (320, 320), (320, 180)),
            ((720, 1280), (320, 320), (180, 320)),
            ((1278, 720), (300, 300), (300, 169)),
            ((100, 50), (320, 320), (100, 50)),
            ((5000, 1), (320, 320), (320, 1)),
        ] {
            assert_eq!(fit(size, most), expected);
            let sides = (u16::try_from(size.0), u16::try_from(size.1));
            let (Ok(width), Ok(height)) = sides else { panic!("small pictures") };
            let mut jpeg = Vec::new();
            let pixels = vec![200; size.0 * size.1 * 3];
            Encoder::new(&mut jpeg, 90)
                .encode(&pixels, width, height, ColorType::Rgb)
                .expect("a JPEG");
            let thumbnail = thumbnail(&jpeg, most, None).expect("a thumbnail");
            let decoded = decode::decode(&thumbnail, &Options::default(), None).expect("a JPEG");
            assert_eq!((decoded.size.width, decoded.size.height), expected);
            assert!(decoded.pixels.iter().all(|&value| value.abs_diff(200) < 4));
        }
        assert!(thumbnail(b"no JPEG", (320, 320), None).is_err());
    }
}
