//! Models of a few kilobytes: trees, forests, ProtoNN, Bonsai, boosted trees, linear models,
//! Fastfood, support vector machines, which never change, and online forests, which learn on (see
//! [`online`]).
//!
//! The file says how many numbers a row has, not what they are: any tensor of so many numbers is
//! taken, in its order. A model of bytes takes bytes; one that scales numbers itself takes f32, and
//! so does one of windows, whose row is the sensor's numbers, sample after sample: their features
//! are computed here, in whole numbers, as on a microcontroller. For an agent rows are pictures for
//! now, gray and as small as the row is long.
//!
//! An answer has a number for each class: its score less that of the best. So the best has 0 and
//! every other less, however large the scores of integer models are: a difference of one unit is
//! never rounded away, and of equals the first is the best, as on a microcontroller. The numbers
//! rank; the probabilities that a softmax makes of them are not calibrated.

mod online;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use noroshi_model::{Activation, ElementType, Features, Precision};
use noroshi_tiny::{Answer, Explanation, Family, Intake, MAX_FILE_BYTES, Model};

use crate::engine::{Engine, Explainer, TensorDescription, batch_of};
use crate::error::{EngineError, Result};
use crate::tensor::{Tensor, TensorData};

/// The name of the only input.
pub const INPUT: &str = "row";
/// The name of the only output.
pub const OUTPUT: &str = "scores";
/// Bytes of the largest file.
pub(crate) const MAX_BYTES: u64 = MAX_FILE_BYTES as u64;
/// How a file begins.
const MAGIC: &[u8] = b"NTM";

/// What a file says of its model.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// Numbers of a row, or of a window.
    pub columns: usize,
    /// What it computes of a window, where it takes windows.
    pub features: Option<Features>,
    /// Classes, one number of the answer each.
    pub classes: usize,
    /// What a row is made of: u8 or f32.
    pub element: ElementType,
    /// Its arithmetic.
    pub precision: Precision,
    /// What its numbers of an answer are.
    pub activation: Activation,
    /// Numbers that were learned.
    pub parameters: u64,
    /// Multiplications of an answer, at most.
    pub multiplications: u64,
    /// Bytes that the model takes while it runs, rounded up.
    pub memory: u64,
}

/// What the file at `path` says; `None` if it is no such file by its first bytes.
pub fn facts(path: &Path) -> Result<Option<Facts>> {
    let failed =
        |source| EngineError::system(format!("reading the model {}", path.display()), source);
    let mut file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    let head = MAGIC.len() as u64;
    (&mut file)
        .take(head)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes != MAGIC && bytes != online::MAGIC {
        return Ok(None);
    }
    // One more than a model has, so that a longer file is refused for its length.
    file.take(MAX_BYTES + 1 - head)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.starts_with(online::MAGIC) {
        return online_facts(&bytes).map(Some);
    }
    let model = read(&bytes)?;
    let work = model.work();
    Ok(Some(Facts {
        columns: model.intake.numbers(model.columns),
        features: match &model.intake {
            Intake::Windows(windowed) => Some(windowed.features().clone()),
            Intake::Bytes | Intake::Scaled(_) => None,
        },
        classes: usize::from(model.classes),
        element: element(&model),
        precision: match model.family {
            Family::ProtoNnFloat(_) | Family::BonsaiFloat(_) | Family::Fastfood(_) => {
                Precision::Fp32
            }
            _ => Precision::Int8,
        },
        activation: Activation::Logits,
        parameters: work.parameters,
        multiplications: work.multiplications,
        memory: memory(&model, bytes.len()),
    }))
}

/// Bytes in memory, from above.
fn memory(model: &Model, file: usize) -> u64 {
    let drawn = match &model.family {
        Family::Fastfood(one) => one.memory(),
        _ => 0,
    };
    // No number takes more than four times its bytes in the file.
    (drawn + 4 * file) as u64
}

