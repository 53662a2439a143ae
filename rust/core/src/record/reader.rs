//! Reads JSON from left to right, one token after another, and checks all of it. The
//! dialect is that of Python's `json.loads`: NaN and the infinities are numbers.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::ops::Range;

use textbook_simd::Level;

use super::Fault;
use super::fields::skip_value;
use super::text::{Text, read_text};
use crate::error::{Error, Result};

/// A value that is no string, list or object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Scalar<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number<'a>),
}

/// A number as Python's json module tells them apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number<'a> {
    /// An integer that fits.
    Int(i64),
    /// An integer that does not: its digits, perhaps with a minus sign.
    BigInt(&'a str),
    /// A number with a fraction or an exponent, correctly rounded, or one of NaN,
    /// Infinity and -Infinity.
    Float(f64),
}

/// A place in a record.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    level: Level,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(level: Level, bytes: &'a [u8]) -> Reader<'a> {
        Reader { level, bytes, at: 0 }
    }

    pub(super) fn of_value(bytes: &'a [u8], range: Range<usize>) -> Reader<'a> {
        let bytes = bytes.get(..range.end).unwrap_or(bytes);
        Reader { level: Level::active(), bytes, at: range.start }
    }

    /// A reader of JSON that is no record: of what a string holds.
    #[must_use]
    pub fn of_bytes(bytes: &'a [u8]) -> Reader<'a> {
        Reader::new(Level::active(), bytes)
    }

    /// The next byte's place in the record.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.at
    }

    pub(super) fn go_to(&mut self, at: usize) {
        self.at = at;
    }

    /// The next byte, if there is one.
    #[must_use]
    pub fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Passes over white space.
    #[inline]
    pub fn skip_space(&mut self) {
        while self.peek().is_some_and(|byte| byte <= b' ') {
            match self.peek() {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at = self.at.saturating_add(1),
                _ => return,
            }
            self.skip_indentation();
        }
    }

    /// Passes over spaces, eight at a time.
    #[inline]
    fn skip_indentation(&mut self) {
        const SPACES: u64 = u64::from_ne_bytes([b' '; 8]);
        while let Some(next) = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk) {
            let others = u64::from_le_bytes(*next) ^ SPACES;
            let spaces = others.trailing_zeros() as usize / 8;
            self.at = self.at.saturating_add(spaces);
            if spaces < 8 {
                return;
            }
        }
    }

    /// Passes over `byte`, if it is the next one.
    #[inline]
    pub fn eat(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at = self.at.saturating_add(usize::from(is_next));
        is_next
    }

    pub(super) fn expect(&mut self, byte: u8, reason: &str) -> std::result::Result<(), Fault> {
        if self.eat(byte) { Ok(()) } else { Err(self.unexpected(reason)) }
    }

    pub(super) fn expect_end(&mut self, reason: &str) -> std::result::Result<(), Fault> {
        if self.at >= self.bytes.len() { Ok(()) } else { Err(self.unexpected(reason)) }
    }

    fn unexpected(&self, reason: &str) -> Fault {
        let found = match self.peek() {
            None => "the end".to_owned(),
            Some(b'"') => "a string".to_owned(),
            Some(byte) => format!("'{}'", byte.escape_ascii()),
        };
        Fault::new(self.at, format!("{reason}, found {found}"))
    }

    /// An error at the next byte: what was expected there, and what there is.
    #[must_use]
    pub fn error(&self, expected: &str) -> Error {
        self.unexpected(expected).into()
    }

    /// The end of what is read, after white space; anything else is an error.
    pub fn end(&mut self) -> Result<()> {
        self.skip_space();
        Ok(self.expect_end("expected nothing after the value")?)
    }

    /// The string that begins at the next byte.
    pub fn text(&mut self) -> Result<Text<'a>> {
        Ok(self.string("expected a string")?)
    }

    /// Passes over a string, if it is the next one, and says whether it was. `plain`: its
    /// bytes, as [`Text::plain`] gives them.
    #[inline]
    pub fn eat_plain_string(&mut self, plain: &[u8]) -> bool {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let after = rest.strip_prefix(b"\"").and_then(|rest| rest.strip_prefix(plain));
        let is_next = after.is_some_and(|after| after.first() == Some(&b'"'));
        if is_next {
            self.at = self.at.saturating_add(plain.len()).saturating_add(2);
        }
        is_next
    }

    /// The key that begins at the next byte.
    pub(super) fn key(&mut self) -> std::result::Result<Text<'a>, Fault> {
        self.string("expected a key in quotes")
    }

    fn string(&mut self, reason: &str) -> std::result::Result<Text<'a>, Fault> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected(reason));
        }
        let (text, end) = read_text(self.level, self.bytes, self.at)?;
        self.at = end;
        Ok(text)
    }

    /// The string that begins at the next byte, or `None` for null.
    pub fn nullable_text(&mut self) -> Result<Option<Text<'a>>> {
        if self.peek() != Some(b'n') {
            return Ok(Some(self.string("expected a string or null")?));
        }
        let before = self.clone();
        match self.simple()? {
            Scalar::Null => Ok(None),
            _ => Err(before.error("expected a string or null")),
        }
    }

    /// Passes over the value that begins at the next byte. What lists and objects hold is
    /// not looked at.
    pub fn skip_value(&mut self) -> Result<()> {
        Ok(skip_value(self.level, self.bytes, self)?)
    }

    /// Hands each item of the list that begins at the next byte to `item`, which has to
    /// pass over it. `expected` is what the error says where there is no list.
    pub fn each_item(
        &mut self,
        expected: &str,
        mut item: impl FnMut(usize, &mut Self) -> Result<()>,
    ) -> Result<()> {
        self.expect(b'[', expected)?;
        self.skip_space();
        if self.eat(b']') {
            return Ok(());
        }
        for number in 0.. {
            self.skip_space();
            item(number, self)?;
            self.skip_space();
            if !self.eat(b',') {
                break;
            }
        }
        Ok(self.expect(b']', "expected ',' or ']' after a list's value")?)
    }

    /// Hands each key of the object that begins at the next byte, and the reader at its
    /// value, to `field`, which has to pass over the value.
    pub fn each_field(
        &mut self,
        expected: &str,
        mut field: impl FnMut(Text<'a>, &mut Self) -> Result<()>,
    ) -> Result<()> {
        self.expect(b'{', expected)?;
        self.skip_space();
        if self.eat(b'}') {
            return Ok(());
        }
        loop {
            self.skip_space();
            let key = self.key()?;
            self.skip_space();
            self.expect(b':', "expected ':' after a key")?;
            self.skip_space();
            field(key, self)?;
            self.skip_space();
            if !self.eat(b',') {
                break;
            }
        }
        Ok(self.expect(b'}', "expected ',' or '}' after a value")?)
    }

    /// The number or word that begins at the next byte.
    pub fn simple(&mut self) -> Result<Scalar<'a>> {
        Ok(self.scalar()?)
    }

    pub(super) fn scalar(&mut self) -> std::result::Result<Scalar<'a>, Fault> {
        const WORDS: [(&[u8], Scalar<'static>); 5] = [
            (b"true", Scalar::Bool(true)),
            (b"false", Scalar::Bool(false)),
            (b"NaN", Scalar::Number(Number::Float(f64::NAN))),
            (b"Infinity", Scalar::Number(Number::Float(f64::INFINITY))),
            (b"-Infinity", Scalar::Number(Number::Float(f64::NEG_INFINITY))),
        ];
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if rest.starts_with(b"null") {
            self.at = self.at.saturating_add(4);
            return Ok(Scalar::Null);
        }
        // Digits are no word's beginning.
        if !rest.first().is_some_and(u8::is_ascii_digit) {
            for (word, value) in WORDS {
                if rest.starts_with(word) {
                    self.at = self.at.saturating_add(word.len());
                    return Ok(value);
                }
            }
        }
        let (length, is_float) = number_length(rest);
        let digits = rest.get(..length).and_then(|digits| str::from_utf8(digits).ok());
        let Some(digits) = digits.filter(|digits| !digits.is_empty()) else {
            return Err(self.unexpected("expected a value"));
        };
        self.at = self.at.saturating_add(length);
        if is_float {
            return Ok(Scalar::Number(Number::Float(digits.parse().unwrap_or(f64::NAN))));
        }
        Ok(Scalar::Number(digits.parse().map_or(Number::BigInt(digits), Number::Int)))
    }
}

