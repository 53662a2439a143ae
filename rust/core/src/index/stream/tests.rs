//! Compressed texts of every kind against the texts themselves; cut and damaged files and
//! indexes.

use std::path::{Path, PathBuf};

use textbook_simd::Level;
use zlib_rs::Strategy;

use super::*;
use crate::index;
use crate::index::append_log::AppendLog;
use crate::inflate::tests::{Random, deflate};
use crate::source::Access;
use crate::test_folder::TestFolder;

const OPTIONS: Options = Options {
    threads: 1,
    recover: false,
    read_sidecar: false,
    write_sidecar: false,
    level: Level::Scalar,
};
const KEPT: Options = Options { read_sidecar: true, write_sidecar: true, ..OPTIONS };

fn open(path: &Path, access: Access, options: Options) -> Result<(Arc<Source>, OffsetIndex)> {
    index::open(Source::open(path, access)?, options, LongPass::Refused, &Arc::default())
}

/// Records with noise, runs and repeats from far back, as bytes of a string.
fn records(count: usize, seed: u64) -> Vec<Vec<u8>> {
    let mut random = Random(seed);
    let mut past: Vec<u8> = b"so".to_vec();
    let record = |_| {
        let mut text = Vec::new();
        for _ in 0..random.below(12) {
            let length = 1 + random.below(2000);
            match random.below(3) {
                0 => text.extend(std::iter::repeat_n(b'a' + random.below(26) as u8, length)),
                1 => text.extend((0..length).map(|_| b'A' + random.below(26) as u8)),
                _ => {
                    let back = 1 + random.below(past.len().min(40_000));
                    let from = past.len() - back;
                    text.extend(past[from..].iter().take(length));
                }
            }
        }
        past.extend_from_slice(&text);
        let number = random.below(9);
        let mut record = format!("{{\"k\": {number}, \"é\": [\"\\\"}}\", \"").into_bytes();
        record.extend(text);
        record.extend_from_slice(b"\"]}");
        record
    };
    (0..count).map(record).collect()
}

fn array(records: &[Vec<u8>]) -> Vec<u8> {
    let mut text = b"\xef\xbb\xbf [\n  ".to_vec();
    text.extend(records.join(&b",\n  "[..]));
    text.extend_from_slice(b"\n]\n");
    text
}

fn member(text: &[u8], level: i32, strategy: Strategy) -> Vec<u8> {
    let mut gz = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    gz.extend(deflate(text, level, strategy));
    gz.extend_from_slice(&crc32fast::hash(text).to_le_bytes());
    gz.extend_from_slice(&(text.len() as u32).to_le_bytes());
    gz
}

/// As bgzip writes: members of less than 64 KiB with an extra field, an empty one last.
fn bgzip(text: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    for piece in text.chunks(65_280).chain([&b""[..]]) {
        let gz = member(piece, 6, Strategy::Default);
        all.extend_from_slice(&[
            0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, 6, 0, b'B', b'C', 2, 0, 0, 0,
        ]);
        all.extend_from_slice(&gz[10..]);
    }
    all
}

/// Members of any lengths, empty ones among them.
fn members(text: &[u8], seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    let (mut all, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let length = [0, 1, 1000, 1 << 20, 300_000][random.below(5)].min(rest.len());
        let (now, later) = rest.split_at(length);
        all.extend(member(now, [0, 1, 6][random.below(3)], Strategy::Default));
        rest = later;
    }
    all
}

fn kinds(text: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut zeros = member(text, 6, Strategy::Default);
    zeros.resize(zeros.len() + 100_000, 0);
    vec![
        ("stored blocks", member(text, 0, Strategy::Default)),
        ("level 1", member(text, 1, Strategy::Default)),
        ("level 6", member(text, 6, Strategy::Default)),
        ("level 9", member(text, 9, Strategy::Default)),
        ("fixed codes", member(text, 6, Strategy::Fixed)),
        ("literals", member(text, 6, Strategy::HuffmanOnly)),
        ("runs", member(text, 6, Strategy::Rle)),
        ("members", members(text, 5)),
        ("bgzip", bgzip(text)),
        ("zeros after it", zeros),
    ]
}

