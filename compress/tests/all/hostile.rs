//! Files that were damaged or made to do harm: an error each, no panic, no hang, little memory.

use std::fs;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use crate::common::{Numbers, small_network};
use noroshi_compress::pickle::StateDict;
use noroshi_compress::{Error, Network, Settings, Weights, build, inspect};
use noroshi_onnx::{
    DataType, ModelProto, NodeProto, StringStringEntryProto, TensorProto, ValueInfoProto,
};

/// Mutations of a file, as the issue asks for.
const MUTATIONS: usize = 200;

/// Everything that reads a foreign file here.
fn look(bytes: Vec<u8>) -> Result<(), Error> {
    let model = noroshi_onnx::decode(bytes)?;
    let seen = inspect::inspect(&model)?;
    let _ = seen.to_string();
    let _ = seen.requirements();
    Ok(())
}

fn inspect_changed(change: impl FnOnce(&mut ModelProto)) -> Error {
    let mut model = small_network();
    change(&mut model);
    look(noroshi_onnx::encode(&model).unwrap()).unwrap_err()
}

#[test]
fn mutated_files_give_errors_or_figures() {
    let settings = Settings {
        width: 0.1,
        resolution: 32,
        classes: 10,
    };
    let network = build(Network::MobileNetV2, &settings, Weights::Random(3)).unwrap();
    let files = [
        noroshi_onnx::encode(&small_network()).unwrap(),
        noroshi_onnx::encode(&network).unwrap(),
    ];
    let mut numbers = Numbers(2026);
    let started = Instant::now();
    let mut refused = 0;
    for round in 0..MUTATIONS {
        let mut bytes = files[round % files.len()].clone();
        let at = |numbers: &mut Numbers, length: usize| numbers.bits() as usize % length;
        match round % 4 {
            0 => bytes.truncate(at(&mut numbers, bytes.len())),
            1 => {
                for _ in 0..4 {
                    let place = at(&mut numbers, bytes.len());
                    bytes[place] = numbers.bits() as u8;
                }
            }
            2 => {
                let (from, length) = (at(&mut numbers, bytes.len()), at(&mut numbers, 64));
                let until = (from + length).min(bytes.len());
                bytes.drain(from..until);
            }
            _ => {
                let (from, to) = (at(&mut numbers, bytes.len()), at(&mut numbers, bytes.len()));
                let piece = bytes[from..(from + 40).min(bytes.len())].to_vec();
                bytes.splice(to..to, piece);
            }
        }
        refused += usize::from(look(bytes).is_err());
    }
    assert!(started.elapsed() < Duration::from_secs(10));
    assert!(
        refused > MUTATIONS / 2,
        "{refused} of {MUTATIONS} were refused"
    );
}

#[test]
fn newer_versions_are_named_with_the_cure() {
    let error = inspect_changed(|model| model.opset_import[0].version = 99);
    assert!(
        matches!(
            error,
            Error::Onnx(noroshi_onnx::Error::TooNew {
                what: "opset",
                found: 99,
                ..
            })
        ),
        "{error}"
    );
    let error = inspect_changed(|model| model.ir_version = 99);
    assert!(error.to_string().contains("export it again"), "{error}");
}

#[test]
fn graphs_that_contradict_themselves_are_refused() {
    let graph = |change: fn(&mut noroshi_onnx::GraphProto)| {
        inspect_changed(|model| change(model.graph.as_mut().unwrap())).to_string()
    };
    let cycle = graph(|graph| graph.node[1].input[0] = "sum".into());
    assert!(cycle.contains("cycle"), "{cycle}");
    let missing = graph(|graph| drop(graph.initializer.remove(0)));
    assert!(missing.contains("nothing makes"), "{missing}");
    let twice = graph(|graph| graph.node[4].output[0] = "stem".into());
    assert!(twice.contains("made twice"), "{twice}");
    let wrong_type = graph(|graph| graph.initializer[0].data_type = DataType::F64 as i32);
    assert!(wrong_type.contains("values but holds"), "{wrong_type}");
    let no_output = graph(|graph| graph.output.clear());
    assert!(no_output.contains("no output"), "{no_output}");
}

