//! JSON by recursive descent, a byte at a time, with what Python's json.loads takes: the
//! words NaN and Infinity, any number, lone surrogates as escapes. The definition that the
//! project's parsers are held against.

use std::ops::Range;

/// Where the parser stands, and how deep.
pub struct Plain<'a> {
    bytes: &'a [u8],
    pub at: usize,
    depth: usize,
}

/// A key, resolved as far as it is plain, and the range of its value.
pub type Member = (Option<String>, Range<usize>);

impl<'a> Plain<'a> {
    pub fn new(bytes: &'a [u8]) -> Plain<'a> {
        Plain { bytes, at: 0, depth: 0 }
    }

    pub fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub fn eat(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    pub fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// Whether nothing but space is left.
    pub fn is_end(&mut self) -> bool {
        self.space();
        self.peek().is_none()
    }

    /// Members of an object, or the values of an array: `one` reads one of them.
    pub fn list(
        &mut self,
        (open, close): (u8, u8),
        mut one: impl FnMut(&mut Plain<'a>) -> Option<()>,
    ) -> Option<()> {
        self.eat(open)?;
        self.depth += 1;
        if self.depth > textbook_core::record::MAX_DEPTH {
            return None;
        }
        self.space();
        if self.eat(close).is_none() {
            loop {
                self.space();
                one(self)?;
                self.space();
                if self.eat(close).is_some() {
                    break;
                }
                self.eat(b',')?;
            }
        }
        self.depth -= 1;
        Some(())
    }

    pub fn object(&mut self) -> Option<Vec<Member>> {
        let mut members = Vec::new();
        self.list((b'{', b'}'), |plain| {
            let key = plain.string()?;
            plain.space();
            plain.eat(b':')?;
            plain.space();
            let start = plain.at;
            plain.value()?;
            members.push((key, start..plain.at));
            Some(())
        })?;
        Some(members)
    }

    pub fn value(&mut self) -> Option<()> {
        match self.peek()? {
            b'{' => self.object().map(|_| ()),
            b'[' => self.list((b'[', b']'), Plain::value),
            b'"' => self.string().map(|_| ()),
            _ => self.scalar(),
        }
    }

    /// A string; its text where it has no escapes.
    fn string(&mut self) -> Option<Option<String>> {
        self.eat(b'"')?;
        let start = self.at;
        let mut has_escapes = false;
        loop {
            match self.peek()? {
                b'"' => break,
                0..0x20 => return None,
                b'\\' => {
                    has_escapes = true;
                    self.at += 1;
                    match self.peek()? {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 1,
                        b'u' => {
                            let digits = self.bytes.get(self.at + 1..self.at + 5)?;
                            digits.iter().all(u8::is_ascii_hexdigit).then(|| self.at += 5)?;
                        }
                        _ => return None,
                    }
                }
                _ => self.at += 1,
            }
        }
        let text = std::str::from_utf8(&self.bytes[start..self.at]).ok()?;
        self.at += 1;
        Some((!has_escapes).then(|| text.to_owned()))
    }

    fn scalar(&mut self) -> Option<()> {
        let rest = &self.bytes[self.at..];
        for word in ["null", "true", "false", "NaN", "Infinity", "-Infinity"] {
            if rest.starts_with(word.as_bytes()) {
                self.at += word.len();
                return Some(());
            }
        }
        let _ = self.eat(b'-');
        if self.eat(b'0').is_none() {
            self.digits()?;
        }
        let whole = self.at;
        if self.eat(b'.').is_some() && self.digits().is_none() {
            self.at = whole;
        }
        let number = self.at;
        if self.eat(b'e').or_else(|| self.eat(b'E')).is_some() {
            let _ = self.eat(b'+').or_else(|| self.eat(b'-'));
            if self.digits().is_none() {
                self.at = number;
            }
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        self.peek().filter(u8::is_ascii_digit)?;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        Some(())
    }
}

/// The objects of a text that is one array of objects.
pub fn records(bytes: &[u8]) -> Option<Vec<Range<usize>>> {
    let mut plain = Plain::new(bytes);
    if bytes.starts_with(b"\xef\xbb\xbf") {
        plain.at = 3;
    }
    plain.space();
    let mut records = Vec::new();
    plain.list((b'[', b']'), |plain| {
        let start = plain.at;
        plain.object()?;
        records.push(start..plain.at);
        Some(())
    })?;
    plain.is_end().then_some(records)
}

/// Whether these bytes are one object and nothing else but space.
pub fn object(bytes: &[u8]) -> Option<Vec<Member>> {
    let mut plain = Plain::new(bytes);
    plain.space();
    let members = plain.object()?;
    plain.is_end().then_some(members)
}
