//! TLS configurations, made anew whenever a certificate, the trust or the peers change.

use std::collections::BTreeSet;
use std::sync::Arc;

use noroshi_protocol::{Anchor, Identity as Peer, OrgId};
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::verify::{AnyServer, JudgedAt, PeerClients, PeerServers};
use super::{Identity, TlsError, key_log, provider};
use crate::clock::SessionClock;

/// The CA certificates of an organisation.
#[derive(Debug, Clone)]
pub struct TrustAnchors {
    org: OrgId,
    roots: Arc<RootCertStore>,
    certificates: Vec<CertificateDer<'static>>,
}

impl TrustAnchors {
    /// The CA certificates in an anchor document.
    pub fn from_anchor(anchor: &Anchor) -> Result<Self, TlsError> {
        let certificates = anchor
            .ca
            .iter()
            .map(|der| CertificateDer::from(der.to_vec()))
            .collect();
        Self::new(anchor.org.clone(), certificates)
    }

    /// CA certificates at hand.
    pub fn new(org: OrgId, certificates: Vec<CertificateDer<'static>>) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            roots
                .add(certificate.clone())
                .map_err(|error| TlsError::malformed("a CA certificate", error))?;
        }
        if roots.is_empty() {
            return Err(TlsError::malformed(
                "the anchor",
                "it has no CA certificate",
            ));
        }
        Ok(Self {
            org,
            roots: Arc::new(roots),
            certificates,
        })
    }

    /// The organisation.
    pub fn org(&self) -> &OrgId {
        &self.org
    }

    /// The CA certificates, as the broker's configuration wants them.
    pub fn to_pem(&self) -> String {
        self.certificates
            .iter()
            .map(|der| super::identity::pem("CERTIFICATE", der))
            .collect()
    }
}

/// Whom a client accepts as its server.
#[derive(Debug, Clone, Default)]
pub struct ExpectedPeers(BTreeSet<String>);

impl ExpectedPeers {
    /// Exactly these.
    pub fn exactly<'a>(peers: impl IntoIterator<Item = &'a Peer>) -> Self {
        Self(peers.into_iter().map(Peer::uri).collect())
    }
}

/// Whether a server asks its clients for a certificate. One that is presented must always be
/// valid and of our organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// The handshake succeeds without one; routes that need it ask for it.
    Optional,
    /// No handshake without one.
    Mandatory,
}

/// A client that verifies its server, and shows `identity` if there is one.
pub fn client_config(
    anchors: &TrustAnchors,
    expected: &ExpectedPeers,
    identity: Option<&Identity>,
    clock: &Arc<SessionClock>,
) -> Result<ClientConfig, TlsError> {
    verifying_client(
        anchors,
        expected,
        identity,
        clock,
        JudgedAt::Session(clock.clone()),
    )
}

/// A client for asking the time with a clock that may be wrong.
pub(super) fn time_client_config(
    anchors: &TrustAnchors,
    expected: &ExpectedPeers,
    clock: &Arc<SessionClock>,
) -> Result<ClientConfig, TlsError> {
    verifying_client(
        anchors,
        expected,
        None,
        clock,
        JudgedAt::AfterFloor(clock.clone()),
    )
}

fn verifying_client(
    anchors: &TrustAnchors,
    expected: &ExpectedPeers,
    identity: Option<&Identity>,
    clock: &Arc<SessionClock>,
    judged_at: JudgedAt,
) -> Result<ClientConfig, TlsError> {
    let verifier = PeerServers {
        roots: anchors.roots.clone(),
        expected: expected.0.clone(),
        judged_at,
        provider: provider(),
    };
    let builder = ClientConfig::builder_with_details(provider(), clock.clone())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::setup)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let config = match identity {
        Some(identity) => builder
            .with_client_auth_cert(identity.chain().to_vec(), identity.private_key())
            .map_err(TlsError::setup)?,
        None => builder.with_no_client_auth(),
    };
    Ok(without_resumption(config))
}

/// A client that accepts any server; see [`AnyServer`].
pub(super) fn unverified_client_config() -> Result<ClientConfig, TlsError> {
    let verifier = AnyServer {
        provider: provider(),
    };
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::setup)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(without_resumption(config))
}

fn without_resumption(mut config: ClientConfig) -> ClientConfig {
    config.resumption = Resumption::disabled();
    config.key_log = key_log::for_tests();
    config
}

/// A server with `identity`, for HTTP/1.1 and for anything else that names no protocol.
pub fn server_config(
    anchors: &TrustAnchors,
    identity: &Identity,
    clients: ClientAuthentication,
    clock: &Arc<SessionClock>,
) -> Result<ServerConfig, TlsError> {
    server_config_from_parts(
        anchors,
        identity.chain().to_vec(),
        identity.private_key(),
        clients,
        clock,
    )
}

fn server_config_from_parts(
    anchors: &TrustAnchors,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    clients: ClientAuthentication,
    clock: &Arc<SessionClock>,
) -> Result<ServerConfig, TlsError> {
    let mut config = ServerConfig::builder_with_details(provider(), clock.clone())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::setup)?
        .with_client_cert_verifier(client_verifier(anchors, clients)?)
        .with_single_cert(chain, key)
        .map_err(TlsError::setup)?;
    // A resumed session would skip the certificate's checks: expiry, and whether it was revoked.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.key_log = key_log::for_tests();
    Ok(config)
}

fn client_verifier(
    anchors: &TrustAnchors,
    clients: ClientAuthentication,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let builder = WebPkiClientVerifier::builder_with_provider(anchors.roots.clone(), provider());
    let builder = match clients {
        ClientAuthentication::Optional => builder.allow_unauthenticated(),
        ClientAuthentication::Mandatory => builder,
    };
    let chain = builder.build().map_err(TlsError::setup)?;
    Ok(Arc::new(PeerClients {
        chain,
        org: anchors.org.as_str().to_owned(),
    }))
}
