//! What is made of the segments of a text as they come out: checksums, windows and
//! checkpoints, and the offset index of the JSON.

use flate2::{Compress, Compression, FlushCompress};

use super::partial::Partial;
use super::pass::{Ended, Segment, damaged};
use crate::error::Result;
use crate::index::incremental::Incremental;
use crate::inflate::WINDOW;
use crate::source::Source;
use crate::source::checkpoints::{self, CHECKED, POINT, SEGMENT, WindowPlace};

/// Windows are compressed, but not for long: level 4 takes 3 % less room, and a third more
/// time.
const LEVEL: u32 = 2;

/// The checksums of a stream's members.
#[derive(Debug, Default)]
pub(super) struct Sums {
    crc: crc32fast::Hasher,
    /// Bytes of this gzip member.
    of_member: u64,
}

impl Sums {
    /// Compares what the members' trailers say.
    pub fn take(&mut self, source: &Source, segment: &Segment) -> Result<()> {
        let mut from = 0;
        for member in &segment.members {
            self.add(&segment.text()[from..member.at]);
            from = member.at;
            let found = std::mem::take(&mut self.crc).finalize();
            if found != member.crc {
                let reason = format!(
                    "the CRC-32 of the text is {found:08x}, the file says {:08x}: it is damaged \
                     before this place",
                    member.crc
                );
                return Err(damaged(source, member.byte, &reason));
            }
            if self.of_member as u32 != member.length {
                let reason = "the length of the text is not what the file says";
                return Err(damaged(source, member.byte, reason));
            }
            self.of_member = 0;
        }
        self.add(&segment.text()[from..]);
        Ok(())
    }

    /// The CRC-32 of this gzip member so far, and its length.
    pub fn state(&self) -> (u32, u64) {
        (self.crc.clone().finalize(), self.of_member)
    }

    pub fn resume(&mut self, crc: u32, of_member: u64) {
        self.crc = crc32fast::Hasher::new_with_initial_len(crc, of_member);
        self.of_member = of_member;
    }

    fn add(&mut self, bytes: &[u8]) {
        self.crc.update(bytes);
        self.of_member += bytes.len() as u64;
    }
}

/// What was made of all segments so far.
pub(super) struct Made {
    pub json: Incremental,
    pub sums: Sums,
    /// Bytes of text.
    pub length: u64,
    pub windows: Vec<u8>,
    pub points: Vec<u8>,
    pub checks: Vec<u8>,
    /// Where the file is cut.
    pub cut: Option<u64>,
    /// What of it is kept on disk: bytes of text, and so much of what is made of them.
    kept: (u64, [usize; 3]),
}

impl Made {
    pub fn new(level: textbook_simd::Level) -> Made {
        Made {
            json: Incremental::new(level),
            sums: Sums::default(),
            length: 0,
            windows: Vec::new(),
            points: Vec::new(),
            checks: Vec::new(),
            cut: None,
            kept: (0, [0; 3]),
        }
    }

    /// How much text was kept last, and what was made of the text after that.
    pub fn new_since_kept(&self) -> (u64, [&[u8]; 3]) {
        let (length, [windows, points, checks]) = self.kept;
        (length, [&self.windows[windows..], &self.points[points..], &self.checks[checks..]])
    }

    /// All of it is kept.
    pub fn set_kept(&mut self) {
        let lengths = [&self.windows, &self.points, &self.checks].map(Vec::len);
        self.kept = (self.length, lengths);
    }

    /// Whether it is what is made of segments that are full.
    pub fn has_whole_segments(&self) -> bool {
        let segments = usize::try_from(self.length / SEGMENT).unwrap_or(usize::MAX);
        let checks = (SEGMENT / CHECKED) as usize * 4;
        self.length.is_multiple_of(SEGMENT)
            && segments.checked_mul(POINT) == Some(self.points.len())
            && segments.checked_mul(checks) == Some(self.checks.len())
    }

    /// Adds what was kept of the text up to `length`.
    pub fn add_kept(&mut self, [windows, points, checks]: [&[u8]; 3], length: u64) {
        self.windows.extend_from_slice(windows);
        self.points.extend_from_slice(points);
        self.checks.extend_from_slice(checks);
        self.length = length;
        self.set_kept();
    }
}

/// Makes it, segment by segment.
pub(super) struct Digest<'a> {
    source: &'a Source,
    pub made: Made,
    partial: &'a mut Partial,
    compress: Compress,
}

impl<'a> Digest<'a> {
    pub fn new(source: &'a Source, made: Made, partial: &'a mut Partial) -> Digest<'a> {
        let compress = Compress::new(Compression::new(LEVEL), false);
        Digest { source, made, partial, compress }
    }

    /// Takes the next segment.
    pub fn take(&mut self, segment: &Segment) -> Result<()> {
        self.partial.keep_before(segment, self.source, &mut self.made);
        let text = segment.text();
        self.made.sums.take(self.source, segment)?;
        if !text.is_empty() {
            let place = self.keep_window(segment);
            let made = &mut self.made;
            made.points.extend_from_slice(&checkpoints::encode(&segment.point, place));
            for block in text.chunks(CHECKED as usize) {
                made.checks.extend_from_slice(&crc32c::crc32c(block).to_le_bytes());
            }
            made.json.take(text, made.length);
            made.length += text.len() as u64;
        }
        if let Ended::Cut(byte) = segment.ended {
            self.made.cut = Some(byte);
        }
        Ok(())
    }

    /// Keeps of the window what the segment refers to.
    fn keep_window(&mut self, segment: &Segment) -> WindowPlace {
        let offset = self.made.windows.len() as u64;
        if segment.used.iter().all(|&bits| bits == 0) {
            return WindowPlace { offset, length: 0, crc32c: crc32c::crc32c(&[]) };
        }
        let mut window = vec![0; WINDOW];
        let of_64 = window.chunks_mut(64).zip(segment.window().chunks(64)).zip(&*segment.used);
        for ((places, bytes), &bits) in of_64.filter(|&(_, &bits)| bits != 0) {
            for ((place, &byte), bit) in places.iter_mut().zip(bytes).zip(0..) {
                *place = if bits >> bit & 1 == 1 { byte } else { 0 };
            }
        }
        self.compress.reset();
        // What does not get smaller gets larger by a few bytes for each stored block.
        let mut packed = Vec::with_capacity(WINDOW + 64);
        let ended = self.compress.compress_vec(&window, &mut packed, FlushCompress::Finish);
        debug_assert!(matches!(ended, Ok(flate2::Status::StreamEnd)), "it fits: {ended:?}");
        self.made.windows.extend_from_slice(&packed);
        let crc32c = crc32c::crc32c(&packed);
        WindowPlace { offset, length: packed.len() as u32, crc32c }
    }
}