fn read(source: &Source, index: &OffsetIndex, k: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    index.read(k, source, &mut bytes)?;
    Ok(bytes)
}

#[test]
fn every_kind_reads_as_its_text() {
    let folder = TestFolder::new("text_kinds");
    let truth = records(650, 3);
    let text = array(&truth);
    assert!(text.len() > 3 << 20, "borders of segments: {}", text.len());
    for (kind, gz) in kinds(&text) {
        let path = folder.write("x.json.gz", &gz);
        let mut random = Random(11);
        for (access, threads) in [(Access::Map, 1), (Access::Map, 3), (Access::Read, 2)] {
            let options = Options { threads, ..OPTIONS };
            let (source, index) = open(&path, access, options).expect(kind);
            assert_eq!((source.size(), index.len()), (text.len() as u64, truth.len()), "{kind}");
            for _ in 0..80 {
                let k = random.below(truth.len());
                assert_eq!(read(&source, &index, k).expect(kind), truth[k], "{kind}, record {k}");
            }
            for _ in 0..15 {
                let start = random.below(text.len());
                let wanted = [100, 70_000, 2_500_000][random.below(3)];
                let end = text.len().min(start + random.below(wanted));
                let is_same = |found: &[u8]| -> Result<bool> { Ok(found == &text[start..end]) };
                let same = source.with_range(start as u64..end as u64, is_same);
                assert!(same.expect(kind), "{kind}, bytes {start} to {end}");
            }
            let size = text.len() as u64;
            assert!(source.with_range(size..size + 1, |_| Ok(())).is_err());
        }
    }
}

#[test]
fn lines_objects_and_faults_are_those_of_the_plain_text() {
    let folder = TestFolder::new("text_layouts");
    let truth = records(300, 4);
    let mut faulty = array(&truth);
    let comma = faulty.len() / 2 + memchr::memchr(b',', &faulty[faulty.len() / 2..]).expect("one");
    faulty[comma] = b';';
    let texts: [(&str, Vec<u8>); 9] = [
        ("a.jsonl", truth.join(&b"\n"[..])),
        ("b.jsonl", [&b"\n \n"[..], &truth.join(&b"\r\n\r\n"[..])].concat()),
        ("c.json", truth[..2].join(&b"\n"[..])),
        ("d.ndjson", truth[1].clone()),
        ("e.json", truth[1].clone()),
        ("f.json", faulty),
        ("g.json", [vec![b' '; 1_200_000], array(&truth[..3])].concat()),
        ("h.jsonl", [truth[0].clone(), b"\n[1]".to_vec()].concat()),
        ("i.json", b"nothing".to_vec()),
    ];
    for (name, text) in texts {
        let plain = folder.write(name, &text);
        let packed = folder.write(format!("{name}.gz"), &member(&text, 6, Strategy::Default));
        let (plain, packed) =
            (open(&plain, Access::Map, OPTIONS), open(&packed, Access::Map, OPTIONS));
        match (plain, packed) {
            (Ok((plain, of_plain)), Ok((packed, of_packed))) => {
                assert_eq!(
                    (of_plain.len(), of_plain.layout()),
                    (of_packed.len(), of_packed.layout())
                );
                for k in 0..of_plain.len() {
                    let expected = read(&plain, &of_plain, k).expect("a record");
                    assert_eq!(read(&packed, &of_packed, k).expect("a record"), expected, "{name}");
                }
            }
            (Err(plain), Err(packed)) => {
                let (
                    Error::Format { reason, offset, .. },
                    Error::Format { reason: told, offset: at, .. },
                ) = (&plain, &packed)
                else {
                    panic!("{name}: {plain}; {packed}")
                };
                assert_eq!(
                    (offset, &format!("in the text that is compressed in it: {reason}")),
                    (at, told)
                );
            }
            (plain, packed) => panic!("{name}: {plain:?}; {packed:?}"),
        }
    }
}

