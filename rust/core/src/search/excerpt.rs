//! The text around a match. Knows no JSON.

use std::ops::Range;

/// So many characters before and after a match are shown.
const AROUND: usize = 60;
/// Of a longer match only the beginning is shown.
const MATCH: usize = 200;
const CUT: &str = "…";

/// A part of a text, and where in it the match is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// The text, with an ellipsis where it is cut.
    pub text: String,
    /// The match, in characters (code points) of `text`.
    pub found: Range<usize>,
}

impl Excerpt {
    pub(super) fn of(text: &[u8], found: Range<usize>) -> Excerpt {
        let start = back(text, found.start, AROUND);
        let end = forth(text, found.start, found.end, MATCH);
        let stop = if end < found.end { end } else { forth(text, end, text.len(), AROUND) };
        let mut shown = String::new();
        if start > 0 {
            shown.push_str(CUT);
        }
        shown.push_str(&String::from_utf8_lossy(&text[start..found.start]));
        let first = shown.chars().count();
        shown.push_str(&String::from_utf8_lossy(&text[found.start..end]));
        let last = shown.chars().count();
        shown.push_str(&String::from_utf8_lossy(&text[end..stop]));
        if stop < text.len() {
            shown.push_str(CUT);
        }
        Excerpt { text: shown, found: first..last }
    }
}

/// Whether a character may begin with this byte.
fn begins(byte: u8) -> bool {
    byte & 0xc0 != 0x80
}

/// The place of the character that is `count` characters before `at`, or the beginning.
fn back(text: &[u8], at: usize, count: usize) -> usize {
    let starts = (0..at).rev().filter(|&place| begins(text[place]));
    starts.take(count).last().unwrap_or(at)
}

/// The place after `count` characters from `at` on, or `limit`.
fn forth(text: &[u8], at: usize, limit: usize, count: usize) -> usize {
    (at..limit).filter(|&place| begins(text[place])).nth(count).unwrap_or(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        let text = format!("{}NEEDLE{}", "é".repeat(100), "漢".repeat(100));
        let start = text.find("NEEDLE").expect("it is there");
        let excerpt = Excerpt::of(text.as_bytes(), start..start + 6);
        assert_eq!(excerpt.text, format!("…{}NEEDLE{}…", "é".repeat(60), "漢".repeat(60)));
        assert_eq!(excerpt.found, 61..67);
        let excerpt = Excerpt::of("a needle".as_bytes(), 2..8);
        assert_eq!((excerpt.text.as_str(), excerpt.found), ("a needle", 2..8));
        let long = "x".repeat(1000);
        let excerpt = Excerpt::of(long.as_bytes(), 0..1000);
        assert_eq!((excerpt.text.chars().count(), excerpt.found), (201, 0..200));
        let excerpt = Excerpt::of(b"\xffab\xff", 1..3);
        assert_eq!((excerpt.text.as_str(), excerpt.found), ("\u{fffd}ab\u{fffd}", 1..3));
    }
}
