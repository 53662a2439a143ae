//! The offset index: where each record of a JSON file lies. Built in one pass,
//! kept in a sidecar file. Parses no record.

pub(crate) mod append_log;
mod build;
mod incremental;
mod layout;
mod lines;
mod lock;
mod progress;
mod scan;
#[cfg(test)]
pub(crate) mod scan_tests;
pub(crate) mod sidecar;
mod stream;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use textbook_simd::Level;

use crate::error::{Error, Result};
use crate::source::Source;
use crate::source::packing::{self, Packing};
use build::{Found, Plan};
pub use layout::Layout;
use layout::is_space;
pub use progress::Progress;
pub use sidecar::content_hash;
pub use stream::Unpacked;

/// The pass goes over the file in pieces of this size: small enough that a fork, a
/// stop and the progress bar wait for milliseconds, large enough to cost nothing.
const CHUNK: u64 = 8 << 20;

/// How an index is had.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How many threads make the pass.
    pub threads: usize,
    /// Take what is whole of a file that is cut. Such an index is not kept.
    pub recover: bool,
    /// Look for a sidecar.
    pub read_sidecar: bool,
    /// Leave a sidecar.
    pub write_sidecar: bool,
    /// The instruction set of the pass.
    pub level: Level,
}

/// Whether a pass that takes long may be made: one that inflates more than 1 GB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LongPass {
    /// It was asked for. A crash loses so much time of it.
    Allowed {
        /// How much.
        save_every: Duration,
    },
    /// It ends in [`Error::IndexMissing`].
    Refused,
}

/// Where the records of a file lie, whatever the file is packed in: the source then is the
/// text in it.
pub fn open(
    source: Source,
    options: Options,
    long: LongPass,
    progress: &Arc<Progress>,
) -> Result<(Arc<Source>, OffsetIndex)> {
    let packed = packing::detect(&source)?;
    let source = match &packed.packing {
        Packing::Deflated { .. } => return stream::open(source, &packed, options, long, progress),
        Packing::Stored { range, .. } => {
            let range = range.clone();
            source.into_window(range, packed.name)
        }
        Packing::Plain => source,
    };
    let source = Arc::new(source);
    let index = OffsetIndex::open(&source, options, progress)?;
    Ok((source, index))
}

/// How an index came to be.
#[derive(Debug, Clone)]
pub enum Origin {
    /// Built in a pass that took so long.
    Built {
        /// Seconds of the pass.
        seconds: f64,
        /// Bytes of the file that an earlier pass had done.
        resumed_at: u64,
        /// Where it was written; `None` for in memory alone.
        kept: Option<PathBuf>,
        /// Why it could not be written, where that was wanted.
        warning: Option<String>,
    },
    /// Read from this file.
    Sidecar(PathBuf),
}

#[derive(Debug)]
enum Starts {
    Memory(Vec<u64>),
    Mapped(sidecar::MappedStarts),
}

/// Where each record of a file lies.
#[derive(Debug)]
pub struct OffsetIndex {
    starts: Starts,
    layout: Layout,
    end: u64,
    /// The offsets come from a sidecar that may be of another state of the file.
    is_doubtful: bool,
    origin: Origin,
}

impl OffsetIndex {
    /// Reads the index of a file from its sidecar, or makes the pass and leaves one.
    pub fn open(
        source: &Arc<Source>,
        options: Options,
        progress: &Arc<Progress>,
    ) -> Result<OffsetIndex> {
        let uses_sidecar = source.size() > 0 && !options.recover;
        if !uses_sidecar || !(options.read_sidecar || options.write_sidecar) {
            return OffsetIndex::build(source, options, progress);
        }
        let hash = sidecar::content_hash(source)?;
        let places = sidecar::places(source);
        let load = || {
            let read = options.read_sidecar.then_some(places.iter());
            read.into_iter().flatten().find_map(|place| {
                let loaded = sidecar::load(place, source, hash)?;
                Some(OffsetIndex::from_sidecar(loaded, place))
            })
        };
        if let Some(index) = load() {
            return Ok(index);
        }
        let _lock = lock::wait(source.path(), progress)?;
        // Whoever held the lock before may have written what is wanted.
        if let Some(index) = load() {
            return Ok(index);
        }
        let mut index = OffsetIndex::build(source, options, progress)?;
        if options.write_sidecar {
            source.check_unchanged()?;
            index.keep(&places, source, hash);
        }
        Ok(index)
    }

    fn from_sidecar(loaded: sidecar::Loaded, place: &Path) -> OffsetIndex {
        OffsetIndex {
            starts: Starts::Mapped(loaded.starts),
            layout: loaded.layout,
            end: loaded.end,
            is_doubtful: loaded.is_other_time,
            origin: Origin::Sidecar(place.to_owned()),
        }
    }

