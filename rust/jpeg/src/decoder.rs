//! From a whole JPEG to pixels: walks the segments, drives the scans. Knows no bits and
//! no pixels itself.

use textbook_simd::Level;

use crate::JpegError;
use crate::entropy::{BitReader, Broken, MacroRow, ScanLayout, ScanTables};
use crate::fallback;
use crate::flat::FlatRow;
use crate::header::{ColorSpace, Header, read_header};
use crate::kernels::scalar::{Scalar, flat_pixel};
use crate::kernels::{Job, Kernels};
use crate::markers::{DHT, DQT, DRI, EOI, SOI, SOS, Segment, next_segment};
use crate::options::Options;
use crate::output::{Destination, Output, RowSink};
use crate::planes::{Extent, Planes};
use crate::scan::ScanHeader;
use crate::stages::{Clock, Stage};
use crate::tables::{Quantization, Tables};
use crate::unstuff::Coded;

/// Decodes pictures one after another. What it keeps between them is memory, never
/// content: every byte of a result comes from its own data.
pub struct Decoder {
    level: Level,
    scratch: Scratch,
    /// Rows on their way to a sink.
    band: Vec<u8>,
}

/// Memory that is used again.
#[derive(Default)]
struct Scratch {
    coded: Coded,
    tables: ScanTables,
    row: MacroRow,
    planes: Planes,
    jobs: Jobs,
    clock: Clock,
}

/// Blocks to be transformed, by how much of them is not 0.
#[derive(Default)]
struct Jobs {
    corner: [Vec<Job>; 4],
    full: [Vec<Job>; 4],
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("level", &self.level).finish_non_exhaustive()
    }
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder::new()
    }
}

impl Decoder {
    /// A decoder on the process's level.
    #[must_use]
    pub fn new() -> Decoder {
        Decoder::with_level(Level::active())
    }

    /// A decoder on this level, or on the best one below that the CPU has.
    #[must_use]
    pub fn with_level(level: Level) -> Decoder {
        let level = level.min(Level::of_cpu());
        Decoder { level, scratch: Scratch::default(), band: Vec::new() }
    }

    /// Decodes to RGB, 8 bit, rows from top to bottom without gaps. `out` has to have
    /// `height * width * 3` bytes. After an error its content is unspecified (but never
    /// another picture's).
    ///
    /// Strict: a picture that is cut anywhere, its last two bytes (EOI) included, is an
    /// error, and so is one whose coded data does not end where its last block does.
    pub fn decode_rgb(&mut self, data: &[u8], out: &mut [u8]) -> Result<(), JpegError> {
        self.decode(data, &Options::default(), out)
    }

    /// Decodes to memory as the options say. `out` has to have as many bytes as the
    /// header's [`Options::size`] has.
    pub fn decode(
        &mut self,
        data: &[u8],
        options: &Options,
        out: &mut [u8],
    ) -> Result<(), JpegError> {
        self.scratch.clock.start();
        let header = read_header(data)?;
        let expected = options.size(&header).bytes();
        if out.len() != expected {
            return Err(JpegError::WrongLength { expected, found: out.len() });
        }
        self.decode_to(data, &header, options, Destination::Memory(out))
    }

    /// Decodes, and hands the rows out while they are in the cache: a transform that reads
    /// them there needs no memory for the whole picture.
    pub fn decode_rows(
        &mut self,
        data: &[u8],
        options: &Options,
        sink: &mut dyn RowSink,
    ) -> Result<(), JpegError> {
        self.scratch.clock.start();
        let header = read_header(data)?;
        let mut band = std::mem::take(&mut self.band);
        let result = self.decode_to(data, &header, options, Destination::Sink(sink, &mut band));
        self.band = band;
        result
    }

