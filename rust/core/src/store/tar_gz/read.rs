//! One member out of the middle of the stream: nothing before it is inflated but a
//! match that crosses its beginning, and its checksum is verified every time.

use std::cell::RefCell;

use super::expected::{Expected, Known};
use super::page::{Place, Start};
use super::parts::Parts;
use crate::error::Result;
use crate::inflate::gzip::{Event, Gzip};
use crate::inflate::{Block, History, Inflater, Output, SLACK, Stop, WINDOW};

/// So much of the stream is read beyond a member's end: as much as the fast loop loads ahead.
const AHEAD: u64 = 40;
/// A block's header that lies no further before the data is read together with it.
const NEAR: u64 = 32 << 10;

/// The bytes of the window that a member refers to, handed out as they are asked for.
struct Given<'a> {
    expected: Expected,
    /// The data begins so many bytes after the window.
    skip: usize,
    header: &'a [u8],
    values: &'a [u8],
    known: [u64; WINDOW / 64],
}

impl History for Given<'_> {
    fn demand(
        &mut self,
        out: &mut [u8],
        from: usize,
        length: usize,
    ) -> std::result::Result<(), &'static str> {
        let wanted = out[..WINDOW].iter_mut().enumerate().skip(from).take(length);
        for (place, known) in wanted {
            let back = WINDOW - 1 - place;
            let bit = 1 << (back % 64);
            if self.known[back / 64] & bit == 0 {
                let (likely, list) = match self.expected.at(back + 1 + self.skip) {
                    Known::Zero => (0, None),
                    Known::Likely(likely) => (likely, Some(&mut self.header)),
                    Known::Nothing => (0, Some(&mut self.values)),
                };
                let difference = match list {
                    None => 0,
                    Some(list) => *list
                        .split_off_first()
                        .ok_or("a byte of the window is asked for that is not in the index")?,
                };
                self.known[back / 64] |= bit;
                *known = likely ^ difference;
            }
        }
        Ok(())
    }
}

/// What reading needs beside the archive; used again and again.
struct Scratch {
    gzip: Gzip,
    input: Vec<u8>,
    out: Vec<u8>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        gzip: Gzip::in_body(Inflater::new()),
        input: Vec::new(),
        out: Vec::new(),
    });
}

/// Reads a member's data and appends it to `bytes`.
pub(super) fn read(parts: &Parts, place: &Place, bytes: &mut Vec<u8>) -> Result<()> {
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.read(parts, place)?;
        let first = WINDOW + place.skip as usize;
        let data = &scratch.out[first..first + place.size as usize];
        if crc32c::crc32c(data) != place.crc32c {
            return Err(damaged(parts, place, "its data is not what was indexed (CRC-32C)"));
        }
        bytes.extend_from_slice(data);
        Ok(())
    })
}

fn damaged(parts: &Parts, place: &Place, reason: &str) -> crate::Error {
    parts.error_at(place.bit / 8, reason)
}

/// Makes the buffer at least so long. What is in it is not filled anew: it is overwritten
/// before it is read, by what is read from the archive or inflated.
fn grow(buffer: &mut Vec<u8>, length: usize) {
    if buffer.len() < length {
        buffer.resize(length, 0);
    }
}

impl Scratch {
    fn read(&mut self, parts: &Parts, place: &Place) -> Result<()> {
        let error = |reason: &str| damaged(parts, place, reason);
        let header = match place.start {
            Start::Symbol { header_back } => place.bit - header_back,
            _ => place.bit,
        };
        let data_byte = place.bit / 8;
        let end = (place.end_bit.div_ceil(8) + AHEAD).min(parts.size());
        let first = if data_byte - header / 8 <= NEAR { header / 8 } else { data_byte };
        let length =
            end.checked_sub(first).filter(|&length| length <= super::walker::MAX_IMAGE_BYTES * 2);
        let length = length.ok_or_else(|| error("its place is outside of the archive"))? as usize;
        parts.check_range(&(header / 8..end.saturating_sub(1).max(header / 8)))?;
        grow(&mut self.input, length);
        let count = parts.read(first, &mut self.input[..length])?;
        let input = &self.input[..count];

        let inflater = &mut self.gzip;
        inflater.resume_body();
        let inflater = &mut inflater.inflater;
        match place.start {
            Start::Symbol { .. } if first <= header / 8 => {
                let mut bit = (header - first * 8) as usize;
                match inflater.read_header(input, &mut bit, first * 8) {
                    Ok(Stop::Limit) => {}
                    Ok(_) => return Err(error("the stream is cut in a block's header")),
                    Err(broken) => return Err(error(broken.reason)),
                }
            }
            Start::Symbol { .. } => {
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
        grow(&mut self.out, WINDOW + wanted + SLACK);
        let mut given = Given {
            expected: Expected::new(place.size, place.zeros),
            skip: place.skip as usize,
            header: &place.header,
            values: &place.window,
            known: [0; WINDOW / 64],
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
