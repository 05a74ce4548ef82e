//! The way forward.

use super::{Mode, Pass, Slot, value};
use crate::kernel::matrix::{Threads, View, multiply};
use crate::kernel::{activation, add, convolution, depthwise, normalize, pool};
use crate::layer::{Activation, Layer, Pooling};
use crate::net::{Net, Node, Role};
use crate::random::Random;
use crate::recipe::SignChoice;
use crate::shape::Shape;
use crate::weights::{self, Weights};

impl Pass {
    /// Answers `batch` samples that were put into the input.
    pub(crate) fn forward(&mut self, net: &Net, batch: usize, mode: Mode) {
        debug_assert_eq!(self.input.len(), batch * net.input().len());
        self.batch = batch;
        self.mode = Some(mode);
        self.slots.resize_with(net.layers().len(), Slot::default);
        for (place, node) in net.layers().iter().enumerate() {
            let (before, rest) = self.slots.split_at_mut(place);
            let slot = &mut rest[0];
            slot.output.resize(batch * node.output.len(), 0.0);
            slot.written = false;
            let inputs: Vec<&[f32]> = node
                .inputs
                .iter()
                .map(|&v| value(&self.input, before, v))
                .collect();
            let shape = net.shape_of(node.inputs[0]);
            step(node, slot, &inputs, shape, (batch, mode, place));
        }
    }
}

fn step(
    node: &Node,
    slot: &mut Slot,
    inputs: &[&[f32]],
    shape: Shape,
    (batch, mode, place): (usize, Mode, usize),
) {
    let input = inputs[0];
    match &node.layer {
        Layer::Dense(_) | Layer::Conv(_) => {
            see(node, slot, mode, place);
            linear(node, slot, input, shape, (batch, mode));
        }
        Layer::Normalize(layer) => {
            let plane = shape.plane();
            let teach = matches!(mode, Mode::Teach { .. }) && !node.frozen;
            if teach {
                (slot.mean, slot.variance) = normalize::statistics(input, shape.channels, plane);
            } else if let Some(statistics) = &node.statistics {
                slot.mean.clone_from(&statistics.mean);
                slot.variance.clone_from(&statistics.variance);
            }
            let (scale, shift) = (node.values(Role::Scale), node.values(Role::Shift));
            let (factors, offsets) =
                normalize::affine(scale, shift, &slot.mean, &slot.variance, layer.epsilon);
            normalize::apply(input, &factors, &offsets, plane, &mut slot.output);
        }
        Layer::Activation(function) => {
            slot.step = learned_step(*function, node, input);
            activation::forward(*function, slot.step, input, &mut slot.output);
        }
        Layer::Pool(layer) => {
            let plan = pool::Plan {
                pool: layer,
                input: shape,
                output: node.output,
            };
            match layer.pooling {
                Pooling::Max => {
                    slot.places.resize(slot.output.len(), 0);
                    pool::max(&plan, input, &mut slot.output, &mut slot.places);
                }
                Pooling::Average => pool::average(&plan, input, &mut slot.output),
            }
        }
        Layer::GlobalAverage => pool::global(input, shape.plane(), &mut slot.output),
        Layer::Flatten => slot.output.copy_from_slice(input),
        Layer::Dropout { rate } => drop_out(*rate, mode, place, input, slot),
        Layer::Add => {
            slot.output.copy_from_slice(input);
            add(&mut slot.output, inputs[1]);
        }
        Layer::Multiply if inputs[1].len() == input.len() => {
            let values = input.iter().zip(inputs[1]);
            slot.output
                .iter_mut()
                .zip(values)
                .for_each(|(o, (l, r))| *o = l * r);
        }
        Layer::Multiply => pool::scale(input, inputs[1], &mut slot.output),
        Layer::Concat => concat(inputs, batch, &mut slot.output),
    }
}

