//! From a whole JPEG to pixels: walks the segments, drives the scans. Knows no bits and
//! no pixels itself.

#[cfg(target_arch = "x86_64")]
use textbook_simd::Avx512;
use textbook_simd::Level;

use crate::JpegError;
use crate::entropy::{BitReader, Broken, ScanLayout, ScanTables};
use crate::frame::{self, FrameScratch};
use crate::header::{Header, read_header};
use crate::huffman::{Class, code_of_zero};
use crate::kernels::Kernels;
use crate::kernels::scalar::Scalar;
use crate::kernels::survey::McuKind;
use crate::macro_row::MacroRow;
use crate::options::{Damage, Options};
use crate::output::{Destination, Output, RowSink};
use crate::planes::{Extent, Planes};
use crate::scan::ScanHeader;
use crate::stages::{Clock, Stage};
use crate::tables::{Quantization, Tables};
use crate::transform::{self, transform_row};
use crate::unstuff::Coded;
use crate::usual;
use crate::walk::{FoundScan, Walk, bad};

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
    jobs: transform::Jobs,
    work: usual::Work,
    frame: FrameScratch,
    clock: Clock,
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
        self.decode(data, &Options::default(), out).map(|_| ())
    }

    /// Decodes to memory as the options say. `out` has to have as many bytes as
    /// [`Options::size`] says. Returns what is broken, if [`Damage::Fill`] made a picture
    /// all the same.
    pub fn decode(
        &mut self,
        data: &[u8],
        options: &Options,
        out: &mut [u8],
    ) -> Result<Option<JpegError>, JpegError> {
        self.scratch.clock.start();
        let header = read_header(data)?;
        let expected = options.size(&header).bytes();
        if out.len() != expected {
            return Err(JpegError::WrongLength { expected, found: out.len() });
        }
        self.decode_to(data, &header, options, Destination::Memory(out))
    }

    /// Decodes, and hands the rows out while they are in the cache: a transform that reads
    /// them there needs no memory for the whole picture. Returns what [`Decoder::decode`]
    /// does.
    pub fn decode_rows(
        &mut self,
        data: &[u8],
        options: &Options,
        sink: &mut dyn RowSink,
    ) -> Result<Option<JpegError>, JpegError> {
        self.scratch.clock.start();
        let header = read_header(data)?;
        let mut band = std::mem::take(&mut self.band);
        let destination = Destination::Sink(sink, &mut band);
        let result = self.decode_to(data, &header, options, destination);
        self.band = band;
        result
    }

    fn decode_to(
        &mut self,
        data: &[u8],
        header: &Header,
        options: &Options,
        mut destination: Destination<'_>,
    ) -> Result<Option<JpegError>, JpegError> {
        let (wanted, row_bytes) = (options.wanted(header), options.size(header).row_bytes());
        let mut output = Output::new(destination.again(), row_bytes, wanted.clone());
        let error = match self.decode_frame::<false>(data, header, options, &mut output) {
            Ok(()) => return Ok(None),
            Err(error) => error,
        };
        if options.damage == Damage::Refuse || matches!(error, JpegError::Unsupported { .. }) {
            return Err(error);
        }
        let mut output = Output::new(destination, row_bytes, wanted);
        self.decode_frame::<true>(data, header, options, &mut output).map(|()| Some(error))
    }

    fn decode_frame<const TOLERANT: bool>(
        &mut self,
        data: &[u8],
        header: &Header,
        options: &Options,
        output: &mut Output<'_>,
    ) -> Result<(), JpegError> {
        let (scratch, task) = (&mut self.scratch, (data, header, options));
        #[cfg(target_arch = "x86_64")]
        if self.level >= Level::Avx2
            && let Some(token) = textbook_simd::Avx2::get()
        {
            let more = Avx512::get().filter(|_| self.level >= Level::Avx512);
            let kernels = crate::kernels::avx2::Kernels::new(token, more);
            return decode_frame::<_, TOLERANT>(kernels, scratch, task, output);
        }
        decode_frame::<_, TOLERANT>(Scalar, scratch, task, output)
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

fn decode_frame<K: Kernels, const TOLERANT: bool>(
    kernels: K,
    scratch: &mut Scratch,
    task: (&[u8], &Header, &Options),
    output: &mut Output<'_>,
) -> Result<(), JpegError> {
    let (data, header, _) = task;
    // As libjpeg: what the first scan has decides.
    let first_scan = data.get(header.scan_offset + 3).map(|&count| usize::from(count));
    if TOLERANT || header.is_progressive || first_scan != Some(header.components.len()) {
        let Scratch { frame, coded, planes, .. } = scratch;
        return frame::decode::<K, TOLERANT>(kernels, frame, coded, planes, task, output);
    }
    decode_sequential(kernels, scratch, task, output)
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

/// A frame whose first scan has all components.
fn decode_sequential<K: Kernels>(
    kernels: K,
    scratch: &mut Scratch,
    (data, header, options): (&[u8], &Header, &Options),
    output: &mut Output<'_>,
) -> Result<(), JpegError> {
    let mut walk = Walk::new(data, header);
    let found = walk.next_scan()?;
    let Some(found) =
        found.filter(|found| found.header.components.len() == header.components.len())
    else {
        return Err(bad(header.scan_offset, "SOS", "its components are not the frame's"));
    };
    let FoundScan { offset, start, header: scan_header } = &found;
    let extent = Extent::new(header);
    scratch.planes.start(header, extent, options)?;
    let listed = scan_header.components.iter().enumerate();
    if !listed.into_iter().all(|(place, component)| place == component.index) {
        scratch.planes.flat = None;
    }
    let tables = &walk.tables;
    let scan = Scan {
        offset: *offset,
        start: *start,
        data,
        header: scan_header,
        layout: start_scan(&mut scratch.tables, tables, *offset, header, scan_header, extent)?,
        mcus_across: extent.mcus_across,
        mcus_down: extent.mcus_down,
        restart_interval: walk.restart_interval,
        quantization: quantization(tables, *offset, header, scan_header)?,
    };
    scratch.clock.mark(Stage::Tables);
    walk.at = scratch.coded.fill(data, *start)?;
    scratch.clock.mark(Stage::Unstuff);
    decode_scan(kernels, scratch, &scan, output)?;
    match walk.next_scan()? {
        None => Ok(()),
        Some(second) => Err(second.bad("a component comes in a second scan")),
    }
}

/// Decodes the coded bytes of a scan that are in `scratch.coded`.
fn decode_scan<K: Kernels>(
    kernels: K,
    scratch: &mut Scratch,
    scan: &Scan<'_>,
    output: &mut Output<'_>,
) -> Result<(), JpegError> {
    let Scratch { coded, tables, row: macro_row, planes, jobs, work, clock, .. } = scratch;
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
    let units = &scan.layout.units[..scan.layout.unit_count];
    let is_usual = planes.flat.is_some();
    let kind = McuKind {
        luma: units.len().saturating_sub(2),
        factors: [0, 1, 2].map(|component| scan.quantization[component][0]),
    };
    for row in 0..scan.mcus_down {
        macro_row.start(scan.mcus_across, units.len());
        if is_usual {
            work.start_row(planes, scan.mcus_across);
        }
        let upcoming = output.upcoming(planes.rows_of(row));
        let bytes_at = |mcu: usize| upcoming.len() * mcu / scan.mcus_across;
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
                    (&mut reader, end * 8),
                    (&scan.layout, tables),
                    &mcus,
                    macro_row,
                    &upcoming[bytes_at(mcus.start)..bytes_at(mcus.end)],
                )
                .map_err(|broken| match broken {
                    Broken::NoCode(bit) | Broken::RunTooLong(bit) => {
                        corrupt((bit / 8).min(end), broken.reason())
                    }
                    Broken::TooShort => corrupt(end, broken.reason()),
                })?;
            if is_usual {
                let kind = (&kind, &mut predictions);
                work.survey(kernels, macro_row, kind, planes, &mcus);
            } else {
                macro_row.add_differences(&scan.layout, &mut predictions, &mcus);
            }
            if left == 0 && end * 8 - reader.position() >= 8 {
                let reason = "its coded data goes on after the last block";
                return Err(corrupt(reader.position() / 8, reason));
            }
        }
        if !is_usual {
            kernels.find_coded(macro_row);
        }
        clock.mark(Stage::Entropy);
        if !planes.is_needed(row, output) {
            if is_usual {
                work.pass_over(macro_row, &kind);
            }
            planes.pass_mcu_row(row);
            continue;
        }
        let tables = &scan.quantization;
        if is_usual {
            kernels.run(
                #[inline(always)]
                || usual::transform(kernels, macro_row, (units, tables), planes, work, row, clock),
            );
        } else {
            kernels.run(
                #[inline(always)]
                || {
                    let scan = (units, scan.header, tables);
                    transform_row(kernels, macro_row, scan, planes, jobs, row);
                },
            );
            clock.mark(Stage::Idct);
        }
        planes.finish_mcu_row(kernels, row, output);
        clock.mark(Stage::Color);
    }
    Ok(())
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
    if scan.components.iter().any(|component| component.dc > 3 || component.ac > 3) {
        return Err(bad(offset, "SOS", "a Huffman table's number is not 0 to 3"));
    }
    for (place, component) in scan.components.iter().enumerate() {
        let ac = &mut built.ac[usize::from(component.ac)];
        if !std::mem::replace(&mut has_ac[usize::from(component.ac)], true) {
            let spec = tables.ac(component.ac).ok_or_else(missing)?;
            ac.build(&spec, Class::Ac, code_of_zero(&spec)).map_err(broken)?;
        }
        // What is made of a DC table depends on the AC table, too.
        let mut before = scan.components[..place].iter();
        let same = before.position(|other| (other.dc, other.ac) == (component.dc, component.ac));
        dc_places[place] = same.unwrap_or(place) as u8;
        if same.is_none() {
            let spec = tables.dc(component.dc).ok_or_else(missing)?;
            built.dc[place].build(&spec, Class::Dc, ac.zero).map_err(broken)?;
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
