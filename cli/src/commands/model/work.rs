//! `noroshi model work`: the cloud's compression worker. It reads foreign files, so it limits itself
//! first, and leaves nothing but files in its folder.

use std::path::{Path, PathBuf};

use noroshi_compress::quantize::{Goal, Options, Sensitivity, Study, Within};
use noroshi_compress::release::{self, Content, Description, Source};
use noroshi_compress::report::{self, Report};
use noroshi_compress::{inspect, views};
use noroshi_model::{InputSpec, Label, Latency, Measured, ModelId, Resize, Task};
use noroshi_onnx as onnx;
use noroshi_service::files;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{figures, limits};
use crate::args::{self, Preset};
use crate::error::{Failure, Tried};
use crate::output;

/// Most bytes of an order.
const MOST_ORDER: u64 = 16 << 20;
/// Of so many pictures one is not calibrated with: the loss is measured on it.
const MEASURED: usize = 3;
/// Views of each of those.
const VIEWS: usize = 4;
/// Pictures in the golden set.
const GOLDEN: usize = 2;
/// Layers that may stay float to keep the loss within its limit.
const SPARED: usize = 8;

/// `work.json`, as the cloud writes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    model: ModelId,
    source: PathBuf,
    photos: Vec<PathBuf>,
    labels: Vec<String>,
    preset: Preset,
    max_loss: f64,
}

/// Works, and tells a failure on standard output too, where the cloud reads it.
pub(super) fn run(command: &args::Work) -> Result<(), Failure> {
    // A worker whose cloud is gone has nobody to work for.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        .tried("the parent's death signal")?;
    let worked = limits::limit(command.memory_limit, command.cpu_seconds)
        .and_then(|()| work(&command.folder));
    if let Err(failure) = &worked {
        output::json(&json!({ "ok": false, "error": failure.to_string() }))?;
    }
    worked
}

fn work(folder: &Path) -> Result<(), Failure> {
    let path = folder.join("work.json");
    let order = files::read_bounded(&path, MOST_ORDER).tried("the order")?;
    let order: Order = serde_json::from_slice(&order).tried("the order")?;
    let out = folder.join("out");
    let model = onnx::read(&order.source).tried("the model")?;
    let seen = inspect::inspect(&model).tried("the model")?;
    let description = description(&order, &seen)?;

    let (measured, calibration): (Vec<_>, Vec<_>) = order
        .photos
        .iter()
        .enumerate()
        .partition(|(place, _)| place % MEASURED == MEASURED - 1);
    let paths = |of: &[(usize, &PathBuf)]| -> Vec<PathBuf> {
        of.iter().map(|(_, path)| (*path).clone()).collect()
    };
    let (measured, calibration) = (paths(&measured), paths(&calibration));
    let measured = if measured.is_empty() {
        &calibration
    } else {
        &measured
    };
    let spec = &description.input;
    let inputs = views::inputs(&calibration, spec, 1).tried("the pictures")?;
    let selection = views::inputs(measured, spec, VIEWS).tried("the pictures")?;
    let goal = Goal {
        inputs: &selection,
        labels: None,
        max_loss: order.max_loss / 100.0,
    };
    let options = Options::default();
    let mut silent = |_| {};
    let study = Study::new(&model, &inputs, &options, &mut silent).tried("the model")?;
    let mut made = study
        .within(&goal, SPARED, &options, &mut silent)
        .tried("the model")?;
    if made.sensitivity.is_empty() {
        let few = &selection[..selection.len().min(VIEWS)];
        made.sensitivity = study
            .sensitivity(few, &options, &mut silent)
            .tried("the layers")?;
    }
    let int8 = out.join("int8.onnx");
    onnx::write(&int8, &made.quantized.model).tried("the compressed model")?;

    let beside = report::compare(
        &order.source,
        &int8,
        &selection,
        &report::Options::default(),
    )
    .tried("the comparison")?;
    let golden: Vec<views::Photo> = measured
        .iter()
        .take(GOLDEN)
        .map(|path| views::Photo::open(path).tried("a picture"))
        .collect::<Result<_, _>>()?;
    let sources = sources(&order.source, &int8, &beside)?;
    let prepared =
        release::prepare(description, &sources, &golden, &options.engine).tried("the version")?;
    for (blob, content) in &prepared.blobs {
        let path = out.join(blob.sha256.to_string());
        match content {
            // What came from the cloud is there already.
            Content::File(file) if *file == order.source => {}
            Content::File(file) => std::fs::rename(file, &path).tried("the compressed model")?,
            Content::Bytes(bytes) => files::write_atomic(&path, bytes).tried("the golden set")?,
        }
    }
    let manifest = prepared.manifest.to_json().tried("the manifest")?;
    files::write_atomic(&out.join("manifest.json"), &manifest).tried("the manifest")?;
    let mut report = told(&beside, &made, measured.len(), calibration.len())?;
    report["bits"] = figures::bits(&study, &goal, &options)?;
    report["weights"] = figures::weights(&model)?;
    files::write_atomic(&out.join("report.json"), report.to_string().as_bytes()).tried("the report")
}

