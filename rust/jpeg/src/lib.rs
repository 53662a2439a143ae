//! JPEG bytes to pixels. Knows no files, no datasets and no threads.
//!
//! [`read_header`] walks the markers itself and names what it finds. [`Decoder`] is the
//! one function behind which the decoding lies. For now a kept crate (zune-jpeg, in its
//! strict mode) does it; its pixels differ from libjpeg-turbo's by the rounding of
//! chroma upsampling and color conversion, by the tolerance that `tests/test_jpeg.py`
//! states.

mod error;
mod header;
mod markers;
mod orientation;
#[cfg(test)]
mod tests;

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

pub use error::JpegError;
pub use header::{Component, Header, read_header};

/// The largest width and height that the format has.
const MAX_SIDE: usize = 65_535;

/// Decodes pictures one after another. Holds no pixels of them.
#[derive(Debug, Default)]
pub struct Decoder(());

impl Decoder {
    /// A decoder.
    #[must_use]
    pub fn new() -> Decoder {
        Decoder::default()
    }

    /// Decodes to RGB, 8 bit, rows from top to bottom without gaps. `out` has to have
    /// `height * width * 3` bytes. After an error its content is unspecified.
    ///
    /// A picture that is cut anywhere, its last two bytes (EOI) included, is an error.
    pub fn decode_rgb(&mut self, data: &[u8], out: &mut [u8]) -> Result<(), JpegError> {
        let header = read_header(data)?;
        let expected = header.width as usize * header.height as usize * 3;
        if out.len() != expected {
            return Err(JpegError::WrongLength { expected, found: out.len() });
        }
        markers::check_end(data, header.scan_offset)?;
        let options = DecoderOptions::default()
            .set_strict_mode(true)
            .set_max_width(MAX_SIDE)
            .set_max_height(MAX_SIDE)
            .jpeg_set_out_colorspace(ColorSpace::RGB);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(data), options);
        let corrupt = |reason| JpegError::Corrupt { offset: header.scan_offset, reason };
        decoder.decode_headers().map_err(|error| corrupt(error.to_string()))?;
        match decoder.output_buffer_size() {
            Some(size) if size == expected => {}
            size => return Err(corrupt(format!("{size:?} bytes instead of {expected}"))),
        }
        decoder.decode_into(out).map_err(|error| corrupt(error.to_string()))
    }
}
