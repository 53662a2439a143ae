//! What is odd in a tar file: what a walk alone can tell of its members.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::BTreeMap;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use super::tar_header::Kind;
use super::tar_index::{leads_out, name_at, plain_name};
use super::tar_scan::{End, Scan};
use super::tar_walk::Member;
use crate::error::Result;
use crate::index::Progress;
use crate::source::{Access, Source};

/// Of one kind, no more than so many faults are kept; the others are counted.
const MOST: u64 = 1000;

/// Something odd, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveFault {
    /// A short stable name of what is odd.
    pub kind: &'static str,
    /// The byte of the archive at which the member begins.
    pub offset: u64,
    /// What is odd, in words.
    pub reason: String,
}

/// Looks at all members of an archive. A name that occurs twice is told at its last place,
/// the one that counts.
pub fn audit(path: &Path, progress: &Progress) -> Result<Vec<ArchiveFault>> {
    let source = Source::open(path, Access::Read)?;
    let mut faults = Faults::default();
    let mut places = Vec::new();
    let mut walk = Scan::default();
    progress.begin(source.size());
    let end = walk.run(&source, progress, None, |member| {
        look(member, &mut faults);
        if member.kind != Kind::Directory {
            places.push((xxh3_64(&plain_name(member.name)), member.start, member.data));
        }
        Ok(())
    })?;
    faults.tell_doubles(places, |start, data| name_at(&source, start, data))?;
    match end.unwrap_or(End::Unmarked) {
        End::Marked => {
            if let Some(offset) = first_not_zero(&source, walk.at(), progress)? {
                faults.tell("after_end", offset, || {
                    "bytes follow the mark that ends the archive, where tar reads no further: \
                     perhaps another archive was put behind it"
                        .to_owned()
                });
            }
        }
        End::Unmarked => faults.tell("no_end", source.size(), || {
            "no zero block ends the archive, as tar writes it: more may have followed".to_owned()
        }),
        End::Damaged(fault) => faults.tell("damaged", fault.offset, || {
            format!("{}; members after that are not known", fault.reason)
        }),
    }
    Ok(faults.finish())
}

fn first_not_zero(source: &Source, from: u64, progress: &Progress) -> Result<Option<u64>> {
    const PIECE: u64 = 1 << 20;
    let mut start = from.min(source.size());
    while start < source.size() {
        let end = source.size().min(start.saturating_add(PIECE));
        let found = source.with_range(start..end, |bytes| {
            Ok((start..end).zip(bytes).find(|&(_, &byte)| byte != 0).map(|(offset, _)| offset))
        })?;
        if found.is_some() {
            return Ok(found);
        }
        progress.advance(end.saturating_sub(start))?;
        start = end;
    }
    Ok(None)
}

fn look(member: &Member<'_>, faults: &mut Faults) {
    match member.kind {
        Kind::Sparse => faults.tell_of(SPARSE, member.start, member.name),
        Kind::Special => faults.tell_of(SPECIAL, member.start, member.name),
        _ => faults.look_at_name(member.start, member.name),
    }
}

pub(super) const SPARSE: (&str, &str) = ("sparse", "is stored as a sparse file, which is not read");
pub(super) const SPECIAL: (&str, &str) = ("special", "is no regular file");
pub(super) const TOO_LARGE: (&str, &str) = ("too_large", "has more bytes than any image");

fn shown(name: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(name))
}

#[derive(Default)]
pub(super) struct Faults {
    kept: Vec<ArchiveFault>,
    counts: BTreeMap<&'static str, (u64, u64)>,
}

impl Faults {
    pub fn tell_of(&mut self, (kind, reason): (&'static str, &str), offset: u64, name: &[u8]) {
        self.tell(kind, offset, || format!("{} {reason}", shown(name)));
    }

    pub fn look_at_name(&mut self, offset: u64, name: &[u8]) {
        if name.starts_with(b"/") {
            self.tell_of(("absolute", "is an absolute name"), offset, name);
        } else if leads_out(name) {
            let reason = "leads out of the folder that it would be unpacked in";
            self.tell_of(("leads_out", reason), offset, name);
        }
    }

    /// Tells of names that occur twice. Of each member: the hash of its name, where it
    /// begins, and what else `name_at` needs.
    pub fn tell_doubles<P: Copy + Ord>(
        &mut self,
        mut members: Vec<(u64, u64, P)>,
        name_at: impl Fn(u64, P) -> Result<Vec<u8>>,
    ) -> Result<()> {
        members.sort_unstable();
        for group in members.chunk_by(|one, other| one.0 == other.0) {
            let [.., before, last] = group else { continue };
            let name = name_at(last.1, last.2)?;
            if plain_name(&name_at(before.1, before.2)?) == plain_name(&name) {
                let count = group.len();
                self.tell("twice", last.1, || {
                    format!("{} occurs {count} times: this last one counts", shown(&name))
                });
            }
        }
        Ok(())
    }

    fn tell(&mut self, kind: &'static str, offset: u64, reason: impl FnOnce() -> String) {
        let (count, last) = self.counts.entry(kind).or_default();
        (*count, *last) = (count.saturating_add(1), offset);
        if *count <= MOST {
            self.kept.push(ArchiveFault { kind, offset, reason: reason() });
        }
    }

    pub fn finish(mut self) -> Vec<ArchiveFault> {
        for (kind, (count, offset)) in self.counts {
            let more = count.saturating_sub(MOST);
            if more > 0 {
                let reason = format!("{more} more of this kind, the last of them here");
                self.kept.push(ArchiveFault { kind, offset, reason });
            }
        }
        self.kept.sort_by_key(|fault| fault.offset);
        self.kept
    }
}
