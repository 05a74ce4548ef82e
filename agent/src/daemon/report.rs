//! The reported document: what the device runs and how a change goes, signed with its key.

use std::sync::Arc;
use std::time::Duration;

use noroshi_fleet::update::Update;
use noroshi_model::Capabilities;
use noroshi_protocol::{
    Domain, Envelope, Message, OutboxReport, PipelineReport, RefusedDesired, Reported, StoreId,
};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::network::Network;
use crate::outbox::{Account, Start};

/// Changes within this time share a report.
const GATHER: Duration = Duration::from_millis(300);
/// A report is sent again at least this often, for its figures.
const AT_LEAST: Duration = Duration::from_secs(600);

/// What is reported, for whoever sends or shows it.
#[derive(Clone)]
pub(super) struct Published {
    /// The newest report's envelope; empty before the first.
    pub(super) envelope: watch::Receiver<Vec<u8>>,
    /// The state as of a moment ago, in the open.
    pub(super) state: watch::Receiver<Option<Arc<Reported>>>,
}

/// Puts reports together.
pub(super) struct Reporter {
    network: Arc<Network>,
    start: Start,
    sources: Vec<String>,
    capabilities: watch::Receiver<Option<Arc<Capabilities>>>,
    account: watch::Receiver<Account>,
    store: watch::Receiver<Option<StoreId>>,
    changed: Arc<Notify>,
    sequence: u64,
    last: Instant,
    rung: Option<Instant>,
    envelope: watch::Sender<Vec<u8>>,
    state: watch::Sender<Option<Arc<Reported>>>,
}

/// What a reporter looks at.
pub(super) struct Sight {
    pub(super) network: Arc<Network>,
    pub(super) start: Start,
    pub(super) sources: Vec<String>,
    pub(super) capabilities: watch::Receiver<Option<Arc<Capabilities>>>,
    pub(super) account: watch::Receiver<Account>,
    pub(super) store: watch::Receiver<Option<StoreId>>,
    pub(super) changed: Arc<Notify>,
}

impl Reporter {
    pub(super) fn new(sight: Sight) -> (Self, Published) {
        let (envelope, sent) = watch::channel(Vec::new());
        let (state, shown) = watch::channel(None);
        let reporter = Self {
            network: sight.network,
            start: sight.start,
            sources: sight.sources,
            capabilities: sight.capabilities,
            account: sight.account,
            store: sight.store,
            changed: sight.changed,
            sequence: 0,
            last: Instant::now(),
            rung: Some(Instant::now()),
            envelope,
            state,
        };
        let published = Published {
            envelope: sent,
            state: shown,
        };
        (reporter, published)
    }

    /// A report is due soon.
    pub(super) fn ring(&mut self) {
        self.rung.get_or_insert_with(Instant::now);
    }

    /// Completes when a report should be made; safe to drop at any time.
    pub(super) async fn due(&mut self) {
        loop {
            let at = match self.rung {
                Some(rung) => rung + GATHER,
                None => self.last + AT_LEAST,
            };
            tokio::select! {
                () = self.changed.notified() => self.ring(),
                Ok(()) = self.capabilities.changed() => self.ring(),
                () = tokio::time::sleep_until(at) => return,
            }
        }
    }

    /// Makes a report and has it sent.
    pub(super) fn publish(
        &mut self,
        update: &Update,
        refused: Option<RefusedDesired>,
        pipelines: Vec<PipelineReport>,
    ) {
        self.rung = None;
        self.last = Instant::now();
        let Some(reported) = self.look(update, refused, pipelines) else {
            return;
        };
        self.sequence += 1;
        let key = self.network.identity.signing_key();
        let envelope = Envelope::seal(Domain::Reported, &reported, key);
        self.envelope.send_replace(envelope.to_cbor());
        self.state.send_replace(Some(Arc::new(reported)));
    }

    /// Shows the state on this machine, without sending it.
    pub(super) fn show(
        &self,
        update: &Update,
        refused: Option<RefusedDesired>,
        pipelines: Vec<PipelineReport>,
    ) {
        if let Some(reported) = self.look(update, refused, pipelines) {
            self.state.send_replace(Some(Arc::new(reported)));
        }
    }

    fn look(
        &self,
        update: &Update,
        refused: Option<RefusedDesired>,
        pipelines: Vec<PipelineReport>,
    ) -> Option<Reported> {
        let identity = self.network.identity.file()?;
        let capabilities = self.capabilities.borrow().clone()?;
        let reading = self.network.clock.now();
        let holdings = self.account.borrow().holdings;
        Some(Reported {
            format: 1,
            org: identity.org.clone(),
            device: identity.device.clone(),
            start: self.start.number,
            boot: self.start.boot,
            sequence: self.sequence,
            wall_ms: reading.wall_ms,
            clock: reading.source,
            capabilities: (*capabilities).clone(),
            sources: self.sources.clone(),
            desired: update.sequence(),
            refused,
            pipelines,
            update: update.report(),
            outbox: OutboxReport {
                held: holdings.held,
                bytes: holdings.bytes,
                dropped: holdings.dropped,
                store: self.store.borrow().clone(),
            },
        })
    }
}
