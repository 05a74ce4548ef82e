//! A device touches its own topics and nothing else, on both brokers.

use anyhow::Result;
use noroshi_protocol::Channel;
use noroshi_service::session::PublishOutcome;
use noroshi_tests::Fleet;

use crate::impostor::{publish, subscribes, topic};
use crate::{direct, on, scenario, site};

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
    let forged = foreign.clone().map(|topic| (topic, b"forged".to_vec()));
    for (topic, outcome) in foreign.iter().zip(publish(fleet, name, &forged).await?) {
        anyhow::ensure!(
            matches!(outcome, PublishOutcome::Refused(_)),
            "{topic}: {outcome:?}"
        );
    }
    let metric = topic(&site, &own, Channel::Metric("agent".parse()?));
    let own_metric = [(metric, br#"{"x":1}"#.to_vec())];
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
