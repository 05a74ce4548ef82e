//! Resident memory of daemons in a real fleet.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use noroshi_engine::memory_of;
use serde_json::json;

use super::release::{build, shipped_programs};
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
/// Whose memory the claims are about, in their order.
const PROGRAMS: [&str; 2] = ["noroshi-agent", "noroshi-gateway"];
const SITE: &str = "osaka";

/// An agent without a model, and a gateway with two agents.
pub(super) async fn measure() -> Result<Vec<Claim>> {
    let mut fleet = Fleet::start().await?;
    fleet.set_programs(shipped_programs());
    let measured = in_fleet(&mut fleet).await;
    let claims = measured.map_err(|error| error.context(fleet.tails()))?;
    let named = claims
        .into_iter()
        .zip(PROGRAMS)
        .map(|(claim, program)| claim.with("build", build(program)));
    Ok(named.collect())
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
    Ok(vec![
        Claim::at_most("idle agent without a model, resident MB", idle.all, 15.0)
            .with("anonymous", rounded(idle.anonymous))
            .with("with_a_pipeline", rounded(busy.all)),
        Claim::at_most("gateway with two agents, resident MB", gateway.all, 60.0)
            .with("anonymous", rounded(gateway.anonymous)),
    ])
}

/// Megabytes.
#[derive(Default)]
struct Resident {
    all: f64,
    /// Without pages of files, which the kernel may take back at any time.
    anonymous: f64,
}

/// The most that is resident within [`WATCHED`].
async fn resident(id: u32) -> Result<Resident> {
    let until = Instant::now() + WATCHED;
    let mut most = Resident::default();
    while Instant::now() < until {
        most.all = most.all.max(megabytes(memory_of(id)?.resident));
        most.anonymous = most.anonymous.max(anonymous(id)?);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(most)
}

fn anonymous(id: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
    let kilobytes: u64 = kilobytes.context("RssAnon")?;
    Ok(megabytes(kilobytes * 1024))
}
