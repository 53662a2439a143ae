//! The members of a tar file, one after the other: its headers are read, its data is
//! passed over.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use super::tar_header::{BLOCK, Block};
use super::tar_walk::{Event, Member, TarFault, TarWalk};
use crate::error::Result;
use crate::index::Progress;
use crate::source::Source;

/// So much is read at a first header. Most members have no other, and what is read costs
/// by the cache line.
const SMALL_WINDOW: usize = BLOCK;
/// Where members are small, the next headers are read along.
const LARGE_WINDOW: usize = 256 << 10;
/// The progress is told each so many members.
const STRIDE: u32 = 1024;

/// How the members of an archive ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// With the zero block that ends a tar.
    Marked,
    /// With the file, after a whole member: some writers leave the mark out.
    Unmarked,
    /// In a broken header, or inside a member. What came before is good.
    Damaged(TarFault),
}

/// Shows every member to `look`. A member whose data is cut off is still shown.
pub fn scan(
    source: &Source,
    progress: &Progress,
    look: impl FnMut(&Member<'_>) -> Result<()>,
) -> Result<End> {
    progress.begin(source.size());
    let end = Scan::default().run(source, progress, None, look)?;
    Ok(end.unwrap_or(End::Unmarked))
}

/// A walk over a file, one member at a time.
#[derive(Debug, Default)]
pub struct Scan {
    window: Window,
    walk: TarWalk,
    end: Option<End>,
}

/// What a walk comes to.
#[derive(Debug)]
pub enum Step<R> {
    /// A member, and what was made of it.
    Member(R),
    /// The end of the archive.
    End(End),
}

impl Scan {
    /// A walk that begins between two members.
    pub(super) fn resume(at: u64) -> Scan {
        Scan { walk: TarWalk::resume(at), ..Scan::default() }
    }

    /// Where the next header lies.
    pub(super) fn at(&self) -> u64 {
        self.walk.at()
    }

    /// Shows the members that begin before `until` to `look`. The end, if it came there.
    pub(super) fn run(
        &mut self,
        source: &Source,
        progress: &Progress,
        until: Option<u64>,
        mut look: impl FnMut(&Member<'_>) -> Result<()>,
    ) -> Result<Option<End>> {
        let (mut untold, mut told) = (0, self.at());
        while until.is_none_or(|until| self.at() < until) {
            if let Step::End(end) = self.next(source, &mut look)? {
                return Ok(Some(end));
            }
            untold = u32::wrapping_add(untold, 1);
            if untold >= STRIDE {
                progress.advance(self.at().saturating_sub(told))?;
                (untold, told) = (0, self.at());
            }
        }
        Ok(None)
    }

    /// Shows the next member to `look`. A member whose data is cut off is still shown.
    pub fn next<R>(
        &mut self,
        source: &Source,
        look: impl FnOnce(&Member<'_>) -> Result<R>,
    ) -> Result<Step<R>> {
        let size = source.size();
        loop {
            if let Some(end) = &self.end {
                return Ok(Step::End(end.clone()));
            }
            let Some(block) = self.window.block(source, self.walk.at())? else {
                self.end = Some(end_of_file(&self.walk, size));
                continue;
            };
            match self.walk.feed(block) {
                Ok(Event::More) => {}
                Ok(Event::End) => self.end = Some(End::Marked),
                Err(fault) => self.end = Some(End::Damaged(fault)),
                Ok(Event::Member(member)) => {
                    if member.data.checked_add(member.size).is_none_or(|end| end > size) {
                        self.end = Some(End::Damaged(cut(member.start, size)));
                    }
                    return look(&member).map(Step::Member);
                }
            }
        }
    }
}

fn end_of_file(walk: &TarWalk, size: u64) -> End {
    let at = walk.at();
    // The padding of the last member may be missing.
    let is_whole = walk.is_between_members() && at.saturating_sub(size) < BLOCK as u64;
    if is_whole && (at >= size) { End::Unmarked } else { End::Damaged(cut(at.min(size), size)) }
}

fn cut(offset: u64, size: u64) -> TarFault {
    TarFault {
        offset,
        reason: format!("the archive is cut: it ends at byte {size}, inside a member"),
    }
}

/// A piece of the file, read where a block is wanted that is not in it.
#[derive(Debug, Default)]
pub(super) struct Window {
    bytes: Vec<u8>,
    start: u64,
    /// How much of `bytes` was read.
    length: usize,
}

impl Window {
    /// One for blocks that follow each other.
    pub fn large() -> Window {
        Window { length: LARGE_WINDOW / 2, start: u64::MAX, ..Window::default() }
    }

    /// The block at `at`, or `None` where the file has no whole block there.
    pub fn block(&mut self, source: &Source, at: u64) -> Result<Option<&Block>> {
        if self.find(at).is_none() && at < source.size() {
            self.read(source, at)?;
        }
        Ok(self.find(at))
    }

    fn find(&self, at: u64) -> Option<&Block> {
        let from = usize::try_from(at.checked_sub(self.start)?).ok()?;
        self.bytes.get(..self.length)?.get(from..)?.first_chunk()
    }

    fn read(&mut self, source: &Source, at: u64) -> Result<()> {
        // Small members and long headers: the next block lies near.
        let gap = at.saturating_sub(self.start);
        let is_dense = gap > 0 && gap <= (self.length as u64).saturating_mul(2);
        let wanted = if is_dense { self.length.saturating_mul(2) } else { SMALL_WINDOW };
        let wanted = wanted.clamp(SMALL_WINDOW, LARGE_WINDOW);
        let left = usize::try_from(source.size().saturating_sub(at)).unwrap_or(usize::MAX);
        let length = wanted.min(left);
        if self.bytes.len() < length {
            self.bytes.resize(length, 0);
        }
        self.length = 0;
        source.read_at(self.bytes.get_mut(..length).unwrap_or_default(), at)?;
        (self.start, self.length) = (at, length);
        Ok(())
    }
}
