//! A whole gateway between devices and a cloud in memory.

mod common;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::Ordering;

use common::cloud::Cloud;
use common::proxy::Proxy;
use common::{PATIENCE, World, arrived, device, eventually, gateway, send, serial};
use noroshi_gateway::config::{self, Config};
use noroshi_gateway::run::{self, EndError};
use noroshi_gateway::spool::Probe;
use noroshi_model::Digest;
use noroshi_protocol::{Message as _, Presence, Revocation, SiteDesired, Status};
use noroshi_service::files::Ports;
use noroshi_service::session::{DisconnectReason, Properties, PublishOutcome, Qos, SessionEvent};
use noroshi_service::tls::{ExpectedPeers, client_config, http_client};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

struct Site {
    ports: Ports,
    stop: CancellationToken,
    tasks: JoinSet<Result<(), EndError>>,
}

impl Site {
    async fn start(
        folder: &Path,
        https: SocketAddr,
        mqtts: SocketAddr,
        own: Option<Ports>,
    ) -> Self {
        let port = |port: Option<u16>| SocketAddr::from(([127, 0, 0, 1], port.unwrap_or(0)));
        let config = Config {
            state_dir: folder.to_owned(),
            cloud: config::Cloud {
                device_https: https.to_string(),
                mqtts: mqtts.to_string(),
            },
            listen: config::Listen {
                device_https: port(own.and_then(|ports| ports.device_https)),
                mqtts: port(own.and_then(|ports| ports.mqtts)),
                dashboards: None,
            },
            quota: config::Quota::default(),
            log: Default::default(),
            trust_system_clock: true,
        };
        let stop = CancellationToken::new();
        let (sender, ready) = oneshot::channel();
        let mut tasks = JoinSet::new();
        let token = stop.clone();
        tasks.spawn(run::run(config, token, Probe::Here, |ports| {
            let _ = sender.send(ports);
        }));
        let ports = tokio::time::timeout(PATIENCE, ready)
            .await
            .unwrap()
            .unwrap();
        Self { ports, stop, tasks }
    }

