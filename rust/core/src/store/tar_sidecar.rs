//! The index of a large tar on disk: a checked header, then pages of entries, each with
//! its own check, mapped on open. Whatever does not check out counts as not there.
//!
//! ```text
//! 0   magic "TEXTTAR1"                40  bytes of the common folder's name (u64)
//! 8   version (u64)                   48  hash of bytes 0..48 and of the name (u64)
//! 16  length of the archive (u64)     56  the name, then zeros up to byte 4096
//! 24  hash of samples of it (u64)     4096  pages of 4096 bytes:
//! 32  entries (u64)                      hash of the rest (u64), 170 entries of 24 bytes
//! ```
//!
//! An entry's member is read with its own header, which has to say the same name, so an
//! index of another state of the archive gives an error and no other image.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

use super::tar_index::{Entry, Found, State, Table, build};
use crate::error::{Error, Result};
use crate::index::{Progress, sidecar};
use crate::source::{Access, Map, Source};

const MAGIC: &[u8; 8] = b"TEXTTAR1";
const VERSION: u64 = 1;
const HEADER: usize = 56;
const PAGE: usize = 4096;
const ENTRY: usize = 24;
const ENTRIES: usize = (PAGE - 8) / ENTRY;

/// Fewer members than this are walked through sooner than an index is worth its file.
pub(super) const WORTH_KEEPING: usize = 1 << 14;

/// A mapped index.
#[derive(Debug)]
pub(super) struct MappedTable {
    path: PathBuf,
    map: Map,
    count: usize,
    /// A bit for each page that was found whole.
    whole: Vec<AtomicU64>,
}

impl Table for MappedTable {
    fn len(&self) -> usize {
        self.count
    }

    fn get(&self, index: usize) -> Result<Entry> {
        let (page, place) = (index / ENTRIES, index % ENTRIES);
        let entry = self.page(page).and_then(|page| {
            let at = place.checked_mul(ENTRY)?;
            decode(page.get(at..)?.first_chunk()?)
        });
        entry.ok_or_else(|| Error::Format {
            path: self.path.clone(),
            offset: (page as u64).saturating_add(1).saturating_mul(PAGE as u64),
            reason:
                "a page of the archive's index is damaged: delete the file, and it is made anew"
                    .to_owned(),
        })
    }
}

impl MappedTable {
    /// The entries of a page, once its check is known to hold.
    fn page(&self, number: usize) -> Option<&[u8]> {
        let start = number.checked_add(1)?.checked_mul(PAGE)?;
        let page: &[u8; PAGE] = self.map.bytes().get(start..)?.first_chunk()?;
        let (check, entries) = page.split_first_chunk::<8>()?;
        let (word, bit) = (self.whole.get(number / 64)?, 1u64 << (number % 64));
        if word.load(Ordering::Relaxed) & bit == 0 {
            if u64::from_le_bytes(*check) != xxh3_64(entries) {
                return None;
            }
            word.fetch_or(bit, Ordering::Relaxed);
        }
        Some(entries)
    }
}

fn decode(bytes: &[u8; ENTRY]) -> Option<Entry> {
    let (hash, rest) = bytes.split_first_chunk::<8>()?;
    let (start, rest) = rest.split_first_chunk::<8>()?;
    let (size, rest) = rest.split_first_chunk::<4>()?;
    let (head, rest) = rest.split_first_chunk::<2>()?;
    let shape = (u16::from_le_bytes(*head), u32::from_le_bytes(*size));
    let state = State::from_code(*rest.first()?)?;
    Some(Entry::new(u64::from_le_bytes(*hash), 0, u64::from_le_bytes(*start), shape, state))
}

fn encode(entry: &Entry, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&entry.hash.to_le_bytes());
    bytes.extend_from_slice(&entry.start().to_le_bytes());
    bytes.extend_from_slice(&entry.size.to_le_bytes());
    bytes.extend_from_slice(&entry.head.to_le_bytes());
    bytes.extend_from_slice(&[entry.state as u8, 0]);
}

