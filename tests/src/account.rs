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
/// pipeline that infers every frame: all that is logged now must arrive, each once. Only the last
/// frame of a source that was killed may be missing: it is logged before it is announced, and
/// before its answer is on disk there is no result to lose (`make proof-kill` knows when it is).
pub async fn account(fleet: &Fleet, api: &Api, name: &str) -> Result<Account> {
    let agent = fleet.agent(name)?;
    let logged = agent.frames_logged()?;
    let missing = |stored: &BTreeMap<String, u64>| {
        let frames = logged.iter().zip(1..);
        let lost = frames.filter(|(frame, next)| {
            !stored.contains_key(*frame) && !ends_a_run(frame, logged.get(*next))
        });
        lost.count() as u64
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

/// Whether a frame is the last of its source's run, and another run followed.
fn ends_a_run(frame: &str, next: Option<&String>) -> bool {
    let run = |frame: &str| frame.rsplit_once('-').map(|(source, _)| source.to_owned());
    next.is_some_and(|next| run(next) != run(frame))
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
