//! Teaches a network: epochs, validation, early stopping, checkpoints.

mod batches;
mod checkpoint;
mod epoch;
mod statistics;

pub use statistics::measure_statistics;

use std::path::PathBuf;
use std::time::Instant;

use rayon::{ThreadPool, ThreadPoolBuilder};
use serde::{Deserialize, Serialize};

use crate::attention::Attention;
use crate::examples::{Examples, Targets};
use crate::loss::Loss;
use crate::net::Net;
use crate::optimizer::Moments;
use crate::pass::Pass;
use crate::recipe::Recipe;
use crate::score::{Score, score};
use crate::teacher::Teacher;
use crate::{Error, Result};
use epoch::Wish;

/// How far a training is, after every epoch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Progress {
    /// Epochs that are done.
    pub epoch: usize,
    /// Epochs of the recipe.
    pub epochs: usize,
    /// Mean cost of the epoch.
    pub loss: f32,
    /// Learning rate of its last step.
    pub rate: f32,
    /// The score on the validation set, where there is one.
    pub validation: Option<Score>,
    /// How long the epoch took, with its validation.
    pub seconds: f64,
}

/// What a training came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fitted {
    /// Epochs that were done, those before a resumption included.
    pub epochs: usize,
    /// The epoch whose weights were kept.
    pub kept: usize,
    /// The kept weights' score on the validation set, where there is one.
    pub validation: Option<Score>,
    /// [`Net::digest`] of the result.
    pub digest: String,
}

/// Teaches `net` by a recipe; tells progress after every epoch.
pub fn fit(
    net: &mut Net,
    data: &Examples,
    recipe: &Recipe,
    progress: &mut dyn FnMut(Progress),
) -> Result<Fitted> {
    Trainer::new(recipe).fit(net, data, progress)
}

/// A training with more than a recipe: a teacher, a validation set, a checkpoint.
pub struct Trainer<'a> {
    recipe: &'a Recipe,
    teacher: Option<&'a mut dyn Teacher>,
    attention: Option<&'a Attention>,
    validation: Option<&'a Examples>,
    checkpoint: Option<PathBuf>,
    until: Option<usize>,
}

/// Where a training stands between two epochs: what a checkpoint holds.
struct Course {
    epoch: usize,
    moments: Moments,
    best: Option<(Score, usize, Net)>,
    stale: usize,
}

impl<'a> Trainer<'a> {
    /// A training by this recipe.
    pub fn new(recipe: &'a Recipe) -> Self {
        Self {
            recipe,
            teacher: None,
            attention: None,
            validation: None,
            checkpoint: None,
            until: None,
        }
    }

    /// Lets a teacher answer every batch, after its variation.
    #[must_use]
    pub fn teacher(mut self, teacher: &'a mut dyn Teacher) -> Self {
        self.teacher = Some(teacher);
        self
    }

    /// Lets layers look where those of another network do, beside whatever the loss is. A
    /// checkpoint doesn't hold it: give the same when it goes on.
    #[must_use]
    pub const fn attention(mut self, attention: &'a Attention) -> Self {
        self.attention = Some(attention);
        self
    }

    /// Chooses the best epoch on these samples.
    #[must_use]
    pub const fn validation(mut self, data: &'a Examples) -> Self {
        self.validation = Some(data);
        self
    }

    /// Keeps the state after every epoch in this file, and goes on from it if it is there.
    #[must_use]
    pub fn checkpoint(mut self, path: PathBuf) -> Self {
        self.checkpoint = Some(path);
        self
    }

    /// Pauses after this epoch: the checkpoint goes on later to the same bits.
    #[must_use]
    pub const fn until(mut self, epoch: usize) -> Self {
        self.until = Some(epoch);
        self
    }

