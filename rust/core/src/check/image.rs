//! The bytes of an image: whether they are a whole JPEG.

use textbook_jpeg::{Options, read_header};

use crate::decode;

/// How closely images are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Their headers, and whether their end is there.
    Header,
    /// Every image is decoded.
    Pixels,
}

/// Width and height; or the kind of what is wrong, and words for it.
pub(super) fn check(
    bytes: &[u8],
    depth: Depth,
    limit: Option<u64>,
) -> Result<(u32, u32), (&'static str, String)> {
    if !bytes.starts_with(b"\xff\xd8") {
        return Err(("not_jpeg", format!("no JPEG: {}", looks_like(bytes))));
    }
    let header = read_header(bytes).map_err(|error| (error.kind(), error.to_string()))?;
    // The end-of-image marker (T.81 B.1.1.3); writers may put something after it.
    if memchr::memmem::rfind(bytes, b"\xff\xd9").is_none() {
        let reason = format!("cut: no end-of-image marker in its {} bytes", bytes.len());
        return Err(("truncated", reason));
    }
    let (width, height) = (header.width, header.height);
    let pixels = u64::from(width) * u64::from(height);
    if let Some(limit) = limit.filter(|&limit| pixels > limit) {
        let reason = format!("{width} x {height} pixels, more than the limit of {limit}");
        return Err(("too_many_pixels", reason));
    }
    if depth == Depth::Pixels {
        let decoded = decode::decode(bytes, &Options::default(), limit);
        decoded.map_err(|failure| (failure.kind(), failure.to_string()))?;
    }
    Ok((width, height))
}

fn looks_like(bytes: &[u8]) -> &'static str {
    match bytes {
        [] => "it is empty",
        _ if bytes.starts_with(b"\x89PNG\r\n\x1a\n") => "a PNG",
        _ if bytes.starts_with(b"GIF8") => "a GIF",
        _ if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") => "a WebP",
        _ if bytes.iter().all(|&byte| byte == 0) => "nothing but zeros",
        _ if bytes.trim_ascii_start().starts_with(b"<") => "a web page or other markup",
        _ if bytes.starts_with(b"version https://git-lfs") => "a Git LFS pointer, not the file",
        _ => "other data",
    }
}
