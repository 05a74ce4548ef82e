//! Waiting for facts.

use std::fmt::Debug;
use std::future::Future;
use std::time::{Duration, Instant};

/// How often a fact is looked at.
const PACE: Duration = Duration::from_millis(100);

/// Waits until `observe` gives `Ok`, at most `limit`; the last observation stands in the error.
pub async fn eventually_within<T, E, F, Fut>(
    fact: &str,
    limit: Duration,
    mut observe: F,
) -> anyhow::Result<T>
where
    E: Debug,
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    let start = Instant::now();
    loop {
        match observe().await {
            Ok(value) => return Ok(value),
            Err(seen) if start.elapsed() > limit => {
                anyhow::bail!("not within {limit:?}: {fact}; last seen: {seen:?}")
            }
            Err(_) => tokio::time::sleep(PACE).await,
        }
    }
}

/// [`eventually_within`] half a minute.
pub async fn eventually<T, E, F, Fut>(fact: &str, observe: F) -> anyhow::Result<T>
where
    E: Debug,
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    eventually_within(fact, Duration::from_secs(30), observe).await
}
