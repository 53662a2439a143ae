//! Pages of the index: some members together, compressed. A member's entry says where
//! its data begins in the stream, to the very symbol, and holds the bytes of the window
//! before it that its symbols refer to, in the order in which they will be asked for:
//! those of its tar header and the others apart (see `expected`).
#![deny(clippy::indexing_slicing)]

use std::cell::RefCell;

use flate2::{Compress, Compression, FlushCompress, Status};

use super::clip_name::{Clip, Decimal};
use super::fields::{Field, Writer};
use crate::codec::put;
use crate::store::tar_header::BLOCK;

/// So many members make a page: enough to compress well, few enough to be read at once.
pub(super) const MEMBERS: usize = 16;

/// What comes next in the stream where a member's data begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// A symbol of the block whose header is so many bits before.
    Symbol { header_back: u64 },
    /// A block's header.
    Header,
    /// So many bytes of a stored block, the last one or not.
    Stored { left: u32, is_last: bool },
    /// The end of a gzip member.
    End,
}

/// Where a member's data is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Where to begin in the stream.
    pub bit: u64,
    pub start: Start,
    /// So many bytes come out before the data: of a match that crosses its beginning.
    pub skip: u32,
    /// Where the stream is when the next header has come out: the data ends before.
    pub end_bit: u64,
    pub size: u64,
    pub crc32c: u32,
    /// So many zeros are before the header.
    pub zeros: u32,
    /// What is asked of the header, in that order: how it differs from what is expected,
    /// without the zeros at the end.
    pub header: Vec<u8>,
    /// What is asked of the window before, in that order; not of the zeros.
    pub window: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// A file with data.
    Data(Place),
    /// A file without.
    Empty,
    /// A link that means the member of this name; a hard one means one before it.
    Link { target: Vec<u8>, is_hard: bool },
    /// Nothing that is read, and why.
    Refused(Refused),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    Sparse,
    Special,
    TooLarge,
}

/// A member of the archive that is no folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub name: Vec<u8>,
    pub content: Content,
}

pub(super) const KINDS: u64 = 9;
/// Above a checksum's bits.
pub(super) const SUM: u64 = 1 << 32;

fn kind(content: &Content) -> u64 {
    match content {
        Content::Data(place) => match place.start {
            Start::Symbol { .. } => 0,
            Start::Header => 1,
            Start::Stored { is_last, .. } => 2 + u64::from(is_last),
            Start::End => 4,
        },
        Content::Empty => 5,
        Content::Link { is_hard, .. } => 6 + u64::from(*is_hard),
        Content::Refused(reason) => KINDS - 1 + KINDS * (*reason as u64),
    }
}

/// How a name is told from the one before it.
pub(super) mod form {
    /// What comes before its clip is another text.
    pub const NEW_PREFIX: u64 = 1;
    /// Its end is a text: no clip.
    pub const TEXT: u64 = 2;
    /// The clip begins where the one before ended; otherwise:
    pub const START: u64 = 4 + 8;
    /// where the one before began,
    pub const SAME_START: u64 = 4;
    /// or elsewhere.
    pub const NEW_START: u64 = 8;
    /// It ends where the one before ended.
    pub const SAME_END: u64 = 16;
}

/// A page's bytes: its numbers, and its texts and windows, which are compressed.
///
/// ```text
/// length of the numbers | length of the texts | numbers (see `fields`) | deflate:
///     texts | what is asked of the first member's header and window | of the second's ...
/// ```
pub(super) fn encode(entries: &[Entry]) -> std::io::Result<Vec<u8>> {
    let (mut numbers, mut texts, mut windows) = (Writer::default(), Vec::new(), Vec::new());
    let (mut before, mut names) = (Before::default(), Names::default());
    numbers.put(Field::Members, entries.len() as u64);
    for entry in entries {
        names.put(&entry.name, &mut numbers, &mut texts);
        numbers.put(Field::Kind, kind(&entry.content));
        match &entry.content {
            Content::Data(place) => {
                put_place(place, &before, &mut numbers);
                windows.extend_from_slice(&place.header);
                windows.extend_from_slice(&place.window);
                before = Before::of(place);
            }
            Content::Link { target, .. } => {
                numbers.put(Field::Link, target.len() as u64);
                texts.extend_from_slice(target);
            }
            Content::Empty | Content::Refused(_) => {}
        }
    }
    let numbers = numbers.into_bytes();
    let mut bytes = Vec::new();
    put(&mut bytes, numbers.len() as u64);
    put(&mut bytes, texts.len() as u64);
    bytes.extend_from_slice(&numbers);
    texts.extend_from_slice(&windows);
    compress(&texts, &mut bytes)?;
    Ok(bytes)
}

