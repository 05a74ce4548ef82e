//! Bit width against loss, with learned steps (Esser et al. 2020): a convolutional network, then
//! the same with fewer bits, trained on.

use anyhow::Result;
use noroshi_train::{Activation, Augmentation, Net, NetBuilder, Recipe, Weights};
use serde_json::json;

use super::taught::{Nets, Pictures, errors, net, onnx, pooled, train};
use crate::claims::{Claim, rounded};
use crate::rows::Context;
use crate::rows::seeds::{Judged, Outcome};

pub(super) const SETTINGS: &str = "1";

/// Epochs of the float network, then as many more for every width, and for float again.
const EPOCHS: usize = 15;
const MORE: usize = 6;
/// Widths of inner layers; the first and the last layer have 8 bits.
const WIDTHS: [u8; 3] = [8, 4, 2];
/// Losses that each may have.
const LOSSES: [f64; 3] = [0.002, 0.003, 0.010];

pub(super) fn run(context: &Context) -> Result<Vec<Claim>> {
    let pictures = Pictures::load("mnist10k")?;
    let settings = settings();
    let first = Nets::default();
    let taught = |seed: u64, bits: Option<u8>| taught(&pictures, &first, seed, bits);
    let float = context.judge("float", &settings, |seed| taught(seed, None))?;
    let mut claims = vec![float.at_least("float: accuracy", 0.983)];
    claims.extend(float.claims.iter().cloned());
    for (bits, loss) in WIDTHS.into_iter().zip(LOSSES) {
        let name = format!("W{bits}A{bits}");
        let judged = context.judge(&name, &settings, |seed| taught(seed, Some(bits)))?;
        claims.push(loses(&name, &float, &judged, loss, &pictures.labels));
        claims.extend(judged.claims);
    }
    Ok(claims)
}

/// What decides how the networks come out.
pub(super) fn settings() -> serde_json::Value {
    json!({ "epochs": [EPOCHS, MORE], "batch": 50, "rates": RATES, "shift": 2 })
}

fn loses(name: &str, float: &Judged, judged: &Judged, most: f64, labels: &[u16]) -> Claim {
    let test = pooled(&float.outcomes, &judged.outcomes, labels).test();
    let name = format!("{name}, learned steps: accuracy lost");
    Claim::at_most(&name, float.mean() - judged.mean(), most)
        .with("errors of 2,000", rounded(errors(&judged.outcomes)))
        .with("bytes", judged.bytes())
        .with("McNemar p, pooled", rounded(test.p_value))
}

/// Learning rates of the float network, and of what follows.
const RATES: [f32; 2] = [2e-3, 1e-3];

fn recipe(seed: u64, epochs: usize, rate: f32) -> Recipe {
    Recipe {
        epochs,
        batch: 50,
        rate,
        seed,
        augmentation: Augmentation {
            shift: 2,
            ..Augmentation::default()
        },
        ..Recipe::default()
    }
}

/// The float network of this row, as [`taught`] makes it.
pub(super) fn float(pictures: &Pictures, seed: u64) -> Result<Net> {
    further(pictures, base(pictures, seed)?, seed)
}

fn base(pictures: &Pictures, seed: u64) -> Result<Net> {
    let mut net = layers(seed, None)?;
    let recipe = recipe(seed, EPOCHS, RATES[0]);
    train(&mut net, &pictures.train, &recipe, None)?;
    Ok(net)
}

fn further(pictures: &Pictures, mut net: Net, seed: u64) -> Result<Net> {
    let recipe = recipe(seed + 1000, MORE, RATES[1]);
    train(&mut net, &pictures.train, &recipe, None)?;
    Ok(net)
}

/// A float network, trained on as itself or with learned steps.
fn taught(pictures: &Pictures, first: &Nets, seed: u64, bits: Option<u8>) -> Result<Outcome> {
    let first = first.of(seed, || base(pictures, seed))?;
    let net = match bits {
        None => first,
        Some(bits) => {
            let mut few = layers(seed, Some(bits))?;
            few.adopt(&first);
            let inner = Weights::LearnedStep { bits };
            let outer = Weights::LearnedStep { bits: 8 };
            few.with_weights(|place, count, _| {
                if place == 0 || place + 1 == count {
                    outer
                } else {
                    inner
                }
            })?
        }
    };
    let net = further(pictures, net, seed)?;
    pictures.outcome(seed, &net, &onnx(&net)?)
}

/// conv5x5-16, pool, conv5x5-32, pool, 128, 10. With bits, activations before every product have
/// learned steps; the weights' views are set when the float network's weights are in.
fn layers(seed: u64, bits: Option<u8>) -> Result<Net> {
    let step = |net: NetBuilder, bits: Option<u8>| match bits {
        None => net,
        Some(bits) => net.activation(Activation::LearnedStep {
            bits,
            signed: false,
        }),
    };
    let outer = bits.map(|_| 8);
    let stage = step(net(seed), outer)
        .conv_plain(16, 5, 1, 0)
        .named("first")
        .normalize();
    let stage = step(stage.named("first norm").relu().max_pool(2), bits);
    let stage = stage
        .conv_plain(32, 5, 1, 0)
        .named("second")
        .normalize()
        .named("second norm");
    let stage = step(stage.relu().max_pool(2), bits)
        .dense_plain(128)
        .named("third")
        .normalize();
    let stage = step(stage.named("third norm").relu(), outer);
    Ok(stage.dense(10).named("last").build()?)
}
