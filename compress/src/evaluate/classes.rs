//! One class for each sample: accuracy, recall, confusion, F1, areas under curves.

use noroshi_train::data::Classes;
use serde::Serialize;

use super::answers::{Answers, top};
use super::ranking::Ranking;
use super::{Groups, Options};
use crate::statistics::{Interval, Proportion};
use crate::{Error, Result};

/// Most cells of (samples x classes) for which intervals of ranked figures are drawn.
const DRAWN_LIMIT: usize = 5_000_000;

/// Wrong pairs that are listed.
const CONFUSIONS: usize = 50;

/// How well one class is told.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassFigures {
    /// The class's name.
    pub name: String,
    /// Samples of it that are told so.
    pub recall: Proportion,
    /// Answers of it that are right; none if it is never answered.
    pub precision: Option<f64>,
    /// Harmonic mean of both; zero if nothing is right.
    pub f1: f64,
}

/// One class taken for another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Confusion {
    /// What it is.
    pub is: String,
    /// What is answered.
    pub answered: String,
    /// How often.
    pub count: u64,
}

/// A figure with an interval, where one was drawn.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Figure {
    /// The figure.
    pub value: f64,
    /// Its 95 % interval, drawn by group.
    pub interval: Option<Interval>,
}

/// How well classes are told.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Classification {
    /// The right class has the largest number.
    pub top_1: Proportion,
    /// The interval of that when whole groups are drawn; none unless groups were given.
    pub top_1_by_group: Option<Interval>,
    /// How many largest numbers count in `top_k`.
    pub k: usize,
    /// The right class is among the `k` largest numbers.
    pub top_k: Proportion,
    /// Mean F1 of the classes that have samples.
    pub macro_f1: Figure,
    /// Mean area under the ROC curve of each such class against the rest; none if there is one.
    pub roc_auc: Option<Figure>,
    /// Mean average precision of those classes.
    pub mean_average_precision: Figure,
    /// Class by class.
    pub classes: Vec<ClassFigures>,
    /// The most frequent mistakes.
    pub confusions: Vec<Confusion>,
    /// Whether each sample is told right.
    #[serde(skip)]
    pub right: Vec<bool>,
    /// The class that each sample is taken for.
    #[serde(skip)]
    pub predictions: Vec<u32>,
}

pub(super) fn measure(
    answers: &Answers,
    classes: &Classes,
    groups: &Groups,
    options: &Options,
) -> Result<Classification> {
    let scores = Scores::new(answers, classes)?;
    let predictions: Vec<u32> = scores.rows().map(|row| top(row) as u32).collect();
    let right: Vec<bool> = predictions
        .iter()
        .zip(&classes.of)
        .map(|(answered, is)| answered == is)
        .collect();
    let k = options.top.clamp(1, scores.width);
    let near: Vec<bool> = scores
        .rows()
        .zip(&classes.of)
        .map(|(row, &is)| rank(row, is as usize) < k)
        .collect();
    let names: Vec<String> = (0..scores.width)
        .map(|class| {
            classes
                .names
                .get(class)
                .cloned()
                .unwrap_or_else(|| class.to_string())
        })
        .collect();
    let ones = vec![1.0; right.len()];
    let table = Table::count(&classes.of, &predictions, scores.width, &ones);
    let rankings = scores.rankings(&classes.of);
    let small = right.len().saturating_mul(scores.width) <= DRAWN_LIMIT;
    let figure = |of: &dyn Fn(&[f64]) -> Option<f64>| -> Option<Figure> {
        Some(Figure {
            value: of(&ones)?,
            interval: if small {
                groups.interval(of, options)
            } else {
                None
            },
        })
    };
    let nothing = Figure {
        value: 0.0,
        interval: None,
    };
    let macro_f1 = figure(&|weights: &[f64]| {
        Table::count(&classes.of, &predictions, scores.width, weights).macro_f1()
    });
    let roc_auc = figure(&|weights: &[f64]| mean_of(&rankings, |r| r.roc_auc(weights)));
    let precision = figure(&|weights: &[f64]| mean_of(&rankings, |r| r.average_precision(weights)));
    let as_number = |right: &bool| f64::from(u8::from(*right));
    Ok(Classification {
        top_1: Proportion::of(&right),
        top_1_by_group: groups
            .mean_interval(&right.iter().map(as_number).collect::<Vec<_>>(), options),
        k,
        top_k: Proportion::of(&near),
        macro_f1: macro_f1.unwrap_or(nothing),
        roc_auc,
        mean_average_precision: precision.unwrap_or(nothing),
        classes: table.figures(&names),
        confusions: confusions(&classes.of, &predictions, &names),
        right,
        predictions,
    })
}

