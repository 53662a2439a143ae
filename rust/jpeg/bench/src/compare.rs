//! Times of our decoder and of its peers, after comparing the pixels.

use std::path::PathBuf;
use std::time::Instant;

use textbook_jpeg::{Decoder, read_header};
use textbook_simd::Level;

use crate::turbo::Turbo;
use crate::{options, zune};

/// Seconds that this takes.
fn time(code: impl FnOnce()) -> f64 {
    let start = Instant::now();
    code();
    start.elapsed().as_secs_f64()
}

/// How many times as long libjpeg-turbo takes without its SIMD: more than 1 shows that it
/// has some. It reads its switch once, so the other one is a process of its own.
fn print_simd(paths: &[PathBuf]) {
    let program = std::env::current_exe().expect("this program");
    let folder = std::env::args().nth(2).expect("a folder");
    let alone = |force: Option<&str>| {
        let mut command = std::process::Command::new(&program);
        command.args(["turbo", &folder]).env_remove("JSIMD_FORCENONE");
        command.envs(force.map(|value| ("JSIMD_FORCENONE", value)));
        let output = command.output().expect("this program runs").stdout;
        String::from_utf8_lossy(&output).trim().parse::<f64>().expect("seconds")
    };
    let is_off = std::env::var_os("JSIMD_FORCENONE").is_some();
    let (with, without) = (alone(None), alone(Some("1")));
    println!(
        "libjpeg-turbo's SIMD: {} here; without it, it takes {:.2} times as long ({} pictures)",
        if is_off { "switched off" } else { "on" },
        without / with,
        paths.len().min(20)
    );
}

/// Seconds of libjpeg-turbo for some pictures, best of five.
pub fn turbo_alone(paths: &[PathBuf]) -> f64 {
    let mut turbo = Turbo::new();
    let mut sum = 0.0;
    for path in paths.iter().take(20) {
        let data = std::fs::read(path).expect("readable");
        let header = read_header(&data).expect("a header");
        let row_bytes = header.width as usize * 3;
        let mut out = vec![0; row_bytes * header.height as usize];
        let times = (0..5).map(|_| time(|| turbo.decode(&data, 1, false, row_bytes, &mut out)));
        sum += times.fold(f64::MAX, f64::min);
    }
    sum
}

/// Times of the peers and of ours, and how they compare.
#[derive(Default)]
struct Table {
    times: Vec<[f64; 2]>,
}

impl Table {
    fn print(&self, peer: &str) {
        let count = self.times.len().max(1) as f64;
        let mut ratios: Vec<f64> = self.times.iter().map(|[peer, ours]| peer / ours).collect();
        ratios.sort_by(f64::total_cmp);
        let mean = (ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / count).exp();
        let [peers, ours] =
            [0, 1].map(|who| self.times.iter().map(|times| times[who]).sum::<f64>());
        let (Some(worst), Some(median)) = (ratios.first(), ratios.get(ratios.len() / 2)) else {
            return;
        };
        println!(
            "{peer} {:.3} ms, ours {:.3} ms an image; times {peer}: of the sums {:.2}, \
             geometric mean {mean:.2}, median {median:.2}, worst file {worst:.2}",
            peers / count * 1e3,
            ours / count * 1e3,
            peers / ours
        );
    }
}

/// All in turns, picture by picture, memory and decoders used again.
pub fn compare(paths: &[PathBuf], rounds: usize, scale: usize, is_gray: bool) {
    let options = options(scale, is_gray);
    println!("level: {}, scale 1/{scale}, gray: {is_gray}", Level::active());
    print_simd(paths);
    let (mut turbo, mut ours) = (Turbo::new(), Decoder::new());
    let with_zune = scale == 1 && !is_gray;
    let (mut to_turbo, mut to_zune) = (Table::default(), Table::default());
    let (mut out, mut expected, mut other) = (Vec::new(), Vec::new(), Vec::new());
    for path in paths {
        let data = std::fs::read(path).expect("readable");
        let header = read_header(&data).expect("a header");
        let size = options.size(&header);
        for memory in [&mut out, &mut expected, &mut other] {
            memory.resize(size.bytes(), 1);
        }
        turbo.decode(&data, scale, is_gray, size.row_bytes(), &mut expected);
        ours.decode(&data, &options, &mut out).expect("pixels");
        if out != expected {
            let at = out.iter().zip(&expected).position(|(a, b)| a != b).unwrap_or(0);
            println!("{}: first difference at byte {at}", path.display());
            continue;
        }
        let mut best = [f64::MAX; 3];
        for _ in 0..rounds {
            let turbos =
                time(|| turbo.decode(&data, scale, is_gray, size.row_bytes(), &mut expected));
            best[0] = best[0].min(turbos);
            let own = time(|| {
                ours.decode(&data, &options, &mut out).expect("pixels");
            });
            best[1] = best[1].min(own);
            if with_zune {
                best[2] = best[2].min(time(|| zune::decode(&data, &mut other)));
            }
        }
        to_turbo.times.push([best[0], best[1]]);
        to_zune.times.push([best[2], best[1]]);
    }
    let equal = to_turbo.times.len();
    println!("{equal} files equal, {} not", paths.len() - equal);
    to_turbo.print("libjpeg-turbo 3.1.0");
    if with_zune {
        to_zune.print("zune-jpeg");
    }
}

/// One pass of each over all pictures: new decoders and new memory for each picture.
pub fn once(paths: &[PathBuf]) {
    let data: Vec<Vec<u8>> =
        paths.iter().map(|path| std::fs::read(path).expect("readable")).collect();
    println!("level: {}, one pass, new memory for each picture", Level::active());
    let mut table = Table::default();
    let mut kept = Vec::new();
    for data in &data {
        let header = read_header(data).expect("a header");
        let row_bytes = header.width as usize * 3;
        let bytes = row_bytes * header.height as usize;
        let mut expected = Vec::new();
        let turbos = time(|| {
            expected = vec![0; bytes];
            Turbo::new().decode(data, 1, false, row_bytes, &mut expected);
        });
        let mut out = Vec::new();
        let own = time(|| {
            out = vec![0; bytes];
            Decoder::new().decode_rgb(data, &mut out).expect("pixels");
        });
        assert!(out == expected, "pixels differ");
        table.times.push([turbos, own]);
        // Kept, so that the next ones are new.
        kept.push([expected, out]);
    }
    table.print("libjpeg-turbo 3.1.0");
}
