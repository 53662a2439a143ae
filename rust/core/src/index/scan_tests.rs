//! Every level against the definition, and the definition against a reader that
//! goes byte by byte.

use textbook_simd::Level;

use super::scan::{Fault, Gap, State, scan};

/// The obvious way: one byte, one step.
fn plainly(text: &[u8]) -> Result<(State, Vec<u64>), Fault> {
    let mut state = State::START;
    let mut starts = Vec::new();
    for (at, &byte) in text.iter().enumerate() {
        let place = at as u64;
        if state.depth >= 2 {
            // A backslash takes the meaning of a quote or a backslash after it. Outside
            // of strings there is none in valid JSON, and brackets are counted all the same.
            let escaped = std::mem::take(&mut state.escaped);
            if byte == b'\\' {
                state.escaped = !escaped;
            } else if byte == b'"' {
                state.in_string ^= !escaped;
            } else if !state.in_string && (byte == b'{' || byte == b'[') {
                state.depth += 1;
            } else if !state.in_string && (byte == b'}' || byte == b']') {
                state.depth -= 1;
                if state.depth == 1 {
                    state.gap = Gap::AfterRecord;
                    if byte != b'}' {
                        return Err(Fault { offset: place, gap: state.gap, found: byte });
                    }
                    state.last_end = place + 1;
                }
            }
            continue;
        }
        match (byte, state.gap) {
            (b' ' | b'\n' | b'\r' | b'\t', _) => {}
            (b'[', Gap::BeforeArray) => {
                state = State { depth: 1, gap: Gap::BeforeFirst, last_end: place + 1, ..state };
            }
            (b',', Gap::AfterRecord) => state.gap = Gap::AfterComma,
            (b']', Gap::BeforeFirst | Gap::AfterRecord) => {
                state = State { depth: 0, gap: Gap::AfterArray, ..state };
            }
            (b'{', Gap::BeforeFirst | Gap::AfterComma) => {
                starts.push(place);
                state.depth = 2;
            }
            (found, gap) => return Err(Fault { offset: place, gap, found }),
        }
    }
    Ok((state, starts))
}

fn in_pieces(level: Level, text: &[u8], splits: &[usize]) -> Result<(State, Vec<u64>), Fault> {
    let mut state = State::START;
    let mut starts = Vec::new();
    let mut from = 0;
    for &to in splits.iter().chain([&text.len()]) {
        scan(level, &text[from..to], from as u64, &mut state, &mut starts)?;
        from = to;
    }
    Ok((state, starts))
}

/// A small generator of numbers (splitmix64), so that a failure has a seed.
pub(crate) struct Numbers(pub u64);

impl Numbers {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ z >> 31) % bound as u64).expect("below a usize")
    }
}

/// Text made of what matters to the scan, in any order: mostly not JSON.
fn soup(numbers: &mut Numbers) -> Vec<u8> {
    let mut text = Vec::new();
    if numbers.below(4) > 0 {
        text.extend_from_slice(b"[{");
    }
    for _ in 0..numbers.below(200) {
        let pieces: [&[u8]; 22] = [
            b"{",
            b"}",
            b"[",
            b"]",
            b"\"",
            b"\\",
            b"\\\\",
            b"\\\"",
            b",",
            b" ",
            b"\n",
            b"a",
            b"},{",
            b"\"{[\"",
            b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            b"\\\\\\\\\\\\\\\\\\",
            &[b'x'; 150],
            &[b' '; 300],
            &[b'\\'; 127],
            &[b'\\'; 128],
            b"[[[[{{{{",
            b"}}}}]]]]",
        ];
        text.extend_from_slice(pieces[numbers.below(pieces.len())]);
    }
    text
}

#[test]
fn every_level_equals_the_plain_reader_on_any_bytes_in_any_pieces() {
    let levels: Vec<_> = Level::available().collect();
    for seed in 0..30_000 {
        let mut numbers = Numbers(seed);
        let text = soup(&mut numbers);
        let expected = plainly(&text);
        let mut splits: Vec<_> =
            (0..numbers.below(4)).map(|_| numbers.below(text.len() + 1)).collect();
        splits.sort_unstable();
        for &level in &levels {
            assert_eq!(in_pieces(level, &text, &splits), expected, "seed {seed}, {level}");
        }
    }
}

#[test]
fn every_split_position_gives_the_same() {
    let text = br#" [{"a": "x\\\"}]", "b": [[1, {"c": "\\"}], 2]}, {}, {"d": "e\"f"} ,{"g":{}}] "#;
    let expected = plainly(text);
    assert_eq!(expected.as_ref().map(|(_, starts)| starts.len()), Ok(4));
    for level in Level::available() {
        for first in 0..=text.len() {
            for second in first..=text.len() {
                assert_eq!(in_pieces(level, text, &[first, second]), expected);
            }
        }
    }
}

#[test]
fn what_cannot_stand_between_records_is_named() {
    for (text, offset, found, gap) in [
        (&b"{}"[..], 0, b'{', Gap::BeforeArray),
        (b"[1]", 1, b'1', Gap::BeforeFirst),
        (b"[{} {}]", 4, b'{', Gap::AfterRecord),
        (b"[{},]", 4, b']', Gap::AfterComma),
        (b"[{},,{}]", 4, b',', Gap::AfterComma),
        (b"[{}, \"a\"]", 5, b'"', Gap::AfterComma),
        (b"[{}] x", 5, b'x', Gap::AfterArray),
        (b"[{]", 2, b']', Gap::AfterRecord),
    ] {
        for level in Level::available() {
            let fault = in_pieces(level, text, &[]).expect_err("not a list of objects");
            assert_eq!(fault, Fault { offset, gap, found });
        }
    }
}

#[test]
fn brackets_by_the_hundred_thousand_are_only_counted() {
    let mut text = b"[{\"a\":".to_vec();
    text.extend(std::iter::repeat_n(b'[', 100_000));
    text.extend(std::iter::repeat_n(b']', 100_000));
    text.extend_from_slice(b"}, {}]");
    for level in Level::available() {
        let (state, starts) = in_pieces(level, &text, &[]).expect("balanced");
        assert_eq!((state.depth, starts.len()), (0, 2));
    }
}
