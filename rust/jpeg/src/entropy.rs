//! The entropy decoder of sequential coding: bits to coefficients (T.81 F.2). Knows
//! Huffman tables and MCUs, not pixels.
//!
//! Most of a keyframe is flat: runs of MCUs in which nothing changes are found by one
//! comparison of the bits ahead with the pattern "no difference, end of block" of all
//! blocks, repeated; blocks with a DC coefficient only take no memory but its value.

use std::hint::select_unpredictable;
use std::ops::Range;

use crate::huffman::{END_ALONE, Entry, Lookup, MAX_LENGTH, Table};
use crate::macro_row::{FULL, MacroRow, PLACES, is_beyond};

/// Most blocks that an MCU can have (T.81 B.2.3).
pub(crate) const MAX_UNITS: usize = 10;

/// One block of an MCU.
#[derive(Clone, Copy, Default)]
pub(crate) struct Unit {
    /// Which of the scan's components it belongs to.
    pub component: u8,
    /// Which of [`ScanTables::dc`] it uses.
    pub dc: u8,
    /// Which of [`ScanTables::ac`] it uses.
    pub ac: u8,
    /// Where in the MCU it lies, in blocks.
    pub x: u8,
    /// Where in the MCU it lies, in blocks.
    pub y: u8,
}

/// The tables that a scan uses.
#[derive(Default)]
pub(crate) struct ScanTables {
    pub dc: [Table; 4],
    pub ac: [Table; 4],
}

/// Bits from bytes, most significant first.
///
/// `ahead` holds the next bits left aligned; at least `count` of them are there, and
/// where there are more, they are the right ones already. Behind the last byte there
/// are zeros without end. Only the low six bits of `count` mean anything.
///
/// `next` are the eight bytes at `at`, loaded when `at` was set: a refill waits for no
/// load, and the look-ups are one chain of dependencies.
#[derive(Clone)]
pub(crate) struct BitReader<'a> {
    pub bytes: &'a [u8],
    pub at: usize,
    pub ahead: u64,
    next: u64,
    pub count: u32,
}

impl<'a> BitReader<'a> {
    pub(crate) fn new(bytes: &'a [u8], start: usize) -> BitReader<'a> {
        let mut reader = BitReader { bytes, at: start, ahead: 0, next: 0, count: 0 };
        reader.load();
        reader
    }

    #[inline(always)]
    pub(crate) fn load(&mut self) {
        self.next = match self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<8>()) {
            Some(word) => u64::from_be_bytes(*word),
            None => 0,
        };
    }

    /// Makes sure that 56 bits are ahead.
    #[inline(always)]
    pub(crate) fn refill(&mut self) {
        self.ahead |= self.next >> (self.count & 63);
        self.at += ((!self.count & 63) >> 3) as usize;
        // From 56 to 63: whole bytes were added.
        self.count |= 0b11_1000;
        self.load();
    }

    /// Goes on by so many bits (the low six bits of `length`), at most as many as are ahead.
    #[inline(always)]
    pub(crate) fn consume(&mut self, length: u32) {
        self.ahead <<= length & 63;
        self.count = self.count.wrapping_sub(length);
    }

    /// How many bits have been consumed, from the first of the bytes on.
    pub(crate) fn position(&self) -> usize {
        self.at * 8 - (self.count & 63) as usize
    }
}

/// What is the same for all MCUs of a scan.
pub(crate) struct ScanLayout {
    /// The blocks of an MCU, in their order.
    pub units: [Unit; MAX_UNITS],
    /// How many there are.
    pub unit_count: usize,
    /// The bits of an MCU without any change, right aligned; if there is none of at most 56
    /// bits, a number that has more than `zero_length`.
    pub zero_pattern: u64,
    /// How many bits these are.
    pub zero_length: u32,
}

