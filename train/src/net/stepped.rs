//! A float network as one of few bits, to go on learning (quantization-aware training).

use std::collections::HashMap;

use super::{Net, Value};
use crate::layer::{Activation, Layer, Pooling};
use crate::random::Random;
use crate::weights::Weights;
use crate::{Error, Result};

/// How many bits a network's products get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bits {
    /// Of weights, 2 to 8.
    pub weights: u8,
    /// Of what enters a layer with weights, 2 to 8.
    pub activations: u8,
    /// Of both at the first and the last layer, which suffer most.
    pub edges: u8,
}

impl Net {
    /// The same network with learned steps (Esser et al. 2020, LSQ, 2.1): every layer's weights,
    /// and what enters it. Learned numbers are kept; activations' steps are found as the first
    /// batch passes. `positive` says that no number of a sample is below zero.
    ///
    /// Rounding commutes with a maximum, so it stands in front of pools, right behind what made
    /// the numbers: there an engine of whole numbers takes both in one.
    pub fn stepped(&self, bits: Bits, positive: bool) -> Result<Self> {
        let wanted = self.rounded(bits)?;
        let mut net = self.emptied();
        let mut random = Random::new(0);
        let mut sides = vec![positive];
        // Where each value of this network is in the other: as it is, and for products.
        let mut places = vec![(Value::INPUT, Value::INPUT)];
        let mut round = |net: &mut Self, value: Value, plain: Value, positive: bool| -> Result<_> {
            let Some(&bits) = wanted.get(&value) else {
                return Ok((plain, plain));
            };
            let name = match value.place() {
                Some(place) => format!("{} steps", self.nodes[place].name),
                None => "input steps".to_owned(),
            };
            let layer = Layer::Activation(Activation::LearnedStep {
                bits,
                signed: !positive,
            });
            Ok((plain, net.push(name, layer, vec![plain], &mut random)?))
        };
        places[0] = round(&mut net, Value::INPUT, Value::INPUT, positive)?;
        for (place, node) in self.nodes.iter().enumerate() {
            let above: Vec<bool> = node.inputs.iter().map(|value| sides[value.0]).collect();
            let positive = is_positive(&node.layer, &above);
            sides.push(positive);
            let mut node = node.clone();
            let rounded = node.weights().is_some() || passes(&node.layer);
            for value in &mut node.inputs {
                let (plain, whole) = places[value.0];
                *value = if rounded { whole } else { plain };
            }
            let plain = net.append(node);
            places.push(round(&mut net, Value::of(place), plain, positive)?);
        }
        net.with_weights(|place, count, _| Weights::LearnedStep {
            bits: bits.of(place, count).0,
        })
    }

    /// The values that are rounded for products, with their bits.
    fn rounded(&self, bits: Bits) -> Result<HashMap<Value, u8>> {
        let weighted = || self.nodes.iter().filter(|node| node.weights().is_some());
        let count = weighted().count();
        if count == 0 {
            return Err(Error::layer("the graph", "it has no layer with weights"));
        }
        let mut wanted = HashMap::new();
        for (nth, node) in weighted().enumerate() {
            let mut value = node.inputs[0];
            while let Some(place) = value.place().filter(|&at| passes(&self.nodes[at].layer)) {
                value = self.nodes[place].inputs[0];
            }
            let bits = bits.of(nth, count).1;
            let most = wanted.entry(value).or_insert(bits);
            *most = bits.max(*most);
        }
        Ok(wanted)
    }
}

impl Bits {
    /// Bits of the weights of a layer, and of what enters it.
    const fn of(self, place: usize, count: usize) -> (u8, u8) {
        if place == 0 || place + 1 == count {
            (self.edges, self.edges)
        } else {
            (self.weights, self.activations)
        }
    }
}

/// Whether rounding may as well stand in front of the layer.
const fn passes(layer: &Layer) -> bool {
    match layer {
        Layer::Flatten | Layer::Dropout { .. } => true,
        Layer::Pool(pool) => matches!(pool.pooling, Pooling::Max),
        _ => false,
    }
}

