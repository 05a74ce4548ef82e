//! What goes up beside records: state, replies and metrics, each in a bounded lane of its own.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use noroshi_protocol::{Channel, DeviceId, Status, Topic};
use tokio::sync::Notify;

use crate::broker::Verdict;

/// Topics with state: two a device.
const STATES: usize = 8_192;
const REPLIES: usize = 256;
const METRICS: usize = 1_024;

#[derive(Debug, Default)]
struct Lanes {
    state: BTreeMap<Topic, Bytes>,
    unsent: BTreeSet<Topic>,
    replies: VecDeque<(Topic, Bytes)>,
    metrics: BTreeMap<Topic, Bytes>,
    /// Metrics that a newer one replaced before it was sent.
    overtaken: u64,
}

/// The entrance to the bridge. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Uplink {
    lanes: Arc<Mutex<Lanes>>,
    waker: Arc<Notify>,
}

/// Something to be sent up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    State(Topic, Bytes),
    Reply(Topic, Bytes),
    Metric(Topic, Bytes),
}

impl Uplink {
    fn lanes(&self) -> std::sync::MutexGuard<'_, Lanes> {
        // Every change leaves the lanes whole.
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a message for the cloud; never waits. Records go to the spool instead.
    pub fn offer(&self, topic: Topic, payload: Bytes) -> Verdict {
        let verdict = self.lanes().offer(topic, payload);
        self.waker.notify_one();
        verdict
    }

    /// Completes when something was offered.
    pub(super) async fn offered(&self) {
        self.waker.notified().await;
    }

    /// The newest state of every device goes up (again): the connection is new.
    pub(super) fn all_state_again(&self) {
        let mut lanes = self.lanes();
        lanes.unsent = lanes.state.keys().cloned().collect();
    }

    /// The next item: state before replies.
    pub(super) fn urgent(&self) -> Option<Item> {
        let mut lanes = self.lanes();
        if let Some(topic) = lanes.unsent.pop_first() {
            let payload = lanes.state.get(&topic).cloned().unwrap_or_default();
            return Some(Item::State(topic, payload));
        }
        lanes
            .replies
            .pop_front()
            .map(|(topic, payload)| Item::Reply(topic, payload))
    }

    /// The next metric, sent when nothing else waits.
    pub(super) fn idle(&self) -> Option<Item> {
        self.lanes()
            .metrics
            .pop_first()
            .map(|(topic, payload)| Item::Metric(topic, payload))
    }

    /// An item did not get through.
    pub(super) fn put_back(&self, item: Item) {
        let mut lanes = self.lanes();
        match item {
            // A newer one may have come: that one is sent.
            Item::State(topic, _) => drop(lanes.unsent.insert(topic)),
            Item::Reply(topic, payload) => lanes.replies.push_front((topic, payload)),
            Item::Metric(topic, payload) => drop(lanes.metrics.entry(topic).or_insert(payload)),
        }
    }

    /// The newest status of every device.
    pub(crate) fn statuses(&self) -> BTreeMap<DeviceId, Status> {
        let lanes = self.lanes();
        let statuses = lanes
            .state
            .iter()
            .filter(|(topic, _)| topic.channel == Channel::Status);
        statuses
            .filter_map(|(topic, payload)| {
                Some((topic.device.clone(), Status::from_json(payload)?))
            })
            .collect()
    }

    /// Metrics that were replaced before they were sent.
    pub fn overtaken(&self) -> u64 {
        self.lanes().overtaken
    }
}

impl Lanes {
    fn offer(&mut self, topic: Topic, payload: Bytes) -> Verdict {
        match topic.channel {
            Channel::Status | Channel::Reported => self.offer_state(topic, payload),
            Channel::Reply(_) if self.replies.len() >= REPLIES => Verdict::Busy,
            Channel::Reply(_) => {
                self.replies.push_back((topic, payload));
                Verdict::Taken
            }
            Channel::Metric(_) => {
                let known = self.metrics.contains_key(&topic);
                if known || self.metrics.len() >= METRICS {
                    self.overtaken += 1;
                }
                if known || self.metrics.len() < METRICS {
                    self.metrics.insert(topic, payload);
                }
                Verdict::Taken
            }
            _ => Verdict::Refused,
        }
    }

    fn offer_state(&mut self, topic: Topic, payload: Bytes) -> Verdict {
        if topic.channel == Channel::Status {
            let Some(status) = Status::from_json(&payload) else {
                return Verdict::Refused;
            };
            let known = self
                .state
                .get(&topic)
                .and_then(|known| Status::from_json(known));
            if known.is_some_and(|known| !status.replaces(&known)) {
                // The will of a connection that was followed by another: of no interest.
                return Verdict::Taken;
            }
        }
        if self.state.len() >= STATES && !self.state.contains_key(&topic) {
            return Verdict::Busy;
        }
        self.unsent.insert(topic.clone());
        self.state.insert(topic, payload);
        Verdict::Taken
    }
}

#[cfg(test)]
mod tests {
    use noroshi_protocol::{BootId, Presence};

    use super::*;

    fn topic(device: &str, kind: &str) -> Topic {
        format!("noroshi/v1/o/s/{device}/{kind}").parse().unwrap()
    }

    fn status(connection: u64, status: Presence) -> Bytes {
        let boot = BootId::from_bytes([1; 16]);
        let version = "1".to_owned();
        Status {
            status,
            start: 1,
            connection,
            boot,
            since_ms: 0,
            version,
        }
        .to_json()
        .into()
    }

    #[test]
    fn the_newest_state_goes_first_and_an_old_will_is_ignored() {
        let uplink = Uplink::default();
        let online = status(2, Presence::Online);
        assert_eq!(
            uplink.offer(topic("d", "reply/1"), "r".into()),
            Verdict::Taken
        );
        uplink.offer(topic("d", "status/agent"), status(1, Presence::Online));
        uplink.offer(topic("d", "status/agent"), online.clone());
        uplink.offer(topic("d", "status/agent"), status(1, Presence::Lost));
        let item = Item::State(topic("d", "status/agent"), online.clone());
        assert_eq!(uplink.urgent(), Some(item.clone()));
        assert!(matches!(uplink.urgent(), Some(Item::Reply(..))));
        assert_eq!(uplink.urgent(), None);
        uplink.all_state_again();
        assert_eq!(uplink.urgent(), Some(item.clone()));
        uplink.put_back(item.clone());
        assert_eq!(uplink.urgent(), Some(item));
    }

    #[test]
    fn lanes_are_bounded() {
        let uplink = Uplink::default();
        for number in 0..REPLIES {
            let topic = topic("d", &format!("reply/{number}"));
            assert_eq!(uplink.offer(topic, Bytes::new()), Verdict::Taken);
        }
        assert_eq!(
            uplink.offer(topic("d", "reply/x"), Bytes::new()),
            Verdict::Busy
        );
        assert_eq!(
            uplink.offer(topic("d", "status/agent"), "x".into()),
            Verdict::Refused
        );
        assert_eq!(
            uplink.offer(topic("d", "ack/result"), Bytes::new()),
            Verdict::Refused
        );
        for _ in 0..3 {
            uplink.offer(topic("d", "metric/agent"), "m".into());
        }
        assert_eq!(uplink.overtaken(), 2);
        assert!(matches!(uplink.idle(), Some(Item::Metric(..))));
        assert_eq!(uplink.idle(), None);
    }
}