/// How long the number is that `bytes` begin with, 0 where they begin with none, and
/// whether it has a fraction or an exponent (RFC 8259 section 6). As json.loads does,
/// it takes the longest number there is: what follows is another's error.
fn number_length(bytes: &[u8]) -> (usize, bool) {
    let digits = |from: usize| {
        let rest = bytes.get(from..).unwrap_or_default();
        rest.iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let sign = usize::from(bytes.first() == Some(&b'-'));
    let whole = match bytes.get(sign) {
        Some(b'0') => 1,
        _ => digits(sign),
    };
    if whole == 0 {
        return (0, false);
    }
    let mut length = sign.saturating_add(whole);
    let mut is_float = false;
    let fraction = digits(length.saturating_add(1));
    if bytes.get(length) == Some(&b'.') && fraction > 0 {
        length = length.saturating_add(fraction).saturating_add(1);
        is_float = true;
    }
    if let Some(b'e' | b'E') = bytes.get(length) {
        let signed = matches!(bytes.get(length.saturating_add(1)), Some(b'+' | b'-'));
        let start = length.saturating_add(1).saturating_add(usize::from(signed));
        let exponent = digits(start);
        if exponent > 0 {
            length = start.saturating_add(exponent);
            is_float = true;
        }
    }
    (length, is_float)
}
