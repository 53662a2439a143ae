//! The frame header and what else can be said without decoding (T.81 annex B.2).
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::JpegError;
use crate::markers::{APP0, APP1, APP14, COM, DAC, DHT, DRI, EOI, SOI, SOS, Segment, next_segment};
use crate::orientation::read_orientation;

/// A component of the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Component {
    /// Its identifier.
    pub id: u8,
    /// Its horizontal sampling factor, 1 to 4.
    pub horizontal: u8,
    /// Its vertical sampling factor, 1 to 4.
    pub vertical: u8,
    /// Which of the four quantization tables it uses.
    pub quantization_table: u8,
}

/// What the components mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColorSpace {
    /// One component.
    Gray,
    /// Luma and two chroma components (JFIF).
    YCbCr,
    /// As it is.
    Rgb,
    /// Ink.
    Cmyk,
    /// CMYK whose first three components are stored as YCbCr.
    Ycck,
}

/// What a JPEG says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// 1 (gray), 3 (YCbCr or RGB) or 4 (CMYK or YCCK) components.
    pub components: Vec<Component>,
    /// Whether it is coded in several scans, each adding detail.
    pub is_progressive: bool,
    /// MCUs between restart markers, 0 for none.
    pub restart_interval: u16,
    /// The EXIF orientation, 1 to 8.
    pub orientation: Option<u8>,
    /// The first comment.
    pub comment: Option<Vec<u8>>,
    /// The transform of an Adobe marker: 0 none, 1 YCbCr, 2 YCCK.
    pub adobe_transform: Option<u8>,
    /// Whether there is a JFIF marker.
    pub has_jfif: bool,
    /// Where the frame header's marker is.
    pub frame_offset: usize,
    /// Where the first scan's marker is.
    pub scan_offset: usize,
}

impl Header {
    /// What the components mean, by the rules of libjpeg: a JFIF marker, an Adobe marker,
    /// the components' identifiers, in this order.
    #[must_use]
    pub fn color_space(&self) -> ColorSpace {
        let ids: Vec<u8> = self.components.iter().map(|component| component.id).collect();
        match (ids.as_slice(), self.adobe_transform) {
            ([_], _) => ColorSpace::Gray,
            ([_, _, _], Some(0)) | (b"RGB", None) if !self.has_jfif => ColorSpace::Rgb,
            ([_, _, _], _) => ColorSpace::YCbCr,
            (_, None | Some(0)) => ColorSpace::Cmyk,
            _ => ColorSpace::Ycck,
        }
    }
}

/// Reads everything before the first scan.
pub fn read_header(data: &[u8]) -> Result<Header, JpegError> {
    check_magic(data)?;
    let mut frame: Option<Header> = None;
    let (mut restart_interval, mut orientation) = (0, None);
    let (mut comment, mut adobe_transform, mut has_jfif) = (None, None, false);
    let mut at = 2;
    loop {
        let (segment, next) = next_segment(data, at)?;
        let Segment { marker, offset, body } = segment;
        match marker {
            SOS => {
                let Some(frame) = frame else {
                    return Err(bad(offset, "SOS", "a scan comes before the frame header"));
                };
                return Ok(Header {
                    restart_interval,
                    orientation,
                    comment,
                    adobe_transform,
                    has_jfif,
                    scan_offset: offset,
                    ..frame
                });
            }
            EOI => return Err(bad(offset, "EOI", "the picture ends before its first scan")),
            SOI => return Err(bad(offset, "SOI", "a picture begins inside of this one")),
            DRI => {
                let interval = body.first_chunk::<2>().filter(|_| body.len() == 2);
                let interval = interval.ok_or_else(|| bad(offset, "DRI", "it has 2 bytes"))?;
                restart_interval = u16::from_be_bytes(*interval);
            }
            COM if comment.is_none() => comment = Some(body.to_vec()),
            APP0 if body.starts_with(b"JFIF\0") && body.len() >= 14 => has_jfif = true,
            APP1 if orientation.is_none() => orientation = read_orientation(body),
            APP14 if body.starts_with(b"Adobe") && body.len() >= 12 => {
                adobe_transform = body.get(11).copied();
            }
            // DHT and DAC lie among the frame headers' codes.
            0xc0..=0xcf if !matches!(marker, DHT | DAC) => {
                if frame.is_some() {
                    return Err(bad(offset, "SOF", "there is a second frame header"));
                }
                frame = Some(read_frame(marker, offset, body)?);
            }
            _ => {}
        }
        at = next;
    }
}

