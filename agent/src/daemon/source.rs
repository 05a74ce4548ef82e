//! Supervises one source: starts its process, hands its frames on, starts it again.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use noroshi_service::backoff::{self, Backoff, BackoffLimits};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::child::LinkedChild;
use super::lease::{Lease, SharedRing, Switchboard};
use super::notes::Notes;
use crate::AgentError;
use crate::ring::{check_seals, reopen_read_only};
use crate::source::{Order, Report, SourceSpec};
use crate::time::boottime;

/// A source that runs this long makes its next failure the first one again; so does one that
/// showed a frame before somebody killed it.
const LIMITS: BackoffLimits = BackoffLimits {
    shortest: Duration::from_millis(500),
    longest: Duration::from_secs(60),
    settled_after: Duration::from_secs(5),
};
/// A source's process must show its ring within this.
const START: Duration = Duration::from_secs(20);

static RINGS: AtomicU64 = AtomicU64::new(1);

/// One source of agent.toml.
pub(super) struct SourceSupervisor {
    pub(super) name: String,
    pub(super) spec: SourceSpec,
    pub(super) board: Arc<Switchboard>,
    pub(super) notes: Notes,
}

impl SourceSupervisor {
    /// Runs until `stop`.
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut backoff = Backoff::new(LIMITS);
        while !stop.is_cancelled() {
            let began = boottime();
            let mut served = false;
            let failed = tokio::select! {
                () = stop.cancelled() => return,
                ended = self.one_process(&mut served) => ended,
            };
            backoff.settled(boottime().saturating_sub(began));
            if served && matches!(failed, AgentError::Killed(_)) {
                backoff.succeeded();
            }
            let wait = backoff.failed(backoff::random());
            self.tell(&failed, backoff.failures()).await;
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn tell(&self, failed: &AgentError, failures: u32) {
        tracing::warn!(source.name = self.name, error = %failed, failures, "source failed");
        // The first of a row is news, the rest is the same news.
        if failures == 1 {
            let message = format!("source {} failed: {failed}", self.name);
            let details = [("source", self.name.clone())];
            self.notes
                .tell(crate::event::detailed("source-failed", message, details))
                .await;
        }
    }

    async fn one_process(&self, served: &mut bool) -> AgentError {
        let mut child = match LinkedChild::start("source", Vec::new()) {
            Ok(child) => child,
            Err(e) => return e,
        };
        match self.serve(&mut child, served).await {
            Ok(never) => match never {},
            Err(AgentError::LinkClosed) => {
                let ending = child.end(Duration::from_secs(1)).await;
                ending.error("its process is gone", AgentError::Source)
            }
            Err(e) => e,
        }
    }

    /// Sets `served` at the first frame.
    async fn serve(
        &self,
        child: &mut LinkedChild,
        served: &mut bool,
    ) -> Result<std::convert::Infallible, AgentError> {
        let start = Order::Start {
            agent: std::process::id(),
            spec: Box::new(self.spec.clone()),
            settings: "{}".into(),
        };
        child.link.send(&start, &[]).await?;
        let ring = tokio::time::timeout(START, self.ring(child))
            .await
            .map_err(|_| AgentError::Source("it did not show its ring".into()))??;
        let (release, mut released) = mpsc::unbounded_channel();
        let mut leased = vec![false; ring.geometry.slots() as usize];
        loop {
            tokio::select! {
                slot = released.recv() => if let Some(slot) = slot {
                    if let Some(leased) = leased.get_mut(slot as usize) {
                        *leased = false;
                    }
                    child.link.send(&Order::Release { slot }, &[]).await?;
                },
                report = child.link.receive::<Report>() => match report? {
                    Report::Frame { slot, generation, id, .. } => {
                        claim(&mut leased, slot)?;
                        *served = true;
                        let lease = Lease {
                            ring: Arc::clone(&ring),
                            slot,
                            generation,
                            frame: id,
                            release: release.clone(),
                        };
                        self.board.deliver(&self.name, &Arc::new(lease), self.spec.is_live());
                    }
                    Report::Skipped { frames } => self.board.count_skipped(&self.name, frames),
                    Report::Unreadable { name, why } => self.unreadable(&name, &why).await,
                    Report::End => tracing::info!(source.name = self.name, "source is at its end"),
                    Report::Ring { .. } => {
                        return Err(AgentError::Source("it showed a second ring".into()));
                    }
                },
            }
        }
    }

    async fn ring(&self, child: &mut LinkedChild) -> Result<Arc<SharedRing>, AgentError> {
        let Report::Ring { geometry, .. } = child.link.receive().await? else {
            return Err(AgentError::Source("it must show its ring first".into()));
        };
        let memory = child.link.take_descriptor()?;
        if geometry != self.spec.geometry()? {
            return Err(AgentError::Source("its ring has another shape".into()));
        }
        check_seals(memory.as_fd(), &geometry)?;
        Ok(Arc::new(SharedRing {
            id: RINGS.fetch_add(1, Ordering::Relaxed),
            geometry,
            memory: reopen_read_only(memory)?,
        }))
    }

    async fn unreadable(&self, name: &str, why: &str) {
        let text = format!("source {}: {name} is not a usable frame: {why}", self.name);
        if self.notes.is_new(&text) {
            let details = [("source", self.name.clone()), ("name", name.to_owned())];
            self.notes
                .tell(crate::event::detailed("frame-unreadable", text, details))
                .await;
        }
    }
}

/// Takes a slot that must not be on lease already.
fn claim(leased: &mut [bool], slot: u32) -> Result<(), AgentError> {
    match leased.get_mut(slot as usize) {
        Some(leased) if !*leased => {
            *leased = true;
            Ok(())
        }
        _ => Err(AgentError::Source(format!(
            "it offered slot {slot}, which it does not have"
        ))),
    }
}
