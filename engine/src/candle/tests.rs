use std::io::Cursor;

use noroshi_model::EngineKind;

use super::*;
use crate::engine::{Engine, ModelSource, Options, open};
use crate::error::Result;
use crate::tensor::Tensor;

fn graph() -> Graph {
    Graph::new(
        Input {
            name: "input".into(),
            shape: vec![1, 2, 20],
        },
        "scores",
        vec![
            Layer::Linear {
                weight: "first".into(),
                bias: Some("first.bias".into()),
            },
            Layer::Relu,
            Layer::Linear {
                weight: "second".into(),
                bias: None,
            },
            Layer::Softmax,
        ],
    )
}

/// Numbers that look random and are always the same, in −0.5..0.5.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 40) as f32 / 16_777_216.0 - 0.5
    })
    .take(count)
    .collect()
}

fn weights(quantization: Quantization) -> Vec<Weight> {
    let weight = |name: &str, shape: [usize; 2], quantization| Weight {
        name: name.into(),
        shape: shape.to_vec(),
        numbers: numbers(shape[0] * shape[1], shape[0] as u64),
        quantization,
    };
    vec![
        weight("first", [16, 40], quantization),
        Weight {
            name: "first.bias".into(),
            shape: vec![16],
            numbers: numbers(16, 99),
            quantization: Quantization::F32,
        },
        weight("second", [3, 16], Quantization::F16),
    ]
}

fn load(bytes: &[u8]) -> Result<Box<dyn Engine>> {
    open(
        EngineKind::Candle,
        ModelSource::Bytes(bytes),
        &Options::default(),
    )
}

fn gguf(quantization: Quantization) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    write_gguf(&mut file, &graph(), &weights(quantization)).unwrap();
    file.into_inner()
}

fn safetensors(quantization: Quantization) -> Vec<u8> {
    let mut file = Vec::new();
    write_safetensors(&mut file, &graph(), &weights(quantization)).unwrap();
    file
}

fn input() -> Vec<f32> {
    numbers(2 * 40, 7)
}

fn answer(bytes: &[u8]) -> Vec<f32> {
    let mut engine = load(bytes).unwrap();
    let input = Tensor::f32(vec![2, 1, 2, 20], input()).unwrap();
    let outputs = engine.run(&[input]).unwrap();
    assert_eq!(outputs[0].shape(), [2, 3]);
    outputs[0].as_f32().unwrap().to_vec()
}

/// The same network in plain loops.
fn reference() -> Vec<f32> {
    let weights = weights(Quantization::F32);
    let mut scores = Vec::new();
    for sample in input().chunks_exact(40) {
        let multiply = |weight: &Weight, x: &[f32]| -> Vec<f32> {
            weight
                .numbers
                .chunks_exact(x.len())
                .map(|row| row.iter().zip(x).map(|(a, b)| a * b).sum())
                .collect()
        };
        let mut hidden = multiply(&weights[0], sample);
        for (number, bias) in hidden.iter_mut().zip(&weights[1].numbers) {
            *number = (*number + bias).max(0.0);
        }
        let mut last = multiply(&weights[2], &hidden);
        crate::postprocess::softmax(&mut last);
        scores.extend(last);
    }
    scores
}

#[test]
fn every_weight_type_computes_the_network_in_both_formats() {
    let expected = reference();
    for (quantization, tolerance) in [
        (Quantization::F32, 1e-3),
        (Quantization::F16, 1e-3),
        (Quantization::Q8_0, 0.01),
        (Quantization::Q6K, 0.03),
        (Quantization::Q4K, 0.06),
        (Quantization::Q2K, 0.25),
    ] {
        for bytes in [gguf(quantization), safetensors(quantization)] {
            for (ours, expected) in answer(&bytes).iter().zip(&expected) {
                assert!(
                    (ours - expected).abs() < tolerance,
                    "{quantization:?}: {ours} is not {expected}"
                );
            }
        }
    }
}

#[test]
fn the_model_says_what_it_takes() {
    let engine = load(&gguf(Quantization::Q8_0)).unwrap();
    assert_eq!(engine.inputs()[0].name, "input");
    assert_eq!(engine.inputs()[0].shape_text(), "[?, 1, 2, 20]");
    assert_eq!(engine.outputs()[0].shape_text(), "[?, 3]");
}

#[test]
fn wrong_inputs_are_errors() {
    let mut engine = load(&gguf(Quantization::Q8_0)).unwrap();
    let flat = Tensor::f32(vec![1, 40], vec![0.0; 40]).unwrap();
    assert!(engine.run(&[flat]).is_err());
    let empty = Tensor::f32(vec![0, 1, 2, 20], vec![]).unwrap();
    assert!(engine.run(&[empty]).is_err());
}

#[test]
fn broken_files_are_errors() {
    for whole in [gguf(Quantization::Q4K), safetensors(Quantization::Q4K)] {
        // The last bytes of a GGUF file are padding.
        for length in (0..whole.len() - 32).step_by(7) {
            assert!(load(&whole[..length]).is_err(), "{length} bytes were taken");
        }
        for at in (0..whole.len().min(1_200)).step_by(3) {
            for with in [0x00, 0x41, 0x7f, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = with;
                if let Ok(mut engine) = load(&bytes) {
                    let shape: Vec<usize> = engine.inputs()[0]
                        .shape
                        .iter()
                        .map(|side| side.unwrap_or(1))
                        .collect();
                    if let Ok(input) = Tensor::zeros(&shape, noroshi_model::ElementType::F32) {
                        let _ = engine.run(&[input]);
                    }
                }
            }
        }
    }
}

#[test]
fn a_file_without_a_graph_says_what_is_missing() {
    let mut file = Cursor::new(Vec::new());
    candle_core::quantized::gguf_file::write(&mut file, &[], &[]).unwrap();
    let error = load(&file.into_inner()).err().unwrap().to_string();
    assert!(error.contains(GRAPH_KEY), "{error}");
}

#[test]
fn layers_must_fit_together() {
    let mut wrong = graph();
    wrong.input.shape = vec![900];
    let mut file = Vec::new();
    write_safetensors(&mut file, &wrong, &weights(Quantization::Q8_0)).unwrap();
    let error = load(&file).err().unwrap().to_string();
    assert!(error.contains("900 arrive"), "{error}");
    let mut wrong = graph();
    wrong.format = 2;
    assert!(wrong.to_json().unwrap_err().to_string().contains("upgrade"));
}