/// What the version is: the preset's convention, with names and sizes of the file itself.
fn description(order: &Order, seen: &inspect::Inspection) -> Result<Description, Failure> {
    let preset = order.preset;
    let wrong = |text: &str| Failure::Failed(format!("the model {text}"));
    let [input] = seen.inputs.as_slice() else {
        return Err(wrong("has several inputs; only one picture goes in"));
    };
    let own = preset.input();
    let side = |place: usize| input.shape.get(place).copied().flatten();
    let (Some(3), Some(height), Some(width)) = (side(1), side(2), side(3)) else {
        return Err(wrong(&format!(
            "takes {:?}; give it an input of [1, 3, height, width]",
            input.shape
        )));
    };
    let (height, width) = (
        u32::try_from(height).tried("the model's height")?,
        u32::try_from(width).tried("the model's width")?,
    );
    let output = seen.outputs.first().ok_or_else(|| wrong("has no output"))?;
    let mut spec = preset.output();
    spec.name.clone_from(&output.name);
    let short_side = match own.resize {
        // In the proportion of the preset.
        Resize::CenterCrop { short_side } => {
            (u64::from(short_side) * u64::from(height.max(width))).div_ceil(u64::from(own.height))
        }
        _ => u64::from(height.max(width)),
    };
    Ok(Description {
        model: order.model.clone(),
        // The cloud gives it the next one.
        version: 1,
        task: Task::Classification {
            labels: Label::from_names(order.labels.iter().map(String::as_str)),
        },
        input: InputSpec {
            name: input.name.clone(),
            height,
            width,
            resize: Resize::CenterCrop {
                short_side: u32::try_from(short_side).tried("the model's height")?,
            },
            ..own
        },
        output: spec,
    })
}

/// The variants, best first.
fn sources(fp32: &Path, int8: &Path, beside: &Report) -> Result<Vec<Source>, Failure> {
    let digest = release::blob_of(fp32).tried("the model")?.sha256;
    let measured = |side: &report::Side, agreement| Measured {
        parameters: side.parameters,
        macs: side.macs,
        agreement,
        latency: side
            .latency
            .iter()
            .map(|time| Latency {
                chip: beside.isa.to_owned(),
                cpu_ms: time.cpu_ms,
            })
            .collect(),
    };
    let source = |name: &str, path: &Path, measured, recipe: &str, source| {
        Ok(Source {
            name: name.parse().tried("the variant's name")?,
            path: path.to_owned(),
            measured,
            recipe: recipe.to_owned(),
            source,
            tolerance: None,
        })
    };
    Ok(vec![
        source(
            "int8",
            int8,
            measured(&beside.variant, Some(beside.agreement)),
            "static int8, per channel, by the cloud",
            Some(digest),
        )?,
        source(
            "fp32",
            fp32,
            measured(&beside.original, None),
            "as uploaded",
            None,
        )?,
    ])
}

/// What the console and the command show.
fn told(
    beside: &Report,
    made: &Within,
    measured: usize,
    calibrated: usize,
) -> Result<Value, Failure> {
    let share = |same: u64, of: u64| same as f64 / of.max(1) as f64;
    let agreement = beside.agreement;
    let time = |side: &report::Side| side.latency.first().map(|time| time.cpu_ms);
    let points = json!([
        {
            "variant": "fp32", "bytes": beside.original.bytes,
            "cpu_ms": time(&beside.original), "agreement": 1.0, "low": 1.0, "high": 1.0,
        },
        {
            "variant": "int8", "bytes": beside.variant.bytes,
            "cpu_ms": time(&beside.variant),
            "agreement": share(agreement.same, agreement.of),
            "low": agreement.low, "high": agreement.high,
        },
    ]);
    Ok(json!({
        "points": points,
        "beside": serde_json::to_value(beside).tried("the report")?,
        "loss": serde_json::to_value(made.loss).tried("the loss")?,
        "spared": serde_json::to_value(&made.spared).tried("the layers")?,
        "sensitivity": sensitivity(&made.sensitivity),
        "pictures": { "calibrated": calibrated, "measured": measured },
        "text": format!("{beside}{}", made.loss),
    }))
}

/// The most sensitive layers first, as many as anybody reads.
fn sensitivity(layers: &[Sensitivity]) -> Value {
    const SHOWN: usize = 64;
    let mut layers: Vec<_> = layers.iter().collect();
    layers.sort_by(|a, b| a.decibels.total_cmp(&b.decibels));
    layers
        .into_iter()
        .take(SHOWN)
        .map(|layer| json!({ "layer": layer.layer, "decibels": layer.decibels }))
        .collect()
}
