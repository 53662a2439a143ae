//! Files in, samples and arrays out: the part of textbook_fast that knows no Python.

pub mod error;
pub mod index;
pub mod record;
pub mod source;

pub use error::{Error, Result};
