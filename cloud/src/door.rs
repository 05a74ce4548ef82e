//! The cloud's side of its broker: who comes in, and what becomes of what they say.
//!
//! Records go to the delivery's queue. Statuses, reports and replies go to a queue of their own,
//! so that no hook waits for the disk.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use noroshi_gateway::broker::{Arrival, Door, Verdict};
use noroshi_gateway::choices::Plans;
use noroshi_gateway::delivery::{BoxError, Holder, Incoming, Intake, Kept, Records};
use noroshi_gateway::live::LiveFeed;
use noroshi_protocol::{
    CertificateSerial, Channel, DashboardToken, DeviceId, Domain, Envelope, Grant, Identity,
    Message, Reply, Reported, Status, StoreId, Topic,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::cloud::{Cloud, Outlet};
use crate::error::{Error, Result};
use crate::store::{self, Delivered, peer_key};

/// Statuses, reports and replies that may wait.
const QUEUE: usize = 1024;

/// What the door needs of the broker that it is the door of.
pub(crate) struct Behind {
    pub(crate) intake: Intake,
    pub(crate) live: LiveFeed,
}

/// The door.
pub(crate) struct CloudDoor {
    cloud: Arc<Cloud>,
    notices: mpsc::Sender<Notice>,
    behind: OnceLock<Behind>,
}

/// Something said about a device that is not a record.
#[derive(Debug)]
struct Notice {
    topic: Topic,
    payload: Bytes,
}

/// Writes down what the door queued.
pub(crate) struct Notices {
    cloud: Arc<Cloud>,
    queue: mpsc::Receiver<Notice>,
    plans: Option<Plans>,
}

impl CloudDoor {
    pub(crate) fn new(cloud: Arc<Cloud>) -> (Self, Notices) {
        let (notices, queue) = mpsc::channel(QUEUE);
        let door = Self {
            cloud: cloud.clone(),
            notices,
            behind: OnceLock::new(),
        };
        (
            door,
            Notices {
                cloud,
                queue,
                plans: None,
            },
        )
    }

    /// Says what is behind the door; until then everybody is asked to wait.
    pub(crate) fn open(&self, behind: Behind) {
        // Opened once, by whoever made it.
        let _ = self.behind.set(behind);
    }

    fn take_records(&self, topic: Topic, payload: Bytes) -> Verdict {
        let Some(behind) = self.behind.get() else {
            return Verdict::Busy;
        };
        match Incoming::read(topic, payload, self.cloud.now_ms()) {
            Some(Ok(incoming)) => {
                let incoming = Arc::new(incoming);
                let verdict = behind.intake.offer(incoming.clone());
                if verdict == Verdict::Taken {
                    behind.live.offer(&incoming);
                }
                verdict
            }
            Some(Err(error)) => {
                tracing::warn!(%error, "a batch of records was refused");
                Verdict::Refused
            }
            None => Verdict::Refused,
        }
    }
}

#[async_trait]
impl Door for CloudDoor {
    async fn admit(&self, identity: &Identity, serial: Option<&str>) -> bool {
        match serial.and_then(|serial| serial.parse().ok()) {
            Some(serial) => self.cloud.lets_in(identity, &serial).await,
            None => false,
        }
    }

    async fn grant(&self, token: &str) -> Option<Grant> {
        let token: DashboardToken = token.parse().ok()?;
        let grant = token.open([self.cloud.online_key.public()]).ok()?;
        (grant.org == self.cloud.org).then_some(grant)
    }

    async fn ingest(&self, arrival: Arrival) -> Verdict {
        let Arrival { topic, payload, .. } = arrival;
        match topic.channel {
            Channel::Result(_) | Channel::Event(_) => self.take_records(topic, payload),
            Channel::Status | Channel::Reported | Channel::Reply(_) => {
                match self.notices.try_send(Notice { topic, payload }) {
                    Ok(()) => Verdict::Taken,
                    Err(_) => Verdict::Busy,
                }
            }
            _ => Verdict::Taken,
        }
    }

    fn now_ms(&self) -> u64 {
        self.cloud.now_ms()
    }
}

impl Notices {
    /// Plans of the site `direct` hear of its devices' reports too.
    pub(crate) fn telling(mut self, plans: Plans) -> Self {
        self.plans = Some(plans);
        self
    }

    /// Writes notices down until `stop`.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Result<()> {
        loop {
            let notice = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                notice = self.queue.recv() => notice,
            };
            let Some(notice) = notice else { return Ok(()) };
            let what = notice.topic.to_string();
            if let Err(error) = self.take(notice).await {
                // A device says it again; a defect of one must not stop the others.
                tracing::warn!(%error, topic = what, "not taken");
            }
        }
    }

    async fn take(&self, Notice { topic, payload }: Notice) -> Result<()> {
        let key = peer_key(&topic.site, &topic.device);
        let known = self.cloud.store.peer(&key).await?;
        let Some(peer) = known.filter(|peer| peer.site == topic.site.as_str()) else {
            return Err(Error::not_found("device", key));
        };
        let now_ms = self.cloud.now_ms();
        match &topic.channel {
            Channel::Status => {
                // Cleared by its owner, or by us: nothing to keep.
                if payload.is_empty() {
                    return Ok(());
                }
                let status = Status::from_json(&payload)
                    .ok_or_else(|| Error::invalid("not a status document"))?;
                self.cloud.store.note_status(&key, &status, now_ms).await?;
            }
            Channel::Reported => {
                let reported = open_report(&self.cloud, &topic, &payload, &peer.key()?)?;
                let kept = self
                    .cloud
                    .store
                    .note_report(&key, &reported.document, &reported.payload, now_ms)
                    .await?;
                if kept && reported.document.update.is_some() {
                    if let Some(plans) = self
                        .plans
                        .as_ref()
                        .filter(|_| topic.site == self.cloud.direct())
                    {
                        plans.reported(&reported.document);
                    }
                    self.cloud.rollouts.notify_one();
                }
            }
            Channel::Reply(_) => {
                let reply = Reply::from_cbor(&payload)
                    .map_err(|error| Error::invalid(error.to_string()))?;
                self.cloud.store.note_reply(&key, &reply).await?;
            }
            _ => {}
        }
        Ok(())
    }
}

