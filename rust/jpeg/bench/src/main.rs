//! Our decoder beside libjpeg-turbo and zune-jpeg, one core, on the same bytes.
//!
//! `compare FOLDER [ROUNDS [SCALE [gray]]]`: checks that the pixels are equal, then times
//! all, picture by picture in turns, best of the rounds; SCALE is 1, 2, 4 or 8, by which
//! the result is smaller. `once FOLDER`: one pass over the pictures, nothing before it,
//! each with new memory and a new decoder. `stages FOLDER [ROUNDS]` (feature `stages`): what
//! each stage takes. `fingerprint FOLDER`: a line for each file with the CRC-32 of its
//! pixels, or the kind of error, to compare with other decoders.

mod compare;
#[cfg(feature = "stages")]
mod stages;
mod turbo;
mod zune;

use std::path::{Path, PathBuf};
use std::time::Instant;

use textbook_jpeg::{Color, Decoder, Options, Scale, read_header};
use textbook_simd::Level;

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|end| end == "jpg") {
            found.push(path);
        }
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, command, folder, rest @ ..] = arguments.as_slice() else {
        eprintln!(
            "usage: compare FOLDER [ROUNDS [SCALE [gray]]] | once FOLDER | stages FOLDER | fingerprint FOLDER"
        );
        std::process::exit(2);
    };
    let mut paths = Vec::new();
    files(Path::new(folder), &mut paths);
    paths.sort();
    let number =
        |place: usize, other| rest.get(place).map_or(other, |text| text.parse().expect("a number"));
    let has_gray = |place: usize| rest.get(place).is_some_and(|color| color == "gray");
    match command.as_str() {
        "compare" => compare::compare(&paths, number(0, 9), number(1, 1), has_gray(2)),
        "once" => compare::once(&paths),
        "turbo" => println!("{}", compare::turbo_alone(&paths)),
        "fingerprint" => fingerprint(&paths),
        #[cfg(feature = "stages")]
        "stages" => stages::stages(&paths, number(0, 9)),
        "loop" => repeat(&paths, &options(number(0, 1), has_gray(1))),
        _ => eprintln!("no such command"),
    }
}

/// The options of a size and color.
fn options(scale: usize, is_gray: bool) -> Options {
    Options {
        color: if is_gray { Color::Gray } else { Color::Rgb },
        scale: match scale {
            1 => Scale::Full,
            2 => Scale::Half,
            4 => Scale::Quarter,
            8 => Scale::Eighth,
            _ => panic!("SCALE is 1, 2, 4 or 8"),
        },
        ..Options::default()
    }
}

/// Decodes for some seconds: something for a profiler to look at.
fn repeat(paths: &[PathBuf], options: &Options) {
    let data: Vec<Vec<u8>> =
        paths.iter().map(|path| std::fs::read(path).expect("readable")).collect();
    let mut decoder = Decoder::new();
    let mut out = Vec::new();
    let start = Instant::now();
    while start.elapsed().as_secs() < 5 {
        for data in &data {
            let header = read_header(data).expect("a header");
            out.resize(options.size(&header).bytes(), 0);
            decoder.decode(data, options, &mut out).expect("pixels");
        }
    }
}

fn crc32(data: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for &byte in data {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

fn fingerprint(paths: &[PathBuf]) {
    for path in paths {
        let data = std::fs::read(path).expect("readable");
        let name = path.display();
        match read_header(&data) {
            Err(error) => println!("{name} {} {error}", error.kind()),
            Ok(header) => {
                let (width, height) = (header.width as usize, header.height as usize);
                let results: Vec<_> = Level::available()
                    .map(|level| {
                        let mut out = vec![0xa5; width * height * 3];
                        Decoder::with_level(level).decode_rgb(&data, &mut out).map(|()| out)
                    })
                    .collect();
                if results.windows(2).any(|two| two[0] != two[1]) {
                    println!("{name} LEVELS_DIFFER");
                    continue;
                }
                match &results[0] {
                    Ok(out) => println!("{name} {width}x{height} {:08x}", crc32(out)),
                    Err(error) => println!("{name} {} {error}", error.kind()),
                }
            }
        }
    }
}
