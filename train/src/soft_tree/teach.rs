//! Teaching a soft tree: by labels, or by a teacher's answers.

use serde::{Deserialize, Serialize};

use super::descent::Teaching;
use super::{MAX_DEPTH, SoftTree, shares};
use crate::augment::Augmentation;
use crate::examples::Examples;
use crate::fit::Progress;
use crate::net::state::MAX_NUMBERS;
use crate::random::Random;
use crate::teacher::Teacher;
use crate::{Error, Result};

/// Samples that a teacher answers at once.
const ANSWERED: usize = 256;

/// How a soft tree is taught. The same recipe, data and teacher give the same bits.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SoftTreeRecipe {
    /// Levels below the root, 1..=12.
    pub depth: usize,
    /// Times that every sample is seen.
    pub epochs: usize,
    /// Samples of a step.
    pub batch: usize,
    /// Adam's rate at its highest; it falls by half a cosine.
    pub rate: f32,
    /// Added to the gradient, times the filter (L2).
    pub weight_decay: f32,
    /// λ of the penalty that keeps nodes from sending all samples one way; halved at each level
    /// (3.2 of the paper).
    pub balance: f32,
    /// How samples are varied.
    pub augmentation: Augmentation,
    /// Weight of the teacher's answer against the label, 0..=1; only with a teacher.
    pub alpha: f32,
    /// Softens the teacher's answer.
    pub temperature: f32,
    /// Decides filters at first, the order of samples and their variations.
    pub seed: u64,
}

impl Default for SoftTreeRecipe {
    fn default() -> Self {
        Self {
            depth: 8,
            epochs: 40,
            batch: 100,
            rate: 0.01,
            weight_decay: 3e-4,
            balance: 0.1,
            augmentation: Augmentation::default(),
            alpha: 1.0,
            temperature: 1.0,
            seed: 1,
        }
    }
}

impl SoftTreeRecipe {
    fn check(&self, data: &Examples) -> Result<usize> {
        let inside = |name: &str, value: f32, least: f32, most: f32| {
            if (least..=most).contains(&value) {
                return Ok(());
            }
            Err(Error::Recipe(format!(
                "{name} = {value} must be in {least}..={most}"
            )))
        };
        inside("depth", self.depth as f32, 1.0, MAX_DEPTH as f32)?;
        inside("epochs", self.epochs as f32, 1.0, 1e6)?;
        inside("batch", self.batch as f32, 1.0, 1e6)?;
        inside("rate", self.rate, f32::MIN_POSITIVE, 1.0)?;
        inside("weight_decay", self.weight_decay, 0.0, 1.0)?;
        inside("balance", self.balance, 0.0, 1e3)?;
        inside("alpha", self.alpha, 0.0, 1.0)?;
        inside("temperature", self.temperature, 0.01, 1e3)?;
        let classes = data
            .labels()
            .iter()
            .max()
            .map_or(0, |most| *most as usize + 1);
        if classes < 2 {
            return Err(Error::Data("a tree needs samples of two classes".into()));
        }
        if data.shape().len() << self.depth > MAX_NUMBERS {
            return Err(Error::Recipe(format!(
                "a tree of depth {} over {} is too large",
                self.depth,
                data.shape()
            )));
        }
        Ok(classes)
    }
}

impl SoftTree {
    /// Teaches a tree: the mean over samples of Σ reach(leaf) · cross entropy(leaf) falls, the
    /// leaf's cross entropy being with the label, or with the teacher's answer to the sample as
    /// it was varied.
    pub fn teach(
        data: &Examples,
        mut teacher: Option<&mut dyn Teacher>,
        recipe: &SoftTreeRecipe,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self> {
        let labelled = recipe.check(data)?;
        let classes = teacher.as_ref().map_or(labelled, |one| one.width());
        if classes < labelled {
            return Err(Error::Data(format!(
                "the teacher knows {classes} classes, the samples have {labelled}"
            )));
        }
        // Samples that never vary are answered once.
        let still = recipe.augmentation == Augmentation::default();
        let known = match &mut teacher {
            Some(teacher) if still => answered(*teacher, data)?,
            _ => Vec::new(),
        };
        let mut teaching = Teaching::new(data, classes, recipe);
        let batches = data.len().div_ceil(recipe.batch);
        for epoch in 0..recipe.epochs {
            let started = std::time::Instant::now();
            let mut places: Vec<usize> = (0..data.len()).collect();
            Random::of(recipe.seed, &[epoch as u64, 0]).shuffle(&mut places);
            let (mut cost, mut last) = (0.0, 0.0);
            for (index, places) in places.chunks(recipe.batch).enumerate() {
                let samples = varied(data, places, recipe, epoch as u64);
                let answers = match &mut teacher {
                    Some(teacher) if !still => teacher.answer(&samples, places.len())?,
                    Some(_) => places
                        .iter()
                        .flat_map(|place| &known[place * classes..(place + 1) * classes])
                        .copied()
                        .collect(),
                    None => Vec::new(),
                };
                let wanted = wanted(data, places, &answers, classes, recipe);
                let done = (epoch * batches + index) as f32 / (recipe.epochs * batches) as f32;
                let rate = recipe.rate * f32::midpoint(1.0, (std::f32::consts::PI * done).cos());
                last = rate;
                let found = teaching.step(samples, &wanted, rate);
                if !found.is_finite() {
                    return Err(Error::Diverged {
                        epoch: epoch + 1,
                        rate,
                    });
                }
                cost += found * places.len() as f32;
            }
            progress(Progress {
                epoch: epoch + 1,
                epochs: recipe.epochs,
                loss: cost / data.len() as f32,
                rate: last,
                validation: None,
                seconds: started.elapsed().as_secs_f64(),
            });
        }
        Ok(teaching.finish(data))
    }
}

/// The teacher's answers to all samples.
fn answered(teacher: &mut dyn Teacher, data: &Examples) -> Result<Vec<f32>> {
    let size = data.shape().len();
    let mut answers = Vec::with_capacity(data.len() * teacher.width());
    for samples in data.inputs().chunks(ANSWERED * size) {
        answers.extend(teacher.answer(samples, samples.len() / size)?);
    }
    Ok(answers)
}

/// The samples as they are varied in this epoch.
fn varied(data: &Examples, places: &[usize], recipe: &SoftTreeRecipe, epoch: u64) -> Vec<f32> {
    let size = data.shape().len();
    let mut samples = vec![0.0; places.len() * size];
    for (target, &place) in samples.chunks_exact_mut(size).zip(places) {
        let mut random = Random::of(recipe.seed, &[epoch, place as u64, 2]);
        recipe
            .augmentation
            .vary(data.sample(place), data.shape(), &mut random, target);
    }
    samples
}

/// The distribution that each sample should be answered with.
fn wanted(
    data: &Examples,
    places: &[usize],
    answers: &[f32],
    classes: usize,
    recipe: &SoftTreeRecipe,
) -> Vec<f32> {
    let mut wanted = vec![0.0; places.len() * classes];
    let alpha = if answers.is_empty() {
        0.0
    } else {
        recipe.alpha
    };
    for (row, (target, &place)) in wanted.chunks_exact_mut(classes).zip(places).enumerate() {
        if let Some(answer) = answers.get(row * classes..(row + 1) * classes) {
            let softened: Vec<f32> = answer.iter().map(|one| one / recipe.temperature).collect();
            for (target, share) in target.iter_mut().zip(shares(&softened)) {
                *target = alpha * share;
            }
        }
        target[data.labels()[place] as usize] += 1.0 - alpha;
    }
    wanted
}
