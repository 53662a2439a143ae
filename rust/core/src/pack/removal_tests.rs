//! Archives whose parts are removed while they are packed: stopped at every single step,
//! and at many, one after the other.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::*;
use crate::error::Error;
use crate::store::{BLOCK, TarGz, build_index, file_header};
use crate::test_folder::TestFolder;

const STRIDE: u64 = 6_000;
const PARTS: usize = 5;

/// Whether the archive has a hard link far from what it means.
#[derive(Clone, Copy, PartialEq)]
enum Links {
    None,
    Far,
}

fn tar(links: Links) -> Vec<u8> {
    let mut tar = Vec::new();
    let mut seed = 7_u64;
    for number in 0..48 {
        let size = (number * 2657) % 6000;
        let data: Vec<u8> = (0..size)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 56) as u8
            })
            .collect();
        tar.extend_from_slice(&file_header(name(number).as_bytes(), data.len() as u64, 0));
        tar.extend_from_slice(&data);
        tar.resize(tar.len().next_multiple_of(BLOCK), 0);
        if number == 20 && links == Links::Far {
            tar.extend_from_slice(&link("set/link@1_2#1.jpg", &self::name(1)));
        }
    }
    tar.extend_from_slice(&END);
    tar
}

fn name(number: usize) -> String {
    format!("set/v{}/v{}@{number}_{number}.5#1.jpg", number / 5, number / 5)
}

fn link(name: &str, target: &str) -> [u8; BLOCK] {
    let mut block: [u8; BLOCK] = *file_header(name.as_bytes(), 0, 0).first_chunk().expect("one");
    block[156] = b'1';
    block[157..157 + target.len()].copy_from_slice(target.as_bytes());
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// Writes the archive's parts and their index.
fn archive(folder: &TestFolder, links: Links) -> Vec<PathBuf> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(&tar(links)).expect("in memory");
    let stream = encoder.finish().expect("in memory");
    let size = stream.len().div_ceil(PARTS);
    let parts = stream.chunks(size).enumerate();
    let parts: Vec<PathBuf> = parts
        .map(|(number, part)| folder.write(format!("x.tar.gz.part_{number:02}"), part))
        .collect();
    let options = crate::store::IndexOptions {
        threads: 1,
        rebuild: false,
        path: None,
        save_every: std::time::Duration::from_secs(9),
        sums: None,
    };
    build_index(&parts, &options, &Progress::default()).expect("indexed");
    parts
}

/// One run, as the command makes it; `looks` is when it is stopped, 0 for never.
fn run(out: &Path, parts: &[PathBuf], looks: u64) -> Result<Option<RemovalReport>> {
    let quiet = Progress::default();
    if PartRemoval::clear_finished(out)? {
        return Ok(None);
    }
    let removal = match PartRemoval::resume(out, &quiet)? {
        Some(removal) => removal,
        None => PartRemoval::begin(out, parts, None, &quiet)?,
    };
    let progress = Progress::default();
    progress.stop_after(looks);
    removal.run(1, STRIDE, &progress).map(Some)
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |found| found.len())
}

/// What the pack is without any removing.
fn undisturbed(links: Links) -> (Vec<u8>, Vec<u8>) {
    let folder = TestFolder::new("removal_undisturbed");
    let parts = archive(&folder, links);
    let out = folder.path("x.tar");
    let store = TarGz::open(&parts, None, &Progress::default()).expect("a store");
    let mut pack = Pack::open(&out, 1, STRIDE).expect("opened").expect("new");
    let mut batches = Batches::new(std::sync::Arc::new(store), STRIDE, None);
    while let Some(batch) = batches.read_next(0, 2).expect("read") {
        assert!(batch.left_out.is_empty());
        pack.add_batch(&batch).expect("added");
    }
    let index = pack.finish(&Progress::default()).expect("finished");
    assert!(parts.iter().all(|part| part.exists()), "nothing is removed unasked");
    (std::fs::read(&out).expect("a pack"), std::fs::read(index).expect("an index"))
}

#[test]
fn stopped_at_every_step_it_goes_on_without_what_is_gone() {
    stop_at_every_step(Links::None, &[0, 1, 2, 3, 4, 5]);
}

#[test]
fn a_part_that_a_later_link_needs_stays_until_then() {
    stop_at_every_step(Links::Far, &[0, 1, 2, 3, 4, 5]);
}

