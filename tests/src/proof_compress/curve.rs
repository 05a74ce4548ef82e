//! Bit width against loss without training (the survey's figure 1): the convolutional network of
//! the row `bits`, quantized after training, beside what learned steps reach.

use std::cell::RefCell;

use anyhow::{Context as _, Result};
use noroshi_compress::plot;
use noroshi_compress::quantize::{Bits, Curve, Goal, Method, Options, Study, WeightRange};
use noroshi_compress::statistics::Proportion;
use noroshi_engine::{ModelSource, Tensor, TensorData};
use noroshi_onnx::{ModelProto, encode};
use noroshi_train::Examples;
use serde_json::json;

use super::bits;
use super::taught::{Nets, Pictures, errors, onnx, pooled};
use crate::answers::classes;
use crate::assets::engine_options;
use crate::claims::{Claim, rounded};
use crate::rows::Context;
use crate::rows::seeds::{Judged, Outcome};

pub(super) const SETTINGS: &str = "1";

/// Pictures of the training part that activation ranges come from.
const CALIBRATION: usize = 512;
/// Widths of weights and activations alike, all layers.
const WIDTHS: [u8; 6] = [8, 6, 5, 4, 3, 2];
/// Net errors of 2,000 that eight bits may add.
const ADDED: f64 = 4.0;
/// Share that eight bits may lose on clothes.
const LOST_CLOTHES: f64 = 0.002;
/// Share that four bits may lose.
const LOST_FOUR: f64 = 0.005;
/// A loss beyond it is refused, once it is sure.
const LIMIT: f64 = 0.02;
/// Pictures of clothes that the network learns from in both forms.
const CLOTHES: usize = 12_000;

pub(super) fn run(context: &Context) -> Result<Vec<Claim>> {
    let digits = Pictures::load("mnist10k")?;
    let mut claims = judged(context, "digits", &digits, &[8, 4])?;
    claims.extend(figure(context, &digits)?);
    let clothes = Pictures::load("fashion")?;
    let all = clothes.train.len();
    let first: Vec<usize> = (0..CLOTHES.min(all)).collect();
    let fewer = Pictures {
        train: clothes.train.select(&first),
        ..clothes.clone()
    };
    claims.extend(judged(context, "clothes", &fewer, &[8])?);
    if context.full() {
        claims.extend(judged(context, "clothes, all", &clothes, &[8])?);
    }
    Ok(claims)
}

/// The float network and its quantized files, over the seeds.
fn judged(context: &Context, name: &str, set: &Pictures, widths: &[u8]) -> Result<Vec<Claim>> {
    let mut settings = bits::settings();
    settings["calibration"] = json!(CALIBRATION);
    settings["pictures"] = json!(set.train.len());
    let nets = Nets::default();
    let inputs = RefCell::new(None);
    let quantized = |seed: u64, width: Option<u8>| -> Result<Outcome> {
        let net = nets.of(seed, || bits::float(set, seed))?;
        let Some(width) = width else {
            return set.outcome(seed, &net, &onnx(&net)?);
        };
        let mut inputs = inputs.borrow_mut();
        let inputs = inputs.get_or_insert_with(|| Inputs::of(set));
        let float = net.export_onnx()?;
        let made = quantize(&float, &inputs.calibration, width)?;
        let file = encode(&made)?;
        let answers = classes(ModelSource::Bytes(&file), &inputs.test)?;
        let answers: Vec<u16> = answers.into_iter().map(|class| class as u16).collect();
        Outcome::new(seed, &answers, &set.labels, &file)
    };
    let float = context.judge(&format!("{name}: float"), &settings, |seed| {
        quantized(seed, None)
    })?;
    let mut claims = Vec::new();
    if name == "digits" {
        claims.push(float.at_least("digits: float: accuracy", 0.983));
    }
    claims.extend(float.claims.iter().cloned());
    for &width in widths {
        let method = format!("{name}: W{width}A{width}");
        let few = context.judge(&method, &settings, |seed| quantized(seed, Some(width)))?;
        claims.extend(lost(&method, &float, &few, width, set));
        claims.extend(few.claims);
    }
    Ok(claims)
}

/// What a width costs, in the terms of its bar.
fn lost(method: &str, float: &Judged, few: &Judged, width: u8, set: &Pictures) -> Vec<Claim> {
    let test = pooled(&float.outcomes, &few.outcomes, &set.labels).test();
    let share = float.mean() - few.mean();
    let claim = match width {
        8 if set.labels.len() <= 2_000 => {
            let added = errors(&few.outcomes) - errors(&float.outcomes);
            let name = format!("{method}, after training: errors of 2,000 added");
            Claim::at_most(&name, added, ADDED)
        }
        8 => {
            let name = format!("{method}, after training: accuracy lost");
            Claim::at_most(&name, share, LOST_CLOTHES)
        }
        _ => {
            let name = format!("{method}, after training: accuracy lost");
            Claim::at_most(&name, share, LOST_FOUR)
        }
    };
    let claim = claim
        .with("float", rounded(float.mean()))
        .with("bytes", few.bytes())
        .with("float bytes", float.bytes());
    let mut claims = vec![claim];
    if width == 8 {
        let name = format!("{method}, after training: McNemar's p, pooled");
        let claim = Claim::new(
            &name,
            rounded(test.p_value),
            "not significant: at least .05",
            test.p_value >= 0.05,
        );
        claims.push(claim.with("difference", rounded(test.difference)));
    }
    claims
}

