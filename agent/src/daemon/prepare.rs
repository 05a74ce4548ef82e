//! The steps that prepare a target: bring its files, check them, try them.

use std::sync::Arc;

use noroshi_fleet::update::{Failure, Step};
use noroshi_model::{Blob, Capabilities, Manifest, Variant, Verdict, verdict};
use noroshi_protocol::Assignment;
use noroshi_service::download::{Download, DownloadError};
use tokio::sync::{mpsc, watch};

use super::models::ModelStore;
use super::network::Network;
use super::pipeline::Prepared;
use super::worker::WorkerProcess;
use crate::AgentError;
use crate::config::Config;

/// A pipeline's next worker, loaded and tested.
pub(super) struct Candidate {
    pub(super) prepared: Box<Prepared>,
    pub(super) worker: WorkerProcess,
}

/// Bytes of a fetch: there, and in all.
pub(super) type Fetched = (u64, u64);

/// What the steps of one job work with.
#[derive(Clone)]
pub(super) struct Preparation {
    pub(super) config: Arc<Config>,
    pub(super) network: Arc<Network>,
    pub(super) store: Arc<ModelStore>,
    pub(super) capabilities: watch::Receiver<Option<Arc<Capabilities>>>,
    /// What should run.
    pub(super) target: Vec<Assignment>,
    /// What runs: unchanged assignments need no test.
    pub(super) running: Vec<Assignment>,
    pub(super) progress: mpsc::Sender<Fetched>,
}

impl Preparation {
    /// Does a step. Each may be done again.
    pub(super) async fn step(mut self, step: Step) -> Result<Vec<Candidate>, Failure> {
        match step {
            Step::Fetch => self.fetch().await.map(|()| Vec::new()),
            Step::Verify => self.verify().await.map(|()| Vec::new()),
            Step::Stage => self.stage().map(|()| Vec::new()),
            Step::TestGolden => self.test_golden().await,
        }
    }

    async fn fetch(&mut self) -> Result<(), Failure> {
        for assignment in &self.target {
            if !self.config.sources.contains_key(&assignment.source) {
                return Err(Failure::lasting(format!(
                    "unknown_source: agent.toml has no source {:?}",
                    assignment.source
                )));
            }
        }
        for assignment in self.target.clone() {
            self.download(assignment.model.manifest, |_| {}).await?;
        }
        let blobs = self.blobs().await?;
        self.make_sure_of_room(&blobs)?;
        let total = blobs.iter().map(|blob| blob.length).sum();
        let mut before = 0;
        for blob in blobs {
            let progress = self.progress.clone();
            self.download(blob, move |done| {
                // A number that is not taken in time is followed by a newer one.
                if progress.try_send((before + done, total)).is_err() {
                    tracing::trace!("progress not taken");
                }
            })
            .await?;
            before += blob.length;
        }
        Ok(())
    }

    /// Every file of the target's variants, after asking whether they will run here.
    async fn blobs(&mut self) -> Result<Vec<Blob>, Failure> {
        let capabilities = self.capabilities().await?;
        let mut blobs: Vec<Blob> = Vec::new();
        for assignment in &self.target {
            let (_, variant) = self.manifest(assignment)?;
            will_it_run(assignment, &variant, &capabilities)?;
            for blob in [variant.blob, variant.golden.blob] {
                if !blobs.contains(&blob) {
                    blobs.push(blob);
                }
            }
        }
        Ok(blobs)
    }

    async fn capabilities(&mut self) -> Result<Arc<Capabilities>, Failure> {
        let known = self
            .capabilities
            .wait_for(Option::is_some)
            .await
            .map_err(|_| Failure::passing("the agent is stopping"))?;
        known
            .clone()
            .ok_or_else(|| Failure::passing("the agent does not know what it can run yet"))
    }

    fn manifest(&self, assignment: &Assignment) -> Result<(Manifest, Variant), Failure> {
        self.store
            .manifest(&assignment.model)
            .map_err(|e| Failure::lasting(e.to_string()))
    }

    fn make_sure_of_room(&self, blobs: &[Blob]) -> Result<(), Failure> {
        let (needed, free) = self
            .store
            .room(blobs)
            .map_err(|e| Failure::passing(e.to_string()))?;
        if needed > free {
            return Err(Failure::insufficient_storage(needed, free));
        }
        Ok(())
    }

