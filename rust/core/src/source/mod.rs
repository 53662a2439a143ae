//! Where the bytes of a JSON file come from: a memory map, or pread; the whole file, a
//! range of it, or what is compressed in it. A source remembers which file it opened and
//! notices when that is no longer the same. Knows no JSON.

pub(crate) mod checkpoints;
pub(crate) mod inflated;
mod map;
pub(crate) mod packing;

use std::fs::{File, Metadata};
use std::io::ErrorKind;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::buffers::Buffer;
use crate::error::{Error, Result};
use crate::inflate::stream::Framing;
use crate::pool;
use checkpoints::Checkpoints;
use inflated::Inflated;
pub(crate) use map::Map;
use packing::{Packed, Packing};

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

/// What of the file is the content.
#[derive(Debug)]
enum Content {
    Whole,
    /// A range of the file.
    Window(Range<u64>),
    Inflated(Inflated),
}

/// An open file.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    file: File,
    identity: Identity,
    map: Option<Map>,
    content: Content,
    /// What the content is called, where that is not the file.
    name: Option<PathBuf>,
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
        let (content, name) = (Content::Whole, None);
        Ok(Source { path: path.to_owned(), file, identity, map, content, name })
    }

    /// The same file, of which only a range counts.
    pub(crate) fn into_window(self, range: Range<u64>, name: PathBuf) -> Source {
        Source { content: Content::Window(range), name: Some(name), ..self }
    }

    /// The same file, of which the text counts that is compressed in it.
    pub(crate) fn into_inflated(self, checkpoints: Checkpoints, packed: &Packed) -> Source {
        let (framing, end) = match &packed.packing {
            Packing::Deflated { range, framing } => (*framing, range.end),
            _ => (Framing::Gzip, self.file_size()),
        };
        let content = Content::Inflated(Inflated::new(checkpoints, framing, end));
        Source { content, name: Some(packed.name.clone()), ..self }
    }

    /// The path it was opened by.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path by which the kind of its content is told: that of what is in an archive.
    #[must_use]
    pub fn name(&self) -> &Path {
        self.name.as_deref().unwrap_or(&self.path)
    }

    /// The length of its content in bytes when it was opened.
    #[must_use]
    pub fn size(&self) -> u64 {
        match &self.content {
            Content::Whole => self.identity.size,
            Content::Window(range) => range.end - range.start,
            Content::Inflated(inflated) => inflated.length(),
        }
    }

    /// The length of the file in bytes when it was opened.
    #[must_use]
    pub fn file_size(&self) -> u64 {
        self.identity.size
    }

    /// How the content lies in the file: "stored" or "deflate" in an archive; `None` where
    /// it is the file.
    #[must_use]
    pub fn packing(&self) -> Option<&'static str> {
        match &self.content {
            Content::Whole => None,
            Content::Window(_) => Some("stored"),
            Content::Inflated(_) => Some("deflate"),
        }
    }

    /// A pass goes over the content in pieces of so many bytes, or of `usual` ones.
    #[must_use]
    pub fn piece(&self, usual: u64) -> u64 {
        match &self.content {
            // A piece begins inside of a segment, whose beginning is inflated for nothing.
            Content::Inflated(_) => usual.max(8 * checkpoints::SEGMENT),
            _ => usual,
        }
    }

    /// Which file it was when it was opened.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// All bytes of its content, where they are mapped.
    #[must_use]
    pub fn mapped(&self) -> Option<&[u8]> {
        let bytes = self.map.as_ref().map(Map::bytes)?;
        match &self.content {
            Content::Whole => Some(bytes),
            Content::Window(range) => {
                let place = |offset| usize::try_from(offset).unwrap_or(usize::MAX);
                bytes.get(place(range.start)..place(range.end))
            }
            Content::Inflated(_) => None,
        }
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

    /// Replaces the content of `bytes` by a range of its own, which is checked
    /// to be unchanged first. Under a map a race remains: a file that is cut between
    /// the check and the copy ends the process with SIGBUS. [`Access::Read`] has none.
    pub fn read_into(&self, range: Range<u64>, bytes: &mut Vec<u8>) -> Result<()> {
        self.check_unchanged()?;
        bytes.clear();
        let (start, length) = self.checked(&range, self.size())?;
        if let Some(found) = self.mapped() {
            bytes.extend_from_slice(&found[start..start + length]);
            return Ok(());
        }
        bytes.resize(length, 0);
        match &self.content {
            Content::Inflated(inflated) => inflated.fill(self, bytes, range.start),
            Content::Whole => self.pread(bytes, range.start),
            Content::Window(window) => self.pread(bytes, window.start + range.start),
        }
    }

    /// Hands a range of the content to `look`: of the map, or read into memory of the
    /// cache. For passes over the whole content: nothing is checked to be unchanged.
    pub fn with_range<R>(
        &self,
        range: Range<u64>,
        look: impl FnOnce(&[u8]) -> Result<R>,
    ) -> Result<R> {
        let (_, length) = self.checked(&range, self.size())?;
        match &self.content {
            Content::Whole => self.with_file_range(range, look),
            Content::Window(window) => {
                self.with_file_range(window.start + range.start..window.start + range.end, look)
            }
            Content::Inflated(inflated) if Inflated::is_in_one(&range) => {
                inflated.with(self, range, look)
            }
            Content::Inflated(inflated) => {
                let _pass = pool::enter();
                let mut buffer = Buffer::take(length);
                inflated.fill(self, &mut buffer, range.start)?;
                look(&buffer)
            }
        }
    }

    /// As [`Source::with_range`], of the file whatever its content is.
    pub(crate) fn with_file_range<R>(
        &self,
        range: Range<u64>,
        look: impl FnOnce(&[u8]) -> Result<R>,
    ) -> Result<R> {
        let (start, length) = self.checked(&range, self.file_size())?;
        if let Some(map) = &self.map {
            return look(&map.bytes()[start..start + length]);
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

    /// Fills `bytes` with what lies at `offset` of the file. Nothing is checked to be unchanged.
    pub(crate) fn read_at(&self, bytes: &mut [u8], offset: u64) -> Result<()> {
        let range = offset..offset.saturating_add(bytes.len() as u64);
        let (start, length) = self.checked(&range, self.file_size())?;
        match &self.map {
            Some(map) => bytes.copy_from_slice(&map.bytes()[start..start + length]),
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
        self.checked(&(offset..offset.saturating_add(all as u64)), self.file_size())?;
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
    pub(crate) fn will_need(&self, range: &Range<u64>) {
        use rustix::fs::{Advice, fadvise};
        let length = std::num::NonZeroU64::new(range.end.saturating_sub(range.start));
        // It may refuse: nothing depends on it. Of no length, all up to the end would be meant.
        if length.is_some() {
            let _ = fadvise(&self.file, range.start, length, Advice::WillNeed);
        }
    }

    /// Start and length of a range that lies in the first `size` bytes.
    fn checked(&self, range: &Range<u64>, size: u64) -> Result<(usize, usize)> {
        let length = range.end.checked_sub(range.start).filter(|_| range.end <= size);
        let length = length.and_then(|length| usize::try_from(length).ok());
        match (usize::try_from(range.start), length) {
            (Ok(start), Some(length)) => Ok((start, length)),
            _ => Err(Error::Format {
                path: self.path.clone(),
                offset: range.start,
                reason: format!(
                    "bytes {} to {} are wanted, but there are {size}",
                    range.start, range.end
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
