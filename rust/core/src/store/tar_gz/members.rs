//! The members of a compressed tar one after the other, to be written elsewhere: their
//! plain names, and their data from its own place, whose checksum is verified.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::index_file::IndexFile;
use super::page::{Content, Entry, Place, Refused, Start};
use super::parts::Parts;
use super::{TarGz, lost, read, words};
use crate::error::{Error, Result};
use crate::store::StoreError;
use crate::store::tar_index::{leads_out, plain_name};

/// A member that has bytes, as it goes into a pack.
#[derive(Debug)]
pub struct ArchiveMember {
    /// Its name without `./` and doubled slashes.
    pub name: Vec<u8>,
    /// How many bytes of data it has; those of the member that a link means.
    pub size: u64,
    place: Option<Place>,
}

impl TarGz {
    /// A store of an archive of which parts may have been removed. Its index has to be one
    /// of the whole archive.
    pub fn open_rest(paths: &[PathBuf], index: &Path) -> Result<TarGz> {
        let index = IndexFile::open(index)?.ok_or_else(|| lost(index))?;
        let sizes: Vec<u64> = index.about.parts.iter().map(|part| part.size).collect();
        if !index.about.is_confirmed || index.about.parts.len() != paths.len() {
            return Err(Error::Format {
                path: index.path().to_owned(),
                offset: 0,
                reason: "it is no index of all parts of the archive".to_owned(),
            });
        }
        TarGz::with(Parts::open_rest(paths, &sizes)?, index)
    }

    /// Fails where the archive is known in part only.
    pub fn check_is_whole(&self) -> Result<()> {
        let about = &self.index.about;
        if about.is_confirmed {
            return Ok(());
        }
        let reason = format!("the archive is indexed up to here only: {}", about.damage);
        Err(self.parts.error_at(about.stream_bytes, &reason))
    }

    /// How many members there are, folders not counted.
    #[must_use]
    pub fn member_count(&self) -> u32 {
        u32::try_from(self.index.about.members).unwrap_or(u32::MAX)
    }

    /// The archive's first part.
    #[must_use]
    pub fn first_part(&self) -> &Path {
        self.parts.first()
    }

    /// The file that the index was read from.
    #[must_use]
    pub fn index_path(&self) -> &Path {
        self.index.path()
    }

    /// The length of each part.
    #[must_use]
    pub fn part_sizes(&self) -> Vec<u64> {
        self.parts.starts().windows(2).map(|ends| ends[1] - ends[0]).collect()
    }

    /// Whether each part is there.
    #[must_use]
    pub fn are_there(&self) -> Vec<bool> {
        self.parts.are_there().collect()
    }

    /// Fails where a part is no longer the file that was opened.
    pub fn check_part(&self, number: usize) -> Result<()> {
        self.parts.check_part(number)
    }

    /// By what the parts are recognized, as bytes.
    #[must_use]
    pub fn identity(&self) -> Vec<u8> {
        super::partial::encode_ids(&self.index.about.parts)
    }

    /// The member of this number. The inner error says why there are no bytes to be had.
    pub fn member(&self, number: u32) -> Result<std::result::Result<ArchiveMember, String>> {
        let entry = self.known_entry(number)?;
        let shown = || format!("{}: member {:?}", self.first_part().display(), lossy(&entry.name));
        let name = plain_name(&entry.name).into_owned();
        if leads_out(&name) || name.is_empty() {
            return Ok(Err(format!("{} leads out of a folder, and is left out", shown())));
        }
        let refused = |reason: Refused| format!("{}: {}", shown(), words(reason));
        let content = match entry.content {
            Content::Link { .. } => match self.followed_from(entry.clone(), Some(number)) {
                Ok(meant) => meant.content,
                Err(error) => return Ok(Err(error.to_string())),
            },
            ref content => content.clone(),
        };
        Ok(match content {
            Content::Data(place) => {
                Ok(ArchiveMember { name, size: place.size, place: Some(place) })
            }
            Content::Empty | Content::Link { .. } => {
                Ok(ArchiveMember { name, size: 0, place: None })
            }
            Content::Refused(reason) => Err(refused(reason)),
        })
    }

    /// The name and the content of a member that the index has to know.
    pub(super) fn known(&self, number: u32) -> Result<(Vec<u8>, Content)> {
        self.known_entry(number).map(|Entry { name, content }| (name, content))
    }

    fn known_entry(&self, number: u32) -> Result<Entry> {
        let entry = self.entry(number).map_err(|error| self.broken_index(&error))?;
        entry.ok_or_else(|| self.broken_index(&StoreError::Missing { places: Vec::new() }))
    }

    fn broken_index(&self, error: &StoreError) -> Error {
        let path = self.index.path().to_owned();
        Error::Format { path, offset: 0, reason: error.to_string() }
    }

    /// Reads a member's data into `bytes`, whose content is replaced.
    pub fn read_member(&self, member: &ArchiveMember, bytes: &mut Vec<u8>) -> Result<()> {
        bytes.clear();
        let Some(place) = &member.place else { return Ok(()) };
        read::read(&self.parts, place, bytes).map_err(|error| match error {
            Error::Format { path, offset, reason } => {
                let reason = format!("member {:?}: {reason}", lossy(&member.name));
                Error::Format { path, offset, reason }
            }
            error => error,
        })
    }

    /// The numbers of the parts that a member's data is read from.
    #[must_use]
    pub fn parts_of(&self, member: &ArchiveMember) -> Range<usize> {
        let Some(place) = &member.place else { return 0..0 };
        let header = match place.start {
            Start::Symbol { header_back } => place.bit - header_back,
            Start::Header | Start::Stored { .. } | Start::End => place.bit,
        };
        let end = place.end_bit.div_ceil(8);
        let starts = self.parts.starts();
        let first = starts.partition_point(|&start| start <= header / 8).saturating_sub(1);
        first..starts.partition_point(|&start| start < end).max(first + 1).min(starts.len() - 1)
    }
}

fn lossy(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}
