//! What each stage of our decoder takes.

use std::path::PathBuf;

use textbook_jpeg::{Decoder, Stage, read_header};
use textbook_simd::Level;

use crate::turbo::Turbo;

const ALL: [Stage; 6] =
    [Stage::Tables, Stage::Unstuff, Stage::Entropy, Stage::Flat, Stage::Idct, Stage::Color];

/// Of each picture the best of the rounds, then the mean.
pub fn stages(paths: &[PathBuf], rounds: usize) {
    let data: Vec<Vec<u8>> =
        paths.iter().map(|path| std::fs::read(path).expect("readable")).collect();
    let (mut decoder, mut turbo) = (Decoder::new(), Turbo::new());
    let (mut out, mut other) = (Vec::new(), Vec::new());
    let mut best = vec![[f64::MAX; 6]; data.len()];
    // Picture after picture, so that the CPU does not learn one of them by heart, and
    // libjpeg-turbo in between, so that no cache is warmer than where they are compared.
    for _ in 0..rounds {
        for (data, best) in data.iter().zip(&mut best) {
            let header = read_header(data).expect("a header");
            let row_bytes = header.width as usize * 3;
            out.resize(row_bytes * header.height as usize, 0);
            other.resize(out.len(), 0);
            turbo.decode(data, 1, false, row_bytes, &mut other);
            decoder.decode_rgb(data, &mut out).expect("pixels");
            for (best, &stage) in best.iter_mut().zip(&ALL) {
                *best = best.min(decoder.clock().spent(stage).as_secs_f64());
            }
        }
    }
    let sums = best
        .iter()
        .fold([0.0; 6], |sums, best| std::array::from_fn(|stage| sums[stage] + best[stage]));
    let count = paths.len() as f64;
    println!("level: {}, mean of {} pictures", Level::active(), paths.len());
    for (stage, sum) in ALL.iter().zip(sums) {
        println!("{stage:?}: {:.4} ms", sum / count * 1e3);
    }
    println!("sum: {:.4} ms", sums.iter().sum::<f64>() / count * 1e3);
}
