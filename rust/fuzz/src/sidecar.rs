//! Sidecars of all kinds beside one small file: a damaged one counts as not there.

use std::sync::Arc;

use textbook_core::index::{OffsetIndex, Options};
use textbook_core::source::{Access, Source};
use textbook_simd::Level;
use xxhash_rust::xxh3::xxh3_64;

use crate::temporary;

const JSON: &[u8] = br#"[{"a": 1}, {"b": "]}"}, {"c": [2, {}]}, {}]"#;
const RECORDS: [&[u8]; 4] = [br#"{"a": 1}"#, br#"{"b": "]}"}"#, br#"{"c": [2, {}]}"#, b"{}"];

fn patch(sidecar: &mut Vec<u8>, at: usize, new: &[u8]) {
    let at = at.min(sidecar.len());
    let end = sidecar.len().min(at + new.len());
    sidecar.splice(at..end, new.iter().copied());
}

/// The hashes of the header and of the offsets, as somebody who means harm has them.
fn forge(sidecar: &mut [u8]) {
    if let Some((header, offsets)) = sidecar.split_first_chunk_mut::<80>() {
        header[64..72].copy_from_slice(&xxh3_64(offsets).to_le_bytes());
        let hash = xxh3_64(&header[..72]);
        header[72..].copy_from_slice(&hash.to_le_bytes());
    }
}

/// Puts the bytes in the sidecar's place: over a sound one from the place that the first
/// byte says, or whole, or over a sound one whose hashes are then made right again. The
/// records that come out are the file's, whatever is in it; of a forged one at least bytes
/// of the file, or an error.
pub fn check(data: &[u8]) {
    let path = temporary::file("sidecar.json", JSON);
    let source = Arc::new(Source::open(&path, Access::Map).expect("opened"));
    let options = Options {
        threads: 1,
        recover: false,
        read_sidecar: false,
        write_sidecar: true,
        level: Level::active(),
    };
    let open = |options| OffsetIndex::open(&source, options, &Arc::default()).expect("an index");
    open(options);
    let place = path.with_extension("json.tfidx");
    let mut is_forged = false;
    let mut sidecar = std::fs::read(&place).expect("a sidecar was written");
    match data.split_first() {
        Some((&at, rest)) if at < 0x80 => patch(&mut sidecar, at.into(), rest),
        Some((&at, rest)) if at < 0xf0 => {
            is_forged = true;
            patch(&mut sidecar, usize::from(at - 0x80), rest);
            forge(&mut sidecar);
        }
        Some((_, rest)) => sidecar = rest.to_vec(),
        None => {}
    }
    std::fs::write(&place, &sidecar).expect("written");
    let index = open(Options { read_sidecar: true, ..options });
    let mut bytes = Vec::new();
    std::fs::remove_file(&place).expect("removed");
    if is_forged {
        for number in 0..index.len().min(100) {
            if index.read(number, &source, &mut bytes).is_ok() {
                assert!(JSON.windows(bytes.len().max(1)).any(|window| window == bytes));
            }
        }
        return;
    }
    assert_eq!(index.len(), RECORDS.len());
    for (number, expected) in RECORDS.iter().enumerate() {
        index.read(number, &source, &mut bytes).expect("a record");
        assert_eq!(&bytes, expected);
    }
}
