//! What kind of file it is, by its first bytes. Finds no records.

use std::path::Path;

use textbook_simd::Level;

use super::CHUNK;
use super::scan::{Gap, State, scan};
use crate::error::{Error, Result};
use crate::source::Source;

/// How the records lie in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Elements of one array.
    Array,
    /// One on each line.
    Lines,
}

/// A layout, and the byte where the JSON begins.
pub(super) struct Detected {
    pub layout: Layout,
    pub start: u64,
    /// The whole text is one object, which is one record.
    pub is_single: bool,
}

/// So much of a text is looked at to name what it is: a header of tar.
const HEAD: u64 = 512;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

/// Tells an array from JSON Lines, and what is neither by its name.
pub(super) fn detect(source: &Source, level: Level) -> Result<Detected> {
    let error = |offset, reason: String| {
        Err(Error::Format { path: source.path().to_owned(), offset, reason })
    };
    let (start, first) = match first_byte(source)? {
        Some(found) => found,
        None if source.size() == 0 => return error(0, "the file is empty".to_owned()),
        None => return error(source.size(), "the file holds only white space".to_owned()),
    };
    let array = Detected { layout: Layout::Array, start, is_single: false };
    match first {
        b'[' => Ok(array),
        b'{' => object(source, level, start),
        _ => {
            let what = source
                .with_range(start..source.size().min(start + HEAD), |head| Ok(name_of(head)))?;
            error(start, format!("a JSON array of samples begins with '[', but {what}"))
        }
    }
}

/// The first byte that is no white space, and where it is.
fn first_byte(source: &Source) -> Result<Option<(u64, u8)>> {
    let head = source.with_range(0..source.size().min(3), |head| Ok(head.to_vec()))?;
    let mut at = if head == BYTE_ORDER_MARK { 3 } else { 0 };
    while at < source.size() {
        let end = source.size().min(at + CHUNK);
        let found = source.with_range(at..end, |bytes| {
            Ok(bytes.iter().position(|&byte| !is_space(byte)).map(|k| (k as u64, bytes[k])))
        })?;
        if let Some((k, byte)) = found {
            return Ok(Some((at + k, byte)));
        }
        at = end;
    }
    Ok(None)
}

/// A text that begins with an object: JSON Lines, or a single object.
fn object(source: &Source, level: Level, start: u64) -> Result<Detected> {
    let is_named = has_lines_name(source.name());
    let detected = |is_single| Ok(Detected { layout: Layout::Lines, start, is_single });
    let end = end_of_object(source, level, start)?;
    let line = match end {
        Some(end) => source.with_range(start..end, |bytes| Ok(memchr::memchr(b'\n', bytes)))?,
        None => None,
    };
    let Some(end) = end else {
        // Cut, or broken: on its line where lines are what is promised.
        return if is_named { detected(false) } else { refuse_object(source, start) };
    };
    let is_alone = rest_is_blank(source, end)?;
    match (is_alone, line.is_some()) {
        (true, _) if is_named => detected(true),
        (true, _) | (false, true) => {
            if is_named {
                detected(false)
            } else {
                refuse_object(source, start)
            }
        }
        (false, false) => detected(false),
    }
}

fn refuse_object(source: &Source, start: u64) -> Result<Detected> {
    Err(Error::Format {
        path: source.path().to_owned(),
        offset: start,
        reason: "the file is a JSON object, not an array of samples; a file whose name ends in \
                 .jsonl may hold one object on each line"
            .to_owned(),
    })
}

fn has_lines_name(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or("");
    ["jsonl", "ndjson"].iter().any(|name| extension.eq_ignore_ascii_case(name))
}

/// The byte after the object that begins at `start`.
fn end_of_object(source: &Source, level: Level, start: u64) -> Result<Option<u64>> {
    let mut state = State::BEFORE_RECORD;
    let mut at = start;
    while at < source.size() {
        let end = source.size().min(at + CHUNK);
        let is_broken = source.with_range(at..end, |bytes| {
            Ok(scan(level, bytes, at, &mut state, &mut Vec::new()).is_err())
        })?;
        // What comes after the object is a fault of an array, and no matter here.
        if state.last_end > 0 {
            return Ok(Some(state.last_end));
        }
        if is_broken {
            return Ok(None);
        }
        at = end;
    }
    Ok((state.gap == Gap::AfterRecord).then_some(state.last_end))
}

fn rest_is_blank(source: &Source, mut at: u64) -> Result<bool> {
    while at < source.size() {
        let end = source.size().min(at + CHUNK);
        if !source.with_range(at..end, |bytes| Ok(bytes.iter().all(|&byte| is_space(byte))))? {
            return Ok(false);
        }
        at = end;
    }
    Ok(true)
}

/// What a text that is no array seems to be.
pub(super) fn name_of(head: &[u8]) -> String {
    let by_magic = [
        (&b"\x1f\x8b"[..], "this is gzip: unpack it first"),
        (b"PK\x03\x04", "this is a zip archive: unpack it first"),
        (b"\x28\xb5\x2f\xfd", "this is zstd: unpack it first"),
        (b"\xff\xd8\xff", "this is a JPEG image"),
        (b"\x89PNG", "this is a PNG image"),
        (b"\xff\xfe", "this is UTF-16: JSON is UTF-8"),
        (b"\xfe\xff", "this is UTF-16: JSON is UTF-8"),
        (b"<", "this is HTML or XML, perhaps the page of an error instead of the download"),
        (b"version ", "this is a pointer of Git LFS: fetch the file itself"),
        (b"\"", "this is a JSON string"),
        (b"PAR1", "this is Parquet"),
        (b"ARROW1", "this is Arrow"),
    ];
    for (magic, name) in by_magic {
        if head.starts_with(magic) {
            return name.to_owned();
        }
    }
    if head.get(257..262) == Some(b"ustar") {
        return "this is a tar archive: give it as images= or --images; \
                a plain tar needs no index to be made before"
            .to_owned();
    }
    format!("this begins with '{}'", head[..head.len().min(8)].escape_ascii())
}