fn bad(offset: usize, segment: &'static str, reason: &'static str) -> JpegError {
    JpegError::BadSegment { offset, segment, reason }
}

fn read_frame(marker: u8, offset: usize, body: &[u8]) -> Result<Header, JpegError> {
    let unsupported = |coding: String| Err(JpegError::Unsupported { offset, coding });
    let is_progressive = match marker {
        0xc0 | 0xc1 => false,
        0xc2 => true,
        0xc3 => return unsupported("lossless coding".to_owned()),
        0xc5..=0xc7 | 0xcd..=0xcf => return unsupported("hierarchical coding".to_owned()),
        _ => return unsupported("arithmetic coding".to_owned()),
    };
    let short = || bad(offset, "SOF", "it is too short");
    let &[precision, h1, h0, w1, w0, count] = body.first_chunk::<6>().ok_or_else(short)?;
    if precision != 8 {
        return unsupported(format!("{precision}-bit precision"));
    }
    let (height, width) = (u16::from_be_bytes([h1, h0]), u16::from_be_bytes([w1, w0]));
    if width == 0 {
        return Err(bad(offset, "SOF", "the width is 0"));
    }
    if height == 0 {
        return unsupported("a height that comes after the scan (DNL)".to_owned());
    }
    if !matches!(count, 1 | 3 | 4) {
        return unsupported(format!("a frame of {count} components"));
    }
    let described = body.get(6..).unwrap_or_default();
    let (described, rest) = described.as_chunks::<3>();
    if described.len() != usize::from(count) || !rest.is_empty() {
        return Err(bad(offset, "SOF", "its length does not fit its number of components"));
    }
    let mut components = Vec::with_capacity(described.len());
    for &[id, factors, quantization_table] in described {
        let (horizontal, vertical) = (factors >> 4, factors & 0x0f);
        let component = Component { id, horizontal, vertical, quantization_table };
        let is_factor = |factor| (1..=4).contains(&factor);
        if !is_factor(component.horizontal) || !is_factor(component.vertical) {
            return Err(bad(offset, "SOF", "a sampling factor is not 1 to 4"));
        }
        components.push(component);
    }
    Ok(Header {
        width: width.into(),
        height: height.into(),
        components,
        is_progressive,
        restart_interval: 0,
        orientation: None,
        comment: None,
        adobe_transform: None,
        has_jfif: false,
        frame_offset: offset,
        scan_offset: 0,
    })
}

/// Makes sure that it begins as a JPEG does, and names what it is if not.
fn check_magic(data: &[u8]) -> Result<(), JpegError> {
    if data.is_empty() {
        return Err(JpegError::Empty);
    }
    if data.starts_with(&[0xff, SOI]) {
        return Ok(());
    }
    if data == [0xff] {
        return Err(JpegError::Truncated { offset: 1, inside: "inside its first marker (SOI)" });
    }
    let is_webp = data.starts_with(b"RIFF") && data.get(8..12) == Some(b"WEBP");
    let is_avif = data.get(4..12).is_some_and(|kind| kind == b"ftypavif" || kind == b"ftypheic");
    let magics: [(&[u8], &str); 11] = [
        (b"\x89PNG\r\n\x1a\n", "this is a PNG image"),
        (b"GIF8", "this is a GIF image"),
        (b"BM", "this is a BMP image"),
        (b"II*\0", "this is a TIFF image"),
        (b"MM\0*", "this is a TIFF image"),
        (b"\0\0\0\x0cjP  ", "this is a JPEG 2000 image"),
        (b"\xff\x0a", "this is a JPEG XL image"),
        (b"<", "this is HTML or XML, perhaps the page of an error instead of the image"),
        (b"version ", "this is a pointer of Git LFS: fetch the file itself"),
        (b"\x1f\x8b", "this is gzip"),
        (b"PK\x03\x04", "this is a zip archive"),
    ];
    let by_magic = magics.iter().find(|(magic, _)| data.starts_with(magic));
    let found = match (is_webp, is_avif, by_magic) {
        (true, ..) => "this is a WebP image".to_owned(),
        (_, true, _) => "this is an AVIF or HEIC image".to_owned(),
        (.., Some((_, name))) => (*name).to_owned(),
        _ => {
            let head = data.get(..data.len().min(8)).unwrap_or_default();
            format!("it begins with '{}' and not with FF D8", head.escape_ascii())
        }
    };
    Err(JpegError::NotJpeg { found })
}
