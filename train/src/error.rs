//! What can go wrong when a network is taught.

use std::path::{Path, PathBuf};

/// Why a network could not be made, taught or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A layer does not fit what enters it.
    #[error("layer {layer}: {reason}")]
    Layer {
        /// Its place in the network, or its name.
        layer: String,
        /// What does not fit, and what would.
        reason: String,
    },
    /// The samples do not fit the network or contradict themselves.
    #[error("the data: {0}")]
    Data(String),
    /// Data could not be read.
    #[error(transparent)]
    Read(#[from] crate::data::DataError),
    /// A setting is out of its range.
    #[error("the recipe: {0}")]
    Recipe(String),
    /// The loss became infinite or not a number.
    #[error(
        "the loss is no longer finite in epoch {epoch}: lower the learning rate (now {rate}) or scale the inputs"
    )]
    Diverged {
        /// Counted from 1.
        epoch: usize,
        /// The learning rate of the step that broke.
        rate: f32,
    },
    /// A file that was not written by this program, or was damaged.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// An ONNX file has operators that can't be taught. It can still be quantized.
    #[error("these operators can't be taught: {}; quantizing the file after training works on any", .0.join(", "))]
    Operators(Vec<String>),
    /// An ONNX model could not be written or read.
    #[error(transparent)]
    Onnx(#[from] noroshi_onnx::Error),
    /// The engine that runs a teacher failed.
    #[error(transparent)]
    Engine(#[from] noroshi_engine::EngineError),
}

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn layer(layer: impl ToString, reason: impl Into<String>) -> Self {
        Self::Layer {
            layer: layer.to_string(),
            reason: reason.into(),
        }
    }

    pub(crate) fn file(path: &Path, reason: impl ToString) -> Self {
        Self::File {
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }
}
