//! Strings of JSON: where they end, and what their escapes mean.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::borrow::Cow;

use textbook_simd::Level;

use super::Fault;
use crate::structure::{self, Algorithm, Kernel, block_at};

/// A string as it stands in the JSON, without its quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text<'a> {
    pub(super) raw: &'a [u8],
    /// Where `raw` begins in the record.
    pub(super) offset: usize,
    pub(super) has_escapes: bool,
}

impl<'a> Text<'a> {
    /// Its bytes with the escapes resolved: UTF-8 where the record's bytes were, but
    /// for lone surrogates (`\ud800`), which come as the three bytes that UTF-8 would
    /// have for them ("WTF-8").
    pub fn bytes(&self) -> crate::Result<Cow<'a, [u8]>> {
        if !self.has_escapes {
            return Ok(Cow::Borrowed(self.raw));
        }
        Ok(Cow::Owned(unescape(self.raw, self.offset)?))
    }

    /// Its bytes, if it has no escapes.
    #[must_use]
    pub fn plain(&self) -> Option<&'a [u8]> {
        (!self.has_escapes).then_some(self.raw)
    }

    /// Its bytes as they stand in the JSON, escapes and all.
    #[must_use]
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Where its first byte lies in the record.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }
}

/// Reads the string whose opening quote is at `at`, and says where it ends.
pub(super) fn read_text(level: Level, bytes: &[u8], at: usize) -> Result<(Text<'_>, usize), Fault> {
    let start = at.saturating_add(1);
    let (end, has_escapes) = structure::run(level, FindEnd { bytes, at: start })?;
    let raw = bytes.get(start..end).unwrap_or_default();
    Ok((Text { raw, offset: start, has_escapes }, end.saturating_add(1)))
}

/// Finds the closing quote from inside of a string.
struct FindEnd<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Algorithm for FindEnd<'_> {
    type Output = Result<(usize, bool), Fault>;

    #[inline(always)]
    fn run<K: Kernel>(self, kernel: K) -> Self::Output {
        let FindEnd { bytes, mut at } = self;
        let mut has_escapes = false;
        let mut padded = [0; 64];
        while at < bytes.len() {
            let (block, length) = block_at(bytes, at, &mut padded);
            let stops = kernel.stops(block);
            if stops == 0 {
                at = at.saturating_add(length);
                continue;
            }
            at = at.saturating_add(stops.trailing_zeros() as usize);
            match bytes.get(at) {
                Some(b'"') => return Ok((at, has_escapes)),
                Some(b'\\') => {
                    has_escapes = true;
                    at = at.saturating_add(2);
                }
                Some(byte) => {
                    return Err(Fault::new(
                        at,
                        format!(
                            "a string holds the control character U+{byte:04X}, which has to \
                                 be escaped in JSON"
                        ),
                    ));
                }
                None => break,
            }
        }
        Err(Fault::new(bytes.len(), "the record ends inside a string"))
    }
}

/// Resolves the escapes of a string that lies at `offset` of its record.
fn unescape(raw: &[u8], offset: usize) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(plain) = memchr::memchr(b'\\', rest) {
        let (before, escape) = rest.split_at_checked(plain).unwrap_or((rest, &[]));
        out.extend_from_slice(before);
        let at = offset.saturating_add(raw.len().saturating_sub(escape.len()));
        let unknown = || Fault::new(at, "a string holds a backslash that begins no JSON escape");
        let (byte, length) = match escape.get(1).ok_or_else(unknown)? {
            b'"' => (b'"', 2),
            b'\\' => (b'\\', 2),
            b'/' => (b'/', 2),
            b'b' => (8, 2),
            b'f' => (12, 2),
            b'n' => (b'\n', 2),
            b'r' => (b'\r', 2),
            b't' => (b'\t', 2),
            b'u' => (0, push_code_point(escape, &mut out).ok_or_else(unknown)?),
            _ => return Err(unknown()),
        };
        if length == 2 {
            out.push(byte);
        }
        rest = escape.get(length..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    Ok(out)
}

/// Appends what `\uXXXX`, or a pair of them, means, and gives the escape's length.
fn push_code_point(escape: &[u8], out: &mut Vec<u8>) -> Option<usize> {
    let first = unit(escape)?;
    if let (0xd800..=0xdbff, Some(second @ 0xdc00..=0xdfff)) =
        (first, escape.get(6..).and_then(unit))
    {
        let high = u32::from(first & 0x3ff);
        let low = u32::from(second & 0x3ff);
        let code = char::from_u32((high << 10 | low).saturating_add(0x1_0000))?;
        out.extend_from_slice(code.encode_utf8(&mut [0; 4]).as_bytes());
        return Some(12);
    }
    if let Some(code) = char::from_u32(u32::from(first)) {
        out.extend_from_slice(code.encode_utf8(&mut [0; 4]).as_bytes());
    } else {
        // A lone surrogate, in the three bytes that its number has in UTF-8.
        let [high, low] = first.to_be_bytes();
        out.push(0xe0 | high >> 4);
        out.push(0x80 | (high & 0x0f) << 2 | low >> 6);
        out.push(0x80 | low & 0x3f);
    }
    Some(6)
}

/// The number of the escape `\uXXXX` that `escape` begins with.
fn unit(escape: &[u8]) -> Option<u16> {
    let digits = escape.strip_prefix(b"\\u")?.first_chunk::<4>()?;
    digits.iter().try_fold(0u16, |value, &digit| {
        let digit = u16::try_from(char::from(digit).to_digit(16)?).ok()?;
        Some(value << 4 | digit)
    })
}
