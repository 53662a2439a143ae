//! Commands that errors tell of, as they are pasted into a shell.

use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The command that indexes these files.
pub(crate) fn index_command<'a>(
    options: &[String],
    paths: impl IntoIterator<Item = &'a Path>,
) -> String {
    let mut command = "textbook-fast index".to_owned();
    for word in options.iter().cloned().chain(paths.into_iter().map(word)) {
        command.push(' ');
        command.push_str(&word);
    }
    command
}

/// A path as one word, quoted where that is needed. Bytes that cannot be printed are
/// escaped, as bash, zsh and ksh read them.
pub(crate) fn word(path: &Path) -> String {
    let bytes = path.as_os_str().as_bytes();
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+,:@%=".contains(byte);
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.is_empty() && bytes.iter().all(is_plain) => text.to_owned(),
        Ok(text) if !text.chars().any(char::is_control) => {
            format!("'{}'", text.replace('\'', r"'\''"))
        }
        _ => {
            let mut text = "$'".to_owned();
            for &byte in bytes {
                if matches!(byte, b' '..=b'~') && !b"'\\".contains(&byte) {
                    text.push(char::from(byte));
                } else {
                    let _ = write!(text, "\\x{byte:02x}");
                }
            }
            text + "'"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn words_are_quoted_where_that_is_needed() {
        for (path, expected) in [
            (&b"/a/b-c_d.tar.gz.part_00"[..], "/a/b-c_d.tar.gz.part_00"),
            (b"my dir/a[1]*.gz", "'my dir/a[1]*.gz'"),
            (b"it's $HOME", r"'it'\''s $HOME'"),
            ("B\u{fc}cher".as_bytes(), "'B\u{fc}cher'"),
            (b"\xffa\n'\\", r"$'\xffa\x0a\x27\x5c'"),
            (b"", "''"),
        ] {
            assert_eq!(word(Path::new(OsStr::from_bytes(path))), expected);
        }
    }
}
