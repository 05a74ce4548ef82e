//! Quantization end to end, in ONNX Runtime.

use std::collections::HashMap;

use crate::common::{Numbers, asset, engine_options, small_network, trained};
use noroshi_compress::quantize::{Method, Options, Quantized, quantize};
use noroshi_compress::{Error, Network, Settings, Weights, build, inspect, report, views};
use noroshi_engine::Tensor;
use noroshi_onnx::{Index, ModelProto};

fn options() -> Options {
    Options {
        engine: engine_options(),
        ..Options::default()
    }
}

fn made(model: &ModelProto, inputs: &[Tensor], options: &Options) -> Quantized {
    quantize(model, inputs, options, &mut |_| {}).unwrap()
}

fn small_inputs() -> Vec<Tensor> {
    let mut numbers = Numbers(5);
    (0..24).map(|_| numbers.tensor(&[1, 3, 16, 16])).collect()
}

fn compare(original: &ModelProto, variant: &ModelProto, inputs: &[Tensor]) -> report::Report {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["original.onnx", "variant.onnx"].map(|name| folder.path().join(name));
    noroshi_onnx::write(&paths[0], original).unwrap();
    noroshi_onnx::write(&paths[1], variant).unwrap();
    let options = report::Options {
        rounds: 3,
        warmup: 1,
        engine: engine_options(),
    };
    report::compare(&paths[0], &paths[1], inputs, &options).unwrap()
}

/// Every layer reads and makes 8-bit values only, which is what becomes an integer kernel.
fn assert_integer_layers(model: &ModelProto, expected: usize) {
    let graph = model.graph().unwrap();
    let index = Index::new(graph);
    let mut layers = 0;
    for node in graph
        .node
        .iter()
        .filter(|node| node.is("Conv") || node.is("Gemm"))
    {
        layers += 1;
        for input in &node.input {
            let maker = &graph.node[index.maker(input).unwrap()];
            assert!(
                maker.is("DequantizeLinear"),
                "{} reads float {input}",
                node.name
            );
        }
        let readers = index.readers(&node.output[0]);
        let rounded = matches!(readers, [place] if graph.node[*place].is("QuantizeLinear"));
        assert!(rounded || node.is("Gemm"), "{} makes floats", node.name);
    }
    assert_eq!(layers, expected);
}

#[test]
fn a_network_of_many_kinds_of_nodes_is_quantized() {
    let (model, inputs) = (small_network(), small_inputs());
    let Quantized {
        model: small,
        report: done,
    } = made(&model, &inputs, &options());
    assert_integer_layers(&small, 6);
    assert_eq!(done.layers, 6);
    let float: Vec<_> = done
        .float
        .iter()
        .map(|node| node.operator.as_str())
        .collect();
    assert_eq!(float, ["HardSwish", "Softmax"]);
    assert_eq!(done.absorbed, 3, "clip and two of ReLU");
    let compared = compare(&model, &small, &inputs);
    assert!(compared.sqnr_db > 25.0, "{compared}");
    assert!(compared.agreement.same >= 22, "{compared}");
    let text = compared.to_string();
    assert!(
        text.contains("same top label") && text.contains("CPU ms, onnx_runtime"),
        "{text}"
    );
    serde_json::to_value(&compared).unwrap();
}

#[test]
fn every_method_works_and_nodes_can_stay_float() {
    let (model, inputs) = (small_network(), small_inputs());
    for method in [Method::MinMax, Method::Percentile(99.9), Method::Mse] {
        let made = made(
            &model,
            &inputs,
            &Options {
                method,
                ..options()
            },
        );
        assert!(made.report.methods.iter().all(|(_, kept)| *kept == method));
        assert!(made.report.tried[0].1 > 15.0, "{}", made.report);
    }
    let keep_float = ["left".to_owned(), "logits".to_owned()].into();
    let made = made(
        &model,
        &inputs,
        &Options {
            keep_float,
            ..options()
        },
    );
    assert_eq!(made.report.layers, 4);
    assert!(compare(&model, &made.model, &inputs).sqnr_db > 25.0);
}

