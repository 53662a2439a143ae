//! Scans into the coefficient store: progressive ones (T.81 annex G), and sequential ones
//! that come one after the other. Knows Huffman codes and blocks, not segments.
//!
//! ```text
//! mask of a block  … 0 0 1 0 0 1 1 0     which AC coefficients are not 0 yet
//! refining         a run of zeros is the n-th 0 of the mask: found by bit operations; the
//!                  1s passed on the way take a correction bit each, all read at once
//! ```
//! `TOLERANT` code does with broken data what libjpeg-turbo does after its warnings.

use crate::codes::{Bits, CodeTable};
use crate::entropy::{Broken, Unit};
use crate::store::ComponentBlocks;
use crate::tables::ZIGZAG;

/// What a scan brings: the band of coefficients and the bits of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Band {
    /// The first and last place in zigzag order.
    pub first: u32,
    pub last: u32,
    /// Whether bits of these coefficients came before.
    pub is_refinement: bool,
    /// How far the values are shifted.
    pub shift: u32,
}

/// What goes on from MCU to MCU of a restart interval.
#[derive(Clone, Copy, Default)]
pub(crate) struct Progress {
    predictions: [i32; 4],
    /// Blocks of which nothing more is coded.
    end_of_band_run: usize,
}

/// The tables of a scan.
#[derive(Default)]
pub(crate) struct CodeTables {
    pub dc: [CodeTable; 4],
    pub ac: [CodeTable; 4],
}

/// A symbol; what is no code is an error, or 0 as libjpeg has it.
#[inline(always)]
fn symbol<const TOLERANT: bool>(table: &CodeTable, bits: &mut Bits<'_>) -> Result<u8, Broken> {
    match table.take(bits) {
        Some(symbol) => Ok(symbol),
        None if TOLERANT => Ok(0),
        None => Err(Broken::NoCode(bits.position())),
    }
}

/// Decodes the first bits of one component's band, from its block number `next` to `end`
/// (blocks that only fill up MCUs do not count). Returns how far it came: less than `end`
/// only where data is missing.
pub(crate) fn decode_band<const TOLERANT: bool>(
    bits: &mut Bits<'_>,
    table: &CodeTable,
    band: Band,
    progress: &mut Progress,
    component: &mut ComponentBlocks,
    blocks: std::ops::Range<usize>,
) -> Result<usize, Broken> {
    let (width, stride) = (component.width, component.stride);
    let mut next = blocks.start;
    while next < blocks.end {
        let column = next % width;
        let count = (width - column).min(blocks.end - next);
        let at = next / width * stride + column;
        let row = &mut component.blocks[at..at + count];
        let masks = &mut component.masks[at..at + count];
        let mut x = 0;
        while x < count {
            if progress.end_of_band_run > 0 {
                let skipped = progress.end_of_band_run.min(count - x);
                progress.end_of_band_run -= skipped;
                x += skipped;
                continue;
            }
            first_of_block::<TOLERANT>(bits, table, band, progress, &mut row[x], &mut masks[x])?;
            x += 1;
            if bits.is_overdrawn() {
                return if TOLERANT { Ok(next + x) } else { Err(Broken::TooShort) };
            }
        }
        next += count;
    }
    Ok(next)
}

#[inline(always)]
fn first_of_block<const TOLERANT: bool>(
    bits: &mut Bits<'_>,
    table: &CodeTable,
    band: Band,
    progress: &mut Progress,
    block: &mut crate::macro_row::Block,
    mask: &mut u64,
) -> Result<(), Broken> {
    let mut place = band.first;
    while place <= band.last {
        bits.refill();
        let symbol = symbol::<TOLERANT>(table, bits)?;
        let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
        if size == 0 {
            if run < 15 {
                progress.end_of_band_run = (1 << run) + bits.take(run) as usize - 1;
                return Ok(());
            }
            place += 16;
        } else {
            place += run;
            if !TOLERANT && place > band.last {
                return Err(Broken::RunTooLong(bits.position()));
            }
            put::<TOLERANT>(block, mask, place, bits.value(size) << band.shift);
            place += 1;
        }
    }
    if !TOLERANT && place > band.last + 1 {
        return Err(Broken::RunTooLong(bits.position()));
    }
    Ok(())
}

/// Sets a coefficient. Beyond the block, libjpeg puts it at the last place.
#[inline(always)]
fn put<const TOLERANT: bool>(
    block: &mut crate::macro_row::Block,
    mask: &mut u64,
    place: u32,
    value: i32,
) {
    let place = if TOLERANT { place.min(63) } else { place & 63 };
    let value = value as i16;
    block.0[usize::from(ZIGZAG[place as usize])] = value;
    if TOLERANT {
        *mask &= !(1 << place);
    }
    *mask |= u64::from(value != 0) << place;
}

