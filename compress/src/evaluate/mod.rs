//! How good a model is on somebody's data, and how it differs from another one there.
//!
//! Accuracies come with Wilson intervals; two models are compared by a paired test on the same
//! samples; where there are no labels, the answers themselves are compared.

mod answers;
mod classes;
mod fidelity;
mod groups;
mod others;
mod pictures;
mod ranking;
mod table;

use std::path::Path;

use noroshi_engine::Tensor;
use noroshi_train::data::{Dataset, Targets};
use serde::Serialize;

pub(crate) use answers::top;
pub use answers::{Answers, Model};
pub use classes::{ClassFigures, Classification, Confusion, Figure};
pub use fidelity::{Fidelity, cosine};
pub use groups::Groups;
pub use others::{Closeness, Labelling};
pub use pictures::{Convention, picture_input};

use crate::report::assess::headline;
use crate::statistics::{Discordant, Interval, Paired, Proportion};
use crate::{Error, Result};
use fidelity::Gathered;

/// How models are evaluated.
#[derive(Debug, Clone)]
pub struct Options {
    /// The engine that runs them.
    pub engine: noroshi_engine::Options,
    /// How many of the largest numbers count as near.
    pub top: usize,
    /// The output that answers; the first one if none.
    pub output: Option<String>,
    /// Draws of an interval.
    pub resamples: usize,
    /// Where the draws start.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            engine: noroshi_engine::Options::default(),
            top: 5,
            output: None,
            resamples: 200,
            seed: 1,
        }
    }
}

/// How good a model is on the targets of the data.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Quality {
    /// One class each.
    Classes(Box<Classification>),
    /// Several classes each.
    Labels(Labelling),
    /// Figures.
    Figures(Closeness),
    /// There are no targets.
    Unlabelled,
}

/// A model on data.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// The number of samples.
    pub samples: usize,
    /// The output that answers.
    pub output: String,
    /// How good it is.
    pub quality: Quality,
}

/// How one class's recall changes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassChange {
    /// The class.
    pub name: String,
    /// Recall of the reference.
    pub reference: f64,
    /// Recall of the model.
    pub model: f64,
    /// The paired test over the samples of this class.
    pub test: Paired,
}

/// A model beside a reference, on the same data.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The reference.
    pub reference: Evaluation,
    /// The model.
    pub model: Evaluation,
    /// The paired test of top-1, the reference first.
    pub paired: Option<Paired>,
    /// The change of the mean squared error, with its interval drawn by group.
    pub error_change: Option<Figure>,
    /// Classes whose recall changes, the greatest loss first.
    pub changes: Vec<ClassChange>,
    /// How often both have the same largest number; none for outputs of one number.
    pub agreement: Option<Proportion>,
    /// The interval of that when whole groups are drawn; none unless groups were given.
    pub agreement_by_group: Option<Interval>,
    /// How close each output is.
    pub outputs: Vec<Fidelity>,
}

impl Comparison {
    /// Refuses a model that loses more than `limit` points of accuracy, if that is sure at 95 %:
    /// on few samples chance alone would break any limit. Where there is no class for each sample,
    /// the loss of mean average precision or R² counts as it is; without labels the reference's
    /// answers count as right.
    pub fn admitted(&self, limit: f64) -> Result<()> {
        let figures = headline(&self.reference.quality).zip(headline(&self.model.quality));
        let (loss, low, high) = match (self.paired, figures, &self.agreement) {
            (Some(test), ..) => test.loss(),
            (None, Some(((_, before, _), (_, after, _))), _) => {
                (before - after, before - after, before - after)
            }
            (None, None, Some(same)) => (1.0 - same.share, 1.0 - same.high, 1.0 - same.low),
            (None, None, None) => return Ok(()),
        };
        if 100.0 * low <= limit {
            return Ok(());
        }
        Err(Error::TooLossy {
            loss: 100.0 * loss,
            low: 100.0 * low,
            high: 100.0 * high,
            limit,
        })
    }
}

/// Evaluates the file at `path`, which [`Model::open`] opens; `seen` hears how many samples are done.
pub fn evaluate(
    path: &Path,
    data: &Dataset,
    groups: &Groups,
    options: &Options,
    seen: &mut dyn FnMut(usize),
) -> Result<Evaluation> {
    check(data, groups)?;
    let mut model = Model::open(path, data, &options.engine)?;
    let (place, name) = answering(&model, options)?;
    let mut answers = Answers::new();
    for sample in 0..data.len() {
        let outputs = model.run(data, sample)?;
        answers.push(output(&outputs, place)?)?;
        seen(sample + 1);
    }
    judge(name, &answers, data, groups, options)
}

