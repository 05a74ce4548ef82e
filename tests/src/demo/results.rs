//! What has arrived in the cloud.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::api::Api;
use crate::eventually::eventually_within;

const LIMIT: Duration = Duration::from_secs(60);

/// Waits until `devices` are online.
pub(super) async fn online(api: &Api, devices: usize) -> Result<()> {
    eventually_within("the devices are online", LIMIT, || async {
        let listed = api
            .list("/devices")
            .await
            .map_err(|error| error.to_string())?;
        let statuses: Vec<String> = listed.iter().map(|d| d["status"].to_string()).collect();
        let online = statuses
            .iter()
            .filter(|status| *status == "\"online\"")
            .count();
        if online == devices {
            Ok(())
        } else {
            Err(statuses.join(" "))
        }
    })
    .await
}

/// Results in the store.
pub(super) async fn count(api: &Api) -> Result<u64> {
    api.get("/statistics").await?["results"]
        .as_u64()
        .context("a count")
}

/// Waits until every device has stored a result of `version`.
pub(super) async fn from_each(api: &Api, devices: &[(String, String)], version: u64) -> Result<()> {
    for (name, id) in devices {
        let fact = format!("{name} has a result of version {version} in the store");
        eventually_within(&fact, LIMIT, || async {
            let page = api.get(&format!("/results?device={id}&limit=1")).await;
            let newest = page.map_err(|error| error.to_string())?["items"][0].clone();
            if newest["version"].as_u64() == Some(version) {
                Ok(())
            } else {
                Err(newest.to_string())
            }
        })
        .await?;
    }
    Ok(())
}

/// The version that every device reports to run; several where they differ.
pub(super) async fn running(api: &Api, model: &str) -> Result<String> {
    let mut versions = BTreeSet::new();
    for device in api.list("/devices").await? {
        for pipeline in device["pipelines"].as_array().context("pipelines")? {
            if pipeline["model"].as_str() == Some(model) {
                versions.insert(pipeline["version"].as_u64().unwrap_or_default());
            }
        }
    }
    let versions: Vec<String> = versions.iter().map(ToString::to_string).collect();
    Ok(versions.join(","))
}
