//! What can go wrong when a model file is read or written.

use std::path::{Path, PathBuf};

/// A failure of this crate. Every text says what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file or a part of it is beyond what is believed.
    #[error("{what} is {actual}, more than the {limit} that is accepted")]
    TooLarge {
        /// What was counted, with its unit.
        what: String,
        /// The count found.
        actual: u64,
        /// The highest count accepted.
        limit: u64,
    },
    /// The bytes are not an ONNX model, or contradict themselves.
    #[error("not a usable ONNX model: {0}; export the model again")]
    Model(String),
    /// The model asks for a newer format than is known here.
    #[error(
        "the model needs {what} {found}, and {known} is the newest known here; \
         export it again for {what} {known} or older"
    )]
    TooNew {
        /// "opset" or "IR version".
        what: &'static str,
        /// The version in the file.
        found: i64,
        /// The newest version known.
        known: i64,
    },
}

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A failure to reach `path`.
    pub fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File { path, source }
    }

    /// A fault in an ONNX model.
    pub fn model(text: impl Into<String>) -> Self {
        Self::Model(text.into())
    }
}
