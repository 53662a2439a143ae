//! Our decoder beside libjpeg-turbo, one core, from C, on the same bytes.
//!
//! `compare FOLDER [ROUNDS [SCALE [gray]]]`: checks that the pixels are equal, then times
//! both, picture by picture in turns, best of the rounds; SCALE is 1, 2, 4 or 8, by which
//! the result is smaller. `fingerprint FOLDER`: a line for each file
//! with the CRC-32 of its pixels, or the kind of error, to compare with other decoders.

mod turbo;

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
        eprintln!("usage: compare FOLDER [ROUNDS] | fingerprint FOLDER");
        std::process::exit(2);
    };
    let mut paths = Vec::new();
    files(Path::new(folder), &mut paths);
    paths.sort();
    let number =
        |place: usize, other| rest.get(place).map_or(other, |text| text.parse().expect("a number"));
    let has_gray = |place: usize| rest.get(place).is_some_and(|color| color == "gray");
    match command.as_str() {
        "compare" => compare(&paths, number(0, 9), number(1, 1), has_gray(2)),
        "fingerprint" => fingerprint(&paths),
        #[cfg(feature = "stages")]
        "stages" => stages(&paths, rest.first().map_or(9, |text| text.parse().expect("a number"))),
        "loop" => repeat(&paths, &options(number(0, 1), has_gray(1))),
        _ => eprintln!("no such command"),
    }
}

/// What each stage takes: of each picture the best of the rounds, then the mean.
#[cfg(feature = "stages")]
fn stages(paths: &[PathBuf], rounds: usize) {
    use textbook_jpeg::Stage;
    let all =
        [Stage::Tables, Stage::Unstuff, Stage::Entropy, Stage::Flat, Stage::Idct, Stage::Color];
    let data: Vec<Vec<u8>> =
        paths.iter().map(|path| std::fs::read(path).expect("readable")).collect();
    let mut decoder = Decoder::new();
    let mut out = Vec::new();
    let mut best = vec![[f64::MAX; 6]; data.len()];
    let mut turbo = turbo::Turbo::new();
    let mut expected = Vec::new();
    // Picture after picture, so that the CPU does not learn one of them by heart, and
    // libjpeg-turbo in between, so that no cache is warmer than where they are compared.
    for _ in 0..rounds {
        for (data, best) in data.iter().zip(&mut best) {
            let header = read_header(data).expect("a header");
            out.resize(header.width as usize * header.height as usize * 3, 0);
            expected.resize(out.len(), 0);
            turbo.decode(data, 1, false, header.width as usize * 3, &mut expected);
            decoder.decode_rgb(data, &mut out).expect("pixels");
            for (best, &stage) in best.iter_mut().zip(&all) {
                *best = best.min(decoder.clock().spent(stage).as_secs_f64());
            }
        }
    }
    let sums = best.iter().fold([0.0; 6], |sums, best| {
        std::array::from_fn(|stage| sums[stage] + best[stage])
    });
    println!("level: {}, mean of {} pictures", Level::active(), paths.len());
    for (stage, sum) in all.iter().zip(sums) {
        println!("{stage:?}: {:.4} ms", sum / paths.len() as f64 * 1e3);
    }
    println!("sum: {:.4} ms", sums.iter().sum::<f64>() / paths.len() as f64 * 1e3);
}

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

fn compare(paths: &[PathBuf], rounds: usize, scale: usize, is_gray: bool) {
    let options = options(scale, is_gray);
    let mut turbo = turbo::Turbo::new();
    let mut ours = Decoder::new();
    println!("level: {}, scale 1/{scale}, gray: {is_gray}", Level::active());
    let (mut ratios, mut total) = (Vec::new(), [0.0; 2]);
    let (mut out, mut expected) = (Vec::new(), Vec::new());
    let mut unequal = 0;
    for path in paths {
        let data = std::fs::read(path).expect("readable");
        let header = read_header(&data).expect("a header");
        let size = options.size(&header);
        out.resize(size.bytes(), 1);
        expected.resize(size.bytes(), 2);
        turbo.decode(&data, scale, is_gray, size.row_bytes(), &mut expected);
        ours.decode(&data, &options, &mut out).expect("pixels");
        if out != expected {
            unequal += 1;
            let at = out.iter().zip(&expected).position(|(a, b)| a != b).unwrap_or(0);
            println!("{}: first difference at byte {at}", path.display());
            continue;
        }
        let mut best = [f64::MAX; 2];
        for _ in 0..rounds {
            let start = Instant::now();
            turbo.decode(&data, scale, is_gray, size.row_bytes(), &mut expected);
            best[0] = best[0].min(start.elapsed().as_secs_f64());
            let start = Instant::now();
            let decoded = ours.decode(&data, &options, &mut out);
            best[1] = best[1].min(start.elapsed().as_secs_f64());
            decoded.expect("pixels");
        }
        ratios.push(best[0] / best[1]);
        total[0] += best[0];
        total[1] += best[1];
    }
    ratios.sort_by(f64::total_cmp);
    let count = ratios.len().max(1) as f64;
    let mean = (ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / count).exp();
    println!("{} files equal, {unequal} not", ratios.len());
    println!(
        "libjpeg-turbo 3.1.0 {:.3} ms, ours {:.3} ms an image",
        total[0] / count * 1e3,
        total[1] / count * 1e3
    );
    if let (Some(worst), Some(median)) = (ratios.first(), ratios.get(ratios.len() / 2)) {
        println!(
            "times libjpeg-turbo: of the sums {:.2}, geometric mean {mean:.2}, median {median:.2}, worst file {worst:.2}",
            total[0] / total[1]
        );
    }
}
