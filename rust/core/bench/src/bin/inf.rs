
use std::time::Instant;
use std::io::Read;
fn main() {
    let mut a = std::env::args().skip(1);
    let path = a.next().unwrap();
    let n: u64 = a.next().unwrap().parse().unwrap();
    let rounds: usize = a.next().unwrap().parse().unwrap();
    let mut v = Vec::new();
    std::fs::File::open(path).unwrap().take(n).read_to_end(&mut v).unwrap();
    let mut at = 10;
    if v[3] & 8 != 0 { while v[at] != 0 { at += 1; } at += 1; }
    let mut best = f64::MAX;
    let mut t = (0, 0);
    for _ in 0..rounds {
        let s = Instant::now();
        t = textbook_core::fuzzing::inflate_count(&v[at..]);
        best = best.min(s.elapsed().as_secs_f64());
    }
    println!("{} {:08x} {:.0} MB/s {:.3} ns/byte", t.0, t.1, t.0 as f64 / best / 1e6, best * 1e9 / t.0 as f64);
}
