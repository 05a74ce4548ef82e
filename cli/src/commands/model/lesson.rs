//! `noroshi model teach`: a small new network, or a file that goes on learning.

use std::path::Path;

use noroshi_compress::evaluate::{self, Convention};
use noroshi_engine::{ModelSource, open};
use noroshi_model::{EngineKind, InputSpec, Layout};
use noroshi_train::{
    Attention, Augmentation, Bits, EngineTeacher, Examples, Family, Fitted, INPUT, Loss, Net,
    Recipe, Shape, Targets, Trainer,
};
use serde_json::{Value, json};

use super::measure;
use super::teach::{EPOCHS, Halves, bytes, measured, network, replace};
use crate::args::{Lesson, Small};
use crate::error::{Failure, Tried};
use crate::output;

/// Bits of the first and the last layer.
const EDGES: u8 = 8;

impl From<Small> for Family {
    fn from(small: Small) -> Self {
        match small {
            Small::Mlp => Self::Mlp,
            Small::Cnn => Self::Cnn,
            Small::Depthwise => Self::Depthwise,
            Small::Series => Self::Series,
        }
    }
}

pub(super) fn run(command: &Lesson, as_json: bool) -> Result<(), Failure> {
    let data = measure::read_as(&command.data, || spec(command))?;
    let halves = Halves::of(data, &command.teach)?;
    let learned = Examples::read(&halves.learned).tried("the data")?;
    let held = Examples::read(&halves.held).tried("the data")?;
    let mut teacher = command
        .teacher
        .as_deref()
        .map(|path| teacher(path, command))
        .transpose()?;
    let outputs = outputs(learned.targets(), teacher.as_ref())?;
    let own = command.file.as_deref().map(network).transpose()?;
    let seen_by = |data| seen_by(command.net, own.as_ref(), data);
    let (learned, held) = (seen_by(learned)?, seen_by(held)?);
    let mut net = learner(command, own, &learned, outputs)?;
    let recipe = recipe(command, &learned);
    let attention = attention(command, &net)?;
    try_out(&net, command)?;
    let bar = output::progress(recipe.epochs, EPOCHS, as_json)?;
    let mut trainer = Trainer::new(&recipe);
    if recipe.keep_best {
        trainer = trainer.validation(&held);
    }
    if let Some(teacher) = &mut teacher {
        trainer = trainer.teacher(teacher);
    }
    if let Some(attention) = &attention {
        trainer = trainer.attention(attention);
    }
    if let Some(path) = &command.checkpoint {
        trainer = trainer.checkpoint(path.clone());
    }
    let fitted = trainer
        .fit(&mut net, &learned, &mut |told| {
            bar.set_position(told.epoch as u64);
            bar.set_message(match told.validation {
                Some(score) => format!("loss {:.4}, accuracy {:.4}", told.loss, score.accuracy),
                None => format!("loss {:.4}", told.loss),
            });
        })
        .tried("the training")?;
    bar.finish_and_clear();
    finish(command, &net, &fitted, &halves, as_json)
}

/// Whether what will be written can be run here: told before hours of training, not after.
fn try_out(net: &Net, command: &Lesson) -> Result<(), Failure> {
    let bytes = bytes(net, &command.output)?;
    let options = measure::options(&command.data).engine;
    let source = ModelSource::Bytes(&bytes);
    open(EngineKind::OnnxRuntime, source, &options).tried("the network")?;
    Ok(())
}

/// How pictures become the input of a new network, or of the file.
fn spec(command: &Lesson) -> Result<InputSpec, Failure> {
    let convention = Convention::from(command.data.preset);
    if let Some(file) = &command.file {
        return evaluate::picture_input(file, convention).tried(file.display());
    }
    let (width, height) = command.size.ok_or_else(|| {
        let text = "a new network for pictures needs their size: --size 32x32";
        Failure::Usage(text.into())
    })?;
    let channels = if command.gray { 1 } else { 3 };
    if channels == 1 && matches!(convention, Convention::ImageNet) {
        let text = "gray pictures have no mean of three colours: --preset unit";
        return Err(Failure::Usage(text.into()));
    }
    let name = INPUT.to_owned();
    Ok(convention.input(name, Layout::Nchw, channels, (height, width)))
}

/// Samples in the shape that the learner takes: along time for `series`.
fn seen_by(small: Option<Small>, own: Option<&Net>, data: Examples) -> Result<Examples, Failure> {
    let given = data.shape();
    let wanted = match (small, own) {
        (Some(Small::Series), _) if given.plane() == 1 => Shape::series(1, given.channels),
        (Some(Small::Series), _) if given.channels == 1 => Shape::series(given.height, given.width),
        (None, Some(own)) => own.input(),
        _ => given,
    };
    data.reshaped(wanted).tried("the data")
}