    fn decode_to(
        &mut self,
        data: &[u8],
        header: &Header,
        options: &Options,
        destination: Destination<'_>,
    ) -> Result<(), JpegError> {
        let wanted = options.wanted(header);
        let mut output = Output::new(destination, options.size(header).row_bytes(), wanted);
        let output = &mut output;
        let is_ink = matches!(header.color_space(), ColorSpace::Cmyk | ColorSpace::Ycck);
        if header.is_progressive || is_ink {
            return fallback::decode_rgb(data, header, output);
        }
        #[cfg(target_arch = "x86_64")]
        if self.level >= Level::Avx2
            && let Some(token) = textbook_simd::Avx2::get()
        {
            let kernels = crate::kernels::avx2::Kernels::new(token);
            return decode_sequential(kernels, &mut self.scratch, data, header, output);
        }
        decode_sequential(Scalar, &mut self.scratch, data, header, output)
    }
}

#[cfg(feature = "stages")]
impl Decoder {
    /// What the last picture's stages took.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.scratch.clock
    }
}

/// One scan and what is needed to decode it.
struct Scan<'a> {
    /// Where its marker is.
    offset: usize,
    /// Where its coded data begins.
    start: usize,
    data: &'a [u8],
    header: &'a ScanHeader,
    layout: ScanLayout,
    mcus_across: usize,
    mcus_down: usize,
    restart_interval: usize,
    quantization: [Quantization; 4],
}

fn decode_sequential<K: Kernels>(
    kernels: K,
    scratch: &mut Scratch,
    data: &[u8],
    header: &Header,
    output: &mut Output<'_>,
) -> Result<(), JpegError> {
    let mut tables = Tables::default();
    let mut restart_interval = 0;
    let mut seen = [false; 4];
    let count = header.components.len();
    let mut extent = None;
    let mut at = 2;
    loop {
        let (segment, next) = next_segment(data, at)?;
        at = next;
        let Segment { marker, offset, body } = segment;
        match marker {
            DQT => tables.read_dqt(offset, body)?,
            DHT => tables.read_dht(offset, body)?,
            DRI => restart_interval = read_restart_interval(offset, body)?,
            SOI => return Err(bad(offset, "SOI", "a picture begins inside of this one")),
            EOI => break,
            0xc0..=0xcf if offset > header.scan_offset => {
                return Err(bad(offset, "SOF", "there is a second frame header"));
            }
            SOS => {
                let scan_header = ScanHeader::read(offset, body, header)?;
                let extent = if let Some(extent) = extent {
                    extent
                } else {
                    let new = Extent::new(header, scan_header.components.len() < count);
                    scratch.planes.start(header, new)?;
                    let listed = scan_header.components.iter().enumerate();
                    if !listed.into_iter().all(|(place, component)| place == component.index) {
                        scratch.planes.flat = None;
                    }
                    *extent.insert(new)
                };
                for component in &scan_header.components {
                    if std::mem::replace(&mut seen[component.index], true) {
                        return Err(bad(offset, "SOS", "a component comes in a second scan"));
                    }
                }
                let mut scan = Scan {
                    offset,
                    start: next,
                    data,
                    header: &scan_header,
                    layout: start_scan(
                        &mut scratch.tables,
                        &tables,
                        offset,
                        header,
                        &scan_header,
                        extent,
                    )?,
                    mcus_across: extent.mcus_across,
                    mcus_down: extent.mcus_down,
                    restart_interval,
                    quantization: quantization(&tables, offset, header, &scan_header)?,
                };
                if let ([component], false) = (scan_header.components.as_slice(), count == 1) {
                    // Not interleaved: an MCU is a block, and there is no filling up.
                    let plane = scratch.planes.plane(component.index);
                    scan.mcus_across = plane.width.div_ceil(8);
                    scan.mcus_down = plane.height.div_ceil(8);
                }
                scratch.clock.mark(Stage::Tables);
                at = scratch.coded.fill(data, next)?;
                scratch.clock.mark(Stage::Unstuff);
                decode_scan(kernels, scratch, &scan, extent, output)?;
            }
            _ => {}
        }
    }
    if seen[..count].contains(&false) {
        let reason = "a component has no scan".to_owned();
        return Err(JpegError::Corrupt { offset: header.scan_offset, reason });
    }
    if let Some(extent) = extent.filter(|extent| extent.keep_all) {
        for row in 0..extent.mcus_down {
            scratch.planes.finish_mcu_row(kernels, row, output);
        }
    }
    Ok(())
}

