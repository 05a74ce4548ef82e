//! Records: what devices find, each with a place in a stream, sent in batches.

use std::collections::BTreeMap;

use noroshi_model::{ModelId, VariantName};
use serde::{Deserialize, Serialize};

use crate::{BootId, EventKind, FrameId, Message, OsBoot, SequenceRange, limits};

/// A device's streams; each counts its own sequence from 0 in every boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// What models answer.
    Result,
    /// What happens to the device.
    Event,
}

impl Stream {
    /// Both streams.
    pub const ALL: [Self; 2] = [Self::Result, Self::Event];

    /// The word in topics and tables.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Result => "result",
            Self::Event => "event",
        }
    }

    /// The stream of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stream| stream.word() == word)
    }
}

/// Where a record's wall time came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClockSource {
    /// Nothing has set the clock since the start.
    None,
    /// The gateway's signed time.
    Gateway,
    /// The system's clock, which says it is synchronized.
    Ntp,
}

/// A message of a result or event topic: 1 to 256 records of one (boot, stream).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Batch<B> {
    /// Which start of the agent made them.
    pub boot: BootId,
    /// That start's number: (start, sequence) is the order.
    pub start: u64,
    /// Which start of the operating system; `monotonic_ms` compares within it.
    pub os_boot: OsBoot,
    /// The records; sequences rise but need not be neighbours.
    pub records: Vec<Record<B>>,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record<B> {
    /// Place in the stream.
    pub sequence: u64,
    /// Milliseconds of CLOCK_BOOTTIME.
    pub monotonic_ms: u64,
    /// Unix milliseconds, as far as the device knew.
    pub wall_ms: u64,
    /// How far it knew.
    pub clock: ClockSource,
    /// What is recorded.
    pub body: B,
}

/// What a record may be about.
pub trait Body: serde::Serialize + serde::de::DeserializeOwned {
    /// The stream that carries it.
    const STREAM: Stream;

    /// A broken rule, if any.
    fn fault(&self) -> Option<String>;
}

impl<B: Body> Message for Batch<B> {
    const WORD: &'static str = "batch of records";
    const LIMIT: usize = limits::BATCH;

    fn fault(&self) -> Option<String> {
        if self.records.is_empty() || self.records.len() > limits::BATCH_RECORDS {
            return Some(format!(
                "a batch has 1 to {} records",
                limits::BATCH_RECORDS
            ));
        }
        if self
            .records
            .windows(2)
            .any(|pair| pair[0].sequence >= pair[1].sequence)
        {
            return Some("sequences must rise within a batch".into());
        }
        self.records.iter().find_map(|record| record.body.fault())
    }
}

/// What a model answered about a frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The frame.
    pub frame: FrameId,
    /// The pipeline's revision.
    pub revision: u32,
    /// The model.
    pub model: ModelId,
    /// Its version.
    pub version: u32,
    /// The variant that ran.
    pub variant: VariantName,
    /// Labels with scores, best first, 1 to 16 of them.
    pub top: Vec<Scored>,
    /// CPU time of the inference, in microseconds.
    pub cpu_us: u32,
}

/// A label with its score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// The label's slug.
    pub label: String,
    /// 0..=1.
    pub score: f32,
}

impl Body for Answer {
    const STREAM: Stream = Stream::Result;

    fn fault(&self) -> Option<String> {
        if self.top.is_empty() || self.top.len() > 16 {
            return Some("an answer has 1 to 16 labels".into());
        }
        let sound = |scored: &Scored| {
            (0.0..=1.0).contains(&scored.score) && (1..=32).contains(&scored.label.len())
        };
        (!self.top.iter().all(sound)).then(|| "scores are 0..=1, labels 1 to 32 bytes".into())
    }
}

/// Something that happened to a device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// What it is about; the topic's name as well.
    pub kind: EventKind,
    /// For people, at most 1,000 bytes.
    pub message: String,
    /// Details by name, at most 32.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, String>,
    /// Records that a quota dropped: their sequences are settled by this event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped: Option<Dropped>,
}

impl Body for Event {
    const STREAM: Stream = Stream::Event;

    fn fault(&self) -> Option<String> {
        if self.message.len() > 1000 || self.details.len() > 32 {
            return Some("an event has at most 1,000 bytes of message and 32 details".into());
        }
        let ends = self
            .dropped
            .as_ref()
            .is_some_and(|dropped| !dropped.range.is_sound());
        ends.then(|| "a dropped range must be in order".into())
    }
}

/// Records that exist no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// The boot that made them.
    pub boot: BootId,
    /// Their stream.
    pub stream: Stream,
    /// Their sequences.
    pub range: SequenceRange,
    /// Why.
    pub reason: DropReason,
}

/// Why records were dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DropReason {
    /// The outbox's or spool's byte quota was reached.
    Quota,
    /// The disk was full.
    DiskFull,
    /// The store was corrupt and was moved aside.
    Corrupt,
}

impl DropReason {
    /// The word in tables.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Quota => "quota",
            Self::DiskFull => "disk_full",
            Self::Corrupt => "corrupt",
        }
    }
}
