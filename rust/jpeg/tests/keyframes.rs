//! Pictures of real size: the folder of `TEXTBOOK_FAST_KEYFRAMES`, or else the project's
//! `example_data/`. Cut, flipped and with swapped tables: an error or the same pixels on
//! every level, never a panic.

use std::path::{Path, PathBuf};

use textbook_jpeg::{Decoder, JpegError, read_header};
use textbook_simd::Level;

fn find(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            find(&path, found);
        } else if path.extension().is_some_and(|end| end == "jpg") {
            found.push(path);
        }
    }
}

/// Eight keyframes from all over the folder.
fn keyframes() -> Vec<Vec<u8>> {
    let example = || concat!(env!("CARGO_MANIFEST_DIR"), "/../../example_data").into();
    let folder = std::env::var_os("TEXTBOOK_FAST_KEYFRAMES").map_or_else(example, PathBuf::from);
    let mut paths = Vec::new();
    find(&folder, &mut paths);
    paths.sort();
    assert!(paths.len() >= 8, "{} has too few keyframes", folder.display());
    let chosen = paths.iter().step_by(paths.len() / 8).take(8);
    chosen.map(|path| std::fs::read(path).expect("readable")).collect()
}

fn decode(decoder: &mut Decoder, data: &[u8]) -> Result<Vec<u8>, JpegError> {
    let header = read_header(data)?;
    let mut out = vec![0x5a; header.width as usize * header.height as usize * 3];
    decoder.decode_rgb(data, &mut out).map(|()| out)
}

#[test]
fn a_keyframe_cut_at_twenty_places_is_an_error() {
    let mut decoder = Decoder::new();
    for data in keyframes() {
        assert!(decode(&mut decoder, &data).is_ok());
        for place in 0..20 {
            let length = data.len() * place / 20 + 1;
            let cut = decode(&mut decoder, &data[..length]);
            assert!(matches!(cut, Err(JpegError::Truncated { offset, .. }) if offset == length));
            let mut closed = data[..length].to_vec();
            closed.extend([0xff, 0xd9]);
            assert!(decode(&mut decoder, &closed).is_err(), "cut at {length}, with an EOI");
        }
        for missing in 1..=2 {
            assert!(decode(&mut decoder, &data[..data.len() - missing]).is_err());
        }
    }
}

#[test]
fn broken_keyframes_give_the_same_on_every_level() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 40).expect("24 bits")
    };
    let frames = keyframes();
    let mut decoders: Vec<Decoder> = Level::available().map(Decoder::with_level).collect();
    for (number, data) in frames.iter().enumerate() {
        let scan = read_header(data).expect("a header").scan_offset;
        let other = &frames[(number + 1) % frames.len()];
        let other_scan = read_header(other).expect("a header").scan_offset;
        for round in 0..24 {
            let mut broken = data.clone();
            match round % 4 {
                // A bit of the coded data, a bit of the tables (not of the size), a piece.
                0 => broken[scan + next() % (data.len() - scan)] ^= 1 << (next() % 8),
                1 => broken[scan - 1 - next() % 200] ^= 1 << (next() % 8),
                2 => drop(broken.drain(scan + 16..scan + 17 + next() % 999)),
                // Another picture's tables, this one's data.
                _ => broken = [&other[..other_scan], &data[scan..]].concat(),
            }
            let is_small = |data: &[u8]| {
                read_header(data).is_ok_and(|header| header.width * header.height < 1 << 21)
            };
            if !is_small(&broken) {
                continue;
            }
            let mut results = decoders.iter_mut().map(|decoder| decode(decoder, &broken));
            let first = results.next();
            for result in results {
                assert!(Some(result) == first, "frame {number}, round {round}");
            }
        }
    }
}
