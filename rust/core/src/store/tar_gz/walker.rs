//! The walk over a compressed tar: inflates the stream once, stops exactly where each
//! member's data begins, and writes down how to start there again.
//!
//! ```text
//! out   | 32 KiB of history | what comes out now ......            | slack |
//!                    ▲ origin (a member's data, or the match that crosses it)
//!            ▲ from: a match reaches before the origin, so its source is logged
//! ```

use std::collections::VecDeque;

use super::expected::{Expected, Known};
use super::page::{Content, Entry, Place, Refused, Start};
use super::parts::Parts;
use super::point::{Begun, Point};
use super::seen::Seen;
use crate::error::{Error, Result};
use crate::inflate::gzip::{Event, Gzip, MAX_HEADER};
use crate::inflate::{Block, History, Inflater, Output, SLACK, WINDOW};
use crate::store::tar_header::{BLOCK, Kind};
use crate::store::tar_walk::{self, TarWalk};

/// So much comes out before the history is moved to the front: within the L2 cache.
const CHUNK: usize = 256 << 10;
const INPUT: usize = 256 << 10;
/// The system is asked to have in memory what comes so much later.
const READ_AHEAD: u64 = 2 << 20;
/// A block's header and a gzip header fit into this.
const MAX_UNIT: usize = MAX_HEADER + (4 << 10);
/// No image is larger than this.
pub(super) const MAX_IMAGE_BYTES: u64 = 1 << 30;

/// Where in a tar header "ustar" stands.
const MAGIC: usize = 257;

/// What a step of the walk found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It stands at a member's data, or at the next header.
    Header,
    /// The stream has ended.
    End,
}

/// What the walk does about the checksums of gzip members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trailers {
    Check,
    /// It began in the middle of a member: stop before its end.
    StopBefore,
}

#[derive(Debug)]
pub(super) struct Walker<'a> {
    parts: &'a Parts,
    gzip: Gzip,
    /// A piece of the stream, which begins at this byte of it. `input_end` bytes are there.
    input: Vec<u8>,
    input_end: usize,
    input_start: u64,
    /// The next bit in the piece.
    bit: usize,
    /// The stream is read up to this byte; the walk may be told to go no further.
    out: Vec<u8>,
    at: usize,
    /// Up to here the output is in the checksums.
    summed: usize,
    /// What has to be added to a place in `out` for its place in the tar.
    shift: u64,
    log: Log,
    tar: TarWalk,
    /// Where the data of the last member ends in the tar, before its padding.
    data_end: u64,
    is_marked_end: bool,
    has_tar_fault: bool,
    live: Option<Live>,
    trailers: Trailers,
    crc: crc32fast::Hasher,
    length: u64,
    /// Where the gzip member began in the tar whose checksum was wrong: nothing after that
    /// can be trusted.
    pub wrong_since: Option<u64>,
    /// Members that are complete, in the order of the archive.
    pub found: VecDeque<Entry>,
}

/// A member whose data is coming out.
#[derive(Debug)]
struct Live {
    begun: Begun,
    bit: u64,
    start: Start,
    skip: u32,
    zeros: u32,
    left: u64,
    crc32c: u32,
}

/// Which bytes before the origin are referred to, each once, in the order of demand.
#[derive(Debug)]
struct Log {
    origin: Option<usize>,
    /// Nothing of this gzip member comes before this place.
    floor: usize,
    seen: Box<Seen>,
    /// The data ends before this place.
    data_end: usize,
    /// What is expected before the data, which begins so many bytes after the origin.
    expected: Expected,
    skip: usize,
    header: Vec<u8>,
    values: Vec<u8>,
}

impl Log {
    fn guard(&self) -> usize {
        self.origin.map_or(self.floor, |origin| origin.max(self.floor))
    }

    fn begin(&mut self, origin: usize, data_end: usize, expected: Expected, skip: u32) {
        (self.origin, self.data_end) = (Some(origin), data_end);
        *self.seen = Seen::NONE;
        (self.expected, self.skip) = (expected, skip as usize);
        self.header.clear();
        self.values.clear();
    }

