//! A compressed text: its records beside those of the text that flate2 makes of it; and
//! the same in each way of opening it.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use textbook_core::index::{self, LongPass, Options};
use textbook_core::source::{Access, Source};
use textbook_simd::Level;

use crate::temporary;

/// No more of a text is looked at: a small file may hold a large one.
const MOST: u64 = 64 << 20;

type Records = Vec<Option<Vec<u8>>>;

/// The records of a file, None for those that cannot be read; or None where it cannot be
/// opened.
fn records(path: &Path, access: Access, options: Options) -> Option<Records> {
    let source = Source::open(path, access).expect("a file");
    let opened = index::open(source, options, LongPass::Refused, &Arc::default());
    let (source, index) = opened.ok()?;
    let record = |k| {
        let mut bytes = Vec::new();
        index.read(k, &source, &mut bytes).ok().map(|()| bytes)
    };
    Some((0..index.len()).map(record).collect())
}

/// What the bytes of a gzip file are to somebody else; None where they are none, or more
/// than is looked at.
fn inflated(data: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    let decoder = flate2::read::MultiGzDecoder::new(data);
    decoder.take(MOST).read_to_end(&mut text).ok()?;
    ((text.len() as u64) < MOST).then_some(text)
}

/// Opens the bytes as a gzip file or a zip, whichever they are.
pub fn check(data: &[u8]) {
    let path = temporary::file("text.jsonl.gz", data);
    let level = Level::active();
    let options =
        Options { threads: 1, recover: false, read_sidecar: false, write_sidecar: false, level };
    let first = records(&path, Access::Map, options);
    let kept = Options { threads: 2, read_sidecar: true, write_sidecar: true, ..options };
    assert_eq!(first, records(&path, Access::Read, kept), "with pread, by two threads");
    if first.is_some() {
        assert_eq!(first, records(&path, Access::Map, kept), "by the sidecar");
    }
    let sidecar = path.with_extension("gz.tfidx");
    let _ = std::fs::remove_file(sidecar);
    // It may do without what is whole: recovering only ever gives more.
    let recovered = records(&path, Access::Map, Options { recover: true, ..options });
    if first.is_some() {
        assert_eq!(first, recovered);
    }
    if !data.starts_with(b"\x1f\x8b") {
        return;
    }
    if let Some(text) = inflated(data) {
        let plain = temporary::file("text.jsonl", &text);
        // What is compressed twice is opened as a text only where it is inside.
        if !text.starts_with(b"PK") && !text.starts_with(b"\x1f\x8b") {
            assert_eq!(first, records(&plain, Access::Map, options), "of the text itself");
        }
    }
}
