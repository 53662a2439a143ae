//! One image is spelled in three ways in JSON files (absolute under a folder of
//! the authors, `<vid>/<name>`, flat `<name>`) and lies in as many layouts on
//! disk. This file says which places a spelling can mean, and opens none of them.

use super::StoreError;
use crate::keyframe_name::KeyframeName;

/// A path component longer than this is no file's name on any system that we know.
const MAX_COMPONENT: usize = 255;
/// Deeper paths are found by their last components only.
const MAX_COMPONENTS: usize = 16;

/// Where below its root an image of a path lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Under `<vid>/`, the vid taken from the keyframe's own name.
    Vid,
    /// Under the last `n` components of the path as written.
    Last(usize),
}

/// A path of an image as it stands in the JSON, proved harmless: no way out of a
/// root through it, and a name at its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Spelling<'a> {
    components: Vec<&'a str>,
    is_absolute: bool,
    vid: Option<&'a str>,
}

impl<'a> Spelling<'a> {
    /// Reads a path, with either slash.
    pub fn parse(path: &'a str) -> Result<Spelling<'a>, StoreError> {
        let refused = |reason| Err(StoreError::Refused { reason });
        let mut components = Vec::new();
        for component in path.split(['/', '\\']) {
            match component {
                "" | "." => {}
                ".." => return refused("it has a component '..'"),
                _ if component.len() > MAX_COMPONENT => {
                    return refused("it has a component of more than 255 bytes");
                }
                _ if component.contains('\0') => return refused("it has a zero byte"),
                _ => components.push(component),
            }
        }
        let Some(&name) = components.last() else { return refused("it is empty") };
        if path.ends_with(['/', '\\']) {
            return refused("it ends in a slash");
        }
        let surplus = components.len().saturating_sub(MAX_COMPONENTS);
        components.drain(..surplus);
        let vid = KeyframeName::vid_of(name).filter(|vid| *vid != "..");
        Ok(Spelling { components, is_absolute: path.starts_with('/'), vid })
    }

    /// The image's own name, where it is a keyframe's.
    #[must_use]
    pub fn keyframe(&self) -> Option<&'a str> {
        self.vid.and(self.components.last().copied())
    }

    /// The keys that the image can have in an archive whose images lie in one of these
    /// folders (each with its slash), the likely ones first.
    pub(super) fn names_in(&self, roots: &[Vec<u8>]) -> Vec<Vec<u8>> {
        if let Some(name) = self.keyframe() {
            return vec![name.as_bytes().to_vec()];
        }
        let below = self.layouts().filter_map(|layout| self.below_root(layout));
        let in_roots = |name: String| {
            roots.iter().map(move |root| [root.as_slice(), name.as_bytes()].concat())
        };
        below.flat_map(in_roots).collect()
    }

    /// All layouts in which the image can lie, the likely ones first.
    ///
    /// A keyframe's name is unique in the whole dataset, so it may be looked for
    /// anywhere. Another name (`1.jpg`) is unique only together with its folders:
    /// those of a relative path are never left away, those of an absolute path
    /// from the left only.
    pub fn layouts(&self) -> impl Iterator<Item = Layout> + use<> {
        let all = self.components.len();
        let is_keyframe = self.vid.is_some();
        let vid = is_keyframe.then_some(Layout::Vid);
        let shortest = if is_keyframe || self.is_absolute { 1 } else { all };
        let last = (shortest..=all).map(move |count| {
            let count = if is_keyframe { count } else { all + shortest - count };
            Layout::Last(count)
        });
        vid.into_iter().chain(last)
    }

    /// The path below the root in this layout, if the spelling has one.
    #[must_use]
    pub fn below_root(&self, layout: Layout) -> Option<String> {
        match layout {
            Layout::Vid => Some(format!("{}/{}", self.vid?, self.components.last()?)),
            Layout::Last(count) => {
                let first = self.components.len().checked_sub(count)?;
                Some(self.components.get(first..)?.join("/"))
            }
        }
    }
}

/// The folder that an absolute path names as the root of the images: all before
/// `<vid>/<name>`, or before the name where no vid is in the path.
#[must_use]
pub fn root_of(path: &str) -> Option<&str> {
    if !path.starts_with('/') {
        return None;
    }
    let (folder, name) = path.rsplit_once('/')?;
    let vid = KeyframeName::vid_of(name)?;
    let root = folder.strip_suffix(vid).map_or(folder, |above| above.trim_end_matches('/'));
    (!root.is_empty()).then_some(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(path: &str) -> Vec<String> {
        let spelling = Spelling::parse(path).expect("a harmless path");
        spelling.layouts().filter_map(|layout| spelling.below_root(layout)).collect()
    }

    #[test]
    fn each_spelling_knows_the_layouts_it_can_lie_in() {
        assert_eq!(places("v@1_2#1.jpg"), ["v/v@1_2#1.jpg", "v@1_2#1.jpg"]);
        assert_eq!(places("v/v@1_2#1.jpg"), ["v/v@1_2#1.jpg", "v@1_2#1.jpg", "v/v@1_2#1.jpg"]);
        assert_eq!(
            places("/data/set/v/v@1_2#1.jpg"),
            [
                "v/v@1_2#1.jpg",
                "v@1_2#1.jpg",
                "v/v@1_2#1.jpg",
                "set/v/v@1_2#1.jpg",
                "data/set/v/v@1_2#1.jpg"
            ]
        );
        assert_eq!(places("a\\b/./photo.png"), ["a/b/photo.png"]);
        assert_eq!(places("/a/b/photo.png"), ["a/b/photo.png", "b/photo.png", "photo.png"]);
    }

    #[test]
    fn ways_out_of_the_root_are_refused() {
        for path in ["", "/", "a/", "../a.jpg", "a/../../b.jpg", "a\\..\\b.jpg", "a\0b.jpg", "."] {
            assert!(matches!(Spelling::parse(path), Err(StoreError::Refused { .. })), "{path:?}");
        }
        assert!(Spelling::parse(&"x".repeat(256)).is_err());
        // A vid that is itself a way out is not made a folder's name.
        assert_eq!(places("..@1_2#1.jpg"), ["..@1_2#1.jpg"]);
        // The vid comes out of the name, so it has no slash in it.
        assert_eq!(places("/etc/passwd@1_2#1.jpg")[0], "passwd/passwd@1_2#1.jpg");
    }

    #[test]
    fn the_root_of_an_absolute_path() {
        assert_eq!(root_of("/mnt/set/v/v@1_2#1.jpg"), Some("/mnt/set"));
        assert_eq!(root_of("/mnt/set/v@1_2#1.jpg"), Some("/mnt/set"));
        assert_eq!(root_of("set/v/v@1_2#1.jpg"), None);
        assert_eq!(root_of("/v/v@1_2#1.jpg"), None);
    }
}
