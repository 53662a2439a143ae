//! The index of a compressed text: its checkpoints and where its records lie, made in one
//! pass that inflates it once and verifies its checksum, and kept in one sidecar file.

#![allow(clippy::cast_possible_truncation, reason = "lengths within a segment, CRC fields")]

mod digest;
mod file;
mod partial;
mod pass;
#[cfg(test)]
mod tests;
mod unpack;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{channel, sync_channel};
use std::time::{Duration, Instant};

use super::append_log::{partial_path, remove_left};
use super::build::{Found, Plan};
use super::layout::{is_space, name_of};
use super::{CHUNK, LongPass, OffsetIndex, Options, Origin, Progress, Starts, lock, sidecar};
use crate::error::{Error, Result};
use crate::inflate::stream::Framing;
use crate::shell;
use crate::source::checkpoints::{Checkpoints, Places};
use crate::source::packing::{Packed, Packing};
use crate::source::{Map, Source};
use digest::{Digest, Made};
use file::Body;
use partial::Partial;
use pass::{Ended, Pass};
pub use unpack::Unpacked;

/// A compressed file up to this size is inflated when it is opened; a larger one only when
/// that is asked for, since it takes long. As for archives of images.
const SMALL: u64 = 1_000_000_000;
/// In the cache folder, which nobody asked for, no larger index than this is kept.
const MAX_CACHED_INDEX: usize = 100_000_000;
/// A crash of a pass that was not asked for loses so much time.
const SAVE_EVERY: Duration = Duration::from_secs(2);
/// So many segments wait between inflating and what is made of them.
const WAITING: usize = 3;

/// Opens a compressed text: by its sidecar, or by the pass, which leaves one.
pub(super) fn open(
    source: Source,
    packed: &Packed,
    options: Options,
    long: LongPass,
    progress: &Arc<Progress>,
) -> Result<(Arc<Source>, OffsetIndex)> {
    let Packing::Deflated { ref range, framing } = packed.packing else {
        return Err(super::build::bug(&source, "a text that is not compressed"));
    };
    let hash = sidecar::content_hash(&source)?;
    let places = sidecar::places(&source);
    let keeps = options.write_sidecar && !options.recover;
    let load = || {
        let read = (options.read_sidecar && !options.recover).then_some(places.iter());
        read.into_iter().flatten().find_map(|place| {
            let (loaded, checkpoints) = file::load(place, &source, framing, hash)?;
            if keeps {
                remove_left(place);
            }
            Some((OffsetIndex::from_sidecar(loaded, place), checkpoints))
        })
    };
    if let Some((index, checkpoints)) = load() {
        return Ok((Arc::new(source.into_inflated(checkpoints, packed)), index));
    }
    if source.file_size() > SMALL {
        check_is_json(&source, packed)?;
        // What is whole of a cut file can be had in no other way.
        if long == LongPass::Refused && !options.recover {
            return Err(missing(&source, &places));
        }
    }
    let _lock = if keeps { lock::wait(source.path(), progress)? } else { None };
    // Whoever held the lock before may have written what is wanted.
    if let Some((index, checkpoints)) = load() {
        return Ok((Arc::new(source.into_inflated(checkpoints, packed)), index));
    }
    let begin = Instant::now();
    let (is_asked, save_every) = match long {
        LongPass::Allowed { save_every } => (true, save_every),
        LongPass::Refused => (false, SAVE_EVERY),
    };
    let of_partial = if keeps { &places[..] } else { &[] };
    let mut partial = Partial::new(of_partial, &source, framing, hash, save_every);
    if !options.read_sidecar {
        partial.forget();
    }
    let resumed = partial.resume(&source, range, framing, options.level);
    let (made, pass) =
        resumed.unwrap_or_else(|| (Made::new(options.level), Pass::new(range.clone(), framing)));
    let resumed_at = if made.length > 0 { pass.byte() } else { 0 };
    let digest = Digest::new(&source, made, &mut partial);
    let finished = inflate(&source, pass, digest, options.threads, progress).and_then(|made| {
        source.check_unchanged()?;
        finish(source, packed, made, options, framing)
    });
    let (source, found, body) = match finished {
        Ok(finished) => finished,
        Err(error) => {
            // A pass that was stopped goes on the next time.
            if !matches!(error, Error::Stopped | Error::Io { .. }) {
                partial.remove();
            }
            return Err(error);
        }
    };
    let mut keeping = Keeping::default();
    if keeps {
        keeping = keep(&places, &found, &body, &source, hash, is_asked);
    }
    partial.remove();
    let seconds = begin.elapsed().as_secs_f64();
    let (kept, warning) = (keeping.kept.clone(), keeping.warning);
    let origin = Origin::Built { seconds, resumed_at, kept, warning };
    // What is in the file need not stay in memory.
    let kept = keeping.kept.and_then(|place| file::load(&place, &source, framing, hash));
    if let Some((loaded, checkpoints)) = kept {
        let starts = Starts::Mapped(loaded.starts);
        let (layout, end) = (loaded.layout, loaded.end);
        let index = OffsetIndex { starts, layout, end, is_doubtful: false, origin };
        return Ok((Arc::new(source.into_inflated(checkpoints, packed)), index));
    }
    let Found { layout, starts, end } = found;
    let starts = Starts::Memory(starts);
    Ok((Arc::new(source), OffsetIndex { starts, layout, end, is_doubtful: false, origin }))
}

