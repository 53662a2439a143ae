//! Keyframes in plain tar files, one or several: an image is read from its place, in one
//! call of the system, together with its header, which has to name it.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use super::StoreError;
use super::reads::Run;
use super::span::{InArchive, Span};
use super::spelling::Spelling;
use super::tar_header::{BLOCK, Block, Kind, is_tar_start};
use super::tar_index::{Entry, Found, State, build, find, key, plain_name, read_head};
use super::tar_sidecar::{self, MappedTable};
use super::tar_walk::TarFault;
use crate::error::{Error, Result};
use crate::index::{Progress, sidecar};
use crate::source::{Access, Identity, Source};

/// Plain tar files.
#[derive(Debug)]
pub struct Tar {
    archives: Vec<Archive>,
    /// The entries of all archives whose index is not on disk.
    entries: Vec<Entry>,
    /// The folders that images lie in, in one archive or another.
    roots: Vec<Vec<u8>>,
}

#[derive(Debug)]
struct Archive {
    source: Source,
    table: Option<MappedTable>,
    damage: Option<TarFault>,
}

/// Whether the file begins as a tar does.
pub(super) fn is_tar(path: &Path) -> Result<bool> {
    let source = Source::open(path, Access::Read)?;
    if source.size() < BLOCK as u64 {
        return Ok(false);
    }
    let mut block: Block = [0; BLOCK];
    source.read_at(&mut block, 0)?;
    Ok(is_tar_start(&block))
}

impl Tar {
    /// A store of these archives. An archive without an index is walked through: its
    /// headers are read, its data is not.
    pub fn open(paths: &[PathBuf], progress: &Progress) -> Result<Tar> {
        let mut tar = Tar { archives: Vec::new(), entries: Vec::new(), roots: vec![Vec::new()] };
        for path in paths {
            tar.add(Source::open(path, Access::Read)?, progress)?;
        }
        tar.entries.sort_unstable_by_key(|entry| entry.hash);
        Ok(tar)
    }

    fn add(&mut self, source: Source, progress: &Progress) -> Result<()> {
        let Ok(number) = u16::try_from(self.archives.len()) else {
            let path = source.path().to_owned();
            let reason = "more than 65,536 archives are open at once".to_owned();
            return Err(Error::Format { path, offset: 0, reason });
        };
        let hash = sidecar::content_hash(&source)?;
        let places = sidecar::places(&source);
        let loaded = places.iter().find_map(|place| tar_sidecar::load(place, &source, hash));
        if let Some((table, root)) = loaded {
            self.add_root(root);
            self.archives.push(Archive { source, table: Some(table), damage: None });
            return Ok(());
        }
        let found = build(&source, progress)?;
        source.check_unchanged()?;
        if found.damage.is_none() && found.entries.len() >= tar_sidecar::WORTH_KEEPING {
            tar_sidecar::keep(&places, &found, &source, hash);
        }
        let Found { entries, root, damage } = found;
        self.entries.extend(entries.into_iter().map(|entry| entry.in_file(number)));
        self.add_root(root);
        self.archives.push(Archive { source, table: None, damage });
        Ok(())
    }

    fn add_root(&mut self, root: Vec<u8>) {
        if !self.roots.contains(&root) {
            self.roots.push(root);
        }
    }

    /// The archives, and which files they were when they were opened.
    pub fn archives(&self) -> impl Iterator<Item = (&Path, Identity)> {
        self.archives.iter().map(|archive| (archive.source.path(), archive.source.identity()))
    }

    /// What is wrong with archives as a whole, in words.
    pub fn damages(&self) -> impl Iterator<Item = String> {
        self.archives.iter().filter_map(|archive| {
            Some(format!("{} {}", archive.source.path().display(), archive.damage()?))
        })
    }

    /// Reads the image of this path into `bytes`, whose content is replaced.
    pub fn read(&self, path: &str, bytes: &mut Vec<u8>) -> std::result::Result<(), StoreError> {
        self.find(path, |archive, entry, name| archive.read(entry, name, bytes))
    }

    /// Where the image of this path lies, if that is certain without a look at the archive.
    #[must_use]
    pub fn locate(&self, path: &str) -> Option<Span> {
        let spelling = Spelling::parse(path).ok()?;
        let mut entries = Vec::new();
        for name in self.names(&spelling) {
            self.entries_of(&name, &mut entries).ok()?;
            let [entry] = entries[..] else {
                if entries.is_empty() {
                    continue;
                }
                return None;
            };
            let (archive, start) = (entry.file(), entry.start());
            let end = entry.data().checked_add(u64::from(entry.size))?;
            let is_sound = entry.state.reason().is_none();
            let size = end.saturating_sub(start);
            let member = InArchive::Plain { entry, name };
            return is_sound.then_some(Span { archive, start, end, size, member });
        }
        None
    }

