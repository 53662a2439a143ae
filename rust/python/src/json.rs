//! JSON to Python objects, as `json.loads` makes them. Goes through the text once and
//! recurses nowhere, so that no depth of nesting costs stack.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyFloat, PyInt, PyList, PyString};

use textbook_core::Error;
use textbook_core::record::{MAX_DEPTH, Number, Reader, Scalar, Text};

use crate::errors::to_pyerr;

/// A list or an object whose end has not come yet.
enum Open<'py> {
    /// Its values are those on the stack from this place on.
    List(usize),
    Dict(Bound<'py, PyDict>, Bound<'py, PyString>),
}

/// Strings read so far that are likely to come again: making one costs more than
/// finding it.
struct Seen<'py, 'a> {
    /// Keys: a record repeats a few, and the objects of a list mostly have the same ones
    /// in the same order.
    keys: Vec<(&'a [u8], Bound<'py, PyString>)>,
    /// The key that came after the last one the last time it was there.
    likely: usize,
    /// The last short value: the objects of a list mostly have one video's id.
    value: Option<(&'a [u8], Bound<'py, PyString>)>,
}

impl<'py, 'a> Seen<'py, 'a> {
    /// More different keys than this are not remembered.
    const MOST: usize = 24;
    /// Longer values are not remembered.
    const SHORT: usize = 32;

    /// The likely key, if the reader is at it; then it is read.
    fn likely_key(&mut self, reader: &mut Reader<'a>) -> Option<Bound<'py, PyString>> {
        let (plain, key) = self.keys.get(self.likely)?;
        if !reader.eat_plain_string(plain) {
            return None;
        }
        self.likely += 1;
        Some(key.clone())
    }

    fn key(&mut self, py: Python<'py>, text: Text<'a>) -> PyResult<Bound<'py, PyString>> {
        let Some(plain) = text.plain() else { return to_string(py, text) };
        if let Some(at) = self.keys.iter().position(|(seen, _)| *seen == plain) {
            self.likely = at + 1;
            return Ok(self.keys[at].1.clone());
        }
        let key = match plain {
            b"images" => intern!(py, "images").clone(),
            b"texts" => intern!(py, "texts").clone(),
            b"text_ocr_list" => intern!(py, "text_ocr_list").clone(),
            b"metadata" => intern!(py, "metadata").clone(),
            b"image_num" => intern!(py, "image_num").clone(),
            b"text_num" => intern!(py, "text_num").clone(),
            b"token_num" => intern!(py, "token_num").clone(),
            _ => to_string(py, text)?,
        };
        if self.keys.len() < Self::MOST {
            self.keys.push((plain, key.clone()));
            self.likely = self.keys.len();
        }
        Ok(key)
    }

    fn value(&mut self, py: Python<'py>, reader: &mut Reader<'a>) -> PyResult<Bound<'py, PyAny>> {
        if let Some((plain, value)) = &self.value
            && reader.eat_plain_string(plain)
        {
            return Ok(value.clone().into_any());
        }
        let text = reader.text().map_err(|error| to_pyerr(py, &error))?;
        let value = to_string(py, text)?;
        if let Some(plain) = text.plain().filter(|plain| plain.len() <= Self::SHORT) {
            self.value = Some((plain, value.clone()));
        }
        Ok(value.into_any())
    }
}

