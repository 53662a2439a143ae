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

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod scalar;
#[cfg(test)]
pub(crate) mod tests;

use textbook_simd::Level;

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

/// The masks of a block of 64 bytes: bit k is byte k.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Masks {
    pub quotes: u64,
    pub backslashes: u64,
    pub open: u64,
    pub close: u64,
}

/// What an instruction set has to offer for the scan.
pub(crate) trait Kernel: Copy {
    fn masks(self, block: &[u8; 64]) -> Masks;

    /// Bit k of the result is the XOR of the bits 0 to k.
    fn prefix_xor(self, bits: u64) -> u64;
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
    match level {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 if textbook_simd::Avx512::get().is_some() => {
            avx512::scan(bytes, offset, state, starts)
        }
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 | Level::Avx512 if textbook_simd::Avx2::get().is_some() => {
            avx2::scan(bytes, offset, state, starts)
        }
        _ => scan_with(scalar::Scalar, bytes, offset, state, starts),
    }
}

/// The scan itself, for any kernel. Inlined into each level's entry, so that the
/// kernel's instructions are inlined into the loop.
#[inline(always)]
#[allow(clippy::inline_always, reason = "the kernel has to be inlined into its level's entry")]
fn scan_with<K: Kernel>(
    kernel: K,
    bytes: &[u8],
    offset: u64,
    state: &mut State,
    starts: &mut Vec<u64>,
) -> Result<(), Fault> {
    let mut at = 0;
    while at < bytes.len() {
        if state.depth <= 1 {
            at = skip_gap(bytes, at, offset, state, starts)?;
            continue;
        }
        at = scan_record(kernel, bytes, at, offset, state)?;
    }
    Ok(())
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
#[allow(clippy::inline_always, reason = "the kernel has to be inlined into its level's entry")]
fn scan_record<K: Kernel>(
    kernel: K,
    bytes: &[u8],
    mut at: usize,
    offset: u64,
    state: &mut State,
) -> Result<usize, Fault> {
    let mut depth = state.depth;
    // All ones inside a string, and the next byte's escape as bit 0.
    let mut in_string = 0u64.wrapping_sub(u64::from(state.in_string));
    let mut escaped = u64::from(state.escaped);
    let mut tail = [b' '; 64];
    while at < bytes.len() {
        let rest = &bytes[at..];
        let (block, length) = match rest.first_chunk::<64>() {
            Some(block) => (block, 64),
            None => {
                tail[..rest.len()].copy_from_slice(rest);
                (&tail, rest.len())
            }
        };
        let masks = kernel.masks(block);
        let mut quotes = masks.quotes;
        if masks.backslashes | escaped != 0 {
            let escapes = escaped_bytes(masks.backslashes, &mut escaped);
            quotes &= !escapes;
            if length < 64 {
                // The byte after the last real one, not after the padding.
                escaped = escapes >> length & 1;
            }
        }
        let strings = kernel.prefix_xor(quotes) ^ in_string;
        in_string = 0u64.wrapping_sub(strings >> 63);
        let open = masks.open & !strings;
        let close = masks.close & !strings;
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
    *state = State { depth, in_string: in_string != 0, escaped: escaped != 0, ..*state };
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

/// Which bytes are escaped by a backslash before them. `escaped` says so of the
/// first one, and is left saying so of the first one of the next block.
///
/// Runs of backslashes that begin at an even bit end escaping where their length is
/// odd, which an addition's carry finds (as simdjson does, arXiv:1902.08318 section 3.1).
fn escaped_bytes(backslashes: u64, escaped: &mut u64) -> u64 {
    const EVEN: u64 = 0x5555_5555_5555_5555;
    let active = backslashes & !*escaped;
    let follows = active << 1 | *escaped;
    let odd_starts = active & !EVEN & !follows;
    let (sequences, overflow) = odd_starts.overflowing_add(active);
    *escaped = u64::from(overflow);
    let invert = sequences << 1;
    (EVEN ^ invert) & follows
}
