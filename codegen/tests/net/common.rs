//! Networks with random weights, quantized, and what runs their source.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use noroshi_codegen::net::{self, Network, Options, Sharing, Target};
use noroshi_compress::quantize::{self, quantize};
use noroshi_engine::{LibraryOptions, Tensor};
use noroshi_onnx::{
    AttributeProto, DataType, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto,
};

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

    pub(crate) fn levels(&mut self, count: usize) -> Vec<i8> {
        (0..count).map(|_| (self.bits() >> 33) as i8).collect()
    }
}

/// Builds graphs node by node.
pub(crate) struct Builder {
    graph: GraphProto,
    numbers: Numbers,
}

pub(crate) fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto::ints(name, values)
}

impl Builder {
    pub(crate) fn new(input: &[usize], outputs: usize, seed: u64) -> Self {
        let value = |name, dims: &[usize]| ValueInfoProto::tensor(name, DataType::F32, dims);
        Self {
            graph: GraphProto {
                name: "net".into(),
                input: vec![value("input", input)],
                output: vec![value("logits", &[1, outputs])],
                ..GraphProto::default()
            },
            numbers: Numbers(seed),
        }
    }

    pub(crate) fn node(
        &mut self,
        op: &str,
        inputs: &[&str],
        output: &str,
        attributes: Vec<AttributeProto>,
    ) {
        let inputs = inputs.iter().copied();
        let node = NodeProto::new(op, inputs, output, attributes);
        self.graph.node.push(node);
    }

    pub(crate) fn constant(&mut self, tensor: TensorProto) {
        self.graph.initializer.push(tensor);
    }

    /// A layer with weights of these sizes and random biases.
    pub(crate) fn layer(
        &mut self,
        op: &str,
        input: &str,
        output: &str,
        sizes: &[usize],
        attributes: Vec<AttributeProto>,
    ) {
        let fan: usize = sizes[1..].iter().product();
        let rows = if op == "Gemm" { sizes[1] } else { sizes[0] };
        let size = (6.0 / fan as f32).sqrt();
        let weights = self.numbers.take(sizes.iter().product(), size);
        let biases = self.numbers.take(rows, 0.3);
        let names = [format!("{output}.w"), format!("{output}.b")];
        self.constant(TensorProto::new(&names[0], sizes, &weights));
        self.constant(TensorProto::new(&names[1], &[rows], &biases));
        self.node(op, &[input, &names[0], &names[1]], output, attributes);
    }

    pub(crate) fn model(self) -> ModelProto {
        ModelProto::new(self.graph, 17, 8)
    }
}

/// An image network with every operator: strides, borders, groups, depthwise, dilation, residual.
pub(crate) fn image_network() -> ModelProto {
    let mut net = Builder::new(&[1, 3, 12, 10], 7, 3);
    let same = || ints("pads", &[1, 1, 1, 1]);
    let groups = |count| AttributeProto::int("group", count);
    net.layer("Conv", "input", "stem", &[8, 3, 3, 3], vec![same()]);
    net.node("Relu", &["stem"], "stem.r", vec![]);
    let attributes = vec![same(), groups(8)];
    net.layer("Conv", "stem.r", "deep", &[8, 1, 3, 3], attributes);
    net.node("Relu", &["deep"], "deep.r", vec![]);
    net.layer("Conv", "deep.r", "point", &[8, 8, 1, 1], vec![]);
    net.node("Add", &["point", "stem.r"], "sum", vec![]);
    net.node("Relu", &["sum"], "sum.r", vec![]);
    let window = || vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])];
    net.node("MaxPool", &["sum.r"], "pooled", window());
    let attributes = vec![groups(2), ints("pads", &[1, 0, 1, 0])];
    net.layer("Conv", "pooled", "grouped", &[6, 4, 3, 1], attributes);
    net.constant(TensorProto::new("low", &[], &[0.0f32]));
    net.constant(TensorProto::new("high", &[], &[1.5f32]));
    net.node("Clip", &["grouped", "low", "high"], "grouped.c", vec![]);
    let attributes = vec![
        groups(6),
        ints("pads", &[2, 2, 2, 2]),
        ints("dilations", &[2, 2]),
        ints("strides", &[2, 1]),
    ];
    net.layer("Conv", "grouped.c", "wide", &[6, 1, 3, 3], attributes);
    net.node(
        "AveragePool",
        &["wide"],
        "mean",
        vec![ints("kernel_shape", &[1, 2]), ints("strides", &[1, 2])],
    );
    net.node("Flatten", &["mean"], "flat", vec![]);
    net.layer("Gemm", "flat", "hidden", &[36, 13], vec![]);
    net.node("Relu", &["hidden"], "hidden.r", vec![]);
    net.layer("Gemm", "hidden.r", "logits", &[13, 7], vec![]);
    net.model()
}

