//! One batch on its way through a network and back. Buffers are kept from batch to batch.

mod backward;
mod forward;
#[cfg(test)]
mod tests;

use crate::net::{Net, Value};
use crate::recipe::SignChoice;
use crate::weights;

/// What a pass is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Running statistics, no dropout.
    Answer,
    /// The batch's own statistics, dropout by this seed.
    Teach {
        /// Unlike that of every other batch.
        seed: u64,
        /// How signs of weights are chosen.
        signs: SignChoice,
    },
}

impl Mode {
    /// A batch to be taught by, with plain signs.
    pub(crate) const fn teach(seed: u64) -> Self {
        let signs = SignChoice::Deterministic;
        Self::Teach { seed, signs }
    }
}

/// What a layer keeps from the forward pass for the way back.
#[derive(Debug, Default)]
struct Slot {
    output: Vec<f32>,
    gradient: Vec<f32>,
    /// Whether `gradient` already holds that of another reader.
    written: bool,
    /// The weights as the forward pass saw them; empty where they are seen as they are.
    seen: Vec<f32>,
    mean: Vec<f32>,
    variance: Vec<f32>,
    /// Places of the largest numbers of a pool.
    places: Vec<u32>,
    /// What dropout multiplied by.
    kept: Vec<f32>,
    /// The learned step of an activation.
    step: f32,
    parameter_gradients: Vec<Vec<f32>>,
}

/// The values and gradients of one batch.
#[derive(Debug, Default)]
pub(crate) struct Pass {
    input: Vec<f32>,
    slots: Vec<Slot>,
    batch: usize,
    mode: Option<Mode>,
    scratch: Vec<f32>,
    /// For each value whether a gradient is asked for.
    needed: Vec<bool>,
}

impl Pass {
    /// Takes the samples of the next batch.
    pub(crate) fn set_input(&mut self, samples: &[f32]) {
        self.input.clear();
        self.input.extend_from_slice(samples);
    }

    /// The buffer of the next batch, to be filled in place.
    pub(crate) fn input_mut(&mut self, length: usize) -> &mut [f32] {
        self.input.resize(length, 0.0);
        &mut self.input
    }

    /// What entered.
    pub(crate) fn input(&self) -> &[f32] {
        &self.input
    }

    /// What the last layer gave.
    pub(crate) fn output(&self) -> &[f32] {
        self.slots.last().map_or(&[], |slot| &slot.output)
    }

    /// The output, and where its gradient goes.
    pub(crate) fn output_and_gradient(&mut self) -> (&[f32], &mut [f32]) {
        let Some(slot) = self.slots.last_mut() else {
            return (&[], &mut []);
        };
        slot.gradient.resize(slot.output.len(), 0.0);
        slot.written = true;
        (&slot.output, &mut slot.gradient)
    }

    /// What the layer at `place` gave.
    pub(crate) fn given(&self, place: usize) -> &[f32] {
        &self.slots[place].output
    }

    /// What the layer at `place` gave, and its gradient, to which other readers will add theirs.
    pub(crate) fn given_and_gradient(&mut self, place: usize) -> (&[f32], &mut [f32]) {
        let slot = &mut self.slots[place];
        if !slot.written {
            slot.gradient.clear();
            slot.gradient.resize(slot.output.len(), 0.0);
            slot.written = true;
        }
        (&slot.output, &mut slot.gradient)
    }

    /// Gradients of the layer at `place`, in the order of its parameters.
    pub(crate) fn gradients(&self, place: usize) -> &[Vec<f32>] {
        &self.slots[place].parameter_gradients
    }

    /// Brings what normalizations and first steps saw in this batch into the network.
    pub(crate) fn absorb(&self, net: &mut Net) {
        for (node, slot) in net.layers_mut().iter_mut().zip(&self.slots) {
            absorb_step(node, slot);
            if node.frozen {
                continue;
            }
            let crate::layer::Layer::Normalize(normalize) = &node.layer else {
                continue;
            };
            let Some(statistics) = &mut node.statistics else {
                continue;
            };
            let count = (slot.output.len() / slot.mean.len().max(1)) as f32;
            let unbiased = if count > 1.0 {
                count / (count - 1.0)
            } else {
                1.0
            };
            let m = normalize.momentum;
            for (old, new) in statistics.mean.iter_mut().zip(&slot.mean) {
                *old += m * (new - *old);
            }
            for (old, new) in statistics.variance.iter_mut().zip(&slot.variance) {
                *old += m * (new * unbiased - *old);
            }
        }
    }

    /// Mean and variance that the normalization at `place` saw in this batch.
    pub(crate) fn seen_statistics(&self, place: usize) -> (&[f32], &[f32]) {
        (&self.slots[place].mean, &self.slots[place].variance)
    }
}

fn absorb_step(node: &mut crate::net::Node, slot: &Slot) {
    use crate::layer::{Activation, Layer};
    if matches!(
        node.layer,
        Layer::Activation(Activation::LearnedStep { .. })
    ) && let Some(parameter) = node.parameters.first_mut()
        && parameter.values[0] == 0.0
    {
        parameter.values[0] = slot.step.max(weights::SMALLEST_STEP);
    }
}

/// The value of an earlier layer, or the input.
fn value<'a>(input: &'a [f32], before: &'a [Slot], value: Value) -> &'a [f32] {
    value.place().map_or(input, |place| &before[place].output)
}
