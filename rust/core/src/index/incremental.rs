//! The index of a text that comes piece by piece, once, from its beginning to its end:
//! for texts that are inflated while they are indexed. What was found is finished, or its
//! fault told of, when all of it has been there.

use super::build::{self, Found, Plan, Scanned};
use super::layout::{Detected, Layout, detect, is_space};
use super::lines;
use super::scan::{Fault, State, scan};
use crate::codec::{Reader, put};
use crate::error::Result;
use crate::source::Source;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The kinds of a text, where what was found is kept.
const BLANK: u64 = 0;
const ARRAY: u64 = 1;
const LINES: u64 = 2;

/// What is known of a text so far.
#[derive(Default)]
enum Kind {
    /// Nothing but white space has come.
    #[default]
    Blank,
    Array(Scanned),
    /// Anything else: lines, or what is neither.
    Lines(Vec<lines::Piece>),
}

/// Indexes a text as it comes.
pub(super) struct Incremental {
    level: textbook_simd::Level,
    kind: Kind,
    /// How many records, or pieces of lines, are kept on disk.
    kept: usize,
}

impl Incremental {
    pub fn new(level: textbook_simd::Level) -> Incremental {
        Incremental { level, kind: Kind::Blank, kept: 0 }
    }

    /// Takes the next bytes, which begin at `offset` of the text.
    pub fn take(&mut self, bytes: &[u8], offset: u64) {
        let mut from = 0;
        if let Kind::Blank = self.kind {
            from = if offset == 0 && bytes.starts_with(BYTE_ORDER_MARK) { 3 } else { 0 };
            let Some(first) = bytes[from..].iter().position(|&byte| !is_space(byte)) else {
                return;
            };
            from += first;
            self.kind = match bytes[from] {
                b'[' => Kind::Array(Scanned::default()),
                _ => Kind::Lines(Vec::new()),
            };
        }
        let (bytes, offset) = (&bytes[from..], offset + from as u64);
        match &mut self.kind {
            Kind::Array(Scanned { starts, state, fault }) if fault.is_none() => {
                *fault = scan(self.level, bytes, offset, state, starts).err();
            }
            Kind::Lines(pieces) => pieces.push(lines::look(bytes, offset)),
            Kind::Array(_) | Kind::Blank => {}
        }
    }

    /// Whether nothing but white space has come.
    pub fn is_blank(&self) -> bool {
        matches!(self.kind, Kind::Blank)
    }

    /// Appends what was found since it was kept last, and the state that it goes on in.
    pub fn keep(&mut self, bytes: &mut Vec<u8>) {
        match &self.kind {
            Kind::Blank => put(bytes, BLANK),
            Kind::Array(Scanned { starts, state, fault }) => {
                put(bytes, ARRAY);
                put_starts(bytes, &starts[self.kept..]);
                state.encode(bytes);
                put(bytes, u64::from(fault.is_some()));
                if let Some(fault) = fault {
                    fault.encode(bytes);
                }
                self.kept = starts.len();
            }
            Kind::Lines(pieces) => {
                put(bytes, LINES);
                put(bytes, (pieces.len() - self.kept) as u64);
                for piece in &pieces[self.kept..] {
                    piece.encode(bytes);
                }
                self.kept = pieces.len();
            }
        }
    }

    /// Adds what was kept; whether that is right.
    pub fn take_kept(&mut self, reader: &mut Reader<'_>) -> bool {
        self.try_take_kept(reader).is_some()
    }

    fn try_take_kept(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        match (reader.number()?, &mut self.kind) {
            (BLANK, Kind::Blank) => {}
            (ARRAY, kind @ (Kind::Blank | Kind::Array(_))) => {
                let mut starts = match std::mem::take(kind) {
                    Kind::Array(scanned) => scanned.starts,
                    _ => Vec::new(),
                };
                take_starts(reader, &mut starts)?;
                self.kept = starts.len();
                let state = State::decode(reader)?;
                let fault = match reader.number()? {
                    0 => None,
                    _ => Some(Fault::decode(reader)?),
                };
                *kind = Kind::Array(Scanned { starts, state, fault });
            }
            (LINES, kind @ (Kind::Blank | Kind::Lines(_))) => {
                let mut pieces = match std::mem::take(kind) {
                    Kind::Lines(pieces) => pieces,
                    _ => Vec::new(),
                };
                for _ in 0..reader.number()? {
                    pieces.push(lines::Piece::decode(reader)?);
                }
                self.kept = pieces.len();
                *kind = Kind::Lines(pieces);
            }
            _ => return None,
        }
        Some(())
    }

    /// What was found, or what is wrong. `source` is the whole text.
    pub fn finish(self, source: &Source, plan: Plan) -> Result<Found> {
        let Detected { layout, start, is_single } = detect(source, plan.level)?;
        match (layout, self.kind) {
            (Layout::Array, Kind::Array(scanned)) => build::finish(source, plan, scanned),
            (Layout::Lines, Kind::Lines(_)) if is_single => {
                Ok(Found { layout, starts: vec![start], end: source.size() })
            }
            (Layout::Lines, Kind::Lines(pieces)) => {
                lines::join(source, plan, pieces.into_iter().map(Ok))
            }
            // The first byte decides in both, so they agree.
            _ => Err(build::bug(source, "two looks at a text's first byte disagree")),
        }
    }
}

/// Appends offsets, each by what is between it and the one before.
pub(super) fn put_starts(bytes: &mut Vec<u8>, starts: &[u64]) {
    put(bytes, starts.len() as u64);
    let mut last = 0;
    for &start in starts {
        put(bytes, start - last);
        last = start;
    }
}

pub(super) fn take_starts(reader: &mut Reader<'_>, starts: &mut Vec<u64>) -> Option<()> {
    let mut last = 0_u64;
    for _ in 0..reader.number()? {
        last = last.checked_add(reader.number()?)?;
        starts.push(last);
    }
    Some(())
}
