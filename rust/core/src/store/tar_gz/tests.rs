//! Archives of every kind that gzip makes, read back member by member; passes that are
//! stopped, cut, broken; parts that are swapped, replaced, missing.
#![allow(clippy::cast_precision_loss, reason = "seconds in names")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use zlib_rs::Strategy;

use super::build::Plan;
use super::indexing::{beside, build_at};
use super::*;
use crate::error::Error;
use crate::index::append_log::{AppendLog, partial_path};
use crate::inflate::tests::{Random, deflate};
use crate::store::tar_write::{END, file_header};
use crate::store::{Reads, Stores};
use crate::test_folder::TestFolder;

mod runs;

/// Names and contents.
type Members = Vec<(String, Vec<u8>)>;

/// Members of many sizes: noise, as JPEG is, and what compresses well.
fn members(count: usize, seed: u64) -> Members {
    let mut random = Random(seed);
    let mut all = Members::new();
    for number in 0..count {
        let vid = format!("vid_{:07}", number / 7);
        let start = number as f64 * 7.31;
        let long = if number % 11 == 3 { "x".repeat(120) } else { String::new() };
        let name = format!("set{long}/{vid}/{vid}@{start}_{}#1.jpg", start + 5.0);
        let size = match number % 5 {
            0 => random.below(3),
            1 => random.below(700),
            _ => random.below(60_000),
        };
        let data: Vec<u8> = match number % 4 {
            0 => (0..size).map(|at| (at / 50) as u8).collect(),
            // Repeats of the member before reach over the header between them.
            1 if !all.is_empty() => {
                let before = &all[all.len() - 1].1;
                before
                    .iter()
                    .copied()
                    .cycle()
                    .take(if before.is_empty() { 0 } else { size })
                    .collect()
            }
            _ => (0..size).map(|_| (random.next() as u8) & 0x7f).collect(),
        };
        all.push((name, data));
    }
    all
}

fn tar(members: &Members) -> Vec<u8> {
    let mut tar = Vec::new();
    for (name, data) in members {
        tar.extend_from_slice(&file_header(name.as_bytes(), data.len() as u64, 0));
        tar.extend_from_slice(data);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.extend_from_slice(&END);
    tar
}

fn gzip_member(data: &[u8], body: Vec<u8>) -> Vec<u8> {
    let mut gz = vec![0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3];
    gz.extend_from_slice(b"name.tar\0");
    gz.extend(body);
    gz.extend_from_slice(&crc32fast::hash(data).to_le_bytes());
    gz.extend_from_slice(&(data.len() as u32).to_le_bytes());
    gz
}

fn gzip(data: &[u8], level: i32, strategy: Strategy) -> Vec<u8> {
    gzip_member(data, deflate(data, level, strategy))
}

/// As pigz writes: pieces deflated apart, with empty stored blocks between them.
fn pigz(data: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::new(6));
    for piece in data.chunks(37_777) {
        encoder.write_all(piece).expect("in memory");
        encoder.flush().expect("in memory");
    }
    gzip_member(data, encoder.finish().expect("in memory"))
}

/// Every way to compress that there is.
fn kinds(data: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut random = Random(5);
    let mut many = Vec::new();
    let mut rest = data;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.len().min(random.below(40_000)));
        many.extend(gzip(
            piece,
            i32::try_from(random.below(10)).expect("small"),
            Strategy::Default,
        ));
        rest = after;
    }
    many.extend(gzip(b"", 6, Strategy::Default));
    many.resize(many.len() + 1000, 0);
    vec![
        ("default", gzip(data, 6, Strategy::Default)),
        ("fast", gzip(data, 1, Strategy::Default)),
        ("stored", gzip(data, 0, Strategy::Default)),
        ("fixed", gzip(data, 6, Strategy::Fixed)),
        ("huffman", gzip(data, 6, Strategy::HuffmanOnly)),
        ("pigz", pigz(data)),
        ("members", many),
    ]
}

/// Writes a stream as parts of uneven sizes, one of them empty.
fn split(folder: &TestFolder, stream: &[u8], parts: usize) -> Vec<PathBuf> {
    let mut rest = stream;
    (0..parts)
        .map(|number| {
            let left = parts - number;
            let count = match number {
                _ if left == 1 => rest.len(),
                2 => 0,
                _ => rest.len() / left + number * 3,
            };
            let (piece, after) = rest.split_at(count.min(rest.len()));
            rest = after;
            folder.write(format!("a.tar.gz.part_{number:02}"), piece)
        })
        .collect()
}

fn options() -> IndexOptions {
    let save_every = Duration::from_secs(2);
    IndexOptions { threads: 1, rebuild: false, path: None, save_every, sums: None }
}

