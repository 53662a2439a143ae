//! Keyframes out of a compressed tar, whole or split, without unpacking it: one pass
//! makes an index, and from then on every member is read from its own place.

#![allow(clippy::cast_possible_truncation, reason = "lengths of buffers, fields of a few bits")]

mod audit;
mod build;
mod clip_name;
mod expected;
mod fields;
mod index_file;
mod members;
mod page;
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

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsString;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64;

use super::reads::Run;
use super::span::{InArchive, Span};
use super::tar_index::{key, plain_name, rank, target_of};
use super::{Spelling, StoreError};
use crate::error::{Error, Result};
use crate::index::append_log::{partial_path, remove_left};
use crate::index::{Progress, sidecar};
use crate::source::Identity;
use build::Plan;
use index_file::IndexFile;
pub use members::ArchiveMember;
use page::{Content, Entry, Place, Refused};
use parts::Parts;
use split::PartName;
pub use sums::Sum;
use unpack::{Page, Unpacker, Wanted};
use walker::Walker;

/// An archive up to this size is indexed when it is opened; a larger one only when that
/// is asked for, since it takes long.
const SMALL: u64 = 1_000_000_000;
/// In the cache folder, which nobody asked for, no larger index than this is kept.
const MAX_CACHED_INDEX: u64 = 100_000_000;
/// An archive has an index of at most one byte for so many of its own, as a rule.
const BYTES_PER_INDEX_BYTE: u64 = 400;
/// Links are followed so far.
const MAX_LINKS: usize = 40;

/// How an archive's index is built.
#[derive(Debug, Clone)]
pub struct IndexOptions {
    /// How many threads inflate.
    pub threads: usize,
    /// Build it anew, whatever is there.
    pub rebuild: bool,
    /// The index's file; `None` for beside the first part.
    pub path: Option<PathBuf>,
    /// A crash loses so much of the pass at most.
    pub save_every: Duration,
    /// The parts' SHA-256 sums by their file names, which have to be theirs; `None` where
    /// they are not known.
    pub sums: Option<HashMap<OsString, Sum>>,
}

/// What is known of an archive's index.
#[derive(Debug, Clone)]
pub struct IndexSummary {
    /// The index's file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Members of the archive that are no folders.
    pub members: u64,
    /// The parts, as they were given.
    pub parts: Vec<PathBuf>,
    /// Bytes of all parts.
    pub archive_bytes: u64,
    /// Bytes of the tar that is in them, as far as it is indexed.
    pub tar_bytes: u64,
    /// The whole stream was inflated and its own checksum was right.
    pub is_confirmed: bool,
    /// Why the index covers only what comes before; empty where it covers all.
    pub damage: String,
    /// Seconds of the pass; `None` where the index was there.
    pub seconds: Option<f64>,
    /// Bytes of the parts that an earlier pass had done.
    pub resumed_at: u64,
    /// Stretches of the stream that further threads inflated in advance.
    pub stretches_in_advance: usize,
}

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

/// Builds the index of an archive, or finds that it is there. Goes on where an earlier
/// call stopped. A damaged archive is an error, but what comes before the damage can be
/// read from then on.
pub fn build_index(
    parts: &[PathBuf],
    options: &IndexOptions,
    progress: &Progress,
) -> Result<IndexSummary> {
    let parts = Parts::open(&split::complete(parts)?)?.indexed_at(options.path.as_deref());
    parts.check_is_gzip()?;
    let path = match &options.path {
        Some(path) => {
            check_is_free(path)?;
            path.clone()
        }
        None => beside(&parts)?,
    };
    let plan = Plan {
        save_every: options.save_every,
        sums: options.sums.clone(),
        ..Plan::new(options.threads, options.rebuild)
    };
    build_at(&parts, &path, &plan, progress)
}

fn build_at(parts: &Parts, path: &Path, plan: &Plan, progress: &Progress) -> Result<IndexSummary> {
    if !plan.is_new
        && let Some(index) = build::complete(parts, path)?
    {
        if let Some(sums) = &plan.sums {
            build::check_sums(parts, sums)?;
        }
        return Ok(summary(parts, &index));
    }
    let begin = std::time::Instant::now();
    let built = build::build(parts, path, plan, progress)?;
    if let Some(damage) = built.damage {
        return Err(damage);
    }
    let seconds = Some(begin.elapsed().as_secs_f64());
    let index = IndexFile::open(path)?.ok_or_else(|| lost(path))?;
    Ok(IndexSummary {
        seconds,
        resumed_at: built.resumed_at,
        stretches_in_advance: built.met,
        ..summary(parts, &index)
    })
}

fn lost(path: &Path) -> Error {
    let source = std::io::ErrorKind::NotFound.into();
    Error::Io { path: path.to_owned(), action: "open the index", source }
}

