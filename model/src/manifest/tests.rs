use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::*;

pub(crate) fn sample() -> Manifest {
    let blob = Blob {
        sha256: Digest::of(b"file"),
        length: 4,
    };
    Manifest {
        format: Manifest::FORMAT,
        model: "mobilenet-v2".parse().unwrap(),
        version: 2,
        task: Task::Classification {
            labels: vec![
                Label::from_name("Egyptian cat"),
                Label::from_name("espresso"),
            ],
        },
        input: InputSpec {
            name: "input".into(),
            height: 224,
            width: 224,
            dtype: ElementType::F32,
            layout: Layout::Nchw,
            color: ColorOrder::Rgb,
            resize: Resize::CenterCrop { short_side: 256 },
            features: None,
            normalization: Normalization::IMAGENET,
        },
        output: OutputSpec {
            name: "logits".into(),
            activation: Activation::Logits,
        },
        variants: vec![Variant {
            name: "int8".parse().unwrap(),
            engine: EngineKind::OnnxRuntime,
            precision: Precision::Int8,
            blob,
            requirements: Requirements {
                opset: 17,
                ir: 8,
                operators: BTreeSet::from(["Conv".into()]),
                dtypes: BTreeSet::from([ElementType::F32, ElementType::I8]),
                peak_memory: 10 << 20,
                architectures: BTreeSet::new(),
                cpu_features: BTreeSet::new(),
                target: None,
            },
            measured: Measured::default(),
            golden: Golden {
                blob,
                tolerance: 0.5,
            },
            provenance: Provenance {
                source: Digest::of(b"source"),
                recipe: "ptq int8".into(),
                tool: "noroshi 0.1.0".into(),
            },
        }],
    }
}

#[test]
fn json_round_trip() {
    let manifest = sample();
    assert_eq!(
        Manifest::from_json(&manifest.to_json().unwrap()),
        Ok(manifest)
    );
}

#[test]
fn lies_are_refused() {
    let mut manifest = sample();
    manifest.variants.push(manifest.variants[0].clone());
    assert!(
        manifest
            .check()
            .unwrap_err()
            .to_string()
            .contains("same name")
    );

    let mut manifest = sample();
    manifest.input.normalization.deviation[1] = 0.0;
    assert!(manifest.check().is_err());

    let mut manifest = sample();
    manifest.variants[0].blob.length = MAX_MODEL_BYTES + 1;
    assert!(manifest.check().is_err());
}

#[test]
fn only_compiled_files_name_a_target() {
    let mut manifest = sample();
    assert!(
        !String::from_utf8(manifest.to_json().unwrap())
            .unwrap()
            .contains("target")
    );
    manifest.variants[0].engine = EngineKind::OnnxCompiled;
    assert!(manifest.check().unwrap_err().to_string().contains("target"));
    manifest.variants[0].requirements.target = Some(Target {
        runtime: "1.32.0".into(),
        isa: "avx2".into(),
    });
    assert_eq!(
        Manifest::from_json(&manifest.to_json().unwrap()),
        Ok(manifest.clone())
    );
    manifest.variants[0].engine = EngineKind::OnnxRuntime;
    assert!(manifest.check().is_err());
}

#[test]
fn a_newer_format_says_so() {
    let text = br#"{"format": 9, "surprise": true}"#;
    assert_eq!(
        Manifest::from_json(text),
        Err(ManifestError::NewerFormat(9))
    );
}

#[test]
fn unknown_keys_are_refused() {
    let text = String::from_utf8(sample().to_json().unwrap()).unwrap();
    let text = text.replacen("\"format\":1", "\"format\":1,\"sha\":\"\"", 1);
    assert!(matches!(
        Manifest::from_json(text.as_bytes()),
        Err(ManifestError::Malformed(_))
    ));
}

#[test]
fn features_of_windows_are_part_of_the_input() {
    let mut manifest = sample();
    let without = String::from_utf8(manifest.to_json().unwrap()).unwrap();
    assert!(
        !without.contains("\"features\""),
        "older readers would refuse it"
    );
    manifest.input.features = Some(Features {
        channels: 3,
        length: 224,
        hop: 100,
        units: vec![1.0; 3],
        parts: vec![FeaturePart::Correlation],
    });
    let refused = manifest.to_json().unwrap_err().to_string();
    assert!(
        refused.contains("windows of 672 numbers for 150528 values"),
        "{refused}"
    );
    manifest.input.width = 3;
    manifest.input.color = ColorOrder::Gray;
    manifest.input.resize = Resize::Stretch;
    let json = manifest.to_json().unwrap();
    assert_eq!(Manifest::from_json(&json).unwrap(), manifest);
    manifest.input.features.as_mut().unwrap().hop = 0;
    assert!(
        manifest
            .to_json()
            .unwrap_err()
            .to_string()
            .contains("input.features: the hop")
    );
}

proptest! {
    #[test]
    fn reading_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Manifest::from_json(&bytes);
    }

    #[test]
    fn a_changed_byte_never_panics(at in 0usize..900, with in any::<u8>()) {
        let mut bytes = sample().to_json().unwrap();
        let at = at % bytes.len();
        bytes[at] = with;
        let _ = Manifest::from_json(&bytes);
    }
}
