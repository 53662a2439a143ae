//! The one pass over a compressed text: inflates it segment by segment, and writes down
//! where each begins and which bytes of the window before it are referred to.

use std::ops::Range;

use super::partial::Resume;
use crate::error::{Error, Result};
use crate::inflate::gzip::Event;
use crate::inflate::stream::{Framing, Point, Stream};
use crate::inflate::{Broken, History, Output, SLACK, WINDOW};
use crate::source::Source;
use crate::source::checkpoints::SEGMENT;
use crate::source::inflated::{PIECE, resume_stream};

/// A gzip member that ends in a segment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Member {
    /// After so many bytes of the segment.
    pub at: usize,
    /// What its trailer says.
    pub crc: u32,
    pub length: u32,
    /// The byte of the file after it.
    pub byte: u64,
}

/// How a segment ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// Another one may follow.
    Full,
    /// It is the last.
    Whole,
    /// The file is cut at this byte.
    Cut(u64),
}

/// A segment of the text.
#[derive(Debug)]
pub(super) struct Segment {
    /// The window, the text, and bytes that mean nothing.
    out: Vec<u8>,
    pub length: usize,
    pub point: Point,
    /// Which bytes of the window the segment refers to.
    pub used: Box<[u64; WINDOW / 64]>,
    pub members: Vec<Member>,
    pub ended: Ended,
}

impl Segment {
    fn new(point: Point) -> Segment {
        Segment {
            out: vec![0; WINDOW + SEGMENT as usize + SLACK],
            length: 0,
            point,
            used: Box::new([0; WINDOW / 64]),
            members: Vec::new(),
            ended: Ended::Full,
        }
    }

    pub fn text(&self) -> &[u8] {
        &self.out[WINDOW..WINDOW + self.length]
    }

    pub fn window(&self) -> &[u8] {
        &self.out[..WINDOW]
    }
}

/// Writes down which bytes of the window are referred to.
struct Log<'a> {
    /// Nothing of this gzip member comes before this place.
    floor: usize,
    used: &'a mut [u64; WINDOW / 64],
}

impl History for Log<'_> {
    fn demand(
        &mut self,
        _: &mut [u8],
        _: usize,
        from: usize,
        length: usize,
    ) -> std::result::Result<(), &'static str> {
        if from < self.floor {
            return Err("a match reaches back before the beginning of the stream");
        }
        for place in from..WINDOW.min(from + length) {
            self.used[place / 64] |= 1 << (place % 64);
        }
        Ok(())
    }
}

/// A pass that has come to a place.
#[derive(Debug)]
pub(super) struct Pass {
    stream: Stream,
    /// The compressed bytes of the file.
    pub range: Range<u64>,
    /// The next bit of the file.
    bit: u64,
    /// Bytes of text in all, as far as that is known.
    wanted: Option<u64>,
    done: u64,
    floor: usize,
    tail: Vec<u8>,
}

impl Pass {
    pub fn new(range: Range<u64>, framing: Framing) -> Pass {
        let wanted = match framing {
            Framing::Gzip => None,
            Framing::Bare { length, .. } => Some(length),
        };
        Pass {
            stream: Stream::new(framing),
            bit: range.start * 8,
            range,
            wanted,
            done: 0,
            floor: WINDOW,
            tail: vec![0; WINDOW],
        }
    }

    /// After so many bytes of the text, at a checkpoint. `of_member`: so many of them are of
    /// this gzip member.
    pub fn resume(
        source: &Source,
        range: Range<u64>,
        framing: Framing,
        resume: Resume,
        [done, of_member]: [u64; 2],
    ) -> Result<Pass> {
        let mut pass = Pass::new(range, framing);
        if !pass.range.contains(&(resume.point.bit / 8)) {
            return Err(damaged(source, pass.range.end, "the compressed text ends before"));
        }
        resume_stream(&mut pass.stream, source, &resume.point, pass.range.end)?;
        pass.bit = resume.point.bit;
        pass.done = done;
        pass.floor = WINDOW.saturating_sub(usize::try_from(of_member).unwrap_or(WINDOW));
        pass.tail = resume.window;
        Ok(pass)
    }

