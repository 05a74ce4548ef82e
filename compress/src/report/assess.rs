//! A model and what was made of it, on somebody's data: what each takes, how good it is, and how
//! sure that is.

use std::fmt;
use std::path::{Path, PathBuf};

use noroshi_engine::isa;
use noroshi_model::EngineKind;
use noroshi_train::data::Dataset;
use serde::Serialize;

use super::{BitWidths, EngineTime, Ratio, Side, side};
use crate::compile::kind_of;
use crate::evaluate::{self, Comparison, Evaluation, Groups, Model, Quality};
use crate::inspect::{WeightHistogram, grouped, histograms};
use crate::plot::Candidate;
use crate::statistics::{bootstrap_ratio, median};
use crate::{Error, Result};

/// Samples that are timed, one after the other.
const TIMED: usize = 64;

/// Histograms of each model, those of its largest weights, and bars of each.
const HISTOGRAMS: usize = 6;
const BARS: usize = 48;

/// How models are assessed.
#[derive(Debug, Clone)]
pub struct Options {
    /// How they are evaluated.
    pub evaluate: evaluate::Options,
    /// Timed runs of each model, those compared taking turns; 0 leaves time out.
    pub rounds: usize,
    /// Runs before time is taken.
    pub warmup: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            evaluate: evaluate::Options::default(),
            rounds: 40,
            warmup: 5,
        }
    }
}

/// A model that was made of another, beside it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Assessed {
    /// What it is called.
    pub name: String,
    /// What it takes.
    pub side: Side,
    /// Its CPU time over that of the original, run by run.
    pub cpu_ratio: Option<Ratio>,
    /// How good it is, and how that differs.
    pub comparison: Comparison,
    /// How its largest weights are spread.
    pub weights: Vec<WeightHistogram>,
}

/// A model and what was made of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Assessment {
    /// What the original is called.
    pub name: String,
    /// What it takes.
    pub original: Side,
    /// How good it is.
    pub quality: Evaluation,
    /// How its largest weights are spread.
    pub weights: Vec<WeightHistogram>,
    /// What was made of it.
    pub variants: Vec<Assessed>,
    /// What fewer bits would cost it, where that was asked for ([`super::bit_widths`]).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bits: Option<BitWidths>,
    /// The best instruction set of this machine.
    pub isa: &'static str,
    /// Timed runs of each.
    pub rounds: usize,
}

/// Assesses the files of `variants`, ONNX or packed networks of one-bit weights, beside that of `original`; `seen` hears of each sample.
pub fn assess(
    original: &Path,
    variants: &[PathBuf],
    data: &Dataset,
    groups: &Groups,
    options: &Options,
    seen: &mut dyn FnMut(usize),
) -> Result<Assessment> {
    let evaluated = &options.evaluate;
    let mut whole = Assessment {
        name: name(original),
        original: side(original)?,
        quality: evaluate::evaluate(original, data, groups, evaluated, seen)?,
        weights: largest(original)?,
        variants: Vec::new(),
        bits: None,
        isa: isa(),
        rounds: options.rounds,
    };
    for path in variants {
        let mut own = side(path)?;
        let comparison = evaluate::compare(original, path, data, groups, evaluated, seen)?;
        let mut cpu_ratio = None;
        if options.rounds > 0 {
            let times = times([original, path], data, options)?;
            let [first, second] = &times;
            let latency = |path: &Path, times: &[f64]| -> Result<EngineTime> {
                Ok(EngineTime {
                    engine: kind_of(path)?.0.word(),
                    cpu_ms: median(times).unwrap_or(0.0),
                })
            };
            whole.original.latency = vec![latency(original, first)?];
            own.latency = vec![latency(path, second)?];
            cpu_ratio = ratio(first, second);
        }
        whole.variants.push(Assessed {
            name: name(path),
            side: own,
            cpu_ratio,
            comparison,
            weights: largest(path)?,
        });
    }
    Ok(whole)
}

/// CPU milliseconds of one answer of the second model, and its CPU time over that of the first:
/// medians of runs that took turns.
pub fn time(paths: [&Path; 2], data: &Dataset, options: &Options) -> Result<(f64, f64)> {
    let [first, second] = times(paths, data, options)?;
    let ratios: Vec<f64> = second
        .iter()
        .zip(&first)
        .map(|(own, other)| own / other)
        .collect();
    let figures = median(&second).zip(median(&ratios));
    figures.ok_or_else(|| Error::Compare("time needs at least one timed run".into()))
}

