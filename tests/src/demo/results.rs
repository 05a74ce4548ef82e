//! What has arrived in the cloud, against what the sources logged.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::api::Api;
use crate::eventually::eventually_within;
use crate::fleet::Fleet;

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

/// The version that every device reports to run: one number, or the numbers that differ.
pub(super) async fn running(api: &Api, model: &str) -> Result<Value> {
    let mut versions = BTreeSet::new();
    for device in api.list("/devices").await? {
        for pipeline in device["pipelines"].as_array().context("pipelines")? {
            if pipeline["model"].as_str() == Some(model) {
                versions.insert(pipeline["version"].as_u64().unwrap_or_default());
            }
        }
    }
    Ok(
        match versions.iter().copied().collect::<Vec<_>>().as_slice() {
            [one] => Value::from(*one),
            several => Value::from(several.to_vec()),
        },
    )
}

/// Frames against rows.
pub(super) struct Account {
    /// Frames that a source logged and that are not in the store.
    pub lost: u64,
    /// Rows beyond the first for a frame.
    pub duplicates: u64,
}

/// Compares the sources' own logs with the store: every frame that is logged now must arrive.
pub(super) async fn account(
    fleet: &Fleet,
    api: &Api,
    devices: &[(String, String)],
) -> Result<Account> {
    let mut account = Account {
        lost: 0,
        duplicates: 0,
    };
    for (name, id) in devices {
        let logged = fleet.agent(name)?.frames_logged()?;
        let missing = |stored: &BTreeMap<String, u64>| {
            logged
                .iter()
                .filter(|frame| !stored.contains_key(*frame))
                .count() as u64
        };
        let arrived = eventually_within("every logged frame is in the store", LIMIT, || async {
            let stored = stored(api, id).await.map_err(|error| error.to_string())?;
            if missing(&stored) == 0 {
                Ok(())
            } else {
                Err(format!("{} missing", missing(&stored)))
            }
        })
        .await;
        if let Err(error) = arrived {
            eprintln!("demo: {name}: {error:#}");
        }
        let stored = stored(api, id).await?;
        account.lost += missing(&stored);
        account.duplicates += stored.values().map(|rows| rows - 1).sum::<u64>();
    }
    Ok(account)
}

/// Rows by frame, of one device's only pipeline.
async fn stored(api: &Api, device: &str) -> Result<BTreeMap<String, u64>> {
    let mut rows = BTreeMap::new();
    for row in api.list(&format!("/results?device={device}")).await? {
        let frame = &row["frame"];
        let source = frame["source"].as_u64().context("a frame's source")?;
        let number = frame["number"].as_u64().context("a frame's number")?;
        *rows.entry(format!("{source:016x}-{number}")).or_default() += 1;
    }
    Ok(rows)
}
