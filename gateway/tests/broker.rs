//! The embedded broker lets in and through exactly what it must.

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use common::cloud::TestDoor;
use common::{
    Client, Organisation, answers, certificates, device, eventually, gateway, quick, serial,
};
use noroshi_fleet::access::Broker as Side;
use noroshi_gateway::broker::{Broker, BrokerOptions};
use noroshi_protocol::{BootId, Grant, Kind, Message as _, Presence, Status};
use noroshi_service::session::{
    Address, Connect, Credentials, DisconnectReason, Properties, PublishOutcome, Qos, Refusal,
    SessionEvent, SessionOptions, Subscription, Will,
};

async fn site_broker(
    organisation: &Organisation,
    folder: &std::path::Path,
    change: impl FnOnce(&mut BrokerOptions),
) -> (Broker, Arc<TestDoor>) {
    let identity = organisation.identity(gateway());
    let door = Arc::new(TestDoor::default());
    let mut options = BrokerOptions {
        certificates: Some(certificates(folder, &identity)),
        dashboards: None,
        side: Side::Site("s".parse().unwrap()),
        threads: 1,
    };
    change(&mut options);
    (Broker::start(options, door.clone()).await.unwrap(), door)
}

async fn outcome(client: &Client, topic: &str, payload: &[u8], retain: bool) -> PublishOutcome {
    let (payload, none) = (payload.to_vec(), Properties::default());
    client
        .handle
        .publish(topic, payload, Qos::AtLeastOnce, retain, none)
        .unwrap()
        .await
}

