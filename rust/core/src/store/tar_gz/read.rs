//! One member out of the middle of the stream: nothing before it is inflated but a
//! match that crosses its beginning, and its checksum is verified every time.

use std::cell::RefCell;
use std::ops::Range;

use super::expected::{Expected, Known};
use super::page::{Place, Start};
use super::parts::Parts;
use super::seen::Seen;
use super::walker::MAX_IMAGE_BYTES;
use crate::error::Result;
use crate::inflate::gzip::{Event, Gzip};
use crate::inflate::{Block, History, Inflater, MAX_EXPANSION, Output, SLACK, Stop, WINDOW};

/// So much of the stream is read beyond a member's end: as much as the fast loop loads ahead.
const AHEAD: u64 = 40;
/// A block's header that lies no further before the data is read together with it.
const NEAR: u64 = 32 << 10;
/// An input buffer up to this size is used again.
const KEPT: usize = 1 << 20;

/// The bytes of the window that a member refers to, handed out as they are asked for.
struct Given<'a> {
    expected: Expected,
    /// The data begins so many bytes after the window.
    skip: usize,
    header: &'a [u8],
    values: &'a [u8],
    seen: Seen,
}

impl History for Given<'_> {
    fn demand(
        &mut self,
        out: &mut [u8],
        _: usize,
        from: usize,
        length: usize,
    ) -> std::result::Result<(), &'static str> {
        let mut next = from;
        let end = WINDOW.min(from + length);
        while let Some(new) = self.seen.next_new(&mut next, end) {
            let before = WINDOW - new.start + self.skip;
            let bytes = &mut out[new];
            let unknown = self.expected.unknown_from(before).min(bytes.len());
            let (from_index, rest) = bytes.split_at_mut(unknown);
            from_index.copy_from_slice(
                self.values
                    .split_off(..unknown)
                    .ok_or("a byte of the window is asked for that is not in the index")?,
            );
            for (byte, before) in rest.iter_mut().zip((0..=before - unknown).rev()) {
                *byte = match self.expected.at(before) {
                    // Zeros at the end are not in the index.
                    Known::Likely(likely) => likely ^ self.header.split_off_first().unwrap_or(&0),
                    Known::Zero | Known::Nothing => 0,
                };
            }
        }
        Ok(())
    }
}

/// What reading needs beside the archive; used again and again.
struct Scratch {
    gzip: Gzip,
    input: Vec<u8>,
    /// So many bytes of the input are there.
    loaded: usize,
    out: Vec<u8>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        gzip: Gzip::in_body(Inflater::new()),
        input: Vec::new(),
        loaded: 0,
        out: Vec::new(),
    });
}

/// Reads a member's data and appends it to `bytes`.
pub(super) fn read(parts: &Parts, place: &Place, bytes: &mut Vec<u8>) -> Result<()> {
    SCRATCH.with_borrow_mut(|scratch| scratch.read(parts, place, bytes))
}

/// Reads members that lie near each other: the archive once, from the first to the last.
/// What is wrong with one does not concern the others.
pub(super) fn read_run(parts: &Parts, places: &[&Place]) -> Vec<Result<Vec<u8>>> {
    SCRATCH.with_borrow_mut(|scratch| scratch.read_run(parts, places))
}

/// The bit where the header of a place's block lies, or the place itself.
fn header(place: &Place) -> u64 {
    match place.start {
        Start::Symbol { header_back } => place.bit - header_back,
        _ => place.bit,
    }
}

/// The bytes of the stream that are read for a member.
pub(super) fn range(parts: &Parts, place: &Place) -> Result<Range<u64>> {
    let (header, data) = (header(place) / 8, place.bit / 8);
    let start = if data - header <= NEAR { header } else { data };
    let end = (place.end_bit.div_ceil(8) + AHEAD).min(parts.size());
    match end.checked_sub(start) {
        Some(length) if length <= MAX_IMAGE_BYTES * 2 => {
            // A damaged index is not to be believed, before memory is taken for it.
            if place.size > MAX_IMAGE_BYTES.min(length * MAX_EXPANSION) {
                return Err(damaged(parts, place, "its place has not room for so many bytes"));
            }
            Ok(start..end)
        }
        _ => Err(damaged(parts, place, "its place is outside of the archive")),
    }
}

fn damaged(parts: &Parts, place: &Place, reason: &str) -> crate::Error {
    parts.error_at(place.bit / 8, reason)
}

/// Makes the buffer at least so long. What is in it is not filled anew: it is overwritten
/// before it is read, by what is read from the archive or inflated.
fn grow(buffer: &mut Vec<u8>, length: usize) -> std::result::Result<(), &'static str> {
    if buffer.len() < length {
        let more = length - buffer.len();
        buffer.try_reserve(more).map_err(|_| "there is not enough memory for it")?;
        buffer.resize(length, 0);
    }
    Ok(())
}

impl Scratch {
    fn read(&mut self, parts: &Parts, place: &Place, bytes: &mut Vec<u8>) -> Result<()> {
        let range = range(parts, place)?;
        self.load(parts, &range)?;
        self.forget_block();
        self.inflate(parts, place, range.start, bytes)
    }

