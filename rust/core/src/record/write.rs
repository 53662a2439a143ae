//! JSON out of what was read: strings, with what JSON wants escaped.

/// Appends a string in quotes. The bytes are UTF-8, but for lone surrogates as
/// [`Text::bytes`](super::Text::bytes) gives them, which become escapes again.
pub fn push_string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    push_escaped(out, bytes);
    out.push(b'"');
}

/// Appends what stands between the quotes.
pub fn push_escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut rest = bytes.iter();
    while let Some(&byte) = rest.next() {
        match (byte, rest.as_slice()) {
            (b'"' | b'\\', _) => out.extend_from_slice(&[b'\\', byte]),
            (b'\n', _) => out.extend_from_slice(b"\\n"),
            (b'\r', _) => out.extend_from_slice(b"\\r"),
            (b'\t', _) => out.extend_from_slice(b"\\t"),
            (..0x20, _) => push_unit(out, u16::from(byte)),
            // No UTF-8 has these: the three bytes of U+D800 to U+DFFF.
            (0xed, &[second @ 0xa0..=0xbf, third @ 0x80..=0xbf, ..]) => {
                push_unit(out, 0xd000 | u16::from(second & 0x3f) << 6 | u16::from(third & 0x3f));
                rest.nth(1);
            }
            _ => out.push(byte),
        }
    }
}

fn push_unit(out: &mut Vec<u8>, unit: u16) {
    out.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::super::Reader;
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let texts = ["", "plain", "\"\\\n\r\t\u{1}\u{7f}/", "é漢😀"].map(str::as_bytes);
        for bytes in texts.into_iter().chain([&b"a\xed\xa0\x80b"[..], b"\xed\xbf\xbf\xed\xa0\x80"])
        {
            let mut out = Vec::new();
            push_string(&mut out, bytes);
            assert!(str::from_utf8(&out).is_ok());
            let text = Reader::of_bytes(&out).text().expect("a string");
            assert_eq!(&*text.bytes().expect("its bytes"), bytes);
        }
    }
}
