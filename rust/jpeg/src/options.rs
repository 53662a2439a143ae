//! What is wanted of a picture. Knows its size, not its content.

use std::ops::Range;

use crate::header::Header;

/// The colors of a result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Color {
    /// Red, green and blue.
    #[default]
    Rgb,
    /// Luma alone: what a YCbCr file stores as such (its chroma is not even transformed), and
    /// 0.299 R + 0.587 G + 0.114 B of others.
    Gray,
}

/// How much smaller a result is. What is left out is left out before the IDCT, which makes
/// it cheaper, not after.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scale {
    /// As it is.
    #[default]
    Full,
    /// Half as wide and high, rounded up.
    Half,
    /// A quarter.
    Quarter,
    /// An eighth.
    Eighth,
}

impl Scale {
    /// Pixels of a block, across and down.
    pub(crate) fn block_size(self) -> usize {
        match self {
            Scale::Full => 8,
            Scale::Half => 4,
            Scale::Quarter => 2,
            Scale::Eighth => 1,
        }
    }
}

/// What is done about a picture that is cut or broken after its header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Damage {
    /// It is an error.
    #[default]
    Refuse,
    /// There is a picture all the same, with what can be read of it, as libjpeg-turbo makes
    /// it; what is missing is gray, or less sharp.
    Fill,
}

/// What is wanted; the default is the whole picture in RGB.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Its colors.
    pub color: Color,
    /// Its size.
    pub scale: Scale,
    /// Only these rows of the result. Rows that do not exist are left out. Of the others, the
    /// coded data is read all the same, so broken data is an error wherever it is.
    pub rows: Option<Range<usize>>,
    /// What is done about broken data.
    pub damage: Damage,
}

/// The size of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Bytes for each pixel: 3 for RGB, 1 for gray.
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
        let channels = match self.color {
            Color::Rgb => 3,
            Color::Gray => 1,
        };
        let width = (header.width as usize * self.scale.block_size()).div_ceil(8);
        Size { width, height: self.wanted(header).len(), channels }
    }

    /// The wanted rows that exist.
    pub(crate) fn wanted(&self, header: &Header) -> Range<usize> {
        let height = (header.height as usize * self.scale.block_size()).div_ceil(8);
        match &self.rows {
            Some(rows) => {
                let start = rows.start.min(height);
                start..rows.end.clamp(start, height)
            }
            None => 0..height,
        }
    }
}
