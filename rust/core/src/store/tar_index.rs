//! Where each image of a tar file lies, found by a hash of its name. Names are not
//! kept: a member's own header tells whether it is the one that was meant.
//!
//! A keyframe's name is unique in the whole dataset, so its last component is its key,
//! in whatever folders it lies. Any other name is its own key, folders and all.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::borrow::Cow;

use xxhash_rust::xxh3::xxh3_64;

use super::common_folder::CommonFolder;
use super::tar_halves;
use super::tar_header::{BLOCK, Kind};
use super::tar_scan::End;
use super::tar_walk::{Event, Member, TarFault, TarWalk};
use crate::error::{Error, Result};
use crate::index::Progress;
use crate::keyframe_name::KeyframeName;
use crate::source::Source;

/// No place in an archive is beyond this, so that a file's number fits above it.
const MAX_START: u64 = 1 << 48;
/// Links are followed so far.
const MAX_LINKS: usize = 40;

/// What is found under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum State {
    /// The member of this name.
    Own,
    /// The member that a link of this name means.
    Linked,
    Sparse,
    Special,
    Cut,
    TooLarge,
    LostLink,
    LoopOfLinks,
    /// While the index is made: a link, not yet followed.
    Link,
}

impl State {
    /// Of the states that are kept.
    pub fn from_code(code: u8) -> Option<State> {
        use State::{Cut, Linked, LoopOfLinks, LostLink, Own, Sparse, Special, TooLarge};
        [Own, Linked, Sparse, Special, Cut, TooLarge, LostLink, LoopOfLinks]
            .into_iter()
            .find(|state| *state as u8 == code)
    }

    /// Why there are no bytes.
    pub fn reason(self) -> Option<&'static str> {
        Some(match self {
            State::Own | State::Linked | State::Link => return None,
            State::Sparse => {
                "it is stored as a sparse file, which is not supported: unpack the archive with \
                 GNU tar and open the folder"
            }
            State::Special => "it is no regular file",
            State::Cut => "the archive is cut: it ends inside of it",
            State::TooLarge => "it has more bytes than any image",
            State::LostLink => "it is a link to what is not in the archive",
            State::LoopOfLinks => "it is a link that leads back to itself",
        })
    }
}

/// A name's hash, and where its member lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub hash: u64,
    /// The number of the file above, the offset of the member's first header below.
    place: u64,
    pub size: u32,
    /// Blocks of headers before the data.
    pub head: u16,
    pub state: State,
}

impl Entry {
    pub fn new(hash: u64, file: u16, start: u64, (head, size): (u16, u32), state: State) -> Entry {
        Entry { hash, place: u64::from(file) << 48 | start & (MAX_START - 1), size, head, state }
    }

    pub fn file(&self) -> u16 {
        (self.place >> 48) as u16
    }

    pub fn start(&self) -> u64 {
        self.place & (MAX_START - 1)
    }

    pub fn data(&self) -> u64 {
        self.start().saturating_add(u64::from(self.head).saturating_mul(BLOCK as u64))
    }

    pub fn in_file(mut self, file: u16) -> Entry {
        self.place = self.start() | u64::from(file) << 48;
        self
    }
}

/// Entries by their hash.
pub(super) trait Table {
    fn len(&self) -> usize;
    fn get(&self, index: usize) -> Result<Entry>;
}

impl Table for Vec<Entry> {
    fn len(&self) -> usize {
        Vec::len(self)
    }

    fn get(&self, index: usize) -> Result<Entry> {
        // Searched by `find` alone, which stays inside.
        Ok(self.as_slice().get(index).copied().unwrap_or(Entry::new(0, 0, 0, (0, 0), State::Cut)))
    }
}

/// Appends all entries with this hash. Hashes are spread evenly, so the place is guessed
/// first: a mapped table is touched in two or three pages.
pub(super) fn find(table: &impl Table, hash: u64, found: &mut Vec<Entry>) -> Result<()> {
    let count = table.len();
    let guess = u128::from(hash).saturating_mul(count as u128) >> 64;
    let guess = usize::try_from(guess).unwrap_or(count);
    let reach = count.isqrt().saturating_mul(4).saturating_add(8);
    let mut low = guess.saturating_sub(reach);
    let mut high = guess.saturating_add(reach).min(count);
    if low > 0 && table.get(low.saturating_sub(1))?.hash >= hash {
        low = 0;
    }
    if high < count && table.get(high)?.hash < hash {
        high = count;
    }
    while low < high {
        let middle = low.midpoint(high);
        if table.get(middle)?.hash < hash {
            low = middle.saturating_add(1);
        } else {
            high = middle;
        }
    }
    while low < count {
        let entry = table.get(low)?;
        if entry.hash != hash {
            break;
        }
        found.push(entry);
        low = low.saturating_add(1);
    }
    Ok(())
}

