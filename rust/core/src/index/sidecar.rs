//! The offset index on disk: a checked header, then plain little-endian offsets,
//! mapped on open. Whatever does not check out counts as not there.
//!
//! ```text
//! 0   magic "TEXTBOOK"          40  time of modification, ns (i64)
//! 8   version (u32)             48  records (u64)
//! 12  layout (u32)              56  end of the last record (u64)
//! 16  length of the file (u64)  64  hash of the offsets (u64)
//! 24  hash of samples of it     72  hash of bytes 0..72 (u64)
//! 32  reserved, zero            80  offset of each record (u64 each)
//! ```
//!
//! The file's length and the hash of pieces of its content decide whether an index
//! fits; the time of modification only whether its offsets are trusted as they are,
//! or checked to be a record's border one by one.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

use super::build::Found;
use super::layout::Layout;
use crate::error::Result;
use crate::source::{Map, Source};

const MAGIC: &[u8; 8] = b"TEXTBOOK";
const VERSION: u32 = 1;
const HEADER: usize = 80;
/// The content's hash takes so many pieces, evenly spread, the ends among them.
const PIECES: u64 = 32;
const PIECE: u64 = 4096;

/// An index that was read, not built.
#[derive(Debug)]
pub(super) struct Loaded {
    pub layout: Layout,
    pub starts: MappedStarts,
    pub end: u64,
    /// The file has been written or copied since: the offsets have to be checked.
    pub is_other_time: bool,
}

/// Offsets in a mapped file.
#[derive(Debug)]
pub(super) struct MappedStarts {
    map: Arc<Map>,
    range: Range<usize>,
}

impl MappedStarts {
    pub fn new(map: Arc<Map>, range: Range<usize>) -> MappedStarts {
        MappedStarts { map, range }
    }

    pub fn len(&self) -> usize {
        self.range.len() / 8
    }

    pub fn get(&self, index: usize) -> Option<u64> {
        let at = index.checked_mul(8)?;
        let bytes = self.map.bytes().get(self.range.clone())?.get(at..)?.first_chunk::<8>()?;
        Some(u64::from_le_bytes(*bytes))
    }
}

/// A hash of the length and of pieces of the file.
pub fn content_hash(source: &Source) -> Result<u64> {
    let size = source.file_size();
    let mut hash = Xxh3Default::new();
    hash.update(&size.to_le_bytes());
    let last = size.saturating_sub(PIECE);
    for piece in 0..PIECES {
        // 128-bit, so that no length overflows.
        let at = u128::from(last) * u128::from(piece) / u128::from(PIECES - 1);
        let at = u64::try_from(at).unwrap_or(last);
        source.with_file_range(at..size.min(at + PIECE), |bytes| {
            hash.update(bytes);
            Ok(())
        })?;
    }
    Ok(hash.digest())
}

pub(super) fn layout_code(layout: Layout) -> u32 {
    match layout {
        Layout::Array => 0,
        Layout::Lines => 1,
    }
}

/// The index in the file at `path`, if there is one that fits the source.
pub(super) fn load(path: &Path, source: &Source, content_hash: u64) -> Option<Loaded> {
    let file = File::open(path).ok()?;
    let size = file.metadata().ok().filter(std::fs::Metadata::is_file)?.len();
    let map = Map::new(&file, size).ok()?;
    let (header, body) = map.bytes().split_at_checked(HEADER)?;
    let word = |at: usize| -> Option<u64> {
        Some(u64::from_le_bytes(*header.get(at..)?.first_chunk::<8>()?))
    };
    let version_and_layout = word(8)?;
    let layout = [Layout::Array, Layout::Lines]
        .into_iter()
        .find(|&layout| version_and_layout == pack(VERSION, layout_code(layout)))?;
    let count = usize::try_from(word(48)?).ok()?;
    let fits = header.starts_with(MAGIC)
        && word(72)? == xxh3_64(&header[..72])
        && word(16)? == source.size()
        && word(24)? == content_hash
        && count.checked_mul(8) == Some(body.len())
        && word(64)? == xxh3_64(body);
    let end = word(56)?;
    let mtime = word(40)?.cast_signed();
    let is_other_time = mtime != source.identity().mtime_ns;
    let range = HEADER..map.bytes().len();
    let starts = MappedStarts::new(Arc::new(map), range);
    fits.then_some(Loaded { layout, starts, end, is_other_time })
}

