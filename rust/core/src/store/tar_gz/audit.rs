//! What is odd in a compressed tar, as its index knows it.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::path::PathBuf;

use xxhash_rust::xxh3::xxh3_64;

use super::TarGz;
use super::page::{Content, Refused};
use crate::error::Result;
use crate::index::Progress;
use crate::store::tar_audit::{ArchiveFault, Faults, SPARSE, SPECIAL, TOO_LARGE};
use crate::store::tar_index::plain_name;

impl TarGz {
    /// Looks at all members: what is odd, with the part and the byte of it near which the
    /// member's data begins. A name that occurs twice is told at its last place, the one
    /// that counts.
    pub fn audit(&self, progress: &Progress) -> Result<Vec<(PathBuf, ArchiveFault)>> {
        let mut faults = Faults::default();
        let mut places = Vec::new();
        let mut offset = 0;
        progress.begin(self.parts.size());
        for number in 0..self.member_count() {
            let (name, content) = self.known(number)?;
            if let Content::Data(place) = &content {
                let begin = place.bit / 8;
                progress.advance(begin.saturating_sub(offset))?;
                offset = begin;
            }
            match content {
                Content::Refused(Refused::Sparse) => faults.tell_of(SPARSE, offset, &name),
                Content::Refused(Refused::Special) => faults.tell_of(SPECIAL, offset, &name),
                Content::Refused(Refused::TooLarge) => faults.tell_of(TOO_LARGE, offset, &name),
                _ => faults.look_at_name(offset, &name),
            }
            places.push((xxh3_64(&plain_name(&name)), offset, number));
        }
        faults.tell_doubles(places, |_, number| Ok(self.known(number)?.0))?;
        let found = faults.finish().into_iter().map(|fault| {
            let (path, offset) = self.parts.place_of(fault.offset);
            (path.to_owned(), ArchiveFault { offset, ..fault })
        });
        Ok(found.collect())
    }
}
