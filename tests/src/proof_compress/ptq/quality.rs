//! Bytes, signal-to-noise ratio and agreement.

use std::path::Path;

use anyhow::{Context, Result};
use noroshi_compress::quantize::{Bits, Goal, Method, Options, Rounding, Study};
use noroshi_compress::report::signal_to_noise;
use noroshi_compress::statistics::{
    Interval, Proportion, RESAMPLES, bootstrap_mean_by_group, mean,
};
use noroshi_compress::{Settings, views};
use noroshi_engine::{ModelSource, Tensor};
use noroshi_onnx::{ModelProto, encode};

use super::{Subject, photos};
use crate::answers::{best, logits};
use crate::assets::{Role, engine_options};
use crate::bench::peer;
use crate::claims::{Claim, rounded};

const METHODS: [&str; 3] = ["minmax", "entropy", "percentile"];
/// Views of a photo, for figures and for calibration.
const VIEWS: usize = 4;
const CALIBRATION_VIEWS: usize = 2;
const SEED: u64 = 1;
/// The bars.
const SIZE: f64 = 0.28;
const DECIBELS: f64 = 1.0;
const AGREEMENT: f64 = -0.02;

struct Inputs {
    calibration: Vec<Tensor>,
    selection: Vec<Tensor>,
    measured: Vec<Tensor>,
}

impl Inputs {
    fn read(subject: &Subject) -> Result<Self> {
        photos::fetch()?;
        let spec = subject.network.input_spec(&Settings::default());
        let of = |role, count| -> Result<Vec<Tensor>> {
            Ok(views::inputs(&photos::with_role(role)?, &spec, count)?)
        };
        Ok(Self {
            calibration: of(Role::Calibration, CALIBRATION_VIEWS)?,
            selection: of(Role::Selection, VIEWS)?,
            measured: of(Role::Measured, VIEWS)?,
        })
    }
}

/// How near a model's answers are to the float model's, input by input.
struct Nearness {
    decibels: Vec<f64>,
    same: Vec<bool>,
}

impl Nearness {
    fn of(truth: &[Vec<f32>], answers: &[Vec<f32>]) -> Self {
        let pairs = truth.iter().zip(answers);
        Self {
            decibels: pairs.clone().map(|(t, a)| signal_to_noise(t, a)).collect(),
            same: pairs.map(|(t, a)| best(t) == best(a)).collect(),
        }
    }

    fn mean(&self) -> f64 {
        mean(&self.decibels).unwrap_or(f64::NAN)
    }

    fn agreement(&self) -> f64 {
        Proportion::of(&self.same).share
    }
}

pub(super) fn measure(subject: &Subject) -> Result<Vec<Claim>> {
    let name = subject.word;
    let inputs = Inputs::read(subject)?;
    let float = subject.float()?;
    let float_bytes = encode(&float)?;
    std::fs::write(subject.file("fp32")?, &float_bytes)?;
    let truth = logits(ModelSource::Bytes(&float_bytes), &inputs.measured)?;
    let chosen = choose(subject, &float, &float_bytes, &inputs)?;
    std::fs::write(subject.file("ours")?, &chosen.bytes)?;
    let ours = Nearness::of(
        &truth,
        &logits(ModelSource::Bytes(&chosen.bytes), &inputs.measured)?,
    );
    let peers = peers(subject, &inputs, &truth)?;
    let share = chosen.bytes.len() as f64 / float_bytes.len() as f64;
    let size = Claim::at_most(&format!("{name} int8: bytes of fp32's"), share, SIZE)
        .with("method", chosen.method)
        .with("selection_decibels", chosen.tried)
        .with("bytes", chosen.bytes.len());
    Ok(vec![
        size,
        nearer(name, &ours, &peers)?,
        agreeing(name, &ours, &peers)?,
        four_bits(name, &chosen.study_of_four, &truth, &inputs)?,
        refused(name, &float, &inputs)?,
    ])
}

/// The method that does best on the selection photos.
struct Chosen {
    method: &'static str,
    bytes: Vec<u8>,
    /// Decibels of each method on the selection photos.
    tried: serde_json::Map<String, serde_json::Value>,
    /// Models with 4-bit weights, rounded to the nearest and by what layers see.
    study_of_four: [Vec<u8>; 2],
}

