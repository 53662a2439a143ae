//! An ordinary tar in the making, which may be stopped at any moment and goes on where it
//! was. Members come in an order that the caller repeats; what is already in is passed over.
//!
//! ```text
//! X.tar.part         members so far, and perhaps the beginning of one more
//! X.tar.part.state   how much of it is known to be on disk, after how many members
//! X.tar.tfidx        its index, written before X.tar.part becomes X.tar
//! ```
//! A state is written only after the data that it speaks of is synced, so what lies behind
//! it is cut off and written again: the result is the same, byte for byte, however often
//! the work was interrupted.

mod archive;
mod journal;
mod removal;
#[cfg(test)]
mod removal_tests;

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, FlockOperation, fadvise, flock};
use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

use crate::error::{Error, Result};
use crate::index::{Progress, sidecar};
use crate::store::{END, file_header, keep_index};
pub use archive::{Batch, Batches};
pub use removal::{PartRemoval, RemovalReport};

const MAGIC: &[u8; 8] = b"TEXTPCK1";
const STATE: usize = 48;
/// So much is gathered before it is written.
const BUFFER: usize = 1 << 20;

/// The disk is given so much to write at once, long before it is waited for.
const EARLY: u64 = 8 << 20;

/// A pack that is being written.
#[derive(Debug)]
pub struct Pack {
    out: PathBuf,
    part: PathBuf,
    file: File,
    plan: u64,
    /// After so many bytes the data is synced and the state written.
    stride: u64,
    buffer: Vec<u8>,
    /// Bytes that are in the file, and in the buffer.
    length: u64,
    synced: u64,
    /// What the disk has been given to write ends here.
    given: u64,
    /// How many members of the order were asked about.
    position: u64,
    names: Names,
    /// How many members were in when the work went on, and the hash of their names.
    resumed: Option<(u64, u64)>,
    /// What was written after the last state, for those who remove where it came from.
    unread: Option<Unread>,
}

/// Bytes that have not been read back yet.
#[derive(Default)]
struct Unread {
    start: u64,
    hash: Xxh3Default,
}

impl std::fmt::Debug for Unread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unread").field("start", &self.start).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Names(Xxh3Default);

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Names").field(&self.0.digest()).finish()
    }
}

/// What a state file says.
struct State {
    plan: u64,
    length: u64,
    position: u64,
    names: u64,
}

