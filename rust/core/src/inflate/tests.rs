//! Against zlib-rs: all block types and strategies, in pieces of any size, with stops
//! at any byte; and streams that are broken.

use zlib_rs::{
    DeflateConfig, InflateConfig, Method, Strategy, compress_bound, compress_slice,
    decompress_slice,
};

use super::*;

/// Bytes of a simple generator.
pub(crate) struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize
    }

    pub fn below(&mut self, end: usize) -> usize {
        self.next() % end
    }
}

/// Data of many kinds: noise, few symbols, runs, repeats near and far, text.
pub(crate) fn samples() -> Vec<Vec<u8>> {
    let mut random = Random(7);
    let mut all = vec![Vec::new(), vec![7], vec![0; 100_000], b"abc".repeat(30_000)];
    all.push((0..200_000).map(|_| random.next() as u8).collect());
    all.push((0..150_000).map(|_| b"aaaaaaabbbcd"[random.below(12)]).collect());
    // Skewed, so that codes longer than the root table's index occur.
    all.push((0..200_000).map(|_| (random.next().trailing_zeros() * 9) as u8).collect());
    let mut mixed: Vec<u8> = Vec::new();
    while mixed.len() < 300_000 {
        let length = 1 + random.below(400);
        match random.below(4) {
            0 => mixed.extend(std::iter::repeat_n(random.next() as u8, length)),
            1 if mixed.len() > 300 => {
                let back = 1 + random.below(mixed.len().min(32_768));
                for _ in 0..length {
                    mixed.push(mixed[mixed.len() - back]);
                }
            }
            _ => mixed.extend((0..length).map(|_| random.next() as u8)),
        }
    }
    all.push(mixed);
    let words = ["the", "limit", "of", "a", "sequence", "\"texts\": [", "null,\n        "];
    let text: String = (0..60_000).map(|_| words[random.below(words.len())]).collect();
    all.push(text.into_bytes());
    all
}

pub(crate) fn deflate(data: &[u8], level: i32, strategy: Strategy) -> Vec<u8> {
    let config =
        DeflateConfig { level, method: Method::Deflated, window_bits: -15, mem_level: 8, strategy };
    let mut out = vec![0; compress_bound(data.len()) + 1000];
    let (written, _) = compress_slice(&mut out, data, config);
    let length = written.len();
    out.truncate(length);
    out
}

pub(crate) fn all_streams() -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    let kinds = [
        (0, Strategy::Default),
        (1, Strategy::Default),
        (6, Strategy::Default),
        (9, Strategy::Default),
        (6, Strategy::Fixed),
        (6, Strategy::HuffmanOnly),
        (6, Strategy::Rle),
    ];
    samples().into_iter().flat_map(move |data| {
        kinds.map(|(level, strategy)| (deflate(&data, level, strategy), data.clone()))
    })
}

/// Inflates with pieces and limits of the sizes that `choose` gives.
fn inflate_in_pieces(
    stream: &[u8],
    mut choose: impl FnMut() -> usize,
) -> Result<Vec<u8>, (Broken, Vec<u8>)> {
    let mut inflater = Inflater::new();
    let (mut end, mut bit) = (0, 0);
    let mut out = vec![0; WINDOW];
    loop {
        let at = out.len();
        let limit = at + choose();
        out.resize(limit + SLACK, 0xaa);
        let mut history = NoHistory;
        let mut output = Output { out: &mut out, at, limit, guard: WINDOW, history: &mut history };
        // The piece begins where the last one was left, at most 7 bits before.
        let base = bit / 8;
        let mut piece_bit = bit % 8;
        let result = inflater.run(&stream[base..end], &mut piece_bit, base as u64 * 8, &mut output);
        let at = output.at;
        out.truncate(at);
        bit = base * 8 + piece_bit;
        match result {
            Ok(Stop::End) => return Ok(out.split_off(WINDOW)),
            Ok(Stop::Limit) => {}
            Ok(Stop::Input) if end == stream.len() => {
                let broken = Broken { reason: "too short", bit };
                return Err((broken, out.split_off(WINDOW)));
            }
            Ok(Stop::Input) => end = stream.len().min(end + choose()),
            Err(broken) => return Err((broken, out.split_off(WINDOW))),
        }
    }
}

