//! Whether the small model still says what the large one says, and what it costs.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use noroshi_compress::{Network, Settings};
use noroshi_engine::{Classifier, ModelSource};
use noroshi_model::EngineKind;
use serde_json::{Value, json};

use crate::assets::{Role, engine_options, photos};
use crate::fleet::Fleet;
use crate::models::Prepared;

/// Views of each photo on which fp32 and int8 are compared.
const VIEWS: &str = "10";

/// Measured in this run.
pub(super) struct Measured {
    pub int8_cpu_ms: f64,
    pub fp32_cpu_ms: f64,
    pub isa: String,
    /// Share of views with the same top label.
    pub agreement: f64,
    pub views: u64,
    /// For each photo with a plain class: what both models say, and whether it is right.
    pub photos: Value,
}

pub(super) async fn measure(fleet: &Fleet, prepared: &Prepared) -> Result<Measured> {
    let measured = photos(Role::Measured)?;
    let files: Vec<String> = measured
        .iter()
        .map(|photo| Ok(photo.file()?.display().to_string()))
        .collect::<Result<_>>()?;
    let (fp32, int8) = (
        prepared.fp32.display().to_string(),
        prepared.int8.display().to_string(),
    );
    let mut arguments = vec!["model", "compare", &fp32, &int8, "--preset", "imagenet"];
    arguments.extend(["--views", VIEWS, "--pictures"]);
    arguments.extend(files.iter().map(String::as_str));
    let report = fleet.noroshi(&arguments).await?;
    let number = |value: &Value| value.as_f64().context("a figure of the comparison");
    let agreement = &report["agreement"];
    Ok(Measured {
        int8_cpu_ms: number(&report["variant"]["latency"][0]["cpu_ms"])?,
        fp32_cpu_ms: number(&report["original"]["latency"][0]["cpu_ms"])?,
        isa: report["isa"].as_str().context("the ISA")?.to_owned(),
        agreement: number(&agreement["same"])? / number(&agreement["of"])?,
        views: agreement["of"].as_u64().context("views")?,
        photos: named(prepared)?,
    })
}

/// What both models answer about the photos whose class is plain.
fn named(prepared: &Prepared) -> Result<Value> {
    let mut fp32 = classifier(&prepared.fp32)?;
    let mut int8 = classifier(&prepared.int8)?;
    let mut answers = BTreeMap::new();
    for photo in photos(Role::Measured)?
        .iter()
        .filter(|photo| !photo.accepted.is_empty())
    {
        let top = |model: &mut Classifier| -> Result<usize> {
            let picture = image::open(photo.file()?)?.to_rgb8();
            let frame = noroshi_engine::Frame::rgb(picture.width(), picture.height(), &picture)?;
            Ok(model.classify(&frame, 1)?.ranked[0].index)
        };
        let (large, small) = (top(&mut fp32)?, top(&mut int8)?);
        let right = photo.accepted.contains(&large) && photo.accepted.contains(&small);
        let answer = json!({ "fp32": large, "int8": small, "right": right });
        answers.insert(photo.name.clone(), answer);
    }
    Ok(json!(answers))
}

fn classifier(file: &Path) -> Result<Classifier> {
    let network: Network = Network::MobileNetV2;
    let engine = noroshi_engine::open(
        EngineKind::OnnxRuntime,
        ModelSource::Path(file),
        &engine_options()?,
    )?;
    let input = network.input_spec(&Settings::default());
    Ok(Classifier::new(
        engine,
        &input,
        &network.output_spec(),
        1000,
    )?)
}
