//! `noroshi model prune` and `finetune`: networks of one's own, taught on one's own data.

use std::path::Path;

use noroshi_compress::evaluate::Groups;
use noroshi_compress::report::assess::{self, Assessment, assess};
use noroshi_onnx as onnx;
use noroshi_service::files;
use noroshi_train::data::Dataset;
use noroshi_train::{
    ChannelCriterion, ChannelPruning, Criterion, Examples, Finetuning, Kept, LayerChannels, Net,
    Progress, Pruning, Recipe, finetune as finetune_net, kept, prune_and_retrain,
    prune_channels_and_retrain, write_sparse,
};
use serde_json::json;

use super::measure;
use crate::args::{self, By, What};
use crate::error::{Failure, Tried};
use crate::output;

/// What stands beside a bar of epochs.
pub(super) const EPOCHS: &str = "{pos} of {len} epochs, {msg}";

impl From<&args::Teach> for Recipe {
    fn from(teach: &args::Teach) -> Self {
        Self {
            epochs: teach.epochs,
            batch: teach.batch,
            rate: teach.rate,
            weight_decay: teach.weight_decay,
            seed: teach.seed,
            threads: teach.workers,
            ..Self::default()
        }
    }
}

/// Samples to learn from, and samples that are held out with their groups.
pub(super) struct Halves {
    pub(super) learned: Dataset,
    pub(super) held: Dataset,
    pub(super) groups: Groups,
}

impl Halves {
    pub(super) fn read(
        data: &args::Data,
        teach: &args::Teach,
        model: &Path,
    ) -> Result<Self, Failure> {
        Self::of(measure::read(data, model)?, teach)
    }

    pub(super) fn of(
        (all, groups): (Dataset, Groups),
        teach: &args::Teach,
    ) -> Result<Self, Failure> {
        let (learned, held) = groups.split(teach.held, teach.seed).tried("the data")?;
        Ok(Self {
            learned: all.select(&learned),
            held: all.select(&held),
            groups: groups.select(&held),
        })
    }
}

/// The network of a file, or the operators that are in the way.
pub(super) fn network(path: &Path) -> Result<Net, Failure> {
    let model = onnx::read(path).tried(path.display())?;
    Net::import_onnx(&model).tried(path.display())
}

pub(super) fn prune(command: &args::Prune, as_json: bool) -> Result<(), Failure> {
    let mut net = network(&command.file)?;
    let halves = Halves::read(&command.data, &command.teach, &command.file)?;
    let data = Examples::read(&halves.learned).tried("the data")?;
    let recipe = Recipe::from(&command.teach);
    let bar = output::progress(command.steps * command.teach.epochs, EPOCHS, as_json)?;
    let mut progress = |step: usize, told: Progress| {
        bar.inc(1);
        bar.set_message(format!("step {step}, loss {:.4}", told.loss));
    };
    let pruned = match command.method {
        What::Channels => {
            let pruning = ChannelPruning {
                keep: command.keep,
                by: match command.by {
                    By::Norm => ChannelCriterion::Norm,
                    By::Scale => ChannelCriterion::Scale,
                },
                spare: command.spare.clone(),
                multiple: command.multiple,
            };
            let steps = command.steps;
            prune_channels_and_retrain(&mut net, &data, &recipe, &pruning, steps, &mut progress)
                .map(Pruned::Channels)
        }
        What::Magnitude => {
            let layers = net.layers().iter().filter(|node| node.weights().is_some());
            let pruning = Pruning {
                keep: vec![command.keep; layers.count()],
                steps: command.steps,
                by: Criterion::Magnitude,
            };
            prune_and_retrain(&mut net, &data, &recipe, &pruning, &mut progress)
                .and_then(|left| Ok(Pruned::Weights(left, write_sparse(&net)?)))
        }
    };
    let pruned = pruned.tried(command.file.display())?;
    bar.finish_and_clear();
    let sparse = match &pruned {
        Pruned::Channels(_) => None,
        Pruned::Weights(_, sparse) => Some(sparse.as_slice()),
    };
    let seen = put(command, &net, sparse, &halves)?;
    pruned.show(&net, &seen, command, as_json)
}

/// What pruning left.
enum Pruned {
    Channels(Vec<LayerChannels>),
    /// With the file of these weights alone.
    Weights(Kept, Vec<u8>),
}

