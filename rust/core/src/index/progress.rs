//! How far a pass has come, and a way to stop it, shared between the threads that
//! work and the one that watches.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::error::{Error, Result};

/// The state of a pass.
#[derive(Debug, Default)]
pub struct Progress {
    done: AtomicU64,
    total: AtomicU64,
    stop: AtomicBool,
    /// A test may have it stop at a certain look: 0 for never.
    #[cfg(test)]
    looks: AtomicU64,
}

impl Progress {
    /// Bytes looked at so far, and in all (0 as long as that is not known).
    #[must_use]
    pub fn bytes(&self) -> (u64, u64) {
        (self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed))
    }

    /// Makes the pass end with [`Error::Stopped`] within milliseconds.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub(crate) fn begin(&self, total: u64) {
        self.done.store(0, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }

    pub(crate) fn advance(&self, bytes: u64) -> Result<()> {
        self.done.fetch_add(bytes, Ordering::Relaxed);
        self.check()
    }

    #[cfg(test)]
    pub(crate) fn stop_after(&self, looks: u64) {
        self.looks.store(looks, Ordering::Relaxed);
    }

    pub(crate) fn check(&self) -> Result<()> {
        #[cfg(test)]
        if self.looks.load(Ordering::Relaxed) > 0 && self.looks.fetch_sub(1, Ordering::Relaxed) == 1
        {
            self.stop();
        }
        if self.stop.load(Ordering::Relaxed) { Err(Error::Stopped) } else { Ok(()) }
    }
}
