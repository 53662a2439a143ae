//! Keyframes out of a compressed tar, whole or split, without unpacking it: one pass
//! makes an index, and from then on every member is read from its own place.

#![allow(clippy::cast_possible_truncation, reason = "lengths of buffers, fields of a few bits")]

mod audit;
mod build;
mod clip_name;
mod expected;
mod fields;
mod index_file;
mod indexing;
mod members;
mod page;
mod pages;
mod partial;
mod parts;
mod point;
mod read;
mod seen;
mod speculate;
mod split;
mod sums;
#[cfg(test)]
mod tests;
mod together;
mod unpack;
mod walker;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use xxhash_rust::xxh3::xxh3_64;

use super::reads::Run;
use super::span::{InArchive, Span};
use super::tar_index::{key, plain_name, rank, target_of};
use super::{Spelling, StoreError};
use crate::error::Result;
use crate::index::append_log::remove_left;
use crate::index::{Progress, sidecar};
use crate::source::Identity;
use index_file::IndexFile;
pub use indexing::{IndexOptions, IndexSummary, build_index};
use indexing::{index_small, lost, missing, summary};
pub use members::ArchiveMember;
use page::{Content, Entry, Place, Refused};
use pages::PAGES;
use parts::Parts;
use split::PartName;
pub use sums::Sum;
use walker::Walker;

/// An archive up to this size is indexed when it is opened; a larger one only when that
/// is asked for, since it takes long.
const SMALL: u64 = 1_000_000_000;
/// Links are followed so far.
const MAX_LINKS: usize = 40;

/// A member that was found.
#[derive(Debug, Clone)]
pub(super) struct Located {
    place: Place,
    /// By which path.
    path: String,
}

/// A compressed tar.
#[derive(Debug)]
pub struct TarGz {
    parts: Parts,
    index: IndexFile,
    /// The folders that images without a keyframe's name may lie in.
    roots: Vec<Vec<u8>>,
    /// Tells pages of one archive from those of another.
    id: u64,
}

/// Whether two files are parts of one archive by their names.
pub(super) fn are_parts(one: &Path, other: &Path) -> bool {
    let (one, other) = (PartName::of(one), PartName::of(other));
    one.zip(other).is_some_and(|(one, other)| one.is_of_same(&other))
}

/// Whether the name is one of a compressed tar, or of a part of one.
pub(super) fn is_named_so(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    name.ends_with(b".tar.gz") || name.ends_with(b".tgz") || PartName::of(path).is_some()
}

/// Whether the file begins as gzip does.
pub(super) fn is_gzip(path: &Path) -> bool {
    let mut magic = [0; 3];
    let file = std::fs::File::open(path);
    file.and_then(|mut file| std::io::Read::read_exact(&mut file, &mut magic)).is_ok()
        && magic == [0x1f, 0x8b, 8]
}

/// Whether a tar is compressed in the file, whatever it is called.
pub(super) fn holds_tar(path: &Path) -> bool {
    is_gzip(path)
        && Parts::open(&[path.to_owned()])
            .and_then(|parts| Walker::new(&parts).step(&mut |_| Ok(())))
            .is_ok()
}

/// Whether the file begins as the index of an archive does.
pub(super) fn is_index(path: &Path) -> bool {
    index_file::is_index(path)
}

impl TarGz {
    /// A store of the archive in these parts. Its index is `index`, or lies beside the
    /// first part or in the cache folder. A small archive is indexed where it has none.
    pub fn open(paths: &[PathBuf], index: Option<&Path>, progress: &Progress) -> Result<TarGz> {
        let parts = Parts::open(&split::complete(paths)?)?.indexed_at(index);
        parts.check_is_gzip()?;
        let places = match index {
            Some(path) => vec![path.to_owned()],
            None => sidecar::places(parts.first_source()?),
        };
        for place in &places {
            if let Some(index) = IndexFile::open(place)? {
                return TarGz::with(parts, index);
            }
        }
        if parts.size() > SMALL {
            return Err(missing(&parts, &places));
        }
        let index = index_small(&parts, &places, progress)?;
        TarGz::with(parts, index)
    }