/// Decodes the coded bytes of a scan that are in `scratch.coded`.
fn decode_scan<K: Kernels>(
    kernels: K,
    scratch: &mut Scratch,
    scan: &Scan<'_>,
    extent: Extent,
    output: &mut Output<'_>,
) -> Result<(), JpegError> {
    let Scratch { coded, tables, row: macro_row, planes, jobs, clock } = scratch;
    let total = scan.mcus_across * scan.mcus_down;
    let interval = if scan.restart_interval == 0 { total } else { scan.restart_interval };
    if coded.intervals.len() != total.div_ceil(interval) {
        let (found, expected) = (coded.intervals.len(), total.div_ceil(interval));
        let reason = format!("{found} restart intervals instead of {expected}");
        return Err(JpegError::Corrupt { offset: scan.offset, reason });
    }
    let corrupt = |place: usize, reason: &str| {
        let offset = Coded::offset_in_file(scan.data, scan.start, place);
        JpegError::Corrupt { offset, reason: reason.to_owned() }
    };
    let mut intervals = coded.intervals.iter();
    let mut reader = BitReader::new(&coded.bytes, 0);
    let mut predictions = [0; 4];
    let (mut left, mut end) = (0, 0);
    for row in 0..scan.mcus_down {
        macro_row.start(scan.mcus_across, scan.layout.unit_count);
        let mut done = 0;
        while done < scan.mcus_across {
            if left == 0 {
                let interval_bytes = intervals.next().cloned().unwrap_or_default();
                reader = BitReader::new(&coded.bytes, interval_bytes.start);
                end = interval_bytes.end;
                predictions = [0; 4];
                left = interval.min(total - row * scan.mcus_across - done);
            }
            let mcus = done..done + left.min(scan.mcus_across - done);
            left -= mcus.len();
            done = mcus.end;
            kernels
                .decode_mcus(
                    &mut reader,
                    end * 8,
                    &scan.layout,
                    tables,
                    &mut predictions,
                    mcus,
                    macro_row,
                )
                .map_err(|broken| match broken {
                    Broken::NoCode(bit) | Broken::RunTooLong(bit) => {
                        corrupt((bit / 8).min(end), broken.reason())
                    }
                    Broken::TooShort => corrupt(end, broken.reason()),
                })?;
            if left == 0 && end * 8 - reader.position() >= 8 {
                let reason = "its coded data goes on after the last block";
                return Err(corrupt(reader.position() / 8, reason));
            }
        }
        clock.mark(Stage::Entropy);
        if planes.flat.is_some() {
            kernels.run(
                #[inline(always)]
                || transform_with_flats(kernels, macro_row, planes, jobs, scan, row, clock),
            );
        } else {
            transform(kernels, macro_row, planes, jobs, scan, row);
        }
        if !extent.keep_all {
            planes.finish_mcu_row(kernels, row, output);
            clock.mark(Stage::Color);
        }
    }
    Ok(())
}

