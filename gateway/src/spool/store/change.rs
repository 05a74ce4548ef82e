//! A change of the store that is being put together, and what an entry is made of.

use noroshi_protocol::RangeSet;
use sled::Batch;

use crate::delivery::Incoming;
use crate::spool::index::{Entry, Flow, Stage};
use crate::spool::stored::Stored;

#[derive(Default)]
pub(super) struct Change {
    pub(super) batch: Batch,
    pub(super) bytes: u64,
    pub(super) added: Vec<(u64, Entry)>,
    pub(super) removed: Vec<u64>,
}

pub(super) fn stored(incoming: &Incoming, flow: &Flow, sequences: &RangeSet) -> Stored {
    Stored {
        topic: incoming.topic.to_string(),
        device: flow.device.clone(),
        boot: flow.boot,
        stream: flow.stream,
        sequences: sequences.ranges().to_vec(),
        received_ms: incoming.received_ms,
        payload: incoming.payload.to_vec(),
    }
}

pub(super) fn entry(stored: &Stored, bytes: u64, stage: Stage) -> Entry {
    let flow = Flow {
        device: stored.device.clone(),
        boot: stored.boot,
        stream: stored.stream,
    };
    Entry {
        flow,
        sequences: stored.sequences.clone(),
        bytes,
        stage,
    }
}
