//! The agent's side of a worker process.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use noroshi_engine::{GoldenReport, worker_environment};
use noroshi_model::{Digest, EngineKind, VariantName};
use noroshi_protocol::FrameId;
use serde_bytes::ByteBuf;

use super::child::LinkedChild;
use super::lease::{Lease, SharedRing};
use crate::AgentError;
use crate::config::Config;
use crate::worker::{Knowledge, Order, Report, Taught, Why};

/// How long a worker that closed its link may take to end.
const POST_MORTEM: Duration = Duration::from_secs(1);

/// What a worker runs: files of a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ModelFiles {
    pub(super) manifest: PathBuf,
    pub(super) model: PathBuf,
    pub(super) golden: PathBuf,
    pub(super) variant: VariantName,
    pub(super) engine: EngineKind,
    /// Digest of the model's file.
    pub(super) digest: Digest,
}

/// A worker with its model loaded.
pub(super) struct WorkerProcess {
    child: LinkedChild,
    patience: Duration,
    rings: Vec<(u64, Weak<SharedRing>)>,
    /// Whether the model can say why.
    explains: bool,
    /// Whether it learns.
    learns: bool,
}

/// What became of a frame.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The model's answer: labels by index and score, best first.
    Answer {
        ranked: Vec<(u32, f32)>,
        cpu_us: u32,
    },
    /// Nothing usable came out for this frame; the worker is fine.
    Nothing(String),
}

impl WorkerProcess {
    /// Starts a worker and loads a model, with its golden inputs if `test` is set.
    pub(super) async fn start(
        config: &Config,
        files: &ModelFiles,
        test: bool,
    ) -> Result<(Self, Option<GoldenReport>), AgentError> {
        let environment = worker_environment(config.worker.threads);
        let child = LinkedChild::start("worker", environment)?;
        let mut worker = Self {
            child,
            patience: config.worker.inference(),
            rings: Vec::new(),
            explains: false,
            learns: false,
        };
        match tokio::time::timeout(config.worker.start(), worker.load(config, files, test)).await {
            Ok(Ok(golden)) => Ok((worker, golden)),
            Ok(Err(e)) => Err(worker.autopsy(e).await),
            Err(_) => {
                let how = worker.child.end(Duration::ZERO).await.how;
                Err(AgentError::Worker(format!(
                    "the model was not loaded within {} ms (worker.start_ms): {how}",
                    config.worker.start_ms
                )))
            }
        }
    }

    async fn load(
        &mut self,
        config: &Config,
        files: &ModelFiles,
        test: bool,
    ) -> Result<Option<GoldenReport>, AgentError> {
        let library = config.onnxruntime.options();
        let start = Order::Start {
            agent: std::process::id(),
            memory_bytes: config.worker.memory_bytes,
            engine: files.engine,
            library: library.path,
            library_sha256: library.sha256,
            threads: config.worker.threads,
        };
        self.child.link.send(&start, &[]).await?;
        match self.child.link.receive().await? {
            Report::Caged => {}
            Report::Refused { why } => return Err(AgentError::Worker(why)),
            other => return Err(unexpected(&other)),
        }
        let open = |path: &PathBuf| {
            File::open(path).map_err(AgentError::io(format!("open {}", path.display())))
        };
        let mut descriptors = vec![open(&files.manifest)?, open(&files.model)?];
        if test {
            descriptors.push(open(&files.golden)?);
        }
        let borrowed: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
        let load = Order::Load {
            variant: files.variant.clone(),
            test,
        };
        self.child.link.send(&load, &borrowed).await?;
        match self.child.link.receive().await? {
            Report::Loaded {
                golden,
                explains,
                learns,
            } => {
                (self.explains, self.learns) = (explains, learns);
                Ok(golden)
            }
            Report::Refused { why } => Err(AgentError::Worker(why)),
            other => Err(unexpected(&other)),
        }
    }

    /// Infers a frame. An error means that the worker is of no more use.
    pub(super) async fn infer(&mut self, lease: &Lease, top: u8) -> Result<Outcome, AgentError> {
        let asked = tokio::time::timeout(self.patience, self.ask(lease, top)).await;
        self.in_time(asked).await
    }

    /// Whether the model can say why it answers as it does.
    pub(super) fn explains(&self) -> bool {
        self.explains
    }

    /// Whether the model learns where it runs.
    pub(super) fn learns(&self) -> bool {
        self.learns
    }

    /// Lets the worker keep the input that it answered last, for questions.
    pub(super) async fn remember(&self) -> Result<(), AgentError> {
        self.child.link.send(&Order::Remember, &[]).await
    }

