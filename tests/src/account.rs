//! Rows in the cloud's store against what the sources logged themselves.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::api::Api;
use crate::eventually::eventually_within;
use crate::fleet::Fleet;

/// How long the last results may take to arrive.
const LIMIT: Duration = Duration::from_secs(60);

/// Frames against rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// Frames that a source logged.
    pub logged: u64,
    /// Logged frames that are not in the store.
    pub lost: u64,
    /// Rows beyond the first for a frame.
    pub duplicates: u64,
}

/// Compares the log of the agent `name`'s source with the store, for a device with one
/// pipeline that infers every frame: all that is logged now must arrive, each once.
pub async fn account(fleet: &Fleet, api: &Api, name: &str) -> Result<Account> {
    let agent = fleet.agent(name)?;
    let logged = agent.frames_logged()?;
    let missing = |stored: &BTreeMap<String, u64>| {
        logged
            .iter()
            .filter(|frame| !stored.contains_key(*frame))
            .count() as u64
    };
    let arrived = eventually_within("every logged frame is in the store", LIMIT, || async {
        let stored = stored(api, &agent.id)
            .await
            .map_err(|error| error.to_string())?;
        if missing(&stored) == 0 {
            Ok(())
        } else {
            Err(format!("{} missing", missing(&stored)))
        }
    })
    .await;
    if let Err(error) = arrived {
        eprintln!("{name}: {error:#}");
    }
    let stored = stored(api, &agent.id).await?;
    let duplicates = stored.values().map(|rows| rows - 1).sum();
    Ok(Account {
        logged: logged.len() as u64,
        lost: missing(&stored),
        duplicates,
    })
}

/// Rows by frame, as the source's log names it.
async fn stored(api: &Api, device: &str) -> Result<BTreeMap<String, u64>> {
    let mut rows = BTreeMap::new();
    for row in api.list(&format!("/results?device={device}")).await? {
        let frame = &row["frame"];
        let source = frame["source"].as_str().context("a frame's source")?;
        let number = frame["number"].as_u64().context("a frame's number")?;
        *rows.entry(format!("{source}-{number}")).or_default() += 1;
    }
    Ok(rows)
}