    /// Reads an image that was located into `bytes`, whose content is replaced; `None` where
    /// it is the image of another name.
    pub(super) fn read_located(
        &self,
        entry: &Entry,
        name: &[u8],
        bytes: &mut Vec<u8>,
    ) -> Option<std::result::Result<(), StoreError>> {
        let archive = self.archives.get(usize::from(entry.file()))?;
        match archive.read(entry, name, bytes) {
            Ok(Match::Yes) => Some(Ok(())),
            Ok(Match::AnotherName) => None,
            Err(error) => Some(Err(error)),
        }
    }

    /// Asks the system to have a run in memory soon.
    pub(super) fn will_need(&self, run: &Run) {
        if let Some(archive) = self.archives.get(usize::from(run.archive)) {
            archive.source.will_need(&run.range);
        }
    }

    /// Reads images of one archive, that lie near each other, in one call: for each its
    /// bytes, or why there are none.
    #[must_use]
    pub fn read_run(&self, spans: &[&Span]) -> Vec<std::result::Result<Vec<u8>, StoreError>> {
        let begin = spans.iter().map(|span| span.start).min().unwrap_or(0);
        let end = spans.iter().map(|span| span.end).max().unwrap_or(0);
        let length = usize::try_from(end.saturating_sub(begin)).unwrap_or(0);
        let mut run = vec![0; length];
        let archive = spans.first().and_then(|span| self.archives.get(usize::from(span.archive)));
        let Some(archive) = archive else { return Vec::new() };
        let read = archive.source.check_unchanged();
        let read = read.and_then(|()| archive.source.read_at(&mut run, begin));
        if read.is_err() {
            // Each by itself: some may be had, and the errors name their images.
            let alone = |(_, entry, name): (_, &Entry, &[u8])| {
                let mut bytes = Vec::new();
                match archive.read(entry, name, &mut bytes)? {
                    Match::Yes => Ok(bytes),
                    Match::AnotherName => Err(archive.unfit(entry, name)),
                }
            };
            return spans.iter().copied().filter_map(plain).map(alone).collect();
        }
        let within = |at: u64| usize::try_from(at.saturating_sub(begin)).unwrap_or(usize::MAX);
        let cut = |(span, entry, name): (&Span, &Entry, &[u8])| {
            let head = run.get(within(span.start)..within(entry.data())).unwrap_or_default();
            let data = run.get(within(entry.data())..within(span.end));
            match (archive.fits(entry, name, head), data) {
                (Ok(Match::Yes), Some(data)) => Ok(data.to_vec()),
                _ => Err(archive.unfit(entry, name)),
            }
        };
        spans.iter().copied().filter_map(plain).map(cut).collect()
    }

    /// Whether the image of this path is there.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.find(path, |archive, entry, name| archive.check(entry, name, &mut [])).is_ok()
    }

    /// Shows every entry that the path may mean to `look`, until one is it.
    fn find(
        &self,
        path: &str,
        mut look: impl FnMut(&Archive, &Entry, &[u8]) -> std::result::Result<Match, StoreError>,
    ) -> std::result::Result<(), StoreError> {
        let spelling = Spelling::parse(path)?;
        let mut entries = Vec::new();
        let mut unfit = None;
        for name in self.names(&spelling) {
            entries.clear();
            self.entries_of(&name, &mut entries)?;
            for entry in &entries {
                let archive = self.archives.get(usize::from(entry.file()));
                let Some(archive) = archive else { continue };
                match look(archive, entry, &name)? {
                    Match::Yes => return Ok(()),
                    Match::AnotherName => unfit = Some(archive.unfit(entry, &name)),
                }
            }
        }
        // Two names of one hash are all but impossible: the index is of another state.
        if let Some(error) = unfit {
            return Err(error);
        }
        let place = |archive: &Archive| {
            let damage =
                archive.damage().map_or(String::new(), |damage| format!(" (which {damage})"));
            format!("{}{damage}", archive.source.path().display())
        };
        Err(StoreError::Missing { places: self.archives.iter().map(place).collect() })
    }

    /// The keys that a path can have in an archive, the likely ones first.
    fn names(&self, spelling: &Spelling<'_>) -> Vec<Vec<u8>> {
        if let Some(name) = spelling.keyframe() {
            return vec![name.as_bytes().to_vec()];
        }
        let below = spelling.layouts().filter_map(|layout| spelling.below_root(layout));
        let in_roots = |name: String| {
            self.roots.iter().map(move |root| [root.as_slice(), name.as_bytes()].concat())
        };
        below.flat_map(in_roots).collect()
    }

    /// All entries of a key, those of the first archive first.
    fn entries_of(
        &self,
        name: &[u8],
        entries: &mut Vec<Entry>,
    ) -> std::result::Result<(), StoreError> {
        let hash = xxh3_64(name);
        let unreadable = |error: Error| StoreError::Unreadable {
            place: "the index of an archive".to_owned(),
            reason: error.to_string(),
        };
        find(&self.entries, hash, entries).map_err(unreadable)?;
        for (number, archive) in (0..).zip(&self.archives) {
            let Some(table) = &archive.table else { continue };
            let first = entries.len();
            find(table, hash, entries).map_err(unreadable)?;
            for entry in entries.get_mut(first..).unwrap_or_default() {
                *entry = entry.in_file(number);
            }
        }
        entries.sort_by_key(Entry::file);
        Ok(())
    }
}

