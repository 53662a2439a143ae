//! Long work without Python's lock, while the calling thread looks after Ctrl-C and the
//! progress bar.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pyo3::prelude::*;

use textbook_core::index::Progress;
use textbook_core::{Error, Result};

use crate::errors::to_pyerr;

/// A pass that is over sooner shows nothing.
const PATIENCE: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(50);

/// What the work is called while it is watched.
pub struct Title<'a> {
    /// As "indexing".
    pub verb: &'static str,
    /// The file that is worked on.
    pub path: &'a Path,
    /// Whether there is a bar at all.
    pub shows_progress: bool,
}

/// The result of `work`, done on a thread of its own.
pub fn watched<T: Send + 'static>(
    py: Python<'_>,
    title: &Title<'_>,
    progress: &Arc<Progress>,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> PyResult<T> {
    let (sender, mut receiver) = channel();
    let body = move || {
        // The watcher is gone only if it panicked.
        let _ = sender.send(work());
    };
    let worker = std::thread::Builder::new().name("textbook_fast pass".to_owned()).spawn(body);
    let worker = worker.map_err(|source| {
        let path = PathBuf::from("a thread");
        to_pyerr(py, &Error::Io { path, action: "start", source })
    })?;
    let begin = Instant::now();
    let mut bar = None;
    let mut interrupted = None;
    let result = loop {
        let answer;
        (answer, receiver) = py.detach(move || (receiver.recv_timeout(TICK), receiver));
        match answer {
            Ok(result) => break Some(result),
            Err(RecvTimeoutError::Disconnected) => break None,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if interrupted.is_none()
            && let Err(error) = py.check_signals()
        {
            progress.stop();
            interrupted = Some(error);
        }
        if title.shows_progress && begin.elapsed() > PATIENCE {
            show(bar.get_or_insert_with(|| new_bar(title, progress)), progress);
        }
    };
    // Its result came through the channel.
    let _ = py.detach(|| worker.join());
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    match (interrupted, result) {
        (Some(interrupt), _) => Err(interrupt),
        (None, Some(result)) => result.map_err(|error| to_pyerr(py, &error)),
        (None, None) => {
            let message = "the pass over the file panicked".to_owned();
            Err(to_pyerr(py, &Error::Bug { path: title.path.to_owned(), message }))
        }
    }
}

/// On standard error, and only on a terminal. Its rate is that of what comes from here on:
/// what an earlier pass has done took no time of this one.
pub fn new_bar(title: &Title<'_>, progress: &Progress) -> ProgressBar {
    let bar = ProgressBar::hidden();
    let template = "{prefix} {msg} [{wide_bar}] {bytes}/{total_bytes} {bytes_per_sec}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    let name = title.path.file_name().unwrap_or_default();
    bar.set_prefix(title.verb);
    bar.set_message(name.to_string_lossy().into_owned());
    show(&bar, progress);
    bar.reset_eta();
    bar.set_draw_target(ProgressDrawTarget::stderr());
    bar
}

pub fn show(bar: &ProgressBar, progress: &Progress) {
    let (done, total) = progress.bytes();
    bar.set_length(total);
    bar.set_position(done);
}
