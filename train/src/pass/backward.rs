//! The way back: gradients of parameters, and of values where an earlier layer learns.

use super::{Mode, Pass, Slot, value};
use crate::kernel::matrix::{Threads, View, multiply};
use crate::kernel::{activation, add, convolution, depthwise, normalize, pool};
use crate::layer::{Layer, Pooling};
use crate::net::{Net, Node, Role, Value};
use crate::shape::Shape;
use crate::weights::{self, Weights};

impl Pass {
    /// Brings the gradient of the output, already written, to every layer that learns.
    pub(crate) fn backward(&mut self, net: &Net) {
        self.needed = needed(net);
        let mut scratch = std::mem::take(&mut self.scratch);
        for (place, node) in net.layers().iter().enumerate().rev() {
            if !self.needed[place + 1] || !self.slots[place].written {
                continue;
            }
            let (before, rest) = self.slots.split_at_mut(place);
            let mut way = Way {
                net,
                node,
                slot: &mut rest[0],
                before,
                input: &self.input,
                needed: &self.needed,
                scratch: &mut scratch,
                batch: self.batch,
                teach: matches!(self.mode, Some(Mode::Teach { .. })) && !node.frozen,
            };
            way.go();
        }
        self.scratch = scratch;
    }
}

/// For each value, the input first, whether a layer at or before it learns.
fn needed(net: &Net) -> Vec<bool> {
    let mut needed = vec![false];
    for node in net.layers() {
        let earlier = node.inputs.iter().any(|value| needed[value.0]);
        needed.push(node.learns() || earlier);
    }
    needed
}

struct Way<'a> {
    net: &'a Net,
    node: &'a Node,
    slot: &'a mut Slot,
    before: &'a mut [Slot],
    input: &'a [f32],
    needed: &'a [bool],
    scratch: &'a mut Vec<f32>,
    batch: usize,
    teach: bool,
}

