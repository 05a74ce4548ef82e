//! The gateway's own events: the device `gateway` has a stream like any other.

use std::collections::BTreeMap;
use std::sync::Arc;

use noroshi_protocol::{
    Batch, Channel, DeviceId, Dropped, Event, EventKind, Message as _, RangeSet, Record,
    SequenceRange, Stream, limits,
};
use noroshi_service::clock::SessionClock;

use super::index::Flow;
use super::stored::Stored;
use crate::start::Start;

/// Events a batch, well within its bytes.
const EVENTS: usize = 32;
/// Events of one kind at once; more are told as a number.
const MOST: usize = limits::BATCH_RECORDS;

pub(super) struct Own {
    start: Start,
    clock: Arc<SessionClock>,
    next: u64,
}

impl Own {
    pub(super) fn new(start: Start, clock: Arc<SessionClock>) -> Self {
        Self {
            start,
            clock,
            next: 0,
        }
    }

    /// Gives the events their sequences, in batches of one kind.
    pub(super) fn batches(&mut self, events: Vec<Event>) -> Vec<Stored> {
        let mut kinds: BTreeMap<EventKind, Vec<Event>> = BTreeMap::new();
        for event in events {
            kinds.entry(event.kind.clone()).or_default().push(event);
        }
        let mut batches = Vec::new();
        for (kind, mut events) in kinds {
            events.truncate(MOST);
            while !events.is_empty() {
                let rest = events.split_off(events.len().min(EVENTS));
                batches.push(self.batch(&kind, events));
                events = rest;
            }
        }
        batches
    }

    fn batch(&mut self, kind: &EventKind, events: Vec<Event>) -> Stored {
        let now = self.clock.now();
        let from = self.next;
        self.next += events.len() as u64;
        let record = |(at, body)| Record {
            sequence: from + at as u64,
            monotonic_ms: now.monotonic_ms,
            wall_ms: now.wall_ms,
            clock: now.source,
            body,
        };
        let batch = Batch {
            boot: self.start.boot,
            start: self.start.number,
            os_boot: self.start.os_boot,
            records: events.into_iter().enumerate().map(record).collect(),
        };
        Stored {
            topic: self.start.topic(Channel::Event(kind.clone())).to_string(),
            device: DeviceId::gateway().to_string(),
            boot: self.start.boot,
            stream: Stream::Event,
            sequences: vec![SequenceRange {
                from,
                to: self.next - 1,
            }],
            received_ms: now.wall_ms,
            payload: batch.to_cbor(),
        }
    }

    /// Records of a device were dropped here.
    pub(super) fn drop_event(device: &str, dropped: Dropped) -> Event {
        let count = dropped.range.count();
        let reason = dropped.reason.word();
        Event {
            dropped: Some(dropped),
            ..event(
                "records-dropped",
                format!("{count} records of {device} were dropped at the gateway: {reason}"),
                [("device", device)],
            )
        }
    }

    /// The cloud refuses records for good.
    pub(super) fn refusal_event(flow: &Flow, reason: &str, refused: &RangeSet) -> Event {
        let (device, count) = (flow.device.as_str(), refused.count());
        let first = refused.ranges().first().map_or(0, |range| range.from);
        let last = refused.last().unwrap_or(first);
        event(
            "records-refused",
            format!("the cloud refuses {count} records of {device}: {reason}"),
            [
                ("device", device),
                ("stream", flow.stream.word()),
                ("boot", &flow.boot.to_string()),
                ("reason", reason),
                ("count", &count.to_string()),
                ("from", &first.to_string()),
                ("to", &last.to_string()),
            ],
        )
    }
}

/// An event of the gateway. `kind` is a word of ours.
pub(crate) fn event<const N: usize>(
    kind: &str,
    message: String,
    details: [(&str, &str); N],
) -> Event {
    Event {
        kind: kind.parse().expect("kinds are ids"),
        message: message.chars().take(300).collect(),
        details: details
            .into_iter()
            .map(|(name, text)| (name.into(), text.into()))
            .collect(),
        dropped: None,
    }
}
