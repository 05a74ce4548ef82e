//! `noroshi model push`: files become a version with a manifest, and go to the cloud.

mod gray;
mod rows;

use std::path::{Path, PathBuf};

use noroshi_compress::{binary, evaluate, inspect, release, report, views};
use noroshi_engine::Frame;
use noroshi_engine::compiled::read_header;
use noroshi_model::{Activation, Blob, InputSpec, Label, Latency, Measured, OutputSpec, Task};
use serde::Deserialize;
use serde_json::json;

use super::local::{digest_of, model_id, pictures};
use crate::api::Api;
use crate::args::{Convention, Preset, Push};
use crate::error::{Failure, Tried};
use crate::output::{self, field};

/// Views of each picture on which a variant is compared with its source.
const VIEWS: usize = 10;
/// Views for the source itself, which agrees with itself: enough to take its time.
const OWN_VIEWS: usize = 10;

pub(super) async fn run(api: &Api, push: &Push, as_json: bool) -> Result<(), Failure> {
    let version = match push.version {
        Some(version) => version,
        None => next_version(api, &push.model).await?,
    };
    let prepared = prepare(push, version)?;
    for (blob, content) in &prepared.blobs {
        upload(api, blob, content, as_json).await?;
    }
    let path = format!("/models/{}/versions", push.model);
    let manifest = prepared.manifest.to_json().tried("the manifest")?;
    let published = api.post_bytes(&path, manifest).await?;
    if as_json {
        return output::json(&published);
    }
    println!(
        "{} version {} is released",
        field(&published, "model"),
        field(&published, "version")
    );
    Ok(())
}

pub(super) fn dry_run(push: &Push, as_json: bool) -> Result<(), Failure> {
    let folder = push.dry_run.as_deref().expect("asked for");
    let prepared = prepare(push, push.version.unwrap_or(1))?;
    std::fs::create_dir_all(folder).tried(folder.display())?;
    let manifest = prepared.manifest.to_json().tried("the manifest")?;
    let path = folder.join("manifest.json");
    std::fs::write(&path, &manifest).tried(path.display())?;
    for (blob, content) in &prepared.blobs {
        let path = folder.join(blob.sha256.to_string());
        match content {
            release::Content::File(file) => {
                std::fs::copy(file, &path).tried(path.display())?;
            }
            release::Content::Bytes(bytes) => std::fs::write(&path, bytes).tried(path.display())?,
        }
    }
    if as_json {
        return output::json(&json!({ "manifest": path }));
    }
    println!("nothing was sent; the manifest is {}", path.display());
    Ok(())
}

async fn next_version(api: &Api, model: &str) -> Result<u32, Failure> {
    match api.get(&format!("/models/{model}")).await {
        Ok(model) => Ok(model["latest"].as_u64().unwrap_or_default() as u32 + 1),
        Err(Failure::Refused { status: 404, .. }) => Ok(1),
        Err(other) => Err(other),
    }
}

/// The part of what `noroshi model train` writes that names classes.
#[derive(Deserialize)]
struct Card {
    classes: Vec<String>,
}

pub(super) fn labels(file: &Path) -> Result<Vec<Label>, Failure> {
    let text = std::fs::read_to_string(file).tried(file.display())?;
    let names: Vec<String> = if text.trim_start().starts_with('{') {
        let card: Card = serde_json::from_str(&text).tried(file.display())?;
        card.classes
    } else if text.trim_start().starts_with('[') {
        serde_json::from_str(&text).tried(file.display())?
    } else {
        text.lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect()
    };
    Ok(Label::from_names(names.iter().map(String::as_str)))
}

/// How pictures become the input, and what the output is.
fn specs(push: &Push) -> Result<(InputSpec, OutputSpec), Failure> {
    if push.rows {
        return gray::row_specs(&push.variants[0].1);
    }
    match (push.gray, push.preset) {
        (Some(size), _) => return gray::specs(&push.variants[0].1, size),
        (None, Some(convention)) => return convened(push, convention),
        (None, None) => {}
    }
    for (_, path) in &push.variants {
        if let Some(network) = binary::packed(path).tried(path.display())? {
            let input = binary::picture_input(&network).tried(path.display())?;
            return Ok((input, binary::output_spec(&network)));
        }
    }
    Err(Failure::Usage(
        "say how pictures become inputs: --preset, or --gray or --rows for .ntm files".into(),
    ))
}

