//! Pages of the index, taken apart no further than a member needs: most of a page are the
//! windows of its members, and those of the members behind the one are not inflated.
#![deny(clippy::indexing_slicing)]

use std::ops::Range;

use super::clip_name::{Clip, Decimal};
use super::fields::{Field, Reader};
use super::page::{Before, Content, Entry, KINDS, MEMBERS, Place, Refused, SUM, Start, form};
use crate::codec;
use crate::inflate::{Inflater, MAX_EXPANSION, NoHistory, Output, SLACK, Stop, WINDOW};

/// No page is larger when it is taken apart: its members with all of their windows, and
/// with names of 1 MiB, the longest that the tar walk lets pass.
const MAX_RAW: usize = MEMBERS * ((32 << 10) + (2 << 20) + 100);
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
    /// Texts, then headers and windows, as far as they are wanted.
    raw: Vec<u8>,
    rows: Vec<Row>,
    has: Wanted,
}

/// What the numbers say of a member. Ranges are of the page's raw bytes.
#[derive(Debug)]
struct Row {
    /// So many bytes of the name's prefix are those of the one before; then come these.
    same: usize,
    prefix: Range<usize>,
    tail: Tail,
    /// Without what the next ones are.
    content: Content,
    target: Range<usize>,
    header: Range<usize>,
    window: Range<usize>,
}

#[derive(Debug)]
enum Tail {
    Text(Range<usize>),
    Clip(Clip),
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
    (0..page.rows.len()).map(|place| page.entry(place)).collect()
}

impl Unpacker {
    pub fn new() -> Unpacker {
        Unpacker { inflater: Inflater::new(), out: Vec::new() }
    }

    /// Takes a page apart; `None` where the bytes are none.
    pub fn unpack(&mut self, bytes: &[u8], wanted: Wanted) -> Option<Page> {
        let mut reader = codec::Reader(bytes);
        let numbers = usize::try_from(reader.number()?).ok()?;
        let texts = usize::try_from(reader.number()?).ok()?;
        let mut numbers = Reader::new(reader.take(numbers)?)?;
        let count = numbers.length(Field::Members).filter(|&count| count <= MEMBERS)?;
        let rows = match wanted {
            Wanted::UpTo(place) => place.checked_add(1).filter(|&rows| rows <= count)?,
            Wanted::All => count,
        };
        let mut walk = Walk {
            numbers,
            texts: Take { at: 0, end: texts },
            windows: Take { at: texts, end: MAX_RAW },
            before: Before::default(),
            prefix: 0,
            clip: Clip::default(),
        };
        let rows = (0..rows).map(|_| walk.next()).collect::<Option<Vec<Row>>>()?;
        let raw = self.inflate(reader.0, walk.windows.at)?;
        Some(Page { raw, rows, has: wanted })
    }

    /// The first bytes of what is compressed.
    fn inflate(&mut self, from: &[u8], length: usize) -> Option<Vec<u8>> {
        if length > MAX_RAW || length / MAX_EXPANSION as usize > from.len() {
            return None;
        }
        let Unpacker { inflater, out } = self;
        inflater.restart();
        let limit = WINDOW + length + MORE;
        if out.len() < limit + SLACK {
            out.resize(limit + SLACK, 0);
        }
        let history = &mut NoHistory;
        let mut output = Output { out, at: WINDOW, limit, guard: WINDOW, history };
        let stop = inflater.run(from, &mut 0, 0, &mut output);
        let (is_there, has_ended) = (output.at >= WINDOW + length, stop == Ok(Stop::End));
        if !is_there || !has_ended && stop != Ok(Stop::Limit) {
            return None;
        }
        let raw = out.get(WINDOW..WINDOW + length)?.to_vec();
        if out.len() > KEPT {
            *out = Vec::new();
        }
        Some(raw)
    }
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
        let row = self.rows.get(place)?;
        let mut name = Vec::new();
        for Row { same, prefix, .. } in self.rows.get(..=place)? {
            // No more than there is: see `Walk::next`.
            name.truncate(*same);
            name.extend_from_slice(self.raw.get(prefix.clone())?);
        }
        match &row.tail {
            Tail::Text(range) => name.extend_from_slice(self.raw.get(range.clone())?),
            Tail::Clip(clip) => clip.write(&mut name)?,
        }
        let mut content = row.content.clone();
        let bytes = |range: &Range<usize>| self.raw.get(range.clone()).map(<[u8]>::to_vec);
        match &mut content {
            Content::Data(place) => {
                place.header = bytes(&row.header)?;
                place.window = bytes(&row.window)?;
            }
            Content::Link { target, .. } => *target = bytes(&row.target)?,
            Content::Empty | Content::Refused(_) => {}
        }
        Some(Entry { name, content })
    }
}