/// How many numbers are larger than that of the class, or equal and before it.
fn rank(row: &[f32], class: usize) -> usize {
    let own = row[class];
    let above = |(place, &value): (usize, &f32)| {
        value > own || own.is_nan() && !value.is_nan() || (value >= own && place < class)
    };
    row.iter().enumerate().filter(|&pair| above(pair)).count()
}

fn mean_of(rankings: &[Ranking], figure: impl Fn(&Ranking) -> Option<f64>) -> Option<f64> {
    let figures: Vec<f64> = rankings.iter().filter_map(figure).collect();
    crate::statistics::mean(&figures)
}

/// Scores of at least two classes: a single number becomes that of "no" and "yes".
struct Scores {
    values: Vec<f32>,
    width: usize,
}

impl Scores {
    fn new(answers: &Answers, classes: &Classes) -> Result<Self> {
        let most = classes.of.iter().max().map_or(0, |&most| most as usize);
        if answers.width == 1 && most <= 1 {
            let middle = threshold(&answers.values);
            let both = |&value: &f32| [middle, value];
            return Ok(Self {
                values: answers.values.iter().flat_map(both).collect(),
                width: 2,
            });
        }
        if most >= answers.width {
            let width = answers.width;
            return Err(Error::Compare(format!(
                "the data have the class {most}, the model's answer has {width} numbers"
            )));
        }
        Ok(Self {
            values: answers.values.clone(),
            width: answers.width,
        })
    }

    fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.width)
    }

    /// A ranking for each class that has samples, by its probability; of two classes the second
    /// tells all. Numbers outside 0 to 1 are logits: they rank once each row is normalized.
    fn rankings(&self, of: &[u32]) -> Vec<Ranking> {
        let mut present = vec![false; self.width];
        of.iter().for_each(|&class| present[class as usize] = true);
        if self.width == 2 {
            present[0] = false;
        }
        let whole: Vec<f32> = if are_probabilities(&self.values) {
            vec![0.0; of.len()]
        } else {
            self.rows().map(log_sum).collect()
        };
        (0..self.width)
            .filter(|&class| present[class])
            .map(|class| {
                let rows = self.rows().zip(&whole);
                let scores: Vec<f32> = rows.map(|(row, whole)| row[class] - whole).collect();
                Ranking::new(&scores, |place| of[place] as usize == class)
            })
            .collect()
    }
}

/// From where on a number means "yes": a half for probabilities, zero for anything else.
pub(super) fn threshold(values: &[f32]) -> f32 {
    if are_probabilities(values) { 0.5 } else { 0.0 }
}

fn are_probabilities(values: &[f32]) -> bool {
    values.iter().all(|value| (0.0..=1.0).contains(value))
}

/// The logarithm of the sum of the exponentials.
fn log_sum(row: &[f32]) -> f32 {
    let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    most + row
        .iter()
        .map(|value| (value - most).exp())
        .sum::<f32>()
        .ln()
}

/// Counts of right answers, of answers and of samples of each class.
struct Table {
    right: Vec<f64>,
    answered: Vec<f64>,
    of: Vec<f64>,
}

impl Table {
    fn count(of: &[u32], answered: &[u32], width: usize, weights: &[f64]) -> Self {
        let mut table = Self {
            right: vec![0.0; width],
            answered: vec![0.0; width],
            of: vec![0.0; width],
        };
        for ((&is, &answer), weight) in of.iter().zip(answered).zip(weights) {
            table.of[is as usize] += weight;
            table.answered[answer as usize] += weight;
            if is == answer {
                table.right[is as usize] += weight;
            }
        }
        table
    }

    fn f1(&self, class: usize) -> f64 {
        let whole = self.of[class] + self.answered[class];
        if whole > 0.0 {
            2.0 * self.right[class] / whole
        } else {
            0.0
        }
    }