/// The member of a span of this kind of store.
fn plain(span: &Span) -> Option<(&Span, &Entry, &[u8])> {
    match &span.member {
        InArchive::Plain { entry, name } => Some((span, entry, name)),
        InArchive::Compressed(_) => None,
    }
}

/// Whether an entry is the one that was looked for.
enum Match {
    Yes,
    /// A member of another name with the same hash.
    AnotherName,
}

impl Archive {
    /// What is wrong with it as a whole, in words that go on after its name.
    fn damage(&self) -> Option<String> {
        let TarFault { offset, reason } = self.damage.as_ref()?;
        Some(format!("is damaged at byte {offset}, members after that are not known: {reason}"))
    }

    fn unreadable(&self, entry: &Entry, name: &[u8], reason: String) -> StoreError {
        let place = format!(
            "{}, member {:?} at byte {}",
            self.source.path().display(),
            String::from_utf8_lossy(name),
            entry.start()
        );
        StoreError::Unreadable { place, reason }
    }

    fn unfit(&self, entry: &Entry, name: &[u8]) -> StoreError {
        let reason = "the archive's index does not fit it: delete the index (.tfidx)";
        self.unreadable(entry, name, reason.to_owned())
    }

    fn read(
        &self,
        entry: &Entry,
        name: &[u8],
        bytes: &mut Vec<u8>,
    ) -> std::result::Result<Match, StoreError> {
        let length = usize::try_from(entry.size).unwrap_or(usize::MAX);
        let length = if entry.state.reason().is_none() { length } else { 0 };
        // What was in the memory before is overwritten, so only growth has to be filled.
        bytes.truncate(length);
        if bytes.capacity() < length {
            bytes.clear();
            let reserved = bytes.try_reserve_exact(length);
            reserved.map_err(|error| self.unreadable(entry, name, error.to_string()))?;
        }
        bytes.resize(length, 0);
        let result = self.check(entry, name, bytes);
        if result.is_err() {
            bytes.clear();
        }
        result
    }

    /// Reads the member's header, and its data into `data`, as much as there is room for.
    fn check(
        &self,
        entry: &Entry,
        name: &[u8],
        data: &mut [u8],
    ) -> std::result::Result<Match, StoreError> {
        let unreadable = |error: Error| self.unreadable(entry, name, error.to_string());
        self.source.check_unchanged().map_err(unreadable)?;
        if let Some(reason) = entry.state.reason() {
            return Err(self.unreadable(entry, name, reason.to_owned()));
        }
        let mut small: Block = [0; BLOCK];
        let mut large = Vec::new();
        let head = if entry.head == 1 {
            &mut small[..]
        } else {
            large.resize(usize::from(entry.head).saturating_mul(BLOCK), 0);
            &mut large[..]
        };
        self.source.read_pair_at(head, data, entry.start()).map_err(unreadable)?;
        self.fits(entry, name, head)
    }

    /// Whether these are the headers of the member that the entry means.
    fn fits(
        &self,
        entry: &Entry,
        name: &[u8],
        head: &[u8],
    ) -> std::result::Result<Match, StoreError> {
        let fits = read_head(head, entry.start(), |member| {
            let is_as_known = member.kind == Kind::File
                && member.data == entry.data()
                && member.size == u64::from(entry.size);
            is_as_known.then(|| {
                let is_named =
                    entry.state == State::Linked || key(&plain_name(member.name)) == name;
                if is_named { Match::Yes } else { Match::AnotherName }
            })
        });
        fits.flatten().ok_or_else(|| self.unfit(entry, name))
    }
}