#[test]
fn every_kind_of_stream_whole() {
    for (stream, data) in all_streams() {
        let found = inflate_in_pieces(&stream, || 1 << 20).expect("a right stream");
        assert!(found == data, "{} bytes differ", data.len());
    }
}

#[test]
fn every_kind_of_stream_in_pieces() {
    let mut random = Random(3);
    for (stream, data) in all_streams() {
        for largest in [3000, 70_000] {
            let found = inflate_in_pieces(&stream, || 1 + random.below(largest));
            assert!(found.expect("a right stream") == data, "{} bytes differ", data.len());
        }
        let (stream, data) = (deflate(&data[..data.len().min(3000)], 6, Strategy::Default), data);
        let found = inflate_in_pieces(&stream, || 1).expect("a right stream");
        assert!(found == data[..data.len().min(3000)]);
    }
}

#[test]
fn broken_streams_are_refused_where_zlib_refuses_them() {
    let mut random = Random(11);
    let (mut refused, mut accepted) = (0, 0);
    for (stream, data) in all_streams().filter(|(_, data)| data.len() > 1) {
        for round in 0..60 {
            let mut broken = stream.clone();
            if round % 4 == 0 {
                broken.truncate(random.below(stream.len()));
            } else {
                // The headers' bits are the ones that break in many ways.
                let end = if round % 2 == 0 { stream.len() } else { stream.len().min(120) };
                broken[random.below(end)] ^= 1 << random.below(8);
            }
            let mut expected = vec![0; data.len() * 2 + 100_000];
            let config = InflateConfig { window_bits: -15 };
            let (found, code) = decompress_slice(&mut expected, &broken, config);
            let is_right = code == zlib_rs::ReturnCode::Ok;
            if !is_right && found.len() >= data.len() * 2 + 99_000 {
                continue;
            }
            if let Ok(out) = inflate_in_pieces(&broken, || 40_000) {
                accepted += 1;
                assert!(is_right && out == found, "{} bytes", data.len());
            } else {
                refused += 1;
                assert!(!is_right, "zlib accepts it: {} bytes", data.len());
            }
        }
    }
    assert!(refused > 500 && accepted > 100, "{refused} refused, {accepted} accepted");
}

/// Adds up what is demanded, with a plain window behind it.
struct Logged(Vec<(usize, u8)>);

impl History for Logged {
    fn demand(
        &mut self,
        out: &mut [u8],
        _: usize,
        from: usize,
        length: usize,
    ) -> Result<(), &'static str> {
        self.0.extend((from..from + length).map(|at| (at, out[at])));
        Ok(())
    }
}

#[test]
fn matches_that_reach_before_the_guard_are_told() {
    let (stream, data) = all_streams()
        .filter(|(_, data)| data.len() == 120_000 || data.len() > 290_000)
        .nth(2)
        .expect("one");
    let mut inflater = Inflater::new();
    let mut out = vec![0; WINDOW + data.len() + 1 + SLACK];
    let mut bit = 0;
    let mut history = Logged(Vec::new());
    let half = WINDOW + 50_000;
    let mut output =
        Output { out: &mut out, at: WINDOW, limit: half, guard: WINDOW, history: &mut history };
    assert_eq!(inflater.run(&stream, &mut bit, 0, &mut output), Ok(Stop::Limit));
    assert!(output.history.0.is_empty());
    (output.guard, output.limit) = (half, WINDOW + data.len() + 1);
    assert_eq!(inflater.run(&stream, &mut bit, 0, &mut output), Ok(Stop::End));
    assert!(out[WINDOW..WINDOW + data.len()] == data);
    let before: Vec<_> = history.0.iter().filter(|(at, _)| *at < half).collect();
    assert!(before.len() > 1000);
    assert!(before.iter().all(|(at, byte)| data[at - WINDOW] == *byte && half - at <= WINDOW));
}
