//! What is settled of each (device, boot, stream), and the counts that come of it.

use noroshi_protocol::{BootId, RangeSet, SequenceRange, Stream};

use super::{Page, PageRequest, Store, WriteTransaction, signed, unsigned};
use crate::error::{Error, Result};

// With more pieces than this the sender is not one of ours, and the row would grow without end.
const MOST_RANGES: usize = 4096;

/// The ledger of one (device, boot, stream) within a transaction.
pub(super) struct Ledger {
    pub(super) settled: RangeSet,
    pub(super) start: u64,
    pub(super) stored: u64,
    pub(super) duplicates: u64,
    pub(super) dropped: u64,
}

impl Ledger {
    pub(super) async fn load(
        transaction: &mut WriteTransaction,
        device: &str,
        boot: BootId,
        stream: Stream,
        start: u64,
    ) -> Result<Self> {
        let row: Option<(Vec<u8>, i64, i64, i64, i64)> = sqlx::query_as(
            "SELECT settled, start, stored, duplicates, dropped FROM delivery
             WHERE device = ?1 AND boot = ?2 AND stream = ?3",
        )
        .bind(device)
        .bind(boot.as_bytes().as_slice())
        .bind(stream.word())
        .fetch_optional(&mut **transaction)
        .await?;
        let Some((settled, known_start, stored, duplicates, dropped)) = row else {
            let settled = RangeSet::default();
            return Ok(Self {
                settled,
                start,
                stored: 0,
                duplicates: 0,
                dropped: 0,
            });
        };
        let ranges: Vec<SequenceRange> = serde_cbor::from_slice(&settled)
            .map_err(|error| Error::corrupt("set of ranges", error))?;
        Ok(Self {
            settled: ranges.into(),
            start: unsigned(known_start).max(start),
            stored: unsigned(stored),
            duplicates: unsigned(duplicates),
            dropped: unsigned(dropped),
        })
    }

    /// Whether the set has more pieces than a device of ours makes.
    pub(super) fn is_scattered(&self) -> bool {
        self.settled.ranges().len() >= MOST_RANGES
    }

    pub(super) async fn save(
        self,
        transaction: &mut WriteTransaction,
        device: &str,
        boot: BootId,
        stream: Stream,
        now_ms: u64,
    ) -> Result<()> {
        let missing = self.settled.gaps().count();
        let settled = serde_cbor::to_vec(&self.settled)
            .map_err(|error| Error::corrupt("set of ranges", error))?;
        sqlx::query(
            "INSERT INTO delivery (device, boot, stream, start, settled, stored, duplicates,
                dropped, missing, updated_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT (device, boot, stream) DO UPDATE SET
                start = excluded.start, settled = excluded.settled, stored = excluded.stored,
                duplicates = excluded.duplicates, dropped = excluded.dropped,
                missing = excluded.missing, updated_ms = excluded.updated_ms",
        )
        .bind(device)
        .bind(boot.as_bytes().as_slice())
        .bind(stream.word())
        .bind(signed(self.start))
        .bind(settled)
        .bind(signed(self.stored))
        .bind(signed(self.duplicates))
        .bind(signed(self.dropped))
        .bind(signed(missing))
        .bind(signed(now_ms))
        .execute(&mut **transaction)
        .await?;
        Ok(())
    }
}

/// Delivery of one device over all its starts.
#[derive(Debug, Clone, PartialEq, Eq, Default, sqlx::FromRow)]
pub struct PeerDelivery {
    /// The device, or `<site>/gateway`.
    pub device: String,
    /// Its site.
    pub site: String,
    /// Results stored.
    pub results: i64,
    /// Events stored.
    pub events: i64,
    /// Records below the newest that never came (some may still be on their way).
    pub lost: i64,
    /// Records that came again and were not stored again.
    pub duplicates: i64,
    /// Records that the device said a quota dropped.
    pub dropped: i64,
    /// When the last record came, Unix milliseconds.
    pub last_ms: i64,
}

/// Delivery of every device together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, sqlx::FromRow)]
pub struct DeliveryTotals {
    /// Results stored.
    pub results: i64,
    /// Events stored.
    pub events: i64,
    /// As in [`PeerDelivery`].
    pub lost: i64,
    /// As in [`PeerDelivery`].
    pub duplicates: i64,
    /// As in [`PeerDelivery`].
    pub dropped: i64,
}

impl Store {
    /// Delivery of every device together.
    pub async fn delivery_totals(&self) -> Result<DeliveryTotals> {
        let totals = sqlx::query_as(
            "SELECT coalesce(sum(CASE WHEN stream = 'result' THEN stored ELSE 0 END), 0) AS results,
                coalesce(sum(CASE WHEN stream = 'event' THEN stored ELSE 0 END), 0) AS events,
                coalesce(sum(missing), 0) AS lost,
                coalesce(sum(duplicates), 0) AS duplicates,
                coalesce(sum(dropped), 0) AS dropped
             FROM delivery",
        )
        .fetch_one(&self.reader)
        .await?;
        Ok(totals)
    }

    /// Delivery of one device; zeros before its first record.
    pub async fn delivery_of(&self, peer: &str) -> Result<PeerDelivery> {
        let request = PageRequest::new(Some(1), None)?;
        let row = self.delivery_rows(Some(peer), &request).await?.pop();
        row.ok_or_else(|| Error::not_found("device", peer))
    }

    /// Delivery of each device, by id.
    pub async fn deliveries(&self, request: &PageRequest) -> Result<Page<PeerDelivery>> {
        let rows = self.delivery_rows(None, request).await?;
        Ok(request.page(rows, |row| row.device.clone()))
    }

    async fn delivery_rows(
        &self,
        peer: Option<&str>,
        request: &PageRequest,
    ) -> Result<Vec<PeerDelivery>> {
        let rows = sqlx::query_as(
            "SELECT peer.id AS device, peer.site,
                coalesce(sum(CASE WHEN stream = 'result' THEN stored ELSE 0 END), 0) AS results,
                coalesce(sum(CASE WHEN stream = 'event' THEN stored ELSE 0 END), 0) AS events,
                coalesce(sum(missing), 0) AS lost,
                coalesce(sum(duplicates), 0) AS duplicates,
                coalesce(sum(dropped), 0) AS dropped,
                coalesce(max(updated_ms), 0) AS last_ms
             FROM peer LEFT JOIN delivery ON delivery.device = peer.id
             WHERE (?1 IS NULL OR peer.id = ?1) AND peer.id > coalesce(?2, '')
             GROUP BY peer.id ORDER BY peer.id LIMIT ?3",
        )
        .bind(peer)
        .bind(request.after())
        .bind(request.fetch())
        .fetch_all(&self.reader)
        .await?;
        Ok(rows)
    }
}