/// The median ratio of runs that took turns, with its interval.
pub(super) fn ratio(first: &[f64], second: &[f64]) -> Option<Ratio> {
    let resamples = crate::statistics::RESAMPLES;
    let (ratio, interval) = bootstrap_ratio(first, second, resamples, 1)?;
    Some(Ratio {
        ratio,
        low: interval.low,
        high: interval.high,
        runs: first.len(),
    })
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Histograms of the largest weights; none of compiled ones and of those of one bit.
fn largest(path: &Path) -> Result<Vec<WeightHistogram>> {
    if kind_of(path)?.0 != EngineKind::OnnxRuntime {
        // The runtime's own format keeps its weights to itself.
        return Ok(Vec::new());
    }
    let mut all = histograms(&noroshi_onnx::read(path)?, BARS)?;
    all.sort_by_key(|histogram| std::cmp::Reverse(histogram.elements));
    all.truncate(HISTOGRAMS);
    Ok(all)
}

/// CPU milliseconds of each run of both, which take turns so that a busy machine slows both.
fn times(paths: [&Path; 2], data: &Dataset, options: &Options) -> Result<[Vec<f64>; 2]> {
    let engine = &options.evaluate.engine;
    let [first, second] = paths;
    let mut models = [
        Model::open(first, data, engine)?,
        Model::open(second, data, engine)?,
    ];
    let count = data.len().min(TIMED);
    let mut inputs = [Vec::new(), Vec::new()];
    for (model, inputs) in models.iter_mut().zip(&mut inputs) {
        for place in 0..count {
            inputs.push(model.input(data, place)?);
        }
    }
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..options.warmup + options.rounds {
        for ((model, inputs), times) in models.iter_mut().zip(&inputs).zip(&mut times) {
            let input = std::slice::from_ref(&inputs[round % count]);
            let spent = super::timed(model.engine(), input)?;
            if round >= options.warmup {
                times.push(spent);
            }
        }
    }
    Ok(times)
}

/// What the quality of an evaluation is called, and the figure with its interval; none if there
/// are no targets.
pub fn headline(quality: &Quality) -> Option<(&'static str, f64, Option<(f64, f64)>)> {
    let ends = |interval: crate::statistics::Interval| (interval.low, interval.high);
    match quality {
        Quality::Classes(seen) => {
            let top = seen.top_1;
            Some(("top-1 accuracy", top.share, Some((top.low, top.high))))
        }
        Quality::Labels(seen) => {
            let figure = seen.mean_average_precision;
            Some((
                "mean average precision",
                figure.value,
                figure.interval.map(ends),
            ))
        }
        Quality::Figures(seen) => Some(("R²", seen.r_squared?, None)),
        Quality::Unlabelled => None,
    }
}

impl Assessment {
    /// What the quality of the candidates is called, and the candidates by a cost: without
    /// targets, quality is agreement with the original.
    pub fn candidates(
        &self,
        cost: impl Fn(&Side) -> Option<f64>,
    ) -> (&'static str, Vec<Candidate>) {
        let labelled = headline(&self.quality.quality);
        let called = labelled.map_or("agreement with the original", |headline| headline.0);
        let own = labelled.map_or((1.0, None), |(_, value, interval)| (value, interval));
        let original = cost(&self.original).map(|cost| Candidate {
            name: self.name.clone(),
            cost,
            quality: own.0,
            interval: own.1,
        });
        let variants = self.variants.iter().filter_map(|variant| {
            let comparison = &variant.comparison;
            let (quality, interval) = match headline(&comparison.model.quality) {
                Some((_, value, interval)) => (value, interval),
                None => {
                    let same = comparison.agreement?;
                    (same.share, Some((same.low, same.high)))
                }
            };
            Some(Candidate {
                name: variant.name.clone(),
                cost: cost(&variant.side)?,
                quality,
                interval,
            })
        });
        (called, original.into_iter().chain(variants).collect())
    }
}

impl fmt::Display for Assessment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<28} {:>12} {:>12} {:>14} {:>12} {:>8}  quality",
            "model", "bytes", "parameters", "MACs", "peak bytes", "CPU ms"
        )?;
        let mut row = |name: &str, side: &Side, quality: &Quality| {
            let time = side
                .latency
                .first()
                .map_or("-".into(), |t| format!("{:.2}", t.cpu_ms));
            let quality = headline(quality).map_or(String::new(), |(called, value, interval)| {
                let ends = interval.map_or(String::new(), |(low, high)| {
                    format!(" (95 %: {low:.4} to {high:.4})")
                });
                format!("{called} {value:.4}{ends}")
            });
            writeln!(
                f,
                "{name:<28} {:>12} {:>12} {:>14} {:>12} {time:>8}  {quality}",
                grouped(side.bytes),
                grouped(side.parameters),
                grouped(side.macs),
                grouped(side.peak_memory_bytes)
            )
        };
        row(&self.name, &self.original, &self.quality.quality)?;
        for variant in &self.variants {
            row(
                &variant.name,
                &variant.side,
                &variant.comparison.model.quality,
            )?;
        }
        for variant in &self.variants {
            let bytes = variant.side.bytes as f64 / self.original.bytes.max(1) as f64;
            writeln!(
                f,
                "\n{}\nbytes        {bytes:.3} of the original",
                variant.name
            )?;
            if let Some(ratio) = &variant.cpu_ratio {
                writeln!(f, "CPU time     {}", ratio.told())?;
            }
            variant.comparison.fmt_changes(f)?;
        }
        if let Some(bits) = &self.bits {
            write!(f, "\n{bits}")?;
        }
        writeln!(
            f,
            "\nmeasured with {}, one thread, batch 1, {} runs in turns",
            self.isa, self.rounds
        )
    }
}
