//! Whole streams: the pixels of libjpeg-turbo 3.2.0 (`tests/make_golden.py` of the
//! project made them), on every level, and what comes of broken ones.

use std::path::{Path, PathBuf};

use textbook_jpeg::{Color, Damage, Decoder, JpegError, Options, Scale, read_header};
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

const SCALES: [Scale; 4] = [Scale::Full, Scale::Half, Scale::Quarter, Scale::Eighth];

/// Everything that can be asked for.
fn all_options(damage: Damage) -> impl Iterator<Item = Options> {
    let colors = [Color::Rgb, Color::Gray].into_iter();
    colors.flat_map(move |color| SCALES.map(|scale| Options { color, scale, rows: None, damage }))
}

/// The result, and what is broken if it was filled; memory that is not written to shows.
fn decode_as(
    decoder: &mut Decoder,
    data: &[u8],
    options: &Options,
) -> Result<(Vec<u8>, Option<JpegError>), JpegError> {
    let mut out = vec![0x5a; options.size(&read_header(data)?).bytes()];
    let damage = decoder.decode(data, options, &mut out)?;
    let mut again = vec![0xc3; out.len()];
    assert_eq!(decoder.decode(data, options, &mut again).as_ref(), Ok(&damage));
    assert!(out == again, "not every byte is written");
    Ok((out, damage))
}

#[test]
fn smaller_and_gray_pictures_are_the_same_on_every_level() {
    let mut used: Vec<Decoder> = Level::available().map(Decoder::with_level).collect();
    for (name, data, _) in streams() {
        let header = read_header(&data).expect("a header");
        for options in all_options(Damage::Refuse) {
            let fresh = decode_as(&mut Decoder::with_level(Level::Scalar), &data, &options);
            for decoder in &mut used {
                assert!(decode_as(decoder, &data, &options) == fresh, "{name}, {options:?}");
            }
            let (pixels, _) = fresh.unwrap_or_else(|error| panic!("{name}: {error}"));
            let rows = header.height as usize / 3..header.height as usize / 2;
            let some = Options { rows: Some(rows.clone()), ..options.clone() };
            let row_bytes = options.size(&header).row_bytes();
            let whole = options.size(&header).height;
            let end = rows.end.min(whole);
            let (part, _) = decode_as(&mut used[0], &data, &some).expect("pixels");
            let first = rows.start.min(end);
            assert!(part == pixels[first * row_bytes..end * row_bytes], "{name}, {some:?}");
        }
    }
}

#[test]
fn what_is_broken_is_filled_the_same_way_on_every_level_and_never_with_another_picture() {
    let mut used: Vec<Decoder> = Level::available().map(Decoder::with_level).collect();
    let mut state = 0x1357_9bdf_2468_ace1_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) as usize
    };
    let (mut filled, mut refused) = (0, 0);
    for (name, data, _) in streams() {
        let scan = read_header(&data).expect("a header").scan_offset;
        for round in 0..12 {
            let mut broken = data.clone();
            if round % 2 == 0 {
                broken.truncate(scan + 8 + next() % (data.len() - scan - 8));
            } else {
                let at = scan + 8 + next() % (data.len() - scan - 8);
                broken[at] ^= 1 << (next() % 8);
            }
            for options in all_options(Damage::Fill).step_by(1 + round % 3) {
                let fresh = decode_as(&mut Decoder::with_level(Level::Scalar), &broken, &options);
                for decoder in &mut used {
                    assert!(decode_as(decoder, &broken, &options) == fresh, "{name}, {options:?}");
                }
                match fresh {
                    Ok((_, damage)) => filled += usize::from(damage.is_some()),
                    Err(_) => refused += 1,
                }
            }
        }
    }
    println!("{filled} filled, {refused} refused");
    assert!(filled > 1000);
}

#[test]
fn rows_come_again_from_the_first_one_where_broken_data_is_filled() {
    for (name, data, _) in streams().into_iter().filter(|(name, ..)| name.contains("flat_")) {
        let broken = &data[..data.len() - data.len() / 3];
        let options = Options { damage: Damage::Fill, ..Options::default() };
        let (expected, damage) = decode_as(&mut Decoder::new(), broken, &options).expect("filled");
        let mut found = Vec::new();
        let mut sink = |first: usize, rows: &[u8]| {
            if first == 0 {
                found.clear();
            }
            found.extend_from_slice(rows);
        };
        let mut decoder = Decoder::new();
        assert_eq!(decoder.decode_rows(broken, &options, &mut sink), Ok(damage), "{name}");
        assert!(found == expected, "{name}");
    }
}
