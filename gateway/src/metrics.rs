//! `metric/gateway`: the gateway's own numbers, once a minute.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use noroshi_protocol::Channel;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::GatewayError;
use crate::bridge::Uplink;
use crate::broker::BrokerHandle;
use crate::delivery::Intake;
use crate::site::SiteDown;
use crate::spool::Spool;
use crate::start::Start;

const PERIOD: Duration = Duration::from_mins(1);

/// Collects and publishes.
pub(crate) struct Metrics {
    pub(crate) start: Start,
    pub(crate) uplink: Uplink,
    pub(crate) broker: BrokerHandle,
    pub(crate) spool: Spool,
    pub(crate) intake: Intake,
    pub(crate) down: Arc<SiteDown>,
}

/// Flat numbers.
#[derive(Debug, Serialize)]
struct Numbers {
    connections: u64,
    messages_dropped: u64,
    refused: u64,
    batches_turned_away: u64,
    spool_batches: u64,
    spool_pending_bytes: u64,
    spool_bytes: u64,
    records_dropped: u64,
    records_refused: u64,
    metrics_overtaken: u64,
    linked: u8,
    resident_bytes: u64,
}

impl Metrics {
    pub(crate) async fn run(self, stop: CancellationToken) -> Result<(), GatewayError> {
        let topic = self
            .start
            .topic(Channel::Metric("gateway".parse().expect("an id")));
        let mut tick = tokio::time::interval(PERIOD);
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = tick.tick() => {}
            }
            let numbers = self.numbers().await?;
            let payload = Bytes::from(serde_json::to_vec(&numbers).expect("flat numbers"));
            self.broker.publish(&topic, payload.clone()).await;
            self.uplink.offer(topic.clone(), payload);
        }
    }

    async fn numbers(&self) -> Result<Numbers, GatewayError> {
        let broker = self.broker.counts();
        let spool = self.spool.stats().await?;
        Ok(Numbers {
            connections: broker.connections,
            messages_dropped: broker.dropped,
            refused: broker.refused,
            batches_turned_away: self.intake.turned_away(),
            spool_batches: spool.pending,
            spool_pending_bytes: spool.pending_bytes,
            spool_bytes: spool.bytes,
            records_dropped: spool.dropped,
            records_refused: spool.refused,
            metrics_overtaken: self.uplink.overtaken(),
            linked: self.down.is_linked().into(),
            resident_bytes: resident_bytes(),
        })
    }
}

/// The size of a page on every platform we build for.
const PAGE: u64 = 4096;

/// Zero where the kernel does not say.
fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|statm| statm.split(' ').nth(1)?.parse::<u64>().ok())
        .unwrap_or(0);
    pages * PAGE
}
