//! The entropy decoder of sequential coding: bits to coefficients (T.81 F.2). Knows
//! Huffman tables and MCUs, not pixels.
//!
//! Most of a keyframe is flat: runs of MCUs in which nothing changes are found by one
//! comparison of the bits ahead with the pattern "no difference, end of block" of all
//! blocks, repeated; blocks with a DC coefficient only take no memory but its value.

use crate::huffman::{AC_BITS, AcTable, DC_BITS, DcTable, END_OF_BLOCK};
use crate::tables::ZIGZAG;

/// The coefficients of a block, in rows of 8.
#[derive(Clone, Copy)]
#[repr(align(32))]
pub(crate) struct Block(pub [i16; 64]);

/// Most blocks that an MCU can have (T.81 B.2.3).
pub(crate) const MAX_UNITS: usize = 10;

/// At least so many values are written at once where MCUs repeat.
const RECORD: usize = 16;

/// The last place in zigzag order (T.81 figure A.6) that lies in the top left 4 x 4
/// coefficients together with all before it.
pub(crate) const LAST_OF_CORNER: u8 = 9;

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
    pub dc: [DcTable; 4],
    pub ac: [AcTable; 4],
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
    bytes: &'a [u8],
    at: usize,
    ahead: u64,
    next: u64,
    count: u32,
}

impl<'a> BitReader<'a> {
    pub(crate) fn new(bytes: &'a [u8], start: usize) -> BitReader<'a> {
        let mut reader = BitReader { bytes, at: start, ahead: 0, next: 0, count: 0 };
        reader.load();
        reader
    }

    #[inline(always)]
    fn load(&mut self) {
        self.next = match self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<8>()) {
            Some(word) => u64::from_be_bytes(*word),
            None => 0,
        };
    }

    /// Makes sure that 56 bits are ahead.
    #[inline(always)]
    fn refill(&mut self) {
        self.ahead |= self.next >> (self.count & 63);
        self.at += ((!self.count & 63) >> 3) as usize;
        // From 56 to 63: whole bytes were added.
        self.count |= 0b11_1000;
        self.load();
    }