fn check_of(words: &[u8], name: &[u8]) -> u64 {
    let mut hash = Xxh3Default::new();
    hash.update(words);
    hash.update(name);
    hash.digest()
}

/// The index in the file at `path`, and the common folder's name, if it fits the archive.
pub(super) fn load(
    path: &Path,
    source: &Source,
    content_hash: u64,
) -> Option<(MappedTable, Vec<u8>)> {
    let file = File::open(path).ok()?;
    let size = file.metadata().ok().filter(std::fs::Metadata::is_file)?.len();
    let map = Map::new(&file, size).ok()?;
    let bytes = map.bytes();
    let word = |at: usize| -> Option<u64> {
        Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk::<8>()?))
    };
    let count = usize::try_from(word(32)?).ok()?;
    let name = bytes.get(HEADER..PAGE)?.get(..usize::try_from(word(40)?).ok()?)?.to_vec();
    let pages = count.div_ceil(ENTRIES);
    let fits = bytes.starts_with(MAGIC)
        && word(8)? == VERSION
        && word(16)? == source.size()
        && word(24)? == content_hash
        && word(48)? == check_of(bytes.get(..48)?, &name)
        && pages.checked_add(1)?.checked_mul(PAGE)? == bytes.len();
    let whole = (0..pages.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
    fits.then_some((MappedTable { path: path.to_owned(), map, count, whole }, name))
}

/// Writes the index of a whole archive to the first place that takes it; `None` where
/// none does. Without it the archive is walked through each time, which is no error.
pub(super) fn keep(
    places: &[PathBuf],
    found: &Found,
    source: &Source,
    content_hash: u64,
) -> Option<PathBuf> {
    let bytes = encode_all(found, source, content_hash)?;
    places.iter().enumerate().find_map(|(number, place)| {
        // The second place is the user's cache folder.
        if number > 0 && bytes.len() > MAX_IN_CACHE {
            return None;
        }
        std::fs::create_dir_all(place.parent()?).ok()?;
        sidecar::write_renamed(place, &bytes).ok()?;
        Some(place.clone())
    })
}

/// Makes the index of the archive at `path` and writes it to `index`, however small.
pub fn keep_index(path: &Path, index: &Path, progress: &Progress) -> Result<()> {
    let source = Source::open(path, Access::Read)?;
    let found = build(&source, progress)?;
    let hash = sidecar::content_hash(&source)?;
    let Some(bytes) = encode_all(&found, &source, hash) else {
        return Ok(()); // a root that is too long for the header: it is walked when opened
    };
    let io = |source| Error::Io { path: index.to_owned(), action: "write", source };
    sidecar::write_renamed(index, &bytes).map_err(io)
}

/// No more than this goes into the user's cache folder unasked.
const MAX_IN_CACHE: usize = 100_000_000;

fn encode_all(found: &Found, source: &Source, content_hash: u64) -> Option<Vec<u8>> {
    if found.root.len() > PAGE.saturating_sub(HEADER) {
        return None;
    }
    let mut bytes = MAGIC.to_vec();
    let (count, length) = (found.entries.len() as u64, found.root.len() as u64);
    for word in [VERSION, source.size(), content_hash, count, length] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    let check = check_of(&bytes, &found.root);
    bytes.extend_from_slice(&check.to_le_bytes());
    bytes.extend_from_slice(&found.root);
    bytes.resize(PAGE, 0);
    let mut page = Vec::with_capacity(PAGE);
    for entries in found.entries.chunks(ENTRIES) {
        page.clear();
        for entry in entries {
            encode(entry, &mut page);
        }
        page.resize(PAGE.saturating_sub(8), 0);
        bytes.extend_from_slice(&xxh3_64(&page).to_le_bytes());
        bytes.extend_from_slice(&page);
    }
    Some(bytes)
}
