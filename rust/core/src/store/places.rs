//! What the paths given as places of images mean: folders, tar files, compressed ones,
//! parts of a split one, and folders of archives.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{tar, tar_gz};
use crate::error::{Error, Result};

/// A folder with more entries than this is one of images: no archives are looked for
/// beyond them.
const MAX_LISTED: usize = 10_000;

/// Where images may be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    Folder(PathBuf),
    Tar(PathBuf),
    /// The parts of a compressed tar that were given, and its index if it was.
    TarGz {
        parts: Vec<PathBuf>,
        index: Option<PathBuf>,
    },
}

impl Place {
    /// Whether both may be one store.
    pub fn is_alike(&self, other: &Place) -> bool {
        matches!(
            (self, other),
            (Place::Folder(_), Place::Folder(_)) | (Place::Tar(_), Place::Tar(_))
        )
    }
}

/// The places that these paths mean, in their order.
pub(super) fn find(roots: &[PathBuf]) -> Result<Vec<Place>> {
    let mut places = Vec::new();
    let mut index = None;
    for root in roots {
        let io = |source| Error::Io { path: root.clone(), action: "open the images", source };
        if std::fs::metadata(root).map_err(io)?.is_dir() {
            add_folder(root, &mut places)?;
        } else if tar_gz::is_index(root) {
            index = Some(root.clone());
        } else if is_unfinished_index(root) {
            // A glob of an archive's parts means it, too.
        } else {
            add_file(root, &mut places)?;
        }
    }
    let Some(path) = index else { return Ok(places) };
    let of_archive = places.iter_mut().find_map(|place| match place {
        Place::TarGz { index: index @ None, .. } => Some(index),
        _ => None,
    });
    let Some(index) = of_archive else {
        let reason = "the index of an archive was given without the archive".to_owned();
        return Err(Error::Format { path, offset: 0, reason });
    };
    *index = Some(path);
    Ok(places)
}

/// The compressed archives that these files are, or are the parts of, and the files
/// that are none.
pub fn group_archives(paths: &[PathBuf]) -> Result<(Vec<Vec<PathBuf>>, Vec<PathBuf>)> {
    let (mut archives, mut others) = (Vec::new(), Vec::new());
    for path in paths {
        if std::fs::metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
            add_folder(path, &mut archives)?;
        } else if tar_gz::is_named_so(path) || tar_gz::holds_tar(path) {
            add_file(path, &mut archives)?;
        } else if !tar_gz::is_index(path) && !is_unfinished_index(path) {
            others.push(path.clone());
        }
    }
    let parts = archives.into_iter().filter_map(|place| match place {
        Place::TarGz { parts, .. } => Some(parts),
        Place::Folder(_) | Place::Tar(_) => None,
    });
    Ok((parts.collect(), others))
}

/// Whether it is named as an index that is being built.
fn is_unfinished_index(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(b".tfidx.partial")
}

fn add_file(root: &Path, places: &mut Vec<Place>) -> Result<()> {
    let of_same = places.iter_mut().find_map(|place| match place {
        Place::TarGz { parts, .. } => {
            parts.first().is_some_and(|part| tar_gz::are_parts(part, root)).then_some(parts)
        }
        _ => None,
    });
    if let Some(parts) = of_same {
        parts.push(root.to_owned());
    } else if tar_gz::is_gzip(root) || tar_gz::is_named_so(root) {
        places.push(Place::TarGz { parts: vec![root.to_owned()], index: None });
    } else if tar::is_tar(root)? {
        places.push(Place::Tar(root.to_owned()));
    } else {
        let reason = "it is neither a folder nor a tar file, plain or gzipped, which images= \
                      takes; parts of a gzipped one have names as set.tar.gz.part_00";
        let source = std::io::Error::new(ErrorKind::NotADirectory, reason);
        return Err(Error::Io { path: root.to_owned(), action: "open the images", source });
    }
    Ok(())
}

/// A folder that holds archives means those, and itself where it holds anything else.
fn add_folder(root: &Path, places: &mut Vec<Place>) -> Result<()> {
    let io = |source| Error::Io { path: root.to_owned(), action: "open the images", source };
    let mut archives = Vec::new();
    let mut has_others = false;
    for entry in std::fs::read_dir(root).map_err(io)?.take(MAX_LISTED) {
        let path = entry.map_err(io)?.path();
        match path.extension().and_then(OsStr::to_str) {
            Some("tfidx" | "partial") => {}
            Some("tar") if path.is_file() => archives.push(path),
            _ if tar_gz::is_named_so(&path) && path.is_file() => archives.push(path),
            _ => has_others = true,
        }
    }
    archives.sort_unstable();
    if has_others || archives.is_empty() {
        places.push(Place::Folder(root.to_owned()));
    }
    archives.iter().try_for_each(|archive| add_file(archive, places))
}
