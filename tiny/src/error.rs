//! What can be wrong with a tiny model, its file or its data.

/// The crate's error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TinyError {
    /// Bytes that are no model of this format.
    #[error("not a usable tiny model: {0}")]
    File(String),
    /// A dump of another program's trees that can't be taken over.
    #[error("not a usable dump of trees: {0}")]
    Dump(String),
    /// An input that the model doesn't take.
    #[error("the model takes {wanted} numbers, {given} were given")]
    Columns {
        /// What the model was trained on.
        wanted: usize,
        /// What came.
        given: usize,
    },
    /// Rows that nothing can be learned from.
    #[error("{0}")]
    Data(String),
    /// Settings that can't be met.
    #[error("{0}")]
    Settings(String),
    /// A training that went astray.
    #[error("{0}")]
    Diverged(String),
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, TinyError>;

pub(crate) fn file(text: impl Into<String>) -> TinyError {
    TinyError::File(text.into())
}

pub(crate) fn data(text: impl Into<String>) -> TinyError {
    TinyError::Data(text.into())
}

pub(crate) fn settings(text: impl Into<String>) -> TinyError {
    TinyError::Settings(text.into())
}
