//! The walk over archives made here: every kind of header, and hostile ones by name.

use super::tar_header::{BLOCK, Block, Kind};
use super::tar_walk::{Event, Member, TarFault, TarWalk};
use super::tar_write::{END, file_header, pad, seal};

/// An archive in the making.
#[derive(Default)]
struct Maker(Vec<u8>);

impl Maker {
    fn header(mut self, flag: u8, name: &str, size: u64, change: impl FnOnce(&mut Block)) -> Maker {
        let made = file_header(name.as_bytes(), size, 0);
        let mut block: Block = *made.last_chunk::<BLOCK>().expect("a header");
        block[156] = flag;
        change(&mut block);
        seal(&mut block);
        self.0.extend_from_slice(&block);
        self
    }

    fn data(mut self, bytes: &[u8]) -> Maker {
        self.0.extend_from_slice(bytes);
        pad(&mut self.0);
        self
    }

    fn long(self, flag: u8, bytes: &[u8]) -> Maker {
        self.header(flag, "extension", bytes.len() as u64, |_| ()).data(bytes)
    }

    fn file(self, name: &str, bytes: &[u8]) -> Maker {
        self.header(b'0', name, bytes.len() as u64, |_| ()).data(bytes)
    }

    fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&END);
        self.0
    }
}

type Found = (String, String, Kind, u64, u64, u64);

fn walk(bytes: &[u8]) -> Result<Vec<Found>, TarFault> {
    let mut walk = TarWalk::new();
    let mut found = Vec::new();
    loop {
        let at = usize::try_from(walk.at()).expect("a small offset");
        let block = bytes.get(at..).and_then(<[u8]>::first_chunk::<BLOCK>);
        let Some(block) = block else {
            assert!(walk.is_between_members(), "the archive is cut");
            return Ok(found);
        };
        match walk.feed(block)? {
            Event::End => return Ok(found),
            Event::More => {}
            Event::Member(member) => {
                let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
                let Member { name, link, kind, start, data, size } = member;
                found.push((text(name), text(link), kind, start, data, size));
            }
        }
    }
}