/// Decodes one more bit of one component's band: as [`decode_band`].
pub(crate) fn refine_band<const TOLERANT: bool>(
    bits: &mut Bits<'_>,
    table: &CodeTable,
    band: Band,
    progress: &mut Progress,
    component: &mut ComponentBlocks,
    blocks: std::ops::Range<usize>,
) -> Result<usize, Broken> {
    let (width, stride) = (component.width, component.stride);
    let band_mask = (u64::MAX >> (63 - band.last)) & (u64::MAX << band.first);
    let mut next = blocks.start;
    while next < blocks.end {
        let column = next % width;
        let count = (width - column).min(blocks.end - next);
        let at = next / width * stride + column;
        let row = &mut component.blocks[at..at + count];
        let masks = &mut component.masks[at..at + count];
        for (x, (block, mask)) in row.iter_mut().zip(masks).enumerate() {
            if progress.end_of_band_run > 0 {
                progress.end_of_band_run -= 1;
                let known = *mask & band_mask;
                if known == 0 {
                    continue;
                }
                correct(bits, block, known, band.shift);
            } else {
                refine_block::<TOLERANT>(bits, table, band, band_mask, progress, block, mask)?;
            }
            if bits.is_overdrawn() {
                return if TOLERANT { Ok(next + x + 1) } else { Err(Broken::TooShort) };
            }
        }
        next += count;
    }
    Ok(next)
}

#[inline(always)]
fn refine_block<const TOLERANT: bool>(
    bits: &mut Bits<'_>,
    table: &CodeTable,
    band: Band,
    band_mask: u64,
    progress: &mut Progress,
    block: &mut crate::macro_row::Block,
    mask: &mut u64,
) -> Result<(), Broken> {
    // What was not 0 before this scan, from the current place on.
    let mut known = *mask & band_mask;
    let mut zeros = !*mask & band_mask;
    let mut place = band.first;
    while place <= band.last {
        bits.refill();
        let symbol = symbol::<TOLERANT>(table, bits)?;
        let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
        if size == 0 && run < 15 {
            progress.end_of_band_run = (1 << run) + bits.take(run) as usize - 1;
            correct(bits, block, known, band.shift);
            return Ok(());
        }
        if !TOLERANT && size > 1 {
            return Err(Broken::NoCode(bits.position()));
        }
        let value = match size {
            0 => 0,
            _ if bits.take(1) == 1 => 1 << band.shift,
            _ => -1 << band.shift,
        };
        for _ in 0..run {
            zeros &= zeros.wrapping_sub(1);
        }
        if zeros == 0 {
            // The run leads out of the band.
            if !TOLERANT {
                return Err(Broken::RunTooLong(bits.position()));
            }
            correct(bits, block, known, band.shift);
            if size != 0 {
                put::<TOLERANT>(block, mask, band.last + 1, value);
            }
            return Ok(());
        }
        place = zeros.trailing_zeros();
        zeros &= zeros - 1;
        let passed = known & ((1 << place) - 1);
        known ^= passed;
        correct(bits, block, passed, band.shift);
        if size != 0 {
            put::<TOLERANT>(block, mask, place, value);
        }
        place += 1;
    }
    correct(bits, block, known, band.shift);
    Ok(())
}

/// Reads a correction bit for each of these coefficients, which are not 0.
#[inline(always)]
fn correct(bits: &mut Bits<'_>, block: &mut crate::macro_row::Block, which: u64, shift: u32) {
    let mut left = which;
    while left != 0 {
        bits.refill();
        let count = left.count_ones().min(32);
        let mut corrections = bits.take(count) << (32 - count);
        for _ in 0..count {
            let place = left.trailing_zeros();
            left &= left - 1;
            if corrections >> 31 == 1 {
                let value = &mut block.0[usize::from(ZIGZAG[place as usize])];
                // Not if it has that bit: scans in a wrong order.
                if *value & (1 << shift) == 0 {
                    *value = value.wrapping_add((value.signum() | 1) << shift);
                }
            }
            corrections <<= 1;
        }
    }
}

/// The components of an interleaved scan (or a single one), and its MCUs.
pub(crate) struct Interleaved<'a> {
    /// The blocks of an MCU; `component` counts within the scan.
    pub units: &'a [Unit],
    /// The indices of the scan's components in the frame.
    pub components: &'a [usize],
    pub mcus_across: usize,
}

