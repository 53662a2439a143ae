//! The doctor over records made here: each fault by kind, sample, byte and position.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use super::{Depth, Finding, Plan, Report, Severity, check};
use crate::index::{OffsetIndex, Options};
use crate::parts::Parts;
use crate::source::{Access, Source};
use crate::store::Stores;
use crate::test_folder::TestFolder;

fn run(path: &Path, store: Option<Stores>, threads: usize) -> Report {
    let source = Arc::new(Source::open(path, Access::Map).expect("opened"));
    let level = textbook_simd::Level::active();
    let options =
        Options { threads: 1, recover: false, read_sidecar: false, write_sidecar: false, level };
    let index = OffsetIndex::open(&source, options, &Arc::default()).expect("indexed");
    let mut parts = Parts::default();
    parts.push(source, index);
    let parts = Arc::new(parts);
    let chunks = Arc::new(parts.chunks(None));
    let limit = Some(1_000_000);
    let plan = Plan { store: store.map(Arc::new), depth: Depth::Header, limit, threads };
    check(&parts, &chunks, 0..chunks.len(), &plan).expect("checked")
}

fn record(images: &str, texts: &str, more: &str) -> String {
    format!("{{\"images\": {images}, \"texts\": {texts}{more}}}")
}

#[test]
fn every_fault_of_a_record_is_told_with_its_place() {
    let good = record("[\"v@0_1#1.jpg\", null]", "[null, \"t\"]", ", \"image_num\": 1");
    let cases = [
        (record("[null]", "[\"a\", \"b\"]", ""), vec![("length", "[\"a\"", None)]),
        (record("[null]", "[\"a\"]", ", \"text_ocr_list\": [ ]"), vec![("length", "[ ]", None)]),
        (record("[\"v@0_1#1.jpg\"]", "[\"a\"]", ""), vec![("both", "\"v@", Some(0))]),
        (record("[ null, null ]", "[\"a\", null]", ""), vec![("neither", "null ]", Some(1))]),
        (record("[null]", "[\"a\"]", ", \"image_num\": 17"), vec![("image_num", "17", None)]),
        (
            record("[null]", "[\"a\"]", ", \"text_num\": 5, \"token_num\": 77"),
            vec![("token_num", "77", None)],
        ),
        (record("[\"x.jpg\"]", "[null]", ""), vec![("name", "\"x.jpg", Some(0))]),
        (record("5", "[]", ""), vec![("field", "5", None)]),
        (record("[5]", "[null]", ""), vec![("field", "5", None)]),
        (record("[]", "[]", ", \"image_num\": \"1\""), vec![("field", "\"1\"", None)]),
        ("{\"texts\": []}".to_owned(), vec![("no_field", "{", None)]),
        ("{\"images\": [], \"texts\": [], }".to_owned(), vec![("record", "}", None)]),
    ];
    let mut text = format!("[{good}");
    for (case, _) in &cases {
        write!(text, ",\n{good}, {case}").expect("text");
    }
    text.push(']');
    let folder = TestFolder::new("check");
    let path = folder.write("x.json", text.as_bytes());
    for threads in [1, 3] {
        let report = run(&path, None, threads);
        assert_eq!((report.samples, report.images), (25, 0));
        let expected = cases.iter().enumerate().flat_map(|(number, (case, faults))| {
            let start = text.find(case.as_str()).expect("there");
            faults.iter().map(move |&(kind, at, item)| {
                (kind, 2 * number + 2, (start + case.find(at).expect("there")) as u64, item)
            })
        });
        let told = |finding: &Finding| (finding.kind, finding.sample, finding.offset, finding.item);
        let found: Vec<_> = report.findings.iter().map(told).collect();
        assert_eq!(found, expected.collect::<Vec<_>>(), "{:#?}", report.findings);
        let notices = report.findings.iter().filter(|it| it.severity == Severity::Notice);
        assert_eq!(notices.map(|it| it.kind).collect::<Vec<_>>(), ["token_num", "name"]);
    }
}

/// The start of a JPEG of this size, without pixels.
fn jpeg(width: u16, height: u16, end: &[u8]) -> Vec<u8> {
    let mut bytes = b"\xff\xd8\xff\xc0\x00\x0b\x08".to_vec();
    bytes.extend_from_slice(&height.to_be_bytes());
    bytes.extend_from_slice(&width.to_be_bytes());
    bytes.extend_from_slice(b"\x01\x01\x11\x00\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00");
    bytes.extend_from_slice(end);
    bytes
}

#[test]
fn every_image_is_looked_for_and_into() {
    let folder = TestFolder::new("check_images");
    let files: [(&str, &str, Vec<u8>); 7] = [
        ("", "a@0_1#1.jpg", jpeg(640, 360, b"\xff\xd9")),
        ("", "a@0_1#2.jpg", jpeg(640, 360, b"\xff\xd9trailing")),
        ("truncated", "a@0_1#3.jpg", jpeg(640, 360, b"")),
        ("not_jpeg", "a@0_1#4.jpg", b"\x89PNG\r\n\x1a\n".to_vec()),
        ("not_jpeg", "a@0_1#5.jpg", Vec::new()),
        ("too_many_pixels", "a@0_1#6.jpg", jpeg(2000, 2000, b"\xff\xd9")),
        ("other_size", "a@0_1#7.jpg", jpeg(64, 36, b"\xff\xd9")),
    ];
    for (_, name, bytes) in &files {
        folder.write(Path::new("images/a").join(name), bytes);
    }
    std::fs::create_dir_all(folder.path("images/a/a@0_1#8.jpg")).expect("a folder");
    let mut names: Vec<&str> = files.iter().map(|file| file.1).collect();
    names.extend(["a@0_1#8.jpg", "/mnt/x/a/a@0_1#9.jpg", "../a.jpg"]);
    let images = format!("{names:?}");
    let texts = format!("[{}]", ["null"; 10].join(", "));
    let path = folder.write("x.json", format!("[{}]", record(&images, &texts, "")).as_bytes());
    let store = Stores::of_folders(vec![folder.path("images")]).expect("a store");
    let report = run(&path, Some(store), 1);
    let told: Vec<_> =
        report.findings.iter().map(|it| (it.kind, it.item.expect("of an image"))).collect();
    let expected = [
        ("truncated", 2),
        ("not_jpeg", 3),
        ("not_jpeg", 4),
        ("too_many_pixels", 5),
        ("other_size", 6),
        ("unreadable", 7),
        ("missing", 8),
        ("bad_path", 9),
    ];
    assert_eq!(told, expected, "{:#?}", report.findings);
    assert_eq!(report.findings[6].image.as_deref(), Some("/mnt/x/a/a@0_1#9.jpg"));
    assert_eq!((report.images, report.found), (10, 7));
    assert_eq!(report.sizes.into_iter().collect::<Vec<_>>(), [((64, 36), 1), ((640, 360), 2)]);
    let prefixes: Vec<_> = report.prefixes.into_iter().collect();
    let expected = [("", (8, 0)), ("..", (1, 0)), ("/mnt/x", (0, 1))];
    assert_eq!(prefixes, expected.map(|(prefix, counts)| (prefix.to_owned(), counts)));
}
