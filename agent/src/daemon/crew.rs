//! Pipelines and sources: makes what runs follow what should run.

use std::collections::{BTreeMap, BTreeSet};

use noroshi_protocol::{Assignment, Figures, PipelineId, PipelineReport, PipelineState};
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::models::ModelStore;
use super::pipeline::{
    Notice, Order, PipelineHandle, PipelineStatus, Prepared, Question, Surroundings, pipeline,
};
use super::prepare::Candidate;
use super::source::SourceSupervisor;

/// Everybody who works on frames.
pub(super) struct Crew {
    around: Surroundings,
    store: Arc<ModelStore>,
    pipelines: BTreeMap<PipelineId, PipelineHandle>,
    sources: BTreeMap<String, CancellationToken>,
    /// Tested workers that wait for their turn.
    candidates: Vec<Candidate>,
    followed: Vec<Assignment>,
    /// Why an assignment could not be started at all.
    broken: BTreeMap<PipelineId, String>,
    tasks: JoinSet<()>,
}

impl Crew {
    pub(super) fn new(around: Surroundings, store: Arc<ModelStore>) -> Self {
        Self {
            around,
            store,
            pipelines: BTreeMap::new(),
            sources: BTreeMap::new(),
            candidates: Vec::new(),
            followed: Vec::new(),
            broken: BTreeMap::new(),
            tasks: JoinSet::new(),
        }
    }

    /// Keeps tested workers for the switch.
    pub(super) async fn hold(&mut self, candidates: Vec<Candidate>) {
        self.release_candidates().await;
        self.candidates = candidates;
    }

    /// Lets tested workers go: there will be no switch.
    pub(super) async fn release_candidates(&mut self) {
        for candidate in std::mem::take(&mut self.candidates) {
            candidate.worker.retire().await;
        }
    }

    /// Makes `assignments`, and nothing else, run. A pipeline that changes goes on without
    /// losing a frame: what its old worker did not begin, the new one does.
    pub(super) async fn follow(&mut self, assignments: &[Assignment]) {
        self.broken.clear();
        let wanted: BTreeSet<&PipelineId> = assignments.iter().map(|a| &a.pipeline).collect();
        let gone: Vec<PipelineId> = self
            .pipelines
            .keys()
            .filter(|id| !wanted.contains(id))
            .cloned()
            .collect();
        for id in gone {
            if let Some(handle) = self.pipelines.remove(&id) {
                handle.stop.cancel();
            }
        }
        for assignment in assignments {
            if let Err(fault) = self.follow_one(assignment).await {
                self.break_off(assignment, fault);
            }
        }
        self.follow_sources(assignments);
        self.followed = assignments.to_vec();
        while self.tasks.try_join_next().is_some() {}
    }

    async fn follow_one(&mut self, assignment: &Assignment) -> Result<(), String> {
        if !self.around.config.sources.contains_key(&assignment.source) {
            return Err(format!("agent.toml has no source {:?}", assignment.source));
        }
        let id = &assignment.pipeline;
        let running = self
            .pipelines
            .get(id)
            .and_then(|handle| handle.status.borrow().prepared.clone());
        if running.is_some_and(|running| running.assignment == *assignment) {
            return Ok(());
        }
        let (prepared, worker) = match self.candidate(assignment) {
            Some(candidate) => (candidate.prepared, Some(candidate.worker)),
            None => (Box::new(self.prepared(assignment)?), None),
        };
        let around = self.around.clone();
        let tasks = &mut self.tasks;
        let handle = self.pipelines.entry(id.clone()).or_insert_with(|| {
            let (handle, work) = pipeline(id.clone(), around, CancellationToken::new());
            tasks.spawn(work);
            handle
        });
        let order = Order::Run { prepared, worker };
        handle
            .orders
            .send(order)
            .await
            .map_err(|_| "its task has ended".to_owned())
    }

    /// Notes what can't run at all, and tells the controller: in a trial it speaks against the
    /// target as a crash does.
    fn break_off(&mut self, assignment: &Assignment, fault: String) {
        let pipeline = assignment.pipeline.clone();
        tracing::error!(pipeline.id = %pipeline, fault, "pipeline can't run");
        self.broken.insert(pipeline.clone(), fault.clone());
        let notice = Notice::Crashed {
            pipeline,
            revision: assignment.revision,
            reason: fault,
        };
        // Never waited for: the controller itself is here.
        if let Err(e) = self.around.notices.try_send(notice) {
            tracing::warn!(error = %e, "a notice was not taken");
        }
    }

    fn candidate(&mut self, assignment: &Assignment) -> Option<Candidate> {
        let at = self
            .candidates
            .iter()
            .position(|candidate| candidate.prepared.assignment == *assignment)?;
        Some(self.candidates.swap_remove(at))
    }

