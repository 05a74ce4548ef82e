//! Every way to quantize, on networks of a few layers, in ONNX Runtime and candle.

use crate::common::{Numbers, engine_options, small_network};
use noroshi_compress::Error;
use noroshi_compress::quantize::{
    Bits, Goal, Granularity, Method, Mode, Options, Quantized, Rounding, Study, gguf, judge,
    quantize,
};
use noroshi_compress::report::signal_to_noise;
use noroshi_engine::candle::Quantization;
use noroshi_engine::{ModelSource, Tensor, open};
use noroshi_model::EngineKind;
use noroshi_onnx::{
    AttributeProto, DataType, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto,
    encode,
};

const SIDE: usize = 12;

fn options() -> Options {
    Options {
        engine: engine_options(),
        ..Options::default()
    }
}

fn bits(count: u8) -> Bits {
    Bits::new(count).unwrap()
}

fn inputs(count: usize, shape: &[usize], seed: u64) -> Vec<Tensor> {
    let mut numbers = Numbers(seed);
    (0..count).map(|_| numbers.tensor(shape)).collect()
}

fn pictures(count: usize, seed: u64) -> Vec<Tensor> {
    inputs(count, &[1, 3, SIDE, SIDE], seed)
}

fn made(model: &ModelProto, inputs: &[Tensor], options: &Options) -> Quantized {
    quantize(model, inputs, options, &mut |_| {}).unwrap()
}

/// All numbers of all outputs for each input.
fn run(kind: EngineKind, bytes: &[u8], inputs: &[Tensor]) -> Vec<Vec<f32>> {
    let mut engine = open(kind, ModelSource::Bytes(bytes), &engine_options()).unwrap();
    let answer = |input: &Tensor| {
        let outputs = engine.run(std::slice::from_ref(input)).unwrap();
        let numbers = outputs.iter().flat_map(|t| t.to_f32().into_owned());
        numbers.collect()
    };
    inputs.iter().map(answer).collect()
}

fn answers(model: &ModelProto, inputs: &[Tensor]) -> Vec<Vec<f32>> {
    run(EngineKind::OnnxRuntime, &encode(model).unwrap(), inputs)
}

/// Mean signal-to-noise ratio over the inputs.
fn decibels(expected: &[Vec<f32>], actual: &[Vec<f32>]) -> f64 {
    let pairs = expected.iter().zip(actual);
    let sum: f64 = pairs.map(|(e, a)| signal_to_noise(e, a)).sum();
    sum / expected.len() as f64
}

struct Builder {
    graph: GraphProto,
    numbers: Numbers,
}

impl Builder {
    fn new(input: &[usize], output: (&str, &[usize])) -> Self {
        let value = |name: &str, dims: &[usize]| ValueInfoProto::tensor(name, DataType::F32, dims);
        let graph = GraphProto {
            name: "modes".into(),
            input: vec![value("image", input)],
            output: vec![value(output.0, output.1)],
            ..GraphProto::default()
        };
        Self {
            graph,
            numbers: Numbers(3),
        }
    }

    /// Weights whose channels differ in size by up to a hundred times.
    fn weight(&mut self, name: &str, dims: &[usize]) {
        let length: usize = dims[1..].iter().product();
        let scale = 1.5 / (length as f32).sqrt();
        let rows = (0..dims[0]).flat_map(|row| {
            let size = scale * 10f32.powi(row as i32 % 3 - 1);
            self.numbers.take(length, size)
        });
        let values: Vec<f32> = rows.collect();
        let tensor = TensorProto::new(name, dims, &values);
        self.graph.initializer.push(tensor);
    }

    fn node(&mut self, op: &str, inputs: &[&str], output: &str, attributes: Vec<AttributeProto>) {
        let node = NodeProto::new(op, inputs.iter().copied(), output, attributes);
        self.graph.node.push(node);
    }

    /// A layer with its weight and bias; `groups` above zero for a convolution.
    fn layer(&mut self, input: &str, output: &str, dims: &[usize], groups: i64) {
        let (weight, bias) = (format!("{output}.w"), format!("{output}.b"));
        self.weight(&weight, dims);
        let values = self.numbers.take(dims[0], 0.3);
        let tensor = TensorProto::new(&bias, &[dims[0]], &values);
        self.graph.initializer.push(tensor);
        let (op, attributes) = if groups > 0 {
            let border = i64::try_from(dims[2] / 2).unwrap();
            let pads = AttributeProto::ints("pads", &[border; 4]);
            ("Conv", vec![pads, AttributeProto::int("group", groups)])
        } else {
            ("Gemm", vec![AttributeProto::int("transB", 1)])
        };
        self.node(op, &[input, &weight, &bias], output, attributes);
    }

