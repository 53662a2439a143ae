//! The entropy decoder of sequential coding: bits to coefficients (T.81 F.2). Knows
//! Huffman tables and MCUs, not pixels.
//!
//! Most of a keyframe is flat: runs of MCUs in which nothing changes are found by one
//! comparison of the bits ahead with the pattern "no difference, end of block" of all
//! blocks, repeated; blocks with a DC coefficient only take no memory but its value.

use crate::huffman::{END_OF_BLOCK, Entry, HuffmanTable};
use crate::tables::ZIGZAG;

/// The coefficients of a block, in rows of 8.
#[derive(Clone, Copy)]
#[repr(align(32))]
pub(crate) struct Block(pub [i16; 64]);

/// Most blocks that an MCU can have (T.81 B.2.3).
pub(crate) const MAX_UNITS: usize = 10;

/// The last place in zigzag order (T.81 figure A.6) that lies in the top left 4 x 4
/// coefficients together with all before it.
pub(crate) const LAST_OF_CORNER: u8 = 9;

/// One block of an MCU.
#[derive(Clone, Copy, Default)]
pub(crate) struct Unit {
    /// Which of the scan's components it belongs to.
    pub component: u8,
    /// Which of the scan's DC tables it uses.
    pub dc: u8,
    /// Which of the scan's AC tables it uses.
    pub ac: u8,
    /// Where in the MCU it lies, in blocks.
    pub x: u8,
    /// Where in the MCU it lies, in blocks.
    pub y: u8,
}

/// The tables that a scan uses.
#[derive(Default)]
pub(crate) struct ScanTables {
    pub dc: [HuffmanTable; 4],
    pub ac: [HuffmanTable; 4],
}

/// Bits from bytes, most significant first.
///
/// `ahead` holds the next bits left aligned; at least `count` of them are there, and
/// where there are more, they are the right ones already. Behind the last byte there
/// are zeros without end.
#[derive(Clone)]
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
    ahead: u64,
    count: u32,
}

impl<'a> BitReader<'a> {
    pub(crate) fn new(bytes: &'a [u8], start: usize) -> BitReader<'a> {
        BitReader { bytes, at: start, ahead: 0, count: 0 }
    }

    /// Makes sure that 56 bits are ahead.
    #[inline(always)]
    fn refill(&mut self) {
        let word = match self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<8>()) {
            Some(word) => u64::from_be_bytes(*word),
            None => 0,
        };
        self.ahead |= word >> self.count;
        self.at += ((63 - self.count) >> 3) as usize;
        // From 56 to 63: whole bytes were added.
        self.count |= 0b11_1000;
    }

    /// Goes on by `length` bits, at most as many as are ahead.
    #[inline(always)]
    fn consume(&mut self, length: u32) {
        self.ahead <<= length;
        self.count -= length;
    }

    /// Puts the value of the symbol ahead at its place in zigzag order, and goes on.
    #[inline(always)]
    fn put(&mut self, entry: Entry, place: u32, block: &mut Block) {
        let natural = ZIGZAG[place as usize & 63];
        block.0[usize::from(natural & 63)] = entry.value(self.ahead) as i16;
        self.consume(entry.length());
    }

    /// How many bits have been consumed, from the first of the bytes on.
    pub(crate) fn position(&self) -> usize {
        self.at * 8 - self.count as usize
    }
}

/// What is the same for all MCUs of a scan.
pub(crate) struct ScanLayout {
    /// The blocks of an MCU, in their order.
    pub units: [Unit; MAX_UNITS],
    /// How many there are.
    pub unit_count: usize,
    /// The bits of MCUs without any change, repeated.
    zero_pattern: u64,
    /// How many such MCUs so many equal bits are.
    zero_runs: [u8; 65],
    /// The bits of one of them.
    zero_length: u32,
}

impl ScanLayout {
    pub(crate) fn new(units: &[Unit], tables: &ScanTables) -> ScanLayout {
        let mut all = [Unit::default(); MAX_UNITS];
        let unit_count = units.len().min(MAX_UNITS);
        all[..unit_count].copy_from_slice(&units[..unit_count]);
        let (mut pattern, mut length) = (0_u64, 0_u32);
        let codes = units
            .iter()
            .flat_map(|unit| [&tables.dc[usize::from(unit.dc)], &tables.ac[usize::from(unit.ac)]]);
        for table in codes {
            let Some((code, bits)) = table.code_of_zero() else {
                length = 65;
                break;
            };
            length += bits;
            if length > 56 {
                break;
            }
            pattern = pattern << bits | u64::from(code);
        }
        let mut layout = ScanLayout {
            units: all,
            unit_count,
            zero_pattern: 0,
            zero_runs: [0; 65],
            zero_length: length,
        };
        if (1..=56).contains(&length) {
            let mut shift = 64_i32 - length.cast_signed();
            while shift > -length.cast_signed() {
                layout.zero_pattern |=
                    if shift >= 0 { pattern << shift } else { pattern >> -shift };
                shift -= length.cast_signed();
            }
            for (bits, runs) in layout.zero_runs.iter_mut().enumerate() {
                *runs = (bits / length as usize) as u8;
            }
        }
        layout
    }
}

/// The coefficients of one row of MCUs.
#[derive(Default)]
pub(crate) struct MacroRow {
    /// The DC coefficient of each block, MCU by MCU.
    pub dc: Vec<i16>,
    /// For each block, 0 if it has no other coefficients, else 1 + its place in `blocks`.
    pub slots: Vec<u32>,
    /// The blocks that have more than a DC coefficient, DC included.
    pub blocks: Vec<Block>,
    /// For each of `blocks`, the last place in zigzag order that may be other than 0.
    pub lasts: Vec<u8>,
    used: usize,
}

