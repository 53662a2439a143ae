//! An index while it is built: entries of a file that only grows (see `append_log`).
//!
//! ```text
//! A: the archive's parts   P: a page of members   R: a point to go on from
//! S: how many parts have the SHA-256 sums that were given
//! ```

use std::ops::Range;
use std::path::Path;

use super::page::{self, Entry};
use super::parts::PartId;
use super::point::Point;
use super::together::Together;
use super::unpack;
use crate::codec::{Reader, put};
use crate::error::{Error, Result};
use crate::index::append_log::{AppendLog, Magic};

const MAGIC: &Magic = b"TEXTBOOK.TGZ.P04";

/// A file that is being appended to.
#[derive(Debug)]
pub(super) struct Partial {
    log: AppendLog,
    pub parts: Vec<PartId>,
    /// Where each page's bytes are, and their CRC-32C.
    pages: Vec<(Range<u64>, u32)>,
    /// So many of the pages, the first ones, were built by an earlier pass.
    before: usize,
    /// The members of the others.
    since: Together,
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
        let mut partial = Partial {
            log: AppendLog::open(path)?,
            parts: Vec::new(),
            pages: Vec::new(),
            before: 0,
            since: Together::default(),
            resume: None,
            summed: None,
        };
        if is_new || !partial.load(|_| true)? {
            (partial.resume, partial.summed) = (None, None);
            partial.set_pages(Vec::new());
            partial.parts = parts()?;
            partial.log.restart(MAGIC)?;
            partial.log.append(b'A', &encode_ids(&partial.parts))?;
        }
        Ok(partial)
    }

    /// Forgets all from the first point on that does not count.
    pub fn rewind(&mut self, counts: impl Fn(&Point) -> bool) -> Result<()> {
        self.load(counts).map(drop)
    }

    /// Reads the entries up to the first point that does not count; whether there are any
    /// that fit.
    fn load(&mut self, counts: impl Fn(&Point) -> bool) -> Result<bool> {
        let mut parts = None;
        let mut pages = Vec::new();
        // What follows the last point is built again.
        let (mut end, mut kept, mut resume) = (0, 0, None);
        let (mut sums, mut summed) = (None, None);
        let fits = self.log.read(MAGIC, |kind, bytes, place| {
            match kind {
                b'A' if parts.is_none() => {
                    parts = decode_ids(&mut Reader(bytes));
                    end = place.end;
                }
                // A part was replaced after the point before.
                b'A' => parts = decode_ids(&mut Reader(bytes)).or(parts.take()),
                b'P' => pages.push((place, crc32c::crc32c(bytes))),
                b'R' => {
                    let found = decode_resume(bytes);
                    let Some(found) = found.filter(|found| counts(&found.point)) else {
                        return false;
                    };
                    summed = sums;
                    (end, kept, resume) = (place.end, pages.len(), Some(found));
                }
                b'S' => {
                    let mut reader = Reader(bytes);
                    let right = reader.number().and_then(|right| usize::try_from(right).ok());
                    sums = right.zip(reader.number());
                }
                _ => return false,
            }
            true
        })?;
        let Some(parts) = parts.filter(|_| fits) else { return Ok(false) };
        pages.truncate(kept);
        self.set_pages(pages);
        (self.parts, self.resume, self.summed) = (parts, resume, summed);
        self.log.cut(end)?;
        Ok(true)
    }

    fn set_pages(&mut self, pages: Vec<(Range<u64>, u32)>) {
        self.before = pages.len();
        self.since = Together::default();
        self.pages = pages;
    }

    /// Appends what the parts are now, where a damaged one was replaced.
    pub fn know(&mut self, parts: Vec<PartId>) -> Result<()> {
        if parts != self.parts {
            self.log.append(b'A', &encode_ids(&parts))?;
            self.parts = parts;
        }
        Ok(())
    }

    /// Appends a page.
    pub fn append_page(&mut self, entries: &[Entry]) -> Result<()> {
        let bytes = page::encode(entries).map_err(|source| self.log.io("write", source))?;
        self.pages.push((self.log.append(b'P', &bytes)?, crc32c::crc32c(&bytes)));
        for entry in entries {
            self.since.add(entry);
        }
        Ok(())
    }

    /// Appends a point to go on from, and makes all so far reach the disk.
    pub fn append_point(&mut self, point: Point, tail: u64) -> Result<()> {
        let mut bytes = tail.to_le_bytes().to_vec();
        point.encode(&mut bytes);
        self.log.append(b'R', &bytes)?;
        self.log.sync()?;
        self.resume = Some(Resume { point, tail });
        Ok(())
    }

    /// Appends how many parts have the right sums: it counts with the point after it.
    pub fn append_sums(&mut self, right: usize, hash: u64) -> Result<()> {
        let mut bytes = Vec::new();
        put(&mut bytes, right as u64);
        put(&mut bytes, hash);
        self.log.append(b'S', &bytes).map(drop)
    }

    pub fn page_count(&self) -> usize {
        self.pages.len()
    }

    /// The bytes of a page.
    pub fn page(&self, number: usize) -> Result<Vec<u8>> {
        let (place, check) = &self.pages[number];
        let bytes = self.log.bytes(place)?;
        if crc32c::crc32c(&bytes) == *check { Ok(bytes) } else { Err(self.lost()) }
    }

    /// What the members of all pages say together; of those that this pass built, it is
    /// known already.
    pub fn together(&mut self) -> Result<Together> {
        let since = std::mem::take(&mut self.since);
        let before = std::mem::replace(&mut self.before, self.pages.len());
        if before == 0 {
            return Ok(since);
        }
        let mut all = Together::default();
        for number in 0..before {
            for entry in unpack::decode(&self.page(number)?).ok_or_else(|| self.lost())? {
                all.add(&entry);
            }
        }
        all.append(&since);
        Ok(all)
    }

    fn lost(&self) -> Error {
        let reason = "a page that was written cannot be read: start anew with --rebuild";
        self.log.io("read", std::io::Error::other(reason))
    }

    /// Removes the file: the index is complete.
    pub fn remove(self) -> Result<()> {
        self.log.remove()
    }
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
