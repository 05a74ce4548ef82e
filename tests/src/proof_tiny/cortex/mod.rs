//! Small int8 networks on an emulated Cortex-M4: flash, SRAM, answers bit for bit.
//!
//! A network is trained, quantized and imported as integers; its source runs over the whole test
//! part on the host and in `qemu-system-arm -M mps2-an386`, and must answer as the reference does.
//! Instructions are counted by the emulator and are not cycles.

mod emulator;
mod nets;
mod variation;
mod watch;

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use noroshi_codegen::net::{
    self, Network, Operation, Options, Output, Sharing, Summary, Target, import,
};
use noroshi_engine::{ModelSource, Tensor, TensorData, open};
use noroshi_model::EngineKind;

use crate::assets::engine_options;
use crate::claims::{Claim, rounded};
use crate::rows::seeds::Outcome;
use crate::rows::{Context, Row};
use emulator::{Report, Size};
use nets::{Prepared, Task};

/// What the device has, in bytes.
const FLASH: u32 = 64 * 1024;
const SRAM: u32 = 20 * 1024;

/// How much of the arena without in-place steps may be left.
const ARENA_SHARE: f64 = 0.6;

/// Inputs whose instructions are counted, one by one.
const COUNTED: usize = 100;

/// Inputs on which the plain C kernels run in the emulator, beside those with DSP instructions.
const PLAIN: usize = 500;

pub(super) const ROW: Row = Row {
    name: "cortex",
    settings: "cortex 3",
    run,
};

fn run(context: &Context) -> Result<Vec<Claim>> {
    emulator::check_tools()?;
    let mut claims = Vec::new();
    for task in [watch::watch()?, nets::fashion()?] {
        claims.extend(decide(context, &task)?);
    }
    Ok(claims)
}

fn decide(context: &Context, task: &Task) -> Result<Vec<Claim>> {
    let mut shipped: Vec<Prepared> = Vec::new();
    let judged = context.judge(task.name, &task.settings()?, |seed| {
        let prepared = task.train(seed)?;
        let (network, _) = source_of(&prepared)?;
        let answers = references(&network, &prepared)?;
        let classes: Vec<u16> = answers.iter().map(|answer| answer.top() as u16).collect();
        let bytes = noroshi_onnx::encode(&prepared.model)?;
        shipped.push(prepared);
        Outcome::new(seed, &classes, &task.test.labels, &bytes)
    })?;
    let name = |what: &str| format!("cortex {}: {what}", task.name);
    let mut claims = vec![judged.at_least(&name("accuracy, int8"), task.least)];
    claims.extend(judged.claims);
    // In a run that took up finished seeds none was trained: the first is trained again.
    let prepared = match shipped.pop() {
        Some(prepared) => prepared,
        None => task.train(1)?,
    };
    let folder = context.folder()?.join(task.name);
    claims.extend(measure(task, &prepared, &folder)?);
    Ok(claims)
}

fn source_of(prepared: &Prepared) -> Result<(Network, Summary)> {
    let network = import(&prepared.model)?;
    let summary = network.summary();
    Ok((network, summary))
}

fn references(network: &Network, prepared: &Prepared) -> Result<Vec<Output>> {
    let inputs = prepared.levels(network);
    let answers = inputs.iter().map(|input| network.run(input));
    Ok(answers.collect::<Result<_, _>>()?)
}

fn measure(task: &Task, prepared: &Prepared, folder: &Path) -> Result<Vec<Claim>> {
    let (network, summary) = source_of(prepared)?;
    let inputs = prepared.levels(&network);
    let answers = references(&network, prepared)?;
    let wanted: Vec<u8> = answers.iter().flat_map(Output::bytes).collect();
    write_source(&network, &inputs, folder)?;
    let on_host = emulator::host(folder, &inputs)?;
    let program = emulator::build(folder, "dsp", &[])?;
    let plain = emulator::build(folder, "plain", &["-DNOROSHI_PLAIN_C"])?;
    let size = Size::of(&program)?;
    let runs = emulator::replay_all(&program, &inputs)?;
    let plain = emulator::replay(&plain, &inputs[..PLAIN.min(inputs.len())], None)?;
    let counted = emulator::replay(&program, &inputs[..COUNTED], Some(6))?;
    let width = answers[0].bytes().len();
    let name = |what: &str| format!("cortex {}: {what}", task.name);
    let stack = runs.iter().map(|run| run.report.stack).max().unwrap_or(0);
    let sram = size.data + size.bss + stack;
    let made: Vec<u8> = runs.into_iter().flat_map(|run| run.outputs).collect();
    let exact = |name: &str, made: &[u8], count: usize| {
        let wanted = &wanted[..count * width];
        let same = made.chunks(width).zip(wanted.chunks(width));
        let same = same.filter(|(made, wanted)| made == wanted).count();
        let whole = made.len() == wanted.len() && same == count;
        Claim::new(name, same, &format!("{count} of {count}"), whole)
    };
    let share = summary.arena_bytes as f64 / summary.apart_bytes as f64;
    Ok(vec![
        exact(&name("bit-exact on the host"), &on_host, inputs.len()),
        exact(&name("bit-exact on the M4"), &made, inputs.len()),
        exact(
            &name("bit-exact without DSP"),
            &plain.outputs,
            PLAIN.min(inputs.len()),
        ),
        Claim::at_most(
            &name("flash, bytes"),
            f64::from(size.text + size.data),
            f64::from(FLASH),
        )
        .with("weights, biases, factors", summary.constant_bytes),
        Claim::at_most(
            &name("SRAM with stack, bytes"),
            f64::from(sram),
            f64::from(SRAM),
        )
        .with("arena", summary.arena_bytes)
        .with("stack", stack),
        Claim::at_most(&name("arena, of that without in-place"), share, ARENA_SHARE)
            .with("arena", summary.arena_bytes)
            .with("without in-place", summary.apart_bytes),
        instructions(
            &name("instructions a run, not cycles"),
            &counted.report,
            summary.macs,
        )?,
        agreement(
            &name("same class as ONNX Runtime"),
            prepared,
            &network,
            &answers,
        )?,
        control(
            &name("control: one weight off by one"),
            &network,
            &inputs,
            &made,
            width,
        )?,
    ])
}

