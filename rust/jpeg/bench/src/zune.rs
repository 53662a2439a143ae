//! zune-jpeg with its defaults, to RGB.

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;

/// Decodes to RGB. Its pixels differ a little from libjpeg-turbo's.
pub fn decode(data: &[u8], out: &mut [u8]) {
    JpegDecoder::new(ZCursor::new(data)).decode_into(out).expect("zune-jpeg decodes it");
}
