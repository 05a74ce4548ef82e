//! What the tests of the gateway share: an organisation with its CA, a cloud in memory, devices,
//! and waiting for facts.
#![allow(dead_code, reason = "every test file uses its part")]

pub(crate) mod cloud;
pub(crate) mod proxy;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};
use std::time::Duration;

use noroshi_gateway::broker::CertificateListener;
use noroshi_gateway::devices_http::certificate_serial;
use noroshi_protocol::{
    Ack, Anchor, Answer, Batch, BootId, CertificateSerial, ClockSource, FrameId, Identity as Peer,
    Message as _, OsBoot, PublicKey, RangeSet, Record, Scored, SigningKey,
};
use noroshi_service::backoff::BackoffLimits;
use noroshi_service::clock::{ClockOptions, SessionClock};
use noroshi_service::session::{
    self, Address, Connect, Properties, PublishOutcome, Qos, SessionEvent, SessionEvents,
    SessionHandle, SessionOptions, Subscription,
};
use noroshi_service::tls::{
    CertificateAuthority, ExpectedPeers, Identity, IdentityFile, Leaf, client_config,
    install_provider, new_device_key,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// An organisation `o` with one site `s`.
pub(crate) struct Organisation {
    pub(crate) authority: CertificateAuthority,
    pub(crate) anchor: Anchor,
    pub(crate) clock: Arc<SessionClock>,
}

impl Organisation {
    pub(crate) fn new() -> Self {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(install_provider);
        let options = ClockOptions {
            floor_ms: 0,
            trust_system_clock: true,
        };
        let clock = Arc::new(SessionClock::system(options));
        let org = "o".parse().unwrap();
        let (key, certificate) = CertificateAuthority::create(&org, clock.now().wall_ms).unwrap();
        let anchor = Anchor {
            format: 1,
            org: org.clone(),
            ca: vec![certificate.to_vec().into()],
            root: b"{}".to_vec(),
            answer_key: PublicKey::from_bytes(&[7; 32]).unwrap(),
            development: true,
        };
        let authority = CertificateAuthority::open(org, &key, certificate).unwrap();
        Self {
            authority,
            anchor,
            clock,
        }
    }

    pub(crate) fn issue(
        &self,
        peer: Peer,
    ) -> (Vec<u8>, rustls::pki_types::CertificateDer<'static>) {
        let key = new_device_key().unwrap();
        let certificate = self
            .authority
            .issue(&Leaf {
                peer,
                public_key: SigningKey::from_pkcs8(&key).unwrap().public().clone(),
                issued_ms: self.clock.now().wall_ms,
                lifetime: Duration::from_hours(1),
            })
            .unwrap();
        (key, certificate)
    }

    pub(crate) fn identity(&self, peer: Peer) -> Arc<Identity> {
        let (key, certificate) = self.issue(peer);
        Arc::new(Identity::new(key, vec![certificate], self.anchor.clone()).unwrap())
    }

    /// An enrolled gateway's identity folder.
    pub(crate) fn enrol_gateway(&self, folder: &Path) {
        let (key, certificate) = self.issue(gateway());
        let file = IdentityFile {
            org: self.anchor.org.clone(),
            site: "s".parse().unwrap(),
            device: noroshi_protocol::DeviceId::gateway(),
            enrolment: 1,
        };
        Identity::store(folder, &key, &[certificate], &self.anchor.to_cbor(), &file).unwrap();
    }
}

/// The serial of an identity's certificate.
pub(crate) fn serial(identity: &Identity) -> CertificateSerial {
    certificate_serial(&identity.chain()[0]).unwrap()
}

pub(crate) fn device(id: &str) -> Peer {
    Peer::Device {
        org: "o".parse().unwrap(),
        device: id.parse().unwrap(),
    }
}

pub(crate) fn gateway() -> Peer {
    Peer::Gateway {
        org: "o".parse().unwrap(),
        site: "s".parse().unwrap(),
    }
}

pub(crate) fn cloud() -> Peer {
    Peer::Cloud {
        org: "o".parse().unwrap(),
    }
}

/// The broker's files in `folder`.
pub(crate) fn certificates(folder: &Path, identity: &Identity) -> CertificateListener {
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    CertificateListener {
        address: "127.0.0.1:0".parse().unwrap(),
        chain_pem: write("chain.pem", identity.chain_pem()),
        key_pem: write("key.pem", identity.key_pem()),
        ca_pem: write("ca.pem", identity.trust_anchors().to_pem()),
    }
}

/// Something with an MQTT session.
pub(crate) struct Client {
    pub(crate) handle: SessionHandle,
    pub(crate) events: SessionEvents,
    tasks: JoinSet<()>,
    pub(crate) stop: CancellationToken,
}

impl Client {
    /// Connects as `peer` to `server` on `port`; `change` may alter the options.
    pub(crate) fn open(
        organisation: &Organisation,
        peer: Peer,
        server: &Peer,
        port: u16,
        change: impl FnOnce(&mut SessionOptions),
    ) -> Self {
        let identity = organisation.identity(peer);
        Self::open_as(organisation, identity, server, port, change)
    }

    /// Connects with this certificate.
    pub(crate) fn open_as(
        organisation: &Organisation,
        identity: Arc<Identity>,
        server: &Peer,
        port: u16,
        change: impl FnOnce(&mut SessionOptions),
    ) -> Self {
        let (clock, server) = (organisation.clock.clone(), server.clone());
        let mut options = SessionOptions::new(identity.peer().client_id(), move |_| {
            let expected = ExpectedPeers::exactly([&server]);
            let config =
                client_config(identity.trust_anchors(), &expected, Some(&identity), &clock)
                    .map_err(|error| error.to_string())?;
            Ok(Connect::to(Address::tls(
                "127.0.0.1",
                port,
                Arc::new(config),
            )))
        });
        options.backoff = quick();
        change(&mut options);
        Self::with(options)
    }

    pub(crate) fn with(options: SessionOptions) -> Self {
        let (handle, events, driver) = session::open(options);
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let token = stop.clone();
        tasks.spawn(async move {
            let _ = driver.run(token).await;
        });
        Self {
            handle,
            events,
            tasks,
            stop,
        }
    }

    /// The next event, within the patience.
    pub(crate) async fn event(&mut self) -> SessionEvent {
        tokio::time::timeout(PATIENCE, self.events.recv())
            .await
            .expect("an event in time")
            .expect("the session goes on")
    }

    pub(crate) async fn connected(&mut self) {
        loop {
            if matches!(self.event().await, SessionEvent::Connected { .. }) {
                return;
            }
        }
    }

    /// The next message whose topic ends so.
    pub(crate) async fn message(&mut self, tail: &str) -> session::Message {
        loop {
            if let SessionEvent::Message(message) = self.event().await
                && message.topic.ends_with(tail)
            {
                return message;
            }
        }
    }
}

pub(crate) fn quick() -> BackoffLimits {
    BackoffLimits {
        shortest: Duration::from_millis(20),
        longest: Duration::from_millis(200),
        settled_after: Duration::ZERO,
    }
}

/// A batch of answers with these sequences.
pub(crate) fn answers(boot: u8, sequences: impl IntoIterator<Item = u64>) -> Batch<Answer> {
    let record = |sequence| Record {
        sequence,
        monotonic_ms: sequence,
        wall_ms: 1_795_000_000_000 + sequence,
        clock: ClockSource::Ntp,
        body: Answer {
            frame: FrameId {
                source: 1,
                number: sequence,
            },
            revision: 1,
            model: "m".parse().unwrap(),
            version: 1,
            variant: "int8".parse().unwrap(),
            top: vec![Scored {
                label: "cat".into(),
                score: 0.5,
            }],
            cpu_us: 1,
        },
    };
    Batch {
        boot: BootId::from_bytes([boot; 16]),
        start: u64::from(boot),
        os_boot: OsBoot::from_bytes([9; 16]),
        records: sequences.into_iter().map(record).collect(),
    }
}

/// Waits for a fact; the last observation is in the panic's text.
pub(crate) async fn eventually<T: std::fmt::Debug, F: Future<Output = T>>(
    what: &str,
    mut observe: impl FnMut() -> F,
    is_so: impl Fn(&T) -> bool,
) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut pace = tokio::time::interval(Duration::from_millis(10));
    loop {
        pace.tick().await;
        let seen = observe().await;
        if is_so(&seen) {
            return seen;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "{what}: not in time, last seen {seen:?}"
        );
    }
}

