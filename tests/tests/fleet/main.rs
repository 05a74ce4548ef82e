//! Scenarios with real processes, real TLS, a real database: what users rely on.

mod access;
mod bad_input;
mod command;
mod compiled;
mod compression;
mod console;
mod enrolment;
mod evil_gateway;
mod garbage;
mod impostor;
mod kilobytes;
mod learning;
mod links;
mod one_bit;
mod results;
mod revocation;
mod rollouts;

use std::time::Duration;

use anyhow::Result;
use noroshi_tests::account::account;
use noroshi_tests::api::Api;
use noroshi_tests::assets::{Role, photos};
use noroshi_tests::eventually::eventually_within;
use noroshi_tests::fleet::Source;
use noroshi_tests::{Fleet, tiny};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(60);

/// A scenario on a runtime of its own; the ends of all logs stand in its failure.
fn scenario<F>(play: impl FnOnce() -> F)
where
    F: Future<Output = Result<()>>,
{
    noroshi_service::tls::install_provider();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    if let Err(error) = runtime.block_on(play()) {
        panic!("{error:?}");
    }
}

/// Runs `play` on a fleet and adds the fleet's logs to its failure.
async fn on<T>(fleet: &mut Fleet, play: impl AsyncFnOnce(&mut Fleet) -> Result<T>) -> Result<T> {
    let result = play(fleet).await;
    result.map_err(|error| error.context(fleet.tails()))
}

fn source() -> Result<Source> {
    let photo = photos(Role::Measured)?.remove(0).file()?;
    let folder = photo.parent().expect("a file has a folder").to_owned();
    Ok(Source {
        pictures: folder,
        frames_per_second: 5.0,
        live: false,
    })
}

/// A cloud with one direct device `d` that runs version 1 of the tests' model.
async fn direct() -> Result<(Fleet, Api, String)> {
    let mut fleet = Fleet::start().await?;
    let api = fleet.api().await?;
    let device = fleet.add_agent("d", "direct", &source()?).await?;
    on(&mut fleet, async |fleet| {
        online(&api, &device).await?;
        push(fleet, &api, 1).await?;
        apply(&api).await?;
        runs(&api, &device, 1).await
    })
    .await?;
    Ok((fleet, api, device))
}

/// A cloud, a gateway at `osaka`, and one device `a` behind it that runs version 1.
async fn site() -> Result<(Fleet, Api, String)> {
    let mut fleet = Fleet::start().await?;
    let api = fleet.api().await?;
    fleet.add_gateway("osaka").await?;
    let device = fleet.add_agent("a", "osaka", &source()?).await?;
    on(&mut fleet, async |fleet| {
        online(&api, &device).await?;
        push(fleet, &api, 1).await?;
        apply(&api).await?;
        runs(&api, &device, 1).await
    })
    .await?;
    Ok((fleet, api, device))
}

async fn push(fleet: &Fleet, api: &Api, version: u32) -> Result<()> {
    tiny::version(fleet.path(), version)?.push(api).await
}

async fn apply(api: &Api) -> Result<Value> {
    let body = json!({
        "source": "camera", "model": tiny::MODEL, "version": 1, "filters": [], "top": 2,
        "devices": { "all": true },
    });
    api.put("/pipelines/door", body).await
}

async fn device(api: &Api, device: &str) -> Result<Value, String> {
    api.get(&format!("/devices/{device}"))
        .await
        .map_err(|error| format!("{error:#}"))
}

async fn online(api: &Api, id: &str) -> Result<()> {
    status_is(api, id, "online").await
}

async fn status_is(api: &Api, id: &str, wanted: &str) -> Result<()> {
    eventually_within(&format!("{id} is {wanted}"), LIMIT, || async {
        let status = device(api, id).await?["status"].clone();
        if status == wanted {
            Ok(())
        } else {
            Err(status.to_string())
        }
    })
    .await
}

/// Waits until the newest stored result of the device is of `version`.
async fn runs(api: &Api, id: &str, version: u64) -> Result<()> {
    eventually_within(
        &format!("{id} has results of version {version}"),
        LIMIT,
        || async {
            let page = api.get(&format!("/results?device={id}&limit=1")).await;
            let newest = page.map_err(|error| format!("{error:#}"))?["items"][0].clone();
            if newest["version"].as_u64() == Some(version) {
                return Ok(());
            }
            let why = device(api, id).await?;
            Err(format!("{newest}; {}", why["why"]))
        },
    )
    .await
}

async fn count(api: &Api, id: &str) -> Result<u64> {
    let statistics = api.get(&format!("/devices/{id}/statistics")).await?;
    Ok(statistics["results"].as_u64().unwrap_or_default())
}

/// Every frame that the agent's source logged so far is stored exactly once.
async fn complete(fleet: &Fleet, api: &Api, name: &str) -> Result<()> {
    let account = account(fleet, api, name).await?;
    anyhow::ensure!(account.logged > 0, "the source logged no frame");
    anyhow::ensure!(account.lost == 0 && account.duplicates == 0, "{account:?}");
    let device = &fleet.agent(name)?.id;
    let statistics = api.get(&format!("/devices/{device}/statistics")).await?;
    anyhow::ensure!(statistics["lost"] == 0, "lost: {statistics}");
    Ok(())
}
