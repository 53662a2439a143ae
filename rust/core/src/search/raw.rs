//! Where in a record's bytes a pattern may be: looked for as bytes, without reading the
//! JSON. It finds all records that hold the pattern, and some that do not.
//!
//! JSON has several spellings of one character: itself, a short escape (`\n`, `\/`), and
//! `\uXXXX`. The first two are put into a regular expression over the raw bytes. For the
//! last, every `\uXXXX` whose code unit could be a part of the pattern counts as found:
//! writers escape what they have to, so that is rare where it is not the pattern.

use memchr::memmem;
use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::literal::{ExtractKind, Extractor};
use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange, Hir, HirKind};

use super::{Case, PATTERN_BYTES};

/// The pattern and the escapes are looked for in so many bytes by turns, so that the second
/// look finds them in the cache.
const BLOCK: usize = 128 << 10;
/// Shorter parts of a regular expression are in nearly every record.
const SHORTEST: usize = 3;

/// Finds what may be the pattern.
#[derive(Debug)]
pub(super) struct Prefilter {
    spelled: Regex,
    /// No spelling without `\u` has more bytes.
    longest: usize,
    /// The code units of all characters that the pattern needs, sorted.
    units: Vec<u16>,
    escape: memmem::Finder<'static>,
}

impl Prefilter {
    /// For a text that has to be found as it stands. An empty one is everywhere.
    pub fn of_literal(text: &str, case: Case) -> Option<Prefilter> {
        Prefilter::new(&[text], case)
    }

    /// For a regular expression whose matches all hold one of a few literals, wherever.
    pub fn of_regex(pattern: &str, case: Case) -> Option<Prefilter> {
        let mut parser = ParserBuilder::new().case_insensitive(case == Case::Ignored).build();
        let mut sets = Vec::new();
        collect_required(&parser.parse(pattern).ok()?, &mut sets);
        // The longer the shortest literal of a set, the fewer records hold any of them.
        let length = |set: &Vec<String>| set.iter().map(String::len).min().unwrap_or(0);
        sets.sort_by_key(|set| (std::cmp::Reverse(length(set)), set.len()));
        let best = sets.first().filter(|set| length(set) >= SHORTEST)?;
        let literals: Vec<&str> = best.iter().map(String::as_str).collect();
        // The literals come in all their cases.
        Prefilter::new(&literals, Case::Sensitive)
    }

    fn new(literals: &[&str], case: Case) -> Option<Prefilter> {
        let mut spelled = String::new();
        let mut units = Vec::new();
        for (number, literal) in literals.iter().enumerate() {
            if literal.is_empty() {
                return None;
            }
            if number > 0 {
                spelled.push('|');
            }
            for character in literal.chars() {
                push_spelling(&mut spelled, character)?;
                push_units(&mut units, character, case);
            }
        }
        units.sort_unstable();
        units.dedup();
        let mut parser = ParserBuilder::new().case_insensitive(case == Case::Ignored).build();
        let longest = parser.parse(&spelled).ok()?.properties().maximum_len()?;
        let spelled = RegexBuilder::new(&spelled)
            .case_insensitive(case == Case::Ignored)
            .size_limit(PATTERN_BYTES)
            .build()
            .ok()?;
        Some(Prefilter { spelled, longest, units, escape: memmem::Finder::new(b"\\u") })
    }

    /// The places in `bytes` that may belong to the pattern.
    pub fn candidates<'a>(&'a self, bytes: &'a [u8]) -> Candidates<'a> {
        Candidates { prefilter: self, bytes, plain: 0, is_found: false }
    }
}

/// Sets of literals, of each of which every match holds one: at its begin, at its end, and
/// at those of parts that it has to have.
fn collect_required(expression: &Hir, sets: &mut Vec<Vec<String>>) {
    for kind in [ExtractKind::Prefix, ExtractKind::Suffix] {
        let found = Extractor::new().kind(kind.clone()).extract(expression);
        let texts = found.literals().unwrap_or_default().iter();
        let texts = texts.map(|literal| String::from_utf8(literal.as_bytes().to_vec()));
        sets.extend(texts.collect::<Result<Vec<_>, _>>().ok().filter(|set| !set.is_empty()));
    }
    match expression.kind() {
        HirKind::Capture(capture) => collect_required(&capture.sub, sets),
        HirKind::Repetition(repetition) if repetition.min > 0 => {
            collect_required(&repetition.sub, sets);
        }
        HirKind::Concat(parts) => parts.iter().for_each(|part| collect_required(part, sets)),
        _ => {}
    }
}

/// Looks for candidates from left to right.
pub(super) struct Candidates<'a> {
    prefilter: &'a Prefilter,
    bytes: &'a [u8],
    /// Before this place, from where it was looked on, the pattern is nowhere without `\u`;
    /// there it may begin.
    plain: usize,
    /// It does begin there.
    is_found: bool,
}

