//! Our verifiers: chain to the organisation's CA, exactly an expected URI, our clock.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use noroshi_protocol::Identity as Peer;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
};

use super::peer::{peer_identity, validity};
use crate::clock::SessionClock;

/// At which time a server's certificate is judged.
#[derive(Debug, Clone)]
pub(super) enum JudgedAt {
    /// The session's time, never before the floor.
    Session(Arc<SessionClock>),
    /// Any time after the floor at which it could be valid. Only for asking the time: a device
    /// whose clock is wrong must be able to ask, and the answer is signed for its nonce.
    AfterFloor(Arc<SessionClock>),
}

/// Verifies servers.
pub(super) struct PeerServers {
    pub(super) roots: Arc<RootCertStore>,
    pub(super) expected: BTreeSet<String>,
    pub(super) judged_at: JudgedAt,
    pub(super) provider: Arc<CryptoProvider>,
}

impl PeerServers {
    fn time(&self, certificate: &CertificateDer<'_>) -> Result<UnixTime, Error> {
        match &self.judged_at {
            JudgedAt::Session(clock) => Ok(crate::clock::unix_time(clock.trusted_ms())),
            JudgedAt::AfterFloor(clock) => {
                let (not_before, _) = validity(certificate).map_err(not_ours)?;
                let not_before_ms = u64::try_from(not_before).unwrap_or(0).saturating_mul(1_000);
                Ok(crate::clock::unix_time(clock.floor_ms().max(not_before_ms)))
            }
        }
    }
}

impl ServerCertVerifier for PeerServers {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        verify_server_cert_signed_by_trust_anchor(
            &ParsedCertificate::try_from(end_entity)?,
            &self.roots,
            intermediates,
            self.time(end_entity)?,
            self.provider.signature_verification_algorithms.all,
        )?;
        let uri = peer_identity(end_entity).map_err(not_ours)?.uri();
        if self.expected.contains(&uri) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(unexpected(&uri, &self.expected))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

impl fmt::Debug for PeerServers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PeerServers")
            .field("expected", &self.expected)
            .finish_non_exhaustive()
    }
}

/// Verifies clients: the standard chain check, and a URI of our form in our organisation.
#[derive(Debug)]
pub(super) struct PeerClients {
    pub(super) chain: Arc<dyn ClientCertVerifier>,
    pub(super) org: String,
}

impl ClientCertVerifier for PeerClients {
    fn offer_client_auth(&self) -> bool {
        self.chain.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.chain.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self
            .chain
            .verify_client_cert(end_entity, intermediates, now)?;
        let peer: Peer = peer_identity(end_entity).map_err(not_ours)?;
        if peer.org().as_str() == self.org {
            Ok(verified)
        } else {
            Err(unexpected(
                &peer.uri(),
                &BTreeSet::from([format!("noroshi://{}/…", self.org)]),
            ))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

/// Accepts every server. Only behind [`super::fetch_anchor`] and enrolment, where what is fetched
/// proves itself by its digest or signature and what is sent is no secret.
#[derive(Debug)]
pub(super) struct AnyServer {
    pub(super) provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// The text of a refused peer, which the handshake's error carries to whoever reads it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refused(String);

fn refused(text: String) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(Refused(text)))))
}

fn not_ours(error: super::TlsError) -> Error {
    refused(error.to_string())
}

fn unexpected(uri: &str, expected: &BTreeSet<String>) -> Error {
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    refused(format!(
        "the peer is {uri}, expected {}",
        expected.join(" or ")
    ))
}
