//! The pass that makes an archive's index: may be stopped at any time, and goes on
//! from its last point; what comes out is the same, byte for byte.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

use xxhash_rust::xxh3::xxh3_64;

use super::index_file::{self, About, IndexFile};
use super::page::{Entry, MEMBERS};
use super::partial::{Partial, Resume};
use super::parts::Parts;
use super::point::Point;
use super::speculate::Guesses;
use super::sums::{Sum, Sums};
use super::walker::{Step, Walker};
use crate::error::{Error, Result};
use crate::index::Progress;
use crate::index::append_log::{partial_path, remove_left};

/// So many bytes of the stream before a point have to be what they were.
const TAIL: u64 = 64 << 10;

/// How an index is built.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub threads: usize,
    /// Forget what was built before.
    pub is_new: bool,
    /// A crash loses so much time.
    pub save_every: Duration,
    /// Each thread inflates so many bytes of the stream before they meet.
    pub stretch: u64,
    /// The parts' SHA-256 sums by their names, where they are to be compared.
    pub sums: Option<HashMap<OsString, Sum>>,
}

impl Plan {
    /// The plan of a pass as users make it.
    pub fn new(threads: usize, is_new: bool) -> Plan {
        let save_every = Duration::from_secs(2);
        Plan { threads, is_new, save_every, stretch: 16 << 20, sums: None }
    }
}

/// What a pass did.
#[derive(Debug)]
pub(super) struct Built {
    /// Bytes of the stream that an earlier pass had done.
    pub resumed_at: u64,
    /// Stretches that other threads did in advance, and were proved right.
    pub met: usize,
    /// Why the archive could not be read to its end.
    pub damage: Option<Error>,
}

/// Builds the index of an archive at `path`. Where the archive is damaged, the index of
/// what comes before is written, and not confirmed; the next call goes on from there.
pub(super) fn build(parts: &Parts, path: &Path, plan: &Plan, progress: &Progress) -> Result<Built> {
    progress.begin(parts.size());
    let mut partial = Partial::open(&partial_path(path), plan.is_new, || parts.ids())?;
    if let Some(number) = parts.first_changed(&partial.parts)? {
        // The damaged part was replaced, or an earlier one.
        let start = parts.starts()[number];
        partial.rewind(|point| point.bit / 8 <= start)?;
    }
    let mut walker = match &partial.resume {
        Some(resume) => resume_at(parts, resume)?,
        None => Walker::new(parts),
    };
    partial.know(parts.ids()?)?;
    let resumed_at = partial.resume.as_ref().map_or(0, |resume| resume.point.bit / 8);
    progress.advance(resumed_at)?;
    let sums = plan.sums.as_ref().map(|by_name| Sums::new(parts, by_name)).transpose()?;
    if let (Some(sums), Some((right, hash))) = (&sums, partial.summed) {
        sums.pass_over(right, hash);
    }
    let mut pass = Pass {
        parts,
        sums: sums.as_ref(),
        partial: &mut partial,
        page: Vec::new(),
        plan,
        progress,
        done: resumed_at,
        saved: Instant::now(),
        met: 0,
    };
    let (result, wrong) = pass.run_summed(&mut walker, resumed_at)?;
    let (mut last, met) = (std::mem::take(&mut pass.page), pass.met);
    parts.check_unchanged()?;
    let mut ends = (walker.offset(), walker.stream_bit().div_ceil(8));
    // Where the sums tell which part is damaged, what comes before it can be trusted.
    let wrong_since = walker.wrong_since.filter(|_| wrong.is_none());
    let damage = match (result, wrong) {
        (_, Some((part, error))) => {
            // What was found in the wrong part is forgotten, so that the next pass goes on
            // before it.
            let start = parts.starts()[part];
            partial.rewind(|point| point.bit / 8 <= start)?;
            last.clear();
            let point = partial.resume.as_ref().map(|resume| &resume.point);
            ends = point.map_or((0, 0), |point| (point.offset, point.bit / 8));
            Some(error)
        }
        (Ok(()), None) => None,
        (Err(error @ (Error::Format { .. } | Error::Truncated { .. })), None) => {
            Some(parts.with_cut_part(error))
        }
        (Err(error), None) => return Err(error),
    };
    let about = About {
        members: 0,
        tar_bytes: ends.0,
        stream_bytes: ends.1,
        is_confirmed: damage.is_none(),
        parts: parts.ids()?,
        root: Vec::new(),
        damage: damage.as_ref().map(ToString::to_string).unwrap_or_default(),
    };
    if partial.page_count() == 0 && last.is_empty() {
        let empty = || parts.error_at(0, "the archive has no members");
        partial.remove()?;
        return Err(damage.unwrap_or_else(empty));
    }
    index_file::write(path, &mut partial, &last, about)?;
    if let Some(begin) = wrong_since {
        // Any part may be the damaged one, so the next pass trusts none.
        partial.rewind(|point| point.offset <= begin)?;
    }
    if damage.is_none() {
        partial.remove()?;
    }
    Ok(Built { resumed_at, met, damage })
}

/// A walker at the point, if the archive up to there is what it was.
fn resume_at<'a>(parts: &'a Parts, resume: &Resume) -> Result<Walker<'a>> {
    let byte = resume.point.bit / 8;
    if tail_hash(parts, &resume.point)? != resume.tail {
        return Err(parts.changed_at(
            byte.saturating_sub(1),
            "its bytes before the place where indexing stopped are other ones than then",
        ));
    }
    Walker::resume(parts, &resume.point)
}

