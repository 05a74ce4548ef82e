//! Enrolment tokens, and what redeeming one makes.

use noroshi_model::Capabilities;
use noroshi_protocol::{DeviceId, PublicKey, SiteId, TokenId};

use super::certificates::{Issued, note_issued, revoke_all};
use super::unissued::mark_unissued;
use super::{Page, PageRequest, Store, WriteTransaction, peer_key, signed, unsigned};
use crate::error::{Error, Result};

/// What a token enrols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerKind {
    /// Devices.
    Device,
    /// The gateway of its site.
    Gateway,
}

impl PeerKind {
    /// The word in rows and the API.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Gateway => "gateway",
        }
    }
}

/// A token to be kept; its seed never is.
#[derive(Debug, Clone)]
pub struct NewEnrolmentToken {
    /// Its public half in the token's text.
    pub id: TokenId,
    /// The public half of its seed.
    pub public_key: PublicKey,
    /// The site that it enrols into.
    pub site: SiteId,
    /// What it enrols.
    pub kind: PeerKind,
    /// How often.
    pub uses: u32,
    /// Until when, Unix milliseconds.
    pub expires_ms: u64,
}

/// A kept token.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
#[expect(missing_docs, reason = "as in NewEnrolmentToken")]
pub struct EnrolmentTokenRow {
    pub id: String,
    pub public_key: Vec<u8>,
    pub site: String,
    pub kind: String,
    pub uses: i64,
    pub used: i64,
    pub created_ms: i64,
    pub expires_ms: i64,
    pub revoked: bool,
}

/// A request that carries a token's signature, checked by the caller against the token's key.
#[derive(Debug, Clone)]
pub struct Redemption {
    /// The token.
    pub token: TokenId,
    /// The key of the new peer.
    pub public_key: PublicKey,
    /// An id for it if it is a device.
    pub device: DeviceId,
    /// Its name for people; empty means its id.
    pub name: String,
    /// What it can run.
    pub capabilities: Option<Capabilities>,
}

/// What was enrolled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolled {
    /// The site.
    pub site: SiteId,
    /// Device or gateway.
    pub kind: PeerKind,
    /// The device's id; `gateway` for a gateway.
    pub device: DeviceId,
    /// Counts the enrolments.
    pub enrolment: u32,
}

fn refused(code: &'static str, detail: &str) -> Error {
    Error::Conflict {
        code,
        detail: detail.to_owned(),
    }
}

impl EnrolmentTokenRow {
    /// Why the token enrols nobody at `now_ms`, if so.
    pub fn fault(&self, now_ms: u64) -> Option<Error> {
        if self.revoked {
            let detail = "this enrolment token was revoked; ask an administrator for a new one";
            return Some(refused("token_revoked", detail));
        }
        if unsigned(self.expires_ms) < now_ms {
            let detail = "this enrolment token has expired; ask an administrator for a new one";
            return Some(refused("token_expired", detail));
        }
        if self.used >= self.uses {
            let detail = "this enrolment token is used up; ask an administrator for a new one, and \
                          if you did not use it, have its device revoked";
            return Some(refused("token_used", detail));
        }
        None
    }
}

