use super::*;
use crate::layer::{Activation, Conv};
use crate::shape::Shape;
use crate::weights::Weights;

/// A residual, a depthwise convolution of two outputs a channel, a gate, a concatenation and a
/// flattened end.
fn tangled(seed: u64) -> Net {
    let stem = Net::builder(Shape::image(2, 6, 6), seed)
        .conv_plain(8, 3, 1, 1)
        .named("stem");
    let stem = stem.normalize().relu();
    let start = stem.here();
    let block = stem
        .conv(12, 1, 1, 0)
        .named("wide")
        .activation(Activation::HardSwish);
    let double = Layer::Conv(Conv {
        outputs: 24,
        kernel: [3; 2],
        stride: [1; 2],
        padding: [1; 4],
        groups: 12,
        bias: true,
        weights: Weights::Float,
    });
    let block = block.layer(double).named("depthwise").relu();
    let wide = block.here();
    let gate = block.global_average().dense(5).named("squeeze").relu();
    let gate = gate
        .dense(24)
        .named("excite")
        .activation(Activation::HardSigmoid);
    let factor = gate.here();
    let block = gate.join(Layer::Multiply, vec![wide, factor]);
    let block = block
        .conv(8, 1, 1, 0)
        .named("narrow")
        .add(start)
        .named("sum");
    let sum = block.here();
    let side = block.conv(6, 3, 1, 1).named("side").relu();
    let joined = side.here();
    let end = side
        .join(Layer::Concat, vec![sum, joined])
        .max_pool(2)
        .flatten();
    end.dense(7)
        .named("hidden")
        .relu()
        .dense(3)
        .named("head")
        .build()
        .unwrap()
}

fn samples(net: &Net, count: usize) -> Vec<f32> {
    let mut random = Random::new(9);
    (0..count * net.input().len())
        .map(|_| random.normal())
        .collect()
}

fn pruning(keep: f32, by: ChannelCriterion) -> ChannelPruning {
    ChannelPruning {
        keep,
        by,
        ..ChannelPruning::default()
    }
}

/// Zeros in whatever reads a channel that goes.
fn unread(net: &Net, stays: &[bool]) -> Net {
    let units = Units::of(net);
    let mut net = net.clone();
    let shapes: Vec<Shape> = net
        .layers()
        .iter()
        .map(|n| net.shape_of(n.inputs[0]))
        .collect();
    for (node, shape) in net.layers_mut().iter_mut().zip(shapes) {
        let kernel = match &node.layer {
            Layer::Dense(_) => shape.plane(),
            Layer::Conv(conv) if conv.groups == 1 => conv.kernel[0] * conv.kernel[1],
            _ => continue,
        };
        let left = units.left(node.inputs[0], stays);
        let weight = node.parameter_mut(Role::Weight).unwrap();
        for (place, value) in weight.values.iter_mut().enumerate() {
            if !left.contains(&(place / kernel % shape.channels)) {
                *value = 0.0;
            }
        }
    }
    net
}

#[test]
fn the_small_network_answers_as_if_nothing_read_the_rest() {
    let criteria = [
        ChannelCriterion::Norm,
        ChannelCriterion::Scale,
        ChannelCriterion::Random { seed: 4 },
    ];
    for (seed, by) in criteria.into_iter().enumerate() {
        for keep in [0.05, 0.3, 0.5, 0.8, 1.0] {
            let net = tangled(seed as u64);
            let pruning = pruning(keep, by);
            let (small, told) = prune_channels(&net, &pruning).unwrap();
            let stays = chosen(&net, &Units::of(&net).all, &pruning).unwrap();
            let inputs = samples(&net, 3);
            let expected = unread(&net, &stays).logits(&inputs).unwrap();
            let answers = small.logits(&inputs).unwrap();
            for (one, other) in expected.iter().zip(&answers) {
                assert!(
                    (one - other).abs() < 1e-4,
                    "{by:?} {keep}: {expected:?} {answers:?}"
                );
            }
            assert_eq!(keep == 1.0, small.parameters() == net.parameters());
            assert!(
                told.iter()
                    .all(|layer| (1..=layer.total).contains(&layer.kept))
            );
            let head = told.last().unwrap();
            assert_eq!((head.kept, head.total), (3, 3));
        }
    }
}

