//! JPEG bytes to pixels. Knows no files, no datasets and no threads.
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};

#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct JpegError(String);
impl JpegError {
    pub fn kind(&self) -> &'static str {
        "jpeg"
    }
    pub fn offset(&self) -> Option<usize> {
        None
    }
}
pub struct Header {
    pub width: u32,
    pub height: u32,
}
fn opts() -> DecoderOptions {
    DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(65535)
        .set_max_height(65535)
        .jpeg_set_out_colorspace(ColorSpace::RGB)
}
pub fn read_header(data: &[u8]) -> Result<Header, JpegError> {
    let mut d = JpegDecoder::new_with_options(ZCursor::new(data), opts());
    d.decode_headers().map_err(|e| JpegError(format!("{e:?}")))?;
    let i = d.info().ok_or(JpegError("no info".into()))?;
    Ok(Header { width: u32::from(i.width), height: u32::from(i.height) })
}
#[derive(Default)]
pub struct Decoder;
impl Decoder {
    pub fn new() -> Self {
        Decoder
    }
    pub fn decode_rgb(&mut self, data: &[u8], out: &mut [u8]) -> Result<(), JpegError> {
        let mut d = JpegDecoder::new_with_options(ZCursor::new(data), opts());
        d.decode_into(out).map_err(|e| JpegError(format!("{e:?}")))
    }
}
