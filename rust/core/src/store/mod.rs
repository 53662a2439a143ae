//! Image stores: a path as it stands in the JSON goes in, the encoded bytes come
//! out. A store never decodes.

mod common_folder;
mod directory;
mod name_table;
mod places;
mod reads;
mod span;
mod spelling;
mod tar;
mod tar_audit;
mod tar_gz;
mod tar_halves;
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

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use directory::Directory;
pub use reads::Reads;
pub use span::Span;
pub(crate) use span::{GAP, LONGEST_RUN};
pub use spelling::{Spelling, root_of};
pub use tar::Tar;
pub use tar_audit::{ArchiveFault, audit};
#[cfg(feature = "fuzzing")]
pub use tar_gz::page_round_trips;
pub use tar_gz::{ArchiveMember, IndexOptions, IndexSummary, Sum, TarGz, build_index};
pub use tar_header::{BLOCK, Block, Kind, is_tar_start};
pub(crate) use tar_index::key;
pub use tar_scan::{End, Scan, Step, scan};
pub use tar_sidecar::keep_index;
pub use tar_walk::{Event, Member, TarFault, TarWalk};
pub use tar_write::{END, file_header};

use crate::error::Result;
use crate::index::Progress;
use crate::source::Identity;
use places::Place;
pub use places::group_archives;
use reads::Run;
use span::InArchive;

/// Images that lie together in one way.
#[derive(Debug)]
pub enum Store {
    /// In folders.
    Directory(Directory),
    /// In plain tar files.
    Tar(Tar),
    /// In a compressed tar, whole or split.
    TarGz(Arc<TarGz>),
}

impl Store {
    /// Reads the image of this path into `bytes`, whose content is replaced.
    pub fn read(&self, path: &str, bytes: &mut Vec<u8>) -> std::result::Result<(), StoreError> {
        match self {
            Store::Directory(store) => store.read(path, bytes),
            Store::Tar(store) => store.read(path, bytes),
            Store::TarGz(store) => store.read(path, bytes),
        }
    }

    /// Whether the image of this path is there.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        match self {
            Store::Directory(store) => store.has(path),
            Store::Tar(store) => store.has(path),
            Store::TarGz(store) => store.has(path),
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
    /// The stores at these places, which have to exist: folders, tar files (plain, gzipped,
    /// in parts), and folders of such files. What is of one kind and stands side by side becomes one store.
    pub fn open(roots: Vec<PathBuf>, progress: &Progress) -> Result<Stores> {
        let mut stores = Vec::new();
        for group in places::find(&roots)?.chunk_by(Place::is_alike) {
            let paths = group.iter().filter_map(|place| match place {
                Place::Folder(path) | Place::Tar(path) => Some(path.clone()),
                Place::TarGz { .. } => None,
            });
            let paths: Vec<PathBuf> = paths.collect();
            stores.push(match group.first() {
                Some(Place::TarGz { parts, index }) => {
                    Store::TarGz(Arc::new(TarGz::open(parts, index.as_deref(), progress)?))
                }
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
            Store::TarGz(store) => store.archives().collect(),
        })
    }

    /// What is known of the indexes of compressed archives.
    pub fn summaries(&self) -> impl Iterator<Item = IndexSummary> {
        self.stores.iter().filter_map(|store| match store {
            Store::TarGz(store) => Some(store.summary()),
            Store::Directory(_) | Store::Tar(_) => None,
        })
    }

    /// The compressed archive whose first part has this path.
    #[must_use]
    pub fn compressed(&self, first: &Path) -> Option<Arc<TarGz>> {
        self.stores.iter().find_map(|store| match store {
            Store::TarGz(store) if store.first_part() == first => Some(Arc::clone(store)),
            _ => None,
        })
    }

    /// Where the images are looked for: paths of folders, and of archives.
    pub fn places(&self) -> impl Iterator<Item = &Path> {
        self.stores.iter().flat_map(|store| match store {
            Store::Directory(store) => store.roots().iter().map(PathBuf::as_path).collect(),
            Store::Tar(store) => store.archives().map(|(path, _)| path).collect::<Vec<_>>(),
            Store::TarGz(store) => store.archives().map(|(path, _)| path).take(1).collect(),
        })
    }

    /// What is wrong with stores as a whole, though they can be read from.
    pub fn damages(&self) -> impl Iterator<Item = String> {
        self.stores.iter().flat_map(|store| match store {
            Store::Directory(_) => Vec::new(),
            Store::Tar(store) => store.damages().collect(),
            Store::TarGz(store) => {
                let first = store.first_part().display();
                store.damage().map(|damage| format!("{first} {damage}")).into_iter().collect()
            }
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

    /// Where the image of this path lies, if that is certain without a look at the files:
    /// the number of its store, and its place there. Only archives can tell.
    #[must_use]
    pub fn locate(&self, path: &str) -> Option<(usize, Span)> {
        for (number, store) in self.stores.iter().enumerate() {
            match store {
                Store::Tar(tar) => match tar.locate(path) {
                    Some(span) => return Some((number, span)),
                    // Perhaps here, perhaps in a later store: only a look can tell.
                    None if tar.has(path) => return None,
                    None => {}
                },
                Store::TarGz(archive) => match archive.locate(path) {
                    Ok(span) => return span.map(|span| (number, span)),
                    Err(StoreError::Missing { .. }) => {}
                    // Reading it tells what is wrong.
                    Err(_) => return None,
                },
                Store::Directory(_) => return None,
            }
        }
        None
    }

    /// Reads the image of this path, that was located, into `bytes`, whose content is
    /// replaced.
    pub fn read_located(
        &self,
        path: &str,
        (store, span): (usize, &Span),
        bytes: &mut Vec<u8>,
    ) -> std::result::Result<(), StoreError> {
        match (self.stores.get(store), &span.member) {
            (Some(Store::TarGz(archive)), InArchive::Compressed(located)) => {
                archive.read_located(located, bytes)
            }
            (Some(Store::Tar(tar)), InArchive::Plain { entry, name }) => {
                match tar.read_located(entry, name, bytes) {
                    Some(read) => read,
                    None => self.read(path, bytes),
                }
            }
            _ => self.read(path, bytes),
        }
    }

    /// Reads images of one archive of a store, that lie near each other, in one call.
    #[must_use]
    pub fn read_run(
        &self,
        store: usize,
        spans: &[&Span],
    ) -> Vec<std::result::Result<Vec<u8>, StoreError>> {
        match self.stores.get(store) {
            Some(Store::Tar(tar)) => tar.read_run(spans),
            Some(Store::TarGz(archive)) => archive.read_run(spans),
            _ => Vec::new(),
        }
    }

    /// Asks the system to have a run of a store in memory soon.
    fn will_need(&self, store: usize, run: &Run) {
        match self.stores.get(store) {
            Some(Store::Tar(tar)) => tar.will_need(run),
            Some(Store::TarGz(archive)) => archive.will_need(run),
            _ => {}
        }
    }

    /// Whether the image of this path is there.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.stores.iter().any(|store| store.has(path))
    }
}

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
