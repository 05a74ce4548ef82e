//! What an embedder decides at a broker: who is let in, and what becomes of a message.

use async_trait::async_trait;
use bytes::Bytes;
use noroshi_fleet::access::Principal;
use noroshi_protocol::{Grant, Identity, Topic};

/// A message that was allowed.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Who published it.
    pub principal: Principal,
    /// Where.
    pub topic: Topic,
    /// What: at most the channel's limit.
    pub payload: Bytes,
    /// The broker publishes it for a client that is gone.
    pub is_will: bool,
}

/// What becomes of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is acknowledged and passed on to subscribers.
    Taken,
    /// No room now; the client may send it again (*quota exceeded*).
    Busy,
    /// It is not what its topic says (*payload format invalid*).
    Refused,
}

/// The embedder's side of a broker.
#[async_trait]
pub trait Door: Send + Sync + 'static {
    /// Whether a certificate's holder may come in: known and not revoked. Chain, subject, client
    /// id, protocol version and will have been checked before.
    async fn admit(&self, identity: &Identity, serial: Option<&str>) -> bool;

    /// The grant of a dashboard token whose signature was verified; `None` refuses. The broker
    /// checks the expiry, and closes the session then.
    async fn grant(&self, token: &str) -> Option<Grant>;

    /// Takes a message after the access decision and before its acknowledgement. It must not
    /// wait for a disk or a network: what takes long is queued.
    async fn ingest(&self, arrival: Arrival) -> Verdict;

    /// Unix milliseconds, for the expiry of tokens.
    fn now_ms(&self) -> u64;
}
