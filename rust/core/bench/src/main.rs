//! The offset index beside what it is held against: the memory's and the disk's
//! speed, and sonic-rs' iteration over an array, in one process, interleaved, the
//! best of several rounds; all results compared first.
//!
//! `cargo run --release -- [--mb N] [--rounds N] [--folder DIR] [--style NAME] [PART ...]`
//! with the parts `warm`, `fresh`, `cold`, `memory`, `sidecar`; all of them by default.

mod corpus;
mod memory;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use corpus::Style;
use textbook_core::index::{OffsetIndex, Options};
use textbook_core::source::{Access, Source};
use textbook_simd::Level;

struct Settings {
    megabytes: u64,
    rounds: usize,
    folder: PathBuf,
    styles: Vec<Style>,
    parts: Vec<String>,
    /// A file that is there already, in the place of the made ones.
    file: Option<PathBuf>,
}

fn settings() -> Settings {
    let mut settings = Settings {
        megabytes: 1200,
        rounds: 9,
        folder: std::env::temp_dir(),
        styles: Style::ALL.to_vec(),
        parts: Vec::new(),
        file: None,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} needs a value"));
        match argument.as_str() {
            "--mb" => settings.megabytes = value().parse().expect("a number"),
            "--rounds" => settings.rounds = value().parse().expect("a number"),
            "--folder" => settings.folder = value().into(),
            "--file" => settings.file = Some(value().into()),
            "--style" => {
                let name = value();
                settings.styles.retain(|style| style.name() == name);
            }
            _ => settings.parts.push(argument.clone()),
        }
    }
    settings
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [PEAK, threads, access, path] =
        arguments.iter().map(String::as_str).collect::<Vec<_>>()[..]
    {
        return peak_of_one_pass(threads, access, Path::new(path));
    }
    let settings = settings();
    println!("level {}, {} rounds", Level::active(), settings.rounds);
    if let Some(path) = &settings.file {
        println!("{}", path.display());
        run_parts(&settings, path, Style::Indented);
        return;
    }
    for &style in &settings.styles {
        let path = settings.folder.join(format!("textbook_bench_{}.json", style.name()));
        let count = corpus::write(&path, style, settings.megabytes << 20).expect("a corpus");
        let size = std::fs::metadata(&path).expect("there").len();
        println!(
            "\n{}: {count} samples, {:.3} GB, {:.1} kB a sample",
            style.name(),
            size as f64 / 1e9,
            size as f64 / count as f64 / 1e3
        );
        check(&path, style, count);
        run_parts(&settings, &path, style);
        std::fs::remove_file(&path).expect("removed");
    }
}

fn run_parts(settings: &Settings, path: &Path, style: Style) {
    for (part, run) in [
        ("sidecar", sidecar as fn(&Path, Style, usize)),
        ("cold", cold),
        ("reread", reread),
        ("memory", memory_use),
        ("warm", warm),
        ("fresh", fresh),
    ] {
        if settings.parts.is_empty() || settings.parts.iter().any(|wanted| wanted == part) {
            run(path, style, settings.rounds);
        }
    }
}

fn options(threads: usize, level: Level) -> Options {
    Options { threads, recover: false, read_sidecar: false, write_sidecar: false, level }
}

fn open(path: &Path, access: Access) -> Arc<Source> {
    Arc::new(Source::open(path, access).expect("opened"))
}

fn index(source: &Arc<Source>, threads: usize, level: Level) -> OffsetIndex {
    OffsetIndex::open(source, options(threads, level), &Arc::default()).expect("valid")
}

/// The records that sonic-rs finds, as (number, sum of the starts and lengths).
fn sonic(bytes: &[u8], is_checked: bool) -> (usize, u64) {
    let (mut count, mut sum) = (0, 0u64);
    let mut add = |record: &str| {
        let start = record.as_ptr() as u64 - bytes.as_ptr() as u64;
        count += 1;
        sum = sum.wrapping_mul(31).wrapping_add(start ^ (record.len() as u64) << 40);
    };
    if is_checked {
        for value in sonic_rs::to_array_iter(bytes) {
            add(value.expect("valid").as_raw_str());
        }
    } else {
        // SAFETY: the corpus is valid UTF-8 and JSON: it was written so, from strings.
        for value in unsafe { sonic_rs::to_array_iter_unchecked(bytes) } {
            add(value.expect("valid").as_raw_str());
        }
    }
    (count, sum)
}

