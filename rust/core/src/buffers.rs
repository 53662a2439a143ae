//! Pixel memory that is used again. The first touch of a fresh page costs the
//! kernel more time than color conversion takes, so the memory of freed arrays
//! is kept for the next pictures: as much as the last ones needed, under a cap.
//! Knows no pictures.
//!
//! Each buffer is a mapping of its own, outside of malloc: freed, it goes back to the
//! system as a whole. From malloc, buffers of a megabyte for many threads tear holes into
//! its arenas: 100 MB of them in 24 short epochs, with nothing lost.

use std::collections::{BTreeMap, VecDeque};
use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

use memmap2::MmapMut;

use crate::pool::lock;

/// Kept buffers together hold at most this many bytes. A batch of 64 samples that is freed
/// at once has 900 MB, and where less is kept, decoding takes a fifth to a half longer.
const CAPACITY: usize = 1 << 30;
/// So much more may be kept than was lent at once: for pictures of a few sizes, of which each
/// batch has other ones.
const ALWAYS: usize = 32 << 20;
/// How long a peak is remembered: for so many buffers that are taken, and up to as many more.
const WINDOW: usize = 2048;
/// Shorter ones are malloc's business, and not kept.
const SMALL: usize = 64 << 10;
/// Where the pixels begin: a cache line, so that wide stores are aligned.
const ALIGNMENT: usize = 64;

static CACHE: Mutex<Cache> = Mutex::new(Cache::new(CAPACITY, WINDOW, ALWAYS));

/// How many bytes wait to be used again. As of [`Buffer::take`], only for threads that have
/// passed the pool's gate.
#[must_use]
pub fn kept_bytes() -> usize {
    lock(&CACHE).bytes
}

/// Gives the kept memory back to the system. Only for threads that have passed the gate.
pub fn free_kept() {
    let kept = lock(&CACHE).empty();
    drop(kept);
}

/// The length of the mapping for a buffer: a quarter, half or three quarters on the way
/// from one power of two to the next, so that pictures of nearly one size share theirs.
/// Pages that are never touched cost nothing.
fn class_of(length: usize) -> usize {
    let quarter = length.next_power_of_two() / 8;
    length.next_multiple_of(quarter.max(1))
}

/// The buffers that wait to be used again.
///
/// ```text
/// lent + kept <= the most that was lent at once lately + `always`
/// ```
/// So beyond `always` the cache never makes a process larger than its work has made it, and where
/// the work gets less, it follows.
#[derive(Debug)]
struct Cache {
    /// By length, and when they were put here; the latest at the back.
    kept: BTreeMap<usize, VecDeque<(u64, MmapMut)>>,
    bytes: usize,
    /// Bytes of the buffers that are in use.
    lent: usize,
    /// The most of them at once, in this window and in the one before.
    peaks: [usize; 2],
    /// Buffers that were taken in this window.
    taken: usize,
    /// Counts the buffers that were put here.
    clock: u64,
    capacity: usize,
    window: usize,
    always: usize,
}

impl Cache {
    const fn new(capacity: usize, window: usize, always: usize) -> Cache {
        Cache {
            kept: BTreeMap::new(),
            bytes: 0,
            lent: 0,
            peaks: [0; 2],
            taken: 0,
            clock: 0,
            capacity,
            window,
            always,
        }
    }

    /// A buffer of this class, the latest that came: it is the likeliest to be in the CPU's
    /// cache. Where there is none, the caller makes one, and puts it here in the end.
    fn take(&mut self, class: usize) -> Option<MmapMut> {
        self.taken += 1;
        if self.taken > self.window {
            self.taken = 1;
            self.peaks = [self.lent, self.peaks[0]];
        }
        self.lent += class;
        self.peaks[0] = self.peaks[0].max(self.lent);
        let (_, memory) = self.kept.get_mut(&class)?.pop_back()?;
        self.bytes -= class;
        Some(memory)
    }

