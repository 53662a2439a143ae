//! The checks themselves, on seeds and on what a simple mutator makes of them: they hold on
//! any compiler, and fail where a parser is wrong (tried out by breaking one).

use std::path::Path;

/// Numbers that look random and are the same each time (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % bound.max(1)
    }
}

/// Runs a check on seeds and on mutations of them.
fn run(seeds: &[Vec<u8>], rounds: usize, alphabet: &[u8], check: fn(&[u8])) {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    check(&[]);
    seeds.iter().for_each(|seed| check(seed));
    for _ in 0..rounds {
        let mut data = seeds[numbers.below(seeds.len())].clone();
        for _ in 0..=numbers.below(4) {
            let at = numbers.below(data.len() + 1);
            let byte = match numbers.below(3) {
                0 => numbers.below(256) as u8,
                _ => alphabet[numbers.below(alphabet.len())],
            };
            match numbers.below(5) {
                0 if at < data.len() => drop(data.remove(at)),
                1 if at < data.len() => data[at] = byte,
                2 if at < data.len() => data[at] ^= 1 << numbers.below(8),
                3 => data.truncate(at),
                _ => data.insert(at, byte),
            }
        }
        check(&data);
    }
}

fn jpegs() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../jpeg/tests/data");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("the golden files")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|end| end == "jpg"))
        .collect();
    paths.sort();
    assert!(paths.len() > 60);
    paths.iter().map(|path| std::fs::read(path).expect("readable")).collect()
}

fn texts(list: &[&str]) -> Vec<Vec<u8>> {
    list.iter().map(|text| text.as_bytes().to_vec()).collect()
}

const JSON: &[u8] = b"{}[],:\"\\ \n0e.-utfn";

#[test]
fn jpeg_header() {
    run(&jpegs(), 20_000, &[0x00, 0xff, 0xc0, 0xda, 0xd9, 0x11], crate::jpeg_header::check);
}

#[test]
fn jpeg_decode() {
    run(&jpegs(), 4_000, &[0x00, 0xff, 0xd0, 0xda, 0xd9, 0x11], crate::jpeg_decode::check);
}

#[test]
fn json_index() {
    let seeds = texts(&[
        r#"[{"a": 1}, {"b": "]}"}, {"c": [2, {}]}, {}]"#,
        "[\n    {\n        \"images\": [null, \"a\\\"b\"]\n    },\n    {}\n]\n",
        "\u{feff}[{}]",
        "{\"a\": 1}\n{\"b\": [2]}\n\n{}\n",
        "[]",
        "[{\"a\":\"\\\\\"},{\"b\":{\"c\":[[]]}}]",
    ]);
    run(&seeds, 4_000, JSON, crate::json_index::check);
}

#[test]
fn record() {
    let seeds = texts(&[
        r#"{"images": ["a.jpg", null], "texts": [null, "x\u00e9\n"], "token_num": -1.5e3}"#,
        r#"{"a": {"b": [true, false, null, NaN, -Infinity, 0.1]}, "a": "\ud800", "": []}"#,
        " {} ",
        "{\"\u{e9}\u{1f600}\": \"\u{e9}\u{1f600}\"}",
    ]);
    run(&seeds, 60_000, JSON, crate::record::check);
}

#[test]
fn sidecar() {
    let seeds = [vec![0], vec![8, 2, 0], vec![0x90; 20], vec![0xff; 90], vec![0xd0, 1, 2, 3]];
    run(&seeds, 2_000, &[0x00, 0xff, 0x80, 0xb0, 0xd0], crate::sidecar::check);
}

#[test]
fn keyframe_name() {
    let seeds = texts(&[
        "/mnt/x/-1_ixJ@V-As/-1_ixJ@V-As@2250.2200000000003_2271.26#12.jpg",
        "a@51000.1_1e5#1.jpg",
        "a@1_2#1.JPEG",
    ]);
    run(&seeds, 60_000, b"@_#./-+e0123456789a", crate::keyframe_name::check);
}

/// Compresses as gzip does.
fn gzip(text: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(level));
    std::io::Write::write_all(&mut encoder, text).expect("in memory");
    encoder.finish().expect("in memory")
}

