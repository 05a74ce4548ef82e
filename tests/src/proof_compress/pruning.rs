//! Pruning (Han et al. 2015): LeNet-300-100 with a twelfth of its weights.

use anyhow::Result;
use noroshi_train::{
    Criterion, Net, Pruning, Recipe, kept, prune_and_retrain, read_sparse, write_sparse,
};
use serde_json::json;

use super::taught::{Pictures, net, onnx, train};
use crate::claims::Claim;
use crate::rows::Context;
use crate::rows::seeds::Outcome;

pub(super) const SETTINGS: &str = "2";

/// Epochs before the first step, then of each step; a dense network trains as long in all.
const DENSE_EPOCHS: usize = 12;
const STEP_EPOCHS: usize = 6;
const STEPS: usize = 7;
const WEIGHT_DECAY: f32 = 1e-4;
/// Before the first two layers; chosen on a fifth of the training pictures.
const DROPOUT: [f32; 2] = [0.1, 0.2];
/// The paper's shares of its three layers (table 2).
const KEEP: [f32; 3] = [0.08, 0.09, 0.26];

pub(super) fn run(context: &Context) -> Result<Vec<Claim>> {
    let pictures = Pictures::load("mnist10k")?;
    let settings = json!({
        "epochs": [DENSE_EPOCHS, STEPS, STEP_EPOCHS], "batch": 100, "rate": 0.001,
        "decay": WEIGHT_DECAY, "keep": KEEP, "dropout": DROPOUT,
    });
    let dense = context.judge("dense", &settings, |seed| {
        let mut net = fresh(seed)?;
        train(
            &mut net,
            &pictures.train,
            &recipe(seed, DENSE_EPOCHS + STEPS * STEP_EPOCHS),
            None,
        )?;
        pictures.outcome(seed, &net, &onnx(&net)?)
    })?;
    let pruned = context.judge("pruned", &settings, |seed| {
        pruned(&pictures, seed, Criterion::Magnitude)
    })?;
    let random = context.judge("random", &settings, |seed| {
        pruned_at_random(&pictures, seed)
    })?;
    let most = |name: &str| {
        let figures = pruned
            .outcomes
            .iter()
            .filter_map(|one| one.more.get(name)?.as_f64());
        figures.fold(0.0, f64::max)
    };
    let mut claims = vec![
        dense.at_least("dense: accuracy", 0.965),
        pruned.at_least("pruned: accuracy, dense − .004", dense.mean() - 0.004),
        Claim::at_most("pruned: weights of 266,200", most("kept"), 21_800.0),
        Claim::at_most(
            "pruned: bytes of the file, with indices",
            pruned.bytes() as f64,
            60_000.0,
        ),
        Claim::at_least(
            "a random mask (control): worse by",
            pruned.mean() - random.mean(),
            0.04,
        ),
    ];
    for judged in [&dense, &pruned, &random] {
        claims.extend(judged.claims.iter().cloned());
    }
    Ok(claims)
}

fn fresh(seed: u64) -> Result<Net> {
    let net = net(seed).dropout(DROPOUT[0]).dense(300).relu();
    let net = net.dropout(DROPOUT[1]).dense(100).relu();
    Ok(net.dense(10).build()?)
}

fn recipe(seed: u64, epochs: usize) -> Recipe {
    Recipe {
        epochs,
        batch: 100,
        seed,
        weight_decay: WEIGHT_DECAY,
        ..Recipe::default()
    }
}

fn pruned(pictures: &Pictures, seed: u64, by: Criterion) -> Result<Outcome> {
    let mut net = fresh(seed)?;
    train(&mut net, &pictures.train, &recipe(seed, DENSE_EPOCHS), None)?;
    let pruning = Pruning {
        keep: KEEP.to_vec(),
        steps: STEPS,
        by,
    };
    prune_and_retrain(
        &mut net,
        &pictures.train,
        &recipe(seed, STEP_EPOCHS),
        &pruning,
        &mut |_, _| (),
    )?;
    let file = write_sparse(&net)?;
    // What answers is the network that the file holds, rounded.
    let net = read_sparse(&file)?;
    Ok(pictures
        .outcome(seed, &net, &file)?
        .with("kept", kept(&net).kept))
}

fn pruned_at_random(pictures: &Pictures, seed: u64) -> Result<Outcome> {
    pruned(pictures, seed, Criterion::Random { seed })
}