struct OpenedReport {
    document: Reported,
    payload: Vec<u8>,
}

fn open_report(
    cloud: &Cloud,
    topic: &Topic,
    payload: &[u8],
    key: &noroshi_protocol::PublicKey,
) -> Result<OpenedReport> {
    let invalid = |text: String| Error::invalid(text);
    let envelope = Envelope::from_cbor(payload).map_err(|error| invalid(error.to_string()))?;
    let document: Reported = envelope
        .open(Domain::Reported, [key])
        .map_err(|error| invalid(format!("the report is not the device's: {error}")))?;
    if document.org != cloud.org || document.device != topic.device {
        return Err(invalid("the report is of another device".to_owned()));
    }
    Ok(OpenedReport {
        document,
        payload: envelope.payload,
    })
}

impl Cloud {
    /// [`admits`](Self::admits), and nobody while that can't be said.
    pub(crate) async fn lets_in(&self, identity: &Identity, serial: &CertificateSerial) -> bool {
        self.admits(identity, serial).await.unwrap_or_else(|error| {
            tracing::error!(%error, peer = %identity, "nobody can be let in");
            false
        })
    }

    /// Whether the holder of the certificate with this serial may speak to the cloud: the
    /// certificate is of its current enrolment, neither was revoked, and a device is of the site
    /// that the cloud serves.
    pub async fn admits(&self, identity: &Identity, serial: &CertificateSerial) -> Result<bool> {
        if *identity.org() != self.org {
            return Ok(false);
        }
        let (key, direct_only) = match identity {
            Identity::Device { device, .. } => (device.as_str().to_owned(), true),
            Identity::Gateway { site, .. } => (peer_key(site, &DeviceId::gateway()), false),
            Identity::Cloud { .. } => return Ok(false),
        };
        let site = self.store.admitted(&key, serial).await?;
        Ok(site.is_some_and(|site| !direct_only || site == self.direct().as_str()))
    }
}

/// The store of records as deliveries see it.
pub(crate) struct StoreHolder(pub(crate) Arc<Cloud>);

#[async_trait]
impl Holder for StoreHolder {
    async fn keep(&self, batches: Vec<Arc<Incoming>>) -> std::result::Result<Vec<Kept>, BoxError> {
        let delivered: Vec<Delivered<'_>> = batches.iter().map(|batch| delivered(batch)).collect();
        let answers = self.0.store.ingest(&delivered, self.0.now_ms()).await?;
        Ok(answers
            .into_iter()
            .map(|answer| Kept {
                settled: answer.settled,
                refused: answer.refused,
            })
            .collect())
    }

    fn store(&self) -> StoreId {
        self.0.store_id.clone()
    }
}

fn delivered(batch: &Incoming) -> Delivered<'_> {
    let records = match (&batch.records, &batch.topic.channel) {
        (Records::Answers(records), Channel::Result(pipeline)) => {
            store::Records::Answers(pipeline, records)
        }
        (Records::Events(records), _) => store::Records::Events(records),
        (Records::Answers(_), _) => unreachable!("answers are read from result topics only"),
    };
    Delivered {
        site: &batch.topic.site,
        device: &batch.topic.device,
        records,
    }
}

#[async_trait]
impl Outlet for noroshi_gateway::broker::BrokerHandle {
    async fn publish(&self, topic: &Topic, payload: Bytes) {
        Self::publish(self, topic, payload).await;
    }

    async fn kick(&self, client_id: &str) {
        Self::kick(self, client_id).await;
    }
}
