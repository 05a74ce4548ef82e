//! Devices and gateways.

use noroshi_model::Capabilities;
use noroshi_protocol::{DeviceId, PublicKey, Reported, SiteId};

use super::certificates::revoke_all;
use super::unissued::{mark_every_gateway, mark_unissued};
use super::{Page, PageRequest, Store, signed};
use crate::error::{Error, Result};

/// The key of a peer's row: a device's id, or `<site>/gateway`.
pub fn peer_key(site: &SiteId, device: &DeviceId) -> String {
    if *device == DeviceId::gateway() {
        format!("{site}/gateway")
    } else {
        device.as_str().to_owned()
    }
}

/// A device or gateway with what is known of it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct PeerRow {
    /// Its id, or `<site>/gateway`.
    pub id: String,
    /// `device` or `gateway`.
    pub kind: String,
    /// Its site.
    pub site: String,
    /// Its name for people.
    pub name: String,
    /// Its Ed25519 public key.
    pub public_key: Vec<u8>,
    /// Counts its enrolments.
    pub enrolment: i64,
    /// When it was enrolled, Unix milliseconds.
    pub enrolled_ms: i64,
    /// When it was revoked; never lifted.
    pub revoked_ms: Option<i64>,
    /// `online`, `stopped`, `lost`, `unknown` (nobody can say) or `never`.
    pub status: String,
    /// Since when, Unix milliseconds of the cloud.
    pub status_since_ms: i64,
    /// Version of its agent or gateway.
    pub agent_version: String,
    /// Its newest report: CBOR of protocol's `Reported`.
    pub reported: Option<Vec<u8>>,
    /// When that came, Unix milliseconds.
    pub reported_ms: i64,
    /// What it can run, as JSON.
    pub capabilities: Option<String>,
    /// Its CPU's name.
    pub chip: String,
    /// When anything was last heard, Unix milliseconds.
    pub seen_ms: i64,
}

/// Which devices are asked for; nothing means all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PeerFilter {
    /// Of one site.
    pub site: Option<String>,
    /// With one status.
    pub status: Option<String>,
    /// Whose name, id or chip has this text in it.
    pub text: Option<String>,
    /// That should run a pipeline.
    pub pipeline: Option<String>,
    /// That should run a model.
    pub model: Option<String>,
}

