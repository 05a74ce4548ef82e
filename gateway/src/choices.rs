//! Carries out the plans of a site: from a signed document and what devices report, the retained
//! `choice/plan` of each device.
//!
//! What was given is written down before it is published, so a restart, with or without the
//! cloud, goes on where it was and never takes a choice back.

mod ledger;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use noroshi_fleet::assignment::Clock;
use noroshi_protocol::{
    Channel, Choice, DeviceId, Message as _, OrgId, PlanId, Reported, SiteDesired, SiteId, Topic,
    Which, limits,
};
use noroshi_service::clock::SessionClock;
use noroshi_service::files;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::GatewayError;
use crate::broker::BrokerHandle;
use ledger::{Ledger, PhaseNote};

/// Expiry is looked at this often.
const LOOK: Duration = Duration::from_secs(5);
/// Largest file that is read back.
const FILE_BYTES: u64 = 8 << 20;

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

    /// Takes the site's document, already verified. Whether it counts: an older one is ignored.
    pub fn desired(&self, desired: SiteDesired) -> bool {
        let mut state = self.state();
        let known = state.ledger.desired.as_ref();
        if known.is_some_and(|known| known.sequence >= desired.sequence) {
            return known == Some(&desired);
        }
        state.ledger.desired = Some(desired);
        state.changed = true;
        drop(state);
        self.waker.notify_one();
        true
    }

    /// The site's document that counts, over restarts.
    pub fn known(&self) -> Option<SiteDesired> {
        self.state().ledger.desired.clone()
    }

    /// Forgets what a device that was revoked has said.
    pub fn forget(&self, device: &DeviceId) {
        let mut state = self.state();
        state.orders.remove(device);
        state.changed |= state.ledger.forget(device);
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
        let note = (PhaseNote(update.phase.clone()), update.choice);
        if !state.ledger.note(&reported.device, &update.plan, note) {
            return;
        }
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

#[cfg(test)]
mod tests {
    use noroshi_protocol::PlanState;

    use super::ledger::tests::desired;
    use super::*;

    #[test]
    fn an_older_document_does_not_count() {
        let plans = Plans::default();
        assert!(plans.desired(desired(2, &[])));
        assert!(plans.desired(desired(2, &[])), "the same again");
        assert!(!plans.desired(desired(1, &[("p", PlanState::Running)])));
        assert_eq!(plans.known().unwrap().sequence, 2);
    }
}
