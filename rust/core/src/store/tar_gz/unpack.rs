//! Pages of the index, taken apart no further than a member needs: most of a page are the
//! windows of its members, and those of the members behind the one are not inflated.
#![deny(clippy::indexing_slicing)]

use std::ops::Range;

use super::page::{Before, Content, Entry, MEMBERS, Place, Refused, Start, TAGS};
use crate::codec::Reader;
use crate::inflate::{Inflater, NoHistory, Output, SLACK, Stop, WINDOW};

/// No page is larger when it is taken apart: its members with all of their windows, and
/// with names of 1 MiB, the longest that the tar walk lets pass.
const MAX_RAW: usize = MEMBERS * ((32 << 10) + (2 << 20) + 100);
/// Deflate makes no more of a byte.
const MAX_EXPANSION: usize = 1032;
/// The four lengths that a page begins with lie in so many bytes.
const LENGTHS: usize = 40;
/// The last bytes before a limit are inflated slowly, so the limit is so much further.
const MORE: usize = 300;
/// A buffer up to this size is used again.
const KEPT: usize = 1 << 20;

/// How much of a page is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The member at this place, and those before it.
    UpTo(usize),
    All,
}

/// A page, or the beginning of one.
#[derive(Debug)]
pub(super) struct Page {
    raw: Vec<u8>,
    /// Where numbers, names, headers and windows lie.
    pieces: [Range<usize>; 4],
    sums: Vec<u8>,
    has: Wanted,
}

/// Takes pages apart; used again and again.
#[derive(Debug)]
pub(super) struct Unpacker {
    inflater: Inflater,
    out: Vec<u8>,
}

/// All members of a page; `None` where the bytes are none.
pub(super) fn decode(bytes: &[u8]) -> Option<Vec<Entry>> {
    let page = Unpacker::new().unpack(bytes, Wanted::All)?;
    let mut walk = page.walk()?;
    let mut entries = Vec::new();
    while walk.left > 0 {
        let item = walk.next()?;
        entries.push(page.entry_of(&walk, item)?);
    }
    Some(entries)
}

impl Unpacker {
    pub fn new() -> Unpacker {
        Unpacker { inflater: Inflater::new(), out: Vec::new() }
    }

    /// Takes a page apart; `None` where the bytes are none.
    pub fn unpack(&mut self, bytes: &[u8], wanted: Wanted) -> Option<Page> {
        let mut reader = Reader(bytes);
        let length = reader.u32()? as usize;
        let sums = reader.u32()? as usize;
        let sums = reader.take(sums)?.to_vec();
        if length > MAX_RAW || length / MAX_EXPANSION > reader.0.len() {
            return None;
        }
        self.inflater.restart();
        let mut raw = Raw { unpacker: self, from: reader.0, bit: 0, at: WINDOW, length };
        let pieces = pieces(raw.up_to(LENGTHS)?, length)?;
        let [_, names, headers, windows] = &pieces;
        if let Wanted::UpTo(place) = wanted {
            let known = raw.up_to(names.end + MORE)?;
            let mut walk = Walk::new(known, &pieces, &sums)?;
            for _ in 0..place {
                walk.next()?;
            }
            let Item { header, window, .. } = walk.next()?;
            let need = (headers.start + header.end).max(windows.start + window.end);
            raw.up_to(need + MORE)?;
        } else {
            raw.up_to(length)?;
        }
        let end = raw.at;
        let raw = self.out.get(WINDOW..end)?.to_vec();
        if self.out.len() > KEPT {
            self.out = Vec::new();
        }
        Some(Page { raw, pieces, sums, has: wanted })
    }
}

/// A page that is being inflated.
struct Raw<'a> {
    unpacker: &'a mut Unpacker,
    from: &'a [u8],
    bit: usize,
    at: usize,
    length: usize,
}

impl Raw<'_> {
    /// The first bytes of the page, so many or more; no more than it has.
    fn up_to(&mut self, count: usize) -> Option<&[u8]> {
        let limit = WINDOW + count.min(self.length);
        let Unpacker { inflater, out } = &mut *self.unpacker;
        if limit > self.at {
            if out.len() < limit + SLACK {
                out.resize(limit + SLACK, 0);
            }
            let history = &mut NoHistory;
            let mut output = Output { out, at: self.at, limit, guard: WINDOW, history };
            if inflater.run(self.from, &mut self.bit, 0, &mut output) != Ok(Stop::Limit) {
                return None;
            }
            self.at = limit;
        }
        self.unpacker.out.get(WINDOW..self.at)
    }
}

/// Where the pieces of a page lie that begins so and has so many bytes.
fn pieces(begin: &[u8], length: usize) -> Option<[Range<usize>; 4]> {
    let mut reader = Reader(begin);
    let mut lengths = [0; 4];
    for length in &mut lengths {
        *length = usize::try_from(reader.number()?).ok()?;
    }
    let mut start = begin.len() - reader.0.len();
    let mut pieces = [const { 0..0 }; 4];
    for (piece, count) in pieces.iter_mut().zip(lengths) {
        let end = start.checked_add(count).filter(|&end| end <= length)?;
        *piece = start..end;
        start = end;
    }
    Some(pieces)
}