fn online_facts(bytes: &[u8]) -> Result<Facts> {
    let (forest, classes) = online::read(bytes)?;
    let arena = forest.arena_bytes() as u64;
    Ok(Facts {
        columns: usize::from(forest.settings().features),
        classes: usize::from(classes),
        features: None,
        element: ElementType::F32,
        precision: Precision::Fp32,
        activation: Activation::Probabilities,
        parameters: arena / 4,
        // Comparisons and sums along a path; what is multiplied is a handful of shares.
        multiplications: u64::from(forest.settings().trees) * u64::from(classes),
        // What is known, what was released, and what a state is written to.
        memory: 3 * arena,
    })
}

/// Opens the model in `bytes`, of either kind.
pub(crate) fn open(bytes: &[u8]) -> Result<Box<dyn Engine>> {
    if bytes.starts_with(online::MAGIC) {
        return Ok(Box::new(online::OnlineEngine::open(bytes)?));
    }
    Ok(Box::new(TinyEngine::open(bytes)?))
}

fn read(bytes: &[u8]) -> Result<Model> {
    Model::from_bytes(bytes).map_err(|error| EngineError::Model(error.to_string()))
}

fn element(model: &Model) -> ElementType {
    match model.intake {
        Intake::Bytes => ElementType::U8,
        Intake::Scaled(_) | Intake::Windows(_) => ElementType::F32,
    }
}

/// A model, ready to answer.
pub(crate) struct TinyEngine {
    model: Model,
    input: TensorDescription,
    output: TensorDescription,
}

impl TinyEngine {
    /// Opens the model in `bytes`.
    pub(crate) fn open(bytes: &[u8]) -> Result<Self> {
        let model = read(bytes)?;
        Ok(Self {
            input: TensorDescription {
                name: INPUT.to_owned(),
                element: element(&model),
                // A picture's sides and channels, which only the manifest knows.
                shape: vec![None; 4],
            },
            output: TensorDescription {
                name: OUTPUT.to_owned(),
                element: ElementType::F32,
                shape: vec![None, Some(usize::from(model.classes))],
            },
            model,
        })
    }
}

impl Engine for TinyEngine {
    fn inputs(&self) -> &[TensorDescription] {
        std::slice::from_ref(&self.input)
    }

    fn outputs(&self) -> &[TensorDescription] {
        std::slice::from_ref(&self.output)
    }

    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let batch = batch_of(self.inputs(), inputs)?;
        let columns = self.model.intake.numbers(self.model.columns);
        let given: usize = inputs[0].shape()[1..].iter().product();
        if given != columns {
            return Err(EngineError::Input(format!(
                "the model takes {columns} numbers, a picture of {given} was given"
            )));
        }
        let answers: Vec<_> = match inputs[0].data() {
            TensorData::U8(bytes) => (bytes.chunks_exact(columns))
                .map(|row| self.model.answer(row))
                .collect(),
            TensorData::F32(numbers) => (numbers.chunks_exact(columns))
                .map(|row| self.model.answer_numbers(row))
                .collect(),
            _ => unreachable!("the input's type was checked"),
        };
        let mut numbers = Vec::with_capacity(batch * usize::from(self.model.classes));
        for answer in answers {
            let answer = answer.map_err(|error| EngineError::Input(error.to_string()))?;
            numbers.extend(below_best(&answer));
        }
        let width = numbers.len() / batch;
        Ok(vec![Tensor::f32(vec![batch, width], numbers)?])
    }

    fn explainer(&self) -> Option<&dyn Explainer> {
        Some(self)
    }
}

impl Explainer for TinyEngine {
    fn explain(&self, input: &Tensor) -> Result<Explanation> {
        let why = match input.data() {
            TensorData::U8(row) => self.model.explain(row),
            TensorData::F32(numbers) => {
                (self.model.intake.bytes(numbers)).and_then(|row| self.model.explain(&row))
            }
            _ => {
                let text = "an explanation is of a row of bytes or numbers";
                return Err(EngineError::Input(text.to_owned()));
            }
        };
        why.map_err(|error| EngineError::Input(error.to_string()))
    }
}

/// Each score less the best.
fn below_best(answer: &Answer) -> impl Iterator<Item = f32> {
    let best = answer.scores[usize::from(answer.label)];
    answer.scores.iter().map(move |score| (score - best) as f32)
}
