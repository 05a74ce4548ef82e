//! What can be wrong with somebody's data.

use std::path::{Path, PathBuf};

/// Data that can't be used, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not what its name says, or holds something that is not understood here.
    #[error("{}: {reason}", path.display())]
    Unusable {
        /// The file or folder.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// There is more than is read into memory.
    #[error("{}: {what} would take {actual} bytes of memory, at most {limit} are taken; use fewer or smaller samples", path.display())]
    TooLarge {
        /// The file or folder.
        path: PathBuf,
        /// What was counted.
        what: &'static str,
        /// How much it would be.
        actual: u64,
        /// The most that is accepted.
        limit: u64,
    },
    /// Parts of the data do not belong together.
    #[error("the data do not fit: {0}")]
    Mismatch(String),
}

/// The result of reading data.
pub type Result<T, E = DataError> = std::result::Result<T, E>;

impl DataError {
    /// A failure to reach `path`.
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File { path, source }
    }

    /// A file whose content can't be used.
    pub(crate) fn unusable(path: &Path, reason: impl Into<String>) -> Self {
        Self::Unusable {
            path: path.to_path_buf(),
            reason: reason.into(),
        }
    }
}
