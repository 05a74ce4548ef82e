//! What can go wrong when a network becomes source.

/// Why a network does not become source. Every text says what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file is not a usable ONNX model.
    #[error(transparent)]
    Onnx(#[from] noroshi_onnx::Error),
    /// A part of the network has no integer kernel here.
    #[error("{what} {why}; {cure}")]
    Refused {
        /// The operator and the name of the node, or the value.
        what: String,
        /// What is wrong with it.
        why: String,
        /// What to do.
        cure: String,
    },
    /// What was given does not fit the network.
    #[error("{0}")]
    Input(String),
}

/// The result of this module's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A part that is refused.
pub(super) fn refused<T>(
    what: impl Into<String>,
    why: impl Into<String>,
    cure: impl Into<String>,
) -> Result<T> {
    Err(Error::Refused {
        what: what.into(),
        why: why.into(),
        cure: cure.into(),
    })
}
