//! Trees that go on learning: the released file is a state of an online forest, and so is what
//! the forest becomes. A state that was pulled from a device can be released as it is.
//!
//! An answer has the vote's share for each class; they sum to 1.

use noroshi_model::ElementType;
use noroshi_tiny::online::{Answer, Explanation as Why, Label, OnlineForest, Task};
use noroshi_tiny::{Explanation, Part, Term};

use super::{INPUT, OUTPUT};
use crate::engine::{Engine, Explainer, Learner, Lesson, TensorDescription, batch_of};
use crate::error::{EngineError, Result};
use crate::tensor::{Tensor, TensorData};

/// How a file begins.
pub(super) const MAGIC: &[u8] = b"NRO";

/// The forest in `bytes`, if it is one that tells classes apart.
pub(super) fn read(bytes: &[u8]) -> Result<(OnlineForest, u8)> {
    let forest =
        OnlineForest::from_bytes(bytes).map_err(|error| EngineError::Model(error.to_string()))?;
    match forest.settings().task {
        Task::Classification { classes } => Ok((forest, classes)),
        Task::Regression => Err(EngineError::Model(
            "it answers with a number; a pipeline runs models that tell classes apart".into(),
        )),
    }
}

/// A forest, ready to answer and to learn.
pub(crate) struct OnlineEngine {
    forest: OnlineForest,
    released: OnlineForest,
    classes: u8,
    input: TensorDescription,
    output: TensorDescription,
}

impl OnlineEngine {
    /// Opens the forest in `bytes`.
    pub(crate) fn open(bytes: &[u8]) -> Result<Self> {
        let (forest, classes) = read(bytes)?;
        Ok(Self {
            input: TensorDescription {
                name: INPUT.to_owned(),
                element: ElementType::F32,
                shape: vec![None; 4],
            },
            output: TensorDescription {
                name: OUTPUT.to_owned(),
                element: ElementType::F32,
                shape: vec![None, Some(usize::from(classes))],
            },
            released: forest.clone(),
            forest,
            classes,
        })
    }
}

fn row(input: &Tensor) -> Result<&[f32]> {
    match input.data() {
        TensorData::F32(row) => Ok(row),
        _ => Err(EngineError::Input("the model takes numbers of f32".into())),
    }
}

fn unusable(error: impl std::fmt::Display) -> EngineError {
    EngineError::Input(error.to_string())
}

impl Engine for OnlineEngine {
    fn inputs(&self) -> &[TensorDescription] {
        std::slice::from_ref(&self.input)
    }

    fn outputs(&self) -> &[TensorDescription] {
        std::slice::from_ref(&self.output)
    }

    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let batch = batch_of(self.inputs(), inputs)?;
        let numbers = row(&inputs[0])?;
        let columns = usize::from(self.forest.settings().features);
        if numbers.len() != batch * columns {
            return Err(EngineError::Input(format!(
                "the model takes {columns} numbers, {} were given",
                numbers.len() / batch
            )));
        }
        let mut shares = Vec::with_capacity(batch * usize::from(self.classes));
        for row in numbers.chunks_exact(columns) {
            shares.extend(self.forest.shares(row).map_err(unusable)?);
        }
        let width = usize::from(self.classes);
        Ok(vec![Tensor::f32(vec![batch, width], shares)?])
    }

    fn explainer(&self) -> Option<&dyn Explainer> {
        Some(self)
    }

    fn learner(&mut self) -> Option<&mut dyn Learner> {
        Some(self)
    }
}

impl Explainer for OnlineEngine {
    fn explain(&self, input: &Tensor) -> Result<Explanation> {
        let why = self.forest.explain(row(input)?).map_err(unusable)?;
        Ok(explanation(&why))
    }
}

/// In the words of all families: what is ordinary is the base.
fn explanation(why: &Why) -> Explanation {
    let mut terms: Vec<Term> = (why.terms.iter())
        .map(|term| Term {
            part: Part::Column(term.feature),
            value: term.value,
        })
        .collect();
    terms.push(Term {
        part: Part::Base,
        value: why.ordinary,
    });
    terms.sort_by(|one, other| other.value.abs().total_cmp(&one.value.abs()));
    Explanation {
        label: why.class.unwrap_or_default().into(),
        score: why.answer,
        terms,
    }
}

impl Learner for OnlineEngine {
    fn learn(&mut self, input: &Tensor, label: usize) -> Result<Lesson> {
        let row = row(input)?;
        let class = u8::try_from(label).map_err(unusable)?;
        let answer = self.forest.answer(row).map_err(unusable)?;
        let learned = self
            .forest
            .learn(row, Label::Class(class))
            .map_err(unusable)?;
        Ok(Lesson {
            right: matches!(answer, Answer::Class { class: answered, .. } if answered == class),
            alarm: learned.alarm,
        })
    }

    fn samples(&self) -> u32 {
        let released = self.released.counters().samples;
        self.forest.counters().samples.saturating_sub(released)
    }

    fn alarms(&self) -> u32 {
        let released = self.released.counters().alarms;
        self.forest.counters().alarms.saturating_sub(released)
    }

    fn state(&self) -> Vec<u8> {
        self.forest.to_bytes()
    }

    fn restore(&mut self, state: Option<&[u8]>) -> Result<()> {
        let Some(state) = state else {
            self.forest = self.released.clone();
            return Ok(());
        };
        let (forest, _) = read(state)?;
        if forest.settings() != self.released.settings() {
            return Err(EngineError::Model(
                "the state is of a model with other settings".into(),
            ));
        }
        self.forest = forest;
        Ok(())
    }
}
