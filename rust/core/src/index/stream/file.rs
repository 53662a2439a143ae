//! The index of a compressed text on disk: a checked header, the windows, then the
//! tables, mapped on open. Whatever does not check out counts as not there.
//!
//! ```text
//! 0   magic "TEXTBOOK.TXT.I01"       72  bytes of text (u64)
//! 16  layout (u64)                   80  end of the windows in this file (u64)
//! 24  length of the file (u64)       88  end of the checkpoints (u64)
//! 32  hash of samples of it          96  end of the checksums (u64)
//! 40  time of modification, ns       104 end of the record offsets (u64)
//! 48  records (u64)                  112 hash of what follows the windows (u64)
//! 56  end of the last record (u64)   120 hash of bytes 0..120 (u64)
//! 64  framing (u64): 0 gzip, 1 zip   128 windows | checkpoints | checksums | offsets
//! ```
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::fs::File;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

use crate::index::build::Found;
use crate::index::layout::Layout;
use crate::index::sidecar::{self, Loaded, MappedStarts};
use crate::inflate::stream::Framing;
use crate::source::checkpoints::{Checkpoints, Places};
use crate::source::{Map, Source};

const MAGIC: &[u8; 16] = b"TEXTBOOK.TXT.I01";
const HEADER: usize = 128;
const CHECK: usize = 120;

/// The parts of an index beside the records, in memory.
pub(super) struct Body {
    pub map: Arc<Map>,
    pub places: Places,
    pub length: u64,
    pub framing: Framing,
}

fn framing_code(framing: Framing) -> u64 {
    match framing {
        Framing::Gzip => 0,
        Framing::Bare { .. } => 1,
    }
}

/// Writes the index to `path`.
pub(super) fn save(
    path: &Path,
    found: &Found,
    body: &Body,
    source: &Source,
    content_hash: u64,
) -> std::io::Result<()> {
    let starts: Vec<u8> = found.starts.iter().flat_map(|start| start.to_le_bytes()).collect();
    let mut hash = Xxh3Default::new();
    let mut end = HEADER as u64;
    let mut ends = Vec::new();
    let part = |range: &Range<usize>| body.map.bytes().get(range.clone()).unwrap_or_default();
    let Places { windows, points, checks } = &body.places;
    let pieces = [part(windows), part(points), part(checks), &starts];
    for piece in pieces {
        if !ends.is_empty() {
            hash.update(piece);
        }
        end = end.saturating_add(piece.len() as u64);
        ends.push(end);
    }
    let mut header = MAGIC.to_vec();
    let words = [
        u64::from(sidecar::layout_code(found.layout)),
        source.file_size(),
        content_hash,
        source.identity().mtime_ns.cast_unsigned(),
        found.starts.len() as u64,
        found.end,
        framing_code(body.framing),
        body.length,
    ];
    for word in words.into_iter().chain(ends).chain([hash.digest()]) {
        header.extend_from_slice(&word.to_le_bytes());
    }
    header.extend_from_slice(&xxh3_64(&header).to_le_bytes());
    let [windows, points, checks, starts] = pieces;
    sidecar::write_pieces(path, &[&header, windows, points, checks, starts])
}

/// The index in the file at `path`, if there is one that fits the source.
pub(super) fn load(
    path: &Path,
    source: &Source,
    framing: Framing,
    content_hash: u64,
) -> Option<(Loaded, Checkpoints)> {
    let file = File::open(path).ok()?;
    let size = file.metadata().ok().filter(std::fs::Metadata::is_file)?.len();
    let map = Arc::new(Map::new(&file, size).ok()?);
    let bytes = map.bytes();
    let header = bytes.get(..HEADER)?;
    let word = |at: usize| Some(u64::from_le_bytes(*header.get(at..)?.first_chunk()?));
    let end = |at: usize| usize::try_from(word(at)?).ok();
    let code = word(16)?;
    let layout = [Layout::Array, Layout::Lines]
        .into_iter()
        .find(|&layout| u64::from(sidecar::layout_code(layout)) == code)?;
    let ends = [HEADER, end(80)?, end(88)?, end(96)?, end(104)?];
    let fits = header.starts_with(MAGIC)
        && word(CHECK)? == xxh3_64(header.get(..CHECK)?)
        && word(24)? == source.file_size()
        && word(32)? == content_hash
        && word(64)? == framing_code(framing)
        && ends.is_sorted()
        && end(104)? == bytes.len()
        && word(112)? == xxh3_64(bytes.get(end(80)?..)?);
    if !fits {
        return None;
    }
    let [windows, points, checks, starts] = ranges(&ends)?;
    if end(48)?.checked_mul(8)? != starts.len() {
        return None;
    }
    let is_other_time = word(40)?.cast_signed() != source.identity().mtime_ns;
    let (last, length) = (word(56)?, word(72)?);
    let places = Places { windows, points, checks };
    let checkpoints = Checkpoints::new(Arc::clone(&map), places, length)?;
    let starts = MappedStarts::new(map, starts);
    Some((Loaded { layout, starts, end: last, is_other_time }, checkpoints))
}

fn ranges(ends: &[usize; 5]) -> Option<[Range<usize>; 4]> {
    let ranges: Vec<_> = ends.iter().zip(ends.iter().skip(1)).map(|(&a, &b)| a..b).collect();
    ranges.try_into().ok()
}