/// Coefficients of a row of MCUs to pixels of the planes.
fn transform<K: Kernels>(
    kernels: K,
    macro_row: &MacroRow,
    planes: &mut Planes,
    jobs: &mut Jobs,
    scan: &Scan<'_>,
    row: usize,
) {
    let is_single = scan.header.components.len() == 1;
    let count = scan.layout.unit_count;
    for (place, component) in scan.header.components.iter().enumerate() {
        let plane = planes.plane(component.index);
        let (across, down) = if is_single { (1, 1) } else { (plane.horizontal, plane.vertical) };
        let (corner, full) = (&mut jobs.corner[place], &mut jobs.full[place]);
        corner.clear();
        full.clear();
        let table = &scan.quantization[place];
        let units = scan.layout.units[..count].iter().enumerate();
        for (number, unit) in units.filter(|(_, unit)| usize::from(unit.component) == place) {
            let y = (row * down + usize::from(unit.y)) * 8;
            let mut pixel = plane.at(usize::from(unit.x) * 8, y);
            let coefficients = macro_row.dc.iter().zip(&macro_row.slots);
            for (&dc, &slot) in coefficients.skip(number).step_by(count) {
                if slot == 0 {
                    let plane = plane.pixels();
                    let flat = [flat_pixel(dc, table); 8];
                    for y in 0..8 {
                        let at = pixel + y * plane.stride;
                        plane.pixels[at..at + 8].copy_from_slice(&flat);
                    }
                } else {
                    let job = Job { block: slot - 1, pixel: pixel as u32 };
                    let last = macro_row.lasts[slot as usize - 1];
                    let is_corner = last <= crate::entropy::LAST_OF_CORNER;
                    if is_corner { corner.push(job) } else { full.push(job) }
                }
                pixel += across * 8;
            }
        }
        kernels.idct_corner(corner, &macro_row.blocks, table, plane.pixels());
        kernels.idct(full, &macro_row.blocks, table, plane.pixels());
    }
}

/// The same where flat MCUs are made differently: the scan has all components, the first
/// one with the largest factors, and the others have one block in an MCU.
#[inline(always)]
fn transform_with_flats<K: Kernels>(
    kernels: K,
    macro_row: &MacroRow,
    planes: &mut Planes,
    jobs: &mut Jobs,
    scan: &Scan<'_>,
    row: usize,
    clock: &mut Clock,
) {
    let Some([previous, mut flat]) = planes.flat.take() else { return };
    find_flats(macro_row, &mut flat, scan);
    let count = scan.layout.unit_count;
    for (place, component) in scan.header.components.iter().enumerate() {
        let plane = planes.plane(component.index);
        let (corner, full) = (&mut jobs.corner[place], &mut jobs.full[place]);
        corner.clear();
        full.clear();
        let table = &scan.quantization[place];
        let (width, height) = (plane.horizontal * 8, plane.vertical * 8);
        let start = plane.at(0, row * height);
        // The first component has all units but one for each of the others.
        let (first_unit, end_unit) =
            if place == 0 { (0, count - 2) } else { (count - 3 + place, count - 2 + place) };
        let units = &scan.layout.units[first_unit..end_unit];
        let stride = plane.pixels().stride;
        let all = macro_row.dc.chunks_exact(count).zip(macro_row.slots.chunks_exact(count));
        for (mcu, (dc, slots)) in all.enumerate() {
            let corner_of_mcu = start + mcu * width;
            let is_hidden =
                if place == 0 { flat.is_color(mcu) } else { flat.is_chroma_hidden(mcu) };
            if is_hidden {
                // Only the rows that the MCU rows above and below look at.
                let pixel = flat_pixel(dc[first_unit], table);
                let pixels = plane.pixels().pixels;
                for at in [corner_of_mcu, corner_of_mcu + (height - 1) * stride] {
                    pixels[at..at + width].fill(pixel);
                }
                continue;
            }
            for (unit, number) in units.iter().zip(first_unit..) {
                let (x, y) = (usize::from(unit.x) * 8, usize::from(unit.y) * 8);
                let pixel = corner_of_mcu + y * stride + x;
                let slot = slots[number];
                if slot == 0 {
                    fill_block(plane.pixels().pixels, pixel, stride, flat_pixel(dc[number], table));
                } else {
                    let job = Job { block: slot - 1, pixel: pixel as u32 };
                    let last = macro_row.lasts[slot as usize - 1];
                    let is_corner = last <= crate::entropy::LAST_OF_CORNER;
                    if is_corner { corner.push(job) } else { full.push(job) }
                }
            }
        }
        clock.mark(Stage::Flat);
        kernels.idct_corner(corner, &macro_row.blocks, table, plane.pixels());
        kernels.idct(full, &macro_row.blocks, table, plane.pixels());
        clock.mark(Stage::Idct);
    }
    planes.flat = Some([previous, flat]);
}