impl State {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for word in [self.plan, self.length, self.position, self.names] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        let check = xxh3_64(&bytes);
        bytes.extend_from_slice(&check.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<State> {
        let bytes: &[u8; STATE] = bytes.try_into().ok()?;
        let (body, check) = bytes.split_last_chunk::<8>()?;
        let words = body.strip_prefix(MAGIC)?;
        if xxh3_64(body) != u64::from_le_bytes(*check) {
            return None;
        }
        let (words, _) = words.as_chunks::<8>();
        let &[plan, length, position, names] = words else { return None };
        let [plan, length, position, names] =
            [plan, length, position, names].map(u64::from_le_bytes);
        Some(State { plan, length, position, names })
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// A file that was not made here is never replaced.
fn is_there(path: &Path) -> Error {
    let reason = "it is there already, and stays: choose another name for the tar";
    let source = std::io::Error::new(ErrorKind::AlreadyExists, reason);
    Error::Io { path: path.to_owned(), action: "write", source }
}

impl Pack {
    /// Begins the pack `out`, or goes on with it. `plan` stands for what shall be in it and
    /// in which order: one that was begun with another plan is refused. `None` where it is
    /// finished already.
    pub fn open(out: &Path, plan: u64, stride: u64) -> Result<Option<Pack>> {
        let (part, state) = (beside(out, ".part"), beside(out, ".part.state"));
        let io = |action, source| Error::Io { path: part.clone(), action, source };
        let known = std::fs::read(&state).ok().and_then(|bytes| State::decode(&bytes));
        if out.exists() {
            if !part.exists() && known.is_some_and(|state| state.plan == plan) {
                let _ = std::fs::remove_file(&state);
                return Ok(None);
            }
            return Err(is_there(out));
        }
        let is_other = |file: std::fs::Metadata| file.len() > 0 && !state.exists();
        if std::fs::metadata(&part).is_ok_and(is_other) {
            return Err(is_there(&part));
        }
        let open =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&part);
        let file = open.map_err(|source| io("write", source))?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let source = std::io::Error::other("another process is writing it");
            return Err(io("go on with", source));
        }
        let size = file.metadata().map_err(|source| io("look at", source))?.len();
        let known = known.filter(|state| state.length <= size);
        if known.as_ref().is_some_and(|state| state.plan != plan) {
            let reason = "it was begun with other files or options: remove it, or repeat those";
            return Err(io("go on with", std::io::Error::other(reason)));
        }
        let (length, resumed) =
            known.map_or((0, None), |state| (state.length, Some((state.position, state.names))));
        let mut pack = Pack {
            out: out.to_owned(),
            part: part.clone(),
            file,
            plan,
            stride,
            buffer: Vec::with_capacity(BUFFER),
            length,
            synced: length,
            given: length,
            position: 0,
            names: Names::default(),
            resumed,
            unread: None,
        };
        pack.file.set_len(length).map_err(|source| io("cut", source))?;
        pack.file.seek(SeekFrom::Start(length)).map_err(|source| io("write", source))?;
        if pack.resumed.is_none() {
            pack.save_state()?;
        }
        Ok(Some(pack))
    }

    /// From now on what is written is read back from the disk and compared, before a
    /// state says that it is there.
    fn read_back(&mut self) {
        self.unread = Some(Unread { start: self.length, hash: Xxh3Default::new() });
    }

    /// How many members of the order come that are in already.
    #[must_use]
    pub fn left_to_pass(&self) -> u64 {
        self.resumed().saturating_sub(self.position)
    }

    /// How many members were in when the work went on.
    #[must_use]
    pub fn resumed(&self) -> u64 {
        self.resumed.map_or(0, |(position, _)| position)
    }

    /// How many bytes there are so far.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether the next member of the order, which has this name, is still to be added. It
    /// may be left out.
    pub fn wants(&mut self, name: &[u8]) -> Result<bool> {
        // What the member before was, is now settled.
        if self.length - self.synced >= self.stride {
            self.checkpoint()?;
        }
        self.names.0.update(&(name.len() as u64).to_le_bytes());
        self.names.0.update(name);
        self.position += 1;
        let Some((resumed, names)) = self.resumed else { return Ok(true) };
        if self.position == resumed && self.names.0.digest() != names {
            return Err(self.other_order());
        }
        Ok(self.position > resumed)
    }

    fn other_order(&self) -> Error {
        let reason = "the images or their order have changed since it was begun: remove it";
        let source = std::io::Error::other(reason);
        Error::Io { path: self.part.clone(), action: "go on with", source }
    }

    /// Adds the member that was asked about last.
    pub fn add(&mut self, name: &[u8], data: &[u8]) -> Result<()> {
        let header = file_header(name, data.len() as u64, 0);
        let before = self.buffer.len();
        self.buffer.extend_from_slice(&header);
        self.buffer.extend_from_slice(data);
        // The header is whole blocks, so the padding follows from the data alone.
        let padded = data.len().next_multiple_of(crate::store::BLOCK);
        self.buffer.resize(before + header.len() + padded, 0);
        self.length += (self.buffer.len() - before) as u64;
        if self.buffer.len() >= BUFFER { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        let io = |source| Error::Io { path: self.part.clone(), action: "write", source };
        self.file.write_all(&self.buffer).map_err(io)?;
        if let Some(unread) = &mut self.unread {
            unread.hash.update(&self.buffer);
        }
        self.buffer.clear();
        let new = self.length.saturating_sub(self.given);
        if let Some(length) = std::num::NonZeroU64::new(new).filter(|length| length.get() >= EARLY)
        {
            // On Linux this begins to write what is not written yet, and waits for nothing.
            let _ = fadvise(&self.file, self.given, Some(length), Advice::DontNeed);
            self.given = self.length;
        }
        Ok(())
    }

    fn checkpoint(&mut self) -> Result<()> {
        self.flush()?;
        self.sync()?;
        self.compare()?;
        self.save_state()
    }

    /// Reads back what was written since it was last done.
    fn compare(&mut self) -> Result<()> {
        let Some(unread) = &mut self.unread else { return Ok(()) };
        let io = |action, source| Error::Io { path: self.part.clone(), action, source };
        let end = self.file.stream_position().map_err(|source| io("look at", source))?;
        let Some(length) = std::num::NonZeroU64::new(end - unread.start) else { return Ok(()) };
        // Out of the system's cache, so that it comes from the disk.
        let _ = fadvise(&self.file, unread.start, Some(length), Advice::DontNeed);
        let mut found = Xxh3Default::new();
        let mut bytes = vec![0; BUFFER];
        let mut at = unread.start;
        while at < end {
            let count = usize::try_from(end - at).unwrap_or(BUFFER).min(BUFFER);
            let read = self.file.read_exact_at(&mut bytes[..count], at);
            read.map_err(|source| io("read back", source))?;
            found.update(&bytes[..count]);
            at += count as u64;
        }
        if found.digest() != unread.hash.digest() {
            let reason = format!(
                "bytes {} to {end} are not what was written: the disk or the memory is failing",
                unread.start
            );
            return Err(io("trust", std::io::Error::other(reason)));
        }
        *unread = Unread { start: end, hash: Xxh3Default::new() };
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        let io = |source| Error::Io { path: self.part.clone(), action: "sync", source };
        self.file.sync_data().map_err(io)
    }

    fn save_state(&mut self) -> Result<()> {
        let path = beside(&self.part, ".state");
        let names = self.names.0.digest();
        let state = State { plan: self.plan, length: self.length, position: self.position, names };
        let written = sidecar::write_renamed(&path, &state.encode());
        written.map_err(|source| Error::Io { path, action: "write", source })?;
        self.synced = self.length;
        Ok(())
    }

    /// Ends the archive, writes its index beside it, and gives it its name. The index's path.
    pub fn finish(self, progress: &Progress) -> Result<PathBuf> {
        let state = beside(&self.part, ".state");
        let index = self.end(progress)?;
        sidecar::remove_leftovers(&state);
        sidecar::remove_leftovers(&index);
        let _ = std::fs::remove_file(state);
        Ok(index)
    }

    /// As [`Pack::finish`], but the state stays beside it.
    fn end(mut self, progress: &Progress) -> Result<PathBuf> {
        if self.position < self.resumed() {
            return Err(self.other_order());
        }
        self.checkpoint()?;
        self.buffer.extend_from_slice(&END);
        self.flush()?;
        self.sync()?;
        self.compare()?;
        let index = beside(&self.out, ".tfidx");
        if self.length > 0 {
            keep_index(&self.part, &index, progress)?;
        }
        let io = |source| Error::Io { path: self.out.clone(), action: "write", source };
        std::fs::rename(&self.part, &self.out).map_err(io)?;
        sidecar::sync_folder_of(&self.out);
        Ok(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Tar;
    use crate::test_folder::TestFolder;

    fn member(number: u64) -> (String, Vec<u8>) {
        let length = usize::try_from(number * 7919 % 3000).expect("small");
        let name = format!("v{}/v{}@0_{number}#1.jpg", number % 3, number % 3);
        (name, vec![u8::try_from(number % 251).expect("small"); length])
    }

    /// Adds up to `most` members of `count`; whether it came to the end.
    fn fill(out: &Path, count: u64, most: u64) -> Result<bool> {
        let Some(mut pack) = Pack::open(out, 7, 4096)? else { return Ok(true) };
        let mut added = 0;
        for number in 0..count {
            let (name, data) = member(number);
            if pack.wants(name.as_bytes())? {
                if added == most {
                    // As if the process were killed: what the buffer holds is lost.
                    pack.flush()?;
                    pack.file.write_all(b"half a member").expect("written");
                    return Ok(false);
                }
                pack.add(name.as_bytes(), &data)?;
                added += 1;
            }
        }
        pack.finish(&Progress::default())?;
        Ok(true)
    }

    #[test]
    fn an_interrupted_pack_is_the_same_in_the_end() {
        let folder = TestFolder::new("pack");
        let whole = folder.path("whole.tar");
        assert!(fill(&whole, 60, 1000).expect("packed"));
        for most in [1, 2, 3, 7, 30, 59] {
            let out = folder.path(format!("{most}.tar"));
            let mut runs = 0;
            // A run that adds less than a checkpoint's worth would never come on.
            while !fill(&out, 60, most + runs).expect("packed") {
                runs += 1;
            }
            assert!(runs > 0);
            assert_eq!(std::fs::read(&out).expect("a pack"), std::fs::read(&whole).expect("it"));
            let index = |path: &Path| std::fs::read(beside(path, ".tfidx")).expect("an index");
            assert_eq!(index(&out), index(&whole));
        }
        let names = std::fs::read_dir(folder.path("")).expect("there").count();
        assert_eq!(names, 14, "nothing else is left");
        let store = Tar::open(&[whole], &Progress::default()).expect("a store");
        for number in 0..60 {
            let (name, data) = member(number);
            let mut bytes = Vec::new();
            store.read(&name, &mut bytes).expect("there");
            assert_eq!(bytes, data);
        }
    }

    #[test]
    fn another_plan_or_order_is_refused() {
        let folder = TestFolder::new("pack_other");
        let out = folder.path("x.tar");
        assert!(!fill(&out, 60, 30).expect("begun"));
        let error = Pack::open(&out, 8, 4096).expect_err("another plan").to_string();
        assert!(
            error.contains("other files or options") && error.contains("x.tar.part"),
            "{error}"
        );
        let mut pack = Pack::open(&out, 7, 4096).expect("opened").expect("unfinished");
        let resumed = pack.resumed();
        assert!(resumed > 3);
        let names = (0..resumed).map(|number| member(number + 1).0);
        let result: Result<Vec<bool>> = names.map(|name| pack.wants(name.as_bytes())).collect();
        assert!(result.expect_err("another order").to_string().contains("have changed since"));
        drop(pack);
        let pack = Pack::open(&out, 7, 4096).expect("opened").expect("unfinished");
        let second = Pack::open(&out, 7, 4096).expect_err("in use").to_string();
        assert!(second.contains("another process"), "{second}");
        let error = pack.finish(&Progress::default()).expect_err("too short").to_string();
        assert!(error.contains("have changed since"), "{error}");
    }

    #[test]
    fn a_broken_state_begins_anew_and_a_finished_pack_stays() {
        let folder = TestFolder::new("pack_state");
        let out = folder.path("x.tar");
        assert!(!fill(&out, 60, 30).expect("begun"));
        let state = folder.path("x.tar.part.state");
        let mut bytes = std::fs::read(&state).expect("a state");
        bytes[20] ^= 1;
        std::fs::write(&state, &bytes).expect("written");
        let pack = Pack::open(&out, 7, 4096).expect("opened").expect("unfinished");
        assert_eq!((pack.resumed(), pack.length()), (0, 0));
        drop(pack);
        assert!(fill(&out, 60, 1000).expect("packed"));
        let error = Pack::open(&out, 7, 4096).expect_err("it is there").to_string();
        assert!(error.contains("x.tar"), "{error}");
        // Killed between the last two steps.
        let last = State { plan: 7, length: 9, position: 9, names: 9 };
        std::fs::write(&state, last.encode()).expect("written");
        assert!(Pack::open(&out, 7, 4096).expect("opened").is_none() && !state.exists());
    }
}
