//! Resident memory of daemons in a real fleet.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use noroshi_engine::memory_of;
use serde_json::json;

use super::speed::megabytes;
use crate::assets::{Role, photos};
use crate::claims::{Claim, rounded};
use crate::eventually::eventually_within;
use crate::fleet::{Fleet, Source};
use crate::tiny;

const PATIENCE: Duration = Duration::from_secs(60);
/// The largest of what is seen in this time counts.
const WATCHED: Duration = Duration::from_secs(5);
/// Results that have gone through the gateway before it is looked at.
const RESULTS: u64 = 200;
const SITE: &str = "osaka";

/// An agent without a model, and a gateway with two agents.
pub(super) async fn measure() -> Result<Vec<Claim>> {
    let mut fleet = Fleet::start().await?;
    let measured = in_fleet(&mut fleet).await;
    measured.map_err(|error| error.context(fleet.tails()))
}

async fn in_fleet(fleet: &mut Fleet) -> Result<Vec<Claim>> {
    let api = fleet.api().await?;
    fleet.add_gateway(SITE).await?;
    let picture = photos(Role::Measured)?;
    let picture = picture.first().context("a photo")?.file()?;
    let source = Source {
        pictures: picture.parent().context("its folder")?.to_owned(),
        frames_per_second: 5.0,
        live: true,
    };
    for name in ["a", "b"] {
        let id = fleet.add_agent(name, SITE, &source).await?;
        eventually_within("the agent is online", PATIENCE, || async {
            let device = api.get(&format!("/devices/{id}")).await;
            let device = device.map_err(|error| format!("{error:#}"))?;
            match device["status"].as_str() {
                Some("online") => Ok(()),
                _ => Err(device["status"].to_string()),
            }
        })
        .await?;
    }
    let idle = resident(fleet.agent_mut("a")?.process()?.id()).await?;
    tiny::version(fleet.path(), 1)?.push(&api).await?;
    let pipeline = json!({
        "source": "camera", "model": tiny::MODEL, "version": 1, "filters": [], "top": 2,
        "devices": { "all": true },
    });
    api.put("/pipelines/door", pipeline).await?;
    eventually_within("results pass the gateway", PATIENCE, || async {
        let statistics = api.get("/statistics").await;
        let statistics = statistics.map_err(|error| format!("{error:#}"))?;
        match statistics["results"].as_u64() {
            Some(results) if results >= RESULTS => Ok(()),
            results => Err(format!("{results:?} results")),
        }
    })
    .await?;
    let busy = resident(fleet.agent_mut("a")?.process()?.id()).await?;
    let gateway = resident(fleet.gateway_mut(SITE)?.process()?.id()).await?;
    let cloud = resident(fleet.cloud()?.id()).await?;
    Ok(vec![
        Claim::at_most("idle agent without a model, resident MB", idle, 15.0)
            .with("with_a_pipeline", rounded(busy)),
        Claim::at_most("gateway with two agents, resident MB", gateway, 60.0)
            .with("cloud", rounded(cloud)),
    ])
}

/// The most that is resident within [`WATCHED`], in megabytes.
async fn resident(id: u32) -> Result<f64> {
    let until = Instant::now() + WATCHED;
    let mut most = 0;
    while Instant::now() < until {
        most = most.max(memory_of(id)?.resident);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(megabytes(most))
}
