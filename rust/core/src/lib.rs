//! Files in, samples and arrays out: the part of textbook_fast that knows no Python.

mod area;
pub mod buffers;
pub mod check;
pub mod clips;
mod codec;
pub mod columns;
mod crew;
pub mod decode;
pub mod error;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod index;
mod inflate;
pub mod keyframe_name;
pub mod loader;
pub mod pack;
pub mod parts;
pub mod pictures;
pub mod pool;
pub mod prepare;
pub mod record;
pub mod rewrite;
pub mod search;
mod shell;
pub mod similarity;
pub mod source;
pub mod statistics;
pub mod store;
mod structure;
#[cfg(test)]
mod test_folder;
pub mod transform;
pub mod videos;

pub use error::{Error, Result};