    /// Keeps a buffer. What is too much then, the longest unused first, is given back to be
    /// dropped after the lock is let go.
    fn put(&mut self, memory: MmapMut) -> Vec<MmapMut> {
        let class = memory.len();
        self.lent = self.lent.saturating_sub(class);
        self.bytes += class;
        self.clock += 1;
        self.kept.entry(class).or_default().push_back((self.clock, memory));
        let peak = self.peaks[0].max(self.peaks[1]) + self.always;
        let most = peak.saturating_sub(self.lent).min(self.capacity);
        let mut freed = Vec::new();
        while self.bytes > most {
            let Some(oldest) = self.take_oldest() else { break };
            freed.push(oldest);
        }
        freed
    }

    fn take_oldest(&mut self) -> Option<MmapMut> {
        let age = |kept: &VecDeque<(u64, MmapMut)>| kept.front().map_or(u64::MAX, |kept| kept.0);
        let (&class, kept) = self.kept.iter_mut().min_by_key(|(_, kept)| age(kept))?;
        let oldest = kept.pop_front();
        if kept.is_empty() {
            self.kept.remove(&class);
        }
        let (_, memory) = oldest?;
        self.bytes -= class;
        Some(memory)
    }

    fn empty(&mut self) -> BTreeMap<usize, VecDeque<(u64, MmapMut)>> {
        self.bytes = 0;
        std::mem::take(&mut self.kept)
    }
}

#[derive(Debug)]
enum Storage {
    Small(Vec<u8>),
    Mapped(MmapMut),
}

/// Bytes on a cache line's border whose memory goes back to the cache when dropped.
/// Fresh or used before: whoever takes one writes all of it before showing any.
#[derive(Debug)]
pub struct Buffer {
    storage: Storage,
    start: usize,
    length: usize,
}

impl Buffer {
    /// A buffer of `length` bytes with unspecified content. Only for threads that have
    /// passed the pool's gate, so that no fork meets the cache's lock.
    #[must_use]
    pub fn take(length: usize) -> Buffer {
        if length < SMALL {
            return Buffer::small(length);
        }
        let class = class_of(length);
        let kept = lock(&CACHE).take(class);
        let Ok(memory) = kept.map_or_else(|| MmapMut::map_anon(class), Ok) else {
            lock(&CACHE).lent -= class;
            // malloc says what there is to say about memory that there is not.
            return Buffer::small(length);
        };
        Buffer { storage: Storage::Mapped(memory), start: 0, length }
    }

