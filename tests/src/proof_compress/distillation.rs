//! Distillation (Hinton, Vinyals and Dean 2015): soft answers teach more than labels, even about
//! a class that the student never sees.

use anyhow::Result;
use noroshi_train::{Examples, Loss, Net, Recipe, score, shift_class};
use serde_json::json;

use super::taught::{
    Pictures, TEACHER_EPOCHS, Teachers, errors, net, onnx, pooled, significantly_better, train,
};
use crate::claims::{Claim, rounded};
use crate::rows::Context;
use crate::rows::seeds::Outcome;

pub(super) const SETTINGS: &str = "1";

/// The same for students of labels and of the teacher.
const EPOCHS: usize = 30;
/// Chosen among 1, 2, 4 and 8 on a fifth of the training pictures.
const TEMPERATURE: f32 = 4.0;
const ALPHA: f32 = 0.9;
/// The class that is kept from some students.
const MISSING: u32 = 3;
/// Every so many training pictures one chooses the shift of the missing class.
const HOLDOUT: usize = 5;

pub(super) fn run(context: &Context) -> Result<Vec<Claim>> {
    let pictures = Pictures::load("mnist10k")?;
    let teachers = Teachers::new(&pictures, context)?;
    let settings = json!({
        "epochs": EPOCHS, "batch": 100, "rate": 0.001, "temperature": TEMPERATURE,
        "alpha": ALPHA, "teacher epochs": TEACHER_EPOCHS,
    });
    let judge =
        |name: &str, train: &dyn Fn(u64) -> Result<Outcome>| context.judge(name, &settings, train);
    let teacher = judge("teacher", &|seed| {
        let net = teachers.of(seed)?;
        pictures.outcome(seed, &net, &onnx(&net)?)
    })?;
    let soft = Loss::Distill {
        temperature: TEMPERATURE,
        alpha: ALPHA,
    };
    let hard = judge("labels", &|seed| student(&pictures, seed, None))?;
    let distilled = judge("distilled", &|seed| {
        student(&pictures, seed, Some((soft, teachers.of(seed)?)))
    })?;
    let blind = judge("labels without a class, unshifted", &|seed| {
        missing(&pictures, seed, None)
    })?;
    let told = judge("distilled without a class, shifted", &|seed| {
        missing(&pictures, seed, Some(teachers.of(seed)?))
    })?;

    let mut claims = vec![
        at_most("teacher: errors of 2,000", &teacher.outcomes, 58.0),
        at_most("labels: errors of 2,000", &hard.outcomes, 80.0),
        at_most("distilled: errors of 2,000", &distilled.outcomes, 67.0),
        significantly_better(
            "distilled against labels",
            pooled(&hard.outcomes, &distilled.outcomes, &pictures.labels),
        ),
        Claim::at_least(
            "without a 3: its recall, distilled",
            recall(&told.outcomes, &pictures.labels),
            0.85,
        ),
        told.at_least("without a 3: accuracy, distilled", 0.95),
        Claim::at_most(
            "without a 3: its recall, labels (control)",
            recall(&blind.outcomes, &pictures.labels),
            0.0,
        )
        .with(
            "after the same search of a shift",
            mean_of(&blind.outcomes, "recall after"),
        ),
    ];
    for judged in [&teacher, &hard, &distilled, &blind, &told] {
        claims.extend(judged.claims.iter().cloned());
    }
    Ok(claims)
}

fn at_most(name: &str, outcomes: &[Outcome], limit: f64) -> Claim {
    let each: Vec<u32> = outcomes.iter().map(|one| one.total - one.correct).collect();
    Claim::at_most(name, errors(outcomes), limit).with("seeds", each)
}

fn recipe(seed: u64, loss: Loss) -> Recipe {
    Recipe {
        epochs: EPOCHS,
        batch: 100,
        seed,
        loss,
        ..Recipe::default()
    }
}

fn fresh(seed: u64) -> Result<Net> {
    Ok(net(seed)
        .dense(400)
        .relu()
        .dense(400)
        .relu()
        .dense(10)
        .build()?)
}

fn student(pictures: &Pictures, seed: u64, taught: Option<(Loss, Net)>) -> Result<Outcome> {
    let mut net = fresh(seed)?;
    let data = &pictures.train;
    match taught {
        Some((loss, mut teacher)) => {
            train(&mut net, data, &recipe(seed, loss), Some(&mut teacher))?;
        }
        None => train(&mut net, data, &recipe(seed, Recipe::default().loss), None)?,
    }
    pictures.outcome(seed, &net, &onnx(&net)?)
}

/// A student that never sees the class; its bias is shifted by what serves held-out pictures.
fn missing(pictures: &Pictures, seed: u64, teacher: Option<Net>) -> Result<Outcome> {
    let all = &pictures.train;
    let seen = |place: &usize| !place.is_multiple_of(HOLDOUT) && all.labels()[*place] != MISSING;
    let held: Vec<usize> = (0..all.len()).step_by(HOLDOUT).collect();
    let data = all.select(&(0..all.len()).filter(seen).collect::<Vec<_>>());
    let mut net = fresh(seed)?;
    let taught = teacher.is_some();
    match teacher {
        Some(mut teacher) => {
            let loss = Loss::Distill {
                temperature: TEMPERATURE,
                alpha: 1.0,
            };
            train(&mut net, &data, &recipe(seed, loss), Some(&mut teacher))?;
        }
        None => train(&mut net, &data, &recipe(seed, Recipe::default().loss), None)?,
    }
    let shift = best_shift(&net, &all.select(&held))?;
    let mut shifted = net.clone();
    shift_class(&mut shifted, MISSING as usize, shift)?;
    let before = pictures.outcome(seed, &net, &onnx(&net)?)?;
    let after = pictures.outcome(seed, &shifted, &onnx(&shifted)?)?;
    let [plain, moved] =
        [&before, &after].map(|one| recall(std::slice::from_ref(one), &pictures.labels));
    // The control is the student of labels as it was trained; its shift is told beside it.
    let outcome = if taught { after } else { before };
    Ok(outcome
        .with("shift", rounded(f64::from(shift)))
        .with("recall before", rounded(plain))
        .with("recall after", rounded(moved)))
}

/// The shift in 0..10 with the best accuracy, the smallest of equals.
fn best_shift(net: &Net, held: &Examples) -> Result<f32> {
    let mut best = (0.0, -1.0);
    for step in 0..40u8 {
        let shift = f32::from(step) * 0.25;
        let mut shifted = net.clone();
        shift_class(&mut shifted, MISSING as usize, shift)?;
        let accuracy = score(&shifted, held)?.accuracy;
        if accuracy > best.1 {
            best = (shift, accuracy);
        }
    }
    Ok(best.0)
}

fn mean_of(outcomes: &[Outcome], figure: &str) -> f64 {
    let values = outcomes
        .iter()
        .filter_map(|one| one.more.get(figure)?.as_f64());
    rounded(values.sum::<f64>() / outcomes.len().max(1) as f64)
}

/// The share of the missing class's pictures that is answered right, the mean over seeds.
fn recall(outcomes: &[Outcome], labels: &[u16]) -> f64 {
    let one = |outcome: &Outcome| {
        let answers = outcome.answers();
        let of = answers
            .iter()
            .zip(labels)
            .filter(|(_, label)| u32::from(**label) == MISSING);
        let (right, all) = of.fold((0.0, 0.0), |(right, all), (answer, label)| {
            (right + f64::from(u8::from(answer == label)), all + 1.0)
        });
        right / f64::max(all, 1.0)
    };
    outcomes.iter().map(one).sum::<f64>() / outcomes.len().max(1) as f64
}
