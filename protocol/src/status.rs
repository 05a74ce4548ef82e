//! Presence: flat JSON, retained; the broker publishes *lost* when a device is gone.

use serde::{Deserialize, Serialize};

use crate::BootId;

/// What `status/agent` carries. Ordered by (start, connection): a lower one than the newest
/// seen is ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Whether the device is there.
    pub status: Presence,
    /// The agent's start counter.
    pub start: u64,
    /// Counts the connections within the start.
    pub connection: u64,
    /// The start's random id.
    pub boot: BootId,
    /// Unix milliseconds of the device when it connected.
    pub since_ms: u64,
    /// Version of the agent or gateway.
    pub version: String,
}

/// Whether a device is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    /// Connected.
    Online,
    /// Said goodbye.
    Stopped,
    /// Gone without a word (the will).
    Lost,
}

impl Status {
    /// The message as JSON.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a flat structure")
    }

    /// Reads the JSON; `None` if it is none or too long.
    pub fn from_json(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > crate::limits::SMALL {
            return None;
        }
        serde_json::from_slice(bytes).ok()
    }

    /// Whether this one replaces `other`: newer, or as new (the will of a connection
    /// follows its *online*).
    pub fn replaces(&self, other: &Self) -> bool {
        (self.start, self.connection) >= (other.start, other.connection)
    }
}
