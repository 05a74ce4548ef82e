//! A cloud in memory: a broker with a store, and the device port.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use noroshi_fleet::access::Broker as Side;
use noroshi_gateway::broker::{Arrival, Broker, BrokerHandle, BrokerOptions, Door, Verdict};
use noroshi_gateway::delivery::{
    BoxError, Delivery, DeliveryOptions, Holder, Incoming, Intake, Kept,
};
use noroshi_gateway::devices_http::{self, BlobFile, Upstream, UpstreamError};
use noroshi_model::Digest;
use noroshi_protocol::{
    CertificateSerial, Channel, DeviceId, Grant, Identity as Peer, OrgId, StoreId, Topic,
};
use noroshi_service::tls::{ClientAuthentication, server_config};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Organisation, certificates, cloud};

/// What has arrived.
#[derive(Default)]
pub(crate) struct Store {
    /// By device and boot: how often each sequence came.
    pub(crate) records: Mutex<BTreeMap<(String, u8), BTreeMap<u64, u64>>>,
    pub(crate) events: Mutex<Vec<String>>,
    pub(crate) state: Mutex<BTreeMap<String, Bytes>>,
    pub(crate) store: Mutex<Option<StoreId>>,
}

impl Store {
    pub(crate) fn count(&self, device: &str) -> usize {
        let records = self.records.lock().unwrap();
        records
            .iter()
            .filter(|((d, _), _)| d == device)
            .map(|(_, s)| s.len())
            .sum()
    }
}

#[async_trait]
impl Holder for Store {
    async fn keep(&self, batches: Vec<Arc<Incoming>>) -> Result<Vec<Kept>, BoxError> {
        let mut records = self.records.lock().unwrap();
        let mut kept = Vec::new();
        for batch in batches {
            let sequences = batch.sequences();
            if matches!(batch.topic.channel, Channel::Event(_)) {
                self.events.lock().unwrap().push(batch.topic.to_string());
            }
            let flow = (batch.topic.device.to_string(), batch.boot().as_bytes()[0]);
            let seen = records.entry(flow).or_default();
            for range in sequences.ranges() {
                for sequence in range.from..=range.to {
                    *seen.entry(sequence).or_default() += 1;
                }
            }
            kept.push(Kept {
                settled: sequences,
                refused: Vec::new(),
            });
        }
        Ok(kept)
    }

    fn store(&self) -> StoreId {
        self.store
            .lock()
            .unwrap()
            .clone()
            .unwrap_or_else(|| "first".parse().unwrap())
    }
}

/// A door that keeps state and gives records to a delivery.
#[derive(Default)]
pub(crate) struct TestDoor {
    pub(crate) store: Arc<Store>,
    pub(crate) intake: OnceLock<Intake>,
    pub(crate) busy: AtomicBool,
    pub(crate) grant: Mutex<Option<Grant>>,
    pub(crate) now_ms: AtomicU64,
    pub(crate) arrivals: Mutex<Vec<(String, bool)>>,
}

#[async_trait]
impl Door for TestDoor {
    async fn admit(&self, identity: &Peer, _serial: Option<&str>) -> bool {
        !identity.common_name().contains("revoked")
    }

    async fn grant(&self, token: &str) -> Option<Grant> {
        (token == "good")
            .then(|| self.grant.lock().unwrap().clone())
            .flatten()
    }

    async fn ingest(&self, arrival: Arrival) -> Verdict {
        let topic = arrival.topic.to_string();
        self.arrivals
            .lock()
            .unwrap()
            .push((topic.clone(), arrival.is_will));
        if self.busy.load(Ordering::Relaxed) {
            return Verdict::Busy;
        }
        match Incoming::read(arrival.topic, arrival.payload.clone(), 0) {
            Some(Ok(incoming)) => match self.intake.get() {
                Some(intake) => intake.offer(Arc::new(incoming)),
                None => Verdict::Taken,
            },
            Some(Err(_)) => Verdict::Refused,
            None => {
                self.store
                    .state
                    .lock()
                    .unwrap()
                    .insert(topic, arrival.payload);
                Verdict::Taken
            }
        }
    }