// One query a sort key, so that the text of a query is never put together while running.
macro_rules! concat_query {
    ($key:literal, $compare:literal, $direction:literal) => {
        concat!(
            "SELECT * FROM peer_now WHERE kind = 'device' AND revoked_ms IS NULL
               AND (?1 IS NULL OR site = ?1) AND (?2 IS NULL OR status = ?2)
               AND (?3 IS NULL OR instr(lower(name || ' ' || id || ' ' || chip), lower(?3)) > 0)
               AND (?4 IS NULL OR id IN (SELECT device FROM assignment WHERE pipeline = ?4))
               AND (?5 IS NULL OR id IN (SELECT device FROM assignment WHERE model = ?5))
               AND (?6 IS NULL OR (",
            $key,
            ", id) ",
            $compare,
            " (?6, ?7))
             ORDER BY ",
            $key,
            " ",
            $direction,
            ", id ",
            $direction,
            " LIMIT ?8"
        )
    };
}

/// How devices are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the names say it")]
pub enum PeerOrder {
    #[default]
    NameRising,
    NameFalling,
    SeenRising,
    SeenFalling,
}

impl PeerOrder {
    /// The order of the API's word.
    pub fn from_word(word: &str) -> Result<Self> {
        Ok(match word {
            "name" => Self::NameRising,
            "-name" => Self::NameFalling,
            "last_seen" => Self::SeenRising,
            "-last_seen" => Self::SeenFalling,
            _ => {
                return Err(Error::invalid(
                    "sort is name, -name, last_seen or -last_seen",
                ));
            }
        })
    }

    const fn query(self) -> &'static str {
        match self {
            Self::NameRising => concat_query!("lower(name)", ">", "ASC"),
            Self::NameFalling => concat_query!("lower(name)", "<", "DESC"),
            Self::SeenRising => concat_query!("printf('%020d', seen_ms)", ">", "ASC"),
            Self::SeenFalling => concat_query!("printf('%020d', seen_ms)", "<", "DESC"),
        }
    }

    fn key(self, row: &PeerRow) -> String {
        match self {
            Self::NameRising | Self::NameFalling => row.name.to_ascii_lowercase(),
            Self::SeenRising | Self::SeenFalling => format!("{:020}", row.seen_ms),
        }
    }
}

impl PeerRow {
    /// Its public key.
    pub fn key(&self) -> Result<PublicKey> {
        PublicKey::from_bytes(&self.public_key).map_err(|error| Error::corrupt("key", error))
    }

    /// Its id as a device's.
    pub fn device_id(&self) -> Result<DeviceId> {
        let text = if self.kind == "gateway" {
            "gateway"
        } else {
            &self.id
        };
        text.parse()
            .map_err(|error| Error::corrupt("device id", error))
    }

    /// Its site's id.
    pub fn site_id(&self) -> Result<SiteId> {
        self.site
            .parse()
            .map_err(|error| Error::corrupt("site id", error))
    }

    /// Its newest report.
    pub fn report(&self) -> Result<Option<Reported>> {
        use noroshi_protocol::Message;
        let read = |bytes: &Vec<u8>| {
            Reported::from_cbor(bytes).map_err(|error| Error::corrupt("report", error))
        };
        self.reported.as_ref().map(read).transpose()
    }

    /// What it can run.
    pub fn capabilities(&self) -> Result<Option<Capabilities>> {
        let read = |text: &String| {
            serde_json::from_str(text).map_err(|error| Error::corrupt("capabilities", error))
        };
        self.capabilities.as_ref().map(read).transpose()
    }
}

impl Store {
    /// One device or gateway by its key, the revoked ones included.
    pub async fn peer(&self, key: &str) -> Result<Option<PeerRow>> {
        let row = sqlx::query_as("SELECT * FROM peer_now WHERE id = ?1")
            .bind(key)
            .fetch_optional(&self.reader)
            .await?;
        Ok(row)
    }

    /// One device that is not revoked.
    pub async fn device(&self, id: &str) -> Result<PeerRow> {
        let row = self.peer(id).await?;
        row.filter(|row| row.kind == "device" && row.revoked_ms.is_none())
            .ok_or_else(|| Error::not_found("device", id))
    }

    /// A page of devices that are not revoked.
    pub async fn devices(
        &self,
        filter: &PeerFilter,
        order: PeerOrder,
        request: &PageRequest,
    ) -> Result<Page<PeerRow>> {
        let (key, id) = request.after_pair()?.unzip();
        let rows = sqlx::query_as(order.query())
            .bind(&filter.site)
            .bind(&filter.status)
            .bind(&filter.text)
            .bind(&filter.pipeline)
            .bind(&filter.model)
            .bind(key)
            .bind(id)
            .bind(request.fetch())
            .fetch_all(&self.reader)
            .await?;
        Ok(request.page(rows, |row: &PeerRow| {
            serde_json::to_string(&(order.key(row), &row.id)).unwrap_or_default()
        }))
    }

    /// Every device that is not revoked: of one site, or of all.
    pub async fn all_devices(&self, site: Option<&str>) -> Result<Vec<PeerRow>> {
        let rows = sqlx::query_as(
            "SELECT * FROM peer_now WHERE kind = 'device' AND revoked_ms IS NULL
               AND (?1 IS NULL OR site = ?1) ORDER BY id",
        )
        .bind(site)
        .fetch_all(&self.reader)
        .await?;
        Ok(rows)
    }

    /// The keys of every gateway that is not revoked.
    pub async fn gateways(&self) -> Result<Vec<PeerRow>> {
        let rows = sqlx::query_as(
            "SELECT * FROM peer_now WHERE kind = 'gateway' AND revoked_ms IS NULL ORDER BY id",
        )
        .fetch_all(&self.reader)
        .await?;
        Ok(rows)
    }

    /// How many devices there are, and how many of them are online.
    pub async fn count_devices(&self) -> Result<(i64, i64)> {
        let counts = sqlx::query_as(
            "SELECT count(*), coalesce(sum(status = 'online'), 0) FROM peer_now
             WHERE kind = 'device' AND revoked_ms IS NULL",
        )
        .fetch_one(&self.reader)
        .await?;
        Ok(counts)
    }

    /// Gives a device another name.
    pub async fn rename_device(&self, id: &str, name: &str) -> Result<()> {
        sqlx::query("UPDATE peer SET name = ?2 WHERE id = ?1 AND kind = 'device'")
            .bind(id)
            .bind(name)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Revokes a device or gateway for ever with its certificates, and forgets what it should run.
    /// Marks what has to be issued for it, and for every gateway if it is a device.
    pub async fn revoke_peer(&self, key: &str, now_ms: u64) -> Result<()> {
        let mut transaction = self.begin().await?;
        sqlx::query("UPDATE peer SET revoked_ms = coalesce(revoked_ms, ?2) WHERE id = ?1")
            .bind(key)
            .bind(signed(now_ms))
            .execute(&mut *transaction)
            .await?;
        for forget in [
            "DELETE FROM assignment WHERE device = ?1",
            "DELETE FROM desired WHERE peer = ?1",
        ] {
            sqlx::query(forget)
                .bind(key)
                .execute(&mut *transaction)
                .await?;
        }
        revoke_all(&mut transaction, key, now_ms).await?;
        mark_unissued(&mut transaction, key).await?;
        if !key.contains('/') {
            mark_every_gateway(&mut transaction).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}
