//! The index against texts whose records are known, in every layout, cut into
//! chunks at every place; and the sidecar against every kind of damage.

use std::path::PathBuf;
use std::sync::Arc;

use textbook_simd::Level;

use super::build::{Found, Plan, build};
use super::scan_tests::Numbers;
use super::{Layout, OffsetIndex, Options, Origin, Progress, sidecar};
use crate::error::{Error, Result};
use crate::source::{Access, Source};
use crate::test_folder::TestFolder;

fn open(path: &std::path::Path, access: Access) -> Arc<Source> {
    Arc::new(Source::open(path, access).expect("opened"))
}

fn find(source: &Arc<Source>, chunk: u64, threads: usize, recover: bool) -> Result<Found> {
    let plan = Plan { level: Level::active(), threads, recover, chunk };
    build(source, plan, &Arc::default())
}

fn records(source: &Arc<Source>, index: &OffsetIndex) -> Vec<Vec<u8>> {
    let read = |k| {
        let mut bytes = Vec::new();
        index.read(k, source, &mut bytes).expect("a record");
        bytes
    };
    (0..index.len()).map(read).collect()
}

const IN_MEMORY: Options = Options {
    threads: 2,
    recover: false,
    read_sidecar: false,
    write_sidecar: false,
    level: Level::Scalar,
};
const KEPT: Options = Options { read_sidecar: true, write_sidecar: true, ..IN_MEMORY };

fn index(source: &Arc<Source>, options: Options) -> Result<OffsetIndex> {
    OffsetIndex::open(source, options, &Arc::default())
}

/// A JSON value with all that could mislead a scan.
fn value(numbers: &mut Numbers, depth: usize, text: &mut String, space: &str) {
    let kinds = if depth == 0 { 4 } else { 6 };
    match numbers.below(kinds) {
        0 => text.push_str(["null", "true", "-1.5e3", "0"][numbers.below(4)]),
        1..=3 => {
            text.push('"');
            for _ in 0..numbers.below(12) {
                text.push_str(
                    [
                        "a",
                        "}",
                        "{",
                        "]",
                        "[",
                        ",",
                        "\\\"",
                        "\\\\",
                        "\\n",
                        "\\ud83d\\ude00",
                        "é",
                        "},{\\\"images\\\"",
                        "\\\\\\\"",
                        ":",
                        " ",
                        "\u{2028}",
                    ][numbers.below(16)],
                );
            }
            text.push('"');
        }
        4 => {
            text.push('[');
            for item in 0..numbers.below(4) {
                text.push_str(if item > 0 { "," } else { "" });
                text.push_str(space);
                value(numbers, depth - 1, text, space);
            }
            text.push(']');
        }
        _ => object(numbers, depth - 1, text, space),
    }
}

fn object(numbers: &mut Numbers, depth: usize, text: &mut String, space: &str) {
    text.push('{');
    for item in 0..numbers.below(4) {
        text.push_str(if item > 0 { "," } else { "" });
        text.push_str(space);
        text.push_str(["\"images\"", "\"a\\\"{\"", "\"\""][numbers.below(3)]);
        text.push(':');
        text.push_str(space);
        value(numbers, depth, text, space);
    }
    text.push_str(space);
    text.push('}');
}

/// A text and its records.
fn corpus(seed: u64, layout: Layout) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut numbers = Numbers(seed);
    let spaces: &[&str] = match layout {
        Layout::Array => &["", " ", "\n", "\r\n\t", "\n        "],
        Layout::Lines => &["", " ", "\t", "  "],
    };
    let space = spaces[numbers.below(spaces.len())];
    let mut text = String::from(["", "\u{feff}"][numbers.below(2)]);
    let mut records = Vec::new();
    text.push_str(if layout == Layout::Array { "[" } else { "" });
    text.push_str(space);
    for item in 0..numbers.below(9) {
        if item > 0 {
            let feeds = ["\n", "\r\n", "\n\n", " \n \n"];
            let separator = [",", feeds[numbers.below(4)]][usize::from(layout == Layout::Lines)];
            text.push_str(separator);
            text.push_str(space);
        }
        let mut record = String::new();
        object(&mut numbers, 3, &mut record, space);
        text.push_str(&record);
        text.push_str(space);
        records.push(record.into_bytes());
    }
    text.push_str(if layout == Layout::Array { "]" } else { "\n" });
    text.push_str(space);
    (text.into_bytes(), records)
}

