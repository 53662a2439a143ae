//! Where an image lies in an archive: known before it is read, so that images that lie
//! near each other are read in one call.

use super::tar_gz::Located;
use super::tar_index::Entry;

/// Between images that are had in one call, at most so many bytes are had in vain.
pub(crate) const GAP: u64 = 64 << 10;
/// The most bytes of one call.
pub(crate) const LONGEST_RUN: u64 = 4 << 20;

/// Where an image lies in an archive.
#[derive(Debug, Clone)]
pub struct Span {
    /// The archive's number in its store.
    pub archive: u16,
    /// The first byte that has to be read for it.
    pub start: u64,
    /// The byte after the last one.
    pub end: u64,
    /// The bytes of memory that reading it takes.
    pub size: u64,
    pub(super) member: InArchive,
}

/// What the store needs beside the place.
#[derive(Debug, Clone)]
pub(super) enum InArchive {
    /// Of a plain tar: begins at `start` with its headers.
    Plain { entry: Entry, name: Vec<u8> },
    /// Of a compressed one.
    Compressed(Located),
}
