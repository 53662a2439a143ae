//! The folder that all of some names lie in: what an archive's root is taken for.
#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

/// What the names so far have in common; it ends in a slash, or is empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct CommonFolder(Option<Vec<u8>>);

impl CommonFolder {
    pub fn add(&mut self, name: &[u8]) {
        let end = |bytes: &[u8]| memchr::memrchr(b'/', bytes).map_or(0, |at| at.saturating_add(1));
        let Some(common) = &mut self.0 else {
            self.0 = Some(name.get(..end(name)).unwrap_or_default().to_vec());
            return;
        };
        if !name.starts_with(common) {
            let same = common.iter().zip(name).take_while(|(one, other)| one == other).count();
            let shorter = end(common.get(..same).unwrap_or_default());
            common.truncate(shorter);
        }
    }

    /// What these names and those of the other have in common.
    pub fn append(&mut self, other: &CommonFolder) {
        if let Some(folder) = &other.0 {
            self.add(folder);
        }
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.0.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_common_as_a_whole() {
        for (names, expected) in [
            (&["a/b/1.jpg", "a/b/2.jpg"][..], "a/b/"),
            (&["a/bc/1.jpg", "a/bd/2.jpg"], "a/"),
            (&["a/b/1.jpg", "a/b/c/2.jpg"], "a/b/"),
            (&["a/b/c/1.jpg", "a/b/2.jpg", "x.jpg"], ""),
            (&[], ""),
        ] {
            let mut common = CommonFolder::default();
            for name in names {
                common.add(name.as_bytes());
            }
            assert_eq!(common.into_bytes(), expected.as_bytes(), "{names:?}");
            let mut joined = CommonFolder::default();
            for name in names {
                let mut one = CommonFolder::default();
                one.add(name.as_bytes());
                joined.append(&one);
                joined.append(&CommonFolder::default());
            }
            assert_eq!(joined.into_bytes(), expected.as_bytes(), "{names:?}, one by one");
        }
    }
}
