//! Carrying a plan out: what is next is decided elsewhere, here it is done.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use noroshi_engine::isa;
use noroshi_model::Digest;
use noroshi_train::data::Dataset;
use noroshi_train::{Progress, Targets};

use super::chain::{Chain, chains, is_hopeless, next};
use super::decide::{Figures, decide, front};
use super::keep::{Folder, Identity};
use super::outcome::{Outcome, Tried};
use super::plan::Plan;
use super::step::Bench;
use crate::evaluate::{self, Groups};
use crate::{Error, Result};

/// What a plan works on.
#[derive(Debug, Clone)]
pub struct Samples {
    /// The original's file.
    pub model: PathBuf,
    /// Samples to learn from.
    pub learned: Dataset,
    /// Samples that were held out of them, on which everything is chosen.
    pub held: Dataset,
    /// Which of those belong together.
    pub groups: Groups,
}

/// How far a run is.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A chain was begun, the so-manyth of all.
    Begun {
        /// The chain.
        chain: &'a Chain,
        /// Chains that are done.
        done: usize,
        /// Chains of the plan.
        of: usize,
    },
    /// An epoch of a chain's network is over.
    Taught {
        /// The chain's name.
        name: &'a str,
        /// The step of its pruning, from 1.
        step: usize,
        /// The training.
        progress: Progress,
    },
    /// A chain's file was measured, or had been.
    Measured {
        /// The chain.
        chain: &'a Chain,
        /// What it takes and loses.
        figures: &'a Figures,
    },
}

/// Carries a plan out in a folder, where every finished step is kept: a run that was stopped goes
/// on there, to the same files.
pub fn run(
    plan: &Plan,
    samples: &Samples,
    folder: &Path,
    options: &evaluate::Options,
    tell: &mut dyn FnMut(Event<'_>),
) -> Result<Outcome> {
    let bytes = std::fs::read(&samples.model).map_err(Error::file(&samples.model))?;
    let model = Digest::of(&bytes).to_string();
    let data = digest(&[&samples.learned, &samples.held])?;
    let folder = Folder::open(folder, &Identity::of(plan, &model, &data))?;
    let mut bench = Bench::new(plan, samples, options, folder);
    let all = chains(plan);
    let original = bench.quality(&samples.model)?;
    let mut found = BTreeMap::new();
    while let Some(chain) = next(plan, &all, &found) {
        tell(Event::Begun {
            chain,
            done: found.len(),
            of: all.len(),
        });
        let path = bench.make(chain, tell)?;
        let figures = bench.measure(&chain.to_string(), &path, original)?;
        tell(Event::Measured {
            chain,
            figures: &figures,
        });
        found.insert(chain.to_string(), figures);
    }
    let tried = all.iter().filter_map(|chain| {
        let figures = found.get(&chain.to_string())?.clone();
        Some(Tried {
            name: chain.to_string(),
            chain: *chain,
            figures,
        })
    });
    let left_out = all.iter().filter(|chain| {
        !found.contains_key(&chain.to_string()) && is_hopeless(plan, &all, &found, chain)
    });
    Ok(Outcome {
        plan: plan.clone(),
        tool: format!("noroshi {}", env!("CARGO_PKG_VERSION")),
        isa: isa(),
        model,
        data,
        quality: original,
        bytes: bytes.len() as u64,
        tried: tried.collect(),
        left_out: left_out.map(ToString::to_string).collect(),
        front: front(&found).into_iter().collect(),
        verdict: decide(&found, &plan.limits, bytes.len() as u64),
        digest: files(&all, &found),
    })
}

/// SHA-256 over the names of all files and their digests. Without those that were compiled: the
/// runtime writes the same graph with other bytes every time.
fn files(chains: &[Chain], found: &BTreeMap<String, Figures>) -> String {
    let compiled: BTreeSet<String> = chains
        .iter()
        .filter(|chain| chain.level.is_some())
        .map(ToString::to_string)
        .collect();
    let portable = found.iter().filter(|(name, _)| !compiled.contains(*name));
    let lines = portable.fold(String::new(), |lines, (name, figures)| {
        lines + name + " " + &figures.digest + "\n"
    });
    Digest::of(lines.as_bytes()).to_string()
}

/// SHA-256 over samples as networks take them, and their targets.
fn digest(data: &[&Dataset]) -> Result<String> {
    let mut context = Context::new(&SHA256);
    let mut sample = Vec::new();
    for data in data {
        for place in 0..data.len() {
            sample.clear();
            data.append(place, &mut sample)?;
            let bytes: Vec<u8> = sample
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect();
            context.update(&bytes);
        }
        match Targets::read(data) {
            Targets::Unknown => {}
            Targets::Classes { labels, .. } => {
                labels
                    .iter()
                    .for_each(|label| context.update(&label.to_le_bytes()));
            }
            Targets::Values { values, .. } => {
                values
                    .iter()
                    .for_each(|value| context.update(&value.to_le_bytes()));
            }
        }
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    Ok(Digest::from_bytes(bytes).to_string())
}