#[test]
fn a_sidecar_serves_both_and_other_files_are_refused() {
    let folder = TestFolder::new("text_sidecar");
    let truth = records(400, 6);
    let gz = member(&array(&truth), 6, Strategy::Default);
    let path = folder.write("x.json.gz", &gz);
    let (_, built) = open(&path, Access::Map, KEPT).expect("built");
    let place = folder.path("x.json.gz.tfidx");
    assert!(
        matches!(built.origin(), Origin::Built { kept: Some(kept), warning: None, .. }
            if kept.file_name() == place.file_name()),
        "{:?}",
        built.origin()
    );
    let (source, index) = open(&path, Access::Read, KEPT).expect("read");
    assert!(matches!(index.origin(), Origin::Sidecar(_)));
    for (k, record) in truth.iter().enumerate() {
        assert_eq!(&read(&source, &index, k).expect("a record"), record);
    }
    // Written anew with the same bytes: trusted after a look at each border.
    std::fs::write(&path, &gz).expect("written");
    let (source, index) = open(&path, Access::Map, KEPT).expect("read");
    assert!(matches!(index.origin(), Origin::Sidecar(_)));
    assert_eq!(read(&source, &index, 7).expect("a record"), truth[7]);
    // Another file of the same name.
    std::fs::write(&path, member(&array(&truth[..5]), 6, Strategy::Default)).expect("written");
    let error = read(&source, &index, 7).expect_err("changed");
    assert!(matches!(error, Error::SourceChanged { .. }), "{error}");
    let (_, index) = open(&path, Access::Map, KEPT).expect("built anew");
    assert!(matches!(index.origin(), Origin::Built { .. }) && index.len() == 5);
}

#[test]
fn damage_to_the_sidecar_is_noticed_wherever_it_is() {
    let folder = TestFolder::new("text_sidecar_damage");
    let truth = records(450, 8);
    let path = folder.write("x.json.gz", &member(&array(&truth), 6, Strategy::Default));
    open(&path, Access::Map, KEPT).expect("built");
    let place = folder.path("x.json.gz.tfidx");
    let good = std::fs::read(&place).expect("a sidecar");
    let mut random = Random(1);
    let only_read = Options { write_sidecar: false, ..KEPT };
    for round in 0..190 {
        let mut bad = good.clone();
        let at = if round < 128 { round } else { random.below(bad.len()) };
        if round % 7 == 3 {
            bad.truncate(at);
        } else {
            bad[at] ^= 1 << random.below(8);
        }
        std::fs::write(&place, &bad).expect("written");
        let (source, index) = open(&path, Access::Map, only_read).expect("opened");
        assert_eq!(index.len(), truth.len());
        let is_kept = matches!(index.origin(), Origin::Sidecar(_));
        let mut refused = 0;
        for (k, record) in truth.iter().enumerate().step_by(if is_kept { 1 } else { 200 }) {
            match read(&source, &index, k) {
                Ok(found) => assert_eq!(&found, record, "byte {at}, record {k}"),
                Err(error) => {
                    assert!(error.to_string().contains("--rebuild"), "{error}");
                    refused += 1;
                }
            }
        }
        // Only a window may be damaged unnoticed until it is needed.
        assert!(!is_kept || refused > 0, "byte {at} of the sidecar means nothing");
    }
}

/// The hashes, as somebody who means harm has them.
fn forge(bytes: &mut [u8]) {
    let end = u64::from_le_bytes(*bytes[80..].first_chunk().expect("a header")) as usize;
    let tables = xxhash_rust::xxh3::xxh3_64(bytes.get(end..).unwrap_or_default());
    bytes[112..120].copy_from_slice(&tables.to_le_bytes());
    let header = xxhash_rust::xxh3::xxh3_64(&bytes[..120]);
    bytes[120..128].copy_from_slice(&header.to_le_bytes());
}

