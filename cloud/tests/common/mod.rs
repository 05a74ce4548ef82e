//! A whole cloud on loopback, and a device of the site `direct` as an agent is one.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use noroshi_cloud::{Config, Request};
use noroshi_protocol::{
    Ack, Answer, Batch, BootId, Channel, ClockSource, DeviceId, Domain, EnrolAnswer, EnrolKind,
    EnrolRequest, EnrolToken, Envelope, FrameId, Identity as Peer, Message, OrgId, OsBoot, Record,
    Scored, SigningKey, SiteId, Stream, Topic,
};
use noroshi_service::clock::{ClockOptions, SessionClock};
use noroshi_service::files::{self, Ports};
use noroshi_service::session::{
    self, Address, Connect, PublishOutcome, Qos, SessionEvent, SessionEvents, SessionHandle,
    SessionOptions, Subscription,
};
use noroshi_service::tls::{self, ExpectedPeers, Identity, TrustAnchors, client_config};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) config: Config,
    pub(crate) clock: Arc<SessionClock>,
    pub(crate) tasks: JoinSet<()>,
    pub(crate) stop: CancellationToken,
    pub(crate) http: reqwest::Client,
    pub(crate) ports: Ports,
}

impl World {
    pub(crate) async fn new() -> Self {
        tls::install_provider();
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "state_dir = {:?}\nhttp = \"127.0.0.1:0\"\ndevice_https = \"127.0.0.1:0\"\n\
             mqtts = \"127.0.0.1:0\"\ntrust_system_clock = true\n",
            folder.path().join("state")
        );
        let config: Config =
            noroshi_service::config::parse(Path::new("cloud.toml"), text.as_bytes()).unwrap();
        let request = Request {
            org: Some("acme".parse().unwrap()),
            name: "Acme".into(),
            admin: "ann".into(),
            password: Some(PASSWORD.into()),
        };
        noroshi_cloud::init(&config, request).await.unwrap();
        let options = ClockOptions {
            floor_ms: 0,
            trust_system_clock: true,
        };
        let mut world = Self {
            folder,
            config,
            clock: Arc::new(SessionClock::system(options)),
            tasks: JoinSet::new(),
            stop: CancellationToken::new(),
            http: reqwest::Client::new(),
            ports: Ports::default(),
        };
        world.start().await;
        world
    }

    pub(crate) async fn start(&mut self) {
        let ports = self.config.state_dir.join("ports.json");
        let _ = std::fs::remove_file(&ports);
        self.stop = CancellationToken::new();
        let (config, stop) = (self.config.clone(), self.stop.clone());
        self.tasks
            .spawn(async move { noroshi_cloud::run(config, stop).await.unwrap() });
        self.ports = eventually("the cloud listens", || async {
            files::read_ports(&self.config.state_dir).ok().flatten()
        })
        .await;
    }

    pub(crate) async fn restart(&mut self) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        self.start().await;
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.ports.http.unwrap())
    }

    pub(crate) async fn token(&self) -> String {
        let body = json!({"username": "ann", "password": PASSWORD});
        let opened = self
            .http
            .post(self.url("/api/v1/sessions"))
            .json(&body)
            .send()
            .await
            .unwrap();
        let cookie = opened.headers()["set-cookie"].to_str().unwrap().to_owned();
        let request = self.http.post(self.url("/api/v1/tokens"));
        let body = json!({"name": "test", "scope": "admin"});
        let made: Value = request
            .header("cookie", cookie.split(';').next().unwrap())
            .json(&body)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        made["token"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn get(&self, token: &str, path: &str) -> Value {
        let request = self.http.get(self.url(path)).bearer_auth(token);
        request.send().await.unwrap().json().await.unwrap()
    }

    pub(crate) async fn post(&self, token: &str, path: &str, body: Value) -> Value {
        let request = self
            .http
            .post(self.url(path))
            .bearer_auth(token)
            .json(&body);
        request.send().await.unwrap().json().await.unwrap()
    }

    /// Enrols as an agent does, over HTTPS that nothing vouches for but the token's pin.
    pub(crate) async fn enrol(&self, token: &str) -> Device {
        self.enrol_in(token, "direct", "device").await
    }

    /// The same for a gateway or device of a site.
    pub(crate) async fn enrol_in(&self, token: &str, site: &str, kind: &str) -> Device {
        let made = json!({"site": site, "kind": kind});
        let made = self.post(token, "/api/v1/enrolment-tokens", made).await;
        let token: EnrolToken = made["token"].as_str().unwrap().parse().unwrap();
        let base = format!("https://127.0.0.1:{}", self.ports.device_https.unwrap());
        let pinned = tls::fetch_anchor(&base, token.pin.as_bytes())
            .await
            .unwrap();
        let key = tls::new_device_key().unwrap();
        let signing = SigningKey::from_pkcs8(&key).unwrap();
        let request = EnrolRequest::sign(
            token.id.clone(),
            &token.key().unwrap(),
            signing.public().clone(),
            [7; 32],
            "front door".into(),
            None,
        );
        let client = tls::unverified_http_client().unwrap();
        let url = format!("{base}/device/v1/enrol");
        let answered = client
            .post(&url)
            .body(request.to_cbor())
            .send()
            .await
            .unwrap();
        assert_eq!(answered.status(), 200);
        let bytes = answered.bytes().await.unwrap();
        let answer: EnrolAnswer = Envelope::from_cbor(&bytes)
            .unwrap()
            .open(Domain::Enrolment, [&pinned.anchor.answer_key])
            .unwrap();
        let again = client
            .post(&url)
            .body(b"garbage".to_vec())
            .send()
            .await
            .unwrap();
        assert_eq!(again.status(), 422);
        let id = match answer.kind {
            EnrolKind::Device(id) => id,
            EnrolKind::Gateway => DeviceId::gateway(),
        };
        let chain: Vec<_> = answer.chain.iter().map(|der| der.to_vec().into()).collect();
        let identity = Identity::new(key, chain, pinned.anchor.clone()).unwrap();
        Device {
            id,
            org: answer.org,
            identity: Arc::new(identity),
        }
    }
}

pub(crate) struct Device {
    pub(crate) id: DeviceId,
    pub(crate) org: OrgId,
    pub(crate) identity: Arc<Identity>,
}

impl Device {
    pub(crate) fn topic(&self, channel: Channel) -> Topic {
        Topic {
            org: self.org.clone(),
            site: SiteId::direct(),
            device: self.id.clone(),
            channel,
        }
    }

    pub(crate) fn tls(&self, world: &World) -> rustls::ClientConfig {
        let cloud = Peer::Cloud {
            org: self.org.clone(),
        };
        let anchors: &TrustAnchors = self.identity.trust_anchors();
        let expected = ExpectedPeers::exactly([&cloud]);
        client_config(anchors, &expected, Some(&self.identity), &world.clock).unwrap()
    }

    pub(crate) fn connect(&self, world: &mut World) -> (SessionHandle, SessionEvents) {
        let (config, port) = (Arc::new(self.tls(world)), world.ports.mqtts.unwrap());
        let mut options = SessionOptions::new(self.identity.peer().client_id(), move |_| {
            Ok(Connect::to(Address::tls("127.0.0.1", port, config.clone())))
        });
        let ack = self.topic(Channel::Ack(Stream::Result)).to_string();
        options.subscriptions = vec![Subscription::new(ack)];
        let (handle, events, driver) = session::open(options);
        let stop = world.stop.clone();
        world.tasks.spawn(async move {
            let _ = driver.run(stop).await;
        });
        (handle, events)
    }
}

pub(crate) async fn eventually<T, F, Fut>(what: &str, mut look: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    while tokio::time::Instant::now() < deadline {
        tick.tick().await;
        if let Some(seen) = look().await {
            return seen;
        }
    }
    panic!("not within {PATIENCE:?}: {what}");
}

pub(crate) fn batch(sequences: std::ops::Range<u64>) -> Batch<Answer> {
    let record = |sequence| Record {
        sequence,
        monotonic_ms: sequence,
        wall_ms: 1_700_000_000_000,
        clock: ClockSource::Ntp,
        body: Answer {
            frame: FrameId {
                source: 1,
                number: sequence,
            },
            revision: 1,
            model: "cats".parse().unwrap(),
            version: 1,
            variant: "int8".parse().unwrap(),
            top: vec![Scored {
                label: "tabby".into(),
                score: 0.75,
            }],
            cpu_us: 10,
        },
    };
    Batch {
        boot: BootId::from_bytes([3; 16]),
        start: 1,
        os_boot: OsBoot::from_bytes([4; 16]),
        records: sequences.map(record).collect(),
    }
}

pub(crate) async fn acknowledged(events: &mut SessionEvents) -> Ack {
    let next = async {
        loop {
            if let SessionEvent::Message(message) = events.recv().await.unwrap() {
                return Ack::from_cbor(&message.payload).unwrap();
            }
        }
    };
    tokio::time::timeout(PATIENCE, next)
        .await
        .expect("no acknowledgement came")
}

pub(crate) async fn send(
    handle: &SessionHandle,
    topic: &Topic,
    payload: Vec<u8>,
) -> PublishOutcome {
    let ready = tokio::time::timeout(PATIENCE, handle.connected()).await;
    ready.expect("no connection came").unwrap();
    let qos = Qos::AtLeastOnce;
    handle
        .publish(topic.to_string(), payload, qos, false, Default::default())
        .unwrap()
        .await
}
