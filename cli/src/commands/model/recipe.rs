//! `noroshi model recipe`: a chain of steps, searched for the best models within limits.

use std::path::{Path, PathBuf};

use clap::ValueEnum as _;
use noroshi_compress::evaluate::{self, Groups};
use noroshi_compress::recipe::{self, Event, Outcome, Plan, Samples, chains, file};
use noroshi_compress::report::assess::{self, Assessment, assess};
use noroshi_compress::report::page;
use noroshi_service::files;
use noroshi_train::data::Dataset;
use serde_json::json;

use super::measure;
use crate::args;
use crate::error::{Failure, Tried};
use crate::output;

/// What stands beside a bar of chains.
const CHAINS: &str = "{pos} of {len} chains, {msg}";

pub(super) fn run(command: &args::Recipe, as_json: bool) -> Result<(), Failure> {
    let plan = Plan::read(&command.file).tried(command.file.display())?;
    let folder = command
        .output
        .clone()
        .unwrap_or_else(|| command.file.with_extension("run"));
    let steps = folder.join("steps");
    if command.fresh {
        recipe::forget(&steps).tried(steps.display())?;
    }
    let samples = samples(&plan)?;
    let options = evaluate::Options {
        engine: noroshi_engine::Options {
            threads: command.threads,
            ..noroshi_engine::Options::default()
        },
        ..evaluate::Options::default()
    };
    let bar = output::progress(chains(&plan).len(), CHAINS, as_json)?;
    let outcome = recipe::run(&plan, &samples, &steps, &options, &mut |event| {
        follow(&bar, event);
    })
    .tried(command.file.display())?;
    bar.finish_and_clear();

    let seen = measured(&plan, &samples, &outcome, &steps, options)?;
    let written = written(&folder, &steps, &outcome, &seen)?;
    if as_json {
        output::json(&json!({
            "outcome": serde_json::to_value(&outcome).tried("the outcome")?,
            "measured": serde_json::to_value(&seen).tried("the figures")?,
            "folder": folder, "chosen": written,
        }))?;
    } else {
        tell(&plan, &outcome, &seen);
        let chosen = written.map_or(String::new(), |path| format!("{}, ", path.display()));
        println!(
            "written: {chosen}{} (page, figures and the whole front)",
            folder.display()
        );
    }
    outcome.broken().map_or(Ok(()), |why| {
        Err(Failure::Failed(format!(
            "{}: {why}",
            command.file.display()
        )))
    })
}

fn follow(bar: &indicatif::ProgressBar, event: Event<'_>) {
    match event {
        Event::Begun { chain, done, of } => {
            bar.set_length(of as u64);
            bar.set_position(done as u64);
            bar.set_message(chain.to_string());
        }
        Event::Taught {
            name,
            step,
            progress,
        } => {
            let (epoch, epochs) = (progress.epoch, progress.epochs);
            bar.set_message(format!(
                "{name}: step {step}, epoch {epoch} of {epochs}, loss {:.4}",
                progress.loss
            ));
        }
        Event::Measured { chain, figures } => {
            bar.set_message(format!("{chain}: {:.2} points lost", figures.loss));
            bar.inc(1);
        }
    }
}

fn tell(plan: &Plan, outcome: &Outcome, seen: &Assessment) {
    println!("{outcome}\n");
    let others = if plan.measured.is_some() {
        "on the measured samples, by which nothing was chosen"
    } else {
        "on the samples held out, by which was chosen: give others as [measured]"
    };
    println!("{others}\n{seen}");
    if plan.measured.is_none() || outcome.chosen().is_none() {
        return;
    }
    let broken = outcome.broken_on(seen);
    if broken.is_empty() {
        println!("the chosen model keeps all limits there too");
    }
    for one in broken {
        println!("there the chosen model breaks a limit: {one}");
    }
}

/// What is learned from and chosen on.
fn samples(plan: &Plan) -> Result<Samples, Failure> {
    let (all, groups) = read("data", &plan.data, &plan.model)?;
    let (learned, held, groups) = if let Some(validation) = &plan.validation {
        let (held, groups) = read("validation", validation, &plan.model)?;
        (all, held, groups)
    } else {
        let split = groups.split(plan.search.held, plan.teach.seed);
        let (learned, held) = split.tried("the data")?;
        (
            all.select(&learned),
            all.select(&held),
            groups.select(&held),
        )
    };
    Ok(Samples {
        model: plan.model.clone(),
        learned,
        held,
        groups,
    })
}

