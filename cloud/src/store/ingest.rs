//! Ingest: records into rows, exactly once, in one transaction with what is settled.

use std::collections::HashMap;

use noroshi_protocol::{
    Answer, Batch, BootId, DeviceId, Event, PipelineId, RangeSet, Record, Refusal, RefusalReason,
    SequenceRange, SiteId, Stream,
};
use noroshi_service::failpoint;

use super::delivery::Ledger;
use super::rows::{insert_event, insert_result};
use super::stamps::Stamp;
use super::{Store, WriteTransaction, peer_key, signed};
use crate::error::{Error, Result};

/// A batch as it came in, decoded and within its limits.
#[derive(Debug, Clone, Copy)]
pub struct Delivered<'a> {
    /// The site of the topic.
    pub site: &'a SiteId,
    /// The device of the topic; `gateway` is the site's gateway.
    pub device: &'a DeviceId,
    /// What was recorded.
    pub records: Records<'a>,
}

/// The records of a batch.
#[derive(Debug, Clone, Copy)]
pub enum Records<'a> {
    /// Of the pipeline that the topic names.
    Answers(&'a PipelineId, &'a Batch<Answer>),
    /// What happened.
    Events(&'a Batch<Event>),
}

/// What may be acknowledged of one batch once its transaction is committed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AckTo {
    /// Sequences that are in the store now, the ones seen before included.
    pub settled: RangeSet,
    /// Sequences that will never be taken.
    pub refused: Vec<Refusal>,
}

// Beyond this a number does not survive JSON; no device counts that far.
const LARGEST_SEQUENCE: u64 = 1 << 53;
const SEEN_EVERY_MS: i64 = 10_000;

impl Store {
    /// Stores every batch in one transaction and answers what may be acknowledged, one answer a
    /// batch. When it answers, everything is committed; on an error nothing is.
    pub async fn ingest(&self, batches: &[Delivered<'_>], now_ms: u64) -> Result<Vec<AckTo>> {
        let mut transaction = self.begin().await?;
        let answers = ingest_into(&mut transaction, batches, now_ms).await?;
        failpoint::pass("ingest.before_commit");
        transaction.commit().await?;
        failpoint::pass("ingest.after_commit");
        Ok(answers)
    }
}

/// The work of [`Store::ingest`] without the commit.
pub(super) async fn ingest_into(
    transaction: &mut WriteTransaction,
    batches: &[Delivered<'_>],
    now_ms: u64,
) -> Result<Vec<AckTo>> {
    let mut ledgers = Ledgers::default();
    let mut answers = Vec::with_capacity(batches.len());
    for batch in batches {
        let place = Place {
            key: peer_key(batch.site, batch.device),
            site: batch.site,
            now_ms,
        };
        answers.push(if knows(transaction, &place).await? {
            note_seen(transaction, &place).await?;
            match batch.records {
                Records::Answers(pipeline, batch) => {
                    take_answers(transaction, &mut ledgers, &place, pipeline, batch).await?
                }
                Records::Events(batch) => {
                    take_events(transaction, &mut ledgers, &place, batch).await?
                }
            }
        } else {
            refuse_all(batch.records.ends(), RefusalReason::Unknown)
        });
    }
    ledgers.save(transaction, now_ms).await?;
    Ok(answers)
}

/// Notes that a peer was heard of, now and then: a row a batch would be written for nothing.
async fn note_seen(transaction: &mut WriteTransaction, place: &Place<'_>) -> Result<()> {
    sqlx::query("UPDATE peer SET seen_ms = ?2 WHERE id = ?1 AND seen_ms < ?2 - ?3")
        .bind(&place.key)
        .bind(signed(place.now_ms))
        .bind(SEEN_EVERY_MS)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// Where records came from.
pub(super) struct Place<'a> {
    pub(super) key: String,
    pub(super) site: &'a SiteId,
    pub(super) now_ms: u64,
}

impl Records<'_> {
    fn ends(&self) -> SequenceRange {
        fn of<B>(records: &[Record<B>]) -> SequenceRange {
            let end = |record: Option<&Record<B>>| record.map_or(0, |record| record.sequence);
            SequenceRange {
                from: end(records.first()),
                to: end(records.last()),
            }
        }
        match self {
            Self::Answers(_, batch) => of(&batch.records),
            Self::Events(batch) => of(&batch.records),
        }
    }
}

fn refuse_all(range: SequenceRange, reason: RefusalReason) -> AckTo {
    AckTo {
        settled: RangeSet::default(),
        refused: vec![Refusal { range, reason }],
    }
}

// A revoked device is not known any more; one of another site is not known here.
async fn knows(transaction: &mut WriteTransaction, place: &Place<'_>) -> Result<bool> {
    let known: Option<(i64,)> =
        sqlx::query_as("SELECT 1 FROM peer WHERE id = ?1 AND site = ?2 AND revoked_ms IS NULL")
            .bind(&place.key)
            .bind(place.site.as_str())
            .fetch_optional(&mut **transaction)
            .await?;
    Ok(known.is_some())
}

/// Ledgers of this transaction, each read once and written once.
#[derive(Default)]
struct Ledgers {
    open: HashMap<(String, BootId, Stream), Ledger>,
}

impl Ledgers {
    async fn of(
        &mut self,
        transaction: &mut WriteTransaction,
        key: &str,
        boot: BootId,
        stream: Stream,
        start: u64,
    ) -> Result<&mut Ledger> {
        let name = (key.to_owned(), boot, stream);
        if !self.open.contains_key(&name) {
            let ledger = Ledger::load(transaction, key, boot, stream, start).await?;
            self.open.insert(name.clone(), ledger);
        }
        self.open
            .get_mut(&name)
            .ok_or_else(|| Error::Internal("a ledger is gone".into()))
    }

