//! What needs no cloud: inspect, export, compare, check.

use std::path::{Path, PathBuf};

use noroshi_compress::{Network, Settings, Weights, binary, inspect, pickle, plot, report, views};
use noroshi_model::{
    Digest, InputSpec, MAX_MANIFEST_BYTES, Manifest, ModelId, OutputSpec, VariantName,
};
use noroshi_onnx as onnx;
use serde_json::json;

use super::{limits, measure};
use crate::args::{self, Preset};
use crate::error::{Failure, Tried};
use crate::output;

/// Bars of a histogram of weights.
const BARS: usize = 64;

pub(super) fn inspect(command: &args::Inspect, as_json: bool) -> Result<(), Failure> {
    let file = &command.file;
    if let Some(seen) = binary::inspect(file).tried(file.display())? {
        if command.weights {
            return Err(Failure::Usage(
                "--weights is for float weights; those of a packed network have one bit".into(),
            ));
        }
        if as_json {
            return output::json(&serde_json::to_value(&seen).tried("the inspection")?);
        }
        println!("{seen}");
        return Ok(());
    }
    let seen = inspect::inspect_file(file).tried(file.display())?;
    let weights = if command.weights {
        let model = onnx::read(file).tried(file.display())?;
        Some(inspect::histograms(&model, BARS).tried(file.display())?)
    } else {
        None
    };
    if let (Some(folder), Some(weights)) = (&command.plots, &weights) {
        let numbered = weights.iter().enumerate();
        let pictures: Vec<_> = numbered
            .map(|(place, weight)| (format!("weights-{place:03}"), plot::weights(weight)))
            .collect();
        measure::write(folder, &pictures)?;
    }
    if as_json {
        let seen = serde_json::to_value(&seen).tried("the inspection")?;
        return output::json(&measure::with_weights(seen, weights.as_ref())?);
    }
    println!("{seen}");
    if let Some(weights) = weights {
        let heads = [
            "WEIGHT",
            "NUMBERS",
            "LOW",
            "HIGH",
            "MEAN",
            "DEVIATION",
            "ZEROS",
        ];
        let rows = weights.iter().map(|weight| {
            vec![
                weight.tensor.clone(),
                weight.elements.to_string(),
                format!("{:.4}", weight.low),
                format!("{:.4}", weight.high),
                format!("{:.4}", weight.mean),
                format!("{:.4}", weight.deviation),
                weight.zeros.to_string(),
            ]
        });
        output::print_table(&heads, rows);
    }
    Ok(())
}

impl Preset {
    /// The network whose convention this is.
    fn network(self) -> Network {
        match self {
            Self::Imagenet => Network::MobileNetV2,
            Self::EfficientnetLite => Network::EfficientNetLite0,
        }
    }

    pub(super) fn input(self) -> InputSpec {
        self.network().input_spec(&Settings::default())
    }

    pub(super) fn output(self) -> OutputSpec {
        self.network().output_spec()
    }
}

pub(super) fn export(export: &args::Export, as_json: bool) -> Result<(), Failure> {
    let network = export.network;
    let own = network.settings();
    let settings = Settings {
        width: export.width.unwrap_or(own.width),
        resolution: export.resolution.unwrap_or(own.resolution),
        classes: export.classes.unwrap_or(own.classes),
    };
    let state = export
        .weights
        .as_deref()
        .map(|path| pickle::StateDict::read(path).tried(path.display()))
        .transpose()?;
    let weights = state
        .as_ref()
        .map_or(Weights::Random(export.seed), Weights::Trained);
    let model = noroshi_compress::build(network, &settings, weights).tried("the network")?;
    onnx::write(&export.output, &model).tried(export.output.display())?;
    let seen = inspect::inspect_file(&export.output).tried("the file that was written")?;
    if as_json {
        return output::json(&json!({
            "file": export.output, "bytes": seen.bytes,
            "parameters": seen.parameters, "folded_parameters": seen.folded_parameters,
            "macs": seen.macs,
        }));
    }
    println!(
        "{}: {}, {} parameters, {} multiply-accumulates",
        export.output.display(),
        output::bytes(seen.bytes),
        seen.parameters,
        seen.macs
    );
    Ok(())
}