/// The value that the reader is at.
pub fn read_value<'py, 'a>(
    py: Python<'py>,
    reader: &mut Reader<'a>,
) -> PyResult<Bound<'py, PyAny>> {
    let mut open: Vec<Open<'py>> = Vec::new();
    // Of lists whose end has not come, so that a list is made in its size.
    let mut values: Vec<Bound<'py, PyAny>> = Vec::new();
    let mut seen = Seen { keys: Vec::with_capacity(Seen::MOST), likely: 0, value: None };
    loop {
        reader.skip_space();
        let mut value = match reader.peek() {
            Some(b'"') => seen.value(py, reader)?,
            Some(b'{') => {
                begin(py, reader, &open)?;
                let dict = PyDict::new(py);
                if !reader.eat(b'}') {
                    let key = read_key(py, reader, &mut seen)?;
                    open.push(Open::Dict(dict, key));
                    continue;
                }
                dict.into_any()
            }
            Some(b'[') => {
                begin(py, reader, &open)?;
                if !reader.eat(b']') {
                    open.push(Open::List(values.len()));
                    continue;
                }
                PyList::empty(py).into_any()
            }
            _ => read_scalar(py, reader)?,
        };
        // Hand the value to what is open, and that to what is open around it if it ends.
        loop {
            let Some(innermost) = open.pop() else { return Ok(value) };
            match innermost {
                Open::List(first) => {
                    values.push(value);
                    reader.skip_space();
                    if reader.eat(b',') {
                        open.push(Open::List(first));
                        break;
                    }
                    if !reader.eat(b']') {
                        return Err(error(py, reader, "expected ',' or ']' after a list's value"));
                    }
                    value = PyList::new(py, values.drain(first..))?.into_any();
                }
                Open::Dict(dict, key) => {
                    dict.set_item(&key, &value)?;
                    reader.skip_space();
                    if reader.eat(b',') {
                        let key = read_key(py, reader, &mut seen)?;
                        open.push(Open::Dict(dict, key));
                        break;
                    }
                    if !reader.eat(b'}') {
                        return Err(error(py, reader, "expected ',' or '}' after a value"));
                    }
                    value = dict.into_any();
                }
            }
        }
    }
}

fn error(py: Python<'_>, reader: &Reader<'_>, expected: &str) -> PyErr {
    to_pyerr(py, &reader.error(expected))
}

/// Passes over an opening bracket and the space after it.
fn begin(py: Python<'_>, reader: &mut Reader<'_>, open: &[Open<'_>]) -> PyResult<()> {
    if open.len() >= MAX_DEPTH {
        let reason = format!("lists and objects are nested more than {MAX_DEPTH} deep");
        return Err(to_pyerr(py, &Error::Record { offset: reader.offset(), reason }));
    }
    let _ = reader.eat(b'{') || reader.eat(b'[');
    reader.skip_space();
    Ok(())
}

/// A key, and the colon after it.
fn read_key<'py, 'a>(
    py: Python<'py>,
    reader: &mut Reader<'a>,
    seen: &mut Seen<'py, 'a>,
) -> PyResult<Bound<'py, PyString>> {
    reader.skip_space();
    let key = if let Some(key) = seen.likely_key(reader) {
        key
    } else {
        let text = reader.text().map_err(|error| to_pyerr(py, &error))?;
        seen.key(py, text)?
    };
    reader.skip_space();
    if reader.eat(b':') { Ok(key) } else { Err(error(py, reader, "expected ':' after a key")) }
}

fn read_string<'py>(py: Python<'py>, reader: &mut Reader<'_>) -> PyResult<Bound<'py, PyString>> {
    let text = reader.text().map_err(|error| to_pyerr(py, &error))?;
    to_string(py, text)
}

/// A text as a string object. Lone surrogates pass where they are escapes, as they do
/// in `json.loads`; as bytes they are no UTF-8.
fn to_string<'py>(py: Python<'py>, text: Text<'_>) -> PyResult<Bound<'py, PyString>> {
    let bytes = text.bytes().map_err(|error| to_pyerr(py, &error))?;
    if let Ok(string) = PyString::from_bytes(py, &bytes) {
        return Ok(string);
    }
    if let Err(error) = str::from_utf8(text.raw()) {
        let offset = text.offset() + error.valid_up_to();
        let reason = "a string is not valid UTF-8".to_owned();
        return Err(to_pyerr(py, &Error::Record { offset, reason }));
    }
    let encoded = PyBytes::new(py, &bytes);
    PyString::from_encoded_object(&encoded, Some(c"utf-8"), Some(c"surrogatepass"))
}