    fn now_ms(&self) -> u64 {
        self.now_ms.load(Ordering::Relaxed)
    }
}

pub(crate) struct Cloud {
    pub(crate) broker: Broker,
    pub(crate) door: Arc<TestDoor>,
    pub(crate) https: SocketAddr,
    pub(crate) blobs: Arc<Blobs>,
    stop: CancellationToken,
    _tasks: JoinSet<()>,
}

impl Cloud {
    pub(crate) async fn start(organisation: &Organisation, folder: PathBuf) -> Self {
        let identity = organisation.identity(cloud());
        let door = Arc::new(TestDoor::default());
        let options = BrokerOptions {
            certificates: Some(certificates(&folder, &identity)),
            dashboards: None,
            side: Side::Cloud,
            threads: 1,
        };
        let broker = Broker::start(options, door.clone()).await.unwrap();
        let (delivery, intake) = Delivery::new(
            door.store.clone(),
            broker.handle(),
            DeliveryOptions::default(),
        );
        assert!(door.intake.set(intake).is_ok());
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let token = stop.clone();
        tasks.spawn(async move { drop(delivery.run(token).await) });
        let blobs = Arc::new(Blobs {
            folder,
            ..Blobs::default()
        });
        let tls = server_config(
            identity.trust_anchors(),
            &identity,
            ClientAuthentication::Optional,
            &organisation.clock,
        )
        .unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let https = listener.local_addr().unwrap();
        let routes = devices_http::router(blobs.clone());
        let token = stop.clone();
        tasks.spawn(async move {
            drop(devices_http::serve(listener, Arc::new(tls), routes, token).await);
        });
        Self {
            broker,
            door,
            https,
            blobs,
            stop,
            _tasks: tasks,
        }
    }

    pub(crate) fn handle(&self) -> BrokerHandle {
        self.broker.handle()
    }

    pub(crate) async fn say(&self, topic: &str, payload: impl Into<Bytes>) {
        let topic: Topic = topic.parse().unwrap();
        self.handle().publish(&topic, payload.into()).await;
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The device port's other side: blobs of a folder.
#[derive(Default)]
pub(crate) struct Blobs {
    pub(crate) folder: PathBuf,
    pub(crate) served: AtomicU64,
    pub(crate) peers: Mutex<Vec<String>>,
}

#[async_trait]
impl Upstream for Blobs {
    async fn anchor(&self) -> Result<Bytes, UpstreamError> {
        Ok("anchor".into())
    }

    async fn enrol(&self, request: Bytes) -> Result<Bytes, UpstreamError> {
        match &*request {
            b"used" => Err(UpstreamError::Conflict("the token was used".into())),
            _ => Ok("answer".into()),
        }
    }

    async fn time(&self, _nonce: Vec<u8>) -> Result<Bytes, UpstreamError> {
        Ok("time".into())
    }

    async fn admits(&self, peer: &Peer, _: &CertificateSerial) -> bool {
        !peer.common_name().contains("revoked")
    }

    async fn desired(&self, peer: &Peer, device: &DeviceId) -> Result<Bytes, UpstreamError> {
        self.peers.lock().unwrap().push(peer.to_string());
        Ok(format!("desired of {device}").into())
    }

    async fn tuf(&self, _org: &OrgId, file: &str) -> Result<Bytes, UpstreamError> {
        match file {
            "timestamp.json" => Ok("{}".into()),
            _ => Err(UpstreamError::NotFound),
        }
    }

    async fn blob(&self, _org: &OrgId, digest: &Digest) -> Result<BlobFile, UpstreamError> {
        let path = self.folder.join(digest.to_string());
        let length = std::fs::metadata(&path)
            .map_err(|_| UpstreamError::NotFound)?
            .len();
        self.served.fetch_add(1, Ordering::Relaxed);
        Ok(BlobFile { path, length })
    }
}
