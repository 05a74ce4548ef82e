//! Graph optimization ahead of time: what ONNX Runtime does to a graph at every start, done once
//! for one target, with the list of what it did.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use noroshi_engine::compiled::{Facts, Header, Key, Level, read_header, rewrite, seal};
use noroshi_engine::{Engine, ModelSource, Options, Tensor, open, process_cpu};
use noroshi_model::{Blob, Digest, ElementType, EngineKind};
use serde::Serialize;

use crate::binary::is_packed;
use crate::inspect::{count_operators, inspect};
use crate::release::blob_of;
use crate::statistics::median;
use crate::{Error, Result};

/// Largest difference of an output from the source's that is taken for rounding, as a share of the
/// largest number: fused operators add in another order.
const ROUNDING: f32 = 1e-3;

/// Without packed weights a file may be slower by this factor: the start is quicker and smaller.
const SLOWER: f64 = 1.02;
/// Runs that decide it, the first unmeasured.
const ROUNDS: usize = 41;

/// What was compiled.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What the file is for.
    pub key: Key,
    /// Digest of the source.
    pub source: Digest,
    /// Bytes of the source's file.
    pub source_bytes: u64,
    /// Bytes of the compiled file.
    pub bytes: u64,
    /// What became of each kind of operator.
    pub operators: Vec<Change>,
    /// Nodes of the source.
    pub nodes_before: usize,
    /// Nodes of the compiled graph.
    pub nodes_after: usize,
    /// Whether kernels copy their weights into another order at the start, since that pays.
    pub packed: bool,
    /// Largest difference of an output from the source's on a made-up input, as a share of the
    /// largest number; none if the model's inputs can't be made up.
    pub difference: Option<f32>,
}

/// How often an operator is used before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The operator, `domain::Name` outside ONNX's own domain.
    pub operator: String,
    /// How often in the source.
    pub before: usize,
    /// How often in the compiled graph.
    pub after: usize,
}

/// A compiled file's bytes and what is to be told of them.
#[derive(Debug)]
pub struct Compiled {
    /// The file.
    pub bytes: Vec<u8>,
    /// What was done.
    pub report: Report,
}

/// Compiles the .onnx file at `source` for this machine, and has it answer a made-up input as its
/// source does. `options` names the runtime; its level of optimization is not looked at.
pub fn compile(source: &Path, level: Level, options: &Options) -> Result<Compiled> {
    compile_packed(source, level, None, options)
}

/// The same, with weights in another order at the start or not, as `packed` says; without, time
/// decides, and the file may come out otherwise the next time.
pub fn compile_packed(
    source: &Path,
    level: Level,
    packed: Option<bool>,
    options: &Options,
) -> Result<Compiled> {
    let Blob {
        sha256: digest,
        length: source_bytes,
    } = blob_of(source)?;
    let model = noroshi_onnx::read(source)?;
    let seen = inspect(&model)?;
    // With external data inside: the runtime gets bytes and opens no other file.
    let bytes = noroshi_onnx::encode(&model)?;
    drop(model);
    let folder = tempfile::tempdir().map_err(Error::file(source))?;
    let made = rewrite(&bytes, level, folder.path(), options)?;
    let after = operators(made.onnx)?;
    let facts = Facts {
        opset: seen.opset,
        ir: seen.ir,
        before: seen.operators,
        after,
        dtypes: seen.dtypes,
        precision: seen.precision,
        parameters: seen.parameters,
        macs: seen.macs,
        // Weights laid out for wide vectors are padded: the content holds them as they run.
        peak_memory: made.content.len() as u64 + seen.peak_activation_bytes,
        packed: true,
    };
    let changes = changes(&facts.before, &facts.after);
    let seal_as = |packed| {
        let facts = Facts {
            packed,
            ..facts.clone()
        };
        seal(made.key.clone(), digest, facts, &made.content)
    };
    let mut source_engine = opened(EngineKind::OnnxRuntime, &bytes, options)?;
    let inputs = made_up(&*source_engine);
    let packed = match (packed, &inputs) {
        (Some(packed), _) => packed,
        (None, Some(inputs)) => {
            let mut engines = [
                opened(EngineKind::OnnxCompiled, &seal_as(true)?, options)?,
                opened(EngineKind::OnnxCompiled, &seal_as(false)?, options)?,
            ];
            packing_pays(&mut engines, inputs)?
        }
        (None, None) => true,
    };
    let sealed = seal_as(packed)?;
    let mut difference = None;
    if let Some(inputs) = &inputs {
        let mut engine = opened(EngineKind::OnnxCompiled, &sealed, options)?;
        difference = furthest(&mut *source_engine, &mut *engine, inputs)?;
    }
    if difference.is_some_and(|share| share.is_nan() || share > ROUNDING) {
        return Err(Error::Compare(format!(
            "the compiled graph answers otherwise than its source (by {} of the largest number): \
             compile at a lower level",
            difference.unwrap_or(f32::NAN)
        )));
    }
    Ok(Compiled {
        report: Report {
            key: made.key,
            source: digest,
            source_bytes,
            bytes: sealed.len() as u64,
            operators: changes,
            nodes_before: facts.before.values().sum(),
            nodes_after: facts.after.values().sum(),
            packed,
            difference,
        },
        bytes: sealed,
    })
}

