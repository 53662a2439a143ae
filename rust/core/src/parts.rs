//! Opened files as one sequence of records, and passes over many of them in all
//! threads. Knows no fields.

use std::ops::Range;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::index::{OffsetIndex, Progress};
use crate::pool::{self, Panicked};
use crate::record::Record;
use crate::source::Source;

/// A pass goes over the records in pieces of about this size: small enough that a fork,
/// a stop and the progress bar wait for milliseconds, large enough to cost nothing.
const CHUNK: u64 = 2 << 20;

/// One file.
#[derive(Debug)]
pub struct Part {
    /// Its bytes.
    pub source: Arc<Source>,
    /// Where its records lie.
    pub index: OffsetIndex,
    /// The position of its first record in all files together.
    pub first: usize,
}

/// Files that are one sequence of records.
#[derive(Debug, Default)]
pub struct Parts {
    parts: Vec<Part>,
    length: usize,
}

/// Neighboring records of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// The number of the file.
    pub part: usize,
    /// The records' positions in it.
    pub places: Range<usize>,
    /// Where the first of them stands in what was asked for.
    pub first: usize,
    /// About how many bytes they have.
    pub bytes: u64,
}

impl Parts {
    /// Appends a file.
    pub fn push(&mut self, source: Arc<Source>, index: OffsetIndex) {
        let first = self.length;
        self.length += index.len();
        self.parts.push(Part { source, index, first });
    }

    /// How many records there are in all.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The files.
    #[must_use]
    pub fn files(&self) -> &[Part] {
        &self.parts
    }

    /// The number of the file that holds the record at `position`, which has to exist, and
    /// its position there.
    #[must_use]
    pub fn locate(&self, position: usize) -> (usize, usize) {
        // The last part that begins at or before the position; parts may be empty.
        let number = self.parts.partition_point(|part| part.first <= position) - 1;
        (number, position - self.parts[number].first)
    }

    /// The records at these positions (all where none are given), which have to exist, in
    /// their order, cut into chunks of neighbors.
    #[must_use]
    pub fn chunks(&self, positions: Option<&[usize]>) -> Vec<Chunk> {
        let mut chunks = Vec::new();
        match positions {
            None => {
                for (number, part) in self.parts.iter().enumerate() {
                    self.cut(number, 0..part.index.len(), part.first, &mut chunks);
                }
            }
            Some(positions) => {
                let mut first = 0;
                while let Some(&position) = positions.get(first) {
                    let (number, place) = self.locate(position);
                    let left = self.parts[number].index.len() - place;
                    let neighbors = positions[first..].iter().take(left).zip(position..);
                    let count = neighbors.take_while(|&(&next, wanted)| next == wanted).count();
                    self.cut(number, place..place + count, first, &mut chunks);
                    first += count;
                }
            }
        }
        chunks
    }

    fn cut(&self, number: usize, places: Range<usize>, mut first: usize, to: &mut Vec<Chunk>) {
        let part = &self.parts[number];
        let most = part.source.piece(CHUNK);
        let mut start = places.start;
        while start < places.end {
            let begin = part.index.span(start, &part.source).map_or(0, |span| span.start);
            let mut stop = start;
            let mut bytes = 0;
            while stop < places.end && bytes < most {
                // A record that has no place is told of when it is read.
                let end = part.index.span(stop, &part.source).map_or(begin, |span| span.end);
                bytes = end.saturating_sub(begin);
                stop += 1;
            }
            to.push(Chunk { part: number, places: start..stop, first, bytes });
            first += stop - start;
            start = stop;
        }
    }

    /// Hands the bytes of a chunk, from its first record's first byte on, to `look`.
    pub fn with_bytes<R>(&self, chunk: &Chunk, look: impl FnOnce(&[u8]) -> Result<R>) -> Result<R> {
        let part = &self.parts[chunk.part];
        let start = part.index.span(chunk.places.start, &part.source)?.start;
        let stop = part.index.span(chunk.places.end - 1, &part.source)?.end;
        part.source.with_range(start..stop, look)
    }

    /// The record at `place` of the chunk's file, copied out of the chunk's bytes.
    pub fn record(&self, chunk: &Chunk, bytes: &[u8], place: usize) -> Result<Record> {
        let part = &self.parts[chunk.part];
        let begin = part.index.span(chunk.places.start, &part.source)?.start;
        let span = part.index.span(place, &part.source)?;
        let within = |offset: u64| usize::try_from(offset.saturating_sub(begin)).unwrap_or(0);
        let bytes = bytes.get(within(span.start)..within(span.end)).unwrap_or_default();
        Ok(Record::new(part.index.trimmed(place, &part.source, bytes)?.to_vec()))
    }

    /// Does `body` for each record of a chunk: with its place in what was asked for. Its
    /// errors get the record's place.
    pub fn each_record(
        &self,
        chunk: &Chunk,
        mut body: impl FnMut(usize, &Record) -> Result<()>,
    ) -> Result<()> {
        self.with_bytes(chunk, |bytes| {
            for (number, place) in chunk.places.clone().enumerate() {
                let record = self.record(chunk, bytes, place)?;
                body(chunk.first + number, &record)
                    .map_err(|error| self.at(error, chunk, place))?;
            }
            Ok(())
        })
    }

    /// An error of a record, with the record's place.
    #[must_use]
    pub fn at(&self, error: Error, chunk: &Chunk, place: usize) -> Error {
        let Error::Record { offset, reason } = error else { return error };
        let part = &self.parts[chunk.part];
        let path = part.source.path().to_owned();
        Error::RecordAt { path, place, position: part.first + place, offset, reason }
    }
}

/// Does `body` for chunks on up to `threads` threads; results in order. The first error
/// in their order is the pass's.
pub fn pass<R, F>(
    parts: &Arc<Parts>,
    chunks: &Arc<Vec<Chunk>>,
    range: Range<usize>,
    threads: usize,
    progress: &Arc<Progress>,
    body: F,
) -> Result<Vec<R>>
where
    R: Send + 'static,
    F: Fn(&Parts, &Chunk) -> Result<R> + Send + Sync + 'static,
{
    let first = range.start;
    let count = range.len();
    let shared = (Arc::clone(parts), Arc::clone(chunks), Arc::clone(progress));
    let results = pool::run(threads, count, move |number| {
        let (parts, chunks, progress) = &shared;
        progress.check()?;
        let chunk = &chunks[first + number];
        let result = body(parts, chunk)?;
        progress.advance(chunk.bytes)?;
        Ok(result)
    });
    let unwrap = |(number, result): (usize, std::result::Result<Result<R>, Panicked>)| {
        result.unwrap_or_else(|Panicked(message)| {
            let part = &parts.files()[chunks[first + number].part];
            Err(Error::Bug { path: part.source.path().to_owned(), message })
        })
    };
    let unwrapped = results.into_iter().enumerate().map(unwrap).collect();
    for part in parts.files() {
        part.source.check_unchanged()?;
    }
    unwrapped
}
