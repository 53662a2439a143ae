//! Image stores: a path as it stands in the JSON goes in, the encoded bytes come
//! out. A store never decodes.

mod directory;
mod spelling;
mod tar;
mod tar_audit;
mod tar_header;
mod tar_index;
mod tar_scan;
mod tar_sidecar;
#[cfg(test)]
mod tar_tests;
mod tar_walk;
#[cfg(test)]
mod tar_walk_tests;
mod tar_write;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

pub use directory::Directory;
pub use spelling::{Spelling, root_of};
pub use tar::Tar;
pub use tar_audit::{ArchiveFault, audit};
pub use tar_header::{BLOCK, Block, Kind, is_tar_start};
pub use tar_scan::{End, Scan, Step, scan};
pub use tar_sidecar::keep_index;
pub use tar_walk::{Event, Member, TarFault, TarWalk};
pub use tar_write::{END, file_header};

use crate::error::{Error, Result};
use crate::index::Progress;
use crate::source::Identity;

/// Images that lie together in one way.
#[derive(Debug)]
pub enum Store {
    /// In folders.
    Directory(Directory),
    /// In plain tar files.
    Tar(Tar),
}

impl Store {
    /// Reads the image of this path into `bytes`, whose content is replaced.
    pub fn read(&self, path: &str, bytes: &mut Vec<u8>) -> std::result::Result<(), StoreError> {
        match self {
            Store::Directory(store) => store.read(path, bytes),
            Store::Tar(store) => store.read(path, bytes),
        }
    }

    /// Whether the image of this path is there.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        match self {
            Store::Directory(store) => store.has(path),
            Store::Tar(store) => store.has(path),
        }
    }
}

/// All places where a dataset's images are: the first that has an image gives it.
#[derive(Debug)]
pub struct Stores {
    roots: Vec<PathBuf>,
    stores: Vec<Store>,
}

impl Stores {
    /// The stores at these places, which have to exist: folders, tar files, and folders
    /// of tar files. What is of one kind and stands side by side becomes one store.
    pub fn open(roots: Vec<PathBuf>, progress: &Progress) -> Result<Stores> {
        let mut places = Vec::new();
        for root in &roots {
            add_places(root, &mut places)?;
        }
        let mut stores = Vec::new();
        for group in places.chunk_by(|one, other| one.is_folder() == other.is_folder()) {
            let paths: Vec<PathBuf> = group.iter().map(|place| place.path().to_owned()).collect();
            stores.push(match group.first() {
                Some(Place::Tar(_)) => Store::Tar(Tar::open(&paths, progress)?),
                _ => Store::Directory(Directory::open(paths)?),
            });
        }
        Ok(Stores { roots, stores })
    }

    /// A store of these folders as they are: archives in them are not looked for.
    pub fn of_folders(roots: Vec<PathBuf>) -> Result<Stores> {
        let stores = vec![Store::Directory(Directory::open(roots.clone())?)];
        Ok(Stores { roots, stores })
    }

    /// The archives, and which files they were when they were opened.
    pub fn archives(&self) -> impl Iterator<Item = (&Path, Identity)> {
        self.stores.iter().flat_map(|store| match store {
            Store::Directory(_) => Vec::new(),
            Store::Tar(store) => store.archives().collect(),
        })
    }

    /// Where the images are looked for: paths of folders, and of archives.
    pub fn places(&self) -> impl Iterator<Item = &Path> {
        self.stores.iter().flat_map(|store| match store {
            Store::Directory(store) => store.roots().iter().map(PathBuf::as_path).collect(),
            Store::Tar(store) => store.archives().map(|(path, _)| path).collect::<Vec<_>>(),
        })
    }

    /// What is wrong with stores as a whole, though they can be read from.
    pub fn damages(&self) -> impl Iterator<Item = String> {
        self.stores.iter().flat_map(|store| match store {
            Store::Directory(_) => Vec::new(),
            Store::Tar(store) => store.damages().collect(),
        })
    }

    /// The places, as they were given.
    #[must_use]
    pub fn roots(&self) -> &[PathBuf] {
        &self.roots
    }

    /// Reads the image of this path into `bytes`, whose content is replaced.
    pub fn read(&self, path: &str, bytes: &mut Vec<u8>) -> std::result::Result<(), StoreError> {
        let mut searched = Vec::new();
        for store in &self.stores {
            match store.read(path, bytes) {
                Err(StoreError::Missing { places }) => searched.extend(places),
                result => return result,
            }
        }
        Err(StoreError::Missing { places: searched })
    }

    /// Whether the image of this path is there.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.stores.iter().any(|store| store.has(path))
    }
}

/// Where images may be.
enum Place {
    Folder(PathBuf),
    Tar(PathBuf),
}

impl Place {
    fn path(&self) -> &Path {
        let (Place::Folder(path) | Place::Tar(path)) = self;
        path
    }

    fn is_folder(&self) -> bool {
        matches!(self, Place::Folder(_))
    }
}

/// The places that a path given by the user means: a folder that holds tar files means
/// those, and itself where it holds anything else.
fn add_places(root: &Path, places: &mut Vec<Place>) -> Result<()> {
    let io = |source| Error::Io { path: root.to_owned(), action: "open the images", source };
    if std::fs::metadata(root).map_err(io)?.is_file() {
        if !tar::is_tar(root)? {
            let reason = "it is neither a folder nor a tar file, which images= takes";
            return Err(io(std::io::Error::new(ErrorKind::NotADirectory, reason)));
        }
        places.push(Place::Tar(root.to_owned()));
        return Ok(());
    }
    let mut archives = Vec::new();
    let mut has_others = false;
    for entry in std::fs::read_dir(root).map_err(io)?.take(MAX_LISTED) {
        let path = entry.map_err(io)?.path();
        match path.extension().and_then(std::ffi::OsStr::to_str) {
            Some("tar") if path.is_file() => archives.push(path),
            Some("tfidx") => {}
            _ => has_others = true,
        }
    }
    archives.sort_unstable();
    if has_others || archives.is_empty() {
        places.push(Place::Folder(root.to_owned()));
    }
    places.extend(archives.into_iter().map(Place::Tar));
    Ok(())
}

/// A folder with more entries than this is one of images: no archives are looked for
/// beyond them.
const MAX_LISTED: usize = 10_000;

/// Why a store has no bytes for an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No spelling of the path is there.
    #[error("not found in {}", .places.join(" nor in "))]
    Missing {
        /// The folders (or archives) that were searched.
        places: Vec<String>,
    },
    /// The path could name something outside of the store, or nothing at all.
    #[error("not a path of an image: {reason}")]
    Refused {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// It is there, and the system does not hand it out.
    #[error("cannot read {place}: {reason}")]
    Unreadable {
        /// The file.
        place: String,
        /// The system's reason.
        reason: String,
    },
}