fn stop_at_every_step(links: Links, left: &[usize]) {
    let (pack, index) = undisturbed(links);
    let mut stops = 0;
    let mut left_when_stopped = std::collections::BTreeSet::new();
    for looks in 1.. {
        let folder = TestFolder::new("removal_stopped");
        let parts = archive(&folder, links);
        let out = folder.path("x.tar");
        let plan = PartRemoval::begin(&out, &parts, None, &Progress::default()).expect("a plan");
        let before: u64 = parts.iter().map(|part| size(part)).sum();
        let needed = before + plan.bytes_needed(STRIDE);
        let largest = parts.iter().map(|part| size(part)).max().expect("some");
        let result = run(&out, &parts, looks);
        let left: u64 = parts.iter().map(|part| size(part)).sum();
        let part = folder.path("x.tar.part");
        let taken = left + size(&out) + size(&part);
        assert!(taken <= needed, "{taken}, {needed} were foretold");
        if links == Links::None {
            // One archive and one part, and what is written at once.
            assert!(taken <= pack.len() as u64 + largest + 2 * STRIDE);
        }
        let is_over = result.is_ok();
        if !is_over {
            assert!(matches!(result, Err(Error::Stopped)), "{result:?}");
            stops += 1;
            left_when_stopped.insert(parts.iter().filter(|part| part.exists()).count());
            // Before the pack has its name, the last part is there.
            assert!(out.exists() || parts[PARTS - 1].exists());
            run(&out, &parts, 0).expect("it goes on");
        }
        assert_eq!(std::fs::read(&out).expect("a pack"), pack, "{looks}");
        let own = std::fs::read(folder.path("x.tar.tfidx")).expect("an index");
        assert_eq!(own, index, "{looks}");
        let names = std::fs::read_dir(folder.path("")).expect("there");
        let names: Vec<_> = names.map(|entry| entry.expect("one").file_name()).collect();
        assert_eq!(names.len(), 2, "the pack and its index alone are left: {names:?}");
        if is_over {
            break;
        }
    }
    assert!(stops > 20, "{stops}");
    assert_eq!(left_when_stopped.into_iter().collect::<Vec<_>>(), left);
}

#[test]
fn stopped_again_and_again_it_comes_to_its_end() {
    let (pack, _) = undisturbed(Links::Far);
    for seed in 1..12_u64 {
        let folder = TestFolder::new("removal_again");
        let parts = archive(&folder, Links::Far);
        let out = folder.path("x.tar");
        let mut looks = seed;
        let mut stops = 0;
        while let Err(error) = run(&out, &parts, looks % 23 + 3 + stops) {
            assert!(matches!(error, Error::Stopped), "{error}");
            looks = looks.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1) >> 7;
            stops += 1;
            assert!(stops < 60);
        }
        assert!(stops > 0);
        assert_eq!(std::fs::read(&out).expect("a pack"), pack, "{seed}");
    }
}

/// Stops a removal when one part is gone.
fn begun(folder: &TestFolder) -> (PathBuf, Vec<PathBuf>) {
    let parts = archive(folder, Links::None);
    let out = folder.path("x.tar");
    for looks in 1.. {
        assert!(matches!(run(&out, &parts, looks), Err(Error::Stopped)));
        if !parts[0].exists() {
            break;
        }
    }
    assert!(parts[1].exists());
    (out, parts)
}

/// A run that must fail, and leave everything as it is.
fn refused(out: &Path, parts: &[PathBuf]) -> String {
    let left = parts.iter().filter(|part| part.exists()).count();
    let part = beside(out, ".part");
    let length = size(&part);
    let error = run(out, parts, 0).expect_err("refused").to_string();
    assert_eq!(parts.iter().filter(|part| part.exists()).count(), left, "{error}");
    assert_eq!(size(&part), length, "{error}");
    error
}

