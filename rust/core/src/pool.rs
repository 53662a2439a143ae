//! One pool of threads for the whole process: results in order, panics become
//! errors, and `fork` meets neither a running thread nor a held lock. Knows
//! neither JPEG nor JSON.
//!
//! A job is a number of independent items. The caller works on them itself,
//! beside up to `threads - 1` pool threads, so a job never waits for a thread.
//!
//! # Fork
//!
//! A forked child has only the thread that called fork; whatever lock another
//! thread held then stays locked in it for good. So [`before_fork`] closes the
//! [gate](enter), waits until the pieces of work under way have ended, and ends the
//! pool's threads. Every lock of this crate that outlives a call is taken by a thread
//! that has passed the gate, or by one that holds Python's lock, which the forking
//! thread holds at the fork itself. So none is locked then, and nothing has to be
//! held over the fork. (Holding one would be wrong: the forking thread may wait for
//! Python's lock, whose holder may be freeing a picture.) [`after_fork`] opens the gate
//! on both sides. Threads start again with the next job. Threads that are not the
//! pool's (see [`crew`]) end first, and begin again last.

use std::cell::Cell;
use std::collections::VecDeque;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::crew::{self, Worker};

/// More threads than this are never started, whatever is asked for.
pub const MAX_THREADS: usize = 256;

/// The message of the panic that ended an item's function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Panicked(pub String);

/// Functions of items run outside of every lock here, so a poisoned one is whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

// --- the gate ---------------------------------------------------------------

static PASSES: AtomicUsize = AtomicUsize::new(0);
static CLOSED: AtomicBool = AtomicBool::new(false);

