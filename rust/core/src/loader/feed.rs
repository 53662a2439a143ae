//! Samples in a given order, read and decoded ahead: threads that read, apart from
//! threads that decode, and one consumer that takes the samples in order. Knows neither
//! batches nor epochs.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::state::{Encoded, Image, Order, Read, State, Wanted};
use crate::clips;
use crate::crew::{self, Owner, Worker};
use crate::decode::ImageFailure;
use crate::error::{Error, Result};
use crate::parts::Parts;
use crate::pool::{MAX_THREADS, lock};
use crate::prepare::{Made, Recipe};
use crate::record::{Reader, Record};
use crate::store::{Span, Stores};

/// Where samples come from.
#[derive(Debug)]
pub struct From {
    /// Their records.
    pub parts: Arc<Parts>,
    /// Their images; `None` where none are wanted.
    pub store: Option<Arc<Stores>>,
    /// What becomes of them.
    pub recipe: Recipe,
}

/// How a feed works.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Threads that decode.
    pub threads: usize,
    /// Threads that read.
    pub io_threads: usize,
    /// The most bytes that are held for samples to come.
    pub prefetch_bytes: usize,
    /// Waited before each read. Zero but for measuring what slow storage costs.
    pub read_delay: Duration,
}

/// A sample.
#[derive(Debug)]
pub struct Delivered {
    /// The number of its source, and its position there.
    pub source: usize,
    /// See `source`.
    pub position: usize,
    /// The record's bytes.
    pub record: Result<Vec<u8>>,
    /// What became of the image, or why nothing did, for each position that holds an image. `None`
    /// where the record does not tell its images, or none are wanted.
    pub images: Option<Vec<Option<std::result::Result<Made, ImageFailure>>>>,
}

/// What [`Feed::next`] has.
#[derive(Debug)]
pub enum Next {
    /// The next sample.
    Sample(Box<Delivered>),
    /// It is not ready yet.
    Pending,
    /// All that was ordered has been delivered.
    Empty,
}

/// What a feed has done so far.
#[derive(Debug, Clone, Copy)]
pub struct Totals {
    /// Seconds that threads spent reading, all together.
    pub read_seconds: f64,
    /// Seconds that threads spent decoding, all together.
    pub decode_seconds: f64,
    /// Bytes of records and encoded images.
    pub bytes_read: u64,
    /// Calls that read them: neighbors in an archive share one.
    pub reads: u64,
    /// Images that were decoded.
    pub images: u64,
    /// Samples that are ready in a row.
    pub ready: usize,
    /// Samples that are ready or under way.
    pub under_way: usize,
    /// Bytes that are held for them.
    pub held: usize,
    /// The most bytes that were held.
    pub most_held: usize,
}

#[derive(Debug, Default)]
struct Counters {
    read_ns: AtomicU64,
    decode_ns: AtomicU64,
    bytes: AtomicU64,
    reads: AtomicU64,
    images: AtomicU64,
}

impl Counters {
    fn add(counter: &AtomicU64, since: Instant) {
        let ns = u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        counter.fetch_add(ns, Ordering::Relaxed);
    }
}

struct Shared {
    from: Vec<From>,
    settings: Settings,
    state: Mutex<State>,
    reader_wake: Condvar,
    decoder_wake: Condvar,
    ready: Condvar,
    counters: Counters,
    workers: Mutex<Vec<Worker>>,
    own: Weak<Shared>,
}

/// Reads and decodes ahead. In a forked child it may neither be used nor dropped:
/// whether its locks are free is not known there.
pub struct Feed(Arc<Shared>);

impl std::fmt::Debug for Feed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Feed").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}

impl Feed {
    /// Starts the threads. Call it with Python's lock: see the pool's "Fork".
    #[must_use]
    pub fn new(from: Vec<From>, settings: Settings) -> Feed {
        let settings = Settings {
            threads: settings.threads.clamp(1, MAX_THREADS),
            io_threads: settings.io_threads.clamp(1, MAX_THREADS),
            ..settings
        };
        let shared = Arc::new_cyclic(|own| Shared {
            from,
            settings,
            state: Mutex::new(State::new(settings.prefetch_bytes, settings.io_threads)),
            reader_wake: Condvar::new(),
            decoder_wake: Condvar::new(),
            ready: Condvar::new(),
            counters: Counters::default(),
            workers: Mutex::new(Vec::new()),
            own: Weak::clone(own),
        });
        let owner: Arc<dyn Owner> = Arc::clone(&shared) as Arc<dyn Owner>;
        crew::register(&owner);
        Feed(shared)
    }

