//! The pass that makes an archive's index: may be stopped at any time, and goes on
//! from its last point; what comes out is the same, byte for byte.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use xxhash_rust::xxh3::xxh3_64;

use super::index_file::{self, About, IndexFile};
use super::page::{Entry, MEMBERS};
use super::partial::{Partial, Resume};
use super::parts::Parts;
use super::point::Point;
use super::speculate;
use super::walker::{Step, Walker};
use crate::error::{Error, Result};
use crate::index::Progress;

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
}

impl Plan {
    /// The plan of a pass as users make it.
    pub fn new(threads: usize, is_new: bool) -> Plan {
        Plan { threads, is_new, save_every: Duration::from_secs(2), stretch: 16 << 20 }
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

/// The name of the file that grows while the index at `path` is built.
pub(super) fn partial_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

/// Builds the index of an archive at `path`. Where the archive is damaged, the index of
/// what comes before is written, and not confirmed; the next call goes on from there.
pub(super) fn build(parts: &Parts, path: &Path, plan: &Plan, progress: &Progress) -> Result<Built> {
    progress.begin(parts.size());
    let mut partial = Partial::open(&partial_path(path), plan.is_new, || parts.ids())?;
    let mut walker = match &partial.resume {
        Some(resume) => resume_at(parts, &partial, resume)?,
        None => Walker::new(parts),
    };
    let resumed_at = partial.resume.as_ref().map_or(0, |resume| resume.point.bit / 8);
    progress.advance(resumed_at)?;
    let mut pass = Pass {
        parts,
        partial: &mut partial,
        page: Vec::new(),
        plan,
        progress,
        done: resumed_at,
        saved: Instant::now(),
        met: 0,
    };
    let damage = match pass.run(&mut walker) {
        Ok(()) => None,
        Err(error @ (Error::Format { .. } | Error::Truncated { .. })) => Some(error),
        Err(error) => return Err(error),
    };
    let (last, met) = (std::mem::take(&mut pass.page), pass.met);
    parts.check_unchanged()?;
    let about = About {
        members: 0,
        tar_bytes: walker.offset(),
        stream_bytes: walker.stream_bit().div_ceil(8),
        is_confirmed: damage.is_none(),
        parts: parts.ids()?,
        root: Vec::new(),
        damage: damage.as_ref().map(ToString::to_string).unwrap_or_default(),
    };
    if partial.pages.is_empty() && last.is_empty() {
        let empty = || parts.error_at(0, "the archive has no members");
        partial.remove()?;
        return Err(damage.unwrap_or_else(empty));
    }
    index_file::write(path, &partial, &last, about)?;
    if damage.is_none() {
        partial.remove()?;
    }
    Ok(Built { resumed_at, met, damage })
}

/// A walker at the point, if the archive up to there is what it was.
fn resume_at<'a>(parts: &'a Parts, partial: &Partial, resume: &Resume) -> Result<Walker<'a>> {
    let byte = resume.point.bit / 8;
    parts.check_ids_before(&partial.parts, byte)?;
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
    partial: &'a mut Partial,
    /// Members that do not fill a page yet.
    page: Vec<Entry>,
    plan: &'a Plan,
    progress: &'a Progress,
    done: u64,
    saved: Instant,
    met: usize,
}

impl<'a> Pass<'a> {
    /// Walks to the end. Whatever happens, all members found so far are kept.
    fn run(&mut self, walker: &mut Walker<'a>) -> Result<()> {
        let helpers = self.plan.threads.saturating_sub(1) as u64;
        loop {
            let left = self.parts.size().saturating_sub(walker.stream_bit() / 8);
            let helpers = helpers.min((left / self.plan.stretch).saturating_sub(1));
            let is_over = AtomicBool::new(false);
            let ended = std::thread::scope(|scope| {
                let ended = self.run_together(walker, helpers, scope, &is_over);
                // After an error nobody waits for what the others find.
                is_over.store(true, Ordering::Relaxed);
                ended
            })?;
            if ended {
                return Ok(());
            }
        }
    }

    /// One stretch for each thread; whether the stream has ended.
    fn run_together<'scope>(
        &mut self,
        walker: &mut Walker<'a>,
        helpers: u64,
        scope: &'scope std::thread::Scope<'scope, '_>,
        is_over: &'scope AtomicBool,
    ) -> Result<bool>
    where
        'a: 'scope,
    {
        let (parts, stretch) = (self.parts, self.plan.stretch);
        let first = walker.stream_bit() / 8;
        let guesses: Vec<_> = (1..=helpers)
            .map(|number| {
                let start = first + number * stretch;
                let guess = move || speculate::run(parts, start, start + stretch, is_over);
                (start, scope.spawn(guess))
            })
            .collect();
        for (start, guess) in guesses {
            while walker.stream_bit() / 8 < start {
                if self.step(walker)? {
                    return Ok(true);
                }
            }
            // A guess that panicked is one that found nothing.
            let Ok(Some(mut guess)) = guess.join() else { continue };
            while walker.stream_bit() <= guess.last_bit() {
                if let Some((entries, point)) = guess.meet(walker) {
                    *walker = Walker::resume(parts, &point)?;
                    walker.found.extend(entries);
                    self.met += 1;
                    self.take(walker)?;
                    break;
                }
                if self.step(walker)? {
                    return Ok(true);
                }
            }
        }
        if helpers == 0 {
            while !self.step(walker)? {}
            return Ok(true);
        }
        Ok(false)
    }

    /// To the next header; whether the stream has ended.
    fn step(&mut self, walker: &mut Walker<'a>) -> Result<bool> {
        let (progress, done) = (self.progress, &mut self.done);
        let mut watch = |byte: u64| {
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
    Ok(Some(index))
}
