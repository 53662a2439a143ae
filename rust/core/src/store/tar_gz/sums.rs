//! SHA-256 sums of an archive's parts, which the user has from where the parts come from:
//! a thread of its own reads behind the pass, out of the system's cache. A part whose sum
//! is another one is told of when the pass comes to its end, at the latest.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::xxh3_64;

use super::parts::Parts;
use crate::error::{Error, Result};

const PIECE: usize = 1 << 20;
/// How long the thread sleeps where it has come up with the pass.
const PATIENCE: Duration = Duration::from_millis(2);

/// A SHA-256 sum.
pub type Sum = [u8; 32];

/// What the pass and the thread beside it tell each other.
#[derive(Debug)]
pub(super) struct Sums {
    /// Of each part.
    expected: Vec<Sum>,
    /// So many bytes of the stream may be read.
    reached: AtomicU64,
    /// The pass has ended: parts that begin before what it reached are read to their end.
    is_over: AtomicBool,
    is_stopped: AtomicBool,
    /// So many parts from the first on were read, and right.
    right: AtomicUsize,
    is_wrong: AtomicBool,
}

impl Sums {
    /// The sums of these parts by their names: each has to have one.
    pub fn new(parts: &Parts, by_name: &HashMap<OsString, Sum>) -> Result<Sums> {
        let expected = parts.paths().map(|path| {
            let sum = path.file_name().and_then(|name| by_name.get(name)).copied();
            sum.ok_or_else(|| Error::Io {
                path: path.to_owned(),
                action: "check",
                source: std::io::Error::new(
                    std::io::ErrorKind::InvalidInput,
                    "there is no SHA-256 sum for it among those that were given",
                ),
            })
        });
        Ok(Sums {
            expected: expected.collect::<Result<_>>()?,
            reached: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
            is_stopped: AtomicBool::new(false),
            right: AtomicUsize::new(0),
            is_wrong: AtomicBool::new(false),
        })
    }

    pub fn reach(&self, byte: u64) {
        self.reached.fetch_max(byte, Ordering::Relaxed);
    }

    /// Whether the sum of a part was found to be another one.
    pub fn is_wrong(&self) -> bool {
        self.is_wrong.load(Ordering::Relaxed)
    }

    /// How many parts, from the first on, are right, and a hash of their sums.
    pub fn right(&self) -> (usize, u64) {
        let right = self.right.load(Ordering::Relaxed);
        (right, xxh3_64(&self.expected[..right].concat()))
    }

    /// Passes over parts that an earlier pass has found right, by just these sums.
    pub fn pass_over(&self, right: usize, hash: u64) {
        let expected = self.expected.get(..right).map(<[Sum]>::concat);
        if expected.is_some_and(|sums| xxh3_64(&sums) == hash) {
            self.right.store(right, Ordering::Relaxed);
        }
    }

    /// The pass has come to its end, or to damage.
    pub fn finish(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// Nobody waits for the rest.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    /// Reads behind the pass. The number of the first part that is wrong, and why.
    pub fn run(&self, parts: &Parts) -> Result<Option<(usize, Error)>> {
        let result = self.compare(parts);
        if !matches!(result, Ok(None)) {
            self.is_wrong.store(true, Ordering::Relaxed);
        }
        result
    }

    fn compare(&self, parts: &Parts) -> Result<Option<(usize, Error)>> {
        let starts = parts.starts().to_vec();
        let mut bytes = vec![0; PIECE];
        for (number, expected) in self.expected.iter().enumerate().skip(self.right().0) {
            let (start, end) = (starts[number], starts[number + 1]);
            let mut sum = Sha256::new();
            let mut at = start;
            while at < end {
                let count = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE);
                if !self.wait(start, at + count as u64) {
                    return Ok(None);
                }
                parts.read(at, &mut bytes[..count])?;
                sum.update(&bytes[..count]);
                at += count as u64;
            }
            let found: Sum = sum.finalize().into();
            if found != *expected {
                let reason = format!(
                    "its SHA-256 is {}, and has to be {}: get this part anew",
                    hex(&found),
                    hex(expected)
                );
                return Ok(Some((number, parts.error_at(start, &reason))));
            }
            self.right.store(number + 1, Ordering::Relaxed);
        }
        Ok(None)
    }

    /// Waits until the pass is at byte `to`; whether to go on in the part that begins at
    /// `start`.
    fn wait(&self, start: u64, to: u64) -> bool {
        loop {
            let reached = self.reached.load(Ordering::Relaxed);
            if self.is_stopped.load(Ordering::Relaxed) {
                return false;
            }
            if self.is_over.load(Ordering::Relaxed) {
                return reached > start;
            }
            if reached >= to {
                return true;
            }
            std::thread::sleep(PATIENCE);
        }
    }
}

fn hex(sum: &Sum) -> String {
    sum.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
