//! Carries out what the update machine wants, in order.

use std::sync::Arc;

use noroshi_fleet::update::{Effect, Step};
use noroshi_protocol::UpdatePhase;

use super::{Brought, Controller};
use crate::AgentError;
use crate::daemon::prepare::Preparation;

impl Controller {
    pub(super) async fn carry_out(&mut self, effect: Effect) -> Result<(), AgentError> {
        match effect {
            Effect::Persist => self.persist().await?,
            Effect::Begin { job, step } => self.begin(job, step),
            Effect::MakeActive => {}
            Effect::StartTrial { .. } | Effect::Return => {
                self.desk.crew.follow(self.update.running()).await;
            }
            Effect::DropStaged => {
                self.stop_work();
                self.desk.crew.release_candidates().await;
                if let Err(e) = self.drop_files().await {
                    tracing::warn!(error = %e, "old model files could not be deleted");
                }
            }
            Effect::Report => self.desk.reporter.ring(),
        }
        Ok(())
    }

    /// A full disk must not end the agent: it goes on with what it has, and the machine asks
    /// again at its next step.
    async fn persist(&mut self) -> Result<(), AgentError> {
        let (records, update) = (self.desk.records.clone(), self.update.clone());
        let floor_ms = self.desk.network.clock.floor_ms();
        let kept = tokio::task::spawn_blocking(move || {
            records.keep_update(&update)?;
            records.keep_floor_ms(floor_ms)?;
            Ok::<(), AgentError>(())
        });
        match kept.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(e)) => {
                let text = format!("the device's state could not be written: {e}");
                tracing::error!(error = %e, "state not written");
                if self.desk.notes.is_new(&text) {
                    self.desk
                        .notes
                        .tell(crate::event::event("disk-full", text))
                        .await;
                }
                Ok(())
            }
            Err(e) => Err(AgentError::Refused(e.to_string())),
        }
    }

    fn begin(&mut self, job: u64, step: Step) {
        self.stop_work();
        let Some(target) = self.update.job().map(|job| job.target().to_vec()) else {
            return;
        };
        let preparation = Preparation {
            config: Arc::clone(&self.desk.config),
            network: Arc::clone(&self.desk.network),
            store: Arc::clone(&self.desk.store),
            capabilities: self.desk.capabilities.clone(),
            target,
            running: self.update.running().to_vec(),
            progress: self.progress.0.clone(),
        };
        let work = self.brought.spawn(async move {
            let done = preparation.step(step).await;
            Brought::Stepped(job, step, done)
        });
        self.work = Some(work);
    }

    fn stop_work(&mut self) {
        if let Some(work) = self.work.take() {
            work.abort();
        }
    }

    pub(super) async fn drop_files(&mut self) -> Result<u64, AgentError> {
        let (store, states) = (Arc::clone(&self.desk.store), self.desk.states.clone());
        let needed: Vec<_> = self.update.needed().into_iter().cloned().collect();
        let drop = move || {
            let models = store.models_of(&needed);
            let learned = models.map(|models| states.keep_only(&models)).transpose()?;
            Ok(store.keep_only(&needed)? + learned.unwrap_or(0))
        };
        tokio::task::spawn_blocking(drop)
            .await
            .map_err(|e| AgentError::Refused(e.to_string()))?
    }

    /// One event for people when a change ends.
    pub(super) async fn tell_ending(&mut self) {
        let Some(report) = self.update.report() else {
            return;
        };
        if self.told.as_ref() == Some(&report.phase) {
            return;
        }
        self.told = Some(report.phase.clone());
        let (kind, text) = match &report.phase {
            UpdatePhase::Active => ("update-active", "it runs".to_owned()),
            UpdatePhase::Failed(reason) => ("update-failed", reason.clone()),
            UpdatePhase::Reverted(reason) => ("update-reverted", reason.clone()),
            _ => return,
        };
        let details = [("plan", report.plan.to_string())];
        let message = format!("change {}: {text}", report.plan);
        self.desk
            .notes
            .tell(crate::event::detailed(kind, message, details))
            .await;
    }
}