fn read_scalar<'py>(py: Python<'py>, reader: &mut Reader<'_>) -> PyResult<Bound<'py, PyAny>> {
    let offset = reader.offset();
    Ok(match reader.simple().map_err(|error| to_pyerr(py, &error))? {
        Scalar::Null => py.None().into_bound(py),
        Scalar::Bool(value) => PyBool::new(py, value).to_owned().into_any(),
        Scalar::Number(Number::Int(value)) => value.into_pyobject(py)?.into_any(),
        Scalar::Number(Number::Float(value)) => PyFloat::new(py, value).into_any(),
        Scalar::Number(Number::BigInt(digits)) => {
            // Python's own limit on digits is the only one.
            py.get_type::<PyInt>().call1((digits,)).map_err(|error| {
                let reason = format!("a number cannot be read: {}", error.value(py));
                to_pyerr(py, &Error::Record { offset, reason })
            })?
        }
    })
}

/// The list of strings and nulls that the reader is at; None for null.
pub fn read_texts<'py>(
    py: Python<'py>,
    reader: &mut Reader<'_>,
    name: &str,
) -> PyResult<Bound<'py, PyAny>> {
    if reader.peek() == Some(b'n') {
        return read_scalar(py, reader);
    }
    if !reader.eat(b'[') {
        return Err(error(py, reader, &format!("field '{name}': expected a list")));
    }
    let mut values = Vec::with_capacity(32);
    reader.skip_space();
    if reader.eat(b']') {
        return Ok(PyList::empty(py).into_any());
    }
    loop {
        reader.skip_space();
        values.push(match reader.peek() {
            Some(b'"') => read_string(py, reader)?.into_any(),
            Some(b'n') => read_scalar(py, reader)?,
            _ => {
                let place = values.len();
                let expected = format!("field '{name}[{place}]': expected a string or null");
                return Err(error(py, reader, &expected));
            }
        });
        if reader.eat(b',') {
            continue;
        }
        reader.skip_space();
        if reader.eat(b']') {
            return Ok(PyList::new(py, values)?.into_any());
        }
        if !reader.eat(b',') {
            let place = values.len();
            let expected = format!("field '{name}': expected ',' or ']' after {place}");
            return Err(error(py, reader, &expected));
        }
    }
}

/// The integer that the reader is at; None for null.
pub fn read_integer<'py>(
    py: Python<'py>,
    reader: &mut Reader<'_>,
    name: &str,
) -> PyResult<Bound<'py, PyAny>> {
    let before = reader.clone();
    let expected = || error(py, &before, &format!("field '{name}': expected an integer"));
    if matches!(reader.peek(), Some(b'"' | b'[' | b'{')) {
        return Err(expected());
    }
    let value = read_scalar(py, reader)?;
    let is_integer =
        value.is_none() || (value.is_instance_of::<PyInt>() && !value.is_instance_of::<PyBool>());
    if is_integer { Ok(value) } else { Err(expected()) }
}

/// The value that the reader is at; a string that holds a JSON list or object is
/// given as that list or object.
pub fn read_nested<'py>(py: Python<'py>, reader: &mut Reader<'_>) -> PyResult<Bound<'py, PyAny>> {
    if reader.peek() != Some(b'"') {
        return read_value(py, reader);
    }
    let text = reader.text().map_err(|error| to_pyerr(py, &error))?;
    let bytes = text.bytes().map_err(|error| to_pyerr(py, &error))?;
    if matches!(bytes.trim_ascii_start().first(), Some(b'[' | b'{')) {
        let mut inner = Reader::of_bytes(&bytes);
        let value = read_value(py, &mut inner);
        // A text that only looks like JSON is a text.
        if let Ok(value) = value
            && inner.end().is_ok()
        {
            return Ok(value);
        }
    }
    Ok(to_string(py, text)?.into_any())
}
