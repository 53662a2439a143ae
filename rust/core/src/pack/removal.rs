//! A split archive that becomes one tar, its parts removed on the way: at no time are
//! there two archives on the disk. Nothing is removed before the whole stream's own
//! checksum has been seen, which the index says.
//!
//! ```text
//! parts        ░░00░░ ░░01░░ │ 02 ... │ 03 ...     ░ gone
//! members  ...──────────────▲│                     needs nothing before 02
//! X.tar.part   synced, read back, its state synced up to here: 01 may go, then does
//! ```
//! A member is read from its own place, for which the index holds all of the inflate's
//! state. So the parts that a member needs are known beforehand, and a part is removed
//! once the last member that needs any byte of it is in a state that is on the disk.
//! Whatever moment the work is killed at, a part that is gone is not needed again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::archive::{Batches, bytes_in_tar};
use super::journal::{self, Journal};
use super::{Pack, State, beside};
use crate::error::{Error, Result};
use crate::index::{Progress, sidecar};
use crate::store::{END, TarGz};

/// So many bytes are read at once at most.
const BATCH: u64 = 32 << 20;

/// A pack in the making, and the archive that it takes the place of.
#[derive(Debug)]
pub struct PartRemoval {
    out: PathBuf,
    journal: Journal,
    archive: Arc<TarGz>,
    /// So many of the first parts are gone, or have to go before all others.
    gone: usize,
    needs: Needs,
    stage: Stage,
}

/// How far the work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing is written.
    New,
    Begun,
    /// The pack has its name.
    Finished,
}

/// What the archive's members need, from a look at the index.
#[derive(Debug, Default)]
struct Needs {
    /// How many members have to be in the pack before a part may go, and the length of
    /// the pack then.
    parts: Vec<(u64, u64)>,
    /// The length of the tar.
    length: u64,
    /// The most bytes of one member in it.
    largest: u64,
    members: u64,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovalReport {
    /// The tar's index.
    pub index: PathBuf,
    /// Members of the tar.
    pub members: u64,
    /// How many of them an earlier run had written.
    pub resumed: u64,
    /// The length of the tar without its end.
    pub bytes: u64,
    /// The parts that this run has removed.
    pub removed: Vec<PathBuf>,
}

impl PartRemoval {
    /// Looks at what is to be done. Nothing is written or removed. All members have to be
    /// such as a pack takes, since the others would be lost.
    pub fn begin(
        out: &Path,
        parts: &[PathBuf],
        index: Option<&Path>,
        progress: &Progress,
    ) -> Result<PartRemoval> {
        if out.exists() {
            let source = std::io::ErrorKind::AlreadyExists.into();
            return Err(Error::Io { path: out.to_owned(), action: "write", source });
        }
        if beside(out, ".part").exists() {
            let reason = "it was begun without removing parts: repeat that, or remove it";
            let source = std::io::Error::other(reason);
            return Err(Error::Io { path: beside(out, ".part"), action: "go on with", source });
        }
        let archive = TarGz::open(parts, index, progress)?;
        archive.check_is_whole()?;
        let journal = Journal {
            index: archive.index_path().to_owned(),
            parts: archive.archives().map(|(path, _)| path.to_owned()).collect(),
            identity: archive.identity(),
        };
        let needs = Needs::of(&archive, progress)?;
        let (out, archive) = (out.to_owned(), Arc::new(archive));
        Ok(PartRemoval { out, journal, archive, gone: 0, needs, stage: Stage::New })
    }

    /// What an earlier run began; `None` where there is nothing to go on with.
    pub fn resume(out: &Path, progress: &Progress) -> Result<Option<PartRemoval>> {
        let Some(journal) = Journal::read(out)? else { return Ok(None) };
        let archive = TarGz::open_rest(&journal.parts, &journal::index_of(out))?;
        if archive.identity() != journal.identity {
            return Err(damaged(out, "the index kept for it is one of another archive"));
        }
        let needs = Needs::of(&archive, progress)?;
        let (out, archive) = (out.to_owned(), Arc::new(archive));
        let stage = if out.exists() { Stage::Finished } else { Stage::Begun };
        let removal = PartRemoval { out, journal, archive, gone: 0, needs, stage };
        let position = removal.position()?;
        let may_go = if stage == Stage::Finished {
            removal.journal.parts.len()
        } else {
            let may = removal.needs.parts.iter().take_while(|(count, _)| *count <= position);
            may.count().min(removal.last())
        };
        let there = removal.archive.are_there();
        match (may_go..there.len()).find(|&number| !there[number]) {
            Some(lost) => Err(still_needed(&removal.journal.parts[lost])),
            None => Ok(Some(removal)),
        }
    }