impl Page {
    /// Whether it was taken apart far enough for this member.
    pub fn has(&self, place: usize) -> bool {
        match self.has {
            Wanted::UpTo(last) => place <= last,
            Wanted::All => true,
        }
    }

    /// The member at this place; `None` where there is none, or the page is broken.
    pub fn entry(&self, place: usize) -> Option<Entry> {
        let mut walk = self.walk()?;
        for _ in 0..place {
            walk.next()?;
        }
        let item = walk.next()?;
        self.entry_of(&walk, item)
    }

    fn walk(&self) -> Option<Walk<'_>> {
        Walk::new(&self.raw, &self.pieces, &self.sums)
    }

    /// What the walk has just come by.
    fn entry_of(&self, walk: &Walk<'_>, item: Item) -> Option<Entry> {
        let Item { mut content, header, window } = item;
        if let Content::Data(place) = &mut content {
            let [_, _, headers, windows] = &self.pieces;
            let piece = |of: &Range<usize>, part: Range<usize>| {
                let all = self.raw.get(of.start..of.end.min(self.raw.len()))?;
                Some(all.get(part)?.to_vec())
            };
            place.header = piece(headers, header)?;
            place.window = piece(windows, window)?;
        }
        Some(Entry { name: walk.name.clone(), content })
    }
}

/// Goes over a page's members.
struct Walk<'a> {
    numbers: Reader<'a>,
    names: Reader<'a>,
    sums: Reader<'a>,
    /// How many are still to come.
    left: usize,
    /// The name of the last one.
    name: Vec<u8>,
    before: Before,
    /// Where the next one's bytes begin among those of headers and windows.
    header: usize,
    window: usize,
}

/// A member, but for its name. Its header and window are to be had from these places
/// among those of all.
struct Item {
    content: Content,
    header: Range<usize>,
    window: Range<usize>,
}

impl<'a> Walk<'a> {
    fn new(raw: &'a [u8], pieces: &[Range<usize>; 4], sums: &'a [u8]) -> Option<Walk<'a>> {
        let [numbers, names, ..] = pieces;
        let mut numbers = Reader(raw.get(numbers.clone())?);
        let names = Reader(raw.get(names.clone())?);
        let left = numbers.number().filter(|&count| count <= MEMBERS as u64)? as usize;
        let (name, before) = (Vec::new(), Before::default());
        let sums = Reader(sums);
        Some(Walk { numbers, names, sums, left, name, before, header: 0, window: 0 })
    }

    /// The next member; `None` where there is none, or the page is broken.
    fn next(&mut self) -> Option<Item> {
        self.left = self.left.checked_sub(1)?;
        let tag = self.numbers.number()?;
        let same = self.length().filter(|&same| same <= self.name.len())?;
        let new = self.length()?;
        self.name.truncate(same);
        self.name.extend_from_slice(self.names.take(new)?);
        let (mut header, mut window) = (0..0, 0..0);
        let content = match tag % TAGS {
            0..=4 => {
                let place;
                (place, header, window) = self.place(tag)?;
                self.before = Before::of(&place);
                Content::Data(place)
            }
            5 => Content::Empty,
            6 | 7 => {
                let length = self.length()?;
                Content::Link { target: self.names.take(length)?.to_vec(), is_hard: tag == 7 }
            }
            _ => Content::Refused(match tag / TAGS {
                0 => Refused::Sparse,
                1 => Refused::Special,
                _ => Refused::TooLarge,
            }),
        };
        Some(Item { content, header, window })
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(self.numbers.number()?).ok()
    }

    fn place(&mut self, tag: u64) -> Option<(Place, Range<usize>, Range<usize>)> {
        let numbers = &mut self.numbers;
        let bit = self.before.end_bit.wrapping_add(numbers.number()?);
        let end_bit = bit.checked_add(numbers.number()?)?;
        let start = match tag {
            0 => Start::Symbol { header_back: numbers.number().filter(|&back| back <= bit)? },
            2 | 3 => {
                let left = u32::try_from(numbers.number()?).ok()?;
                Start::Stored { left, is_last: tag == 3 }
            }
            1 => Start::Header,
            _ => Start::End,
        };
        let skip = u32::try_from(numbers.number()?).ok()?;
        let size = numbers.number()?;
        let zeros = u32::try_from(numbers.number()? ^ self.before.padding).ok()?;
        let header = self.header..self.header.checked_add(self.length()?)?;
        let window = self.window..self.window.checked_add(self.length()?)?;
        (self.header, self.window) = (header.end, window.end);
        let crc32c = self.sums.u32()?;
        let (no_header, no_window) = (Vec::new(), Vec::new());
        let place = Place {
            bit,
            start,
            skip,
            end_bit,
            size,
            crc32c,
            zeros,
            header: no_header,
            window: no_window,
        };
        Some((place, header, window))
    }
}