/// The file's own network, in few bits if that is asked for, or a small new one.
fn learner(
    command: &Lesson,
    own: Option<Net>,
    data: &Examples,
    outputs: usize,
) -> Result<Net, Failure> {
    let (Some(net), Some(path)) = (own, &command.file) else {
        let family = command.net.map_or(Family::Mlp, Family::from);
        let seed = command.teach.seed;
        return Net::small(family, data.shape(), outputs, command.width, seed).tried("the network");
    };
    if net.outputs() != outputs {
        return Err(Failure::Usage(format!(
            "{} answers {} numbers, the data have {outputs}: `noroshi model finetune` gives it a \
             head for other classes",
            path.display(),
            net.outputs()
        )));
    }
    let Some(bits) = command.bits else {
        return Ok(net);
    };
    let positive = data.inputs().iter().all(|&number| number >= 0.0);
    let bits = Bits {
        weights: bits,
        activations: bits,
        edges: EDGES,
    };
    net.stepped(bits, positive).tried(path.display())
}

fn recipe(command: &Lesson, data: &Examples) -> Recipe {
    let labelled = matches!(data.targets(), Targets::Classes { .. });
    let loss = match (&command.teacher, data.targets()) {
        (None, Targets::Classes { .. }) => Loss::CrossEntropy { smoothing: 0.0 },
        (_, Targets::Values { .. }) | (None, Targets::Unknown) => Loss::MeanSquared,
        (Some(_), _) => Loss::Distill {
            temperature: command.temperature,
            alpha: if labelled { command.alpha } else { 1.0 },
        },
    };
    Recipe {
        loss,
        augmentation: Augmentation {
            shift: command.shift,
            flip: command.flip,
            ..Augmentation::default()
        },
        patience: command.patience,
        keep_best: labelled,
        ..Recipe::from(&command.teach)
    }
}

fn teacher(path: &Path, command: &Lesson) -> Result<EngineTeacher, Failure> {
    let options = measure::options(&command.data).engine;
    let source = ModelSource::Path(path);
    let engine = open(EngineKind::OnnxRuntime, source, &options).tried(path.display())?;
    let first = engine.outputs().first();
    let width = first.and_then(|output| output.shape.iter().skip(1).copied().product());
    let width: usize = width.ok_or_else(|| {
        Failure::Usage(format!(
            "{}: the size of its first output is not fixed, so that nobody can learn from it",
            path.display()
        ))
    })?;
    Ok(EngineTeacher::new(engine, width))
}

/// Where the teacher looks, if that is asked for.
fn attention(command: &Lesson, net: &Net) -> Result<Option<Attention>, Failure> {
    let (Some(weight), Some(path)) = (command.attention, &command.teacher) else {
        return Ok(None);
    };
    let found = Attention::matching(network(path)?, net, weight).tried(path.display())?;
    Ok(Some(found))
}

/// Numbers that must leave the learner.
fn outputs(targets: &Targets, teacher: Option<&EngineTeacher>) -> Result<usize, Failure> {
    use noroshi_train::Teacher as _;
    match (targets, teacher) {
        (_, Some(teacher)) => Ok(teacher.width()),
        (Targets::Classes { count, .. }, None) => Ok(*count),
        (Targets::Values { width, .. }, None) => Ok(*width),
        (Targets::Unknown, None) => Err(Failure::Usage(
            "nobody says what the samples are: give --targets, or a --teacher".into(),
        )),
    }
}

/// Writes the file unless it lost too much, and tells what it came to.
fn finish(
    command: &Lesson,
    net: &Net,
    fitted: &Fitted,
    halves: &Halves,
    as_json: bool,
) -> Result<(), Failure> {
    let target = &command.output;
    let (told, text) = replace(target, net, |path| judge(command, halves, path))?;
    if as_json {
        return output::json(&json!({
            "file": target, "digest": net.digest(), "parameters": net.parameters(),
            "fitted": fitted, "seed": command.teach.seed, "measured": told,
        }));
    }
    println!("{text}");
    let (epoch, epochs) = (fitted.kept, fitted.epochs);
    println!(
        "{} parameters, as they were after epoch {epoch} of {epochs}; written to {}",
        net.parameters(),
        target.display()
    );
    Ok(())
}

/// The figures on the samples held out, beside the file or the teacher where there is one.
fn judge(command: &Lesson, halves: &Halves, path: &Path) -> Result<(Value, String), Failure> {
    let Some(original) = command.file.as_ref().or(command.teacher.as_ref()) else {
        let (held, groups) = (&halves.held, &halves.groups);
        let options = measure::options(&command.data);
        let found = evaluate::evaluate(path, held, groups, &options, &mut |_| ())
            .tried("the evaluation")?;
        return told(&found);
    };
    let limits = (command.rounds, command.max_loss);
    told(&measured(original, path, &command.data, halves, limits)?)
}

fn told<T: serde::Serialize + std::fmt::Display>(found: &T) -> Result<(Value, String), Failure> {
    let json = serde_json::to_value(found).tried("the figures")?;
    Ok((json, found.to_string()))
}
