//! What a change cost on samples that it was not made with, and whether that is too much.

use std::fmt;

use noroshi_engine::{Engine, Options, Tensor};
use noroshi_onnx::ModelProto;
use serde::Serialize;

use super::calibrate;
use crate::statistics::{Discordant, Proportion};
use crate::{Error, Result};

/// What a quantized model has to reach.
#[derive(Debug, Clone, Copy)]
pub struct Goal<'a> {
    /// Samples that calibration did not see, tensors of the model's only input.
    pub inputs: &'a [Tensor],
    /// The right class of each; without, the float model's own answers count as right.
    pub labels: Option<&'a [usize]>,
    /// The loss of accuracy that is still accepted, a share: .02 are two points.
    pub max_loss: f64,
}

/// The loss of accuracy, with its 95 % interval from the samples on which just one is right.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Loss {
    /// The float model.
    pub before: Proportion,
    /// The quantized one.
    pub after: Proportion,
    /// Accuracy that was lost, a share.
    pub loss: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end of its interval.
    pub high: f64,
    /// Two-sided p-value of McNemar's exact test.
    pub p_value: f64,
    /// What is accepted.
    pub limit: f64,
    /// Whether right answers were given; else those of the float model counted.
    pub labelled: bool,
}

impl Loss {
    /// Whether the loss is beyond the limit, sure at 95 %.
    pub fn is_refused(&self) -> bool {
        self.low > self.limit
    }

    /// The loss, or the refusal with the figure.
    pub fn admitted(self) -> Result<Self> {
        if self.is_refused() {
            return Err(Error::TooLossy {
                loss: 100.0 * self.loss,
                low: 100.0 * self.low,
                high: 100.0 * self.high,
                limit: 100.0 * self.limit,
            });
        }
        Ok(self)
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let points = |share: f64| 100.0 * share;
        let judged = if self.labelled {
            "accuracy"
        } else {
            "agreement with the float model"
        };
        write!(
            f,
            "{judged} {} after {}: lost {:.2} points (95 %: {:.2} to {:.2}; McNemar p {:.3})",
            self.after,
            self.before,
            points(self.loss),
            points(self.low),
            points(self.high),
            self.p_value
        )
    }
}

/// The loss from `float` to `variant`.
pub fn judge(
    float: &ModelProto,
    variant: &ModelProto,
    goal: &Goal<'_>,
    engine: &Options,
) -> Result<Loss> {
    Judge::new(float, goal, engine)?.loss(variant)
}

/// The float model's answers, asked for once.
pub(super) struct Judge<'a> {
    goal: Goal<'a>,
    engine: &'a Options,
    truth: Vec<usize>,
    before: Vec<bool>,
}

impl<'a> Judge<'a> {
    pub(super) fn new(float: &ModelProto, goal: &Goal<'a>, engine: &'a Options) -> Result<Self> {
        if goal.inputs.is_empty() {
            return Err(Error::Quantize(
                "a limit on the loss needs samples to measure it on: give some, best thousands"
                    .into(),
            ));
        }
        if goal.labels.is_some_and(|l| l.len() != goal.inputs.len()) {
            return Err(Error::Quantize(
                "there must be a label for each sample".into(),
            ));
        }
        let answers = answers(float, goal.inputs, engine)?;
        let truth = goal
            .labels
            .map_or_else(|| answers.clone(), <[usize]>::to_vec);
        let before = answers.iter().zip(&truth).map(|(a, t)| a == t).collect();
        Ok(Self {
            goal: *goal,
            engine,
            truth,
            before,
        })
    }

    pub(super) fn loss(&self, variant: &ModelProto) -> Result<Loss> {
        let answers = answers(variant, self.goal.inputs, self.engine)?;
        let after: Vec<bool> = answers
            .iter()
            .zip(&self.truth)
            .map(|(a, t)| a == t)
            .collect();
        let differing = Discordant::count(&self.before, &after)
            .ok_or_else(|| Error::Quantize("the models answer differently often".into()))?;
        let test = differing.test();
        let (loss, low, high) = test.loss();
        Ok(Loss {
            before: Proportion::of(&self.before),
            after: Proportion::of(&after),
            loss,
            low,
            high,
            p_value: test.p_value,
            limit: self.goal.max_loss,
            labelled: self.goal.labels.is_some(),
        })
    }
}

/// The class with the highest score of the first output, for each sample of each input.
fn answers(model: &ModelProto, inputs: &[Tensor], engine: &Options) -> Result<Vec<usize>> {
    let mut engine = calibrate::session(model, engine)?;
    inputs
        .iter()
        .map(|input| answer(&mut *engine, input))
        .collect()
}

fn answer(engine: &mut dyn Engine, input: &Tensor) -> Result<usize> {
    let outputs = engine.run(std::slice::from_ref(input))?;
    let scores = outputs.first().map(Tensor::to_f32).unwrap_or_default();
    let best = scores
        .iter()
        .enumerate()
        .max_by(|(_, one), (_, other)| one.total_cmp(other));
    best.map(|(class, _)| class)
        .ok_or_else(|| Error::Quantize("the model's first output is empty".into()))
}