/// Files as they are, folders as the pictures inside, in the order of their names.
pub(super) fn pictures(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let is_picture = |path: &PathBuf| {
        let ending = path
            .extension()
            .and_then(|ending| ending.to_str())
            .unwrap_or_default();
        matches!(ending.to_ascii_lowercase().as_str(), "png" | "jpg" | "jpeg")
    };
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let entries = std::fs::read_dir(path).tried(path.display())?;
            let mut inside: Vec<PathBuf> = entries
                .filter_map(|entry| Some(entry.ok()?.path()))
                .filter(is_picture)
                .collect();
            inside.sort();
            if inside.is_empty() {
                return Err(Failure::Usage(format!(
                    "{} has no PNG or JPEG",
                    path.display()
                )));
            }
            files.extend(inside);
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

pub(super) fn compare(command: &args::Compare, as_json: bool) -> Result<(), Failure> {
    let inputs = views::inputs(
        &pictures(&command.pictures)?,
        &command.preset.input(),
        command.views,
    )
    .tried("the pictures")?;
    let options = report::Options::default();
    let report = report::compare(&command.reference, &command.other, &inputs, &options)
        .tried("the comparison")?;
    if as_json {
        return output::json(&serde_json::to_value(&report).tried("the report")?);
    }
    println!("{report}");
    Ok(())
}

/// Checks one file of a manifest. A program reads the answer from standard output either way.
pub(super) fn check(command: &args::Check, as_json: bool) -> Result<(), Failure> {
    let checked = agrees(command);
    if as_json && let Err(failure) = &checked {
        output::json(&json!({ "ok": false, "error": failure.to_string() }))?;
    }
    let (model, named) = checked?;
    if as_json {
        return output::json(&json!({ "ok": true, "model": model, "variants": named }));
    }
    println!("the file is what the manifest of {model} says");
    Ok(())
}

/// The model, and its variants that name this file; limits are set before the first byte is read.
fn agrees(command: &args::Check) -> Result<(ModelId, Vec<VariantName>), Failure> {
    limits::limit(command.memory_limit, command.cpu_seconds)?;
    let path = &command.manifest;
    let length = std::fs::metadata(path).tried(path.display())?.len();
    if length > MAX_MANIFEST_BYTES as u64 {
        return Err(Failure::Failed(format!(
            "the manifest has {length} bytes: too many"
        )));
    }
    let bytes = std::fs::read(path).tried(path.display())?;
    let manifest = Manifest::from_json(&bytes).tried("the manifest")?;
    let digest = digest_of(&command.blob)?;
    let named: Vec<VariantName> = manifest
        .variants
        .iter()
        .filter(|variant| variant.blob.sha256 == digest)
        .map(|variant| variant.name.clone())
        .collect();
    if named.is_empty() {
        return Err(Failure::Failed(
            "no variant of the manifest names this file".into(),
        ));
    }
    for name in &named {
        noroshi_compress::release::check_manifest(&manifest, name, &command.blob)
            .tried(format!("variant {name}"))?;
    }
    Ok((manifest.model, named))
}

/// SHA-256 of a file.
pub(super) fn digest_of(file: &Path) -> Result<Digest, Failure> {
    let (digest, _) = noroshi_service::files::digest(file).tried(file.display())?;
    Ok(Digest::from_bytes(digest))
}

/// A model's id, or what is wrong with it.
pub(super) fn model_id(text: &str) -> Result<ModelId, Failure> {
    text.parse()
        .map_err(|error: noroshi_model::NameError| Failure::Usage(error.to_string()))
}
