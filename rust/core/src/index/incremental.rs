//! The index of a text that comes piece by piece, once, from its beginning to its end:
//! for texts that are inflated while they are indexed. What was found is finished, or its
//! fault told of, when all of it has been there.

use super::build::{self, Found, Plan, Scanned};
use super::layout::{Detected, Layout, detect, is_space};
use super::lines;
use super::scan::scan;
use crate::error::Result;
use crate::source::Source;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

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
}

impl Incremental {
    pub fn new(level: textbook_simd::Level) -> Incremental {
        Incremental { level, kind: Kind::Blank }
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
