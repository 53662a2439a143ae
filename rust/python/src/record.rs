//! A sample's record for Python: its bytes, and its fields as Python objects.

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use textbook_core::record::{self, Reader};

use crate::errors::to_pyerr;
use crate::json::{read_integer, read_nested, read_texts, read_value};

/// The JSON of one sample. Fields are read anew at each access.
#[pyclass(frozen, module = "textbook_fast._core")]
pub struct Record(record::Record);

impl Record {
    pub fn from_bytes(bytes: Vec<u8>) -> Record {
        Record(record::Record::new(bytes))
    }

    pub fn inner(&self) -> &record::Record {
        &self.0
    }

    fn field<'py>(
        &self,
        py: Python<'py>,
        name: &str,
        read: impl FnOnce(&mut Reader<'_>) -> PyResult<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match self.0.field(name).map_err(|error| to_pyerr(py, &error))? {
            Some(mut reader) => read(&mut reader),
            None => Ok(py.None().into_bound(py)),
        }
    }

    fn texts_of<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        self.field(py, name, |reader| read_texts(py, reader, name))
    }

    fn integer_of<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        self.field(py, name, |reader| read_integer(py, reader, name))
    }
}

#[pymethods]
impl Record {
    #[new]
    fn new(raw: PyBackedBytes) -> Record {
        Record(record::Record::new(raw))
    }

    #[getter]
    fn raw<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        self.0.check().map_err(|error| to_pyerr(py, &error))?;
        Ok(PyBytes::new(py, self.0.bytes()))
    }

    /// Whether there is a field with this name.
    fn has(&self, py: Python<'_>, name: &str) -> PyResult<bool> {
        self.0.has(name).map_err(|error| to_pyerr(py, &error))
    }

    /// The bytes as they are, even where they are no record.
    #[getter]
    fn unchecked<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.bytes())
    }

    #[getter]
    fn images<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.texts_of(py, "images")
    }

    #[getter]
    fn texts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.texts_of(py, "texts")
    }

    #[getter]
    fn text_ocr_list<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.texts_of(py, "text_ocr_list")
    }

    #[getter]
    fn metadata<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.field(py, "metadata", |reader| read_nested(py, reader))
    }

    #[getter]
    fn image_num<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.integer_of(py, "image_num")
    }

    #[getter]
    fn text_num<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.integer_of(py, "text_num")
    }

    #[getter]
    fn token_num<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.integer_of(py, "token_num")
    }

    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        // Reading all of it proves what the pass over the record does, and more; what
        // is wrong with the record as a whole comes before what is wrong inside.
        self.read_all(py).or_else(|inside| {
            self.0.check().map_err(|error| to_pyerr(py, &error))?;
            Err(inside)
        })
    }
}

impl Record {
    fn read_all<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let mut reader = self.0.reader();
        reader.skip_space();
        if reader.peek() != Some(b'{') {
            let reason = "a record is a JSON object and begins with '{'";
            return Err(to_pyerr(py, &reader.error(reason)));
        }
        let value = read_value(py, &mut reader)?;
        reader.end().map_err(|error| to_pyerr(py, &error))?;
        Ok(value)
    }
}
