//! The rollout driver: load at a version, step, save if the version is unchanged, carry out.
//!
//! `fleet::rollout` decides; this does the reading and writing. It is woken by reports and by a
//! timer. What it carries out is derived from the saved facts, so whatever was lost by a crash is
//! done again: a row says up to which of its versions everything was carried out.

use std::time::Duration;

use noroshi_fleet::rollout::{DesiredOf, Event, Rollout};
use noroshi_protocol::{Assignment, RolloutId};
use tokio_util::sync::CancellationToken;

use crate::cloud::Cloud;
use crate::documents::read_rollout;
use crate::error::{Error, Result};
use crate::store::{RolloutRow, RolloutTarget};

/// The longest time between two looks at open rollouts.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// When to look again at a rollout whose time has come but that waits for something else.
const OVERDUE_WAIT: Duration = Duration::from_secs(1);
/// Attempts to save over a row that others save too.
const ATTEMPTS: usize = 20;

impl Cloud {
    /// Drives open rollouts until `stop`.
    pub async fn drive_rollouts(&self, stop: CancellationToken) -> Result<()> {
        let mut failing = false;
        loop {
            let wait = match self.look_at_rollouts().await {
                Ok(wait) => {
                    failing = false;
                    wait
                }
                Err(error) => {
                    // One line a change; the timer tries again.
                    if !std::mem::replace(&mut failing, true) {
                        tracing::error!(%error, "rollouts can't go on");
                    }
                    LONGEST_WAIT
                }
            };
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = self.rollouts.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Steps every open rollout once with what its devices have reported; answers how long
    /// nothing waits for a time.
    pub async fn look_at_rollouts(&self) -> Result<Duration> {
        let mut wait = LONGEST_WAIT;
        for row in self.store.open_rollouts().await? {
            let id = row
                .id
                .parse()
                .map_err(|error| Error::corrupt("rollout id", error))?;
            let mut events = self.reports_for(&row).await?;
            events.push(Event::Tick);
            let row = self.step_rollout(&id, events).await?;
            if let Some(at_ms) = read_rollout(&row)?.wake_at() {
                let due = Duration::from_millis(at_ms.saturating_sub(self.now_ms()));
                wait = wait.min(if due.is_zero() { OVERDUE_WAIT } else { due });
            }
        }
        Ok(wait)
    }

    async fn reports_for(&self, row: &RolloutRow) -> Result<Vec<Event>> {
        let mut events = Vec::new();
        for target in self.store.rollout_targets(&row.id).await? {
            let device = target.device;
            match self.store.peer(device.as_str()).await? {
                Some(peer) if peer.revoked_ms.is_none() => {
                    if let Some(update) = peer.report()?.and_then(|report| report.update) {
                        events.push(Event::Reported {
                            device,
                            plan: update.plan,
                            phase: update.phase,
                        });
                    }
                }
                _ => events.push(Event::DeviceGone(device)),
            }
        }
        Ok(events)
    }

    /// Steps one rollout with events, saves it, and carries out what follows.
    pub async fn step_rollout(&self, id: &RolloutId, events: Vec<Event>) -> Result<RolloutRow> {
        for _ in 0..ATTEMPTS {
            let mut row = self.store.rollout(id).await?;
            let mut rollout = read_rollout(&row)?;
            let now_ms = self.now_ms();
            for event in events.clone() {
                rollout.step(event, now_ms);
            }
            let facts = write_rollout(&rollout)?;
            if facts == row.facts {
                self.carry_out(&row, &rollout).await?;
                return Ok(row);
            }
            row.facts = facts;
            rollout.control().word().clone_into(&mut row.state);
            if rollout.ending().is_some() {
                row.finish(now_ms);
            }
            if self.store.save_rollout(&row).await? {
                row.row_version += 1;
                tracing::info!(rollout.id = %id, rollout.state = row.state, "rollout stepped");
                self.carry_out(&row, &rollout).await?;
                return Ok(row);
            }
        }
        Err(Error::Unavailable(format!(
            "rollout {id} is being changed by others; try again"
        )))
    }

    /// Issues what the facts want of every device and site; idempotent.
    async fn carry_out(&self, row: &RolloutRow, rollout: &Rollout) -> Result<()> {
        if row.carried >= row.row_version {
            return Ok(());
        }
        for target in self.store.rollout_targets(&row.id).await? {
            if rollout.desired(&target.device) == DesiredOf::Consolidate {
                self.consolidate(row, &target).await?;
            }
        }
        // Consolidated: from here on the rollout has no say in the documents.
        let mut sites: Vec<_> = rollout.spec().members.iter().map(|m| &m.site).collect();
        sites.sort();
        sites.dedup();
        // Sites first: whoever reports about a plan should meet a gateway that knows it.
        for site in sites {
            self.issue_site(site).await?;
        }
        for member in &rollout.spec().members {
            self.issue_device(member.device.as_str()).await?;
        }
        self.store.note_carried(&row.id, row.row_version).await
    }

    /// Makes a rollout's target what the device should run, if it has not been made so.
    async fn consolidate(&self, row: &RolloutRow, target: &RolloutTarget) -> Result<()> {
        let device = target.device.as_str();
        let base = self.store.assignments_of(device).await?;
        if base == target.target || base != target.before {
            return Ok(());
        }
        self.store.assign(device, &target.target).await?;
        let version = u32::try_from(row.version).unwrap_or(u32::MAX);
        for assignment in changed(&target.before, &target.target) {
            let everybody = self.store.assigned_to(&assignment.pipeline).await?;
            if everybody
                .iter()
                .all(|one| one.assignment.model.version == version)
            {
                let (pipeline, revision) = (assignment.pipeline.as_str(), assignment.revision);
                self.store
                    .advance_pipeline(pipeline, version, revision, self.now_ms())
                    .await?;
            }
        }
        Ok(())
    }
}

/// Assignments of `after` that `before` has not.
pub(crate) fn changed<'a>(
    before: &'a [Assignment],
    after: &'a [Assignment],
) -> impl Iterator<Item = &'a Assignment> {
    after
        .iter()
        .filter(move |assignment| !before.contains(assignment))
}

pub(crate) fn write_rollout(rollout: &Rollout) -> Result<String> {
    serde_json::to_string(rollout).map_err(|error| Error::corrupt("rollout", error))
}
