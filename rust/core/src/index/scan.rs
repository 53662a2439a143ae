//! The structural scan: where the objects of a top-level array begin, found in one
//! pass over the bytes. Parses no value and knows no file.
//!
//! # How
//!
//! Inside a record 128 bytes are glanced at in one go. Nearly always they are plain: no
//! bracket, not even in a string, and no quote after a backslash. Then nothing matters
//! but whether their quotes are odd in number, and that costs few instructions. Else a
//! level's kernel gives four bit masks for each 64 bytes (quotes, backslashes, opening
//! and closing brackets, braces counting as brackets); the scan masks out what lies in
//! strings, and adds the counts of brackets to the depth. Only a block in which the depth
//! can come down to the array's own is looked at bit by bit. Between records, at the
//! array's depth, single bytes are looked at: white space, one comma, a brace, and
//! nothing else.
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

use crate::codec::{Reader, put};
use crate::structure::{self, Algorithm, Glance, Kernel, Strings, block_at};

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

/// No text has so many brackets.
const MAX_DEPTH: u64 = 1 << 60;
const GAPS: [Gap; 5] =
    [Gap::BeforeArray, Gap::BeforeFirst, Gap::AfterRecord, Gap::AfterComma, Gap::AfterArray];

impl Gap {
    fn decode(reader: &mut Reader<'_>) -> Option<Gap> {
        let code = reader.number()?;
        GAPS.into_iter().find(|&gap| gap as u64 == code)
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

impl State {
    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        let flags = u64::from(self.in_string) | u64::from(self.escaped) << 1;
        for value in [self.depth, flags, self.gap as u64, self.last_end] {
            put(bytes, value);
        }
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Option<State> {
        let depth = reader.number().filter(|&depth| depth <= MAX_DEPTH)?;
        let flags = reader.number()?;
        let gap = Gap::decode(reader)?;
        let (in_string, escaped) = (flags & 1 == 1, flags & 2 == 2);
        Some(State { depth, in_string, escaped, gap, last_end: reader.number()? })
    }
}

impl Fault {
    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        for value in [self.offset, self.gap as u64, u64::from(self.found)] {
            put(bytes, value);
        }
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Option<Fault> {
        let (offset, gap) = (reader.number()?, Gap::decode(reader)?);
        Some(Fault { offset, gap, found: u8::try_from(reader.number()?).ok()? })
    }
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

/// Memory is asked for so many bytes ahead of the scan: two pages, because the CPU's own
/// prefetching ends at a page's border, and finding the next page takes time as well.
const AHEAD: usize = 8192;

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
    // A short block first, so that all others lie on cache lines.
    let mut room = bytes.get(at..).unwrap_or_default().as_ptr().align_offset(64);
    while at < bytes.len() {
        let (block, length) = block_at(bytes, at, &mut padded);
        let (masks, length) = match room {
            1..64 => (kernel.masks(block).first(room), length.min(room)),
            _ => (kernel.masks(block), length),
        };
        room = 0;
        let text = strings.advance(kernel, &masks, length);
        if let Some(bit) = find_end(masks.open & !text, masks.close & !text, &mut depth) {
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
        at = pass(kernel, bytes, at + length, &mut depth, &mut strings);
    }
    *state = State { depth, in_string: strings.inside, escaped: strings.escaped, ..*state };
    Ok(at)
}

/// Passes over all that does not bring the depth down to 1: the work of the whole scan.
#[inline(always)]
fn pass<K: Kernel>(
    kernel: K,
    bytes: &[u8],
    start: usize,
    depth: &mut u64,
    strings: &mut Strings,
) -> usize {
    let mut at = start;
    let mut inside = strings.inside;
    // One byte before, and 128: whether a quote is escaped shows before it.
    while let Some(window) = bytes.get(at - 1..).and_then(<[u8]>::first_chunk::<129>) {
        kernel.prefetch(window.as_ptr().wrapping_add(AHEAD + 1));
        kernel.prefetch(window.as_ptr().wrapping_add(AHEAD + 65));
        let Glance { is_plain, has_odd_quotes } = kernel.glance(window);
        if is_plain {
            inside ^= has_odd_quotes;
        } else {
            let escaped = is_escaped(&bytes[start..at], strings.escaped);
            let mut next = Strings { inside, escaped };
            let Some(deeper) = count(kernel, window, *depth, &mut next) else { break };
            *depth = deeper;
            inside = next.inside;
        }
        at += 128;
    }
    *strings = Strings { inside, escaped: is_escaped(&bytes[start..at], strings.escaped) };
    at
}

/// The depth after the 128 bytes of a window; none where it may come down to 1 in them.
#[inline(always)]
fn count<K: Kernel>(
    kernel: K,
    window: &[u8; 129],
    mut depth: u64,
    strings: &mut Strings,
) -> Option<u64> {
    let mut stays = true;
    let (blocks, _) = window[1..].as_chunks::<64>();
    for block in blocks {
        let masks = kernel.masks(block);
        let text = strings.advance(kernel, &masks, 64);
        let (open, close) = (masks.open & !text, masks.close & !text);
        stays &= depth > 1 + descent(kernel, open, close);
        // Below zero only where it does not stay, and is not used.
        depth = depth.wrapping_add(u64::from(open.count_ones()));
        depth = depth.wrapping_sub(u64::from(close.count_ones()));
    }
    stays.then_some(depth)
}

/// How far the depth comes down in a block at most: exactly so for up to eight brackets,
/// and as if all that closes came first for more.
#[inline(always)]
fn descent<K: Kernel>(kernel: K, open: u64, close: u64) -> u64 {
    let brackets = open | close;
    let kinds = kernel.extract(close, brackets) & 0xff;
    let exact = u64::from(DESCENTS[kinds as usize]);
    if brackets.count_ones() <= 8 { exact } else { u64::from(close.count_ones()) }
}

/// How far eight brackets bring the depth down, the first one in bit 0, where ones close.
/// Fewer than eight look as if others opened after them, which brings nothing down.
const DESCENTS: [u8; 256] = {
    let mut descents = [0; 256];
    let mut kinds = 0;
    while kinds < 256 {
        let (mut depth, mut lowest, mut bit) = (0i8, 0i8, 0);
        while bit < 8 {
            depth += if kinds >> bit & 1 == 1 { -1 } else { 1 };
            if depth < lowest {
                lowest = depth;
            }
            bit += 1;
        }
        descents[kinds] = lowest.unsigned_abs();
        kinds += 1;
    }
    descents
};

/// Whether the byte after these is escaped, if the first of them is or is not.
#[inline(always)]
fn is_escaped(bytes: &[u8], is_first_escaped: bool) -> bool {
    if bytes.last().is_some_and(|&byte| byte != b'\\') {
        return false;
    }
    let run = bytes.iter().rev().take_while(|&&byte| byte == b'\\').count();
    (run % 2 == 1) != (run == bytes.len() && is_first_escaped)
}

/// The bit of the bracket that brings the depth down to 1, or none and the new depth.
#[inline(always)]
fn find_end(open: u64, close: u64, depth: &mut u64) -> Option<usize> {
    let closing = u64::from(close.count_ones());
    // Without an opening bracket before them, the closing ones would come down to 1.
    if *depth > closing + 1 {
        *depth = *depth + u64::from(open.count_ones()) - closing;
        return None;
    }
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
