//! Telling people: an event in the outbox, each piece of news once.

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use noroshi_protocol::Event;
use noroshi_service::clock::SessionClock;

use crate::outbox::{OutboxPen, Stamp};

/// Most different texts that are remembered.
const REMEMBERED: usize = 1_024;

/// Writes events. Clones share what was told already.
#[derive(Clone)]
pub(super) struct Notes {
    pen: OutboxPen,
    clock: Arc<SessionClock>,
    told: Arc<Mutex<HashSet<u64>>>,
}

impl Notes {
    pub(super) fn new(pen: OutboxPen, clock: Arc<SessionClock>) -> Self {
        Self {
            pen,
            clock,
            told: Arc::default(),
        }
    }

    /// Writes an event; a full or broken disk must not stop what runs, so failure is only logged.
    pub(super) async fn tell(&self, event: Event) {
        tracing::info!(event.kind = %event.kind, "{}", event.message);
        let record = crate::event::record(&event, stamp(&self.clock));
        if let Err(e) = self.pen.submit(record).await {
            tracing::warn!(error = %e, "an event could not be kept");
        }
    }

    /// Whether `text` was not asked about before.
    pub(super) fn is_new(&self, text: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= REMEMBERED {
            told.clear();
        }
        told.insert(hasher.finish())
    }
}

/// The time for a record.
pub(super) fn stamp(clock: &SessionClock) -> Stamp {
    let reading = clock.now();
    Stamp {
        monotonic_ms: reading.monotonic_ms,
        wall_ms: reading.wall_ms,
        clock: reading.source,
    }
}
