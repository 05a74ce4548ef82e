//! The site between its broker and the bridge: what devices say goes up, what the cloud says goes
//! down.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use noroshi_protocol::{
    Channel, DeviceId, Envelope, Grant, Identity, Message as _, Reported, Revocation, Topic, limits,
};
use noroshi_service::clock::SessionClock;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::GatewayError;
use crate::blobs::Origin;
use crate::bridge::{Downlink, Uplink};
use crate::broker::{Arrival, BrokerHandle, Door, Verdict};
use crate::choices::Plans;
use crate::delivery::{Incoming, Intake};
use crate::http::get_bounded;
use crate::live::LiveFeed;
use crate::revocations::Revocations;
use crate::site_store::SiteStore;
use crate::start::Start;
use crate::trust::Trust;

/// The way in: the site's broker asks it about everybody and everything. The parts behind it need
/// the broker, so they are set once it runs; until then everything is *busy*.
pub struct SiteDoor {
    start: Start,
    clock: Arc<SessionClock>,
    trust: Arc<Trust>,
    revocations: Revocations,
    behind: std::sync::OnceLock<Behind>,
}

/// What is behind the door.
pub struct Behind {
    /// To the spool.
    pub intake: Intake,
    /// To the cloud.
    pub uplink: Uplink,
    /// To dashboards.
    pub live: LiveFeed,
    /// To the choices.
    pub plans: Plans,
}

impl SiteDoor {
    /// A door with nothing behind it yet.
    pub fn new(
        start: Start,
        clock: Arc<SessionClock>,
        trust: Arc<Trust>,
        revocations: Revocations,
    ) -> Arc<Self> {
        Arc::new(Self {
            start,
            clock,
            trust,
            revocations,
            behind: std::sync::OnceLock::new(),
        })
    }

    /// Opens it.
    pub fn open(&self, behind: Behind) {
        if self.behind.set(behind).is_err() {
            warn!("the door was open already");
        }
    }

    fn records(&self, behind: &Behind, topic: Topic, payload: Bytes) -> Verdict {
        let received_ms = self.clock.now().wall_ms;
        match Incoming::read(topic, payload, received_ms) {
            Some(Ok(incoming)) => {
                let incoming = Arc::new(incoming);
                behind.live.offer(&incoming);
                behind.intake.offer(incoming)
            }
            Some(Err(error)) => {
                debug!(%error, "records are refused");
                Verdict::Refused
            }
            None => Verdict::Refused,
        }
    }
}

#[async_trait]
impl Door for SiteDoor {
    async fn admit(&self, identity: &Identity, serial: Option<&str>) -> bool {
        // Its site is ours by coming here; a device that moved is told so by its documents.
        matches!(identity, Identity::Device { org, .. } if *org == self.start.org)
            && !self.revocations.forbids_text(serial)
    }

    async fn grant(&self, token: &str) -> Option<Grant> {
        self.trust.grant(token)
    }

    async fn ingest(&self, arrival: Arrival) -> Verdict {
        let Some(behind) = self.behind.get() else {
            return Verdict::Busy;
        };
        let Arrival { topic, payload, .. } = arrival;
        match topic.channel {
            Channel::Result(_) | Channel::Event(_) => self.records(behind, topic, payload),
            Channel::Reported => match reported(&topic.device, &payload) {
                Some(reported) => {
                    behind.plans.reported(&reported);
                    behind.uplink.offer(topic, payload)
                }
                None => Verdict::Refused,
            },
            _ => behind.uplink.offer(topic, payload),
        }
    }

    fn now_ms(&self) -> u64 {
        self.clock.trusted_ms()
    }
}

/// What a device reports. The signature is the cloud's to check: the gateway only paces by it.
fn reported(device: &DeviceId, payload: &[u8]) -> Option<Reported> {
    let envelope = Envelope::from_cbor(payload).ok()?;
    let reported = Reported::from_cbor(&envelope.payload).ok()?;
    (reported.device == *device).then_some(reported)
}

/// The way down.
pub struct SiteDown {
    start: Start,
    store: SiteStore,
    broker: BrokerHandle,
    plans: Plans,
    trust: Arc<Trust>,
    revocations: Revocations,
    linked: AtomicBool,
    changed: mpsc::Sender<(Topic, Bytes)>,
}

/// Documents on their way to devices: each waits until the release metadata that it may name is
/// here, so that no device judges it by older metadata.
pub struct Documents {
    changed: mpsc::Receiver<(Topic, Bytes)>,
    broker: BrokerHandle,
    trust: Arc<Trust>,
}

impl Documents {
    /// Runs until `stop` is cancelled.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), GatewayError> {
        loop {
            let mut documents = Vec::new();
            let count = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                count = self.changed.recv_many(&mut documents, WAITING) => count,
            };
            if count == 0 {
                return Ok(());
            }
            self.trust.catch_up().await;
            for (topic, document) in documents {
                self.broker.publish(&topic, document).await;
            }
        }
    }
}

