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
use regex_syntax::hir::literal::Extractor;
use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};

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

    /// For a regular expression whose matches all begin with one of a few literals.
    pub fn of_regex(pattern: &str, case: Case) -> Option<Prefilter> {
        let mut parser = ParserBuilder::new().case_insensitive(case == Case::Ignored).build();
        let prefixes = Extractor::new().extract(&parser.parse(pattern).ok()?);
        let literals =
            prefixes.literals()?.iter().map(|literal| str::from_utf8(literal.as_bytes()));
        let literals = literals.collect::<Result<Vec<_>, _>>().ok()?;
        let are_long = !literals.is_empty() && literals.iter().all(|text| text.len() >= SHORTEST);
        // The literals come in all their cases.
        if are_long { Prefilter::new(&literals, Case::Sensitive) } else { None }
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
}