fn prepare(push: &Push, version: u32) -> Result<release::Prepared, Failure> {
    let (input, output) = specs(push)?;
    let shown = if push.rows {
        Shown::Rows(rows::read(&push.golden, &input)?)
    } else {
        Shown::Pictures(pictures(&push.golden)?)
    };
    let source = push
        .source
        .clone()
        .unwrap_or_else(|| push.variants[0].1.clone());
    let source_digest = digest_of(&source)?;
    let views = match &shown {
        Shown::Rows(rows) => rows::inputs(rows, &input)?,
        Shown::Pictures(golden) => {
            let compared = match push.measured.as_slice() {
                [] => golden.clone(),
                measured => pictures(measured)?,
            };
            views::inputs(&compared, &input, VIEWS).tried("the pictures to compare on")?
        }
    };
    let own = &views[..views.len().min(OWN_VIEWS)];
    let mut variants = Vec::new();
    for (name, path) in &push.variants {
        let derived = digest_of(path)? != source_digest;
        variants.push(release::Source {
            name: name.parse().tried("the variant's name")?,
            path: path.clone(),
            measured: measure(path, &source, if derived { &views } else { own })?,
            recipe: recipe(path, derived.then_some(&push.made_by))?,
            source: derived.then_some(source_digest),
            tolerance: None,
        });
    }
    let description = release::Description {
        model: model_id(&push.model)?,
        version,
        task: Task::Classification {
            labels: labels(&push.labels)?,
        },
        input,
        output,
    };
    let options = noroshi_engine::Options::default();
    let prepared = match &shown {
        Shown::Pictures(golden) => {
            let photos: Vec<views::Photo> = golden
                .iter()
                .map(|path| views::Photo::open(path).tried(path.display()))
                .collect::<Result<_, _>>()?;
            release::prepare(description, &variants, &photos, &options)
        }
        Shown::Rows(rows) => {
            let frames = rows.iter().map(|row| Frame::numbers(row));
            let frames: Vec<Frame<'_>> = frames.collect::<Result<_, _>>().tried("the rows")?;
            release::prepare_on(description, &variants, &frames, &options)
        }
    };
    prepared.tried("the version can't be prepared")
}

/// What every device must answer as this machine does.
enum Shown {
    /// Files of pictures.
    Pictures(Vec<PathBuf>),
    /// Rows of numbers, four bytes each, little-endian.
    Rows(Vec<Vec<u8>>),
}

/// What goes in and comes out, as the first .onnx file among the variants and their source says;
/// if all are compiled, as the preset's own network has it.
fn convened(push: &Push, convention: Convention) -> Result<(InputSpec, OutputSpec), Failure> {
    let files = push.variants.iter().map(|(_, path)| path);
    for path in files.chain(&push.source) {
        let compiled = read_header(path).tried(path.display())?.is_some();
        if compiled || binary::packed(path).tried(path.display())?.is_some() {
            continue;
        }
        let input = evaluate::picture_input(path, convention.into()).tried(path.display())?;
        let seen = inspect::inspect_file(path).tried(path.display())?;
        let output = seen.outputs.first();
        let name = output.map_or(String::new(), |output| output.name.clone());
        let output = OutputSpec {
            name,
            activation: Activation::Logits,
        };
        return Ok((input, output));
    }
    let preset = match convention {
        Convention::Imagenet => Preset::Imagenet,
        Convention::EfficientnetLite => Preset::EfficientnetLite,
        Convention::Unit | Convention::Bytes => {
            return Err(Failure::Usage(
                "a compiled file does not say the size of its pictures: name the .onnx file that \
                 it was made from with --source"
                    .into(),
            ));
        }
    };
    Ok((preset.input(), preset.output()))
}

/// How the file at `path` was made, as far as can be told.
fn recipe(path: &Path, made_by: Option<&String>) -> Result<String, Failure> {
    if binary::packed(path).tried(path.display())?.is_some() {
        return Ok("one-bit weights, taught and packed".to_owned());
    }
    Ok(made_by.map_or_else(|| "as given".to_owned(), Clone::clone))
}

/// What the variant costs and how far it agrees with its source, measured here and now.
fn measure(
    path: &Path,
    source: &Path,
    inputs: &[noroshi_engine::Tensor],
) -> Result<Measured, Failure> {
    if let Some(measured) = gray::measured(path, inputs)? {
        return Ok(measured);
    }
    let report =
        report::compare(source, path, inputs, &report::Options::default()).tried(path.display())?;
    let here = |time: &report::EngineTime| Latency {
        chip: report.isa.to_owned(),
        cpu_ms: time.cpu_ms,
    };
    Ok(Measured {
        parameters: report.variant.parameters,
        macs: report.variant.macs,
        agreement: Some(report.agreement),
        latency: report.variant.latency.iter().map(here).collect(),
    })
}

pub(super) async fn upload(
    api: &Api,
    blob: &Blob,
    content: &release::Content,
    quiet: bool,
) -> Result<(), Failure> {
    let sha256 = blob.sha256.to_string();
    if api.has_blob(&sha256).await? {
        return Ok(());
    }
    let folder = tempfile::tempdir().tried("a temporary folder")?;
    let file = match content {
        release::Content::File(file) => file.clone(),
        release::Content::Bytes(bytes) => {
            let path = folder.path().join("blob");
            std::fs::write(&path, bytes).tried(path.display())?;
            path
        }
    };
    let text = "{bytes} of {total_bytes}  {msg}";
    let bar = output::progress(blob.length as usize, text, quiet)?;
    bar.set_message(format!("upload {}", blob.sha256.short()));
    let moving = bar.clone();
    api.put_blob(&sha256, &file, move |bytes| moving.inc(bytes))
        .await?;
    bar.finish_and_clear();
    Ok(())
}