/// Data as the section `called` of a recipe names them.
fn read(called: &str, data: &recipe::Data, model: &Path) -> Result<(Dataset, Groups), Failure> {
    let preset = match data.preset.as_deref() {
        None => args::Convention::Imagenet,
        Some(word) => args::Convention::from_str(word, false).map_err(|_| {
            let known = args::Convention::value_variants().iter();
            let known: Vec<String> = known
                .filter_map(|one| Some(one.to_possible_value()?.get_name().to_owned()))
                .collect();
            Failure::Usage(format!(
                "{called}.preset = {word:?} is not known: {}",
                known.join(", ")
            ))
        })?,
    };
    let from = args::Data {
        data: data.samples.clone(),
        targets: data.targets.clone(),
        preset,
        labels: data.labels.clone(),
        column: data.column.clone(),
        unlabelled: false,
        figures: false,
        scale: data.scale,
        groups: data.groups.clone(),
        top: 5,
        answer: None,
        threads: 1,
    };
    let called = |failure: Failure| Failure::Failed(format!("[{called}]: {failure}"));
    measure::read(&from, model).map_err(called)
}

/// The front, the chosen file first, beside the original: on the measured samples, or on those
/// held out if there are no others.
fn measured(
    plan: &Plan,
    samples: &Samples,
    outcome: &Outcome,
    steps: &Path,
    options: evaluate::Options,
) -> Result<Assessment, Failure> {
    let others = plan
        .measured
        .as_ref()
        .map(|data| read("measured", data, &plan.model))
        .transpose()?;
    let (data, groups) = others
        .as_ref()
        .map_or((&samples.held, &samples.groups), |(data, groups)| {
            (data, groups)
        });
    let shown = outcome.shown();
    let variants: Vec<PathBuf> = shown.iter().map(|one| file(steps, &one.chain)).collect();
    let options = assess::Options {
        evaluate: options,
        rounds: plan.search.rounds,
        ..assess::Options::default()
    };
    assess(&plan.model, &variants, data, groups, &options, &mut |_| ()).tried("the assessment")
}

/// Writes what a user takes along; where the chosen file is.
fn written(
    folder: &Path,
    steps: &Path,
    outcome: &Outcome,
    seen: &Assessment,
) -> Result<Option<PathBuf>, Failure> {
    let front = folder.join("front");
    // Another run of the same recipe, with other limits, may have had another front.
    if front.exists() {
        std::fs::remove_dir_all(&front).tried(front.display())?;
    }
    for ending in ["onnx", "nrc"] {
        let old = folder.join(format!("chosen.{ending}"));
        if old.exists() {
            std::fs::remove_file(&old).tried(old.display())?;
        }
    }
    std::fs::create_dir_all(&front).tried(front.display())?;
    let copy = |from: &Path, to: &Path| {
        let bytes = std::fs::read(from).tried(from.display())?;
        files::write_atomic(to, &bytes).tried(to.display())
    };
    for one in outcome.shown() {
        copy(&file(steps, &one.chain), &file(&front, &one.chain))?;
    }
    let chosen = match outcome.chosen() {
        None => None,
        Some(one) => {
            let path = folder.join(format!("chosen.{}", one.chain.ending()));
            copy(&file(steps, &one.chain), &path)?;
            Some(path)
        }
    };
    let mut pictures = outcome.pictures();
    let html = page::html_with(seen, Some((&outcome.to_string(), &pictures))).tried("the page")?;
    let report = folder.join("report.html");
    files::write_atomic(&report, html.as_bytes()).tried(report.display())?;
    pictures.extend(page::pictures(seen));
    measure::write(&folder.join("pictures"), &pictures)?;
    let all = json!({ "outcome": outcome, "measured": seen });
    let text = serde_json::to_vec_pretty(&all).tried("the outcome")?;
    let path = folder.join("outcome.json");
    files::write_atomic(&path, &text).tried(path.display())?;
    Ok(chosen)
}
