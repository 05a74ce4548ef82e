//! How a network is taught.

use serde::{Deserialize, Serialize};

use crate::augment::Augmentation;
use crate::loss::Loss;
use crate::optimizer::{Optimizer, Schedule};
use crate::{Error, Result};

/// Everything that decides a training but the network and the data. The same recipe, network,
/// data and number of threads give the same bits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recipe {
    /// Times that every sample is seen.
    pub epochs: usize,
    /// Samples of a step.
    pub batch: usize,
    /// How a gradient becomes a step.
    pub optimizer: Optimizer,
    /// The learning rate at its highest.
    pub rate: f32,
    /// How the learning rate goes on.
    pub schedule: Schedule,
    /// Added to the gradient, times the weight (L2). Weights only, not biases or normalizations.
    pub weight_decay: f32,
    /// What a wrong answer costs.
    pub loss: Loss,
    /// How samples are varied.
    pub augmentation: Augmentation,
    /// Decides the order of samples, their variations and dropout.
    pub seed: u64,
    /// Threads; part of what makes a run repeat.
    pub threads: usize,
    /// Share of the data that is held out to choose the best epoch, 0 for none. Ignored where a
    /// validation set is given.
    pub validation: f32,
    /// Epochs without a better validation score until the end, 0 for never.
    pub patience: usize,
    /// Whether the best epoch of the validation is kept, instead of the last.
    pub keep_best: bool,
    /// Whether normalizations' statistics are measured anew at the end, over all samples: binary
    /// networks need it (Courbariaux et al. 2016).
    pub measure_statistics: bool,
    /// How layers that are seen by their signs choose them while they are taught.
    #[serde(skip_serializing_if = "SignChoice::is_deterministic")]
    pub signs: SignChoice,
}

/// How the sign of a weight is chosen in a pass that teaches. Answers always use the plain sign:
/// it is what is shipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignChoice {
    /// The sign itself (Courbariaux et al. 2015, BinaryConnect, equation 1).
    #[default]
    Deterministic,
    /// +1 with the probability (w + 1)/2, within 0..=1, drawn anew for every batch (equations 2
    /// and 3). For weights seen by their sign alone.
    Stochastic,
}

impl SignChoice {
    const fn is_deterministic(&self) -> bool {
        matches!(self, Self::Deterministic)
    }
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            epochs: 20,
            batch: 64,
            optimizer: Optimizer::default(),
            rate: 1e-3,
            schedule: Schedule::Cosine { floor: 0.0 },
            weight_decay: 0.0,
            loss: Loss::CrossEntropy { smoothing: 0.0 },
            augmentation: Augmentation::default(),
            seed: 1,
            threads: 2,
            validation: 0.0,
            patience: 0,
            keep_best: false,
            measure_statistics: false,
            signs: SignChoice::Deterministic,
        }
    }
}

/// Most epochs, samples of a step and threads that are believed.
const MAX_COUNT: usize = 1 << 20;

impl Recipe {
    /// Refuses settings out of their range.
    pub fn check(&self) -> Result<()> {
        let counts = [
            ("epochs", self.epochs, MAX_COUNT),
            ("batch", self.batch, MAX_COUNT),
            ("threads", self.threads, 256),
        ];
        for (name, count, most) in counts {
            if !(1..=most).contains(&count) {
                return Err(Error::Recipe(format!(
                    "{name} = {count} must be in 1..={most}"
                )));
            }
        }
        let (smallest, largest) = (f32::MIN_POSITIVE, 1e6);
        let mut numbers = vec![
            ("rate", self.rate, smallest, largest),
            ("weight_decay", self.weight_decay, 0.0, 1.0),
            ("validation", self.validation, 0.0, 0.9),
            ("noise", self.augmentation.noise, 0.0, largest),
        ];
        match self.loss {
            Loss::CrossEntropy { smoothing } => numbers.push(("smoothing", smoothing, 0.0, 0.99)),
            Loss::Distill { temperature, alpha } => {
                numbers.push(("temperature", temperature, 0.01, 1e3));
                numbers.push(("alpha", alpha, 0.0, 1.0));
            }
            Loss::SquaredHinge | Loss::MeanSquared => {}
        }
        for (name, number, least, most) in numbers {
            if !(least..=most).contains(&number) {
                let range = format!("{name} = {number} must be in {least}..={most}");
                return Err(Error::Recipe(range));
            }
        }
        self.schedule.check()
    }
}
