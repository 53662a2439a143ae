//! Frames whose coefficients come in several scans, progressive or not, and frames that are
//! broken: all scans go into the store, and then rows of pixels come out of it. Knows no
//! bits and no pixels itself.

use std::ops::Range;

use crate::JpegError;
use crate::codes::Bits;
use crate::entropy::Broken;
use crate::header::Header;
use crate::huffman::Class;
use crate::kernels::Kernels;
use crate::options::Options;
use crate::output::Output;
use crate::planes::{Extent, Planes};
use crate::progressive::{self, Band, CodeTables, Interleaved, Progress};
use crate::recover::Recovered;
use crate::smoothing::{Accuracy, Smoothing};
use crate::store::Store;
use crate::tables::Quantization;
use crate::transform::{Jobs, transform_stored};
use crate::unstuff::Coded;
use crate::walk::{FoundScan, Walk};

/// More scans than any encoder writes. Each takes time for every block, however few bytes it
/// has: a picture of thousands of scans would take hours.
const MAX_SCANS: usize = 500;

/// The coded bytes between two restart markers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interval {
    pub range: Range<usize>,
    /// Whether its marker was found; if not, it is empty, and what comes of that depends on
    /// whether data was missing before.
    pub is_fresh: bool,
}

/// Memory that is used again.
#[derive(Default)]
pub(crate) struct FrameScratch {
    store: Store,
    tables: CodeTables,
    recovered: Recovered,
    jobs: Jobs,
}

/// What is known of the frame so far.
struct Frame {
    extent: Extent,
    scans: usize,
    /// The quantization table of each component, as its first scan found it.
    quantization: [Option<Quantization>; 4],
    /// For progressive coding: now, and before the last scan of each component.
    accuracy: [[Accuracy; 2]; 4],
    /// For sequential coding: of which components the scan came.
    seen: [bool; 4],
}

/// Decodes all scans, then makes the pixels. With `TOLERANT`, what is broken or missing is
/// made up as libjpeg-turbo does, and only a frame without any scan is an error.
pub(crate) fn decode<K: Kernels, const TOLERANT: bool>(
    kernels: K,
    scratch: &mut FrameScratch,
    coded: &mut Coded,
    planes: &mut Planes,
    (data, header, options): (&[u8], &Header, &Options),
    output: &mut Output<'_>,
) -> Result<(), JpegError> {
    let extent = Extent::new(header);
    planes.start(header, extent, options)?;
    planes.flat = None;
    scratch.store.start(header, extent);
    let mut frame = Frame {
        extent,
        scans: 0,
        quantization: [None; 4],
        accuracy: [[[-1; 64]; 2]; 4],
        seen: [false; 4],
    };
    let mut walk = Walk::new(data, header);
    loop {
        let result = match walk.next_scan() {
            Ok(None) => break,
            Ok(Some(found)) => {
                frame.read_scan::<TOLERANT>(scratch, coded, &mut walk, header, &found)
            }
            Err(error) => Err(error),
        };
        match result {
            Err(_) if TOLERANT && frame.scans > 0 => break,
            result => result?,
        }
    }
    let count = header.components.len();
    if !TOLERANT {
        frame.check_whole(header)?;
    }
    let smoothing = if header.is_progressive {
        let accuracy = frame.latched();
        Smoothing::new(&accuracy[..count], &frame.quantization[..count])
    } else {
        None
    };
    let tables = frame.quantization.map(|table| table.unwrap_or([0; 64]));
    for row in 0..extent.mcus_down {
        if !planes.is_needed(row, output) {
            planes.pass_mcu_row(row);
            continue;
        }
        kernels.run(
            #[inline(always)]
            || {
                let (store, jobs) = (&mut scratch.store, &mut scratch.jobs);
                transform_stored(kernels, store, smoothing.as_ref(), &tables, planes, jobs, row);
            },
        );
        planes.finish_mcu_row(kernels, row, output);
    }
    scratch.store.finish();
    Ok(())
}