fn pack(version: u32, layout: u32) -> u64 {
    u64::from(version) | u64::from(layout) << 32
}

fn encode(found: &Found, source: &Source, content_hash: u64) -> Vec<u8> {
    let body: Vec<u8> = found.starts.iter().flat_map(|start| start.to_le_bytes()).collect();
    let mut bytes = Vec::with_capacity(HEADER + body.len());
    bytes.extend_from_slice(MAGIC);
    for word in [
        pack(VERSION, layout_code(found.layout)),
        source.size(),
        content_hash,
        0,
        source.identity().mtime_ns.cast_unsigned(),
        found.starts.len() as u64,
        found.end,
        xxh3_64(&body),
    ] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    let check = xxh3_64(&bytes);
    bytes.extend_from_slice(&check.to_le_bytes());
    bytes.extend_from_slice(&body);
    bytes
}

/// Writes the index to `path`.
pub(super) fn save(
    path: &Path,
    found: &Found,
    source: &Source,
    content_hash: u64,
) -> std::io::Result<()> {
    write_renamed(path, &encode(found, source, content_hash))
}

/// Writes a file whole or not at all: under a temporary name, synced, then renamed.
pub(crate) fn write_renamed(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    write_pieces(path, &[bytes])
}

/// As [`write_renamed`], of bytes that lie in several pieces.
pub(super) fn write_pieces(path: &Path, pieces: &[&[u8]]) -> std::io::Result<()> {
    let temporary = temporary_name(path);
    let written = write_synced(&temporary, pieces).and_then(|()| {
        std::fs::rename(&temporary, path)?;
        sync_folder_of(path);
        Ok(())
    });
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

/// A rename reaches the disk with its folder. Not all file systems can sync one; what
/// was renamed is complete or absent in any case.
pub(crate) fn sync_folder_of(path: &Path) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let _ = File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all());
}

fn write_synced(path: &Path, pieces: &[&[u8]]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    for piece in pieces {
        file.write_all(piece)?;
    }
    file.sync_all()
}

const TEMPORARY: &str = ".tmp";

pub(crate) fn temporary_name(path: &Path) -> PathBuf {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let nanos = now.map_or(0, |now| now.as_nanos());
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}-{nanos}{TEMPORARY}", std::process::id()));
    PathBuf::from(name)
}

/// Removes what a killed process has left of writing to `path`. Only for the one
/// that holds the lock.
pub(crate) fn remove_leftovers(path: &Path) {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return };
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let other = entry.file_name();
        let rest = other.as_encoded_bytes().strip_prefix(name.as_encoded_bytes());
        let is_leftover =
            rest.is_some_and(|rest| rest.starts_with(b".") && rest.ends_with(TEMPORARY.as_bytes()));
        if is_leftover {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Where the index of a file may lie, the better place first: beside it, and in the
/// user's cache folder.
pub(crate) fn places(source: &Source) -> Vec<PathBuf> {
    let resolved = source.path().canonicalize().unwrap_or_else(|_| source.path().to_owned());
    let mut beside = resolved.as_os_str().to_owned();
    beside.push(".tfidx");
    let mut places = vec![PathBuf::from(beside)];
    let absolute = |name: &str| {
        std::env::var_os(name).map(PathBuf::from).filter(|folder| folder.is_absolute())
    };
    let cache =
        absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
    if let Some(cache) = cache {
        let name = xxh3_64(resolved.as_os_str().as_encoded_bytes());
        places.push(cache.join("textbook_fast").join(format!("{name:016x}.tfidx")));
    }
    places
}
