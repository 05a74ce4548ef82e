use super::*;
use crate::{Network, Settings, Weights, build};

#[test]
fn mobilenet_v2_has_its_exact_figures() {
    let model = build(Network::MobileNetV2, &Settings::default(), Weights::Zero).unwrap();
    let seen = inspect(&model).unwrap();
    assert_eq!(seen.parameters, 3_504_872);
    assert_eq!(seen.folded_parameters, 3_487_816);
    assert_eq!(seen.macs, 300_774_272);
    assert_eq!(seen.unknown_shapes, 0);
    assert_eq!(seen.precision, Precision::Fp32);
    assert_eq!(seen.requirements().opset, 17);
    // The second block's depthwise layer: 96 channels of 112 by 112 become 56 by 56.
    assert_eq!(seen.peak_activation_bytes, 96 * (112 * 112 + 56 * 56) * 4);
}

#[test]
fn efficientnet_lite0_has_its_exact_figures() {
    let model = build(
        Network::EfficientNetLite0,
        &Settings::default(),
        Weights::Zero,
    )
    .unwrap();
    let seen = inspect(&model).unwrap();
    assert_eq!((seen.parameters, seen.macs), (4_652_008, 385_187_552));
}

#[test]
fn figures_follow_width_and_resolution() {
    let settings = Settings {
        width: 0.5,
        resolution: 96,
        classes: 10,
    };
    for network in Network::ALL {
        let small = inspect(&build(network, &settings, Weights::Random(1)).unwrap()).unwrap();
        let whole = build(network, &Settings::default(), Weights::Zero).unwrap();
        let whole = inspect(&whole).unwrap();
        assert!(small.macs * 10 < whole.macs && small.parameters * 2 < whole.parameters);
        assert_eq!(small.outputs[0].shape, [Some(1), Some(10)]);
    }
}

#[test]
fn numbers_are_grouped_by_thousands() {
    assert_eq!(table::grouped(0), "0");
    assert_eq!(table::grouped(999), "999");
    assert_eq!(table::grouped(3_504_872), "3,504,872");
}
