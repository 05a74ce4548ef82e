//! Models of a few kilobytes in a release.

use std::path::Path;

use noroshi_engine::tiny::{Facts, INPUT, OUTPUT, facts};
use noroshi_model::{ElementType, EngineKind, Manifest, Requirements, Variant};

use super::{Comparison, Seen};
use crate::Result;

impl From<&Facts> for Seen {
    fn from(facts: &Facts) -> Self {
        Self {
            engine: EngineKind::Tiny,
            precision: facts.precision,
            requirements: Requirements {
                opset: 0,
                ir: 0,
                operators: [].into(),
                dtypes: [facts.element, ElementType::F32].into(),
                peak_memory: facts.memory,
                architectures: [].into(),
                cpu_features: [].into(),
                target: None,
            },
            parameters: facts.parameters,
            macs: facts.multiplications,
        }
    }
}

/// What the manifest says of the variant, of input and output, and the file at `path` does not.
pub(super) fn disagreements(
    manifest: &Manifest,
    variant: &Variant,
    path: &Path,
) -> Result<Vec<String>> {
    let Some(facts) = facts(path)? else {
        return Ok(vec!["the file is no model of a few kilobytes".to_owned()]);
    };
    let mut compare = Comparison::default();
    compare.variant(variant, &Seen::from(&facts));
    let input = &manifest.input;
    let pixels: usize = input.shape().iter().product();
    compare.field("the input's name", &input.name, &INPUT);
    compare.field("the input's element type", &input.dtype, &facts.element);
    compare.field("the number of the input's values", &pixels, &facts.columns);
    compare.field("the features", &input.features, &facts.features);
    let activation = &manifest.output.activation;
    compare.field("what the output is", activation, &facts.activation);
    compare.field("the output's name", &manifest.output.name, &OUTPUT);
    let labels = manifest.task.labels().len();
    compare.field("the number of labels", &labels, &facts.classes);
    Ok(compare.faults)
}
