//! Time for devices without a clock: a signed answer to a nonce.

use serde::{Deserialize, Serialize};

use crate::{Message, limits};

/// What a device asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeRequest {
    /// 16 to 64 random bytes.
    #[serde(with = "serde_bytes")]
    pub nonce: Vec<u8>,
}

/// What the gateway or cloud answers, in an envelope of [`Domain::Time`](crate::Domain) by
/// its certificate's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeAnswer {
    /// The request's.
    #[serde(with = "serde_bytes")]
    pub nonce: Vec<u8>,
    /// Unix milliseconds.
    pub unix_ms: u64,
}

impl Message for TimeRequest {
    const WORD: &'static str = "time request";
    const LIMIT: usize = limits::SMALL;

    fn fault(&self) -> Option<String> {
        (!(16..=64).contains(&self.nonce.len())).then(|| "a nonce has 16 to 64 bytes".into())
    }
}

impl Message for TimeAnswer {
    const WORD: &'static str = "time answer";
    const LIMIT: usize = limits::SMALL;
}