#[test]
fn lying_sizes_cost_nothing() {
    let huge = |dims: Vec<i64>| {
        move |model: &mut ModelProto| {
            let graph = model.graph.as_mut().unwrap();
            graph.initializer[0].dims = dims;
        }
    };
    inspect_changed(huge(vec![1 << 40, 1 << 40]));
    inspect_changed(huge(vec![i64::MAX]));
    inspect_changed(huge(vec![-3, 3, 3, 8]));
    let input = inspect_changed(|model| {
        let graph = model.graph.as_mut().unwrap();
        let dims = [1, 3, 1 << 40, 1 << 40];
        graph.input[0] = ValueInfoProto::tensor("image", DataType::F32, &dims);
    });
    assert!(input.to_string().contains("impossible sizes"), "{input}");
    let stride = inspect_changed(|model| {
        let graph = model.graph.as_mut().unwrap();
        graph.node[2].attribute = vec![noroshi_onnx::AttributeProto::ints("strides", &[0, 2])];
    });
    assert!(stride.to_string().contains("do not fit"), "{stride}");
}

#[test]
fn external_data_stays_in_the_models_folder() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("models");
    fs::create_dir(&inside).unwrap();
    fs::write(folder.path().join("secret"), [0u8; 16]).unwrap();
    fs::write(inside.join("weights.bin"), [0u8; 16]).unwrap();
    std::os::unix::fs::symlink(folder.path().join("secret"), inside.join("link")).unwrap();
    let path = inside.join("model.onnx");
    let write = |location: &str, length: u64| {
        let entry = |key: &str, value: String| StringStringEntryProto {
            key: key.into(),
            value,
        };
        let mut tensor = TensorProto::new("w", &[4], &[0.0f32; 4]);
        tensor.raw_data = Vec::new().into();
        tensor.data_location = 1;
        tensor.external_data = vec![
            entry("location", location.into()),
            entry("length", length.to_string()),
        ];
        let graph = noroshi_onnx::GraphProto {
            initializer: vec![tensor],
            node: vec![NodeProto::new("Identity", ["w"], "y", vec![])],
            output: vec![ValueInfoProto::tensor("y", DataType::F32, &[4])],
            ..noroshi_onnx::GraphProto::default()
        };
        noroshi_onnx::write(&path, &ModelProto::new(graph, 17, 8)).unwrap();
        noroshi_onnx::read(&path)
    };
    let good = write("weights.bin", 16).unwrap();
    assert_eq!(
        good.graph().unwrap().initializer[0].to_f32().unwrap(),
        [0.0; 4]
    );
    let secret = folder.path().join("secret");
    for location in [
        "../secret",
        "link",
        "a/../../secret",
        "",
        secret.to_str().unwrap(),
    ] {
        let error = write(location, 16).unwrap_err().to_string();
        assert!(
            error.contains("outside the model's folder"),
            "{location}: {error}"
        );
    }
    assert!(write("weights.bin", 1 << 40).is_err());
    assert!(write("absent.bin", 16).is_err());
    let by_bytes = noroshi_onnx::decode(fs::read(&path).unwrap()).unwrap_err();
    assert!(by_bytes.to_string().contains("another file"), "{by_bytes}");
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = look(bytes.clone());
        let _ = StateDict::from_bytes(bytes.clone());
        // The same behind the beginnings that lead further into the readers.
        for start in [&b"PK\x03\x04"[..], b"\x80\x02}q\x00(X", b"\x08\x08\x3a"] {
            let _ = StateDict::from_bytes([start, &bytes].concat());
            let _ = look([start, &bytes].concat());
        }
    }
}