    fn small(length: usize) -> Buffer {
        let memory = vec![0; length.saturating_add(ALIGNMENT - 1)];
        let start = memory.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT - 1);
        Buffer { storage: Storage::Small(memory), start, length }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let memory: &[u8] = match &self.storage {
            Storage::Small(memory) => memory,
            Storage::Mapped(memory) => memory,
        };
        &memory[self.start..self.start + self.length]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        let memory: &mut [u8] = match &mut self.storage {
            Storage::Small(memory) => memory,
            Storage::Mapped(memory) => memory,
        };
        &mut memory[self.start..self.start + self.length]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let storage = std::mem::replace(&mut self.storage, Storage::Small(Vec::new()));
        self.length = 0;
        self.start = 0;
        if let Storage::Mapped(memory) = storage {
            // What goes back to the system goes after the cache's lock is let go.
            let freed = lock(&CACHE).put(memory);
            drop(freed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapped(length: usize) -> MmapMut {
        MmapMut::map_anon(length).expect("memory")
    }

    fn put(cache: &mut Cache, memory: MmapMut) -> Vec<usize> {
        cache.put(memory).iter().map(|memory| memory.len()).collect()
    }

    /// Takes buffers of these lengths, all at once.
    fn take(cache: &mut Cache, classes: &[usize]) -> Vec<MmapMut> {
        classes.iter().map(|&class| cache.take(class).unwrap_or_else(|| mapped(class))).collect()
    }

    #[test]
    fn buffers_are_aligned_and_sized() {
        for length in [0, 1, 10, SMALL - 1, SMALL, SMALL + 1, 1_234_567, 2_764_800] {
            let mut buffer = Buffer::take(length);
            assert_eq!(buffer.len(), length);
            assert_eq!(buffer.as_ptr() as usize % ALIGNMENT, 0);
            buffer.fill(7);
            assert!(buffer.iter().all(|&byte| byte == 7));
        }
    }

    #[test]
    fn a_class_wastes_at_most_a_fifth_of_a_mapping() {
        for length in (SMALL..100_000).chain([1_354_752, 2_764_800, 123 << 20]) {
            let class = class_of(length);
            assert!(length <= class && class - length <= class / 5, "{length}: {class}");
            assert_eq!(class_of(class), class);
        }
        assert_eq!(class_of(2_764_800), class_of(2_760_480), "1280 and 1278 pixels in a row");
    }

    #[test]
    fn the_latest_buffer_of_a_class_is_used_again() {
        let mut cache = Cache::new(1 << 20, 100, 0);
        let both = take(&mut cache, &[4096, 4096]);
        let place = both[1].as_ptr();
        for memory in both {
            assert!(put(&mut cache, memory).is_empty());
        }
        assert_eq!((cache.bytes, cache.lent), (8192, 0));
        assert!(cache.take(8192).is_none(), "one of another length");
        assert_eq!(cache.take(4096).map(|memory| memory.as_ptr()), Some(place));
        assert_eq!((cache.bytes, cache.lent), (4096, 12_288));
    }

    #[test]
    fn no_more_is_kept_than_was_lent_at_once_and_the_oldest_goes_first() {
        let mut cache = Cache::new(1 << 20, 100, 0);
        for (pages, freed) in [(1, vec![]), (2, vec![4096]), (3, vec![8192]), (1, vec![12_288])] {
            let [memory] = take(&mut cache, &[pages * 4096]).try_into().expect("one buffer");
            assert_eq!(put(&mut cache, memory), freed, "after {pages} pages");
        }
        assert_eq!((cache.bytes, cache.lent), (4096, 0));
        let all = take(&mut cache, &[4096, 8192, 12_288]);
        assert_eq!((cache.bytes, cache.lent), (0, 6 * 4096));
        for memory in all {
            assert!(put(&mut cache, memory).is_empty());
        }
        assert_eq!((cache.bytes, cache.lent), (6 * 4096, 0));
    }

    #[test]
    fn a_little_is_always_kept() {
        let mut cache = Cache::new(1 << 20, 100, 4 * 4096);
        for (pages, freed) in [(1, vec![]), (2, vec![]), (3, vec![]), (1, vec![]), (4, vec![8192])]
        {
            let [memory] = take(&mut cache, &[pages * 4096]).try_into().expect("one buffer");
            assert_eq!(put(&mut cache, memory), freed, "after {pages} pages");
        }
    }

    #[test]
    fn what_is_larger_than_the_cap_is_not_kept() {
        let mut cache = Cache::new(3 * 4096, 100, 0);
        for memory in take(&mut cache, &[4096, 8192]) {
            assert!(put(&mut cache, memory).is_empty());
        }
        let [large] = take(&mut cache, &[5 * 4096]).try_into().expect("one buffer");
        assert_eq!(put(&mut cache, large), [4096, 8192, 5 * 4096]);
        assert_eq!((cache.bytes, cache.kept.len()), (0, 0));
    }

    #[test]
    fn what_is_not_needed_for_two_windows_is_freed() {
        let mut cache = Cache::new(1 << 20, 10, 0);
        for memory in take(&mut cache, &[4096; 8]) {
            assert!(put(&mut cache, memory).is_empty());
        }
        let mut freed = Vec::new();
        for _ in 0..10 {
            // From now on three at a time are in use.
            for memory in take(&mut cache, &[4096; 3]) {
                freed.extend(put(&mut cache, memory));
            }
        }
        assert_eq!((freed.len(), cache.bytes, cache.lent), (5, 3 * 4096, 0));
        assert_eq!(cache.empty().len(), 1);
        assert_eq!(cache.bytes, 0);
    }
}