/// The curve of seed 1 as table and plot, learned steps beside it, and what must be refused.
fn figure(context: &Context, digits: &Pictures) -> Result<Vec<Claim>> {
    let float = bits::float(digits, 1)?.export_onnx()?;
    let inputs = Inputs::of(digits);
    let labels: Vec<usize> = digits.labels.iter().map(|&l| usize::from(l)).collect();
    let goal = Goal {
        inputs: &inputs.test,
        labels: Some(&labels),
        max_loss: LIMIT,
    };
    let settings = per_channel()?;
    let study = Study::new(&float, &inputs.calibration, &settings, &mut |_| {})?;
    let pairs: Vec<(Bits, Bits)> = WIDTHS
        .iter()
        .map(|&width| Ok((Bits::new(width)?, Bits::new(width)?)))
        .collect::<Result<_>>()?;
    let curve = study.curve(&pairs, &goal, &settings, &mut |_| {})?;
    eprintln!("{curve}");
    let drawn = draw(context, &curve)?;

    let plain = Options {
        method: Method::MinMax,
        weights: WeightRange::Largest,
        ..settings
    };
    let ruined = study.curve(&[(Bits::new(2)?, Bits::EIGHT)], &goal, &plain, &mut |_| {})?;
    let ruined = ruined.points.first().context("one point")?;
    let refused = Claim::new(
        "control: two-bit weights by min-max: refused",
        ruined.refused,
        "true",
        ruined.refused,
    );
    let eight = curve.points.first().context("eight bits")?;
    Ok(vec![
        refused
            .with("points lost", rounded(100.0 * ruined.loss.loss))
            .with("at least", rounded(100.0 * ruined.loss.low))
            .with("limit", 100.0 * LIMIT),
        Claim::new(
            "eight bits: admitted",
            !eight.refused,
            "true",
            !eight.refused,
        )
        .with("points lost", rounded(100.0 * eight.loss.loss)),
        drawn,
    ])
}

/// Writes the survey's figure 1, both ways side by side.
fn draw(context: &Context, curve: &Curve) -> Result<Claim> {
    let points = |width: u8, right: Proportion| {
        let share = |share: f64| 100.0 * share;
        let ends = (share(right.low), share(right.high));
        (u32::from(width), share(right.share), Some(ends))
    };
    let after = curve.points.iter().zip(WIDTHS);
    let after = after.map(|(point, width)| points(width, point.loss.after));
    let learned = learned()?;
    let widths = learned.len();
    let curves = [
        plot::Curve {
            name: "after training".into(),
            points: after.collect(),
        },
        plot::Curve {
            name: "learned step size".into(),
            points: learned
                .into_iter()
                .map(|(width, right)| points(width, right))
                .collect(),
        },
    ];
    let figure = plot::bit_widths("Bit width against accuracy, digits", "% right", &curves);
    let folder = context.folder()?;
    std::fs::write(folder.join("bits.svg"), figure.svg()?)?;
    std::fs::write(folder.join("bits.png"), figure.png()?)?;
    let claim = Claim::at_least("widths with learned steps in the plot", widths as f64, 3.0);
    Ok(claim.with("plot", "target/proof/compress/curve/bits.svg"))
}

/// What the row `bits` has checked in, pooled over the seeds.
fn learned() -> Result<Vec<(u8, Proportion)>> {
    let path = crate::assets::workspace().join("tests/proof/compress/bits.json");
    let text = std::fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
    let records: serde_json::Value = serde_json::from_str(&text)?;
    let mut found = Vec::new();
    for width in WIDTHS {
        let Some(outcomes) = records[format!("W{width}A{width}")]["outcomes"].as_array() else {
            continue;
        };
        let sum = |field: &str| outcomes.iter().filter_map(|one| one[field].as_u64()).sum();
        found.push((width, Proportion::new(sum("correct"), sum("total"))));
    }
    Ok(found)
}

/// Tensors of a picture set.
struct Inputs {
    calibration: Vec<Tensor>,
    test: Vec<Tensor>,
}

impl Inputs {
    fn of(set: &Pictures) -> Self {
        // Evenly over the training part: it may be sorted.
        let step = (set.train.len() / CALIBRATION).max(1);
        let places: Vec<usize> = (0..set.train.len())
            .step_by(step)
            .take(CALIBRATION)
            .collect();
        Self {
            calibration: tensors(&set.train.select(&places)),
            test: tensors(&set.test),
        }
    }
}

fn tensors(examples: &Examples) -> Vec<Tensor> {
    let one = |place: usize| {
        let values = examples.sample(place).to_vec();
        Tensor::new(vec![1, 1, 28, 28], TensorData::F32(values)).expect("a picture")
    };
    (0..examples.len()).map(one).collect()
}

fn per_channel() -> Result<Options> {
    Ok(Options {
        engine: engine_options()?,
        ..Options::default()
    })
}

fn quantize(float: &ModelProto, calibration: &[Tensor], width: u8) -> Result<ModelProto> {
    let options = Options {
        weight_bits: Bits::new(width)?,
        activation_bits: Bits::new(width)?,
        ..per_channel()?
    };
    let study = Study::new(float, calibration, &options, &mut |_| {})?;
    Ok(study.quantize(&options, &mut |_| {})?.model)
}
