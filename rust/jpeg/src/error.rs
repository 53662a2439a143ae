//! What can be wrong with a JPEG, and at which byte.

/// Why there are no pixels.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JpegError {
    /// There are no bytes.
    #[error("it is empty (0 bytes)")]
    Empty,
    /// The bytes are of another kind of file.
    #[error("it is no JPEG: {found}")]
    NotJpeg {
        /// What it seems to be.
        found: String,
    },
    /// The bytes end too early.
    #[error("it is cut: it ends at byte {offset} {inside}")]
    Truncated {
        /// The number of bytes that there are.
        offset: usize,
        /// In the middle of what.
        inside: &'static str,
    },
    /// A segment breaks the format's rules.
    #[error("a broken {segment} segment at byte {offset}: {reason}")]
    BadSegment {
        /// Where the segment's marker is.
        offset: usize,
        /// Its name.
        segment: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// A JPEG of a kind that is not decoded.
    #[error("{coding} is not supported (frame header at byte {offset})")]
    Unsupported {
        /// Where the frame header's marker is.
        offset: usize,
        /// The coding's name.
        coding: String,
    },
    /// The coded data breaks the format's rules.
    #[error("its coded data (from byte {offset}) is broken: {reason}")]
    Corrupt {
        /// Where the first scan begins.
        offset: usize,
        /// What is wrong.
        reason: String,
    },
    /// The memory for the pixels has another size than the picture.
    #[error("the picture needs {expected} bytes of memory, {found} were given")]
    WrongLength {
        /// `height * width * 3`.
        expected: usize,
        /// What was given.
        found: usize,
    },
}

impl JpegError {
    /// A short stable name of the kind of trouble.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            JpegError::Empty => "empty",
            JpegError::NotJpeg { .. } => "not_jpeg",
            JpegError::Truncated { .. } => "truncated",
            JpegError::BadSegment { .. } => "bad_segment",
            JpegError::Unsupported { .. } => "unsupported",
            JpegError::Corrupt { .. } => "corrupt",
            JpegError::WrongLength { .. } => "wrong_length",
        }
    }

    /// Where in the data the trouble is, if it is at one place.
    #[must_use]
    pub fn offset(&self) -> Option<usize> {
        match self {
            JpegError::Truncated { offset, .. }
            | JpegError::BadSegment { offset, .. }
            | JpegError::Unsupported { offset, .. }
            | JpegError::Corrupt { offset, .. } => Some(*offset),
            _ => None,
        }
    }
}
