//! From marker to marker (ITU-T T.81 annex B.1.1). Knows their places, not their meaning.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::JpegError;

pub(crate) const SOI: u8 = 0xd8;
pub(crate) const EOI: u8 = 0xd9;
pub(crate) const SOS: u8 = 0xda;
pub(crate) const DRI: u8 = 0xdd;
pub(crate) const COM: u8 = 0xfe;
pub(crate) const DQT: u8 = 0xdb;
pub(crate) const DHT: u8 = 0xc4;
/// Of arithmetic coding; means nothing to Huffman coding.
pub(crate) const DAC: u8 = 0xcc;
/// The frame header of JPEG-LS (ITU-T T.87).
pub(crate) const SOF_JPEG_LS: u8 = 0xf7;
pub(crate) const APP0: u8 = 0xe0;
pub(crate) const APP1: u8 = 0xe1;
pub(crate) const APP14: u8 = 0xee;

/// A marker and the segment that belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment<'a> {
    pub marker: u8,
    /// Where the marker's code is; the byte before it is FF.
    pub offset: usize,
    /// The segment without its length; empty for markers that stand alone.
    pub body: &'a [u8],
}

/// Whether a marker has no segment: TEM, RST0 to RST7, SOI, EOI.
fn stands_alone(marker: u8) -> bool {
    matches!(marker, 0x01 | 0xd0..=0xd9)
}

/// Whether a marker is reserved, or of the format's extensions (T.81 table B.1): JPG,
/// DHP, EXP, JPG0 to JPG13. What follows it means something that is not known here.
fn is_reserved(marker: u8) -> bool {
    matches!(marker, 0x02..=0xbf | 0xc8 | 0xde | 0xdf | 0xf0..=0xfd)
}

/// The next marker at or after `at`, with its segment, and the byte after that. Bytes
/// before the marker (fill bytes, junk, stuffed coded data) are passed over.
pub(crate) fn next_segment(data: &[u8], at: usize) -> Result<(Segment<'_>, usize), JpegError> {
    let cut = |inside| JpegError::Truncated { offset: data.len(), inside };
    let mut at = at;
    let (marker, offset) = loop {
        let rest = data.get(at..).unwrap_or_default();
        let ff = memchr::memchr(0xff, rest).ok_or_else(|| cut("before its end marker (EOI)"))?;
        let offset = at.saturating_add(ff).saturating_add(1);
        match data.get(offset) {
            None => return Err(cut("before its end marker (EOI)")),
            // Stuffing, and a fill byte: the next FF may be the marker's.
            Some(0x00) => at = offset.saturating_add(1),
            Some(0xff) => at = offset,
            Some(&marker) => break (marker, offset),
        }
    };
    if marker == SOF_JPEG_LS {
        return Err(JpegError::Unsupported { offset, coding: "JPEG-LS".to_owned() });
    }
    if is_reserved(marker) {
        let reason = "its code is reserved: broken data, or an extension of JPEG";
        return Err(JpegError::BadSegment { offset, segment: "marker", reason });
    }
    let start = offset.saturating_add(1);
    if stands_alone(marker) {
        return Ok((Segment { marker, offset, body: &[] }, start));
    }
    let rest = data.get(start..).unwrap_or_default();
    let length = rest.first_chunk::<2>().ok_or_else(|| cut("inside a segment's length"))?;
    let length = usize::from(u16::from_be_bytes(*length));
    if length < 2 {
        let reason = "its length is less than 2";
        return Err(JpegError::BadSegment { offset, segment: "marker", reason });
    }
    let body = rest.get(2..length).ok_or_else(|| cut("inside a segment"))?;
    Ok((Segment { marker, offset, body }, start.saturating_add(length)))
}
