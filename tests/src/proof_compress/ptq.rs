//! Quantization after training on real ImageNet weights, beside onnxruntime.quantization.
//!
//! Photos are split by photo: ranges come from the calibration photos, the method is chosen on the
//! selection photos, and figures are those of the measured ones, on which nothing was chosen. The
//! peer gets the same calibration inputs, and of its methods the one that does best on the measured
//! photos counts.

mod photos;
mod quality;
mod time;

use std::path::PathBuf;

use anyhow::Result;
use noroshi_compress::pickle::StateDict;
use noroshi_compress::{Network, Settings, Weights, build};
use noroshi_onnx::ModelProto;

use crate::assets::asset;
use crate::claims::Claim;
use crate::rows::{Context, Row};

/// The files that are made.
pub(super) const QUALITY: Row = Row {
    name: "ptq",
    settings: "views 4, calibration views 2, seed 1",
    run: quality,
};

/// The time that those files take.
pub(super) const TIME: Row = Row {
    name: "ptq-time",
    settings: "60 rounds of 5",
    run: time,
};

/// A network, and how much of the float file's time its int8 file may take.
struct Subject {
    network: Network,
    word: &'static str,
    weights: &'static str,
    time: f64,
}

const SUBJECTS: [Subject; 2] = [
    Subject {
        network: Network::MobileNetV2,
        word: "mobilenet-v2",
        weights: "weights/mobilenet_v2.pth",
        time: 0.62,
    },
    Subject {
        network: Network::EfficientNetLite0,
        word: "efficientnet-lite0",
        weights: "weights/efficientnet_lite0.pth",
        time: 0.68,
    },
];

impl Subject {
    fn float(&self) -> Result<ModelProto> {
        let state = StateDict::read(&asset(self.weights)?)?;
        let weights = Weights::Trained(&state);
        Ok(build(self.network, &Settings::default(), weights)?)
    }

    /// `fp32`, `ours` and `peer`: where the row of quality leaves the files for that of time.
    fn file(&self, kind: &str) -> Result<PathBuf> {
        let folder = crate::assets::workspace().join("target/proof/compress/ptq");
        std::fs::create_dir_all(&folder)?;
        Ok(folder.join(format!("{}-{kind}.onnx", self.word)))
    }
}

fn quality(_: &Context) -> Result<Vec<Claim>> {
    let mut claims = Vec::new();
    for subject in &SUBJECTS {
        claims.extend(quality::measure(subject)?);
    }
    Ok(claims)
}

fn time(_: &Context) -> Result<Vec<Claim>> {
    let mut claims = Vec::new();
    for subject in &SUBJECTS {
        claims.extend(time::measure(subject)?);
    }
    Ok(claims)
}
