//! The whole cloud over its real listeners: a device of the site `direct` enrols by HTTPS,
//! speaks MQTT over mutual TLS, and its results are stored before they are acknowledged.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use noroshi_cloud::{Config, Request};
use noroshi_protocol::{
    Ack, Answer, Batch, BootId, Channel, ClockSource, DeviceId, Domain, EnrolAnswer, EnrolKind,
    EnrolRequest, EnrolToken, Envelope, FrameId, Identity as Peer, Live, Message, OrgId, OsBoot,
    Record, Scored, SigningKey, SiteId, Stream, Topic,
};
use noroshi_service::clock::{ClockOptions, SessionClock};
use noroshi_service::files::{self, Ports};
use noroshi_service::session::{
    self, Address, Connect, Credentials, PublishOutcome, Qos, SessionEvent, SessionEvents,
    SessionHandle, SessionOptions, Subscription,
};
use noroshi_service::tls::{self, ExpectedPeers, Identity, TrustAnchors, client_config};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const PASSWORD: &str = "correct horse battery";
const PATIENCE: Duration = Duration::from_secs(20);

struct World {
    folder: tempfile::TempDir,
    config: Config,
    clock: Arc<SessionClock>,
    tasks: JoinSet<()>,
    stop: CancellationToken,
    http: reqwest::Client,
    ports: Ports,
}

impl World {
    async fn new() -> Self {
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

    async fn start(&mut self) {
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

    async fn restart(&mut self) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        self.start().await;
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.ports.http.unwrap())
    }

