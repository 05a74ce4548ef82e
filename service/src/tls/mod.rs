//! TLS and identity: one provider, peers known by the URI in their certificate, time from our
//! clock.
//!
//! A peer is who its certificate's URI says (`noroshi://<org>/…`), if the certificate chains to
//! the organisation's CA from the anchor document. Names and addresses are not checked: they
//! change, identities do not. Sessions are never resumed, in either direction, since a resumed
//! session skips every check that a certificate has to pass.

mod anchor;
mod authority;
mod config;
mod http;
mod identity;
mod key_log;
mod peer;
mod time;
mod verify;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

pub use anchor::{PinnedAnchor, fetch_anchor};
pub use authority::{CertificateAuthority, Leaf, new_device_key};
pub use config::{ClientAuthentication, ExpectedPeers, TrustAnchors, client_config, server_config};
pub(crate) use http::read_bounded;
pub use http::{http_client, unverified_http_client};
pub use identity::{Identity, IdentityFile, IdentityPaths};
pub use peer::{peer_identity, peer_public_key};
pub use time::ask_time;

use crate::files::FileError;

/// Why TLS or an identity cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file of the identity folder is unreadable or missing.
    #[error("the identity is not usable: {0}; enrol this device, or restore its identity folder")]
    File(#[from] FileError),
    /// A file of the identity folder is not what it should be.
    #[error("{what} is not usable: {reason}")]
    Malformed {
        /// Which part: the key, the certificate, the anchor, identity.json.
        what: &'static str,
        /// Why, for people.
        reason: String,
    },
    /// The certificate and the key, or the certificate and the anchor, do not belong together.
    #[error("{0}; enrol again with a new token")]
    Mismatch(String),
    /// A certificate does not name a peer of ours.
    #[error("the peer's certificate names no device, gateway or cloud: {0}")]
    Peer(String),
    /// A document is not the one that the token pins.
    #[error(
        "the anchor document is not the one this token pins; check the address, or ask for a new token"
    )]
    Pin,
    /// The other side cannot be reached or answers with an error; try again later.
    #[error("{action} failed: {reason}")]
    Unreachable {
        /// What was tried.
        action: &'static str,
        /// Why, with its causes.
        reason: String,
    },
    /// The TLS library refused a configuration.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

impl TlsError {
    pub(crate) fn malformed(what: &'static str, reason: impl std::fmt::Display) -> Self {
        Self::Malformed {
            what,
            reason: reason.to_string(),
        }
    }

    pub(crate) fn setup(reason: impl std::fmt::Display) -> Self {
        Self::Setup(reason.to_string())
    }
}

/// Makes aws-lc-rs the process's provider. Each `main` calls it first; calling it again does
/// nothing. Two providers are compiled in (the broker library brings ring), so without this call
/// building any TLS configuration of a library panics.
pub fn install_provider() {
    // An error only says that one is installed; it can only be ours.
    let _ = provider().as_ref().clone().install_default();
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    CryptoProvider::get_default()
        .cloned()
        .unwrap_or_else(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
}

/// An error with all its causes, for a message: libraries put what matters at the end.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}