fn one(bytes: &[u8]) -> Found {
    let mut found = walk(bytes).expect("a good archive");
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn fault(bytes: &[u8]) -> (u64, String) {
    let fault = walk(bytes).expect_err("a broken archive");
    (fault.offset, fault.reason)
}

#[test]
fn members_lie_one_after_the_other() {
    let bytes = Maker::default().file("v/a.jpg", b"abc").file("v/b.jpg", b"").file("c", &[7; 513]);
    let name = |name: &str| (name.to_owned(), String::new(), Kind::File);
    let found = walk(&bytes.end()).expect("a good archive");
    let expected = [("v/a.jpg", 0, 512, 3), ("v/b.jpg", 1024, 1536, 0), ("c", 1536, 2048, 513)];
    for (found, (expected, start, data, size)) in found.iter().zip(expected) {
        let (name, link, kind) = name(expected);
        assert_eq!(*found, (name, link, kind, start, data, size));
    }
    assert_eq!(found.len(), 3);
    assert_eq!(walk(&[]), Ok(vec![]));
    assert_eq!(walk(&END), Ok(vec![]));
}

#[test]
fn the_writer_is_read_back() {
    let deep = format!("{}/{}", "d".repeat(120), "n".repeat(90));
    for name in ["a", "v/v@0.1_2.30000000004#1.jpg", &"n".repeat(100), &"n".repeat(101), &deep, "ü"]
    {
        for size in [0, 5, 0o77_777_777_777, 0o77_777_777_777 + 1, 1 << 40] {
            let header = file_header(name.as_bytes(), size, 1_700_000_000);
            let (found, _, kind, start, data, found_size) = one(&header);
            assert_eq!(found, name.as_bytes().escape_ascii().to_string());
            assert_eq!((kind, start, data, found_size), (Kind::File, 0, header.len() as u64, size));
        }
    }
    assert_eq!(file_header(deep.as_bytes(), 5, 0).len(), BLOCK, "the prefix has room");
}

#[test]
fn links_folders_and_devices_have_no_data() {
    for (flag, kind) in [
        (b'1', Kind::HardLink),
        (b'2', Kind::SymbolicLink),
        (b'3', Kind::Special),
        (b'4', Kind::Special),
        (b'5', Kind::Directory),
        (b'6', Kind::Special),
    ] {
        let bytes =
            Maker::default().header(flag, "x", 700, |block| block[157] = b't').file("y", b"1");
        let found = walk(&bytes.end()).expect("a good archive");
        let link = if matches!(flag, b'1' | b'2') { "t" } else { "" };
        assert_eq!(found[0], ("x".to_owned(), link.to_owned(), kind, 0, 512, 0));
        assert_eq!(found[1].0, "y");
    }
    let old = Maker::default().header(0, "folder/", 0, |_| ()).end();
    assert_eq!(one(&old).2, Kind::Directory);
}

#[test]
fn long_names_and_pax_records_belong_to_the_member_after_them() {
    let long = "n".repeat(700);
    let bytes = Maker::default()
        .long(b'L', format!("{long}\0").as_bytes())
        .long(b'K', b"target\0")
        .header(b'1', "short", 0, |_| ())
        .file("plain", b"12")
        .long(b'x', b"12 path=p/q\n14 comment=no\n9 size=3\n")
        .header(b'0', "other", 600, |_| ())
        .data(b"abc")
        .long(b'g', b"14 comment=no\n")
        .file("last", b"");
    let found = walk(&bytes.end()).expect("a good archive");
    assert_eq!((&found[0].0, &*found[0].1, found[0].2), (&long, "target", Kind::HardLink));
    assert_eq!((&*found[1].0, &*found[1].1), ("plain", ""));
    assert_eq!((&*found[2].0, found[2].5), ("p/q", 3));
    assert_eq!((&*found[3].0, found.len()), ("last", 4));
}

#[test]
fn sparse_files_are_told_and_passed_over() {
    let gnu = Maker::default()
        .header(b'S', "old", 512, |block| block[482] = 1)
        .data(&{
            let mut map = [0; BLOCK];
            map[504] = 1;
            map
        })
        .data(&[0; BLOCK])
        .data(&[9; BLOCK])
        .long(b'x', b"22 GNU.sparse.major=1\n24 GNU.sparse.name=real\n")
        .file("GNUSparseFile.1/real", b"map and data")
        .file("plain", b"12");
    let found = walk(&gnu.end()).expect("a good archive");
    let kinds: Vec<_> = found.iter().map(|found| (&*found.0, found.2, found.5)).collect();
    assert_eq!(
        kinds,
        [("old", Kind::Sparse, 512), ("real", Kind::Sparse, 12), ("plain", Kind::File, 2)]
    );
}

#[test]
fn a_walk_goes_on_where_another_one_stood() {
    let bytes = Maker::default().file("a", b"abc").long(b'L', b"long\0").file("b", b"").end();
    let mut first = TarWalk::new();
    let block = bytes.first_chunk::<BLOCK>().expect("a block");
    assert!(matches!(first.feed(block), Ok(Event::Member(_))));
    let at = first.at();
    let mut second = TarWalk::resume(at);
    let mut names = Vec::new();
    loop {
        let at = usize::try_from(second.at()).expect("small");
        let block = bytes[at..].first_chunk::<BLOCK>().expect("a block");
        match second.feed(block).expect("a good archive") {
            Event::End => break,
            Event::More => {}
            Event::Member(member) => names.push((member.name.to_vec(), member.start)),
        }
    }
    assert_eq!(names, [(b"long".to_vec(), at)]);
}

#[test]
fn a_broken_checksum_is_told_with_its_place() {
    let mut bytes = Maker::default().file("a", b"abc").file("b", b"abc").end();
    bytes[1024 + 3] ^= 1;
    let (offset, reason) = fault(&bytes);
    assert!(offset == 1024 && reason.contains("checksum"), "{offset}: {reason}");
    let noise = [b'x'; 1024];
    assert_eq!(fault(&noise).0, 0);
    // Old writers summed signed bytes.
    let mut signed = *file_header("a".as_bytes(), 0, 0).last_chunk::<BLOCK>().expect("a header");
    signed[0] = 0xe9;
    signed[148..156].fill(b' ');
    let sum: i32 = signed.iter().map(|&byte| i32::from(byte.cast_signed())).sum();
    signed[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    assert_eq!(one(&signed).0, "\\xe9");
}

#[test]
fn hostile_sizes_are_refused() {
    let with_size = |field: &'static [u8]| {
        Maker::default()
            .header(b'0', "x", 0, |block| block[124..124 + field.len()].copy_from_slice(field))
            .end()
    };
    for field in [
        &b"-0000000001\0"[..],
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff",
        b"9999",
    ] {
        let (offset, reason) = fault(&with_size(field));
        assert!(offset == 0 && reason.contains("size"), "{reason}");
    }
    let (_, reason) = fault(&with_size(b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff"));
    assert!(reason.contains("beyond all archives"), "{reason}");
    for records in [&b"13 size=-100\n"[..], b"29 size=99999999999999999999\n", b"8 size=\n"] {
        let (offset, reason) = fault(&Maker::default().long(b'x', records).file("a", b"").end());
        assert!(offset == 512 && reason.contains("pax size"), "{reason}");
    }
}

#[test]
fn hostile_extensions_are_refused() {
    let huge = Maker::default().header(b'x', "x", 1 << 33, |_| ()).end();
    assert!(fault(&huge).1.contains("are the most"));
    let mut endless = Maker::default();
    for _ in 0..3000 {
        endless = endless.long(b'L', b"");
    }
    assert!(fault(&endless.end()).1.contains("are the most"));
    for records in [
        &b"99 path=x\n"[..],
        b"5 path=x\n",
        b"x path=x\n",
        b"8 pathx\n",
        b"0 path=x\n",
        b"99999999999999999999 path=x\n",
        b"10 path=xy",
    ] {
        let (offset, reason) = fault(&Maker::default().long(b'x', records).file("a", b"").end());
        assert!(offset == 512 && reason.contains("do not add up"), "{records:?}: {reason}");
    }
    let global = Maker::default().long(b'g', b"9 path=x\n").file("a", b"").end();
    assert!(fault(&global).1.contains("global pax header"));
    let headless = Maker::default().long(b'L', b"name\0").end();
    assert_eq!(fault(&headless).0, 1024);
}
