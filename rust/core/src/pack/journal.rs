//! What a pack is made of whose parts are removed on the way: written before the first
//! of them is, so that the work goes on without those that are gone.
//!
//! ```text
//! magic | index, then each part: length (u64), path | the parts' identity | hash (u64)
//! ```
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use super::beside;
use crate::error::{Error, Result};
use crate::index::sidecar;

const MAGIC: &[u8; 8] = b"TEXTRMV1";

/// An archive whose parts are removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Journal {
    /// The archive's own index, which goes with the last part.
    pub index: PathBuf,
    pub parts: Vec<PathBuf>,
    /// By what the parts are recognized.
    pub identity: Vec<u8>,
}

/// The journal's place.
pub(super) fn path_of(out: &Path) -> PathBuf {
    beside(out, ".part.archive")
}

/// The archive's index under a name that stays until the pack is finished.
pub(super) fn index_of(out: &Path) -> PathBuf {
    beside(out, ".part.tfidx")
}

impl Journal {
    /// The journal of a pack; `None` where none was begun.
    pub fn read(out: &Path) -> Result<Option<Journal>> {
        let path = path_of(out);
        let bytes = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            bytes => {
                bytes.map_err(|source| Error::Io { path: path.clone(), action: "read", source })?
            }
        };
        Journal::decode(&bytes).map(Some).ok_or_else(|| Error::Format {
            path,
            offset: 0,
            reason: "it says which parts of an archive may be gone, and is damaged: nothing is \
                     removed or written; the pack so far is beside it"
                .to_owned(),
        })
    }

    pub fn write(&self, out: &Path) -> Result<()> {
        let path = path_of(out);
        sidecar::write_renamed(&path, &self.encode()).map_err(|source| Error::Io {
            path,
            action: "write",
            source,
        })
    }

    /// A number by which the pack is known again.
    pub fn plan(&self) -> u64 {
        xxh3_64(&self.encode())
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&(self.parts.len() as u64).to_le_bytes());
        for path in std::iter::once(&self.index).chain(&self.parts) {
            let path = path.as_os_str().as_encoded_bytes();
            bytes.extend_from_slice(&(path.len() as u64).to_le_bytes());
            bytes.extend_from_slice(path);
        }
        bytes.extend_from_slice(&self.identity);
        let check = xxh3_64(&bytes);
        bytes.extend_from_slice(&check.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Journal> {
        let (body, check) = bytes.split_last_chunk::<8>()?;
        if xxh3_64(body) != u64::from_le_bytes(*check) {
            return None;
        }
        let mut rest = body.strip_prefix(MAGIC)?;
        let number = |rest: &mut &[u8]| {
            let (number, after) = rest.split_first_chunk::<8>()?;
            *rest = after;
            usize::try_from(u64::from_le_bytes(*number)).ok()
        };
        let count = number(&mut rest)?;
        let mut paths = Vec::new();
        for _ in 0..=count {
            let length = number(&mut rest)?;
            let (path, after) = rest.split_at_checked(length)?;
            paths.push(PathBuf::from(OsString::from_vec(path.to_vec())));
            rest = after;
        }
        let parts = paths.split_off(1);
        Some(Journal { index: paths.pop()?, parts, identity: rest.to_vec() })
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a panic fails it")]
mod tests {
    use super::*;

    #[test]
    fn journals_round_trip_and_damaged_ones_are_none() {
        let journal = Journal {
            index: "/a/x.tar.gz.part_00.tfidx".into(),
            parts: vec!["/a/x.tar.gz.part_00".into(), "/b/x.tar.gz.part_01".into()],
            identity: b"sizes".to_vec(),
        };
        let bytes = journal.encode();
        assert_eq!(Journal::decode(&bytes), Some(journal));
        for length in 0..bytes.len() {
            assert_eq!(Journal::decode(&bytes[..length]), None);
        }
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Journal::decode(&bytes), None, "{bit}");
        }
    }
}
