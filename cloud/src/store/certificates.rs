//! Certificates that were given out, and which of them count.

use noroshi_protocol::{CertificateSerial, Revocation, SiteId, limits};

use super::{Store, WriteTransaction, signed};
use crate::error::{Error, Result};

/// Certificates of one enrolment: one, and some for answers that were lost.
const CERTIFICATES: i64 = 16;

/// A certificate that is being given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// Its DER bytes.
    pub certificate: Vec<u8>,
    /// Its serial number.
    pub serial: CertificateSerial,
    /// When it expires, Unix milliseconds.
    pub expires_ms: u64,
}

impl Store {
    /// The site of the peer with the key `peer` if a certificate of this serial is of its current
    /// enrolment and was not revoked.
    pub async fn admitted(&self, peer: &str, serial: &CertificateSerial) -> Result<Option<String>> {
        let row: Option<(String,)> = sqlx::query_as(
            "SELECT peer.site FROM certificate JOIN peer ON peer.id = certificate.peer
             WHERE certificate.serial = ?1 AND peer.id = ?2
               AND certificate.enrolment = peer.enrolment
               AND certificate.revoked_ms IS NULL AND peer.revoked_ms IS NULL",
        )
        .bind(serial.to_string())
        .bind(peer)
        .fetch_optional(&self.reader)
        .await?;
        Ok(row.map(|(site,)| site))
    }

    /// Certificates of devices that were revoked and have not expired, for the document of
    /// `site`. If there are more than a document holds, those that expire first are left out.
    pub async fn revocations(&self, site: &SiteId, now_ms: u64) -> Result<Vec<Revocation>> {
        let rows: Vec<(String, Option<String>)> = sqlx::query_as(
            "SELECT certificate.serial, CASE WHEN peer.site = ?1 THEN peer.id END
             FROM certificate JOIN peer ON peer.id = certificate.peer
             WHERE certificate.revoked_ms IS NOT NULL AND certificate.expires_ms > ?2
               AND peer.kind = 'device'
             ORDER BY certificate.expires_ms DESC, certificate.serial LIMIT ?3",
        )
        .bind(site.as_str())
        .bind(signed(now_ms))
        .bind(signed(limits::REVOKED as u64 + 1))
        .fetch_all(&self.reader)
        .await?;
        if rows.len() > limits::REVOKED {
            tracing::warn!(
                most = limits::REVOKED,
                "more certificates are revoked than gateways can be told; the cloud refuses all \
                 of them"
            );
        }
        let mut revoked = Vec::with_capacity(rows.len());
        for (serial, device) in rows.into_iter().take(limits::REVOKED) {
            let device = device.map(|device| device.parse()).transpose();
            revoked.push(Revocation {
                serial: serial
                    .parse()
                    .map_err(|error| Error::corrupt("serial", error))?,
                device: device.map_err(|error| Error::corrupt("device id", error))?,
            });
        }
        revoked.sort();
        Ok(revoked)
    }
}

/// Writes down that a certificate is given out, before it is.
pub(super) async fn note_issued(
    transaction: &mut WriteTransaction,
    peer: &str,
    enrolment: u32,
    issued: &Issued,
    now_ms: u64,
) -> Result<()> {
    let (count,): (i64,) =
        sqlx::query_as("SELECT count(*) FROM certificate WHERE peer = ?1 AND enrolment = ?2")
            .bind(peer)
            .bind(i64::from(enrolment))
            .fetch_one(&mut **transaction)
            .await?;
    if count >= CERTIFICATES {
        let detail = "this key was given its certificate many times; enrol with a new token and \
                      a new key"
            .to_owned();
        return Err(Error::Conflict {
            code: "token_used",
            detail,
        });
    }
    sqlx::query(
        "INSERT INTO certificate (serial, peer, enrolment, issued_ms, expires_ms)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )
    .bind(issued.serial.to_string())
    .bind(peer)
    .bind(i64::from(enrolment))
    .bind(signed(now_ms))
    .bind(signed(issued.expires_ms))
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Revokes every certificate that a peer has had until now.
pub(super) async fn revoke_all(
    transaction: &mut WriteTransaction,
    peer: &str,
    now_ms: u64,
) -> Result<()> {
    sqlx::query("UPDATE certificate SET revoked_ms = ?2 WHERE peer = ?1 AND revoked_ms IS NULL")
        .bind(peer)
        .bind(signed(now_ms))
        .execute(&mut **transaction)
        .await?;
    Ok(())
}
