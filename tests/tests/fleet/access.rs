//! A device touches its own topics and nothing else, on both brokers.

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

use crate::{direct, on, scenario, site};

/// What the broker says to a publish by the identity of the stopped agent `name`.
async fn publish(fleet: &Fleet, name: &str, topics: &[Topic]) -> Result<Vec<PublishOutcome>> {
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
        for topic in topics {
            let retain = topic.channel.retained();
            let ticket = handle
                .publish(
                    topic.to_string(),
                    b"forged".to_vec(),
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
async fn subscribes(fleet: &Fleet, name: &str, filter: &str) -> Result<bool> {
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

type Opened = (
    session::SessionHandle,
    session::SessionEvents,
    session::SessionDriver,
);

fn open(fleet: &Fleet, name: &str, filters: Vec<String>) -> Result<Opened> {
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
            &identity.trust_anchors(),
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

fn topic(site: &str, device: &str, channel: Channel) -> Topic {
    let device: DeviceId = device.parse().expect("an id");
    Topic {
        org: "demo".parse().expect("an id"),
        site: site.parse().expect("an id"),
        device,
        channel,
    }
}

async fn a_device_keeps_to_itself(fleet: &mut Fleet, name: &str) -> Result<()> {
    fleet.agent_mut(name)?.process()?.kill()?;
    let (site, own) = (
        fleet.agent(name)?.site.clone(),
        fleet.agent(name)?.id.clone(),
    );
    let foreign = [
        topic(&site, &own, Channel::Desired),
        topic(&site, &own, Channel::Choice),
        topic(&site, &own, Channel::Ack(noroshi_protocol::Stream::Result)),
        topic(&site, "someone-else", Channel::Status),
        topic(&site, "someone-else", Channel::Result("door".parse()?)),
        topic(&site, "gateway", Channel::Status),
        topic("elsewhere", &own, Channel::Result("door".parse()?)),
    ];
    for (topic, outcome) in foreign.iter().zip(publish(fleet, name, &foreign).await?) {
        anyhow::ensure!(
            matches!(outcome, PublishOutcome::Refused(_)),
            "{topic}: {outcome:?}"
        );
    }
    let own_metric = [topic(&site, &own, Channel::Metric("agent".parse()?))];
    anyhow::ensure!(publish(fleet, name, &own_metric).await?[0] == PublishOutcome::Acked);
    let prefix = format!("noroshi/v1/demo/{site}");
    for filter in [
        "#".to_owned(),
        format!("{prefix}/+/result/+"),
        format!("{prefix}/someone-else/state/desired"),
        format!("{prefix}/{own}/result/+"),
    ] {
        anyhow::ensure!(
            !subscribes(fleet, name, &filter).await?,
            "{filter} was granted"
        );
    }
    anyhow::ensure!(subscribes(fleet, name, &format!("{prefix}/{own}/state/desired")).await?);
    Ok(())
}

#[test]
fn a_device_keeps_to_itself_at_the_cloud() {
    scenario(|| async {
        let (mut fleet, _, _) = direct().await?;
        on(&mut fleet, async |fleet| {
            a_device_keeps_to_itself(fleet, "d").await
        })
        .await
    });
}

#[test]
fn a_device_keeps_to_itself_at_a_gateway() {
    scenario(|| async {
        let (mut fleet, _, _) = site().await?;
        on(&mut fleet, async |fleet| {
            a_device_keeps_to_itself(fleet, "a").await
        })
        .await
    });
}
