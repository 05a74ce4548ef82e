//! The one task that decides: takes what happens, asks the pure machine, carries its effects out.

mod effects;
mod trial;

use std::sync::Arc;
use std::time::Duration;

use noroshi_fleet::assignment::{Accepted, Facts, RefusedReason, accept};
use noroshi_fleet::update::{Event, Failure, Job, Step, Update};
use noroshi_model::Capabilities;
use noroshi_protocol::{
    Assignment, Choice, Desired, Message, PipelineId, RefusedDesired, UpdatePhase,
};
use noroshi_service::backoff::{Backoff, BackoffLimits};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::crew::Crew;
use super::models::ModelStore;
use super::network::Network;
use super::notes::Notes;
use super::pipeline::{Notice, Question};
use super::prepare::{Candidate, Fetched};
use super::records::Records;
use super::report::Reporter;
use super::states::States;
use super::trust::{Disbelief, Later, Trust};
use crate::AgentError;
use crate::config::Config;
use crate::time::boottime;

/// The machine is asked at least this often.
const TICK: Duration = Duration::from_secs(30);
/// How often what is shown on this machine is renewed.
const GLANCE: Duration = Duration::from_secs(2);
/// How soon a document that is not believed yet is checked again: a gateway may bring the
/// document before the metadata that knows it.
const CHECK_AGAIN: BackoffLimits = BackoffLimits {
    shortest: Duration::from_secs(1),
    longest: Duration::from_secs(300),
    settled_after: Duration::ZERO,
};

/// What happens to the controller.
pub(super) enum Input {
    /// A desired document's envelope, from the broker or by HTTPS.
    Desired(Vec<u8>),
    /// A choice.
    Choice(Vec<u8>),
    /// Start a pipeline's worker again; the answer is whether there is such a pipeline.
    RestartWorker(PipelineId, tokio::sync::oneshot::Sender<bool>),
    /// A question about what a pipeline runs.
    Ask(PipelineId, Question),
    /// Delete model files that nothing needs; the answer is the bytes freed.
    Purge(tokio::sync::oneshot::Sender<Result<u64, AgentError>>),
}

/// What tasks of the controller bring back.
enum Brought {
    Checked(Vec<u8>, Result<Desired, Disbelief>),
    CheckAgain(Vec<u8>),
    Stepped(u64, Step, Result<Vec<Candidate>, Failure>),
}

/// What the controller needs of the agent.
pub(super) struct Desk {
    pub(super) config: Arc<Config>,
    pub(super) network: Arc<Network>,
    pub(super) trust: Arc<Trust>,
    pub(super) store: Arc<ModelStore>,
    pub(super) records: Records,
    pub(super) states: States,
    pub(super) notes: Notes,
    pub(super) capabilities: watch::Receiver<Option<Arc<Capabilities>>>,
    pub(super) crew: Crew,
    pub(super) reporter: Reporter,
}

/// The task.
pub(super) struct Controller {
    desk: Desk,
    update: Update,
    refused: Option<RefusedDesired>,
    /// The bytes that were checked last, so that the same retained message costs nothing.
    checked: Option<Vec<u8>>,
    again: Backoff,
    brought: JoinSet<Brought>,
    work: Option<tokio::task::AbortHandle>,
    progress: (mpsc::Sender<Fetched>, mpsc::Receiver<Fetched>),
    told: Option<UpdatePhase>,
    /// When the machine was asked last, by the clock of tasks and by the machine's own.
    asked: Instant,
    asked_ms: u64,
}

impl Controller {
    /// Loads what was kept.
    pub(super) fn new(desk: Desk) -> Result<Self, AgentError> {
        let update = desk.records.update()?;
        let told = update.report().map(|report| report.phase);
        Ok(Self {
            desk,
            update,
            refused: None,
            checked: None,
            again: Backoff::new(CHECK_AGAIN),
            brought: JoinSet::new(),
            work: None,
            progress: mpsc::channel(1),
            told,
            asked: Instant::now(),
            asked_ms: now_ms(),
        })
    }

