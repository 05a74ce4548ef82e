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
    assert_eq!(seen.peak_at, "features.2.conv.1.0.output");
    let work = seen.dominant.macs.unwrap();
    assert_eq!(
        (work.layer.as_str(), work.operator.as_str()),
        ("features.18.0.output", "Conv")
    );
    assert_eq!(seen.dominant.weights.unwrap().layer, "logits");
}

#[test]
fn engines_that_cannot_run_a_file_say_why() {
    let mut model = build(Network::MobileNetV2, &Settings::default(), Weights::Zero).unwrap();
    let engines = |model: &ModelProto| inspect(model).unwrap().engines;
    let [onnx, candle] = &engines(&model)[..] else {
        panic!("two engines")
    };
    assert!(onnx.runs && onnx.reasons.is_empty());
    assert!(
        !candle.runs
            && candle
                .to_string()
                .contains("in the way: BatchNormalization, Conv")
    );
    let node = &mut model.graph_mut().unwrap().node[0];
    node.domain = "com.example".into();
    let onnx = &engines(&model)[0];
    assert!(
        onnx.to_string()
            .contains("com.example::Conv is an operator of another program")
    );
    let node = &mut model.graph_mut().unwrap().node[0];
    node.domain = "com.microsoft.nchwc".into();
    assert!(engines(&model)[0].to_string().contains("one kind of CPU"));
}

#[test]
fn every_network_of_the_survey_has_its_exact_figures() {
    use Network::{
        AlexNet, EfficientNetLite0, GoogLeNet, MobileNetV1, MobileNetV2, MobileNetV3Large,
        MobileNetV3Small, ShuffleNetG3, SqueezeNet10, SqueezeNet11, Vgg16,
    };
    for (network, parameters, macs) in [
        (MobileNetV1, 4_231_976, 568_740_352),
        (MobileNetV2, 3_504_872, 300_774_272),
        (MobileNetV3Large, 5_483_032, 216_589_760),
        (MobileNetV3Small, 2_542_856, 56_510_400),
        (SqueezeNet10, 1_248_424, 832_667_936),
        (SqueezeNet11, 1_235_496, 387_747_520),
        (ShuffleNetG3, 1_865_728, 137_460_672),
        (Vgg16, 138_357_544, 15_470_264_320),
        (GoogLeNet, 6_998_552, 1_582_671_872),
        (AlexNet, 60_965_224, 724_406_816),
        (EfficientNetLite0, 4_652_008, 385_187_552),
    ] {
        let model = build(network, &network.settings(), Weights::Zero).unwrap();
        let seen = inspect(&model).unwrap();
        assert_eq!(
            (seen.parameters, seen.macs),
            (parameters, macs),
            "{network}"
        );
        assert_eq!(seen.unknown_shapes, 0, "{network}");
        assert_eq!(seen.outputs[0].shape, [Some(1), Some(1000)], "{network}");
    }
}

#[test]
fn figures_follow_width_and_resolution() {
    let settings = Settings {
        width: 0.5,
        resolution: 96,
        classes: 10,
    };
    for network in Network::ALL {
        if !network.has_widths() {
            let error = build(network, &settings, Weights::Zero).unwrap_err();
            assert!(error.to_string().contains("one width"), "{error}");
            continue;
        }
        let small = inspect(&build(network, &settings, Weights::Random(1)).unwrap()).unwrap();
        let whole = build(network, &network.settings(), Weights::Zero).unwrap();
        let whole = inspect(&whole).unwrap();
        assert!(small.macs * 10 < whole.macs && small.parameters * 2 < whole.parameters);
        assert_eq!(small.outputs[0].shape, [Some(1), Some(10)]);
    }
}

#[test]
fn images_too_small_for_a_network_are_refused_by_the_layer() {
    let settings = Settings {
        resolution: 32,
        ..Settings::default()
    };
    let error = build(Network::AlexNet, &settings, Weights::Zero).unwrap_err();
    assert!(error.to_string().contains("higher resolution"), "{error}");
}

#[test]
fn numbers_are_grouped_by_thousands() {
    assert_eq!(table::grouped(0), "0");
    assert_eq!(table::grouped(999), "999");
    assert_eq!(table::grouped(3_504_872), "3,504,872");
}
