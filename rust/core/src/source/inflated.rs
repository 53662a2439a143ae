//! Ranges of a compressed text: inflated from the checkpoint before them, each block of
//! 64 KiB verified before a byte of it is handed out. Each thread keeps the last segments
//! that it has inflated, as far as they were needed, so that reading on costs nothing
//! twice.
//!
//! ```text
//! text  | segment 0, 1 MiB  | segment 1         | segment 2 ...
//!       ▲ checkpoint        ▲ checkpoint  ████  ▲      a record
//!                           └─ inflated ────┘ to the end of its block of 64 KiB
//! ```
#![deny(clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation, reason = "places within a segment")]

use std::cell::RefCell;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Source;
use super::checkpoints::{CHECKED, Checkpoints, SEGMENT};
use crate::error::{Error, Result};
use crate::inflate::gzip::Event;
use crate::inflate::stream::{Framing, Point, Stream};
use crate::inflate::{Block, Broken, History, Output, SLACK, WINDOW};

/// A thread keeps so many segments: a record may lie on the border of two.
const KEPT: usize = 2;
/// Compressed bytes that are looked at in one go: a gzip header and a block's fit in.
pub(crate) const PIECE: u64 = 256 << 10;
/// The longest header of a block of codes, and more.
const MAX_HEADER: u64 = 1 << 10;

const UNFIT: &str = "the index of the compressed text is damaged: build it anew with: \
                     textbook-fast index --rebuild";
const ADVICE: &str = "; records that lie elsewhere are readable; fetch the file again";

/// A text that is compressed in a file.
#[derive(Debug)]
pub(crate) struct Inflated {
    checkpoints: Checkpoints,
    framing: Framing,
    /// Where the compressed data ends in the file.
    end: u64,
    /// Tells segments of one text from those of another.
    id: u64,
}

/// A segment of a text, inflated as far as it was needed.
struct Segment {
    text: u64,
    number: u64,
    stream: Stream,
    /// The next bit of the file.
    bit: u64,
    /// The window, then the text.
    out: Vec<u8>,
    at: usize,
}

thread_local! {
    static SEGMENTS: RefCell<Vec<Segment>> = const { RefCell::new(Vec::new()) };
}

/// Whatever a match refers to, it is in the window; what is not, is zero, which the
/// checksum tells.
struct Anything;

impl History for Anything {
    fn demand(
        &mut self,
        _: &mut [u8],
        _: usize,
        _: usize,
        _: usize,
    ) -> std::result::Result<(), &'static str> {
        Ok(())
    }
}

impl Inflated {
    pub fn new(checkpoints: Checkpoints, framing: Framing, end: u64) -> Inflated {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Inflated { checkpoints, framing, end, id: NEXT.fetch_add(1, Ordering::Relaxed) }
    }

    /// Bytes of the text.
    pub fn length(&self) -> u64 {
        self.checkpoints.length()
    }

    /// Whether a range lies in one segment.
    pub fn is_in_one(range: &Range<u64>) -> bool {
        range.start / SEGMENT == range.end.max(range.start + 1).saturating_sub(1) / SEGMENT
    }

    /// Hands a range that lies in one segment to `look`.
    pub fn with<R>(
        &self,
        file: &Source,
        range: Range<u64>,
        look: impl FnOnce(&[u8]) -> Result<R>,
    ) -> Result<R> {
        if range.is_empty() {
            return look(&[]);
        }
        let number = range.start / SEGMENT;
        let mut segment = self.take(file, number)?;
        self.inflate(file, &mut segment, range.end - number * SEGMENT)?;
        let place = |offset: u64| WINDOW + (offset - number * SEGMENT) as usize;
        let bytes = segment.out.get(place(range.start)..place(range.end)).unwrap_or_default();
        // While it is looked at, the thread may ask for other ranges.
        let looked = look(bytes);
        give_back(segment);
        looked
    }

    /// Fills `bytes` with the text from `offset` on.
    pub fn fill(&self, file: &Source, bytes: &mut [u8], offset: u64) -> Result<()> {
        let mut rest = bytes;
        let mut at = offset;
        while !rest.is_empty() {
            let left = SEGMENT - at % SEGMENT;
            let count = rest.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let (now, later) = rest.split_at_mut(count);
            self.with(file, at..at + count as u64, |found| {
                now.copy_from_slice(found);
                Ok(())
            })?;
            at += count as u64;
            rest = later;
        }
        Ok(())
    }

