//! Convolutional networks of one-bit weights on clothes, first and last layer of eight bits, beside
//! their float twin: how good, how large, how fast in the agent's engine.

use anyhow::Result;
use noroshi_compress::report::{Options, compare};
use noroshi_engine::Tensor;
use noroshi_train::{Augmentation, Binarization, Body, Net, OneBit, PackedInput, Recipe};
use serde_json::json;

use super::binary::{UNIT, exact, packed, turned};
use super::taught::{Pictures, onnx, pooled, train};
use crate::assets::engine_options;
use crate::claims::{Claim, rounded};
use crate::rows::Context;
use crate::rows::seeds::Judged;

pub(super) const SETTINGS: &str = "1";

/// Pictures that the networks learn from in both forms; the long form takes all as well.
const FEWER: usize = 12_000;
const EPOCHS: usize = 12;
const BATCH: usize = 100;
const RATE: f32 = 2e-3;
/// Channels of the convolutions: 5x5 by 2, then 3x3, each with a pool.
const CHANNELS: [usize; 3] = [64, 64, 128];
const DROPOUT: f32 = 0.0;
/// Accuracy that one bit by one bit, and one by two, may lose.
const LOSSES: [f64; 2] = [0.025, 0.012];
/// Timed runs of each network, in turns.
const ROUNDS: usize = 200;

pub(super) fn run(context: &Context) -> Result<Vec<Claim>> {
    let all = Pictures::load_over("fashion", 1.0 / UNIT)?;
    let first: Vec<usize> = (0..FEWER.min(all.train.len())).collect();
    let fewer = Pictures {
        train: all.train.select(&first),
        ..all.clone()
    };
    let mut claims = judged(context, "12,000", &fewer, None)?;
    if context.full() {
        claims.extend(judged(context, "all", &all, Some(0.915))?);
    }
    claims.extend(cost(context, &all)?);
    Ok(claims)
}

fn how(inner: OneBit) -> Binarization {
    Binarization {
        body: Body::Convolutional(CHANNELS.to_vec()),
        inner,
        byte_edges: true,
        dropout: DROPOUT,
    }
}

/// The network of one-bit weights, or its float twin, before it is taught.
fn fresh(pictures: &Pictures, inner: Option<OneBit>, seed: u64) -> Result<Net> {
    let shape = pictures.train.shape();
    Ok(match inner {
        Some(inner) => how(inner).fresh(shape, 10, seed)?,
        None => how(OneBit::Signs).twin(shape, 10, seed)?,
    })
}

fn judged(
    context: &Context,
    name: &str,
    pictures: &Pictures,
    least: Option<f64>,
) -> Result<Vec<Claim>> {
    let settings = json!({
        "epochs": EPOCHS, "batch": BATCH, "rate": RATE, "channels": CHANNELS, "dropout": DROPOUT,
        "flip": true, "pictures": pictures.train.len(),
    });
    let judge = |method: &str, inner: Option<OneBit>| {
        context.judge(&format!("{name}: {method}"), &settings, |seed| {
            let mut net = fresh(pictures, inner, seed)?;
            train(&mut net, &pictures.train, &recipe(seed), None)?;
            match inner {
                Some(_) => packed(pictures, &net, seed),
                None => pictures.outcome(seed, &net, &onnx(&net)?),
            }
        })
    };
    let float = judge("float", None)?;
    let ones = judge("W1A1", Some(OneBit::Signs))?;
    let levels = judge("W1A2", Some(OneBit::Levels))?;
    let title = format!("{name}: float: accuracy");
    let mut claims = vec![match least {
        Some(least) => float.at_least(&title, least),
        None => Claim::new(&title, rounded(float.mean()), "told", true),
    }];
    claims.extend(float.claims.iter().cloned());
    for ((method, one), loss) in [("W1A1", &ones), ("W1A2", &levels)].into_iter().zip(LOSSES) {
        claims.push(lost(
            &format!("{name}: {method}"),
            &float,
            one,
            loss,
            pictures,
        ));
        claims.extend(one.claims.iter().cloned());
    }
    claims.push(exact(name, &[&ones, &levels]));
    claims.push(turned(name, &[&ones, &levels]));
    Ok(claims)
}

fn recipe(seed: u64) -> Recipe {
    Recipe {
        epochs: EPOCHS,
        batch: BATCH,
        rate: RATE,
        seed,
        augmentation: Augmentation {
            flip: true,
            ..Augmentation::default()
        },
        measure_statistics: true,
        ..Recipe::default()
    }
}

fn lost(name: &str, float: &Judged, few: &Judged, most: f64, pictures: &Pictures) -> Claim {
    let test = pooled(&float.outcomes, &few.outcomes, &pictures.labels).test();
    let claim = Claim::at_most(
        &format!("{name}: accuracy lost, packed"),
        float.mean() - few.mean(),
        most,
    );
    claim
        .with("accuracy", rounded(few.mean()))
        .with("deviation", rounded(few.deviation()))
        .with("bytes", few.bytes())
        .with("McNemar p, pooled", rounded(test.p_value))
}

/// Bytes and CPU time beside the twin in ONNX Runtime. Neither depends on what was learned.
fn cost(context: &Context, pictures: &Pictures) -> Result<Vec<Claim>> {
    let folder = context.folder()?;
    let twin = folder.join("twin.onnx");
    std::fs::write(&twin, onnx(&fresh(pictures, None, 1)?)?)?;
    let input = PackedInput {
        scale: UNIT,
        zero: 0,
        ..PackedInput::default()
    };
    let one = |place: usize| {
        let picture = pictures.test.sample(place).to_vec();
        Tensor::f32(vec![1, 1, 28, 28], picture)
    };
    let inputs = (0..64).map(one).collect::<Result<Vec<_>, _>>()?;
    let options = Options {
        rounds: ROUNDS,
        warmup: 20,
        engine: engine_options()?,
    };
    let mut claims = Vec::new();
    for (name, inner, bars) in [
        ("W1A1", OneBit::Signs, [0.1, 0.5]),
        ("W1A2", OneBit::Levels, [0.1, f64::INFINITY]),
    ] {
        let path = folder.join(format!("{name}.nbin"));
        let network = fresh(pictures, Some(inner), 1)?.pack(&input)?;
        std::fs::write(&path, network.write()?)?;
        let seen = compare(&twin, &path, &inputs, &options)?;
        let share = seen.variant.bytes as f64 / seen.original.bytes as f64;
        claims.push(
            Claim::at_most(
                &format!("{name}: bytes, share of the twin's"),
                share,
                bars[0],
            )
            .with("bytes", seen.variant.bytes)
            .with("twin", seen.original.bytes),
        );
        let Some(ratio) = seen.cpu_ratio else {
            anyhow::bail!("no time was taken");
        };
        let title = format!("{name}: CPU time, share of the twin's, upper end of 95 %");
        let claim = if bars[1].is_finite() {
            Claim::at_most(&title, ratio.high, bars[1])
        } else {
            Claim::new(&title, rounded(ratio.high), "told", true)
        };
        let claim = claim
            .with("median", rounded(ratio.ratio))
            .with("isa", seen.isa);
        let times = [&seen.original, &seen.variant].map(|side| side.latency[0].cpu_ms);
        claims.push(claim.with("ms", times.map(rounded).to_vec()));
    }
    Ok(claims)
}
