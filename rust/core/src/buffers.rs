//! Pixel memory that is used again. The first touch of a fresh page costs the
//! kernel more time than color conversion takes, so the memory of freed arrays
//! is kept, under a cap, for the next pictures. Knows no pictures.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

use crate::pool::lock;

/// Kept buffers together hold at most this many bytes.
const CAPACITY: usize = 256 << 20;
/// Where the pixels begin: a cache line, so that wide stores are aligned.
const ALIGNMENT: usize = 64;

static CACHE: Mutex<Cache> = Mutex::new(Cache { free: BTreeMap::new(), bytes: 0 });

/// The buffers that wait to be used again, by length.
#[derive(Debug)]
struct Cache {
    free: BTreeMap<usize, Vec<Vec<u8>>>,
    bytes: usize,
}

impl Cache {
    /// A buffer of at least `length` bytes that wastes at most a quarter of itself.
    fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        let most = length.saturating_add(length / 3);
        let (&size, kept) = self.free.range_mut(length..=most).next()?;
        let storage = kept.pop();
        if kept.is_empty() {
            self.free.remove(&size);
        }
        self.bytes -= size;
        storage
    }

    /// Keeps a buffer, or hands it back where the cap leaves no room for it.
    fn put(&mut self, storage: Vec<u8>) -> Option<Vec<u8>> {
        if self.bytes + storage.len() > CAPACITY {
            return Some(storage);
        }
        self.bytes += storage.len();
        self.free.entry(storage.len()).or_default().push(storage);
        None
    }
}

/// Bytes on a cache line's border whose memory goes back to the cache when dropped.
/// Fresh or used before: whoever takes one writes all of it before showing any.
#[derive(Debug)]
pub struct Buffer {
    storage: Vec<u8>,
    start: usize,
    length: usize,
}

impl Buffer {
    /// A buffer of `length` bytes with unspecified content. Only for threads that have
    /// passed the pool's gate, so that no fork meets the cache's lock.
    #[must_use]
    pub fn take(length: usize) -> Buffer {
        let size = length.saturating_add(ALIGNMENT - 1);
        let kept = lock(&CACHE).take(size);
        let storage = kept.unwrap_or_else(|| vec![0; size]);
        let start = storage.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT - 1);
        Buffer { storage, start, length }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.storage[self.start..self.start + self.length]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.storage[self.start..self.start + self.length]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let storage = std::mem::take(&mut self.storage);
        // What the cache refuses is freed after its lock is let go.
        let refused = lock(&CACHE).put(storage);
        drop(refused);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_sized_and_used_again() {
        let mut first = Buffer::take(1_234_567);
        assert_eq!(first.len(), 1_234_567);
        assert_eq!(first.as_ptr() as usize % ALIGNMENT, 0);
        first.fill(7);
        let place = first.as_ptr();
        drop(first);
        let second = Buffer::take(1_234_560);
        assert_eq!((second.as_ptr(), second.len()), (place, 1_234_560));
        assert!(Buffer::take(10).len() == 10 && Buffer::take(0).is_empty());
    }

    #[test]
    fn the_cache_keeps_its_cap_and_wastes_little() {
        let mut cache = Cache { free: BTreeMap::new(), bytes: 0 };
        assert!(cache.put(vec![0; CAPACITY - 10]).is_none());
        assert!(cache.put(vec![0; 11]).is_some());
        assert!(cache.put(vec![0; 10]).is_none());
        assert!(cache.take(5).is_none(), "10 bytes for 5 would waste half");
        assert_eq!(cache.take(9).map(|storage| storage.len()), Some(10));
        assert_eq!(cache.take(CAPACITY - 10).map(|storage| storage.len()), Some(CAPACITY - 10));
        assert_eq!((cache.bytes, cache.free.len()), (0, 0));
    }
}
