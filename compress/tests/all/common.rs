//! What these tests share: the real assets, and a small network with every kind of node.

use std::path::{Path, PathBuf};

use noroshi_compress::pickle::StateDict;
use noroshi_compress::{Network, Settings, Weights, build};
use noroshi_engine::{LibraryOptions, Options, Tensor};
use noroshi_onnx::{
    AttributeProto, DataType, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto,
};

/// A file that `make setup` fetches.
pub(crate) fn asset(path: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../.cache/assets")
        .join(path);
    assert!(
        path.exists(),
        "{} is missing: run make setup",
        path.display()
    );
    path
}

/// The engine with ONNX Runtime from the environment or from `make setup`.
pub(crate) fn engine_options() -> Options {
    let path = std::env::var_os("NOROSHI_ONNXRUNTIME")
        .map_or_else(|| asset("onnxruntime/libonnxruntime.so"), PathBuf::from);
    let library = LibraryOptions {
        path: Some(path),
        ..LibraryOptions::default()
    };
    Options {
        library,
        ..Options::default()
    }
}

/// A network with its trained weights.
pub(crate) fn trained(network: Network) -> ModelProto {
    let file = match network {
        Network::MobileNetV2 => "weights/mobilenet_v2.pth",
        Network::EfficientNetLite0 => "weights/efficientnet_lite0.pth",
        other => panic!("no package carries weights of {other}"),
    };
    let state = StateDict::read(&asset(file)).unwrap();
    build(network, &Settings::default(), Weights::Trained(&state)).unwrap()
}

/// Numbers in -1..1, the same for the same seed.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 ^ self.0 >> 29
    }

    pub(crate) fn take(&mut self, count: usize, size: f32) -> Vec<f32> {
        (0..count).map(|_| self.next() * size).collect()
    }

    pub(crate) fn tensor(&mut self, shape: &[usize]) -> Tensor {
        let values = self.take(shape.iter().product(), 2.0);
        Tensor::f32(shape.to_vec(), values).unwrap()
    }
}

/// A network of 3x16x16 inputs that has what exporters write: constants as nodes, a pad, batch
/// normalization behind a convolution and behind a linear layer, branches that are concatenated,
/// pools, an activation without integer kernel, a matrix product with a bias, a softmax.
pub(crate) fn small_network() -> ModelProto {
    let mut graph = GraphProto {
        name: "small".into(),
        input: vec![ValueInfoProto::tensor(
            "image",
            DataType::F32,
            &[1, 3, 16, 16],
        )],
        output: vec![ValueInfoProto::tensor(
            "probabilities",
            DataType::F32,
            &[1, 5],
        )],
        ..GraphProto::default()
    };
    add_weights(&mut graph);
    let pads = TensorProto::new("", &[8], &[0i64, 0, 0, 0, 0, 0, 1, 1]);
    let bounds = [
        TensorProto::new("low", &[], &[0.0f32]),
        TensorProto::new("high", &[], &[6.0f32]),
    ];
    graph.initializer.extend(bounds);
    let ints = AttributeProto::ints;
    let mut node = |op: &str, inputs: &[&str], output: &str, attributes: Vec<AttributeProto>| {
        graph.node.push(NodeProto::new(
            op,
            inputs.iter().copied(),
            output,
            attributes,
        ));
    };
    node(
        "Constant",
        &[],
        "pads",
        vec![AttributeProto::tensor("value", pads)],
    );
    node("Pad", &["image", "pads"], "padded", vec![]);
    node(
        "Conv",
        &["padded", "stem.w"],
        "stem",
        vec![ints("strides", &[2, 2])],
    );
    let statistics = ["stem", "bn.scale", "bn.shift", "bn.mean", "bn.variance"];
    node("BatchNormalization", &statistics, "normal", vec![]);
    node("Clip", &["normal", "low", "high"], "clipped", vec![]);
    node("Conv", &["clipped", "left.w", "left.b"], "left", vec![]);
    node("Relu", &["left"], "left.positive", vec![]);
    let depthwise = vec![AttributeProto::int("group", 8), ints("pads", &[1, 1, 1, 1])];
    node("Conv", &["clipped", "right.w"], "right", depthwise);
    node("HardSwish", &["right"], "right.swish", vec![]);
    node("Conv", &["right.swish", "left.w"], "right.mixed", vec![]);
    node("Add", &["right.mixed", "clipped"], "sum", vec![]);
    node(
        "Concat",
        &["left.positive", "sum"],
        "both",
        vec![AttributeProto::int("axis", 1)],
    );
    let window = vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])];
    node("MaxPool", &["both"], "pooled", window);
    node(
        "ReduceMean",
        &["pooled"],
        "mean",
        vec![ints("axes", &[2, 3])],
    );
    node("Flatten", &["mean"], "flat", vec![]);
    node("Dropout", &["flat"], "kept", vec![]);
    node("MatMul", &["kept", "hidden.w"], "product", vec![]);
    node("Add", &["hidden.b", "product"], "hidden", vec![]);
    node("Relu", &["hidden"], "hidden.positive", vec![]);
    node(
        "Gemm",
        &["hidden.positive", "last.w", "last.b"],
        "logits",
        vec![],
    );
    node("Softmax", &["logits"], "probabilities", vec![]);
    ModelProto::new(graph, 17, 8)
}

fn add_weights(graph: &mut GraphProto) {
    let mut numbers = Numbers(11);
    let mut weight = |graph: &mut GraphProto, name: &str, dims: &[usize], size: f32| {
        let values = numbers.take(dims.iter().product(), size);
        graph
            .initializer
            .push(TensorProto::new(name, dims, &values));
    };
    weight(graph, "stem.w", &[8, 3, 3, 3], 0.4);
    weight(graph, "bn.scale", &[8], 1.0);
    weight(graph, "bn.shift", &[8], 0.3);
    weight(graph, "bn.mean", &[8], 0.2);
    graph
        .initializer
        .push(TensorProto::new("bn.variance", &[8], &[0.5f32; 8]));
    weight(graph, "left.w", &[8, 8, 1, 1], 0.5);
    weight(graph, "left.b", &[8], 0.2);
    weight(graph, "right.w", &[8, 1, 3, 3], 0.5);
    weight(graph, "hidden.w", &[16, 12], 0.4);
    weight(graph, "hidden.b", &[12], 0.2);
    weight(graph, "last.w", &[12, 5], 0.6);
    weight(graph, "last.b", &[5], 0.2);
}
