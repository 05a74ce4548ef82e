//! Normalizations disappear into the layer before them.

use crate::layer::{Conv, Dense, Layer};
use crate::net::{Net, Node, Parameter, Role, Value};
use crate::weights::Weights;

impl Net {
    /// The same answers with fewer layers: each normalization that follows a linear layer or a
    /// convolution, and is its only reader, becomes part of its weights and bias. Layers that see
    /// the sign of their weights keep theirs.
    #[must_use]
    pub fn folded(&self) -> Self {
        let mut folded = self.emptied();
        let mut places = vec![Value::INPUT];
        for (place, node) in self.layers().iter().enumerate() {
            let source = node.inputs[0];
            if let Some(before) = source.place()
                && matches!(node.layer, Layer::Normalize(_))
                && is_foldable(&self.layers()[before])
                && self.readers(source) == 1
                && places[source.0].place().is_some()
            {
                let target = places[source.0];
                if let Some(target) = target.place() {
                    fold(&mut folded.layers_mut()[target], node);
                }
                places.push(target);
                continue;
            }
            if matches!(node.layer, Layer::Dropout { .. }) && place + 1 < self.layers().len() {
                places.push(places[source.0]);
                continue;
            }
            let mut node = node.clone();
            node.inputs
                .iter_mut()
                .for_each(|value| *value = places[value.0]);
            places.push(folded.append(node));
        }
        folded
    }

    /// How many layers read a value.
    pub(crate) fn readers(&self, value: Value) -> usize {
        let inputs = self.layers().iter().flat_map(|node| &node.inputs);
        inputs.filter(|&&input| input == value).count()
    }
}

fn is_foldable(node: &Node) -> bool {
    matches!(
        node.weights(),
        Some(Weights::Float | Weights::LearnedStep { .. })
    )
}

/// Multiplier and shift of a normalization by its running statistics.
pub(crate) fn affine(node: &Node) -> Option<(Vec<f32>, Vec<f32>)> {
    let (Layer::Normalize(layer), Some(statistics)) = (&node.layer, &node.statistics) else {
        return None;
    };
    let (scale, shift) = (node.values(Role::Scale), node.values(Role::Shift));
    let (mean, variance) = (&statistics.mean, &statistics.variance);
    Some(crate::kernel::normalize::affine(
        scale,
        shift,
        mean,
        variance,
        layer.epsilon,
    ))
}

fn fold(target: &mut Node, normalization: &Node) {
    let Some((factors, offsets)) = affine(normalization) else {
        return;
    };
    let channels = factors.len();
    for parameter in &mut target.parameters {
        let row = parameter.values.len() / channels;
        let rows = parameter.values.chunks_exact_mut(row.max(1)).zip(&factors);
        for (row, factor) in rows {
            // A step stays positive: the sign goes into the weights.
            let factor = if parameter.role == Role::Step {
                factor.abs()
            } else {
                *factor
            };
            row.iter_mut().for_each(|value| *value *= factor);
        }
    }
    if let Some(bias) = target.parameter_mut(Role::Bias) {
        bias.values
            .iter_mut()
            .zip(&offsets)
            .for_each(|(bias, offset)| *bias += offset);
    } else {
        target.parameters.insert(1, Parameter::bias(offsets));
    }
    match &mut target.layer {
        Layer::Dense(Dense { bias, .. }) | Layer::Conv(Conv { bias, .. }) => *bias = true,
        _ => {}
    }
}
