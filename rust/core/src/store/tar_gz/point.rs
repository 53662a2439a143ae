//! A point of the stream between a member's last header and its data, with all that is
//! needed to go on from there: deflate's whole state is its place, its block and the
//! 32 KiB before.

use crate::codec::{Reader, put};
use crate::inflate::{Block, Pending, WINDOW};

/// A member whose data comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Begun {
    pub name: Vec<u8>,
    pub size: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Point {
    /// The bit of the stream that comes next.
    pub bit: u64,
    pub block: Block,
    pub is_last: bool,
    pub pending: Option<Pending>,
    /// The bytes that came before, up to 32 KiB of this gzip member's.
    pub window: Vec<u8>,
    /// Bytes of the tar before this point.
    pub offset: u64,
    /// Where the tar's next header is, counted from here.
    pub to_header: u64,
    pub begun: Option<Begun>,
    /// Of this gzip member, up to here.
    pub crc: u32,
    pub length: u64,
}

impl Point {
    /// Whether both go on in the same way: all but what the checksum says of before.
    pub fn meets(&self, other: &Point) -> bool {
        self.bit == other.bit
            && self.block == other.block
            && self.is_last == other.is_last
            && self.pending == other.pending
            && self.to_header == other.to_header
            && self.begun == other.begun
            && self.window == other.window
    }

    pub fn encode(&self, bytes: &mut Vec<u8>) {
        let (kind, number) = match self.block {
            Block::None => (0, 0),
            Block::Stored(left) => (1, u64::from(left)),
            Block::Coded(header) => (2, header),
            Block::End => (3, 0),
        };
        let flags = kind
            | u64::from(self.is_last) << 2
            | u64::from(self.pending.is_some()) << 3
            | u64::from(self.begun.is_some()) << 4;
        for value in
            [flags, number, self.bit, self.offset, self.to_header, u64::from(self.crc), self.length]
        {
            put(bytes, value);
        }
        if let Some(Pending { symbol_bit, done, left, distance }) = self.pending {
            for value in [symbol_bit, u64::from(done), u64::from(left), u64::from(distance)] {
                put(bytes, value);
            }
        }
        if let Some(Begun { name, size }) = &self.begun {
            put(bytes, *size);
            put(bytes, name.len() as u64);
            bytes.extend_from_slice(name);
        }
        put(bytes, self.window.len() as u64);
        bytes.extend_from_slice(&self.window);
    }

    pub fn decode(bytes: &[u8]) -> Option<Point> {
        let mut reader = Reader(bytes);
        let flags = reader.number()?;
        let number = reader.number()?;
        let block = match flags & 3 {
            0 => Block::None,
            1 => Block::Stored(u32::try_from(number).ok()?),
            2 => Block::Coded(number),
            _ => Block::End,
        };
        let bit = reader.number()?;
        let (offset, to_header) = (reader.number()?, reader.number()?);
        let crc = u32::try_from(reader.number()?).ok()?;
        let length = reader.number()?;
        let pending = if flags & 8 != 0 {
            let symbol_bit = reader.number()?;
            let mut small = || u32::try_from(reader.number()?).ok();
            Some(Pending { symbol_bit, done: small()?, left: small()?, distance: small()? })
        } else {
            None
        };
        let begun = if flags & 16 != 0 {
            let size = reader.number()?;
            let length = usize::try_from(reader.number()?).ok()?;
            Some(Begun { name: reader.take(length)?.to_vec(), size })
        } else {
            None
        };
        let window = usize::try_from(reader.number()?).ok().filter(|&length| length <= WINDOW)?;
        let window = reader.take(window)?.to_vec();
        let is_last = flags & 4 != 0;
        reader.0.is_empty().then_some(Point {
            bit,
            block,
            is_last,
            pending,
            window,
            offset,
            to_header,
            begun,
            crc,
            length,
        })
    }
}