#[test]
fn what_does_not_fit_removes_nothing() {
    let folder = TestFolder::new("removal_refused");
    let (out, parts) = begun(&folder);
    // A part that is still needed is gone.
    std::fs::rename(&parts[3], folder.path("aside")).expect("moved");
    let error = refused(&out, &parts);
    assert!(error.contains("part_03") && error.contains("put it back"), "{error}");
    // Another one in its place.
    let bytes = std::fs::read(folder.path("aside")).expect("read");
    std::fs::write(&parts[3], vec![7; bytes.len()]).expect("written");
    let error = refused(&out, &parts);
    assert!(error.contains("part_03") && error.contains("is not what was indexed"), "{error}");
    std::fs::rename(folder.path("aside"), &parts[3]).expect("back");
    // The pack so far was cut, or its state is lost.
    let (part, state) = (folder.path("x.tar.part"), folder.path("x.tar.part.state"));
    let all = std::fs::read(&part).expect("read");
    std::fs::write(&part, &all[..all.len() / 3]).expect("cut");
    assert!(refused(&out, &parts).contains("shorter than it was"));
    std::fs::write(&part, &all).expect("back");
    let own = std::fs::read(&state).expect("read");
    for other in [&own[..20], &[0; 48]] {
        std::fs::write(&state, other).expect("written");
        assert!(refused(&out, &parts).contains("nothing is removed"));
    }
    std::fs::write(&state, &own).expect("back");
    // Something else has the pack's name.
    std::fs::write(&out, b"other").expect("written");
    assert!(refused(&out, &parts).contains("not the pack that was being written"));
    std::fs::remove_file(&out).expect("removed");
    let journal = journal::path_of(&out);
    let own = std::fs::read(&journal).expect("read");
    std::fs::write(&journal, &own[1..]).expect("written");
    assert!(refused(&out, &parts).contains("is damaged"));
    std::fs::write(&journal, &own).expect("back");
    run(&out, &parts, 0).expect("nothing was lost").expect("a report");
    assert_eq!(std::fs::read(&out).expect("a pack"), undisturbed(Links::None).0);
}

#[test]
fn a_part_that_changes_meanwhile_stays() {
    let folder = TestFolder::new("removal_changes");
    let parts = archive(&folder, Links::None);
    let out = folder.path("x.tar");
    let removal = PartRemoval::begin(&out, &parts, None, &Progress::default()).expect("a plan");
    let mut bytes = std::fs::read(&parts[0]).expect("read");
    bytes[100] ^= 1;
    std::fs::write(&parts[0], &bytes).expect("changed");
    let error = removal.run(1, STRIDE, &Progress::default()).expect_err("changed").to_string();
    assert!(error.contains("part_00") && error.contains("has changed"), "{error}");
    assert!(parts.iter().all(|part| part.exists()));
    // Its bytes change, and its time does not: its members' checksums tell.
    let folder = TestFolder::new("removal_flipped");
    let parts = archive(&folder, Links::None);
    let out = folder.path("x.tar");
    let mut bytes = std::fs::read(&parts[2]).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let time = std::fs::metadata(&parts[2]).and_then(|found| found.modified()).expect("a time");
    std::fs::write(&parts[2], &bytes).expect("changed");
    let file = std::fs::File::options().write(true).open(&parts[2]).expect("opened");
    file.set_modified(time).expect("set");
    let error = run(&out, &parts, 0).expect_err("changed").to_string();
    assert!(error.contains("part_02") && error.contains("member"), "{error}");
    assert!(parts[2].exists() && parts[3].exists() && !out.exists());
}

#[test]
fn a_disk_that_gives_back_other_bytes_is_not_trusted() {
    let folder = TestFolder::new("removal_disk");
    let out = folder.path("x.tar");
    let mut pack = Pack::open(&out, 7, 1 << 30).expect("opened").expect("new");
    pack.read_back();
    assert!(pack.wants(b"a.jpg").expect("new"));
    pack.add(b"a.jpg", &[1; 3000]).expect("added");
    pack.flush().expect("written");
    let other = std::fs::File::options().write(true).open(&pack.part).expect("opened");
    other.write_all_at(&[2], 700).expect("written");
    let error = pack.checkpoint().expect_err("other bytes").to_string();
    assert!(error.contains("not what was written"), "{error}");
}

#[test]
fn what_would_be_lost_is_refused_beforehand() {
    let folder = TestFolder::new("removal_lost");
    let mut tar = file_header(b"../out.jpg", 3, 0);
    tar.extend_from_slice(b"abc");
    tar.resize(2 * BLOCK, 0);
    tar.extend_from_slice(&END);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(&tar).expect("in memory");
    let parts = [folder.write("y.tar.gz", &encoder.finish().expect("in memory"))];
    let out = folder.path("y.tar");
    let error = run(&out, &parts, 0).expect_err("it would be lost").to_string();
    assert!(error.contains("leads out") && error.contains("would be lost"), "{error}");
    std::fs::write(&out, b"there").expect("written");
    assert!(run(&out, &parts, 0).expect_err("it is there").to_string().contains("y.tar"));
    assert!(parts[0].exists());
}
