//! `noroshi model binarize`: a network of one-bit weights, taught beside its float twin.

use std::path::Path;

use noroshi_compress::evaluate::{self, Convention, Groups};
use noroshi_compress::report::assess::{self, Assessment, assess};
use noroshi_model::{InputSpec, Layout, Normalization};
use noroshi_service::files::write_atomic;
use noroshi_train::data::{Dataset, Location, Targets};
use noroshi_train::{
    Augmentation, Binarization, Binarized, Body, Examples, INPUT, OneBit, Recipe, Twin, binarize,
};
use serde_json::{Value, json};

use super::push::labels;
use crate::args::{self, Binarize, Inner};
use crate::error::{Failure, Tried};
use crate::output;

/// What bytes are multiplied by: a power of two, so that sums of them are exact.
const UNIT: f32 = 1.0 / 256.0;
/// What stands beside the bar of epochs.
const EPOCHS: &str = "{pos} of {len} epochs, {msg}";

pub(super) fn run(asked: &Binarize, as_json: bool) -> Result<(), Failure> {
    let ends = |ending: &str| asked.output.extension().is_some_and(|end| end == ending);
    if ends("json") || ends("onnx") {
        return Err(Failure::Usage(
            "--output is the packed network's file, such as model.nbin; a .json of that name is \
             written beside it, the float twin goes to --twin"
                .into(),
        ));
    }
    let data = read(asked)?;
    let names = classes(&data)?;
    let groups = Groups::each(data.len());
    let (learned, held) = groups
        .split(asked.teach.held, asked.teach.seed)
        .tried("the data")?;
    let (groups, held) = (groups.select(&held), data.select(&held));
    let learned = data.select(&learned);
    let made = teach(asked, &learned, as_json)?;
    let folder = tempfile::tempdir().tried("a temporary folder")?;
    let twin = asked
        .twin
        .clone()
        .unwrap_or_else(|| folder.path().join("twin.onnx"));
    let onnx = made.twin.export_onnx().tried("the float twin")?;
    let onnx = noroshi_onnx::encode(&onnx).tried("the float twin")?;
    write_atomic(&twin, &onnx).tried(twin.display())?;
    let packed = made.network.write().tried(asked.output.display())?;
    write_atomic(&asked.output, &packed).tried(asked.output.display())?;
    let seen = measured(asked, &twin, &held, &groups)?;
    let card = card(asked, &names, learned.len(), &seen)?;
    let beside = asked.output.with_extension("json");
    let text = serde_json::to_vec_pretty(&card).tried("what is known of the network")?;
    write_atomic(&beside, &text).tried(beside.display())?;
    if as_json {
        return output::json(&card);
    }
    println!("{seen}");
    println!(
        "{} (what is known of it: {}); taught on {} samples, measured on {} others",
        asked.output.display(),
        beside.display(),
        learned.len(),
        held.len()
    );
    Ok(())
}

/// The samples; numbers of bytes are steps of [`UNIT`].
fn read(asked: &Binarize) -> Result<Dataset, Failure> {
    let arrays = asked.data.join("x.npy").exists();
    if asked.data.is_dir() && !arrays && asked.size.is_none() {
        return Err(Failure::Usage(
            "say which size pictures get, such as --size 28x28".into(),
        ));
    }
    let table = asked.data.extension();
    if table.is_some_and(|end| end == "csv" || end == "tsv") {
        return Err(Failure::Usage(
            "columns of a table differ in range, one-bit networks take bytes of one range: \
             noroshi model train is for tables"
                .into(),
        ));
    }
    let names = asked.labels.as_deref().map(labels).transpose()?;
    let mut location = Location {
        samples: asked.data.clone(),
        targets: asked.targets.clone(),
        spec: asked.size.map(|size| pictures(size, asked.color)),
        names: names.map(|names| names.into_iter().map(|label| label.name).collect()),
        ..Location::default()
    };
    let data = Dataset::open(&location).tried("the data")?;
    if !data.is_bytes() {
        return Ok(data);
    }
    location.normalization = Some(bytes());
    Dataset::open(&location).tried("the data")
}

fn bytes() -> Normalization {
    Normalization {
        scale: UNIT,
        ..Normalization::NONE
    }
}

fn pictures((width, height): (u32, u32), color: bool) -> InputSpec {
    let channels = if color { 3 } else { 1 };
    let name = INPUT.to_owned();
    InputSpec {
        normalization: bytes(),
        ..Convention::Bytes.input(name, Layout::Nchw, channels, (height, width))
    }
}

fn classes(data: &Dataset) -> Result<Vec<String>, Failure> {
    match data.targets() {
        Targets::Classes(classes) if classes.names.len() > 1 => Ok(classes.names.clone()),
        Targets::Classes(_) => Err(Failure::Usage(
            "there is one class only: bring samples of two or more".into(),
        )),
        _ => Err(Failure::Usage(
            "one-bit networks are taught classes: a folder for each class, or --targets with one \
             whole number a sample"
                .into(),
        )),
    }
}

fn teach(asked: &Binarize, learned: &Dataset, as_json: bool) -> Result<Binarized, Failure> {
    let widths = |usual: &[usize]| {
        if asked.widths.is_empty() {
            usual.to_vec()
        } else {
            asked.widths.clone()
        }
    };
    let how = Binarization {
        body: match asked.body {
            args::Body::Perceptron => Body::Perceptron(widths(&[512, 512])),
            args::Body::Convolutional => Body::Convolutional(widths(&[64, 64, 128])),
        },
        inner: match asked.inner {
            Inner::W1a1 => OneBit::Signs,
            Inner::Xnor => OneBit::ScaledSigns,
            Inner::W1a2 => OneBit::Levels,
        },
        byte_edges: !asked.one_bit_edges,
        dropout: asked.dropout,
    };
    let recipe = Recipe {
        augmentation: Augmentation {
            shift: asked.shift,
            flip: asked.flip,
            ..Augmentation::default()
        },
        ..Recipe::from(&asked.teach)
    };
    let examples = Examples::read(learned).tried("the data")?;
    let bar = output::progress(2 * recipe.epochs, EPOCHS, as_json)?;
    let made = binarize(&examples, &how, &recipe, &mut |twin, told| {
        bar.inc(1);
        let which = match twin {
            Twin::Float => "float twin",
            Twin::OneBit => "one bit",
        };
        bar.set_message(format!("{which}, loss {:.4}", told.loss));
    })
    .tried("the network")?;
    bar.finish_and_clear();
    Ok(made)
}

fn measured(
    asked: &Binarize,
    twin: &Path,
    held: &Dataset,
    groups: &Groups,
) -> Result<Assessment, Failure> {
    let options = assess::Options {
        evaluate: evaluate::Options {
            engine: noroshi_engine::Options {
                threads: 1,
                ..noroshi_engine::Options::default()
            },
            ..evaluate::Options::default()
        },
        rounds: asked.rounds,
        ..assess::Options::default()
    };
    let variants = [asked.output.clone()];
    assess(twin, &variants, held, groups, &options, &mut |_| ()).tried("the assessment")
}

fn card(
    asked: &Binarize,
    names: &[String],
    learned: usize,
    seen: &Assessment,
) -> Result<Value, Failure> {
    Ok(json!({
        "file": asked.output, "twin": asked.twin, "classes": names, "seed": asked.teach.seed,
        "epochs": asked.teach.epochs, "learned": learned,
        "measured": serde_json::to_value(seen).tried("the figures")?,
    }))
}
