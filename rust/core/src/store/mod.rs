//! Image stores: a path as it stands in the JSON goes in, the encoded bytes come
//! out. A store never decodes.

mod directory;
mod spelling;

pub use directory::Directory;
pub use spelling::{Spelling, root_of};

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
