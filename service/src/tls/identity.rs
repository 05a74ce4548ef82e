//! The identity folder of a daemon.

use std::fmt;
use std::path::{Path, PathBuf};

use noroshi_protocol::{
    Anchor, DeviceId, Identity as Peer, Message as _, OrgId, PublicKey, SigningKey, SiteId, limits,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde::{Deserialize, Serialize};

use super::peer::{peer_identity, peer_public_key, validity};
use super::{TlsError, TrustAnchors};
use crate::files;

const MAX_KEY_BYTES: u64 = 4 * 1024;
const MAX_CHAIN_BYTES: u64 = 64 * 1024;
const MAX_IDENTITY_BYTES: u64 = 4 * 1024;

/// Where the files of an identity are.
#[derive(Debug, Clone)]
pub struct IdentityPaths {
    folder: PathBuf,
}

impl IdentityPaths {
    /// The files in `folder`.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// The folder, mode 0700.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The private key, PKCS#8, mode 0600.
    pub fn key(&self) -> PathBuf {
        self.folder.join("key.pk8")
    }

    /// The certificate chain, leaf first, PEM.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("cert.pem")
    }

    /// The anchor document, CBOR.
    pub fn anchor(&self) -> PathBuf {
        self.folder.join("anchor.cbor")
    }

    /// Who this is.
    pub fn identity(&self) -> PathBuf {
        self.folder.join("identity.json")
    }

    /// Whether an enrolment has completed: `identity.json` is written last.
    pub fn is_enrolled(&self) -> bool {
        self.identity().is_file()
    }
}

/// `identity.json`: what the certificate does not say (the site), and who it is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityFile {
    /// The organisation.
    pub org: OrgId,
    /// The site it belongs to now.
    pub site: SiteId,
    /// The device, or `gateway` for the gateway of the site.
    pub device: DeviceId,
    /// Counts the enrolments.
    #[serde(default)]
    pub enrolment: u32,
}

impl IdentityFile {
    /// Who the certificate must name.
    pub fn peer(&self) -> Peer {
        let org = self.org.clone();
        if self.device == DeviceId::gateway() {
            Peer::Gateway {
                org,
                site: self.site.clone(),
            }
        } else {
            Peer::Device {
                org,
                device: self.device.clone(),
            }
        }
    }
}

/// A key with its certificate, and the anchor it chains to.
pub struct Identity {
    peer: Peer,
    chain: Vec<CertificateDer<'static>>,
    key: PrivatePkcs8KeyDer<'static>,
    signing: SigningKey,
    anchor: Anchor,
    anchors: TrustAnchors,
    file: Option<IdentityFile>,
}

impl Identity {
    /// Reads and checks an identity folder: the key fits the certificate, the certificate names
    /// whom `identity.json` says, and the organisation is the anchor's.
    pub fn load(folder: &Path) -> Result<Self, TlsError> {
        let paths = IdentityPaths::new(folder);
        let file: IdentityFile =
            serde_json::from_slice(&files::read_bounded(&paths.identity(), MAX_IDENTITY_BYTES)?)
                .map_err(|error| TlsError::malformed("identity.json", error))?;
        let anchor = files::read_bounded(&paths.anchor(), limits::ANCHOR as u64)?;
        let anchor = Anchor::from_cbor(&anchor)
            .map_err(|error| TlsError::malformed("anchor.cbor", error))?;
        let key = files::read_bounded(&paths.key(), MAX_KEY_BYTES)?;
        let chain = files::read_bounded(&paths.certificate(), MAX_CHAIN_BYTES)?;
        let mut identity = Self::new(key, chain_from_pem(&chain)?, anchor)?;
        if identity.peer != file.peer() {
            return Err(TlsError::Mismatch(format!(
                "the certificate is for {} and identity.json for {}",
                identity.peer,
                file.peer()
            )));
        }
        identity.file = Some(file);
        Ok(identity)
    }

