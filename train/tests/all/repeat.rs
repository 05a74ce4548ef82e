//! Seeds repeat, checkpoints go on, files come back.

use noroshi_train::{
    Augmentation, Error, Examples, Loss, Net, Optimizer, Random, Recipe, Schedule, Shape, Trainer,
    Weights, fit, score,
};

/// Two classes of images: a bright upper half, or a bright left half, under noise.
fn halves(count: usize, seed: u64) -> Examples {
    let mut random = Random::new(seed);
    let mut inputs = Vec::new();
    let mut labels = Vec::new();
    for _ in 0..count {
        let class = random.below(2) as u32;
        for place in 0..64 {
            let bright = if class == 0 {
                place / 8 < 4
            } else {
                place % 8 < 4
            };
            inputs.push(f32::from(u8::from(bright)) + 0.7 * random.normal());
        }
        labels.push(class);
    }
    Examples::classes(Shape::image(1, 8, 8), inputs, labels, 2).unwrap()
}

fn net() -> Net {
    let net = Net::builder(Shape::image(1, 8, 8), 4)
        .conv_plain(8, 3, 1, 1)
        .normalize()
        .relu();
    net.max_pool(2)
        .dropout(0.1)
        .dense(16)
        .relu()
        .dense(2)
        .build()
        .unwrap()
}

fn recipe() -> Recipe {
    Recipe {
        epochs: 6,
        batch: 32,
        augmentation: Augmentation {
            shift: 1,
            noise: 0.05,
            ..Augmentation::default()
        },
        weight_decay: 1e-4,
        validation: 0.25,
        keep_best: true,
        ..Recipe::default()
    }
}

#[test]
fn it_learns_and_repeats_bit_by_bit() {
    let data = halves(400, 1);
    let digests: Vec<String> = (0..2)
        .map(|_| {
            let mut net = net();
            let fitted = fit(&mut net, &data, &recipe(), &mut |_| ()).unwrap();
            assert!(fitted.validation.unwrap().accuracy > 0.9, "{fitted:?}");
            assert!(score(&net, &halves(200, 2)).unwrap().accuracy > 0.9);
            assert_eq!(fitted.digest, net.digest());
            fitted.digest
        })
        .collect();
    assert_eq!(digests[0], digests[1]);
    let mut other = net();
    let recipe = Recipe {
        seed: 2,
        ..recipe()
    };
    assert_ne!(
        fit(&mut other, &data, &recipe, &mut |_| ()).unwrap().digest,
        digests[0]
    );
}

#[test]
fn a_checkpoint_goes_on_to_the_same_bits() {
    let data = halves(200, 1);
    let folder = tempfile::tempdir().unwrap();
    for optimizer in [Optimizer::Adam, Optimizer::Sgd { momentum: 0.9 }] {
        let recipe = Recipe {
            optimizer,
            ..recipe()
        };
        let mut whole = net();
        let wanted = fit(&mut whole, &data, &recipe, &mut |_| ()).unwrap();
        let path = folder.path().join(format!("{optimizer:?}.safetensors"));
        let mut epochs = Vec::new();
        for until in [2, 3, 6] {
            let mut part = net();
            let trainer = Trainer::new(&recipe).checkpoint(path.clone()).until(until);
            let fitted = trainer
                .fit(&mut part, &data, &mut |p| epochs.push(p.epoch))
                .unwrap();
            assert_eq!(fitted.digest == wanted.digest, until == 6);
        }
        assert_eq!(epochs, [1, 2, 3, 4, 5, 6]);
        let foreign = Recipe {
            rate: 0.5,
            ..recipe.clone()
        };
        let refused = Trainer::new(&foreign)
            .checkpoint(path)
            .fit(&mut net(), &data, &mut |_| ())
            .unwrap_err();
        assert!(matches!(refused, Error::File { .. }), "{refused}");
    }
}

#[test]
fn patience_ends_early_and_keeps_the_best() {
    let data = halves(200, 1);
    let recipe = Recipe {
        epochs: 100,
        patience: 3,
        rate: 0.01,
        schedule: Schedule::Constant,
        ..recipe()
    };
    let mut net = net();
    let fitted = fit(&mut net, &data, &recipe, &mut |_| ()).unwrap();
    assert!(
        fitted.epochs < 100 && fitted.kept + 3 == fitted.epochs,
        "{fitted:?}"
    );
}

#[test]
fn a_file_comes_back_with_masks_and_steps() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.safetensors");
    let bits = |_: usize, _: usize, _: &noroshi_train::Node| Weights::LearnedStep { bits: 4 };
    let mut net = net().with_weights(bits).unwrap();
    let parameter = &mut net.layers_mut()[0].parameters[0];
    parameter.mask = Some(
        (0..parameter.values.len())
            .map(|p| (p % 2) as f32)
            .collect(),
    );
    parameter.apply_mask();
    net.save(&path).unwrap();
    assert_eq!(Net::load(&path).unwrap(), net);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.truncate(bytes.len() / 2);
    std::fs::write(&path, bytes).unwrap();
    assert!(matches!(Net::load(&path).unwrap_err(), Error::File { .. }));
}

#[test]
fn pruned_weights_stay_zero() {
    let mut net = net();
    for node in net.layers_mut() {
        for parameter in &mut node.parameters {
            parameter.mask = Some(
                (0..parameter.values.len())
                    .map(|p| f32::from(u8::from(p % 3 > 0)))
                    .collect(),
            );
            parameter.apply_mask();
        }
    }
    fit(&mut net, &halves(100, 1), &recipe(), &mut |_| ()).unwrap();
    for parameter in net.layers().iter().flat_map(|node| &node.parameters) {
        assert!(
            parameter
                .values
                .iter()
                .step_by(3)
                .all(|value| *value == 0.0)
        );
        assert!(parameter.values.iter().any(|value| *value != 0.0));
    }
}

#[test]
fn what_does_not_fit_is_told() {
    let data = halves(20, 1);
    let mut wide = Net::builder(Shape::image(1, 8, 8), 1)
        .dense(3)
        .build()
        .unwrap();
    let refused = fit(&mut wide, &data, &Recipe::default(), &mut |_| ()).unwrap_err();
    assert!(
        refused.to_string().contains("targets are 2 wide"),
        "{refused}"
    );
    let hot = Recipe {
        rate: 1e6,
        optimizer: Optimizer::Sgd { momentum: 0.9 },
        loss: Loss::SquaredHinge,
        ..Recipe::default()
    };
    let refused = fit(&mut net(), &data, &hot, &mut |_| ()).unwrap_err();
    assert!(matches!(refused, Error::Diverged { .. }), "{refused}");
    let none = Recipe {
        epochs: 0,
        ..Recipe::default()
    };
    assert!(matches!(
        fit(&mut net(), &data, &none, &mut |_| ()),
        Err(Error::Recipe(_))
    ));
    assert!(
        Net::builder(Shape::flat(4), 1)
            .conv(2, 3, 1, 0)
            .build()
            .is_err()
    );
    assert!(
        Net::builder(Shape::flat(1 << 20), 1)
            .dense(1 << 20)
            .build()
            .is_err()
    );
}
