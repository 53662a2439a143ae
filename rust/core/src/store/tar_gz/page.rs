//! Pages of the index: some members together, compressed. A member's entry says where
//! its data begins in the stream, to the very symbol, and holds the bytes of the window
//! before it that its symbols refer to, in the order in which they will be asked for:
//! those of its tar header and the others apart (see `expected`).
#![deny(clippy::indexing_slicing)]

use std::cell::RefCell;

use flate2::{Compress, Compression, FlushCompress, Status};

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
    /// What is asked of the header, in that order: how it differs from what is expected.
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

pub(super) const TAGS: u64 = 9;

fn tag(content: &Content) -> u64 {
    match content {
        Content::Data(place) => match place.start {
            Start::Symbol { .. } => 0,
            Start::Header => 1,
            Start::Stored { is_last, .. } => 2 + u64::from(is_last),
            Start::End => 4,
        },
        Content::Empty => 5,
        Content::Link { is_hard, .. } => 6 + u64::from(*is_hard),
        Content::Refused(reason) => TAGS - 1 + TAGS * (*reason as u64),
    }
}

/// A page's bytes: what compresses, compressed; behind it the checksums, which do not.
pub(super) fn encode(entries: &[Entry]) -> std::io::Result<Vec<u8>> {
    let mut numbers = Vec::new();
    let (mut names, mut headers, mut windows) = (Vec::new(), Vec::new(), Vec::new());
    let mut sums = Vec::new();
    let (mut before, mut name) = (Before::default(), &[][..]);
    put(&mut numbers, entries.len() as u64);
    for entry in entries {
        let same = entry.name.iter().zip(name).take_while(|(one, other)| one == other).count();
        let new = entry.name.get(same..).unwrap_or_default();
        for value in [tag(&entry.content), same as u64, new.len() as u64] {
            put(&mut numbers, value);
        }
        names.extend_from_slice(new);
        name = &entry.name;
        match &entry.content {
            Content::Data(place) => {
                put(&mut numbers, place.bit.wrapping_sub(before.end_bit));
                put(&mut numbers, place.end_bit.wrapping_sub(place.bit));
                match place.start {
                    Start::Symbol { header_back } => put(&mut numbers, header_back),
                    Start::Stored { left, .. } => put(&mut numbers, u64::from(left)),
                    Start::Header | Start::End => {}
                }
                put(&mut numbers, u64::from(place.skip));
                put(&mut numbers, place.size);
                put(&mut numbers, u64::from(place.zeros) ^ before.padding);
                put(&mut numbers, place.header.len() as u64);
                put(&mut numbers, place.window.len() as u64);
                headers.extend_from_slice(&place.header);
                windows.extend_from_slice(&place.window);
                sums.extend_from_slice(&place.crc32c.to_le_bytes());
                before = Before::of(place);
            }
            Content::Link { target, .. } => {
                put(&mut numbers, target.len() as u64);
                names.extend_from_slice(target);
            }
            Content::Empty | Content::Refused(_) => {}
        }
    }
    let mut raw = Vec::new();
    for piece in [&numbers, &names, &headers, &windows] {
        put(&mut raw, piece.len() as u64);
    }
    for piece in [numbers, names, headers, windows] {
        raw.extend_from_slice(&piece);
    }
    let mut bytes = (raw.len() as u32).to_le_bytes().to_vec();
    bytes.extend_from_slice(&(sums.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&sums);
    compress(&raw, &mut bytes)?;
    Ok(bytes)
}

/// Appends the bytes compressed. What it works with is large, so a thread keeps it.
fn compress(raw: &[u8], bytes: &mut Vec<u8>) -> std::io::Result<()> {
    thread_local! {
        static COMPRESS: RefCell<Compress> =
            RefCell::new(Compress::new(Compression::new(6), false));
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
            let _ = decode(&broken);
        }
    }
}