impl Frame {
    /// Decodes a scan into the store.
    fn read_scan<const TOLERANT: bool>(
        &mut self,
        scratch: &mut FrameScratch,
        coded: &mut Coded,
        walk: &mut Walk<'_>,
        header: &Header,
        found: &FoundScan,
    ) -> Result<(), JpegError> {
        if self.scans == MAX_SCANS {
            return Err(found.bad("there are more than 500 scans"));
        }
        for component in &found.header.components {
            let table = &mut self.quantization[component.index];
            if table.is_none() {
                let index = header.components[component.index].quantization_table;
                let found_table = walk.tables.quantization(index);
                let missing = || found.bad("a quantization table was not defined");
                *table = Some(*found_table.ok_or_else(missing)?);
            }
        }
        let band = self.band::<TOLERANT>(header, found)?;
        build_tables(&mut scratch.tables, walk, found, band)?;
        self.scans += 1;
        let work = ScanWork::new(self.extent, header, found, band, walk.restart_interval)?;
        if TOLERANT {
            let wanted = work.total.div_ceil(work.interval);
            walk.at = scratch.recovered.fill(walk.data, found.start, wanted);
        } else {
            walk.at = coded.fill(walk.data, found.start)?;
            work.check_intervals(coded.intervals.len())?;
            let Recovered { bytes, intervals } = &mut scratch.recovered;
            std::mem::swap(bytes, &mut coded.bytes);
            intervals.clear();
            let fresh = |range: &Range<usize>| Interval { range: range.clone(), is_fresh: true };
            intervals.extend(coded.intervals.iter().map(fresh));
        }
        work.decode::<TOLERANT>(scratch, walk.data)
    }

    /// What the scan brings, if that goes on from the scans before; `None` for sequential
    /// coding.
    fn band<const TOLERANT: bool>(
        &mut self,
        header: &Header,
        found: &FoundScan,
    ) -> Result<Option<Band>, JpegError> {
        if !header.is_progressive {
            for component in &found.header.components {
                if std::mem::replace(&mut self.seen[component.index], true) && !TOLERANT {
                    return Err(found.bad("a component comes in a second scan"));
                }
            }
            return Ok(None);
        }
        let [first, last, bits] = found.header.spectral;
        let (before, shift) = (bits >> 4, bits & 15);
        let is_band = if first == 0 {
            last == 0
        } else {
            first <= last && last < 64 && found.header.components.len() == 1
        };
        if !is_band || shift > 13 || (before != 0 && shift != before - 1) {
            return Err(found.bad("its spectral selection or successive approximation is wrong"));
        }
        for component in &found.header.components {
            let [now, previous] = &mut self.accuracy[component.index];
            if !TOLERANT && first > 0 && now[0] < 0 {
                return Err(found.bad("AC coefficients come before the DC coefficients"));
            }
            // Looked at: places up to 9.
            let looked_at = usize::from(first.min(1))..=usize::from(last.max(9));
            for (previous, now) in previous[looked_at.clone()].iter_mut().zip(&now[looked_at]) {
                *previous = if self.scans > 0 { *now } else { 0 };
            }
            for now in &mut now[usize::from(first)..=usize::from(last)] {
                if !TOLERANT && i32::from((*now).max(0)) != i32::from(before) {
                    return Err(found.bad("it does not go on from the scans before it"));
                }
                *now = shift.cast_signed();
            }
        }
        Ok(Some(Band {
            first: first.into(),
            last: last.into(),
            is_refinement: before != 0,
            shift: shift.into(),
        }))
    }

    /// How well coefficients are known, as libjpeg-turbo remembers it.
    fn latched(&self) -> [[Accuracy; 2]; 4] {
        self.accuracy.map(|[now, previous]| [now, if self.scans > 1 { previous } else { [-1; 64] }])
    }

    fn check_whole(&self, header: &Header) -> Result<(), JpegError> {
        let quantization = &self.quantization[..header.components.len()];
        if quantization.iter().all(Option::is_some) {
            return Ok(());
        }
        let reason = "a component has no scan".to_owned();
        Err(JpegError::Corrupt { offset: header.scan_offset, reason })
    }
}

/// Builds the tables that the scan uses.
fn build_tables(
    built: &mut CodeTables,
    walk: &Walk<'_>,
    found: &FoundScan,
    band: Option<Band>,
) -> Result<(), JpegError> {
    let missing = || found.bad("a Huffman table was not defined");
    let broken = |reason| JpegError::BadSegment { offset: found.offset, segment: "DHT", reason };
    let (needs_dc, needs_ac) = match band {
        None => (true, true),
        Some(band) => (band.first == 0 && !band.is_refinement, band.first > 0),
    };
    for component in &found.header.components {
        if needs_dc {
            let spec = walk.tables.dc(component.dc).ok_or_else(missing)?;
            built.dc[usize::from(component.dc & 3)].build(&spec, Class::Dc).map_err(broken)?;
        }
        if needs_ac {
            let spec = walk.tables.ac(component.ac).ok_or_else(missing)?;
            built.ac[usize::from(component.ac & 3)].build(&spec, Class::Ac).map_err(broken)?;
        }
    }
    Ok(())
}

/// What decoding one scan needs.
struct ScanWork<'a> {
    found: &'a FoundScan,
    band: Option<Band>,
    units: Vec<crate::entropy::Unit>,
    components: Vec<usize>,
    /// MCUs in a row; of one component, its blocks.
    mcus_across: usize,
    /// All MCUs, and those of a restart interval.
    total: usize,
    interval: usize,
    /// Rows of MCUs of this scan in one of an interleaved scan.
    rows_in_mcu: usize,
}

