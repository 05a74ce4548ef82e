//! The whole cloud over its real listeners: a device of the site `direct` enrols by HTTPS,
//! speaks MQTT over mutual TLS, and its results are stored before they are acknowledged.
#![expect(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{Device, PATIENCE, World, acknowledged, batch, send};
use noroshi_protocol::{Channel, Live, Message as _, Topic};
use noroshi_service::session::{
    self, Address, Connect, Credentials, DisconnectReason, PublishOutcome, SessionEvent,
    SessionOptions, Subscription,
};
use noroshi_service::tls;
use serde_json::{Value, json};

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
async fn a_replaced_gateways_old_certificate_is_refused_at_both_doors() {
    let mut world = World::new().await;
    let token = world.token().await;
    let site = json!({"name": "Hall", "id": "hall"});
    world.post(&token, "/api/v1/sites", site).await;
    let first = world.enrol_in(&token, "hall", "gateway").await;
    let base = format!("https://127.0.0.1:{}", world.ports.device_https.unwrap());
    let ask = async |gateway: &Device, world: &World| {
        let client = tls::http_client(gateway.tls(world)).unwrap();
        let url = format!("{base}/device/v1/tuf/timestamp.json");
        client.get(url).send().await.unwrap().status().as_u16()
    };
    let (handle, _events) = first.connect(&mut world);
    let ready = tokio::time::timeout(PATIENCE, handle.connected()).await;
    ready.expect("it is let in").unwrap();
    assert_eq!(ask(&first, &world).await, 200);

    let path = world.url("/api/v1/sites/hall/gateway");
    let revoked = world.http.delete(path).bearer_auth(&token).send().await;
    assert_eq!(revoked.unwrap().status(), 204);
    assert_eq!(ask(&first, &world).await, 403);
    let second = world.enrol_in(&token, "hall", "gateway").await;
    assert_eq!(ask(&first, &world).await, 403);
    assert_eq!(ask(&second, &world).await, 200);

    // The old one's session has ended, and knocking again does not help.
    let (_old, mut events) = first.connect(&mut world);
    let refused = async {
        loop {
            if let SessionEvent::Disconnected {
                reason: DisconnectReason::Refused(why),
                ..
            } = events.recv().await.unwrap()
            {
                return why;
            }
        }
    };
    let why = tokio::time::timeout(PATIENCE, refused).await.unwrap();
    assert!(why.contains("NotAuthorized"), "{why}");
    let (handle, _events) = second.connect(&mut world);
    let ready = tokio::time::timeout(PATIENCE, handle.connected()).await;
    ready.expect("the new one is let in").unwrap();
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
