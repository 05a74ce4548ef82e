//! A tiny model, what it answers, and why.

use crate::bonsai::{Bonsai, BonsaiFloat};
use crate::boosted::Boosted;
use crate::error::{Result, TinyError, data, file};
use crate::fastfood::Compact;
use crate::features::Windowed;
use crate::forest::Forest;
use crate::linear::Linear;
use crate::protonn::{ProtoNn, ProtoNnFloat};
use crate::svm::Svm;

/// A trained model. Every family takes a byte for each column; [`Intake`] says how numbers
/// become those bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// How numbers become bytes.
    pub intake: Intake,
    /// Numbers of a row.
    pub columns: u16,
    /// Classes it tells apart, 2 to 256.
    pub classes: u16,
    /// What it is made of.
    pub family: Family,
}

/// What a model is made of.
#[derive(Debug, Clone, PartialEq)]
pub enum Family {
    /// A decision tree, a forest, a refined forest: integer.
    Forest(Forest),
    /// Gradient-boosted trees with leaves of a byte: integer.
    Boosted(Boosted),
    /// Prototypes, in floating point.
    ProtoNnFloat(ProtoNnFloat),
    /// Prototypes, integer.
    ProtoNn(ProtoNn),
    /// A Bonsai tree in floating point.
    BonsaiFloat(BonsaiFloat),
    /// A Bonsai tree, integer.
    Bonsai(Bonsai),
    /// A linear model: integer.
    Linear(Linear),
    /// Random features of a kernel under a head of bytes, in floating point.
    Fastfood(Compact),
    /// Support vector machines, vectors and coefficients of bytes.
    Svm(Svm),
}

/// How numbers become the bytes that a model takes.
#[derive(Debug, Clone, PartialEq)]
pub enum Intake {
    /// They are bytes: whole numbers from 0 to 255.
    Bytes,
    /// 256 steps from a low bound, for each column.
    Scaled(Vec<Scale>),
    /// They are windows of samples: features of a window become the row.
    Windows(Windowed),
}

/// 256 steps of one column; what lies beyond the ends is taken as the end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    pub(crate) low: f32,
    pub(crate) step: f32,
}

/// What a model says of one row.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The class with the highest score, the first of equals.
    pub label: u16,
    /// A score for each class, in units of the family.
    pub scores: Vec<f64>,
    /// The same scores as the integer models compute them; empty for models in floating point.
    pub integers: Vec<i32>,
}

/// Why a model answered as it did: terms that sum to the score of the class it chose.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The class chosen.
    pub label: u16,
    /// Its score.
    pub score: f64,
    /// What it is the sum of, greatest first by absolute value.
    pub terms: Vec<Term>,
}

/// A part of a score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Term {
    /// Where it comes from.
    pub part: Part,
    /// How much it adds.
    pub value: f64,
}

/// Where a term comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What holds for every row.
    Base,
    /// A column of the row.
    Column(u16),
    /// Closeness to a prototype.
    Prototype(u16),
    /// A node on the way through a Bonsai tree.
    Node(u16),
}

impl Scale {
    pub(crate) fn new(low: f32, step: f32) -> Result<Self> {
        if low.is_finite() && step.is_finite() && step >= 0.0 {
            return Ok(Self { low, step });
        }
        Err(file("a column is scaled by a number that can't be"))
    }

    /// From the least to the greatest of `values`; for a constant column every number is 0.
    pub fn over(values: impl IntoIterator<Item = f32>) -> Self {
        let bounds = (f32::INFINITY, f32::NEG_INFINITY);
        let (low, high) = values
            .into_iter()
            .filter(|value| value.is_finite())
            .fold(bounds, |(low, high), value| {
                (low.min(value), high.max(value))
            });
        // Half the range, twice: the range itself may be beyond what f32 holds.
        let step = (high / 255.0) - (low / 255.0);
        if step.is_finite() && step > 0.0 {
            return Self { low, step };
        }
        let low = if low.is_finite() { low } else { 0.0 };
        Self { low, step: 0.0 }
    }

    /// The least number that is not 0.
    pub fn low(self) -> f32 {
        self.low
    }

    /// How far a step is; 0 for a constant column.
    pub fn step(self) -> f32 {
        self.step
    }

    /// The byte of `value`: floor((value − low) / step + ½), within 0 to 255.
    pub fn byte(self, value: f32) -> u8 {
        if self.step <= 0.0 {
            return 0;
        }
        // `as` saturates and makes 0 of NaN, so that no number can do harm here.
        ((value - self.low) / self.step + 0.5) as u8
    }
}

impl Intake {
    /// How many numbers become a row of `columns` bytes.
    pub fn numbers(&self, columns: u16) -> usize {
        match self {
            Self::Bytes | Self::Scaled(_) => usize::from(columns),
            Self::Windows(windowed) => windowed.features().numbers(),
        }
    }

