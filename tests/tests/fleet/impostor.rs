//! An impostor: the identity of a stopped agent in the hands of a test.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use noroshi_protocol::{Channel, DeviceId, Topic};
use noroshi_service::clock::{ClockOptions, SessionClock};
use noroshi_service::session::{
    self, Address, Connect, Properties, PublishOutcome, Qos, SessionEvent, SessionOptions,
    Subscription,
};
use noroshi_service::tls::{ExpectedPeers, Identity, client_config};
use noroshi_tests::Fleet;
use tokio_util::sync::CancellationToken;

/// What the broker says to messages by the identity of the stopped agent `name`.
pub(crate) async fn publish(
    fleet: &Fleet,
    name: &str,
    messages: &[(Topic, Vec<u8>)],
) -> Result<Vec<PublishOutcome>> {
    let (handle, mut events, driver) = open(fleet, name, Vec::new())?;
    let stop = CancellationToken::new();
    let driving = driver.run(stop.clone());
    let asking = async {
        while let Some(event) = events.recv().await {
            if matches!(event, SessionEvent::Connected { .. }) {
                break;
            }
        }
        let mut outcomes = Vec::new();
        for (topic, payload) in messages {
            let retain = topic.channel.retained();
            let ticket = handle
                .publish(
                    topic.to_string(),
                    payload.clone(),
                    Qos::AtLeastOnce,
                    retain,
                    Properties::default(),
                )
                .ok()
                .context("the session takes a message")?;
            outcomes.push(ticket.await);
        }
        anyhow::Ok(outcomes)
    };
    let outcomes = tokio::select! {
        outcomes = tokio::time::timeout(Duration::from_secs(20), asking) => outcomes??,
        _ = driving => anyhow::bail!("the session ended"),
    };
    stop.cancel();
    Ok(outcomes)
}

/// Whether the broker takes a subscription to `filter`.
pub(crate) async fn subscribes(fleet: &Fleet, name: &str, filter: &str) -> Result<bool> {
    let (_handle, mut events, driver) = open(fleet, name, vec![filter.to_owned()])?;
    let stop = CancellationToken::new();
    let driving = driver.run(stop.clone());
    let asking = async {
        let mut taken = true;
        while let Some(event) = events.recv().await {
            match event {
                SessionEvent::SubscriptionsDenied { .. } => taken = false,
                SessionEvent::Connected { .. } => break,
                _ => {}
            }
            if !taken {
                break;
            }
        }
        taken
    };
    let taken = tokio::select! {
        taken = tokio::time::timeout(Duration::from_secs(20), asking) => taken?,
        _ = driving => anyhow::bail!("the session ended"),
    };
    stop.cancel();
    Ok(taken)
}

pub(crate) type Opened = (
    session::SessionHandle,
    session::SessionEvents,
    session::SessionDriver,
);

/// A session by the identity of the stopped agent `name`.
pub(crate) fn open(fleet: &Fleet, name: &str, filters: Vec<String>) -> Result<Opened> {
    let agent = fleet.agent(name)?;
    let identity = Arc::new(Identity::load(&agent.folder().join("state/identity"))?);
    let address = agent.mqtts.address();
    let peers = if agent.site == "direct" {
        "noroshi://demo/cloud".to_owned()
    } else {
        format!("noroshi://demo/site/{}/gateway", agent.site)
    };
    let peer = peers.parse()?;
    let clock = Arc::new(SessionClock::system(ClockOptions {
        floor_ms: 0,
        trust_system_clock: true,
    }));
    let client_id = identity.peer().client_id();
    let mut options = SessionOptions::new(client_id, move |_| {
        let config = client_config(
            identity.trust_anchors(),
            &ExpectedPeers::exactly([&peer]),
            Some(&identity),
            &clock,
        )
        .map_err(|error| error.to_string())?;
        let address = Address::tls(address.ip().to_string(), address.port(), Arc::new(config));
        Ok(Connect {
            address,
            credentials: None,
            will: None,
        })
    });
    options.subscriptions = filters.into_iter().map(Subscription::new).collect();
    Ok(session::open(options))
}

/// A topic of the tests' organisation.
pub(crate) fn topic(site: &str, device: &str, channel: Channel) -> Topic {
    let device: DeviceId = device.parse().expect("an id");
    Topic {
        org: "demo".parse().expect("an id"),
        site: site.parse().expect("an id"),
        device,
        channel,
    }
}
