//! Models side by side: bytes, parameters, multiplications, time and memory, and what they answer.
//!
//! [`compare`] needs inputs only. [`assess`](mod@assess) takes somebody's data with what belongs to
//! them, and becomes text, JSON or a page.

pub mod assess;
mod bits;
pub mod page;

pub use bits::{BitWidths, bit_widths, noise};

use std::fmt;
use std::path::Path;

use noroshi_engine::{Engine, ModelSource, Tensor, isa, open, process_cpu};
use noroshi_model::{Agreement, Precision};
use serde::Serialize;

use crate::binary;
use crate::compile::kind_of;
use crate::evaluate::top;
use crate::inspect::{grouped, inspect_file};
use crate::statistics::{Interval, median, wilson};
use crate::{Error, Result};

/// How models are compared.
#[derive(Debug, Clone)]
pub struct Options {
    /// Timed runs of each model, the two taking turns; 0 leaves time out.
    pub rounds: usize,
    /// Runs before time is taken.
    pub warmup: usize,
    /// The engine that runs them.
    pub engine: noroshi_engine::Options,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rounds: 20,
            warmup: 3,
            engine: noroshi_engine::Options::default(),
        }
    }
}

/// What one model takes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Side {
    /// Bytes of its file.
    pub bytes: u64,
    /// Its arithmetic.
    pub precision: Precision,
    /// Learned numbers.
    pub parameters: u64,
    /// Multiplications of `Conv` and `Gemm` for one inference.
    pub macs: u64,
    /// Bytes of weights, and of activations at the worst moment, by a liveness plan.
    pub peak_memory_bytes: u64,
    /// CPU time of one inference in each engine.
    pub latency: Vec<EngineTime>,
}

/// CPU time in one engine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EngineTime {
    /// The engine, as manifests call it.
    pub engine: &'static str,
    /// Median milliseconds of CPU time of one inference.
    pub cpu_ms: f64,
}

/// A time over another, from runs that took turns.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ratio {
    /// The median of the runs' ratios.
    pub ratio: f64,
    /// Lower end of its 95 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Runs of each.
    pub runs: usize,
}

impl Ratio {
    /// Whether time was won, sure at 95 %.
    pub fn is_gain(&self) -> bool {
        self.high < 1.0
    }

    /// The ratio in a sentence, which says so if no time was won.
    fn told(&self) -> String {
        let gain = if self.is_gain() {
            ""
        } else {
            ": no speed gain"
        };
        format!("{self} of the original{gain}")
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            ratio,
            low,
            high,
            runs,
        } = self;
        write!(f, "{ratio:.3} (95 %: {low:.3} to {high:.3}, {runs} runs)")
    }
}

/// What a change cost and what it won.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The model that it was.
    pub original: Side,
    /// The model that it became.
    pub variant: Side,
    /// How often both give the same top label.
    pub agreement: Agreement,
    /// Mean signal-to-noise ratio of the variant's outputs, in decibels.
    pub sqnr_db: f64,
    /// The same at its worst.
    pub worst_sqnr_db: f64,
    /// The variant's CPU time over the original's, run by run; none if time was left out.
    pub cpu_ratio: Option<Ratio>,
    /// The best instruction set of this machine.
    pub isa: &'static str,
    /// Timed runs of each model.
    pub rounds: usize,
}

/// Compares the models at two paths on `inputs`, tensors of their only input.
///
/// Agreement is that of the largest number of the first output.
pub fn compare(
    original: &Path,
    variant: &Path,
    inputs: &[Tensor],
    options: &Options,
) -> Result<Report> {
    if inputs.is_empty() {
        return Err(Error::Compare(
            "there are no inputs; give some, best a hundred".into(),
        ));
    }
    let mut sides = [side(original)?, side(variant)?];
    let mut engines = [engine(original, options)?, engine(variant, options)?];
    let (mut same, mut sum, mut worst) = (0, 0.0, f64::INFINITY);
    for input in inputs {
        let [expected, actual] = [
            first(&mut *engines[0], input)?,
            first(&mut *engines[1], input)?,
        ];
        if expected.len() != actual.len() || expected.is_empty() {
            let (left, right) = (expected.len(), actual.len());
            return Err(Error::Compare(format!(
                "their outputs have {left} and {right} numbers"
            )));
        }
        same += u64::from(top(&expected) == top(&actual));
        let decibels = signal_to_noise(&expected, &actual);
        sum += decibels;
        worst = worst.min(decibels);
    }
    let times = times(&mut engines, inputs, options)?;
    for ((side, times), path) in sides.iter_mut().zip(&times).zip([original, variant]) {
        let engine = kind_of(path)?.0.word();
        let latency = median(times).map(|cpu_ms| EngineTime { engine, cpu_ms });
        side.latency.extend(latency);
    }
    let [original, variant] = sides;
    let of = inputs.len() as u64;
    let Interval { low, high } = wilson(same, of);
    Ok(Report {
        original,
        variant,
        agreement: Agreement {
            same,
            of,
            low,
            high,
        },
        sqnr_db: sum / of as f64,
        worst_sqnr_db: worst,
        cpu_ratio: assess::ratio(&times[0], &times[1]),
        isa: isa(),
        rounds: options.rounds,
    })
}