const OWN: &str = "noroshi/v1/o/s/one/result/p";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_keeps_to_its_own_and_hears_why_not() {
    let (organisation, folder) = (Organisation::new(), tempfile::tempdir().unwrap());
    let (broker, door) = site_broker(&organisation, folder.path(), |_| ()).await;
    let port = broker.mqtts().unwrap().port();
    let mut one = Client::open(&organisation, device("one"), &gateway(), port, |options| {
        options.subscriptions = vec![
            Subscription::new("noroshi/v1/o/s/one/state/desired"),
            Subscription::new("noroshi/v1/o/s/two/state/desired"),
            Subscription::new("noroshi/v1/o/s/+/command/+"),
            Subscription::new("#"),
        ];
    });
    let SessionEvent::SubscriptionsDenied { denied, .. } = one.event().await else {
        panic!("three filters are denied first")
    };
    assert_eq!(denied.len(), 3);
    assert!(
        denied
            .iter()
            .all(|denied| denied.reason.contains("NotAuthorized"))
    );
    one.connected().await;

    let batch = answers(1, 0..3).to_cbor();
    assert_eq!(
        outcome(&one, OWN, &batch, false).await,
        PublishOutcome::Acked
    );
    let refused = |refusal| PublishOutcome::Refused(refusal);
    let foreign = [
        "noroshi/v1/o/s/two/result/p",
        "noroshi/v1/o/other/one/result/p",
        "noroshi/v1/other/s/one/result/p",
        "noroshi/v1/o/s/one/ack/result",
        "noroshi/v1/o/s/one/live/p",
    ];
    for topic in foreign {
        assert_eq!(
            outcome(&one, topic, &batch, false).await,
            refused(Refusal::NotAuthorized)
        );
    }
    let desired = "noroshi/v1/o/s/one/state/desired";
    assert_eq!(
        outcome(&one, desired, b"x", true).await,
        refused(Refusal::NotAuthorized)
    );
    let nothing = outcome(&one, "anything/else", b"x", false).await;
    assert_eq!(nothing, refused(Refusal::TopicInvalid));
    for (payload, retain) in [
        (&b"rubbish"[..], false),
        (&vec![0; 40 << 10], false),
        (&batch, true),
    ] {
        let answer = outcome(&one, OWN, payload, retain).await;
        assert_eq!(answer, refused(Refusal::PayloadInvalid));
    }
    door.busy.store(true, Ordering::Relaxed);
    assert_eq!(
        outcome(&one, OWN, &batch, false).await,
        refused(Refusal::QuotaExceeded)
    );
    // Only what was allowed and sound by size and flag came to the door.
    let arrivals = door.arrivals.lock().unwrap().clone();
    assert!(
        arrivals.iter().all(|(topic, _)| topic == OWN),
        "{arrivals:?}"
    );
    assert!(broker.handle().counts().refused >= 6);

    broker
        .handle()
        .publish(&desired.parse().unwrap(), "document".into())
        .await;
    assert_eq!(
        &one.message("one/state/desired").await.payload[..],
        b"document"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_a_borrowed_name_and_a_foreign_will_do_not_come_in() {
    let (organisation, folder) = (Organisation::new(), tempfile::tempdir().unwrap());
    let (broker, _door) = site_broker(&organisation, folder.path(), |_| ()).await;
    let port = broker.mqtts().unwrap().port();
    let borrowed = |options: &mut SessionOptions| options.client_id = device("two").client_id();
    let mut clients = vec![
        Client::open(&organisation, device("one"), &gateway(), port, borrowed),
        Client::open(&organisation, device("revoked"), &gateway(), port, |_| ()),
    ];
    let identity = organisation.identity(device("one"));
    let clock = organisation.clock.clone();
    let mut with_will = SessionOptions::new(device("one").client_id(), move |_| {
        let expected = noroshi_service::tls::ExpectedPeers::exactly([&gateway()]);
        let config = noroshi_service::tls::client_config(
            identity.trust_anchors(),
            &expected,
            Some(&identity),
            &clock,
        );
        let config = config.map_err(|error| error.to_string())?;
        let will = Will {
            topic: "noroshi/v1/o/s/two/status/agent".into(),
            payload: "x".into(),
            qos: Qos::AtLeastOnce,
            retain: true,
            delay: std::time::Duration::ZERO,
        };
        let address = Address::tls("127.0.0.1", port, Arc::new(config));
        Ok(Connect {
            will: Some(will),
            ..Connect::to(address)
        })
    });
    with_will.backoff = quick();
    clients.push(Client::with(with_will));
    for client in &mut clients {
        let SessionEvent::Disconnected { reason, .. } = client.event().await else {
            panic!("it is not let in")
        };
        assert!(matches!(&reason, DisconnectReason::Refused(why) if why.contains("NotAuthorized")));
    }
    // Another organisation's certificate does not even get through TLS.
    let other = Organisation::new();
    let mut stranger = Client::open(&other, device("one"), &gateway(), port, |_| ());
    let SessionEvent::Disconnected { reason, .. } = stranger.event().await else {
        panic!("it is not let in")
    };
    assert!(
        !matches!(reason, DisconnectReason::Refused(_)),
        "{reason:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_device_leaves_its_will_and_a_restarted_broker_takes_the_same_port() {
    let (organisation, folder) = (Organisation::new(), tempfile::tempdir().unwrap());
    let (broker, door) = site_broker(&organisation, folder.path(), |_| ()).await;
    let address = broker.mqtts().unwrap();
    let lost = Status {
        status: Presence::Lost,
        start: 1,
        connection: 1,
        boot: BootId::from_bytes([1; 16]),
        since_ms: 0,
        version: "1".into(),
    };
    let topic = "noroshi/v1/o/s/one/status/agent";
    let proxy = common::proxy::Proxy::to(address).await;
    let (identity, clock) = (
        organisation.identity(device("one")),
        organisation.clock.clone(),
    );
    let (payload, near) = (lost.to_json(), proxy.address.port());
    let mut options = SessionOptions::new(device("one").client_id(), move |_| {
        let expected = noroshi_service::tls::ExpectedPeers::exactly([&gateway()]);
        let anchors = identity.trust_anchors();
        let config =
            noroshi_service::tls::client_config(anchors, &expected, Some(&identity), &clock)
                .map_err(|error| error.to_string())?;
        let will = Will {
            topic: topic.into(),
            payload: payload.clone().into(),
            qos: Qos::AtLeastOnce,
            retain: true,
            delay: std::time::Duration::ZERO,
        };
        let address = Address::tls("127.0.0.1", near, Arc::new(config));
        Ok(Connect {
            will: Some(will),
            ..Connect::to(address)
        })
    });
    options.backoff = quick();
    let mut one = Client::with(options);
    one.connected().await;
    proxy.cut();
    let wills = || async { door.arrivals.lock().unwrap().clone() };
    eventually("the will comes to the door", wills, |arrivals| {
        arrivals.contains(&(topic.to_owned(), true))
    })
    .await;
    proxy.mend();
    one.connected().await;

    broker.stop().await;
    let (broker, _door) = site_broker(&organisation, folder.path(), |options| {
        options.certificates.as_mut().unwrap().address = address;
    })
    .await;
    assert_eq!(broker.mqtts(), Some(address));
    one.connected().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_certificates_session_ends_and_no_other() {
    let (organisation, folder) = (Organisation::new(), tempfile::tempdir().unwrap());
    let (broker, _door) = site_broker(&organisation, folder.path(), |_| ()).await;
    let port = broker.mqtts().unwrap().port();
    let revoked = organisation.identity(device("one"));
    let mut one = Client::open_as(&organisation, revoked.clone(), &gateway(), port, |_| ());
    let mut two = Client::open(&organisation, device("two"), &gateway(), port, |options| {
        options.subscriptions = vec![Subscription::new("noroshi/v1/o/s/two/state/desired")];
    });
    one.connected().await;
    two.connected().await;
    let text = serial(&revoked).to_string();
    let handle = broker.handle();
    handle
        .kick_certificates(|serial| serial == Some(text.as_str()))
        .await;
    while !matches!(one.event().await, SessionEvent::Disconnected { .. }) {}
    let topic = "noroshi/v1/o/s/two/state/desired".parse().unwrap();
    handle.publish(&topic, "still here".into()).await;
    let SessionEvent::Message(message) = two.event().await else {
        panic!("its session goes on")
    };
    assert_eq!(&message.payload[..], b"still here");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dashboard_reads_what_its_token_says_and_no_longer() {
    let (organisation, folder) = (Organisation::new(), tempfile::tempdir().unwrap());
    let (broker, door) = site_broker(&organisation, folder.path(), |options| {
        options.dashboards = Some("127.0.0.1:0".parse().unwrap());
    })
    .await;
    *door.grant.lock().unwrap() = Some(Grant {
        org: "o".parse().unwrap(),
        sites: vec![],
        devices: vec!["one".parse().unwrap()],
        expires_ms: 1_000,
    });
    let port = broker.dashboards().unwrap().port();
    let dashboard = |token: &'static str, filters: &[&str]| {
        let mut options = SessionOptions::new(format!("dash-{token}"), move |_| {
            let address = Address::Tcp {
                host: "127.0.0.1".into(),
                port,
            };
            let credentials = Credentials {
                username: "token".into(),
                password: token.to_owned(),
            };
            Ok(Connect {
                credentials: Some(credentials),
                ..Connect::to(address)
            })
        });
        options.subscriptions = filters
            .iter()
            .map(|filter| Subscription::new(*filter))
            .collect();
        options.backoff = quick();
        Client::with(options)
    };
    let mut bad = dashboard("bad", &["noroshi/v1/o/s/one/live/+"]);
    assert!(matches!(
        bad.event().await,
        SessionEvent::Disconnected {
            reason: DisconnectReason::Refused(_),
            ..
        }
    ));
    let filters = ["noroshi/v1/o/s/one/live/+", "noroshi/v1/o/s/two/live/+"];
    let mut good = dashboard("good", &filters);
    let SessionEvent::SubscriptionsDenied { denied, .. } = good.event().await else {
        panic!("the other device is denied")
    };
    assert_eq!(denied[0].filter, filters[1]);
    good.connected().await;
    let handle = broker.handle();
    let watched = handle.watched(Kind::Live).await;
    assert_eq!(watched.len(), 1);
    handle
        .publish(&"noroshi/v1/o/s/one/live/p".parse().unwrap(), "{}".into())
        .await;
    assert_eq!(&good.message("live/p").await.payload[..], b"{}");
    let none = Properties::default();
    let topic = "noroshi/v1/o/s/one/live/p";
    let ticket = good
        .handle
        .publish(topic, "{}", Qos::AtLeastOnce, false, none)
        .unwrap();
    assert_eq!(
        ticket.await,
        PublishOutcome::Refused(Refusal::NotAuthorized)
    );

    door.now_ms.store(1_001, Ordering::Relaxed);
    while !matches!(good.event().await, SessionEvent::Disconnected { .. }) {}
    let watched = || async { handle.watched(Kind::Live).await.len() };
    eventually("its subscription is gone", watched, |count| *count == 0).await;
}