impl ScanWork<'_> {
    fn new<'a>(
        extent: Extent,
        header: &Header,
        found: &'a FoundScan,
        band: Option<Band>,
        restart_interval: usize,
    ) -> Result<ScanWork<'a>, JpegError> {
        let units = found.header.units(found.offset, header, extent)?;
        let components: Vec<usize> =
            found.header.components.iter().map(|component| component.index).collect();
        let (mut mcus_across, mut mcus_down) = (extent.mcus_across, extent.mcus_down);
        let mut rows_in_mcu = 1;
        if let [index] = components[..] {
            // Not interleaved: an MCU is a block, and there is no filling up.
            let component = header.components[index];
            let (horizontal, vertical) = extent.factors(component);
            mcus_across = (header.width as usize * horizontal).div_ceil(extent.horizontal * 8);
            mcus_down = (header.height as usize * vertical).div_ceil(extent.vertical * 8);
            rows_in_mcu = component.vertical.into();
        }
        let total = mcus_across * mcus_down;
        let interval = if restart_interval == 0 { total } else { restart_interval };
        Ok(ScanWork { found, band, units, components, mcus_across, total, interval, rows_in_mcu })
    }

    fn check_intervals(&self, found: usize) -> Result<(), JpegError> {
        let expected = self.total.div_ceil(self.interval);
        if found == expected {
            return Ok(());
        }
        let reason = format!("{found} restart intervals instead of {expected}");
        Err(JpegError::Corrupt { offset: self.found.offset, reason })
    }

    fn decode<const TOLERANT: bool>(
        &self,
        scratch: &mut FrameScratch,
        data: &[u8],
    ) -> Result<(), JpegError> {
        let FrameScratch { store, tables, recovered: Recovered { bytes, intervals }, .. } = scratch;
        let corrupt = |place: usize, reason: &str| {
            let offset = Coded::offset_in_file(data, self.found.start, place);
            JpegError::Corrupt { offset, reason: reason.to_owned() }
        };
        let mut is_data_missing = false;
        let mut start = 0;
        for interval in intervals.iter() {
            let mcus = start..(start + self.interval).min(self.total);
            start = mcus.end;
            is_data_missing &= !interval.is_fresh;
            if is_data_missing {
                continue;
            }
            let mut bits = Bits::new(&bytes[interval.range.clone()]);
            let decoded = self.decode_interval::<TOLERANT>(&mut bits, tables, store, mcus);
            match decoded {
                Ok(end) => store.last_good_row = (end - 1) / self.mcus_across / self.rows_in_mcu,
                Err(broken) => {
                    let place = match broken {
                        Broken::NoCode(bit) | Broken::RunTooLong(bit) => {
                            (interval.range.start + bit / 8).min(interval.range.end)
                        }
                        Broken::TooShort => interval.range.end,
                    };
                    return Err(corrupt(place, broken.reason()));
                }
            }
            is_data_missing = bits.is_overdrawn();
            if !TOLERANT && bits.has_bytes_left() {
                let place = interval.range.start + bits.position() / 8;
                return Err(corrupt(place, "its coded data goes on after the last block"));
            }
        }
        Ok(())
    }

    /// Decodes these MCUs; returns how far it came.
    fn decode_interval<const TOLERANT: bool>(
        &self,
        bits: &mut Bits<'_>,
        tables: &CodeTables,
        store: &mut Store,
        mcus: Range<usize>,
    ) -> Result<usize, Broken> {
        let mut progress = Progress::default();
        let all = &mut store.components;
        let interleaved = Interleaved {
            units: &self.units,
            components: &self.components,
            mcus_across: self.mcus_across,
        };
        match self.band {
            None => interleaved.decode_whole::<TOLERANT>(bits, tables, &mut progress, all, mcus),
            Some(band) if band.first > 0 => {
                let component = &mut all[self.components[0]];
                let table = &tables.ac[usize::from(self.found.header.components[0].ac & 3)];
                let decode = if band.is_refinement {
                    progressive::refine_band::<TOLERANT>
                } else {
                    progressive::decode_band::<TOLERANT>
                };
                decode(bits, table, band, &mut progress, component, mcus)
            }
            Some(band) if band.is_refinement => {
                interleaved.refine_dc::<TOLERANT>(bits, band.shift, all, mcus)
            }
            Some(band) => interleaved.decode_dc::<TOLERANT>(
                bits,
                tables,
                band.shift,
                &mut progress,
                all,
                mcus,
            ),
        }
    }
}