    /// The bytes of a row. NaN, infinity and, for a model of bytes, any number that is none are
    /// refused: an answer to them would mean nothing.
    pub fn bytes(&self, row: &[f32]) -> Result<Vec<u8>> {
        if let Some(column) = row.iter().position(|value| !value.is_finite()) {
            return Err(data(format!("column {column} is {}", row[column])));
        }
        match self {
            Self::Bytes => row.iter().enumerate().map(as_byte).collect(),
            Self::Scaled(scales) if scales.len() != row.len() => Err(TinyError::Columns {
                wanted: scales.len(),
                given: row.len(),
            }),
            Self::Scaled(scales) => Ok(scales
                .iter()
                .zip(row)
                .map(|(scale, &value)| scale.byte(value))
                .collect()),
            Self::Windows(windowed) => windowed.row_of_numbers(row),
        }
    }
}

fn as_byte((column, &value): (usize, &f32)) -> Result<u8> {
    if value.fract() == 0.0 && (0.0..=255.0).contains(&value) {
        return Ok(value as u8);
    }
    Err(data(format!(
        "column {column} is {value}, this model takes whole numbers from 0 to 255"
    )))
}

impl Model {
    /// Answers a row of bytes.
    pub fn answer(&self, row: &[u8]) -> Result<Answer> {
        self.check(row)?;
        Ok(match &self.family {
            Family::Forest(forest) => Answer::of_integers(forest.scores(row, self.classes), 1.0),
            Family::Boosted(model) => Answer::of_integers(model.scores(row), model.unit()),
            Family::ProtoNnFloat(model) => Answer::of_floats(&model.scores(row)),
            Family::ProtoNn(model) => Answer::of_integers(model.scores(row), model.unit()),
            Family::BonsaiFloat(model) => Answer::of_floats(&model.scores(row)),
            Family::Bonsai(model) => Answer::of_integers(model.scores(row), model.unit()),
            Family::Linear(model) => Answer::of_integers(model.scores(row), model.unit()),
            Family::Fastfood(model) => Answer::of_floats(&model.scores(row)),
            Family::Svm(model) => Answer::of_floats(&model.scores(row)),
        })
    }

    /// Answers a row of numbers as the sensor gives them, or a window of them, sample after
    /// sample, if that is what the model takes.
    pub fn answer_numbers(&self, row: &[f32]) -> Result<Answer> {
        let wanted = self.intake.numbers(self.columns);
        if row.len() != wanted {
            return Err(TinyError::Columns {
                wanted,
                given: row.len(),
            });
        }
        self.answer(&self.intake.bytes(row)?)
    }

    /// Answers a window of samples, sample after sample.
    pub fn answer_window(&self, window: &[i16]) -> Result<Answer> {
        match &self.intake {
            Intake::Windows(windowed) => self.answer(&windowed.row(window)?),
            Intake::Bytes | Intake::Scaled(_) => {
                Err(data("this model takes rows, not windows of samples"))
            }
        }
    }

    /// The classes of many rows, one after the other.
    pub fn labels(&self, rows: &[u8]) -> Result<Vec<u16>> {
        let rows = rows.chunks(usize::from(self.columns));
        rows.map(|row| Ok(self.answer(row)?.label)).collect()
    }

    /// Why the model answers a row as it does.
    pub fn explain(&self, row: &[u8]) -> Result<Explanation> {
        let answer = self.answer(row)?;
        let label = usize::from(answer.label);
        let mut terms = match &self.family {
            Family::Forest(forest) => forest.explain(row, label),
            Family::Boosted(model) => model.explain(row, label),
            Family::ProtoNnFloat(model) => model.explain(row, label),
            Family::ProtoNn(model) => model.explain(row, label),
            Family::BonsaiFloat(model) => model.explain(row, label),
            Family::Bonsai(model) => model.explain(row, label),
            Family::Linear(model) => model.explain(row, label),
            Family::Fastfood(model) => model.explain(row, label),
            Family::Svm(model) => model.explain(row, label),
        };
        terms.sort_by(|a, b| b.value.abs().total_cmp(&a.value.abs()));
        Ok(Explanation {
            label: answer.label,
            score: answer.scores[label],
            terms,
        })
    }

    fn check(&self, row: &[u8]) -> Result<()> {
        if row.len() == usize::from(self.columns) {
            return Ok(());
        }
        Err(TinyError::Columns {
            wanted: usize::from(self.columns),
            given: row.len(),
        })
    }
}

impl Answer {
    fn of_integers(integers: Vec<i32>, unit: f64) -> Self {
        let scores = integers
            .iter()
            .map(|&score| f64::from(score) * unit)
            .collect();
        Self {
            label: first_of_highest(&integers),
            scores,
            integers,
        }
    }

    fn of_floats(scores: &[f32]) -> Self {
        Self {
            label: first_of_highest(scores),
            scores: scores.iter().copied().map(f64::from).collect(),
            integers: Vec::new(),
        }
    }
}

/// The index of the highest, the first of equals.
pub(crate) fn first_of_highest<T: PartialOrd>(scores: &[T]) -> u16 {
    let mut best = 0;
    for (index, score) in scores.iter().enumerate() {
        if *score > scores[best] {
            best = index;
        }
    }
    best as u16
}