    async fn download(
        &self,
        blob: Blob,
        mut progress: impl FnMut(u64) + Send,
    ) -> Result<(), Failure> {
        let client = self
            .network
            .client()
            .map_err(|e| Failure::passing(e.to_string()))?;
        let url = self.network.endpoint.url(&format!("blobs/{}", blob.sha256));
        let mut download = Download::new(
            url,
            *blob.sha256.as_bytes(),
            blob.length,
            self.store.folder(),
        );
        download.reserve = self.store.reserve();
        download
            .fetch(&client, |at| progress(at.done))
            .await
            .map(|_| ())
            .map_err(|e| failure(&e))
    }

    async fn verify(&mut self) -> Result<(), Failure> {
        let mut blobs = self.blobs().await?;
        blobs.extend(
            self.target
                .iter()
                .map(|assignment| assignment.model.manifest),
        );
        let store = Arc::clone(&self.store);
        tokio::task::spawn_blocking(move || blobs.iter().try_for_each(|blob| store.check(blob)))
            .await
            .map_err(|e| Failure::passing(e.to_string()))?
            .map_err(|e| Failure::lasting(format!("digest: {e}")))
    }

    /// The files have their names already: they get them whole, by a rename. What is left is to
    /// see that every assignment can be put together from them.
    fn stage(&self) -> Result<(), Failure> {
        for assignment in &self.target {
            self.prepared(assignment)?;
        }
        noroshi_service::files::sync_folder(self.store.folder())
            .map_err(|e| Failure::passing(e.to_string()))
    }

    fn prepared(&self, assignment: &Assignment) -> Result<Prepared, Failure> {
        self.store
            .prepared(assignment)
            .map_err(|e| Failure::lasting(e.to_string()))
    }

    async fn test_golden(&self) -> Result<Vec<Candidate>, Failure> {
        let mut candidates = Vec::new();
        for assignment in &self.target {
            if self.running.contains(assignment) {
                continue;
            }
            let prepared = self.prepared(assignment)?;
            let worker = self.test_one(&prepared).await?;
            candidates.push(Candidate {
                prepared: Box::new(prepared),
                worker,
            });
        }
        Ok(candidates)
    }

    async fn test_one(&self, prepared: &Prepared) -> Result<WorkerProcess, Failure> {
        let choice = &prepared.assignment.model;
        let name = format!(
            "{} version {} {}",
            choice.model, choice.version, choice.variant
        );
        let (worker, golden) = WorkerProcess::start(&self.config, &prepared.files, true)
            .await
            .map_err(|e| match e {
                // A file that can't be opened or a process that can't be started says nothing
                // about the model.
                AgentError::Io { .. } => Failure::passing(e.to_string()),
                other => Failure::lasting(format!("golden: {name}: {other}")),
            })?;
        match golden {
            Some(report) if report.passed => Ok(worker),
            Some(report) => {
                worker.retire().await;
                Err(Failure::lasting(format!(
                    "golden: {name}: outputs differ by {} (cosine {}), {} of {} have the same top",
                    report.max_abs_diff, report.min_cosine, report.same_top, report.cases
                )))
            }
            None => Err(Failure::lasting(format!(
                "golden: {name}: it was not tested"
            ))),
        }
    }
}

fn will_it_run(
    assignment: &Assignment,
    variant: &Variant,
    capabilities: &Capabilities,
) -> Result<(), Failure> {
    match verdict(variant, capabilities) {
        Verdict::Runs => Ok(()),
        Verdict::Refused(obstacles) => {
            let reasons: Vec<String> = obstacles.iter().map(ToString::to_string).collect();
            Err(Failure::lasting(format!(
                "cannot_run: {} version {} {}: {}",
                assignment.model.model,
                assignment.model.version,
                variant.name,
                reasons.join("; ")
            )))
        }
    }
}

fn failure(error: &DownloadError) -> Failure {
    match error {
        DownloadError::InsufficientStorage { needed, free } => {
            Failure::insufficient_storage(*needed, *free)
        }
        DownloadError::File(e) if e.is_storage_full() => Failure::insufficient_storage(1, 0),
        DownloadError::Corrupt { .. } | DownloadError::TooLarge { .. } => {
            Failure::lasting(format!("digest: {error}"))
        }
        DownloadError::Retry { .. }
        | DownloadError::NotFound
        | DownloadError::Refused { .. }
        | DownloadError::File(_) => Failure::passing(error.to_string()),
    }
}
