//! The members of a compressed archive in its order, read some at a time in all threads,
//! for a pack.

use std::collections::HashSet;
use std::sync::Arc;

use super::Pack;
use crate::error::{Error, Result};
use crate::pool::{self, Panicked};
use crate::store::{ArchiveMember, BLOCK, TarGz, file_header, key};

/// So many members are read at once at most.
const MEMBERS: usize = 512;

/// A walk over an archive's members.
#[derive(Debug)]
pub struct Batches {
    archive: Arc<TarGz>,
    next: u32,
    /// So many bytes are read at once, or one member.
    bytes: u64,
    /// The keys of the members that are wanted; `None` for all.
    wanted: Option<HashSet<Vec<u8>>>,
}

/// Some members, one after the other.
#[derive(Debug)]
pub struct Batch {
    /// A name, and the data where that is not in the pack yet.
    members: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Why members are left out.
    pub left_out: Vec<String>,
}

impl Batch {
    /// How many members it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

impl Batches {
    /// All members, or those that have one of these keys.
    #[must_use]
    pub fn new(archive: Arc<TarGz>, bytes: u64, wanted: Option<HashSet<Vec<u8>>>) -> Batches {
        Batches { archive, next: 0, bytes, wanted }
    }

    /// The number of the member that comes next.
    #[must_use]
    pub fn position(&self) -> u32 {
        self.next
    }

    /// Goes on in another state of the archive.
    pub(super) fn replace(&mut self, archive: Arc<TarGz>) {
        self.archive = archive;
    }

    /// The next members, of which the first `passed` are not read. `None` at the end.
    pub fn read_next(&mut self, passed: u64, threads: usize) -> Result<Option<Batch>> {
        if self.next >= self.archive.member_count() {
            return Ok(None);
        }
        let (mut found, mut left_out, mut bytes) = (Vec::new(), Vec::new(), 0);
        while self.next < self.archive.member_count()
            && found.len() < MEMBERS
            && (bytes < self.bytes || found.is_empty())
        {
            let member = self.archive.member(self.next)?;
            self.next += 1;
            match member {
                Ok(member) if !self.wants(&member.name) => {}
                Ok(member) => {
                    bytes += if (found.len() as u64) < passed { 0 } else { bytes_in_tar(&member) };
                    found.push(member);
                }
                Err(reason) => left_out.push(reason),
            }
        }
        let passed = usize::try_from(passed).unwrap_or(usize::MAX).min(found.len());
        let data = self.read(found.split_off(passed), threads)?;
        let known = found.into_iter().map(|member| (member.name, None));
        let new = data.into_iter().map(|(name, data)| (name, Some(data)));
        Ok(Some(Batch { members: known.chain(new).collect(), left_out }))
    }

    fn read(&self, members: Vec<ArchiveMember>, threads: usize) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let members = Arc::new(members);
        let work = {
            let (archive, members) = (Arc::clone(&self.archive), Arc::clone(&members));
            move |number: usize| {
                let mut bytes = Vec::new();
                archive.read_member(&members[number], &mut bytes).map(|()| bytes)
            }
        };
        let results = pool::run(threads, members.len(), work);
        let named = members.iter().zip(results).map(|(member, result)| match result {
            Ok(data) => Ok((member.name.clone(), data?)),
            Err(Panicked(message)) => {
                let path = self.archive.first_part().to_owned();
                Err(Error::Bug { path, message })
            }
        });
        named.collect()
    }

    fn wants(&self, name: &[u8]) -> bool {
        let Some(wanted) = &self.wanted else { return true };
        wanted.contains(key(name))
    }
}

/// How many bytes a member takes in a tar.
pub(super) fn bytes_in_tar(member: &ArchiveMember) -> u64 {
    let header = file_header(&member.name, member.size, 0).len() as u64;
    header + member.size.next_multiple_of(BLOCK as u64)
}

impl Pack {
    /// Adds members that are not in yet.
    pub fn add_batch(&mut self, batch: &Batch) -> Result<()> {
        for (name, data) in &batch.members {
            if self.wants(name)?
                && let Some(data) = data
            {
                self.add(name, data)?;
            }
        }
        Ok(())
    }
}
