//! The order of what a device says over its restarts and connections, and clones of it.

use noroshi_protocol::{BootId, Status};
use serde::{Deserialize, Serialize};

/// Starts that are remembered for finding clones.
const REMEMBERED: usize = 8;

/// What an observation is, beside those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// As new as the newest or newer: it counts.
    Newer,
    /// Older than the newest: to be ignored.
    Stale,
    /// A start that another boot has had: a cloned or restored card. To be shown, and ignored
    /// until the device is enrolled anew.
    Clone,
}

/// The starts of one device that a broker or the cloud has seen.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Starts {
    /// Rising by start; the last is the newest.
    seen: Vec<(u64, BootId)>,
}

impl Starts {
    /// Takes note of a start, from a status, a report or a batch of records.
    pub fn observe(&mut self, start: u64, boot: BootId) -> Seen {
        match self.seen.binary_search_by_key(&start, |(seen, _)| *seen) {
            Ok(at) if self.seen[at].1 != boot => Seen::Clone,
            Ok(at) if at + 1 == self.seen.len() => Seen::Newer,
            Ok(_) => Seen::Stale,
            Err(at) if at < self.seen.len() => Seen::Stale,
            Err(_) => {
                self.seen.push((start, boot));
                if self.seen.len() > REMEMBERED {
                    self.seen.remove(0);
                }
                Seen::Newer
            }
        }
    }

    /// The newest start and its boot.
    pub fn newest(&self) -> Option<(u64, BootId)> {
        self.seen.last().copied()
    }
}

/// What a broker or the cloud knows of one device's presence.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sightings {
    starts: Starts,
    newest: Option<Status>,
}

impl Sightings {
    /// Takes note of a status: kept if it is [`Seen::Newer`], else without effect.
    pub fn observe(&mut self, status: &Status) -> Seen {
        match self.starts.observe(status.start, status.boot) {
            Seen::Newer => {}
            other => return other,
        }
        if self
            .newest
            .as_ref()
            .is_some_and(|newest| !status.replaces(newest))
        {
            return Seen::Stale;
        }
        self.newest = Some(status.clone());
        Seen::Newer
    }

    /// The newest status.
    pub fn newest(&self) -> Option<&Status> {
        self.newest.as_ref()
    }
}