/// Whether no number that leaves the layer is below zero, if `above` holds for those that enter.
fn is_positive(layer: &Layer, above: &[bool]) -> bool {
    match layer {
        Layer::Activation(function) => match function {
            Activation::Relu
            | Activation::Sigmoid
            | Activation::HardSigmoid
            | Activation::Levels { .. } => true,
            Activation::Clip { low, .. } => *low >= 0.0,
            Activation::LearnedStep { signed, .. } => !signed,
            Activation::HardSwish | Activation::Sign => false,
        },
        Layer::Dense(_) | Layer::Conv(_) | Layer::Normalize(_) => false,
        Layer::Pool(_)
        | Layer::GlobalAverage
        | Layer::Flatten
        | Layer::Dropout { .. }
        | Layer::Add
        | Layer::Multiply
        | Layer::Concat => above.iter().all(|&above| above),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Examples, Recipe, Shape, fit, score};

    const BITS: Bits = Bits {
        weights: 3,
        activations: 4,
        edges: 8,
    };

    fn steps(net: &Net) -> Vec<(u8, bool)> {
        let kinds = net.layers().iter().filter_map(|node| match node.layer {
            Layer::Activation(Activation::LearnedStep { bits, signed }) => Some((bits, signed)),
            _ => None,
        });
        kinds.collect()
    }

    #[test]
    fn what_enters_a_product_is_rounded_once() {
        let builder = Net::builder(Shape::image(2, 8, 8), 1).conv(4, 3, 1, 1);
        let builder = builder.relu();
        let branch = builder.here();
        let net = builder.conv(4, 3, 1, 1).named("left");
        let left = net.here();
        let net = net.from(branch).conv(4, 1, 1, 0).add(left);
        let net = net.conv(4, 1, 1, 0).global_average().dense(3);
        let net = net.build().unwrap();
        let few = net.stepped(BITS, true).unwrap();
        // The input, the branch once for two readers, the sum, which may be negative, the mean.
        let expected = [(8, false), (4, false), (4, true), (8, true)];
        assert_eq!(steps(&few), expected);
        let bits: Vec<_> = few
            .layers()
            .iter()
            .filter_map(super::super::Node::weights)
            .collect();
        let three = Weights::LearnedStep { bits: 3 };
        let eight = Weights::LearnedStep { bits: 8 };
        assert_eq!(bits, [eight, three, three, three, eight]);
        assert_eq!(steps(&net.stepped(BITS, false).unwrap())[0], (8, true));
        let pooled = Net::small(super::super::Family::Cnn, Shape::image(1, 8, 8), 2, 0.2, 1);
        let few = pooled.unwrap().stepped(BITS, true).unwrap();
        for (place, node) in few.layers().iter().enumerate() {
            if matches!(node.layer, Layer::Pool(_)) {
                let before = &few.layers()[place - 1].layer;
                assert!(matches!(
                    before,
                    Layer::Activation(Activation::LearnedStep { .. })
                ));
            }
        }
    }

    #[test]
    fn few_bits_are_learned_from_a_float_network() {
        let mut random = Random::new(3);
        let inputs: Vec<f32> = (0..800).map(|_| random.uniform(0.5)).collect();
        let labels = inputs.chunks(2).map(|pair| u32::from(pair[0] > pair[1]));
        let labels = labels.collect();
        let data = Examples::classes(Shape::flat(2), inputs, labels, 2).unwrap();
        let mut net = Net::small(super::super::Family::Mlp, Shape::flat(2), 2, 0.1, 1).unwrap();
        let recipe = Recipe {
            epochs: 20,
            rate: 0.01,
            ..Recipe::default()
        };
        fit(&mut net, &data, &recipe, &mut |_| ()).unwrap();
        let mut few = net.stepped(BITS, false).unwrap();
        fit(&mut few, &data, &recipe, &mut |_| ()).unwrap();
        assert!(score(&few, &data).unwrap().accuracy > 0.95);
        let bad = Bits { weights: 1, ..BITS };
        assert!(net.stepped(bad, false).is_err());
    }
}