#[test]
fn tied_channels_go_together_and_in_equal_shares() {
    let (small, told) = prune_channels(&tangled(1), &pruning(0.5, ChannelCriterion::Norm)).unwrap();
    let kept = |name: &str| told.iter().find(|layer| layer.layer == name).unwrap().kept;
    assert_eq!((kept("stem"), kept("narrow")), (4, 4));
    // The gate, the wide convolution and both outputs of each depthwise channel are one.
    assert_eq!(
        (kept("wide"), kept("depthwise"), kept("excite")),
        (6, 12, 12)
    );
    assert_eq!((kept("squeeze"), kept("side"), kept("hidden")), (3, 3, 4));
    let place = small.find("depthwise").unwrap();
    let Layer::Conv(conv) = &small.layers()[place].layer else {
        panic!("it is a convolution")
    };
    assert_eq!((conv.groups, conv.outputs), (6, 12));
}

#[test]
fn the_weakest_filters_go() {
    let mut net = tangled(3);
    let place = net.find("side").unwrap();
    let weight = net.layers_mut()[place].parameter_mut(Role::Weight).unwrap();
    let row = weight.values.len() / 6;
    for channel in [0, 4] {
        weight.values[channel * row..][..row]
            .iter_mut()
            .for_each(|w| *w *= 1e-3);
    }
    let strong: Vec<f32> = [1, 2, 3, 5]
        .iter()
        .map(|channel| net.layers()[place].values(Role::Weight)[channel * row])
        .collect();
    let spared = ChannelPruning {
        spare: vec!["sum".into()],
        multiple: 1,
        ..pruning(0.67, ChannelCriterion::Norm)
    };
    let (small, told) = prune_channels(&net, &spared).unwrap();
    let left: Vec<f32> = small.layers()[place]
        .values(Role::Weight)
        .iter()
        .step_by(row)
        .copied()
        .collect();
    assert_eq!(left, strong);
    let stem = &told[0];
    assert_eq!(
        (stem.kept, stem.total),
        (8, 8),
        "a sum that is spared spares its terms"
    );
}

#[test]
fn what_cannot_be_pruned_says_so() {
    let net = tangled(1);
    for keep in [0.0, -1.0, 1.5, f32::NAN] {
        assert!(prune_channels(&net, &pruning(keep, ChannelCriterion::Norm)).is_err());
    }
    let folded = net.folded();
    let refused = prune_channels(&folded, &pruning(0.5, ChannelCriterion::Scale));
    assert!(refused.unwrap_err().to_string().contains("prune by norm"));
    let unknown = ChannelPruning {
        spare: vec!["nobody".into()],
        multiple: 1,
        ..pruning(0.5, ChannelCriterion::Norm)
    };
    assert!(prune_channels(&net, &unknown).is_err());
}

#[test]
fn channels_are_rounded_to_multiples_where_there_are_enough() {
    let net = tangled(2);
    let kept = |keep: f32, multiple: usize, by| {
        let pruning = ChannelPruning {
            multiple,
            ..pruning(keep, by)
        };
        let (_, told) = prune_channels(&net, &pruning).unwrap();
        let kept = |name: &str| told.iter().find(|layer| layer.layer == name).unwrap().kept;
        [kept("stem"), kept("wide"), kept("side"), kept("hidden")]
    };
    // Of 8, 12, 6 and 7; fewer than a multiple stay what they are.
    assert_eq!(kept(0.6, 1, ChannelCriterion::Norm), [5, 7, 4, 4]);
    assert_eq!(kept(0.6, 4, ChannelCriterion::Norm), [4, 8, 4, 4]);
    assert_eq!(kept(0.9, 4, ChannelCriterion::Norm), [8, 12, 4, 4]);
    assert_eq!(kept(0.6, 16, ChannelCriterion::Norm), [5, 7, 4, 4]);
    for multiple in [0, 5000] {
        let pruning = ChannelPruning {
            multiple,
            ..ChannelPruning::default()
        };
        let error = prune_channels(&net, &pruning).unwrap_err().to_string();
        assert!(error.contains("multiple = "), "{error}");
    }
}