#[test]
fn a_forged_sidecar_gives_errors_or_records_and_nothing_worse() {
    let folder = TestFolder::new("text_forged");
    let truth = records(330, 14);
    let path = folder.write("x.json.gz", &member(&array(&truth), 6, Strategy::Default));
    open(&path, Access::Map, KEPT).expect("built");
    let place = folder.path("x.json.gz.tfidx");
    let good = std::fs::read(&place).expect("a sidecar");
    let tables = u64::from_le_bytes(*good[80..].first_chunk().expect("a header")) as usize;
    let mut random = Random(5);
    let only_read = Options { write_sidecar: false, ..KEPT };
    let mut used = 0;
    for round in 0..400 {
        let mut bad = good.clone();
        for _ in 0..=random.below(3) {
            // The header's numbers, or the tables; one bit, or a byte of any value.
            let at = match round % 4 {
                0 => 16 + random.below(96),
                _ => tables + random.below(good.len() - tables),
            };
            bad[at] = [bad[at] ^ 1 << random.below(8), random.next() as u8][random.below(2)];
        }
        forge(&mut bad);
        std::fs::write(&place, &bad).expect("written");
        let Ok((source, index)) = open(&path, Access::Map, only_read) else { continue };
        used += usize::from(matches!(index.origin(), Origin::Sidecar(_)));
        for k in (0..index.len().min(2 * truth.len())).step_by(17) {
            let _ = read(&source, &index, k);
        }
        let all = 0..source.size().min(5 << 20);
        let _ = source.with_range(all, |_| Ok(()));
    }
    assert!(used > 250, "{used} of 400");
}

#[test]
fn a_cut_file_says_how_much_is_whole() {
    let folder = TestFolder::new("text_cut");
    let truth = records(300, 9);
    let text = array(&truth);
    let mut random = Random(2);
    for (kind, gz) in kinds(&text).into_iter().filter(|(kind, _)| *kind != "zeros after it") {
        for _ in 0..12 {
            let length = 2 + random.below(gz.len() - 2);
            let path = folder.write("x.json.gz", &gz[..length]);
            let Err(Error::Truncated { length: told, records, end_of_last, .. }) =
                open(&path, Access::Map, OPTIONS)
            else {
                // Between two members nothing tells that another one has to follow.
                let error = open(&path, Access::Map, OPTIONS).expect_err("cut");
                assert!(["members", "bgzip"].contains(&kind), "{kind} cut at {length}: {error}");
                continue;
            };
            assert_eq!(told, length as u64, "{kind}");
            assert!(end_of_last <= text.len() as u64);
            let recover = Options { recover: true, ..OPTIONS };
            let (source, index) = match open(&path, Access::Map, recover) {
                Ok(opened) => opened,
                Err(error) => {
                    assert!(records == 0 && matches!(error, Error::Truncated { .. }), "{error}");
                    continue;
                }
            };
            assert_eq!(index.len() as u64, records, "{kind}");
            for (k, record) in truth.iter().enumerate().take(index.len()) {
                assert_eq!(&read(&source, &index, k).expect("whole"), record, "{kind}");
            }
            assert!(!folder.path("x.json.gz.tfidx").exists());
        }
    }
}

#[test]
fn a_flipped_bit_is_an_error_and_records_before_it_stay_readable() {
    let folder = TestFolder::new("text_flipped");
    let truth = records(400, 10);
    let gz = member(&array(&truth), 6, Strategy::Default);
    let good: PathBuf = folder.write("good.json.gz", &gz);
    open(&good, Access::Map, KEPT).expect("built");
    let sidecar = std::fs::read(folder.path("good.json.gz.tfidx")).expect("a sidecar");
    let mut random = Random(3);
    let mut kept = 0;
    for round in 0..36 {
        let mut bad = gz.clone();
        // The header's time and such may change without harm.
        let at = 10 + random.below(gz.len() - 10);
        bad[at] ^= 1 << random.below(8);
        let path = folder.write("x.json.gz", &bad);
        let _ = std::fs::remove_file(folder.path("x.json.gz.tfidx"));
        let access = if round % 2 == 0 { Access::Map } else { Access::Read };
        let error = open(&path, access, OPTIONS).expect_err("a flipped bit");
        let words = error.to_string();
        assert!(words.contains("cut") && words.contains("byte"), "{words}");

        folder.write("x.json.gz.tfidx", &sidecar);
        // Where the bit is in one of the pieces that are looked at, it is another file.
        let only_read = Options { write_sidecar: false, ..KEPT };
        let Ok((source, index)) = open(&path, access, only_read) else { continue };
        assert!(matches!(index.origin(), Origin::Sidecar(_)));
        kept += 1;
        let mut damaged = 0;
        for (k, record) in truth.iter().enumerate() {
            match read(&source, &index, k) {
                Ok(found) => assert_eq!(&found, record, "byte {at}, record {k}"),
                Err(error) => {
                    assert!(error.to_string().contains("fetch the file again"), "{error}");
                    damaged += 1;
                }
            }
        }
        // No more is lost than the segment that the bit is in, and a record on its border.
        let in_segment = truth.len() * (1 << 20) / source.size() as usize * 2 + 2;
        assert!(damaged <= in_segment, "byte {at}: {damaged} records are lost");
    }
    assert!(kept > 18, "{kept} of 36");
}

