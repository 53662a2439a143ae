//! The offset index of a whole file, against the plain parser, on every level, on one and
//! many threads, mapped and read.

use std::sync::Arc;

use textbook_core::index::{Layout, OffsetIndex, Options};
use textbook_core::source::{Access, Source};
use textbook_simd::Level;

use crate::{plain_json, temporary};

/// The layout and the records, or nothing where the file is refused.
fn index(source: &Arc<Source>, options: Options) -> Option<(Layout, Vec<Vec<u8>>)> {
    let index = OffsetIndex::open(source, options, &Arc::default()).ok()?;
    let read = |number| {
        let mut bytes = Vec::new();
        index.read(number, source, &mut bytes).expect("a record that is indexed is read");
        bytes
    };
    Some((index.layout(), (0..index.len()).map(read).collect()))
}

/// A valid file has exactly its records; of an invalid one no mistake is hidden: some
/// record has it, or the file is refused.
pub fn check(data: &[u8]) {
    let path = temporary::file("index.json", data);
    let mut results = Vec::new();
    for access in [Access::Map, Access::Read] {
        let source = Arc::new(Source::open(&path, access).expect("opened"));
        for level in Level::available() {
            for threads in [1, 3] {
                let (recover, read_sidecar, write_sidecar) = (false, false, false);
                let options = Options { threads, recover, read_sidecar, write_sidecar, level };
                results.push(index(&source, options));
            }
        }
    }
    let first = &results[0];
    assert!(results.iter().all(|other| other == first), "levels, threads or access differ");
    let expected = plain_json::records(data);
    match (first, expected) {
        (Some((Layout::Array, found)), Some(expected)) => {
            let expected: Vec<&[u8]> = expected.into_iter().map(|range| &data[range]).collect();
            assert_eq!(found, &expected);
        }
        (found, Some(expected)) => panic!("{found:?} instead of {} records", expected.len()),
        (Some((Layout::Array, found)), None) => {
            let is_sound = |record: &Vec<u8>| plain_json::object(record).is_some();
            assert!(!found.iter().all(is_sound), "a broken array has only sound records");
        }
        (Some((Layout::Lines, found)), None) => lines(data, found),
        (None, None) => {}
    }
}

/// JSON Lines: the records are the lines that are not blank, in order.
fn lines(data: &[u8], found: &[Vec<u8>]) {
    let data = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data);
    if found.len() == 1 && plain_json::object(data).is_some() {
        return;
    }
    let trimmed: Vec<&[u8]> = data
        .split(|&byte| byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty())
        .collect();
    if trimmed.iter().all(|line| plain_json::object(line).is_some()) {
        assert_eq!(found, &trimmed);
    }
}