    fn model(self) -> ModelProto {
        ModelProto::new(self.graph, 17, 8)
    }
}

const LAYERS: [&str; 6] = ["stem", "deep", "mixed", "grouped", "hidden", "logits"];

/// Dense, depthwise, pointwise and grouped convolutions with a sum, and two linear layers.
fn residual_network() -> ModelProto {
    let mut b = Builder::new(&[1, 3, SIDE, SIDE], ("logits", &[1, 5]));
    b.layer("image", "stem", &[8, 3, 3, 3], 1);
    b.node("Relu", &["stem"], "stem.relu", vec![]);
    b.layer("stem.relu", "deep", &[8, 1, 3, 3], 8);
    b.node("Relu", &["deep"], "deep.relu", vec![]);
    b.layer("deep.relu", "mixed", &[8, 8, 1, 1], 1);
    b.node("Add", &["mixed", "stem.relu"], "sum", vec![]);
    b.layer("sum", "grouped", &[12, 4, 3, 3], 2);
    b.node("Relu", &["grouped"], "grouped.relu", vec![]);
    b.node("GlobalAveragePool", &["grouped.relu"], "pooled", vec![]);
    b.node("Flatten", &["pooled"], "flat", vec![]);
    b.layer("flat", "hidden", &[40, 12], 0);
    b.node("Relu", &["hidden"], "hidden.relu", vec![]);
    b.layer("hidden.relu", "logits", &[5, 40], 0);
    b.model()
}

fn mlp() -> ModelProto {
    let mut b = Builder::new(&[1, 4, 20], ("logits", &[1, 5]));
    b.node("Flatten", &["image"], "flat", vec![]);
    b.layer("flat", "first", &[48, 80], 0);
    b.node("Relu", &["first"], "first.relu", vec![]);
    b.layer("first.relu", "logits", &[5, 48], 0);
    b.model()
}

/// A network whose answer depends on its input: the weights of each class sum to zero.
fn classifier() -> ModelProto {
    let mut b = Builder::new(&[1, 3, SIDE, SIDE], ("logits", &[1, 5]));
    let stem = b.numbers.take(8 * 27, 0.3);
    let stem = TensorProto::new("stem.w", &[8, 3, 3, 3], &stem);
    let features = 8 * (SIDE - 2) * (SIDE - 2);
    let rows = (0..5).flat_map(|_| {
        let row = b.numbers.take(features, 0.3);
        let mean = row.iter().sum::<f32>() / features as f32;
        row.into_iter().map(move |value| value - mean)
    });
    let last: Vec<f32> = rows.collect();
    let last = TensorProto::new("logits.w", &[5, features], &last);
    b.graph.initializer.extend([stem, last]);
    b.node("Conv", &["image", "stem.w"], "stem", vec![]);
    b.node("Relu", &["stem"], "stem.relu", vec![]);
    b.node("Flatten", &["stem.relu"], "flat", vec![]);
    let turned = vec![AttributeProto::int("transB", 1)];
    b.node("Gemm", &["flat", "logits.w"], "logits", turned);
    b.model()
}

#[test]
fn every_mode_runs_and_comes_near() {
    let (model, inputs) = (residual_network(), pictures(12, 1));
    let expected = answers(&model, &inputs);
    let close = |options: Options, least: f64| {
        let made = made(&model, &inputs, &options);
        let found = decibels(&expected, &answers(&made.model, &inputs));
        assert!(
            found > least,
            "{found:.1} dB, not {least}:\n{}",
            made.report
        );
        assert_eq!(made.report.layers, 6);
        serde_json::to_value(&made.report).unwrap();
        made
    };
    let small = |weight_bits: u8| Options {
        weight_bits: bits(weight_bits),
        ..options()
    };
    for (mode, eight, four) in [
        (Mode::Static, 25.0, 12.0),
        (Mode::Dynamic, 25.0, 12.0),
        (Mode::Weights, 35.0, 12.0),
    ] {
        close(Options { mode, ..small(8) }, eight);
        let made = close(Options { mode, ..small(4) }, four);
        assert_eq!(made.report.packed, 6, "{}", made.report);
        assert_eq!(made.model.opset().unwrap(), 21);
        assert!(made.report.speed().unwrap().contains("smaller, not faster"));
        let granularity = Granularity::Tensor;
        close(
            Options {
                mode,
                granularity,
                ..small(8)
            },
            10.0,
        );
    }
    let activation_bits = bits(4);
    let options = Options {
        activation_bits,
        ..small(8)
    };
    close(options.clone(), 8.0);
    let dynamic = Options {
        mode: Mode::Dynamic,
        ..options
    };
    assert!(quantize(&model, &inputs, &dynamic, &mut |_| {}).is_err());
}

