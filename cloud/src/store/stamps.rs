//! Time stamps of records made before their device knew the time.

use noroshi_protocol::{Batch, ClockSource, OsBoot, Record};

use super::{WriteTransaction, signed};
use crate::error::Result;

/// What is known of the wall clock of one start of a device's system.
pub(super) struct Stamp {
    offset_ms: Option<i64>,
    now_ms: u64,
}

/// The clock's word in rows.
pub(super) const fn word(clock: ClockSource) -> &'static str {
    match clock {
        ClockSource::None => "none",
        ClockSource::Gateway => "gateway",
        ClockSource::Ntp => "ntp",
    }
}

impl Stamp {
    /// Reads what is known and learns from the batch. The first synced record of a start stamps
    /// every row of it that was stored before without a clock.
    pub(super) async fn learn<B>(
        transaction: &mut WriteTransaction,
        device: &str,
        batch: &Batch<B>,
        now_ms: u64,
    ) -> Result<Self> {
        let synced = batch
            .records
            .iter()
            .rev()
            .find(|record| record.clock != ClockSource::None);
        let unsynced = batch
            .records
            .iter()
            .any(|record| record.clock == ClockSource::None);
        let offset = synced.map(|r| signed(r.wall_ms).saturating_sub(signed(r.monotonic_ms)));
        let known = if unsynced || offset.is_some() {
            known_offset(transaction, device, batch.os_boot).await?
        } else {
            None
        };
        if let (Some(offset), None) = (offset, known) {
            remember(transaction, device, batch.os_boot, offset).await?;
            stamp_earlier(transaction, device, batch.os_boot, offset).await?;
        }
        Ok(Self {
            offset_ms: offset.or(known),
            now_ms,
        })
    }

    /// The best time known for a record, Unix milliseconds.
    pub(super) fn at<B>(&self, record: &Record<B>) -> i64 {
        match (record.clock, self.offset_ms) {
            (ClockSource::None, Some(offset)) => {
                signed(record.monotonic_ms).saturating_add(offset).max(0)
            }
            (ClockSource::None, None) => signed(self.now_ms),
            _ => signed(record.wall_ms),
        }
    }
}

async fn known_offset(
    transaction: &mut WriteTransaction,
    device: &str,
    os_boot: OsBoot,
) -> Result<Option<i64>> {
    let row: Option<(i64,)> =
        sqlx::query_as("SELECT offset_ms FROM clock_offset WHERE device = ?1 AND os_boot = ?2")
            .bind(device)
            .bind(os_boot.as_bytes().as_slice())
            .fetch_optional(&mut **transaction)
            .await?;
    Ok(row.map(|(offset,)| offset))
}

async fn remember(
    transaction: &mut WriteTransaction,
    device: &str,
    os_boot: OsBoot,
    offset: i64,
) -> Result<()> {
    sqlx::query("INSERT INTO clock_offset (device, os_boot, offset_ms) VALUES (?1, ?2, ?3)")
        .bind(device)
        .bind(os_boot.as_bytes().as_slice())
        .bind(offset)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

async fn stamp_earlier(
    transaction: &mut WriteTransaction,
    device: &str,
    os_boot: OsBoot,
    offset: i64,
) -> Result<()> {
    for update in [
        "UPDATE result SET at_ms = max(0, monotonic_ms + ?3)
         WHERE device = ?1 AND os_boot = ?2 AND clock = 'none'",
        "UPDATE event SET at_ms = max(0, monotonic_ms + ?3)
         WHERE device = ?1 AND os_boot = ?2 AND clock = 'none'",
    ] {
        sqlx::query(update)
            .bind(device)
            .bind(os_boot.as_bytes().as_slice())
            .bind(offset)
            .execute(&mut **transaction)
            .await?;
    }
    Ok(())
}