#[inline(always)]
fn fill_block(pixels: &mut [u8], at: usize, stride: usize, pixel: u8) {
    let pixels = &mut pixels[at..at + 7 * stride + 8];
    for line in pixels.chunks_mut(stride) {
        line[..8].copy_from_slice(&[pixel; 8]);
    }
}

/// Finds the flat MCUs of a row.
#[inline(always)]
fn find_flats(macro_row: &MacroRow, flat: &mut FlatRow, scan: &Scan<'_>) {
    let count = scan.layout.unit_count;
    let [luma_table, cb_table, cr_table, _] = &scan.quantization;
    flat.start(scan.mcus_across);
    let all = macro_row.dc.chunks_exact(count).zip(macro_row.slots.chunks_exact(count));
    for (mcu, (dc, slots)) in all.enumerate() {
        let (luma_slots, chroma_slots) = slots.split_at(count - 2);
        let (luma, chroma) = dc.split_at(count - 2);
        if luma_slots.iter().all(|&slot| slot == 0) {
            let pixel = flat_pixel(luma[0], luma_table);
            if luma[1..].iter().all(|&dc| flat_pixel(dc, luma_table) == pixel) {
                flat.set_luma(mcu, pixel);
            }
        }
        if chroma_slots == [0, 0] {
            flat.set_chroma(mcu, flat_pixel(chroma[0], cb_table), flat_pixel(chroma[1], cr_table));
        }
    }
    flat.finish();
}

/// Builds the Huffman tables of a scan.
fn start_scan(
    built: &mut ScanTables,
    tables: &Tables,
    offset: usize,
    header: &Header,
    scan: &ScanHeader,
    extent: Extent,
) -> Result<ScanLayout, JpegError> {
    let missing = || bad(offset, "SOS", "a Huffman table was not defined");
    let broken = |reason| JpegError::BadSegment { offset, segment: "DHT", reason };
    let mut has_ac = [false; 4];
    let mut dc_places = [0; 4];
    for (place, component) in scan.components.iter().enumerate() {
        let ac = &mut built.ac[usize::from(component.ac)];
        if !std::mem::replace(&mut has_ac[usize::from(component.ac)], true) {
            ac.build(&tables.ac(component.ac).ok_or_else(missing)?).map_err(broken)?;
        }
        // What is made of a DC table depends on the AC table, too.
        let mut before = scan.components[..place].iter();
        let same = before.position(|other| (other.dc, other.ac) == (component.dc, component.ac));
        dc_places[place] = same.unwrap_or(place) as u8;
        if same.is_none() {
            let spec = tables.dc(component.dc).ok_or_else(missing)?;
            built.dc[place].build(&spec, ac.end_of_block).map_err(broken)?;
        }
    }
    let mut units = scan.units(offset, header, extent)?;
    for unit in &mut units {
        unit.dc = dc_places[usize::from(unit.component)];
    }
    Ok(ScanLayout::new(&units, built))
}

/// The quantization table of each of the scan's components.
fn quantization(
    tables: &Tables,
    offset: usize,
    header: &Header,
    scan: &ScanHeader,
) -> Result<[Quantization; 4], JpegError> {
    let mut all = [[0; 64]; 4];
    for (own, component) in all.iter_mut().zip(&scan.components) {
        let index = header.components[component.index].quantization_table;
        let table = tables.quantization(index);
        *own = *table.ok_or_else(|| bad(offset, "SOS", "a quantization table was not defined"))?;
    }
    Ok(all)
}

fn read_restart_interval(offset: usize, body: &[u8]) -> Result<usize, JpegError> {
    let interval: [u8; 2] = body.try_into().map_err(|_| bad(offset, "DRI", "it has 2 bytes"))?;
    Ok(u16::from_be_bytes(interval).into())
}

fn bad(offset: usize, segment: &'static str, reason: &'static str) -> JpegError {
    JpegError::BadSegment { offset, segment, reason }
}
