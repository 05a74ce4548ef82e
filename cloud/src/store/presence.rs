//! Presence and reports of devices and gateways, each kept only if it is the newest.

use noroshi_protocol::{Message, Presence, Reported, Status};

use super::{Store, signed};
use crate::error::{Error, Result};

const fn word(presence: Presence) -> &'static str {
    match presence {
        Presence::Online => "online",
        Presence::Stopped => "stopped",
        Presence::Lost => "lost",
    }
}

impl Store {
    /// Keeps a status unless a newer one (by start and connection) is known. Whether it was kept.
    pub async fn note_status(&self, key: &str, status: &Status, now_ms: u64) -> Result<bool> {
        let done = sqlx::query(
            "UPDATE peer SET
                presence_ms = CASE WHEN presence IS ?2 THEN presence_ms ELSE ?6 END,
                presence = ?2, start = ?3, connection = ?4, agent_version = ?5, seen_ms = ?6
             WHERE id = ?1 AND revoked_ms IS NULL
               AND (presence IS NULL OR (?3, ?4) >= (start, connection))",
        )
        .bind(key)
        .bind(word(status.status))
        .bind(signed(status.start))
        .bind(signed(status.connection))
        .bind(status.version.chars().take(64).collect::<String>())
        .bind(signed(now_ms))
        .execute(&self.writer)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// What we last heard was heard by a broker that is gone: whoever was online is lost until it
    /// says otherwise. Done at the start, before anybody can connect.
    pub async fn forget_presence(&self, now_ms: u64) -> Result<()> {
        sqlx::query(
            "UPDATE peer SET presence = 'lost', presence_ms = ?1
             WHERE presence = 'online' AND (kind = 'gateway' OR site = 'direct')",
        )
        .bind(signed(now_ms))
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Keeps a verified report unless a newer one (by start and sequence) is known. `payload` is
    /// the CBOR that was signed. Whether it was kept.
    pub async fn note_report(
        &self,
        key: &str,
        reported: &Reported,
        payload: &[u8],
        now_ms: u64,
    ) -> Result<bool> {
        let capabilities = serde_json::to_string(&reported.capabilities)
            .map_err(|error| Error::corrupt("capabilities", error))?;
        let (start, sequence) = reported.order();
        let done = sqlx::query(
            "UPDATE peer SET reported = ?2, reported_start = ?3, reported_sequence = ?4,
                reported_ms = ?5, capabilities = ?6, chip = ?7, seen_ms = ?5
             WHERE id = ?1 AND revoked_ms IS NULL
               AND (reported IS NULL OR (?3, ?4) > (reported_start, reported_sequence))",
        )
        .bind(key)
        .bind(payload)
        .bind(signed(start))
        .bind(signed(sequence))
        .bind(signed(now_ms))
        .bind(capabilities)
        .bind(
            reported
                .capabilities
                .chip
                .chars()
                .take(128)
                .collect::<String>(),
        )
        .execute(&self.writer)
        .await?;
        debug_assert!(
            payload.len() <= Reported::LIMIT,
            "reports are bounded before they are kept"
        );
        Ok(done.rows_affected() > 0)
    }
}

#[cfg(test)]
impl Store {
    /// What a device would have reported.
    pub(crate) async fn set_capabilities_for_test(&self, key: &str, json: &str) {
        sqlx::query("UPDATE peer SET capabilities = ?2 WHERE id = ?1")
            .bind(key)
            .bind(json)
            .execute(&self.writer)
            .await
            .expect("a test's store");
    }
}