    async fn stop(mut self) {
        self.stop.cancel();
        let ended = tokio::time::timeout(PATIENCE, self.tasks.join_next())
            .await
            .unwrap();
        ended.unwrap().unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_survive_a_cut_link_and_restarts_and_a_replaced_store_gets_them_again() {
    let world = World::new();
    let cloud = Cloud::start(&world.organisation, world.cloud_folder.clone()).await;
    let link = Proxy::to(cloud.broker.mqtts().unwrap()).await;
    let site = Site::start(&world.state, cloud.https, link.address, None).await;
    let ports = site.ports;
    let mut one = world.device("one", site.ports.mqtts.unwrap());
    one.connected().await;
    send(&mut one, "one", 1, 0..50).await;
    arrived(&cloud, "one", 50).await;

    link.cut();
    send(&mut one, "one", 1, 50..300).await;
    assert_eq!(cloud.door.store.count("one"), 50);
    site.stop().await;
    let site = Site::start(&world.state, cloud.https, link.address, Some(ports)).await;
    one.connected().await;
    send(&mut one, "one", 2, 0..30).await;
    link.mend();
    arrived(&cloud, "one", 330).await;

    // The cloud comes back from an older copy, with another store: all is sent again.
    cloud.door.store.records.lock().unwrap().clear();
    *cloud.door.store.store.lock().unwrap() = Some("second".parse().unwrap());
    send(&mut one, "one", 3, 0..10).await;
    arrived(&cloud, "one", 340).await;
    site.stop().await;

    // Its own status: online, then stopped; its devices' states went up too.
    let state = cloud.door.store.state.lock().unwrap().clone();
    let status = Status::from_json(&state["noroshi/v1/o/s/gateway/status/agent"]).unwrap();
    assert_eq!(status.status, Presence::Stopped);
    assert_eq!(status.start, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_come_down_and_outlive_a_restart_without_the_cloud() {
    let world = World::new();
    let cloud = Cloud::start(&world.organisation, world.cloud_folder.clone()).await;
    let link = Proxy::to(cloud.broker.mqtts().unwrap()).await;
    let site = Site::start(&world.state, cloud.https, link.address, None).await;
    cloud.say("noroshi/v1/o/s/one/state/desired", "first").await;
    let mut one = world.device("one", site.ports.mqtts.unwrap());
    assert_eq!(&one.message("state/desired").await.payload[..], b"first");
    cloud.say("noroshi/v1/o/s/one/command/c1", "do it").await;
    assert_eq!(&one.message("command/c1").await.payload[..], b"do it");
    let none = Properties::default();
    let status = Status {
        status: Presence::Online,
        start: 1,
        connection: 1,
        boot: noroshi_protocol::BootId::from_bytes([1; 16]),
        since_ms: 0,
        version: "1".into(),
    };
    let topic = "noroshi/v1/o/s/one/status/agent";
    let said = one
        .handle
        .publish(topic, status.to_json(), Qos::AtLeastOnce, true, none)
        .unwrap();
    assert_eq!(said.await, PublishOutcome::Acked);
    let store = cloud.door.store.clone();
    let observe = || async { store.state.lock().unwrap().contains_key(topic) };
    eventually("its status goes up", observe, |seen| *seen).await;

    link.cut();
    site.stop().await;
    let site = Site::start(&world.state, cloud.https, link.address, None).await;
    let mut again = world.device("one", site.ports.mqtts.unwrap());
    assert_eq!(&again.message("state/desired").await.payload[..], b"first");
    // Changed meanwhile: the retained document says so after the reconnect.
    cloud
        .say("noroshi/v1/o/s/one/state/desired", "second")
        .await;
    link.mend();
    assert_eq!(&again.message("state/desired").await.payload[..], b"second");
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_certificate_is_refused_at_both_doors_without_the_cloud() {
    let world = World::new();
    let cloud = Cloud::start(&world.organisation, world.cloud_folder.clone()).await;
    let link = Proxy::to(cloud.broker.mqtts().unwrap()).await;
    let https = Proxy::to(cloud.https).await;
    let site = Site::start(&world.state, https.address, link.address, None).await;
    cloud.say("noroshi/v1/o/s/one/state/desired", "first").await;
    let lost = world.organisation.identity(device("one"));
    let mut thief = world.device_as(lost.clone(), "one", site.ports.mqtts.unwrap());
    assert_eq!(&thief.message("state/desired").await.payload[..], b"first");
    let kept = world.state.join("desired/one.cbor");
    assert!(kept.is_file());
    thief.stop.cancel();
    site.stop().await;

    // What the last believed document of the site says counts from the start.
    let known = SiteDesired {
        format: 1,
        org: "o".parse().unwrap(),
        site: "s".parse().unwrap(),
        sequence: 9,
        issued_ms: 0,
        expires_ms: 1,
        plans: Vec::new(),
        revoked: vec![Revocation {
            serial: serial(&lost),
            device: Some("one".parse().unwrap()),
        }],
    };
    let nothing = BTreeMap::<String, String>::new();
    let value = |value| serde_cbor::value::to_value(value).unwrap();
    let ledger = BTreeMap::from([
        ("desired", serde_cbor::value::to_value(&known).unwrap()),
        ("given", value(&nothing)),
        ("published", value(&nothing)),
        ("reports", value(&nothing)),
    ]);
    let file = serde_cbor::to_vec(&ledger).unwrap();
    std::fs::write(world.state.join("choices.cbor"), file).unwrap();
    link.cut();
    https.cut();
    let site = Site::start(&world.state, https.address, link.address, None).await;
    assert!(!kept.exists(), "its document is forgotten");
    let mut thief = world.device_as(lost.clone(), "one", site.ports.mqtts.unwrap());
    let refused = |event: &SessionEvent| {
        matches!(event, SessionEvent::Disconnected {
            reason: DisconnectReason::Refused(why), ..
        } if why.contains("NotAuthorized"))
    };
    let event = thief.event().await;
    assert!(refused(&event), "{event:?}");
    let expected = ExpectedPeers::exactly([&gateway()]);
    let port = site.ports.device_https.unwrap();
    let ask = async |identity: &noroshi_service::tls::Identity| {
        let (anchors, clock) = (identity.trust_anchors(), &world.organisation.clock);
        let config = client_config(anchors, &expected, Some(identity), clock).unwrap();
        let url = format!("https://127.0.0.1:{port}/device/v1/tuf/root.json");
        let asked = http_client(config).unwrap().get(url).send().await.unwrap();
        asked.status().as_u16()
    };
    assert_eq!(ask(&lost).await, 403);
    // Another certificate of the same holder is not meant.
    assert_eq!(ask(&world.organisation.identity(device("one"))).await, 404);
    let mut other = world.device("one", site.ports.mqtts.unwrap());
    other.connected().await;
    site.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blob_comes_over_the_link_once_and_routes_ask_who_it_is() {
    let world = World::new();
    let cloud_side = Cloud::start(&world.organisation, world.cloud_folder.clone()).await;
    let blob: Vec<u8> = (0..3_000_000u32).map(|number| (number / 7) as u8).collect();
    let digest = Digest::of(&blob);
    std::fs::write(world.cloud_folder.join(digest.to_string()), &blob).unwrap();
    let https = Proxy::to(cloud_side.https).await;
    let mqtts = cloud_side.broker.mqtts().unwrap();
    let site = Site::start(&world.state, https.address, mqtts, None).await;

    let base = format!(
        "https://127.0.0.1:{}/device/v1",
        site.ports.device_https.unwrap()
    );
    let expected = ExpectedPeers::exactly([&gateway()]);
    let client = |identity: Option<&noroshi_service::tls::Identity>| {
        let anchors = noroshi_service::tls::TrustAnchors::from_anchor(&world.organisation.anchor);
        let clock = &world.organisation.clock;
        let config = client_config(&anchors.unwrap(), &expected, identity, clock).unwrap();
        http_client(config).unwrap()
    };
    let (one, nobody) = (world.organisation.identity(device("one")), client(None));
    let one = client(Some(&one));

    let mut fetches = JoinSet::new();
    for _ in 0..8 {
        let request = one.get(format!("{base}/blobs/{digest}"));
        fetches.spawn(async move { request.send().await.unwrap().bytes().await.unwrap() });
    }
    for fetched in fetches.join_all().await {
        assert_eq!(Digest::of(&fetched), digest);
    }
    // One HEAD for the length and one GET.
    assert_eq!(cloud_side.blobs.served.load(Ordering::Relaxed), 2);
    let part = one
        .get(format!("{base}/blobs/{digest}"))
        .header("range", "bytes=100-199");
    let part = part.send().await.unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(
        part.headers()["etag"].to_str().unwrap(),
        format!("\"{digest}\"")
    );
    assert_eq!(&part.bytes().await.unwrap()[..], &blob[100..200]);
    let missing = Digest::of(b"nothing");
    assert_eq!(
        one.get(format!("{base}/blobs/{missing}"))
            .send()
            .await
            .unwrap()
            .status(),
        404
    );

    for path in ["desired", "tuf/timestamp.json", &format!("blobs/{digest}")] {
        let answer = nobody.get(format!("{base}/{path}")).send().await.unwrap();
        assert_eq!(answer.status(), 401, "{path}");
    }
    let anchor = nobody.get(format!("{base}/anchor")).send().await.unwrap();
    assert_eq!(
        anchor.bytes().await.unwrap(),
        world.organisation.anchor.to_cbor()
    );
    let enrol = |body: &'static str| nobody.post(format!("{base}/enrol")).body(body).send();
    assert_eq!(
        enrol("fresh").await.unwrap().text().await.unwrap(),
        "answer"
    );
    assert_eq!(enrol("used").await.unwrap().status(), 409);
    let oversize = nobody
        .post(format!("{base}/enrol"))
        .body(vec![0; 9000])
        .send()
        .await
        .unwrap();
    assert_eq!(oversize.status(), 413);
    let time = nobody
        .post(format!("{base}/time"))
        .body("rubbish")
        .send()
        .await
        .unwrap();
    assert_eq!(time.status(), 422);
    let desired = one.get(format!("{base}/desired")).send().await.unwrap();
    assert_eq!(desired.text().await.unwrap(), "desired of one");
    // The cloud saw the gateway ask, not the device.
    let peers = cloud_side.blobs.peers.lock().unwrap().clone();
    assert!(
        peers.iter().all(|peer| *peer == gateway().to_string()),
        "{peers:?}"
    );
    let of_other = one
        .get(format!("{base}/site/desired?device=two"))
        .send()
        .await
        .unwrap();
    assert_eq!(of_other.status(), 403);
    for odd in ["..%2Fkey.pk8", "x", ".json"] {
        let answer = one.get(format!("{base}/tuf/{odd}")).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{odd}");
    }
    site.stop().await;
}
