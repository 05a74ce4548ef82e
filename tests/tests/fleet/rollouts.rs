//! A good version takes over; a bad one is stopped and nothing changes.

use anyhow::Result;
use noroshi_tests::api::Api;
use noroshi_tests::eventually::eventually_within;
use noroshi_tests::{Fleet, tiny};
use serde_json::{Value, json};

use crate::{LIMIT, complete, direct, on, push, runs, scenario, site};

async fn create(api: &Api, version: u32) -> Result<String> {
    let rollout = api
        .post(
            "/rollouts",
            json!({
                "model": tiny::MODEL, "version": version, "selection": { "all": true },
                "waves": [100], "trial_s": 2, "deadline_s": 60,
            }),
        )
        .await?;
    Ok(rollout["id"].as_str().unwrap_or_default().to_owned())
}

async fn ends(api: &Api, id: &str, wanted: &str) -> Result<Value> {
    eventually_within(&format!("the rollout is {wanted}"), 2 * LIMIT, || async {
        let rollout = api
            .get(&format!("/rollouts/{id}"))
            .await
            .map_err(|e| e.to_string())?;
        if rollout["state"] == wanted {
            Ok(rollout)
        } else {
            Err(rollout.to_string())
        }
    })
    .await
}

async fn a_good_version_takes_over(
    fleet: &mut Fleet,
    api: &Api,
    device: &str,
    name: &str,
) -> Result<()> {
    push(fleet, api, 2).await?;
    let rollout = create(api, 2).await?;
    ends(api, &rollout, "succeeded").await?;
    runs(api, device, 2).await?;
    // The same frames for the old and the new: none is missing, none is there twice.
    complete(fleet, api, name).await
}

#[test]
fn a_good_version_takes_over_behind_a_gateway() {
    scenario(|| async {
        let (mut fleet, api, device) = site().await?;
        on(&mut fleet, async |fleet| {
            a_good_version_takes_over(fleet, &api, &device, "a").await
        })
        .await
    });
}

#[test]
fn a_good_version_takes_over_directly() {
    scenario(|| async {
        let (mut fleet, api, device) = direct().await?;
        on(&mut fleet, async |fleet| {
            a_good_version_takes_over(fleet, &api, &device, "d").await
        })
        .await
    });
}

#[test]
fn a_bad_version_is_stopped_and_nothing_changes() {
    scenario(|| async {
        let (mut fleet, api, device) = site().await?;
        on(&mut fleet, async |fleet| {
            tiny::version(fleet.path(), 2)?
                .with_wrong_answers()?
                .push(&api)
                .await?;
            let rollout = create(&api, 2).await?;
            let ended = ends(&api, &rollout, "stopped").await?;
            let reason = ended["devices"][0]["reason"].to_string();
            anyhow::ensure!(
                reason.contains("golden"),
                "the reason names the test: {reason}"
            );
            runs(&api, &device, 1).await?;
            complete(fleet, &api, "a").await
        })
        .await
    });
}

#[test]
fn an_operator_takes_a_version_back() {
    scenario(|| async {
        let (mut fleet, api, device) = site().await?;
        on(&mut fleet, async |fleet| {
            push(fleet, &api, 2).await?;
            let body = json!({
                "model": tiny::MODEL, "version": 2, "selection": { "all": true },
                "waves": [100], "trial_s": 600, "deadline_s": 900,
            });
            let rollout = api.post("/rollouts", body).await?;
            let id = rollout["id"].as_str().unwrap_or_default().to_owned();
            runs(&api, &device, 2).await?;
            api.post(&format!("/rollouts/{id}/revert"), Value::Null)
                .await?;
            ends(&api, &id, "reverted").await?;
            runs(&api, &device, 1).await?;
            complete(fleet, &api, "a").await
        })
        .await
    });
}
