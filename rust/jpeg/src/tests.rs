//! Headers, and what is no picture: each with its kind and place.

use super::{Damage, Decoder, JpegError, Options, read_header};

/// A gray picture of 8 x 8 pixels with one DC code, written by hand: all gray.
fn tiny() -> Vec<u8> {
    let mut data = vec![0xff, 0xd8, 0xff, 0xfe, 0, 5, b'h', b'i', 0, 0xff, 0xdb, 0, 67, 0];
    data.extend([1; 64]);
    data.extend([0xff, 0xc0, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0]);
    for class in [0x00, 0x10] {
        // One code of one bit: DC size 0, or EOB.
        data.extend([0xff, 0xc4, 0, 20, class, 1]);
        data.extend([0; 15]);
        data.push(0);
    }
    data.extend([0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, 0x3f, 0xff, 0xd9]);
    data
}

fn decode(data: &[u8]) -> Result<Vec<u8>, JpegError> {
    let header = read_header(data)?;
    let mut out = vec![7; header.width as usize * header.height as usize * 3];
    Decoder::new().decode_rgb(data, &mut out).map(|()| out)
}

#[test]
fn a_tiny_picture_is_read() {
    let data = tiny();
    let header = read_header(&data).expect("a header");
    assert_eq!((header.width, header.height, header.components.len()), (8, 8, 1));
    assert_eq!(header.comment.as_deref(), Some(&b"hi\0"[..]));
    assert_eq!(decode(&data).expect("pixels"), vec![128; 8 * 8 * 3]);
    let mut padded = data.clone();
    padded.splice(2..2, [0xff, 0xff, 0xff]);
    padded.extend(b"trailing bytes");
    assert_eq!(decode(&padded).expect("pixels"), vec![128; 8 * 8 * 3]);
}

#[test]
fn a_picture_cut_anywhere_is_cut() {
    let data = tiny();
    for length in 1..data.len() {
        match decode(&data[..length]) {
            Err(JpegError::Truncated { offset, .. }) => assert_eq!(offset, length),
            other => panic!("cut at {length}: {other:?}"),
        }
    }
    assert_eq!(decode(&[]), Err(JpegError::Empty));
}

#[test]
fn the_wrong_memory_is_refused() {
    let error = Decoder::new().decode_rgb(&tiny(), &mut [0; 3]);
    assert_eq!(error, Err(JpegError::WrongLength { expected: 192, found: 3 }));
}

