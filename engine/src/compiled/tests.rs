use std::collections::{BTreeMap, BTreeSet};

use noroshi_model::{Architecture, Digest, EngineKind, Precision};

use super::*;
use crate::engine::{ModelSource, open};
use crate::onnx::testing::{colors, library};
use crate::tensor::Tensor;

fn options() -> Options {
    Options {
        library: library(),
        ..Options::default()
    }
}

fn facts() -> Facts {
    Facts {
        opset: 13,
        ir: 8,
        before: BTreeMap::new(),
        after: BTreeMap::new(),
        dtypes: BTreeSet::new(),
        precision: Precision::Fp32,
        parameters: 0,
        macs: 0,
        peak_memory: 1 << 20,
        packed: true,
    }
}

fn compiled(change: impl FnOnce(&mut Key)) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let source = colors();
    let made = rewrite(&source, Level::All, folder.path(), &options()).unwrap();
    assert!(!made.onnx.is_empty());
    let mut key = made.key;
    change(&mut key);
    seal(key, Digest::of(&source), facts(), &made.content).unwrap()
}

fn load(bytes: &[u8]) -> Result<Box<dyn Engine>> {
    open(
        EngineKind::OnnxCompiled,
        ModelSource::Bytes(bytes),
        &options(),
    )
}

fn refusal(bytes: &[u8]) -> String {
    let error = load(bytes).err().expect("it was opened");
    assert!(matches!(error, EngineError::Compiled(_)), "{error}");
    error.to_string()
}

#[test]
fn it_answers_as_its_source_does() {
    let input = || Tensor::f32(vec![1, 3, 8, 8], (0..192).map(|n| n as f32).collect()).unwrap();
    let bytes = compiled(|_| {});
    let mut engine = load(&bytes).unwrap();
    // The bytes are the engine's own: the file's may go.
    drop(bytes);
    let answer = engine.run(&[input()]).unwrap();
    let source = ModelSource::Bytes(&colors());
    let mut plain = open(EngineKind::OnnxRuntime, source, &options()).unwrap();
    assert_eq!(answer, plain.run(&[input()]).unwrap());
    assert_eq!(engine.inputs(), plain.inputs());
}

#[test]
fn what_is_for_another_machine_is_refused_before_it_is_loaded() {
    let runtime = refusal(&compiled(|key| key.runtime = "1.30.0".into()));
    assert!(runtime.contains("ONNX Runtime 1.30.0"), "{runtime}");
    let isa = refusal(&compiled(|key| key.isa = "sse2 of old".into()));
    assert!(isa.contains("instruction set sse2 of old"), "{isa}");
    let other = refusal(&compiled(|key| key.architecture = Architecture::Other));
    assert!(other.contains("architecture other"), "{other}");
}

#[test]
fn a_changed_or_cut_file_is_refused_before_it_is_loaded() {
    let whole = compiled(|_| {});
    let (_, start) = split(&whole).unwrap();
    for at in start..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        assert!(refusal(&bytes).contains("digest"));
    }
    for length in 0..whole.len() {
        refusal(&whole[..length]);
    }
    for at in 0..start {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x41;
        // Padding and some words of the header change nothing that counts.
        let _ = load(&bytes);
    }
    refusal(&colors());
}

#[test]
fn a_header_is_read_without_the_content() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), compiled(|_| {})).unwrap();
    let header = read_header(file.path()).unwrap().unwrap();
    assert_eq!(header.source, Digest::of(&colors()));
    let target = header.requirements().target.unwrap();
    assert_eq!(target.isa, isa());
    std::fs::write(file.path(), colors()).unwrap();
    assert_eq!(read_header(file.path()).unwrap(), None);
}
