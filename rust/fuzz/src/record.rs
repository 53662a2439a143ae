//! One record's JSON, against the plain parser: the same is refused, and each field is
//! where it is.

use textbook_core::record::{MAX_DEPTH, Reader, Record};

use crate::plain_json;

/// Reads a value with everything below it, as the Python side does.
fn walk(reader: &mut Reader<'_>, depth: usize) -> textbook_core::Result<()> {
    reader.skip_space();
    let (open, close) = match reader.peek() {
        Some(b'{') => (b'{', b'}'),
        Some(b'[') => (b'[', b']'),
        Some(b'"') => return text(reader),
        _ => return reader.simple().map(|_| ()),
    };
    if depth == MAX_DEPTH {
        return Err(reader.error("less nesting"));
    }
    reader.eat(open);
    reader.skip_space();
    if reader.eat(close) {
        return Ok(());
    }
    loop {
        reader.skip_space();
        if open == b'{' {
            text(reader)?;
            reader.skip_space();
            if !reader.eat(b':') {
                return Err(reader.error("expected a colon"));
            }
        }
        walk(reader, depth + 1)?;
        reader.skip_space();
        if reader.eat(close) {
            return Ok(());
        }
        if !reader.eat(b',') {
            return Err(reader.error("expected a comma"));
        }
    }
}

/// A string: its escapes are resolved here, its bytes checked where Python makes text of them.
fn text(reader: &mut Reader<'_>) -> textbook_core::Result<()> {
    let text = reader.text()?;
    text.bytes()?;
    std::str::from_utf8(text.raw()).map(|_| ()).map_err(|_| reader.error("UTF-8"))
}

/// The record is sound for both or for none, and has the same fields.
pub fn check(data: &[u8]) {
    let record = Record::new(data.to_vec());
    let checked = record.check();
    let read = checked.and_then(|()| {
        let mut reader = record.reader();
        walk(&mut reader, 0)?;
        reader.end()
    });
    match (read, plain_json::object(data)) {
        (Err(_), None) => {}
        (Ok(()), Some(members)) => {
            for (number, (key, value)) in members.iter().enumerate() {
                let Some(key) = key else { continue };
                let later = &members[number + 1..];
                // A later key with escapes may be the same one.
                if later.iter().any(|(other, _)| other.as_ref().is_none_or(|other| other == key)) {
                    continue;
                }
                let field = record.field(key).expect("a sound record");
                let reader = field.unwrap_or_else(|| panic!("{key:?} is not found"));
                assert_eq!(reader.offset(), value.start, "{key:?}");
            }
        }
        (read, expected) => {
            panic!("{}: {read:?}, but {expected:?}", data.escape_ascii())
        }
    }
}
