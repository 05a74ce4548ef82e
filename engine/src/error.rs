//! What can go wrong, by what the caller does about it.

use std::path::PathBuf;

/// Why a model can't be opened, run or believed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The engine's library isn't installed.
    #[error(
        "ONNX Runtime library not found: looked in {looked}; set onnxruntime.library in agent.toml, \
         NOROSHI_ONNXRUNTIME, or install to /usr/lib/noroshi"
    )]
    LibraryMissing {
        /// Every place that was tried, for people.
        looked: String,
    },
    /// The library is there but must not or can't be used.
    #[error("ONNX Runtime library {} refused: {reason}", path.display())]
    LibraryRefused {
        /// The file.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// The file isn't a model that the engine can run.
    #[error("the model can't be opened: {0}")]
    Model(String),
    /// A compiled file that is not for this process, or was changed.
    #[error("the compiled model is refused: {0}")]
    Compiled(String),
    /// The model and its manifest disagree.
    #[error("the model disagrees with its manifest: {0}")]
    Disagreement(String),
    /// A frame, tensor or setting that can't be used.
    #[error("unusable input: {0}")]
    Input(String),
    /// The model ran and failed.
    #[error("the model failed: {0}")]
    Run(String),
    /// The model's answer can't be believed.
    #[error("unusable output: {0}")]
    Output(String),
    /// A golden set that can't be read or written.
    #[error("golden set: {0}")]
    Golden(String),
    /// The operating system refused.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// Its answer.
        #[source]
        source: std::io::Error,
    },
}

/// The crate's result.
pub type Result<T, E = EngineError> = std::result::Result<T, E>;

impl EngineError {
    pub(crate) fn system(what: impl Into<String>, source: impl Into<std::io::Error>) -> Self {
        Self::System {
            what: what.into(),
            source: source.into(),
        }
    }
}
