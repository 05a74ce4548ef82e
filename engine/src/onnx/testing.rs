//! The library that tests load, and tiny models for it.

use std::path::Path;

use noroshi_model::{
    Activation, ColorOrder, ElementType, EngineKind, InputSpec, Layout, Normalization, OutputSpec,
    Resize,
};

use super::encode::{model, node, value};
use super::library::LibraryOptions;
use crate::classifier::Classifier;
use crate::engine::{ModelSource, Options, open};

/// Where the tests find ONNX Runtime. Without it they fail: a skipped test proves nothing.
pub(crate) fn library() -> LibraryOptions {
    let path = std::env::var_os("NOROSHI_ONNXRUNTIME").map_or_else(
        || {
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../.cache/assets/onnxruntime/libonnxruntime.so")
        },
        Into::into,
    );
    assert!(
        path.exists(),
        "{} is missing: run make setup",
        path.display()
    );
    LibraryOptions {
        path: Some(path),
        sha256: None,
    }
}

/// A classifier of 8x8 pictures into red, green and blue: the mean of each channel is its logit.
pub(crate) fn colors() -> Vec<u8> {
    model(
        (13, 8),
        &[
            node("GlobalAveragePool", &["image"], &["mean"]),
            node("Flatten", &["mean"], &["logits"]),
        ],
        &value("image", &[1, 3, 8, 8]),
        &value("logits", &[1, 3]),
    )
}

/// One operator on a vector of four numbers.
pub(crate) fn operator(name: &str, versions: (u32, u32)) -> Vec<u8> {
    model(
        versions,
        &[node(name, &["x"], &["y"])],
        &value("x", &[4]),
        &value("y", &[4]),
    )
}

/// The manifest's description of the input of [`colors`].
pub(crate) fn color_input() -> InputSpec {
    InputSpec {
        name: "image".into(),
        height: 8,
        width: 8,
        dtype: ElementType::F32,
        layout: Layout::Nchw,
        color: ColorOrder::Rgb,
        resize: Resize::Stretch,
        features: None,
        normalization: Normalization {
            scale: 1.0 / 255.0,
            ..Normalization::NONE
        },
    }
}

/// The manifest's description of the output of [`colors`].
pub(crate) fn color_output() -> OutputSpec {
    OutputSpec {
        name: "logits".into(),
        activation: Activation::Logits,
    }
}

/// The model of [`colors`], open.
pub(crate) fn color_classifier() -> Classifier {
    let options = Options {
        library: library(),
        ..Options::default()
    };
    let bytes = colors();
    let engine = open(
        EngineKind::OnnxRuntime,
        ModelSource::Bytes(&bytes),
        &options,
    );
    Classifier::new(engine.unwrap(), &color_input(), &color_output(), 3).unwrap()
}