/// All ways find the same records before any is measured.
fn check(path: &Path, style: Style, count: u64) {
    let mapped = open(path, Access::Map);
    let mut record = Vec::new();
    let mut expected = None;
    for access in [Access::Map, Access::Read] {
        let source = open(path, access);
        for level in Level::available() {
            for threads in [1, 2] {
                let index = index(&source, threads, level);
                assert_eq!(index.len() as u64, count);
                if level != Level::active() && expected.is_some() {
                    continue;
                }
                let mut sum = 0u64;
                let mut at = 0;
                for k in 0..index.len() {
                    index.read(k, &mapped, &mut record).expect("a record");
                    // Its place: the next one in the file after the last one.
                    let bytes = mapped.mapped().expect("mapped");
                    at += memchr_brace(&bytes[at..]);
                    assert!(bytes[at..].starts_with(&record), "record {k}");
                    sum =
                        sum.wrapping_mul(31).wrapping_add(at as u64 ^ (record.len() as u64) << 40);
                    at += record.len();
                }
                let found = (index.len(), sum);
                assert_eq!(*expected.get_or_insert(found), found);
            }
        }
    }
    if style != Style::Lines {
        let bytes = mapped.mapped().expect("mapped");
        for is_checked in [false, true] {
            assert_eq!(Some(sonic(bytes, is_checked)), expected, "sonic-rs finds the same");
        }
    }
    println!("every level, access and number of threads, and sonic-rs, find the same records");
}

fn memchr_brace(bytes: &[u8]) -> usize {
    bytes.iter().position(|&byte| byte == b'{').expect("a record")
}

type Way<'a> = (String, Box<dyn Fn() -> u64 + 'a>);

/// Runs all ways in turn, `rounds` times, and gives the best time of each.
fn interleaved(ways: &[Way], rounds: usize) -> Vec<Duration> {
    let mut best = vec![Duration::MAX; ways.len()];
    let mut sink = 0;
    for _ in 0..rounds {
        for ((_, way), best) in ways.iter().zip(&mut best) {
            let begin = Instant::now();
            sink ^= way();
            *best = begin.elapsed().min(*best);
        }
    }
    std::hint::black_box(sink);
    best
}

fn print(title: &str, ways: &[Way], best: &[Duration], size: u64, bounds: &[(usize, usize)]) {
    println!("| {title} | GB/s | of the bound |\n|---|---|---|");
    for (at, ((name, _), time)) in ways.iter().zip(best).enumerate() {
        let bound = bounds.iter().find(|&&(way, _)| way == at).map(|&(_, bound)| best[bound]);
        let ratio = bound.map(|bound| format!("{:.2}", bound.as_secs_f64() / time.as_secs_f64()));
        println!(
            "| {name} | {:.2} | {} |",
            size as f64 / time.as_secs_f64() / 1e9,
            ratio.unwrap_or_default()
        );
    }
}

/// The same mapping for all, its pages already mapped: the definition.
fn warm(path: &Path, style: Style, rounds: usize) {
    let source = open(path, Access::Map);
    let bytes = source.mapped().expect("mapped");
    let scan = |threads, level| {
        let source = Arc::clone(&source);
        move || index(&source, threads, level).len() as u64
    };
    let mut ways: Vec<Way> = Vec::new();
    let mut bounds = Vec::new();
    for threads in [1, 2] {
        let bound = ways.len();
        let or = move || memory::or_by_threads(bytes, threads);
        ways.push((format!("memory read, {threads} thread(s)"), Box::new(or)));
        for level in Level::available().filter(|&level| level > Level::Scalar || threads == 1) {
            bounds.push((ways.len(), bound));
            let name = format!("offset index, {level}, {threads} thread(s)");
            ways.push((name, Box::new(scan(threads, level))));
        }
        if threads == 1 && style != Style::Lines {
            for (name, is_checked) in [("unchecked", false), ("checked", true)] {
                bounds.push((ways.len(), bound));
                let name = format!("sonic-rs iteration, {name}");
                ways.push((name, Box::new(move || sonic(bytes, is_checked).0 as u64)));
            }
        }
    }
    let best = interleaved(&ways, rounds);
    print("warm, one mapping", &ways, &best, source.size(), &bounds);
    let huge = memory::huge_bytes() as f64 / source.size() as f64;
    println!("mapped in 2 MB pages: {:.0} %", huge * 100.0);
}

/// Brings the file back into the page cache as a user's first `open` does.
fn reread(path: &Path, _: Style, _: usize) {
    drop_from_cache(path);
    index(&open(path, Access::Map), 1, Level::active());
}

/// A new mapping each time, so that mapping the pages counts; and pread.
fn fresh(path: &Path, _: Style, rounds: usize) {
    let mut ways: Vec<Way> = Vec::new();
    let mut bounds = Vec::new();
    for threads in [1, 2] {
        let bound = ways.len();
        let or = move || {
            memory::or_by_threads(open(path, Access::Map).mapped().expect("mapped"), threads)
        };
        ways.push((format!("memory read, {threads} thread(s)"), Box::new(or)));
        for access in [Access::Map, Access::Read] {
            bounds.push((ways.len(), bound));
            let name = format!("offset index, {access:?}, {threads} thread(s)");
            let scan = move || index(&open(path, access), threads, Level::active()).len() as u64;
            ways.push((name, Box::new(scan)));
        }
    }
    let best = interleaved(&ways, rounds);
    let size = std::fs::metadata(path).expect("there").len();
    print("warm, opened anew", &ways, &best, size, &bounds);
}