/// Whether scales follow the product, which then is a sum of whole numbers where the inputs are:
/// exact in any order. The way back wants learned steps inside the weights.
fn scaled_later(view: Weights, mode: Mode) -> bool {
    match view {
        Weights::ScaledSign => true,
        Weights::LearnedStep { .. } => mode == Mode::Answer,
        Weights::Float | Weights::Sign => false,
    }
}

/// The weights as this pass sees them.
fn see(node: &Node, slot: &mut Slot, mode: Mode, place: usize) {
    let (real, steps) = (node.values(Role::Weight), node.values(Role::Step));
    let (view, outputs) = (node.weights().unwrap_or_default(), node.output.channels);
    slot.seen.clear();
    if view == Weights::Float {
        return;
    }
    slot.seen.resize(real.len(), 0.0);
    match mode {
        Mode::Teach {
            seed,
            signs: SignChoice::Stochastic,
        } if view == Weights::Sign && !node.frozen => {
            let mut random = Random::of(seed, &[place as u64, 0x7369_676e]);
            weights::draw(real, &mut random, &mut slot.seen);
        }
        _ if scaled_later(view, mode) => {
            weights::whole(view, real, steps, outputs, &mut slot.seen);
        }
        _ => weights::see(view, real, steps, outputs, &mut slot.seen),
    }
}

fn linear(node: &Node, slot: &mut Slot, input: &[f32], shape: Shape, (batch, mode): (usize, Mode)) {
    let (real, steps) = (node.values(Role::Weight), node.values(Role::Step));
    let view = node.weights().unwrap_or_default();
    let outputs = node.output.channels;
    let seen = if view == Weights::Float {
        real
    } else {
        &slot.seen
    };
    match &node.layer {
        Layer::Conv(conv) => {
            let plan = convolution::Plan {
                conv,
                input: shape,
                output: node.output,
            };
            if conv.is_depthwise(shape.channels) {
                depthwise::forward(&plan, input, seen, &mut slot.output);
            } else {
                convolution::forward(&plan, input, seen, &mut slot.output);
            }
        }
        _ => {
            let samples = View::new(input, batch, shape.len());
            let kernels = View::new(seen, outputs, shape.len()).transposed();
            multiply(&mut slot.output, samples, kernels, false, Threads::All);
        }
    }
    if scaled_later(view, mode) {
        let scales = weights::scales(view, real, steps, outputs);
        pool::scale_channels(&mut slot.output, &scales, node.output.plane());
        weights::see(view, real, steps, outputs, &mut slot.seen);
    }
    if let Some(bias) = node.parameter(Role::Bias) {
        pool::add_bias(&mut slot.output, &bias.values, node.output.plane());
    }
}

/// The learned step of an activation; before the first batch, one that covers that batch's
/// numbers as LSQ (2.1) proposes.
fn learned_step(function: Activation, node: &Node, input: &[f32]) -> f32 {
    let Activation::LearnedStep { bits, signed } = function else {
        return 0.0;
    };
    match node.values(Role::Step) {
        [step] if *step != 0.0 => *step,
        _ => weights::first_step(input, activation::levels(bits, signed).1),
    }
}

fn drop_out(rate: f32, mode: Mode, place: usize, input: &[f32], slot: &mut Slot) {
    let Mode::Teach { seed, .. } = mode else {
        slot.output.copy_from_slice(input);
        return;
    };
    slot.kept.resize(input.len(), 0.0);
    let mut random = Random::of(seed, &[place as u64]);
    let scale = 1.0 / (1.0 - rate);
    let values = slot.output.iter_mut().zip(input);
    for (kept, (out, x)) in slot.kept.iter_mut().zip(values) {
        *kept = if random.unit() < rate { 0.0 } else { scale };
        *out = x * *kept;
    }
}

fn concat(inputs: &[&[f32]], batch: usize, out: &mut [f32]) {
    let sample = out.len() / batch;
    for (place, out) in out.chunks_exact_mut(sample).enumerate() {
        let mut start = 0;
        for input in inputs {
            let size = input.len() / batch;
            out[start..start + size].copy_from_slice(&input[place * size..][..size]);
            start += size;
        }
    }
}
