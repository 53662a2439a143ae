//! The indexing pass over a gzipped tar (inflate, tar walk, all checksums, the index
//! written) beside plain inflate.
//!
//!     cargo run --release --bin tar_gz -- ARCHIVE.tar.gz [ROUNDS]

use std::time::Duration;

use textbook_core::index::Progress;
use textbook_core::store::{IndexOptions, build_index};

fn main() {
    let (archive, rounds) = textbook_core_bench::arguments();
    let index = std::env::temp_dir().join("tar_gz_bench.tfidx");
    textbook_core_bench::compare(&archive, "tar", rounds, |threads| {
        let options = IndexOptions {
            threads,
            rebuild: true,
            path: Some(index.clone()),
            save_every: Duration::from_secs(2),
            sums: None,
        };
        let summary = build_index(std::slice::from_ref(&archive), &options, &Progress::default());
        summary.expect("a right archive").tar_bytes
    });
    let _ = std::fs::remove_file(index);
}