fn tail_hash(parts: &Parts, point: &Point) -> Result<u64> {
    let end = point.bit / 8;
    let start = end.saturating_sub(TAIL);
    let mut bytes = vec![0; (end - start) as usize];
    let count = parts.read(start, &mut bytes)?;
    Ok(xxh3_64(&bytes[..count]))
}

struct Pass<'a> {
    parts: &'a Parts,
    sums: Option<&'a Sums>,
    partial: &'a mut Partial,
    /// Members that do not fill a page yet.
    page: Vec<Entry>,
    plan: &'a Plan,
    progress: &'a Progress,
    done: u64,
    saved: Instant,
    met: usize,
}

/// A part whose sum is another one, and the error that says so.
type Wrong = Option<(usize, Error)>;

impl<'a> Pass<'a> {
    /// Walks to the end, while the parts' sums are compared, if they are known.
    fn run_summed(
        &mut self,
        walker: &mut Walker<'a>,
        resumed_at: u64,
    ) -> Result<(Result<()>, Wrong)> {
        let Some(sums) = self.sums else { return Ok((self.run(walker), None)) };
        let parts = self.parts;
        std::thread::scope(|scope| {
            let beside = scope.spawn(|| sums.run(parts));
            sums.reach(resumed_at);
            let result = self.run(walker);
            match &result {
                Ok(()) => sums.reach(parts.size()),
                Err(_) => sums.reach(walker.stream_bit() / 8),
            }
            match &result {
                Ok(()) | Err(Error::Format { .. } | Error::Truncated { .. }) => sums.finish(),
                Err(_) => sums.stop(),
            }
            let wrong = beside.join().map_err(|_| Error::Bug {
                path: parts.first().to_owned(),
                message: "the thread that sums up the parts panicked".to_owned(),
            })??;
            Ok((result, wrong))
        })
    }

    /// Walks to the end. Whatever happens, all members found so far are kept.
    fn run(&mut self, walker: &mut Walker<'a>) -> Result<()> {
        let stretch = self.plan.stretch;
        let first = walker.stream_bit() / 8;
        let left = self.parts.size().saturating_sub(first) / stretch;
        let helpers = (self.plan.threads as u64).min(left).saturating_sub(1);
        let guesses = Guesses::new(self.parts, first, helpers, stretch);
        std::thread::scope(|scope| {
            for _ in 0..helpers {
                scope.spawn(|| guesses.work());
            }
            // Whatever comes, nobody waits for what the others find then.
            let _end = guesses.end_when_dropped();
            self.run_to_guesses(walker, &guesses)
        })
    }

    /// Walks to the end, and passes over what was guessed and is right.
    fn run_to_guesses(&mut self, walker: &mut Walker<'a>, guesses: &Guesses<'_>) -> Result<()> {
        while let Some(start) = guesses.next_start() {
            while walker.stream_bit() / 8 < start {
                if self.step(walker)? {
                    return Ok(());
                }
            }
            let Some(mut guess) = guesses.next() else { continue };
            while walker.stream_bit() <= guess.last_bit() {
                if let Some((entries, point)) = guess.meet(walker) {
                    *walker = Walker::resume(self.parts, &point)?;
                    walker.found.extend(entries);
                    self.met += 1;
                    self.take(walker)?;
                    break;
                }
                if self.step(walker)? {
                    return Ok(());
                }
            }
        }
        while !self.step(walker)? {}
        Ok(())
    }

    /// To the next header; whether the stream has ended.
    fn step(&mut self, walker: &mut Walker<'a>) -> Result<bool> {
        let (progress, sums, done) = (self.progress, self.sums, &mut self.done);
        let mut watch = |byte: u64| {
            if let Some(sums) = sums {
                sums.reach(byte);
                if sums.is_wrong() {
                    return Err(Error::Stopped);
                }
            }
            let new = byte.saturating_sub(*done);
            *done = byte.max(*done);
            progress.advance(new)
        };
        let step = walker.step(&mut watch);
        self.take(walker)?;
        let is_due = self.saved.elapsed() >= self.plan.save_every;
        match step? {
            Step::End => return Ok(true),
            Step::Header if is_due && self.page.is_empty() => {
                let point = walker.point();
                let tail = tail_hash(self.parts, &point)?;
                if let Some(sums) = self.sums {
                    let (right, hash) = sums.right();
                    self.partial.append_sums(right, hash)?;
                }
                self.partial.append_point(point, tail)?;
                self.saved = Instant::now();
            }
            Step::Header => {}
        }
        Ok(false)
    }

    /// Takes the members that the walker found.
    fn take(&mut self, walker: &mut Walker<'_>) -> Result<()> {
        while let Some(entry) = walker.found.pop_front() {
            self.page.push(entry);
            if self.page.len() == MEMBERS {
                self.partial.append_page(&self.page)?;
                self.page.clear();
            }
        }
        Ok(())
    }
}

/// The index at `path`, if it is one of this archive and covers all of it.
pub(super) fn complete(parts: &Parts, path: &Path) -> Result<Option<IndexFile>> {
    let Some(index) = IndexFile::open(path)? else { return Ok(None) };
    if !index.about.is_confirmed {
        return Ok(None);
    }
    parts.check_ids(&index.about.parts, usize::MAX)?;
    remove_left(path);
    Ok(Some(index))
}

/// Compares the parts' sums without a pass.
pub(super) fn check_sums(parts: &Parts, by_name: &HashMap<OsString, Sum>) -> Result<()> {
    let sums = Sums::new(parts, by_name)?;
    sums.reach(parts.size());
    sums.run(parts)?.map_or(Ok(()), |(_, error)| Err(error))
}
