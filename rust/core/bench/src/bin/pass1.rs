use std::path::PathBuf;
use textbook_core::store::{IndexOptions, build_index};
fn main() {
    let a = PathBuf::from(std::env::args().nth(1).unwrap());
    let threads = std::env::args().nth(2).unwrap().parse().unwrap();
    for _ in 0..3 {
    let t = std::time::Instant::now();
    let o = IndexOptions { threads, rebuild: true, path: Some(std::env::temp_dir().join("p1.tfidx")), save_every: std::time::Duration::from_secs(2) };
    let s = build_index(&[a.clone()], &o, &Default::default()).unwrap();
    println!("{:.0} MB/s, met {}, index {} bytes a member", s.tar_bytes as f64 / t.elapsed().as_secs_f64() / 1e6, s.stretches_in_advance, s.bytes / s.members);
    }
}