    fn build(
        source: &Arc<Source>,
        options: Options,
        progress: &Arc<Progress>,
    ) -> Result<OffsetIndex> {
        let Options { level, threads, recover, .. } = options;
        let begin = Instant::now();
        let plan = Plan { level, threads, recover, chunk: CHUNK };
        let Found { layout, starts, end } = build::build(source, plan, progress)?;
        let seconds = begin.elapsed().as_secs_f64();
        let origin = Origin::Built { seconds, resumed_at: 0, kept: None, warning: None };
        Ok(OffsetIndex { starts: Starts::Memory(starts), layout, end, is_doubtful: false, origin })
    }

    /// Writes the index to the first place that takes it.
    fn keep(&mut self, places: &[PathBuf], source: &Source, hash: u64) {
        let (Starts::Memory(starts), Origin::Built { kept, warning, .. }) =
            (&self.starts, &mut self.origin)
        else {
            return;
        };
        let found = Found { layout: self.layout, starts: starts.clone(), end: self.end };
        let mut reasons = Vec::new();
        for place in places {
            if let Some(folder) = place.parent() {
                let _ = std::fs::create_dir_all(folder);
            }
            sidecar::remove_leftovers(place);
            match sidecar::save(place, &found, source, hash) {
                Ok(()) => {
                    *kept = Some(place.clone());
                    return;
                }
                Err(error) => reasons.push(format!("{}: {error}", place.display())),
            }
        }
        *warning = Some(format!(
            "the offset index of {} could not be kept, so it is built anew each time ({})",
            source.path().display(),
            reasons.join("; ")
        ));
    }

    /// How many records there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.starts {
            Starts::Memory(starts) => starts.len(),
            Starts::Mapped(starts) => starts.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How the records lie in the file.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// How the index came to be.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    fn start(&self, index: usize) -> Option<u64> {
        match &self.starts {
            Starts::Memory(starts) => starts.get(index).copied(),
            Starts::Mapped(starts) => starts.get(index),
        }
    }

    /// Copies record `index`, which has to exist, into `bytes`, and cuts off what
    /// separates it from the next. That it is one whole object is the reader's to check.
    pub fn read(&self, index: usize, source: &Source, bytes: &mut Vec<u8>) -> Result<()> {
        let span = self.span(index, source)?;
        let start = span.start;
        source.read_into(span, bytes)?;
        let length = self.trimmed(index, source, bytes)?.len();
        if self.is_doubtful && !self.follows_border(index, start, source)? {
            return Err(Self::unfit(index, source, start, "nothing ends before"));
        }
        bytes.truncate(length);
        Ok(())
    }

    /// Where record `index` lies, with what separates it from the next.
    pub fn span(&self, index: usize, source: &Source) -> Result<Range<u64>> {
        let unfit = |offset, reason| Self::unfit(index, source, offset, reason);
        let start = self.start(index).ok_or_else(|| unfit(0, "there is no"))?;
        let stop = self.start(index + 1).unwrap_or(self.end);
        if stop <= start || stop > source.size() {
            return Err(unfit(start, "no end of"));
        }
        Ok(start..stop)
    }

    /// The record itself in the bytes of its [`span`](OffsetIndex::span).
    pub fn trimmed<'a>(&self, index: usize, source: &Source, bytes: &'a [u8]) -> Result<&'a [u8]> {
        let unfit = |reason| {
            let start = self.start(index).unwrap_or(0);
            Self::unfit(index, source, start, reason)
        };
        let mut rest = trim_end(bytes);
        if index + 1 < self.len() && self.layout == Layout::Array {
            rest = rest.strip_suffix(b",").ok_or_else(|| unfit("no comma after"))?;
            rest = trim_end(rest);
        }
        // A line of JSON Lines may be broken in any way: that is told by its reader.
        let is_checked = self.layout == Layout::Array;
        if is_checked && !(rest.starts_with(b"{") && rest.ends_with(b"}")) {
            return Err(unfit("no object at"));
        }
        Ok(rest)
    }

    fn unfit(index: usize, source: &Source, offset: u64, reason: &str) -> Error {
        Error::Format {
            path: source.path().to_owned(),
            offset,
            reason: format!(
                "the offset index does not fit the file: {reason} record {index}; build it \
                 anew with: textbook-fast index --rebuild"
            ),
        }
    }

    /// Whether what comes before `start` can come before a record.
    fn follows_border(&self, index: usize, start: u64, source: &Source) -> Result<bool> {
        const WINDOW: u64 = 4096;
        let before = start.saturating_sub(WINDOW)..start;
        source.with_range(before, |bytes| {
            let border = bytes.iter().rposition(|&byte| !is_space(byte));
            let last = border.map(|at| bytes[at]);
            Ok(match self.layout {
                // White space beyond the window is no reason to refuse.
                Layout::Array => {
                    last.is_none_or(|byte| byte == if index == 0 { b'[' } else { b',' })
                }
                Layout::Lines => index == 0 || border.is_none_or(|at| bytes[at..].contains(&b'\n')),
            })
        })
    }
}

/// The bytes without JSON's white space at their end.
fn trim_end(bytes: &[u8]) -> &[u8] {
    let last = bytes.iter().rposition(|&byte| !is_space(byte));
    last.and_then(|last| bytes.get(..=last)).unwrap_or_default()
}
