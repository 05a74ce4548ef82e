//! ONNX Runtime's rewriting of a graph, kept in a file instead of done at every start.

use std::path::Path;

use super::library::environment;
use super::session::configure;
use crate::engine::{Options, guarded};
use crate::error::{EngineError, Result};

/// Rewrites the ONNX file in `bytes` at the level of `options`, and writes it to `path`: in the
/// runtime's own format, or as ONNX to look at.
pub(crate) fn optimize(bytes: &[u8], path: &Path, own: bool, options: &Options) -> Result<()> {
    let environment = environment(&options.library)?;
    guarded(|| {
        let model = |e: ort::Error| EngineError::Model(e.to_string());
        let format = if own { "ORT" } else { "ONNX" };
        let mut builder = configure(&environment, options)
            .map_err(model)?
            .with_config_entry("session.save_model_format", format)
            .map_err(|e| model(e.into()))?
            .with_optimized_model_path(path)
            .map_err(|e| model(e.into()))?;
        builder.commit_from_memory(bytes).map(drop).map_err(model)
    })
}
