//! Search in the texts of many samples, in all threads, in the order of the samples.
//!
//! Where the pattern allows it, most of the file is only looked at as bytes ([`raw`]):
//! a record is read when it holds the pattern as JSON would spell it, or an escape that
//! may be a part of it. What is found is always found in the text itself, with its
//! escapes resolved. Knows no Python.

mod excerpt;
mod raw;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::Arc;

use regex::bytes::{Regex, RegexBuilder};

use crate::clips;
use crate::error::Result;
use crate::index::Progress;
use crate::parts::{Chunk, Parts, pass};
use crate::record::Record;
pub use excerpt::Excerpt;
use raw::Prefilter;

/// The compiled pattern takes no more memory than this.
const PATTERN_BYTES: usize = 10 << 20;
/// The first results come after about so many bytes; later batches double.
const FIRST_BATCH: u64 = 8 << 20;
const LAST_BATCH: u64 = 256 << 20;

/// What is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// What is said.
    Texts,
    /// What is said and what is read from the images.
    TextOcrList,
}

impl Field {
    fn name(self) -> &'static str {
        match self {
            Field::Texts => "texts",
            Field::TextOcrList => "text_ocr_list",
        }
    }
}

/// How a pattern is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// As it stands.
    Literal,
    /// As a regular expression of the regex crate.
    Regex,
}

/// Whether upper and lower case are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    /// They are.
    Sensitive,
    /// They are not, by Unicode's simple case folding.
    Ignored,
}

/// A pattern, compiled.
#[derive(Debug)]
pub struct Query {
    pattern: Regex,
    prefilter: Option<Prefilter>,
    field: Field,
}

impl Query {
    /// Compiles a pattern; the error is what the engine says of it, with the place.
    pub fn new(
        pattern: &str,
        syntax: Syntax,
        case: Case,
        field: Field,
    ) -> std::result::Result<Query, String> {
        let expression = match syntax {
            Syntax::Literal => regex::escape(pattern),
            Syntax::Regex => pattern.to_owned(),
        };
        let compiled = RegexBuilder::new(&expression)
            .case_insensitive(case == Case::Ignored)
            .size_limit(PATTERN_BYTES)
            .build()
            .map_err(|error| error.to_string())?;
        let prefilter = match syntax {
            Syntax::Literal => Prefilter::of_literal(pattern, case),
            Syntax::Regex => Prefilter::of_regex(pattern, case),
        };
        Ok(Query { pattern: compiled, prefilter, field })
    }
}

/// An item of a sample that matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The sample's place in what was searched.
    pub place: usize,
    /// The position in its list.
    pub item: usize,
    /// The text around the first match.
    pub excerpt: Excerpt,
}

/// A search under way.
#[derive(Debug)]
pub struct Search {
    parts: Arc<Parts>,
    chunks: Arc<Vec<Chunk>>,
    query: Arc<Query>,
    threads: usize,
    progress: Arc<Progress>,
    next: usize,
    batch: u64,
}

impl Search {
    /// Begins a search in the records at these positions (all where none are given).
    #[must_use]
    pub fn new(
        parts: &Arc<Parts>,
        positions: Option<&[usize]>,
        query: Query,
        threads: usize,
        progress: &Arc<Progress>,
    ) -> Search {
        let chunks = parts.chunks(positions);
        progress.begin(chunks.iter().map(|chunk| chunk.bytes).sum());
        Search {
            parts: Arc::clone(parts),
            chunks: Arc::new(chunks),
            query: Arc::new(query),
            threads,
            progress: Arc::clone(progress),
            next: 0,
            batch: FIRST_BATCH,
        }
    }

    /// The hits of the next batch, in order; `None` after the last batch.
    pub fn next_batch(&mut self) -> Result<Option<Vec<Hit>>> {
        let range = self.next_range();
        if range.is_empty() {
            return Ok(None);
        }
        let query = Arc::clone(&self.query);
        let body = move |parts: &Parts, chunk: &Chunk| search_chunk(parts, chunk, &query);
        let (parts, chunks) = (&self.parts, &self.chunks);
        Ok(Some(pass(parts, chunks, range, self.threads, &self.progress, body)?.concat()))
    }

    fn next_range(&mut self) -> Range<usize> {
        let start = self.next;
        let mut bytes = 0;
        while let Some(chunk) = self.chunks.get(self.next).filter(|_| bytes < self.batch) {
            bytes += chunk.bytes;
            self.next += 1;
        }
        self.batch = (self.batch * 2).min(LAST_BATCH);
        start..self.next
    }
}

fn search_chunk(parts: &Parts, chunk: &Chunk, query: &Query) -> Result<Vec<Hit>> {
    let mut hits = Vec::new();
    parts.with_bytes(chunk, |bytes| {
        let mut look = |place: usize| {
            let record = parts.record(chunk, bytes, place)?;
            let number = chunk.first + (place - chunk.places.start);
            search_record(&record, query, number, &mut hits)
                .map_err(|error| parts.at(error, chunk, place))
        };
        match &query.prefilter {
            Some(prefilter) if !of_clips(parts, chunk, bytes)? => {
                let ends = ends(parts, chunk)?;
                let mut candidates = prefilter.candidates(bytes);
                let mut at = 0;
                // Each candidate's record is read once, however often it occurs there.
                while let Some(found) = candidates.next_from(at) {
                    let number = ends.partition_point(|&end| end <= found);
                    let Some(&end) = ends.get(number) else { break };
                    look(chunk.places.start + number)?;
                    at = end;
                }
                Ok(())
            }
            _ => chunk.places.clone().try_for_each(look),
        }
    })?;
    Ok(hits)
}

/// Where each record of the chunk ends in its bytes.
fn ends(parts: &Parts, chunk: &Chunk) -> Result<Vec<usize>> {
    let part = &parts.files()[chunk.part];
    let begin = part.index.span(chunk.places.start, &part.source)?.start;
    let end = |place| {
        let span = part.index.span(place, &part.source)?;
        Ok(usize::try_from(span.end.saturating_sub(begin)).unwrap_or(usize::MAX))
    };
    chunk.places.clone().map(end).collect()
}

/// Whether the chunk's records are of clips, judged by its first one: what their
/// interleaved form says is not all in their bytes.
fn of_clips(parts: &Parts, chunk: &Chunk, bytes: &[u8]) -> Result<bool> {
    let record = parts.record(chunk, bytes, chunk.places.start)?;
    Ok(clips::is_of_clips(&record).unwrap_or(false))
}

fn search_record(record: &Record, query: &Query, place: usize, hits: &mut Vec<Hit>) -> Result<()> {
    if let Some(interleaved) = clips::interleaved(record)? {
        return search_interleaved(&interleaved, query, place, hits);
    }
    search_interleaved(record, query, place, hits)
}

fn search_interleaved(
    record: &Record,
    query: &Query,
    place: usize,
    hits: &mut Vec<Hit>,
) -> Result<()> {
    let name = query.field.name();
    let Some(mut reader) = record.field(name)? else { return Ok(()) };
    if reader.peek() == Some(b'n') {
        return reader.nullable_text().map(|_| ());
    }
    reader.each_item(&format!("field '{name}': expected a list"), |item, reader| {
        let Some(text) = reader.nullable_text()? else { return Ok(()) };
        let text = text.bytes()?;
        if let Some(found) = query.pattern.find(&text) {
            let excerpt = Excerpt::of(&text, found.range());
            hits.push(Hit { place, item, excerpt });
        }
        Ok(())
    })
}
