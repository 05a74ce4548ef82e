//! What can go wrong when a model file is read, changed or measured.

use std::path::Path;

/// A failure of this crate. Every text says what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be reached, is beyond what is believed, or is no model.
    #[error(transparent)]
    Onnx(#[from] noroshi_onnx::Error),
    /// The bytes are not a PyTorch state dict.
    #[error("not a usable PyTorch state dict: {0}")]
    StateDict(String),
    /// The weights do not belong to the network.
    #[error("the weights do not fit the network: {0}")]
    Weights(String),
    /// The model holds nothing that can be quantized, or the calibration does not fit it.
    #[error("cannot quantize: {0}")]
    Quantize(String),
    /// What was made is worse than what is accepted.
    #[error(
        "refused: it loses {loss:.2} points of accuracy (95 %: {low:.2} to {high:.2}), more than \
         the {limit:.2} that are accepted; take less away (more bits, a larger share), spare more \
         layers, or accept more"
    )]
    TooLossy {
        /// Points of accuracy that were lost on the samples.
        loss: f64,
        /// Lower end of the 95 % interval.
        low: f64,
        /// Upper end of the 95 % interval.
        high: f64,
        /// Points that are accepted.
        limit: f64,
    },
    /// Inputs and model, or two models, do not belong together.
    #[error("cannot compare: {0}")]
    Compare(String),
    /// A manifest and its file say different things.
    #[error("the manifest disagrees with the file: {0}")]
    Disagreement(String),
    /// The engine could not load or run the model.
    #[error(transparent)]
    Engine(#[from] noroshi_engine::EngineError),
    /// The data can't be used.
    #[error(transparent)]
    Data(#[from] noroshi_train::data::DataError),
    /// A network could not be taught.
    #[error(transparent)]
    Train(#[from] noroshi_train::Error),
    /// A recipe can't be carried out.
    #[error("the recipe: {0}")]
    Plan(String),
    /// The model's description is not acceptable.
    #[error("{0}")]
    Description(String),
}

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A failure to reach `path`.
    pub(crate) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let named = noroshi_onnx::Error::file(path);
        move |source| named(source).into()
    }

    /// `what`, with its unit, is `actual`, and `limit` is believed.
    pub(crate) fn too_large(what: impl Into<String>, actual: u64, limit: u64) -> Self {
        noroshi_onnx::Error::TooLarge {
            what: what.into(),
            actual,
            limit,
        }
        .into()
    }

    /// A fault in an ONNX model.
    pub(crate) fn model(text: impl Into<String>) -> Self {
        noroshi_onnx::Error::model(text).into()
    }
}