    /// Orders samples: the number of a source, and a position there.
    pub fn push(&self, orders: impl IntoIterator<Item = (usize, usize)>) {
        let order = |(source, position)| Order { source, position };
        lock(&self.0.state).push(orders.into_iter().map(order));
        self.0.reader_wake.notify_one();
    }

    /// The next sample, waited for no longer than `patience`.
    #[must_use]
    pub fn next(&self, patience: Duration) -> Next {
        let shared = &self.0;
        let mut state = lock(&shared.state);
        if !state.is_ready() && !state.is_empty() {
            let wait = shared.ready.wait_timeout(state, patience);
            state = wait.unwrap_or_else(PoisonError::into_inner).0;
        }
        let Some(slot) = state.take_ready() else {
            return if state.is_empty() { Next::Empty } else { Next::Pending };
        };
        let (reads, decodes) = (state.has_read(), state.has_decode());
        drop(state);
        shared.wake(reads, decodes);
        let unread = Error::Bug { path: "a feed".into(), message: "no record".to_owned() };
        let image = |image| match image {
            Image::Text => None,
            Image::Wanted(..) => Some(Err(ImageFailure::Bug("it was never read".to_owned()))),
            Image::Done(result) => Some(result),
        };
        Next::Sample(Box::new(Delivered {
            source: slot.order.source,
            position: slot.order.position,
            record: slot.record.unwrap_or(Err(unread)),
            images: slot.images.map(|images| images.into_iter().map(image).collect()),
        }))
    }

    /// What has been done so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let counters = &self.0.counters;
        let seconds = |counter: &AtomicU64| {
            Duration::from_nanos(counter.load(Ordering::Relaxed)).as_secs_f64()
        };
        let (ready, under_way, held, most_held) = lock(&self.0.state).depth();
        Totals {
            read_seconds: seconds(&counters.read_ns),
            decode_seconds: seconds(&counters.decode_ns),
            bytes_read: counters.bytes.load(Ordering::Relaxed),
            reads: counters.reads.load(Ordering::Relaxed),
            images: counters.images.load(Ordering::Relaxed),
            ready,
            under_way,
            held,
            most_held,
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.0.end_threads();
    }
}

impl Owner for Shared {
    fn begin_threads(&self) {
        let Some(shared) = self.own.upgrade() else { return };
        let mut workers = lock(&self.workers);
        if !workers.is_empty() {
            return;
        }
        lock(&self.state).is_ending = false;
        for number in 0..self.settings.io_threads + self.settings.threads {
            let shared = Arc::clone(&shared);
            let spawned = if number < self.settings.io_threads {
                crew::spawn("textbook_fast io", move || shared.read_all())
            } else {
                crew::spawn("textbook_fast", move || shared.decode_all())
            };
            // With fewer threads it is slower; without any of a kind `next` does the work.
            workers.extend(spawned);
        }
    }

    fn end_threads(&self) {
        let workers = std::mem::take(&mut *lock(&self.workers));
        lock(&self.state).is_ending = true;
        self.reader_wake.notify_all();
        self.decoder_wake.notify_all();
        crew::join(workers);
    }
}

impl Shared {
    fn wake(&self, reads: bool, decodes: bool) {
        if reads {
            self.reader_wake.notify_one();
        }
        if decodes {
            self.decoder_wake.notify_one();
        }
    }

    /// The life of a thread that reads.
    fn read_all(&self) {
        let mut state = lock(&self.state);
        loop {
            if state.is_ending {
                return;
            }
            let Some(read) = state.next_read() else {
                state = self.reader_wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let spare = state.take_spare();
            // One wakes the next, as long as there is something to do.
            let more = state.has_read();
            drop(state);
            self.wake(more, false);
            state = match read {
                Read::Record(number, order) => self.read_record(number, order),
                Read::Images(wanted) => self.read_images(&wanted, spare),
            };
            if state.has_decode() {
                self.decoder_wake.notify_one();
            }
            if state.is_ready() {
                self.ready.notify_one();
            }
        }
    }

    fn read_record(&self, number: u64, order: Order) -> MutexGuard<'_, State> {
        let begin = Instant::now();
        self.counters.reads.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(self.settings.read_delay);
        let from = &self.from[order.source];
        let read = catch_unwind(AssertUnwindSafe(|| {
            let (number, place) = from.parts.locate(order.position);
            let part = &from.parts.files()[number];
            let mut bytes = Vec::new();
            part.index.read(place, &part.source, &mut bytes)?;
            Ok(Record::new(bytes))
        }));
        let read = read.unwrap_or_else(|_| {
            let message = "reading a record panicked".to_owned();
            Err(Error::Bug { path: "a record".into(), message })
        });
        let images = match (&read, &from.store) {
            (Ok(record), Some(store)) => wanted_images(record, store),
            _ => None,
        };
        let bytes = read.map(|record| record.bytes().to_vec());
        Counters::add(&self.counters.read_ns, begin);
        let length = bytes.as_ref().map_or(0, Vec::len) as u64;
        self.counters.bytes.fetch_add(length, Ordering::Relaxed);
        let mut state = lock(&self.state);
        state.settle_record(number, bytes, images);
        state
    }