impl ScanLayout {
    pub(crate) fn new(units: &[Unit], tables: &ScanTables) -> ScanLayout {
        let mut all = [Unit::default(); MAX_UNITS];
        let unit_count = units.len().min(MAX_UNITS);
        all[..unit_count].copy_from_slice(&units[..unit_count]);
        let (mut pattern, mut length) = (0_u64, 0_u32);
        let codes = units.iter().flat_map(|unit| {
            let (dc, ac) = (&tables.dc[usize::from(unit.dc)], &tables.ac[usize::from(unit.ac)]);
            [dc.zero, ac.zero]
        });
        for code in codes {
            let Some((code, bits)) = code else {
                length = 65;
                break;
            };
            length += bits;
            if length > 56 {
                break;
            }
            pattern = pattern << bits | u64::from(code);
        }
        let (zero_pattern, zero_length) = match length {
            1..=56 => (pattern, length),
            _ => (u64::MAX, 56),
        };
        ScanLayout { units: all, unit_count, zero_pattern, zero_length }
    }
}

impl ScanLayout {
    /// Whether the bits ahead, left aligned, are those of an MCU without any change.
    #[inline(always)]
    fn is_zero(&self, ahead: u64) -> bool {
        ahead >> (64 - self.zero_length) == self.zero_pattern
    }

    /// Passes over MCUs without any change, at most so many; returns how many.
    #[inline(always)]
    fn take_zeros(&self, bits: &mut BitReader<'_>, most: usize) -> usize {
        let mut count = 0;
        bits.refill();
        while count < most && self.is_zero(bits.ahead) {
            bits.consume(self.zero_length);
            bits.refill();
            count += 1;
        }
        count
    }

    /// How far the next code leads in a block with this number in its MCU, at this place,
    /// and the value after it; `entry` as [`Table::symbol`] wants it. `None` if it is no code.
    pub(crate) fn take_symbol(
        &self,
        bits: &mut BitReader<'_>,
        (number, place): (usize, u8),
        entry: Entry,
        tables: &ScanTables,
    ) -> Option<(u8, i16)> {
        bits.refill();
        let symbol = self.table(number, place, tables).symbol(entry, bits.ahead)?;
        let value = symbol.value(bits.ahead);
        bits.consume(symbol.length());
        Some((symbol.advance, value))
    }

    /// The table of the next code, of a block with this number in its MCU, at this place.
    pub(crate) fn table<'a>(&self, number: usize, place: u8, tables: &'a ScanTables) -> &'a Table {
        let unit = self.units[number % MAX_UNITS];
        match place {
            0 => &tables.dc[usize::from(unit.dc & 3)],
            _ => &tables.ac[usize::from(unit.ac & 3)],
        }
    }
}

/// Where in the coded data something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// No code begins like the bits at this position.
    NoCode(usize),
    /// A run of zeros leads out of its block.
    RunTooLong(usize),
    /// The MCUs need more bits than there are.
    TooShort,
}

impl Broken {
    /// What is wrong, in words.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Broken::NoCode(_) => "bits that are no code of the Huffman table",
            Broken::RunTooLong(_) => "a run of zeros leads out of its block",
            Broken::TooShort => "it ends before the last block",
        }
    }
}

/// How many look-ups the bits ahead are enough for.
pub(crate) const LOOKUPS: u32 = 56 / MAX_LENGTH;

/// Where the entries of a block of an MCU come from: its AC table, and the DC table of the
/// next block.
#[derive(Clone, Copy)]
struct Step<'a> {
    ac: &'a Lookup,
    next_dc: &'a Lookup,
}

/// Decodes MCUs symbol by symbol, each code searched by its length, to find what is wrong
/// and where.
#[cold]
fn decode_slowly(
    bits: &mut BitReader<'_>,
    end_bit: usize,
    (layout, tables): (&ScanLayout, &ScanTables),
    mcus: &Range<usize>,
    row: &mut MacroRow,
) -> Result<(), Broken> {
    let count = layout.unit_count;
    for block in mcus.start * count..mcus.end * count {
        if block % count == 0 && bits.position() > end_bit {
            return Err(Broken::TooShort);
        }
        let values = &mut row.blocks[block].0;
        *values = [0; 64];
        let mut place = 0;
        while place < 64 {
            let position = bits.position();
            let symbol = layout.take_symbol(bits, (block % count, place), Entry::NONE, tables);
            let (advance, value) = symbol.ok_or(Broken::NoCode(position))?;
            place += advance;
            if (FULL + 1..END_ALONE).contains(&place) {
                return Err(Broken::RunTooLong(position));
            }
            values[usize::from(PLACES[usize::from(place)] & 63)] = value;
        }
        row.sums[block] = place;
    }
    Ok(())
}

