//! Sends what the outbox holds, in batches, again and again until it is acknowledged.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use noroshi_protocol::{
    Answer, Batch, Body, Channel, Event, Message, Record, SequenceRange, Stream, limits,
};
use noroshi_service::backoff::{self, Backoff, BackoffLimits};
use noroshi_service::session::{
    Properties, PublishOutcome, PublishTicket, Qos, Refusal, SessionHandle,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::acks::Acks;
use super::notes::Notes;
use super::oldest::Oldest;
use super::uplink::{Topics, batch_overhead};
use crate::AgentError;
use crate::outbox::{Held, OutboxPen, Place, Start};
use noroshi_service::failpoint;

/// Records in one read; a batch of that many goes out at once.
const READ: usize = 64;
/// With so many waiting there is no reason to wait for more.
const ENOUGH: usize = 32;
/// Batches whose PUBACK is awaited at once.
const WINDOW: usize = 4;
/// The shortest time between two batches of a backlog.
const PACE: Duration = Duration::from_millis(20);
/// How often the sender looks whether it should do something.
const LOOK: Duration = Duration::from_secs(1);
/// If the oldest record is not acknowledged for so long, everything is sent again; doubles up to
/// the longest.
const RESEND: BackoffLimits = BackoffLimits {
    shortest: Duration::from_secs(30),
    longest: Duration::from_secs(600),
    settled_after: Duration::ZERO,
};
/// How long a full receiver is left alone.
const FULL: BackoffLimits = BackoffLimits {
    shortest: Duration::from_secs(1),
    longest: Duration::from_secs(30),
    settled_after: Duration::ZERO,
};

/// The sender of one stream.
pub(super) struct Sender {
    pub(super) stream: Stream,
    pub(super) pen: OutboxPen,
    pub(super) handle: SessionHandle,
    pub(super) topics: Topics,
    pub(super) acks: Acks,
    pub(super) notes: Notes,
    /// How long a record waits for others to share its message.
    pub(super) batch: Duration,
}

/// Why sending over one connection ended.
enum Pause {
    /// The connection is gone.
    Offline,
    /// From the first record on, after this time.
    Again(Duration),
}

/// What was sent over the present connection.
struct Sent {
    epoch: u64,
    cursor: Option<Place>,
    tickets: VecDeque<PublishTicket>,
    published: Instant,
    oldest: Oldest,
    /// When the oldest was looked for last.
    looked: Instant,
    changes: u64,
}

impl Sender {
    /// Runs until `stop`.
    pub(super) async fn run(self, stop: CancellationToken) -> Result<(), AgentError> {
        let work = async {
            let mut resend = Backoff::new(RESEND);
            let mut full = Backoff::new(FULL);
            while let Some(epoch) = self.handle.connected().await {
                match self.over(epoch, &mut resend, &mut full).await {
                    // Everything is sent again over the next one anyway.
                    Ok(Pause::Offline) => resend = Backoff::new(RESEND),
                    Ok(Pause::Again(wait)) => tokio::time::sleep(wait).await,
                    Err(e) => {
                        // The disk is the trouble; the pen reopens the store by and by.
                        tracing::debug!(error = %e, "the outbox can't be read now");
                        tokio::time::sleep(LOOK).await;
                    }
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = work => {}
        }
        Ok(())
    }

    async fn over(
        &self,
        epoch: u64,
        resend: &mut Backoff,
        full: &mut Backoff,
    ) -> Result<Pause, AgentError> {
        let mut sent = Sent {
            epoch,
            cursor: None,
            tickets: VecDeque::new(),
            published: Instant::now(),
            oldest: Oldest::new(Instant::now()),
            looked: Instant::now(),
            changes: self.acks.changes(),
        };
        let mut account = self.pen.account();
        let mut silence = resend.failed(u64::MAX);
        loop {
            if self.handle.epoch() != Some(epoch) {
                return Ok(Pause::Offline);
            }
            account.borrow_and_update();
            let held = self.read(sent.cursor).await?;
            if sent.looked.elapsed() >= LOOK {
                sent.looked = Instant::now();
                if self.has_moved(&mut sent).await? {
                    *resend = Backoff::new(RESEND);
                    silence = resend.failed(u64::MAX);
                } else if sent.oldest.waits(sent.looked) > silence {
                    let stream = self.stream.word();
                    tracing::info!(stream, "not acknowledged, sending again");
                    return Ok(Pause::Again(Duration::ZERO));
                }
            }
            if sent.changes != self.acks.changes() {
                return Ok(Pause::Again(Duration::ZERO));
            }
            if let Some(pause) = self.collect(&mut sent, full).await {
                return Ok(pause);
            }
            if held.is_empty() {
                // A write wakes it, and the time does, to look at everything else.
                let woken = tokio::time::timeout(LOOK, account.changed()).await;
                tracing::trace!(by_write = woken.is_ok(), "sender woken");
                continue;
            }
            let wait = if held.len() < ENOUGH {
                self.batch
            } else {
                PACE
            };
            let left = wait.saturating_sub(sent.published.elapsed());
            if left.is_zero() {
                if let Some(pause) = self.send(&mut sent, full, held).await? {
                    return Ok(pause);
                }
            } else {
                // By then there may be more to share the message.
                tokio::time::sleep(left.min(LOOK)).await;
            }
        }
    }

    /// Whether the record that was the oldest is gone: an acknowledgement came that helps.
    async fn has_moved(&self, sent: &mut Sent) -> Result<bool, AgentError> {
        let oldest = self.pen.read(self.stream, None, 1, 0).await?;
        let place = oldest.first().map(|held| held.place);
        Ok(sent.oldest.see(place, sent.cursor, Instant::now()))
    }

    async fn read(&self, cursor: Option<Place>) -> Result<Vec<Held>, AgentError> {
        let bytes = limits::BATCH - batch_overhead() - 8 * 1_024;
        self.pen.read(self.stream, cursor, READ, bytes).await
    }

    async fn send(
        &self,
        sent: &mut Sent,
        full: &mut Backoff,
        held: Vec<Held>,
    ) -> Result<Option<Pause>, AgentError> {
        let Some(last) = held.last().map(|held| held.place) else {
            return Ok(None);
        };
        let Some(start) = self.pen.start_of(last.start).await? else {
            sent.cursor = Some(last);
            return Ok(None);
        };
        for (channel, payload) in self.batches(start, held).await? {
            while sent.tickets.len() >= WINDOW {
                if let Some(pause) = self.first_ticket(sent, full).await {
                    return Ok(Some(pause));
                }
            }
            failpoint::pass("uplink.before_publish");
            let topic = self.topics.on(channel).to_string();
            let published = self.handle.publish(
                topic,
                payload,
                Qos::AtLeastOnce,
                false,
                Properties::default(),
            );
            match published {
                Ok(ticket) => sent.tickets.push_back(ticket),
                Err(e) => {
                    tracing::debug!(error = %e, "batch not published");
                    let gone = self.handle.epoch() != Some(sent.epoch);
                    return Ok(Some(if gone {
                        Pause::Offline
                    } else {
                        Pause::Again(LOOK)
                    }));
                }
            }
        }
        sent.cursor = Some(last);
        sent.published = Instant::now();
        Ok(None)
    }

    /// Waits for the oldest ticket.
    async fn first_ticket(&self, sent: &mut Sent, full: &mut Backoff) -> Option<Pause> {
        let ticket = sent.tickets.pop_front()?;
        self.judge(ticket.await, full).await
    }

    /// Looks at every ticket that is settled already.
    async fn collect(&self, sent: &mut Sent, full: &mut Backoff) -> Option<Pause> {
        while let Some(ticket) = sent.tickets.front_mut() {
            let outcome = tokio::time::timeout(Duration::ZERO, ticket).await.ok()?;
            sent.tickets.pop_front();
            if let Some(pause) = self.judge(outcome, full).await {
                return Some(pause);
            }
        }
        None
    }

    async fn judge(&self, outcome: PublishOutcome, full: &mut Backoff) -> Option<Pause> {
        match outcome {
            PublishOutcome::Acked => {
                *full = Backoff::new(FULL);
                None
            }
            PublishOutcome::Lost => Some(Pause::Offline),
            PublishOutcome::Refused(Refusal::QuotaExceeded | Refusal::PacketIdInUse) => {
                Some(Pause::Again(full.failed(backoff::random())))
            }
            PublishOutcome::Refused(refusal) => {
                // Parked: it stays, and is offered again at the next connection.
                let stream = self.stream.word();
                let text = format!("the broker refuses our {stream} messages: {refusal:?}");
                if self.notes.is_new(&text) {
                    let event = crate::event::event("record-refused", text);
                    self.notes.tell(event).await;
                }
                None
            }
        }
    }

    /// Messages of one topic each. What can't be read back is let go, with an event.
    async fn batches(
        &self,
        start: Start,
        held: Vec<Held>,
    ) -> Result<Vec<(Channel, Vec<u8>)>, AgentError> {
        let mut by_name: BTreeMap<String, Vec<Held>> = BTreeMap::new();
        for held in held {
            by_name.entry(held.name.clone()).or_default().push(held);
        }
        let mut batches = Vec::new();
        for (name, held) in by_name {
            let (channel, payload, bad) = match self.stream {
                Stream::Result => {
                    let (payload, bad) = batch::<Answer>(start, &held);
                    (name.parse().map(Channel::Result).ok(), payload, bad)
                }
                Stream::Event => {
                    let (payload, bad) = batch::<Event>(start, &held);
                    (name.parse().map(Channel::Event).ok(), payload, bad)
                }
            };
            if !bad.is_empty() {
                let text = format!("{} records of {name} could not be read back", bad.len());
                let ranges = bad
                    .into_iter()
                    .map(|sequence| SequenceRange {
                        from: sequence,
                        to: sequence,
                    })
                    .collect();
                self.pen.settle(self.stream, start.boot, ranges).await?;
                let event = crate::event::event("record-unreadable", text);
                self.notes.tell(event).await;
            }
            if let (Some(channel), Some(payload)) = (channel, payload) {
                batches.push((channel, payload));
            }
        }
        Ok(batches)
    }
}

/// The message for records of one start, and the sequences of those that can't be read back.
fn batch<B: Body>(start: Start, held: &[Held]) -> (Option<Vec<u8>>, Vec<u64>) {
    let mut records: Vec<Record<B>> = Vec::with_capacity(held.len());
    let mut bad = Vec::new();
    for held in held {
        match serde_cbor::from_slice::<B>(&held.body) {
            Ok(body) if body.fault().is_none() => records.push(Record {
                sequence: held.place.sequence,
                monotonic_ms: held.stamp.monotonic_ms,
                wall_ms: held.stamp.wall_ms,
                clock: held.stamp.clock,
                body,
            }),
            _ => bad.push(held.place.sequence),
        }
    }
    if records.is_empty() {
        return (None, bad);
    }
    let batch = Batch {
        boot: start.boot,
        start: start.number,
        os_boot: start.os_boot,
        records,
    };
    (Some(batch.to_cbor()), bad)
}

#[cfg(test)]
mod tests {
    use noroshi_protocol::{BootId, ClockSource, OsBoot};

    use super::*;
    use crate::outbox::Stamp;

    #[test]
    fn a_record_that_is_none_does_not_spoil_its_batch() {
        let start = Start {
            number: 4,
            boot: BootId::from_bytes([1; 16]),
            os_boot: OsBoot::from_bytes([2; 16]),
        };
        let stamp = Stamp {
            monotonic_ms: 1,
            wall_ms: 2,
            clock: ClockSource::None,
        };
        let event = crate::event::record(&crate::event::event("started", "x"), stamp);
        let held = |sequence, body: &[u8]| Held {
            place: Place { start: 4, sequence },
            name: "started".into(),
            stamp,
            body: body.to_vec(),
        };
        let (payload, bad) = batch::<Event>(start, &[held(0, b"rubbish"), held(1, &event.body)]);
        assert_eq!(bad, [0]);
        let read = Batch::<Event>::from_cbor(&payload.unwrap()).unwrap();
        assert_eq!((read.start, read.records[0].sequence), (4, 1));
    }
}
