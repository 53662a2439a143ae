//! Of several processes that need an index at once, one builds it. The lock is an
//! advisory one on the JSON file itself, so nothing is left behind; where locks do
//! not work (some network file systems), each process builds for itself.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::progress::Progress;
use crate::error::Result;

/// The lock, while it lives.
pub(super) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // By name, not by closing: a forked child may hold the descriptor, too.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

/// Waits for the lock. `None` where the file system has none.
pub(super) fn wait(path: &Path, progress: &Progress) -> Result<Option<Lock>> {
    let Ok(file) = File::open(path) else { return Ok(None) };
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Some(Lock(file))),
            Err(Errno::WOULDBLOCK | Errno::INTR) => progress.check()?,
            Err(_) => return Ok(None),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
