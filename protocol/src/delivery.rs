//! Acknowledgements: the next holder has records on its disk.

use serde::{Deserialize, Serialize};

use crate::{BootId, Message, SequenceRange, StoreId, limits};

/// What the next holder says about the records of one (boot, stream). It settles only what
/// it names; the stream is the topic's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// The boot whose records are meant.
    pub boot: BootId,
    /// The holder's store; another one than before means: send again what you still have.
    pub store: StoreId,
    /// Sequences that are safe with the holder.
    pub settled: Vec<SequenceRange>,
    /// Sequences that the holder will never take; they are settled too, and an event says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refusal>,
}

/// Records that are not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Their sequences.
    pub range: SequenceRange,
    /// Why.
    pub reason: RefusalReason,
}

/// Why records are not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalReason {
    /// They break a rule of the format.
    Malformed,
    /// The holder does not know the device or the pipeline.
    Unknown,
    /// The organisation's quota is used up.
    Quota,
}

impl RefusalReason {
    /// In words, for events.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Malformed => "they break a rule of the format",
            Self::Unknown => "the device is not known there, or was revoked",
            Self::Quota => "the quota is used up",
        }
    }
}

impl Message for Ack {
    const WORD: &'static str = "acknowledgement";
    const LIMIT: usize = limits::SMALL;

    fn fault(&self) -> Option<String> {
        if self.settled.len() > limits::ACK_RANGES || self.refused.len() > limits::ACK_RANGES {
            return Some(format!("at most {} ranges", limits::ACK_RANGES));
        }
        let sound = self.settled.iter().all(SequenceRange::is_sound)
            && self.refused.iter().all(|refusal| refusal.range.is_sound());
        (!sound).then(|| "ranges must be in order".into())
    }
}
