//! A file that only grows while an index is built, so that a crash loses what came after
//! the last entry that reached the disk, and no more. Knows no index.
//!
//! ```text
//! magic | kind (u8) length (u32) CRC-32C (u32) bytes | kind ... | torn entry
//! ```

#![allow(clippy::cast_possible_truncation, reason = "lengths of buffers")]

use std::fs::{File, Metadata, OpenOptions};
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::error::{Error, Result};

pub(crate) type Magic = [u8; 16];
const HEAD: usize = 9;
/// No entry is longer: a page of members, taken apart, is smaller.
const MAX_ENTRY: u32 = 256 << 20;

/// The name of the file that grows while the index at `path` is built.
pub(crate) fn partial_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

/// A file that is being appended to.
#[derive(Debug)]
pub(crate) struct AppendLog {
    path: PathBuf,
    file: File,
    length: u64,
}

impl AppendLog {
    /// Opens or makes the file, alone: another process that has it open is an error.
    pub fn open(path: &Path) -> Result<AppendLog> {
        Ok(AppendLog { path: path.to_owned(), file: open_locked(path)?, length: 0 })
    }

    /// Hands each entry that is whole to `take`, with the place of its bytes, until that
    /// says `false`. Whether the file begins with the magic. Next comes [`AppendLog::cut`].
    pub fn read(
        &mut self,
        magic: &Magic,
        mut take: impl FnMut(u8, &[u8], Range<u64>) -> bool,
    ) -> Result<bool> {
        let mut read = || {
            self.file.rewind()?;
            let mut input = BufReader::with_capacity(1 << 20, &self.file);
            let mut found = Magic::default();
            if input.read_exact(&mut found).is_err() || found != *magic {
                return Ok(false);
            }
            let mut at = magic.len() as u64;
            while let Some((kind, bytes)) = read_entry(&mut input)? {
                let start = at + HEAD as u64;
                at = start + bytes.len() as u64;
                if !take(kind, &bytes, start..at) {
                    break;
                }
            }
            Ok(true)
        };
        let read: std::io::Result<bool> = read();
        read.map_err(|source| self.io("read", source))
    }

    /// Forgets what comes from `end` on, and goes on there.
    pub fn cut(&mut self, end: u64) -> Result<()> {
        let cut = self.file.set_len(end).and_then(|()| self.file.seek(SeekFrom::Start(end)));
        cut.map_err(|source| self.io("write", source))?;
        self.length = end;
        Ok(())
    }

    /// Forgets everything, and begins with the magic.
    pub fn restart(&mut self, magic: &Magic) -> Result<()> {
        self.cut(0)?;
        self.write(magic)
    }

    /// Appends an entry, and gives the place of its bytes.
    pub fn append(&mut self, kind: u8, bytes: &[u8]) -> Result<Range<u64>> {
        let mut entry = vec![kind];
        entry.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        entry.extend_from_slice(&check(kind, bytes).to_le_bytes());
        entry.extend_from_slice(bytes);
        let start = self.length + HEAD as u64;
        self.write(&entry)?;
        Ok(start..self.length)
    }

    /// Makes all so far reach the disk.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|source| self.io("write", source))
    }

    /// The bytes of an entry.
    pub fn bytes(&self, place: &Range<u64>) -> Result<Vec<u8>> {
        let mut bytes = vec![0; (place.end - place.start) as usize];
        let read = self.file.read_exact_at(&mut bytes, place.start);
        read.map_err(|source| self.io("read", source))?;
        Ok(bytes)
    }

    /// Removes the file: the index is complete.
    pub fn remove(self) -> Result<()> {
        std::fs::remove_file(&self.path).map_err(|source| self.io("remove", source))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|source| self.io("write", source))?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    pub fn io(&self, action: &'static str, source: std::io::Error) -> Error {
        Error::Io { path: self.path.clone(), action, source }
    }
}

/// Removes the file that grew while the index at `path` was built, which a crash right after
/// the index was complete has left. Not where another process has it locked or may have, and
/// not without the right to do so.
pub(crate) fn remove_left(path: &Path) {
    let path = partial_path(path);
    let Ok(file) = OpenOptions::new().write(true).open(&path) else { return };
    let Ok(own) = file.metadata() else { return };
    // An empty one may have been made just now, and not be locked yet. Without locks nobody
    // knows whether the index is being built anew.
    let is_left = own.len() > 0
        && flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
        && is_at(&own, &path);
    if is_left {
        let _ = std::fs::remove_file(&path);
    }
}

/// Whether a file is the one that has this name.
fn is_at(file: &Metadata, path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|there| there.ino() == file.ino())
}

/// The file, locked. It may be removed by whoever had the lock before: then it is made anew.
fn open_locked(path: &Path) -> Result<File> {
    let io = |action, source| Error::Io { path: path.to_owned(), action, source };
    loop {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = file.map_err(|source| io("write the index", source))?;
        // Some network file systems have no locks: any other refusal is none.
        let lock = flock(&file, FlockOperation::NonBlockingLockExclusive);
        if lock == Err(rustix::io::Errno::WOULDBLOCK) {
            let source = std::io::Error::other("another process is building this index");
            return Err(io("write the index", source));
        }
        let own = file.metadata().map_err(|source| io("look at", source))?;
        if is_at(&own, path) {
            return Ok(file);
        }
    }
}

fn check(kind: u8, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&[kind]), bytes)
}

/// The next entry that is whole.
fn read_entry(input: &mut impl Read) -> std::io::Result<Option<(u8, Vec<u8>)>> {
    let mut head = [0; HEAD];
    let mut bytes = Vec::new();
    let result = input.read_exact(&mut head).and_then(|()| {
        let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]);
        if length > MAX_ENTRY {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        bytes.resize(length as usize, 0);
        input.read_exact(&mut bytes)
    });
    match result {
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        result => result?,
    }
    let expected = u32::from_le_bytes([head[5], head[6], head[7], head[8]]);
    Ok((check(head[0], &bytes) == expected).then_some((head[0], bytes)))
}