#[test]
fn what_follows_a_stream_is_told_of() {
    let folder = TestFolder::new("text_after");
    let truth = records(3, 12);
    let mut gz = member(&array(&truth), 6, Strategy::Default);
    let end = gz.len();
    gz.extend_from_slice(b"garbage");
    let path = folder.write("x.json.gz", &gz);
    let error = open(&path, Access::Map, OPTIONS).expect_err("garbage");
    let Error::Format { offset, reason, .. } = error else { panic!("{error}") };
    assert_eq!(offset, end as u64);
    assert!(reason.contains("no gzip follow"), "{reason}");
}

#[test]
fn a_long_pass_is_not_made_unasked() {
    let folder = TestFolder::new("text_long");
    let path = folder.write("x.json.gz", &member(b"[]", 6, Strategy::Default));
    let lengthen = || {
        let file = std::fs::OpenOptions::new().write(true).open(&path).expect("opened");
        file.set_len(SMALL + 1).expect("a sparse file");
        open(&path, Access::Map, KEPT).expect_err("refused")
    };
    let error = lengthen();
    assert!(matches!(error, Error::IndexMissing { state: "has not been built", .. }), "{error}");
    // The index of another file is there.
    folder.write("x.json.gz", &member(b"[{}]", 6, Strategy::Default));
    assert_eq!(open(&path, Access::Map, KEPT).expect("small").1.len(), 1);
    let error = lengthen();
    assert!(error.to_string().contains("does not fit"), "{error}");
    // What is no JSON is told of at once.
    let mut tar = vec![b'x'; 600];
    tar[257..262].copy_from_slice(b"ustar");
    folder.write("x.json.gz", &member(&tar, 6, Strategy::Default));
    let error = lengthen();
    assert!(error.to_string().contains("tar archive"), "{error}");
}

/// The pass as it is asked for; stopped after so many looks. How it ended, and the byte of
/// the file that it went on from.
fn pass(path: &Path, threads: usize, looks: u64) -> Result<u64> {
    let options = Options { threads, ..KEPT };
    let progress = Arc::new(Progress::default());
    progress.stop_after(looks);
    let long = LongPass::Allowed { save_every: Duration::ZERO };
    let (_, index) = index::open(Source::open(path, Access::Map)?, options, long, &progress)?;
    match index.origin() {
        Origin::Built { resumed_at, .. } => Ok(*resumed_at),
        Origin::Sidecar(place) => panic!("{} was there", place.display()),
    }
}

/// Stops the pass again and again until it comes to the end. The index, and how often it
/// was stopped, where the last pass went on from something.
fn stopped(folder: &TestFolder, path: &Path, random: &mut Random) -> (Vec<u8>, usize) {
    let (place, mut stops) = (folder.path("x.json.gz.tfidx"), 0);
    loop {
        let has_partial = partial_path(&place).exists();
        let looks = 2 + random.below(5 + 2 * stops);
        match pass(path, 1 + random.below(2), looks as u64) {
            Ok(resumed_at) => {
                assert_eq!(resumed_at > 0, has_partial, "it goes on");
                stops = if has_partial { stops } else { 0 };
                assert!(!partial_path(&place).exists());
                let bytes = std::fs::read(&place).expect("an index");
                std::fs::remove_file(&place).expect("removed");
                return (bytes, stops);
            }
            Err(Error::Stopped) => stops += 1,
            Err(error) => panic!("{error}"),
        }
        assert!(!place.exists() && stops < 2000);
    }
}