    /// How many members are known to be in the pack.
    fn position(&self) -> Result<u64> {
        let (part, state) = (beside(&self.out, ".part"), beside(&self.out, ".part.state"));
        let state = std::fs::read(state).ok().and_then(|bytes| State::decode(&bytes));
        let state = state.filter(|state| state.plan == self.journal.plan());
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |found| found.len());
        if self.out.exists() {
            let end = END.len() as u64;
            return match state {
                Some(state) if !part.exists() && size(&self.out) == state.length + end => {
                    Ok(state.position)
                }
                _ => Err(damaged(&self.out, "it is not the pack that was being written")),
            };
        }
        match state {
            Some(state) if state.length <= size(&part) => Ok(state.position),
            // Killed before anything was written, let alone removed.
            None if self.archive.are_there().iter().all(|&is_there| is_there) => Ok(0),
            _ => Err(damaged(&part, "it is shorter than it was, or its .state is not its own")),
        }
    }

    fn last(&self) -> usize {
        self.journal.parts.len() - 1
    }

    /// The parts that are still there, which are going to be removed.
    #[must_use]
    pub fn parts(&self) -> Vec<PathBuf> {
        let there = self.archive.are_there().into_iter().zip(&self.journal.parts);
        there.filter(|(is_there, _)| *is_there).map(|(_, part)| part.clone()).collect()
    }

    /// All parts, also those that are gone.
    #[must_use]
    pub fn all_parts(&self) -> &[PathBuf] {
        &self.journal.parts
    }

