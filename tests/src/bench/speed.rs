//! The agent's worker beside Python onnxruntime.

use anyhow::Result;
use image::RgbImage;
use noroshi_engine::{Preprocessor, memory_of, thread_cpu};

use super::median;
use super::peer::Peer;
use super::release::{self, Released, released};
use super::worker::Worker;
use crate::claims::{Claim, rounded};

/// Turns that worker and peer take; each is timed so many times.
const ROUNDS: usize = 20;
const RUNS_A_ROUND: usize = 5;
/// The first runs allocate.
const WARMUP: usize = 5;
/// CPU time of the worker's inference against the peer's.
const RATIO: f64 = 1.05;
/// Resident memory of a worker that runs int8 MobileNetV2, in megabytes.
const WORKER_MEGABYTES: f64 = 60.0;
const PRECISIONS: [&str; 2] = ["fp32", "int8"];

/// Milliseconds of one precision.
#[derive(Default)]
struct Times {
    worker: Vec<f64>,
    peer: Vec<f64>,
}

/// Measures `network`, both precisions, in turns.
pub(super) async fn measure(network: &str) -> Result<Vec<Claim>> {
    let folder = tempfile::tempdir()?;
    let released = released(network, folder.path())?;
    let photos = release::photos()?;
    let inputs = folder.path().join("inputs");
    std::fs::create_dir(&inputs)?;
    release::write_inputs(&inputs, &released.input, &photos)?;

    let mut peer = Peer::start()?;
    let mut workers = Vec::new();
    let mut version = String::new();
    for precision in PRECISIONS {
        let file = match precision {
            "int8" => &released.files.int8,
            _ => &released.files.fp32,
        };
        version = peer.load(precision, file, &inputs).await?;
        let mut worker = Worker::start(&released, precision, &photos).await?;
        for picture in 0..WARMUP {
            worker.infer(picture).await?;
        }
        workers.push(worker);
    }
    let mut times = [Times::default(), Times::default()];
    let mut preprocessing = Vec::new();
    for round in 0..ROUNDS {
        for (at, precision) in PRECISIONS.into_iter().enumerate() {
            times[at]
                .peer
                .extend(peer.run(precision, RUNS_A_ROUND).await?);
            for run in 0..RUNS_A_ROUND {
                let cpu = workers[at].infer(round * RUNS_A_ROUND + run).await?;
                times[at].worker.push(cpu.as_secs_f64() * 1000.0);
            }
        }
        preprocessing.push(preprocess(&released, &photos)?);
    }
    let preprocess_ms = median(preprocessing);
    let mut claims = Vec::new();
    for (precision, times) in PRECISIONS.into_iter().zip(times) {
        claims.push(ratio(network, precision, times, preprocess_ms, &version));
    }
    if network == super::NETWORKS[0] {
        let memory = memory_of(workers[1].id()?)?;
        let name = "worker with int8 MobileNetV2, resident MB";
        claims.push(
            Claim::at_most(name, megabytes(memory.resident), WORKER_MEGABYTES)
                .with("peak", rounded(megabytes(memory.peak))),
        );
    }
    Ok(claims)
}

/// Milliseconds of CPU time that a picture takes until it is an input, over all pictures.
fn preprocess(released: &Released, photos: &[RgbImage]) -> Result<f64> {
    let mut preprocessor = Preprocessor::new(&released.input)?;
    let mut times = Vec::new();
    for photo in photos.iter().chain(photos) {
        let frame = release::frame(photo)?;
        let began = thread_cpu();
        preprocessor.run(&frame)?;
        times.push(thread_cpu().saturating_sub(began).as_secs_f64() * 1000.0);
    }
    // The first time round plans are made and memory is touched.
    Ok(median(times.split_off(photos.len())))
}

/// The worker reads a frame, prepares it and ranks the answer; the peer is handed a prepared
/// input. So preprocessing, measured beside, is taken off; everything else stays.
fn ratio(network: &str, precision: &str, times: Times, preprocess_ms: f64, version: &str) -> Claim {
    let rounds = times.worker.len();
    let (worker_ms, peer_ms) = (median(times.worker), median(times.peer));
    let inference_ms = worker_ms - preprocess_ms;
    let name = format!("{network} {precision}: worker's CPU time against onnxruntime's");
    Claim::at_most(&name, inference_ms / peer_ms, RATIO)
        .with("worker_ms", rounded(worker_ms))
        .with("preprocess_ms", rounded(preprocess_ms))
        .with("inference_ms", rounded(inference_ms))
        .with("onnxruntime_ms", rounded(peer_ms))
        .with("with_preprocessing", rounded(worker_ms / peer_ms))
        .with("runs", rounds)
        .with("onnxruntime", version)
        .with("isa", noroshi_engine::isa())
        .with("build", release::build("noroshi-agent"))
}

pub(super) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1_000_000.0
}