fn write_source(network: &Network, inputs: &[Vec<i8>], folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let options = Options {
        name: "net".into(),
        target: Target::CortexM4,
        sharing: Sharing::InPlace,
        vectors: inputs[..8.min(inputs.len())].to_vec(),
    };
    let mut files = net::emit(network, &options)?;
    files.extend(net::cortex_harness("net"));
    for file in files {
        std::fs::write(folder.join(file.name), file.text)?;
    }
    Ok(())
}

/// Mean instructions a run; the count is believed only if it is right for a known number of them.
fn instructions(name: &str, report: &Report, macs: u64) -> Result<Claim> {
    ensure!(report.inputs > 0, "nothing was counted");
    let off = report
        .control()
        .abs_diff(u64::from(report.control_instructions));
    let mean = report.instructions() as f64 / f64::from(report.inputs);
    Ok(Claim::new(
        name,
        rounded(mean),
        "a count that is right within 4 for a known row of instructions",
        off <= 4,
    )
    .with("least", report.least())
    .with("most", report.most())
    .with("multiplications", macs)
    .with("counted of 1000 known", report.control()))
}

/// Against ONNX Runtime, which runs the same QDQ file with its own rounding.
fn agreement(
    name: &str,
    prepared: &Prepared,
    network: &Network,
    answers: &[Output],
) -> Result<Claim> {
    let bytes = noroshi_onnx::encode(&prepared.model)?;
    let mut engine = open(
        EngineKind::OnnxRuntime,
        ModelSource::Bytes(&bytes),
        &engine_options()?,
    )?;
    let scale = network.output().scale;
    let (mut same, mut furthest) = (0usize, 0f64);
    for (input, answer) in prepared.inputs().zip(answers) {
        let tensor = Tensor::f32(prepared.dims(), input.to_vec())?;
        let made = engine.run(&[tensor])?;
        let TensorData::F32(theirs) = made.first().context("an output")?.data() else {
            anyhow::bail!("the output is no float");
        };
        let top = (0..theirs.len())
            .rev()
            .max_by(|&a, &b| theirs[a].total_cmp(&theirs[b]));
        same += usize::from(top == Some(answer.top()));
        let span = theirs
            .iter()
            .fold(f32::MIN_POSITIVE, |most, x| most.max(x.abs()));
        for (level, number) in answer.levels().iter().zip(theirs) {
            let off = (f64::from(*level) * scale - f64::from(*number)).abs() / f64::from(span);
            furthest = furthest.max(off);
        }
    }
    let share = same as f64 / answers.len() as f64;
    Ok(
        Claim::at_least(name, share, 0.995)
            .with("largest difference of a logit", rounded(furthest)),
    )
}

/// The comparison must see a single weight that differs by one.
fn control(
    name: &str,
    network: &Network,
    inputs: &[Vec<i8>],
    made: &[u8],
    width: usize,
) -> Result<Claim> {
    let mut other = network.clone();
    for step in &mut other.steps {
        if let Operation::Linear(layer) = &mut step.operation {
            let weight = layer.weights.first_mut().context("a weight")?;
            *weight = if *weight == i8::MAX {
                *weight - 1
            } else {
                *weight + 1
            };
        }
    }
    let mut differ = 0;
    for (input, made) in inputs.iter().zip(made.chunks(width)).take(COUNTED) {
        differ += usize::from(other.run(input)?.bytes() != made);
    }
    Ok(Claim::new(
        name,
        differ,
        "must differ somewhere",
        differ > 0,
    ))
}