/// A large file has no index that fits.
fn missing(source: &Source, places: &[PathBuf]) -> Error {
    let state = if places.iter().any(|place| partial_path(place).exists()) {
        "is not finished"
    } else if places.iter().any(|place| place.exists()) {
        "does not fit it: it was another file then, or is damaged"
    } else {
        "has not been built"
    };
    let path = source.path().to_owned();
    let command = shell::index_command(&[], [source.path()]);
    Error::IndexMissing { path, state, bytes: source.file_size(), command }
}

/// The text and its records, of what the pass has made; or what is wrong with it.
fn finish(
    source: Source,
    packed: &Packed,
    made: Made,
    options: Options,
    framing: Framing,
) -> Result<(Source, Found, Body)> {
    let Made { length, cut, json, .. } = made;
    let mut bytes = made.windows;
    let windows = 0..bytes.len();
    bytes.extend_from_slice(&made.points);
    let points = windows.end..bytes.len();
    bytes.extend_from_slice(&made.checks);
    let checks = points.end..bytes.len();
    let map = Arc::new(Map::of_memory(bytes));
    let places = Places { windows, points, checks };
    let body = Body { map: Arc::clone(&map), places: places.clone(), length, framing };
    let unfit = || super::build::bug(&source, "checkpoints that do not fit the text");
    let checkpoints = Checkpoints::new(map, places, length).ok_or_else(unfit)?;
    let source = source.into_inflated(checkpoints, packed);
    let truncated = |length: u64, records: usize, end_of_last: u64| Error::Truncated {
        path: source.path().to_owned(),
        length,
        records: records as u64,
        end_of_last,
    };
    if let Some(byte) = cut.filter(|_| json.is_blank()) {
        return Err(truncated(byte, 0, 0));
    }
    let Options { level, threads, .. } = options;
    let recover = options.recover || cut.is_some();
    let plan = Plan { level, threads, recover, chunk: CHUNK };
    let found = json.finish(&source, plan).map_err(of_text)?;
    match cut {
        Some(byte) if !options.recover => Err(truncated(byte, found.starts.len(), found.end)),
        _ => Ok((source, found, body)),
    }
}

/// What became of keeping the index.
#[derive(Default)]
struct Keeping {
    kept: Option<PathBuf>,
    warning: Option<String>,
}