impl Interleaved<'_> {
    /// Calls `decode` for each block of these MCUs with its component's index in the scan.
    #[inline(always)]
    fn for_each<const TOLERANT: bool>(
        &self,
        bits: &mut Bits<'_>,
        all: &mut [ComponentBlocks; 4],
        mcus: std::ops::Range<usize>,
        mut decode: impl FnMut(
            &mut Bits<'_>,
            Unit,
            &mut crate::macro_row::Block,
            &mut u64,
        ) -> Result<(), Broken>,
    ) -> Result<usize, Broken> {
        let is_single = self.components.len() == 1;
        for mcu in mcus.clone() {
            let (row, column) = (mcu / self.mcus_across, mcu % self.mcus_across);
            for &unit in self.units {
                let component = &mut all[self.components[usize::from(unit.component)]];
                let (across, down) =
                    if is_single { (1, 1) } else { (component.horizontal, component.vertical) };
                let x = column * across + usize::from(unit.x);
                let y = row * down + usize::from(unit.y);
                let at = y * component.stride + x;
                decode(bits, unit, &mut component.blocks[at], &mut component.masks[at])?;
            }
            if bits.is_overdrawn() {
                return if TOLERANT { Ok(mcu + 1) } else { Err(Broken::TooShort) };
            }
        }
        Ok(mcus.end)
    }

    /// The first bits of the DC coefficients.
    pub(crate) fn decode_dc<const TOLERANT: bool>(
        &self,
        bits: &mut Bits<'_>,
        tables: &CodeTables,
        shift: u32,
        progress: &mut Progress,
        all: &mut [ComponentBlocks; 4],
        mcus: std::ops::Range<usize>,
    ) -> Result<usize, Broken> {
        self.for_each::<TOLERANT>(bits, all, mcus, |bits, unit, block, _| {
            let dc = decode_dc_value::<TOLERANT>(bits, tables, unit, progress)?;
            block.0[0] = (dc << shift) as i16;
            Ok(())
        })
    }

    /// One more bit of the DC coefficients.
    pub(crate) fn refine_dc<const TOLERANT: bool>(
        &self,
        bits: &mut Bits<'_>,
        shift: u32,
        all: &mut [ComponentBlocks; 4],
        mcus: std::ops::Range<usize>,
    ) -> Result<usize, Broken> {
        self.for_each::<TOLERANT>(bits, all, mcus, |bits, _, block, _| {
            bits.refill();
            block.0[0] |= (bits.take(1) << shift) as i16;
            Ok(())
        })
    }

    /// Whole blocks of sequential coding (T.81 F.2).
    pub(crate) fn decode_whole<const TOLERANT: bool>(
        &self,
        bits: &mut Bits<'_>,
        tables: &CodeTables,
        progress: &mut Progress,
        all: &mut [ComponentBlocks; 4],
        mcus: std::ops::Range<usize>,
    ) -> Result<usize, Broken> {
        self.for_each::<TOLERANT>(bits, all, mcus, |bits, unit, block, mask| {
            block.0[0] = decode_dc_value::<TOLERANT>(bits, tables, unit, progress)? as i16;
            let table = &tables.ac[usize::from(unit.ac & 3)];
            let mut place = 1;
            while place < 64 {
                bits.refill();
                let symbol = symbol::<TOLERANT>(table, bits)?;
                let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
                if size != 0 {
                    place += run;
                    if !TOLERANT && place > 63 {
                        return Err(Broken::RunTooLong(bits.position()));
                    }
                    put::<TOLERANT>(block, mask, place, bits.value(size));
                    place += 1;
                } else if run == 15 {
                    place += 16;
                } else if run == 0 || TOLERANT {
                    return Ok(());
                } else {
                    return Err(Broken::NoCode(bits.position()));
                }
            }
            if !TOLERANT && place > 64 {
                return Err(Broken::RunTooLong(bits.position()));
            }
            Ok(())
        })
    }
}

/// A DC coefficient: the one before it and a difference.
#[inline(always)]
fn decode_dc_value<const TOLERANT: bool>(
    bits: &mut Bits<'_>,
    tables: &CodeTables,
    unit: Unit,
    progress: &mut Progress,
) -> Result<i32, Broken> {
    bits.refill();
    let size = symbol::<TOLERANT>(&tables.dc[usize::from(unit.dc & 3)], bits)?;
    let difference = if size == 0 { 0 } else { bits.value(u32::from(size)) };
    let prediction = &mut progress.predictions[usize::from(unit.component & 3)];
    *prediction = prediction.wrapping_add(difference);
    Ok(*prediction)
}
