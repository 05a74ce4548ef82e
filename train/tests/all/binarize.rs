//! Networks of one-bit weights, taught and packed in one go.

use noroshi_engine::{ModelSource, Options, Tensor, open};
use noroshi_model::EngineKind;
use noroshi_train::{
    Binarization, Body, Examples, OneBit, PackedInput, Random, Recipe, Shape, Twin, binarize, score,
};

/// Images that are bright at the top or at the bottom, noise from `seed`; bytes of 256.
fn halves(shape: Shape, seed: u64) -> Examples {
    let mut random = Random::new(seed);
    let (mut inputs, mut labels) = (Vec::new(), Vec::new());
    for place in 0..120 {
        let label = place % 2;
        labels.push(label as u32);
        for at in 0..shape.len() {
            let top = at % shape.plane() < shape.plane() / 2;
            let light = if top == (label == 0) { 120 } else { 0 };
            inputs.push((light + random.below(130)) as f32 / 256.0);
        }
    }
    Examples::classes(shape, inputs, labels, 2).unwrap()
}

fn recipe() -> Recipe {
    Recipe {
        epochs: 6,
        batch: 20,
        rate: 5e-3,
        ..Recipe::default()
    }
}

fn how(body: Body, inner: OneBit, byte_edges: bool) -> Binarization {
    Binarization {
        body,
        inner,
        byte_edges,
        dropout: 0.0,
    }
}

#[test]
fn every_kind_is_learned_and_answers_packed_as_it_was_taught() {
    let shape = Shape::image(1, 12, 12);
    let (learned, held) = (halves(shape, 1), halves(shape, 2));
    for inner in [OneBit::Signs, OneBit::ScaledSigns, OneBit::Levels] {
        for (body, byte_edges) in [
            (Body::Perceptron(vec![24, 16]), false),
            (Body::Convolutional(vec![6, 8]), true),
        ] {
            let how = how(body, inner, byte_edges);
            let mut told = Vec::new();
            let made = binarize(&learned, &how, &recipe(), &mut |twin, progress| {
                told.push((twin, progress.epoch));
            })
            .unwrap();
            let first = (1..=6).map(|epoch| (Twin::Float, epoch));
            let then = (1..=6).map(|epoch| (Twin::OneBit, epoch));
            assert_eq!(told, first.chain(then).collect::<Vec<_>>());
            for net in [&made.twin, &made.net] {
                let accuracy = score(net, &held).unwrap().accuracy;
                assert!(accuracy > 0.9, "{how:?}: {accuracy}");
            }
            let file = made.network.write().unwrap();
            let source = ModelSource::Bytes(&file);
            let mut engine = open(EngineKind::Binary, source, &Options::default()).unwrap();
            let input = Tensor::f32(vec![120, 1, 12, 12], held.inputs().to_vec()).unwrap();
            let answer = engine.run(&[input]).unwrap();
            let own = made.net.logits(held.inputs()).unwrap();
            assert_eq!(answer[0].to_f32(), own, "{how:?}");
        }
    }
}

#[test]
fn bytes_hold_what_they_are_made_for() {
    let bytes: Vec<f32> = (0..=255).map(|byte| byte as f32 / 256.0).collect();
    let input = PackedInput::holding(&bytes);
    assert_eq!((input.scale, input.zero), (1.0 / 256.0, 0));
    assert!(bytes.iter().all(|&byte| input.nearest(byte) == byte));
    let around = PackedInput::holding(&[-3.0, 0.5, 2.0]);
    assert_eq!((around.scale, around.zero), (1.0 / 32.0, 128));
    assert_eq!(around.nearest(-3.0), -3.0);
    assert_eq!(around.nearest(0.51), 0.5);
    // What lies beyond is held at the end.
    assert_eq!(around.nearest(100.0), 127.0 / 32.0);
    assert_eq!(PackedInput::holding(&[0.0; 4]).scale, 1.0 / 256.0);
}

#[test]
fn what_can_not_be_taught_is_told_before_it_is() {
    let learned = halves(Shape::image(1, 4, 4), 1);
    let refused = |body: Body| {
        let how = how(body, OneBit::Signs, true);
        let made = binarize(&learned, &how, &recipe(), &mut |_, _| panic!("taught"));
        made.unwrap_err().to_string()
    };
    assert!(refused(Body::Convolutional(vec![4])).contains("choose dense layers"));
    assert!(refused(Body::Perceptron(vec![])).contains("1 to 16 layers"));
    assert!(refused(Body::Perceptron(vec![1 << 20])).contains("1 to 16 layers"));
}
