//! An index while it is built: records at the end of a file that only grows, so that a
//! crash loses what came after the last point and no more.
//!
//! ```text
//! magic | kind (u8) length (u32) CRC-32C (u32) bytes | kind ... | torn record
//!         A: the archive's parts   P: a page of members   R: a point to go on from
//!         S: how many parts have the SHA-256 sums that were given
//! ```

use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::codec::{Reader, put};
use super::page::{self, Entry};
use super::parts::PartId;
use super::point::Point;
use crate::error::{Error, Result};

const MAGIC: &[u8; 16] = b"TEXTBOOK.TGZ.P02";
const HEAD: usize = 9;
/// No record is longer: a page of members, taken apart, is smaller.
const MAX_RECORD: u32 = 256 << 20;

/// A file that is being appended to.
#[derive(Debug)]
pub(super) struct Partial {
    path: PathBuf,
    file: File,
    length: u64,
    pub parts: Vec<PartId>,
    /// Where each page's bytes are.
    pub pages: Vec<Range<u64>>,
    pub resume: Option<Resume>,
    /// How many parts, from the first on, had the right sums, and a hash of those.
    pub summed: Option<(usize, u64)>,
}

/// Where to go on from.
#[derive(Debug, Clone)]
pub(super) struct Resume {
    pub point: Point,
    /// A hash of the compressed bytes right before it.
    pub tail: u64,
}

impl Partial {
    /// Opens or begins the file for these parts, alone: another process that builds the
    /// same index is an error. `is_new`: forget what is there.
    pub fn open(
        path: &Path,
        is_new: bool,
        parts: impl FnOnce() -> Result<Vec<PartId>>,
    ) -> Result<Partial> {
        let file = open_locked(path)?;
        let mut partial = Partial {
            path: path.to_owned(),
            file,
            length: 0,
            parts: Vec::new(),
            pages: Vec::new(),
            resume: None,
            summed: None,
        };
        if is_new || !partial.load(u64::MAX).map_err(|source| partial.io("read", source))? {
            (partial.length, partial.resume, partial.summed) = (0, None, None);
            partial.pages.clear();
            partial.cut()?;
            partial.parts = parts()?;
            partial.write(MAGIC)?;
            let ids = encode_ids(&partial.parts);
            partial.append(b'A', &ids)?;
        }
        Ok(partial)
    }

    /// Forgets all after the last point at or before a byte of the stream.
    pub fn rewind(&mut self, byte: u64) -> Result<()> {
        self.load(byte).map(drop).map_err(|source| self.io("read", source))
    }

    /// Reads the records up to the last point at or before a byte of the stream; whether
    /// there are any that fit.
    fn load(&mut self, byte: u64) -> std::io::Result<bool> {
        self.file.rewind()?;
        let mut input = BufReader::with_capacity(1 << 20, &self.file);
        let mut magic = [0; MAGIC.len()];
        let mut parts = None;
        let mut pages: Vec<Range<u64>> = Vec::new();
        let mut at = MAGIC.len() as u64;
        if input.read_exact(&mut magic).is_err() || &magic != MAGIC {
            return Ok(false);
        }
        // What follows the last point is built again.
        let (mut end, mut kept, mut resume) = (at, 0, None);
        let (mut sums, mut summed) = (None, None);
        while let Some((kind, bytes)) = read_record(&mut input)? {
            let next = at + (HEAD + bytes.len()) as u64;
            match kind {
                b'A' if parts.is_none() => {
                    parts = decode_ids(&mut Reader(&bytes));
                    end = next;
                }
                // A part was replaced after the point before.
                b'A' => parts = decode_ids(&mut Reader(&bytes)).or(parts),
                b'P' => pages.push(at + HEAD as u64..next),
                b'R' => {
                    let found = decode_resume(&bytes);
                    let Some(found) = found.filter(|found| found.point.bit / 8 <= byte) else {
                        break;
                    };
                    summed = sums;
                    (end, kept, resume) = (next, pages.len(), Some(found));
                }
                b'S' => {
                    let mut reader = Reader(&bytes);
                    let right = reader.number().and_then(|right| usize::try_from(right).ok());
                    sums = right.zip(reader.number());
                }
                _ => break,
            }
            at = next;
        }
        let Some(parts) = parts else { return Ok(false) };
        pages.truncate(kept);
        (self.parts, self.pages, self.resume, self.length) = (parts, pages, resume, end);
        self.summed = summed;
        self.file.set_len(end)?;
        self.file.seek(SeekFrom::Start(end))?;
        Ok(true)
    }

