//! Records on their way out, on disk until the next holder has them on its own.
//!
//! A record exists from the moment that [`Outbox::append`] returns: its place in the stream is
//! given in the same durable write. It leaves when an acknowledgement names it, or when the quota
//! drops it, which is itself recorded. Nothing here waits for a network.

mod keys;
mod pen;
mod probe;
mod start;
mod store;

pub use pen::{Account, OutboxPen, open};
pub use probe::{Probe, probe, try_open};
pub use start::{next_start, os_boot};
pub use store::SledOutbox;

#[cfg(test)]
mod tests;

use noroshi_protocol::{BootId, ClockSource, DropReason, Dropped, OsBoot, SequenceRange, Stream};

use crate::AgentError;

/// One start of the agent, as records carry it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Start {
    /// Persisted counter: later starts have greater numbers.
    pub number: u64,
    /// Random.
    pub boot: BootId,
    /// The kernel's.
    pub os_boot: OsBoot,
}

/// When something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Stamp {
    /// Milliseconds of `CLOCK_BOOTTIME`.
    pub monotonic_ms: u64,
    /// Unix milliseconds, as far as the device knows.
    pub wall_ms: u64,
    /// How far it knows.
    pub clock: ClockSource,
}

/// A record that does not exist yet.
#[derive(Debug, Clone)]
pub struct NewRecord {
    /// Its stream.
    pub stream: Stream,
    /// Its topic's last level: a pipeline, or the kind of an event.
    pub name: String,
    /// When.
    pub stamp: Stamp,
    /// Its body as CBOR.
    pub body: Vec<u8>,
}

/// A record that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Where it stands.
    pub place: Place,
    /// Its topic's last level.
    pub name: String,
    /// When.
    pub stamp: Stamp,
    /// Its body as CBOR.
    pub body: Vec<u8>,
}

/// Where a record stands among those of its stream, over all starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Number of the start that made it.
    pub start: u64,
    /// Its sequence within that.
    pub sequence: u64,
}

/// How much there may be.
#[derive(Debug, Clone, Copy)]
pub struct Quota {
    /// Bytes of results.
    pub result_bytes: u64,
    /// Bytes of events.
    pub event_bytes: u64,
}

impl Quota {
    fn of(&self, stream: Stream) -> u64 {
        match stream {
            Stream::Result => self.result_bytes,
            Stream::Event => self.event_bytes,
        }
    }
}

/// How much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Holdings {
    /// Records not yet acknowledged.
    pub held: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Records dropped since the store was made.
    pub dropped: u64,
}

/// The outbox in domain words; one writer.
pub trait Outbox: Send {
    /// Makes records exist, all of them or none, and returns their sequences. Durable on return.
    fn append(&mut self, records: &[NewRecord]) -> Result<Vec<u64>, AgentError>;

    /// The oldest records behind `after`, all of one start: at most `count`, and of at most
    /// `bytes` bytes unless the first alone is larger.
    fn read(
        &self,
        stream: Stream,
        after: Option<Place>,
        count: usize,
        bytes: usize,
    ) -> Result<Vec<Held>, AgentError>;

    /// Lets go of records that are safe elsewhere; unknown ones change nothing. Returns how many
    /// went.
    fn settle(
        &mut self,
        stream: Stream,
        boot: BootId,
        ranges: &[SequenceRange],
    ) -> Result<u64, AgentError>;

    /// The start with that number, as long as any of its records is held.
    fn start(&self, number: u64) -> Result<Option<Start>, AgentError>;

    /// How much there is.
    fn holdings(&self) -> Holdings;
}

/// The event that tells of records dropped by the quota.
fn drop_event(boot: BootId, stream: Stream, range: SequenceRange, stamp: Stamp) -> NewRecord {
    let count = range.count();
    let event = crate::event::event(
        "records-dropped",
        format!(
            "the outbox was full: {count} {} records were dropped; raise outbox.quota_bytes or \
             restore the link",
            stream.word()
        ),
    );
    let event = noroshi_protocol::Event {
        dropped: Some(Dropped {
            boot,
            stream,
            range,
            reason: DropReason::Quota,
        }),
        ..event
    };
    crate::event::record(&event, stamp)
}
