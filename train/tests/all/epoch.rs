//! How long an epoch takes, beside candle's (`candle_epoch`).

use noroshi_train::{Examples, Loss, Net, NetBuilder, Random, Recipe, Shape, Weights, fit};

fn images(samples: usize) -> Examples {
    let mut random = Random::new(9);
    let inputs = (0..samples * 784).map(|_| random.normal()).collect();
    let labels = (0..samples as u32).map(|place| place % 10).collect();
    Examples::classes(Shape::image(1, 28, 28), inputs, labels, 10).unwrap()
}

fn time(name: &str, builder: NetBuilder, samples: usize, loss: Loss) {
    let mut net = builder.build().unwrap();
    let recipe = Recipe {
        epochs: 3,
        batch: 100,
        loss,
        ..Recipe::default()
    };
    fit(&mut net, &images(samples), &recipe, &mut |progress| {
        println!("{name}, {samples}: {:.2} s", progress.seconds);
    })
    .unwrap();
}

#[test]
#[ignore = "a measurement: cargo one-test -p noroshi-train --test all epoch -- --ignored --nocapture"]
fn epochs() {
    let image = || Net::builder(Shape::image(1, 28, 28), 1);
    let binary = image().weights(Weights::Sign);
    let binary = binary
        .dense_plain(512)
        .normalize()
        .sign()
        .dense_plain(512)
        .normalize()
        .sign();
    time(
        "784-512-512-10 binary",
        binary.dense_plain(10).normalize(),
        8000,
        Loss::SquaredHinge,
    );
    let entropy = Loss::CrossEntropy { smoothing: 0.0 };
    let small = image()
        .conv(16, 5, 1, 0)
        .relu()
        .max_pool(2)
        .conv(32, 5, 1, 0)
        .relu()
        .max_pool(2);
    time(
        "the proof's CNN",
        small.dense(128).relu().dense(10),
        8000,
        entropy,
    );
    let deep = image().conv_plain(16, 3, 1, 1).normalize().relu();
    let deep = deep
        .depthwise(3, 1, 1)
        .normalize()
        .relu()
        .conv_plain(32, 1, 1, 0)
        .normalize()
        .relu();
    let deep = deep.max_pool(2).depthwise(3, 1, 1).normalize().relu();
    let deep = deep
        .conv_plain(64, 1, 1, 0)
        .normalize()
        .relu()
        .global_average()
        .dense(10);
    time("a depthwise CNN", deep, 8000, entropy);
}
