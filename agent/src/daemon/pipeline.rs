//! One pipeline: frames in, results out, whatever happens to its worker.

mod learning;
mod questions;
mod terms;

use std::sync::Arc;
use std::time::Duration;

use noroshi_engine::FilterChain;
use noroshi_protocol::{Answer, Assignment, PipelineId, PipelineState, Scored, Stream};
use noroshi_service::backoff::{self, Backoff, BackoffLimits};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::figures::Figures;
use super::lease::{Inbox, Lease};
use super::notes::stamp;
use super::patience::{Doing, Fate, Patience};
use super::verdicts::{Judged, judge};
use super::worker::{Outcome, WorkerProcess};
use crate::AgentError;
use crate::outbox::NewRecord;
use crate::time::boottime;

pub(super) use terms::{
    About, Notice, Order, PipelineHandle, PipelineStatus, Prepared, Question, Surroundings,
};

const LIMITS: BackoffLimits = BackoffLimits {
    shortest: Duration::from_millis(250),
    longest: Duration::from_secs(30),
    // Patience knows better than the time alone.
    settled_after: Duration::MAX,
};
/// At most one event in this time says that a worker failed.
const QUIET: Duration = Duration::from_secs(5);

/// Makes a pipeline; spawn the future.
pub(super) fn pipeline(
    id: PipelineId,
    around: Surroundings,
    stop: CancellationToken,
) -> (PipelineHandle, impl Future<Output = ()> + Send + 'static) {
    let (orders, received) = mpsc::channel(8);
    let status = PipelineStatus {
        prepared: None,
        state: PipelineState::Starting,
        figures: Figures::default(),
        skipped: 0,
        worker: None,
        explains: false,
        learned: None,
    };
    let (publish, seen) = watch::channel(status.clone());
    let pipeline = Pipeline {
        id,
        around,
        inbox: Arc::default(),
        in_hand: None,
        patience: Patience::default(),
        told: None,
        running: None,
        worker: None,
        retiring: JoinSet::new(),
        backoff: Backoff::new(LIMITS),
        started: Duration::ZERO,
        resume: Duration::ZERO,
        status,
        publish,
    };
    let handle = PipelineHandle {
        orders,
        status: seen,
        stop: stop.clone(),
    };
    (handle, pipeline.run(received, stop))
}

struct Running {
    prepared: Box<Prepared>,
    filters: FilterChain,
}

struct Pipeline {
    id: PipelineId,
    around: Surroundings,
    inbox: Arc<Inbox>,
    /// A frame whose worker ended; the next worker gets it first.
    in_hand: Option<Arc<Lease>>,
    patience: Patience,
    /// When the last event about a worker was made.
    told: Option<Duration>,
    running: Option<Running>,
    worker: Option<WorkerProcess>,
    /// Workers that were replaced and are on their way out.
    retiring: JoinSet<()>,
    backoff: Backoff,
    /// When the present worker started.
    started: Duration,
    /// When the next may start.
    resume: Duration,
    status: PipelineStatus,
    publish: watch::Sender<PipelineStatus>,
}

