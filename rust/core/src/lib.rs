//! Files in, samples and arrays out: the part of textbook_fast that knows no Python.

mod buffers;
pub mod columns;
mod crew;
pub mod decode;
pub mod error;
pub mod index;
pub mod keyframe_name;
pub mod loader;
pub mod parts;
pub mod pool;
pub mod record;
pub mod source;
pub mod store;
mod structure;
#[cfg(test)]
mod test_folder;

pub use error::{Error, Result};