#[test]
fn what_cannot_be_quantized_is_said() {
    let (model, inputs) = (small_network(), small_inputs());
    let fails = |model: &ModelProto, inputs: &[Tensor]| {
        quantize(model, inputs, &options(), &mut |_| {}).unwrap_err()
    };
    assert!(matches!(fails(&model, &[]), Error::Quantize(_)));
    let twice = fails(&made(&model, &inputs, &options()).model, &inputs);
    assert!(twice.to_string().contains("quantized already"), "{twice}");
    let broken = Tensor::f32(vec![1, 3, 16, 16], vec![f32::NAN; 768]).unwrap();
    let broken = fails(&model, &[broken]);
    assert!(broken.to_string().contains("not finite"), "{broken}");
    let wrong = Tensor::f32(vec![1, 3, 8, 8], vec![0.0; 192]).unwrap();
    assert!(matches!(fails(&model, &[wrong]), Error::Engine(_)));
    let mut empty = model.clone();
    empty
        .graph
        .as_mut()
        .unwrap()
        .node
        .retain(|node| node.name == "padded" || node.name == "pads");
    empty.graph.as_mut().unwrap().output[0].name = "padded".into();
    assert!(matches!(fails(&empty, &inputs), Error::Quantize(_)));
}

#[test]
fn an_older_operator_set_is_brought_up() {
    let mut model = small_network();
    let graph = model.graph.as_mut().unwrap();
    // As opset 9 had it: bounds and pads as attributes, no HardSwish.
    for node in &mut graph.node {
        match node.op_type.as_str() {
            "Clip" => {
                node.input.truncate(1);
                node.attribute = vec![
                    noroshi_onnx::AttributeProto::float("min", 0.0),
                    noroshi_onnx::AttributeProto::float("max", 6.0),
                ];
            }
            "Pad" => {
                node.input.truncate(1);
                node.attribute = vec![noroshi_onnx::AttributeProto::ints(
                    "pads",
                    &[0, 0, 0, 0, 0, 0, 1, 1],
                )];
            }
            "HardSwish" => node.op_type = "Sigmoid".into(),
            _ => {}
        }
    }
    model.opset_import[0].version = 9;
    let made = made(&model, &small_inputs(), &options());
    assert_eq!(made.model.opset().unwrap(), 13);
    assert_eq!(made.report.layers, 6);
    assert!(compare(&model, &made.model, &small_inputs()).sqnr_db > 25.0);
}

#[test]
fn mobilenet_v2_keeps_its_answers() {
    let model = trained(Network::MobileNetV2);
    let spec = Network::MobileNetV2.input_spec(&Settings::default());
    let photos = |names: &[&str]| {
        let paths: Vec<_> = names
            .iter()
            .map(|name| asset(&format!("photos/{name}.png")))
            .collect();
        views::inputs(&paths, &spec, 2).unwrap()
    };
    let calibration = photos(&["beaker", "yurt", "beetle", "astronaut", "rocket", "clock"]);
    let Quantized {
        model: small,
        report: done,
    } = made(&model, &calibration, &options());
    assert_integer_layers(&small, 53);
    assert!(done.float.is_empty(), "{done}");
    let compared = compare(
        &model,
        &small,
        &photos(&["cat", "espresso", "motor_scooter", "shoe"]),
    );
    assert!(compared.agreement.same >= 7, "{compared}");
    let ratio = compared.variant.bytes as f64 / compared.original.bytes as f64;
    assert!(ratio <= 0.28, "{compared}");
    let seen = inspect::inspect(&small).unwrap();
    assert_eq!((seen.parameters, seen.macs), (3_487_816, 300_774_272));
    assert_eq!(seen.precision, noroshi_model::Precision::Int8);
    let operators: HashMap<_, _> = seen
        .operators
        .iter()
        .map(|(o, n)| (o.as_str(), *n))
        .collect();
    assert_eq!(operators.get("Clip"), None);
    assert_eq!(operators["Conv"], 52);
}

/// More activations than the engine has outputs for in one run, each of them small.
#[test]
fn a_small_network_of_many_layers_is_calibrated_in_several_runs() {
    let settings = Settings {
        width: 0.1,
        resolution: 32,
        classes: 7,
    };
    let model = build(Network::MobileNetV2, &settings, Weights::Random(3)).unwrap();
    let mut numbers = Numbers(5);
    let inputs = [numbers.tensor(&[1, 3, 32, 32])];
    let report = made(&model, &inputs, &options()).report;
    assert!(report.layers > 50, "{report}");
}