fn put_place(place: &Place, before: &Before, numbers: &mut Writer) {
    numbers.put(Field::Gap, place.bit.wrapping_sub(before.end_bit));
    // JPEG data does not compress: as many bits as the data has, and mostly a few less.
    let bits = place.end_bit.wrapping_sub(place.bit);
    numbers.put(Field::Bits, zigzag(place.size.wrapping_mul(8).wrapping_sub(bits)));
    match place.start {
        Start::Symbol { header_back } => numbers.put(Field::HeaderBack, header_back),
        Start::Stored { left, .. } => numbers.put(Field::Left, left.into()),
        Start::Header | Start::End => {}
    }
    numbers.put(Field::Skip, place.skip.into());
    numbers.put(Field::Size, place.size);
    numbers.put(Field::Zeros, u64::from(place.zeros) ^ before.padding);
    numbers.put(Field::Header, place.header.len() as u64);
    numbers.put(Field::Window, place.window.len() as u64);
    // All of its bits are kept: one above them makes it as wide as the others.
    numbers.put(Field::Sum, SUM | u64::from(place.crc32c));
}

/// The name before, as it is taken apart.
#[derive(Default)]
struct Names<'a> {
    prefix: &'a [u8],
    clip: Clip,
}

impl<'a> Names<'a> {
    fn put(&mut self, name: &'a [u8], numbers: &mut Writer, texts: &mut Vec<u8>) {
        // A name without a clip's mark is all prefix: the next one may begin as it does.
        let mark = memchr::memrchr(b'@', name).map_or(name.len(), |mark| mark + 1);
        let (prefix, tail) = name.split_at_checked(mark).unwrap_or_default();
        let clip = Clip::parse(tail);
        let mut is = 0;
        if prefix != self.prefix {
            is |= form::NEW_PREFIX;
        }
        match clip {
            None => is |= form::TEXT,
            Some(clip) => {
                is |= match clip.start {
                    start if start == self.clip.end => 0,
                    start if start == self.clip.start => form::SAME_START,
                    _ => form::NEW_START,
                };
                if clip.end == self.clip.end {
                    is |= form::SAME_END;
                }
            }
        }
        numbers.put(Field::NameForm, is);
        if is & form::NEW_PREFIX != 0 {
            let both = prefix.iter().zip(self.prefix);
            let same = both.take_while(|(one, other)| one == other).count();
            let new = prefix.get(same..).unwrap_or_default();
            numbers.put(Field::SamePrefix, same as u64);
            numbers.put(Field::NewPrefix, new.len() as u64);
            texts.extend_from_slice(new);
            self.prefix = prefix;
        }
        let Some(clip) = clip else {
            numbers.put(Field::Tail, tail.len() as u64);
            texts.extend_from_slice(tail);
            return;
        };
        let start = (is & form::START == form::NEW_START, clip.start);
        let end = (is & form::SAME_END == 0, clip.end);
        for (is_new, Decimal { digits, decimals }) in [start, end] {
            if is_new {
                numbers.put(Field::Digits, digits);
                numbers.put(Field::Decimals, decimals.into());
            }
        }
        numbers.put(Field::Keyframe, clip.number);
        self.clip = clip;
    }
}

/// Numbers of both signs as small ones: 0, -1, 1, -2 are 0, 1, 2, 3.
fn zigzag(value: u64) -> u64 {
    value << 1 ^ (value.cast_signed() >> 63).cast_unsigned()
}

/// Appends the bytes compressed. What it works with is large, so a thread keeps it.
fn compress(raw: &[u8], bytes: &mut Vec<u8>) -> std::io::Result<()> {
    thread_local! {
        static COMPRESS: RefCell<Compress> =
            RefCell::new(Compress::new(Compression::new(3), false));
    }
    COMPRESS.with_borrow_mut(|compress| {
        compress.reset();
        // What does not get smaller gets larger by a few bytes for each stored block.
        bytes.reserve(raw.len() + raw.len() / 1000 + 64);
        match compress.compress_vec(raw, bytes, FlushCompress::Finish)? {
            Status::StreamEnd => Ok(()),
            _ => Err(std::io::Error::other("a page that does not fit its buffer")),
        }
    })
}

/// What the member with data before says of the next one: mostly it begins right there.
#[derive(Default)]
pub(super) struct Before {
    pub end_bit: u64,
    pub padding: u64,
}

