//! The session against a broker.

use std::sync::Arc;
use std::time::Duration;

use noroshi_service::backoff::BackoffLimits;
use noroshi_service::session::{
    Address, Connect, DisconnectReason, Message, Properties, PublishError, PublishOutcome, Qos,
    Refusal, SessionEvent, SessionEvents, SessionHandle, SessionOptions, Subscription, open,
};
use noroshi_service::tls::{ExpectedPeers, client_config};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use crate::broker::{Broker, TlsFiles};
use crate::org::{Org, right_clock};

const PATIENCE: Duration = Duration::from_secs(20);

struct Client {
    handle: SessionHandle,
    events: SessionEvents,
    stop: CancellationToken,
    driver: tokio::task::JoinHandle<()>,
}

impl Client {
    fn open(options: SessionOptions) -> Self {
        let (handle, events, driver) = open(options);
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let driver = tokio::spawn(async move { driver.run(stopped).await.unwrap() });
        Self {
            handle,
            events,
            stop,
            driver,
        }
    }

    async fn event(&mut self) -> SessionEvent {
        tokio::time::timeout(PATIENCE, self.events.recv())
            .await
            .expect("no event")
            .unwrap()
    }

    async fn connected(&mut self) -> u64 {
        loop {
            if let SessionEvent::Connected { epoch, .. } = self.event().await {
                return epoch;
            }
        }
    }

    async fn message(&mut self) -> Message {
        loop {
            if let SessionEvent::Message(message) = self.event().await {
                return message;
            }
        }
    }