/// A zip of one entry: its local header, the data, the directory (APPNOTE 4.3).
fn zip(text: &[u8], level: Option<u32>) -> Vec<u8> {
    let name = b"x.json";
    let crc = {
        let mut crc = flate2::Crc::new();
        crc.update(text);
        crc.sum()
    };
    let data = level.map_or(text.to_vec(), |level| {
        // The ten bytes of a plain gzip header, and the trailer, around the same data.
        let gz = gzip(text, level);
        gz[10..gz.len() - 8].to_vec()
    });
    let mut fields = vec![0x14, 0, 0, 0];
    fields.extend([if level.is_some() { 8 } else { 0 }, 0, 0, 0, 0, 0]);
    for number in [crc, data.len() as u32, text.len() as u32] {
        fields.extend(number.to_le_bytes());
    }
    fields.extend([name.len() as u8, 0, 0, 0]);
    let mut file = b"PK\x03\x04".to_vec();
    file.extend_from_slice(&fields);
    file.extend_from_slice(name);
    file.extend_from_slice(&data);
    let directory = file.len() as u32;
    file.extend_from_slice(b"PK\x01\x02\x14\0");
    file.extend_from_slice(&fields);
    file.extend_from_slice(&[0; 14]);
    file.extend_from_slice(name);
    let length = file.len() as u32 - directory;
    file.extend_from_slice(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    file.extend(length.to_le_bytes());
    file.extend(directory.to_le_bytes());
    file.extend_from_slice(&[0, 0]);
    file
}

#[test]
fn text_stream() {
    let text = br#"[{"a": 1}, {"b": "]}]}]}]}]}"}, {"c": [2, {}]}, {}]"#;
    let lines = b"{\"a\": 1}\n{\"b\": [2]}\n\n{}\n";
    let long = [&b"["[..], &b"{\"a\": \"so now we take\"}, ".repeat(60_000), b"{}]"].concat();
    let mut seeds: Vec<_> = [0, 1, 9].map(|level| gzip(text, level)).to_vec();
    seeds.push([gzip(&text[..20], 6), gzip(b"", 6), gzip(&text[20..], 6)].concat());
    seeds.push(gzip(lines, 6));
    seeds.push(gzip(&long, 6));
    seeds.push(zip(text, None));
    seeds.push(zip(text, Some(6)));
    seeds.push(zip(&long, Some(6)));
    run(&seeds, 1_000, b"\x00\xff\x1f\x8b\x08PK\x01\x04", crate::text_stream::check);
    for seed in &seeds {
        let options = textbook_core::index::Options {
            threads: 1,
            recover: false,
            read_sidecar: false,
            write_sidecar: false,
            level: textbook_simd::Level::active(),
        };
        let path = crate::temporary::file("seed.gz", seed);
        let source = textbook_core::source::Source::open(&path, textbook_core::source::Access::Map);
        let (source, long) = (source.expect("a file"), textbook_core::index::LongPass::Refused);
        let opened = textbook_core::index::open(source, options, long, &std::sync::Arc::default());
        assert!(!opened.expect("a seed").1.is_empty());
    }
}

#[test]
fn inflate() {
    use std::io::Write;
    let mut seeds = vec![vec![9, 1, 1, 0, 0, 0xff, 0xff], vec![3, 200, 3, 0]];
    for level in [0, 1, 6, 9] {
        let new = flate2::Compression::new(level);
        let mut encoder = flate2::write::DeflateEncoder::new(vec![level as u8 * 20, 3], new);
        for number in 0..400_u32 {
            encoder
                .write_all(format!("{} of {number}, ", number % 7 * 999).as_bytes())
                .expect("in");
        }
        seeds.push(encoder.finish().expect("in memory"));
    }
    run(&seeds, 20_000, &[0x00, 0xff, 0x04, 0x05, 0x03], crate::inflate::check);
}

#[test]
fn tar_gz() {
    use textbook_core::store::{END, file_header};
    let mut tar = vec![18];
    for (name, size) in [("a.jpg", 5), ("folder/b.jpg", 600), (&"long/".repeat(40), 3)] {
        tar.extend_from_slice(&file_header(name.as_bytes(), size, 0));
        tar.resize(tar.len() + (size as usize).next_multiple_of(512), b'x');
    }
    let header = tar[..514].to_vec();
    tar.extend_from_slice(&END);
    let mut seeds = vec![tar, header, vec![0], vec![2, 9, 0, 0, 0]];
    seeds.extend((0..120).map(|at| vec![1, at, 0, at % 4, 0, at, 1]));
    run(&seeds, 3_000, &[0x00, 0xff, b'0', b'7', b'1', b'x', b'L'], crate::tar_gz::check);
}
