//! From the broker's hook to a store and back: a bounded queue, one commit for many batches, and
//! an acknowledgement only for what is on the disk.
//!
//! The PUBACK of a batch says that it is in the queue, so it only paces the sender. The record
//! leaves the sender's outbox on the `ack/<stream>` that is published here after the commit.

mod incoming;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use noroshi_protocol::{
    Ack, BootId, Channel, Message as _, RangeSet, Refusal, StoreId, Stream, Topic, limits,
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::broker::{BrokerHandle, Verdict};
use noroshi_service::failpoint;

pub use incoming::{Incoming, Records};

/// Any error of a store.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What a store did with one batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// Sequences that are safe, among them those that were safe before.
    pub settled: RangeSet,
    /// Sequences that are never taken.
    pub refused: Vec<Refusal>,
}

/// A store of records: the gateway's spool or the cloud's database.
#[async_trait]
pub trait Holder: Send + Sync + 'static {
    /// Keeps all batches durably, in one commit, and answers one [`Kept`] a batch, in order.
    /// After an error nobody is acknowledged, and the devices send again.
    async fn keep(&self, batches: Vec<Arc<Incoming>>) -> Result<Vec<Kept>, BoxError>;

    /// The store's id, for acknowledgements.
    fn store(&self) -> StoreId;
}

/// Sizes of a delivery.
#[derive(Debug, Clone, Copy)]
pub struct DeliveryOptions {
    /// Batches that may wait; one more is answered with *busy*.
    pub queue: usize,
    /// Batches in one commit, at most.
    pub group: usize,
}

impl Default for DeliveryOptions {
    fn default() -> Self {
        Self {
            queue: 256,
            group: 64,
        }
    }
}

/// The entrance to a delivery. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Intake {
    queue: mpsc::Sender<Arc<Incoming>>,
    busy: Arc<AtomicU64>,
}

impl Intake {
    /// Queues a batch; never waits.
    pub fn offer(&self, incoming: Arc<Incoming>) -> Verdict {
        if self.queue.try_send(incoming).is_ok() {
            Verdict::Taken
        } else {
            self.busy.fetch_add(1, Ordering::Relaxed);
            Verdict::Busy
        }
    }

    /// Batches that were turned away since the start.
    pub fn turned_away(&self) -> u64 {
        self.busy.load(Ordering::Relaxed)
    }
}

/// Takes batches out of the queue, has them kept, and acknowledges.
pub struct Delivery {
    holder: Arc<dyn Holder>,
    broker: BrokerHandle,
    queue: mpsc::Receiver<Arc<Incoming>>,
    group: usize,
    failing: bool,
}

type Flow = (Topic, BootId);

impl Delivery {
    /// A delivery into `holder` that acknowledges on `broker`.
    pub fn new(
        holder: Arc<dyn Holder>,
        broker: BrokerHandle,
        options: DeliveryOptions,
    ) -> (Self, Intake) {
        let (sender, queue) = mpsc::channel(options.queue.max(1));
        let group = options.group.max(1);
        let delivery = Self {
            holder,
            broker,
            queue,
            group,
            failing: false,
        };
        (
            delivery,
            Intake {
                queue: sender,
                busy: Arc::default(),
            },
        )
    }

    /// Runs until `stop` is cancelled, then keeps what is queued.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), BoxError> {
        loop {
            let mut batches = Vec::new();
            let received = tokio::select! {
                () = stop.cancelled() => break,
                received = self.queue.recv_many(&mut batches, self.group) => received,
            };
            if received == 0 {
                return Ok(());
            }
            self.keep(batches).await;
        }
        self.queue.close();
        let mut rest = Vec::new();
        while self.queue.recv_many(&mut rest, self.group).await > 0 {
            self.keep(std::mem::take(&mut rest)).await;
        }
        Ok(())
    }

    async fn keep(&mut self, batches: Vec<Arc<Incoming>>) {
        match self.holder.keep(batches.clone()).await {
            Ok(kept) => {
                if std::mem::take(&mut self.failing) {
                    info!("records are stored again");
                }
                failpoint::pass("delivery.before_ack");
                for (topic, ack) in acks(&batches, kept, &self.holder.store()) {
                    self.broker
                        .publish(&topic, Bytes::from(ack.to_cbor()))
                        .await;
                }
                failpoint::pass("delivery.after_ack");
            }
            Err(error) => {
                // One line a change: a full disk would else write one line a batch.
                if !std::mem::replace(&mut self.failing, true) {
                    warn!(%error, "records can't be stored; devices keep them and send again");
                }
            }
        }
    }
}

/// The fewest acknowledgements: one a (device, stream, boot), unless it has too many ranges.
fn acks(batches: &[Arc<Incoming>], kept: Vec<Kept>, store: &StoreId) -> Vec<(Topic, Ack)> {
    let mut flows: BTreeMap<Flow, Kept> = BTreeMap::new();
    for (batch, kept) in batches.iter().zip(kept) {
        let topic = ack_topic(&batch.topic, batch.stream());
        let flow = flows.entry((topic, batch.boot())).or_default();
        for range in kept.settled.ranges() {
            flow.settled.insert(*range);
        }
        flow.refused.extend(kept.refused);
    }
    let mut acks = Vec::new();
    for ((topic, boot), kept) in flows {
        let settled = kept.settled.ranges();
        let parts = settled
            .len()
            .div_ceil(limits::ACK_RANGES)
            .max(kept.refused.len().div_ceil(limits::ACK_RANGES));
        for part in 0..parts {
            let ack = Ack {
                boot,
                store: store.clone(),
                settled: slice(settled, part),
                refused: slice(&kept.refused, part),
            };
            acks.push((topic.clone(), ack));
        }
    }
    acks
}

fn slice<T: Clone>(all: &[T], part: usize) -> Vec<T> {
    all.chunks(limits::ACK_RANGES)
        .nth(part)
        .unwrap_or_default()
        .to_vec()
}

fn ack_topic(topic: &Topic, stream: Stream) -> Topic {
    Topic {
        channel: Channel::Ack(stream),
        ..topic.clone()
    }
}

#[cfg(test)]
mod tests;
