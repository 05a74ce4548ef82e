//! Carries out the plans of a site: from a signed document and what devices report, the retained
//! `choice/plan` of each device.
//!
//! What was given is written down before it is published, so a restart, with or without the
//! cloud, goes on where it was and never takes a choice back.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use noroshi_fleet::assignment::Clock;
use noroshi_fleet::chooser::{self, Choices, Reports};
use noroshi_protocol::{
    Channel, Choice, DeviceId, Message as _, OrgId, PlanId, Reported, SiteDesired, SiteId, Topic,
    UpdatePhase, Which, limits,
};
use noroshi_service::clock::SessionClock;
use noroshi_service::files;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::GatewayError;
use crate::broker::BrokerHandle;

/// Expiry is looked at this often.
const LOOK: Duration = Duration::from_secs(5);
/// Largest file that is read back.
const FILE_BYTES: u64 = 8 << 20;
/// Plans of which reports are remembered.
const PLANS: usize = 256;

/// What is written down.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Ledger {
    #[serde(default)]
    desired: Option<SiteDesired>,
    /// By plan, by device.
    given: BTreeMap<PlanId, BTreeMap<DeviceId, Which>>,
    /// The plan whose choice each device's topic retains.
    published: BTreeMap<DeviceId, (PlanId, Which)>,
    reports: BTreeMap<PlanId, BTreeMap<DeviceId, (PhaseNote, Which)>>,
}

/// A phase as far as choosing needs it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct PhaseNote(UpdatePhase);

#[derive(Debug, Default)]
struct State {
    ledger: Ledger,
    /// Newest report of each device, so that an older one does not count.
    orders: BTreeMap<DeviceId, (u64, u64)>,
    changed: bool,
}

/// The entrance: plans and reports come in here. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Plans {
    state: Arc<Mutex<State>>,
    waker: Arc<Notify>,
}

impl Plans {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the site's document, already verified. An older one is ignored.
    pub fn desired(&self, desired: SiteDesired) {
        let mut state = self.state();
        let known = state.ledger.desired.as_ref().map(|known| known.sequence);
        if known.is_some_and(|known| known >= desired.sequence) {
            return;
        }
        state.ledger.desired = Some(desired);
        state.changed = true;
        drop(state);
        self.waker.notify_one();
    }

    /// Takes what a device says about its update.
    pub fn reported(&self, reported: &Reported) {
        let mut state = self.state();
        let order = reported.order();
        if state
            .orders
            .get(&reported.device)
            .is_some_and(|known| *known > order)
        {
            return;
        }
        state.orders.insert(reported.device.clone(), order);
        let Some(update) = &reported.update else {
            return;
        };
        if state.ledger.reports.len() >= PLANS && !state.ledger.reports.contains_key(&update.plan) {
            return;
        }
        let note = (PhaseNote(update.phase.clone()), update.choice);
        let reports = state.ledger.reports.entry(update.plan.clone()).or_default();
        if reports.get(&reported.device) == Some(&note) {
            return;
        }
        reports.insert(reported.device.clone(), note);
        state.changed = true;
        drop(state);
        self.waker.notify_one();
    }
}

/// Gives the choices of one site.
pub struct Conductor {
    org: OrgId,
    site: SiteId,
    file: PathBuf,
    broker: BrokerHandle,
    clock: Arc<SessionClock>,
    plans: Plans,
    /// Publish what is retained once more: the broker is new.
    fresh: bool,
}

impl Conductor {
    /// Goes on from `file`, if it is there.
    pub fn open(
        org: OrgId,
        site: SiteId,
        file: PathBuf,
        broker: BrokerHandle,
        clock: Arc<SessionClock>,
    ) -> Result<(Self, Plans), GatewayError> {
        let plans = Plans::default();
        match files::read_bounded(&file, FILE_BYTES) {
            Ok(bytes) => match serde_cbor::from_slice(&bytes) {
                Ok(ledger) => plans.state().ledger = ledger,
                Err(error) => {
                    warn!(file = %file.display(), %error, "the choices' file can't be read back");
                }
            },
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
        let conductor = Self {
            org,
            site,
            file,
            broker,
            clock,
            plans: plans.clone(),
            fresh: true,
        };
        Ok((conductor, plans))
    }

    /// Runs until `stop` is cancelled.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), GatewayError> {
        let mut look = tokio::time::interval(LOOK);
        loop {
            self.carry_out().await?;
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = self.plans.waker.notified() => {}
                _ = look.tick() => {}
            }
        }
    }

    async fn carry_out(&mut self) -> Result<(), GatewayError> {
        let clock = if self.clock.is_synchronized() {
            Clock::Synced(self.clock.trusted_ms())
        } else {
            Clock::AtLeast(self.clock.floor_ms())
        };
        let (publish, bytes) = {
            let mut state = self.plans.state();
            let publish = state.ledger.decide(clock);
            let changed = std::mem::take(&mut state.changed) || !publish.is_empty();
            (publish, changed.then(|| serde_cbor::to_vec(&state.ledger)))
        };
        if let Some(bytes) = bytes {
            let bytes = bytes.map_err(|error| GatewayError::Invalid(error.to_string()))?;
            // Small and rare: a write of some milliseconds does not hold anybody up.
            files::write_atomic(&self.file, &bytes)?;
        }
        let publish = if std::mem::take(&mut self.fresh) {
            let all = self.plans.state().ledger.published.clone();
            all.into_iter()
                .map(|(device, choice)| (device, Some(choice)))
                .collect()
        } else {
            publish
        };
        for (device, choice) in publish {
            self.publish(device, choice).await;
        }
        Ok(())
    }

    async fn publish(&self, device: DeviceId, choice: Option<(PlanId, Which)>) {
        let payload = choice.map_or_else(Bytes::new, |(plan, which)| {
            info!(%device, %plan, ?which, "choice");
            Choice { plan, which }.to_cbor().into()
        });
        debug_assert!(payload.len() <= limits::SMALL);
        let (org, site) = (self.org.clone(), self.site.clone());
        let topic = Topic {
            org,
            site,
            device,
            channel: Channel::Choice,
        };
        self.broker.publish(&topic, payload).await;
    }
}