    fn with(parts: Parts, index: IndexFile) -> Result<TarGz> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        // An index of a damaged archive may be older than the part that replaced the
        // damaged one.
        if index.about.is_confirmed {
            parts.check_ids(&index.about.parts, usize::MAX)?;
            remove_left(index.path());
        } else {
            parts.check_ids_before(&index.about.parts, index.about.stream_bytes)?;
        }
        let mut roots = vec![Vec::new()];
        if !index.about.root.is_empty() {
            roots.push(index.about.root.clone());
        }
        Ok(TarGz { parts, index, roots, id: NEXT.fetch_add(1, Ordering::Relaxed) })
    }

    /// What is known of its index.
    #[must_use]
    pub fn summary(&self) -> IndexSummary {
        summary(&self.parts, &self.index)
    }

    /// The parts, and which files they were when they were opened.
    pub fn archives(&self) -> impl Iterator<Item = (&Path, Identity)> {
        self.parts.identities()
    }

    /// What is wrong with the archive as a whole, in words that go on after its name.
    #[must_use]
    pub fn damage(&self) -> Option<String> {
        let about = &self.index.about;
        let (end, size) = (about.stream_bytes, self.parts.size());
        let state = if end < size {
            format!("is indexed up to byte {end} of {size} only; members after that are not known")
        } else {
            "is indexed up to its end, but not confirmed".to_owned()
        };
        (!about.damage.is_empty()).then(|| format!("{state}: {}", about.damage))
    }

    /// Reads the image of this path into `bytes`, whose content is replaced.
    pub fn read(&self, path: &str, bytes: &mut Vec<u8>) -> std::result::Result<(), StoreError> {
        bytes.clear();
        let found = self.find(path)?;
        match self.followed(found)?.content {
            Content::Data(place) => self.read_data(path, &place, bytes),
            Content::Empty | Content::Link { .. } => Ok(()),
            Content::Refused(reason) => Err(self.unreadable(path, words(reason))),
        }
    }

    /// Where the image of this path lies; `None` where it is read without any bytes of the
    /// archive, or not at all.
    pub fn locate(&self, path: &str) -> std::result::Result<Option<Span>, StoreError> {
        let found = self.find(path)?;
        let Content::Data(place) = self.followed(found)?.content else { return Ok(None) };
        let (size, range) = (place.size, read::range(&self.parts, &place));
        let member = InArchive::Compressed(Located { place, path: path.to_owned() });
        let span = |Range { start, end }| Span { archive: 0, start, end, size, member };
        Ok(range.ok().map(span))
    }

    /// Reads an image that was located into `bytes`, whose content is replaced.
    pub(super) fn read_located(
        &self,
        Located { place, path }: &Located,
        bytes: &mut Vec<u8>,
    ) -> std::result::Result<(), StoreError> {
        bytes.clear();
        self.read_data(path, place, bytes)
    }

    /// Asks the system to have a run in memory soon.
    pub(super) fn will_need(&self, run: &Run) {
        self.parts.will_need(&run.range);
    }

    /// Reads images that lie near each other in one call: for each its bytes, or why there
    /// are none.
    #[must_use]
    pub fn read_run(&self, spans: &[&Span]) -> Vec<std::result::Result<Vec<u8>, StoreError>> {
        let located = spans.iter().filter_map(|span| match &span.member {
            InArchive::Compressed(located) => Some(located),
            InArchive::Plain { .. } => None,
        });
        let located: Vec<&Located> = located.collect();
        let places: Vec<&Place> = located.iter().map(|located| &located.place).collect();
        let read = read::read_run(&self.parts, &places);
        let read = read.into_iter().zip(located).map(|(bytes, Located { path, .. })| {
            bytes.map_err(|error| self.unreadable(path, &error.to_string()))
        });
        read.collect()
    }

    /// Whether the image of this path is there.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.find(path).and_then(|entry| self.followed(entry)).is_ok()
    }

    fn read_data(
        &self,
        path: &str,
        place: &Place,
        bytes: &mut Vec<u8>,
    ) -> std::result::Result<(), StoreError> {
        read::read(&self.parts, place, bytes)
            .map_err(|error| self.unreadable(path, &error.to_string()))
    }

    fn unreadable(&self, path: &str, reason: &str) -> StoreError {
        let place = format!("{}, member {path:?}", self.parts.first().display());
        StoreError::Unreadable { place, reason: reason.to_owned() }
    }

    fn find(&self, path: &str) -> std::result::Result<Entry, StoreError> {
        let spelling = Spelling::parse(path)?;
        for name in spelling.names_in(&self.roots) {
            if let Some((_, entry)) = self.find_key(&name, u32::MAX, |_| true)? {
                return Ok(entry);
            }
        }
        let damage = self.damage().map_or(String::new(), |damage| format!(" (which {damage})"));
        let place = format!("{}{damage}", self.parts.first().display());
        Err(StoreError::Missing { places: vec![place] })
    }

    /// The best member of a key before `end`: see `rank`.
    fn find_key(
        &self,
        wanted: &[u8],
        end: u32,
        fits: impl Fn(&[u8]) -> bool,
    ) -> std::result::Result<Option<(u32, Entry)>, StoreError> {
        let mut best: Option<(u8, u32, Entry)> = None;
        for member in self.index.find(xxh3_64(wanted)).filter(|&member| member < end) {
            let Some(entry) = self.entry(member)? else { continue };
            let name = plain_name(&entry.name);
            if key(&name) != wanted || !fits(&name) {
                continue;
            }
            let rank = rank(&name);
            if best.as_ref().is_none_or(|(other, ..)| *other < rank) {
                drop(name);
                best = Some((rank, member, entry));
            }
        }
        Ok(best.map(|(_, member, entry)| (member, entry)))
    }

    /// The member that a link means in the end; others are themselves.
    fn followed(&self, entry: Entry) -> std::result::Result<Entry, StoreError> {
        self.followed_from(entry, None)
    }

    /// The same of the entry of this number, where that is known.
    fn followed_from(
        &self,
        mut entry: Entry,
        number: Option<u32>,
    ) -> std::result::Result<Entry, StoreError> {
        let mut end = number.unwrap_or(u32::MAX);
        for _ in 0..MAX_LINKS {
            let Content::Link { target, is_hard } = &entry.content else { return Ok(entry) };
            let target = target_of(&plain_name(&entry.name), target, *is_hard);
            // A hard link means a member before it, of just this name.
            if *is_hard && end == u32::MAX {
                end = self.number_of(&entry)?;
            }
            let limit = if *is_hard { end } else { u32::MAX };
            let next = self.find_key(key(&target), limit, |name| name == target)?;
            let Some((number, next)) = next else {
                let name = String::from_utf8_lossy(&entry.name);
                return Err(self.unreadable(&name, "it is a link to what is not in the archive"));
            };
            (end, entry) = (number, next);
        }
        let name = String::from_utf8_lossy(&entry.name);
        Err(self.unreadable(&name, "it is a link that leads back to itself"))
    }

    /// The number of an entry that was found by its name.
    fn number_of(&self, entry: &Entry) -> std::result::Result<u32, StoreError> {
        let name = plain_name(&entry.name);
        let found = self.find_key(key(&name), u32::MAX, |other| *other == *name)?;
        Ok(found.map_or(0, |(number, _)| number))
    }

    fn entry(&self, member: u32) -> std::result::Result<Option<Entry>, StoreError> {
        let (number, place) = IndexFile::page_of(member);
        if number >= self.index.page_count() {
            return Ok(None);
        }
        let entry = PAGES.with_borrow_mut(|pages| pages.entry(self, number, place));
        entry.map(Some).map_err(|error| StoreError::Unreadable {
            place: self.index.path().display().to_string(),
            reason: error.to_string(),
        })
    }
}

fn words(reason: Refused) -> &'static str {
    match reason {
        Refused::Sparse => {
            "it is stored as a sparse file, which is not supported: unpack the archive with \
             GNU tar and open the folder"
        }
        Refused::Special => "it is no regular file",
        Refused::TooLarge => "it has more bytes than any image",
    }
}

/// Whether the bytes are no page of an index, or one that is the same when it is written
/// and read anew.
#[cfg(feature = "fuzzing")]
#[must_use]
pub fn page_round_trips(bytes: &[u8]) -> bool {
    let Some(entries) = unpack::decode(bytes) else { return true };
    page::encode(&entries).is_ok_and(|bytes| unpack::decode(&bytes) == Some(entries))
}