    /// Why a frame was answered as it was; `None` if its input is not kept. An error means that
    /// the worker is of no more use.
    pub(super) async fn explain(
        &mut self,
        frame: FrameId,
    ) -> Result<Option<Result<Why, String>>, AgentError> {
        match self.put_in_time(&Order::Explain { frame }).await? {
            Report::Explained(why) => Ok(Some(Ok(why))),
            Report::Failed { why } => Ok(Some(Err(why))),
            Report::Forgotten => Ok(None),
            other => Err(unexpected(&other)),
        }
    }

    /// Lets the model learn what is true of frames, by index of their labels. An error means that
    /// the worker is of no more use.
    pub(super) async fn learn(
        &mut self,
        labels: Vec<(FrameId, u32)>,
    ) -> Result<Result<Taught, String>, AgentError> {
        let count = labels.len();
        match self.put_in_time(&Order::Learn { labels }).await? {
            Report::Taught(taught) if taught.lessons.len() == count => Ok(Ok(taught)),
            Report::Failed { why } => Ok(Err(why)),
            other => Err(unexpected(&other)),
        }
    }

    /// Lets the model know what a state says, or what was released. An error means that the
    /// worker is of no more use.
    pub(super) async fn restore(
        &mut self,
        state: Option<ByteBuf>,
    ) -> Result<Result<Knowledge, String>, AgentError> {
        match self.put_in_time(&Order::Restore { state }).await? {
            Report::Restored(knowledge) => Ok(Ok(knowledge)),
            Report::Failed { why } => Ok(Err(why)),
            other => Err(unexpected(&other)),
        }
    }

    async fn put_in_time(&mut self, order: &Order) -> Result<Report, AgentError> {
        let patience = self.patience;
        let asked = tokio::time::timeout(patience, self.put(order)).await;
        self.in_time(asked).await
    }

    /// Sends an order and takes its report.
    async fn put(&mut self, order: &Order) -> Result<Report, AgentError> {
        self.child.link.send(order, &[]).await?;
        self.child.link.receive().await
    }

    /// What was asked of the worker, unless it hung or died.
    async fn in_time<T>(
        &mut self,
        asked: Result<Result<T, AgentError>, tokio::time::error::Elapsed>,
    ) -> Result<T, AgentError> {
        match asked {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(e)) => Err(self.autopsy(e).await),
            Err(_) => {
                let how = self.child.end(Duration::ZERO).await.how;
                Err(AgentError::Worker(format!(
                    "no answer within {} ms (worker.inference_ms): {how}",
                    self.patience.as_millis()
                )))
            }
        }
    }

    async fn ask(&mut self, lease: &Lease, top: u8) -> Result<Outcome, AgentError> {
        self.know(&lease.ring).await?;
        let order = Order::Infer {
            ring: lease.ring.id,
            slot: lease.slot,
            generation: lease.generation,
            top,
        };
        match self.put(&order).await? {
            Report::Answer { ranked, cpu_us, .. } => Ok(Outcome::Answer { ranked, cpu_us }),
            Report::Gone => Ok(Outcome::Nothing("the frame was written over".into())),
            Report::Failed { why } => Ok(Outcome::Nothing(why)),
            other => Err(unexpected(&other)),
        }
    }

    /// Makes sure that the worker has the ring, and forgets rings that are gone.
    async fn know(&mut self, ring: &Arc<SharedRing>) -> Result<(), AgentError> {
        if self.rings.iter().any(|(id, _)| *id == ring.id) {
            return Ok(());
        }
        let (alive, gone) = std::mem::take(&mut self.rings)
            .into_iter()
            .partition(|(_, ring)| ring.strong_count() > 0);
        self.rings = alive;
        let gone: Vec<(u64, Weak<SharedRing>)> = gone;
        for (ring, _) in gone {
            self.child.link.send(&Order::DropRing { ring }, &[]).await?;
        }
        let order = Order::Ring {
            ring: ring.id,
            geometry: ring.geometry,
        };
        self.child.link.send(&order, &[ring.memory.as_fd()]).await?;
        self.rings.push((ring.id, Arc::downgrade(ring)));
        Ok(())
    }

    /// Completes when the worker dies while nobody asks it anything.
    pub(super) async fn died(&mut self) -> AgentError {
        let ending = self.child.ended().await;
        ending.error("the worker died while it was idle", AgentError::Worker)
    }

    /// Its process id while it lives.
    pub(super) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Lets it go.
    pub(super) async fn retire(self) {
        self.child.retire().await;
    }

    async fn autopsy(&mut self, error: AgentError) -> AgentError {
        match error {
            AgentError::LinkClosed => {
                let ending = self.child.end(POST_MORTEM).await;
                ending.error("the worker died", AgentError::Worker)
            }
            other => other,
        }
    }
}

fn unexpected(report: &Report) -> AgentError {
    let text: String = format!("{report:?}").chars().take(80).collect();
    AgentError::Worker(format!("the worker said something unexpected: {text}"))
}
