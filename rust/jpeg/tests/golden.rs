//! Whole streams: the pixels of libjpeg-turbo 3.2.0 (`tests/make_golden.py` of the
//! project made them), on every level, and what comes of broken ones.

use std::path::{Path, PathBuf};

use textbook_jpeg::{Decoder, JpegError, Options, read_header};
use textbook_simd::Level;

fn streams() -> Vec<(String, Vec<u8>, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder of golden files")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|end| end == "jpg"))
        .collect();
    paths.sort();
    assert!(paths.len() > 60, "the golden files are missing");
    let read = |path: &Path| std::fs::read(path).expect("readable");
    let stream = |path: PathBuf| {
        (path.display().to_string(), read(&path), read(&path.with_extension("rgb")))
    };
    paths.into_iter().map(stream).collect()
}

fn decode(decoder: &mut Decoder, data: &[u8]) -> Result<Vec<u8>, JpegError> {
    let header = read_header(data)?;
    let mut out = vec![0x5a; header.width as usize * header.height as usize * 3];
    decoder.decode_rgb(data, &mut out).map(|()| out)
}

#[test]
fn pixels_are_those_of_libjpeg_turbo() {
    let mut wrong = Vec::new();
    for level in Level::available() {
        // One decoder for all: what is left of earlier pictures must not show.
        let mut decoder = Decoder::with_level(level);
        for (name, data, expected) in streams() {
            match decode(&mut decoder, &data) {
                Ok(found) if found == expected => {}
                Ok(found) => {
                    let different = found.iter().zip(&expected).filter(|(a, b)| a != b).count();
                    wrong.push(format!("{name} on level {level}: {different} bytes differ"));
                }
                Err(error) => wrong.push(format!("{name} on level {level}: {error}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn rows_are_handed_out_in_order_and_a_region_is_a_part() {
    for level in Level::available() {
        let mut decoder = Decoder::with_level(level);
        for (name, data, expected) in streams() {
            let header = read_header(&data).expect("a header");
            let height = header.height as usize;
            let row_bytes = header.width as usize * 3;
            for rows in [0..height, height / 3..height - height / 4, height..height + 1, 1..1] {
                let options = Options { rows: Some(rows.clone()), ..Options::default() };
                let first = rows.start.min(height);
                let expected =
                    &expected[first * row_bytes..rows.end.clamp(first, height) * row_bytes];
                let mut found = Vec::new();
                let mut sink = |first: usize, rows: &[u8]| {
                    assert_eq!(first * row_bytes, found.len(), "{name}");
                    assert!(!rows.is_empty() && rows.len().is_multiple_of(row_bytes), "{name}");
                    found.extend_from_slice(rows);
                };
                decoder.decode_rows(&data, &options, &mut sink).expect("pixels");
                assert!(found == expected, "{name}, {rows:?} on level {level}");
                let mut memory = vec![0x5a; options.size(&header).bytes()];
                decoder.decode(&data, &options, &mut memory).expect("pixels");
                assert!(memory == expected, "{name}, {rows:?} on level {level}");
            }
        }
    }
}

#[test]
fn a_stream_cut_anywhere_is_an_error() {
    for (name, data, _) in streams().into_iter().filter(|(name, ..)| !name.contains("trailing")) {
        let mut decoder = Decoder::new();
        let step = data.len() / 40 + 1;
        for length in (0..data.len()).step_by(step).chain(data.len() - 3..data.len()) {
            match decode(&mut decoder, &data[..length]) {
                Err(JpegError::Truncated { offset, .. }) => assert_eq!(offset, length, "{name}"),
                Err(JpegError::Empty) => assert_eq!(length, 0),
                other => panic!("{name} cut at {length}: {other:?}"),
            }
        }
    }
}

#[test]
fn coded_data_that_ends_before_the_last_block_is_an_error() {
    // Progressive pictures may end after any scan.
    let sequential = |(_, data, _): &(String, Vec<u8>, Vec<u8>)| {
        !read_header(data).expect("a header").is_progressive
    };
    for (name, data, _) in streams().into_iter().filter(sequential) {
        let scan = read_header(&data).expect("a header").scan_offset;
        let mut decoder = Decoder::new();
        for tenths in 1..9 {
            let mut broken = data[..scan + 16 + (data.len() - scan - 16) * tenths / 10].to_vec();
            broken.extend([0xff, 0xd9]);
            let found = decode(&mut decoder, &broken);
            // What is left of a picture of one or two blocks may be all of it.
            assert!(data.len() - scan < 60 || found.is_err(), "{name} cut at {tenths} / 10");
        }
    }
}

/// Broken streams: no panic, and the same result on every level, whatever was decoded
/// before.
#[test]
fn broken_streams_give_the_same_on_every_level() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) as usize
    };
    let mut used: Vec<Decoder> = Level::available().map(Decoder::with_level).collect();
    let (mut decoded, mut refused) = (0, 0);
    for (name, data, _) in streams() {
        for _ in 0..60 {
            let mut broken = data.clone();
            for _ in 0..=next() % 3 {
                let at = next() % broken.len();
                match next() % 4 {
                    0 => broken[at] ^= 1 << (next() % 8),
                    1 => broken[at] = (next() & 255).try_into().expect("a byte"),
                    2 => drop(broken.remove(at)),
                    _ => broken.insert(at, (next() & 255).try_into().expect("a byte")),
                }
            }
            let is_small = |data: &[u8]| {
                read_header(data).is_ok_and(|header| header.width * header.height < 1 << 18)
            };
            if !is_small(&broken) {
                continue;
            }
            let expected = decode(&mut Decoder::with_level(Level::Scalar), &broken);
            for decoder in &mut used {
                let found = decode(decoder, &broken);
                assert!(found == expected, "{name}: {:?} {:?}", found.err(), expected.err());
            }
            if expected.is_ok() { decoded += 1 } else { refused += 1 }
        }
    }
    println!("{decoded} broken streams decoded, {refused} refused");
    assert!(decoded > 100 && refused > 100);
}