    /// Runs until `stop`; what was running last starts at once, whatever the network does.
    pub(super) async fn run(
        mut self,
        mut inputs: mpsc::Receiver<Input>,
        mut notices: mpsc::Receiver<Notice>,
        stop: CancellationToken,
    ) -> Result<(), AgentError> {
        self.desk.crew.follow(self.update.running()).await;
        self.happen(Event::Restarted).await?;
        let mut glance = tokio::time::interval(GLANCE);
        loop {
            let wake = self
                .update
                .wake_in_ms()
                .map_or(TICK, |ms| Duration::from_millis(ms).min(TICK));
            let wake = self.asked + wake;
            tokio::select! {
                () = stop.cancelled() => break,
                Some(input) = inputs.recv() => self.take(input).await?,
                Some(notice) = notices.recv() => self.notice(notice).await?,
                Some(brought) = self.brought.join_next() => self.bring(brought).await?,
                Some((fetched, total)) = self.progress.1.recv() => {
                    if let Some(job) = self.update.job().map(Job::number) {
                        self.happen(Event::Progress { job, fetched, total }).await?;
                    }
                }
                () = self.desk.reporter.due() => self.report(),
                _ = glance.tick() => self.show(),
                () = tokio::time::sleep_until(wake) => self.happen(Event::Tick).await?,
            }
        }
        self.brought.shutdown().await;
        self.desk.crew.dismiss().await;
        Ok(())
    }

    async fn take(&mut self, input: Input) -> Result<(), AgentError> {
        match input {
            Input::Desired(bytes) => {
                if self.checked.as_ref() != Some(&bytes) {
                    self.checked = Some(bytes.clone());
                    self.again = Backoff::new(CHECK_AGAIN);
                    self.check(bytes);
                }
            }
            Input::Choice(bytes) => match Choice::from_cbor(&bytes) {
                Ok(choice) => self.happen(Event::Choice(choice)).await?,
                Err(e) => tracing::warn!(error = %e, "choice ignored"),
            },
            Input::RestartWorker(pipeline, answer) => {
                let there = self.desk.crew.restart(&pipeline).await;
                // Who asked may be gone.
                let _ = answer.send(there);
            }
            Input::Ask(pipeline, question) => self.desk.crew.ask(&pipeline, question),
            Input::Purge(answer) => {
                let freed = self.drop_files().await;
                let _ = answer.send(freed);
            }
        }
        Ok(())
    }

    fn check(&mut self, bytes: Vec<u8>) {
        let trust = Arc::clone(&self.desk.trust);
        self.brought.spawn(async move {
            let checked = trust.desired(&bytes).await;
            Brought::Checked(bytes, checked)
        });
    }

    async fn bring(
        &mut self,
        brought: Result<Brought, tokio::task::JoinError>,
    ) -> Result<(), AgentError> {
        match brought {
            Ok(Brought::Checked(bytes, Ok(desired))) => self.weigh(bytes, desired).await,
            Ok(Brought::Checked(bytes, Err(disbelief))) => {
                self.disbelieve(bytes, disbelief).await;
                Ok(())
            }
            Ok(Brought::CheckAgain(bytes)) => {
                // Unless something newer came meanwhile.
                if self.checked.as_ref() == Some(&bytes) {
                    self.check(bytes);
                }
                Ok(())
            }
            Ok(Brought::Stepped(job, step, Ok(candidates))) => {
                if !candidates.is_empty() {
                    self.desk.crew.hold(candidates).await;
                }
                self.happen(Event::Done { job, step }).await
            }
            Ok(Brought::Stepped(job, step, Err(failure))) => {
                tracing::warn!(job, ?step, reason = failure.reason, "step failed");
                self.happen(Event::Failed { job, step, failure }).await
            }
            // A step that was stopped on purpose.
            Err(e) if e.is_cancelled() => Ok(()),
            Err(e) => {
                tracing::error!(error = %e, "a task of the controller panicked");
                Ok(())
            }
        }
    }

    async fn disbelieve(&mut self, bytes: Vec<u8>, disbelief: Disbelief) {
        if disbelief.later == Later::Unknown {
            let reason = disbelief.reason;
            tracing::info!(reason, "the desired document can't be checked yet");
        } else {
            self.refuse(disbelief.sequence, disbelief.reason).await;
        }
        if disbelief.later != Later::Never {
            let wait = self.again.failed(u64::MAX);
            self.brought.spawn(async move {
                tokio::time::sleep(wait).await;
                Brought::CheckAgain(bytes)
            });
        }
    }