impl Store {
    /// Keeps a token.
    pub async fn create_enrolment_token(
        &self,
        token: &NewEnrolmentToken,
        now_ms: u64,
    ) -> Result<()> {
        sqlx::query(
            "INSERT INTO enrolment_token (id, public_key, site, kind, uses, created_ms, expires_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )
        .bind(token.id.as_str())
        .bind(token.public_key.as_bytes().as_slice())
        .bind(token.site.as_str())
        .bind(token.kind.word())
        .bind(i64::from(token.uses))
        .bind(signed(now_ms))
        .bind(signed(token.expires_ms))
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// One token.
    pub async fn enrolment_token(&self, id: &TokenId) -> Result<Option<EnrolmentTokenRow>> {
        let row = sqlx::query_as("SELECT * FROM enrolment_token WHERE id = ?1")
            .bind(id.as_str())
            .fetch_optional(&self.reader)
            .await?;
        Ok(row)
    }

    /// Tokens by id.
    pub async fn enrolment_tokens(
        &self,
        site: Option<&str>,
        request: &PageRequest,
    ) -> Result<Page<EnrolmentTokenRow>> {
        let rows = sqlx::query_as(
            "SELECT * FROM enrolment_token
             WHERE (?1 IS NULL OR site = ?1) AND id > coalesce(?2, '') ORDER BY id LIMIT ?3",
        )
        .bind(site)
        .bind(request.after())
        .bind(request.fetch())
        .fetch_all(&self.reader)
        .await?;
        Ok(request.page(rows, |row: &EnrolmentTokenRow| row.id.clone()))
    }

    /// Ends a token before its time.
    pub async fn revoke_enrolment_token(&self, id: &str) -> Result<()> {
        let done = sqlx::query("UPDATE enrolment_token SET revoked = 1 WHERE id = ?1")
            .bind(id)
            .execute(&self.writer)
            .await?;
        if done.rows_affected() == 0 {
            return Err(Error::not_found("enrolment token", id));
        }
        Ok(())
    }

    /// Uses a token once and makes the peer, in one transaction: of two that come at the same
    /// time with the last use, one is refused. The same key coming again with a token that
    /// enrolled it (its answer was lost) gets the same id and costs no further use.
    ///
    /// The certificate that `issue` makes is written down in the same transaction: it counts
    /// from then on, and no other does but those of the same enrolment.
    pub async fn redeem<F>(
        &self,
        redemption: &Redemption,
        now_ms: u64,
        issue: F,
    ) -> Result<(Enrolled, Issued)>
    where
        F: FnOnce(&Enrolled) -> Result<Issued> + Send,
    {
        let mut transaction = self.begin().await?;
        let token: Option<EnrolmentTokenRow> =
            sqlx::query_as("SELECT * FROM enrolment_token WHERE id = ?1")
                .bind(redemption.token.as_str())
                .fetch_optional(&mut *transaction)
                .await?;
        let token = token.ok_or_else(unknown_token)?;
        let again = enrolled_before(&mut transaction, redemption, &token).await?;
        let enrolled = match again {
            Some(enrolled) => enrolled,
            None => enrol_anew(&mut transaction, redemption, &token, now_ms).await?,
        };
        let issued = issue(&enrolled)?;
        let key = peer_key(&enrolled.site, &enrolled.device);
        note_issued(&mut transaction, &key, enrolled.enrolment, &issued, now_ms).await?;
        transaction.commit().await?;
        Ok((enrolled, issued))
    }
}

async fn enrol_anew(
    transaction: &mut WriteTransaction,
    redemption: &Redemption,
    token: &EnrolmentTokenRow,
    now_ms: u64,
) -> Result<Enrolled> {
    if let Some(fault) = token.fault(now_ms) {
        return Err(fault);
    }
    let enrolled = insert_peer(transaction, redemption, token, now_ms).await?;
    sqlx::query("UPDATE enrolment_token SET used = used + 1 WHERE id = ?1")
        .bind(&token.id)
        .execute(&mut **transaction)
        .await?;
    if enrolled.kind == PeerKind::Gateway {
        let key = peer_key(&enrolled.site, &enrolled.device);
        revoke_all(transaction, &key, now_ms).await?;
        // It has to learn who is not let in any more.
        mark_unissued(transaction, &key).await?;
    }
    Ok(enrolled)
}

/// The token is none of ours.
pub(crate) fn unknown_token() -> Error {
    refused(
        "token_unknown",
        "this enrolment token is not known here; check that it is from this organisation and was \
         copied whole",
    )
}

async fn enrolled_before(
    transaction: &mut WriteTransaction,
    redemption: &Redemption,
    token: &EnrolmentTokenRow,
) -> Result<Option<Enrolled>> {
    let row: Option<(String, i64)> = sqlx::query_as(
        "SELECT id, enrolment FROM peer
         WHERE public_key = ?1 AND site = ?2 AND kind = ?3 AND revoked_ms IS NULL",
    )
    .bind(redemption.public_key.as_bytes().as_slice())
    .bind(&token.site)
    .bind(&token.kind)
    .fetch_optional(&mut **transaction)
    .await?;
    let Some((id, enrolment)) = row else {
        return Ok(None);
    };
    // Only while the token itself is not withdrawn, and not long after.
    if token.revoked || token.used == 0 {
        return Ok(None);
    }
    enrolled(token, &id, enrolment).map(Some)
}

fn enrolled(token: &EnrolmentTokenRow, id: &str, enrolment: i64) -> Result<Enrolled> {
    let corrupt = |error| Error::corrupt("id", error);
    let kind = if token.kind == "gateway" {
        PeerKind::Gateway
    } else {
        PeerKind::Device
    };
    Ok(Enrolled {
        site: token.site.parse().map_err(corrupt)?,
        kind,
        device: match kind {
            PeerKind::Gateway => DeviceId::gateway(),
            PeerKind::Device => id.parse().map_err(corrupt)?,
        },
        enrolment: u32::try_from(enrolment).unwrap_or(u32::MAX),
    })
}

async fn insert_peer(
    transaction: &mut WriteTransaction,
    redemption: &Redemption,
    token: &EnrolmentTokenRow,
    now_ms: u64,
) -> Result<Enrolled> {
    let id = if token.kind == "gateway" {
        format!("{}/gateway", token.site)
    } else {
        redemption.device.as_str().to_owned()
    };
    let name = match (redemption.name.trim(), token.kind.as_str()) {
        ("", "gateway") => format!("gateway of {}", token.site),
        ("", _) => id.clone(),
        (name, _) => name.to_owned(),
    };
    let capabilities = redemption
        .capabilities
        .as_ref()
        .map(serde_json::to_string)
        .transpose();
    let chip = redemption
        .capabilities
        .as_ref()
        .map_or("", |c| c.chip.as_str());
    // A gateway that is enrolled again replaces the one before: its key alone counts from now on.
    let (enrolment,): (i64,) = sqlx::query_as(
        "INSERT INTO peer (id, kind, site, name, public_key, enrolment, enrolled_ms, capabilities,
            chip)
         VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?7, ?8)
         ON CONFLICT (id) DO UPDATE SET public_key = excluded.public_key, name = excluded.name,
            enrolment = peer.enrolment + 1, enrolled_ms = excluded.enrolled_ms,
            revoked_ms = NULL, presence = NULL, start = 0, connection = 0,
            reported = NULL, reported_start = 0, reported_sequence = 0
            WHERE peer.kind = 'gateway'
         RETURNING enrolment",
    )
    .bind(&id)
    .bind(&token.kind)
    .bind(&token.site)
    .bind(name)
    .bind(redemption.public_key.as_bytes().as_slice())
    .bind(signed(now_ms))
    .bind(capabilities.map_err(|error| Error::corrupt("capabilities", error))?)
    .bind(chip.chars().take(128).collect::<String>())
    .fetch_one(&mut **transaction)
    .await?;
    enrolled(token, &id, enrolment)
}
