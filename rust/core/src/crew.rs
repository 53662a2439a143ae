//! Threads that do not belong to the pool but to one owner, and that a fork does not
//! meet: they end before it, and begin again after it on the parent's side. Knows no work.

use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::pool::{Side, lock};

/// A thread, and how the kernel names it once it runs.
pub(crate) struct Worker {
    handle: JoinHandle<()>,
    id: Arc<OnceLock<ThreadId>>,
}

/// Starts a thread.
pub(crate) fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> std::io::Result<Worker> {
    let id = Arc::new(OnceLock::new());
    let own_id = Arc::clone(&id);
    let body = move || {
        let _ = own_id.set(ThreadId::of_this_thread());
        body();
    };
    let handle = std::thread::Builder::new().name(name.to_owned()).spawn(body)?;
    Ok(Worker { handle, id })
}

/// Waits until threads that were told to end are gone, from the process's list as well.
pub(crate) fn join(workers: Vec<Worker>) {
    let ids: Vec<_> = workers.iter().map(|worker| Arc::clone(&worker.id)).collect();
    for worker in workers {
        // Its result is (): what the threads work on catches its own panics.
        let _ = worker.handle.join();
    }
    // A joined thread can still be listed for a moment, and Python warns of it.
    let patience = Instant::now() + Duration::from_secs(1);
    for id in ids.iter().filter_map(|id| id.get()) {
        while id.is_listed() && Instant::now() < patience {
            std::thread::sleep(Duration::from_micros(20));
        }
    }
}

/// A thread as the kernel names it: what `/proc/self/task` lists.
#[derive(Debug, Clone, Copy)]
struct ThreadId(rustix::thread::Pid);

impl ThreadId {
    fn of_this_thread() -> ThreadId {
        ThreadId(rustix::thread::gettid())
    }

    fn is_listed(self) -> bool {
        std::path::Path::new("/proc/self/task").join(self.0.as_raw_nonzero().to_string()).exists()
    }
}

/// The owner of threads.
pub(crate) trait Owner: Send + Sync {
    /// Starts the threads, unless they run or are no longer wanted.
    fn begin_threads(&self);
    /// Ends them; what they were at is finished or put back.
    fn end_threads(&self);
}

struct Registry {
    owners: Vec<Weak<dyn Owner>>,
    is_forking: bool,
}

static REGISTRY: Mutex<Registry> = Mutex::new(Registry { owners: Vec::new(), is_forking: false });

/// Starts the owner's threads, now or after the fork that is under way. Call it with
/// Python's lock (see the pool's "Fork": this lock outlives the call).
pub(crate) fn register(owner: &Arc<dyn Owner>) {
    let mut registry = lock(&REGISTRY);
    registry.owners.retain(|owner| owner.strong_count() > 0);
    registry.owners.push(Arc::downgrade(owner));
    if !registry.is_forking {
        owner.begin_threads();
    }
}

fn living(registry: &Registry) -> Vec<Arc<dyn Owner>> {
    registry.owners.iter().filter_map(Weak::upgrade).collect()
}

/// Ends all threads. Before the pool's gate closes: they may be waiting to pass it.
pub(crate) fn before_fork() {
    let owners = {
        let mut registry = lock(&REGISTRY);
        registry.is_forking = true;
        living(&registry)
    };
    for owner in owners {
        owner.end_threads();
    }
}

/// In the parent the threads go on. In the child their owners are of no use.
pub(crate) fn after_fork(side: Side) {
    let owners = {
        let mut registry = lock(&REGISTRY);
        registry.is_forking = false;
        if side == Side::Child {
            registry.owners.clear();
        }
        living(&registry)
    };
    for owner in owners {
        owner.begin_threads();
    }
}
