//! Reads the stopped cloud's database itself, without the cloud.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};

/// What is stored.
#[derive(Debug, Default)]
pub(super) struct Stored {
    /// Rows by device and frame.
    pub(super) rows: BTreeMap<String, BTreeMap<String, u64>>,
    /// Sequences missing below the newest of their (device, boot, stream).
    pub(super) gaps: u64,
    /// Records that came again, and were not stored again.
    pub(super) again: u64,
    /// Records that a quota dropped.
    pub(super) dropped: u64,
    /// Stores that were moved aside because they were corrupt.
    pub(super) corrupt: u64,
}

/// Reads the database at `path`.
pub(super) async fn read(path: &Path) -> Result<Stored> {
    let mut database = SqliteConnectOptions::new()
        .filename(path)
        .connect()
        .await
        .with_context(|| format!("{}", path.display()))?;
    let mut stored = Stored {
        rows: rows(&mut database).await?,
        ..Stored::default()
    };
    let (gaps, again, dropped): (i64, i64, i64) = sqlx::query_as(
        "SELECT coalesce(sum(missing), 0), coalesce(sum(duplicates), 0),
            coalesce(sum(dropped), 0) FROM delivery",
    )
    .fetch_one(&mut database)
    .await?;
    let (corrupt,): (i64,) =
        sqlx::query_as("SELECT count(*) FROM event WHERE kind LIKE '%corrupt%'")
            .fetch_one(&mut database)
            .await?;
    stored.gaps = gaps.cast_unsigned();
    stored.again = again.cast_unsigned();
    stored.dropped = dropped.cast_unsigned();
    stored.corrupt = corrupt.cast_unsigned();
    Ok(stored)
}

/// Rows of the only pipeline, by device and frame: more than one is a frame stored twice,
/// whatever boot and sequence they carry.
async fn rows(database: &mut SqliteConnection) -> Result<BTreeMap<String, BTreeMap<String, u64>>> {
    let counted: Vec<(String, Vec<u8>, i64, i64)> = sqlx::query_as(
        "SELECT device, frame_source, frame_number, count(*) FROM result
         GROUP BY device, pipeline, frame_source, frame_number",
    )
    .fetch_all(database)
    .await?;
    let mut rows: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    for (device, source, number, count) in counted {
        let source: [u8; 8] = source.as_slice().try_into().context("a source's number")?;
        let frame = noroshi_protocol::FrameId {
            source: u64::from_be_bytes(source),
            number: number.cast_unsigned(),
        };
        rows.entry(device)
            .or_default()
            .insert(frame.to_string(), count.cast_unsigned());
    }
    Ok(rows)
}
