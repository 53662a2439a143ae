//! A column on disk, beside the offset index: a checked header, then little-endian
//! values. It counts only for the very state of the file that it was made of. Whatever
//! does not check out counts as not there.
//!
//! ```text
//! 0   magic "TFCOLUMN"          40  records (u64)
//! 8   version (u32), kind (u32) 48  missing (u64)
//! 16  length of the file (u64)  56  faulty (u64)
//! 24  hash of samples of it     64  hash of the name (u64)
//! 32  time of modification, ns  72  hash of the body (u64)
//!                               80  hash of bytes 0..80 (u64)
//! 88  values (8 bytes each; 1 for true and false; texts: where each ends in what
//!     follows, 8 bytes, then their UTF-8), positions of the missing and of the faulty
//! ```
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use super::values::{Column, Values};
use crate::index::sidecar;
use crate::source::Source;

const MAGIC: &[u8; 8] = b"TFCOLUMN";
const VERSION: u64 = 1;
const HEADER: usize = 88;

/// Where the column of this name may lie, the better place first.
fn places(source: &Source, key: &str) -> Vec<PathBuf> {
    let of = |mut place: PathBuf| {
        place.as_mut_os_string().push(format!(".column-{:016x}", xxh3_64(key.as_bytes())));
        place
    };
    sidecar::places(source).into_iter().map(of).collect()
}

fn kind(values: &Values) -> u64 {
    match values {
        Values::Ints(_) => 0,
        Values::Floats(_) => 1,
        Values::Bools(_) => 2,
        Values::Texts(_) => 3,
    }
}

fn body(column: &Column) -> Vec<u8> {
    let mut bytes = Vec::new();
    match &column.values {
        Values::Ints(list) => bytes.extend(list.iter().flat_map(|value| value.to_le_bytes())),
        Values::Floats(list) => bytes.extend(list.iter().flat_map(|value| value.to_le_bytes())),
        Values::Bools(list) => bytes.extend(list.iter().map(|&value| u8::from(value))),
        Values::Texts(list) => {
            let mut end: u64 = 0;
            for text in list {
                end = end.saturating_add(text.len() as u64);
                bytes.extend_from_slice(&end.to_le_bytes());
            }
            bytes.extend(list.iter().flat_map(String::as_bytes));
        }
    }
    for position in column.missing.iter().chain(&column.faulty) {
        bytes.extend_from_slice(&position.to_le_bytes());
    }
    bytes
}

/// The header's words before its own hash, for a body of this hash.
fn header(source: &Source, content: u64, key: &str, column: &Column, body: u64) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    for word in [
        VERSION | kind(&column.values) << 32,
        source.size(),
        content,
        source.identity().mtime_ns.cast_unsigned(),
        column.values.len() as u64,
        column.missing.len() as u64,
        column.faulty.len() as u64,
        xxh3_64(key.as_bytes()),
        body,
    ] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    let check = xxh3_64(&bytes);
    bytes.extend_from_slice(&check.to_le_bytes());
    bytes
}

/// Keeps a column in the first place that takes it.
pub(super) fn save(source: &Source, key: &str, column: &Column) -> crate::Result<()> {
    source.check_unchanged()?;
    let content = sidecar::content_hash(source)?;
    let body = body(column);
    let mut bytes = header(source, content, key, column, xxh3_64(&body));
    bytes.extend_from_slice(&body);
    for place in places(source, key) {
        if let Some(folder) = place.parent() {
            let _ = std::fs::create_dir_all(folder);
        }
        if sidecar::write_renamed(&place, &bytes).is_ok() {
            return Ok(());
        }
    }
    Ok(())
}

/// The column that is kept for this state of the file, if there is one.
pub(super) fn load(source: &Source, key: &str, records: usize) -> Option<Column> {
    places(source, key).iter().find_map(|place| load_from(place, source, key, records))
}

fn load_from(place: &Path, source: &Source, key: &str, records: usize) -> Option<Column> {
    let metadata = std::fs::metadata(place).ok()?;
    if !metadata.is_file() {
        return None;
    }
    let bytes = std::fs::read(place).ok()?;
    let (head, body) = bytes.split_at_checked(HEADER)?;
    let word = |at: usize| -> Option<u64> {
        Some(u64::from_le_bytes(*head.get(at..)?.first_chunk::<8>()?))
    };
    let content = sidecar::content_hash(source).ok()?;
    let count = |at: usize| usize::try_from(word(at)?).ok();
    let fits = head.starts_with(MAGIC)
        && word(80)? == xxh3_64(head.get(..80)?)
        && word(16)? == source.size()
        && word(24)? == content
        && word(32)? == source.identity().mtime_ns.cast_unsigned()
        && count(40)? == records
        && word(64)? == xxh3_64(key.as_bytes())
        && word(72)? == xxh3_64(body);
    if !fits {
        return None;
    }
    let mut words = Words(body);
    let values = match word(8)?.checked_sub(VERSION)? >> 32 {
        0 => Values::Ints(words.take(records)?.map(u64::cast_signed).collect()),
        1 => Values::Floats(words.take(records)?.map(f64::from_bits).collect()),
        2 => Values::Bools(words.bytes(records)?.iter().map(|&byte| byte == 1).collect()),
        3 => Values::Texts(words.texts(records)?),
        _ => return None,
    };
    let missing = words.take(count(48)?)?.collect();
    let faulty = words.take(count(56)?)?.collect();
    words.0.is_empty().then_some(Column { values, missing, faulty })
}

/// What is left of a body.
struct Words<'a>(&'a [u8]);

impl<'a> Words<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn take(&mut self, count: usize) -> Option<impl Iterator<Item = u64> + use<'a>> {
        let taken = self.bytes(count.checked_mul(8)?)?;
        Some(taken.as_chunks::<8>().0.iter().map(|&word| u64::from_le_bytes(word)))
    }

    fn texts(&mut self, count: usize) -> Option<Vec<String>> {
        let ends: Vec<u64> = self.take(count)?.collect();
        let mut start = 0;
        let mut text = |end: u64| -> Option<String> {
            let length = usize::try_from(end.checked_sub(start)?).ok()?;
            start = end;
            String::from_utf8(self.bytes(length)?.to_vec()).ok()
        };
        ends.into_iter().map(&mut text).collect()
    }
}