#[test]
fn every_layout_in_every_chunk_size_gives_the_records() {
    let folder = TestFolder::new("layouts");
    let mut total = 0;
    for seed in 0..1500 {
        let layout = [Layout::Array, Layout::Lines][usize::from(seed % 3 == 0)];
        let (text, expected) = corpus(seed, layout);
        if layout == Layout::Lines && expected.is_empty() {
            continue;
        }
        let path = folder.write("x.jsonl", &text);
        let access = [Access::Map, Access::Read][usize::from(seed % 2 == 0)];
        let source = open(&path, access);
        let whole = find(&source, 1 << 20, 1, false).expect("valid");
        assert_eq!(whole.layout, layout);
        for chunk in (1..40).chain([text.len() as u64 / 2 + 1]) {
            let threads = 1 + usize::from(chunk % 5 == 0);
            assert_eq!(find(&source, chunk, threads, false).ok().as_ref(), Some(&whole), "{seed}");
        }
        let index = index(&source, IN_MEMORY).expect("valid");
        assert_eq!(records(&source, &index), expected, "seed {seed}");
        total += expected.len();
    }
    assert!(total > 3000);
}

#[test]
fn a_text_cut_anywhere_is_said_to_be_cut_and_recovered() {
    let folder = TestFolder::new("cut");
    let text = br#"[{"a": "}\"]"}, {"b": [1, {}]} , {"c": {}}]"#;
    let ends = [14, 30, 42];
    for cut in 1..text.len() {
        let path = folder.write(format!("{cut}.json"), &text[..cut]);
        let source = open(&path, Access::Map);
        let whole = ends.iter().filter(|&&end| end <= cut).count();
        let last = if whole == 0 { 1 } else { ends[whole - 1] };
        for chunk in [3, 1 << 20] {
            match find(&source, chunk, 2, false) {
                Err(Error::Truncated { length, records, end_of_last, .. }) => assert_eq!(
                    (length, records, end_of_last),
                    (cut as u64, whole as u64, last as u64)
                ),
                other => panic!("cut at {cut}: {other:?}"),
            }
            let found = find(&source, chunk, 2, true).expect("recovered");
            assert_eq!((found.starts.len(), found.end), (whole, last as u64));
        }
    }
}

#[test]
fn other_texts_are_named_with_their_offset() {
    let folder = TestFolder::new("named");
    for (name, text, offset, words) in [
        ("x.json", &b""[..], 0, "is empty"),
        ("x.json", b" \n\t ", 4, "only white space"),
        ("x.json", b"\xef\xbb\xbf", 3, "only white space"),
        ("x.json", b" hello", 1, "begins with 'hello'"),
        ("x.json", b"\x1f\x8b\x08abc", 0, "gzip"),
        ("x.json", b"PK\x03\x04", 0, "zip archive"),
        ("x.json", b"<!DOCTYPE html>", 0, "HTML"),
        ("x.json", b"\"text\"", 0, "a JSON string"),
        ("x.json", b"{\"a\": 1}", 0, "is a JSON object"),
        ("x.json", b"{\"a\":\n 1}\n", 0, "is a JSON object"),
        ("x.json", b"{\"a\": 1", 0, "is a JSON object"),
        ("x.json", b"[{}, {}, 7]", 9, "element 2 of the array has to be an object, found a number"),
        ("x.json", b"[{} {}]", 4, "expected ',' or ']' after element 0"),
        ("x.json", b"[{}] tail", 5, "nothing after the array's end, found true"),
        ("x.json", b"[{\"a\":1]]", 7, "brackets of element 0 do not match"),
        ("x.jsonl", b"{}\n{}\n[]\n{}", 6, "record 2 has to be a JSON object"),
        ("x.jsonl", b"{}\n  7", 5, "record 1 has to be a JSON object"),
    ] {
        let source = open(&folder.write(name, text), Access::Map);
        for chunk in [1, 2, 3, 1 << 20] {
            match find(&source, chunk, 2, false) {
                Err(Error::Format { offset: at, reason, .. }) => {
                    assert!(reason.contains(words), "{reason:?} should say {words:?}");
                    assert_eq!(at, offset, "{reason}");
                }
                other => panic!("{text:?}: {other:?}"),
            }
        }
    }
}

