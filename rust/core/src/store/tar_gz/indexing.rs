//! How an archive gets its index: where it lies, whether there is one already, and what is
//! known of it.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::build::{self, Plan};
use super::index_file::{self, IndexFile};
use super::parts::Parts;
use super::split;
use super::sums::Sum;
use crate::error::{Error, Result};
use crate::index::append_log::partial_path;
use crate::index::{Progress, sidecar};

/// How an archive's index is built.
#[derive(Debug, Clone)]
pub struct IndexOptions {
    /// How many threads inflate.
    pub threads: usize,
    /// Build it anew, whatever is there.
    pub rebuild: bool,
    /// The index's file; `None` for beside the first part.
    pub path: Option<PathBuf>,
    /// A crash loses so much of the pass at most.
    pub save_every: Duration,
    /// The parts' SHA-256 sums by their file names, which have to be theirs; `None` where
    /// they are not known.
    pub sums: Option<HashMap<OsString, Sum>>,
}

/// What is known of an archive's index.
#[derive(Debug, Clone)]
pub struct IndexSummary {
    /// The index's file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Members of the archive that are no folders.
    pub members: u64,
    /// The parts, as they were given.
    pub parts: Vec<PathBuf>,
    /// Bytes of all parts.
    pub archive_bytes: u64,
    /// Bytes of the tar that is in them, as far as it is indexed.
    pub tar_bytes: u64,
    /// The whole stream was inflated and its own checksum was right.
    pub is_confirmed: bool,
    /// Why the index covers only what comes before; empty where it covers all.
    pub damage: String,
    /// Seconds of the pass; `None` where the index was there.
    pub seconds: Option<f64>,
    /// Bytes of the parts that an earlier pass had done.
    pub resumed_at: u64,
    /// Stretches of the stream that further threads inflated in advance.
    pub stretches_in_advance: usize,
}

/// Builds the index of an archive, or finds that it is there. Goes on where an earlier
/// call stopped. A damaged archive is an error, but what comes before the damage can be
/// read from then on.
pub fn build_index(
    parts: &[PathBuf],
    options: &IndexOptions,
    progress: &Progress,
) -> Result<IndexSummary> {
    let parts = Parts::open(&split::complete(parts)?)?.indexed_at(options.path.as_deref());
    parts.check_is_gzip()?;
    let path = match &options.path {
        Some(path) => {
            check_is_free(path)?;
            path.clone()
        }
        None => beside(&parts)?,
    };
    let plan = Plan {
        save_every: options.save_every,
        sums: options.sums.clone(),
        ..Plan::new(options.threads, options.rebuild)
    };
    build_at(&parts, &path, &plan, progress)
}

pub(super) fn build_at(
    parts: &Parts,
    path: &Path,
    plan: &Plan,
    progress: &Progress,
) -> Result<IndexSummary> {
    if !plan.is_new
        && let Some(index) = build::complete(parts, path)?
    {
        if let Some(sums) = &plan.sums {
            build::check_sums(parts, sums)?;
        }
        return Ok(summary(parts, &index));
    }
    let begin = std::time::Instant::now();
    let built = build::build(parts, path, plan, progress)?;
    if let Some(damage) = built.damage {
        return Err(damage);
    }
    let seconds = Some(begin.elapsed().as_secs_f64());
    let index = IndexFile::open(path)?.ok_or_else(|| lost(path))?;
    Ok(IndexSummary {
        seconds,
        resumed_at: built.resumed_at,
        stretches_in_advance: built.met,
        ..summary(parts, &index)
    })
}

pub(super) fn lost(path: &Path) -> Error {
    let source = std::io::ErrorKind::NotFound.into();
    Error::Io { path: path.to_owned(), action: "open the index", source }
}

pub(super) fn summary(parts: &Parts, index: &IndexFile) -> IndexSummary {
    IndexSummary {
        path: index.path().to_owned(),
        bytes: index.bytes(),
        members: index.about.members,
        parts: parts.paths().map(Path::to_owned).collect(),
        archive_bytes: parts.size(),
        tar_bytes: index.about.tar_bytes,
        is_confirmed: index.about.is_confirmed,
        damage: index.about.damage.clone(),
        seconds: None,
        resumed_at: 0,
        stretches_in_advance: 0,
    }
}

/// Fails where something else than an index stands where one would be written.
fn check_is_free(path: &Path) -> Result<()> {
    let other = [path.to_owned(), partial_path(path)]
        .into_iter()
        .find(|path| path.exists() && !index_file::is_replaceable(path));
    other.map_or(Ok(()), |path| {
        let reason = "it is there, and is no index of an archive: name another file";
        let source = std::io::Error::new(std::io::ErrorKind::AlreadyExists, reason);
        Err(Error::Io { path, action: "write the index", source })
    })
}

/// The index's place beside the first part.
pub(super) fn beside(parts: &Parts) -> Result<PathBuf> {
    let places = sidecar::places(parts.first_source()?);
    places.into_iter().next().ok_or_else(|| lost(parts.first()))
}

pub(super) fn missing(parts: &Parts, places: &[PathBuf]) -> Error {
    let partial = places.iter().any(|place| partial_path(place).exists());
    let state = if places.iter().any(|place| index_file::is_index(place)) {
        "is of another version of this library"
    } else if partial {
        "is not finished"
    } else {
        "has not been built"
    };
    let (path, command) = (parts.first().to_owned(), parts.index_command(&[]));
    Error::IndexMissing { path, state, bytes: parts.size(), command }
}

/// Indexes a small archive: beside it, in the cache folder, or in a file that is gone
/// with the process.
pub(super) fn index_small(
    parts: &Parts,
    places: &[PathBuf],
    progress: &Progress,
) -> Result<IndexFile> {
    let temporary =
        std::env::temp_dir().join(format!("textbook_fast.{}.tfidx", std::process::id()));
    for place in places.iter().chain([&temporary]) {
        if let Some(folder) = place.parent() {
            let _ = std::fs::create_dir_all(folder);
        }
        let plan = Plan::new(1, false);
        match build::build(parts, place, &plan, progress) {
            // What comes before damage is readable, and the damage is told of.
            Ok(_) => {}
            Err(Error::Io { action, .. }) if action == "write the index" && *place != temporary => {
                continue;
            }
            Err(error) => return Err(error),
        }
        let index = IndexFile::open(place)?.ok_or_else(|| lost(place));
        if *place == temporary {
            let _ = std::fs::remove_file(place);
            let _ = std::fs::remove_file(partial_path(place));
        }
        return index;
    }
    Err(lost(&temporary))
}