type Change = (DeviceId, Option<(PlanId, Which)>);

impl Ledger {
    /// Decides anew; answers whose retained choice changes.
    fn decide(&mut self, clock: Clock) -> Vec<Change> {
        let Some(desired) = &self.desired else {
            return Vec::new();
        };
        let plans = chooser::in_force(desired, clock);
        let mut wanted: BTreeMap<DeviceId, (PlanId, Which)> = BTreeMap::new();
        for plan in &plans {
            let reports: Reports = self
                .reports
                .get(&plan.id)
                .map(|reports| {
                    reports
                        .iter()
                        .map(|(device, (phase, which))| (device.clone(), (phase.0.clone(), *which)))
                        .collect()
                })
                .unwrap_or_default();
            let given: Choices = self.given.get(&plan.id).cloned().unwrap_or_default();
            let choices = chooser::choices(plan, &reports, &given);
            for (device, which) in &choices {
                // Documents are in the order of issue: a device's later plan counts.
                wanted.insert(device.clone(), (plan.id.clone(), *which));
            }
            self.given.insert(plan.id.clone(), choices);
        }
        let known = |id: &PlanId| plans.iter().any(|plan| plan.id == *id);
        self.given.retain(|id, _| known(id));
        self.reports.retain(|id, _| known(id));
        let gone = self
            .published
            .keys()
            .filter(|device| !wanted.contains_key(*device));
        let mut changes: Vec<Change> = gone.map(|device| (device.clone(), None)).collect();
        for (device, choice) in &wanted {
            if self.published.get(device) != Some(choice) {
                changes.push((device.clone(), Some(choice.clone())));
            }
        }
        self.published = wanted;
        changes
    }
}

#[cfg(test)]
mod tests {
    use noroshi_protocol::{PlanState, SitePlan};

    use super::*;

    fn desired(sequence: u64, plans: &[(&str, PlanState)]) -> SiteDesired {
        let plan = |(id, state): &(&str, PlanState)| SitePlan {
            id: id.parse().unwrap(),
            rollout: "r".parse().unwrap(),
            devices: vec!["a".parse().unwrap(), "b".parse().unwrap()],
            parallel: 1,
            max_failures: 0,
            state: *state,
        };
        SiteDesired {
            format: 1,
            org: "o".parse().unwrap(),
            site: "s".parse().unwrap(),
            sequence,
            issued_ms: 0,
            expires_ms: 1_000,
            plans: plans.iter().map(plan).collect(),
        }
    }

    fn report(ledger: &mut Ledger, device: &str, phase: UpdatePhase, which: Which) {
        ledger
            .reports
            .entry("p".parse().unwrap())
            .or_default()
            .insert(device.parse().unwrap(), (PhaseNote(phase), which));
    }

    fn words(changes: Vec<Change>) -> Vec<String> {
        changes
            .into_iter()
            .map(|(device, choice)| match choice {
                Some((plan, which)) => format!("{device} {plan} {which:?}"),
                None => format!("{device} cleared"),
            })
            .collect()
    }

    #[test]
    fn a_plan_is_carried_out_one_after_the_other_and_cleared_at_its_end() {
        let mut ledger = Ledger {
            desired: Some(desired(1, &[("p", PlanState::Running)])),
            ..Ledger::default()
        };
        let now = Clock::Synced(5);
        assert_eq!(words(ledger.decide(now)), ["a p Wait", "b p Wait"]);
        report(&mut ledger, "a", UpdatePhase::Ready, Which::Wait);
        report(&mut ledger, "b", UpdatePhase::Ready, Which::Wait);
        assert_eq!(words(ledger.decide(now)), ["a p Go"]);
        assert!(ledger.decide(now).is_empty());
        // A restart reads the same file and goes on.
        let file = serde_cbor::to_vec(&ledger).unwrap();
        let mut ledger: Ledger = serde_cbor::from_slice(&file).unwrap();
        report(&mut ledger, "a", UpdatePhase::Active, Which::Go);
        assert_eq!(words(ledger.decide(now)), ["b p Go"]);
        report(
            &mut ledger,
            "b",
            UpdatePhase::Failed("no".into()),
            Which::Go,
        );
        assert_eq!(words(ledger.decide(now)), ["a p Revert", "b p Revert"]);
        ledger.desired = Some(desired(2, &[]));
        assert_eq!(words(ledger.decide(now)), ["a cleared", "b cleared"]);
        assert_eq!(ledger.given.len() + ledger.reports.len(), 0);
    }

    #[test]
    fn past_its_expiry_no_go_is_given() {
        let mut ledger = Ledger {
            desired: Some(desired(1, &[("p", PlanState::Running)])),
            ..Ledger::default()
        };
        report(&mut ledger, "a", UpdatePhase::Ready, Which::Wait);
        assert_eq!(
            words(ledger.decide(Clock::Synced(2_000))),
            ["a p Wait", "b p Wait"]
        );
        assert_eq!(words(ledger.decide(Clock::Synced(900))), ["a p Go"]);
    }
}
