//! Where the bytes of a JSON file come from: a memory map, or pread. A source
//! remembers which file it opened and notices when that is no longer the same.
//! Knows no JSON.

mod map;

use std::fs::{File, Metadata};
use std::io::ErrorKind;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::buffers::Buffer;
use crate::error::{Error, Result};
use crate::pool;
pub(crate) use map::Map;

/// How a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Through a memory map: the fastest, for local file systems.
    Map,
    /// With pread: for network and FUSE file systems, and files that others cut.
    Read,
}

/// Which file it is, and in which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The device it lies on.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// Its length in bytes.
    pub size: u64,
    /// Its time of modification, in nanoseconds since 1970.
    pub mtime_ns: i64,
}

impl Identity {
    fn of(metadata: &Metadata) -> Identity {
        Identity {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            mtime_ns: metadata.mtime().saturating_mul(1_000_000_000) + metadata.mtime_nsec(),
        }
    }

    /// What differs from what it was, in words; `None` where nothing does.
    #[must_use]
    pub fn difference(&self, was: &Identity) -> Option<String> {
        if (self.device, self.inode) != (was.device, was.inode) {
            Some("it is another file (another inode)".to_owned())
        } else if self.size != was.size {
            Some(format!("its length was {} bytes and is {}", was.size, self.size))
        } else if self.mtime_ns != was.mtime_ns {
            Some("it was written to (another time of modification)".to_owned())
        } else {
            None
        }
    }
}

/// Writes everything that waits on the file system of `path` to its disk: of many files
/// at once, where each alone would wait for the disk.
pub fn sync_filesystem_of(path: &Path) -> Result<()> {
    let io = |source| Error::Io { path: path.to_owned(), action: "sync", source };
    let file = File::open(path).map_err(io)?;
    rustix::fs::syncfs(&file).map_err(|errno| io(errno.into()))
}

/// A range smaller than this is read into memory of its own.
const SMALL: usize = 64 << 10;

/// An open file.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    file: File,
    identity: Identity,
    map: Option<Map>,
}

impl Source {
    /// Opens a regular file.
    pub fn open(path: &Path, access: Access) -> Result<Source> {
        let io = |source| Error::Io { path: path.to_owned(), action: "open", source };
        // Asked before it is opened: opening a FIFO would wait for a writer.
        let kind = std::fs::metadata(path).map_err(io)?.file_type();
        if kind.is_dir() {
            return Err(io(ErrorKind::IsADirectory.into()));
        }
        if !kind.is_file() {
            return Err(io(std::io::Error::other("it is no regular file")));
        }
        let file = File::open(path).map_err(io)?;
        let identity = Identity::of(&file.metadata().map_err(io)?);
        let map = match access {
            Access::Map => Some(Map::new(&file, identity.size).map_err(io)?),
            Access::Read => None,
        };
        Ok(Source { path: path.to_owned(), file, identity, map })
    }