fn index(parts: &[PathBuf]) -> Result<IndexSummary> {
    build_index(parts, &options(), &Progress::default())
}

fn open(parts: &[PathBuf]) -> TarGz {
    TarGz::open(parts, None, &Progress::default()).expect("a store")
}

fn assert_all(store: &TarGz, members: &Members, kind: &str) {
    let mut bytes = Vec::new();
    for (number, (name, data)) in members.iter().enumerate() {
        store.read(name, &mut bytes).unwrap_or_else(|error| panic!("{kind}, {number}: {error}"));
        assert!(bytes == *data, "{kind}, member {number} of {} bytes", data.len());
    }
}

#[test]
fn every_member_of_every_kind_of_archive() {
    let members = members(120, 1);
    let data = tar(&members);
    for (kind, stream) in kinds(&data) {
        let folder = TestFolder::new("tar_gz");
        let parts = split(&folder, &stream, 5);
        let summary = index(&parts).unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert_eq!((summary.members, summary.is_confirmed), (120, true), "{kind}");
        assert_eq!(summary.tar_bytes, data.len() as u64);
        let store = open(&parts);
        assert_all(&store, &members, kind);
        // From the last to the first, so that nothing depends on what was read before.
        let reversed: Members = members.iter().rev().cloned().collect();
        assert_all(&store, &reversed, kind);
        assert!(!folder.path("a.tar.gz.part_00.tfidx.partial").exists());
    }
}

#[test]
fn three_spellings_and_strangers() {
    let members = members(20, 2);
    let folder = TestFolder::new("tar_gz_names");
    let parts = split(&folder, &gzip(&tar(&members), 6, Strategy::Default), 4);
    let store = open(&parts);
    let mut bytes = Vec::new();
    for (name, data) in &members {
        let flat = name.rsplit('/').next().expect("a name");
        for spelled in [name.as_str(), flat, &format!("/mnt/other/{name}")] {
            store.read(spelled, &mut bytes).expect("found");
            assert_eq!(bytes, *data);
            assert!(store.has(spelled));
        }
    }
    let error = store.read("zzz@1_2#1.jpg", &mut bytes).expect_err("not there");
    assert!(error.to_string().contains("a.tar.gz.part_00"), "{error}");
    assert!(matches!(store.read("../x", &mut bytes), Err(StoreError::Refused { .. })));
}

#[test]
fn the_last_of_two_members_with_one_name_counts() {
    let twice: Members = [(1_u8, "v@1_2#1.jpg"), (2, "b.png"), (3, "v@1_2#1.jpg"), (4, "b.png")]
        .map(|(byte, name)| (format!("set/{name}"), vec![byte; 900]))
        .to_vec();
    let folder = TestFolder::new("tar_gz_twice");
    let parts = split(&folder, &gzip(&tar(&twice), 6, Strategy::Default), 1);
    let mut bytes = Vec::new();
    for (name, byte) in [("v@1_2#1.jpg", 3), ("b.png", 4)] {
        open(&parts).read(name, &mut bytes).expect("found");
        assert_eq!(bytes, [byte; 900]);
    }
}

fn plan(threads: usize) -> Plan {
    Plan { threads, is_new: false, save_every: Duration::ZERO, stretch: 300_000, sums: None }
}

/// Stops a pass after so many looks at whether it should.
fn build_until(
    parts: &[PathBuf],
    path: &Path,
    threads: usize,
    stop_after: u64,
) -> Result<IndexSummary> {
    let progress = Progress::default();
    progress.stop_after(stop_after);
    build_at(&Parts::open(parts).expect("parts"), path, &plan(threads), &progress)
}

#[test]
fn more_threads_give_the_same_index() {
    let members = members(500, 14);
    let data = tar(&members);
    for (kind, stream) in kinds(&data) {
        let folder = TestFolder::new("tar_gz_threads");
        let parts = split(&folder, &stream, 4);
        let one = std::fs::read(index(&parts).expect("indexed").path).expect("an index");
        for threads in 2..5 {
            let path = folder.path(format!("{threads}.tfidx"));
            build_until(&parts, &path, threads, 0)
                .unwrap_or_else(|error| panic!("{kind}: {error}"));
            assert!(std::fs::read(&path).expect("an index") == one, "{kind}, {threads} threads");
        }
    }
}