impl Before {
    pub fn of(place: &Place) -> Before {
        let padding = place.size.wrapping_neg() % BLOCK as u64;
        Before { end_bit: place.end_bit, padding }
    }
}

#[cfg(test)]
#[allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a panic fails the test"
)]
mod tests {
    use super::super::unpack::{Unpacker, Wanted, decode};
    use super::*;

    fn entries() -> Vec<Entry> {
        let starts = [
            Start::Symbol { header_back: 12345 },
            Start::Header,
            Start::Stored { left: 65535, is_last: false },
            Start::Stored { left: 1, is_last: true },
            Start::End,
        ];
        let places = starts.into_iter().zip(0..).map(|(start, number)| {
            let window = vec![number as u8; number as usize * 7];
            let header = vec![number as u8; 5 - number as usize];
            let (bit, end_bit) = (50_000 + 1000 * number, 50_800 + 1000 * number);
            Content::Data(Place {
                bit,
                start,
                skip: number as u32,
                end_bit,
                size: 99,
                crc32c: !7,
                zeros: number as u32 * 413 % 512,
                header,
                window,
            })
        });
        let links = [false, true]
            .map(|is_hard| Content::Link { target: b"v/v@1_2#1.jpg".to_vec(), is_hard });
        let refused = [Refused::Sparse, Refused::Special, Refused::TooLarge].map(Content::Refused);
        let contents = places.chain([Content::Empty]).chain(links).chain(refused);
        let name = |number: usize| format!("set/v/v@{}_2#1.jpg", number / 3).into_bytes();
        contents.enumerate().map(|(at, content)| Entry { name: name(at), content }).collect()
    }

    #[test]
    fn pages_round_trip() {
        for count in [0, 1, 11] {
            let entries = &entries()[..count];
            let bytes = encode(entries).expect("encoded");
            assert_eq!(decode(&bytes).expect("a page"), entries);
        }
    }

    #[test]
    fn names_round_trip() {
        let names = [
            "set/v/v@0.0_10.0#1.jpg",
            "set/v/v@0.0_10.0#2.jpg",
            "set/v/v@10.0_12.5#1.jpg",
            "set/v/v@12.500000000000002_12.5#10.jpg",
            "set/v/v@3_12.5#10.jpg",
            "set/v/v@x",
            "set/v/v@03_4#1.jpg",
            "set/v/w@0.0_10.0#1.jpg",
            "set/v",
            "",
            "@",
            "a@1_2#3.jpg@",
            "a@1_2#3.jpg@1_2#3.jpg",
        ];
        let entry = |name: &str| Entry { name: name.as_bytes().to_vec(), content: Content::Empty };
        let entries: Vec<Entry> = names.into_iter().map(entry).collect();
        let bytes = encode(&entries).expect("encoded");
        assert_eq!(decode(&bytes).expect("a page"), entries);
        let page = |count: u64| {
            let name = |at| format!("set/-1uixJ1V-As/-1uixJ1V-As@{}.25_{}.25#1.jpg", at, at + 10);
            let names = (10..10 + count).map(|at| name(at * 10));
            let entries: Vec<Entry> = names.map(|name| entry(&name)).collect();
            encode(&entries).expect("encoded").len()
        };
        let each = (page(16) - page(1)) / 15;
        assert!(each < 5, "{each} bytes a name");
    }

    #[test]
    fn a_page_is_taken_apart_as_far_as_it_is_wanted() {
        let entries = &entries()[..11];
        let bytes = encode(entries).expect("encoded");
        let mut unpacker = Unpacker::new();
        for (wanted, entry) in entries.iter().enumerate() {
            let page = unpacker.unpack(&bytes, Wanted::UpTo(wanted)).expect("a page");
            assert_eq!(page.entry(wanted).as_ref(), Some(entry));
            assert!(page.has(wanted) && !page.has(wanted + 1));
        }
        assert!(unpacker.unpack(&bytes, Wanted::UpTo(11)).is_none());
        let page = unpacker.unpack(&bytes, Wanted::All).expect("a page");
        assert!(page.has(10) && page.entry(11).is_none());
    }

    #[test]
    fn broken_pages_are_none_or_pages() {
        let bytes = encode(&entries()).expect("encoded");
        for length in 0..bytes.len() - 1 {
            assert!(decode(&bytes[..length]).is_none(), "{length}");
        }
        for at in 0..bytes.len() * 8 {
            let mut broken = bytes.clone();
            broken[at / 8] ^= 1 << (at % 8);
            if let Some(entries) = decode(&broken) {
                let again = encode(&entries).expect("encoded");
                assert_eq!(decode(&again).expect("a page"), entries);
            }
        }
    }
}