    /// Goes on by so many bits (the low six bits of `length`), at most as many as are ahead.
    #[inline(always)]
    fn consume(&mut self, length: u32) {
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
    /// Of which of them more than the DC coefficient is wanted: bit `k` for number `k`.
    wanted: u16,
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
        let codes = units.iter().flat_map(|unit| {
            let (dc, ac) = (&tables.dc[usize::from(unit.dc)], &tables.ac[usize::from(unit.ac)]);
            [dc.no_difference, ac.end_of_block]
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
        let mut layout = ScanLayout {
            units: all,
            unit_count,
            wanted: u16::MAX,
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

impl ScanLayout {
    /// Of the block with this number, no more than the DC coefficient is wanted.
    pub(crate) fn want_dc_only(&mut self, number: usize) {
        self.wanted &= !(1 << number);
    }

    /// Whether all coefficients are wanted.
    pub(crate) fn wants_all(&self) -> bool {
        self.wanted == u16::MAX
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
    /// For each of `blocks`, the number of its MCU (times 16) and its number in the MCU.
    pub owners: Vec<u32>,
    /// For each MCU, which of its blocks are in `blocks`: bit `k` for number `k`.
    pub coded: Vec<u16>,
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
            self.owners.resize(count, 0);
        }
        self.coded.resize(mcus, 0);
    }

    /// How many of `blocks` there are.
    pub(crate) fn used(&self) -> usize {
        self.used
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

/// How many look-ups in an AC table the bits ahead are enough for, after one in a DC table.
const LOOKUPS: u32 = (56 - DC_BITS) / AC_BITS;

#[inline(always)]
fn put(block: &mut Block, place: u32, value: i16) {
    block.0[usize::from(ZIGZAG[place as usize & 63] & 63)] = value;
}

/// Decodes the AC coefficients of a block, which holds zeros behind its DC coefficient; or
/// passes over them, if it is not to `KEEP` them.
/// Enough bits for [`LOOKUPS`] are ahead. Returns the last place in zigzag order.
#[inline(always)]
fn decode_ac<const KEEP: bool>(
    bits: &mut BitReader<'_>,
    table: &AcTable,
    block: &mut Block,
) -> Result<u32, Broken> {
    let mut place = 0;
    'more: loop {
        let entry = 'last: {
            for _ in 0..LOOKUPS {
                let entry = table.look_up(bits.ahead);
                let both = place + entry.both();
                if both >= 63 {
                    break 'last entry;
                }
                if KEEP {
                    put(block, place + entry.first(), entry.first_value());
                    put(block, both, entry.last_value());
                }
                bits.consume(entry.noisy_length());
                place = both;
            }
            bits.refill();
            continue 'more;
        };
        let last = (place + entry.both()).wrapping_sub(END_OF_BLOCK);
        if last < 63 {
            // Without a value before the end, `first` is 0 and changes nothing.
            if KEEP {
                let natural = ZIGZAG[(place + entry.first()) as usize & 63];
                block.0[usize::from(natural & 63)] |= entry.first_value();
            }
            bits.consume(entry.noisy_length());
            return Ok(last);
        }
        // A large value, a long code, coefficient 63, or bits that are broken.
        bits.refill();
        let symbol = table.symbol(entry, bits.ahead).ok_or(Broken::NoCode(bits.position()))?;
        let next = place + symbol.advance;
        if next > 63 {
            if next < END_OF_BLOCK {
                return Err(Broken::RunTooLong(bits.position()));
            }
            bits.consume(symbol.length());
            return Ok(place);
        }
        if KEEP {
            put(block, next, symbol.value(bits.ahead));
        }
        bits.consume(symbol.length());
        if next == 63 {
            return Ok(next);
        }
        place = next;
        bits.refill();
    }
}

/// MCUs without any change: the DC coefficients of the one before, nothing else.
#[inline(always)]
fn repeat(dc: &mut [i16], slots: &mut [u32], record: &[i16; RECORD], count: usize, runs: usize) {
    for at in (0..runs).map(|run| run * count) {
        let (dc, slots) = (&mut dc[at..], &mut slots[at..]);
        // Whole vectors where there is room: what is too much is written over by what
        // comes behind.
        if let (Some(dc), Some(slots)) = (dc.first_chunk_mut(), slots.first_chunk_mut()) {
            *dc = *record;
            *slots = [0; RECORD];
        } else {
            dc[..count].copy_from_slice(&record[..count]);
            slots[..count].fill(0);
        }
    }
}

/// Where a run of MCUs begins: its bits, the bit where they end, the DC coefficients of the
/// blocks before.
pub(crate) type Run<'a, 'b> = (&'a mut BitReader<'b>, usize, &'a mut [i16; 4]);

/// Decodes MCUs of a row. `ALL`: all coefficients are wanted. `started` is told of how many MCUs before they are decoded.
#[inline(always)]
pub(crate) fn decode_mcus<const ALL: bool>(
    (reader, end_bit, predictions): Run<'_, '_>,
    layout: &ScanLayout,
    tables: &ScanTables,
    mcus: std::ops::Range<usize>,
    row: &mut MacroRow,
    mut started: impl FnMut(usize),
) -> Result<(), Broken> {
    // Copies, so that they stay in registers.
    let mut bits = reader.clone();
    let count = layout.unit_count;
    let units = layout.units.map(|unit| {
        let (dc, ac) = (&tables.dc[usize::from(unit.dc & 3)], &tables.ac[usize::from(unit.ac & 3)]);
        (usize::from(unit.component & 3), dc, ac)
    });
    let units = &units[..count];
    let MacroRow { dc, slots, blocks, lasts, owners, coded, used: row_used } = row;
    let mut used = *row_used;
    let blocks = blocks.as_mut_slice();
    let lasts = lasts.as_mut_slice();
    let owners = owners.as_mut_slice();
    let mut mcu = mcus.start;
    let (mut at, end) = (mcus.start * count, mcus.end * count);
    let (dc, slots) = (&mut dc[..end], &mut slots[..end]);
    while at < end {
        bits.refill();
        let equal = (bits.ahead ^ layout.zero_pattern).leading_zeros().min(bits.count & 63);
        let runs = usize::from(layout.zero_runs[equal as usize]);
        if runs > 0 {
            let runs = runs.min((end - at) / count);
            started(runs);
            bits.consume(runs as u32 * layout.zero_length);
            let mut record = [0; RECORD];
            for (dc, unit) in record.iter_mut().zip(units) {
                *dc = predictions[unit.0];
            }
            repeat(&mut dc[at..], &mut slots[at..], &record, count, runs);
            for coded in &mut coded[mcu..mcu + runs] {
                *coded = 0;
            }
            at += runs * count;
            mcu += runs;
            continue;
        }
        if bits.position() > end_bit {
            return Err(Broken::TooShort);
        }
        started(1);
        let (mcu_dc, mcu_slots) = (&mut dc[at..at + count], &mut slots[at..at + count]);
        let mut mcu_coded = 0;
        let all = mcu_dc.iter_mut().zip(mcu_slots).zip(units).zip(0..);
        for (((dc, slot), &(component, dc_table, ac_table)), number) in all {
            bits.refill();
            let entry = dc_table.look_up(bits.ahead);
            let prediction = &mut predictions[component];
            *prediction = prediction.wrapping_add(entry.difference());
            bits.consume(entry.noisy_length());
            if entry.ends_block() {
                *dc = *prediction;
                *slot = 0;
                continue;
            }
            if !entry.is_found() {
                let symbol = dc_table.search(bits.ahead);
                let symbol = symbol.ok_or(Broken::NoCode(bits.position()))?;
                *prediction = prediction.wrapping_add(symbol.value(bits.ahead));
                bits.consume(symbol.length());
                bits.refill();
            }
            *dc = *prediction;
            let block = &mut blocks[used];
            let is_wanted = ALL || layout.wanted >> number & 1 == 1;
            let last = if is_wanted {
                block.0 = [0; 64];
                block.0[0] = *prediction;
                decode_ac::<true>(&mut bits, ac_table, block)?
            } else {
                decode_ac::<false>(&mut bits, ac_table, block)?
            };
            lasts[used] = last as u8;
            // A large difference hides the end of the block from the DC table.
            owners[used] = (mcu as u32) << 4 | number;
            let is_kept = last > 0 && is_wanted;
            mcu_coded |= u16::from(is_kept) << number;
            used += usize::from(is_kept);
            *slot = if is_kept { used as u32 } else { 0 };
        }
        coded[mcu] = mcu_coded;
        at += count;
        mcu += 1;
    }
    if bits.position() > end_bit {
        return Err(Broken::TooShort);
    }
    *row_used = used;
    *reader = bits;
    Ok(())
}
