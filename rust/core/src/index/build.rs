//! The pass over a file that finds its records, on several threads.
//!
//! # An array, by several threads
//!
//! What a byte means depends on all bytes before it, so a thread that starts in the
//! middle has to guess. The anchor is the first record's opening, from its brace to
//! the end of its first key: where it occurs next, a record probably begins. Each
//! chunk is scanned from its anchor on as if one did. Then the chunks are joined from
//! the left: a chunk counts if the scan before it has arrived at its anchor in just
//! that state. Otherwise (an anchor inside of a text) it is scanned again, from the
//! state as it is. So the result is that of one scan from the left, whatever the
//! guesses were.
//!
//! ```text
//! [ {"images"…}, {"images"…}, | … {"images"…}, … | … {"images"…} ]
//! └──────── chunk 0 ─────────────┘└── chunk 1 ──────┘└── chunk 2 ─┘
//! ```

use std::ops::Range;
use std::sync::Arc;

use memchr::memmem::Finder;
use textbook_simd::Level;

use super::layout::{Detected, Layout, detect};
use super::lines;
use super::progress::Progress;
use super::scan::{Fault, Gap, State, scan};
use crate::error::{Error, Result};
use crate::pool;
use crate::source::Source;

/// What a pass has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub layout: Layout,
    /// Where each record begins.
    pub starts: Vec<u64>,
    /// A byte after the last record, with no more than white space between them.
    pub end: u64,
}

/// How the pass is done.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub level: Level,
    pub threads: usize,
    pub recover: bool,
    /// Bytes to a chunk.
    pub chunk: u64,
}

/// The longest opening of a record that is taken for an anchor.
const MAX_ANCHOR: u64 = 4096;

/// Without a map a chunk is read and scanned in pieces that stay in the cache.
const PIECE: u64 = 1 << 20;

/// An anchor is searched for in pieces of this size.
const SEARCHED: u64 = 64 << 10;

/// Finds all records of a file.
pub fn build(source: &Arc<Source>, plan: Plan, progress: &Arc<Progress>) -> Result<Found> {
    let Detected { layout, start, is_single } = {
        let _pass = pool::enter();
        detect(source, plan.level)?
    };
    progress.begin(source.size());
    match layout {
        Layout::Lines if is_single => Ok(Found { layout, starts: vec![start], end: source.size() }),
        Layout::Lines => lines::build(source, plan, start, progress),
        Layout::Array => array(source, plan, start, progress),
    }
}

/// What a thread has found in its chunk.
pub(super) struct Scanned {
    pub starts: Vec<u64>,
    pub state: State,
    pub fault: Option<Fault>,
}

impl Default for Scanned {
    fn default() -> Scanned {
        Scanned { starts: Vec::new(), state: State::START, fault: None }
    }
}

/// A chunk and the state that it is guessed to begin in.
#[derive(Clone, Copy)]
struct Chunk {
    start: u64,
    end: u64,
    guess: Option<State>,
}

fn array(source: &Arc<Source>, plan: Plan, start: u64, progress: &Arc<Progress>) -> Result<Found> {
    let chunks = Arc::new(chunks(source, plan, start)?);
    let task = {
        let (source, chunks) = (Arc::clone(source), Arc::clone(&chunks));
        let progress = Arc::clone(progress);
        move |index: usize| -> Result<Option<Scanned>> {
            let chunk: Chunk = chunks[index];
            let Some(guess) = chunk.guess else { return Ok(None) };
            progress.check()?;
            let scanned = scan_chunk(&source, plan.level, chunk, guess)?;
            progress.advance(chunk.end - chunk.start)?;
            Ok(Some(scanned))
        }
    };
    let scanned = pool::run(plan.threads, chunks.len(), task);
    let mut joined = Scanned::default();
    for (chunk, scanned) in chunks.iter().zip(scanned) {
        let scanned = scanned.map_err(|panic| bug(source, &panic.0))??;
        let is_right = chunk.guess.is_some_and(|guess| guess.agrees(&joined.state));
        let next = if let Some(scanned) = scanned.filter(|_| is_right) {
            scanned
        } else {
            progress.check()?;
            let _pass = pool::enter();
            scan_chunk(source, plan.level, *chunk, joined.state)?
        };
        let last_end = next.state.last_end.max(joined.state.last_end);
        joined.starts.extend_from_slice(&next.starts);
        joined.state = State { last_end, ..next.state };
        joined.fault = next.fault;
        if joined.fault.is_some() {
            break;
        }
    }
    finish(source, plan, joined)
}

pub(super) fn bug(source: &Source, message: &str) -> Error {
    Error::Bug { path: source.path().to_owned(), message: message.to_owned() }
}