fn summary(parts: &Parts, index: &IndexFile) -> IndexSummary {
    IndexSummary {
        path: index.path().to_owned(),
        bytes: index.bytes(),
        members: index.about.members,
        parts: parts.paths().map(Path::to_owned).collect(),
        archive_bytes: parts.size(),
        tar_bytes: index.about.tar_bytes,
        is_confirmed: index.about.is_confirmed,
        damage: index.about.damage.clone(),
        seconds: None,
        resumed_at: 0,
        stretches_in_advance: 0,
    }
}

/// Fails where something else than an index stands where one would be written.
fn check_is_free(path: &Path) -> Result<()> {
    let other = [path.to_owned(), partial_path(path)]
        .into_iter()
        .find(|path| path.exists() && !index_file::is_replaceable(path));
    other.map_or(Ok(()), |path| {
        let reason = "it is there, and is no index of an archive: name another file";
        let source = std::io::Error::new(std::io::ErrorKind::AlreadyExists, reason);
        Err(Error::Io { path, action: "write the index", source })
    })
}

/// The index's place beside the first part.
fn beside(parts: &Parts) -> Result<PathBuf> {
    let places = sidecar::places(parts.first_source()?);
    places.into_iter().next().ok_or_else(|| lost(parts.first()))
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
        let length = usize::try_from(place.size).unwrap_or(usize::MAX);
        bytes.try_reserve(length).map_err(|error| self.unreadable(path, &error.to_string()))?;
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

thread_local! {
    static PAGES: RefCell<Pages> =
        RefCell::new(Pages { kept: Vec::new(), unpacker: Unpacker::new() });
}

/// The pages of indexes that a thread has used last.
struct Pages {
    /// An archive's id, a page's number, and the page.
    kept: Vec<(u64, usize, Page)>,
    unpacker: Unpacker,
}

impl Pages {
    const KEPT: usize = 8;

    fn entry(&mut self, archive: &TarGz, number: usize, place: usize) -> Result<Entry> {
        let known = self.kept.iter().position(|(id, page, _)| (*id, *page) == (archive.id, number));
        let known = known.map(|at| self.kept.remove(at).2);
        // Who comes back to a page will mostly want all of it.
        let wanted = if known.is_some() { Wanted::All } else { Wanted::UpTo(place) };
        let page = match known {
            Some(page) if page.has(place) => page,
            _ => archive.index.page(number, wanted, &mut self.unpacker)?,
        };
        let entry = page.entry(place).ok_or_else(|| archive.index.damaged(number));
        if self.kept.len() == Self::KEPT {
            self.kept.remove(0);
        }
        self.kept.push((archive.id, number, page));
        entry
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

fn missing(parts: &Parts, places: &[PathBuf]) -> Error {
    let partial = places.iter().any(|place| partial_path(place).exists());
    let state = if places.iter().any(|place| is_index(place)) {
        "is of another version of this library"
    } else if partial {
        "is not finished"
    } else {
        "has not been built"
    };
    let (path, command) = (parts.first().to_owned(), parts.index_command(&[]));
    Error::IndexMissing { path, state, bytes: parts.size(), command }
}

/// Indexes a small archive: beside it, in the cache folder, or in a file that is gone
/// with the process.
fn index_small(parts: &Parts, places: &[PathBuf], progress: &Progress) -> Result<IndexFile> {
    let is_small = parts.size() / BYTES_PER_INDEX_BYTE <= MAX_CACHED_INDEX;
    let temporary =
        std::env::temp_dir().join(format!("textbook_fast.{}.tfidx", std::process::id()));
    let places = places.iter().take(if is_small { places.len() } else { 1 });
    for place in places.chain([&temporary]) {
        if let Some(folder) = place.parent() {
            let _ = std::fs::create_dir_all(folder);
        }
        let plan = Plan::new(1, false);
        match build::build(parts, place, &plan, progress) {
            // What comes before damage is readable, and the damage is told of.
            Ok(_) => {}
            Err(Error::Io { action, .. }) if action == "write the index" && *place != temporary => {
                continue;
            }
            Err(error) => return Err(error),
        }
        let index = IndexFile::open(place)?.ok_or_else(|| lost(place));
        if *place == temporary {
            let _ = std::fs::remove_file(place);
            let _ = std::fs::remove_file(partial_path(place));
        }
        return index;
    }
    Err(lost(&temporary))
}

/// Whether the bytes are no page of an index, or one that is the same when it is written
/// and read anew.
#[cfg(feature = "fuzzing")]
#[must_use]
pub fn page_round_trips(bytes: &[u8]) -> bool {
    let Some(entries) = unpack::decode(bytes) else { return true };
    page::encode(&entries).is_ok_and(|bytes| unpack::decode(&bytes) == Some(entries))
}
