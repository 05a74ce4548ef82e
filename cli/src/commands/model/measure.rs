//! `noroshi model evaluate` and `report`: models on somebody's data.

use std::path::Path;

use noroshi_compress::evaluate::{self, Convention, Groups};
use noroshi_compress::plot::Plot;
use noroshi_compress::report::{assess, bit_widths, page};
use noroshi_model::{InputSpec, Normalization};
use noroshi_train::data::{self, Dataset, Location, Numbers, csv, npy};
use serde_json::Value;

use super::push::labels;
use crate::args;
use crate::error::{Failure, Tried};
use crate::output;

/// What stands beside a bar of samples.
const SAMPLES: &str = "{pos} of {len} samples, {eta} left";
/// What stands beside a bar of steps.
const STEPS: &str = "{pos} of {len}  {msg}";

impl From<args::Convention> for Convention {
    fn from(convention: args::Convention) -> Self {
        match convention {
            args::Convention::Imagenet => Self::ImageNet,
            args::Convention::EfficientnetLite => Self::EfficientNetLite,
            args::Convention::Unit => Self::Unit,
            args::Convention::Bytes => Self::Bytes,
        }
    }
}

pub(super) fn evaluate(command: &args::Evaluate, as_json: bool) -> Result<(), Failure> {
    let (data, groups) = read(&command.data, &command.file)?;
    let options = options(&command.data);
    let bar = output::progress(data.len(), SAMPLES, as_json)?;
    let mut seen = |done: usize| bar.set_position(done as u64);
    match &command.against {
        None => {
            let found = evaluate::evaluate(&command.file, &data, &groups, &options, &mut seen)
                .tried(command.file.display())?;
            bar.finish_and_clear();
            show(as_json, &found)
        }
        Some(reference) => {
            let file = &command.file;
            let found = evaluate::compare(reference, file, &data, &groups, &options, &mut seen)
                .tried("the comparison")?;
            bar.finish_and_clear();
            show(as_json, &found)
        }
    }
}

pub(super) fn report(command: &args::Report, as_json: bool) -> Result<(), Failure> {
    let (data, groups) = read(&command.data, &command.original)?;
    let options = assess::Options {
        evaluate: options(&command.data),
        rounds: command.rounds,
        ..assess::Options::default()
    };
    let rounds = 1 + command.variants.len();
    let bar = output::progress(data.len() * rounds, SAMPLES, as_json)?;
    let (original, variants) = (&command.original, &command.variants);
    let mut seen = assess::assess(original, variants, &data, &groups, &options, &mut |_| {
        bar.inc(1);
    })
    .tried("the assessment")?;
    bar.finish_and_clear();
    if command.bits {
        let bar = output::progress(0, STEPS, as_json)?;
        let evaluated = &options.evaluate;
        let bits = bit_widths(original, &data, evaluated, &mut |step| {
            bar.set_length(step.of as u64);
            bar.set_position(step.done as u64);
            bar.set_message(step.stage);
        });
        seen.bits = Some(bits.tried(original.display())?);
        bar.finish_and_clear();
    }
    if let Some(path) = &command.page {
        let html = page::html(&seen).tried("the page")?;
        std::fs::write(path, html).tried(path.display())?;
    }
    if let Some(folder) = &command.plots {
        write(folder, &page::pictures(&seen))?;
    }
    show(as_json, &seen)
}

/// Writes each picture as SVG and PNG; one without anything to draw is left out.
pub(super) fn write(folder: &Path, pictures: &[(String, Plot)]) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).tried(folder.display())?;
    for (name, picture) in pictures {
        let Ok(svg) = picture.svg() else { continue };
        let path = folder.join(format!("{name}.svg"));
        std::fs::write(&path, svg).tried(path.display())?;
        let path = folder.join(format!("{name}.png"));
        let png = picture.png().tried(name)?;
        std::fs::write(&path, png).tried(path.display())?;
    }
    Ok(())
}

fn show<T: serde::Serialize + std::fmt::Display>(as_json: bool, found: &T) -> Result<(), Failure> {
    if as_json {
        return output::json(&serde_json::to_value(found).tried("the figures")?);
    }
    println!("{found}");
    Ok(())
}

/// The data, and which samples belong together; `model` says the size of pictures.
pub(super) fn read(from: &args::Data, model: &Path) -> Result<(Dataset, Groups), Failure> {
    read_as(from, || {
        evaluate::picture_input(model, from.preset.into()).tried(model.display())
    })
}

/// The same with pictures of another kind, which `spec` is asked for if there are any.
pub(super) fn read_as(
    from: &args::Data,
    spec: impl FnOnce() -> Result<InputSpec, Failure>,
) -> Result<(Dataset, Groups), Failure> {
    let names = from.labels.as_deref().map(labels).transpose()?;
    // A folder of arrays needs no picture size, and a model may take something else than pictures.
    let pictures = from.data.is_dir() && !from.data.join("x.npy").exists();
    let spec = pictures.then(spec).transpose()?;
    let location = Location {
        samples: from.data.clone(),
        targets: from.targets.clone(),
        spec,
        names: names.map(|names| names.into_iter().map(|label| label.name).collect()),
        table: csv::Table {
            target: from.column.clone(),
            unlabelled: from.unlabelled,
            kind: if from.figures {
                csv::TargetKind::Figures
            } else {
                csv::TargetKind::Auto
            },
        },
        normalization: from.scale.map(|scale| Normalization {
            scale,
            ..Normalization::NONE
        }),
    };
    let data = Dataset::open(&location).tried("the data")?;
    let groups = match &from.groups {
        None => Groups::each(data.len()),
        Some(path) => groups(path)?,
    };
    Ok((data, groups))
}

fn groups(path: &Path) -> Result<Groups, Failure> {
    let array = npy::read(path).tried("the groups")?;
    let numbers: Vec<i64> = match array.numbers() {
        Numbers::I64(numbers) => numbers.clone(),
        Numbers::U8(numbers) => numbers.iter().map(|&number| i64::from(number)).collect(),
        Numbers::F32(_) => {
            let path = path.to_path_buf();
            let reason = "groups are whole numbers; convert with array.astype('<i8')".into();
            return Err(data::DataError::Unusable { path, reason }).tried("the groups");
        }
    };
    Ok(Groups::new(&numbers))
}

pub(super) fn options(from: &args::Data) -> evaluate::Options {
    evaluate::Options {
        engine: noroshi_engine::Options {
            threads: from.threads,
            ..noroshi_engine::Options::default()
        },
        top: from.top,
        output: from.answer.clone(),
        ..evaluate::Options::default()
    }
}

/// An inspection as JSON, with histograms of the weights if they are there.
pub(super) fn with_weights<T: serde::Serialize>(
    seen: Value,
    weights: Option<&T>,
) -> Result<Value, Failure> {
    let mut seen = seen;
    if let (Some(weights), Some(fields)) = (weights, seen.as_object_mut()) {
        let weights = serde_json::to_value(weights).tried("the histograms")?;
        fields.insert("weights".into(), weights);
    }
    Ok(seen)
}
