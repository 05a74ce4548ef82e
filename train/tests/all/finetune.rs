//! A network that was taught one task gets a head for another.

use std::panic::{AssertUnwindSafe, catch_unwind};

use noroshi_train::data::{Array, Classes, Dataset, Numbers, Samples, Targets};
use noroshi_train::{
    Augmentation, Error, Examples, Finetuning, Net, Random, Recipe, Shape, finetune, fit, score,
};

use crate::export::options;

const SIDE: usize = 8;

/// Bars in noise. Four classes: lying or standing, in the first or the second half. Two: only
/// whether they lie.
fn bars(count: usize, classes: usize, seed: u64) -> Dataset {
    let mut random = Random::new(seed);
    let (mut pixels, mut of) = (Vec::new(), Vec::new());
    for place in 0..count {
        let (lying, second) = (place % 2 == 0, place / 2 % 2);
        let at = second * SIDE / 2 + random.below(SIDE / 2);
        for pixel in 0..SIDE * SIDE {
            let (row, column) = (pixel / SIDE, pixel % SIDE);
            let bar = if lying { row == at } else { column == at };
            pixels.push(f32::from(u8::from(bar)) + 0.3 * random.normal());
        }
        of.push((usize::from(lying) + 2 * second) as u32 % classes as u32);
    }
    let array = Array::new(vec![count, SIDE, SIDE], Numbers::F32(pixels)).unwrap();
    let targets = Targets::Classes(Classes::numbered(of));
    Dataset::new(Samples::Array(array), targets).unwrap()
}

fn recipe(epochs: usize) -> Recipe {
    Recipe {
        epochs,
        batch: 16,
        rate: 0.01,
        keep_best: true,
        ..Recipe::default()
    }
}

/// Taught to tell lying from standing bars, as a file without normalizations.
fn taught() -> Net {
    let net = Net::builder(Shape::image(1, SIDE, SIDE), 1)
        .conv_plain(12, 3, 1, 1)
        .normalize()
        .relu()
        .max_pool(2)
        .conv_plain(16, 3, 1, 1)
        .normalize()
        .relu()
        .flatten();
    let mut net = net.dense(2).named("head").build().unwrap();
    let data = Examples::read(&bars(200, 2, 1)).unwrap();
    fit(&mut net, &data, &recipe(8), &mut |_| ()).unwrap();
    Net::import_onnx(&net.export_onnx().unwrap()).unwrap()
}

fn how() -> Finetuning {
    Finetuning {
        engine: options(),
        ..Finetuning::default()
    }
}

#[test]
fn a_frozen_backbone_serves_other_classes() {
    let (data, held, test) = (bars(120, 4, 2), bars(60, 4, 3), bars(200, 4, 4));
    let before = taught();
    let mut told = 0;
    let (net, fitted) = finetune(&before, &data, &held, &recipe(12), &how(), &mut |_| {
        told += 1;
    })
    .unwrap();
    assert_eq!((net.outputs(), told, fitted.epochs), (4, 12, 12));
    let backbone = net.find("head").unwrap();
    assert_eq!(net.layers()[..backbone], before.layers()[..backbone]);
    let accuracy = score(&net, &Examples::read(&test).unwrap())
        .unwrap()
        .accuracy;
    assert!(accuracy > 0.85, "{accuracy}");
    // What the head saw of ONNX Runtime is what the network itself makes.
    let own = score(&net, &Examples::read(&held).unwrap()).unwrap();
    assert!((own.accuracy - fitted.validation.unwrap().accuracy).abs() < 0.02);
}

#[test]
fn an_unfrozen_one_goes_on_from_its_checkpoint_to_the_same_bits() {
    let (data, held) = (bars(60, 4, 2), bars(40, 4, 3));
    let before = taught();
    let folder = tempfile::tempdir().unwrap();
    let how = Finetuning {
        backbone_rate: Some(0.1),
        checkpoint: Some(folder.path().join("state.safetensors")),
        ..how()
    };
    let (whole, fitted) = finetune(
        &before,
        &data,
        &held,
        &recipe(4),
        &Finetuning {
            checkpoint: None,
            ..how.clone()
        },
        &mut |_| (),
    )
    .unwrap();
    // Ends in the middle, as by a crash.
    let stopped = catch_unwind(AssertUnwindSafe(|| {
        finetune(&before, &data, &held, &recipe(4), &how, &mut |told| {
            assert!(told.epoch < 2, "the end");
        })
    }));
    assert!(stopped.is_err());
    let mut epochs = Vec::new();
    let (again, resumed) = finetune(&before, &data, &held, &recipe(4), &how, &mut |told| {
        epochs.push(told.epoch);
    })
    .unwrap();
    assert_eq!(epochs, [3, 4]);
    assert_eq!(
        (again.digest(), &resumed.digest),
        (whole.digest(), &fitted.digest)
    );
    assert_ne!(again.layers()[0], before.layers()[0]);
}

#[test]
fn what_cannot_be_taught_says_why() {
    let (data, net) = (bars(20, 4, 1), taught());
    let refused = |recipe: &Recipe, how: &Finetuning, net: &Net| -> Error {
        finetune(net, &data, &data, recipe, how, &mut |_| ()).unwrap_err()
    };
    let varied = Recipe {
        augmentation: Augmentation {
            shift: 1,
            ..Augmentation::default()
        },
        ..recipe(1)
    };
    assert!(
        refused(&varied, &how(), &net)
            .to_string()
            .contains("unfreeze")
    );
    let flat = Net::builder(Shape::image(1, SIDE, SIDE), 1)
        .dense(2)
        .build()
        .unwrap();
    assert!(
        refused(&recipe(1), &how(), &flat)
            .to_string()
            .contains("nothing before")
    );
    let mut model = net.export_onnx().unwrap();
    model.graph.as_mut().unwrap().node[1].op_type = "Softplus".into();
    let error = Net::import_onnx(&model).unwrap_err().to_string();
    assert!(error.contains("Softplus"), "{error}");
}
