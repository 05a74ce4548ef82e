//! HTTPS clients over our configurations.

use std::time::Duration;

use reqwest::{Client, ClientBuilder};
use rustls::ClientConfig;

use super::{TlsError, config};

const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// Between two pieces of a body; a whole download may take as long as it needs.
const READ_PATIENCE: Duration = Duration::from_secs(30);
/// A kept connection outlives a revocation, so none is kept long.
const IDLE_KEPT: Duration = Duration::from_secs(60);

/// An HTTPS client with a configuration from [`super::client_config`].
///
/// Make a new one when the identity changes or may have been revoked: kept connections stay
/// authenticated. Redirects are not followed and no proxy is taken from the environment.
pub fn http_client(config: ClientConfig) -> Result<Client, TlsError> {
    builder(config)
        .https_only(true)
        .build()
        .map_err(TlsError::setup)
}

/// An HTTPS client that accepts any server. **Only** for what proves itself: the anchor document
/// (by its pin) and the enrolment answer (by its signature and nonce).
pub fn unverified_http_client() -> Result<Client, TlsError> {
    http_client(config::unverified_client_config()?)
}

fn builder(mut config: ClientConfig) -> ClientBuilder {
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Client::builder()
        .tls_backend_preconfigured(config)
        .tls_info(true)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT_PATIENCE)
        .read_timeout(READ_PATIENCE)
        .pool_idle_timeout(IDLE_KEPT)
}

/// A body of at most `limit` bytes, never more in memory.
pub(crate) async fn read_bounded(
    mut response: reqwest::Response,
    limit: usize,
) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(piece) = response
        .chunk()
        .await
        .map_err(|error| super::with_causes(&error))?
    {
        if bytes.len() + piece.len() > limit {
            return Err(format!("the answer is longer than {limit} bytes"));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}