thread_local! {
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// While one lives, a fork waits. It counts for its own thread, so it is not `Send`.
#[derive(Debug)]
pub struct Pass(PhantomData<*const ()>);

/// Passes the gate, waiting while a fork is under way. Every piece of work that
/// runs without Python's lock holds a pass, and keeps it for milliseconds only.
/// A thread that holds one gets another at once.
#[must_use]
pub fn enter() -> Pass {
    loop {
        if let Some(pass) = try_enter() {
            return pass;
        }
        std::thread::sleep(Duration::from_micros(50));
    }
}

fn try_enter() -> Option<Pass> {
    let depth = DEPTH.get();
    if depth == 0 {
        PASSES.fetch_add(1, Ordering::SeqCst);
        if CLOSED.load(Ordering::SeqCst) {
            PASSES.fetch_sub(1, Ordering::SeqCst);
            return None;
        }
    }
    DEPTH.set(depth + 1);
    Some(Pass(PhantomData))
}

impl Drop for Pass {
    fn drop(&mut self) {
        let depth = DEPTH.get() - 1;
        DEPTH.set(depth);
        if depth == 0 {
            PASSES.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

// --- jobs -------------------------------------------------------------------

/// Items are claimed one by one through `next`; `left` counts those not yet done.
struct Job {
    body: Box<dyn Fn(usize) + Send + Sync>,
    count: usize,
    next: AtomicUsize,
    left: Mutex<usize>,
    done: Condvar,
    /// How many more pool threads may join in.
    places: AtomicUsize,
}

impl Job {
    fn is_claimed(&self) -> bool {
        self.next.load(Ordering::SeqCst) >= self.count
    }

    /// Does one more item, if one is left. The pass came before the claim, so a
    /// claimed item is always finished before a fork.
    fn work_on_one(&self, _pass: &Pass) -> bool {
        let index = self.next.fetch_add(1, Ordering::SeqCst);
        if index >= self.count {
            return false;
        }
        (self.body)(index);
        let mut left = lock(&self.left);
        *left -= 1;
        if *left == 0 {
            self.done.notify_all();
        }
        true
    }

    fn take_place(&self) -> bool {
        let less = |places: usize| places.checked_sub(1);
        self.places.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok()
    }
}

/// Does `task(0)` … `task(count - 1)` on up to `threads` threads, the caller's
/// own among them, and returns the results in order.
pub fn run<R, F>(threads: usize, count: usize, task: F) -> Vec<Result<R, Panicked>>
where
    R: Send + 'static,
    F: Fn(usize) -> R + Send + Sync + 'static,
{
    let guarded = move |index| catch_unwind(AssertUnwindSafe(|| task(index))).map_err(panicked);
    let one = |index| {
        let _pass = enter();
        guarded(index)
    };
    if threads <= 1 || count <= 1 {
        return (0..count).map(one).collect();
    }
    let results = Arc::new(Mutex::new(Vec::with_capacity(count)));
    let sink = Arc::clone(&results);
    let body = move |index| {
        let result = guarded(index);
        lock(&sink).push((index, result));
    };
    let helpers = threads.min(MAX_THREADS).min(count) - 1;
    let job = Arc::new(Job {
        body: Box::new(body),
        count,
        next: AtomicUsize::new(0),
        left: Mutex::new(count),
        done: Condvar::new(),
        places: AtomicUsize::new(helpers),
    });
    POOL.submit(&job, helpers);
    while job.work_on_one(&enter()) {}
    let mut left = lock(&job.left);
    while *left > 0 {
        left = job.done.wait(left).unwrap_or_else(PoisonError::into_inner);
    }
    drop(left);
    let mut results = std::mem::take(&mut *lock(&results));
    results.sort_unstable_by_key(|&(index, _)| index);
    results.into_iter().map(|(_, result)| result).collect()
}

#[allow(clippy::needless_pass_by_value, reason = "as catch_unwind hands it over")]
pub(crate) fn panicked(payload: Box<dyn std::any::Any + Send>) -> Panicked {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    Panicked(text.unwrap_or_else(|| "a panic without a message".to_owned()))
}

// --- the pool's threads -----------------------------------------------------

static POOL: Pool = Pool { state: Mutex::new(State::new()), wake: Condvar::new() };
static ENDING: AtomicBool = AtomicBool::new(false);

struct Pool {
    state: Mutex<State>,
    wake: Condvar,
}

struct State {
    queue: VecDeque<Arc<Job>>,
    workers: Vec<Worker>,
    idle: usize,
}

impl State {
    const fn new() -> State {
        State { queue: VecDeque::new(), workers: Vec::new(), idle: 0 }
    }

    /// The first job that still has items and a place.
    fn next_job(&mut self) -> Option<Arc<Job>> {
        while let Some(job) = self.queue.front() {
            if !job.is_claimed() && job.take_place() {
                return Some(Arc::clone(job));
            }
            self.queue.pop_front();
        }
        None
    }

    fn grow(&mut self, wanted: usize) {
        let missing = wanted.saturating_sub(self.idle);
        for _ in 0..missing.min(MAX_THREADS.saturating_sub(self.workers.len())) {
            match crew::spawn("textbook_fast", || POOL.serve()) {
                Ok(worker) => self.workers.push(worker),
                // The caller does the work alone: slower, and right.
                Err(_) => return,
            }
        }
    }
}

impl Pool {
    fn submit(&self, job: &Arc<Job>, helpers: usize) {
        let _pass = enter();
        let mut state = lock(&self.state);
        state.queue.push_back(Arc::clone(job));
        state.grow(helpers);
        drop(state);
        self.wake.notify_all();
    }

    /// The life of a pool thread.
    fn serve(&self) {
        while let Some(job) = self.wait_for_job() {
            loop {
                match try_enter() {
                    Some(pass) => {
                        if !job.work_on_one(&pass) {
                            break;
                        }
                    }
                    None if ENDING.load(Ordering::SeqCst) => {
                        job.places.fetch_add(1, Ordering::SeqCst);
                        lock(&self.state).queue.push_front(job);
                        return;
                    }
                    None => std::thread::sleep(Duration::from_micros(50)),
                }
            }
        }
    }

    fn wait_for_job(&self) -> Option<Arc<Job>> {
        let mut state = lock(&self.state);
        loop {
            if ENDING.load(Ordering::SeqCst) {
                return None;
            }
            if let Some(job) = state.next_job() {
                return Some(job);
            }
            state.idle += 1;
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }
}

// --- fork -------------------------------------------------------------------

static FORKING: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// This thread is between `before_fork` and `after_fork`.
    static IS_FORKING: Cell<bool> = const { Cell::new(false) };
}

/// Which side of a fork [`after_fork`] runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The process that called fork.
    Parent,
    /// The new one.
    Child,
}

/// Brings the process to where fork is harmless: no work under way, no thread of
/// the pool, no lock held. Call [`after_fork`] next, from the same thread, on both
/// sides. Call it without Python's lock: it may have to wait for a fork of another
/// thread, and for pieces of work to end.
pub fn before_fork() {
    while FORKING.swap(true, Ordering::SeqCst) {
        std::thread::sleep(Duration::from_micros(50));
    }
    crew::before_fork();
    CLOSED.store(true, Ordering::SeqCst);
    while PASSES.load(Ordering::SeqCst) > 0 {
        std::thread::sleep(Duration::from_micros(20));
    }
    let workers = {
        let mut state = lock(&POOL.state);
        ENDING.store(true, Ordering::SeqCst);
        std::mem::take(&mut state.workers)
    };
    POOL.wake.notify_all();
    crew::join(workers);
    IS_FORKING.set(true);
}

/// Goes on after a fork, on either side of it.
pub fn after_fork(side: Side) {
    if !IS_FORKING.replace(false) {
        return;
    }
    ENDING.store(false, Ordering::SeqCst);
    let mut state = lock(&POOL.state);
    match side {
        // The jobs of threads that do not exist here, and their passes.
        Side::Child => {
            state.queue.clear();
            state.idle = 0;
            PASSES.store(0, Ordering::SeqCst);
        }
        Side::Parent => {
            let wanted = state.queue.iter().map(|job| job.places.load(Ordering::SeqCst)).sum();
            state.grow(wanted);
        }
    }
    drop(state);
    CLOSED.store(false, Ordering::SeqCst);
    crew::after_fork(side);
    FORKING.store(false, Ordering::SeqCst);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_from_any_number_of_threads() {
        for threads in [1, 2, 3, 8] {
            for count in [0, 1, 2, 7, 1000] {
                let squares: Vec<_> = run(threads, count, |index| index * index)
                    .into_iter()
                    .map(|result| result.expect("no item panics"))
                    .collect();
                assert_eq!(squares, (0..count).map(|index| index * index).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn a_panic_is_the_error_of_its_item_alone() {
        for threads in [1, 4] {
            let results = run(threads, 20, |index| {
                assert!(index != 7, "seven is refused");
                index
            });
            for (index, result) in results.into_iter().enumerate() {
                match result {
                    Ok(value) => assert_eq!(value, index),
                    Err(Panicked(text)) => {
                        assert_eq!((index, text.as_str()), (7, "seven is refused"));
                    }
                }
            }
        }
    }

    #[test]
    fn jobs_inside_items_and_from_many_threads_finish_while_forks_come_and_go() {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let callers: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(|| {
                        for _ in 0..200 {
                            let sums = run(3, 10, |outer| {
                                run(2, 5, move |inner| outer * inner)
                                    .into_iter()
                                    .map(|result| result.expect("no item panics"))
                                    .sum::<usize>()
                            });
                            let total: usize =
                                sums.into_iter().map(|sum| sum.expect("no item panics")).sum();
                            assert_eq!(total, 45 * 10);
                        }
                    })
                })
                .collect();
            scope.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    before_fork();
                    after_fork(Side::Parent);
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
            for caller in callers {
                caller.join().expect("a caller got its results");
            }
            stop.store(true, Ordering::SeqCst);
        });
    }
}
