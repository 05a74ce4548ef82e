//! Every layer's gradients against differences.

use super::{Mode, Pass};
use crate::layer::{Activation, Conv, Layer, Pool, Pooling};
use crate::loss::{Loss, Wanted};
use crate::net::{Net, NetBuilder};
use crate::random::Random;
use crate::shape::Shape;
use crate::weights::Weights;

const BATCH: usize = 5;

/// Costs of a fixed batch, and the gradients of every parameter.
fn cost(net: &Net, pass: &mut Pass) -> f32 {
    let mut random = Random::new(11);
    let length = BATCH * net.input().len();
    pass.input_mut(length)
        .iter_mut()
        .for_each(|x| *x = random.normal());
    pass.forward(net, BATCH, Mode::teach(3));
    let rows: Vec<f32> = (0..BATCH * net.outputs())
        .map(|_| random.normal())
        .collect();
    let (answers, gradient) = pass.output_and_gradient();
    let wanted = Wanted {
        classes: &[],
        rows: &rows,
    };
    Loss::MeanSquared.cost(answers, net.outputs(), wanted, gradient)
}

/// Moves some numbers of every parameter and compares slopes.
fn agrees(name: &str, build: NetBuilder) {
    let mut net = build.build().unwrap();
    let mut random = Random::new(17);
    for node in net.layers_mut() {
        for parameter in &mut node.parameters {
            // Away from 0 and 1, so that no gradient is right by accident.
            parameter
                .values
                .iter_mut()
                .for_each(|v| *v += 0.3 * random.normal());
        }
    }
    let mut pass = Pass::default();
    cost(&net, &mut pass);
    pass.backward(&net);
    let mut moved = Pass::default();
    for layer in 0..net.layers().len() {
        for place in 0..net.layers()[layer].parameters.len() {
            let count = net.layers()[layer].parameters[place].values.len();
            for _ in 0..6.min(count) {
                let number = random.below(count);
                let gradient = pass.gradients(layer)[place][number];
                let mut slope = |by: f32| {
                    net.layers_mut()[layer].parameters[place].values[number] += by;
                    let cost = cost(&net, &mut moved);
                    net.layers_mut()[layer].parameters[place].values[number] -= by;
                    f64::from(cost)
                };
                let step = 2e-3;
                let slope = ((slope(step) - slope(-step)) / f64::from(2.0 * step)) as f32;
                let tolerance = 4e-3 + 0.03 * slope.abs();
                assert!(
                    (slope - gradient).abs() < tolerance,
                    "{name}, layer {layer}, parameter {place}, number {number}: {gradient}, not {slope}"
                );
            }
        }
    }
}

fn image() -> NetBuilder {
    Net::builder(Shape::image(3, 7, 6), 5)
}

fn conv(kernel: [usize; 2], stride: [usize; 2], padding: [usize; 4], groups: usize) -> Layer {
    Layer::Conv(Conv {
        outputs: 4,
        kernel,
        stride,
        padding,
        groups,
        bias: true,
        weights: Weights::Float,
    })
}

fn pool(pooling: Pooling) -> Layer {
    Layer::Pool(Pool {
        pooling,
        kernel: [3, 2],
        stride: [2, 2],
        padding: [1, 0, 1, 1],
    })
}

#[test]
fn linear_layers() {
    agrees("dense", image().dense(5).relu().dense(3));
    agrees(
        "conv",
        image()
            .layer(conv([3, 2], [1, 1], [1, 0, 0, 1], 1))
            .dense(3),
    );
    agrees(
        "strided",
        image()
            .layer(conv([3, 3], [2, 2], [0, 1, 1, 1], 1))
            .layer(conv([1, 1], [1, 1], [0; 4], 2))
            .dense(3),
    );
    let grouped = image()
        .conv(4, 1, 1, 0)
        .layer(conv([3, 3], [1, 2], [1; 4], 2));
    agrees("grouped", grouped.dense(3));
    agrees(
        "depthwise",
        image()
            .conv(4, 1, 1, 0)
            .depthwise(3, 1, 1)
            .depthwise(3, 2, 1)
            .dense(3),
    );
    let series = Net::builder(Shape::series(3, 16), 5);
    agrees(
        "series",
        series
            .conv_series(4, 5, 2, 2)
            .normalize()
            .relu()
            .max_pool(2)
            .conv_series(4, 3, 1, 1)
            .dense(2),
    );
}

#[test]
fn the_others() {
    agrees(
        "normalize",
        image()
            .conv(4, 3, 1, 1)
            .normalize()
            .dense(4)
            .normalize()
            .dense(3),
    );
    agrees(
        "max",
        image().conv(4, 3, 1, 1).layer(pool(Pooling::Max)).dense(3),
    );
    agrees(
        "average",
        image()
            .conv(4, 3, 1, 1)
            .layer(pool(Pooling::Average))
            .dense(3),
    );
    agrees(
        "global",
        image()
            .conv(4, 3, 1, 1)
            .global_average()
            .dropout(0.4)
            .dense(3),
    );
    for activation in [
        Activation::Clip {
            low: -0.5,
            high: 6.0,
        },
        Activation::Sigmoid,
        Activation::HardSigmoid,
        Activation::HardSwish,
    ] {
        agrees(
            "activation",
            image().dense(5).activation(activation).dense(3),
        );
    }
}

#[test]
fn joined_values() {
    let first = image().conv(4, 3, 1, 1);
    let (one, first) = (first.here(), first.relu().conv(4, 3, 1, 1));
    agrees("residual", first.add(one).flatten().dense(3));
    let first = image().conv(4, 3, 1, 1);
    let one = first.here();
    let gated = first
        .global_average()
        .dense(4)
        .activation(Activation::Sigmoid);
    let gate = gated.here();
    let gated = gated.join(Layer::Multiply, vec![one, gate]);
    agrees("gated", gated.dense(3));
    let first = image().conv(4, 3, 1, 1);
    let one = first.here();
    // Smooth: a kink within the difference would look like a wrong gradient.
    let second = first.activation(Activation::Sigmoid);
    let two = second.here();
    agrees(
        "joined",
        second.join(Layer::Concat, vec![two, one]).dense(3),
    );
}

/// Gradients of views that jump can't be checked by differences; of their steps they can, away
/// from the jumps, where LSQ's own definition holds instead: see `weights`. Here: they arrive.
#[test]
fn a_frozen_layer_gets_no_gradient_and_lets_it_through() {
    let mut net = image()
        .conv(4, 3, 1, 1)
        .normalize()
        .relu()
        .dense(3)
        .build()
        .unwrap();
    let mut pass = Pass::default();
    cost(&net, &mut pass);
    pass.backward(&net);
    assert!(pass.gradients(0)[0].iter().any(|g| *g != 0.0));
    net.layers_mut()
        .iter_mut()
        .take(2)
        .for_each(|node| node.frozen = true);
    let mut pass = Pass::default();
    cost(&net, &mut pass);
    pass.backward(&net);
    assert!(pass.gradients(0).is_empty());
    assert!(pass.gradients(3)[0].iter().any(|g| *g != 0.0));
}
