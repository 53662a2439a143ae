//! What the own decoder does not do yet (progressive coding, CMYK, YCCK), by a kept crate
//! in its strict mode. Its pixels are within the tolerance of libjpeg-turbo's that
//! `tests/test_jpeg.py` states, not equal to them.

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::output::Output;
use crate::{Header, JpegError, markers};

/// The largest width and height that the format has.
const MAX_SIDE: usize = 65_535;

/// Decodes to RGB.
pub(crate) fn decode_rgb(
    data: &[u8],
    header: &Header,
    output: &mut Output<'_>,
) -> Result<(), JpegError> {
    let (width, height) = (header.width as usize, header.height as usize);
    let mut all = vec![0; width * height * 3];
    decode(data, header, &mut all)?;
    output.write(0..height, |rows, out| {
        out.copy_from_slice(&all[rows.start * width * 3..rows.end * width * 3]);
    });
    Ok(())
}

fn decode(data: &[u8], header: &Header, out: &mut [u8]) -> Result<(), JpegError> {
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
        Some(size) if size == out.len() => {}
        size => return Err(corrupt(format!("{size:?} bytes instead of {}", out.len()))),
    }
    decoder.decode_into(out).map_err(|error| corrupt(error.to_string()))
}
