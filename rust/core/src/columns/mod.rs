//! Columns: one value of every record, read in one pass over the files without decoding
//! or keeping anything else, and kept beside the offset index. Knows no Python.

mod file;
mod values;

use std::sync::Arc;

use crate::clips;
use crate::error::{Error, Result};
use crate::index::Progress;
use crate::keyframe_name::KeyframeName;
use crate::parts::{self, Parts};
use crate::record::{Number, Record, Scalar};
use crate::videos::each_image;
use values::Value;
pub use values::{Column, Values};

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// A field of the record that is a number, true or false.
    Field(String),
    /// How many of the record's images are not null: counted, not taken from a field.
    Images,
    /// The video of the record's first keyframe.
    Vid,
    /// The record's length in bytes.
    Bytes,
}

impl Name {
    /// Under what name the column is kept. Fields cannot be taken for the others.
    fn key(&self) -> String {
        match self {
            Name::Field(name) => format!("field {name}"),
            Name::Images => "images".to_owned(),
            Name::Vid => "vid".to_owned(),
            Name::Bytes => "bytes".to_owned(),
        }
    }
}

/// The column of each file, in order: read where it is kept, else made and kept.
/// What a record does not have is marked, and so is what is no such value.
pub fn columns(
    parts: &Arc<Parts>,
    name: &Name,
    threads: usize,
    progress: &Arc<Progress>,
) -> Result<Vec<Column>> {
    let key = name.key();
    let kept: Vec<Option<Column>> =
        parts.files().iter().map(|part| file::load(&part.source, &key, part.index.len())).collect();
    if kept.iter().all(Option::is_some) {
        return Ok(kept.into_iter().flatten().collect());
    }
    let chunks = Arc::new(parts.chunks(None));
    progress.begin(chunks.iter().map(|chunk| chunk.bytes).sum());
    let wanted = name.clone();
    let read =
        parts::pass(parts, &chunks, 0..chunks.len(), threads, progress, move |parts, chunk| {
            let mut values = Vec::with_capacity(chunk.places.len());
            parts.with_bytes(chunk, |bytes| {
                for place in chunk.places.clone() {
                    let record = parts.record(chunk, bytes, place)?;
                    values.push(value(&record, &wanted));
                }
                Ok(())
            })?;
            Ok(values)
        })?;
    let mut of_files: Vec<Vec<Value>> = parts.files().iter().map(|_| Vec::new()).collect();
    for (chunk, values) in chunks.iter().zip(read) {
        of_files[chunk.part].extend(values);
    }
    let finish = |(part, values): (&parts::Part, Vec<Value>)| {
        let column = Column::of(values);
        // A column that cannot be kept is made anew the next time.
        let _ = file::save(&part.source, &key, &column);
        column
    };
    Ok(parts.files().iter().zip(of_files).map(finish).collect())
}

/// Raises what is wrong with a record's value, if anything is.
pub fn check(record: &Record, name: &Name) -> Result<()> {
    read(record, name).map(|_| ())
}

fn value(record: &Record, name: &Name) -> Value {
    match read(record, name) {
        Ok(Some(value)) => value,
        Ok(None) => Value::Missing,
        Err(_) => Value::Faulty,
    }
}

fn read(record: &Record, name: &Name) -> Result<Option<Value>> {
    match name {
        // What a record of clips does not say itself, its interleaved form may.
        Name::Field(name) if !record.has(name)? => match clips::interleaved(record)? {
            Some(interleaved) => field(&interleaved, name),
            None => Ok(None),
        },
        Name::Field(name) => field(record, name),
        Name::Bytes => {
            Ok(Some(Value::Int(i64::try_from(record.bytes().len()).unwrap_or(i64::MAX))))
        }
        Name::Images => {
            let mut count = 0;
            let has_list = each_image(record, |_| count += 1)?;
            Ok(has_list.then_some(Value::Int(count)))
        }
        Name::Vid => {
            let mut vid = None;
            each_image(record, |path| {
                if vid.is_none() {
                    vid = KeyframeName::parse(path).map(|name| name.vid.to_owned());
                }
            })?;
            Ok(vid.map(Value::Text))
        }
    }
}

fn field(record: &Record, name: &str) -> Result<Option<Value>> {
    let Some(mut reader) = record.field(name)? else { return Ok(None) };
    let expected = |found: &str| {
        let reason = format!("field '{name}': a column holds numbers, true or false, not {found}");
        Err(Error::Record { offset: reader.offset(), reason })
    };
    match reader.peek() {
        Some(b'"') => return expected("a string"),
        Some(b'[') => return expected("a list"),
        Some(b'{') => return expected("an object"),
        _ => {}
    }
    Ok(match reader.simple()? {
        Scalar::Null => None,
        Scalar::Bool(value) => Some(Value::Bool(value)),
        Scalar::Number(Number::Int(value)) => Some(Value::Int(value)),
        Scalar::Number(Number::Float(value)) => Some(Value::Float(value)),
        Scalar::Number(Number::BigInt(digits)) => {
            let reason = format!("field '{name}': {digits} does not fit into 64 bits");
            return Err(Error::Record { offset: reader.offset(), reason });
        }
    })
}

#[cfg(test)]
mod tests;
