//! JPEG bytes to pixels. Knows no files, no datasets and no threads.
//!
//! ```text
//! markers → header, tables, scan      what the segments say
//! unstuff → entropy (huffman)         coded bytes to coefficients
//! kernels: idct → planes: upsample, color
//! decoder                             drives them, one row of MCUs after the other
//! ```
//! Pixels are those of libjpeg-turbo with its defaults (accurate integer IDCT, fancy
//! upsampling), to the last bit, for baseline and extended sequential coding. Progressive
//! coding, CMYK and YCCK still go through a kept crate (`fallback`).

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "fixed-point arithmetic and bit fields: the cut is what is meant"
)]
#![allow(clippy::inline_always, reason = "inlined into functions that enable CPU features")]
#![allow(clippy::similar_names, reason = "cb and cr, dc and ac are the field's names")]

mod decoder;
mod entropy;
mod error;
mod fallback;
mod flat;
mod header;
mod huffman;
mod kernels;
mod markers;
mod options;
mod orientation;
mod output;
mod planes;
mod scan;
mod stages;
mod standard;
mod tables;
#[cfg(test)]
mod tests;
mod unstuff;

pub use decoder::Decoder;
pub use error::JpegError;
pub use header::{ColorSpace, Component, Header, read_header};
pub use options::{Options, Size};
pub use output::RowSink;
#[cfg(feature = "stages")]
pub use stages::{Clock, Stage};
