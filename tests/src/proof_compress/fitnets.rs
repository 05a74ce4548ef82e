//! FitNets (Romero et al. 2015): a thin and deep student gains by hints from its teacher's middle.

use anyhow::{Context as _, Result};
use noroshi_compress::statistics::mean_interval;
use noroshi_train::{Loss, Net, Recipe, hint};
use serde_json::json;

use super::taught::{HINT, Pictures, TEACHER_EPOCHS, Teachers, net, onnx, train};
use crate::claims::{Claim, rounded};
use crate::rows::Context;
use crate::rows::seeds::{Judged, Outcome};

pub(super) const SETTINGS: &str = "1";

/// The student: so many hidden layers of so many numbers, 25,690 parameters.
const DEPTH: usize = 12;
const WIDTH: usize = 24;
/// Epochs in all, the same for every method.
const EPOCHS: usize = 80;
/// Of these, stage 1.
const HINT_EPOCHS: usize = 30;
/// Stage 1 teaches the student up to this hidden layer, counted from 1.
const GUIDED: usize = 6;
/// Chosen on a fifth of the training pictures, like the stages and the guided layer.
const TEMPERATURE: f32 = 1.0;
const ALPHA: f32 = 0.95;

pub(super) fn run(context: &Context) -> Result<Vec<Claim>> {
    let pictures = Pictures::load("mnist10k")?;
    let teachers = Teachers::new(&pictures, context)?;
    let settings = json!({
        "student": [DEPTH, WIDTH], "epochs": [EPOCHS, HINT_EPOCHS], "guided": GUIDED, "batch": 50,
        "rate": 0.001, "temperature": TEMPERATURE, "alpha": ALPHA, "teacher epochs": TEACHER_EPOCHS,
    });
    let plain = context.judge("plain", &settings, |seed| {
        let mut net = fresh(seed)?;
        train(&mut net, &pictures.train, &recipe(seed, EPOCHS), None)?;
        pictures.outcome(seed, &net, &onnx(&net)?)
    })?;
    let distilled = context.judge("distilled", &settings, |seed| {
        second_stage(&pictures, fresh(seed)?, teachers.of(seed)?, seed, EPOCHS)
    })?;
    let hinted = context.judge("hint and distilled", &settings, |seed| {
        let (mut net, teacher) = (fresh(seed)?, teachers.of(seed)?);
        let place = teacher
            .find(HINT)
            .context("the teacher has a hidden layer")?;
        let recipe = recipe(seed, HINT_EPOCHS);
        hint(
            &mut net,
            2 * GUIDED - 1,
            &teacher,
            place,
            &pictures.train,
            &recipe,
            &mut |_| (),
        )?;
        second_stage(&pictures, net, teacher, seed, EPOCHS - HINT_EPOCHS)
    })?;
    let size = fresh(1)?.parameters();
    let mut claims = vec![
        Claim::at_least(
            "the teacher is so many times larger",
            teachers.of(1)?.parameters() as f64 / size as f64,
            50.0,
        )
        .with("parameters", size),
        plain.at_least("plain: accuracy", 0.895),
        Claim::at_least(
            "hint and distilled: gain",
            hinted.mean() - plain.mean(),
            0.008,
        )
        .with(
            "by distillation alone",
            rounded(distilled.mean() - plain.mean()),
        ),
        gain(&plain, &hinted),
    ];
    for judged in [&plain, &distilled, &hinted] {
        claims.extend(judged.claims.iter().cloned());
    }
    Ok(claims)
}

/// The lower end of the gain's 95 % interval over seeds.
fn gain(plain: &Judged, hinted: &Judged) -> Claim {
    let pairs = hinted.outcomes.iter().zip(&plain.outcomes);
    let gains: Vec<f64> = pairs.map(|(h, p)| h.accuracy() - p.accuracy()).collect();
    let low = mean_interval(&gains).map_or(-1.0, |interval| interval.low);
    let each: Vec<f64> = gains.iter().map(|gain| rounded(*gain)).collect();
    let name = "hint and distilled: lower 95 % bound of the gain";
    Claim::new(name, rounded(low), "more than 0", low > 0.0).with("seeds", each)
}

fn fresh(seed: u64) -> Result<Net> {
    let mut student = net(seed);
    for _ in 0..DEPTH {
        student = student.dense(WIDTH).relu();
    }
    Ok(student.dense(10).build()?)
}

fn recipe(seed: u64, epochs: usize) -> Recipe {
    Recipe {
        epochs,
        batch: 50,
        seed,
        ..Recipe::default()
    }
}

fn second_stage(
    pictures: &Pictures,
    mut net: Net,
    mut teacher: Net,
    seed: u64,
    epochs: usize,
) -> Result<Outcome> {
    let recipe = Recipe {
        loss: Loss::Distill {
            temperature: TEMPERATURE,
            alpha: ALPHA,
        },
        ..recipe(seed, epochs)
    };
    train(&mut net, &pictures.train, &recipe, Some(&mut teacher))?;
    pictures.outcome(seed, &net, &onnx(&net)?)
}