/// Decodes MCUs of a row; the bits end at `end_bit`. DC coefficients stay differences.
#[inline(always)]
pub(crate) fn decode_mcus(
    (reader, end_bit): (&mut BitReader<'_>, usize),
    layout: &ScanLayout,
    tables: &ScanTables,
    mcus: &Range<usize>,
    row: &mut MacroRow,
    decode_changed: impl FnOnce(
        &mut BitReader<'_>,
        (&ScanLayout, &ScanTables),
        &Range<usize>,
        &mut MacroRow,
    ) -> bool,
) -> Result<(), Broken> {
    let count = layout.unit_count;
    let mut bits = reader.clone();
    if !decode_changed(&mut bits, (layout, tables), mcus, row)
        || !row.is_within(mcus.start * count..mcus.end * count)
    {
        bits = reader.clone();
        decode_slowly(&mut bits, end_bit, (layout, tables), mcus, row)?;
    }
    if bits.position() > end_bit {
        return Err(Broken::TooShort);
    }
    *reader = bits;
    Ok(())
}

/// Decodes MCUs of a row as fast as can be. Returns whether nothing was in the way.
///
/// There is no branch where a block or an MCU ends: which table comes next is a choice
/// between two addresses.
#[inline(always)]
pub(crate) fn decode_changed(
    reader: &mut BitReader<'_>,
    (layout, tables): (&ScanLayout, &ScanTables),
    mcus: &Range<usize>,
    row: &mut MacroRow,
) -> bool {
    // A copy, so that it stays in registers.
    let mut bits = reader.clone();
    let count = layout.unit_count.min(MAX_UNITS);
    // A power of two, so that no place in it needs a check.
    let steps: [Step<'_>; MAX_UNITS.next_power_of_two()] = std::array::from_fn(|number| Step {
        ac: &layout.table(number % count, 1, tables).lookup,
        next_dc: &layout.table((number + 1) % count, 0, tables).lookup,
    });
    let end = mcus.end * count;
    let (blocks, sums) = (&mut row.blocks[..end], &mut row.sums[..end]);
    let mut at = mcus.start * count;
    let mut lookup = &*layout.table(0, 0, tables).lookup;
    let (mut number, mut place) = (0, 0_u8);
    let Step { mut ac, mut next_dc } = steps[0];
    if at >= end {
        return true;
    }
    'more: loop {
        bits.refill();
        for _ in 0..LOOKUPS {
            if layout.is_zero(bits.ahead) && number == 0 && place == 0 {
                let runs = layout.take_zeros(&mut bits, (end - at) / count);
                at += runs * count;
                if at >= end {
                    *reader = bits;
                    return true;
                }
                if runs > 0 {
                    continue 'more;
                }
            }
            let entry = lookup.entry(bits.ahead);
            let mut sum = place.wrapping_add(entry.advance());
            let mut write = |sum: u8, value| {
                blocks[at].0[usize::from(PLACES[usize::from(sum)] & 63)] = value;
            };
            if entry.is_found() && !is_beyond(sum) {
                let [last, first] = entry.values(bits.ahead);
                write(sum, last);
                write(sum.wrapping_sub(entry.gap()), first);
                bits.consume(entry.noisy_length());
            } else {
                // One symbol only.
                let entry = if entry.is_found() { Entry::NONE } else { entry };
                let symbol = layout.take_symbol(&mut bits, (number, place), entry, tables);
                let Some((advance, value)) = symbol else { return false };
                bits.refill();
                sum = place.wrapping_add(advance);
                write(sum, value);
            }
            sums[at] = sum;
            let is_end = sum >= FULL;
            lookup = select_unpredictable(is_end, next_dc, ac);
            place = select_unpredictable(is_end, 0, sum);
            number += usize::from(is_end);
            number = select_unpredictable(number == count, 0, number);
            at += usize::from(is_end);
            if at >= end {
                *reader = bits;
                return true;
            }
            Step { ac, next_dc } = steps[number % steps.len()];
        }
    }
}
