//! Sites of the organisation.

use noroshi_protocol::SiteId;

use super::{Page, PageRequest, Store, signed};
use crate::error::{Error, Result};

/// A site with what its gateway is doing.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct SiteRow {
    /// Its id.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// When it was made, Unix milliseconds.
    pub created_ms: i64,
    /// Devices that are not revoked.
    pub devices: i64,
    /// The gateway's presence (`online`, `stopped`, `lost`, `never`); none without a gateway.
    pub gateway_status: Option<String>,
    /// Since when, Unix milliseconds.
    pub gateway_since_ms: Option<i64>,
    /// The gateway's version.
    pub gateway_version: Option<String>,
    /// When the gateway was enrolled, Unix milliseconds.
    pub gateway_enrolled_ms: Option<i64>,
}

impl Store {
    /// Makes a site.
    pub async fn create_site(&self, id: &SiteId, name: &str, now_ms: u64) -> Result<()> {
        let done = sqlx::query(
            "INSERT INTO site (id, name, created_ms) VALUES (?1, ?2, ?3)
                                ON CONFLICT (id) DO NOTHING",
        )
        .bind(id.as_str())
        .bind(name)
        .bind(signed(now_ms))
        .execute(&self.writer)
        .await?;
        if done.rows_affected() == 0 {
            let detail = format!("there is a site {id} already; choose another id");
            return Err(Error::Conflict {
                code: "site_exists",
                detail,
            });
        }
        Ok(())
    }

    /// One site.
    pub async fn site(&self, id: &SiteId) -> Result<SiteRow> {
        let request = PageRequest::new(Some(1), None)?;
        let mut rows = self.site_rows(Some(id.as_str()), &request).await?;
        rows.pop()
            .ok_or_else(|| Error::not_found("site", id.as_str()))
    }

    /// Sites by id.
    pub async fn sites(&self, request: &PageRequest) -> Result<Page<SiteRow>> {
        let rows = self.site_rows(None, request).await?;
        Ok(request.page(rows, |row| row.id.clone()))
    }

    /// How many sites there are.
    pub async fn count_sites(&self) -> Result<i64> {
        let (count,) = sqlx::query_as("SELECT count(*) FROM site")
            .fetch_one(&self.reader)
            .await?;
        Ok(count)
    }

    async fn site_rows(&self, id: Option<&str>, request: &PageRequest) -> Result<Vec<SiteRow>> {
        let rows = sqlx::query_as(
            "SELECT site.id, site.name, site.created_ms,
                (SELECT count(*) FROM peer
                    WHERE peer.site = site.id AND kind = 'device' AND revoked_ms IS NULL)
                    AS devices,
                CASE WHEN gateway.id IS NULL THEN NULL
                     ELSE coalesce(gateway.presence, 'never') END AS gateway_status,
                gateway.presence_ms AS gateway_since_ms,
                gateway.agent_version AS gateway_version,
                gateway.enrolled_ms AS gateway_enrolled_ms
             FROM site LEFT JOIN peer AS gateway
                ON gateway.id = site.id || '/gateway' AND gateway.revoked_ms IS NULL
             WHERE (?1 IS NULL OR site.id = ?1) AND site.id > coalesce(?2, '')
             ORDER BY site.id LIMIT ?3",
        )
        .bind(id)
        .bind(request.after())
        .bind(request.fetch())
        .fetch_all(&self.reader)
        .await?;
        Ok(rows)
    }
}
