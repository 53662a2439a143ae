//! Files of the dataset's real proportions: samples of about 18 to 20 kB with about
//! 10.7 images, as `json.dump` writes them. Measures nothing.

use std::fs::File;
use std::io::{BufWriter, Result, Write};
use std::path::Path;

/// How the file is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// `json.dump(..., ensure_ascii=False, indent=4)`, as the dataset is.
    Indented,
    /// No white space at all.
    Compact,
    /// One object on each line.
    Lines,
}

impl Style {
    pub const ALL: [Style; 3] = [Style::Indented, Style::Compact, Style::Lines];

    pub fn name(self) -> &'static str {
        match self {
            Style::Indented => "indented",
            Style::Compact => "compact",
            Style::Lines => "lines",
        }
    }
}

/// splitmix64: the same file on every machine.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) % bound
    }

    fn place(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("below a usize")
    }
}

const WORDS: [&str; 40] = [
    "the",
    "of",
    "angle",
    "force",
    "we",
    "can",
    "see",
    "that",
    "function",
    "so",
    "vector",
    "equation",
    "is",
    "equal",
    "to",
    "energy",
    "triangle",
    "a",
    "derivative",
    "in",
    "matrix",
    "this",
    "acceleration",
    "and",
    "its",
    "value",
    "momentum",
    "at",
    "point",
    "x",
    "über",
    "λ",
    "two",
    "three",
    "sum",
    "you",
    "have",
    "here",
    "中文",
    "now",
];

fn words(numbers: &mut Numbers, count: u64, is_ocr: bool, out: &mut String) {
    for word in 0..count {
        // OCR has lines, quotes and formulas; both are escaped in JSON.
        let separator = match (is_ocr, numbers.below(64)) {
            _ if word == 0 => "",
            (true, 0..=7) => "\\n",
            (true, 8) => " \\\"x\\\" ",
            (true, 9) => " \\\\frac{1}{2} [a, b] ",
            (_, 10) => ", ",
            (_, 11) => ". ",
            _ => " ",
        };
        out.push_str(separator);
        out.push_str(WORDS[numbers.place(WORDS.len())]);
    }
}

/// A list's items, in the style's white space.
fn list(name: &str, items: &[String], style: Style, out: &mut String) {
    let (key, item, end) = match style {
        Style::Indented => ("\n        ", "\n            ", "\n        "),
        Style::Compact | Style::Lines => ("", "", ""),
    };
    let colon = if style == Style::Compact { ":" } else { ": " };
    out.push_str(key);
    out.push_str(&format!("\"{name}\"{colon}["));
    for (number, value) in items.iter().enumerate() {
        if number > 0 {
            out.push_str(if style == Style::Lines { ", " } else { "," });
        }
        out.push_str(item);
        out.push_str(value);
    }
    out.push_str(end);
    out.push_str("],");
    out.push_str(if style == Style::Lines { " " } else { "" });
}

fn sample(numbers: &mut Numbers, style: Style, out: &mut String) {
    let vid: String = (0..11)
        .map(|_| char::from(b"abcdefghijkmABCDEFGHJKLMN0123456789-_"[numbers.place(37)]))
        .collect();
    let [mut images, mut texts, mut ocr, mut metadata] = [const { Vec::new() }; 4];
    let mut seconds = 0.0;
    for number in 0..numbers.below(14) + 4 {
        let images_here = 1 + u64::from(numbers.below(5) == 0);
        for _ in 0..images_here {
            let path = format!(
                "\"/mnt/workspace/zwq_data/interleaved_dataset/dataset_images_interval_7/{vid}/\
                 {vid}@{seconds:?}_{:?}#{}.jpg\"",
                seconds + 21.04,
                number + 1
            );
            images.push(path);
            texts.push("null".to_owned());
            ocr.push("null".to_owned());
            metadata.push(format!("{{\"vid\":\"{vid}\",\"refined\":true}}"));
        }
        seconds += 21.04;
        let mut text = String::from("\"");
        let count = 90 + numbers.below(90);
        words(numbers, count, false, &mut text);
        let mut both = text.clone();
        both.push_str("\\n");
        words(numbers, 40, true, &mut both);
        text.push('"');
        both.push('"');
        images.push("null".to_owned());
        texts.push(text);
        ocr.push(both);
        metadata.push("null".to_owned());
    }
    out.push('{');
    for (name, items) in
        [("images", &images), ("texts", &texts), ("text_ocr_list", &ocr), ("metadata", &metadata)]
    {
        list(name, items, style, out);
    }
    let numbers = [("image_num", 10), ("text_num", 1927), ("token_num", 8090)];
    for (place, (name, value)) in numbers.into_iter().enumerate() {
        let (key, colon) = match style {
            Style::Indented => ("\n        ", ": "),
            Style::Compact => ("", ":"),
            Style::Lines => ("", ": "),
        };
        let comma = if place < 2 { "," } else { "" };
        out.push_str(&format!("{key}\"{name}\"{colon}{value}{comma}"));
    }
    out.push_str(if style == Style::Indented { "\n    }" } else { "}" });
}

/// Writes a file of at least `bytes` bytes, and says how many samples are in it.
pub fn write(path: &Path, style: Style, bytes: u64) -> Result<u64> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let mut numbers = Numbers(20_250_101);
    let mut text = String::new();
    let (mut written, mut count) = (0u64, 0);
    while written < bytes {
        text.clear();
        text.push_str(match (style, count) {
            (Style::Indented, 0) => "[\n    ",
            (Style::Indented, _) => ",\n    ",
            (Style::Compact, 0) => "[",
            (Style::Compact, _) => ",",
            (Style::Lines, 0) => "",
            (Style::Lines, _) => "\n",
        });
        sample(&mut numbers, style, &mut text);
        file.write_all(text.as_bytes())?;
        written += text.len() as u64;
        count += 1;
    }
    file.write_all(match style {
        Style::Indented => b"\n]",
        Style::Compact => b"]",
        Style::Lines => b"\n",
    })?;
    file.into_inner()?.sync_all()?;
    Ok(count)
}
