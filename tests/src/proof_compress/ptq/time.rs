//! CPU time of the files that the row of quality made, in turns.

use anyhow::{Context, Result, ensure};
use noroshi_compress::statistics::{RESAMPLES, bootstrap_ratio, median};
use noroshi_compress::{Settings, views};
use noroshi_engine::{Engine, ModelSource, Tensor, isa, open, process_cpu};
use noroshi_model::EngineKind;

use super::{Subject, photos};
use crate::assets::{Role, engine_options};
use crate::claims::{Claim, rounded};

const KINDS: [&str; 3] = ["fp32", "ours", "peer"];
/// Turns, inferences in each, and turns before time is taken.
const ROUNDS: usize = 60;
const INFERENCES: usize = 5;
const WARMUP: usize = 3;
const SEED: u64 = 1;
/// Ours against the peer's file.
const PEER: f64 = 1.05;
/// Instruction sets with dot products of bytes.
const DOT: [&str; 5] = ["amx_int8", "avx512_vnni", "avx_vnni", "i8mm", "dotprod"];

pub(super) fn measure(subject: &Subject) -> Result<Vec<Claim>> {
    let mut engines = KINDS
        .iter()
        .map(|kind| {
            let path = subject.file(kind)?;
            ensure!(
                path.exists(),
                "{} is missing: run the row ptq first",
                path.display()
            );
            let source = ModelSource::Path(&path);
            Ok(open(EngineKind::OnnxRuntime, source, &engine_options()?)?)
        })
        .collect::<Result<Vec<_>>>()?;
    let spec = subject.network.input_spec(&Settings::default());
    photos::fetch()?;
    let photos = photos::with_role(Role::Selection)?;
    let inputs = views::inputs(&photos[..INFERENCES.min(photos.len())], &spec, 1)?;
    let mut times: [Vec<f64>; KINDS.len()] = Default::default();
    for round in 0..WARMUP + ROUNDS {
        for turn in 0..KINDS.len() {
            // Whoever goes first changes from round to round.
            let kind = (round + turn) % KINDS.len();
            let took = timed(&mut *engines[kind], &inputs)?;
            if round >= WARMUP {
                times[kind].push(took);
            }
        }
    }
    let [float, ours, peer] = times;
    let name = subject.word;
    Ok(vec![
        ratio(
            &format!("{name} int8: time of fp32's"),
            &float,
            &ours,
            subject.time,
        )?,
        ratio(
            &format!("{name} int8: time of onnxruntime.quantization's file"),
            &peer,
            &ours,
            PEER,
        )?,
    ])
}

/// Milliseconds of CPU time of an inference.
fn timed(engine: &mut dyn Engine, inputs: &[Tensor]) -> Result<f64> {
    let started = process_cpu();
    for input in inputs {
        engine.run(std::slice::from_ref(input))?;
    }
    let took = process_cpu().saturating_sub(started);
    Ok(took.as_secs_f64() * 1e3 / inputs.len() as f64)
}

fn ratio(name: &str, first: &[f64], second: &[f64], limit: f64) -> Result<Claim> {
    let ratio = bootstrap_ratio(first, second, RESAMPLES, SEED);
    let (ratio, interval) = ratio.context("no time was measured")?;
    let has_dot = DOT.contains(&isa());
    let words = if has_dot {
        format!("at most {limit} at the upper end of the 95 % interval")
    } else {
        "any: this processor has no dot products of bytes".to_owned()
    };
    let milliseconds = |times: &[f64]| rounded(median(times).unwrap_or(f64::NAN));
    Ok(Claim::new(
        name,
        rounded(ratio),
        &words,
        !has_dot || interval.high <= limit,
    )
    .with("low", rounded(interval.low))
    .with("high", rounded(interval.high))
    .with("cpu_ms", milliseconds(second))
    .with("cpu_ms_reference", milliseconds(first))
    .with("rounds", second.len())
    .with("isa", isa()))
}