fn side(path: &Path) -> Result<Side> {
    if let (_, Some(header)) = kind_of(path)? {
        let facts = header.facts;
        return Ok(Side {
            bytes: crate::release::blob_of(path)?.length,
            precision: facts.precision,
            parameters: facts.parameters,
            macs: facts.macs,
            peak_memory_bytes: facts.peak_memory,
            latency: Vec::new(),
        });
    }
    if let Some(seen) = binary::inspect(path)? {
        return Ok(Side {
            bytes: seen.bytes,
            precision: Precision::Binary,
            parameters: seen.parameters,
            macs: seen.macs,
            peak_memory_bytes: seen.peak_memory,
            latency: Vec::new(),
        });
    }
    let seen = inspect_file(path)?;
    Ok(Side {
        bytes: seen.bytes,
        precision: seen.precision,
        parameters: seen.parameters,
        macs: seen.macs,
        peak_memory_bytes: seen.requirements().peak_memory,
        latency: Vec::new(),
    })
}

fn engine(path: &Path, options: &Options) -> Result<Box<dyn Engine>> {
    let (kind, _) = kind_of(path)?;
    Ok(open(kind, ModelSource::Path(path), &options.engine)?)
}

fn first(engine: &mut dyn Engine, input: &Tensor) -> Result<Vec<f32>> {
    let outputs = engine.run(std::slice::from_ref(input))?;
    let first = outputs
        .first()
        .ok_or_else(|| Error::Compare("there is no output".into()))?;
    Ok(first.to_f32().into_owned())
}

/// CPU milliseconds of each run of both, the two taking turns so that a busy machine slows both.
fn times(
    engines: &mut [Box<dyn Engine>; 2],
    inputs: &[Tensor],
    options: &Options,
) -> Result<[Vec<f64>; 2]> {
    let mut times = [Vec::new(), Vec::new()];
    if options.rounds == 0 {
        return Ok(times);
    }
    for round in 0..options.warmup + options.rounds {
        let input = std::slice::from_ref(&inputs[round % inputs.len()]);
        for (engine, times) in engines.iter_mut().zip(&mut times) {
            let spent = timed(&mut **engine, input)?;
            if round >= options.warmup {
                times.push(spent);
            }
        }
    }
    Ok(times)
}

/// CPU milliseconds of one run.
fn timed(engine: &mut dyn Engine, input: &[Tensor]) -> Result<f64> {
    let start = process_cpu();
    engine.run(input)?;
    Ok(process_cpu().saturating_sub(start).as_secs_f64() * 1e3)
}

/// Signal-to-noise ratio of `actual` against `expected` in decibels, at most 200.
///
/// Infinite ratios, of equal outputs, are cut off there, so that means stay finite.
pub fn signal_to_noise(expected: &[f32], actual: &[f32]) -> f64 {
    const CEILING: f64 = 200.0;
    let square = |value: f64| value * value;
    let signal: f64 = expected.iter().map(|&value| square(f64::from(value))).sum();
    let pairs = expected.iter().zip(actual);
    let noise: f64 = pairs
        .map(|(&e, &a)| square(f64::from(e) - f64::from(a)))
        .sum();
    if !noise.is_finite() {
        return -CEILING;
    }
    (10.0 * (signal.max(f64::MIN_POSITIVE) / noise.max(f64::MIN_POSITIVE)).log10())
        .clamp(-CEILING, CEILING)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (left, right) = (&self.original, &self.variant);
        let mut row = |name: &str, left: String, right: String, ratio: Option<f64>| {
            let ratio = ratio.map_or(String::new(), |ratio| format!("{ratio:>7.3}"));
            writeln!(f, "{name:<22} {left:>15} {right:>15} {ratio}")
        };
        let word = |precision: Precision| format!("{precision:?}").to_lowercase();
        row("", word(left.precision), word(right.precision), None)?;
        for (name, of) in [
            ("bytes", (|side| side.bytes) as fn(&Side) -> u64),
            ("parameters", |side| side.parameters),
            ("MACs", |side| side.macs),
            ("peak memory, bytes", |side| side.peak_memory_bytes),
        ] {
            let ratio = of(right) as f64 / of(left).max(1) as f64;
            row(name, grouped(of(left)), grouped(of(right)), Some(ratio))?;
        }
        for (left, right) in left.latency.iter().zip(&right.latency) {
            let name = match (left.engine, right.engine) {
                (one, other) if one == other => format!("CPU ms, {one}"),
                (one, other) => format!("CPU ms, {one}, {other}"),
            };
            let text = |time: f64| format!("{time:.2}");
            let ratio = Some(right.cpu_ms / left.cpu_ms);
            row(&name, text(left.cpu_ms), text(right.cpu_ms), ratio)?;
        }
        if let Some(ratio) = &self.cpu_ratio {
            writeln!(f, "CPU time               {}", ratio.told())?;
        }
        let Agreement {
            same,
            of,
            low,
            high,
        } = self.agreement;
        let share = same as f64 / of.max(1) as f64;
        writeln!(
            f,
            "same top label         {same} of {of}: {share:.3} (95 %: {low:.3} to {high:.3})"
        )?;
        let (mean, worst) = (self.sqnr_db, self.worst_sqnr_db);
        writeln!(
            f,
            "signal to noise        {mean:.1} dB, {worst:.1} dB at worst"
        )?;
        writeln!(
            f,
            "measured with          {}, one thread, batch 1",
            self.isa
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_of_a_tenth_is_twenty_decibels() {
        assert!((signal_to_noise(&[10.0, 0.0], &[10.0, 1.0]) - 20.0).abs() < 1e-9);
        assert!((signal_to_noise(&[1.0], &[1.0]) - 200.0).abs() < 1e-9);
        assert!((signal_to_noise(&[1.0], &[f32::NAN]) + 200.0).abs() < 1e-9);
    }
}
