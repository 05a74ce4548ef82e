//! The agent's worker beside Python onnxruntime.

use anyhow::Result;
use noroshi_engine::memory_of;

use super::median;
use super::peer::Peer;
use super::release::{self, released};
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
    inference: Vec<f64>,
    input: Vec<f64>,
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
    for round in 0..ROUNDS {
        for (at, precision) in PRECISIONS.into_iter().enumerate() {
            times[at]
                .peer
                .extend(peer.run(precision, RUNS_A_ROUND).await?);
            for run in 0..RUNS_A_ROUND {
                let spent = workers[at].infer(round * RUNS_A_ROUND + run).await?;
                times[at].input.push(spent.input_ms);
                times[at].inference.push(spent.total_ms - spent.input_ms);
            }
        }
    }
    let mut claims = Vec::new();
    for (precision, times) in PRECISIONS.into_iter().zip(times) {
        claims.push(ratio(network, precision, times, &version));
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

/// The worker reads a frame, prepares it and ranks the answer; the peer is handed a prepared
/// input. So what the worker spends until the input is there is told beside the ratio;
/// everything else stays in it.
fn ratio(network: &str, precision: &str, times: Times, version: &str) -> Claim {
    let rounds = times.peer.len();
    let (inference_ms, input_ms) = (median(times.inference), median(times.input));
    let peer_ms = median(times.peer);
    let name = format!("{network} {precision}: worker's CPU time against onnxruntime's");
    Claim::at_most(&name, inference_ms / peer_ms, RATIO)
        .with("inference_ms", rounded(inference_ms))
        .with("input_ms", rounded(input_ms))
        .with("onnxruntime_ms", rounded(peer_ms))
        .with("with_input", rounded((inference_ms + input_ms) / peer_ms))
        .with("runs", rounds)
        .with("onnxruntime", version)
        .with("isa", noroshi_engine::isa())
        .with("build", release::build("noroshi-agent"))
}

pub(super) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1_000_000.0
}
