//! One sample's JSON: an owned copy of its bytes, where its fields lie, and a reader
//! of their values. Makes no values itself and knows no Python.
//!
//! The first touch makes one pass over the copy ([`fields`]): it proves that the bytes
//! are exactly one object, and finds each key's value without looking into it. A value
//! is read and checked by a [`Reader`] when it is asked for.

mod fields;
mod reader;
#[cfg(test)]
mod tests;
mod text;
mod write;

use std::sync::OnceLock;

use textbook_simd::Level;

use crate::error::{Error, Result};
use fields::{Field, find_fields};
pub use reader::{Number, Reader, Scalar};
pub use text::Text;
pub use write::{push_escaped, push_string};

/// Deeper nesting than this is an error of its record.
pub const MAX_DEPTH: usize = 1000;

/// What is wrong with a record, and at which of its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub offset: usize,
    pub reason: String,
}

impl Fault {
    pub fn new(offset: usize, reason: impl Into<String>) -> Fault {
        Fault { offset, reason: reason.into() }
    }
}

impl From<Fault> for Error {
    fn from(Fault { offset, reason }: Fault) -> Error {
        Error::Record { offset, reason }
    }
}

/// The JSON bytes of one sample, in memory of any kind.
pub struct Record {
    bytes: Box<dyn AsRef<[u8]> + Send + Sync>,
    fields: OnceLock<std::result::Result<Vec<Field>, Fault>>,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record").field("length", &self.bytes().len()).finish_non_exhaustive()
    }
}

impl Record {
    /// Takes the bytes. Nothing is looked at yet.
    #[must_use]
    pub fn new(bytes: impl AsRef<[u8]> + Send + Sync + 'static) -> Record {
        Record { bytes: Box::new(bytes), fields: OnceLock::new() }
    }

    /// The bytes, unchecked.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        (*self.bytes).as_ref()
    }

    /// Proves, once, that the bytes are exactly one object with well-formed keys.
    pub fn check(&self) -> Result<()> {
        self.fields().map(|_| ())
    }

    fn fields(&self) -> Result<&[Field]> {
        let fields = self.fields.get_or_init(|| find_fields(Level::active(), self.bytes()));
        fields.as_deref().map_err(|fault| fault.clone().into())
    }

    /// A reader at the value of the last field with this name, if there is one.
    pub fn field(&self, name: &str) -> Result<Option<Reader<'_>>> {
        let field = self.fields()?.iter().rev().find(|field| field.is_named(self.bytes(), name));
        Ok(field.map(|field| Reader::of_value(self.bytes(), field.value.clone())))
    }

    /// Whether the record has a field with this name.
    pub fn has(&self, name: &str) -> Result<bool> {
        Ok(self.fields()?.iter().any(|field| field.is_named(self.bytes(), name)))
    }

    /// A reader at the record's first byte.
    #[must_use]
    pub fn reader(&self) -> Reader<'_> {
        Reader::of_value(self.bytes(), 0..self.bytes().len())
    }
}