#[test]
fn a_stopped_pass_goes_on_and_ends_in_the_same_index() {
    let folder = TestFolder::new("text_stopped");
    let truth = records(900, 15);
    let array = array(&truth);
    let blank = [vec![b' '; 1_200_000], array[3..].to_vec()].concat();
    let mut random = Random(16);
    let mut stops = 0;
    for text in [array, truth.join(&b"\n"[..]), blank] {
        for (kind, gz) in kinds(&text) {
            let path = folder.write("x.json.gz", &gz);
            assert_eq!(pass(&path, 1, 0).expect(kind), 0);
            let place = folder.path("x.json.gz.tfidx");
            let undisturbed = std::fs::read(&place).expect("an index");
            std::fs::remove_file(place).expect("removed");
            let (bytes, count) = stopped(&folder, &path, &mut random);
            assert!(bytes == undisturbed, "{kind}");
            stops += count;
        }
    }
    assert!(stops > 100, "{stops}");
}

#[test]
fn what_a_stopped_pass_has_left_is_used_only_where_it_fits() {
    let folder = TestFolder::new("text_partial");
    let gz = member(&array(&records(650, 17)), 6, Strategy::Default);
    let other = member(&array(&records(650, 18)), 6, Strategy::Default);
    let path = folder.write("x.json.gz", &gz);
    let place = folder.path("x.json.gz.tfidx");
    let partial = partial_path(&place);
    pass(&path, 1, 0).expect("a pass");
    let undisturbed = std::fs::read(&place).expect("an index");
    std::fs::remove_file(&place).expect("removed");
    let error = pass(&path, 1, 7).expect_err("stopped");
    assert!(matches!(error, Error::Stopped), "{error}");
    let left = std::fs::read(&partial).expect("what is left");
    let mut random = Random(19);
    let mut resumed = 0;
    for round in 0..150 {
        let mut bad = left.clone();
        match round % 3 {
            0 => bad.truncate(random.below(left.len())),
            1 => bad[random.below(left.len())] ^= 1 << random.below(8),
            _ => bad[random.below(200)] ^= 1 << random.below(8),
        }
        std::fs::write(&partial, &bad).expect("written");
        resumed += usize::from(pass(&path, 1, 0).expect("a pass") > 0);
        assert!(std::fs::read(&place).expect("an index") == undisturbed);
        assert!(!partial.exists());
        std::fs::remove_file(&place).expect("removed");
    }
    assert!(resumed > 10 && resumed < 140, "{resumed}");
    // Another file of the same name.
    std::fs::write(&partial, &left).expect("written");
    std::fs::write(&path, other).expect("written");
    assert_eq!(pass(&path, 1, 0).expect("a pass"), 0);
    assert!(!partial.exists());
    // A pass that ends at damage leaves nothing.
    let mut bad = gz.clone();
    let middle = bad.len() * 3 / 4;
    bad[middle..middle + 100].fill(0x55);
    std::fs::write(&path, bad).expect("written");
    let error = pass(&path, 1, 0).expect_err("damaged");
    assert!(matches!(error, Error::Format { .. }), "{error}");
    assert!(!partial.exists());
}

#[test]
fn what_a_crash_right_after_the_end_has_left_is_removed() {
    let folder = TestFolder::new("text_left");
    let gz = member(&array(&records(650, 21)), 6, Strategy::Default);
    let path = folder.write("x.json.gz", &gz);
    pass(&path, 1, 0).expect("a pass");
    let partial = folder.write("x.json.gz.tfidx.partial", b"left");
    let is_left = |options| {
        open(&path, Access::Map, options).expect("opened");
        partial.exists()
    };
    let locked = AppendLog::open(&partial).expect("as by another process");
    assert!(is_left(KEPT), "an index that may be in the making");
    drop(locked);
    assert!(is_left(Options { write_sidecar: false, ..KEPT }), "nothing is to be written");
    assert!(!is_left(KEPT));
}

#[test]
fn a_rebuild_goes_on_from_nothing() {
    let folder = TestFolder::new("text_partial_rebuild");
    let gz = member(&array(&records(650, 20)), 6, Strategy::Default);
    let path = folder.write("x.json.gz", &gz);
    pass(&path, 1, 6).expect_err("stopped");
    let partial = partial_path(&folder.path("x.json.gz.tfidx"));
    assert!(partial.exists());
    let options = Options { read_sidecar: false, ..KEPT };
    let (_, index) = open(&path, Access::Map, options).expect("built");
    assert!(matches!(index.origin(), Origin::Built { resumed_at: 0, .. }));
    assert!(!partial.exists());
}