/// A network for signals: convolutions along time, a global mean.
pub(crate) fn signal_network() -> ModelProto {
    let mut net = Builder::new(&[1, 6, 40], 5, 9);
    let attributes = vec![ints("pads", &[2, 2]), ints("strides", &[2])];
    net.layer("Conv", "input", "stem", &[12, 6, 5], attributes);
    net.node("Relu", &["stem"], "stem.r", vec![]);
    let attributes = vec![ints("pads", &[2, 2]), AttributeProto::int("group", 12)];
    net.layer("Conv", "stem.r", "deep", &[12, 1, 5], attributes);
    net.node("Relu", &["deep"], "deep.r", vec![]);
    net.layer("Conv", "deep.r", "point", &[18, 12, 1], vec![]);
    net.node("Relu", &["point"], "point.r", vec![]);
    net.node("GlobalAveragePool", &["point.r"], "mean", vec![]);
    net.node("Flatten", &["mean"], "flat", vec![]);
    net.layer("Gemm", "flat", "logits", &[18, 5], vec![]);
    net.model()
}

/// The engine with ONNX Runtime from the environment or from `make setup`.
pub(crate) fn engine_options() -> noroshi_engine::Options {
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../.cache/assets/onnxruntime/libonnxruntime.so");
    let path = std::env::var_os("NOROSHI_ONNXRUNTIME").map_or(fetched, PathBuf::from);
    let library = LibraryOptions {
        path: Some(path),
        ..LibraryOptions::default()
    };
    noroshi_engine::Options {
        library,
        ..noroshi_engine::Options::default()
    }
}

/// The model in QDQ form, with ranges from random inputs.
pub(crate) fn quantized(model: &ModelProto) -> ModelProto {
    let dims = model.graph().unwrap().input[0].dims().unwrap();
    let dims: Vec<usize> = dims.into_iter().map(|dim| dim.unwrap_or(1)).collect();
    let mut numbers = Numbers(21);
    let mut input = || {
        let values = numbers.take(dims.iter().product(), 1.0);
        Tensor::f32(dims.clone(), values).unwrap()
    };
    let inputs: Vec<Tensor> = (0..16).map(|_| input()).collect();
    let options = quantize::Options {
        method: quantize::Method::MinMax,
        engine: engine_options(),
        ..quantize::Options::default()
    };
    quantize(model, &inputs, &options, &mut |_| {})
        .unwrap()
        .model
}

/// Writes the source of `network` and of its harness into `folder`.
pub(crate) fn write_source(
    network: &Network,
    target: Target,
    sharing: Sharing,
    vectors: &[Vec<i8>],
    folder: &Path,
) {
    let options = Options {
        name: "net".into(),
        target,
        sharing,
        vectors: vectors.to_vec(),
    };
    let mut files = net::emit(network, &options).unwrap();
    files.extend(net::cortex_harness("net"));
    for file in files {
        std::fs::write(folder.join(file.name), file.text).unwrap();
    }
}

/// Runs a command in `folder`, which must succeed.
pub(crate) fn run(
    folder: &Path,
    program: &str,
    arguments: &[&str],
    stdin: Option<&Path>,
) -> Vec<u8> {
    let input = stdin.map_or_else(Stdio::null, |path| {
        std::fs::File::open(path).unwrap().into()
    });
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdin(input)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}\n{text}",
        output.status
    );
    output.stdout
}

/// The reference's answers, as bytes.
pub(crate) fn answers(network: &Network, inputs: &[Vec<i8>]) -> Vec<u8> {
    let answers = inputs.iter().map(|input| network.run(input).unwrap());
    answers.flat_map(|answer| answer.bytes()).collect()
}

/// Levels as the bytes of a file.
pub(crate) fn file_of(inputs: &[Vec<i8>]) -> Vec<u8> {
    inputs
        .iter()
        .flatten()
        .map(|level| level.cast_unsigned())
        .collect()
}