    /// The next byte of the file.
    pub fn byte(&self) -> u64 {
        self.bit / 8
    }

    /// The next segment; the memory of one that is done with may be used again. `watch` is
    /// asked every now and then whether to go on.
    pub fn next(
        &mut self,
        source: &Source,
        used: Option<Segment>,
        watch: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<Segment> {
        let point = self.stream.point(self.bit);
        let mut segment = match used {
            Some(old) => Segment { point, ..old },
            None => Segment::new(point),
        };
        segment.used.fill(0);
        segment.members.clear();
        segment.out[..WINDOW].copy_from_slice(&self.tail);
        segment.ended = Ended::Full;
        let limit = WINDOW + SEGMENT as usize;
        let mut at = WINDOW;
        while at < limit {
            let ended = self.inflate(source, &mut segment, &mut at, limit)?;
            watch(self.byte())?;
            if let Some(ended) = ended {
                segment.ended = ended;
                break;
            }
        }
        segment.length = at - WINDOW;
        self.done += segment.length as u64;
        self.tail.copy_from_slice(&segment.out[at - WINDOW..at]);
        self.floor = self.floor.saturating_sub(segment.length);
        if self.wanted.is_some_and(|wanted| {
            self.done > wanted || (segment.ended == Ended::Whole && self.done < wanted)
        }) {
            return Err(damaged(
                source,
                self.byte(),
                "the text has not the length that the zip says",
            ));
        }
        Ok(segment)
    }

    /// Inflates from a piece of the file.
    fn inflate(
        &mut self,
        source: &Source,
        segment: &mut Segment,
        at: &mut usize,
        limit: usize,
    ) -> Result<Option<Ended>> {
        let byte = self.byte();
        let range = byte..self.range.end.min(byte + PIECE);
        let is_last = range.end == self.range.end;
        let before = self.bit;
        let (stream, bit) = (&mut self.stream, &mut self.bit);
        let mut log = Log { floor: self.floor, used: &mut segment.used };
        let out = &mut segment.out;
        let event = source.with_file_range(range, |bytes| {
            let mut next = (*bit % 8) as usize;
            let guard = log.floor.max(WINDOW);
            let mut output = Output { out, at: *at, limit, guard, history: &mut log };
            let ran = stream.run(bytes, &mut next, byte * 8, &mut output);
            *at = output.at;
            *bit = byte * 8 + next as u64;
            Ok(ran)
        })?;
        match event {
            Ok(Event::Limit) => Ok(None),
            Ok(Event::Member { crc, length }) => {
                self.floor = *at;
                let member = Member { at: *at - WINDOW, crc, length, byte: self.byte() };
                segment.members.push(member);
                Ok(None)
            }
            Ok(Event::Input) if self.stream.may_end() && self.byte() == self.range.end => {
                Ok(Some(Ended::Whole))
            }
            Ok(Event::Input) if self.stream.may_end() && self.wanted.is_some() => Err(damaged(
                source,
                self.byte(),
                "bytes follow after the end of the compressed text",
            )),
            Ok(Event::Input) if is_last && self.wanted.is_some() => {
                Err(damaged(source, self.byte(), "the compressed text ends in its middle"))
            }
            Ok(Event::Input) if is_last => Ok(Some(Ended::Cut(self.range.end))),
            Ok(Event::Input) if self.bit > before => Ok(None),
            Ok(Event::Input) => Err(damaged(source, self.byte(), "a header that does not end")),
            Err(Broken { reason, bit }) => Err(damaged(source, byte + bit as u64 / 8, reason)),
        }
    }
}

/// An error of the compressed data.
pub(super) fn damaged(source: &Source, offset: u64, reason: &str) -> Error {
    Error::Format {
        path: source.path().to_owned(),
        offset,
        reason: format!("broken or cut: {reason}; fetch it again"),
    }
}