#[test]
fn a_pass_that_is_stopped_goes_on_and_gives_the_same_index() {
    let members = members(600, 3);
    let data = tar(&members);
    for (kind, stream) in kinds(&data) {
        let folder = TestFolder::new("tar_gz_resume");
        let parts = split(&folder, &stream, 4);
        let summary = index(&parts).expect("undisturbed");
        let undisturbed = std::fs::read(&summary.path).expect("an index");
        let path = folder.path("other.tfidx");
        let mut random = Random(9);
        let (mut stops, mut resumed) = (0, 0);
        let summary = loop {
            match build_until(&parts, &path, 1 + random.below(3), 2 + random.below(12) as u64) {
                Err(Error::Stopped) => stops += 1,
                result => break result.expect("built in the end"),
            }
            // A crash may tear the last record.
            let partial = partial_path(&path);
            let length = std::fs::metadata(&partial).expect("a partial index").len();
            let torn = length - (random.below(3) as u64 * 50).min(length);
            let file = std::fs::OpenOptions::new().write(true).open(&partial).expect("open");
            file.set_len(torn).expect("cut");
            resumed += u64::from(length > 50_000);
            assert!(stops < 1000, "{kind}: it gets nowhere");
        };
        assert!(stops > 0 && resumed > 0, "{kind}: {stops} stops");
        assert!(summary.resumed_at > 0, "{kind}");
        assert!(std::fs::read(&path).expect("an index") == undisturbed, "{kind}: another index");
    }
}

#[test]
fn what_a_crash_right_after_the_end_has_left_is_removed() {
    let members = members(60, 11);
    let folder = TestFolder::new("tar_gz_left");
    let stream = gzip(&tar(&members), 6, Strategy::Default);
    let parts = split(&folder, &stream, 2);
    let path = index(&parts).expect("indexed").path;
    let partial = partial_path(&path);
    let looks: [&dyn Fn(); 2] = [&|| drop(index(&parts).expect("complete")), &|| {
        assert_all(&open(&parts), &members, "left");
    }];
    for look in looks {
        std::fs::write(&partial, b"left").expect("written");
        let locked = AppendLog::open(&partial).expect("as by another process");
        look();
        assert!(partial.exists(), "an index that may be in the making");
        drop(locked);
        look();
        assert!(!partial.exists());
    }
    // An index that is not complete goes on from it.
    let (folder, cut) = (TestFolder::new("tar_gz_left_cut"), stream.len() / 4 * 3);
    let parts = split(&folder, &stream[..cut], 1);
    index(&parts).expect_err("cut");
    let partial = partial_path(&beside(&Parts::open(&parts).expect("parts")).expect("a place"));
    assert!(partial.exists() && open(&parts).damage().is_some() && partial.exists());
    // One of another archive is left alone.
    std::fs::remove_file(&partial).expect("removed");
    index(&parts).expect_err("cut");
    std::fs::write(&parts[0], &stream).expect("written");
    assert!(index(&parts).is_ok() && !partial.exists());
    std::fs::write(&partial, b"left").expect("written");
    std::fs::write(&parts[0], &stream[..cut]).expect("written");
    assert!(index(&parts).is_err() && partial.exists());
}

#[test]
fn a_cut_stream_is_told_and_what_comes_before_is_readable() {
    let members = members(100, 4);
    let stream = gzip(&tar(&members), 6, Strategy::Default);
    for cut in [stream.len() / 3, stream.len() / 2, stream.len() - 4] {
        let folder = TestFolder::new("tar_gz_cut");
        let parts = split(&folder, &stream[..cut], 3);
        let error = index(&parts).expect_err("it is cut").to_string();
        assert!(error.contains("part_02") && error.contains("is cut"), "{error}");
        let store = open(&parts);
        assert!(!store.summary().is_confirmed);
        assert!(store.damage().expect("damage").contains("indexed up to"));
        let mut bytes = Vec::new();
        let readable = members
            .iter()
            .filter(|(name, data)| store.read(name, &mut bytes).is_ok_and(|()| bytes == *data))
            .count();
        let expected = if cut > stream.len() - 5 { 100 } else { 100 * cut / stream.len() / 2 };
        assert!(readable >= expected, "{readable} of 100 before byte {cut} of {}", stream.len());
        // The rest arrives: the next call goes on.
        split(&folder, &stream, 3);
        assert!(index(&parts).is_ok_and(|summary| summary.is_confirmed));
        assert_all(&open(&parts), &members, "whole again");
    }
}

