use noroshi_model::{Digest, EngineKind};

use super::testing::{color_classifier, color_input, color_output, colors, library, operator};
use super::{LibraryOptions, warm};
use crate::classifier::Classifier;
use crate::engine::{Engine, ModelSource, Optimization, Options, open};
use crate::error::{EngineError, Result};
use crate::frame::Frame;
use crate::tensor::Tensor;

fn options() -> Options {
    Options {
        library: library(),
        ..Options::default()
    }
}

fn load(bytes: &[u8]) -> Result<Box<dyn Engine>> {
    open(
        EngineKind::OnnxRuntime,
        ModelSource::Bytes(bytes),
        &options(),
    )
}

fn vector(numbers: [f32; 4]) -> [Tensor; 1] {
    [Tensor::f32(vec![4], numbers.to_vec()).unwrap()]
}

#[test]
fn a_frame_becomes_a_label() {
    let mut model = color_classifier();
    let green = [10, 200, 30].repeat(20 * 10);
    let answer = model
        .classify(&Frame::rgb(20, 10, &green).unwrap(), 2)
        .unwrap();
    assert_eq!(answer.ranked.len(), 2);
    assert_eq!(answer.best().index, 1);
    let sum: f32 = [10.0, 200.0, 30.0]
        .map(|x: f32| (x / 255.0).exp())
        .iter()
        .sum();
    assert!((answer.best().score - (200.0_f32 / 255.0).exp() / sum).abs() < 1e-5);
}

#[test]
fn a_model_opens_from_a_path_and_from_a_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), operator("Neg", (13, 8))).unwrap();
    for source in [
        ModelSource::Path(file.path()),
        ModelSource::File(file.as_file()),
        ModelSource::File(file.as_file()),
    ] {
        let mut engine = open(EngineKind::OnnxRuntime, source, &options()).unwrap();
        let output = engine.run(&vector([1.0, -2.0, 3.0, 0.5])).unwrap();
        assert_eq!(output[0].as_f32().unwrap(), [-1.0, 2.0, -3.0, -0.5]);
    }
}

#[test]
fn two_threads_and_no_rewriting_give_the_same_answer() {
    let frame = [1, 2, 3].repeat(64);
    let frame = Frame::rgb(8, 8, &frame).unwrap();
    let other = Options {
        threads: 2,
        optimization: Optimization::None,
        ..options()
    };
    let bytes = colors();
    let engine = open(EngineKind::OnnxRuntime, ModelSource::Bytes(&bytes), &other).unwrap();
    let mut other = Classifier::new(engine, &color_input(), &color_output(), 3).unwrap();
    assert_eq!(
        other.output(&frame).unwrap(),
        color_classifier().output(&frame).unwrap()
    );
}

#[test]
fn a_manifest_that_lies_is_found_out() {
    let open = |change: &dyn Fn(&mut noroshi_model::InputSpec, &mut String), labels| {
        let (mut input, mut output) = (color_input(), color_output());
        change(&mut input, &mut output.name);
        Classifier::new(load(&colors()).unwrap(), &input, &output, labels).err()
    };
    assert!(open(&|_, _| {}, 3).is_none());
    for (error, word) in [
        (open(&|_, _| {}, 4), "4 labels"),
        (open(&|input, _| input.width = 9, 3), "[1, 3, 8, 9]"),
        (open(&|input, _| input.name = "pixels".into(), 3), "pixels"),
        (open(&|_, output| *output = "y".into(), 3), "it has logits"),
    ] {
        let error = error.unwrap();
        assert!(matches!(error, EngineError::Disagreement(_)), "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn wrong_inputs_are_errors() {
    let mut engine = load(&operator("Neg", (13, 8))).unwrap();
    assert!(engine.run(&[]).is_err());
    assert!(
        engine
            .run(&[Tensor::f32(vec![5], vec![0.0; 5]).unwrap()])
            .is_err()
    );
    let bytes = Tensor::new(vec![4], crate::TensorData::U8(vec![0; 4])).unwrap();
    let error = engine.run(&[bytes]).unwrap_err().to_string();
    assert!(error.contains("input x takes F32 [4]"), "{error}");
}

#[test]
fn broken_and_newer_files_are_refused() {
    let whole = colors();
    for length in 0..whole.len() {
        assert!(load(&whole[..length]).is_err(), "{length} bytes were taken");
    }
    for versions in [(99, 8), (13, 99)] {
        let error = load(&operator("Neg", versions)).err().unwrap();
        assert!(matches!(error, EngineError::Model(_)), "{error}");
    }
    assert!(load(&operator("NoSuchOperator", (13, 8))).is_err());
    assert!(load(b"GGUF").is_err());
}

#[test]
fn changed_bytes_never_panic() {
    let whole = colors();
    for at in 0..whole.len() {
        for with in [0x00, 0x7f, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] = with;
            if let Ok(mut engine) = load(&bytes) {
                let _ = engine.run(&[Tensor::f32(vec![1, 3, 8, 8], vec![0.5; 192]).unwrap()]);
            }
        }
    }
}

#[test]
fn nan_comes_out_as_it_is() {
    let mut engine = load(&operator("Sqrt", (13, 8))).unwrap();
    let output = engine.run(&vector([-1.0, 4.0, 9.0, 0.0])).unwrap();
    let numbers = output[0].as_f32().unwrap();
    assert!(numbers[0].is_nan() && (numbers[1] - 2.0).abs() < 1e-6);
}

#[test]
fn the_library_is_loaded_once_and_not_changed() {
    let loaded = warm(&library()).unwrap();
    assert_eq!(warm(&LibraryOptions::default()).unwrap(), loaded);
    assert!(loaded.version.starts_with("1."), "{loaded:?}");
    let pinned = LibraryOptions {
        sha256: Some(Digest::of(b"another")),
        ..library()
    };
    assert!(warm(&pinned).unwrap_err().to_string().contains("restart"));
    let other = LibraryOptions {
        path: Some("/nowhere".into()),
        sha256: None,
    };
    assert!(warm(&other).is_err());
}
