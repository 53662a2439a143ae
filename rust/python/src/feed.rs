//! The loader's feed for Python: samples in order, waited for without the GIL.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use textbook_core::decode::ImageFailure;
use textbook_core::loader::permutation::{Permutation, Shuffle};
use textbook_core::loader::{self, Delivered, From, Next, Settings};
use textbook_core::prepare::{Made, Recipe};

use crate::errors::to_pyerr;
use crate::files::Files;
use crate::images::{ImageStore, damage_named, image_error, made_to_array, pixel_limit};
use crate::passes::interleave_clips;
use crate::record::Record;
use crate::transform::Transform;

/// How long a wait lasts before Ctrl-C is looked after.
const TICK: Duration = Duration::from_millis(50);

/// The items at the places `start` to `stop` of an epoch.
#[pyfunction]
pub fn permute<'py>(
    py: Python<'py>,
    shuffle: &str,
    seed: u64,
    epoch: u64,
    length: u64,
    start: u64,
    stop: u64,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let shuffle = match shuffle {
        "none" => Shuffle::None,
        "all" => Shuffle::All,
        "block" => Shuffle::Block,
        _ => return Err(PyValueError::new_err(format!("there is no shuffle {shuffle:?}"))),
    };
    let items: Vec<i64> = py.detach(|| {
        let permutation = Permutation::new(shuffle, seed, epoch, length);
        permutation.range(start..stop.min(length)).map(u64::cast_signed).collect()
    });
    Ok(items.into_pyarray(py))
}

/// Files, their images, what becomes of these, and what is done about broken ones.
type Source<'py> =
    (Bound<'py, Files>, Option<Bound<'py, ImageStore>>, Option<Bound<'py, Transform>>, String);

/// Samples of several datasets in the order in which they are pushed, read and decoded ahead.
#[pyclass(frozen, module = "textbook_fast._core")]
pub struct Feed {
    open: Mutex<Option<Arc<loader::Feed>>>,
    files: Vec<Py<Files>>,
    /// The process that has the threads. A forked child must not touch their locks.
    process: u32,
}

impl Feed {
    fn open(&self) -> PyResult<Arc<loader::Feed>> {
        if std::process::id() != self.process {
            return Err(PyRuntimeError::new_err(
                "this iterator of a Loader belongs to the process that was forked: \
                 its threads are not in the child; iterate the Loader anew",
            ));
        }
        let feed = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        feed.clone().ok_or_else(|| PyRuntimeError::new_err("the feed is closed"))
    }

    fn take(&self) -> Option<Arc<loader::Feed>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        if std::process::id() != self.process {
            std::mem::forget(self.take());
        }
    }
}

#[pymethods]
impl Feed {
    #[new]
    #[pyo3(signature = (sources, *, threads, io_threads, prefetch_bytes, read_delay=0.0))]
    #[allow(clippy::needless_pass_by_value, reason = "as Python hands it over")]
    fn new(
        py: Python<'_>,
        sources: Vec<Source<'_>>,
        threads: usize,
        io_threads: usize,
        prefetch_bytes: usize,
        read_delay: f64,
    ) -> PyResult<Feed> {
        let limit = pixel_limit(py)?;
        let read_delay = Duration::try_from_secs_f64(read_delay)
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        let settings = Settings { threads, io_threads, prefetch_bytes, read_delay };
        let from = sources.iter().map(|(files, store, transform, truncated)| {
            Ok(From {
                parts: Arc::clone(files.get().parts()),
                store: store.as_ref().map(|store| Arc::clone(store.get().store())),
                recipe: Recipe {
                    transform: transform.as_ref().map(|transform| Arc::clone(&transform.get().0)),
                    limit,
                    damage: damage_named(truncated)?,
                },
            })
        });
        let feed = loader::Feed::new(from.collect::<PyResult<_>>()?, settings);
        let files = sources.iter().map(|(files, ..)| files.clone().unbind()).collect();
        let process = std::process::id();
        Ok(Feed { open: Mutex::new(Some(Arc::new(feed))), files, process })
    }

