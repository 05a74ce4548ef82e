//! The network without the channels that go: every weight that made or read them goes too.

use super::units::{Units, is_depthwise};
use crate::layer::Layer;
use crate::net::{Net, Node, Parameter, Role, Statistics, Value};
use crate::shape::Shape;
use crate::{Error, Result};

/// The network of the units that stay. What it answers is what `net` answers if nothing reads the
/// channels that go.
pub(super) fn shrink(net: &Net, units: &Units, stays: &[bool]) -> Result<Net> {
    let mut small = net.emptied();
    for (place, node) in net.layers().iter().enumerate() {
        let rows = units.left(Value::of(place), stays);
        let columns = columns(net, node, units, stays);
        let mut node = node.clone();
        let before = net.shape_of(node.inputs[0]);
        resize(&mut node.layer, rows.len(), before);
        let shapes: Vec<_> = node.inputs.iter().map(|&v| small.shape_of(v)).collect();
        node.output = node
            .layer
            .output(&shapes)
            .map_err(|reason| Error::layer(&node.name, reason))?;
        // The one step of an activation belongs to no channel.
        if !matches!(node.layer, Layer::Activation(_)) {
            for parameter in &mut node.parameters {
                cut(parameter, &rows, &columns);
            }
        }
        if let Some(Statistics { mean, variance }) = &mut node.statistics {
            *mean = pick(mean, &rows, 1);
            *variance = pick(variance, &rows, 1);
        }
        small.append(node);
    }
    Ok(small)
}

/// The columns of a layer's weights that stay: numbers of its input for a linear layer, channels
/// of one group for a convolution.
fn columns(net: &Net, node: &Node, units: &Units, stays: &[bool]) -> Vec<usize> {
    let input = net.shape_of(node.inputs[0]);
    let left = || units.left(node.inputs[0], stays);
    match &node.layer {
        Layer::Dense(_) => {
            let plane = input.plane();
            let numbers = |channel: usize| channel * plane..(channel + 1) * plane;
            left().into_iter().flat_map(numbers).collect()
        }
        Layer::Conv(conv) if conv.groups == 1 => left(),
        Layer::Conv(conv) => (0..input.channels / conv.groups).collect(),
        _ => Vec::new(),
    }
}

fn resize(layer: &mut Layer, rows: usize, before: Shape) {
    match layer {
        Layer::Dense(dense) => dense.outputs = rows,
        Layer::Conv(conv) => {
            if is_depthwise(conv, before) {
                // Each channel that stays keeps all its outputs.
                conv.groups = rows / (conv.outputs / conv.groups);
            }
            conv.outputs = rows;
        }
        _ => {}
    }
}

fn cut(parameter: &mut Parameter, rows: &[usize], columns: &[usize]) {
    match parameter.role {
        Role::Weight => {
            let [_, before, kernel @ ..] = parameter.shape.as_slice() else {
                return;
            };
            let (before, kernel): (usize, usize) = (*before, kernel.iter().product());
            let both = |values: &Vec<f32>| -> Vec<f32> {
                let wide = pick(values, rows, before * kernel);
                let row = |row: &[f32]| pick(row, columns, kernel);
                wide.chunks_exact(before * kernel).flat_map(row).collect()
            };
            let mask = parameter.mask.as_ref().map(both);
            let values = both(&parameter.values);
            (parameter.values, parameter.mask) = (values, mask);
            parameter.shape[0] = rows.len();
            parameter.shape[1] = columns.len();
        }
        Role::Bias | Role::Scale | Role::Shift | Role::Step => {
            parameter.values = pick(&parameter.values, rows, 1);
            parameter.mask = parameter.mask.as_deref().map(|mask| pick(mask, rows, 1));
            parameter.shape = vec![rows.len()];
        }
    }
}

/// The blocks of `size` numbers at these places.
fn pick(values: &[f32], places: &[usize], size: usize) -> Vec<f32> {
    places
        .iter()
        .flat_map(|&place| &values[place * size..][..size])
        .copied()
        .collect()
}
