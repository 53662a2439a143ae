//! Names of split files: `x.tar.gz.part_00`, `x.tar.gz.001`, `x.tgz.aa`. Which of them
//! belong together, and which is missing.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A folder with more entries is not searched for parts.
const MAX_LISTED: usize = 100_000;

/// The name of one part: what all have in common, and its counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PartName {
    stem: String,
    digits: usize,
    is_number: bool,
    number: u64,
}

impl PartName {
    /// The part that a path names; `None` where it is not named as one.
    pub fn of(path: &Path) -> Option<PartName> {
        let name = path.file_name()?.to_str()?;
        let tail = |is_of: fn(&u8) -> bool| name.bytes().rev().take_while(is_of).count();
        let of_number = tail(u8::is_ascii_digit);
        let is_number = of_number > 0;
        let digits = if is_number { of_number } else { tail(u8::is_ascii_lowercase) };
        let (stem, counter) = name.split_at(name.len() - digits);
        let is_compressed = stem.contains(".gz") || stem.contains(".tgz");
        let fits = if is_number {
            digits <= 9
        } else {
            (2..=4).contains(&digits) && stem.ends_with(['.', '-', '_'])
        };
        if !is_compressed || !fits {
            return None;
        }
        let number = if is_number {
            counter.parse().ok()?
        } else {
            counter.bytes().fold(0, |number, byte| number * 26 + u64::from(byte - b'a'))
        };
        Some(PartName { stem: stem.to_owned(), digits, is_number, number })
    }

    fn file_name(&self, number: u64) -> String {
        let (stem, digits) = (&self.stem, self.digits);
        if self.is_number {
            return format!("{stem}{number:0digits$}");
        }
        let mut letters = vec![b'a'; digits];
        let mut rest = number;
        for letter in letters.iter_mut().rev() {
            *letter += (rest % 26) as u8;
            rest /= 26;
        }
        format!("{stem}{}", String::from_utf8_lossy(&letters))
    }

    /// Whether both are of one split file.
    pub fn is_of_same(&self, other: &PartName) -> bool {
        (&self.stem, self.digits, self.is_number) == (&other.stem, other.digits, other.is_number)
    }
}

/// All parts of a split file, in order, of which some were given. One alone stands for
/// all that lie beside it. A gap between them is an error that names what is missing.
pub(super) fn complete(given: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let Some(name) = given.first().and_then(|path| PartName::of(path)) else {
        return Ok(given.to_vec());
    };
    let mut parts: Vec<(u64, PathBuf)> = Vec::new();
    let folder = given[0].parent().map(Path::to_owned).unwrap_or_default();
    if let [one] = given {
        let list = if folder.as_os_str().is_empty() { Path::new(".") } else { &folder };
        let entries = std::fs::read_dir(list);
        let io = |source| Error::Io { path: one.clone(), action: "list the folder of", source };
        for entry in entries.map_err(io)?.take(MAX_LISTED) {
            let file: OsString = entry.map_err(io)?.file_name();
            let path = folder.join(file);
            if let Some(other) = PartName::of(&path).filter(|other| other.is_of_same(&name)) {
                parts.push((other.number, path));
            }
        }
    } else {
        let numbered =
            given.iter().filter_map(|path| Some((PartName::of(path)?.number, path.clone())));
        parts.extend(numbered);
    }
    parts.sort();
    parts.dedup();
    let first = parts.first().map_or(0, |(number, _)| *number);
    // Counting begins at 0 or 1.
    let begin = u64::from(first == 1 && name.is_number);
    for (expected, (number, path)) in (begin..).zip(&parts) {
        if *number < expected {
            let reason = format!("it is part {number}, which was given twice");
            return Err(Error::Format { path: path.clone(), offset: 0, reason });
        }
        if *number > expected {
            let source = std::io::Error::new(
                ErrorKind::NotFound,
                format!("the part before {} is missing", path.display()),
            );
            let missing = folder.join(name.file_name(expected));
            return Err(Error::Io { path: missing, action: "open", source });
        }
    }
    Ok(parts.into_iter().map(|(_, path)| path).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_folder::TestFolder;

    #[test]
    fn parts_are_told_from_other_names() {
        for (name, expected) in [
            ("set.tar.gz.part_00", Some(("set.tar.gz.part_", 0))),
            ("set.tar.gz.part_19", Some(("set.tar.gz.part_", 19))),
            ("set.tar.gz.001", Some(("set.tar.gz.", 1))),
            ("set.tgz.ab", Some(("set.tgz.", 1))),
            ("set.tgz-ba", Some(("set.tgz-", 26))),
            ("set7.tar.gz", None),
            ("set.tgz", None),
            ("a.tar.gz.tfidx", None),
            ("part_00", None),
        ] {
            let found = PartName::of(Path::new(name));
            let found = found.as_ref().map(|part| (part.stem.as_str(), part.number));
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn one_part_stands_for_all_and_gaps_are_named() {
        let folder = TestFolder::new("split");
        for (names, missing) in [
            (["a.tar.gz.00", "a.tar.gz.01", "a.tar.gz.02"], "a.tar.gz.01"),
            (["b.tar.gz.1", "b.tar.gz.2", "b.tar.gz.3"], "b.tar.gz.2"),
            (["c.tgz.aa", "c.tgz.ab", "c.tgz.ac"], "c.tgz.ab"),
        ] {
            let all: Vec<PathBuf> = names.iter().map(|name| folder.write(name, b"x")).collect();
            assert_eq!(complete(&all[..1]).expect("all"), all);
            assert_eq!(complete(&all[2..]).expect("all"), all);
            let shuffled = [all[2].clone(), all[0].clone(), all[1].clone()];
            assert_eq!(complete(&shuffled).expect("sorted"), all);
            std::fs::remove_file(&all[1]).expect("removed");
            let error = complete(&all[..1]).expect_err("a gap").to_string();
            assert!(error.contains(missing) && error.contains("is missing"), "{error}");
        }
        let last = folder.write("d.tar.gz.part_02", b"x");
        let error = complete(&[last]).expect_err("the first ones").to_string();
        assert!(error.contains("d.tar.gz.part_00"), "{error}");
        let twice = ["1/a.tar.gz.00", "2/a.tar.gz.00"].map(PathBuf::from);
        assert!(complete(&twice).expect_err("twice").to_string().contains("given twice"));
    }
}
