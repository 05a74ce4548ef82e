//! Garbage and oversize on every topic and route: a clear refusal, and nothing changes.

use anyhow::{Context, Result};
use noroshi_protocol::{Channel, limits};
use noroshi_service::session::PublishOutcome;
use noroshi_tests::Fleet;
use noroshi_tests::assets::workspace;
use serde_json::Value;

use crate::impostor::{publish, topic};
use crate::{complete, count, direct, on, scenario, site};

/// What a device may publish, and what of it must be refused when it is garbage: what is kept
/// or believed. Status, metrics and replies pass as they are and are read by whoever reads them.
async fn garbage_changes_nothing(fleet: &mut Fleet, name: &str) -> Result<()> {
    let api = fleet.api().await?;
    fleet.agent_mut(name)?.process()?.kill()?;
    let (site, own) = (
        fleet.agent(name)?.site.clone(),
        fleet.agent(name)?.id.clone(),
    );
    let before = count(&api, &own).await?;
    let mut believed = Vec::new();
    for channel in [
        Channel::Result("door".parse()?),
        Channel::Event("started".parse()?),
    ] {
        let here = topic(&site, &own, channel);
        believed.push((here.clone(), b"\xff\x00 garbage".to_vec()));
        believed.push((here.clone(), Vec::new()));
        believed.push((here, vec![0xa0; limits::BATCH + 1]));
    }
    believed.push((
        topic(&site, &own, Channel::Reported),
        vec![0; limits::STATE + 1],
    ));
    believed.push((
        topic(&site, &own, Channel::Metric("agent".parse()?)),
        vec![b'['; limits::METRIC + 1],
    ));
    for ((topic, payload), outcome) in believed.iter().zip(publish(fleet, name, &believed).await?) {
        let refused = matches!(outcome, PublishOutcome::Refused(_));
        anyhow::ensure!(refused, "{topic} with {} bytes: {outcome:?}", payload.len());
    }
    let shrugged = [
        (
            topic(&site, &own, Channel::Reported),
            b"not signed".to_vec(),
        ),
        (
            topic(&site, &own, Channel::Status),
            b"{\"status\":".to_vec(),
        ),
        (
            topic(&site, &own, Channel::Reply("c-1".parse()?)),
            b"\xff".to_vec(),
        ),
    ];
    publish(fleet, name, &shrugged).await?;
    anyhow::ensure!(
        count(&api, &own).await? == before,
        "garbage became a result"
    );
    let shown = api.get(&format!("/devices/{own}")).await?;
    anyhow::ensure!(
        shown["reported"]["pipelines"].is_array(),
        "the report was replaced: {shown}"
    );
    fleet.start_agent(name)?;
    noroshi_tests::eventually("results go on", || async {
        let now = count(&api, &own).await.map_err(|error| error.to_string())?;
        if now > before {
            Ok(())
        } else {
            Err(now.to_string())
        }
    })
    .await?;
    complete(fleet, &api, name).await
}

#[test]
fn garbage_on_every_topic_at_the_cloud() {
    scenario(|| async {
        let (mut fleet, _, _) = direct().await?;
        on(&mut fleet, async |fleet| {
            garbage_changes_nothing(fleet, "d").await
        })
        .await
    });
}

#[test]
fn garbage_on_every_topic_at_a_gateway() {
    scenario(|| async {
        let (mut fleet, _, _) = site().await?;
        on(&mut fleet, async |fleet| {
            garbage_changes_nothing(fleet, "a").await
        })
        .await
    });
}

/// Every route of the API document with every method, with garbage, with too much, and without
/// a name: an answer of the 400s, and the cloud goes on.
#[test]
fn garbage_on_every_route() {
    scenario(|| async {
        let mut fleet = Fleet::start().await?;
        on(&mut fleet, async |fleet| {
            let document = std::fs::read(workspace().join("cloud/openapi.json"))?;
            let document: Value = serde_json::from_slice(&document)?;
            let paths = document["paths"].as_object().context("paths")?;
            let client = reqwest::Client::new();
            let mut asked = 0;
            for (path, methods) in paths {
                let path = path
                    .split('/')
                    .map(|part| if part.starts_with('{') { "%00x" } else { part });
                let url = format!("{}{}", fleet.console(), path.collect::<Vec<_>>().join("/"));
                for method in methods.as_object().context("methods")?.keys() {
                    let method: reqwest::Method = method.to_uppercase().parse()?;
                    for body in [Vec::new(), b"{\"\xff".to_vec(), vec![b'['; 3 << 20]] {
                        let request = client.request(method.clone(), &url).body(body);
                        // One that is cut off while it still sends was refused as well.
                        let Ok(answer) = request.send().await else {
                            continue;
                        };
                        let status = answer.status();
                        let open = url.ends_with("/health");
                        anyhow::ensure!(
                            open || status.is_client_error(),
                            "{method} {url}: {status}"
                        );
                        asked += 1;
                    }
                }
            }
            anyhow::ensure!(asked > 60, "only {asked} requests were answered");
            let api = fleet.api().await?;
            api.get("/organisation").await?;
            signed_in_garbage(fleet).await
        })
        .await
    });
}

/// The same by somebody who may do everything: bodies that are no requests.
async fn signed_in_garbage(fleet: &Fleet) -> Result<()> {
    let api = fleet.api().await?;
    for path in [
        "/sites",
        "/enrolment-tokens",
        "/models",
        "/models/tiny/versions",
        "/rollouts",
        "/dashboard-tokens",
        "/tokens",
        "/users",
        "/devices/nobody/commands",
    ] {
        for body in [
            b"{\"".to_vec(),
            b"7".to_vec(),
            br#"{"name":{},"sites":7}"#.to_vec(),
            vec![b'9'; 2 << 20],
        ] {
            let refused = api.post_bytes(path, body).await;
            let error = refused
                .err()
                .with_context(|| format!("{path} took garbage"))?;
            let text = format!("{error:#}");
            anyhow::ensure!(!text.contains("500"), "{path}: {text}");
        }
    }
    api.get("/organisation").await.map(|_| ())
}
