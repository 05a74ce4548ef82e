//! The source against the reference, and the reference against ONNX Runtime.

use noroshi_codegen::net::{Network, Sharing, Target, import};
use noroshi_engine::{ModelSource, Tensor, TensorData, open};
use noroshi_model::EngineKind;
use noroshi_onnx::ModelProto;

use crate::common::{
    Numbers, answers, engine_options, file_of, image_network, quantized, run, signal_network,
    write_source,
};

const STRICT: [&str; 9] = [
    "-std=c99",
    "-O1",
    "-Wall",
    "-Wextra",
    "-Wshadow",
    "-Wpedantic",
    "-Werror",
    "-fsanitize=undefined,address",
    "-fno-sanitize-recover=all",
];

/// Levels in every corner of the range.
fn inputs(network: &Network, count: usize) -> Vec<Vec<i8>> {
    let mut numbers = Numbers(77);
    let cells = network.input().shape.count();
    let mut inputs: Vec<Vec<i8>> = (0..count).map(|_| numbers.levels(cells)).collect();
    inputs.extend([i8::MIN, i8::MAX, 0].map(|level| vec![level; cells]));
    inputs
}

fn compile(folder: &std::path::Path, flags: &[&str], main: &str, program: &str) {
    let mut arguments = flags.to_vec();
    arguments.extend(["net.c", main, "-o", program]);
    run(folder, "cc", &arguments, None);
}

fn assert_source_agrees(model: &ModelProto, least_saved: f64) {
    let network = import(&quantized(model)).unwrap();
    let summary = network.summary();
    let saved = 1.0 - summary.arena_bytes as f64 / summary.apart_bytes as f64;
    assert!(saved >= least_saved, "{summary:?}");
    let inputs = inputs(&network, 60);
    let wanted = answers(&network, &inputs);
    for sharing in [Sharing::InPlace, Sharing::Apart] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        write_source(&network, Target::CortexM4, sharing, &inputs[..8], path);
        std::fs::write(path.join("input.bin"), file_of(&inputs)).unwrap();
        compile(path, &STRICT, "host_main.c", "replay");
        let made = run(path, "./replay", &[], Some(&path.join("input.bin")));
        assert!(made == wanted, "{sharing:?}: the source answers otherwise");
        compile(path, &STRICT, "net_check.c", "check");
        run(path, "./check", &[], None);
    }
}

#[test]
fn an_image_network_answers_as_the_reference() {
    assert_source_agrees(&image_network(), 0.2);
}

#[test]
fn a_signal_network_answers_as_the_reference() {
    assert_source_agrees(&signal_network(), 0.2);
}

/// The reference is what ONNX Runtime computes of the same file, up to its rounding.
#[test]
fn the_reference_agrees_with_onnx_runtime() {
    for model in [image_network(), signal_network()] {
        let model = quantized(&model);
        let network = import(&model).unwrap();
        let bytes = noroshi_onnx::encode(&model).unwrap();
        let mut engine = open(
            EngineKind::OnnxRuntime,
            ModelSource::Bytes(&bytes),
            &engine_options(),
        )
        .unwrap();
        let dims = model.graph().unwrap().input[0].dims().unwrap();
        let dims: Vec<usize> = dims.into_iter().map(|dim| dim.unwrap_or(1)).collect();
        let mut numbers = Numbers(5);
        let (mut same, mut furthest) = (0, 0f64);
        for _ in 0..100 {
            let values = numbers.take(dims.iter().product(), 1.0);
            let tensor = Tensor::f32(dims.clone(), values.clone()).unwrap();
            let made = engine.run(&[tensor]).unwrap();
            let TensorData::F32(theirs) = made[0].data() else {
                panic!("the output is no float")
            };
            let ours = network
                .run(&network.levels(&in_memory(&values, &dims)))
                .unwrap();
            let scale = network.output().scale;
            let span = theirs.iter().fold(0f32, |most, x| most.max(x.abs()));
            for (level, number) in ours.levels().iter().zip(theirs) {
                let difference = (f64::from(*level) * scale - f64::from(*number)).abs();
                furthest = furthest.max(difference / f64::from(span));
            }
            let top = (0..theirs.len()).max_by(|a, b| theirs[*a].total_cmp(&theirs[*b]));
            same += usize::from(top == Some(ours.top()));
        }
        eprintln!("{same} of 100 alike, furthest {furthest}");
        assert!(
            same >= 99 && furthest < 0.03,
            "{same} of 100 alike, furthest {furthest}"
        );
    }
}

/// From channels, rows, columns to rows, columns, channels.
fn in_memory(values: &[f32], dims: &[usize]) -> Vec<f32> {
    let pixels = dims[2..].iter().product::<usize>();
    (0..values.len())
        .map(|place| values[place % dims[1] * pixels + place / dims[1]])
        .collect()
}