impl MacroRow {
    /// Makes room for so many MCUs and forgets what it held.
    pub(crate) fn start(&mut self, mcus: usize, unit_count: usize) {
        let count = mcus * unit_count;
        self.used = 0;
        self.dc.resize(count, 0);
        self.slots.resize(count, 0);
        if self.blocks.len() < count {
            self.blocks.resize(count, Block([0; 64]));
            self.lasts.resize(count, 0);
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

/// Decodes the AC coefficients of a block that has some; `first` is the entry of the first
/// symbol. Returns the last place in zigzag order.
#[inline(always)]
fn decode_ac(
    bits: &mut BitReader<'_>,
    ac_table: &HuffmanTable,
    first: Entry,
    block: &mut Block,
) -> Result<u32, Broken> {
    let mut place = 0;
    let mut entry = first;
    loop {
        let mut next = place + entry.advance();
        if next < 63 {
            bits.put(entry, next, block);
            place = next;
            bits.refill();
            entry = ac_table.look_up(bits.ahead);
            next = place + entry.advance();
            if next < 63 {
                bits.put(entry, next, block);
                place = next;
                entry = ac_table.look_up(bits.ahead);
                continue;
            }
        }
        // The last coefficient, the end of the block, or a long code.
        if entry.length() == 0 {
            bits.refill();
            let found = ac_table.search(bits.ahead);
            entry = found.ok_or(Broken::NoCode(bits.position()))?;
            next = place + entry.advance();
        }
        if next <= 63 {
            bits.put(entry, next, block);
            place = next;
            if next == 63 {
                return Ok(place);
            }
            bits.refill();
            entry = ac_table.look_up(bits.ahead);
            continue;
        }
        if next < END_OF_BLOCK {
            return Err(Broken::RunTooLong(bits.position()));
        }
        bits.consume(entry.length());
        return Ok(place);
    }
}

/// Decodes the MCUs from `first` to `end` of a row. `end_bit`: where the coded bits end.
#[inline(always)]
pub(crate) fn decode_mcus(
    reader: &mut BitReader<'_>,
    end_bit: usize,
    layout: &ScanLayout,
    tables: &ScanTables,
    predictions: &mut [i16; 4],
    mcus: std::ops::Range<usize>,
    row: &mut MacroRow,
) -> Result<(), Broken> {
    let dc_tables = layout.units.map(|unit| &tables.dc[usize::from(unit.dc & 3)]);
    let ac_tables = layout.units.map(|unit| &tables.ac[usize::from(unit.ac & 3)]);
    // Copies, so that they stay in registers.
    let mut bits = reader.clone();
    let count = layout.unit_count;
    let units = &layout.units[..count];
    let MacroRow { dc, slots, blocks, lasts, used: row_used } = row;
    let mut used = *row_used;
    let blocks = blocks.as_mut_slice();
    let lasts = lasts.as_mut_slice();
    let dc = &mut dc[mcus.start * count..mcus.end * count];
    let slots = &mut slots[mcus.start * count..mcus.end * count];
    let mut at = 0;
    while at < dc.len() {
        bits.refill();
        let equal = (bits.ahead ^ layout.zero_pattern).leading_zeros().min(bits.count);
        let runs = usize::from(layout.zero_runs[equal as usize]);
        if runs > 0 {
            let left = (dc.len() - at) / count;
            let runs = runs.min(left);
            bits.consume(runs as u32 * layout.zero_length);
            for _ in 0..runs {
                let (dc, slots) = (&mut dc[at..at + count], &mut slots[at..at + count]);
                for ((dc, slot), unit) in dc.iter_mut().zip(slots).zip(units) {
                    *dc = predictions[usize::from(unit.component & 3)];
                    *slot = 0;
                }
                at += count;
            }
            continue;
        }
        if bits.position() > end_bit {
            return Err(Broken::TooShort);
        }
        let (mcu_dc, mcu_slots) = (&mut dc[at..at + count], &mut slots[at..at + count]);
        let tables = dc_tables.iter().zip(&ac_tables);
        let all = mcu_dc.iter_mut().zip(mcu_slots).zip(units).zip(tables);
        for (((dc, slot), unit), (dc_table, ac_table)) in all {
            let prediction = &mut predictions[usize::from(unit.component & 3)];
            bits.refill();
            let mut entry = dc_table.look_up(bits.ahead);
            if entry.length() == 0 {
                let found = dc_table.search(bits.ahead);
                entry = found.ok_or(Broken::NoCode(bits.position()))?;
                *prediction = prediction.wrapping_add(entry.value(bits.ahead) as i16);
                bits.consume(entry.length());
                bits.refill();
            } else {
                *prediction = prediction.wrapping_add(entry.value(bits.ahead) as i16);
                bits.consume(entry.length());
            }
            *dc = *prediction;

            // 56 bits are enough for two symbols of the look-up (25 bits at most).
            let entry = ac_table.look_up(bits.ahead);
            if entry.advance() == END_OF_BLOCK {
                bits.consume(entry.length());
                *slot = 0;
                continue;
            }
            let block = &mut blocks[used];
            block.0 = [0; 64];
            block.0[0] = *prediction;
            let place = decode_ac(&mut bits, ac_table, entry, block)?;
            lasts[used] = place as u8;
            used += 1;
            *slot = used as u32;
        }
        at += count;
    }
    if bits.position() > end_bit {
        return Err(Broken::TooShort);
    }
    *row_used = used;
    *reader = bits;
    Ok(())
}
