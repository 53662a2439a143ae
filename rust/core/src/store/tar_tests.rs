//! The tar store over archives made here: names, links, doubles, damage, its sidecar.

use std::path::PathBuf;

use super::tar_header::{BLOCK, Block};
use super::tar_sidecar::WORTH_KEEPING;
use super::tar_write::{END, file_header, pad, seal};
use super::{StoreError, Tar};
use crate::index::Progress;
use crate::test_folder::TestFolder;

/// Appends a member: a regular file, or with `flag` `1` and `2` a link.
fn add(archive: &mut Vec<u8>, flag: u8, name: &str, content: &str) {
    let is_link = matches!(flag, b'1' | b'2');
    let size = if is_link { 0 } else { content.len() as u64 };
    let mut header = file_header(name.as_bytes(), size, 0);
    let last = header.len() - BLOCK;
    let mut block: Block = *header[last..].first_chunk().expect("a block");
    block[156] = flag;
    if is_link {
        block[157..157 + content.len()].copy_from_slice(content.as_bytes());
    }
    seal(&mut block);
    header.truncate(last);
    archive.extend_from_slice(&header);
    archive.extend_from_slice(&block);
    if !is_link {
        archive.extend_from_slice(content.as_bytes());
        pad(archive);
    }
}

fn archive(members: &[(u8, &str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for &(flag, name, content) in members {
        add(&mut bytes, flag, name, content);
    }
    bytes.extend_from_slice(&END);
    bytes
}

fn open(paths: &[PathBuf]) -> Tar {
    Tar::open(paths, &Progress::default()).expect("a store")
}

fn read(store: &Tar, path: &str) -> Result<String, StoreError> {
    let mut bytes = vec![1, 2, 3];
    store.read(path, &mut bytes)?;
    assert!(store.has(path));
    Ok(String::from_utf8(bytes).expect("text"))
}

fn reason(store: &Tar, path: &str) -> String {
    assert!(!store.has(path));
    read(store, path).expect_err("no image").to_string()
}

const NAME: &str = "-a_b@0.1_2.30000000004#3.jpg";

#[test]
fn every_spelling_is_found_in_every_layout() {
    for folder in ["", "./", "-a_b/", "./-a_b/", "/interval_7/-a_b/", "x//y/./-a_b/"] {
        let test = TestFolder::new("tar_layouts");
        let bytes = archive(&[(b'5', folder, ""), (b'0', &format!("{folder}{NAME}"), "pixels")]);
        let store = open(&[test.write("x.tar", &bytes)]);
        for prefix in ["/mnt/authors/interval_7/-a_b/", "-a_b/", "", "./", "a\\"] {
            assert_eq!(read(&store, &format!("{prefix}{NAME}")).as_deref(), Ok("pixels"));
        }
        let missing = reason(&store, "b@0_1#1.jpg");
        assert!(missing.starts_with("not found in ") && missing.ends_with("x.tar"), "{missing}");
        assert!(matches!(read(&store, "../x.jpg"), Err(StoreError::Refused { .. })));
    }
}

#[test]
fn a_name_that_is_no_keyframes_keeps_its_folders() {
    let test = TestFolder::new("tar_unique");
    let bytes = archive(&[
        (b'0', "set/a/1.jpg", "a1"),
        (b'0', "set/1.jpg", "1"),
        (b'0', "set/v/v@0_1#1.jpg", "v"),
    ]);
    let store = open(&[test.write("x.tar", &bytes)]);
    assert_eq!(read(&store, "a/1.jpg").as_deref(), Ok("a1"), "below what all have in common");
    assert_eq!(read(&store, "set/a/1.jpg").as_deref(), Ok("a1"));
    assert_eq!(read(&store, "/mnt/set/a/1.jpg").as_deref(), Ok("a1"));
    assert_eq!(read(&store, "1.jpg").as_deref(), Ok("1"));
    assert_eq!(read(&store, "v@0_1#1.jpg").as_deref(), Ok("v"));
    assert!(matches!(read(&store, "b/1.jpg"), Err(StoreError::Missing { .. })));
}

#[test]
fn of_a_name_that_occurs_twice_the_last_one_counts() {
    let test = TestFolder::new("tar_twice");
    let bytes = archive(&[
        (b'0', "a.jpg", "first"),
        (b'0', "b.jpg", "b"),
        (b'0', "./a.jpg", "second"),
        (b'0', "thumbs/v@0_1#1.jpg", "small"),
        (b'0', "v/v@0_1#1.jpg", "old"),
        (b'0', "v/v@0_1#1.jpg", "large"),
        (b'0', "other/v@0_1#1.jpg", "small"),
        (b'0', "v@0_1#1.jpg", "flat"),
        (b'0', "l.jpg", "file"),
        (b'1', "l.jpg", "b.jpg"),
        (b'1', "k.jpg", "b.jpg"),
        (b'0', "k.jpg", "file"),
    ]);
    let store = open(&[test.write("x.tar", &bytes)]);
    for (path, expected) in
        [("a.jpg", "second"), ("v@0_1#1.jpg", "large"), ("l.jpg", "b"), ("k.jpg", "file")]
    {
        assert_eq!(read(&store, path).as_deref(), Ok(expected), "{path}");
    }
}

#[test]
fn links_lead_to_what_they_mean() {
    let test = TestFolder::new("tar_links");
    let bytes = archive(&[
        (b'0', "d/a.jpg", "first"),
        (b'1', "hard.jpg", "d/a.jpg"),
        (b'1', "hard2.jpg", "./hard.jpg"),
        (b'0', "d/a.jpg", "second"),
        (b'2', "d/soft.jpg", "a.jpg"),
        (b'2', "soft.jpg", "d/../d/soft.jpg"),
        (b'2', "v/v@0_1#1.jpg", "../d/a.jpg"),
        (b'1', "early.jpg", "late.jpg"),
        (b'0', "late.jpg", "late"),
        (b'2', "soft_late.jpg", "late.jpg"),
        (b'2', "one.jpg", "two.jpg"),
        (b'2', "two.jpg", "one.jpg"),
        (b'1', "self.jpg", "self.jpg"),
        (b'2', "out.jpg", "../../etc/passwd"),
        (b'2', "absolute.jpg", "/etc/passwd"),
        (b'3', "device.jpg", ""),
    ]);
    let store = open(&[test.write("x.tar", &bytes)]);
    for (path, expected) in [
        ("hard.jpg", "first"),
        ("hard2.jpg", "first"),
        ("d/soft.jpg", "second"),
        ("soft.jpg", "second"),
        ("v@0_1#1.jpg", "second"),
        ("soft_late.jpg", "late"),
    ] {
        assert_eq!(read(&store, path).as_deref(), Ok(expected), "{path}");
    }
    for (path, expected) in [
        ("early.jpg", "a link to what is not in the archive"),
        ("one.jpg", "leads back to itself"),
        ("two.jpg", "leads back to itself"),
        ("self.jpg", "a link to what is not in the archive"),
        ("out.jpg", "a link to what is not in the archive"),
        ("absolute.jpg", "a link to what is not in the archive"),
        ("device.jpg", "no regular file"),
    ] {
        let reason = reason(&store, path);
        assert!(reason.contains(expected) && reason.contains(path), "{reason}");
    }
}

#[test]
fn several_archives_are_one_store_and_the_first_counts() {
    let test = TestFolder::new("tar_several");
    let one = test.write("1.tar", &archive(&[(b'0', "a.jpg", "a of 1"), (b'0', "b.jpg", "b")]));
    let two =
        test.write("2.tar", &archive(&[(b'0', "set/a.jpg", "a of 2"), (b'0', "set/c.jpg", "c")]));
    let store = open(&[one.clone(), two.clone()]);
    for (path, expected) in [("a.jpg", "a of 1"), ("b.jpg", "b"), ("c.jpg", "c")] {
        assert_eq!(read(&store, path).as_deref(), Ok(expected), "{path}");
    }
    assert!(reason(&store, "d.jpg").contains("1.tar nor in "));
    assert_eq!(read(&open(&[two, one]), "set/a.jpg").as_deref(), Ok("a of 2"));
}

#[test]
fn what_comes_before_damage_stays_readable() {
    let test = TestFolder::new("tar_damage");
    let good =
        archive(&[(b'0', "a.jpg", "abc"), (b'0', "b.jpg", "0123456789"), (b'0', "c.jpg", "c")]);
    let mut flipped = good.clone();
    flipped[2048] ^= 1;
    for (bytes, offset, cut) in [(flipped, 2048, false), (good[..1540].to_vec(), 1024, true)] {
        let store = open(&[test.write("x.tar", &bytes)]);
        assert_eq!(read(&store, "a.jpg").as_deref(), Ok("abc"));
        let damage: Vec<String> = store.damages().collect();
        assert!(damage[0].contains(&format!("x.tar is damaged at byte {offset}")), "{damage:?}");
        let place = damage[0].replacen(" is", " (which is", 1) + ")";
        assert!(reason(&store, "c.jpg").contains(&place));
        if cut {
            assert!(reason(&store, "b.jpg").contains("it ends inside of it"));
        }
    }
    for whole in [&good[..good.len() - 1024], &good[..2561]] {
        let store = open(&[test.write("x.tar", whole)]);
        assert_eq!((store.damages().count(), read(&store, "c.jpg").as_deref()), (0, Ok("c")));
    }
}

#[test]
fn what_is_no_archive_is_refused() {
    let test = TestFolder::new("tar_none");
    for (bytes, expected) in [
        (&END[..], "has no members"),
        (b"", "has no members"),
        (&[b'x'; 1024], "no tar header"),
        (&[0; 100], "the archive is cut"),
    ] {
        let path = test.write("x.tar", bytes);
        let error = Tar::open(&[path], &Progress::default()).expect_err("no archive").to_string();
        assert!(error.contains(expected) && error.contains("x.tar"), "{error}");
    }
}

#[test]
fn a_changed_archive_is_refused() {
    let test = TestFolder::new("tar_changed");
    let path = test.write("x.tar", &archive(&[(b'0', "a.jpg", "abc")]));
    let store = open(std::slice::from_ref(&path));
    std::fs::write(&path, archive(&[(b'0', "b.jpg", "abc"), (b'0', "a.jpg", "xyz")]))
        .expect("written");
    let reason = reason(&store, "a.jpg");
    assert!(reason.contains("has changed") && reason.contains("its length was"), "{reason}");
}

fn large() -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in 0..WORTH_KEEPING {
        add(&mut bytes, b'0', &format!("set/{number}.jpg"), &number.to_string());
    }
    add(&mut bytes, b'2', "set/link.jpg", "7.jpg");
    bytes.extend_from_slice(&END);
    bytes
}

#[test]
fn the_index_of_a_large_archive_is_kept_and_checked() {
    let test = TestFolder::new("tar_sidecar");
    let path = test.write("x.tar", &large());
    let index = test.path("x.tar.tfidx");
    let agrees = |store: &Tar| {
        for number in [0, 1, 169, 170, 171, WORTH_KEEPING - 1] {
            let content = number.to_string();
            assert_eq!(read(store, &format!("{content}.jpg")), Ok(content));
        }
        assert_eq!(read(store, "set/link.jpg").as_deref(), Ok("7"));
        assert!(reason(store, "x.jpg").contains("not found"));
    };
    agrees(&open(std::slice::from_ref(&path)));
    let kept = std::fs::read(&index).expect("an index");
    assert!(kept.len() / WORTH_KEEPING < 30, "{} bytes a member", kept.len() / WORTH_KEEPING);
    // It is used: a walk would find nothing in this archive of the same ends and length.
    agrees(&open(std::slice::from_ref(&path)));
    for at in [0, 9, 17, 25, 33, 41, 49, 57] {
        let mut broken = kept.clone();
        broken[at] ^= 1;
        std::fs::write(&index, &broken).expect("written");
        agrees(&open(std::slice::from_ref(&path)));
        assert_eq!(std::fs::read(&index).expect("an index"), kept, "made anew, byte {at}");
    }
    for length in [0, 55, 4096, kept.len() - 1] {
        std::fs::write(&index, &kept[..length]).expect("written");
        agrees(&open(std::slice::from_ref(&path)));
        assert_eq!(std::fs::read(&index).expect("an index"), kept, "made anew, {length} bytes");
    }
    // A damaged page is an error of what lies in it, and never another image.
    let mut broken = kept.clone();
    for byte in broken[4096..].iter_mut().step_by(4096) {
        *byte ^= 1;
    }
    std::fs::write(&index, &broken).expect("written");
    assert!(
        reason(&open(std::slice::from_ref(&path)), "5.jpg").contains("is damaged: delete the file")
    );
}

#[test]
fn an_index_of_another_archive_gives_no_other_image() {
    let test = TestFolder::new("tar_stale");
    let mut bytes = large();
    let path = test.write("x.tar", &bytes);
    open(std::slice::from_ref(&path));
    // The same ends, length and samples, but two members have changed places.
    let place = |name: &str| {
        let at = bytes.chunks(BLOCK).position(|block| block.starts_with(name.as_bytes()));
        at.expect("there") * BLOCK
    };
    let (one, other) = (place("set/100.jpg"), place("set/101.jpg"));
    let (first, rest) = bytes.split_at_mut(other);
    first[one..one + 1024].swap_with_slice(&mut rest[..1024]);
    std::fs::write(&path, &bytes).expect("written");
    let store = open(&[path]);
    assert!(reason(&store, "100.jpg").contains("index does not fit it: delete the index"));
    assert_eq!(read(&store, "102.jpg").as_deref(), Ok("102"));
}

#[test]
fn an_audit_tells_what_is_odd_and_where() {
    let test = TestFolder::new("tar_audit");
    let mut bytes = archive(&[
        (b'0', "a.jpg", "1"),
        (b'0', "../out.jpg", "2"),
        (b'0', "/root.jpg", "3"),
        (b'3', "device", ""),
        (b'5', "folder/", ""),
        (b'5', "folder/", ""),
        (b'0', "./a.jpg", "4"),
        (b'S', "holes", ""),
        (b'0', "a.jpg", "5"),
    ]);
    let audit = |bytes: &[u8]| -> Vec<(&str, u64)> {
        let path = test.write("x.tar", bytes);
        let faults = super::audit(&path, &Progress::default()).expect("walked");
        faults.into_iter().map(|fault| (fault.kind, fault.offset)).collect()
    };
    let mut expected = vec![
        ("leads_out", 1024),
        ("absolute", 2048),
        ("special", 3072),
        ("sparse", 5632),
        ("twice", 6144),
    ];
    assert_eq!(audit(&bytes), expected);
    bytes.truncate(bytes.len() - 1024);
    expected.push(("no_end", 7168));
    assert_eq!(audit(&bytes), expected);
    bytes.truncate(6656);
    let cut: Vec<_> = audit(&bytes);
    assert!(cut.contains(&("damaged", 6144)) && cut.contains(&("twice", 6144)), "{cut:?}");
}