/// The header of a compiled file, and what runs the file at `path`: one with a header is compiled,
/// one may be a packed network of one-bit weights, any other is taken for ONNX.
pub(crate) fn kind_of(path: &Path) -> Result<(EngineKind, Option<Header>)> {
    let header = read_header(path)?;
    let kind = match header {
        Some(_) => EngineKind::OnnxCompiled,
        None if is_packed(path)? => EngineKind::Binary,
        None => EngineKind::OnnxRuntime,
    };
    Ok((kind, header))
}

/// How often each operator is used in the graph that the runtime wrote.
fn operators(onnx: Vec<u8>) -> Result<BTreeMap<String, usize>> {
    let model = noroshi_onnx::decode(onnx)?;
    let mut operators = BTreeMap::new();
    count_operators(model.graph()?, &mut operators);
    Ok(operators)
}

fn changes(before: &BTreeMap<String, usize>, after: &BTreeMap<String, usize>) -> Vec<Change> {
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let count = |of: &BTreeMap<String, usize>, name: &String| of.get(name).copied().unwrap_or(0);
    names
        .into_iter()
        .map(|name| Change {
            operator: name.clone(),
            before: count(before, name),
            after: count(after, name),
        })
        .collect()
}

fn opened(kind: EngineKind, bytes: &[u8], options: &Options) -> Result<Box<dyn Engine>> {
    Ok(open(kind, ModelSource::Bytes(bytes), options)?)
}

/// Whether the first of the engines, with packed weights, is quicker by more than [`SLOWER`]: by
/// the median of the rounds' ratios, since a busy machine slows both runs of a round.
fn packing_pays(engines: &mut [Box<dyn Engine>; 2], inputs: &[Tensor]) -> Result<bool> {
    let mut ratios = Vec::new();
    for round in 0..ROUNDS {
        let mut times = [0.0; 2];
        for turn in 0..2 {
            // Whoever goes first changes from round to round.
            let which = (round + turn) % 2;
            let began = process_cpu();
            engines[which].run(inputs)?;
            times[which] = process_cpu().saturating_sub(began).as_secs_f64();
        }
        if round > 0 {
            ratios.push(times[1] / times[0].max(f64::MIN_POSITIVE));
        }
    }
    Ok(median(&ratios).is_none_or(|ratio| ratio > SLOWER))
}

/// The largest difference of the first output, as a share of its largest number.
fn furthest(
    source: &mut dyn Engine,
    compiled: &mut dyn Engine,
    inputs: &[Tensor],
) -> Result<Option<f32>> {
    let [expected, found] = [source.run(inputs)?, compiled.run(inputs)?];
    let (Some(expected), Some(found)) = (expected.first(), found.first()) else {
        return Ok(None);
    };
    let (expected, found) = (expected.to_f32(), found.to_f32());
    if expected.len() != found.len() {
        return Err(Error::Compare(format!(
            "the source gives {} numbers, the compiled graph {}",
            expected.len(),
            found.len()
        )));
    }
    let largest = expected
        .iter()
        .fold(f32::MIN_POSITIVE, |most, x| most.max(x.abs()));
    let pairs = expected.iter().zip(found.iter());
    // A difference that is no number must not get lost: `max` would drop it.
    let furthest =
        pairs.map(|(a, b)| (a - b).abs()).fold(
            0.0,
            |most: f32, x| if x > most || x.is_nan() { x } else { most },
        );
    Ok(Some(furthest / largest))
}

/// Inputs of waves between -1 and 1; free sides are 1. None if an input is not of floats.
fn made_up(engine: &dyn Engine) -> Option<Vec<Tensor>> {
    engine
        .inputs()
        .iter()
        .map(|input| {
            if input.element != ElementType::F32 {
                return None;
            }
            let shape: Vec<usize> = input.shape.iter().map(|side| side.unwrap_or(1)).collect();
            let count = shape
                .iter()
                .try_fold(1usize, |all, &side| all.checked_mul(side))?;
            if count > MOST_MADE_UP {
                return None;
            }
            let numbers = (0..count).map(|n| (n as f32 * 0.37).sin()).collect();
            Tensor::f32(shape, numbers).ok()
        })
        .collect()
}

/// Most numbers of an input that is made up.
const MOST_MADE_UP: usize = 64 << 20;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Key {
            runtime,
            architecture,
            isa,
            level,
        } = &self.key;
        writeln!(
            f,
            "compiled for ONNX Runtime {runtime}, {architecture:?}, {isa}, level {level:?}"
        )?;
        let source = self.source.short();
        writeln!(
            f,
            "from {source}, {} bytes, to {} bytes",
            self.source_bytes, self.bytes
        )?;
        writeln!(f, "{:<40} {:>7} {:>7}", "operator", "before", "after")?;
        for change in self
            .operators
            .iter()
            .filter(|change| change.before != change.after)
        {
            let Change {
                operator,
                before,
                after,
            } = change;
            writeln!(f, "{operator:<40} {before:>7} {after:>7}")?;
        }
        writeln!(
            f,
            "{:<40} {:>7} {:>7}",
            "nodes in all", self.nodes_before, self.nodes_after
        )?;
        if !self.packed {
            writeln!(f, "weights are used as they lie in the file")?;
        }
        match self.difference {
            Some(share) => writeln!(
                f,
                "on a made-up input it differs from its source by {share:.1e} of the largest number"
            ),
            None => writeln!(f, "not run: its inputs can't be made up"),
        }
    }
}
