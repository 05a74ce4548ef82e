//! A network that lost channels, through ONNX and ONNX Runtime.

use noroshi_engine::{ModelSource, Tensor, open};
use noroshi_model::EngineKind;
use noroshi_train::{
    ChannelCriterion, ChannelPruning, Examples, Layer, Net, Random, Recipe, Shape, fit,
    prune_channels, prune_channels_and_retrain, score,
};

use crate::export::options;

fn pictures(count: usize, seed: u64) -> Examples {
    let mut random = Random::new(seed);
    let mut inputs = Vec::new();
    let mut labels = Vec::new();
    for place in 0..count {
        // A bright bar: lying, standing or none.
        let class = place % 3;
        let at = random.below(8);
        for row in 0..8 {
            for column in 0..8 {
                let bar = class == 0 && row == at || class == 1 && column == at;
                inputs.push(f32::from(u8::from(bar)) + 0.3 * random.normal());
            }
        }
        labels.push(class as u32);
    }
    Examples::classes(Shape::image(1, 8, 8), inputs, labels, 3).unwrap()
}

fn net() -> Net {
    let stem = Net::builder(Shape::image(1, 8, 8), 5)
        .conv_plain(12, 3, 1, 1)
        .normalize()
        .relu();
    let start = stem.here();
    let block = stem.conv_plain(24, 1, 1, 0).normalize().relu();
    let block = block.depthwise(3, 1, 1).normalize().relu();
    let block = block.conv_plain(12, 1, 1, 0).normalize().add(start);
    let sum = block.here();
    let side = block.conv_plain(8, 3, 1, 1).normalize().relu();
    let side_value = side.here();
    let end = side
        .join(Layer::Concat, vec![sum, side_value])
        .max_pool(2)
        .flatten();
    end.dense(16).relu().dense(3).build().unwrap()
}

fn recipe(epochs: usize) -> Recipe {
    Recipe {
        epochs,
        batch: 16,
        rate: 0.005,
        ..Recipe::default()
    }
}

#[test]
fn a_smaller_graph_is_taught_written_and_answers_in_onnx_runtime() {
    let (data, test) = (pictures(300, 1), pictures(150, 2));
    let mut whole = net();
    fit(&mut whole, &data, &recipe(8), &mut |_| ()).unwrap();
    // From a file with normalizations, as from anybody's.
    let mut small = Net::import_onnx(&whole.export_onnx_unfolded().unwrap()).unwrap();
    let pruning = ChannelPruning {
        keep: 0.4,
        by: ChannelCriterion::Scale,
        ..ChannelPruning::default()
    };
    let mut steps = Vec::new();
    let told =
        prune_channels_and_retrain(&mut small, &data, &recipe(4), &pruning, 2, &mut |s, _| {
            steps.push(s);
        });
    let told = told.unwrap();
    assert_eq!(steps, [1, 1, 1, 1, 2, 2, 2, 2]);
    let (kept, total) = told
        .iter()
        .fold((0, 0), |(k, t), one| (k + one.kept, t + one.total));
    assert!(kept * 10 < total * 6, "{told:?}");
    assert!(small.parameters() * 2 < whole.parameters());
    let (before, after) = (score(&whole, &test).unwrap(), score(&small, &test).unwrap());
    assert!(
        after.accuracy > before.accuracy - 0.05,
        "{before:?} {after:?}"
    );

    let bytes = noroshi_onnx::encode(&small.export_onnx().unwrap()).unwrap();
    let dense = noroshi_onnx::encode(&whole.export_onnx().unwrap()).unwrap();
    assert!(bytes.len() * 2 < dense.len());
    let mut engine = open(
        EngineKind::OnnxRuntime,
        ModelSource::Bytes(&bytes),
        &options(),
    )
    .unwrap();
    let tensor = Tensor::f32(vec![150, 1, 8, 8], test.inputs().to_vec()).unwrap();
    let answers = engine.run(&[tensor]).unwrap()[0].to_f32().into_owned();
    let own = small.logits(test.inputs()).unwrap();
    assert!(own.iter().zip(&answers).all(|(l, r)| (l - r).abs() < 1e-4));
}

#[test]
fn weak_channels_cost_less_than_any() {
    let (data, test) = (pictures(300, 3), pictures(300, 4));
    let mut whole = net();
    fit(&mut whole, &data, &recipe(8), &mut |_| ()).unwrap();
    let left = |by| {
        let pruning = ChannelPruning {
            keep: 0.75,
            by,
            ..ChannelPruning::default()
        };
        let (small, _) = prune_channels(&whole, &pruning).unwrap();
        score(&small, &test).unwrap().accuracy
    };
    let any: f32 = (0..5)
        .map(|seed| left(ChannelCriterion::Random { seed }))
        .sum::<f32>()
        / 5.0;
    assert!(left(ChannelCriterion::Norm) > any, "{any}");
}
