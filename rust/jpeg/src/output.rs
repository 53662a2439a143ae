//! Where finished rows go: the caller's memory, or a sink that takes them one band after
//! the other while they are in the cache. Knows rows of bytes, not pixels.

use std::ops::Range;

/// Takes the rows of a picture as they are finished.
///
/// Rows come from top to bottom, each once, some at a time (at most two rows of MCUs: the
/// number differs from call to call). They lie in memory that is used again for the next
/// ones, small enough to stay in the CPU's cache. If decoding fails, rows that were handed
/// out before are worth nothing. With [`Damage::Fill`](crate::Damage) the same is true where
/// row 0 comes again: broken data was found, and all rows follow once more.
///
/// ```
/// # let data = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/gray.jpg"))?;
/// let mut brightest = 0;
/// let mut sink = |_first: usize, rows: &[u8]| {
///     brightest = rows.iter().copied().max().unwrap_or(0).max(brightest);
/// };
/// textbook_jpeg::Decoder::new().decode_rows(&data, &Default::default(), &mut sink)?;
/// # assert!(brightest > 200);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait RowSink {
    /// `rows` are whole rows without gaps; the first of them is row `first` of the result.
    fn take_rows(&mut self, first: usize, rows: &[u8]);
}

impl<F: FnMut(usize, &[u8])> RowSink for F {
    fn take_rows(&mut self, first: usize, rows: &[u8]) {
        self(first, rows);
    }
}

/// Where rows go.
pub(crate) enum Destination<'a> {
    /// All wanted rows, without gaps.
    Memory(&'a mut [u8]),
    /// A sink, and memory for the rows on their way to it.
    Sink(&'a mut dyn RowSink, &'a mut Vec<u8>),
}

impl Destination<'_> {
    /// The same for a shorter time.
    pub(crate) fn again(&mut self) -> Destination<'_> {
        match self {
            Destination::Memory(memory) => Destination::Memory(memory),
            Destination::Sink(sink, band) => Destination::Sink(&mut **sink, band),
        }
    }
}

/// The rows of one picture on their way out.
pub(crate) struct Output<'a> {
    destination: Destination<'a>,
    row_bytes: usize,
    /// Rows of the picture; the first of them is row 0 of the result.
    wanted: Range<usize>,
}

impl<'a> Output<'a> {
    pub(crate) fn new(
        destination: Destination<'a>,
        row_bytes: usize,
        wanted: Range<usize>,
    ) -> Output<'a> {
        Output { destination, row_bytes, wanted }
    }

    /// Whether any of these rows is wanted.
    pub(crate) fn wants(&self, rows: Range<usize>) -> bool {
        rows.start < self.wanted.end && self.wanted.start < rows.end
    }

    /// The memory that these rows of the picture will go to, where that is the caller's.
    pub(crate) fn upcoming(&self, rows: Range<usize>) -> &[u8] {
        let start = rows.start.clamp(self.wanted.start, self.wanted.end) - self.wanted.start;
        let end = rows.end.clamp(self.wanted.start, self.wanted.end) - self.wanted.start;
        match &self.destination {
            Destination::Memory(memory) if start < end => {
                &memory[start * self.row_bytes..end * self.row_bytes]
            }
            _ => &[],
        }
    }

    /// Lets `write` make those of the picture's rows that are wanted, if any: it gets which,
    /// and memory for exactly these.
    #[inline(always)]
    pub(crate) fn write(
        &mut self,
        rows: Range<usize>,
        write: impl FnOnce(Range<usize>, &mut [u8]),
    ) {
        let rows = rows.start.max(self.wanted.start)..rows.end.min(self.wanted.end);
        if rows.is_empty() {
            return;
        }
        let first = rows.start - self.wanted.start;
        let bytes = rows.len() * self.row_bytes;
        match &mut self.destination {
            Destination::Memory(memory) => {
                write(rows, &mut memory[first * self.row_bytes..][..bytes]);
            }
            Destination::Sink(sink, band) => {
                if band.len() < bytes {
                    band.resize(bytes, 0);
                }
                write(rows, &mut band[..bytes]);
                sink.take_rows(first, &band[..bytes]);
            }
        }
    }
}