    /// Appends what the parts are now, where a damaged one was replaced.
    pub fn know(&mut self, parts: Vec<PartId>) -> Result<()> {
        if parts != self.parts {
            self.append(b'A', &encode_ids(&parts))?;
            self.parts = parts;
        }
        Ok(())
    }

    /// Appends a page.
    pub fn append_page(&mut self, entries: &[Entry]) -> Result<()> {
        let bytes = page::encode(entries).map_err(|source| self.io("write", source))?;
        let start = self.length + HEAD as u64;
        self.append(b'P', &bytes)?;
        self.pages.push(start..self.length);
        Ok(())
    }

    /// Appends a point to go on from, and makes all so far reach the disk.
    pub fn append_point(&mut self, point: Point, tail: u64) -> Result<()> {
        let mut bytes = tail.to_le_bytes().to_vec();
        point.encode(&mut bytes);
        self.append(b'R', &bytes)?;
        self.file.sync_data().map_err(|source| self.io("write", source))?;
        self.resume = Some(Resume { point, tail });
        Ok(())
    }

    /// Appends how many parts have the right sums: it counts with the point after it.
    pub fn append_sums(&mut self, right: usize, hash: u64) -> Result<()> {
        let mut bytes = Vec::new();
        put(&mut bytes, right as u64);
        put(&mut bytes, hash);
        self.append(b'S', &bytes)
    }

    /// The bytes of a page.
    pub fn page(&self, number: usize) -> Result<Vec<u8>> {
        let range = &self.pages[number];
        let mut bytes = vec![0; (range.end - range.start) as usize];
        self.file
            .read_exact_at(&mut bytes, range.start)
            .map_err(|source| self.io("read", source))?;
        Ok(bytes)
    }

    /// Removes the file: the index is complete.
    pub fn remove(self) -> Result<()> {
        std::fs::remove_file(&self.path).map_err(|source| self.io("remove", source))
    }

    fn append(&mut self, kind: u8, bytes: &[u8]) -> Result<()> {
        let mut record = vec![kind];
        record.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        record.extend_from_slice(&check(kind, bytes).to_le_bytes());
        record.extend_from_slice(bytes);
        self.write(&record)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|source| self.io("write", source))?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn cut(&mut self) -> Result<()> {
        let cut = self.file.set_len(0).and_then(|()| self.file.rewind());
        cut.map_err(|source| self.io("write", source))
    }

    fn io(&self, action: &'static str, source: std::io::Error) -> Error {
        Error::Io { path: self.path.clone(), action, source }
    }
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
        let own = file.metadata().map_err(|source| io("look at", source))?.ino();
        if std::fs::metadata(path).is_ok_and(|there| there.ino() == own) {
            return Ok(file);
        }
    }
}

fn check(kind: u8, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&[kind]), bytes)
}

/// The next record that is whole.
fn read_record(input: &mut impl Read) -> std::io::Result<Option<(u8, Vec<u8>)>> {
    let mut head = [0; HEAD];
    let mut bytes = Vec::new();
    let result = input.read_exact(&mut head).and_then(|()| {
        let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]);
        if length > MAX_RECORD {
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

fn decode_resume(bytes: &[u8]) -> Option<Resume> {
    let (tail, point) = bytes.split_first_chunk()?;
    Some(Resume { point: Point::decode(point)?, tail: u64::from_le_bytes(*tail) })
}

/// The archive's parts as bytes.
pub(super) fn encode_ids(parts: &[PartId]) -> Vec<u8> {
    let mut bytes = Vec::new();
    put(&mut bytes, parts.len() as u64);
    for PartId { name, size, mtime_ns, hash } in parts {
        put(&mut bytes, name.len() as u64);
        bytes.extend_from_slice(name);
        for value in [*size, mtime_ns.cast_unsigned(), *hash] {
            put(&mut bytes, value);
        }
    }
    bytes
}

pub(super) fn decode_ids(reader: &mut Reader<'_>) -> Option<Vec<PartId>> {
    let count = reader.number()?;
    let mut parts = Vec::new();
    for _ in 0..count {
        let length = usize::try_from(reader.number()?).ok()?;
        let name = reader.take(length)?.to_vec();
        let (size, mtime_ns) = (reader.number()?, reader.number()?.cast_signed());
        parts.push(PartId { name, size, mtime_ns, hash: reader.number()? });
    }
    Some(parts)
}