/// How often the cloud is asked for the plans.
const ASK: Duration = Duration::from_mins(10);
/// How often sessions are compared with what was revoked.
const LOOK: Duration = Duration::from_secs(30);
/// Documents that may wait for release metadata.
const WAITING: usize = 256;

impl SiteDown {
    /// Publishes on `broker` what it keeps in `store`.
    pub fn new(
        start: Start,
        store: SiteStore,
        broker: BrokerHandle,
        plans: Plans,
        trust: Arc<Trust>,
        revocations: Revocations,
    ) -> (Arc<Self>, Documents) {
        let (changed, waiting) = mpsc::channel(WAITING);
        let documents = Documents {
            changed: waiting,
            broker: broker.clone(),
            trust: trust.clone(),
        };
        let down = Self {
            start,
            store,
            broker,
            plans,
            trust,
            revocations,
            linked: AtomicBool::new(false),
            changed,
        };
        (Arc::new(down), documents)
    }

    /// Whether the cloud is connected.
    pub fn is_linked(&self) -> bool {
        self.linked.load(Ordering::Relaxed)
    }

    /// Retained state after a start: the broker has forgotten it. Whoever was revoked by the
    /// last document that was believed stays so, with or without the cloud.
    pub async fn restore(&self) {
        if let Some(known) = self.plans.known() {
            self.cut_off(&known.revoked).await;
        }
        for (device, document) in self.store.all() {
            if device != DeviceId::gateway() {
                let topic = self.start.topic_of(device, Channel::Desired);
                self.broker.publish(&topic, document).await;
            }
        }
    }

    /// Reads the site's plans whenever other keys are known, and asks the cloud for them now and
    /// then in case a message was missed, until `stop` is cancelled.
    pub async fn follow_plans(
        self: Arc<Self>,
        origin: Origin,
        stop: CancellationToken,
    ) -> Result<(), GatewayError> {
        let mut changed = self.trust.changed();
        let mut ask = tokio::time::interval(ASK);
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                changed = changed.changed() => match changed {
                    Ok(()) => self.read_plans().await,
                    Err(_) => return Ok(()),
                },
                _ = ask.tick() => self.ask_for_plans(&origin).await,
                // Somebody may have come in while the list was being replaced.
                _ = look.tick() => self.turn_away().await,
            }
        }
    }

    async fn ask_for_plans(&self, origin: &Origin) {
        let url = format!("{}/device/v1/desired", origin.base_url);
        match get_bounded(&origin.client, &url, limits::STATE).await {
            Ok(document) => {
                let topic = self.start.topic_of(DeviceId::gateway(), Channel::Desired);
                self.desired(topic, document).await;
            }
            Err(error) => debug!(%error, "the site's plans could not be asked for"),
        }
    }

    async fn read_plans(&self) {
        let Some(document) = self.store.get(&DeviceId::gateway()) else {
            return;
        };
        match self.trust.site_desired(&document) {
            Ok(desired) if desired.org == self.start.org && desired.site == self.start.site => {
                let revoked = desired.revoked.clone();
                if self.plans.desired(desired) {
                    self.cut_off(&revoked).await;
                }
            }
            Ok(_) => warn!("a plan for another site was refused"),
            Err(error) => warn!(%error, "not carried out"),
        }
    }

    /// Lets in nobody on the list any more, ends their sessions, and forgets what is kept for
    /// them.
    async fn cut_off(&self, revoked: &[Revocation]) {
        let new = self.revocations.replace(revoked);
        if new.is_empty() {
            return;
        }
        self.turn_away().await;
        for device in new.into_iter().filter_map(|revocation| revocation.device) {
            info!(device.id = %device, "revoked");
            self.plans.forget(&device);
            if let Err(error) = self.store.put(&device, Bytes::new()) {
                warn!(%error, device.id = %device, "the document of a revoked device stays");
            }
            for channel in [
                Channel::Desired,
                Channel::Choice,
                Channel::Status,
                Channel::Reported,
            ] {
                let topic = self.start.topic_of(device.clone(), channel);
                self.broker.publish(&topic, Bytes::new()).await;
            }
        }
    }

    async fn turn_away(&self) {
        if self.revocations.is_empty() {
            return;
        }
        let forbidden = |serial: Option<&str>| self.revocations.forbids_text(serial);
        self.broker.kick_certificates(forbidden).await;
    }
}

#[async_trait]
impl Downlink for SiteDown {
    async fn desired(&self, topic: Topic, document: Bytes) {
        match self.store.put(&topic.device, document.clone()) {
            Ok(false) => {}
            Ok(true) => {
                self.trust.outdated();
                if topic.device == DeviceId::gateway() {
                    self.read_plans().await;
                } else if self.changed.send((topic, document)).await.is_err() {
                    debug!("stopping; the document is kept for the next start");
                }
            }
            Err(error) => {
                warn!(%error, device.id = %topic.device, "a desired document is not kept");
            }
        }
    }

    async fn command(&self, topic: Topic, command: Bytes) {
        self.broker.publish(&topic, command).await;
    }

    fn linked(&self, up: bool) {
        self.linked.store(up, Ordering::Relaxed);
    }
}