    /// A segment that this thread has inflated before, or one at its beginning.
    fn take(&self, file: &Source, number: u64) -> Result<Segment> {
        let kept = SEGMENTS.with_borrow_mut(|kept| {
            let is_it = |segment: &Segment| (segment.text, segment.number) == (self.id, number);
            match kept.iter().position(is_it) {
                Some(at) => Some((true, kept.remove(at))),
                None if kept.len() >= KEPT => Some((false, kept.remove(0))),
                None => None,
            }
        });
        let mut segment = match kept {
            Some((true, segment)) => return Ok(segment),
            Some((false, old)) => old,
            None => Segment {
                text: 0,
                number: 0,
                stream: Stream::new(self.framing),
                bit: 0,
                out: vec![0; WINDOW + SEGMENT as usize + SLACK],
                at: WINDOW,
            },
        };
        segment.stream.reframe(self.framing);
        (segment.text, segment.number, segment.at) = (self.id, number, WINDOW);
        let unfit = || self.error(file, 0, UNFIT);
        let (point, window) = self.checkpoints.get(number).ok_or_else(unfit)?;
        if !window.unpack(&mut segment.out) {
            return Err(unfit());
        }
        segment.bit = point.bit;
        resume_stream(&mut segment.stream, file, &point, self.end)?;
        Ok(segment)
    }

    /// Inflates a segment up to a place in it, and on to the end of a block, each of which
    /// is verified.
    fn inflate(&self, file: &Source, segment: &mut Segment, to: u64) -> Result<()> {
        let left = self.length().saturating_sub(segment.number * SEGMENT);
        let to = to.next_multiple_of(CHECKED).min(SEGMENT).min(left);
        let limit = WINDOW + to as usize;
        let first = segment.at;
        while segment.at < limit {
            let byte = segment.bit / 8;
            let range = byte.min(self.end)..self.end.min(byte + PIECE);
            let is_last = range.end == self.end;
            let event = file.with_file_range(range, |bytes| {
                let mut bit = (segment.bit % 8) as usize;
                let mut output = Output {
                    out: &mut segment.out,
                    at: segment.at,
                    limit,
                    guard: 0,
                    history: &mut Anything,
                };
                let ran = segment.stream.run(bytes, &mut bit, byte * 8, &mut output);
                segment.at = output.at;
                let before = std::mem::replace(&mut segment.bit, byte * 8 + bit as u64);
                Ok(ran.map(|event| (event, segment.bit > before)))
            })?;
            match event {
                Ok((Event::Input, has_moved)) if is_last || !has_moved => {
                    return Err(self.error(file, segment.bit / 8, "the compressed text is cut"));
                }
                Ok(_) => {}
                Err(Broken { reason, bit }) => {
                    return Err(self.error(file, byte + bit as u64 / 8, reason));
                }
            }
        }
        self.verify(file, segment, first, limit)
    }

    /// Compares the checksums of the blocks from one place to another.
    fn verify(&self, file: &Source, segment: &Segment, from: usize, to: usize) -> Result<()> {
        let new = segment.out.get(from..to).unwrap_or_default();
        let before = (from - WINDOW) as u64 / CHECKED;
        let first = segment.number * (SEGMENT / CHECKED) + before;
        for (block, bytes) in (first..).zip(new.chunks(CHECKED as usize)) {
            if self.checkpoints.check(block) != Some(crc32c::crc32c(bytes)) {
                let start = block * CHECKED;
                let reason = format!(
                    "bytes {start} to {} of the text are not what was indexed (CRC-32C): the \
                     file was damaged since",
                    start + bytes.len() as u64
                );
                return Err(self.error(file, segment.bit / 8, &reason));
            }
        }
        Ok(())
    }

    fn error(&self, file: &Source, byte: u64, reason: &str) -> Error {
        error(file, byte.min(self.end), reason)
    }
}

/// Takes the stream up at a point of a file whose compressed data ends at `end`.
pub(crate) fn resume_stream(
    stream: &mut Stream,
    file: &Source,
    point: &Point,
    end: u64,
) -> Result<()> {
    let header = match point.block {
        Block::Coded(bit) => bit / 8,
        _ => point.bit / 8,
    };
    let range = header.min(end)..end.min(header.saturating_add(MAX_HEADER));
    let resumed = file.with_file_range(range, |bytes| Ok(stream.resume(point, bytes)))?;
    resumed.map_err(|reason| error(file, header.min(end), reason))
}

fn error(file: &Source, offset: u64, reason: &str) -> Error {
    let advice = if reason == UNFIT { "" } else { ADVICE };
    let reason = format!("{reason}{advice}");
    Error::Format { path: file.path().to_owned(), offset, reason }
}

fn give_back(segment: Segment) {
    SEGMENTS.with_borrow_mut(|kept| {
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        kept.push(segment);
    });
}
