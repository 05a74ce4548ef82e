//! The organisation's certificate authority, as the cloud runs it.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::signature::Ed25519KeyPair;
use noroshi_protocol::{Identity as Peer, OrgId, PublicKey};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ED25519, PublicKeyData, SanType, SerialNumber, SignatureAlgorithm,
};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use super::TlsError;

/// How long a CA certificate is valid.
const CA_YEARS: u64 = 20;
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// Clocks of peers may be behind ours by this much.
const BACKDATED: Duration = Duration::from_hours(1);

/// What a new device certificate says.
#[derive(Debug, Clone)]
pub struct Leaf {
    /// Whom it names: URI, common name and organisation come from it.
    pub peer: Peer,
    /// The requester's key; nothing else is taken from a request.
    pub public_key: PublicKey,
    /// Unix milliseconds at which it begins, less an hour for slow clocks.
    pub issued_ms: u64,
    /// How long it is valid.
    pub lifetime: Duration,
}

/// The CA of one organisation.
pub struct CertificateAuthority {
    org: OrgId,
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl CertificateAuthority {
    /// Makes a CA: its PKCS#8 key and its certificate, to be kept by the caller.
    pub fn create(
        org: &OrgId,
        issued_ms: u64,
    ) -> Result<(Vec<u8>, CertificateDer<'static>), TlsError> {
        let key = new_device_key()?;
        let pair = key_pair(&key)?;
        let mut params = params(issued_ms, YEAR * CA_YEARS as u32)?;
        params
            .distinguished_name
            .push(DnType::OrganizationName, org.as_str());
        params
            .distinguished_name
            .push(DnType::CommonName, format!("Noroshi CA {org}"));
        // Leaves are issued by it directly, so no intermediate is ever valid.
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&pair).map_err(TlsError::setup)?;
        Ok((key, certificate.der().clone()))
    }

    /// Opens a CA from what [`create`](Self::create) gave.
    pub fn open(
        org: OrgId,
        key: &[u8],
        certificate: CertificateDer<'static>,
    ) -> Result<Self, TlsError> {
        let pair = key_pair(key)?;
        if super::peer_public_key(&certificate)?.as_bytes().as_slice() != pair.der_bytes() {
            return Err(TlsError::Mismatch(
                "the CA certificate is for another key".to_owned(),
            ));
        }
        let issuer = Issuer::from_ca_cert_der(&certificate, pair)
            .map_err(|error| TlsError::malformed("the CA certificate", error))?;
        Ok(Self {
            org,
            certificate,
            issuer,
        })
    }

    /// The organisation.
    pub fn org(&self) -> &OrgId {
        &self.org
    }

    /// The CA's certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Issues a certificate, good as client and as server.
    pub fn issue(&self, leaf: &Leaf) -> Result<CertificateDer<'static>, TlsError> {
        if *leaf.peer.org() != self.org {
            return Err(TlsError::Mismatch(format!(
                "{} is of another organisation",
                leaf.peer
            )));
        }
        let mut params = params(leaf.issued_ms, leaf.lifetime)?;
        params
            .distinguished_name
            .push(DnType::OrganizationName, self.org.as_str());
        params
            .distinguished_name
            .push(DnType::CommonName, leaf.peer.common_name());
        let uri = leaf.peer.uri().try_into().map_err(TlsError::setup)?;
        params.subject_alt_names = vec![SanType::URI(uri)];
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ClientAuth,
            ExtendedKeyUsagePurpose::ServerAuth,
        ];
        params.use_authority_key_identifier_extension = true;
        let certificate = params
            .signed_by(&RequestedKey(leaf.public_key.clone()), &self.issuer)
            .map_err(TlsError::setup)?;
        Ok(certificate.der().clone())
    }
}

impl fmt::Debug for CertificateAuthority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CertificateAuthority({})", self.org)
    }
}

/// A new Ed25519 key as PKCS#8. It is made where it is used and never leaves.
pub fn new_device_key() -> Result<Vec<u8>, TlsError> {
    Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new())
        .map(|key| key.as_ref().to_vec())
        .map_err(|_| TlsError::setup("the system gives no random numbers"))
}

fn key_pair(pkcs8: &[u8]) -> Result<KeyPair, TlsError> {
    KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(pkcs8), &PKCS_ED25519)
        .map_err(|error| TlsError::malformed("the CA key", error))
}

fn params(issued_ms: u64, lifetime: Duration) -> Result<CertificateParams, TlsError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    let issued = Duration::from_millis(issued_ms);
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + issued.saturating_sub(BACKDATED);
    params.not_after = epoch + (issued + lifetime);
    params.serial_number = Some(serial_number()?);
    Ok(params)
}

fn serial_number() -> Result<SerialNumber, TlsError> {
    let mut serial = [0; 16];
    aws_lc_rs::rand::fill(&mut serial)
        .map_err(|_| TlsError::setup("the system gives no random numbers"))?;
    // Positive and of full length, as a serial number has to be.
    serial[0] = (serial[0] & 0x7f) | 0x40;
    Ok(SerialNumber::from_slice(&serial))
}

struct RequestedKey(PublicKey);

impl PublicKeyData for RequestedKey {
    fn der_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ED25519
    }
}
