//! Everything that can go wrong in this crate, as one enum. A kind says what
//! happened; its fields say where. The layers above add the sample and the image.

use std::io;
use std::path::PathBuf;

/// The result of everything fallible here.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong, and where.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused something.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was attempted, as a verb: "open", "read", "write".
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// A file as a whole is not what it has to be.
    #[error("{}: {reason} (at byte {offset})", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Byte offset of the trouble in the file.
        offset: u64,
        /// What is wrong and what was expected.
        reason: String,
    },
    /// The file ends in the middle of its array; the records before that are whole.
    #[error(
        "{}: the file is cut: it ends at byte {length} inside the array; \
         {records} records are whole, the last of them ends at byte {end_of_last}",
        path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Its length.
        length: u64,
        /// How many whole records it holds.
        records: u64,
        /// The byte after the last whole record.
        end_of_last: u64,
    },
    /// One record is not valid JSON of the expected shape. Others are not affected.
    #[error("{reason} (at byte {offset} of the record)")]
    Record {
        /// Byte offset in the record.
        offset: usize,
        /// What is wrong and what was expected.
        reason: String,
    },
    /// As `Record`, met in a pass over many.
    #[error(
        "sample {position} ({}, record {place}): {reason} (at byte {offset} of the record)",
        path.display()
    )]
    RecordAt {
        /// The file.
        path: PathBuf,
        /// The record's position in it.
        place: usize,
        /// The record's position in all files together.
        position: usize,
        /// Byte offset in the record.
        offset: usize,
        /// What is wrong and what was expected.
        reason: String,
    },
    /// A file is no longer what it was when it was opened.
    #[error("{} has changed since it was opened: {what}", path.display())]
    SourceChanged {
        /// The file.
        path: PathBuf,
        /// What differs (length, time of modification, identity).
        what: String,
    },
    /// An archive is not what was indexed.
    #[error("{} is not what was indexed: {what}", path.display())]
    ArchiveChanged {
        /// The archive's part.
        path: PathBuf,
        /// What differs, and what to do.
        what: String,
    },
    /// An archive or a compressed text is too large to be indexed unasked.
    #[error(
        "the index of {} ({} MB) {state}: build it with: {command}",
        path.display(), bytes / 1_000_000
    )]
    IndexMissing {
        /// The archive's first part, or the file.
        path: PathBuf,
        /// What is the matter with the index: "has not been built".
        state: &'static str,
        /// Bytes of the archive or the file.
        bytes: u64,
        /// What to run, as a shell reads it.
        command: String,
    },
    /// A bug in this library. The message is the panic's.
    #[error("{}: a bug in textbook_fast, please report it: {message}", path.display())]
    Bug {
        /// The file that was worked on.
        path: PathBuf,
        /// What the panic said.
        message: String,
    },
    /// The caller asked a long operation to stop.
    #[error("stopped on request")]
    Stopped,
}