    /// Orders samples: numbers of sources, and positions there.
    #[allow(clippy::needless_pass_by_value, reason = "as Python hands it over")]
    fn push(
        &self,
        sources: PyReadonlyArray1<'_, i64>,
        positions: PyReadonlyArray1<'_, i64>,
    ) -> PyResult<()> {
        let mut orders = Vec::new();
        for (&source, &position) in sources.as_array().iter().zip(positions.as_array()) {
            let order = usize::try_from(source).ok().zip(usize::try_from(position).ok());
            let known = order.filter(|&(source, position)| {
                self.files.get(source).is_some_and(|files| position < files.get().parts().len())
            });
            orders.push(known.ok_or_else(|| {
                PyValueError::new_err(format!("source {source} has no sample {position}"))
            })?);
        }
        self.open()?.push(orders);
        Ok(())
    }

    /// `(source, position, file, place, record, images)`, or None when all is delivered.
    /// The record is an exception where it cannot be read; the images are None where the
    /// record does not tell them.
    fn next<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        loop {
            let feed = self.open()?;
            match py.detach(move || feed.next(TICK)) {
                Next::Sample(sample) => return self.to_tuple(py, *sample).map(Some),
                Next::Pending => py.check_signals()?,
                Next::Empty => return Ok(None),
            }
        }
    }

    /// Ends the threads.
    fn close(&self, py: Python<'_>) {
        if std::process::id() == self.process {
            let feed = self.take();
            py.detach(move || drop(feed));
        }
    }

    fn totals<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let totals = self.open()?.totals();
        let dict = PyDict::new(py);
        dict.set_item("read_seconds", totals.read_seconds)?;
        dict.set_item("decode_seconds", totals.decode_seconds)?;
        dict.set_item("bytes_read", totals.bytes_read)?;
        dict.set_item("reads", totals.reads)?;
        dict.set_item("images", totals.images)?;
        dict.set_item("ready", totals.ready)?;
        dict.set_item("under_way", totals.under_way)?;
        dict.set_item("held_bytes", totals.held)?;
        dict.set_item("most_held_bytes", totals.most_held)?;
        Ok(dict)
    }
}

impl Feed {
    fn to_tuple<'py>(&self, py: Python<'py>, sample: Delivered) -> PyResult<Bound<'py, PyAny>> {
        let Delivered { source, position, record, images } = sample;
        let (file, place) = self.files[source].get().parts().locate(position);
        let record = match record {
            Ok(bytes) => Bound::new(py, Record::from_bytes(bytes))?.into_any(),
            Err(error) => to_pyerr(py, &error).into_value(py).into_bound(py).into_any(),
        };
        let images = match images {
            None => py.None().into_bound(py),
            Some(images) => to_list(py, &interleaved(&record)?, images)?.into_any(),
        };
        Ok((source, position, file, place, record, images).into_pyobject(py)?.into_any())
    }
}

/// The record that lists the images: that of clips lists them in its interleaved form.
fn interleaved<'py>(record: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let made = match record.cast::<Record>() {
        Ok(record) => interleave_clips(record.py(), record, false, None)?,
        Err(_) => None,
    };
    match made {
        Some(made) => Ok(Bound::new(record.py(), made)?.into_any()),
        None => Ok(record.clone()),
    }
}

/// As of `load_images`.
fn to_list<'py>(
    py: Python<'py>,
    record: &Bound<'py, PyAny>,
    images: Vec<Option<Result<Made, ImageFailure>>>,
) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    for (number, image) in images.into_iter().enumerate() {
        let path = || record.getattr("images")?.get_item(number)?.extract::<String>();
        match image {
            None => list.append(py.None())?,
            Some(Ok(made)) => list.append(made_to_array(py, made, path)?)?,
            Some(Err(failure)) => {
                list.append(image_error(py, &path()?, &failure).into_value(py))?;
            }
        }
    }
    Ok(list)
}