    fn take(&mut self, out: &[u8], from: usize, length: usize) {
        let Some(origin) = self.origin else { return };
        let mut next = WINDOW + from - origin;
        let end = WINDOW.min(next + length);
        while let Some(new) = self.seen.next_new(&mut next, end) {
            let before = WINDOW - new.start + self.skip;
            let bytes = &out[new.start + origin - WINDOW..new.end + origin - WINDOW];
            let unknown = self.expected.unknown_from(before).min(bytes.len());
            self.values.extend_from_slice(&bytes[..unknown]);
            for (place, &byte) in bytes.iter().enumerate().skip(unknown) {
                if let Known::Likely(likely) = self.expected.at(before - place) {
                    self.header.push(byte ^ likely);
                }
            }
        }
    }
}

impl History for Log {
    fn demand(
        &mut self,
        out: &mut [u8],
        at: usize,
        from: usize,
        length: usize,
    ) -> std::result::Result<(), &'static str> {
        if from < self.floor {
            return Err("a match reaches back before the beginning of the stream");
        }
        // What is put behind the data is not inflated when it is read.
        self.take(out, from, length.min(self.data_end.saturating_sub(at)));
        Ok(())
    }
}

impl<'a> Walker<'a> {
    fn with(
        parts: &'a Parts,
        gzip: Gzip,
        byte: u64,
        tar: TarWalk,
        trailers: Trailers,
    ) -> Walker<'a> {
        Walker {
            parts,
            gzip,
            input: vec![0; INPUT + MAX_UNIT],
            input_end: 0,
            input_start: byte,
            bit: 0,
            out: vec![0; WINDOW + CHUNK + SLACK],
            at: WINDOW,
            summed: WINDOW,
            shift: 0_u64.wrapping_sub(WINDOW as u64),
            log: Log {
                origin: None,
                floor: WINDOW,
                data_end: 0,
                seen: Box::new(Seen::NONE),
                expected: Expected::new(0, 0),
                skip: 0,
                header: Vec::new(),
                values: Vec::new(),
            },
            data_end: tar.at(),
            tar,
            is_marked_end: false,
            has_tar_fault: false,
            live: None,
            trailers,
            crc: crc32fast::Hasher::new(),
            length: 0,
            wrong_since: None,
            found: VecDeque::new(),
        }
    }

    /// From the beginning of the archive.
    pub fn new(parts: &'a Parts) -> Walker<'a> {
        Walker::with(parts, Gzip::new(), 0, TarWalk::new(), Trailers::Check)
    }

    /// From a point on.
    pub fn resume(parts: &'a Parts, point: &Point) -> Result<Walker<'a>> {
        let byte = point.bit / 8;
        let mut inflater = Inflater::new();
        match point.block {
            Block::Coded(header) => read_header_at(parts, header, &mut inflater)?,
            Block::Stored(left) => inflater.resume_stored(left, point.is_last),
            Block::None => inflater.restart(),
            Block::End => inflater.resume_end(),
        }
        inflater.set_pending(point.pending);
        let tar = TarWalk::resume(point.offset.saturating_add(point.to_header));
        let mut walker = Walker::with(parts, Gzip::in_body(inflater), byte, tar, Trailers::Check);
        walker.bit = (point.bit % 8) as usize;
        walker.shift = point.offset.wrapping_sub(WINDOW as u64);
        let floor = WINDOW - point.window.len().min(WINDOW);
        walker.out[floor..WINDOW].copy_from_slice(&point.window);
        walker.log.floor = floor;
        walker.crc = crc32fast::Hasher::new_with_initial_len(point.crc, point.length);
        walker.length = point.length;
        if let Some(begun) = point.begun.clone() {
            walker.data_end = point.offset.saturating_add(begun.size);
            walker.begin(begun);
        }
        Ok(walker)
    }

    /// From a block's header in the middle of the stream on, knowing nothing of before:
    /// bytes that come from there are zeros. See `speculate`.
    pub fn blind(parts: &'a Parts, bit: u64) -> Walker<'a> {
        let gzip = Gzip::in_body(Inflater::new());
        let tar = TarWalk::new();
        let mut walker = Walker::with(parts, gzip, bit / 8, tar, Trailers::StopBefore);
        walker.bit = (bit % 8) as usize;
        // Its place in the tar is not known: any number that leaves room on both sides.
        walker.shift = 1 << 40;
        walker.log.floor = 0;
        walker
    }

    /// The next bit of the stream.
    pub fn stream_bit(&self) -> u64 {
        self.input_start * 8 + self.bit as u64
    }

    /// Bytes of the tar that have come out.
    pub fn offset(&self) -> u64 {
        self.shift.wrapping_add(self.at as u64)
    }

    /// Whether the last error was one of the tar, not of the stream.
    pub fn has_tar_fault(&self) -> bool {
        self.has_tar_fault
    }

    /// For a blind walk: goes on until a tar header has come out that is whole, and
    /// stands to go on to the one after it. Whether there is one before byte `to`.
    pub fn find_header(
        &mut self,
        to: u64,
        watch: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<bool> {
        /// Half of the history, so that what was searched before is still there.
        const PIECE: u64 = 16 << 10;
        (self.live, self.log.origin, self.has_tar_fault) = (None, None, false);
        self.found.clear();
        while self.stream_bit() / 8 < to {
            let before = self.offset();
            if !self.run_to(before + PIECE, watch)? {
                return Ok(false);
            }
            let first = (self.at - PIECE as usize).saturating_sub(BLOCK);
            for magic in memchr::memmem::find_iter(&self.out[first..self.at], b"ustar") {
                let Some(start) = (first + magic).checked_sub(MAGIC) else { continue };
                let Some(block) = self.out[start..self.at].first_chunk::<BLOCK>() else { break };
                let mut tar = TarWalk::resume(self.shift.wrapping_add(start as u64));
                let is_member = matches!(tar.feed(block), Ok(tar_walk::Event::Member(_)));
                if is_member && tar.at() >= self.offset() {
                    self.tar = tar;
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Goes on to the next header and reads it.
    pub fn step(&mut self, watch: &mut dyn FnMut(u64) -> Result<()>) -> Result<Step> {
        loop {
            if self.is_marked_end {
                self.run_to(u64::MAX, watch)?;
                return Ok(Step::End);
            }
            let header = self.tar.at();
            let header_end = header.saturating_add(BLOCK as u64);
            if !self.run_to(header_end, watch)? {
                self.finish_live();
                // A tar may end without its mark and without the last padding, but not inside
                // a member.
                let is_between = (self.data_end..=header).contains(&self.offset());
                if !is_between || !self.tar.is_between_members() {
                    return Err(self.error(
                        "the archive ends inside a member: it is cut, or a part is missing",
                    ));
                }
                return Ok(Step::End);
            }
            self.finish_live();
            if self.take_header()? {
                return Ok(Step::Header);
            }
        }
    }

    /// Reads the header that has just come out; whether a member's headers are complete.
    fn take_header(&mut self) -> Result<bool> {
        let block = self.out[..self.at].last_chunk::<BLOCK>();
        let Some(block) = block else { return Ok(false) };
        let offset = self.tar.at();
        let fault = |fault: tar_walk::TarFault| (fault.offset, fault.reason);
        let (name, link, kind, size) = match self.tar.feed(block).map_err(fault) {
            Ok(tar_walk::Event::More) => return Ok(false),
            Ok(tar_walk::Event::End) => {
                self.is_marked_end = true;
                return Ok(false);
            }
            Ok(tar_walk::Event::Member(member)) => {
                self.data_end = member.data.saturating_add(member.size);
                (member.name.to_vec(), member.link.to_vec(), member.kind, member.size)
            }
            Err((_, reason)) => {
                self.has_tar_fault = true;
                return Err(self.error(&format!("{reason}; it is at byte {offset} of the tar")));
            }
        };
        let content = match kind {
            Kind::Directory => return Ok(true),
            Kind::HardLink => Content::Link { target: link, is_hard: true },
            Kind::SymbolicLink => Content::Link { target: link, is_hard: false },
            Kind::Sparse => Content::Refused(Refused::Sparse),
            Kind::Special => Content::Refused(Refused::Special),
            Kind::File if size > MAX_IMAGE_BYTES => Content::Refused(Refused::TooLarge),
            Kind::File if size == 0 => Content::Empty,
            Kind::File => {
                self.begin(Begun { name, size });
                return Ok(true);
            }
        };
        self.found.push_back(Entry { name, content });
        Ok(true)
    }

    /// A member's data begins right here.
    fn begin(&mut self, begun: Begun) {
        let inflater = &self.gzip.inflater;
        let pending = inflater.pending();
        let bit = pending.map_or(self.stream_bit(), |pending| pending.symbol_bit);
        let skip = pending.map_or(0, |pending| pending.done);
        let start = match inflater.block() {
            Block::Coded(header) => Start::Symbol { header_back: bit - header },
            Block::Stored(left) => Start::Stored { left, is_last: inflater.is_last() },
            Block::None => Start::Header,
            Block::End => Start::End,
        };
        let origin = self.at - skip as usize;
        // Bytes before the floor are another gzip member's, which nothing refers to.
        let first = self.log.floor.min(self.at).max(self.at.saturating_sub(2 * BLOCK));
        let zeros = Expected::zeros_before_header(&self.out[first..self.at]);
        let data_end = self.at + begun.size as usize;
        self.log.begin(origin, data_end, Expected::new(begun.size, zeros), skip);
        if let Some(pending) = pending {
            let from = origin - pending.distance as usize;
            self.log.take(&self.out, from, skip as usize);
        }
        let left = begun.size;
        self.live = Some(Live { begun, bit, start, skip, zeros, left, crc32c: 0 });
    }

    /// The member before is complete, if all of its data has come out.
    fn finish_live(&mut self) {
        let Some(live) = self.live.take_if(|live| live.left == 0) else { return };
        self.log.origin = None;
        let mut header = std::mem::take(&mut self.log.header);
        header.truncate(header.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1));
        let place = Place {
            bit: live.bit,
            start: live.start,
            skip: live.skip,
            end_bit: self.stream_bit(),
            size: live.begun.size,
            crc32c: live.crc32c,
            zeros: live.zeros,
            header,
            window: std::mem::take(&mut self.log.values),
        };
        self.found.push_back(Entry { name: live.begun.name, content: Content::Data(place) });
    }

    /// Inflates up to a byte of the tar; whether the stream goes that far.
    pub fn run_to(
        &mut self,
        target: u64,
        watch: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<bool> {
        loop {
            let left = target.saturating_sub(self.offset());
            if left == 0 {
                return Ok(true);
            }
            if self.at >= self.out.len() - SLACK {
                self.slide();
            }
            let room = self.out.len() - SLACK - self.at;
            let limit = self.at + room.min(usize::try_from(left).unwrap_or(usize::MAX));
            let base = self.input_start * 8;
            let guard = self.log.guard();
            let mut output =
                Output { out: &mut self.out, at: self.at, limit, guard, history: &mut self.log };
            let result =
                self.gzip.run(&self.input[..self.input_end], &mut self.bit, base, &mut output);
            self.at = output.at;
            self.sum();
            match result {
                Ok(Event::Limit) => {}
                Ok(Event::Input) => {
                    watch(self.stream_bit() / 8)?;
                    if !self.read_more()? {
                        return self.ended().map(|()| false);
                    }
                }
                Ok(Event::Member { crc, length }) => self.end_gzip_member(crc, length)?,
                Err(broken) => {
                    self.bit = broken.bit;
                    return Err(self.error(broken.reason));
                }
            }
        }
    }

    /// Moves the history to the front of the buffer.
    fn slide(&mut self) {
        let by = self.at - WINDOW;
        self.out.copy_within(by..self.at, 0);
        self.shift = self.shift.wrapping_add(by as u64);
        self.at = WINDOW;
        self.summed = WINDOW;
        self.log.floor = self.log.floor.saturating_sub(by);
        if let Some(origin) = &mut self.log.origin {
            // Once the whole window lies behind it, nothing can reach before it.
            *origin = origin.saturating_sub(by);
        }
        self.log.data_end = self.log.data_end.saturating_sub(by);
    }

    /// Puts what has come out into the checksums.
    fn sum(&mut self) {
        let new = &self.out[self.summed..self.at];
        self.crc.update(new);
        self.length += new.len() as u64;
        if let Some(live) = &mut self.live {
            let of_data = &new[..new.len().min(usize::try_from(live.left).unwrap_or(usize::MAX))];
            live.crc32c = crc32c::crc32c_append(live.crc32c, of_data);
            live.left -= of_data.len() as u64;
        }
        self.summed = self.at;
    }

    fn read_more(&mut self) -> Result<bool> {
        let done = self.bit / 8;
        let kept = self.input_end - done;
        if kept > MAX_UNIT {
            return Err(self.error("a unit of the stream that is longer than any"));
        }
        self.input.copy_within(done..self.input_end, 0);
        self.input_start += done as u64;
        self.bit %= 8;
        self.input_end = kept;
        let from = self.input_start + kept as u64;
        let ahead = from + READ_AHEAD;
        self.parts.will_need(&(ahead..ahead + INPUT as u64));
        let count = self.parts.read(from, &mut self.input[kept..kept + INPUT])?;
        self.input_end += count;
        Ok(count > 0)
    }

    fn end_gzip_member(&mut self, crc: u32, length: u32) -> Result<()> {
        if self.trailers == Trailers::StopBefore {
            return Err(self.error("a gzip member that began before ends"));
        }
        let found = std::mem::take(&mut self.crc).finalize();
        if found != crc || self.length as u32 != length {
            self.wrong_since = Some(self.offset().saturating_sub(self.length));
        }
        if found != crc {
            return Err(self.error(&format!(
                "the stream's CRC-32 is {crc:08x}, its data has {found:08x}: \
                 a part is damaged, or parts are in the wrong order, and any image before \
                 this place may be a wrong one; with the parts' SHA-256 sums, \
                 textbook-fast index --sha256 FILE tells which part it is"
            )));
        }
        if self.length as u32 != length {
            return Err(self.error("the stream's length is not what its trailer says"));
        }
        self.length = 0;
        self.log.floor = self.at;
        Ok(())
    }

    /// All input is used up.
    fn ended(&self) -> Result<()> {
        if self.gzip.is_between_members() && self.bit / 8 == self.input_end {
            return Ok(());
        }
        Err(self.error(
            "the stream is cut: it ends here, and more of it, or another part, has to follow",
        ))
    }

    /// An error right here.
    fn error(&self, reason: &str) -> Error {
        self.parts.error_at(self.stream_bit() / 8, reason)
    }

    /// The point where the walk stands: after a step that read a header.
    pub fn point(&self) -> Point {
        let inflater = &self.gzip.inflater;
        let first = self.log.floor.max(self.at - WINDOW);
        Point {
            bit: self.stream_bit(),
            block: inflater.block(),
            is_last: inflater.is_last(),
            pending: inflater.pending(),
            window: self.out[first..self.at].to_vec(),
            offset: self.offset(),
            to_header: self.tar.at() - self.offset(),
            begun: self.live.as_ref().map(|live| live.begun.clone()),
            crc: self.crc.clone().finalize(),
            length: self.length,
        }
    }
}

/// Reads the block header at a bit of the stream.
pub(super) fn read_header_at(parts: &Parts, bit: u64, inflater: &mut Inflater) -> Result<()> {
    let mut bytes = [0; 1 << 10];
    let count = parts.read(bit / 8, &mut bytes)?;
    let mut at = (bit % 8) as usize;
    match inflater.read_header(&bytes[..count], &mut at, bit / 8 * 8) {
        Ok(crate::inflate::Stop::Limit) => Ok(()),
        Ok(_) => Err(parts.error_at(bit / 8, "the stream is cut in a block's header")),
        Err(broken) => Err(parts.error_at(bit / 8, broken.reason)),
    }
}
