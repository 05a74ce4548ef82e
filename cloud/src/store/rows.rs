//! Records as rows.

use noroshi_protocol::{Answer, Batch, Event, PipelineId, Record};

use super::ingest::Place;
use super::stamps::{Stamp, word};
use super::{WriteTransaction, signed};
use crate::error::{Error, Result};

pub(super) async fn insert_result(
    transaction: &mut WriteTransaction,
    place: &Place<'_>,
    pipeline: &PipelineId,
    batch: &Batch<Answer>,
    record: &Record<Answer>,
    stamp: &Stamp,
) -> Result<()> {
    let answer = &record.body;
    let best = answer.top.first();
    let top =
        serde_json::to_string(&answer.top).map_err(|error| Error::corrupt("answer", error))?;
    sqlx::query(
        "INSERT INTO result (device, site, pipeline, boot, start, sequence, frame_source,
            frame_number, model, version, variant, revision, label, score, top, cpu_us,
            monotonic_ms, wall_ms, clock, os_boot, at_ms, received_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18,
            ?19, ?20, ?21, ?22)",
    )
    .bind(&place.key)
    .bind(place.site.as_str())
    .bind(pipeline.as_str())
    .bind(batch.boot.as_bytes().as_slice())
    .bind(signed(batch.start))
    .bind(signed(record.sequence))
    .bind(answer.frame.source.to_be_bytes().to_vec())
    .bind(signed(answer.frame.number))
    .bind(answer.model.as_str())
    .bind(i64::from(answer.version))
    .bind(answer.variant.as_str())
    .bind(i64::from(answer.revision))
    .bind(best.map_or("", |scored| &scored.label))
    .bind(best.map_or(0.0, |scored| f64::from(scored.score)))
    .bind(top)
    .bind(i64::from(answer.cpu_us))
    .bind(signed(record.monotonic_ms))
    .bind(signed(record.wall_ms))
    .bind(word(record.clock))
    .bind(batch.os_boot.as_bytes().as_slice())
    .bind(stamp.at(record))
    .bind(signed(place.now_ms))
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

pub(super) async fn insert_event(
    transaction: &mut WriteTransaction,
    place: &Place<'_>,
    batch: &Batch<Event>,
    record: &Record<Event>,
    stamp: &Stamp,
) -> Result<()> {
    let corrupt = |error| Error::corrupt("event", error);
    let event = &record.body;
    let details = serde_json::to_string(&event.details).map_err(corrupt)?;
    let dropped = event.dropped.map(|dropped| serde_json::to_string(&dropped));
    sqlx::query(
        "INSERT INTO event (device, site, kind, boot, start, sequence, message, details, dropped,
            monotonic_ms, wall_ms, clock, os_boot, at_ms, received_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
    )
    .bind(&place.key)
    .bind(place.site.as_str())
    .bind(event.kind.as_str())
    .bind(batch.boot.as_bytes().as_slice())
    .bind(signed(batch.start))
    .bind(signed(record.sequence))
    .bind(&event.message)
    .bind(details)
    .bind(dropped.transpose().map_err(corrupt)?)
    .bind(signed(record.monotonic_ms))
    .bind(signed(record.wall_ms))
    .bind(word(record.clock))
    .bind(batch.os_boot.as_bytes().as_slice())
    .bind(stamp.at(record))
    .bind(signed(place.now_ms))
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
