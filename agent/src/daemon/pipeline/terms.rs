//! What a pipeline is told, what it tells, and what it needs.

use std::sync::Arc;

use noroshi_protocol::{Assignment, FrameId, Labelled, LearnedReport, PipelineId, PipelineState};
use noroshi_service::clock::SessionClock;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::daemon::figures::Figures;
use crate::daemon::lease::Switchboard;
use crate::daemon::notes::Notes;
use crate::daemon::states::States;
use crate::daemon::worker::{ModelFiles, WorkerProcess};
use crate::outbox::OutboxPen;

/// An assignment with its files in place.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::daemon) struct Prepared {
    pub(in crate::daemon) assignment: Assignment,
    pub(in crate::daemon) files: ModelFiles,
    /// Slugs, in the output's order.
    pub(in crate::daemon) labels: Arc<Vec<String>>,
}

/// What the controller tells a pipeline.
pub(in crate::daemon) enum Order {
    /// From the next frame on run this; with a worker that is ready, if there is one.
    Run {
        prepared: Box<Prepared>,
        worker: Option<WorkerProcess>,
    },
    /// Start the worker again.
    Restart,
    /// Answer a question about what runs.
    Ask(Question),
}

/// A question about what a pipeline runs.
pub(in crate::daemon) struct Question {
    pub(in crate::daemon) about: About,
    /// The reply's text, or why there is none. Who asked may be gone.
    pub(in crate::daemon) answer: oneshot::Sender<Result<String, String>>,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::daemon) enum About {
    /// Why a frame was answered as it was.
    Explain(FrameId),
    /// What comes of labels.
    Label(Vec<Labelled>),
    /// What was learned so far.
    States,
    /// A state with its bytes; the newest if none is named.
    Pull(Option<u64>),
    /// The model knows again what an earlier state said; none is the release.
    RollBack(Option<u64>),
}

/// What a pipeline tells the controller.
#[derive(Debug)]
pub(in crate::daemon) enum Notice {
    /// The worker died, hung or could not start.
    Crashed {
        pipeline: PipelineId,
        revision: u32,
        reason: String,
    },
}

/// How a pipeline is, for reports.
#[derive(Debug, Clone)]
pub(in crate::daemon) struct PipelineStatus {
    pub(in crate::daemon) prepared: Option<Box<Prepared>>,
    pub(in crate::daemon) state: PipelineState,
    pub(in crate::daemon) figures: Figures,
    pub(in crate::daemon) skipped: u64,
    pub(in crate::daemon) worker: Option<u32>,
    /// Whether the model can say why.
    pub(in crate::daemon) explains: bool,
    /// What it learned, if it learns.
    pub(in crate::daemon) learned: Option<LearnedReport>,
}

/// What a pipeline needs of the agent.
#[derive(Clone)]
pub(in crate::daemon) struct Surroundings {
    pub(in crate::daemon) config: Arc<Config>,
    pub(in crate::daemon) board: Arc<Switchboard>,
    pub(in crate::daemon) states: States,
    pub(in crate::daemon) pen: OutboxPen,
    pub(in crate::daemon) clock: Arc<SessionClock>,
    pub(in crate::daemon) notes: Notes,
    pub(in crate::daemon) notices: mpsc::Sender<Notice>,
    /// Rung whenever a report would say something else than before.
    pub(in crate::daemon) changed: Arc<Notify>,
}

/// A handle to a running pipeline.
pub(in crate::daemon) struct PipelineHandle {
    pub(in crate::daemon) orders: mpsc::Sender<Order>,
    pub(in crate::daemon) status: watch::Receiver<PipelineStatus>,
    pub(in crate::daemon) stop: CancellationToken,
}
