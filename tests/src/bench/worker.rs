//! The agent's own worker process, driven over its own link.

use std::fs::File;
use std::os::fd::AsFd;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use image::RgbImage;
use noroshi_agent::link::{AgentLink, pair};
use noroshi_agent::ring::{Geometry, Header, PixelFormat, Writer, reopen_read_only};
use noroshi_agent::worker::{Order, Report};
use noroshi_engine::worker_environment;
use noroshi_model::EngineKind;
use noroshi_protocol::FrameId;
use tokio::process::{Child, Command};

use super::release::{Released, shipped};
use crate::assets::asset;

/// As in the agent's configuration.
const MEMORY_BYTES: u64 = 512 << 20;
const RING: u64 = 1;

/// Milliseconds of CPU time that the worker's process took for a picture, as it says itself.
pub(super) struct Spent {
    /// From frame to labels.
    pub(super) total_ms: f64,
    /// Until the frame was the model's input.
    pub(super) input_ms: f64,
}

/// A worker with a model loaded and pictures in its ring.
pub(super) struct Worker {
    child: Child,
    link: AgentLink,
    /// Its memory must stay mapped.
    ring: Writer,
    generations: Vec<u64>,
}

impl Worker {
    /// Starts `noroshi-agent worker` as the agent does, with a variant of `released`.
    pub(super) async fn start(
        released: &Released,
        variant: &str,
        pictures: &[RgbImage],
    ) -> Result<Self> {
        let (link, theirs) = pair()?;
        let child = Command::new(shipped("noroshi-agent")?)
            .arg("worker")
            .env_clear()
            .envs(worker_environment(1))
            .env(
                "NOROSHI_ONNXRUNTIME",
                asset("onnxruntime/libonnxruntime.so")?,
            )
            .current_dir("/")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let (ring, generations) = ring(pictures)?;
        let mut worker = Self {
            child,
            link,
            ring,
            generations,
        };
        worker.load(released, variant).await?;
        Ok(worker)
    }

    async fn load(&mut self, released: &Released, variant: &str) -> Result<()> {
        let start = Order::Start {
            agent: std::process::id(),
            memory_bytes: MEMORY_BYTES,
            engine: EngineKind::OnnxRuntime,
            library: None,
            library_sha256: None,
            threads: 1,
        };
        self.link.send(&start, &[]).await?;
        match self.link.receive().await? {
            Report::Caged => {}
            other => bail!("the worker said {other:?}"),
        }
        let model = match variant {
            "int8" => &released.files.int8,
            _ => &released.files.fp32,
        };
        let (manifest, model) = (File::open(&released.manifest_file)?, File::open(model)?);
        let load = Order::Load {
            variant: variant.parse()?,
            test: false,
        };
        self.link
            .send(&load, &[manifest.as_fd(), model.as_fd()])
            .await?;
        match self.link.receive().await? {
            Report::Loaded { .. } => {}
            other => bail!("the worker said {other:?}"),
        }
        let memory = reopen_read_only(self.ring.memory().try_clone_to_owned()?)?;
        let ring = Order::Ring {
            ring: RING,
            geometry: self.ring.geometry(),
        };
        Ok(self.link.send(&ring, &[memory.as_fd()]).await?)
    }

    /// Lets it look at a picture.
    pub(super) async fn infer(&mut self, picture: usize) -> Result<Spent> {
        let slot = picture % self.generations.len();
        let order = Order::Infer {
            ring: RING,
            slot: slot as u32,
            generation: self.generations[slot],
            top: 3,
        };
        self.link.send(&order, &[]).await?;
        match self.link.receive().await? {
            Report::Answer {
                cpu_us, input_us, ..
            } => Ok(Spent {
                total_ms: f64::from(cpu_us) / 1000.0,
                input_ms: f64::from(input_us) / 1000.0,
            }),
            other => bail!("the worker said {other:?}"),
        }
    }

    /// Its process.
    pub(super) fn id(&self) -> Result<u32> {
        self.child.id().context("the worker has ended")
    }
}

/// A ring with one picture a slot.
fn ring(pictures: &[RgbImage]) -> Result<(Writer, Vec<u64>)> {
    let largest = pictures.iter().map(|picture| picture.as_raw().len()).max();
    let largest = largest.context("no pictures")?;
    let slots = u32::try_from(pictures.len().max(2))?;
    let mut ring = Writer::create(Geometry::new(slots, u32::try_from(largest)?)?)?;
    let mut generations = Vec::new();
    for (number, picture) in pictures.iter().enumerate() {
        let header = Header {
            id: FrameId {
                source: 1,
                number: number as u64,
            },
            width: picture.width(),
            height: picture.height(),
            format: PixelFormat::Rgb8,
            boottime_ns: 0,
        };
        generations.push(ring.write(number as u32, &header, picture.as_raw())?);
    }
    Ok((ring, generations))
}
