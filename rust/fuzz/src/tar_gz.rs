//! Compressed tars: their members against those of the tar alone; indexes that are
//! damaged; pages of an index.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use textbook_core::fuzzing::page_round_trips;
use textbook_core::index::Progress;
use textbook_core::source::{Access, Source};
use textbook_core::store::{End, IndexOptions, Kind, Scan, Step, TarGz, build_index, file_header};
use xxhash_rust::xxh3::xxh3_64;

use crate::temporary;

/// The first byte says what the others are: a tar, a change of an index, a page.
pub fn check(data: &[u8]) {
    let Some((&kind, rest)) = data.split_first() else { return };
    match kind % 3 {
        0 => headers(rest, u32::from(kind / 3 % 10)),
        1 => index(rest),
        _ => assert!(page_round_trips(rest)),
    }
}

fn compressed(tar: &[u8], level: u32) -> PathBuf {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(tar).expect("in memory");
    temporary::file("x.tar.gz", &encoder.finish().expect("in memory"))
}

fn indexed(path: &Path) -> bool {
    let save_every = Duration::from_secs(60);
    let options = IndexOptions { threads: 1, rebuild: true, path: None, save_every, sums: None };
    build_index(&[path.to_owned()], &options, &Progress::default()).is_ok()
}

fn forget(path: &Path) {
    for ending in [".tfidx", ".tfidx.partial"] {
        let _ = std::fs::remove_file(beside(path, ending));
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// A file's name and its data.
type Member = (Vec<u8>, Vec<u8>);

/// The members of a tar that are no folders, and whether it is whole.
fn plain(tar: &[u8]) -> (Vec<Member>, bool) {
    let source = Source::open(&temporary::file("x.tar", tar), Access::Read).expect("opened");
    let mut scan = Scan::default();
    let mut members = Vec::new();
    loop {
        let step = scan.next(&source, |member| {
            Ok((member.name.to_vec(), member.kind, member.data, member.size))
        });
        match step.expect("readable") {
            Step::End(end) => return (members, !matches!(end, End::Damaged(_))),
            Step::Member((_, Kind::Directory, ..)) => {}
            Step::Member((name, kind, data, size)) => {
                let mut bytes = Vec::new();
                let is_whole = data.checked_add(size).is_some_and(|end| end <= tar.len() as u64);
                if kind == Kind::File && is_whole {
                    source.read_into(data..data + size, &mut bytes).expect("it is there");
                }
                members.push((name, bytes));
            }
        }
    }
}

/// A tar is walked alike with and without compression, and each file read alike.
fn headers(tar: &[u8], level: u32) {
    let (expected, is_whole) = plain(tar);
    let path = compressed(tar, level);
    let is_indexed = indexed(&path);
    if is_whole && !expected.is_empty() {
        assert!(is_indexed, "the plain tar is whole");
    }
    if let Ok(store) = TarGz::open(std::slice::from_ref(&path), None, &Progress::default()) {
        let count = store.member_count() as usize;
        assert!(count <= expected.len(), "{count} members, {} plain ones", expected.len());
        if is_whole {
            assert_eq!(count, expected.len());
        }
        let mut bytes = Vec::new();
        for (number, (name, data)) in expected.iter().enumerate().take(count) {
            let Ok(member) = store.member(number as u32).expect("the index is sound") else {
                continue;
            };
            store.read_member(&member, &mut bytes).expect("the stream is sound");
            // A link has the data of another.
            if !data.is_empty() {
                assert_eq!(&bytes, data, "{}", name.escape_ascii());
            }
        }
    }
    forget(&path);
}

const NAMES: [&str; 3] = ["v/v@1_2#1.jpg", "v/v@2_3#1.jpg", "w/w@1_2#1.jpg"];

fn data(number: usize) -> Vec<u8> {
    (0..700 + number * 400).map(|at| (at * (number + 3) % 251) as u8).collect()
}

/// Changes an index, with its hashes made right again: what comes out is the file's, or an
/// error. The first four bytes say where, and which hashes.
fn index(change: &[u8]) {
    let Some((&[low, high, forged, _], new)) = change.split_first_chunk::<4>() else { return };
    let mut tar = Vec::new();
    for (number, name) in NAMES.iter().enumerate() {
        let data = data(number);
        tar.extend_from_slice(&file_header(name.as_bytes(), data.len() as u64, 0));
        tar.extend_from_slice(&data);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.extend_from_slice(&textbook_core::store::END);
    let path = compressed(&tar, 6);
    assert!(indexed(&path));
    let place = beside(&path, ".tfidx");
    let mut bytes = std::fs::read(&place).expect("an index");
    let at = (usize::from(low) | usize::from(high) << 8) % (bytes.len() + 1);
    let end = bytes.len().min(at + new.len());
    bytes.splice(at..end, new.iter().copied());
    if forged & 1 != 0 {
        forge_pages(&mut bytes);
    }
    if forged & 2 != 0 {
        forge_header(&mut bytes);
    }
    std::fs::write(&place, &bytes).expect("written");
    if let Ok(store) = TarGz::open(std::slice::from_ref(&path), None, &Progress::default()) {
        let mut bytes = Vec::new();
        for name in NAMES {
            if store.read(name, &mut bytes).is_ok() {
                // The names of forged pages are forged, too.
                let is_one = (0..NAMES.len()).any(|number| tar_has(&data(number), &bytes));
                assert!(is_one || tar_has(&tar, &bytes), "{name}");
            }
        }
        for number in 0..store.member_count().min(100) {
            if let Ok(Ok(member)) = store.member(number) {
                let _ = store.read_member(&member, &mut bytes);
            }
        }
    }
    forget(&path);
}

fn tar_has(tar: &[u8], bytes: &[u8]) -> bool {
    bytes.is_empty() || tar.windows(bytes.len()).any(|window| window == bytes)
}

fn word(bytes: &[u8], at: usize) -> usize {
    bytes.get(at..at + 8).map_or(0, |word| u64::from_le_bytes(word.try_into().expect("8")) as usize)
}

/// The only page's checksum.
fn forge_pages(bytes: &mut [u8]) {
    const HEADER: usize = 104;
    let end = word(bytes, 48);
    if let Some((page, check)) =
        bytes.get_mut(HEADER..end).and_then(|page| page.split_last_chunk_mut::<4>())
    {
        *check = crc32c::crc32c(page).to_le_bytes();
    }
}

fn forge_header(bytes: &mut [u8]) {
    let end = word(bytes, 48);
    let Some(hash) = bytes.get(end..).map(xxh3_64) else { return };
    if let Some(header) = bytes.get_mut(..104) {
        header[88..96].copy_from_slice(&hash.to_le_bytes());
        let hash = xxh3_64(&header[..96]);
        header[96..104].copy_from_slice(&hash.to_le_bytes());
    }
}