/// Folders of a test: an organisation, the cloud's files and an enrolled gateway's state.
pub(crate) struct World {
    pub(crate) organisation: Organisation,
    _folder: tempfile::TempDir,
    pub(crate) cloud_folder: PathBuf,
    pub(crate) state: PathBuf,
}

impl World {
    pub(crate) fn new() -> Self {
        let (organisation, folder) = (Organisation::new(), tempfile::tempdir().unwrap());
        let (state, cloud_folder) = (folder.path().join("state"), folder.path().join("cloud"));
        for folder in [&state, &cloud_folder] {
            std::fs::create_dir(folder).unwrap();
        }
        organisation.enrol_gateway(&state.join("identity"));
        Self {
            organisation,
            _folder: folder,
            cloud_folder,
            state,
        }
    }

    /// A device of the site, at the gateway's broker on `port`.
    pub(crate) fn device(&self, id: &str, port: u16) -> Client {
        self.device_as(self.organisation.identity(device(id)), id, port)
    }

    /// The same with this certificate.
    pub(crate) fn device_as(&self, identity: Arc<Identity>, id: &str, port: u16) -> Client {
        Client::open_as(&self.organisation, identity, &gateway(), port, |options| {
            let own = |tail: &str| Subscription::new(format!("noroshi/v1/o/s/{id}/{tail}"));
            options.subscriptions = vec![
                own("ack/+"),
                own("state/desired"),
                own("command/+"),
                own("choice/plan"),
            ];
        })
    }
}