#[test]
fn nothing_is_needed_where_nothing_is_calibrated() {
    let model = small_network();
    let pictures = inputs(8, &[1, 3, 16, 16], 5);
    let expected = answers(&model, &pictures);
    for mode in [Mode::Dynamic, Mode::Weights] {
        let made = made(&model, &[], &Options { mode, ..options() });
        assert_eq!(made.report.decibels, None);
        let found = decibels(&expected, &answers(&made.model, &pictures));
        assert!(found > 25.0, "{mode:?}: {found:.1} dB");
        let rounding = Rounding::Hessian;
        let blind = Options {
            mode,
            rounding,
            ..options()
        };
        assert!(quantize(&model, &[], &blind, &mut |_| {}).is_err());
    }
}

#[test]
fn bits_may_differ_from_layer_to_layer() {
    let (model, inputs) = (residual_network(), pictures(12, 1));
    let mixed = Options {
        node_bits: [
            ("grouped".to_owned(), bits(4)),
            ("hidden".to_owned(), bits(3)),
        ]
        .into(),
        rounding: Rounding::Hessian,
        ..options()
    };
    let made = made(&model, &inputs, &mixed);
    let counts: Vec<_> = made
        .report
        .layers_by_bits
        .iter()
        .map(|(b, n)| (b.count(), *n))
        .collect();
    assert_eq!(counts, [(3, 1), (4, 1), (8, 4)]);
    assert_eq!((made.report.packed, made.report.aware), (2, 6));
    assert!(made.report.decibels.unwrap() > 10.0, "{}", made.report);
}

#[test]
fn equalization_keeps_the_function() {
    let (model, inputs) = (residual_network(), pictures(12, 1));
    let expected = answers(&model, &inputs);
    let equalized = Options {
        equalize: true,
        ..options()
    };
    let study = Study::new(&model, &inputs, &equalized, &mut |_| {}).unwrap();
    for (expected, actual) in expected.iter().zip(answers(study.float(), &inputs)) {
        for (expected, actual) in expected.iter().zip(actual) {
            assert!((expected - actual).abs() <= 1e-4 * expected.abs().max(1.0));
        }
    }
    assert_ne!(
        study.float().graph().unwrap().initializer,
        model.graph().unwrap().initializer
    );
    // One scale for a layer whose channels differ a hundredfold is what it helps against.
    let shared = |equalize| Options {
        equalize,
        granularity: Granularity::Tensor,
        ..options()
    };
    let [plain, better] = [false, true].map(|equalize| {
        let made = made(&model, &inputs, &shared(equalize));
        assert_eq!(made.report.equalized, if equalize { 4 } else { 0 });
        made.report.decibels.unwrap()
    });
    assert!(better > plain + 3.0, "{plain:.1} to {better:.1} dB");
}

/// `model` with the output of `layer` as its only output.
fn exposing(model: &ModelProto, layer: &str) -> ModelProto {
    let mut model = model.clone();
    model.graph.as_mut().unwrap().output =
        vec![ValueInfoProto::tensor_of_any_shape(layer, DataType::F32)];
    model
}

#[test]
fn aware_rounding_lowers_the_error_of_every_layer() {
    let (model, inputs) = (residual_network(), pictures(24, 1));
    for layer in LAYERS {
        let expected = answers(&exposing(&model, layer), &inputs);
        let others = LAYERS.iter().filter(|other| **other != layer);
        let keep_float = others.map(|name| (*name).to_owned()).collect();
        let alone = Options {
            mode: Mode::Weights,
            keep_float,
            weight_bits: bits(5),
            ..options()
        };
        let [nearest, aware] = [Rounding::Nearest, Rounding::Hessian].map(|rounding| {
            let made = made(
                &model,
                &inputs,
                &Options {
                    rounding,
                    ..alone.clone()
                },
            );
            decibels(&expected, &answers(&exposing(&made.model, layer), &inputs))
        });
        assert!(
            aware > nearest,
            "{layer}: {nearest:.2} dB to nearest, {aware:.2} aware"
        );
    }
}