    /// The path it was opened by.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its length in bytes when it was opened.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.identity.size
    }

    /// Which file it was when it was opened.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// All its bytes, where it is mapped.
    #[must_use]
    pub fn mapped(&self) -> Option<&[u8]> {
        self.map.as_ref().map(Map::bytes)
    }

    /// Fails where the open file was overwritten or cut since. One that was renamed
    /// over stays as it was: the old file is still open here.
    pub fn check_unchanged(&self) -> Result<()> {
        let metadata = self.file.metadata();
        let metadata = metadata.map_err(|source| self.io("look at", source))?;
        match Identity::of(&metadata).difference(&self.identity) {
            Some(what) => Err(Error::SourceChanged { path: self.path.clone(), what }),
            None => Ok(()),
        }
    }

    /// Replaces the content of `bytes` by a range of the file, which is checked
    /// to be unchanged first. Under a map a race remains: a file that is cut between
    /// the check and the copy ends the process with SIGBUS. [`Access::Read`] has none.
    pub fn read_into(&self, range: Range<u64>, bytes: &mut Vec<u8>) -> Result<()> {
        self.check_unchanged()?;
        bytes.clear();
        let (start, length) = self.checked(&range)?;
        if let Some(found) = self.mapped() {
            bytes.extend_from_slice(&found[start..start + length]);
            return Ok(());
        }
        bytes.resize(length, 0);
        self.pread(bytes, range.start)
    }

    /// Hands a range of the file to `look`: of the map, or read into memory of the
    /// cache. For passes over the whole file: nothing is checked to be unchanged.
    pub fn with_range<R>(
        &self,
        range: Range<u64>,
        look: impl FnOnce(&[u8]) -> Result<R>,
    ) -> Result<R> {
        let (start, length) = self.checked(&range)?;
        if let Some(found) = self.mapped() {
            return look(&found[start..start + length]);
        }
        if length < SMALL {
            let mut buffer = vec![0; length];
            self.pread(&mut buffer, range.start)?;
            return look(&buffer);
        }
        // The cache's memory is for passes, which go through the pool's gate.
        let _pass = pool::enter();
        let mut buffer = Buffer::take(length);
        self.pread(&mut buffer, range.start)?;
        look(&buffer)
    }

    /// Fills `bytes` with what lies at `offset`. Nothing is checked to be unchanged.
    pub(crate) fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<()> {
        let (start, length) = self.checked(&(offset..offset.saturating_add(bytes.len() as u64)))?;
        match self.mapped() {
            Some(found) => bytes.copy_from_slice(&found[start..start + length]),
            None => self.pread(bytes, offset)?,
        }
        Ok(())
    }

    /// Fills two buffers with what lies at `offset`, one after the other, in one call
    /// of the system.
    pub(crate) fn read_pair_at(
        &self,
        first: &mut [u8],
        second: &mut [u8],
        offset: u64,
    ) -> Result<()> {
        use std::io::IoSliceMut;
        let (one, all) = (first.len(), first.len() + second.len());
        self.checked(&(offset..offset.saturating_add(all as u64)))?;
        let mut buffers = [IoSliceMut::new(first), IoSliceMut::new(second)];
        let read = rustix::io::preadv(&self.file, &mut buffers, offset);
        let read = read.map_err(|errno| self.io("read", errno.into()))?;
        // The system may give less than was asked for.
        if read < one {
            self.read_at(&mut first[read..], offset + read as u64)?;
        }
        let done = read.saturating_sub(one);
        self.read_at(&mut second[done..], offset + (one + done) as u64)
    }

    /// Asks the system to have a range in memory soon.
    pub(crate) fn will_need(&self, offset: u64, length: u64) {
        use rustix::fs::{Advice, fadvise};
        // It may refuse: nothing depends on it.
        let _ = fadvise(&self.file, offset, std::num::NonZeroU64::new(length), Advice::WillNeed);
    }

    /// Start and length of a range that lies in the file.
    fn checked(&self, range: &Range<u64>) -> Result<(usize, usize)> {
        let length = range.end.checked_sub(range.start).filter(|_| range.end <= self.size());
        let length = length.and_then(|length| usize::try_from(length).ok());
        match (usize::try_from(range.start), length) {
            (Ok(start), Some(length)) => Ok((start, length)),
            _ => Err(Error::Format {
                path: self.path.clone(),
                offset: range.start,
                reason: format!(
                    "bytes {} to {} are wanted, but the file has {}",
                    range.start,
                    range.end,
                    self.size()
                ),
            }),
        }
    }

    fn pread(&self, bytes: &mut [u8], offset: u64) -> Result<()> {
        match self.file.read_exact_at(bytes, offset) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(Error::SourceChanged {
                path: self.path.clone(),
                what: format!("it ends before byte {}", offset + bytes.len() as u64),
            }),
            result => result.map_err(|source| self.io("read", source)),
        }
    }

    fn io(&self, action: &'static str, source: std::io::Error) -> Error {
        Error::Io { path: self.path.clone(), action, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_folder::TestFolder;

    #[test]
    fn ranges_are_read_in_both_ways() {
        let folder = TestFolder::new("source");
        let path = folder.write("x.json", b"0123456789");
        for access in [Access::Map, Access::Read] {
            let source = Source::open(&path, access).expect("opened");
            let mut bytes = b"old".to_vec();
            for (range, expected) in [(0..10, "0123456789"), (3..5, "34"), (10..10, "")] {
                source.read_into(range, &mut bytes).expect("read");
                assert_eq!(bytes, expected.as_bytes());
            }
            #[allow(clippy::reversed_empty_ranges, reason = "that is the point")]
            for range in [0..11, 11..11, 5..4, 0..u64::MAX] {
                assert!(source.read_into(range, &mut bytes).is_err());
            }
        }
    }

    #[test]
    fn a_changed_file_is_noticed() {
        let folder = TestFolder::new("changed");
        for access in [Access::Map, Access::Read] {
            let path = folder.write("x.json", b"0123456789");
            let source = Source::open(&path, access).expect("opened");
            std::fs::write(&path, b"012345678901").expect("written");
            let error = source.read_into(0..5, &mut Vec::new()).expect_err("longer");
            assert!(error.to_string().contains("was 10 bytes and is 12"), "{error}");
            let path = folder.write("y.json", b"0123456789");
            let source = Source::open(&path, access).expect("opened");
            folder.write("z.json", b"another one");
            std::fs::rename(folder.path("z.json"), &path).expect("renamed over");
            let mut bytes = Vec::new();
            source.read_into(0..5, &mut bytes).expect("the old file is still there");
            assert_eq!(bytes, b"01234");
        }
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let folder = TestFolder::new("no_file");
        let error = Source::open(&folder.path("."), Access::Map).expect_err("a folder");
        assert!(
            matches!(error, Error::Io { source, .. } if source.kind() == ErrorKind::IsADirectory)
        );
        let error = Source::open(&folder.path("nothing"), Access::Map).expect_err("nothing");
        assert!(matches!(error, Error::Io { source, .. } if source.kind() == ErrorKind::NotFound));
        let empty = Source::open(&folder.write("empty", b""), Access::Map).expect("opened");
        assert_eq!(empty.mapped(), Some(&b""[..]));
    }
}