    /// Decides about a document whose signature and targets were verified.
    async fn weigh(&mut self, bytes: Vec<u8>, desired: Desired) -> Result<(), AgentError> {
        let Some(identity) = self.desk.network.identity.file().cloned() else {
            return Ok(());
        };
        let facts = Facts {
            org: &identity.org,
            device: &identity.device,
            last: self.update.desired(),
            last_sequence: self.update.sequence(),
            clock: self.desk.trust.clock(),
        };
        match accept(&desired, &facts) {
            Ok(Accepted::Known) => Ok(()),
            Ok(Accepted::New) => {
                self.desk.network.clock.raise_floor(desired.issued_ms);
                self.refused = None;
                self.checked = Some(bytes);
                tracing::info!(
                    desired.sequence = desired.sequence,
                    "desired document taken"
                );
                self.happen(Event::Desired(Box::new(desired))).await?;
                self.desk.reporter.ring();
                Ok(())
            }
            Err(reason) => {
                if may_pass(&reason) {
                    // The same bytes are weighed again when they come again.
                    self.checked = None;
                    if self.has_refused(desired.sequence) {
                        return Ok(());
                    }
                }
                self.refuse(desired.sequence, reason.to_string()).await;
                Ok(())
            }
        }
    }

    fn has_refused(&self, sequence: u64) -> bool {
        let refused = self.refused.as_ref();
        refused.is_some_and(|refused| refused.sequence == sequence)
    }

    async fn refuse(&mut self, sequence: u64, reason: String) {
        let reason: String = reason.chars().take(300).collect();
        let refused = RefusedDesired { sequence, reason };
        if self.refused.as_ref() == Some(&refused) {
            return;
        }
        let text = format!("a desired document was refused: {}", refused.reason);
        let details = [("sequence", sequence.to_string())];
        self.desk
            .notes
            .tell(crate::event::detailed("desired-refused", text, details))
            .await;
        self.refused = Some(refused);
        self.desk.reporter.ring();
    }

    async fn notice(&mut self, notice: Notice) -> Result<(), AgentError> {
        let Notice::Crashed {
            pipeline,
            revision,
            reason,
        } = notice;
        let Some(job) = self.update.job().map(Job::number) else {
            return Ok(());
        };
        let concerned =
            |changed: &Assignment| changed.pipeline == pipeline && changed.revision == revision;
        if !trial::changed(&self.update).iter().any(concerned) {
            return Ok(());
        }
        let reason = format!("pipeline {pipeline}: {reason}");
        self.happen(Event::Crashed { job, reason }).await
    }

    async fn happen(&mut self, event: Event) -> Result<(), AgentError> {
        if let Some(silent) = self.silent_in_trial() {
            self.ask(silent).await?;
        }
        self.ask(event).await
    }

    /// At the end of a trial: a target that got frames and answered none must not become active.
    fn silent_in_trial(&self) -> Option<Event> {
        let left_ms = trial::left_ms(&self.update)?;
        if now_ms().saturating_sub(self.asked_ms) < left_ms {
            return None;
        }
        let silent = self.desk.crew.fruitless(&trial::changed(&self.update))?;
        Some(Event::Crashed {
            job: self.update.job()?.number(),
            reason: format!("pipeline {silent}: it answered none of its frames"),
        })
    }

    async fn ask(&mut self, event: Event) -> Result<(), AgentError> {
        let now_ms = now_ms();
        (self.asked, self.asked_ms) = (Instant::now(), now_ms);
        for effect in self.update.step(event, now_ms) {
            self.carry_out(effect).await?;
        }
        self.tell_ending().await;
        Ok(())
    }

    fn show(&self) {
        let pipelines = self.desk.crew.reports();
        self.desk
            .reporter
            .show(&self.update, self.refused.clone(), pipelines);
    }

    fn report(&mut self) {
        let pipelines = self.desk.crew.reports();
        self.desk
            .reporter
            .publish(&self.update, self.refused.clone(), pipelines);
    }
}

fn now_ms() -> u64 {
    boottime().as_millis() as u64
}

/// Whether a document that is refused for this may be taken later as it is: a clock may be put
/// right. Of expiry the text tells how long ago it was, so it is told once a document.
fn may_pass(reason: &RefusedReason) -> bool {
    match reason {
        RefusedReason::Expired { .. } => true,
        RefusedReason::Foreign(_) | RefusedReason::Replayed { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_expiry_may_pass() {
        assert!(may_pass(&RefusedReason::Expired { late_s: 9 }));
        assert!(!may_pass(&RefusedReason::Foreign("x".into())));
        let (sequence, last) = (1, 2);
        assert!(!may_pass(&RefusedReason::Replayed { sequence, last }));
    }
}
