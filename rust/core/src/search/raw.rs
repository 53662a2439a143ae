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

/// Shorter parts of a regular expression are in nearly every record.
const SHORTEST: usize = 3;

/// Finds what may be the pattern.
#[derive(Debug)]
pub(super) struct Prefilter {
    spelled: Regex,
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
        let spelled = RegexBuilder::new(&spelled)
            .case_insensitive(case == Case::Ignored)
            .size_limit(PATTERN_BYTES)
            .build()
            .ok()?;
        Some(Prefilter { spelled, units, escape: memmem::Finder::new(b"\\u") })
    }

    /// The places in `bytes` that may belong to the pattern.
    pub fn candidates<'a>(&'a self, bytes: &'a [u8]) -> Candidates<'a> {
        Candidates { prefilter: self, bytes, spelled: Spelled::NotYet }
    }
}

/// Where the pattern stands next without `\u`, as far as that is known.
enum Spelled {
    NotYet,
    At(usize),
    Nowhere,
}

/// Looks for candidates from left to right.
pub(super) struct Candidates<'a> {
    prefilter: &'a Prefilter,
    bytes: &'a [u8],
    spelled: Spelled,
}

impl Candidates<'_> {
    /// The first place from `at` on, which never goes back.
    pub fn next_from(&mut self, at: usize) -> Option<usize> {
        let Prefilter { spelled, units, escape } = self.prefilter;
        let is_known = match self.spelled {
            Spelled::NotYet => false,
            Spelled::At(place) => place >= at,
            Spelled::Nowhere => true,
        };
        if !is_known {
            let found = spelled.find_at(self.bytes, at);
            self.spelled = found.map_or(Spelled::Nowhere, |found| Spelled::At(found.start()));
        }
        let spelled = match self.spelled {
            Spelled::At(place) => Some(place),
            _ => None,
        };
        let rest = self.bytes.get(at..spelled.unwrap_or(self.bytes.len()))?;
        let escaped = escape.find_iter(rest).find(|&place| {
            let digits = rest.get(place + 2..place + 6);
            digits.and_then(code_unit).is_some_and(|unit| units.binary_search(&unit).is_ok())
        });
        escaped.map(|place| at + place).or(spelled)
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