    /// Teaches `net`.
    pub fn fit(
        mut self,
        net: &mut Net,
        data: &Examples,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Fitted> {
        self.recipe.check()?;
        self.check(net, data)?;
        let pool = pool(self.recipe.threads)?;
        let split;
        let (taught, validation) = match self.validation {
            Some(validation) => (data, Some(validation)),
            None if self.recipe.validation > 0.0 => {
                split = data.split(self.recipe.validation, self.recipe.seed)?;
                (&split.0, Some(&split.1))
            }
            None => (data, None),
        };
        self.run(net, taught, validation, &pool, progress)
    }

    fn check(&self, net: &Net, data: &Examples) -> Result<()> {
        let refuse = |text: String| Err(Error::Data(text));
        if data.shape() != net.input() {
            let (given, wanted) = (data.shape(), net.input());
            return refuse(format!("samples are {given}, the network takes {wanted}"));
        }
        let width = match data.targets() {
            Targets::Classes { count, .. } => Some(*count),
            Targets::Values { width, .. } => Some(*width),
            Targets::Unknown => None,
        };
        let hints = self.recipe.loss == Loss::MeanSquared && self.teacher.is_some();
        if let Some(width) = width.filter(|&width| width != net.outputs() && !hints) {
            let outputs = net.outputs();
            return refuse(format!(
                "targets are {width} wide, the network gives {outputs} numbers"
            ));
        }
        if let Some(teacher) = self.teacher.as_ref().filter(|t| t.width() != net.outputs()) {
            let (taught, given) = (teacher.width(), net.outputs());
            return refuse(format!(
                "the teacher answers {taught} numbers, the network {given}"
            ));
        }
        let classes = matches!(data.targets(), Targets::Classes { .. });
        let values = matches!(data.targets(), Targets::Values { .. });
        let taught = self.teacher.is_some();
        let enough = match self.recipe.loss {
            Loss::CrossEntropy { .. } | Loss::SquaredHinge => classes,
            Loss::Distill { alpha, .. } => taught && (classes || alpha >= 1.0),
            Loss::MeanSquared => taught || values,
        };
        if enough {
            return Ok(());
        }
        let loss = self.recipe.loss;
        refuse(format!("{loss:?} needs other targets, or a teacher"))
    }

    fn run(
        &mut self,
        net: &mut Net,
        data: &Examples,
        validation: Option<&Examples>,
        pool: &ThreadPool,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Fitted> {
        let recipe = self.recipe;
        let mut course = match &self.checkpoint {
            Some(path) if path.exists() => checkpoint::resume(path, recipe, net)?,
            _ => Course::new(net, recipe),
        };
        let known = match &mut self.teacher {
            Some(teacher) => pool.install(|| epoch::known(&mut **teacher, data, recipe))?,
            None => None,
        };
        let last = self.until.unwrap_or(recipe.epochs).min(recipe.epochs);
        let mut pass = Pass::default();
        let attention = self.attention;
        let mut watch = attention.map(|one| one.begin(net)).transpose()?;
        while course.epoch < last && !course.is_over(recipe) {
            let start = Instant::now();
            let mut wish = match (&known, &mut self.teacher) {
                (Some(rows), _) => Wish::Known(rows),
                (None, Some(teacher)) => Wish::Ask(&mut **teacher),
                (None, None) => Wish::Targets,
            };
            let beside = (&mut wish, &mut watch);
            let (loss, rate) =
                pool.install(|| epoch::teach(net, data, recipe, &mut course, beside, &mut pass))?;
            let score = validation
                .map(|data| pool.install(|| score(net, data)))
                .transpose()?;
            course.note(score, net, recipe);
            if let Some(path) = &self.checkpoint {
                checkpoint::keep(path, recipe, net, &course)?;
            }
            progress(Progress {
                epoch: course.epoch,
                epochs: recipe.epochs,
                loss,
                rate,
                validation: score,
                seconds: start.elapsed().as_secs_f64(),
            });
        }
        let finished = course.epoch == recipe.epochs || course.is_over(recipe);
        let mut kept = course.epoch;
        let mut best = None;
        if finished {
            if recipe.keep_best
                && let Some((score, epoch, net_then)) = course.best.take()
            {
                *net = net_then;
                (kept, best) = (epoch, Some(score));
            }
            if recipe.measure_statistics {
                pool.install(|| measure_statistics(net, data, recipe.batch));
                best = None;
            }
        }
        let validation = match (best, validation) {
            (Some(score), _) => Some(score),
            (None, Some(data)) => Some(pool.install(|| score(net, data))?),
            (None, None) => None,
        };
        Ok(Fitted {
            epochs: course.epoch,
            kept,
            validation,
            digest: net.digest(),
        })
    }
}

impl Course {
    fn new(net: &Net, recipe: &Recipe) -> Self {
        Self {
            epoch: 0,
            moments: Moments::new(net, recipe.optimizer),
            best: None,
            stale: 0,
        }
    }

    fn is_over(&self, recipe: &Recipe) -> bool {
        recipe.patience > 0 && self.stale >= recipe.patience
    }

    fn note(&mut self, score: Option<Score>, net: &Net, recipe: &Recipe) {
        self.epoch += 1;
        let Some(score) = score.filter(|_| recipe.keep_best || recipe.patience > 0) else {
            return;
        };
        if self
            .best
            .as_ref()
            .is_none_or(|(best, ..)| score.beats(best))
        {
            self.best = Some((score, self.epoch, net.clone()));
            self.stale = 0;
        } else {
            self.stale += 1;
        }
    }
}

/// A pool of exactly so many threads: the order of sums depends on their number.
pub(crate) fn pool(threads: usize) -> Result<ThreadPool> {
    let built = ThreadPoolBuilder::new().num_threads(threads).build();
    built.map_err(|error| Error::Recipe(format!("{threads} threads can't be started: {error}")))
}
