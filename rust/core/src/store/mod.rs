//! Image stores: a path as it stands in the JSON goes in, the encoded bytes come
//! out. A store never decodes.

mod directory;
mod spelling;
mod tar_header;
mod tar_walk;
#[cfg(test)]
mod tar_walk_tests;
mod tar_write;

use std::path::PathBuf;

pub use directory::Directory;
pub use spelling::{Spelling, root_of};
pub use tar_header::{BLOCK, Block, Kind, is_tar_start};
pub use tar_walk::{Event, Member, TarFault, TarWalk};
pub use tar_write::{END, file_header};

use crate::error::Result;

/// Images that lie together in one way.
#[derive(Debug)]
pub enum Store {
    /// In folders.
    Directory(Directory),
}

impl Store {
    /// Reads the image of this path into `bytes`, whose content is replaced.
    pub fn read(&self, path: &str, bytes: &mut Vec<u8>) -> std::result::Result<(), StoreError> {
        match self {
            Store::Directory(store) => store.read(path, bytes),
        }
    }

    /// Whether the image of this path is there.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        match self {
            Store::Directory(store) => store.has(path),
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
    /// The stores at these places, which have to exist. Folders that stand side by side
    /// become one store.
    pub fn open(roots: Vec<PathBuf>) -> Result<Stores> {
        let stores = vec![Store::Directory(Directory::open(roots.clone())?)];
        Ok(Stores { roots, stores })
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
