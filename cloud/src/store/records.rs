//! Results and events as they are read.

use noroshi_protocol::FrameId;
use sqlx::sqlite::SqliteRow;

use super::{Page, PageRequest, Store, signed, unsigned};
use crate::error::{Error, Result};

/// Which records are asked for; nothing means all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordFilter {
    /// Of one device (or `<site>/gateway`).
    pub device: Option<String>,
    /// Of one site.
    pub site: Option<String>,
    /// Of one pipeline (results) or kind (events).
    pub name: Option<String>,
    /// Received at or after this time, Unix milliseconds.
    pub since_ms: Option<u64>,
    /// With this place in its stream.
    pub sequence: Option<u64>,
}

/// A stored result.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct ResultRow {
    pub id: i64,
    pub device: String,
    pub site: String,
    pub pipeline: String,
    pub boot: Vec<u8>,
    pub start: i64,
    pub sequence: i64,
    pub frame_source: Vec<u8>,
    pub frame_number: i64,
    pub model: String,
    pub version: i64,
    pub variant: String,
    pub revision: i64,
    pub label: String,
    pub score: f64,
    pub top: String,
    pub cpu_us: i64,
    pub monotonic_ms: i64,
    pub wall_ms: i64,
    pub clock: String,
    pub at_ms: i64,
    pub received_ms: i64,
}

/// A stored event.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
#[expect(missing_docs, reason = "the columns are described in the migration")]
pub struct EventRow {
    pub id: i64,
    pub device: String,
    pub site: String,
    pub kind: String,
    pub boot: Vec<u8>,
    pub start: i64,
    pub sequence: i64,
    pub message: String,
    pub details: String,
    pub dropped: Option<String>,
    pub monotonic_ms: i64,
    pub wall_ms: i64,
    pub clock: String,
    pub at_ms: i64,
    pub received_ms: i64,
}

// The narrowest filter comes first and by itself, so that its index is used; the rest is looked
// at row by row.
macro_rules! newest_first {
    ($table:literal, $name:literal, $filter:expr) => {
        match (&$filter.device, &$filter.name, &$filter.site) {
            (Some(_), _, _) => newest_first!(@ $table, $name, "device = ?2"),
            (None, Some(_), _) => newest_first!(@ $table, $name, $name, " = ?4"),
            (None, None, Some(_)) => newest_first!(@ $table, $name, "site = ?3"),
            (None, None, None) => newest_first!(@ $table, $name, "true"),
        }
    };
    (@ $table:literal, $name:literal, $($first:literal),+) => {
        concat!(
            "SELECT * FROM ", $table, " WHERE ", $($first,)+ " AND id < ?1
               AND (?2 IS NULL OR device = ?2) AND (?3 IS NULL OR site = ?3)
               AND (?4 IS NULL OR ", $name, " = ?4) AND (?5 IS NULL OR received_ms >= ?5)
               AND (?7 IS NULL OR sequence = ?7)
             ORDER BY id DESC LIMIT ?6"
        )
    };
}

/// A row of one of the two tables of records.
trait Recorded: for<'row> sqlx::FromRow<'row, SqliteRow> + Send + Unpin {
    /// Its place in the order of arrival.
    fn id(&self) -> i64;
    /// The query of the newest that pass a filter.
    fn query(filter: &RecordFilter) -> &'static str;
}

impl Recorded for ResultRow {
    fn id(&self) -> i64 {
        self.id
    }

    fn query(filter: &RecordFilter) -> &'static str {
        newest_first!("result", "pipeline", filter)
    }
}

impl Recorded for EventRow {
    fn id(&self) -> i64 {
        self.id
    }

    fn query(filter: &RecordFilter) -> &'static str {
        newest_first!("event", "kind", filter)
    }
}

impl ResultRow {
    /// The frame that was answered.
    pub fn frame(&self) -> Result<FrameId> {
        let source = self.frame_source.as_slice().try_into();
        let source = source.map_err(|_| Error::corrupt("result", "a frame without its source"))?;
        Ok(FrameId {
            source: u64::from_be_bytes(source),
            number: unsigned(self.frame_number),
        })
    }
}

impl Store {
    /// Results, newest first.
    pub async fn results(
        &self,
        filter: &RecordFilter,
        request: &PageRequest,
    ) -> Result<Page<ResultRow>> {
        self.newest(filter, request).await
    }

    /// One result.
    pub async fn result(&self, id: i64) -> Result<ResultRow> {
        let row = sqlx::query_as("SELECT * FROM result WHERE id = ?1")
            .bind(id)
            .fetch_optional(&self.reader)
            .await?;
        row.ok_or_else(|| Error::not_found("result", id.to_string()))
    }

    /// Events, newest first.
    pub async fn events(
        &self,
        filter: &RecordFilter,
        request: &PageRequest,
    ) -> Result<Page<EventRow>> {
        self.newest(filter, request).await
    }

    async fn newest<R: Recorded>(
        &self,
        filter: &RecordFilter,
        request: &PageRequest,
    ) -> Result<Page<R>> {
        let rows = sqlx::query_as(R::query(filter))
            .bind(request.before_row()?)
            .bind(&filter.device)
            .bind(&filter.site)
            .bind(&filter.name)
            .bind(filter.since_ms.map(signed))
            .bind(request.fetch())
            .bind(filter.sequence.map(signed))
            .fetch_all(&self.reader)
            .await?;
        Ok(request.page(rows, |row: &R| row.id().to_string()))
    }
}
