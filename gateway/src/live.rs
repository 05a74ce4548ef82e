//! `live/<pipeline>`: the newest result as flat JSON, for whoever looks, at most twice a second.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use noroshi_protocol::{Answer, Channel, Kind, Live, Record, Topic};
use tokio_util::sync::CancellationToken;

use crate::broker::BrokerHandle;
use crate::delivery::{Incoming, Records};

/// Twice a second.
const PACE: Duration = Duration::from_millis(500);
/// Pipelines that are remembered; the last that was heard of goes first.
const PIPELINES: usize = 4_096;
/// Labels counted for one pipeline.
const LABELS: usize = 64;

#[derive(Debug)]
struct Newest {
    record: Record<Answer>,
    order: (u64, u64),
    received_ms: u64,
    counts: BTreeMap<String, u64>,
    unsent: bool,
}

type Pipelines = HashMap<Topic, Newest>;

/// The entrance to the renderer. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct LiveFeed {
    pipelines: Arc<Mutex<Pipelines>>,
}

impl LiveFeed {
    fn pipelines(&self) -> std::sync::MutexGuard<'_, Pipelines> {
        self.pipelines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at a batch; never waits.
    pub fn offer(&self, incoming: &Incoming) {
        let (Channel::Result(pipeline), Records::Answers(batch)) =
            (&incoming.topic.channel, &incoming.records)
        else {
            return;
        };
        let Some(last) = batch.records.last() else {
            return;
        };
        let topic = Topic {
            channel: Channel::Live(pipeline.clone()),
            ..incoming.topic.clone()
        };
        let order = (batch.start, last.sequence);
        let mut pipelines = self.pipelines();
        if pipelines.len() >= PIPELINES && !pipelines.contains_key(&topic) {
            return;
        }
        let newest = pipelines.entry(topic).or_insert_with(|| Newest {
            record: last.clone(),
            order,
            received_ms: incoming.received_ms,
            counts: BTreeMap::new(),
            unsent: true,
        });
        for record in &batch.records {
            let Some(best) = record.body.top.first() else {
                continue;
            };
            let room = newest.counts.len() < LABELS;
            match newest.counts.get_mut(&best.label) {
                Some(count) => *count += 1,
                None if room => drop(newest.counts.insert(best.label.clone(), 1)),
                None => {}
            }
        }
        // A backlog may come after what is newer.
        if order >= newest.order {
            newest.record = last.clone();
            newest.order = order;
            newest.received_ms = incoming.received_ms;
            newest.unsent = true;
        }
    }

    fn render(&self, is_watched: impl Fn(&Topic) -> bool) -> Vec<(Topic, Vec<u8>)> {
        self.pipelines()
            .iter_mut()
            .filter(|(topic, newest)| newest.unsent && is_watched(topic))
            .map(|(topic, newest)| {
                newest.unsent = false;
                let live = Live::render(&newest.record, newest.received_ms, &newest.counts);
                (topic.clone(), live.to_json())
            })
            .collect()
    }
}

/// Renders what the feed is offered.
pub struct Renderer {
    broker: BrokerHandle,
    feed: LiveFeed,
}

impl Renderer {
    /// A renderer that publishes on `broker`, and its entrance.
    pub fn new(broker: BrokerHandle) -> (Self, LiveFeed) {
        let feed = LiveFeed::default();
        (
            Self {
                broker,
                feed: feed.clone(),
            },
            feed,
        )
    }

    /// Runs until `stop` is cancelled.
    pub async fn run(self, stop: CancellationToken) -> Result<(), std::convert::Infallible> {
        let mut tick = tokio::time::interval(PACE);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = tick.tick() => {}
            }
            let watched = self.broker.watched(Kind::Live).await;
            if watched.is_empty() {
                continue;
            }
            let is_watched = |topic: &Topic| watched.iter().any(|filter| filter.matches(topic));
            for (topic, payload) in self.feed.render(is_watched) {
                self.broker.publish(&topic, Bytes::from(payload)).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use noroshi_protocol::{Batch, BootId, ClockSource, FrameId, Message as _, OsBoot, Scored};

    use super::*;

    fn batch(start: u64, sequences: &[u64], label: &str) -> Incoming {
        let record = |sequence: &u64| Record {
            sequence: *sequence,
            monotonic_ms: 1,
            wall_ms: 2,
            clock: ClockSource::Ntp,
            body: Answer {
                frame: FrameId {
                    source: 1,
                    number: *sequence,
                },
                revision: 1,
                model: "m".parse().unwrap(),
                version: 1,
                variant: "int8".parse().unwrap(),
                top: vec![Scored {
                    label: label.into(),
                    score: 0.5,
                }],
                cpu_us: 1,
            },
        };
        let batch = Batch {
            boot: BootId::from_bytes([1; 16]),
            start,
            os_boot: OsBoot::from_bytes([2; 16]),
            records: sequences.iter().map(record).collect(),
        };
        let topic = "noroshi/v1/o/s/d/result/p".parse().unwrap();
        Incoming::read(topic, batch.to_cbor().into(), 9)
            .unwrap()
            .unwrap()
    }

    #[test]
    fn the_newest_is_rendered_once_and_only_if_watched() {
        let feed = LiveFeed::default();
        feed.offer(&batch(2, &[4, 5], "cat"));
        feed.offer(&batch(1, &[90], "dog"));
        assert!(feed.render(|_| false).is_empty());
        let rendered = feed.render(|_| true);
        assert_eq!(rendered.len(), 1);
        assert_eq!(rendered[0].0.to_string(), "noroshi/v1/o/s/d/live/p");
        let json: serde_json::Value = serde_json::from_slice(&rendered[0].1).unwrap();
        assert_eq!(json["sequence"], 5);
        assert_eq!(json["label"], "cat");
        assert_eq!(
            (&json["count_cat"], &json["count_dog"]),
            (&2.into(), &1.into())
        );
        assert!(feed.render(|_| true).is_empty());
    }
}
