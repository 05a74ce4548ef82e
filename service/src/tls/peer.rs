//! Reading who a certificate names.

use noroshi_protocol::{Identity as Peer, PublicKey};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use super::TlsError;

/// More bytes than any certificate of ours has.
const MAX_CERTIFICATE_BYTES: usize = 16 * 1024;

/// Who a certificate names by its one URI. It says nothing about trust: the certificate must have
/// come through one of our verifiers.
pub fn peer_identity(certificate: &[u8]) -> Result<Peer, TlsError> {
    let certificate = parse(certificate)?;
    let names = certificate
        .subject_alternative_name()
        .map_err(|error| TlsError::Peer(error.to_string()))?
        .ok_or_else(|| TlsError::Peer("it has no URI".to_owned()))?;
    let mut uris = names
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        });
    match (uris.next(), uris.next()) {
        (Some(uri), None) => uri
            .parse()
            .map_err(|error: noroshi_protocol::IdentityError| TlsError::Peer(error.to_string())),
        (None, _) => Err(TlsError::Peer("it has no URI".to_owned())),
        (Some(_), Some(_)) => Err(TlsError::Peer("it has several URIs".to_owned())),
    }
}

/// The Ed25519 key in a certificate.
pub fn peer_public_key(certificate: &[u8]) -> Result<PublicKey, TlsError> {
    let certificate = parse(certificate)?;
    PublicKey::from_bytes(&certificate.public_key().subject_public_key.data)
        .map_err(|error| TlsError::Peer(error.to_string()))
}

/// Unix seconds between which a certificate is valid.
pub(crate) fn validity(certificate: &[u8]) -> Result<(i64, i64), TlsError> {
    let certificate = parse(certificate)?;
    let validity = certificate.validity();
    Ok((
        validity.not_before.timestamp(),
        validity.not_after.timestamp(),
    ))
}

fn parse(certificate: &[u8]) -> Result<X509Certificate<'_>, TlsError> {
    if certificate.len() > MAX_CERTIFICATE_BYTES {
        return Err(TlsError::Peer("it is too large".to_owned()));
    }
    match X509Certificate::from_der(certificate) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) => Err(TlsError::Peer("bytes follow it".to_owned())),
        Err(error) => Err(TlsError::Peer(error.to_string())),
    }
}