    fn macro_f1(&self) -> Option<f64> {
        let present = (0..self.of.len()).filter(|&class| self.of[class] > 0.0);
        let figures: Vec<f64> = present.map(|class| self.f1(class)).collect();
        crate::statistics::mean(&figures)
    }

    /// The figures of the classes that have samples.
    fn figures(&self, names: &[String]) -> Vec<ClassFigures> {
        let present = (0..self.of.len()).filter(|&class| self.of[class] > 0.0);
        present
            .map(|class| {
                let (right, answered) = (self.right[class], self.answered[class]);
                ClassFigures {
                    name: names[class].clone(),
                    recall: Proportion::new(right as u64, self.of[class] as u64),
                    precision: (answered > 0.0).then(|| right / answered),
                    f1: self.f1(class),
                }
            })
            .collect()
    }
}

fn confusions(of: &[u32], answered: &[u32], names: &[String]) -> Vec<Confusion> {
    let mut counts = std::collections::BTreeMap::new();
    for pair in of.iter().zip(answered).filter(|(is, answer)| is != answer) {
        *counts.entry(pair).or_insert(0u64) += 1;
    }
    let mut listed: Vec<_> = counts.into_iter().collect();
    listed.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let named = |((is, answer), count): ((&u32, &u32), u64)| Confusion {
        is: names[*is as usize].clone(),
        answered: names[*answer as usize].clone(),
        count,
    };
    listed.into_iter().take(CONFUSIONS).map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(of: &[u32]) -> Classes {
        Classes::numbered(of.to_vec())
    }

    fn seen(values: &[f32], width: usize, of: &[u32]) -> Classification {
        let answers = Answers {
            values: values.to_vec(),
            width,
        };
        let options = Options {
            top: 2,
            ..Options::default()
        };
        let groups = Groups::each(of.len());
        measure(&answers, &classes(of), &groups, &options).unwrap()
    }

    #[test]
    fn figures_of_a_small_table_are_those_by_hand() {
        let values = [
            0.7, 0.2, 0.1, // 0, right
            0.3, 0.4, 0.3, // 0 taken for 1, second largest
            0.1, 0.8, 0.1, // 1, right
            0.5, 0.1, 0.4, // 2 taken for 0, second largest
            0.6, 0.3, 0.1, // 2 taken for 0, last
        ];
        let seen = seen(&values, 3, &[0, 0, 1, 2, 2]);
        assert_eq!(
            (seen.top_1.count, seen.top_k.count, seen.top_1.of),
            (2, 4, 5)
        );
        // F1: class 0: 2*1/(2+3), class 1: 2*1/(1+2), class 2: 0.
        assert!((seen.macro_f1.value - (0.4 + 2.0 / 3.0) / 3.0).abs() < 1e-12);
        assert_eq!(seen.classes[0].recall.count, 1);
        assert_eq!(seen.classes[2].precision, None);
        let first = &seen.confusions[0];
        assert_eq!(
            (first.is.as_str(), first.answered.as_str(), first.count),
            ("2", "0", 2)
        );
        assert_eq!(seen.predictions, [0, 1, 1, 0, 0]);
    }

    #[test]
    fn one_number_tells_two_classes() {
        let seen = seen(&[-2.0, 1.0, 0.5, -1.0], 1, &[0, 1, 0, 1]);
        assert_eq!(seen.top_1.count, 2);
        assert!((seen.roc_auc.unwrap().value - 0.75).abs() < 1e-12);
        let seen = seen_probability();
        assert_eq!(seen.top_1.count, 2);
    }

    fn seen_probability() -> Classification {
        seen(&[0.4, 0.6], 1, &[0, 1])
    }

    #[test]
    fn a_class_beyond_the_answers_is_an_error() {
        let answers = Answers {
            values: vec![0.0; 4],
            width: 2,
        };
        let error = measure(
            &answers,
            &classes(&[0, 2]),
            &Groups::each(2),
            &Options::default(),
        );
        assert!(error.unwrap_err().to_string().contains("has 2 numbers"));
    }

    #[test]
    fn a_number_that_is_none_is_never_near_the_top() {
        assert_eq!(rank(&[f32::NAN, 1.0, 2.0], 0), 2);
        assert_eq!(
            rank(&[1.0, 1.0], 1),
            1,
            "the first of equal ones is the top"
        );
    }
}