impl Way<'_> {
    fn shape(&self) -> Shape {
        self.net.shape_of(self.node.inputs[0])
    }

    fn go(&mut self) {
        let parameters = &self.node.parameters;
        self.slot
            .parameter_gradients
            .resize_with(parameters.len(), Vec::new);
        for (gradient, parameter) in self.slot.parameter_gradients.iter_mut().zip(parameters) {
            gradient.resize(parameter.values.len(), 0.0);
        }
        let (node, shape) = (self.node, self.shape());
        match &node.layer {
            Layer::Dense(_) | Layer::Conv(_) => self.linear(),
            Layer::Normalize(_) => self.normalize(),
            Layer::Activation(function) => {
                let mut step_gradient = 0.0;
                self.give(0, |slot, inputs, target| {
                    let out = &slot.gradient;
                    step_gradient = activation::backward(
                        *function,
                        slot.step,
                        shape.len(),
                        inputs[0],
                        out,
                        target,
                    );
                });
                if let [gradient] = self.slot.parameter_gradients.as_mut_slice() {
                    gradient[0] = step_gradient;
                }
            }
            Layer::Pool(layer) => {
                let plan = pool::Plan {
                    pool: layer,
                    input: shape,
                    output: node.output,
                };
                self.give(0, |slot, _, target| match layer.pooling {
                    Pooling::Max => pool::max_backward(&plan, &slot.places, &slot.gradient, target),
                    Pooling::Average => pool::average_backward(&plan, &slot.gradient, target),
                });
            }
            Layer::GlobalAverage => self.give(0, |slot, _, target| {
                pool::global_backward(&slot.gradient, shape.plane(), target);
            }),
            Layer::Flatten => {
                self.give(0, |slot, _, target| target.copy_from_slice(&slot.gradient));
            }
            Layer::Dropout { .. } => self.give(0, |slot, _, target| {
                let values = slot.gradient.iter().zip(&slot.kept);
                target
                    .iter_mut()
                    .zip(values)
                    .for_each(|(t, (g, k))| *t = g * k);
            }),
            Layer::Add => {
                for side in 0..2 {
                    self.give(side, |slot, _, target| {
                        target.copy_from_slice(&slot.gradient);
                    });
                }
            }
            Layer::Multiply => {
                self.give(0, |slot, inputs, target| {
                    pool::scale(&slot.gradient, inputs[1], target);
                });
                self.give(1, |slot, inputs, target| {
                    pool::scale_backward(inputs[0], &slot.gradient, target);
                });
            }
            Layer::Concat => self.concat(),
        }
    }

    /// Lets `fill` write the gradient of one input, and adds it to what other readers gave.
    fn give(&mut self, side: usize, fill: impl FnOnce(&Slot, &[&[f32]], &mut [f32])) {
        let source = self.node.inputs[side];
        let mut target = self.target(source);
        if let Some(target) = &mut target {
            let before = &*self.before;
            let inputs = self
                .node
                .inputs
                .iter()
                .map(|&v| value(self.input, before, v));
            fill(self.slot, &inputs.collect::<Vec<_>>(), target);
        }
        self.put(source, target);
    }

    /// A buffer for the gradient of `source`, if one is asked for.
    fn target(&mut self, source: Value) -> Option<Vec<f32>> {
        let place = source.place().filter(|_| self.needed[source.0])?;
        let slot = &mut self.before[place];
        let mut buffer = if slot.written {
            std::mem::take(self.scratch)
        } else {
            std::mem::take(&mut slot.gradient)
        };
        buffer.resize(slot.output.len(), 0.0);
        Some(buffer)
    }

    fn put(&mut self, source: Value, target: Option<Vec<f32>>) {
        let (Some(place), Some(target)) = (source.place(), target) else {
            return;
        };
        let slot = &mut self.before[place];
        if slot.written {
            add(&mut slot.gradient, &target);
            *self.scratch = target;
        } else {
            slot.gradient = target;
            slot.written = true;
        }
    }

    fn linear(&mut self) {
        let (node, shape, batch) = (self.node, self.shape(), self.batch);
        let source = node.inputs[0];
        let mut target = self.target(source);
        let input = value(self.input, self.before, source);
        let slot = &mut *self.slot;
        let real = node.values(Role::Weight);
        let view = node.weights().unwrap_or_default();
        let seen = if view == Weights::Float {
            real
        } else {
            slot.seen.as_slice()
        };
        let out = &slot.gradient;
        let (weight_gradient, others) = slot.parameter_gradients.split_at_mut(1);
        let weight_gradient = &mut weight_gradient[0];
        match &node.layer {
            Layer::Conv(conv) => {
                let plan = convolution::Plan {
                    conv,
                    input: shape,
                    output: node.output,
                };
                let target = target.as_deref_mut();
                if conv.is_depthwise(shape.channels) {
                    depthwise::backward(&plan, input, seen, out, weight_gradient, target);
                } else {
                    convolution::backward(&plan, input, seen, out, weight_gradient, target);
                }
            }
            _ => {
                let outputs = node.output.channels;
                let gradient = View::new(out, batch, outputs);
                let samples = View::new(input, batch, shape.len());
                multiply(
                    weight_gradient,
                    gradient.transposed(),
                    samples,
                    false,
                    Threads::All,
                );
                if let Some(target) = &mut target {
                    let kernels = View::new(seen, outputs, shape.len());
                    multiply(target, gradient, kernels, false, Threads::All);
                }
            }
        }
        let mut steps: &mut [f32] = &mut [];
        for (gradient, parameter) in others.iter_mut().zip(&node.parameters[1..]) {
            match parameter.role {
                Role::Bias => pool::bias_gradient(out, node.output.plane(), gradient),
                _ => steps = gradient,
            }
        }
        let step_values = node.values(Role::Step);
        weights::unsee(
            view,
            real,
            step_values,
            node.output.channels,
            weight_gradient,
            steps,
        );
        self.put(source, target);
    }

    fn normalize(&mut self) {
        let (node, plane) = (self.node, self.shape().plane());
        let Layer::Normalize(layer) = &node.layer else {
            return;
        };
        let scale = node.values(Role::Scale);
        if !self.teach {
            self.give(0, |slot, _, target| {
                let zero = vec![0.0; scale.len()];
                let (factors, _) =
                    normalize::affine(scale, &zero, &zero, &slot.variance, layer.epsilon);
                normalize::apply(&slot.gradient, &factors, &zero, plane, target);
            });
            return;
        }
        let source = node.inputs[0];
        let mut target = self.target(source);
        let slot = &mut *self.slot;
        let batch = normalize::Batch {
            input: value(self.input, self.before, source),
            scale,
            mean: &slot.mean,
            variance: &slot.variance,
            epsilon: layer.epsilon,
            plane,
        };
        let (first, second) = slot.parameter_gradients.split_at_mut(1);
        normalize::backward(
            &batch,
            &slot.gradient,
            &mut first[0],
            &mut second[0],
            target.as_deref_mut(),
        );
        self.put(source, target);
    }

    fn concat(&mut self) {
        let sample = self.node.output.len();
        let mut start = 0;
        for side in 0..self.node.inputs.len() {
            let size = self.net.shape_of(self.node.inputs[side]).len();
            self.give(side, |slot, _, target| {
                let rows = slot.gradient.chunks_exact(sample);
                for (target, row) in target.chunks_exact_mut(size).zip(rows) {
                    target.copy_from_slice(&row[start..start + size]);
                }
            });
            start += size;
        }
    }
}