/// Writes the index to the first place that takes it.
fn keep(
    places: &[PathBuf],
    found: &Found,
    body: &Body,
    source: &Source,
    hash: u64,
    is_asked: bool,
) -> Keeping {
    let is_small = is_asked || body.places.windows.len() <= MAX_CACHED_INDEX;
    let mut reasons = Vec::new();
    for place in places.iter().take(if is_small { places.len() } else { 1 }) {
        if let Some(folder) = place.parent() {
            let _ = std::fs::create_dir_all(folder);
        }
        sidecar::remove_leftovers(place);
        match file::save(place, found, body, source, hash) {
            Ok(()) => return Keeping { kept: Some(place.clone()), warning: None },
            Err(error) => reasons.push(format!("{}: {error}", place.display())),
        }
    }
    let warning = format!(
        "the index of {} could not be kept, so it is inflated anew each time ({})",
        source.path().display(),
        reasons.join("; ")
    );
    Keeping { kept: None, warning: Some(warning) }
}

/// Fails where the text begins as no JSON does: before a long pass.
fn check_is_json(source: &Source, packed: &Packed) -> Result<()> {
    let Packing::Deflated { range, framing } = &packed.packing else { return Ok(()) };
    let segment = Pass::new(range.clone(), *framing).next(source, None, &mut |_| Ok(()))?;
    let text = segment.text();
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let first = text.iter().position(|&byte| !is_space(byte)).unwrap_or(text.len());
    match text.get(first..).unwrap_or_default() {
        [] | [b'[' | b'{', ..] => Ok(()),
        other => Err(of_text(Error::Format {
            path: source.path().to_owned(),
            offset: first as u64,
            reason: format!("a JSON array of samples begins with '[', but {}", name_of(other)),
        })),
    }
}

/// An error whose offset is one of the text, not of the file.
fn of_text(error: Error) -> Error {
    match error {
        Error::Format { path, offset, reason } => {
            let reason = format!("in the text that is compressed in it: {reason}");
            Error::Format { path, offset, reason }
        }
        error => error,
    }
}

/// Inflates all of the text; a second thread makes something of it.
fn inflate(
    source: &Source,
    mut pass: Pass,
    mut digest: Digest<'_>,
    threads: usize,
    progress: &Progress,
) -> Result<Made> {
    let Range { start, end } = pass.range;
    progress.begin(end - start);
    let mut told = start;
    let mut watch = |byte: u64| {
        let new = byte.saturating_sub(told);
        told = byte;
        progress.advance(new)
    };
    watch(pass.byte())?;
    if threads <= 1 {
        let mut used = None;
        loop {
            let segment = pass.next(source, used.take(), &mut watch)?;
            digest.take(&segment)?;
            if segment.ended != Ended::Full {
                return Ok(digest.made);
            }
            used = Some(segment);
        }
    }
    std::thread::scope(|scope| {
        let (to, from) = sync_channel(WAITING);
        let (back, free) = channel();
        let work = move || {
            for segment in from {
                digest.take(&segment)?;
                // Nobody needs it any more once the pass is over.
                let _ = back.send(segment);
            }
            Ok(digest.made)
        };
        let worker = scope.spawn(work);
        let passed = loop {
            match pass.next(source, free.try_recv().ok(), &mut watch) {
                Ok(segment) => {
                    let is_over = segment.ended != Ended::Full;
                    // A worker that is gone has an error of its own.
                    if to.send(segment).is_err() || is_over {
                        break Ok(());
                    }
                }
                Err(error) => break Err(error),
            }
        };
        drop(to);
        let made: Result<Made> = worker.join().unwrap_or_else(|panic| Err(bug(source, panic)));
        // What the worker met came before, in the text.
        made.and_then(|made| passed.map(|()| made))
    })
}

fn bug(source: &Source, panic: Box<dyn std::any::Any + Send>) -> Error {
    super::build::bug(source, &crate::pool::panicked(panic).0)
}
