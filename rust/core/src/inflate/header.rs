//! Headers of deflate blocks (RFC 1951, sections 3.2.3 to 3.2.7).
#![deny(clippy::indexing_slicing)]

use super::bits::Bits;
use super::tables::{LITERAL, Tables, build_code_lengths};

pub(super) enum Kind {
    /// So many bytes follow as they are.
    Stored(u32),
    /// Symbols follow; the tables are theirs.
    Coded,
}

/// The order in which the lengths of the code length code come.
const ORDER: [u8; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const MAX_LITERALS: usize = 286;
const MAX_DISTANCES: usize = 30;

/// Reads a block's header and says whether the block is the last. `Err(None)`: it
/// does not lie whole in the bytes.
pub(super) fn read(
    bits: &mut Bits<'_>,
    tables: &mut Tables,
) -> Result<(bool, Kind), Option<&'static str>> {
    bits.refill();
    let is_last = bits.take(1) == 1;
    let kind = match bits.take(2) {
        0 => read_stored(bits).map(Kind::Stored),
        1 => {
            tables.build_fixed();
            Ok(Kind::Coded)
        }
        2 => read_dynamic(bits, tables).map(|()| Kind::Coded),
        _ => Err("a block of the type 3, which does not exist"),
    };
    // What was read beyond the end is zeros, not the stream's fault.
    if bits.is_beyond() { Err(None) } else { Ok((is_last, kind.map_err(Some)?)) }
}

fn read_stored(bits: &mut Bits<'_>) -> Result<u32, &'static str> {
    let to_border = (8 - bits.position() % 8) % 8;
    bits.consume(to_border as u32);
    bits.refill();
    let length = bits.take(16);
    if bits.take(16) == length ^ 0xffff {
        Ok(length)
    } else {
        Err("a stored block's length and its complement disagree")
    }
}

fn read_dynamic(bits: &mut Bits<'_>, tables: &mut Tables) -> Result<(), &'static str> {
    let literals = bits.take(5) as usize + 257;
    let distances = bits.take(5) as usize + 1;
    if literals > MAX_LITERALS || distances > MAX_DISTANCES {
        return Err("a block with more symbols than there are");
    }
    let count = bits.take(4) as usize + 4;
    let mut of_lengths = [0_u8; 19];
    for &symbol in ORDER.iter().take(count) {
        bits.refill();
        if let Some(length) = of_lengths.get_mut(usize::from(symbol)) {
            *length = bits.take(3) as u8;
        }
    }
    let table = build_code_lengths(&of_lengths)
        .map_err(|_| "the code of a block's code lengths is no complete code")?;
    let mut lengths = [0_u8; MAX_LITERALS + MAX_DISTANCES];
    let lengths = lengths
        .get_mut(..literals + distances)
        .ok_or("a block with more symbols than there are")?;
    read_lengths(bits, &table, lengths)?;
    if lengths.get(256).is_none_or(|&length| length == 0) {
        return Err("a block without a code for its end");
    }
    let (literals, distances) = lengths.split_at(literals);
    tables.build(literals, distances).map_err(|_| "a block's code lengths make no complete code")
}

/// Reads the code lengths of both codes, which are one sequence.
fn read_lengths(
    bits: &mut Bits<'_>,
    table: &[u32; 128],
    lengths: &mut [u8],
) -> Result<(), &'static str> {
    let mut at = 0;
    while at < lengths.len() {
        bits.refill();
        let entry = table.get((bits.ahead & 127) as usize).copied().unwrap_or(0);
        if entry & LITERAL == 0 {
            return Err("bits that are no code of a code length");
        }
        bits.consume(entry & 255);
        let symbol = (entry >> 16 & 255) as u8;
        let (length, times) = match symbol {
            16 => {
                let before = at.checked_sub(1).and_then(|before| lengths.get(before));
                let before = *before.ok_or("the first code length repeats the one before it")?;
                (before, 3 + bits.take(2) as usize)
            }
            17 => (0, 3 + bits.take(3) as usize),
            18 => (0, 11 + bits.take(7) as usize),
            length => (length, 1),
        };
        let run = lengths.get_mut(at..at + times);
        run.ok_or("a run of code lengths leads out of its block's header")?.fill(length);
        at += times;
    }
    Ok(())
}