    async fn save(self, transaction: &mut WriteTransaction, now_ms: u64) -> Result<()> {
        for ((key, boot, stream), ledger) in self.open {
            ledger.save(transaction, &key, boot, stream, now_ms).await?;
        }
        Ok(())
    }
}

enum Taken {
    New,
    Again,
    Refused(RefusalReason),
}

fn take(ledger: &mut Ledger, sequence: u64) -> Taken {
    if sequence > LARGEST_SEQUENCE {
        return Taken::Refused(RefusalReason::Malformed);
    }
    if ledger.is_scattered() && !ledger.settled.contains(sequence) {
        return Taken::Refused(RefusalReason::Quota);
    }
    if ledger.settled.insert_one(sequence) {
        ledger.stored += 1;
        Taken::New
    } else {
        ledger.duplicates += 1;
        Taken::Again
    }
}

/// Notes the outcome for `sequence`; whether a row must be written.
fn note(answer: &mut AckTo, sequence: u64, taken: &Taken) -> bool {
    match taken {
        Taken::Refused(reason) => {
            let range = SequenceRange {
                from: sequence,
                to: sequence,
            };
            answer.refused.push(Refusal {
                range,
                reason: *reason,
            });
            false
        }
        Taken::New | Taken::Again => {
            answer.settled.insert_one(sequence);
            matches!(taken, Taken::New)
        }
    }
}

async fn take_answers(
    transaction: &mut WriteTransaction,
    ledgers: &mut Ledgers,
    place: &Place<'_>,
    pipeline: &PipelineId,
    batch: &Batch<Answer>,
) -> Result<AckTo> {
    let stamp = Stamp::learn(transaction, &place.key, batch, place.now_ms).await?;
    let mut answer = AckTo::default();
    let ledger = ledgers
        .of(
            transaction,
            &place.key,
            batch.boot,
            Stream::Result,
            batch.start,
        )
        .await?;
    for record in &batch.records {
        let taken = take(ledger, record.sequence);
        if note(&mut answer, record.sequence, &taken) {
            insert_result(transaction, place, pipeline, batch, record, &stamp).await?;
        }
    }
    Ok(answer)
}

async fn take_events(
    transaction: &mut WriteTransaction,
    ledgers: &mut Ledgers,
    place: &Place<'_>,
    batch: &Batch<Event>,
) -> Result<AckTo> {
    let stamp = Stamp::learn(transaction, &place.key, batch, place.now_ms).await?;
    let mut answer = AckTo::default();
    for record in &batch.records {
        let ledger = ledgers
            .of(
                transaction,
                &place.key,
                batch.boot,
                Stream::Event,
                batch.start,
            )
            .await?;
        let taken = take(ledger, record.sequence);
        if note(&mut answer, record.sequence, &taken) {
            insert_event(transaction, place, batch, record, &stamp).await?;
            settle_dropped(transaction, ledgers, place, batch, &record.body).await?;
        }
    }
    Ok(answer)
}

/// Settles what an event says was dropped: those sequences are not missing, they are counted.
async fn settle_dropped(
    transaction: &mut WriteTransaction,
    ledgers: &mut Ledgers,
    place: &Place<'_>,
    batch: &Batch<Event>,
    event: &Event,
) -> Result<()> {
    let Some(dropped) = event.dropped else {
        return Ok(());
    };
    // A gateway's spool holds records of its devices, and says whose they were.
    let owner = match event.details.get("device") {
        Some(device) if place.key.ends_with("/gateway") => {
            let device: DeviceId = match device.parse() {
                Ok(device) => device,
                Err(_) => return Ok(()),
            };
            let owner = Place {
                key: peer_key(place.site, &device),
                ..*place
            };
            if !knows(transaction, &owner).await? {
                return Ok(());
            }
            owner.key
        }
        _ => place.key.clone(),
    };
    let start = if dropped.boot == batch.boot {
        batch.start
    } else {
        0
    };
    let ledger = ledgers
        .of(transaction, &owner, dropped.boot, dropped.stream, start)
        .await?;
    let before = ledger.settled.count();
    let to = dropped.range.to.min(LARGEST_SEQUENCE);
    ledger.settled.insert(SequenceRange {
        from: dropped.range.from,
        to,
    });
    ledger.dropped += ledger.settled.count() - before;
    Ok(())
}