    async fn publish(&self, topic: &str, payload: &str) -> PublishOutcome {
        loop {
            let published = self.handle.publish(
                topic,
                payload.to_owned(),
                Qos::AtLeastOnce,
                false,
                Properties::default(),
            );
            match published {
                Ok(ticket) => {
                    return tokio::time::timeout(PATIENCE, ticket)
                        .await
                        .expect("no ack");
                }
                Err(PublishError::Full | PublishError::Offline) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

fn options(port: u16, filters: &[&str]) -> SessionOptions {
    let connect = move |_| {
        Ok(Connect::to(Address::Tcp {
            host: "127.0.0.1".to_owned(),
            port,
        }))
    };
    let mut options = SessionOptions::new("acme/device/cam-1", connect);
    options.subscriptions = filters.iter().copied().map(Subscription::new).collect();
    options.backoff = BackoffLimits {
        shortest: Duration::from_millis(50),
        longest: Duration::from_millis(200),
        settled_after: Duration::from_secs(1),
    };
    options
}

#[tokio::test]
async fn publishes_are_acknowledged_refused_and_never_stuck() {
    let broker = Broker::start(0, None).await;
    let mut client = Client::open(options(broker.port, &["echo/#"]));
    assert_eq!(client.connected().await, 1);
    // Many more than the broker's window of 8, every third refused: a refusal must free its
    // place (the library itself would leave what is stashed behind it).
    let mut tickets = Vec::new();
    let wanted = |number: usize| match number % 3 {
        0 => ("denied/x", PublishOutcome::Refused(Refusal::NotAuthorized)),
        1 => ("full/x", PublishOutcome::Refused(Refusal::QuotaExceeded)),
        _ => ("echo/x", PublishOutcome::Acked),
    };
    for number in 0..60 {
        let (topic, outcome) = wanted(number);
        let properties = Properties {
            content_type: Some("text/plain".to_owned()),
            user: vec![("n".to_owned(), number.to_string())],
            ..Properties::default()
        };
        let ticket = client
            .handle
            .publish(
                topic,
                number.to_string(),
                Qos::AtLeastOnce,
                false,
                properties,
            )
            .unwrap();
        tickets.push((ticket, outcome));
    }
    for (ticket, outcome) in tickets {
        assert_eq!(
            tokio::time::timeout(PATIENCE, ticket).await.unwrap(),
            outcome
        );
    }
    for number in (2..60).step_by(3) {
        let message = client.message().await;
        assert_eq!(message.payload, number.to_string());
        assert_eq!(
            message.properties.content_type.as_deref(),
            Some("text/plain")
        );
        assert_eq!(
            message.properties.user,
            [("n".to_owned(), number.to_string())]
        );
    }
}

#[tokio::test]
async fn every_filter_is_answered_and_a_denied_one_is_told() {
    let broker = Broker::start(0, None).await;
    let mut client = Client::open(options(broker.port, &["secret/#", "echo/#"]));
    let SessionEvent::SubscriptionsDenied { denied, epoch: 1 } = client.event().await else {
        panic!("no denial")
    };
    assert_eq!(denied.len(), 1);
    assert_eq!(denied[0].filter, "secret/#");
    assert_eq!(client.connected().await, 1);
    assert_eq!(
        client.publish("echo/a", "still here").await,
        PublishOutcome::Acked
    );
    assert_eq!(client.message().await.payload, "still here");
}

#[tokio::test]
async fn after_a_restart_of_the_broker_it_subscribes_again() {
    let broker = Broker::start(0, None).await;
    let port = broker.port;
    let mut options = options(port, &["echo/#"]);
    options.session_expiry = Duration::from_secs(600);
    let mut client = Client::open(options);
    client.connected().await;
    assert_eq!(
        client.publish("echo/a", "before").await,
        PublishOutcome::Acked
    );
    assert_eq!(client.message().await.payload, "before");

    drop(broker);
    let event = client.event().await;
    assert!(
        matches!(event, SessionEvent::Disconnected { epoch: 1, .. }),
        "{event:?}"
    );
    let offline = client
        .handle
        .publish("a", "", Qos::AtMostOnce, false, Properties::default());
    assert_eq!(offline.err(), Some(PublishError::Offline));

    let _broker = Broker::start(port, None).await;
    let epoch = client.connected().await;
    assert!(epoch > 1);
    assert_eq!(
        client.publish("echo/a", "after").await,
        PublishOutcome::Acked
    );
    assert_eq!(client.message().await.payload, "after");
}

#[tokio::test]
async fn a_slow_reader_holds_messages_back_and_loses_none() {
    let broker = Broker::start(0, None).await;
    let mut options = options(broker.port, &["echo/#"]);
    options.event_queue = 1;
    options.receive_maximum = 4;
    let mut client = Client::open(options);
    client.connected().await;
    // Nobody reads, and yet every publish is acknowledged.
    for number in 0..40 {
        let outcome = client.publish("echo/slow", &number.to_string()).await;
        assert_eq!(outcome, PublishOutcome::Acked);
    }
    for number in 0..40 {
        assert_eq!(client.message().await.payload, number.to_string());
    }
}

#[tokio::test]
async fn what_the_broker_would_refuse_for_its_size_is_refused_here() {
    let broker = Broker::start(0, None).await;
    let mut client = Client::open(options(broker.port, &[]));
    client.connected().await;
    let large = vec![0; 5_000];
    let error = client
        .handle
        .publish(
            "echo/large",
            large,
            Qos::AtLeastOnce,
            false,
            Properties::default(),
        )
        .err();
    assert!(
        matches!(error, Some(PublishError::TooLarge { limit: 4_096, .. })),
        "{error:?}"
    );
    assert_eq!(
        client.publish("echo/small", "x").await,
        PublishOutcome::Acked
    );
}

#[tokio::test]
async fn stopping_says_goodbye_and_open_publishes_are_settled() {
    let broker = Broker::start(0, None).await;
    let mut client = Client::open(options(broker.port, &[]));
    client.connected().await;
    let publish = |payload: &'static str| {
        client.handle.publish(
            "echo/x",
            payload,
            Qos::AtLeastOnce,
            false,
            Properties::default(),
        )
    };
    let tickets = [publish("one").unwrap(), publish("two").unwrap()];
    client.stop.cancel();
    for ticket in tickets {
        assert_eq!(ticket.await, PublishOutcome::Acked);
    }
    tokio::time::timeout(PATIENCE, client.driver)
        .await
        .unwrap()
        .unwrap();
}

/// rmqtt closes a session that was taken over without a word, so a peer by hand says it here.
#[tokio::test]
async fn a_takeover_by_a_twin_is_told_and_waited_for_the_longest() {
    let door = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut options = options(door.local_addr().unwrap().port(), &[]);
    options.backoff.longest = Duration::from_secs(3_600);
    let mut client = Client::open(options);
    let (mut peer, _) = door.accept().await.unwrap();
    let mut connect = [0; 10];
    peer.read_exact(&mut connect).await.unwrap();
    // CONNACK, and DISCONNECT with reason 0x8e.
    peer.write_all(&[0x20, 3, 0, 0, 0]).await.unwrap();
    assert_eq!(client.connected().await, 1);
    peer.write_all(&[0xe0, 2, 0x8e, 0]).await.unwrap();
    let SessionEvent::Disconnected {
        reason, retry_in, ..
    } = client.event().await
    else {
        panic!()
    };
    assert_eq!(reason, DisconnectReason::TakenOver);
    assert!(retry_in >= Duration::from_secs(30), "{retry_in:?}");
}

/// A peer that accepts and answers nothing any more. Takes two and a half keep-alives of 5 s.
#[tokio::test]
#[ignore = "takes 13 s; run with --ignored"]
async fn a_peer_that_stalls_is_left_whether_pings_or_writes_hang() {
    for floods in [false, true] {
        let door = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut options = options(door.local_addr().unwrap().port(), &[]);
        options.keep_alive = Duration::from_secs(5);
        let mut client = Client::open(options);
        let (mut peer, _) = door.accept().await.unwrap();
        peer.read_exact(&mut [0; 10]).await.unwrap();
        peer.write_all(&[0x20, 3, 0, 0, 0]).await.unwrap();
        client.connected().await;
        let handle = client.handle.clone();
        let flood = tokio::spawn(async move {
            while floods && handle.epoch() == Some(1) {
                let payload = vec![0; 100_000];
                let _ = handle.publish("a", payload, Qos::AtMostOnce, false, Properties::default());
                tokio::task::yield_now().await;
            }
        });
        let SessionEvent::Disconnected { reason, .. } = client.event().await else {
            panic!()
        };
        let expected = if floods {
            "nothing moves"
        } else {
            "no answer to a ping"
        };
        assert_eq!(reason, DisconnectReason::Stalled(expected.to_owned()));
        flood.await.unwrap();
    }
}

#[tokio::test]
async fn a_closed_door_and_an_unready_caller_are_reasons_not_errors() {
    let mut nobody = Client::open(options(1, &[]));
    let SessionEvent::Disconnected { reason, .. } = nobody.event().await else {
        panic!()
    };
    assert!(matches!(reason, DisconnectReason::Network(_)), "{reason:?}");
    let unready = SessionOptions::new("x", |_| Err("no certificate yet".to_owned()));
    let mut unready = Client::open(unready);
    let SessionEvent::Disconnected { reason, .. } = unready.event().await else {
        panic!()
    };
    assert_eq!(
        reason,
        DisconnectReason::NotReady("no certificate yet".to_owned())
    );
}

#[tokio::test]
async fn our_certificates_open_the_brokers_tls_door_and_foreign_ones_do_not() {
    let org = Org::new("acme");
    let gateway = org.identity("site/north/gateway");
    let folder = tempfile::tempdir().unwrap();
    let files = TlsFiles {
        certificate: folder.path().join("cert.pem"),
        key: folder.path().join("key.pem"),
        authority: folder.path().join("ca.pem"),
    };
    std::fs::write(&files.certificate, gateway.chain_pem()).unwrap();
    std::fs::write(&files.key, gateway.key_pem()).unwrap();
    std::fs::write(&files.authority, org.anchors().to_pem()).unwrap();
    let broker = Broker::start(0, Some(files)).await;
    let session = |org: Org, peer: &'static str| {
        let port = broker.port;
        let connect = move |_| {
            // The broker judges by the system's clock, so this clock must be near it.
            let device = org.identity("device/cam-1");
            let expected = ExpectedPeers::exactly([&org.peer(peer)]);
            let config = client_config(&org.anchors(), &expected, Some(&device), &right_clock())
                .map_err(|error| error.to_string())?;
            Ok(Connect::to(Address::tls(
                "127.0.0.1",
                port,
                Arc::new(config),
            )))
        };
        Client::open(SessionOptions::new("acme/device/cam-1", connect))
    };
    let mut wrong_name = session(Org::new("acme"), "cloud");
    let SessionEvent::Disconnected { reason, .. } = wrong_name.event().await else {
        panic!()
    };
    assert!(matches!(reason, DisconnectReason::Tls(_)), "{reason:?}");
    let mut device = session(org, "site/north/gateway");
    let event = device.event().await;
    assert!(
        matches!(event, SessionEvent::Connected { epoch: 1, .. }),
        "{event:?}"
    );
}