#[test]
fn a_flipped_bit_is_told_with_its_part() {
    let members = members(100, 5);
    let stream = gzip(&tar(&members), 6, Strategy::Default);
    let mut random = Random(6);
    let mut told = 0;
    for _ in 0..40 {
        let folder = TestFolder::new("tar_gz_flip");
        let at = 20 + random.below(stream.len() - 28);
        let mut broken = stream.clone();
        broken[at] ^= 1 << random.below(8);
        let parts = split(&folder, &broken, 3);
        let error = index(&parts).expect_err("CRC-32, if nothing else");
        assert!(
            matches!(&error, Error::Format { path, offset, .. }
            if parts.contains(path) && *offset <= std::fs::metadata(path).expect("a part").len()),
            "{error}"
        );
        told += 1;
        // The first member's header itself may be broken.
        let Ok(store) = TarGz::open(&parts, None, &Progress::default()) else { continue };
        let mut bytes = Vec::new();
        for (name, data) in &members {
            // What is read is what was in the stream, and members far before the damage are right.
            if store.read(name, &mut bytes).is_ok() && bytes != *data {
                assert!(store.damage().is_some());
            }
        }
    }
    assert_eq!(told, 40);
}

#[test]
fn damage_after_indexing_is_an_error_of_the_member_alone() {
    let members = members(60, 7);
    let stream = gzip(&tar(&members), 6, Strategy::Default);
    let folder = TestFolder::new("tar_gz_later");
    let parts = split(&folder, &stream, 1);
    index(&parts).expect("indexed");
    let mut random = Random(8);
    for _ in 0..30 {
        let mut broken = stream.clone();
        broken[stream.len() / 2 + random.below(50)] ^= 1 << random.below(8);
        let identity = std::fs::metadata(&parts[0]).expect("a part").modified().expect("a time");
        std::fs::write(&parts[0], &broken).expect("written");
        let file = std::fs::File::options().write(true).open(&parts[0]).expect("open");
        file.set_modified(identity).expect("the same time");
        let store = open(&parts);
        let mut bytes = Vec::new();
        let mut wrong = 0;
        for (name, data) in &members {
            match store.read(name, &mut bytes) {
                Ok(()) => assert!(bytes == *data, "wrong bytes without an error"),
                Err(StoreError::Unreadable { reason, .. }) => {
                    assert!(reason.contains("part_00") && reason.contains("byte"), "{reason}");
                    wrong += 1;
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert!(wrong >= 1, "the damage is in a member");
    }
}

/// What each image is, read in this order: the same as by itself.
fn assert_reads(stores: &Arc<Stores>, paths: Vec<String>) {
    let reads = Reads::new(stores, paths);
    let mut failed = 0;
    for number in 0..reads.len() {
        let (mut alone, mut found) = (b"old".to_vec(), b"older".to_vec());
        let expected = stores.read(reads.path(number), &mut alone);
        assert_eq!(reads.read(number, &mut found), expected, "{}", reads.path(number));
        match expected {
            Ok(()) => assert!(found == alone),
            Err(_) => failed += 1,
        }
    }
    assert!((2..reads.len() / 2).contains(&failed), "{failed} of {}", reads.len());
}

#[test]
fn images_in_any_order_are_what_they_are_alone_and_so_are_their_errors() {
    let all = members(120, 9);
    let (first, second) = all.split_at(70);
    let mut stream = gzip(&tar(&first.to_vec()), 6, Strategy::Default);
    let folder = TestFolder::new("tar_gz_reads");
    let parts = split(&folder, &stream, 3);
    index(&parts).expect("indexed");
    let plain = folder.write("second.tar", &tar(&second.to_vec()));
    let open = || {
        let places = vec![parts[0].clone(), plain.clone()];
        Arc::new(Stores::open(places, &Progress::default()).expect("stores"))
    };
    let mut random = Random(10);
    let middle = stream.len() / 2;
    for byte in &mut stream[middle..middle + 20] {
        *byte ^= 0x55;
    }
    // The same parts, damaged in the middle, and of the same time.
    let mut rest = &stream[..];
    for part in &parts {
        let data = std::fs::metadata(part).expect("a part");
        let (here, after) = rest.split_at(data.len() as usize);
        std::fs::write(part, here).expect("written");
        let file = std::fs::File::options().write(true).open(part).expect("open");
        file.set_modified(data.modified().expect("a time")).expect("the same time");
        rest = after;
    }
    let stores = open();
    let mut paths: Vec<String> = all.iter().map(|(name, _)| name.clone()).collect();
    paths.extend(["x@0_1#1.jpg", "../x.jpg", ""].map(str::to_owned));
    assert_reads(&stores, paths.clone());
    for _ in 0..5 {
        for at in (1..paths.len()).rev() {
            paths.swap(at, random.below(at + 1));
        }
        assert_reads(&stores, paths.clone());
    }
}

#[test]
fn another_part_is_refused_by_name() {
    let members = members(80, 10);
    let stream = gzip(&tar(&members), 6, Strategy::Default);
    let folder = TestFolder::new("tar_gz_other");
    let parts = split(&folder, &stream, 4);
    index(&parts).expect("indexed");
    let refused = |parts: &[PathBuf]| {
        TarGz::open(parts, None, &Progress::default()).expect_err("refused").to_string()
    };
    assert!(refused(&parts[..2]).contains("part_02"));
    let swap = || {
        let aside = folder.path("aside");
        for (from, to) in [(&parts[1], &aside), (&parts[3], &parts[1]), (&aside, &parts[3])] {
            std::fs::rename(from, to).expect("renamed");
        }
    };
    swap();
    let error = refused(&parts);
    assert!(error.contains("part_01") && error.contains("(part 1)"), "{error}");
    swap();
    assert_all(&open(&parts), &members, "all in place");
    let third = std::fs::read(&parts[3]).expect("a part");
    std::fs::write(&parts[3], vec![1; third.len()]).expect("written");
    let error = index(&parts).expect_err("refused");
    assert!(
        matches!(&error, Error::ArchiveChanged { path, what }
        if *path == parts[3] && what.contains("--rebuild")),
        "{error}"
    );
}

#[test]
fn what_is_no_archive_is_refused() {
    let folder = TestFolder::new("tar_gz_none");
    for (data, words) in [
        (&b""[..], "no members"),
        (&[0; 1024], "no members"),
        (&[7; 5000], "no tar header"),
        (&[0; 100], "no members"),
    ] {
        let parts = split(&folder, &gzip(data, 6, Strategy::Default), 1);
        let error = index(&parts).expect_err("no members").to_string();
        assert!(error.contains(words) || error.contains("ends inside"), "{error}");
        assert!(!folder.path("a.tar.gz.part_00.tfidx").exists());
        assert!(!folder.path("a.tar.gz.part_00.tfidx.partial").exists());
    }
}

#[test]
fn a_broken_index_is_told() {
    let members = members(40, 12);
    let folder = TestFolder::new("tar_gz_index");
    let parts = split(&folder, &gzip(&tar(&members), 6, Strategy::Default), 1);
    let path = index(&parts).expect("indexed").path;
    let bytes = std::fs::read(&path).expect("an index");
    let mut random = Random(13);
    for _ in 0..200 {
        let mut broken = bytes.clone();
        if random.below(4) == 0 {
            broken.truncate(16 + random.below(bytes.len() - 16));
        } else {
            broken[16 + random.below(bytes.len() - 16)] ^= 1 << random.below(8);
        }
        std::fs::write(&path, &broken).expect("written");
        let Ok(store) = TarGz::open(&parts, None, &Progress::default()) else { continue };
        let mut bytes = Vec::new();
        let failed = members.iter().filter(|(name, data)| match store.read(name, &mut bytes) {
            Ok(()) => {
                assert!(bytes == *data, "wrong bytes without an error");
                false
            }
            Err(_) => true,
        });
        assert!(failed.count() > 0, "the broken byte is in a page");
    }
}

#[test]
fn a_size_that_the_archive_has_no_room_for_is_refused() {
    let members = members(3, 5);
    let folder = TestFolder::new("tar_gz_size");
    let parts = split(&folder, &gzip(&tar(&members), 6, Strategy::Default), 1);
    let store = open(&parts);
    for number in 0..store.member_count() {
        let entry = store.entry(number).expect("read").expect("there");
        let Content::Data(mut place) = entry.content else { continue };
        for size in [u64::MAX, u64::MAX / 2, 1 << 40, 1 << 29] {
            place.size = size;
            let error = read::read(&store.parts, &place, &mut Vec::new()).expect_err("too large");
            assert!(error.to_string().contains("not room for so many bytes"), "{error}");
        }
    }
}

#[test]
fn an_index_of_another_version_is_made_anew() {
    let members = members(40, 15);
    let folder = TestFolder::new("tar_gz_version");
    let parts = split(&folder, &gzip(&tar(&members), 6, Strategy::Default), 1);
    let path = index(&parts).expect("indexed").path;
    let bytes = std::fs::read(&path).expect("an index");
    let mut older = bytes.clone();
    older[15] = b'1';
    assert_ne!(older, bytes);
    std::fs::write(&path, &older).expect("written");
    let opened = Parts::open(&parts).expect("opened");
    let error = missing(&opened, std::slice::from_ref(&path)).to_string();
    assert!(error.contains("is of another version") && error.contains("textbook-fast index"));
    // A small archive, so that is done at once.
    assert_all(&open(&parts), &members, "another version");
    assert!(std::fs::read(&path).expect("an index") == bytes);
}