/// Evaluates the file at `model` beside that at `reference`, sample by sample.
pub fn compare(
    reference: &Path,
    model: &Path,
    data: &Dataset,
    groups: &Groups,
    options: &Options,
    seen: &mut dyn FnMut(usize),
) -> Result<Comparison> {
    check(data, groups)?;
    let mut models = [
        Model::open(reference, data, &options.engine)?,
        Model::open(model, data, &options.engine)?,
    ];
    let both = [
        answering(&models[0], options)?,
        answering(&models[1], options)?,
    ];
    let mut answers = [Answers::new(), Answers::new()];
    let names = models[1].outputs();
    let shared = names.len().min(models[0].outputs().len());
    let mut gathered: Vec<Gathered> = names.into_iter().take(shared).map(Gathered::new).collect();
    for sample in 0..data.len() {
        let [expected, actual] = &mut models;
        let (expected, actual) = (expected.run(data, sample)?, actual.run(data, sample)?);
        for (gathered, (expected, actual)) in gathered.iter_mut().zip(expected.iter().zip(&actual))
        {
            gathered.add(&expected.to_f32(), &actual.to_f32())?;
        }
        answers[0].push(output(&expected, both[0].0)?)?;
        answers[1].push(output(&actual, both[1].0)?)?;
        seen(sample + 1);
    }
    let [reference, model] = both;
    let reference = judge(reference.1, &answers[0], data, groups, options)?;
    let model = judge(model.1, &answers[1], data, groups, options)?;
    let same = (answers[0].width > 1).then(|| same_top(&answers));
    let as_numbers = |same: &[bool]| -> Vec<f64> {
        same.iter().map(|&same| f64::from(u8::from(same))).collect()
    };
    Ok(Comparison {
        paired: paired(&reference.quality, &model.quality),
        error_change: error_change(&reference.quality, &model.quality, groups, options),
        changes: changes(&reference.quality, &model.quality, data),
        agreement: same.as_deref().map(Proportion::of),
        agreement_by_group: same
            .as_deref()
            .and_then(|same| groups.mean_interval(&as_numbers(same), options)),
        outputs: gathered
            .into_iter()
            .map(|gathered| gathered.finish(groups, options))
            .collect(),
        reference,
        model,
    })
}

/// Judges answers that were gathered elsewhere by the targets of `data`.
pub fn judge(
    output: String,
    answers: &Answers,
    data: &Dataset,
    groups: &Groups,
    options: &Options,
) -> Result<Evaluation> {
    let quality = match data.targets() {
        Targets::None => Quality::Unlabelled,
        Targets::Classes(classes) => {
            Quality::Classes(classes::measure(answers, classes, groups, options)?.into())
        }
        Targets::Several(labels) => {
            Quality::Labels(others::labels(answers, labels, groups, options)?)
        }
        Targets::Figures(array) => {
            Quality::Figures(others::figures(answers, array, groups, options)?)
        }
    };
    Ok(Evaluation {
        samples: answers.len(),
        output,
        quality,
    })
}

fn check(data: &Dataset, groups: &Groups) -> Result<()> {
    if data.is_empty() {
        return Err(Error::Compare("there are no samples".into()));
    }
    if groups.len() != data.len() {
        let (samples, groups) = (data.len(), groups.len());
        return Err(Error::Compare(format!(
            "there are {samples} samples and {groups} groups; give each sample its group"
        )));
    }
    Ok(())
}

/// The place and name of the output that answers.
fn answering(model: &Model, options: &Options) -> Result<(usize, String)> {
    let names = model.outputs();
    let place = match &options.output {
        None => Some(0),
        Some(wanted) => names.iter().position(|name| name == wanted),
    };
    match place.and_then(|place| Some((place, names.get(place)?.clone()))) {
        Some(found) => Ok(found),
        None => Err(Error::Compare(format!(
            "there is no output {:?}; the model has {names:?}",
            options.output.as_deref().unwrap_or_default()
        ))),
    }
}

fn output(outputs: &[Tensor], place: usize) -> Result<&Tensor> {
    outputs
        .get(place)
        .ok_or_else(|| Error::Compare("the model gave no answer".into()))
}

fn same_top(answers: &[Answers; 2]) -> Vec<bool> {
    let [left, right] = answers;
    let pairs = left.rows().zip(right.rows());
    pairs.map(|(left, right)| top(left) == top(right)).collect()
}

fn paired(reference: &Quality, model: &Quality) -> Option<Paired> {
    match (reference, model) {
        (Quality::Classes(reference), Quality::Classes(model)) => {
            Discordant::count(&reference.right, &model.right).map(Discordant::test)
        }
        _ => None,
    }
}

fn error_change(
    reference: &Quality,
    model: &Quality,
    groups: &Groups,
    options: &Options,
) -> Option<Figure> {
    let (Quality::Figures(reference), Quality::Figures(model)) = (reference, model) else {
        return None;
    };
    let pairs = model.squared_errors.iter().zip(&reference.squared_errors);
    let changes: Vec<f64> = pairs.map(|(model, reference)| model - reference).collect();
    Some(Figure {
        value: crate::statistics::mean(&changes)?,
        interval: groups.mean_interval_always(&changes, options),
    })
}

/// The classes that are told worse or better, by the samples of each.
fn changes(reference: &Quality, model: &Quality, data: &Dataset) -> Vec<ClassChange> {
    let (Quality::Classes(reference), Quality::Classes(model), Targets::Classes(classes)) =
        (reference, model, data.targets())
    else {
        return Vec::new();
    };
    let mut of_class: Vec<(Vec<bool>, Vec<bool>)> = vec![Default::default(); classes.names.len()];
    for ((&class, &reference), &model) in classes.of.iter().zip(&reference.right).zip(&model.right)
    {
        let entry = &mut of_class[class as usize];
        entry.0.push(reference);
        entry.1.push(model);
    }
    let mut changes: Vec<ClassChange> = of_class
        .iter()
        .zip(&classes.names)
        .filter_map(|((reference, model), name)| {
            let counts = Discordant::count(reference, model)?;
            (counts.only_first + counts.only_second > 0).then(|| ClassChange {
                name: name.clone(),
                reference: Proportion::of(reference).share,
                model: Proportion::of(model).share,
                test: counts.test(),
            })
        })
        .collect();
    changes.sort_by(|left, right| left.test.difference.total_cmp(&right.test.difference));
    changes
}