/// A member's name without what says nothing: `./`, slashes at its front, doubled ones.
pub(super) fn plain_name(name: &[u8]) -> Cow<'_, [u8]> {
    let name = name.strip_prefix(b"./").unwrap_or(name);
    if components_start(name)
        .all(|rest| !matches!(rest, [] | [b'/', ..] | [b'.'] | [b'.', b'/', ..]))
    {
        return Cow::Borrowed(name);
    }
    let is_plain = |component: &&[u8]| !component.is_empty() && *component != b".";
    let parts: Vec<&[u8]> = name.split(|&byte| byte == b'/').filter(is_plain).collect();
    Cow::Owned(parts.join(&b'/'))
}

/// Whether a plain name has a component `..`.
pub(super) fn leads_out(name: &[u8]) -> bool {
    components_start(name).any(|rest| matches!(rest, [b'.', b'.'] | [b'.', b'.', b'/', ..]))
}

/// The name from each of its components on.
fn components_start(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    let after = memchr::memchr_iter(b'/', name).map(|slash| slash.saturating_add(1));
    std::iter::once(0).chain(after).filter_map(|start| name.get(start..))
}

/// The key of a plain name.
pub(crate) fn key(name: &[u8]) -> &[u8] {
    let last = last_component(name);
    if is_keyframe(last) { last } else { name }
}

fn last_component(name: &[u8]) -> &[u8] {
    memchr::memrchr(b'/', name)
        .and_then(|slash| name.get(slash.saturating_add(1)..))
        .unwrap_or(name)
}

fn vid(last: &[u8]) -> Option<&str> {
    KeyframeName::vid_of(std::str::from_utf8(last).ok()?).filter(|&vid| vid != "..")
}

fn is_keyframe(last: &[u8]) -> bool {
    vid(last).is_some()
}

/// Of several members with one key: the one under `<vid>/`, then the one under no
/// folder, then others; of equals the last one, as tar does.
pub(super) fn rank(name: &[u8]) -> u8 {
    let last = last_component(name);
    let Some(folder) = name.strip_suffix(last).and_then(|folder| folder.strip_suffix(b"/")) else {
        return 1;
    };
    let is_of_vid = vid(last).is_some_and(|vid| last_component(folder) == vid.as_bytes());
    if is_of_vid { 2 } else { 0 }
}

/// All that one pass over an archive finds.
#[derive(Debug)]
pub(super) struct Found {
    pub entries: Vec<Entry>,
    /// The folder that all images without a keyframe's name lie in, or nothing.
    pub root: Vec<u8>,
    pub damage: Option<TarFault>,
}

/// What the link at `start` means.
#[derive(Debug, PartialEq, Eq)]
struct Link {
    start: u64,
    target: Vec<u8>,
    is_hard: bool,
}

/// Makes the index of an archive.
pub(super) fn build(source: &Source, progress: &Progress) -> Result<Found> {
    let (builder, end) = tar_halves::walk(source, progress)?;
    let damage = match end {
        End::Marked | End::Unmarked => None,
        End::Damaged(fault) => Some(fault),
    };
    if builder.members == 0 {
        let (offset, reason) = match damage {
            Some(fault) => (fault.offset, fault.reason),
            None => (0, "the archive has no members".to_owned()),
        };
        return Err(Error::Format { path: source.path().to_owned(), offset, reason });
    }
    let Builder { mut entries, links, root, .. } = builder;
    entries.sort_unstable_by_key(|entry| (entry.hash, entry.place));
    let entries = Resolver { entries: &entries, links: &links, source }.resolve()?;
    Ok(Found { entries, root: root.into_bytes(), damage })
}

/// What members are gathered in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Builder {
    /// The archive's length.
    size: u64,
    members: u64,
    entries: Vec<Entry>,
    links: Vec<Link>,
    root: CommonFolder,
}

impl Builder {
    pub fn new(size: u64) -> Builder {
        let (entries, links) = (Vec::new(), Vec::new());
        Builder { size, members: 0, entries, links, root: CommonFolder::default() }
    }

    /// Adds what another one gathered behind this one's members.
    pub fn append(&mut self, other: Builder) {
        self.members = self.members.saturating_add(other.members);
        self.entries.extend(other.entries);
        self.links.extend(other.links);
        self.root.append(&other.root);
    }

    pub fn take(&mut self, member: &Member<'_>) {
        self.members = self.members.saturating_add(1);
        let name = plain_name(member.name);
        if leads_out(&name) || name.is_empty() || member.start >= MAX_START {
            return; // no path of an image can mean it
        }
        let key = key(&name);
        if key.len() == name.len() && member.kind != Kind::Directory {
            self.root.add(&name);
        }
        let hash = xxh3_64(key);
        let is_cut = member.data.checked_add(member.size).is_none_or(|end| end > self.size);
        let state = match member.kind {
            Kind::Directory => return,
            Kind::HardLink | Kind::SymbolicLink => {
                let is_hard = member.kind == Kind::HardLink;
                let target = target_of(&name, member.link, is_hard);
                self.links.push(Link { start: member.start, target, is_hard });
                State::Link
            }
            Kind::Sparse => State::Sparse,
            Kind::Special => State::Special,
            Kind::File if is_cut => State::Cut,
            Kind::File if u32::try_from(member.size).is_err() => State::TooLarge,
            Kind::File => State::Own,
        };
        let head = blocks(member.data.saturating_sub(member.start));
        let size = u32::try_from(member.size).unwrap_or(u32::MAX);
        self.entries.push(Entry::new(hash, 0, member.start, (head, size), state));
    }
}

