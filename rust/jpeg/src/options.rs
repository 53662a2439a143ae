//! What is wanted of a picture. Knows its size, not its content.

use std::ops::Range;

use crate::header::Header;

/// What is wanted; the default is the whole picture in RGB.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Only these rows of the result. Rows that do not exist are left out; what the other
    /// rows need is decoded all the same, so broken data is an error wherever it is.
    pub rows: Option<Range<usize>>,
}

/// The size of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Bytes for each pixel: 3 for RGB.
    pub channels: usize,
}

impl Size {
    /// The bytes of a row.
    #[must_use]
    pub fn row_bytes(self) -> usize {
        self.width * self.channels
    }

    /// The bytes of all rows.
    #[must_use]
    pub fn bytes(self) -> usize {
        self.row_bytes() * self.height
    }
}

impl Options {
    /// The size of what comes of a picture with this header.
    #[must_use]
    pub fn size(&self, header: &Header) -> Size {
        let height = self.wanted(header).len();
        Size { width: header.width as usize, height, channels: 3 }
    }

    /// The wanted rows that exist.
    pub(crate) fn wanted(&self, header: &Header) -> Range<usize> {
        let height = header.height as usize;
        match &self.rows {
            Some(rows) => rows.start.min(height)..rows.end.min(height).max(rows.start.min(height)),
            None => 0..height,
        }
    }
}