    async fn token(&self) -> String {
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

    async fn get(&self, token: &str, path: &str) -> Value {
        let request = self.http.get(self.url(path)).bearer_auth(token);
        request.send().await.unwrap().json().await.unwrap()
    }

    async fn post(&self, token: &str, path: &str, body: Value) -> Value {
        let request = self
            .http
            .post(self.url(path))
            .bearer_auth(token)
            .json(&body);
        request.send().await.unwrap().json().await.unwrap()
    }

    /// Enrols as an agent does, over HTTPS that nothing vouches for but the token's pin.
    async fn enrol(&self, token: &str) -> Device {
        let made = json!({"site": "direct", "kind": "device"});
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
        let EnrolKind::Device(id) = answer.kind else {
            panic!("a gateway")
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

struct Device {
    id: DeviceId,
    org: OrgId,
    identity: Arc<Identity>,
}

impl Device {
    fn topic(&self, channel: Channel) -> Topic {
        Topic {
            org: self.org.clone(),
            site: SiteId::direct(),
            device: self.id.clone(),
            channel,
        }
    }

    fn tls(&self, world: &World) -> rustls::ClientConfig {
        let cloud = Peer::Cloud {
            org: self.org.clone(),
        };
        let anchors: &TrustAnchors = self.identity.trust_anchors();
        let expected = ExpectedPeers::exactly([&cloud]);
        client_config(anchors, &expected, Some(&self.identity), &world.clock).unwrap()
    }

    fn connect(&self, world: &mut World) -> (SessionHandle, SessionEvents) {
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

async fn eventually<T, F, Fut>(what: &str, mut look: F) -> T
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

fn batch(sequences: std::ops::Range<u64>) -> Batch<Answer> {
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

async fn acknowledged(events: &mut SessionEvents) -> Ack {
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

async fn send(handle: &SessionHandle, topic: &Topic, payload: Vec<u8>) -> PublishOutcome {
    let ready = tokio::time::timeout(PATIENCE, handle.connected()).await;
    ready.expect("no connection came").unwrap();
    let qos = Qos::AtLeastOnce;
    handle
        .publish(topic.to_string(), payload, qos, false, Default::default())
        .unwrap()
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_devices_results_are_stored_once_and_then_acknowledged() {
    let mut world = World::new().await;
    let token = world.token().await;
    let device = world.enrol(&token).await;
    let (handle, mut events) = device.connect(&mut world);
    let topic = device.topic(Channel::Result("door".parse().unwrap()));

    assert_eq!(
        send(&handle, &topic, batch(0..5).to_cbor()).await,
        PublishOutcome::Acked
    );
    let first = acknowledged(&mut events).await;
    assert_eq!((first.settled[0].from, first.settled[0].to), (0, 4));
    assert_eq!(
        send(&handle, &topic, batch(3..8).to_cbor()).await,
        PublishOutcome::Acked
    );
    let second = acknowledged(&mut events).await;
    assert_eq!(
        second.settled[0].to, 7,
        "what was known is acknowledged again"
    );

    let results = world.get(&token, "/api/v1/results?pipeline=door").await;
    assert_eq!(results["items"].as_array().unwrap().len(), 8);
    assert_eq!(results["items"][0]["label"], "tabby");
    let statistics = world
        .get(&token, &format!("/api/v1/devices/{}/statistics", device.id))
        .await;
    assert_eq!(
        (&statistics["lost"], &statistics["duplicates"]),
        (&json!(0), &json!(2))
    );

    // Not its own desired state, not another's results, not what is no batch.
    let refused = |outcome| matches!(outcome, PublishOutcome::Refused(_));
    let desired = device.topic(Channel::Desired);
    assert!(refused(send(&handle, &desired, vec![0]).await));
    let other = Topic {
        device: "other".parse().unwrap(),
        ..topic.clone()
    };
    assert!(refused(send(&handle, &other, batch(8..9).to_cbor()).await));
    assert!(refused(send(&handle, &topic, vec![0xff; 9]).await));

    world.restart().await;
    let (handle, mut events) = device.connect(&mut world);
    assert_eq!(
        send(&handle, &topic, batch(0..9).to_cbor()).await,
        PublishOutcome::Acked
    );
    let third = acknowledged(&mut events).await;
    assert_eq!((third.store, third.settled[0].to), (first.store, 8));
    let organisation = world.get(&token, "/api/v1/organisation").await;
    assert_eq!(organisation["counts"]["results"], 9);
    assert!(world.folder.path().join("state/cloud.db").is_file());

    let path = format!("/api/v1/devices/{}", device.id);
    let revoked = world
        .http
        .delete(world.url(&path))
        .bearer_auth(&token)
        .send()
        .await
        .unwrap();
    assert_eq!(revoked.status(), 204);
    let client = tls::http_client(device.tls(&world)).unwrap();
    let base = format!("https://127.0.0.1:{}", world.ports.device_https.unwrap());
    let shut = client
        .get(format!("{base}/device/v1/desired"))
        .send()
        .await
        .unwrap();
    assert_eq!(shut.status(), 403, "a revoked device is turned away");
    world.stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dashboard_sees_live_results_over_the_consoles_origin() {
    let mut world = World::new().await;
    let token = world.token().await;
    let device = world.enrol(&token).await;
    let (handle, _events) = device.connect(&mut world);
    let made = world
        .post(&token, "/api/v1/dashboard-tokens", json!({}))
        .await;
    let password = made["token"].as_str().unwrap().to_owned();
    let url = format!("ws://127.0.0.1:{}/mqtt", world.ports.http.unwrap());
    let mut options = SessionOptions::new("wall-1", move |_| {
        let credentials = Credentials {
            username: "token".into(),
            password: password.clone(),
        };
        let address = Address::WebSocket { url: url.clone() };
        Ok(Connect {
            credentials: Some(credentials),
            ..Connect::to(address)
        })
    });
    options.subscriptions = vec![Subscription::new("noroshi/v1/acme/+/+/live/+")];
    let (_wall, mut live, driver) = session::open(options);
    let stop = world.stop.clone();
    world.tasks.spawn(async move {
        let _ = driver.run(stop).await;
    });
    let ready = async {
        loop {
            match live.recv().await.unwrap() {
                SessionEvent::Connected { .. } => return,
                SessionEvent::SubscriptionsDenied { denied, .. } => panic!("{denied:?}"),
                _ => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, ready)
        .await
        .expect("the dashboard is connected");

    let topic = device.topic(Channel::Result("door".parse().unwrap()));
    assert_eq!(
        send(&handle, &topic, batch(0..1).to_cbor()).await,
        PublishOutcome::Acked
    );
    let shown = async {
        loop {
            if let SessionEvent::Message(message) = live.recv().await.unwrap() {
                return serde_json::from_slice::<Live>(&message.payload).unwrap();
            }
        }
    };
    let shown = tokio::time::timeout(PATIENCE, shown)
        .await
        .expect("a live result came");
    let shown: Value = serde_json::from_slice(&shown.to_json()).unwrap();
    assert_eq!(
        (&shown["label"], &shown["score"]),
        (&json!("tabby"), &json!(0.75))
    );
    world.stop.cancel();
}
