//! The text in a compressed file, piece by piece from its beginning, its checksum
//! verified: for writing it as a file of its own.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::digest::Sums;
use super::pass::{Ended, Pass, Segment, damaged};
use crate::error::{Error, Result};
use crate::inflate::stream::Framing;
use crate::source::packing::{self, Packing};
use crate::source::{Access, Source};

/// A stored text comes in pieces of so many bytes.
const PIECE: u64 = 1 << 20;

/// A text that comes piece by piece.
#[derive(Debug)]
pub struct Unpacked {
    source: Source,
    name: PathBuf,
    length: Option<u64>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// What is left of the range, the CRC-32 it has to have, and that of what has come.
    Stored {
        left: Range<u64>,
        crc: u32,
        hash: crc32fast::Hasher,
        piece: Vec<u8>,
    },
    Deflated {
        pass: Box<Pass>,
        sums: Sums,
        segment: Option<Segment>,
    },
}

impl Unpacked {
    /// Opens a zip with one JSON file in it, or a gzip file.
    pub fn open(path: &Path) -> Result<Unpacked> {
        let source = Source::open(path, Access::Read)?;
        let packed = packing::detect(&source)?;
        let (length, kind) = match packed.packing {
            Packing::Plain => {
                let (path, offset) = (path.to_owned(), 0);
                let reason = "neither a zip nor a gzip file".to_owned();
                return Err(Error::Format { path, offset, reason });
            }
            Packing::Stored { range, crc } => {
                let hash = crc32fast::Hasher::new();
                let length = range.end - range.start;
                (Some(length), Kind::Stored { left: range, crc, hash, piece: Vec::new() })
            }
            Packing::Deflated { range, framing } => {
                let length = match framing {
                    Framing::Gzip => None,
                    Framing::Bare { length, .. } => Some(length),
                };
                let pass = Box::new(Pass::new(range, framing));
                (length, Kind::Deflated { pass, sums: Sums::default(), segment: None })
            }
        };
        Ok(Unpacked { source, name: packed.name, length, kind })
    }

    /// Where the text would lie beside the file.
    #[must_use]
    pub fn name(&self) -> &Path {
        &self.name
    }

    /// The length of the text, where that is known before all of it was inflated.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// Bytes of the file that were read, and that there are.
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        let done = match &self.kind {
            Kind::Stored { left, .. } => left.start,
            Kind::Deflated { pass, .. } => pass.byte(),
        };
        (done, self.source.file_size())
    }

    /// Goes on to the next piece. False after the last, when the checksum was right.
    pub fn advance(&mut self) -> Result<bool> {
        self.source.check_unchanged()?;
        let source = &self.source;
        match &mut self.kind {
            Kind::Stored { left, crc, hash, piece } => {
                let end = left.end.min(left.start + PIECE);
                piece.resize(usize::try_from(end - left.start).unwrap_or(0), 0);
                source.read_at(piece, left.start)?;
                hash.update(piece);
                left.start = end;
                if piece.is_empty() && hash.clone().finalize() != *crc {
                    let reason = "the CRC-32 of the text is not what the zip says";
                    return Err(damaged(source, end, reason));
                }
                Ok(!piece.is_empty())
            }
            Kind::Deflated { pass, sums, segment } => {
                if segment.as_ref().is_some_and(|last| last.ended != Ended::Full) {
                    *segment = None;
                    return Ok(false);
                }
                let next = pass.next(source, segment.take(), &mut |_| Ok(()))?;
                sums.take(source, &next)?;
                if let Ended::Cut(byte) = next.ended {
                    return Err(damaged(source, byte, "the compressed text ends in its middle"));
                }
                *segment = Some(next);
                Ok(true)
            }
        }
    }

    /// The piece that it has gone on to.
    #[must_use]
    pub fn piece(&self) -> &[u8] {
        match &self.kind {
            Kind::Stored { piece, .. } => piece,
            Kind::Deflated { segment, .. } => segment.as_ref().map_or(&[], Segment::text),
        }
    }
}
