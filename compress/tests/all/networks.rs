//! The networks with their real weights.

use crate::common::{Numbers, asset, engine_options, trained};
use noroshi_compress::views::Photo;
use noroshi_compress::{Network, Settings, Weights, build};
use noroshi_engine::{Engine, ModelSource, open};
use noroshi_model::EngineKind;

/// Photos with a class that is obvious, and the numbers of the classes that are right.
const NAMED: [(&str, &[usize]); 3] = [
    ("cat", &[281, 282, 285]),
    ("espresso", &[967]),
    ("motor_scooter", &[665, 670]),
];

fn session(model: &noroshi_onnx::ModelProto) -> Box<dyn Engine> {
    let bytes = noroshi_onnx::encode(model).unwrap();
    open(
        EngineKind::OnnxRuntime,
        ModelSource::Bytes(&bytes),
        &engine_options(),
    )
    .unwrap()
}

fn top(values: &[f32]) -> usize {
    let numbered = values.iter().enumerate();
    numbered
        .max_by(|left, right| left.1.total_cmp(right.1))
        .unwrap()
        .0
}

#[test]
fn real_weights_give_the_right_classes() {
    for network in [Network::MobileNetV2, Network::EfficientNetLite0] {
        let mut engine = session(&trained(network));
        let spec = network.input_spec(&Settings::default());
        for (name, right) in NAMED {
            let photo = Photo::open(&asset(&format!("photos/{name}.png"))).unwrap();
            let outputs = engine.run(&[photo.view(&spec, 0).unwrap()]).unwrap();
            let class = top(&outputs[0].to_f32());
            assert!(
                right.contains(&class),
                "{network} sees class {class} in {name}"
            );
        }
    }
}

#[test]
fn every_network_runs_in_the_agents_engine() {
    let (mut first, mut second) = (Numbers(5), Numbers(6));
    for network in Network::ALL {
        let resolution = if network == Network::AlexNet { 67 } else { 64 };
        let width = if network.has_widths() { 0.5 } else { 1.0 };
        let settings = Settings {
            width,
            resolution,
            classes: 10,
        };
        let model = build(network, &settings, Weights::Random(7)).unwrap();
        let again = build(network, &settings, Weights::Random(7)).unwrap();
        assert!(model == again, "{network} repeats");
        let mut engine = session(&model);
        let mut run = |numbers: &mut Numbers| {
            let input = numbers.tensor(&[1, 3, resolution, resolution]);
            let outputs = engine.run(&[input]).unwrap();
            assert_eq!(outputs[0].shape(), [1, 10], "{network}");
            outputs[0].to_f32().into_owned()
        };
        let (one, other) = (run(&mut first), run(&mut second));
        let all = one.iter().chain(&other);
        assert!(
            all.clone()
                .all(|value| value.is_finite() && value.abs() < 1e6),
            "{network}"
        );
        let spread = all.fold(0f32, |most, value| most.max((value - one[0]).abs()));
        assert!(
            spread > 1e-3 && one != other,
            "{network} answers {one:?} and {other:?}"
        );
    }
}

#[test]
fn weights_of_one_network_do_not_fit_another() {
    let state =
        noroshi_compress::pickle::StateDict::read(&asset("weights/mobilenet_v2.pth")).unwrap();
    let weights = noroshi_compress::Weights::Trained(&state);
    let other = noroshi_compress::build(Network::EfficientNetLite0, &Settings::default(), weights);
    assert!(matches!(other, Err(noroshi_compress::Error::Weights(_))));
    let wide = Settings {
        width: 1.4,
        ..Settings::default()
    };
    let wide = noroshi_compress::build(Network::MobileNetV2, &wide, weights).unwrap_err();
    assert!(wide.to_string().contains("has the shape"), "{wide}");
}

#[test]
fn a_file_comes_back_as_it_was() {
    let model = trained(Network::MobileNetV2);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    noroshi_onnx::write(&path, &model).unwrap();
    let back = noroshi_onnx::read(&path).unwrap();
    assert!(back == model);
    assert_eq!(
        noroshi_onnx::encode(&back).unwrap(),
        std::fs::read(&path).unwrap()
    );
}