impl Pipeline {
    async fn run(mut self, mut orders: mpsc::Receiver<Order>, stop: CancellationToken) {
        loop {
            self.tell();
            if self.running.is_some() && self.worker.is_none() {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => break,
                    order = orders.recv() => match order {
                        Some(order) => self.obey(order).await,
                        None => break,
                    },
                    () = self.start_worker() => {}
                }
                continue;
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                order = orders.recv() => match order {
                    Some(order) => self.obey(order).await,
                    None => break,
                },
                lease = next(&mut self.in_hand, &self.inbox), if self.worker.is_some() => tokio::select! {
                    // A hung inference must not hold up the end.
                    () = stop.cancelled() => break,
                    () = self.infer(lease) => {}
                },
                died = died(&mut self.worker) => {
                    self.worker = None;
                    self.crashed(&died).await;
                }
            }
        }
        self.around.board.disconnect(&self.inbox);
        self.give_up();
        if let Some(worker) = self.worker.take() {
            worker.retire().await;
        }
        while self.retiring.join_next().await.is_some() {}
    }

    async fn obey(&mut self, order: Order) {
        let retired = match order {
            Order::Restart => self.worker.take(),
            Order::Ask(question) => return self.answer(question).await,
            Order::Run { prepared, worker } => {
                let filters = match FilterChain::new(&prepared.assignment.filters) {
                    Ok(filters) => filters,
                    Err(e) => return self.fail(e.to_string()).await,
                };
                let source = prepared.assignment.source.clone();
                let moved = self
                    .running
                    .as_ref()
                    .is_none_or(|running| running.prepared.assignment.source != source);
                self.status.prepared = Some(prepared.clone());
                self.status.figures = Figures::default();
                self.running = Some(Running { prepared, filters });
                self.backoff = Backoff::new(LIMITS);
                self.patience = Patience::default();
                self.resume = Duration::ZERO;
                let old = std::mem::replace(&mut self.worker, worker);
                self.started = boottime();
                if moved {
                    self.around.board.connect(&source, &self.inbox);
                }
                old
            }
        };
        self.recall().await;
        self.status.state = match self.worker {
            Some(_) => PipelineState::Running,
            None => PipelineState::Starting,
        };
        // The next frame must not wait for the old worker to go.
        while self.retiring.try_join_next().is_some() {}
        if let Some(worker) = retired {
            self.retiring.spawn(worker.retire());
        }
    }

    /// Starts the worker, after a pause if it failed before; safe to drop at any time.
    async fn start_worker(&mut self) {
        while boottime() < self.resume {
            let left = self.resume.saturating_sub(boottime());
            tokio::time::sleep(left.min(Duration::from_millis(500))).await;
            if self.patience.is_exhausted() {
                self.give_up();
            }
        }
        let Some(running) = &self.running else { return };
        let files = running.prepared.files.clone();
        self.started = boottime();
        match WorkerProcess::start(&self.around.config, &files, false).await {
            // Kept only when it knows what was learned: dropped before that, it is not half told.
            Ok((mut worker, _)) => match self.recall_into(&mut worker).await {
                Ok(learned) => {
                    self.started = boottime();
                    self.patience.began();
                    self.status.learned = learned;
                    self.worker = Some(worker);
                    self.status.state = PipelineState::Running;
                }
                Err(e) => self.not_started(&e).await,
            },
            Err(e) => self.not_started(&e).await,
        }
    }

    async fn not_started(&mut self, error: &AgentError) {
        self.patience.failed_to_start(doing(error));
        self.crashed(error).await;
    }

    /// Frames that nobody can infer go back to their source.
    fn give_up(&mut self) {
        if self.in_hand.take().is_some() {
            self.inbox.count_skipped(1);
        }
        self.inbox.give_up();
    }

    async fn infer(&mut self, lease: Arc<Lease>) {
        let (Some(running), Some(worker)) = (&self.running, &mut self.worker) else {
            return;
        };
        let top = running.prepared.assignment.top;
        match worker.infer(&lease, top).await {
            Ok(Outcome::Answer { ranked, cpu_us }) => {
                self.patience.answered();
                self.answered(&lease, &ranked, cpu_us).await;
            }
            Ok(Outcome::Nothing(why)) => {
                self.patience.answered();
                self.nothing(&why).await;
            }
            Err(e) => {
                self.worker = None;
                match self.patience.lost_worker(doing(&e)) {
                    Fate::Again => self.in_hand = Some(lease),
                    Fate::Skip => self.skip(&lease, &e).await,
                }
                self.crashed(&e).await;
            }
        }
    }

    async fn answered(&mut self, lease: &Lease, ranked: &[(u32, f32)], cpu_us: u32) {
        let Some(running) = &mut self.running else {
            return;
        };
        let at = stamp(&self.around.clock);
        let labels = &running.prepared.labels;
        let judged = judge(ranked, labels, &mut running.filters, at.monotonic_ms);
        match judged {
            Judged::Malformed(why) => self.nothing(&why).await,
            Judged::Held => self.status.figures.answered(cpu_us),
            Judged::Result(top) => {
                let assignment = &running.prepared.assignment;
                let answer = answer(assignment, lease, top, cpu_us);
                self.status.figures.answered(cpu_us);
                let record = NewRecord {
                    stream: Stream::Result,
                    name: self.id.to_string(),
                    stamp: at,
                    body: serde_cbor::to_vec(&answer)
                        .expect("an answer has string keys and no failing parts"),
                };
                // Waits only while a thousand records wait for the disk.
                if let Err(e) = self.around.pen.submit(record).await {
                    tracing::error!(error = %e, "a result could not be kept");
                }
                self.remember().await;
            }
        }
    }

    /// A frame without a usable answer: counted, and told when the reason is new.
    async fn nothing(&mut self, why: &str) {
        self.inbox.count_skipped(1);
        self.status.figures.unanswered();
        let text = format!("pipeline {}: a frame has no answer: {why}", self.id);
        if self.around.notes.is_new(&text) {
            let details = [("pipeline", self.id.to_string())];
            let event = crate::event::detailed("frame-unanswered", text, details);
            self.around.notes.tell(event).await;
        }
    }

    /// A frame that takes workers down is let go, or nothing behind it would be inferred.
    async fn skip(&mut self, lease: &Lease, error: &AgentError) {
        self.inbox.count_skipped(1);
        self.status.figures.unanswered();
        let text = format!(
            "pipeline {}: frame {} ended one worker after another and is skipped: {error}",
            self.id, lease.frame
        );
        let details = [
            ("pipeline", self.id.to_string()),
            ("frame", lease.frame.to_string()),
        ];
        let event = crate::event::detailed("frame-skipped", text, details);
        self.around.notes.tell(event).await;
    }

    async fn crashed(&mut self, error: &AgentError) {
        self.status.figures.crashed();
        let lived = boottime().saturating_sub(self.started);
        if self.patience.has_settled(lived, doing(error)) {
            self.backoff.succeeded();
        }
        self.resume = boottime() + self.backoff.failed(backoff::random());
        self.fail(error.to_string()).await;
    }

    async fn fail(&mut self, reason: String) {
        tracing::warn!(pipeline.id = %self.id, reason, "pipeline failed");
        let revision = self
            .running
            .as_ref()
            .map_or(0, |running| running.prepared.assignment.revision);
        let quiet = self
            .told
            .is_some_and(|told| boottime().saturating_sub(told) < QUIET);
        if self.backoff.failures() <= 1 && !quiet {
            self.told = Some(boottime());
            let text = format!("pipeline {}: {reason}", self.id);
            let details = [
                ("pipeline", self.id.to_string()),
                ("revision", revision.to_string()),
            ];
            let event = crate::event::detailed("worker-failed", text, details);
            self.around.notes.tell(event).await;
        }
        self.status.state = PipelineState::Failed(reason.chars().take(300).collect());
        self.tell();
        let notice = Notice::Crashed {
            pipeline: self.id.clone(),
            revision,
            reason,
        };
        // Never waited for: the controller may at this moment wait for this pipeline.
        if let Err(e) = self.around.notices.try_send(notice) {
            tracing::warn!(pipeline.id = %self.id, error = %e, "a notice was not taken");
        }
    }

    fn tell(&mut self) {
        self.status.skipped = self.inbox.skipped();
        self.status.worker = self.worker.as_ref().and_then(WorkerProcess::id);
        self.status.explains = self.worker.as_ref().is_some_and(WorkerProcess::explains);
        let before = self.publish.send_replace(self.status.clone());
        if before.state != self.status.state || before.prepared != self.status.prepared {
            self.around.changed.notify_one();
        }
    }
}

/// The frame that a worker left, or else the next that comes; safe to drop while it waits.
async fn next(in_hand: &mut Option<Arc<Lease>>, inbox: &Inbox) -> Arc<Lease> {
    match in_hand.take() {
        Some(lease) => lease,
        None => inbox.next().await,
    }
}

fn doing(error: &AgentError) -> Doing {
    match error {
        AgentError::Killed(_) => Doing::Others,
        _ => Doing::Own,
    }
}

/// Completes when there is a worker and it dies.
async fn died(worker: &mut Option<WorkerProcess>) -> AgentError {
    match worker {
        Some(worker) => worker.died().await,
        None => std::future::pending().await,
    }
}

fn answer(assignment: &Assignment, lease: &Lease, top: Vec<Scored>, cpu_us: u32) -> Answer {
    Answer {
        frame: lease.frame,
        revision: assignment.revision,
        model: assignment.model.model.clone(),
        version: assignment.model.version,
        variant: assignment.model.variant.clone(),
        top,
        cpu_us,
    }
}