#[test]
fn lines_and_single_objects_are_told_apart() {
    let folder = TestFolder::new("lines");
    for (name, text, count) in [
        ("a.jsonl", &b"{\"a\": 1}"[..], 1),
        ("a.NDJSON", b"{\"a\":\n 1}\n", 1),
        ("a.jsonl", b"{\"a\": 1}\n\n  {\"b\": 2}\r\n", 2),
        ("a.json", b"{\"a\": 1}\n{\"b\": 2}\n{", 3),
        ("a.jsonl", b"{\"a\": 1\n{\"b\": 2}\n", 2),
    ] {
        let source = open(&folder.write(name, text), Access::Read);
        let recovered = find(&source, 4, 1, true).expect("lines");
        assert_eq!(recovered.starts.len(), count - usize::from(text.ends_with(b"{")), "{name}");
    }
}

fn sidecar_of(path: &std::path::Path) -> PathBuf {
    let mut name = path.canonicalize().expect("there").into_os_string();
    name.push(".tfidx");
    PathBuf::from(name)
}

fn came_from(index: &OffsetIndex) -> &'static str {
    match index.origin() {
        Origin::Sidecar(_) => "sidecar",
        Origin::Built { kept: Some(_), .. } => "built and kept",
        Origin::Built { .. } => "built",
    }
}

#[test]
fn the_sidecar_is_used_until_it_does_not_fit() {
    let folder = TestFolder::new("sidecar");
    let path = folder.write("x.json", b"[{\"a\": 1}, {\"b\": 2}]");
    let source = open(&path, Access::Map);
    let first = index(&source, KEPT).expect("built");
    assert_eq!(came_from(&first), "built and kept");
    let second = index(&source, KEPT).expect("read");
    assert_eq!(came_from(&second), "sidecar");
    assert_eq!(records(&source, &second), records(&source, &first));
    // Any damaged byte, and any length but the whole one, is rebuilt.
    let sidecar = sidecar_of(&path);
    let good = std::fs::read(&sidecar).expect("there");
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        for damaged in [&bad[..], &good[..at]] {
            std::fs::write(&sidecar, damaged).expect("written");
            let again = index(&source, KEPT).expect("rebuilt");
            // The time of modification alone is no damage; it is hashed all the same.
            assert_eq!(came_from(&again), "built and kept", "byte {at}");
            assert_eq!(std::fs::read(&sidecar).expect("there"), good);
        }
    }
    // Another content of the same length is another file.
    std::fs::write(&path, b"[{\"a\": 1   }, {\"b\":2}]".split_at(20).0).expect("written");
    std::fs::write(&path, b"[{\"ab\": 1},{\"b\": 2}]").expect("written");
    let source = open(&path, Access::Map);
    assert_eq!(came_from(&index(&source, KEPT).expect("rebuilt")), "built and kept");
}