    fn read_run(&mut self, parts: &Parts, places: &[&Place]) -> Vec<Result<Vec<u8>>> {
        let ranges: Vec<_> = places.iter().map(|place| range(parts, place)).collect();
        let known = || ranges.iter().flatten();
        let start = known().map(|range| range.start).min().unwrap_or(0);
        let end = known().map(|range| range.end).max().unwrap_or(0);
        let is_loaded = self.load(parts, &(start..end)).is_ok();
        self.forget_block();
        // In the order of the stream, one often begins in the block that another ends in.
        let mut order: Vec<usize> = (0..places.len()).collect();
        order.sort_unstable_by_key(|&at| places[at].bit);
        let mut results: Vec<Result<Vec<u8>>> = places.iter().map(|_| Ok(Vec::new())).collect();
        for at in order {
            let mut bytes = Vec::new();
            let read = if is_loaded && ranges[at].is_ok() {
                self.inflate(parts, places[at], start, &mut bytes)
            } else {
                // By itself: it may be had, and the error is its own.
                self.read(parts, places[at], &mut bytes)
            };
            results[at] = read.map(|()| bytes);
        }
        if self.input.len() > KEPT {
            self.input = Vec::new();
        }
        results
    }

    /// Reads a range of the stream.
    fn load(&mut self, parts: &Parts, range: &Range<u64>) -> Result<()> {
        parts.check_range(&(range.start..range.end.saturating_sub(1).max(range.start)))?;
        let length = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(0);
        self.loaded = 0;
        grow(&mut self.input, length).map_err(|reason| parts.error_at(range.start, reason))?;
        self.loaded = parts.read(range.start, &mut self.input[..length])?;
        Ok(())
    }

    /// The block's header has to be read, whatever was inflated last.
    fn forget_block(&mut self) {
        self.gzip.inflater.restart();
    }

    /// Inflates a member's data out of what is loaded, which begins at byte `first` of the
    /// stream, verifies its checksum and appends it to `bytes`.
    fn inflate(
        &mut self,
        parts: &Parts,
        place: &Place,
        first: u64,
        bytes: &mut Vec<u8>,
    ) -> Result<()> {
        let inflated = self.try_inflate(parts, place, first);
        if inflated.is_err() {
            // Its tables may be half done.
            self.forget_block();
        }
        inflated?;
        let first = WINDOW + place.skip as usize;
        let data = &self.out[first..first + place.size as usize];
        if crc32c::crc32c(data) != place.crc32c {
            return Err(damaged(parts, place, "its data is not what was indexed (CRC-32C)"));
        }
        bytes.extend_from_slice(data);
        Ok(())
    }

    fn try_inflate(&mut self, parts: &Parts, place: &Place, first: u64) -> Result<()> {
        let error = |reason: &str| damaged(parts, place, reason);
        let input = &self.input[..self.loaded];
        let header = header(place);
        let inflater = &mut self.gzip;
        inflater.resume_body();
        let inflater = &mut inflater.inflater;
        match place.start {
            Start::Symbol { .. } if inflater.block() == Block::Coded(header) => {}
            Start::Symbol { .. } if first <= header / 8 => {
                let mut bit = (header - first * 8) as usize;
                match inflater.read_header(input, &mut bit, first * 8) {
                    Ok(Stop::Limit) => {}
                    Ok(_) => return Err(error("the stream is cut in a block's header")),
                    Err(broken) => return Err(error(broken.reason)),
                }
            }
            Start::Symbol { .. } => {
                parts.check_range(&(header / 8..place.bit / 8))?;
                super::walker::read_header_at(parts, header, inflater)?;
            }
            Start::Header => inflater.restart(),
            Start::Stored { left, is_last } => inflater.resume_stored(left, is_last),
            Start::End => inflater.resume_end(),
        }
        if matches!(place.start, Start::Symbol { .. })
            && !matches!(inflater.block(), Block::Coded(_))
        {
            return Err(error("the index does not fit: there is no block of codes"));
        }
        inflater.set_pending(None);
        let wanted = place.skip as usize + place.size as usize;
        grow(&mut self.out, WINDOW + wanted + SLACK).map_err(error)?;
        let mut given = Given {
            expected: Expected::new(place.size, place.zeros),
            skip: place.skip as usize,
            header: &place.header,
            values: &place.window,
            seen: Seen::NONE,
        };
        let mut output = Output {
            out: &mut self.out,
            at: WINDOW,
            limit: WINDOW + wanted,
            guard: WINDOW,
            history: &mut given,
        };
        let mut bit = (place.bit - first * 8) as usize;
        loop {
            match self.gzip.run(input, &mut bit, first * 8, &mut output) {
                Ok(Event::Limit) => return Ok(()),
                Ok(Event::Input) => return Err(error("the stream ends inside of it")),
                // Another gzip member follows, whose window is its own.
                Ok(Event::Member { .. }) => {}
                Err(broken) => return Err(error(broken.reason)),
            }
        }
    }
}