#[test]
fn what_ruins_the_model_is_refused_and_what_suffers_is_spared() {
    let (model, calibration) = (classifier(), pictures(16, 1));
    let selection = pictures(96, 2);
    let goal = Goal {
        inputs: &selection,
        labels: None,
        max_loss: 0.02,
    };
    let study = Study::new(&model, &calibration, &options(), &mut |_| {}).unwrap();
    let coarse = Options {
        weight_bits: bits(2),
        method: Method::MinMax,
        ..options()
    };
    let refused = study.within(&goal, 0, &coarse, &mut |_| {});
    let refused = refused.map(|within| within.loss).unwrap_err();
    let Error::TooLossy {
        loss, low, limit, ..
    } = refused
    else {
        panic!("{refused}");
    };
    assert!(loss > low && low > limit && limit > 1.9);
    let spared = study.within(&goal, 2, &coarse, &mut |_| {}).unwrap();
    assert!(!spared.spared.is_empty() && !spared.loss.is_refused());
    assert_eq!(spared.sensitivity.len(), 2);
    let worst = &spared.sensitivity;
    assert!(worst.is_sorted_by(|one, other| one.decibels <= other.decibels));
    let eight = study.within(
        &goal,
        6,
        &Options {
            method: Method::Mse,
            ..options()
        },
        &mut |_| {},
    );
    let eight = eight.unwrap();
    assert!(eight.loss.loss <= 0.1, "{}", eight.loss);
    let again = judge(&model, &eight.quantized.model, &goal, &engine_options()).unwrap();
    assert_eq!(again, eight.loss);
}

#[test]
fn a_curve_tells_the_loss_of_every_number_of_bits() {
    let (model, calibration) = (classifier(), pictures(16, 1));
    let selection = pictures(48, 2);
    let goal = Goal {
        inputs: &selection,
        labels: None,
        max_loss: 0.02,
    };
    let method = Options {
        method: Method::MinMax,
        ..options()
    };
    let study = Study::new(&model, &calibration, &method, &mut |_| {}).unwrap();
    let pairs: Vec<_> = (2..=8).map(|count| (bits(count), bits(8))).collect();
    let curve = study.curve(&pairs, &goal, &method, &mut |_| {}).unwrap();
    let decibels: Vec<f64> = curve.points.iter().map(|point| point.decibels).collect();
    assert!(decibels[0] + 10.0 < decibels[6], "{curve}");
    assert!(curve.points[0].bytes < curve.points[6].bytes);
    assert!(
        curve.points[0].refused && !curve.points[6].refused,
        "{curve}"
    );
    assert!(curve.to_string().contains("W8A8"));
    serde_json::to_value(&curve).unwrap();
}

#[test]
fn linear_networks_go_to_candle() {
    let model = mlp();
    let samples = inputs(6, &[1, 4, 20], 9);
    let expected = answers(&model, &samples);
    for (quantization, least) in [(Quantization::Q8_0, 30.0), (Quantization::Q4K, 12.0)] {
        let made = gguf(&model, quantization).unwrap();
        assert_eq!(made.layers, 2);
        let actual = run(EngineKind::Candle, &made.bytes, &samples);
        let found = decibels(&expected, &actual);
        assert!(found > least, "{quantization:?}: {found:.1} dB");
    }
    let refused = gguf(&residual_network(), Quantization::Q8_0);
    let refused = refused.map(|made| made.layers).unwrap_err();
    assert!(refused.to_string().contains("Conv"), "{refused}");
}

#[test]
fn a_matrix_of_four_bits_is_read_as_it_is() {
    let model = mlp();
    let samples = inputs(6, &[1, 4, 20], 9);
    let four = Options {
        mode: Mode::Weights,
        weight_bits: Bits::FOUR,
        ..options()
    };
    let made = made(&model, &samples, &four);
    let nodes = &made.model.graph().unwrap().node;
    let blocks = nodes
        .iter()
        .filter(|node| node.int("block_size") == Some(32));
    assert_eq!(blocks.count(), 2);
    let found = decibels(&answers(&model, &samples), &answers(&made.model, &samples));
    assert!(found > 15.0, "{found:.1} dB");
}