#[test]
fn a_copy_with_another_time_keeps_its_sidecar_and_is_checked() {
    let folder = TestFolder::new("copied");
    let text: Vec<u8> = (0..40_000).fold(b"[".to_vec(), |mut text, k| {
        text.extend_from_slice(if k == 0 { b"" } else { b",\n" });
        text.extend_from_slice(format!("{{\"key\": {k:06}}}").as_bytes());
        text
    });
    let text = [&text[..], b"]"].concat();
    let path = folder.write("x.json", &text);
    let source = open(&path, Access::Map);
    assert_eq!(came_from(&index(&source, KEPT).expect("built")), "built and kept");
    std::thread::sleep(std::time::Duration::from_millis(20));
    let copy = folder.write("y/x.json", &text);
    std::fs::copy(sidecar_of(&path), folder.path("y/x.json.tfidx")).expect("copied");
    let source = open(&copy, Access::Map);
    let shipped = index(&source, KEPT).expect("read");
    assert_eq!((came_from(&shipped), shipped.is_doubtful), ("sidecar", true));
    assert_eq!(records(&source, &shipped)[39_999], b"{\"key\": 039999}");
    // The same length and samples, other borders: the border's check finds it.
    let mut other = text.clone();
    let at = 17 * 20_000 + 1 - 2;
    assert_eq!(&other[at..at + 3], b",\n{");
    other[at..at + 3].copy_from_slice(b"\n{,");
    let path = folder.write("y/x.json", &other);
    let source = open(&path, Access::Map);
    if let Ok(index) = index(&source, Options { write_sidecar: false, ..KEPT }) {
        assert_eq!(came_from(&index), "sidecar");
        let mut bytes = Vec::new();
        assert!(index.read(20_000, &source, &mut bytes).is_err());
    }
}

#[test]
fn where_nothing_can_be_written_it_stays_in_memory_with_a_warning() {
    let folder = TestFolder::new("unwritable");
    let path = folder.write("x.json", b"[{}]");
    // A folder in the place of the sidecar refuses the rename, for root as well.
    std::fs::create_dir(folder.path("x.json.tfidx")).expect("a folder");
    let source = open(&path, Access::Map);
    let hash = sidecar::content_hash(&source).expect("hashed");
    let mut built = index(&source, IN_MEMORY).expect("built");
    built.keep(&[folder.path("x.json.tfidx")], &source, hash);
    let Origin::Built { kept: None, warning: Some(warning), .. } = built.origin() else {
        panic!("{:?}", built.origin());
    };
    assert!(warning.contains("x.json.tfidx"), "{warning}");
    let names: Vec<_> = std::fs::read_dir(folder.path("")).expect("there").flatten().collect();
    assert_eq!(names.len(), 2, "no temporary file is left: {names:?}");
    // What a killed writer left goes away with the next one.
    let leftover = folder.write("x2.json.tfidx.12-34.tmp", b"half");
    built.keep(&[folder.path("x2.json.tfidx")], &source, hash);
    assert!(folder.path("x2.json.tfidx").is_file() && !leftover.exists());
}

#[test]
fn many_at_once_build_it_once() {
    let folder = TestFolder::new("at_once");
    let text = [b"[{}", &b",{}".repeat(200_000)[..], b"]"].concat();
    let path = folder.write("x.json", &text);
    let built: usize = std::thread::scope(|scope| {
        let openers: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| index(&open(&path, Access::Map), KEPT).expect("an index")))
            .collect();
        let indexes = openers.into_iter().map(|opener| opener.join().expect("no panic"));
        indexes.filter(|index| came_from(index) == "built and kept").count()
    });
    assert_eq!(built, 1);
}

#[test]
fn a_pass_stops_on_request() {
    let folder = TestFolder::new("stop");
    let source = open(&folder.write("x.json", b"[{}, {}]"), Access::Map);
    let progress = Arc::new(Progress::default());
    progress.stop();
    for options in [IN_MEMORY, KEPT] {
        let stopped = OffsetIndex::open(&source, options, &progress);
        assert!(matches!(stopped, Err(Error::Stopped)));
    }
}
