//! Passes over records that ask for videos: which record is of which video, and which
//! samples show some of them. Knows no Python.

use std::collections::HashSet;
use std::sync::Arc;

use crate::clips;
use crate::error::Result;
use crate::index::Progress;
use crate::keyframe_name::KeyframeName;
use crate::parts::{Parts, pass};
use crate::record::{Number, Reader, Record, Scalar};

/// A simple value of a record.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Missing, null, a list or an object.
    None,
    /// `true` or `false`.
    Bool(bool),
    /// An integer that fits.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A string.
    Text(Vec<u8>),
}

/// The values of simple fields of all records: one list for each name.
pub fn columns(
    parts: &Arc<Parts>,
    names: Vec<String>,
    threads: usize,
    progress: &Arc<Progress>,
) -> Result<Vec<Vec<Value>>> {
    let chunks = Arc::new(parts.chunks(None));
    progress.begin(chunks.iter().map(|chunk| chunk.bytes).sum());
    let count = names.len();
    let found = pass(parts, &chunks, 0..chunks.len(), threads, progress, move |parts, chunk| {
        let mut columns = vec![Vec::with_capacity(chunk.places.len()); names.len()];
        parts.each_record(chunk, |_, record| {
            for (name, column) in names.iter().zip(&mut columns) {
                column.push(match record.field(name)? {
                    Some(mut reader) => value(&mut reader)?,
                    None => Value::None,
                });
            }
            Ok(())
        })?;
        Ok(columns)
    })?;
    let mut columns: Vec<Vec<Value>> = vec![Vec::new(); count];
    for more in found {
        for (column, mut values) in columns.iter_mut().zip(more) {
            column.append(&mut values);
        }
    }
    Ok(columns)
}

fn value(reader: &mut Reader<'_>) -> Result<Value> {
    match reader.peek() {
        Some(b'"') => Ok(Value::Text(reader.text()?.bytes()?.into_owned())),
        Some(b'[' | b'{') => Ok(Value::None),
        _ => Ok(match reader.simple()? {
            Scalar::Null => Value::None,
            Scalar::Bool(value) => Value::Bool(value),
            Scalar::Number(Number::Int(value)) => Value::Int(value),
            Scalar::Number(Number::Float(value)) => Value::Float(value),
            Scalar::Number(Number::BigInt(digits)) => {
                Value::Float(digits.parse().unwrap_or(f64::NAN))
            }
        }),
    }
}

/// How many of a sample's videos have to be among the wanted ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// One or more.
    Any,
    /// All, and one at least.
    All,
}

/// Which of the records at these positions show the wanted videos: their places among
/// the positions, ascending.
pub fn of_videos(
    parts: &Arc<Parts>,
    positions: Option<&[usize]>,
    wanted: Vec<Vec<u8>>,
    share: Share,
    threads: usize,
    progress: &Arc<Progress>,
) -> Result<Vec<usize>> {
    let chunks = Arc::new(parts.chunks(positions));
    progress.begin(chunks.iter().map(|chunk| chunk.bytes).sum());
    let wanted: HashSet<Vec<u8>> = wanted.into_iter().collect();
    let found = pass(parts, &chunks, 0..chunks.len(), threads, progress, move |parts, chunk| {
        let mut found = Vec::new();
        parts.each_record(chunk, |place, record| {
            let (mut hits, mut misses) = (0usize, 0usize);
            each_image(record, |path| {
                if let Some(name) = KeyframeName::parse(path) {
                    let is_wanted = wanted.contains(name.vid.as_bytes());
                    hits += usize::from(is_wanted);
                    misses += usize::from(!is_wanted);
                }
            })?;
            if hits > 0 && (share == Share::Any || misses == 0) {
                found.push(place);
            }
            Ok(())
        })?;
        Ok(found)
    })?;
    Ok(found.concat())
}

/// Hands the path of each image of a sample, of either form, to `look`. Whether there is a
/// list of them at all.
pub fn each_image(record: &Record, mut look: impl FnMut(&str)) -> Result<bool> {
    // What is no UTF-8 is no keyframe's name.
    let mut look_at = |path: &[u8]| look(&String::from_utf8_lossy(path));
    if clips::is_of_clips(record)? {
        for clip in clips::read_clips(record)? {
            clip.keyframes.iter().for_each(|path| look_at(path));
        }
        return Ok(true);
    }
    let Some(mut reader) = record.field("images")? else { return Ok(false) };
    if reader.peek() == Some(b'n') {
        reader.simple()?;
        return Ok(false);
    }
    reader.each_item("field 'images': expected a list", |_, reader| {
        if let Some(path) = reader.nullable_text()? {
            look_at(&path.bytes()?);
        }
        Ok(())
    })?;
    Ok(true)
}
