//! A batch of records on its way to a store: decoded once, checked, and kept as its bytes.

use bytes::Bytes;
use noroshi_protocol::{
    Answer, Batch, BootId, Channel, DecodeError, Event, Message as _, OsBoot, RangeSet,
    SequenceRange, Stream, Topic,
};

/// The records of one batch.
#[derive(Debug, Clone, PartialEq)]
pub enum Records {
    /// Of the stream *result*.
    Answers(Batch<Answer>),
    /// Of the stream *event*.
    Events(Batch<Event>),
}

/// One message of a result or event topic.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// Where it came from.
    pub topic: Topic,
    /// Exactly the bytes that were published, at most 32 KiB.
    pub payload: Bytes,
    /// The same, decoded: limits hold and sequences rise.
    pub records: Records,
    /// Unix milliseconds at which it came in here.
    pub received_ms: u64,
}

impl Incoming {
    /// Reads a batch. `None` if the topic carries no records.
    pub fn read(
        topic: Topic,
        payload: Bytes,
        received_ms: u64,
    ) -> Option<Result<Self, DecodeError>> {
        let records = match &topic.channel {
            Channel::Result(_) => Batch::from_cbor(&payload).map(Records::Answers),
            Channel::Event(_) => Batch::from_cbor(&payload).map(Records::Events),
            _ => return None,
        };
        Some(records.map(|records| Self {
            topic,
            payload,
            records,
            received_ms,
        }))
    }

    /// Which stream its sequences belong to.
    pub fn stream(&self) -> Stream {
        match self.records {
            Records::Answers(_) => Stream::Result,
            Records::Events(_) => Stream::Event,
        }
    }

    /// Which start of the agent made the records.
    pub fn boot(&self) -> BootId {
        match &self.records {
            Records::Answers(batch) => batch.boot,
            Records::Events(batch) => batch.boot,
        }
    }

    /// That start's number.
    pub fn start(&self) -> u64 {
        match &self.records {
            Records::Answers(batch) => batch.start,
            Records::Events(batch) => batch.start,
        }
    }

    /// Which start of the operating system.
    pub fn os_boot(&self) -> OsBoot {
        match &self.records {
            Records::Answers(batch) => batch.os_boot,
            Records::Events(batch) => batch.os_boot,
        }
    }

    /// How many records there are: 1 to 256.
    pub fn count(&self) -> usize {
        match &self.records {
            Records::Answers(batch) => batch.records.len(),
            Records::Events(batch) => batch.records.len(),
        }
    }

    /// Their sequences.
    pub fn sequences(&self) -> RangeSet {
        let one = |sequence| SequenceRange {
            from: sequence,
            to: sequence,
        };
        match &self.records {
            Records::Answers(batch) => batch.records.iter().map(|r| one(r.sequence)).collect(),
            Records::Events(batch) => batch.records.iter().map(|r| one(r.sequence)).collect(),
        }
    }
}
