//! What a model answers in ONNX Runtime.

use anyhow::{Context, Result};
use noroshi_engine::{ModelSource, Tensor, open};
use noroshi_model::EngineKind;

use crate::assets::engine_options;

/// The numbers of the first output for each input.
pub fn logits(model: ModelSource<'_>, inputs: &[Tensor]) -> Result<Vec<Vec<f32>>> {
    let mut engine = open(EngineKind::OnnxRuntime, model, &engine_options()?)?;
    inputs
        .iter()
        .map(|input| {
            let outputs = engine.run(std::slice::from_ref(input))?;
            let first = outputs.first().context("an output")?;
            Ok(first.to_f32().into_owned())
        })
        .collect()
}

/// The best class of each input.
pub fn classes(model: ModelSource<'_>, inputs: &[Tensor]) -> Result<Vec<usize>> {
    let answers = logits(model, inputs)?;
    let best = answers.iter().map(|scores| best(scores));
    best.collect::<Option<_>>().context("a class")
}

/// The class with the largest number; the last of equals.
pub fn best(scores: &[f32]) -> Option<usize> {
    let numbered = scores.iter().enumerate();
    let best = numbered.max_by(|(_, one), (_, other)| one.total_cmp(other));
    best.map(|(class, _)| class)
}
