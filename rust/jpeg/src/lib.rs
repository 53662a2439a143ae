//! JPEG bytes to pixels. Knows no files, no datasets and no threads.
//!
//! ```text
//! markers → header, tables, scan      what the segments say
//! unstuff → entropy (huffman)         coded bytes to coefficients, a row of MCUs at a time
//! recover, progressive (codes) → store    the same where scans follow one another
//! transform (kernels: idct) → planes: upsample, color → output
//! usual, flat                         the same for usual pictures, flat parts as what they are
//! decoder                             drives them, one row of MCUs after the other
//! frame                               the same from the store: several scans, broken data
//! ```
//! Pixels are those of libjpeg-turbo with its defaults (accurate integer IDCT, fancy
//! upsampling, block smoothing), to the last bit, for baseline, extended sequential and
//! progressive coding, at full size, ½, ¼ and ⅛.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "fixed-point arithmetic and bit fields: the cut is what is meant"
)]
#![allow(clippy::inline_always, reason = "inlined into functions that enable CPU features")]
#![allow(clippy::similar_names, reason = "cb and cr, dc and ac are the field's names")]

mod codes;
mod color;
mod decoder;
mod entropy;
mod error;
mod flat;
mod frame;
mod header;
mod huffman;
mod kernels;
mod macro_row;
mod markers;
mod options;
mod orientation;
mod output;
mod planes;
mod progressive;
mod recover;
mod scan;
mod smoothing;
mod stages;
mod standard;
mod store;
mod tables;
#[cfg(test)]
mod tests;
mod transform;
mod unstuff;
mod usual;
mod values;
mod walk;

pub use decoder::Decoder;
pub use error::JpegError;
pub use header::{ColorSpace, Component, Header, read_header};
pub use options::{Color, Damage, Options, Scale, Size};
pub use output::RowSink;
#[cfg(feature = "stages")]
pub use stages::{Clock, Stage};
