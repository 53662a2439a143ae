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
    mut look: impl FnMut(&Member<'_>) -> Result<()>,
) -> Result<End> {
    let size = source.size();
    progress.begin(size);
    let mut window = Window::default();
    let mut walk = TarWalk::new();
    let mut untold = 0;
    let mut told = 0;
    loop {
        let at = walk.at();
        let Some(block) = window.block(source, at)? else {
            return Ok(end_of_file(&walk, size));
        };
        match walk.feed(block) {
            Ok(Event::More) => {}
            Ok(Event::End) => return Ok(End::Marked),
            Ok(Event::Member(member)) => {
                look(&member)?;
                if member.data.checked_add(member.size).is_none_or(|end| end > size) {
                    return Ok(End::Damaged(cut(member.start, size)));
                }
            }
            Err(fault) => return Ok(End::Damaged(fault)),
        }
        untold = u32::wrapping_add(untold, 1);
        if untold >= STRIDE {
            progress.advance(at.saturating_sub(told))?;
            (untold, told) = (0, at);
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
#[derive(Default)]
struct Window {
    bytes: Vec<u8>,
    start: u64,
    /// How much of `bytes` was read.
    length: usize,
}

impl Window {
    /// The block at `at`, or `None` where the file has no whole block there.
    fn block(&mut self, source: &Source, at: u64) -> Result<Option<&Block>> {
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