/// Bytes that are handed out one after the other.
struct Take {
    at: usize,
    end: usize,
}

impl Take {
    fn next(&mut self, count: usize) -> Option<Range<usize>> {
        let end = self.at.checked_add(count).filter(|&end| end <= self.end)?;
        Some(std::mem::replace(&mut self.at, end)..end)
    }
}

/// Goes over a page's members.
struct Walk<'a> {
    numbers: Reader<'a>,
    texts: Take,
    windows: Take,
    before: Before,
    prefix: usize,
    clip: Clip,
}

impl Walk<'_> {
    /// The next member; `None` where there is none, or the page is broken.
    fn next(&mut self) -> Option<Row> {
        let (same, prefix, tail) = self.name()?;
        let mut row = Row {
            same,
            prefix,
            tail,
            content: Content::Empty,
            target: 0..0,
            header: 0..0,
            window: 0..0,
        };
        let kind = self.numbers.get(Field::Kind)?;
        row.content = match kind % KINDS {
            0..=4 => {
                let mut place = self.place(kind)?;
                row.header = self.windows.next(self.numbers.length(Field::Header)?)?;
                row.window = self.windows.next(self.numbers.length(Field::Window)?)?;
                let sum = self.numbers.get(Field::Sum)?.checked_sub(SUM)?;
                place.crc32c = u32::try_from(sum).ok()?;
                self.before = Before::of(&place);
                Content::Data(place)
            }
            5 => Content::Empty,
            6 | 7 => {
                row.target = self.texts.next(self.numbers.length(Field::Link)?)?;
                Content::Link { target: Vec::new(), is_hard: kind == 7 }
            }
            _ => Content::Refused(match kind / KINDS {
                0 => Refused::Sparse,
                1 => Refused::Special,
                _ => Refused::TooLarge,
            }),
        };
        Some(row)
    }

    /// A name: what of its prefix is as before, what is new, and its end.
    fn name(&mut self) -> Option<(usize, Range<usize>, Tail)> {
        let numbers = &mut self.numbers;
        let is = numbers.get(Field::NameForm)?;
        let (mut same, mut prefix) = (self.prefix, 0..0);
        if is & form::NEW_PREFIX != 0 {
            same = numbers.length(Field::SamePrefix).filter(|&same| same <= self.prefix)?;
            prefix = self.texts.next(numbers.length(Field::NewPrefix)?)?;
            self.prefix = same.checked_add(prefix.len())?;
        }
        if is & form::TEXT != 0 {
            let text = self.texts.next(numbers.length(Field::Tail)?)?;
            return Some((same, prefix, Tail::Text(text)));
        }
        let start = match is & form::START {
            0 => self.clip.end,
            form::SAME_START => self.clip.start,
            _ => decimal(numbers)?,
        };
        let end = if is & form::SAME_END != 0 { self.clip.end } else { decimal(numbers)? };
        let number = numbers.get(Field::Keyframe)?;
        self.clip = Clip { start, end, number };
        Some((same, prefix, Tail::Clip(self.clip)))
    }

    fn place(&mut self, kind: u64) -> Option<Place> {
        let numbers = &mut self.numbers;
        let bit = self.before.end_bit.wrapping_add(numbers.get(Field::Gap)?);
        let fewer = numbers.get(Field::Bits)?;
        let start = match kind {
            0 => {
                let header_back = numbers.get(Field::HeaderBack).filter(|&back| back <= bit)?;
                Start::Symbol { header_back }
            }
            2 | 3 => {
                let left = u32::try_from(numbers.get(Field::Left)?).ok()?;
                Start::Stored { left, is_last: kind == 3 }
            }
            1 => Start::Header,
            _ => Start::End,
        };
        let skip = u32::try_from(numbers.get(Field::Skip)?).ok()?;
        let size = numbers.get(Field::Size)?;
        let bits = size.wrapping_mul(8).wrapping_sub(unzigzag(fewer));
        let zeros = u32::try_from(numbers.get(Field::Zeros)? ^ self.before.padding).ok()?;
        Some(Place {
            bit,
            start,
            skip,
            end_bit: bit.checked_add(bits)?,
            size,
            crc32c: 0,
            zeros,
            header: Vec::new(),
            window: Vec::new(),
        })
    }
}

fn decimal(numbers: &mut Reader<'_>) -> Option<Decimal> {
    let digits = numbers.get(Field::Digits)?;
    Some(Decimal { digits, decimals: u32::try_from(numbers.get(Field::Decimals)?).ok()? })
}

fn unzigzag(value: u64) -> u64 {
    value >> 1 ^ (value & 1).wrapping_neg()
}
