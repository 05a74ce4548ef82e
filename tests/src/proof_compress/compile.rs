//! Compiled files beside a stock session: each figure from a process of its own, in turns.
//!
//! Both run without any setting of the heap; the stock session gets one thread, like ours. What no
//! file can change, measured with a network of 89,000 weights: a process with the library and a
//! session has 33 MB and takes 8 ms of CPU time to make one. Of the stock int8 session's 46 MB and
//! 29 ms that leaves 8.5 MB and 6.3 ms under the bars, and its weights as kernels pack them and its
//! activations take 8.5 MB already: the bars of int8 for memory and creation are out of reach, or
//! within the noise, and stay as they are.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use noroshi_compress::compile::{Compiled, compile};
use noroshi_compress::release::{Content, Description, Prepared, Source, prepare};
use noroshi_compress::statistics::median;
use noroshi_compress::views::Photo;
use noroshi_compress::{Network, Settings};
use noroshi_engine::compiled::{Level, seal, split};
use noroshi_engine::{Classifier, GoldenSet, ModelSource, Options};
use noroshi_model::{Label, Manifest, Measured, Task};
use noroshi_onnx::DataType;
use serde::Deserialize;

use crate::assets::{Role, asset};
use crate::claims::{Claim, rounded};
use crate::models::{Prepared as Files, pictures, prepared};
use crate::process::program;
use crate::rows::Context;

pub(super) const SETTINGS: &str = "11 processes of each, 40 runs";

/// Processes of each kind, and timed runs in each.
const PROCESSES: usize = 11;
const RUNS: usize = 40;
/// Shares of the stock session's figures that are allowed.
const CREATE: f64 = 0.5;
const STEADY: f64 = 1.02;
const MEMORY: f64 = 0.9;
/// Weights of which one byte is flipped, one after the other.
const FLIPS: usize = 16;

/// What one process tells.
#[derive(Debug, Deserialize)]
struct Cost {
    create_cpu_ms: f64,
    create_wall_ms: f64,
    run_cpu_ms: f64,
    peak_bytes: f64,
    sum: f64,
}

pub(super) fn run(context: &Context) -> Result<Vec<Claim>> {
    let Files { fp32, int8 } = prepared("mobilenet-v2")?;
    let folder = context.folder()?;
    let mut claims = Vec::new();
    for (word, source) in [("fp32", fp32), ("int8", int8)] {
        let made = compile(&source, Level::All, &options()?)?;
        let path = folder.join(format!("{word}.nrc"));
        std::fs::write(&path, &made.bytes)?;
        eprintln!("{}", made.report);
        claims.push(fusion(word, &made));
        claims.extend(golden(word, &source, &path, &made)?);
        claims.extend(costs(word, &source, &path)?);
    }
    Ok(claims)
}

fn options() -> Result<Options> {
    let mut options = Options::default();
    options.library.path = Some(asset("onnxruntime/libonnxruntime.so")?);
    Ok(options)
}

/// What fusion did: the nodes that are left, and the list beside.
fn fusion(word: &str, made: &Compiled) -> Claim {
    let (before, after) = (made.report.nodes_before, made.report.nodes_after);
    let list: serde_json::Map<_, _> = (made.report.operators.iter())
        .map(|change| {
            let counts = serde_json::json!([change.before, change.after]);
            (change.operator.clone(), counts)
        })
        .collect();
    let name = format!("{word}: nodes after compiling");
    Claim::new(
        &name,
        after,
        &format!("fewer than {before}"),
        after < before,
    )
    .with("operators", list)
}

/// The golden replay passes as it is, and fails with one byte of a weight flipped; without a new
/// digest such a file is not even loaded.
fn golden(word: &str, source: &Path, path: &Path, made: &Compiled) -> Result<Vec<Claim>> {
    let (manifest, golden) = release(path)?;
    let variant = &manifest.variants[0];
    let tolerance = variant.golden.tolerance;
    let replay = |bytes: &[u8]| -> Result<f32> {
        let source = ModelSource::Bytes(bytes);
        let mut model = Classifier::open(&manifest, variant, source, &options()?)?;
        Ok(golden.check(&mut model, tolerance)?.max_abs_diff)
    };
    let (header, start) = split(&made.bytes)?;
    let (at, width) = weights(source, &made.bytes[start..])?;
    let (mut refused, mut noticed) = (0, 0);
    for flip in 0..FLIPS {
        let mut content = made.bytes[start..].to_vec();
        // Little-endian: the exponent of a float is in its last byte; bytes are what they are.
        content[at + flip * width + width - 1] ^= 0x40;
        let flipped = [&made.bytes[..start], &content].concat();
        let error = replay(&flipped).err().map(|error| error.to_string());
        refused += usize::from(error.is_some_and(|text| text.contains("digest")));
        let header = header.clone();
        let sealed = seal(header.key, header.source, header.facts, &content)?;
        // A difference that is no number is one too.
        let differs = replay(&sealed)?;
        noticed += usize::from(differs.is_nan() || differs > tolerance);
    }
    let name = format!("{word}: golden replay differs by");
    let own = f64::from(replay(&made.bytes)?);
    let claim = |what: &str, count: usize, least: usize| {
        let name = format!("{word}: files with one byte of a weight flipped that {what}");
        let words = format!("at least {least} of {FLIPS}");
        Claim::new(&name, count, &words, count >= least)
    };
    Ok(vec![
        Claim::at_most(&name, own, f64::from(tolerance)),
        claim(
            "are refused for their digest before they are loaded",
            refused,
            FLIPS,
        ),
        // A weight that only meets zeros changes no answer.
        claim("fail the golden replay, sealed anew", noticed, FLIPS / 2),
    ])
}