    /// The length that the tar will have.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.needs.length
    }

    /// How many bytes the disk has to have free now, for the work to come to its end.
    #[must_use]
    pub fn bytes_needed(&self, stride: u64) -> u64 {
        let written = std::fs::metadata(beside(&self.out, ".part")).map_or(0, |found| found.len());
        let sizes = self.archive.part_sizes().into_iter().zip(self.archive.are_there());
        // An entry of the tar's index has at most 25 bytes, its checks included.
        let end = self.needs.length + 25 * self.needs.members + (8 << 10);
        let batch = BATCH.min(stride) + self.needs.largest;
        let (mut freed, mut most) = (0, 0);
        for (&(_, length), (size, is_there)) in self.needs.parts.iter().zip(sizes).take(self.last())
        {
            if is_there {
                most = most.max((length + batch).min(end).saturating_sub(freed));
                freed += size;
            }
        }
        most.max(end.saturating_sub(freed)).saturating_sub(written)
    }

    /// Packs and removes. May be killed at any moment, and goes on from there.
    pub fn run(
        mut self,
        threads: usize,
        stride: u64,
        progress: &Progress,
    ) -> Result<RemovalReport> {
        let mut report = RemovalReport {
            index: beside(&self.out, ".tfidx"),
            members: self.needs.members,
            resumed: self.needs.members,
            bytes: self.needs.length - END.len() as u64,
            removed: Vec::new(),
        };
        progress.begin(self.needs.length);
        if self.stage == Stage::New {
            self.keep_index()?;
            progress.check()?;
            self.journal.write(&self.out)?;
            progress.check()?;
        }
        if self.stage != Stage::Finished {
            self.pack(threads, stride, progress, &mut report)?;
        }
        // The pack is whole, read back, and has its name.
        while self.gone < self.journal.parts.len() {
            progress.check()?;
            self.remove_next(&mut report)?;
        }
        progress.check()?;
        PartRemoval::clear(&self.out, &self.journal)?;
        Ok(report)
    }

    fn pack(
        &mut self,
        threads: usize,
        stride: u64,
        progress: &Progress,
        report: &mut RemovalReport,
    ) -> Result<()> {
        let pack = Pack::open(&self.out, self.journal.plan(), stride)?;
        let Some(mut pack) = pack else {
            return Err(damaged(&self.out, "another process has finished it"));
        };
        pack.read_back();
        report.resumed = pack.resumed();
        self.remove_done(pack.resumed(), progress, report)?;
        progress.advance(pack.length())?;
        let batch_bytes = BATCH.min(stride);
        let mut batches = Batches::new(Arc::clone(&self.archive), batch_bytes, None);
        while let Some(batch) = batches.read_next(pack.left_to_pass(), threads)? {
            let before = pack.length();
            pack.add_batch(&batch)?;
            let position = u64::from(batches.position());
            let is_due = self.gone < self.last() && self.needs.parts[self.gone].0 <= position;
            if is_due && position > pack.resumed() {
                progress.check()?;
                pack.checkpoint()?;
                progress.check()?;
                if self.remove_done(position, progress, report)? {
                    batches.replace(Arc::clone(&self.archive));
                }
            }
            progress.advance(pack.length() - before)?;
        }
        // What removal rests on: all that the index names is there.
        if pack.length() + END.len() as u64 != self.needs.length {
            return Err(damaged(&beside(&self.out, ".part"), "it is not as long as it has to be"));
        }
        progress.check()?;
        pack.end(&Progress::default()).map(drop)
    }

    /// Removes the parts that nothing after `position` members needs, but never the last;
    /// whether there were any.
    fn remove_done(
        &mut self,
        position: u64,
        progress: &Progress,
        report: &mut RemovalReport,
    ) -> Result<bool> {
        let before = self.gone;
        while self.gone < self.last() && self.needs.parts[self.gone].0 <= position {
            self.remove_next(report)?;
            progress.check()?;
        }
        if self.gone > before {
            // The files that are gone are closed with this, which gives their space back.
            let index = journal::index_of(&self.out);
            self.archive = Arc::new(TarGz::open_rest(&self.journal.parts, &index)?);
        }
        Ok(self.gone > before)
    }

    /// Removes one part, if it is still the file that was packed.
    fn remove_next(&mut self, report: &mut RemovalReport) -> Result<()> {
        let part = &self.journal.parts[self.gone];
        if !self.archive.are_there()[self.gone] {
            self.gone += 1;
            return Ok(());
        }
        self.archive.check_part(self.gone)?;
        std::fs::remove_file(part).map_err(|source| Error::Io {
            path: part.clone(),
            action: "remove",
            source,
        })?;
        sidecar::sync_folder_of(part);
        report.removed.push(part.clone());
        self.gone += 1;
        Ok(())
    }

    /// A second name for the index, so that nobody takes it away with the first part.
    fn keep_index(&self) -> Result<()> {
        let kept = journal::index_of(&self.out);
        let temporary = sidecar::temporary_name(&kept);
        let from = &self.journal.index;
        // Another file system, or one without hard links.
        let copy = |_| {
            std::fs::copy(from, &temporary)?;
            std::fs::File::open(&temporary)?.sync_all()
        };
        let kept_is = std::fs::hard_link(from, &temporary).or_else(copy);
        // Of two names of one file the renaming would leave both.
        let _ = std::fs::remove_file(&kept);
        let kept_is = kept_is.and_then(|()| std::fs::rename(&temporary, &kept)).inspect_err(|_| {
            let _ = std::fs::remove_file(&temporary);
        });
        kept_is.map_err(|source| Error::Io { path: kept.clone(), action: "write", source })?;
        sidecar::sync_folder_of(&kept);
        Ok(())
    }

    /// Takes away what is left of an archive whose parts are all gone and whose pack has
    /// its name; whether that is so.
    pub fn clear_finished(out: &Path) -> Result<bool> {
        let Some(journal) = Journal::read(out)? else { return Ok(false) };
        let is_finished = out.exists() && !beside(out, ".part").exists();
        if !is_finished || journal.parts.iter().any(|part| part.exists()) {
            return Ok(false);
        }
        PartRemoval::clear(out, &journal)?;
        Ok(true)
    }

    /// Removes all that is left of the archive and of the work, the journal last.
    fn clear(out: &Path, journal: &Journal) -> Result<()> {
        let state = beside(out, ".part.state");
        let (kept, own) = (journal::index_of(out), journal::path_of(out));
        for path in [&state, &kept, &own, &beside(out, ".tfidx")] {
            sidecar::remove_leftovers(path);
        }
        for path in [&journal.index, &kept, &state, &own] {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::Io { path: path.clone(), action: "remove", source: error });
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Needs {
    fn of(archive: &TarGz, progress: &Progress) -> Result<Needs> {
        let count = archive.member_count();
        progress.begin(u64::from(count));
        let mut parts = vec![(0, 0); archive.part_sizes().len()];
        let (mut length, mut largest) = (0, 0);
        for number in 0..count {
            let member = archive.member(number)?.map_err(|reason| Error::Io {
                path: archive.first_part().to_owned(),
                action: "remove the parts of",
                source: std::io::Error::other(format!(
                    "{reason}: it would be lost; pack without removing them"
                )),
            })?;
            let taken = bytes_in_tar(&member);
            length += taken;
            largest = largest.max(taken);
            for part in archive.parts_of(&member) {
                parts[part] = (u64::from(number) + 1, length);
            }
            progress.advance(1)?;
        }
        // In their order: none goes before the one before it.
        for number in 1..parts.len() {
            parts[number] = parts[number].max(parts[number - 1]);
        }
        let length = length + END.len() as u64;
        Ok(Needs { parts, length, largest, members: u64::from(count) })
    }
}

fn still_needed(part: &Path) -> Error {
    let reason = "it is gone, and not all of it is in the pack: put it back";
    let source = std::io::Error::new(std::io::ErrorKind::NotFound, reason);
    Error::Io { path: part.to_owned(), action: "go on without", source }
}

fn damaged(path: &Path, reason: &str) -> Error {
    let reason = format!("{reason}: nothing is removed or written");
    Error::Io { path: path.to_owned(), action: "go on with", source: std::io::Error::other(reason) }
}
