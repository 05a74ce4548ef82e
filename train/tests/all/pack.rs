//! A packed network answers like the network that it was packed from.

use noroshi_engine::{ModelSource, Options, Tensor, open};
use noroshi_model::EngineKind;
use noroshi_train::{
    Activation, Examples, Net, NetBuilder, PackedInput, Random, Recipe, Shape, Weights, fit,
};

/// Multiples of 1/128 in −1..1, so that sums are exact.
fn samples(shape: Shape, count: usize) -> Vec<f32> {
    let mut random = Random::new(33);
    let draw = |_| random.below(256) as f32 / 128.0 - 1.0;
    (0..count * shape.len()).map(draw).collect()
}

fn taught(builder: NetBuilder) -> Net {
    let mut net = builder.build().unwrap();
    let labels = (0..32u32).map(|place| place % 3).collect();
    let data = Examples::classes(net.input(), samples(net.input(), 32), labels, 3).unwrap();
    let recipe = Recipe {
        epochs: 4,
        batch: 8,
        rate: 0.02,
        ..Recipe::default()
    };
    fit(&mut net, &data, &recipe, &mut |_| ()).unwrap();
    // A normalization that turns the order round makes thresholds turn.
    for node in net
        .layers_mut()
        .iter_mut()
        .filter(|node| node.statistics.is_some())
    {
        node.parameters[0]
            .values
            .iter_mut()
            .step_by(2)
            .for_each(|scale| *scale = -*scale);
    }
    net
}

/// What the engine answers.
fn packed_answers(net: &Net, samples: &[f32]) -> Vec<f32> {
    let packed = net.pack(&PackedInput::default()).unwrap();
    let file = packed.write().unwrap();
    let source = ModelSource::Bytes(&file);
    let mut engine = open(EngineKind::Binary, source, &Options::default()).unwrap();
    let shape = net.input();
    let count = samples.len() / shape.len();
    let dims = if shape.plane() == 1 {
        vec![count, shape.channels]
    } else {
        vec![count, shape.channels, shape.height, shape.width]
    };
    let input = Tensor::f32(dims, samples.to_vec()).unwrap();
    let answer = engine.run(&[input]).unwrap();
    answer[0].to_f32().into_owned()
}

fn answers_alike(name: &str, builder: NetBuilder, samples: &[f32]) {
    let net = taught(builder);
    let (own, answer) = (net.logits(samples).unwrap(), packed_answers(&net, samples));
    assert_eq!(answer.len(), own.len());
    for (left, right) in own.iter().zip(&answer) {
        // The sums are the same; the last scale and offset are multiplied in another order.
        assert!(
            (left - right).abs() < 1e-4 * left.abs().max(1.0),
            "{name}: {left}, not {right}"
        );
    }
}

fn image() -> NetBuilder {
    Net::builder(Shape::image(2, 10, 8), 3)
}

fn step(bits: u8) -> Activation {
    Activation::LearnedStep {
        bits,
        signed: false,
    }
}

#[test]
fn signs_are_the_same() {
    let shape = Shape::flat(70);
    for weights in [Weights::Sign, Weights::ScaledSign] {
        let net = Net::builder(shape, 3)
            .weights(weights)
            .dense_plain(33)
            .normalize()
            .sign();
        let net = net
            .dense_plain(20)
            .normalize()
            .sign()
            .dense_plain(3)
            .normalize();
        answers_alike("perceptron", net, &samples(shape, 50));
        let net = image()
            .weights(weights)
            .conv(6, 3, 1, 0)
            .max_pool(2)
            .normalize()
            .sign();
        let net = net.conv_plain(9, 3, 1, 1).normalize().max_pool(2).sign();
        let net = net.flatten().dense_plain(3).normalize();
        answers_alike("convolutional", net, &samples(Shape::image(2, 10, 8), 50));
    }
}

#[test]
fn levels_are_the_same() {
    let levels = Activation::Levels {
        bits: 2,
        limit: 1.5,
    };
    let net = image()
        .weights(Weights::ScaledSign)
        .conv_plain(6, 3, 1, 0)
        .normalize();
    let net = net
        .activation(levels)
        .max_pool(2)
        .conv_plain(9, 3, 2, 1)
        .normalize();
    let net = net.activation(levels).dense_plain(3).normalize();
    answers_alike("two bits", net, &samples(Shape::image(2, 10, 8), 50));
}

#[test]
fn eight_bits_stand_at_both_ends() {
    let eight = Weights::LearnedStep { bits: 8 };
    let net = image()
        .weights(eight)
        .conv_plain(6, 3, 1, 1)
        .normalize()
        .sign();
    let net = net
        .weights(Weights::Sign)
        .conv_plain(9, 3, 2, 1)
        .normalize()
        .relu();
    let net = net.activation(step(8)).weights(eight).dense(3);
    let net = taught(net);
    let inputs = samples(net.input(), 200);
    let (own, answer) = (net.logits(&inputs).unwrap(), packed_answers(&net, &inputs));
    // Steps are no powers of two: a sum may round to the other side now and then.
    let pairs = own.iter().zip(&answer);
    let alike = pairs.filter(|(left, right)| (*left - *right).abs() < 1e-3);
    assert!(alike.count() > 590);
}

/// Bytes at both ends, signs or levels between, a bias at the end: every sum is whole, every unit a
/// power of two, so not a bit differs.
#[test]
fn whole_sums_are_the_same_bit_by_bit() {
    let eight = Weights::LearnedStep { bits: 8 };
    let levels = Activation::Levels {
        bits: 2,
        limit: 1.5,
    };
    for activation in [Activation::Sign, levels] {
        for weights in [Weights::Sign, Weights::ScaledSign] {
            let net = image()
                .weights(eight)
                .conv_plain(12, 5, 2, 2)
                .normalize()
                .activation(activation)
                .weights(weights)
                .conv_plain(9, 3, 1, 1)
                .max_pool(2)
                .normalize()
                .activation(activation);
            let net = taught(net.weights(eight).dense(3));
            let inputs = samples(net.input(), 100);
            let own = net.logits(&inputs).unwrap();
            assert_eq!(packed_answers(&net, &inputs), own, "{activation:?}");
        }
    }
}

#[test]
fn what_can_not_be_packed_is_told() {
    let refused = |net: NetBuilder| {
        net.build()
            .unwrap()
            .pack(&PackedInput::default())
            .unwrap_err()
            .to_string()
    };
    assert!(refused(image().dense(3)).contains("choose signs"));
    let sign = || image().weights(Weights::Sign);
    assert!(refused(sign().conv(4, 3, 1, 1).relu().dense(3)).contains("an activation must"));
    assert!(refused(sign().dense(3).activation(Activation::Sigmoid)).contains("not packed"));
    assert!(refused(sign().dense(3).sign()).contains("ends in a product"));
}
