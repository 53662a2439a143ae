//! Keyframes in folders: one root or several, each in any layout. The layout is
//! learned from the images that are found, not tried anew for every one. Knows
//! no archives and no pixels.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::StoreError;
use super::spelling::{Layout, Spelling};
use crate::error::{Error, Result};

/// No image is larger than this: a JPEG of 65,535 × 65,535 pixels stays below.
const MAX_IMAGE_BYTES: u64 = 4 << 30;

/// Folders of images.
#[derive(Debug)]
pub struct Directory {
    roots: Vec<PathBuf>,
    /// The root and layout of the last image found, as `encode` packs them.
    learned: AtomicUsize,
}

/// A root's number and a layout in one word, so that readers need no lock.
fn encode(root: usize, layout: Layout) -> usize {
    let layout = match layout {
        Layout::Vid => 0,
        Layout::Last(count) => count,
    };
    root << 8 | layout
}

fn decode(word: usize) -> (usize, Layout) {
    let layout = match word & 0xff {
        0 => Layout::Vid,
        count => Layout::Last(count),
    };
    (word >> 8, layout)
}

impl Directory {
    /// A store of these folders, which have to exist.
    pub fn open(roots: Vec<PathBuf>) -> Result<Directory> {
        for root in &roots {
            let io =
                |source| Error::Io { path: root.clone(), action: "open the image folder", source };
            if !std::fs::metadata(root).map_err(io)?.is_dir() {
                return Err(io(ErrorKind::NotADirectory.into()));
            }
        }
        Ok(Directory { roots, learned: AtomicUsize::new(0) })
    }

    /// The folders.
    pub(super) fn roots(&self) -> &[PathBuf] {
        &self.roots
    }

    /// Reads the image of this path into `bytes`, whose content is replaced.
    pub fn read(&self, path: &str, bytes: &mut Vec<u8>) -> std::result::Result<(), StoreError> {
        bytes.clear();
        let (mut file, place) = self.find(path)?;
        let unreadable =
            |reason: String| StoreError::Unreadable { place: place.display().to_string(), reason };
        let metadata = file.metadata().map_err(|error| unreadable(error.to_string()))?;
        if !metadata.is_file() {
            return Err(unreadable("it is no regular file".to_owned()));
        }
        if metadata.len() > MAX_IMAGE_BYTES {
            return Err(unreadable(format!(
                "it has {} bytes, more than any image",
                metadata.len()
            )));
        }
        let length = usize::try_from(metadata.len()).unwrap_or(0);
        bytes.try_reserve(length + 1).map_err(|error| unreadable(error.to_string()))?;
        file.read_to_end(bytes).map_err(|error| unreadable(error.to_string()))?;
        Ok(())
    }

    /// Whether the image of this path is there.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.find(path).is_ok()
    }

    fn find(&self, path: &str) -> std::result::Result<(File, PathBuf), StoreError> {
        let spelling = Spelling::parse(path)?;
        let learned = decode(self.learned.load(Ordering::Relaxed));
        if spelling.layouts().any(|layout| layout == learned.1)
            && let Some(found) = self.open_at(learned.0, learned.1, &spelling)?
        {
            return Ok(found);
        }
        for root in 0..self.roots.len() {
            for layout in spelling.layouts().filter(|&layout| (root, layout) != learned) {
                if let Some(found) = self.open_at(root, layout, &spelling)? {
                    self.learned.store(encode(root, layout), Ordering::Relaxed);
                    return Ok(found);
                }
            }
        }
        let places = self.roots.iter().map(|root| root.display().to_string()).collect();
        Err(StoreError::Missing { places })
    }

    fn open_at(
        &self,
        root: usize,
        layout: Layout,
        spelling: &Spelling<'_>,
    ) -> std::result::Result<Option<(File, PathBuf)>, StoreError> {
        let (Some(root), Some(below)) = (self.roots.get(root), spelling.below_root(layout)) else {
            return Ok(None);
        };
        let place = root.join(below);
        match open_file(&place) {
            Ok(file) => Ok(Some((file, place))),
            Err(error) => match error.kind() {
                ErrorKind::NotFound | ErrorKind::NotADirectory => Ok(None),
                _ => Err(StoreError::Unreadable {
                    place: place.display().to_string(),
                    reason: error.to_string(),
                }),
            },
        }
    }
}