    /// Checks and joins the parts of an identity: a PKCS#8 key, a chain (leaf first) and the
    /// organisation's anchor.
    pub fn new(
        key: Vec<u8>,
        chain: Vec<CertificateDer<'static>>,
        anchor: Anchor,
    ) -> Result<Self, TlsError> {
        let signing =
            SigningKey::from_pkcs8(&key).map_err(|error| TlsError::malformed("key.pk8", error))?;
        let leaf = chain
            .first()
            .ok_or_else(|| TlsError::malformed("cert.pem", "it holds no certificate"))?;
        let peer = peer_identity(leaf)?;
        if peer_public_key(leaf)? != *signing.public() {
            return Err(TlsError::Mismatch(
                "the certificate is for another key".to_owned(),
            ));
        }
        if *peer.org() != anchor.org {
            return Err(TlsError::Mismatch(
                "the certificate is of another organisation".to_owned(),
            ));
        }
        let anchors = TrustAnchors::from_anchor(&anchor)?;
        Ok(Self {
            peer,
            chain,
            key: key.into(),
            signing,
            anchor,
            anchors,
            file: None,
        })
    }

    /// Writes a whole identity into a folder that has none; `identity.json` last, so that a
    /// power cut before it leaves a folder that is not enrolled.
    pub fn store(
        folder: &Path,
        key: &[u8],
        chain: &[CertificateDer<'_>],
        anchor: &[u8],
        file: &IdentityFile,
    ) -> Result<(), TlsError> {
        let paths = IdentityPaths::new(folder);
        files::create_private_folder(folder)?;
        if !paths.key().is_file() || files::read_bounded(&paths.key(), MAX_KEY_BYTES)? != key {
            files::write_secret(&paths.key(), key)?;
        }
        files::write_atomic(&paths.certificate(), chain_to_pem(chain).as_bytes())?;
        files::write_atomic(&paths.anchor(), anchor)?;
        let json = serde_json::to_vec_pretty(file)
            .map_err(|error| TlsError::malformed("identity.json", error))?;
        files::write_atomic(&paths.identity(), &json)?;
        Ok(())
    }

    /// Who the certificate names.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// What `identity.json` says; `None` for an identity that was not loaded from a folder.
    pub fn file(&self) -> Option<&IdentityFile> {
        self.file.as_ref()
    }

    /// The certificate chain, leaf first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The chain as PEM, for the broker's configuration.
    pub fn chain_pem(&self) -> String {
        chain_to_pem(&self.chain)
    }

    /// The private key as PEM, for the broker's configuration.
    pub fn key_pem(&self) -> String {
        pem("PRIVATE KEY", self.key.secret_pkcs8_der())
    }

    /// The key, to sign documents with.
    pub fn signing_key(&self) -> &SigningKey {
        &self.signing
    }

    /// The public half of the key.
    pub fn public_key(&self) -> &PublicKey {
        self.signing.public()
    }

    /// The anchor document.
    pub fn anchor(&self) -> &Anchor {
        &self.anchor
    }

    /// The organisation's CA certificates.
    pub fn trust_anchors(&self) -> &TrustAnchors {
        &self.anchors
    }

    /// Unix milliseconds at which the certificate begins and ends.
    pub fn valid_ms(&self) -> Result<(u64, u64), TlsError> {
        let (not_before, not_after) = validity(&self.chain[0])?;
        let ms = |seconds| u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000);
        Ok((ms(not_before), ms(not_after)))
    }

    pub(super) fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(self.key.clone_key())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Identity({})", self.peer)
    }
}

fn chain_from_pem(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    CertificateDer::pem_slice_iter(bytes)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TlsError::malformed("cert.pem", error))
}

fn chain_to_pem(chain: &[CertificateDer<'_>]) -> String {
    chain
        .iter()
        .map(|certificate| pem("CERTIFICATE", certificate))
        .collect()
}

pub(super) fn pem(label: &str, der: &[u8]) -> String {
    let base64 = data_encoding::BASE64.encode(der);
    let lines: Vec<&str> = base64
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap_or_default())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}
