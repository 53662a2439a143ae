//! Our passes over compressed files beside plain inflate of zlib-rs into a buffer, on the
//! same bytes, in turns; the best of each counts. The file is read before, so that it lies
//! in the page cache for both. CPU time for one thread, time on the clock for two, since
//! the second thread is what is measured there.

use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};

fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// What a body took: CPU seconds of the process, seconds on the clock, and its result.
fn timed<T>(body: impl FnOnce() -> T) -> (f64, f64, T) {
    let (cpu, clock) = (cpu_seconds(), Instant::now());
    let result = body();
    (cpu_seconds() - cpu, clock.elapsed().as_secs_f64(), result)
}

fn zlib_rs(compressed: &[u8]) -> u64 {
    // 15 + 16: gzip.
    let mut inflate = zlib_rs::Inflate::new(true, 15 + 16);
    let mut out = vec![0; 256 << 10];
    let mut done = 0;
    loop {
        let rest = &compressed[done..];
        let before = inflate.total_in();
        let status = inflate.decompress(rest, &mut out, zlib_rs::InflateFlush::NoFlush);
        done += (inflate.total_in() - before) as usize;
        if status.expect("a right stream") == zlib_rs::Status::StreamEnd {
            return inflate.total_out();
        }
    }
}

/// The command line: FILE [ROUNDS].
pub fn arguments() -> (PathBuf, usize) {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().expect("FILE");
    let rounds = arguments.next().map_or(5, |text| text.parse().expect("a number"));
    (path.into(), rounds)
}

/// Measures and prints. `pass` goes over the file on so many threads, and gives how many
/// bytes it has inflated.
pub fn compare(path: &Path, what: &str, rounds: usize, pass: impl Fn(usize) -> u64) {
    let compressed = std::fs::read(path).expect("the file");
    let (mut peer, mut one, mut two) = (f64::MAX, (f64::MAX, f64::MAX), f64::MAX);
    let mut bytes = 0;
    for _ in 0..rounds {
        let (cpu, _, found) = timed(|| zlib_rs(&compressed));
        (peer, bytes) = (peer.min(cpu), found);
        let (cpu, clock, found) = timed(|| pass(1));
        assert_eq!(found, bytes, "both inflate the same");
        one = (one.0.min(cpu), one.1.min(clock));
        let (_, clock, found) = timed(|| pass(2));
        assert_eq!(found, bytes, "both inflate the same");
        two = two.min(clock);
    }
    let rate = |seconds: f64| bytes as f64 / seconds / 1e6;
    println!("{bytes} bytes of {what} in {}, best of {rounds}", compressed.len());
    println!("zlib-rs, inflate alone: {:.0} MB/s of CPU time", rate(peer));
    println!("pass, one thread: {:.0} MB/s, {:.2} x zlib-rs", rate(one.0), peer / one.0);
    println!("pass, two threads: {:.0} MB/s on the clock, {:.2} x one", rate(two), one.1 / two);
}