/// Opens without waiting: a FIFO under an image's name must not hang the reader.
fn open_file(path: &Path) -> std::io::Result<File> {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    Ok(File::from(open(path, flags, Mode::empty())?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_folder::TestFolder;

    const NAME: &str = "-a_b@0.1_2.30000000004#3.jpg";
    const SPELLINGS: [&str; 3] = [
        "/mnt/authors/interval_7/-a_b/-a_b@0.1_2.30000000004#3.jpg",
        "-a_b/-a_b@0.1_2.30000000004#3.jpg",
        NAME,
    ];

    fn read(store: &Directory, path: &str) -> std::result::Result<Vec<u8>, StoreError> {
        let mut bytes = vec![1, 2, 3];
        store.read(path, &mut bytes).map(|()| bytes)
    }

    #[test]
    fn every_spelling_is_found_in_every_layout() {
        for layout in ["-a_b", ".", "interval_7/-a_b"] {
            let folder = TestFolder::new("layouts");
            let root = folder.path("");
            std::fs::create_dir_all(root.join(layout)).expect("a folder");
            std::fs::write(root.join(layout).join(NAME), b"pixels").expect("a file");
            let store = Directory::open(vec![root.clone()]).expect("a store");
            for spelling in
                SPELLINGS.iter().filter(|spelling| layout.len() < 5 || spelling.len() > 50)
            {
                assert_eq!(
                    read(&store, spelling),
                    Ok(b"pixels".to_vec()),
                    "{spelling} in {layout}"
                );
                assert_eq!(read(&store, spelling), Ok(b"pixels".to_vec()), "again, learned");
            }
        }
    }

    #[test]
    fn several_roots_are_one_store() {
        let folder = TestFolder::new("roots");
        let root = folder.path("");
        for (part, name) in [("one", "a@0_1#1.jpg"), ("two", "b@0_1#1.jpg")] {
            std::fs::create_dir_all(root.join(part)).expect("a folder");
            std::fs::write(root.join(part).join(name), name).expect("a file");
        }
        let store = Directory::open(vec![root.join("one"), root.join("two")]).expect("a store");
        for name in ["a@0_1#1.jpg", "b@0_1#1.jpg", "a@0_1#1.jpg"] {
            assert_eq!(read(&store, name), Ok(name.as_bytes().to_vec()));
        }
        assert!(store.has("a@0_1#1.jpg") && !store.has("c@0_1#1.jpg"));
        let missing = read(&store, "c@0_1#1.jpg").expect_err("not there").to_string();
        assert!(missing.contains("one nor in ") && missing.ends_with("two"), "{missing}");
    }

    #[test]
    fn a_name_that_is_no_keyframes_keeps_its_folders() {
        let folder = TestFolder::new("unique");
        let root = folder.path("");
        for place in ["1.jpg", "a/1.jpg", "v/v@0_1#1.jpg"] {
            let place = root.join(place);
            std::fs::create_dir_all(place.parent().expect("a folder")).expect("a folder");
            std::fs::write(&place, place.as_os_str().as_encoded_bytes()).expect("a file");
        }
        let store = Directory::open(vec![root.clone()]).expect("a store");
        for _ in 0..2 {
            assert!(read(&store, "a/1.jpg").is_ok_and(|bytes| bytes.ends_with(b"/a/1.jpg")));
            assert!(read(&store, "1.jpg").is_ok_and(|bytes| !bytes.ends_with(b"/a/1.jpg")));
            assert!(matches!(read(&store, "b/1.jpg"), Err(StoreError::Missing { .. })));
            assert!(read(&store, "v@0_1#1.jpg").is_ok());
        }
    }

    #[test]
    fn what_is_no_image_file_is_named() {
        let folder = TestFolder::new("foreign");
        let root = folder.path("");
        std::fs::create_dir_all(root.join("folder.jpg")).expect("a folder");
        let store = Directory::open(vec![root.clone()]).expect("a store");
        assert!(matches!(read(&store, "folder.jpg"), Err(StoreError::Unreadable { .. })));
        assert!(matches!(read(&store, "../x.jpg"), Err(StoreError::Refused { .. })));
        assert!(Directory::open(vec![root.join("nowhere")]).is_err());
        std::fs::write(root.join("file"), b"").expect("a file");
        assert!(Directory::open(vec![root.join("file")]).is_err());
    }
}