impl Candidates<'_> {
    /// The first place from `at` on, which never goes back.
    pub fn next_from(&mut self, mut at: usize) -> Option<usize> {
        while at < self.bytes.len() {
            let stop = (at / BLOCK + 1).saturating_mul(BLOCK).min(self.bytes.len());
            self.look_for_spelled(at, stop);
            let found = (self.is_found && self.plain < stop).then_some(self.plain);
            if let Some(escaped) = self.find_escape(at, found.unwrap_or(stop)) {
                return Some(escaped);
            }
            if found.is_some() {
                return found;
            }
            at = stop;
        }
        None
    }

    /// Makes `plain` known up to `stop`.
    fn look_for_spelled(&mut self, at: usize, stop: usize) {
        if self.plain >= at && (self.is_found || self.plain >= stop) {
            return;
        }
        let start = self.plain.max(at);
        let end = stop.saturating_add(self.prefilter.longest).min(self.bytes.len());
        let found = self.prefilter.spelled.find_at(&self.bytes[..end], start);
        let place = found.map(|found| found.start()).filter(|&place| place < stop);
        (self.plain, self.is_found) = (place.unwrap_or(stop), place.is_some());
    }

    /// The first escape from `at` to `stop` that may be a part of the pattern.
    fn find_escape(&self, at: usize, stop: usize) -> Option<usize> {
        let Prefilter { units, escape, .. } = self.prefilter;
        // An escape that begins before `stop` is looked at whole.
        let rest = self.bytes.get(at..(stop + 5).min(self.bytes.len()))?;
        let is_of_pattern = |place: &usize| {
            if *place >= stop - at {
                return false;
            }
            let digits = rest.get(place + 2..place + 6);
            digits.and_then(code_unit).is_some_and(|unit| units.binary_search(&unit).is_ok())
        };
        escape.find_iter(rest).find(is_of_pattern).map(|place| at + place)
    }
}

fn code_unit(digits: &[u8]) -> Option<u16> {
    u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

/// Appends how JSON spells a character without `\u`, as a regular expression; `None`
/// where it cannot.
fn push_spelling(to: &mut String, character: char) -> Option<()> {
    match character {
        '"' => to.push_str(r#"\\""#),
        '\\' => to.push_str(r"\\\\"),
        '/' => to.push_str(r"\\?/"),
        '\u{8}' => to.push_str(r"\\b"),
        '\u{c}' => to.push_str(r"\\f"),
        '\n' => to.push_str(r"\\n"),
        '\r' => to.push_str(r"\\r"),
        '\t' => to.push_str(r"\\t"),
        '\0'..' ' => return None,
        _ => to.push_str(&regex::escape(character.encode_utf8(&mut [0; 4]))),
    }
    Some(())
}

fn push_units(units: &mut Vec<u16>, character: char, case: Case) {
    let mut class = ClassUnicode::new([ClassUnicodeRange::new(character, character)]);
    if case == Case::Ignored {
        // Fails only where the tables are left out of the build.
        let _ = class.try_case_fold_simple();
    }
    for range in class.ranges() {
        for spelled in range.start()..=range.end() {
            units.extend_from_slice(spelled.encode_utf16(&mut [0; 2]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_have_no_borders() {
        let needle = "needle \u{e9}/";
        for place in (BLOCK - 20..BLOCK + 20).chain(2 * BLOCK - 20..2 * BLOCK + 20) {
            for (spelling, offset) in [("needle \u{e9}\\/", 0), ("needl\\u0065 x", 5)] {
                let mut bytes = vec![b'.'; 3 * BLOCK];
                bytes[place..place + spelling.len()].copy_from_slice(spelling.as_bytes());
                let prefilter = Prefilter::of_literal(needle, Case::Sensitive).expect("one");
                for at in [0, BLOCK - 7, place] {
                    let found = prefilter.candidates(&bytes).next_from(at);
                    assert_eq!(found, Some(place + offset).filter(|&found| found >= at), "{place}");
                }
                let mut candidates = prefilter.candidates(&bytes);
                let found = candidates.next_from(0).expect("it is there");
                assert_eq!(candidates.next_from(found + spelling.len()), None);
            }
        }
    }

    #[test]
    fn a_regular_expression_is_looked_for_by_the_literals_that_it_needs() {
        let is_there = |pattern: &str, text: &str| {
            let prefilter = Prefilter::of_regex(pattern, Case::Sensitive).expect(pattern);
            prefilter.candidates(text.as_bytes()).next_from(0).is_some()
        };
        for (pattern, with, without) in [
            (r"\w+ theorem", "a theorem", "a theory"),
            (r"\d+(cats|dogs)\d+", "1dogs2", "1 dog 2"),
            (r"(?:[a-z]{2} valley)+[.!]", "the valley.", "the alley."),
            (r"^(\w+) and (\w+)$", "this and that", "this or that"),
            (r"\bla(st|te)\b", "too late", "too long"),
        ] {
            assert!(is_there(pattern, with) && !is_there(pattern, without), "{pattern}");
        }
        for pattern in [r"\w+", r"(theorem)?\d", r"theorem|\d+", r"[ab]c", r"(valley)*x"] {
            assert!(Prefilter::of_regex(pattern, Case::Sensitive).is_none(), "{pattern}");
        }
    }
}