impl Pruned {
    fn show(
        &self,
        net: &Net,
        seen: &Assessment,
        command: &args::Prune,
        as_json: bool,
    ) -> Result<(), Failure> {
        let seen_json = serde_json::to_value(seen).tried("the figures")?;
        match self {
            Self::Channels(layers) if as_json => output::json(&json!({
                "file": command.output, "digest": net.digest(), "layers": layers,
                "measured": seen_json,
            })),
            Self::Weights(left, sparse) if as_json => output::json(&json!({
                "file": command.output, "digest": net.digest(), "kept": left.kept,
                "total": left.total, "sparse_bytes": sparse.len(), "speed_gain": false,
                "measured": seen_json,
            })),
            Self::Channels(layers) => {
                let rows = layers.iter().map(|one| {
                    vec![
                        one.layer.clone(),
                        one.kept.to_string(),
                        one.total.to_string(),
                    ]
                });
                output::print_table(&["LAYER", "CHANNELS", "OF"], rows);
                println!("\n{seen}\nwritten to {}", command.output.display());
                Ok(())
            }
            Self::Weights(left, sparse) => {
                println!("{seen}");
                println!(
                    "{} of {} weights are left: {} with the bytes of their places. No speed gain: \
                     engines multiply by the zeros too; --method channels makes the graph smaller",
                    left.kept,
                    left.total,
                    output::bytes(sparse.len() as u64)
                );
                println!("written to {}", command.output.display());
                Ok(())
            }
        }
    }
}

/// Writes the network where nobody looks, under the name that it will have, asks `judge`, and lets
/// it take its place: what `judge` refuses never does.
pub(super) fn replace<T>(
    output: &Path,
    net: &Net,
    judge: impl FnOnce(&Path) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let bytes = bytes(net, output)?;
    let folder = tempfile::tempdir().tried("a temporary folder")?;
    let name = output.file_name().ok_or_else(|| {
        let text = format!("{} is no name of a file", output.display());
        Failure::Usage(text)
    })?;
    let path = folder.path().join(name);
    std::fs::write(&path, &bytes).tried(path.display())?;
    let judged = judge(&path)?;
    files::write_atomic(output, &bytes).tried(output.display())?;
    Ok(judged)
}

/// Lets a pruned network, and the file of its weights alone, take their places within the limits
/// of the command.
pub(super) fn put(
    command: &args::Prune,
    net: &Net,
    sparse: Option<&[u8]>,
    halves: &Halves,
) -> Result<Assessment, Failure> {
    let limits = (command.rounds, command.max_loss);
    let seen = replace(&command.output, net, |path| {
        measured(&command.file, path, &command.data, halves, limits)
    })?;
    if let (Some(path), Some(sparse)) = (&command.sparse, sparse) {
        files::write_atomic(path, sparse).tried(path.display())?;
    }
    Ok(seen)
}

/// The file at `path` beside the original, on the samples held out; an error if it loses more
/// than `max_loss` points.
pub(super) fn measured(
    original: &Path,
    path: &Path,
    data: &args::Data,
    halves: &Halves,
    (rounds, max_loss): (usize, f64),
) -> Result<Assessment, Failure> {
    let options = assess::Options {
        evaluate: measure::options(data),
        rounds,
        ..assess::Options::default()
    };
    let variants = [path.to_path_buf()];
    let Halves { held, groups, .. } = halves;
    let seen =
        assess(original, &variants, held, groups, &options, &mut |_| ()).tried("the assessment")?;
    for variant in &seen.variants {
        variant.comparison.admitted(max_loss).tried(&variant.name)?;
    }
    Ok(seen)
}

pub(super) fn finetune(command: &args::Finetune, as_json: bool) -> Result<(), Failure> {
    let net = network(&command.file)?;
    let halves = Halves::read(&command.data, &command.teach, &command.file)?;
    let recipe = Recipe {
        patience: command.patience,
        keep_best: true,
        ..Recipe::from(&command.teach)
    };
    let how = Finetuning {
        backbone_rate: command.unfreeze.then_some(command.backbone_rate),
        checkpoint: command.checkpoint.clone(),
        engine: measure::options(&command.data).engine,
    };
    let bar = output::progress(recipe.epochs, EPOCHS, as_json)?;
    let (net, fitted) = finetune_net(
        &net,
        &halves.learned,
        &halves.held,
        &recipe,
        &how,
        &mut |told| {
            bar.set_position(told.epoch as u64);
            if let Some(score) = told.validation {
                bar.set_message(format!("accuracy {:.4}", score.accuracy));
            }
        },
    )
    .tried(command.file.display())?;
    bar.finish_and_clear();
    let bytes = bytes(&net, &command.output)?;
    files::write_atomic(&command.output, &bytes).tried(command.output.display())?;
    let left = kept(&net);
    if as_json {
        return output::json(&json!({
            "file": command.output, "digest": net.digest(), "fitted": fitted,
            "weights": left.total, "seed": recipe.seed,
        }));
    }
    if let Some(score) = fitted.validation {
        let (epoch, epochs) = (fitted.kept, fitted.epochs);
        println!(
            "accuracy {:.4} on {} samples held out, after epoch {epoch} of {epochs}",
            score.accuracy, score.samples
        );
    }
    println!("written to {}", command.output.display());
    Ok(())
}

pub(super) fn bytes(net: &Net, path: &Path) -> Result<Vec<u8>, Failure> {
    let model = net.export_onnx().tried(path.display())?;
    onnx::encode(&model).tried(path.display())
}
