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

/// A graph of one input, `x`, of free or fixed sizes.
fn graph(shape: &[Option<usize>], nodes: Vec<NodeProto>, weights: Vec<TensorProto>) -> ModelProto {
    let dims: Vec<usize> = shape.iter().map(|side| side.unwrap_or(1)).collect();
    let mut input = ValueInfoProto::tensor("x", DataType::F32, &dims);
    let kind = input.r#type.as_mut().and_then(|kind| kind.value.as_mut());
    if let Some(noroshi_onnx::type_proto::Value::TensorType(tensor)) = kind {
        let sides = &mut tensor.shape.as_mut().unwrap().dim;
        for (side, known) in sides.iter_mut().zip(shape) {
            if known.is_none() {
                side.value = None;
            }
        }
    }
    let last = nodes.last().unwrap().output[0].clone();
    let graph = GraphProto {
        input: vec![input],
        output: vec![ValueInfoProto::tensor_of_any_shape(&last, DataType::F32)],
        initializer: weights,
        node: nodes,
        ..GraphProto::default()
    };
    ModelProto::new(graph, 17, 8)
}

#[test]
fn sizes_follow_through_what_exporters_write() {
    use noroshi_onnx::AttributeProto;
    let node = |op: &str, inputs: &[&str], output: &str, attributes: Vec<AttributeProto>| {
        NodeProto::new(op, inputs.iter().copied(), output, attributes)
    };
    let axis = |axis| vec![AttributeProto::int("axis", axis)];
    let mut split = node("Split", &["tall"], "left", axis(1));
    split.output.push("right".into());
    let mut lstm = node("LSTM", &["row", "w", "r"], "steps", vec![]);
    lstm.output = ["steps", "last", "cell"].map(String::from).to_vec();
    let nodes = vec![
        node("Slice", &["x", "from", "to", "axes"], "part", vec![]),
        node("Resize", &["part", "", "scales"], "tall", vec![]),
        split,
        node(
            "ConvTranspose",
            &["right", "up"],
            "wide",
            vec![AttributeProto::ints("strides", &[2, 2])],
        ),
        node("Gather", &["left", "place"], "row3", axis(0)),
        node(
            "ReduceMax",
            &["row3"],
            "row",
            vec![
                AttributeProto::ints("axes", &[0]),
                AttributeProto::int("keepdims", 0),
            ],
        ),
        lstm,
    ];
    let zeros = |name: &str, dims: &[usize]| {
        TensorProto::new(name, dims, &vec![0.0f32; dims.iter().product()])
    };
    let weights = vec![
        TensorProto::new("from", &[1], &[1i64]),
        TensorProto::new("to", &[1], &[i64::MAX]),
        TensorProto::new("axes", &[1], &[3i64]),
        TensorProto::new("scales", &[4], &[1.0f32, 1.0, 2.0, 1.0]),
        zeros("up", &[1, 3, 2, 2]),
        TensorProto::new("place", &[1], &[0i64]),
        zeros("w", &[1, 4 * 7, 5]),
        zeros("r", &[1, 4 * 7, 7]),
    ];
    let shape = [1, 2, 4, 6].map(Some);
    let mut model = graph(&shape, nodes, weights);
    model
        .graph_mut()
        .unwrap()
        .output
        .push(ValueInfoProto::tensor_of_any_shape("wide", DataType::F32));
    let shapes = noroshi_onnx::infer(model.graph().unwrap()).unwrap();
    for (name, wanted) in [
        ("part", &[1, 2, 4, 5][..]),
        ("tall", &[1, 2, 8, 5]),
        ("left", &[1, 1, 8, 5]),
        ("wide", &[1, 3, 16, 10]),
        ("row3", &[1, 1, 8, 5]),
        ("row", &[1, 8, 5]),
        ("steps", &[1, 1, 8, 7]),
        ("cell", &[1, 8, 7]),
    ] {
        assert_eq!(shapes.of(name), Some(wanted), "{name}");
    }
    let seen = inspect(&model).unwrap();
    assert_eq!((seen.unknown_shapes, seen.macs), (0, 0));
    // 40 pixels times 12 weights, 8 steps times 28 * 12 weights.
    assert_eq!(seen.other_macs, 40 * 12 + 8 * 28 * 12);
}

#[test]
fn free_sizes_are_guessed_and_never_a_fault() {
    let pool = |kernel: i64| {
        let window = vec![noroshi_onnx::AttributeProto::ints(
            "kernel_shape",
            &[kernel, kernel],
        )];
        let nodes = vec![NodeProto::new("MaxPool", ["x"], "y", window)];
        graph(&[None, Some(3), None, None], nodes, vec![])
    };
    let seen = inspect(&pool(2)).unwrap();
    assert!(seen.guessed_sizes && seen.unknown_shapes == 0);
    assert_eq!(seen.peak_activation_bytes, 3 * (224 * 224 + 223 * 223) * 4);
    assert!(seen.to_string().contains("count as 224"));
    assert_eq!(inspect(&pool(300)).unwrap().unknown_shapes, 1);
}

#[test]
fn weights_inside_branches_are_counted_once() {
    let branch = |name: &str| {
        let weight = TensorProto::new("w", &[4, 4], &[0.0f32; 16]);
        GraphProto {
            name: name.into(),
            initializer: vec![weight],
            node: vec![NodeProto::new("MatMul", ["x", "w"], "z", vec![])],
            output: vec![ValueInfoProto::tensor_of_any_shape("z", DataType::F32)],
            ..GraphProto::default()
        }
    };
    let attribute = |name: &str| noroshi_onnx::AttributeProto {
        name: name.into(),
        r#type: 5,
        g: Some(branch(name)),
        ..noroshi_onnx::AttributeProto::default()
    };
    let choose = NodeProto::new(
        "If",
        ["c"],
        "y",
        vec![attribute("then_branch"), attribute("else_branch")],
    );
    let always = TensorProto {
        name: "c".into(),
        data_type: DataType::Bool as i32,
        raw_data: vec![1].into(),
        ..TensorProto::default()
    };
    let seen = inspect(&graph(&[Some(1), Some(4)], vec![choose], vec![always])).unwrap();
    assert_eq!((seen.parameters, seen.inner_nodes), (32, 2));
    assert_eq!(seen.weight_bytes, 2 * 64 + 1);
}