    fn prepared(&self, assignment: &Assignment) -> Result<Prepared, String> {
        self.store.prepared(assignment).map_err(|e| e.to_string())
    }

    fn follow_sources(&mut self, assignments: &[Assignment]) {
        let wanted: BTreeSet<&String> = assignments.iter().map(|a| &a.source).collect();
        self.sources.retain(|name, stop| {
            let keep = wanted.contains(name);
            if !keep {
                stop.cancel();
            }
            keep
        });
        for name in wanted {
            let Some(spec) = self.around.config.sources.get(name) else {
                continue;
            };
            if self.sources.contains_key(name) {
                continue;
            }
            let stop = CancellationToken::new();
            let supervisor = SourceSupervisor {
                name: name.clone(),
                spec: spec.clone(),
                board: Arc::clone(&self.around.board),
                notes: self.around.notes.clone(),
            };
            self.tasks.spawn(supervisor.run(stop.clone()));
            self.sources.insert(name.clone(), stop);
        }
    }

    /// Starts a pipeline's worker again; false if there is no such pipeline.
    pub(super) async fn restart(&self, id: &PipelineId) -> bool {
        match self.pipelines.get(id) {
            Some(handle) => handle.orders.send(Order::Restart).await.is_ok(),
            None => false,
        }
    }

    /// Hands a question to a pipeline; who can't be asked says so at once.
    pub(super) fn ask(&self, id: &PipelineId, question: Question) {
        let Some(handle) = self.pipelines.get(id) else {
            let text = format!("there is no pipeline {id} on this device");
            return decline(question, text);
        };
        // Never waited for: the pipeline may at this moment wait for a worker that hangs.
        if let Err(refused) = handle.orders.try_send(Order::Ask(question))
            && let Order::Ask(question) = refused.into_inner()
        {
            decline(question, format!("pipeline {id} is busy: ask again"));
        }
    }

    /// How every assignment is.
    pub(super) fn reports(&self) -> Vec<PipelineReport> {
        self.followed
            .iter()
            .map(|assignment| self.report(assignment))
            .collect()
    }

    fn report(&self, assignment: &Assignment) -> PipelineReport {
        let status = self
            .pipelines
            .get(&assignment.pipeline)
            .map(|handle| handle.status.borrow().clone());
        let state = match (&status, self.broken.get(&assignment.pipeline)) {
            (_, Some(fault)) => PipelineState::Failed(fault.clone()),
            (Some(status), None) => status.state.clone(),
            (None, None) => PipelineState::Starting,
        };
        PipelineReport {
            pipeline: assignment.pipeline.clone(),
            revision: assignment.revision,
            model: assignment.model.model.clone(),
            version: assignment.model.version,
            variant: assignment.model.variant.clone(),
            manifest: assignment.model.manifest.sha256,
            state,
            figures: status.as_ref().map(figures).unwrap_or_default(),
            explains: status.as_ref().is_some_and(|status| status.explains),
            learned: status.as_ref().and_then(|status| status.learned),
        }
    }

    /// Which of `assignments` got frames and answered none of them.
    pub(super) fn fruitless(&self, assignments: &[Assignment]) -> Option<PipelineId> {
        let answers_nothing = |assignment: &&Assignment| {
            let Some(handle) = self.pipelines.get(&assignment.pipeline) else {
                return false;
            };
            let status = handle.status.borrow();
            let runs = status.prepared.as_ref();
            runs.is_some_and(|runs| runs.assignment == **assignment)
                && status.figures.is_fruitless()
        };
        let found = assignments.iter().find(answers_nothing)?;
        Some(found.pipeline.clone())
    }

    /// Ends everybody and waits for them.
    pub(super) async fn dismiss(&mut self) {
        for handle in self.pipelines.values() {
            handle.stop.cancel();
        }
        for stop in self.sources.values() {
            stop.cancel();
        }
        self.release_candidates().await;
        while self.tasks.join_next().await.is_some() {}
    }
}

fn decline(question: Question, text: String) {
    if question.answer.send(Err(text)).is_err() {
        tracing::debug!("who asked is gone");
    }
}

fn figures(status: &PipelineStatus) -> Figures {
    let measured = &status.figures;
    let memory = status
        .worker
        .and_then(|pid| noroshi_engine::memory_of(pid).ok());
    Figures {
        frames: measured.frames(),
        skipped: status.skipped,
        crashes: measured.crashes(),
        cpu_us_p50: measured.cpu_us(50),
        cpu_us_p95: measured.cpu_us(95),
        memory: memory.map_or(0, |memory| memory.resident),
    }
}