    fn read_images(&self, wanted: &[Wanted], spare: Vec<u8>) -> MutexGuard<'_, State> {
        let begin = Instant::now();
        self.counters.reads.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(self.settings.read_delay);
        let read = catch_unwind(AssertUnwindSafe(|| match wanted {
            [one] => vec![self.read_image(one, spare)],
            several => self.read_run(several),
        }));
        Counters::add(&self.counters.read_ns, begin);
        let mut read = read.unwrap_or_default().into_iter();
        let mut state = lock(&self.state);
        for one in wanted {
            match read.next() {
                Some(Ok(encoded)) => {
                    let length = encoded.bytes.len() as u64;
                    self.counters.bytes.fetch_add(length, Ordering::Relaxed);
                    state.settle_read(one, encoded);
                }
                Some(Err(failure)) => state.settle_failure(one, failure),
                None => {
                    let failure = ImageFailure::Bug("reading it panicked".to_owned());
                    state.settle_failure(one, failure);
                }
            }
        }
        state
    }

    fn read_image(
        &self,
        wanted: &Wanted,
        mut bytes: Vec<u8>,
    ) -> std::result::Result<Encoded, ImageFailure> {
        let from = &self.from[wanted.source];
        if let Some(store) = &from.store {
            match &wanted.place {
                Some((number, span)) => {
                    store.read_located(&wanted.path, (*number, span), &mut bytes)?;
                }
                None => store.read(&wanted.path, &mut bytes)?,
            }
        }
        encoded(from, bytes)
    }

    /// Reads images that lie near each other in one call.
    fn read_run(&self, wanted: &[Wanted]) -> Vec<std::result::Result<Encoded, ImageFailure>> {
        let Some((first, from)) = wanted.first().map(|one| (one, &self.from[one.source])) else {
            return Vec::new();
        };
        let (Some(store), Some((number, _))) = (&from.store, &first.place) else {
            return Vec::new();
        };
        let spans = wanted.iter().filter_map(|one| one.place.as_ref());
        let spans: Vec<&Span> = spans.map(|(_, span)| span).collect();
        let read = store.read_run(*number, &spans);
        read.into_iter().map(|bytes| encoded(from, bytes?)).collect()
    }

    /// The life of a thread that decodes.
    fn decode_all(&self) {
        let mut state = lock(&self.state);
        loop {
            if state.is_ending {
                return;
            }
            let Some((ticket, source, encoded)) = state.next_decode() else {
                state = self.decoder_wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let more = state.has_decode();
            drop(state);
            self.wake(false, more);
            let begin = Instant::now();
            let recipe = &self.from[source].recipe;
            let result = catch_unwind(AssertUnwindSafe(|| recipe.make(&encoded.bytes)));
            let result =
                result.unwrap_or_else(|_| Err(ImageFailure::Bug("decoding panicked".to_owned())));
            Counters::add(&self.counters.decode_ns, begin);
            self.counters.images.fetch_add(1, Ordering::Relaxed);
            state = lock(&self.state);
            state.settle_decode(ticket, encoded, result);
            if state.has_read() {
                self.reader_wake.notify_one();
            }
            if state.is_ready() {
                self.ready.notify_one();
            }
        }
    }
}

fn encoded(from: &From, bytes: Vec<u8>) -> std::result::Result<Encoded, ImageFailure> {
    let needs = from.recipe.bytes(&bytes)?;
    Ok(Encoded { bytes, needs })
}

/// The record's images, if it tells them.
fn wanted_images(record: &Record, store: &Stores) -> Option<Vec<Image>> {
    let interleaved = clips::interleaved(record).ok()?;
    let mut reader = interleaved.as_ref().unwrap_or(record).field("images").ok()??;
    let mut images = Vec::new();
    let read = reader.each_item("a list", |_, reader: &mut Reader<'_>| {
        images.push(match reader.nullable_text()? {
            None => Image::Text,
            Some(text) => match String::from_utf8(text.bytes()?.into_owned()) {
                Ok(path) => {
                    let place = store.locate(&path);
                    Image::Wanted(path, place)
                }
                Err(_) => return Err(reader.error("not UTF-8")),
            },
        });
        Ok(())
    });
    read.ok().map(|()| images)
}
