//! Figures of the whole agent, as flat JSON for dashboards.

use std::sync::Arc;
use std::time::Duration;

use noroshi_protocol::{Channel, MetricGroup, Reported};
use noroshi_service::session::{Properties, Qos, SessionHandle};
use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::uplink::Topics;
use crate::AgentError;
use crate::outbox::Account;

/// How often they are published.
const EVERY: Duration = Duration::from_secs(60);
const THERMAL_ZONE: &str = "/sys/class/thermal/thermal_zone0/temp";

/// Publishes metrics.
pub(super) struct Metrics {
    pub(super) handle: SessionHandle,
    pub(super) topics: Topics,
    pub(super) state: watch::Receiver<Option<Arc<Reported>>>,
    pub(super) account: watch::Receiver<Account>,
}

impl Metrics {
    /// Runs until `stop`.
    pub(super) async fn run(self, stop: CancellationToken) -> Result<(), AgentError> {
        let group: MetricGroup = "agent"
            .parse()
            .map_err(|_| AgentError::Refused("the group is no id".into()))?;
        let topic = self.topics.on(Channel::Metric(group)).to_string();
        let mut every = tokio::time::interval(EVERY);
        // The first tick is at once, when there is nothing to tell yet.
        every.tick().await;
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = every.tick() => {}
            }
            let reported = self.state.borrow().clone();
            let json = flat(reported, &self.account.borrow());
            let bytes = serde_json::to_vec(&json).unwrap_or_default();
            // Lost metrics are lost: the next ones are newer.
            let sent = self.handle.publish(
                topic.clone(),
                bytes,
                Qos::AtMostOnce,
                false,
                Properties::default(),
            );
            tracing::trace!(sent = sent.is_ok(), "metrics");
        }
    }
}

/// The figures as one flat object.
pub(super) fn flat(reported: Option<Arc<Reported>>, account: &Account) -> Map<String, Value> {
    let mut map = Map::new();
    let mut put = |name: &str, value: u64| {
        map.insert(name.to_owned(), value.into());
    };
    put("outbox_held", account.holdings.held);
    put("outbox_bytes", account.holdings.bytes);
    put("outbox_dropped_total", account.holdings.dropped);
    put("outbox_unwritten_total", account.unwritten);
    put("outbox_syncs_total", account.writes);
    let resident = noroshi_engine::memory().map_or(0, |memory| memory.resident);
    put("agent_rss_bytes", resident);
    let cpu_ms = noroshi_engine::process_cpu().as_millis();
    put(
        "agent_cpu_ms_total",
        u64::try_from(cpu_ms).unwrap_or(u64::MAX),
    );
    if let Some(reported) = reported {
        let figures = || reported.pipelines.iter().map(|pipeline| pipeline.figures);
        put("frames_total", figures().map(|f| f.frames).sum());
        put("frames_skipped_total", figures().map(|f| f.skipped).sum());
        put(
            "worker_crashes_total",
            figures().map(|f| u64::from(f.crashes)).sum(),
        );
        put("worker_rss_bytes", figures().map(|f| f.memory).sum());
        let slowest = |pick: fn(noroshi_protocol::Figures) -> u32| {
            figures().map(pick).max().map_or(0, u64::from)
        };
        put("inference_cpu_us_p50", slowest(|f| f.cpu_us_p50));
        put("inference_cpu_us_p95", slowest(|f| f.cpu_us_p95));
    }
    if let Some(celsius) = temperature() {
        map.insert("temperature_c".into(), celsius.into());
    }
    map
}

fn temperature() -> Option<f64> {
    let text = std::fs::read_to_string(THERMAL_ZONE).ok()?;
    let milli: f64 = text.trim().parse().ok()?;
    Some(milli / 1_000.0)
}
