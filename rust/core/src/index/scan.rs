//! The structural scan: where the objects of a top-level array begin, found in one
//! pass over the bytes. Parses no value and knows no file.
//!
//! # How
//!
//! The bytes inside a record are looked at 64 at a time. A level's kernel gives four
//! bit masks of a block (quotes, backslashes, opening and closing brackets, braces
//! counting as brackets); the scan masks out what lies in strings, and adds the
//! counts of brackets to the depth. Only a block in which the depth can come down to
//! the array's own is looked at bit by bit. Between records, at the array's depth,
//! single bytes are looked at: white space, one comma, a brace, and nothing else.
//!
//! ```text
//! depth  0 1 2        3         3        2 1   1 2
//!        · [ { "images": [ "a", "b" ] ... } , ··· { ...
//!          gap  record: counted by blocks   gap
//! ```
//!
//! A [`State`] says all there is to know at a byte, so a scan can stop anywhere and
//! go on there, over another buffer or in another thread.

use textbook_simd::Level;

use crate::structure::{self, Algorithm, Kernel, Strings, block_at};

/// Where a scan stands: all that the next byte's meaning depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// How many brackets are open: 0 before and after the array, 1 between records.
    pub depth: u64,
    /// Inside a string.
    pub in_string: bool,
    /// The next byte is escaped by a backslash.
    pub escaped: bool,
    /// What may come next, at depth 0 and 1.
    pub gap: Gap,
    /// The byte after the last complete record, or after `[`.
    pub last_end: u64,
}

/// What may come next between records, beside white space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// The array's `[`.
    BeforeArray,
    /// A record or `]`.
    BeforeFirst,
    /// A comma or `]`.
    AfterRecord,
    /// A record.
    AfterComma,
    /// Nothing.
    AfterArray,
}

impl State {
    /// At the first byte of a text.
    pub const START: State =
        State { depth: 0, in_string: false, escaped: false, gap: Gap::BeforeArray, last_end: 0 };

    /// At the first byte of a record that is not the first. `last_end` is not known.
    pub const BEFORE_RECORD: State = State { depth: 1, gap: Gap::AfterComma, ..State::START };

    /// The same place in the text, whatever came before it.
    pub fn agrees(&self, other: &State) -> bool {
        State { last_end: 0, ..*self } == State { last_end: 0, ..*other }
    }
}

/// A byte that cannot stand where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Its offset in the text.
    pub offset: u64,
    /// What was expected there.
    pub gap: Gap,
    /// The byte.
    pub found: u8,
}

/// Scans `bytes`, which lie at `offset` of the text, from `state` on. Appends the
/// offsets of the records that begin in them, and leaves the state after them.
pub fn scan(
    level: Level,
    bytes: &[u8],
    offset: u64,
    state: &mut State,
    starts: &mut Vec<u64>,
) -> Result<(), Fault> {
    structure::run(level, Scan { bytes, offset, state, starts })
}

struct Scan<'a> {
    bytes: &'a [u8],
    offset: u64,
    state: &'a mut State,
    starts: &'a mut Vec<u64>,
}

impl Algorithm for Scan<'_> {
    type Output = Result<(), Fault>;

    #[inline(always)]
    fn run<K: Kernel>(self, kernel: K) -> Result<(), Fault> {
        let Scan { bytes, offset, state, starts } = self;
        let mut at = 0;
        while at < bytes.len() {
            at = if state.depth <= 1 {
                skip_gap(bytes, at, offset, state, starts)?
            } else {
                scan_record(kernel, bytes, at, offset, state)?
            };
        }
        Ok(())
    }
}

/// Goes through the bytes of a gap up to and with the brace that opens a record.
fn skip_gap(
    bytes: &[u8],
    mut at: usize,
    offset: u64,
    state: &mut State,
    starts: &mut Vec<u64>,
) -> Result<usize, Fault> {
    while let Some(&byte) = bytes.get(at) {
        let place = offset + at as u64;
        match (byte, state.gap) {
            (b' ' | b'\n' | b'\r' | b'\t', _) => {}
            (b'[', Gap::BeforeArray) => {
                state.depth = 1;
                state.gap = Gap::BeforeFirst;
                state.last_end = place + 1;
            }
            (b',', Gap::AfterRecord) => state.gap = Gap::AfterComma,
            (b']', Gap::BeforeFirst | Gap::AfterRecord) => {
                state.depth = 0;
                state.gap = Gap::AfterArray;
            }
            (b'{', Gap::BeforeFirst | Gap::AfterComma) => {
                starts.push(place);
                state.depth = 2;
                return Ok(at + 1);
            }
            (found, gap) => return Err(Fault { offset: place, gap, found }),
        }
        at += 1;
    }
    Ok(at)
}

/// Goes through the bytes of a record, to the one after its closing brace or to the end.
#[inline(always)]
fn scan_record<K: Kernel>(
    kernel: K,
    bytes: &[u8],
    mut at: usize,
    offset: u64,
    state: &mut State,
) -> Result<usize, Fault> {
    let mut depth = state.depth;
    let mut strings = Strings { inside: state.in_string, escaped: state.escaped };
    let mut padded = [0; 64];
    while at < bytes.len() {
        let (block, length) = block_at(bytes, at, &mut padded);
        let masks = kernel.masks(block);
        let text = strings.advance(kernel, &masks, length);
        let open = masks.open & !text;
        let close = masks.close & !text;
        let closing = u64::from(close.count_ones());
        // Without an opening bracket before them, the closing ones would come down to 1.
        if depth > closing + 1 {
            depth = depth + u64::from(open.count_ones()) - closing;
        } else if let Some(bit) = find_end(open, close, &mut depth) {
            let end = at + bit;
            let found = bytes[end];
            if found != b'}' {
                let place = offset + end as u64;
                return Err(Fault { offset: place, gap: Gap::AfterRecord, found });
            }
            *state = State {
                depth: 1,
                in_string: false,
                escaped: false,
                gap: Gap::AfterRecord,
                last_end: offset + end as u64 + 1,
            };
            return Ok(end + 1);
        }
        at += length;
    }
    *state = State { depth, in_string: strings.inside, escaped: strings.escaped, ..*state };
    Ok(at)
}

/// The bit of the bracket that brings the depth down to 1, or none and the new depth.
fn find_end(open: u64, close: u64, depth: &mut u64) -> Option<usize> {
    let mut brackets = open | close;
    while brackets != 0 {
        let bit = brackets.trailing_zeros();
        if open >> bit & 1 == 1 {
            *depth += 1;
        } else {
            *depth -= 1;
            if *depth == 1 {
                return Some(bit as usize);
            }
        }
        brackets &= brackets - 1;
    }
    None
}