/// The most memory beside the map while the index is built, each time in a new process:
/// what earlier passes left behind would hide it.
fn memory_use(path: &Path, _: Style, _: usize) {
    for (threads, access) in [("1", "map"), ("2", "map"), ("1", "read"), ("2", "read")] {
        let program = std::env::current_exe().expect("this program");
        let output = std::process::Command::new(program)
            .args([PEAK, threads, access])
            .arg(path)
            .output()
            .expect("run");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        print!("memory beside the map, {access}, {threads} thread(s): ");
        print!("{}", String::from_utf8_lossy(&output.stdout));
    }
}

/// The first argument of a process that measures its own memory.
const PEAK: &str = "--peak-of-one-pass";

fn peak_of_one_pass(threads: &str, access: &str, path: &Path) {
    let threads = threads.parse().expect("a number");
    let access = if access == "read" { Access::Read } else { Access::Map };
    let (stop, most) = (AtomicBool::new(false), AtomicU64::new(0));
    let before = memory::anonymous_bytes();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                most.fetch_max(memory::anonymous_bytes(), Ordering::Relaxed);
                std::thread::sleep(Duration::from_micros(500));
            }
        });
        let index = index(&open(path, access), threads, Level::active());
        most.fetch_max(memory::anonymous_bytes(), Ordering::Relaxed);
        stop.store(true, Ordering::Relaxed);
        drop(index);
    });
    let most = most.into_inner();
    println!(
        "{:.1} MB at most, {:.1} of them from the start",
        most as f64 / 1e6,
        before as f64 / 1e6
    );
}

/// What opening with a sidecar takes, for this file and for 610,000 records.
fn sidecar(path: &Path, _: Style, rounds: usize) {
    let many = path.with_extension("many.json");
    let text = [&b"[{}"[..], &b",{}".repeat(609_999), b"]"].concat();
    std::fs::write(&many, text).expect("written");
    for path in [path, &many] {
        let kept =
            Options { read_sidecar: true, write_sidecar: true, ..options(1, Level::active()) };
        let opened = || {
            let source = open(path, Access::Map);
            OffsetIndex::open(&source, kept, &Arc::default()).expect("valid").len()
        };
        let count = opened();
        let times = (0..rounds * 10).map(|_| {
            let begin = Instant::now();
            assert_eq!(opened(), count);
            begin.elapsed()
        });
        let mut times: Vec<_> = times.collect();
        times.sort_unstable();
        println!(
            "open with a sidecar, {count} records: best {:.2} ms, median {:.2} ms",
            times[0].as_secs_f64() * 1e3,
            times[times.len() / 2].as_secs_f64() * 1e3
        );
        let mut name = path.as_os_str().to_owned();
        name.push(".tfidx");
        std::fs::remove_file(name).expect("removed");
    }
    std::fs::remove_file(many).expect("removed");
}

/// Puts the file out of the page cache; at most 1 % may stay.
fn drop_from_cache(path: &Path) {
    let file = std::fs::File::open(path).expect("opened");
    file.sync_all().expect("synced");
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).expect("dropped");
    let resident = resident_share(path);
    assert!(resident < 0.01, "{:.1} % is still in the page cache", resident * 100.0);
}

/// How much of a file is in the page cache, by what `fincore` (mincore) says.
fn resident_share(path: &Path) -> f64 {
    let output = std::process::Command::new("fincore")
        .args(["--bytes", "--noheadings", "--output", "RES,SIZE"])
        .arg(path)
        .output()
        .expect("fincore of util-linux");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|n| n.parse().ok()).collect();
    numbers[0] / numbers[1]
}

/// From the disk: each way after the file was dropped from the page cache.
fn cold(path: &Path, _: Style, rounds: usize) {
    let size = std::fs::metadata(path).expect("there").len();
    let mut ways: Vec<Way> = vec![("disk, read of 4 MB pieces".to_owned(), {
        Box::new(|| {
            let mut file = std::fs::File::open(path).expect("opened");
            let mut buffer = vec![0; 4 << 20];
            let mut sum = 0;
            loop {
                match std::io::Read::read(&mut file, &mut buffer).expect("read") {
                    0 => break sum,
                    length => sum += length as u64,
                }
            }
        })
    })];
    for threads in [1, 2] {
        for access in [Access::Map, Access::Read] {
            let name = format!("offset index, {access:?}, {threads} thread(s)");
            let scan = move || index(&open(path, access), threads, Level::active()).len() as u64;
            ways.push((name, Box::new(scan)));
        }
    }
    let mut best = vec![Duration::MAX; ways.len()];
    for _ in 0..rounds.min(5) {
        for ((_, way), best) in ways.iter().zip(&mut best) {
            drop_from_cache(path);
            let begin = Instant::now();
            std::hint::black_box(way());
            *best = begin.elapsed().min(*best);
        }
    }
    let bounds: Vec<_> = (1..ways.len()).map(|way| (way, 0)).collect();
    print("cold", &ways, &best, size, &bounds);
}