#[test]
fn other_files_are_named() {
    for (data, name) in [
        (&b"\x89PNG\r\n\x1a\n...."[..], "PNG"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "WebP"),
        (b"GIF89a", "GIF"),
        (b"<html>", "HTML"),
        (b"hello world", "begins with 'hello wo'"),
        (b"\0\0\0\x1cftypavif", "AVIF"),
    ] {
        match read_header(data) {
            Err(JpegError::NotJpeg { found }) => assert!(found.contains(name), "{found}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn other_codings_are_named_with_their_place() {
    let data = tiny();
    let frame = data.windows(2).position(|pair| pair == [0xff, 0xc0]).expect("there") + 1;
    for (marker, name) in
        [(0xc3, "lossless"), (0xc5, "hierarchical"), (0xc9, "arithmetic"), (0xcb, "arithmetic")]
    {
        let mut other = data.clone();
        other[frame] = marker;
        match read_header(&other) {
            Err(JpegError::Unsupported { offset, coding }) => {
                assert_eq!(offset, frame);
                assert!(coding.contains(name), "{coding}");
            }
            other => panic!("{other:?}"),
        }
    }
    let mut deep = data;
    deep[frame + 3] = 12;
    assert_eq!(read_header(&deep).err().map(|error| error.kind()), Some("unsupported"));
}

#[test]
fn reserved_markers_are_refused_with_their_place() {
    let data = tiny();
    let scan = data.windows(2).position(|pair| pair == [0xff, 0xda]).expect("there");
    for at in [2, scan, data.len() - 2] {
        for marker in [0x02, 0xbf, 0xc8, 0xde, 0xf0, 0xf7, 0xfd] {
            let mut other = data.clone();
            other.splice(at..at, [0xff, marker, 0, 2]);
            let error = decode(&other).expect_err("refused");
            assert_eq!(error.offset(), Some(at + 1));
            assert_eq!(error.kind(), if marker == 0xf7 { "unsupported" } else { "bad_segment" });
        }
        let mut other = data.clone();
        other.splice(at..at, [0xff, 0xec, 0, 2]);
        assert_eq!(decode(&other), decode(&data), "APP12 is passed over");
        let mut other = data.clone();
        other.splice(at..at, [0xff, 0xcc, 0, 4, 0, 0x10]);
        assert_eq!(decode(&other), decode(&data), "DAC is passed over");
    }
}

#[test]
fn broken_headers_are_errors_and_never_panics() {
    let data = tiny();
    for at in 0..data.len() {
        for value in [0x00, 0x01, 0x7f, 0x80, 0xff, data[at] ^ 0x10] {
            let mut broken = data.clone();
            broken[at] = value;
            // The pixel limit is the caller's: a larger picture is not decoded here.
            if read_header(&broken).is_ok_and(|header| header.width * header.height < 10_000) {
                let _ = decode(&broken);
            }
        }
    }
}

#[test]
fn the_orientation_is_read_in_both_byte_orders() {
    for (tiff, expected) in [
        (&b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0"[..], Some(6)),
        (b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0", Some(8)),
        (b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x09\0\0", None),
        (b"II*\0\xff\xff\xff\xff\x01\0", None),
        (b"II*\0\x08\0\0\0\xff\xff", None),
        (b"xx", None),
    ] {
        let mut body = b"Exif\0\0".to_vec();
        body.extend(tiff);
        assert_eq!(crate::orientation::read_orientation(&body), expected);
    }
}

/// A gray progressive picture of 8 x 8 pixels in so many scans: each coefficient alone, its
/// highest bit first, all 0.
fn in_scans(count: usize) -> Vec<u8> {
    let mut data = tiny();
    let frame = data.windows(2).position(|pair| pair == [0xff, 0xc0]).expect("there");
    data[frame + 1] = 0xc2;
    let scan = data.windows(2).position(|pair| pair == [0xff, 0xda]).expect("there");
    data.truncate(scan);
    let dc = [(0, 0x00)].into_iter();
    let ac = (1..64).flat_map(|place| {
        (0..14).rev().map(move |low| (place, if low == 13 { 13 } else { (low + 1) << 4 | low }))
    });
    for (place, bits) in dc.chain(ac).take(count) {
        data.extend([0xff, 0xda, 0, 8, 1, 1, 0, place, place, bits, 0x3f]);
    }
    data.extend([0xff, 0xd9]);
    data
}

#[test]
fn a_picture_of_too_many_scans_is_refused_or_cut_short() {
    assert_eq!(decode(&in_scans(1)), Ok(vec![128; 192]));
    assert_eq!(decode(&in_scans(500)), Ok(vec![128; 192]));
    let data = in_scans(501);
    let error = decode(&data).expect_err("refused");
    assert!(error.to_string().contains("more than 500 scans"), "{error}");
    assert_eq!(error.offset(), Some(data.len() - 12));
    let options = Options { damage: Damage::Fill, ..Options::default() };
    let mut out = vec![7; 192];
    assert_eq!(Decoder::new().decode(&data, &options, &mut out), Ok(Some(error)));
    assert_eq!(out, vec![128; 192]);
}

#[test]
fn scans_that_do_not_go_on_from_one_another_are_refused() {
    let data = in_scans(20);
    let scans: Vec<usize> =
        (0..data.len()).filter(|&at| data[at..].starts_with(&[0xff, 0xda])).collect();
    assert_eq!(scans.len(), 20);
    // Left out, repeated: the first, one that begins a coefficient, one that refines it.
    for place in [0, 1, 5] {
        let (start, end) = (scans[place], scans[place + 1]);
        let without = [&data[..start], &data[end..]].concat();
        assert_eq!(decode(&without).map_err(|error| error.kind()), Err("bad_segment"));
        let again = [&data[..end], &data[start..]].concat();
        let expected = if place == 0 { Ok(vec![128; 192]) } else { Err("bad_segment") };
        assert_eq!(decode(&again).map_err(|error| error.kind()), expected, "{place}");
    }
    // Bands and bits that the format does not have.
    for (at, value) in [(7, 9), (8, 64), (9, 0x0e), (9, 0x31)] {
        let mut wrong = data.clone();
        wrong[scans[1] + at] = value;
        assert_eq!(decode(&wrong).map_err(|error| error.kind()), Err("bad_segment"), "{at}");
    }
}

#[test]
fn the_number_of_a_table_that_is_not_used_does_not_matter() {
    let mut data = in_scans(20);
    let scans: Vec<usize> =
        (0..data.len()).filter(|&at| data[at..].starts_with(&[0xff, 0xda])).collect();
    data[scans[0] + 6] = 0x0f;
    data[scans[1] + 6] = 0xf0;
    assert_eq!(decode(&data), Ok(vec![128; 192]));
    for (scan, tables) in [(0, 0x40), (1, 0x04)] {
        let mut wrong = data.clone();
        wrong[scans[scan] + 6] = tables;
        let error = decode(&wrong).expect_err("refused");
        assert_eq!((error.kind(), error.offset()), ("bad_segment", Some(scans[scan] + 1)));
    }
    let mut sequential = tiny();
    let scan = sequential.windows(2).position(|pair| pair == [0xff, 0xda]).expect("there");
    sequential[scan + 6] = 0x04;
    assert_eq!(decode(&sequential).map_err(|error| error.kind()), Err("bad_segment"));
}

#[test]
fn fractional_sampling_is_named_with_the_place_of_the_frame() {
    let mut data = tiny();
    let frame = data.windows(2).position(|pair| pair == [0xff, 0xc0]).expect("there");
    let header = [0xff, 0xc0, 0, 17, 8, 0, 8, 0, 8, 3, 1, 0x31, 0, 2, 0x21, 0, 3, 0x11, 0];
    data.splice(frame..frame + 13, header);
    let scan = data.windows(2).position(|pair| pair == [0xff, 0xda]).expect("there");
    data.splice(scan..scan + 10, [0xff, 0xda, 0, 12, 3, 1, 0, 2, 0, 3, 0, 0, 63, 0]);
    match decode(&data) {
        Err(JpegError::Unsupported { offset, coding }) => {
            assert_eq!(offset, frame + 1);
            assert!(coding.contains("does not divide"), "{coding}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_table_that_is_needed_has_to_be_there() {
    let mut data = tiny();
    let scan = data.windows(2).position(|pair| pair == [0xff, 0xda]).expect("there");
    for tables in [0x02, 0x20, 0x0f, 0xf0] {
        data[scan + 6] = tables;
        let error = decode(&data).expect_err("refused");
        assert_eq!((error.kind(), error.offset()), ("bad_segment", Some(scan + 1)), "{error}");
    }
}

#[test]
fn a_wild_dc_coefficient_overflows_as_libjpeg_turbos() {
    let mut data = tiny();
    // A DC difference of 2047, and a factor of 3: (6141 + 4) >> 3 is 768.
    let factor = data.windows(2).position(|pair| pair == [0xff, 0xdb]).expect("there") + 5;
    data[factor] = 3;
    let symbol = data.windows(2).position(|pair| pair == [0xff, 0xc4]).expect("there") + 21;
    data[symbol] = 11;
    let end = data.len();
    data.splice(end - 3..end - 2, [0x7f, 0xf7]);
    assert_eq!(decode(&data), Ok(vec![255; 192]));
    let options = Options { scale: crate::Scale::Eighth, ..Options::default() };
    let mut out = vec![7; 3];
    assert_eq!(Decoder::new().decode(&data, &options, &mut out), Ok(None));
    assert_eq!(out, [0; 3], "10 bits count");
}