fn blocks(bytes: u64) -> u16 {
    u16::try_from(bytes.div_ceil(BLOCK as u64)).unwrap_or(u16::MAX)
}

/// The plain name of what a link means; empty where that is outside of the archive.
pub(super) fn target_of(name: &[u8], link: &[u8], is_hard: bool) -> Vec<u8> {
    if is_hard {
        return plain_name(link).into_owned();
    }
    if link.starts_with(b"/") {
        return Vec::new();
    }
    let mut parts: Vec<&[u8]> = name.split(|&byte| byte == b'/').collect();
    parts.pop();
    for part in link.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                if parts.pop().is_none() {
                    return Vec::new();
                }
            }
            _ => parts.push(part),
        }
    }
    parts.join(&b'/')
}

/// Makes of all members, sorted by hash and place, the ones that names mean.
struct Resolver<'a> {
    entries: &'a [Entry],
    /// In the order of the archive.
    links: &'a [Link],
    source: &'a Source,
}

impl Resolver<'_> {
    fn resolve(&self) -> Result<Vec<Entry>> {
        let mut kept = Vec::with_capacity(self.entries.len());
        for group in self.entries.chunk_by(|one, other| one.hash == other.hash) {
            if let [alone] = group {
                kept.push(self.followed(*alone)?);
                continue;
            }
            for entry in self.best_of_each_name(group)? {
                kept.push(self.followed(entry)?);
            }
        }
        Ok(kept)
    }

    /// Of members of one hash, the best of each key.
    fn best_of_each_name(&self, group: &[Entry]) -> Result<Vec<Entry>> {
        let mut named: Vec<(Vec<u8>, u8, Entry)> = Vec::new();
        for entry in group {
            let name = name_of(self.source, entry)?;
            let name = plain_name(&name);
            let (key, rank) = (key(&name).to_vec(), rank(&name));
            match named.iter_mut().find(|(other, ..)| *other == key) {
                Some(best) if best.1 > rank => {}
                Some(best) => *best = (key, rank, *entry),
                None => named.push((key, rank, *entry)),
            }
        }
        Ok(named.into_iter().map(|(.., entry)| entry).collect())
    }

    /// The entry, and for a link one that leads to what the link means.
    fn followed(&self, entry: Entry) -> Result<Entry> {
        if entry.state != State::Link {
            return Ok(entry);
        }
        let mut meant = entry;
        for _ in 0..MAX_LINKS {
            match self.target(&meant)? {
                None => return Ok(Entry { state: State::LostLink, ..entry }),
                Some(next) if next.state == State::Link => meant = next,
                Some(next) => {
                    let is_own = next.state == State::Own;
                    let state = if is_own { State::Linked } else { next.state };
                    return Ok(Entry { hash: entry.hash, state, ..next });
                }
            }
        }
        Ok(Entry { state: State::LoopOfLinks, ..entry })
    }

    /// A hard link means the last member of its target's name that came before it. A
    /// symbolic one means whatever has the name in the end.
    fn target(&self, link: &Entry) -> Result<Option<Entry>> {
        let place = self.links.binary_search_by_key(&link.start(), |link| link.start);
        let Some(Link { target, is_hard, .. }) = place.ok().and_then(|at| self.links.get(at))
        else {
            return Ok(None);
        };
        let limit = if *is_hard { link.start() } else { u64::MAX };
        let hash = xxh3_64(key(target));
        let first = self.entries.partition_point(|entry| entry.hash < hash);
        let same = self.entries.iter().skip(first).take_while(|entry| entry.hash == hash);
        let mut last = None;
        for entry in same.filter(|entry| entry.start() < limit) {
            if *plain_name(&name_of(self.source, entry)?) == **target {
                last = Some(*entry);
            }
        }
        Ok(last)
    }
}

/// The name in the headers of an entry's member; empty where they changed meanwhile.
fn name_of(source: &Source, entry: &Entry) -> Result<Vec<u8>> {
    name_at(source, entry.start(), entry.data())
}

/// The name in the headers between `start` and `data`.
pub(super) fn name_at(source: &Source, start: u64, data: u64) -> Result<Vec<u8>> {
    let length = usize::from(blocks(data.saturating_sub(start))).saturating_mul(BLOCK);
    let mut head = vec![0; length];
    source.read_at(&mut head, start)?;
    Ok(read_head(&head, start, |member| member.name.to_vec()).unwrap_or_default())
}

/// Reads the headers of one member again.
pub(super) fn read_head<R>(
    head: &[u8],
    start: u64,
    look: impl FnOnce(&Member<'_>) -> R,
) -> Option<R> {
    let mut walk = TarWalk::resume(start);
    let (blocks, _) = head.as_chunks::<BLOCK>();
    for block in blocks {
        match walk.feed(block) {
            Ok(Event::Member(member)) => return Some(look(&member)),
            Ok(Event::More) => {}
            _ => return None,
        }
    }
    None
}