fn scan_chunk(source: &Source, level: Level, chunk: Chunk, from: State) -> Result<Scanned> {
    let (mut state, mut starts, mut fault) = (from, Vec::new(), None);
    let mut at = chunk.start;
    while at < chunk.end && fault.is_none() {
        let end = if source.mapped().is_some() { chunk.end } else { chunk.end.min(at + PIECE) };
        fault = source.with_range(at..end, |bytes| {
            Ok(scan(level, bytes, at, &mut state, &mut starts).err())
        })?;
        at = end;
    }
    Ok(Scanned { starts, state, fault })
}

/// Cuts the file, at anchors where there are some.
fn chunks(source: &Source, plan: Plan, start: u64) -> Result<Vec<Chunk>> {
    let size = source.size();
    let anchor = anchor(source, plan.level, start)?;
    let finder = anchor.as_deref().map(Finder::new);
    let mut chunks = vec![Chunk { start, end: size, guess: Some(State::START) }];
    let mut nominal = start + plan.chunk;
    while nominal < size {
        let _pass = pool::enter();
        let range = nominal..size.min(nominal + plan.chunk);
        let found = match &finder {
            Some(finder) => find(source, finder, range)?,
            None => None,
        };
        let (begin, guess) = match found {
            Some(at) => (at, Some(State::BEFORE_RECORD)),
            None => (nominal, None),
        };
        if let Some(last) = chunks.last_mut() {
            last.end = begin;
        }
        chunks.push(Chunk { start: begin, end: size, guess });
        nominal += plan.chunk;
    }
    Ok(chunks)
}

/// Where the anchor occurs first in a range. Read piece by piece, since it mostly comes
/// within a record's length.
fn find(source: &Source, finder: &Finder<'_>, range: Range<u64>) -> Result<Option<u64>> {
    let overlap = finder.needle().len() as u64 - 1;
    let mut at = range.start;
    while at < range.end {
        let end = range.end.min(at + SEARCHED + overlap);
        if let Some(found) = source.with_range(at..end, |bytes| Ok(finder.find(bytes)))? {
            return Ok(Some(at + found as u64));
        }
        at += SEARCHED;
    }
    Ok(None)
}

/// The bytes from the first record's brace to the end of its first key.
fn anchor(source: &Source, level: Level, start: u64) -> Result<Option<Vec<u8>>> {
    let end = source.size().min(start + MAX_ANCHOR);
    source.with_range(start..end, |bytes| {
        let (mut state, mut starts) = (State::START, Vec::new());
        // A fault here is met again by the scan itself.
        let _ = scan(level, bytes, 0, &mut state, &mut starts);
        let Some(&brace) = starts.first() else { return Ok(None) };
        let record = &bytes[usize::try_from(brace).unwrap_or(0)..];
        let mut quotes = memchr::memchr_iter(b'"', record);
        let key_end = quotes.next().and(quotes.next());
        Ok(key_end.map(|end| record[..=end].to_vec()))
    })
}

/// The index, or what is wrong with the text.
pub(super) fn finish(source: &Source, plan: Plan, joined: Scanned) -> Result<Found> {
    let Scanned { mut starts, state, fault } = joined;
    let path = source.path().to_owned();
    if let Some(fault) = fault {
        let offset = fault.offset;
        return Err(Error::Format { path, offset, reason: describe(&fault, starts.len()) });
    }
    let layout = Layout::Array;
    if state.gap == Gap::AfterArray {
        return Ok(Found { layout, starts, end: state.last_end });
    }
    if state.depth >= 2 {
        starts.pop();
    }
    if plan.recover {
        return Ok(Found { layout, starts, end: state.last_end });
    }
    Err(Error::Truncated {
        path,
        length: source.size(),
        records: starts.len() as u64,
        end_of_last: state.last_end,
    })
}

fn describe(fault: &Fault, records: usize) -> String {
    let found = match fault.found {
        b'"' => "a string".to_owned(),
        b'0'..=b'9' | b'-' => "a number".to_owned(),
        b'[' => "an array".to_owned(),
        b't' | b'f' | b'n' => "true, false or null".to_owned(),
        byte => format!("'{}'", byte.escape_ascii()),
    };
    match fault.gap {
        Gap::BeforeArray => format!("expected '[', found {found}"),
        Gap::BeforeFirst | Gap::AfterComma => {
            format!("element {records} of the array has to be an object, found {found}")
        }
        Gap::AfterRecord if matches!(fault.found, b']' | b'}') => {
            format!("the brackets of element {} do not match: found {found}", records.max(1) - 1)
        }
        Gap::AfterRecord => {
            let last = records.max(1) - 1;
            format!("expected ',' or ']' after element {last} of the array, found {found}")
        }
        Gap::AfterArray => format!("expected nothing after the array's end, found {found}"),
    }
}
