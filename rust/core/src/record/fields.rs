//! The one pass over a record: exactly one object, and where each of its values lies.
//!
//! Keys, colons, commas and simple values are read byte by byte; lists and objects,
//! which are nearly all of a record, are passed over by counting brackets 64 bytes
//! at a time. What they hold is checked when it is read.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::ops::Range;

use textbook_simd::Level;

use super::reader::Reader;
use super::text::{Text, read_text};
use super::{Fault, MAX_DEPTH};
use crate::structure::{self, Algorithm, Glance, Kernel, Strings, block_at};

/// A key and its value, as places in the record.
#[derive(Debug)]
pub(super) struct Field {
    key: Range<usize>,
    key_has_escapes: bool,
    pub value: Range<usize>,
}

impl Field {
    pub fn is_named(&self, bytes: &[u8], name: &str) -> bool {
        let raw = bytes.get(self.key.clone()).unwrap_or_default();
        if !self.key_has_escapes {
            return raw == name.as_bytes();
        }
        let key = Text { raw, offset: self.key.start, has_escapes: true };
        key.bytes().is_ok_and(|key| *key == *name.as_bytes())
    }
}

/// Finds all fields of the object that `bytes` have to be.
pub(super) fn find_fields(level: Level, bytes: &[u8]) -> Result<Vec<Field>, Fault> {
    let mut reader = Reader::new(level, bytes);
    reader.skip_space();
    reader.expect(b'{', "a record is a JSON object and begins with '{'")?;
    let mut fields = Vec::with_capacity(8);
    reader.skip_space();
    if !reader.eat(b'}') {
        loop {
            reader.skip_space();
            let key = reader.key()?;
            reader.skip_space();
            reader.expect(b':', "expected ':' after a key")?;
            reader.skip_space();
            let start = reader.offset();
            skip_value(level, bytes, &mut reader)?;
            let value = start..reader.offset();
            let end = key.offset.saturating_add(key.raw.len());
            fields.push(Field { key: key.offset..end, key_has_escapes: key.has_escapes, value });
            reader.skip_space();
            if !reader.eat(b',') {
                break;
            }
        }
        reader.expect(b'}', "expected ',' or '}' after a value")?;
    }
    reader.skip_space();
    reader.expect_end("expected nothing after the record's object")?;
    Ok(fields)
}

pub(super) fn skip_value(level: Level, bytes: &[u8], reader: &mut Reader<'_>) -> Result<(), Fault> {
    match reader.peek() {
        Some(b'{' | b'[') => {
            let at = reader.offset();
            let end = structure::run(level, SkipContainer { bytes, at })?;
            let pair = (bytes.get(at), bytes.get(end.saturating_sub(1)));
            if !matches!(pair, (Some(b'{'), Some(b'}')) | (Some(b'['), Some(b']'))) {
                let reason = "a bracket is closed by one of the other kind";
                return Err(Fault::new(end.saturating_sub(1), reason));
            }
            reader.go_to(end);
            Ok(())
        }
        Some(b'"') => {
            let (_, end) = read_text(level, bytes, reader.offset())?;
            reader.go_to(end);
            Ok(())
        }
        _ => reader.scalar().map(|_| ()),
    }
}

/// Finds the byte after a list or an object.
struct SkipContainer<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Algorithm for SkipContainer<'_> {
    type Output = Result<usize, Fault>;

    #[inline(always)]
    fn run<K: Kernel>(self, kernel: K) -> Self::Output {
        let SkipContainer { bytes, mut at } = self;
        let mut depth = 0usize;
        let mut strings = Strings::default();
        let mut padded = [0; 64];
        let mut is_calm = false;
        while at < bytes.len() {
            if is_calm && let Some(inside) = pass_plain(kernel, bytes, at, strings.inside) {
                strings = Strings { inside, escaped: false };
                at = at.saturating_add(128);
                continue;
            }
            let (block, length) = block_at(bytes, at, &mut padded);
            let masks = kernel.masks(block);
            let text = strings.advance(kernel, &masks, length);
            let open = masks.open & !text;
            let close = masks.close & !text;
            let opening = open.count_ones() as usize;
            let closing = close.count_ones() as usize;
            // The record itself is one level, so a container at its top is the second.
            let is_shallow = depth.saturating_add(opening) < MAX_DEPTH;
            if depth > closing && is_shallow {
                depth = depth.saturating_add(opening).saturating_sub(closing);
            } else if let Some(bit) = count_slowly(open, close, &mut depth, at)? {
                return Ok(at.saturating_add(bit).saturating_add(1));
            }
            // Where brackets are dense, a glance would only cost.
            is_calm = masks.open | masks.close == 0;
            at = at.saturating_add(length);
        }
        Err(Fault::new(bytes.len(), "the record ends inside a list or an object"))
    }
}

/// Whether the byte after the next 128 is inside a string, if they are plain: no
/// brackets, no escaped quotes, and no backslash at their end.
#[inline(always)]
fn pass_plain<K: Kernel>(kernel: K, bytes: &[u8], at: usize, inside: bool) -> Option<bool> {
    let window = bytes.get(at.checked_sub(1)?..)?.first_chunk::<129>()?;
    let Glance { is_plain, has_odd_quotes } = kernel.glance(window);
    (is_plain && window.last() != Some(&b'\\')).then_some(inside ^ has_odd_quotes)
}

/// Goes from bracket to bracket: the bit where the container ends, if it does.
fn count_slowly(
    open: u64,
    close: u64,
    depth: &mut usize,
    at: usize,
) -> Result<Option<usize>, Fault> {
    let mut brackets = open | close;
    while brackets != 0 {
        let bit = brackets.trailing_zeros();
        if open >> bit & 1 == 1 {
            *depth = depth.saturating_add(1);
            if *depth >= MAX_DEPTH {
                return Err(too_deep(at.saturating_add(bit as usize)));
            }
        } else {
            *depth = depth.saturating_sub(1);
            if *depth == 0 {
                return Ok(Some(bit as usize));
            }
        }
        brackets &= brackets.wrapping_sub(1);
    }
    Ok(None)
}

pub(super) fn too_deep(offset: usize) -> Fault {
    Fault::new(offset, format!("lists and objects are nested more than {MAX_DEPTH} deep"))
}