fn choose(
    subject: &Subject,
    float: &ModelProto,
    float_bytes: &[u8],
    inputs: &Inputs,
) -> Result<Chosen> {
    let truth = logits(ModelSource::Bytes(float_bytes), &inputs.selection)?;
    let mut best: Option<(f64, &'static str, Vec<u8>)> = None;
    let mut tried = serde_json::Map::new();
    let mut study_of_four = None;
    for (equalize, names) in [
        (false, ["nearest", "aware"]),
        (true, ["nearest, equalized", "aware, equalized"]),
    ] {
        let options = Options {
            equalize,
            rounding: Rounding::Hessian,
            engine: engine_options()?,
            ..Options::default()
        };
        eprintln!("ptq: {}: calibrating", subject.word);
        let study = Study::new(float, &inputs.calibration, &options, &mut |_| {})?;
        for (rounding, method) in [Rounding::Nearest, Rounding::Hessian]
            .into_iter()
            .zip(names)
        {
            let options = Options {
                rounding,
                ..options.clone()
            };
            let made = study.quantize(&options, &mut |_| {})?;
            let bytes = encode(&made.model)?;
            let near = Nearness::of(
                &truth,
                &logits(ModelSource::Bytes(&bytes), &inputs.selection)?,
            )
            .mean();
            eprintln!("ptq: {}: {method}: {near:.2} dB on selection", subject.word);
            tried.insert(method.to_owned(), rounded(near).into());
            if best.as_ref().is_none_or(|(most, ..)| near > *most) {
                best = Some((near, method, bytes));
            }
        }
        if study_of_four.is_none() {
            study_of_four = Some(in_four(&study, &options)?);
        }
    }
    let (_, method, bytes) = best.context("a method")?;
    Ok(Chosen {
        method,
        bytes,
        tried,
        study_of_four: study_of_four.context("models of 4 bits")?,
    })
}

fn in_four(study: &Study<'_>, options: &Options) -> Result<[Vec<u8>; 2]> {
    let made = |rounding| -> Result<Vec<u8>> {
        let options = Options {
            weight_bits: Bits::FOUR,
            method: Method::Mse,
            rounding,
            ..options.clone()
        };
        Ok(encode(&study.quantize(&options, &mut |_| {})?.model)?)
    };
    Ok([made(Rounding::Nearest)?, made(Rounding::Hessian)?])
}

/// What onnxruntime.quantization makes with each method; the file of the best is kept.
fn peers(
    subject: &Subject,
    inputs: &Inputs,
    truth: &[Vec<f32>],
) -> Result<Vec<(&'static str, Nearness)>> {
    let folder = tempfile::tempdir()?;
    let prepared = folder.path().join("calibration");
    std::fs::create_dir(&prepared)?;
    for (number, tensor) in inputs.calibration.iter().enumerate() {
        write(&prepared.join(format!("{number:04}.f32")), &tensor.to_f32())?;
    }
    let mut found: Vec<(&'static str, Nearness)> = Vec::new();
    for method in METHODS {
        eprintln!("ptq: {}: onnxruntime.quantization, {method}", subject.word);
        let made = peer::quantize(&subject.file("fp32")?, &prepared, method, folder.path())?;
        let bytes = std::fs::read(made)?;
        let near = Nearness::of(
            truth,
            &logits(ModelSource::Bytes(&bytes), &inputs.measured)?,
        );
        if found.iter().all(|(_, other)| near.mean() > other.mean()) {
            std::fs::write(subject.file("peer")?, &bytes)?;
        }
        found.push((method, near));
    }
    Ok(found)
}

fn write(path: &Path, values: &[f32]) -> Result<()> {
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    Ok(std::fs::write(path, bytes)?)
}

/// The mean over views and its interval, drawn by photo.
fn by_photo(values: &[f64]) -> Result<Interval> {
    let photos: Vec<usize> = (0..values.len()).map(|place| place / VIEWS).collect();
    let interval = bootstrap_mean_by_group(values, &photos, RESAMPLES, SEED);
    interval.context("there are too few photos for an interval")
}

fn nearer(name: &str, ours: &Nearness, peers: &[(&str, Nearness)]) -> Result<Claim> {
    let best = peers
        .iter()
        .max_by(|(_, one), (_, other)| one.mean().total_cmp(&other.mean()));
    let (method, peer) = best.context("a peer")?;
    let pairs = ours.decibels.iter().zip(&peer.decibels);
    let gains: Vec<f64> = pairs.map(|(ours, peer)| ours - peer).collect();
    let Interval { low, high } = by_photo(&gains)?;
    let gain = mean(&gains).unwrap_or(f64::NAN);
    let mut claim = Claim::new(
        &format!("{name} int8: decibels above onnxruntime.quantization's best ({method})"),
        rounded(gain),
        &format!("at least {DECIBELS} at the lower end of the 95 % interval by photo"),
        low >= DECIBELS,
    )
    .with("low", rounded(low))
    .with("high", rounded(high))
    .with("ours", rounded(ours.mean()))
    .with("photos", ours.decibels.len() / VIEWS)
    .with("views", ours.decibels.len());
    for (method, peer) in peers {
        claim = claim.with(method, rounded(peer.mean()));
    }
    Ok(claim)
}

fn agreeing(name: &str, ours: &Nearness, peers: &[(&str, Nearness)]) -> Result<Claim> {
    let best = peers
        .iter()
        .max_by(|(_, one), (_, other)| one.agreement().total_cmp(&other.agreement()));
    let (method, peer) = best.context("a peer")?;
    let pairs = ours.same.iter().zip(&peer.same);
    let differences: Vec<f64> = pairs
        .map(|(&ours, &peer)| f64::from(u8::from(ours)) - f64::from(u8::from(peer)))
        .collect();
    let Interval { low, high } = by_photo(&differences)?;
    let mut claim = Claim::at_least(
        &format!("{name} int8: agreement above onnxruntime.quantization's best ({method})"),
        mean(&differences).unwrap_or(f64::NAN),
        AGREEMENT,
    )
    .with("low", rounded(low))
    .with("high", rounded(high))
    .with("ours", serde_json::to_value(Proportion::of(&ours.same))?);
    for (method, peer) in peers {
        claim = claim.with(method, rounded(peer.agreement()));
    }
    Ok(claim)
}

/// What rounding by what layers see is worth where steps are coarse.
fn four_bits(
    name: &str,
    models: &[Vec<u8>; 2],
    truth: &[Vec<f32>],
    inputs: &Inputs,
) -> Result<Claim> {
    let near = |bytes: &[u8]| -> Result<Nearness> {
        Ok(Nearness::of(
            truth,
            &logits(ModelSource::Bytes(bytes), &inputs.measured)?,
        ))
    };
    let [nearest, aware] = models;
    let (nearest, bytes, aware) = (near(nearest)?, aware.len(), near(aware)?);
    let pairs = aware.decibels.iter().zip(&nearest.decibels);
    let gains: Vec<f64> = pairs.map(|(aware, nearest)| aware - nearest).collect();
    let Interval { low, high } = by_photo(&gains)?;
    let gain = mean(&gains).unwrap_or(f64::NAN);
    Ok(Claim::new(
        &format!("{name} W4A8: decibels that aware rounding wins over nearest"),
        rounded(gain),
        "above 0 at the lower end of the 95 % interval by photo",
        low > 0.0,
    )
    .with("low", rounded(low))
    .with("high", rounded(high))
    .with("nearest", rounded(nearest.mean()))
    .with("aware", rounded(aware.mean()))
    .with("agreement_nearest", rounded(nearest.agreement()))
    .with("agreement_aware", rounded(aware.agreement()))
    .with("bytes", bytes)
    .with("speed", "smaller, not faster"))
}

/// The control: what ruins a model is refused, whatever its bits promise.
fn refused(name: &str, float: &ModelProto, inputs: &Inputs) -> Result<Claim> {
    let options = Options {
        method: Method::MinMax,
        weights: noroshi_compress::quantize::WeightRange::Largest,
        weight_bits: Bits::new(2)?,
        correct_biases: false,
        engine: engine_options()?,
        ..Options::default()
    };
    let study = Study::new(float, &inputs.calibration, &options, &mut |_| {})?;
    let goal = Goal {
        inputs: &inputs.selection,
        labels: None,
        max_loss: 0.02,
    };
    let outcome = study.within(&goal, 0, &options, &mut |_| {});
    let said = match &outcome {
        Ok(within) => within.loss.to_string(),
        Err(error) => error.to_string(),
    };
    let is_refused = matches!(outcome, Err(noroshi_compress::Error::TooLossy { .. }));
    Ok(Claim::new(
        &format!("{name} W2A8 with min-max: refused"),
        said,
        "refused with the figure",
        is_refused,
    ))
}
