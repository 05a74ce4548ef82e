//! The whole way of a frame: preprocess, engine, output, labels.

use noroshi_model::{ElementType, InputSpec, Manifest, OutputSpec, Variant};

use crate::engine::{Engine, ModelSource, Options, TensorDescription, open};
use crate::error::{EngineError, Result};
use crate::frame::Frame;
use crate::postprocess::{Answer, classify};
use crate::preprocess::Preprocessor;
use crate::tensor::Tensor;

/// A classification model, ready for frames.
pub struct Classifier {
    engine: Box<dyn Engine>,
    preprocessor: Preprocessor,
    spec: OutputSpec,
    /// Which of the engine's outputs the task reads.
    output: usize,
    labels: usize,
}

impl Classifier {
    /// Opens `variant` of `manifest` from `source` and checks that the file is what the
    /// manifest says.
    pub fn open(
        manifest: &Manifest,
        variant: &Variant,
        source: ModelSource<'_>,
        options: &Options,
    ) -> Result<Self> {
        let engine = open(variant.engine, source, options)?;
        let labels = manifest.task.labels().len();
        Self::new(engine, &manifest.input, &manifest.output, labels)
    }

    /// A classifier of an engine that is open already.
    pub fn new(
        engine: Box<dyn Engine>,
        input: &InputSpec,
        output: &OutputSpec,
        labels: usize,
    ) -> Result<Self> {
        check_input(engine.inputs(), input)?;
        Ok(Self {
            output: find_output(engine.outputs(), output, labels)?,
            engine,
            preprocessor: Preprocessor::new(input)?,
            spec: output.clone(),
            labels,
        })
    }

    /// The `top` best labels for `frame`.
    pub fn classify(&mut self, frame: &Frame<'_>, top: usize) -> Result<Answer> {
        self.prepare(frame)?;
        self.classify_prepared(top)
    }

    /// The task's output for `frame`, as the model gave it.
    pub fn output(&mut self, frame: &Frame<'_>) -> Result<Tensor> {
        self.prepare(frame)?;
        self.infer()
    }

    /// The first half of [`classify`](Self::classify), for who measures the halves: makes
    /// `frame` the input.
    pub fn prepare(&mut self, frame: &Frame<'_>) -> Result<()> {
        self.preprocessor.run(frame).map(drop)
    }

    /// The second half: the `top` best labels for the frame that was prepared last.
    pub fn classify_prepared(&mut self, top: usize) -> Result<Answer> {
        let output = self.infer()?;
        classify(&output, self.spec.activation, self.labels, top)
    }

    fn infer(&mut self) -> Result<Tensor> {
        let input = self.preprocessor.tensor();
        let mut outputs = self.engine.run(std::slice::from_ref(input))?;
        if self.output >= outputs.len() {
            return Err(EngineError::Output(format!(
                "the model gave {} outputs, {} is missing",
                outputs.len(),
                self.spec.name
            )));
        }
        Ok(outputs.swap_remove(self.output))
    }

    /// The preprocessor, to look at what the model is shown.
    pub const fn preprocessor(&mut self) -> &mut Preprocessor {
        &mut self.preprocessor
    }

    /// The engine below.
    pub fn engine(&mut self) -> &mut dyn Engine {
        &mut *self.engine
    }
}

fn check_input(inputs: &[TensorDescription], spec: &InputSpec) -> Result<()> {
    let [input] = inputs else {
        return Err(EngineError::Disagreement(format!(
            "the file takes {} inputs, an image classifier takes one",
            inputs.len()
        )));
    };
    let shape = spec.shape();
    if input.name != spec.name || input.element != spec.dtype || !input.admits(&shape) {
        return Err(EngineError::Disagreement(format!(
            "the file takes {} as {:?} {}, the manifest gives {} as {:?} {shape:?}",
            input.name,
            input.element,
            input.shape_text(),
            spec.name,
            spec.dtype
        )));
    }
    Ok(())
}

fn find_output(outputs: &[TensorDescription], spec: &OutputSpec, labels: usize) -> Result<usize> {
    let names = || -> Vec<&str> { outputs.iter().map(|output| output.name.as_str()).collect() };
    let Some(index) = outputs.iter().position(|output| output.name == spec.name) else {
        return Err(EngineError::Disagreement(format!(
            "the file has no output {}; it has {}",
            spec.name,
            names().join(", ")
        )));
    };
    let output = &outputs[index];
    if output.element != ElementType::F32 {
        return Err(EngineError::Disagreement(format!(
            "output {} is {:?}, it must be F32",
            output.name, output.element
        )));
    }
    let fixed = output
        .shape
        .iter()
        .flatten()
        .try_fold(1_usize, |count, &side| count.checked_mul(side));
    let all_fixed = output.shape.iter().all(Option::is_some);
    let fits = fixed.is_some_and(|fixed| {
        if all_fixed {
            fixed == labels
        } else {
            fixed != 0 && labels.is_multiple_of(fixed)
        }
    });
    if !fits {
        return Err(EngineError::Disagreement(format!(
            "output {} has shape {}, the manifest has {labels} labels",
            output.name,
            output.shape_text()
        )));
    }
    Ok(index)
}
