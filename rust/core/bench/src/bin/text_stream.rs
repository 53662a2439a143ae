//! The pass over a compressed text (inflate, all checksums, checkpoints, the JSON's
//! records, the index written) beside plain inflate.
//!
//!     cargo run --release --bin text_stream -- CORPUS.json.gz [ROUNDS]

use std::sync::Arc;
use std::time::Duration;

use textbook_core::index::{self, LongPass, Options};
use textbook_core::source::{Access, Source};
use textbook_simd::Level;

fn main() {
    let (path, rounds) = textbook_core_bench::arguments();
    textbook_core_bench::compare(&path, "text", rounds, |threads| {
        let level = Level::active();
        let options =
            Options { threads, recover: false, read_sidecar: false, write_sidecar: true, level };
        let source = Source::open(&path, Access::Map).expect("the file");
        let long = LongPass::Allowed { save_every: Duration::from_secs(2) };
        let opened = index::open(source, options, long, &Arc::default());
        opened.expect("a right text").0.size()
    });
}
