//! A pass over a text as far as it has come: entries of a file that only grows (see
//! `append_log`), so that the next pass goes on from the last of them.
//!
//! ```text
//! I: which file it is of   S: what was made of the segments since the entry before, and
//!                             all that is needed to go on after them
//! ```
//! A pass that ends with an error of the file's content leaves none: what it has read
//! cannot be trusted, or is not to be read again.
#![deny(clippy::indexing_slicing)]

use std::ops::Range;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use textbook_simd::Level;
use xxhash_rust::xxh3::xxh3_64;

use super::digest::Made;
use super::pass::{Pass, Segment};
use crate::codec::{Reader, put};
use crate::error::Result;
use crate::index::append_log::{AppendLog, Magic, partial_path};
use crate::inflate::WINDOW;
use crate::inflate::stream::{Framing, Point};
use crate::source::Source;
use crate::source::checkpoints::{self, POINT, WindowPlace};

const MAGIC: &Magic = b"TEXTBOOK.TXT.P01";
/// So many bytes of the file before the place have to be what they were.
const TAIL: u64 = 64 << 10;

/// Where a pass goes on.
pub(super) struct Resume {
    pub point: Point,
    /// The text before it.
    pub window: Vec<u8>,
}

/// Keeps what a pass has made.
pub(super) struct Partial {
    /// Where the file may lie.
    paths: Vec<PathBuf>,
    /// By what the compressed file is recognized.
    identity: Vec<u8>,
    log: Option<AppendLog>,
    every: Duration,
    last: Instant,
}

impl Partial {
    /// One for an index at the first of these places that takes it. `every`: a crash loses
    /// so much time.
    pub fn new(
        places: &[PathBuf],
        source: &Source,
        framing: Framing,
        content_hash: u64,
        every: Duration,
    ) -> Partial {
        let mut identity = Vec::new();
        let framing = match framing {
            Framing::Gzip => [0, 0, 0],
            Framing::Bare { crc, length } => [1, u64::from(crc), length],
        };
        let file = [source.file_size(), source.identity().mtime_ns.cast_unsigned(), content_hash];
        for word in framing.into_iter().chain(file) {
            put(&mut identity, word);
        }
        let paths = places.iter().map(|place| partial_path(place)).collect();
        Partial { paths, identity, log: None, every, last: Instant::now() }
    }

    /// Takes up what an earlier pass has left of this file, if that is still the same.
    pub fn resume(
        &mut self,
        source: &Source,
        range: &Range<u64>,
        framing: Framing,
        level: Level,
    ) -> Option<(Made, Pass)> {
        let there = self.paths.iter().filter(|path| path.exists());
        for mut log in there.filter_map(|path| AppendLog::open(path).ok()) {
            let mut made = Made::new(level);
            let (mut end, mut is_same, mut resume) = (0, false, None);
            let read = log.read(MAGIC, |kind, bytes, place| {
                is_same = match kind {
                    b'I' => bytes == self.identity,
                    b'S' if is_same => {
                        resume = decode(&mut Reader(bytes), &mut made);
                        resume.is_some()
                    }
                    _ => false,
                };
                end = place.end;
                is_same
            });
            if let (Ok(true), Some((tail, resume))) = (read, resume)
                && is_same
                && tail_hash(source, &resume.point).is_ok_and(|found| found == tail)
                && let done = [made.length, made.sums.state().1]
                && let Ok(pass) = Pass::resume(source, range.clone(), framing, resume, done)
                && log.cut(end).is_ok()
            {
                self.log = Some(log);
                return Some((made, pass));
            }
            // One of another file, or of a file that has changed.
            let _ = log.remove();
        }
        None
    }

    /// Forgets what an earlier pass has left.
    pub fn forget(&self) {
        for path in self.paths.iter().filter(|path| path.exists()) {
            // Another process that builds the index has it locked.
            let _ = AppendLog::open(path).and_then(AppendLog::remove);
        }
    }

    /// Keeps what was made before a segment, where it is time.
    pub fn keep_before(&mut self, segment: &Segment, source: &Source, made: &mut Made) {
        let is_new = made.new_since_kept().0 < made.length;
        if self.paths.is_empty() || !is_new || self.last.elapsed() < self.every {
            return;
        }
        // Where it cannot be kept, the pass goes on without.
        if self.try_keep(segment, source, made).is_err() {
            self.paths.clear();
        }
        self.last = Instant::now();
    }

    fn try_keep(&mut self, segment: &Segment, source: &Source, made: &mut Made) -> Result<()> {
        let entry = encode(segment, tail_hash(source, &segment.point)?, made);
        if self.log.is_none() {
            self.log = self.paths.iter().find_map(|path| AppendLog::open(path).ok());
            if let Some(log) = &mut self.log {
                log.restart(MAGIC)?;
                log.append(b'I', &self.identity)?;
            }
        }
        if let Some(log) = &mut self.log {
            log.append(b'S', &entry)?;
            log.sync()?;
        }
        Ok(())
    }

    /// Nothing is gone on with.
    pub fn remove(self) {
        if let Some(log) = self.log {
            // What is left of it does no harm: it is looked at before it is used.
            let _ = log.remove();
        }
    }
}

/// A hash of the compressed bytes right before a point.
fn tail_hash(source: &Source, point: &Point) -> Result<u64> {
    let end = point.bit / 8;
    source.with_file_range(end.saturating_sub(TAIL)..end, |bytes| Ok(xxh3_64(bytes)))
}

/// What was made since the last entry, and the place before a segment.
fn encode(segment: &Segment, tail: u64, made: &mut Made) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (from, new) = made.new_since_kept();
    let (crc, of_member) = made.sums.state();
    for value in [from, made.length, tail, u64::from(crc), of_member] {
        put(&mut bytes, value);
    }
    for piece in new {
        put(&mut bytes, piece.len() as u64);
        bytes.extend_from_slice(piece);
    }
    // Where its window will be is not known, nor needed.
    let nowhere = WindowPlace { offset: 0, length: 0, crc32c: 0 };
    bytes.extend_from_slice(&checkpoints::encode(&segment.point, nowhere));
    bytes.extend_from_slice(segment.window());
    made.json.keep(&mut bytes);
    made.set_kept();
    bytes
}

/// Adds what an entry says to what the ones before it say.
fn decode(reader: &mut Reader<'_>, made: &mut Made) -> Option<(u64, Resume)> {
    let (from, length, tail) = (reader.number()?, reader.number()?, reader.number()?);
    let crc = u32::try_from(reader.number()?).ok()?;
    let of_member = reader.number()?;
    if from != made.length || length <= from {
        return None;
    }
    let mut piece = || {
        let length = usize::try_from(reader.number()?).ok()?;
        reader.take(length)
    };
    let pieces = [piece()?, piece()?, piece()?];
    let (point, _) = checkpoints::decode(reader.take(POINT)?.first_chunk()?)?;
    let window = reader.take(WINDOW)?.to_vec();
    if !made.json.take_kept(reader) || !reader.0.is_empty() {
        return None;
    }
    made.add_kept(pieces, length);
    if !made.has_whole_segments() {
        return None;
    }
    made.sums.resume(crc, of_member);
    Some((tail, Resume { point, window }))
}
