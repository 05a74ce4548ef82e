//! Compiled files: their key, what they answer, how they are released.

use noroshi_compress::compile::compile;
use noroshi_compress::release::{
    Content, Description, Prepared, Source, blob_of, check_manifest, prepare,
};
use noroshi_compress::{Network, Settings, Weights, build, report};
use noroshi_engine::compiled::{Level, read_header, seal, split};
use noroshi_engine::{Classifier, GoldenSet, ModelSource};
use noroshi_model::{EngineKind, Label, Manifest, Measured, Precision, Task};
use noroshi_onnx::ModelProto;

use crate::common::{Numbers, engine_options};
use crate::release::photo;

const SETTINGS: Settings = Settings {
    width: 0.1,
    resolution: 32,
    classes: 7,
};
const NETWORK: Network = Network::MobileNetV2;

fn network() -> ModelProto {
    build(NETWORK, &SETTINGS, Weights::Random(9)).unwrap()
}

fn source(path: &std::path::Path) -> Source {
    Source {
        name: "compiled".parse().unwrap(),
        path: path.to_path_buf(),
        measured: Measured::default(),
        recipe: "compiled for a test".into(),
        source: None,
        tolerance: None,
    }
}

fn description() -> Description {
    let labels = (0..SETTINGS.classes).map(|class| Label::from_name(&format!("class {class}")));
    Description {
        model: "test-model".parse().unwrap(),
        version: 1,
        task: Task::Classification {
            labels: labels.collect(),
        },
        input: NETWORK.input_spec(&SETTINGS),
        output: NETWORK.output_spec(),
    }
}

/// Where in `content` the first number of the last layer's weights lies.
fn weight_at(model: &ModelProto, content: &[u8]) -> usize {
    let graph = model.graph().unwrap();
    let last = graph.node.iter().rfind(|node| node.is("Gemm")).unwrap();
    let named = |name: &str| graph.initializer.iter().find(|tensor| tensor.name == name);
    let numbers = named(&last.input[1]).unwrap().to_f32().unwrap();
    let pattern: Vec<u8> = numbers[..4]
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect();
    let found = content
        .windows(pattern.len())
        .position(|window| window == pattern);
    found.expect("the weights of the last layer stay as they are")
}

#[test]
fn a_compiled_file_is_released_like_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let (onnx, path) = (
        folder.path().join("model.onnx"),
        folder.path().join("model.nrc"),
    );
    let model = network();
    noroshi_onnx::write(&onnx, &model).unwrap();
    let made = compile(&onnx, Level::All, &engine_options()).unwrap();
    std::fs::write(&path, &made.bytes).unwrap();
    let report = &made.report;
    assert!(report.nodes_after < report.nodes_before, "{report}");
    let folded = report
        .operators
        .iter()
        .find(|change| change.operator == "BatchNormalization");
    assert_eq!(folded.map(|change| change.after), Some(0), "{report}");
    assert!(report.difference.unwrap() < 1e-4, "{report}");
    assert_eq!(report.source, blob_of(&onnx).unwrap().sha256);

    let made = prepare(
        description(),
        &[source(&path)],
        &[photo()],
        &engine_options(),
    );
    let Prepared { manifest, blobs } = made.unwrap();
    let back = Manifest::from_json(&manifest.to_json().unwrap()).unwrap();
    assert_eq!(back, manifest);
    let variant = &manifest.variants[0];
    assert_eq!(variant.engine, EngineKind::OnnxCompiled);
    assert_eq!(variant.precision, Precision::Fp32);
    let header = read_header(&path).unwrap().unwrap();
    assert_eq!(
        variant.requirements.target.as_ref().unwrap().isa,
        header.key.isa
    );
    let Content::Bytes(golden) = &blobs[1].1 else {
        panic!("the golden set is made in memory")
    };
    let golden = GoldenSet::from_cbor(golden).unwrap();
    let passes = |bytes: &[u8]| {
        let source = ModelSource::Bytes(bytes);
        let model = Classifier::open(&manifest, variant, source, &engine_options());
        let report = golden.check(&mut model.unwrap(), variant.golden.tolerance);
        report.unwrap().passed
    };
    let bytes = std::fs::read(&path).unwrap();
    assert!(passes(&bytes));

    // One weight's exponent is another, and the header says that it is right. A weight that only
    // meets zeros changes nothing, so that some are tried.
    let (header, start) = split(&bytes).unwrap();
    let at = weight_at(&model, &bytes[start..]);
    let noticed = (0..16).any(|weight| {
        let mut content = bytes[start..].to_vec();
        content[at + 4 * weight + 3] ^= 0x40;
        let header = header.clone();
        !passes(&seal(header.key, header.source, header.facts, &content).unwrap())
    });
    assert!(noticed);

    let mut lying = manifest.clone();
    lying.variants[0].requirements.target.as_mut().unwrap().isa = "avx".into();
    let error = check_manifest(&lying, &lying.variants[0].name, &path).unwrap_err();
    assert!(error.to_string().contains("the target"), "{error}");
    check_manifest(&manifest, &variant.name, &path).unwrap();

    let mut numbers = Numbers(3);
    let inputs = [numbers.tensor(&[1, 3, 32, 32])];
    let options = report::Options {
        rounds: 0,
        engine: engine_options(),
        ..report::Options::default()
    };
    let beside = report::compare(&onnx, &path, &inputs, &options).unwrap();
    assert_eq!(beside.agreement.same, 1);
}