/// Publishes until the gateway's own acknowledgement names every sequence; what is lost with a
/// connection is sent again.
pub(crate) async fn send(client: &mut Client, id: &str, boot: u8, sequences: Range<u64>) {
    let topic = format!("noroshi/v1/o/s/{id}/result/p");
    let mut settled = RangeSet::default();
    let mut unsent: Vec<u64> = sequences.clone().step_by(10).collect();
    while sequences
        .clone()
        .any(|sequence| !settled.contains(sequence))
    {
        for first in std::mem::take(&mut unsent) {
            let batch = answers(boot, first..(first + 10).min(sequences.end)).to_cbor();
            let none = Properties::default();
            let sent = client
                .handle
                .publish(&topic, batch, Qos::AtLeastOnce, false, none);
            let is_taken = match sent {
                Ok(ticket) => ticket.await == PublishOutcome::Acked,
                Err(_) => false,
            };
            if !is_taken {
                unsent.push(first);
            }
        }
        match client.event().await {
            SessionEvent::Message(message) if message.topic.ends_with("ack/result") => {
                let ack = Ack::from_cbor(&message.payload).unwrap();
                if ack.boot.as_bytes()[0] == boot {
                    ack.settled
                        .into_iter()
                        .for_each(|range| settled.insert(range));
                }
            }
            // The acknowledgements on the way are gone as well.
            SessionEvent::Connected { .. } => {
                unsent = sequences
                    .clone()
                    .step_by(10)
                    .filter(|first| {
                        let mut batch = *first..(first + 10).min(sequences.end);
                        !batch.all(|sequence| settled.contains(sequence))
                    })
                    .collect();
            }
            _ => {}
        }
    }
}

pub(crate) async fn arrived(cloud: &cloud::Cloud, id: &str, count: usize) {
    let store = cloud.door.store.clone();
    let observe = || async { store.count(id) };
    eventually("records arrive in the cloud", observe, |seen| {
        *seen >= count
    })
    .await;
    assert_eq!(store.count(id), count);
}
