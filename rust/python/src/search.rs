//! A search under way, for Python: an iterator of hits.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use numpy::PyReadonlyArray1;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use textbook_core::index::Progress;
use textbook_core::search::{self, Case, Field, Hit, Query, Syntax};

use crate::errors::to_pyerr;
use crate::files::Files;
use crate::passes::positions_of;
use crate::watch::{Title, new_bar, show};

/// `(place, item, excerpt, start, end)`.
type Found = (usize, usize, String, usize, usize);

/// A search that is over sooner shows nothing.
const PATIENCE: Duration = Duration::from_secs(1);

struct State {
    /// Away while a batch is searched.
    search: Option<search::Search>,
    hits: VecDeque<Hit>,
    bar: Option<ProgressBar>,
}

/// Hits in the order of the samples.
#[pyclass(frozen, module = "textbook_fast._core")]
pub struct Search {
    state: Mutex<State>,
    progress: Arc<Progress>,
    files: Py<Files>,
    begin: Instant,
    shows_progress: bool,
}

#[pymethods]
impl Search {
    #[new]
    #[pyo3(signature = (files, pattern, *, view, field, regex, ignore_case, threads, progress))]
    #[allow(clippy::too_many_arguments, clippy::fn_params_excessive_bools, reason = "keywords")]
    fn new(
        py: Python<'_>,
        files: Py<Files>,
        pattern: &str,
        view: Option<PyReadonlyArray1<'_, i64>>,
        field: &str,
        regex: bool,
        ignore_case: bool,
        threads: usize,
        progress: bool,
    ) -> PyResult<Search> {
        let field = if field == "text_ocr_list" { Field::TextOcrList } else { Field::Texts };
        let syntax = if regex { Syntax::Regex } else { Syntax::Literal };
        let case = if ignore_case { Case::Ignored } else { Case::Sensitive };
        let query = Query::new(pattern, syntax, case, field).map_err(PyValueError::new_err)?;
        let parts = files.bind(py).get().parts();
        let positions = positions_of(parts, view)?;
        let state = Arc::new(Progress::default());
        let search = search::Search::new(parts, positions.as_deref(), query, threads, &state);
        let state_of_search = State { search: Some(search), hits: VecDeque::new(), bar: None };
        Ok(Search {
            state: Mutex::new(state_of_search),
            progress: state,
            files,
            begin: Instant::now(),
            shows_progress: progress,
        })
    }

    fn __iter__(slf: Py<Search>) -> Py<Search> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Found>> {
        loop {
            let mut search = {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(hit) = state.hits.pop_front() {
                    let found = hit.excerpt.found;
                    return Ok(Some((
                        hit.place,
                        hit.item,
                        hit.excerpt.text,
                        found.start,
                        found.end,
                    )));
                }
                match state.search.take() {
                    Some(search) => search,
                    None => return Ok(None),
                }
            };
            let (batch, search) = py.detach(move || (search.next_batch(), search));
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            self.show_progress(py, &mut state);
            let Some(hits) = batch.map_err(|error| to_pyerr(py, &error))? else {
                if let Some(bar) = state.bar.take() {
                    bar.finish_and_clear();
                }
                return Ok(None);
            };
            state.hits.extend(hits);
            state.search = Some(search);
            drop(state);
            py.check_signals()?;
        }
    }

    /// Bytes searched so far, and in all.
    #[getter]
    fn bytes(&self) -> (u64, u64) {
        self.progress.bytes()
    }
}

impl Search {
    fn show_progress(&self, py: Python<'_>, state: &mut State) {
        if !self.shows_progress || self.begin.elapsed() < PATIENCE {
            return;
        }
        let parts = self.files.bind(py).get().parts();
        let Some(part) = parts.files().first() else { return };
        let title = Title { verb: "searching", path: part.source.path(), shows_progress: true };
        show(state.bar.get_or_insert_with(|| new_bar(&title, &self.progress)), &self.progress);
    }
}
