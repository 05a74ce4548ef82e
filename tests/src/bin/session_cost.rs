//! What one model costs a process: `noroshi-session-cost stock|compiled FILE RUNS`, with
//! `NOROSHI_ONNXRUNTIME` set. Started by the proof, once for every figure.
//!
//! `stock` is ONNX Runtime as it comes: the file by its path, the default level, one thread.
//! `compiled` is a compiled file in our engine, as a worker opens it.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use noroshi_engine::{
    LibraryOptions, ModelSource, Options, Tensor, memory, open, process_cpu, warm,
};
use noroshi_model::EngineKind;
use ort::environment::Environment;
use ort::session::Session;
use ort::session::builder::SessionBuilder;
use ort::value::TensorRef;
use serde_json::json;

/// The shape of the input of ImageNet's networks.
const SHAPE: [usize; 4] = [1, 3, 224, 224];

/// Runs before time is taken.
const WARMUP: usize = 5;

type Run = Box<dyn FnMut() -> Result<f64>>;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kind, file, runs] = arguments.as_slice() else {
        bail!("usage: noroshi-session-cost stock|compiled FILE RUNS");
    };
    let library = PathBuf::from(std::env::var("NOROSHI_ONNXRUNTIME")?);
    let (file, runs): (_, usize) = (Path::new(file), runs.parse()?);
    let prepare: Box<dyn FnOnce() -> Result<Run>> = match kind.as_str() {
        "stock" => stock(&library, file)?,
        "compiled" => compiled(&library, file)?,
        other => bail!("{other} is neither stock nor compiled"),
    };
    let library_bytes = memory()?.resident;
    let (began, started) = (process_cpu(), Instant::now());
    let mut run = prepare()?;
    let (created, waited) = (process_cpu() - began, started.elapsed());
    let created_bytes = memory()?;
    let mut times = Vec::new();
    let mut sum = 0.0;
    for round in 0..WARMUP + runs {
        let began = process_cpu();
        sum = run()?;
        if round >= WARMUP {
            times.push((process_cpu() - began).as_secs_f64() * 1e3);
        }
    }
    times.sort_by(f64::total_cmp);
    let median = times.get(times.len() / 2).context("no run was timed")?;
    let line = json!({
        "create_cpu_ms": created.as_secs_f64() * 1e3, "create_wall_ms": waited.as_secs_f64() * 1e3,
        "run_cpu_ms": median, "peak_bytes": memory()?.peak, "sum": sum,
        "library_bytes": library_bytes, "created_bytes": created_bytes.resident,
        "created_peak_bytes": created_bytes.peak, "resident_bytes": memory()?.resident,
    });
    println!("{line}");
    Ok(())
}

fn picture() -> Vec<f32> {
    let count: usize = SHAPE.iter().product();
    (0..count).map(|n| (n as f32 * 0.37).sin()).collect()
}

fn stock(library: &Path, file: &Path) -> Result<Box<dyn FnOnce() -> Result<Run>>> {
    let environment = ort::init_from(library)?.with_telemetry(false).build()?;
    let file = file.to_owned();
    Ok(Box::new(move || {
        let mut session = one_thread(&environment)?.commit_from_file(&file)?;
        let picture = picture();
        Ok(Box::new(move || {
            let input = TensorRef::from_array_view((SHAPE, picture.as_slice()))?;
            let answers = session.run(ort::inputs![input])?;
            let (_, numbers) = answers[0].try_extract_tensor::<f32>()?;
            Ok(numbers.iter().map(|&x| f64::from(x)).sum())
        }) as Run)
    }))
}

fn one_thread(environment: &Environment) -> ort::Result<SessionBuilder> {
    Ok(Session::builder(environment)?.with_intra_threads(1)?)
}

fn compiled(library: &Path, file: &Path) -> Result<Box<dyn FnOnce() -> Result<Run>>> {
    let options = Options {
        library: LibraryOptions {
            path: Some(library.to_owned()),
            sha256: None,
        },
        ..Options::default()
    };
    warm(&options.library)?;
    let file = file.to_owned();
    Ok(Box::new(move || {
        let source = ModelSource::Path(&file);
        let mut engine = open(EngineKind::OnnxCompiled, source, &options)?;
        let input = [Tensor::f32(SHAPE.to_vec(), picture())?];
        Ok(Box::new(move || {
            let answers = engine.run(&input)?;
            let numbers = answers.first().context("there is no output")?.to_f32();
            Ok(numbers.iter().map(|&x| f64::from(x)).sum())
        }) as Run)
    }))
}
