//! The way to the endpoint: clients that show our certificate and accept only our site's gateway
//! and our cloud.

use std::sync::{Arc, Mutex, PoisonError};

use noroshi_protocol::{Identity as Peer, limits};
use noroshi_service::clock::SessionClock;
use noroshi_service::tls::{self, ExpectedPeers, Identity};
use reqwest::{Client, StatusCode};

use crate::AgentError;
use crate::config::Endpoint;

/// Shared by everything that speaks to the endpoint.
pub(crate) struct Network {
    pub(crate) endpoint: Endpoint,
    pub(crate) identity: Identity,
    pub(crate) clock: Arc<SessionClock>,
    expected: ExpectedPeers,
    client: Mutex<Option<Client>>,
}

impl Network {
    pub(crate) fn new(
        endpoint: Endpoint,
        identity: Identity,
        clock: Arc<SessionClock>,
    ) -> Result<Self, AgentError> {
        let file = identity.file().ok_or_else(|| {
            AgentError::Identity("the identity has no identity.json: enrol this device".into())
        })?;
        let org = file.org.clone();
        let expected = ExpectedPeers::exactly([
            &Peer::Gateway {
                org: org.clone(),
                site: file.site.clone(),
            },
            &Peer::Cloud { org },
        ]);
        Ok(Self {
            endpoint,
            identity,
            clock,
            expected,
            client: Mutex::new(None),
        })
    }

    /// TLS for one connection.
    pub(crate) fn tls(&self) -> Result<rustls::ClientConfig, AgentError> {
        tls::client_config(
            self.identity.trust_anchors(),
            &self.expected,
            Some(&self.identity),
            &self.clock,
        )
        .map_err(|e| AgentError::Unreachable(e.to_string()))
    }

    /// The HTTPS client, made when first needed.
    pub(super) fn client(&self) -> Result<Client, AgentError> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*client {
            return Ok(client.clone());
        }
        let made =
            tls::http_client(self.tls()?).map_err(|e| AgentError::Unreachable(e.to_string()))?;
        *client = Some(made.clone());
        Ok(made)
    }

    /// The desired document's envelope; `None` if there is none yet.
    pub(crate) async fn desired(&self) -> Result<Option<Vec<u8>>, AgentError> {
        self.get("desired", limits::STATE * 2).await
    }

    /// A blob of a few bytes by its digest, checked.
    pub(super) async fn small_blob(
        &self,
        sha256: &noroshi_model::Digest,
        length: u64,
    ) -> Result<Vec<u8>, AgentError> {
        let limit = limits::STATE as u64;
        if length > limit {
            return Err(AgentError::Refused(format!(
                "{} has {length} bytes; at most {limit} are read",
                sha256.short()
            )));
        }
        let bytes = self
            .get(&format!("blobs/{sha256}"), length as usize)
            .await?
            .ok_or_else(|| AgentError::Unreachable(format!("{} is not there", sha256.short())))?;
        if noroshi_model::Digest::of(&bytes) != *sha256 {
            return Err(AgentError::Refused(format!(
                "what came for {} has another digest",
                sha256.short()
            )));
        }
        Ok(bytes)
    }

    pub(crate) async fn get(
        &self,
        route: &str,
        limit: usize,
    ) -> Result<Option<Vec<u8>>, AgentError> {
        let unreachable =
            |e: &dyn std::fmt::Display| AgentError::Unreachable(format!("GET {route}: {e}"));
        let mut response = self
            .client()?
            .get(self.endpoint.url(route))
            .send()
            .await
            .map_err(|e| unreachable(&causes(&e)))?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            status => return Err(unreachable(&status)),
        }
        let mut bytes = Vec::new();
        while let Some(piece) = response
            .chunk()
            .await
            .map_err(|e| unreachable(&causes(&e)))?
        {
            bytes.extend_from_slice(&piece);
            if bytes.len() > limit {
                return Err(AgentError::Refused(format!(
                    "GET {route}: more than the {limit} bytes that are read"
                )));
            }
        }
        Ok(Some(bytes))
    }

    /// Asks for the time and sets the session clock.
    pub(crate) async fn ask_time(&self) -> Result<u64, AgentError> {
        tls::ask_time(
            &self.endpoint.https,
            self.identity.trust_anchors(),
            &self.expected,
            &self.clock,
        )
        .await
        .map_err(|e| AgentError::Unreachable(e.to_string()))
    }
}

/// An error with what is behind it: reqwest's own text leaves the cause out.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