fn release(path: &Path) -> Result<(Manifest, GoldenSet)> {
    let settings = Settings::default();
    let network = Network::MobileNetV2;
    let labels = (0..settings.classes).map(|class| Label::from_name(&format!("class {class}")));
    let description = Description {
        model: "mobilenet-v2".parse()?,
        version: 1,
        task: Task::Classification {
            labels: labels.collect(),
        },
        input: network.input_spec(&settings),
        output: network.output_spec(),
    };
    let source = Source {
        name: "compiled".parse()?,
        path: path.to_owned(),
        measured: Measured::default(),
        recipe: "compiled".to_owned(),
        source: None,
        tolerance: None,
    };
    let photos: Vec<Photo> = pictures(Role::Selection)?
        .iter()
        .take(2)
        .map(|path| Photo::open(path))
        .collect::<Result<_, _>>()?;
    let Prepared {
        manifest, blobs, ..
    } = prepare(description, &[source], &photos, &options()?)?;
    let golden = blobs.into_iter().find_map(|(_, content)| match content {
        Content::Bytes(bytes) => Some(bytes),
        Content::File(_) => None,
    });
    let golden = GoldenSet::from_cbor(&golden.context("a golden set")?)?;
    Ok((manifest, golden))
}

/// Where in `content` the numbers of the largest constant lie that it holds as the source does,
/// and the bytes of each.
fn weights(source: &Path, content: &[u8]) -> Result<(usize, usize)> {
    let model = noroshi_onnx::read(source)?;
    let mut constants: Vec<_> = model.graph()?.initializer.iter().collect();
    constants.sort_by_key(|tensor| std::cmp::Reverse(tensor.raw_data.len()));
    for tensor in constants {
        let width = match tensor.element()? {
            DataType::F32 => 4,
            DataType::I8 | DataType::U8 => 1,
            _ => continue,
        };
        let Some(pattern) = tensor.raw_data.get(..FLIPS * width) else {
            continue;
        };
        let found = content
            .windows(pattern.len())
            .position(|window| window == pattern);
        if let Some(at) = found {
            return Ok((at, width));
        }
    }
    bail!("no constant of the source is in the compiled file as it was")
}

fn costs(word: &str, source: &Path, path: &Path) -> Result<Vec<Claim>> {
    let (mut stock, mut compiled) = (Vec::new(), Vec::new());
    for turn in 0..PROCESSES {
        // Whoever goes first changes from turn to turn.
        if turn % 2 == 0 {
            stock.push(cost("stock", source)?);
            compiled.push(cost("compiled", path)?);
        } else {
            compiled.push(cost("compiled", path)?);
            stock.push(cost("stock", source)?);
        }
    }
    let (first, other) = (stock[0].sum, compiled[0].sum);
    ensure!(
        (first - other).abs() <= 1e-3 * first.abs().max(1.0),
        "they answer {first} and {other}"
    );
    let of = |costs: &[Cost], figure: fn(&Cost) -> f64| {
        median(&costs.iter().map(figure).collect::<Vec<_>>()).unwrap_or(f64::NAN)
    };
    let claim = |name: &str, limit: f64, figure: fn(&Cost) -> f64, unit: &str| {
        let (stock, compiled) = (of(&stock, figure), of(&compiled, figure));
        Claim::at_most(
            &format!("{word}: {name} of the stock session's"),
            compiled / stock,
            limit,
        )
        .with(&format!("stock_{unit}"), rounded(stock))
        .with(&format!("compiled_{unit}"), rounded(compiled))
        .with("isa", noroshi_engine::isa())
    };
    Ok(vec![
        claim(
            "session creation, CPU time",
            CREATE,
            |cost| cost.create_cpu_ms,
            "ms",
        ),
        claim(
            "session creation, wall time",
            CREATE,
            |cost| cost.create_wall_ms,
            "ms",
        ),
        claim("steady CPU time", STEADY, |cost| cost.run_cpu_ms, "ms"),
        claim("peak memory", MEMORY, |cost| cost.peak_bytes, "bytes"),
    ])
}

fn cost(kind: &str, file: &Path) -> Result<Cost> {
    let program: PathBuf = program("noroshi-session-cost")?;
    let output = Command::new(program)
        .arg(kind)
        .arg(file)
        .arg(RUNS.to_string())
        .env(
            "NOROSHI_ONNXRUNTIME",
            asset("onnxruntime/libonnxruntime.so")?,
        )
        .env("ORT_DISABLE_TELEMETRY", "1")
        .output()?;
    ensure!(
        output.status.success(),
        "{kind}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}
