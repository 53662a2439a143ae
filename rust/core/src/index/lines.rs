//! The pass over JSON Lines: a raw line feed cannot lie inside of a JSON text, so
//! every line that is not blank is one record, and a broken one harms no other.

use std::sync::Arc;

use memchr::{memchr, memchr_iter};

use super::build::{Found, Plan, bug};
use super::incremental::{put_starts, take_starts};
use super::layout::{Layout, is_space};
use super::progress::Progress;
use super::scan::{Gap, State, scan};
use crate::codec::{Reader, put};
use crate::error::{Error, Result};
use crate::pool;
use crate::source::Source;

/// What a chunk of the file holds. Its first line may have begun before it.
pub(super) struct Piece {
    /// The first byte before any line feed that is no white space, and where it is.
    head: Option<(u64, u8)>,
    has_line_feed: bool,
    /// Where the lines that begin in the chunk have their first byte that counts.
    starts: Vec<u64>,
    /// The first of them that does not begin with a brace.
    fault: Option<(u64, u8)>,
    /// The last line is blank as far as the chunk goes.
    ends_blank: bool,
}

pub(super) fn build(
    source: &Arc<Source>,
    plan: Plan,
    start: u64,
    progress: &Arc<Progress>,
) -> Result<Found> {
    let size = source.size();
    let count = usize::try_from((size - start).div_ceil(plan.chunk)).unwrap_or(usize::MAX);
    let task = {
        let (source, progress) = (Arc::clone(source), Arc::clone(progress));
        move |index: usize| {
            let begin = start + index as u64 * plan.chunk;
            let end = size.min(begin + plan.chunk);
            let piece = source.with_range(begin..end, |bytes| Ok(look(bytes, begin)))?;
            progress.advance(end - begin)?;
            Ok::<Piece, Error>(piece)
        }
    };
    let pieces = pool::run(plan.threads, count, task).into_iter();
    join(source, plan, pieces.map(|piece| piece.map_err(|panic| bug(source, &panic.0))?))
}

/// Joins pieces that follow each other, from the first line on.
pub(super) fn join(
    source: &Source,
    plan: Plan,
    pieces: impl Iterator<Item = Result<Piece>>,
) -> Result<Found> {
    let mut starts = Vec::new();
    let mut is_blank = true;
    for piece in pieces {
        let piece = piece?;
        let head = piece.head.filter(|_| is_blank);
        let wrong = head.filter(|&(_, byte)| byte != b'{').map(|wrong| (wrong, starts.len()));
        let wrong = wrong.or_else(|| {
            let known = piece.starts.iter().take_while(|&&at| Some(at) != piece.fault.map(|f| f.0));
            let before = starts.len() + usize::from(head.is_some()) + known.count();
            piece.fault.map(|fault| (fault, before))
        });
        if let Some(((offset, byte), record)) = wrong {
            return Err(not_an_object(source, offset, byte, record));
        }
        starts.extend(head.map(|(at, _)| at));
        starts.extend_from_slice(&piece.starts);
        is_blank = match (piece.has_line_feed, piece.head) {
            (true, _) => piece.ends_blank,
            (false, head) => is_blank && head.is_none(),
        };
    }
    finish(source, plan, starts)
}

impl Piece {
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        let flags =
            [self.head.is_some(), self.fault.is_some(), self.has_line_feed, self.ends_blank];
        put(bytes, (0..).zip(flags).map(|(bit, is_so)| u64::from(is_so) << bit).sum());
        for (at, byte) in self.head.into_iter().chain(self.fault) {
            put(bytes, at);
            put(bytes, u64::from(byte));
        }
        put_starts(bytes, &self.starts);
    }

    pub fn decode(reader: &mut Reader<'_>) -> Option<Piece> {
        let flags = reader.number()?;
        let mut place = |bit: u64| {
            if flags >> bit & 1 == 0 {
                return Some(None);
            }
            Some(Some((reader.number()?, u8::try_from(reader.number()?).ok()?)))
        };
        let (head, fault) = (place(0)?, place(1)?);
        let mut starts = Vec::new();
        take_starts(reader, &mut starts)?;
        let (has_line_feed, ends_blank) = (flags >> 2 & 1 == 1, flags >> 3 & 1 == 1);
        Some(Piece { head, has_line_feed, starts, fault, ends_blank })
    }
}

/// Finds the lines of a chunk.
pub(super) fn look(bytes: &[u8], offset: u64) -> Piece {
    let first = memchr(b'\n', bytes);
    let head = first_byte(bytes, 0, first.unwrap_or(bytes.len()));
    let mut piece = Piece {
        head: head.map(|(at, byte)| (offset + at as u64, byte)),
        has_line_feed: first.is_some(),
        starts: Vec::new(),
        fault: None,
        ends_blank: false,
    };
    for feed in memchr_iter(b'\n', bytes) {
        // The next line feed bounds the search: the first byte that counts, or none.
        let line = &bytes[feed + 1..];
        let blank = line.iter().position(|&byte| byte == b'\n' || !is_space(byte));
        piece.ends_blank = blank.is_none();
        let Some(at) = blank.map(|blank| feed + 1 + blank).filter(|&at| bytes[at] != b'\n') else {
            continue;
        };
        piece.starts.push(offset + at as u64);
        if bytes[at] != b'{' && piece.fault.is_none() {
            piece.fault = Some((offset + at as u64, bytes[at]));
        }
    }
    piece
}

fn first_byte(bytes: &[u8], from: usize, to: usize) -> Option<(usize, u8)> {
    let at = from + bytes[from..to].iter().position(|&byte| !is_space(byte))?;
    Some((at, bytes[at]))
}

fn not_an_object(source: &Source, offset: u64, byte: u8, record: usize) -> Error {
    Error::Format {
        path: source.path().to_owned(),
        offset,
        reason: format!(
            "record {record} has to be a JSON object on a line of its own, but its line begins \
             with '{}'",
            byte.escape_ascii()
        ),
    }
}

/// A last line that is cut is told here; another broken one when it is touched.
fn finish(source: &Source, plan: Plan, mut starts: Vec<u64>) -> Result<Found> {
    let (layout, size) = (Layout::Lines, source.size());
    let Some(&last) = starts.last() else { return Ok(Found { layout, starts, end: size }) };
    let is_whole = source.with_range(last..size, |bytes| {
        let mut state = State::BEFORE_RECORD;
        let scanned = scan(plan.level, bytes, last, &mut state, &mut Vec::new());
        Ok(scanned.is_err() || state.gap == Gap::AfterRecord)
    })?;
    if is_whole {
        return Ok(Found { layout, starts, end: size });
    }
    starts.pop();
    if plan.recover {
        return Ok(Found { layout, starts, end: last });
    }
    Err(Error::Truncated {
        path: source.path().to_owned(),
        length: size,
        records: starts.len() as u64,
        end_of_last: last,
    })
}
