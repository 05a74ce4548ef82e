//! How gradients become steps: in place, one pass over each parameter.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::net::{Net, Parameter, Role};
use crate::pass::Pass;
use crate::{Error, Result};

/// Numbers of one task.
const CHUNK: usize = 1 << 15;

/// How a gradient becomes a step.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Optimizer {
    /// Down the gradient, with Nesterov's momentum.
    Sgd {
        /// Share of the last step that is kept, 0..1.
        momentum: f32,
    },
    /// Adam (Kingma and Ba 2015, algorithm 1), with β₁ = 0.9, β₂ = 0.999, ε = 1e-8.
    #[default]
    Adam,
}

/// How the learning rate goes on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// It stays.
    Constant,
    /// Half a cosine from the whole rate down to `floor` of it.
    Cosine {
        /// Share of the rate at the end, 0..=1.
        floor: f32,
    },
    /// Multiplied by `factor` every so many epochs.
    Step {
        /// Epochs, at least 1.
        every: usize,
        /// More than 0, at most 1.
        factor: f32,
    },
    /// The same factor every step, down to `last` of the rate.
    Exponential {
        /// Share of the rate at the end, more than 0.
        last: f32,
    },
}

impl Schedule {
    pub(crate) fn check(self) -> Result<()> {
        let good = match self {
            Self::Constant => true,
            Self::Cosine { floor } => (0.0..=1.0).contains(&floor),
            Self::Step { every, factor } => every > 0 && factor > 0.0 && factor <= 1.0,
            Self::Exponential { last } => last > 0.0 && last <= 1.0,
        };
        let refuse = || Error::Recipe(format!("the schedule {self:?} is out of its range"));
        if good { Ok(()) } else { Err(refuse()) }
    }

    /// The share of the rate at `step` of `steps` a training, `per_epoch` an epoch.
    pub(crate) fn factor(self, step: usize, steps: usize, per_epoch: usize) -> f32 {
        let progress = step as f32 / steps.max(1) as f32;
        match self {
            Self::Constant => 1.0,
            Self::Cosine { floor } => {
                let half = 0.5 * (1.0 + (std::f32::consts::PI * progress).cos());
                floor + (1.0 - floor) * half
            }
            Self::Step { every, factor } => factor.powi((step / per_epoch.max(1) / every) as i32),
            Self::Exponential { last } => last.powf(progress),
        }
    }
}

/// What an optimizer remembers: one or two numbers a parameter, in the network's order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Moments {
    pub(crate) first: Vec<Vec<f32>>,
    pub(crate) second: Vec<Vec<f32>>,
    pub(crate) steps: u64,
}

/// The numbers that one step needs beside the parameters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) optimizer: Optimizer,
    pub(crate) rate: f32,
    pub(crate) weight_decay: f32,
}

impl Moments {
    pub(crate) fn new(net: &Net, optimizer: Optimizer) -> Self {
        let parameters = || net.layers().iter().flat_map(|node| &node.parameters);
        let zeros = || parameters().map(|p| vec![0.0; p.values.len()]).collect();
        Self {
            first: zeros(),
            second: if optimizer == Optimizer::Adam {
                zeros()
            } else {
                Vec::new()
            },
            steps: 0,
        }
    }

    /// One step of every parameter that learns.
    pub(crate) fn step(&mut self, net: &mut Net, pass: &Pass, pace: Pace) {
        self.steps += 1;
        let mut next = 0;
        for (layer, node) in net.layers_mut().iter_mut().enumerate() {
            let places = next..;
            next += node.parameters.len();
            if node.frozen {
                continue;
            }
            let parameters = node.parameters.iter_mut().zip(pass.gradients(layer));
            for (place, (parameter, gradient)) in places.zip(parameters) {
                if parameter.role == Role::Step {
                    self.update_step(parameter, gradient, place, pace);
                } else {
                    self.update(parameter, gradient, place, pace);
                }
            }
        }
    }

    /// Steps of rounding: the learning rate is relative to their size, which may be that of one
    /// update of a weight. They shrink by at most a tenth at a time: at zero or below nothing
    /// would be left to learn from.
    fn update_step(&mut self, steps: &mut Parameter, gradient: &[f32], place: usize, pace: Pace) {
        let before = steps.values.clone();
        let size = before.iter().sum::<f32>() / before.len().max(1) as f32;
        let rate = pace.rate * size;
        self.update(steps, gradient, place, Pace { rate, ..pace });
        let pairs = steps.values.iter_mut().zip(&before);
        pairs.for_each(|(after, before)| *after = after.max(0.9 * before));
    }

    fn update(&mut self, parameter: &mut Parameter, gradient: &[f32], place: usize, pace: Pace) {
        let decays = parameter.role == Role::Weight;
        let decay = if decays { pace.weight_decay } else { 0.0 };
        let rate = pace.rate * parameter.rate;
        let bound = parameter.bound.unwrap_or(f32::INFINITY);
        let first = &mut self.first[place];
        match pace.optimizer {
            Optimizer::Sgd { momentum } => {
                parameter
                    .values
                    .par_chunks_mut(CHUNK)
                    .zip(first.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK)))
                    .for_each(|(values, (moments, gradient))| {
                        for ((w, m), g) in values.iter_mut().zip(moments).zip(gradient) {
                            let g = g + decay * *w;
                            *m = momentum * *m + g;
                            *w = (*w - rate * (g + momentum * *m)).max(-bound).min(bound);
                        }
                    });
            }
            Optimizer::Adam => {
                let second = &mut self.second[place];
                let steps = self.steps.min(1 << 30) as i32;
                let (one, two) = (1.0 - 0.9f32.powi(steps), 1.0 - 0.999f32.powi(steps));
                // Algorithm 1 with both corrections in the rate and ε.
                let (rate, root) = (rate / one, 1.0 / two.sqrt());
                let moments = first
                    .par_chunks_mut(CHUNK)
                    .zip(second.par_chunks_mut(CHUNK));
                parameter
                    .values
                    .par_chunks_mut(CHUNK)
                    .zip(moments.zip(gradient.par_chunks(CHUNK)))
                    .for_each(|(values, ((first, second), gradient))| {
                        let moments = first.iter_mut().zip(second);
                        for ((w, (m, v)), g) in values.iter_mut().zip(moments).zip(gradient) {
                            let g = g + decay * *w;
                            *m = 0.9 * *m + 0.1 * g;
                            *v = 0.999 * *v + 0.001 * g * g;
                            let step = rate * *m / (v.sqrt() * root + 1e-8);
                            *w = (*w - step).max(-bound).min(bound);
                        }
                    });
            }
        }
        self.mask(parameter, place);
    }

    /// Pruned numbers stay zero, and so do their moments: else they would come back.
    fn mask(&mut self, parameter: &mut Parameter, place: usize) {
        parameter.apply_mask();
        let Some(mask) = &parameter.mask else { return };
        let keep = |numbers: &mut Vec<f32>| {
            numbers.iter_mut().zip(mask).for_each(|(n, m)| *n *= m);
        };
        keep(&mut self.first[place]);
        if let Some(second) = self.second.get_mut(place) {
            keep(second);
        }
    }
}
