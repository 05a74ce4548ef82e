//! What trust rests on: the anchor that a token pins, and the online keys that TUF signs.

use noroshi_model::Digest;
use serde::{Deserialize, Serialize};

use crate::{Message, OrgId, PublicKey, limits};

/// An organisation's public anchor document. Fetched over any channel; its SHA-256 is the
/// pin inside every enrolment token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// Version of this document's format: 1.
    pub format: u32,
    /// The organisation.
    pub org: OrgId,
    /// CA certificates, DER.
    pub ca: Vec<serde_bytes::ByteBuf>,
    /// The TUF root metadata, version 1, as its file's bytes.
    #[serde(with = "serde_bytes")]
    pub root: Vec<u8>,
    /// Signs answers to enrolments.
    pub answer_key: PublicKey,
    /// Whether this is a development root, which production refuses.
    pub development: bool,
}

impl Message for Anchor {
    const WORD: &'static str = "anchor document";
    const LIMIT: usize = limits::ANCHOR;
}

impl Anchor {
    /// The pin of a document with these bytes.
    pub fn pin(bytes: &[u8]) -> Digest {
        Digest::of(bytes)
    }
}

/// The TUF target `trust/online.json`: keys that the cloud signs with while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnlineKeys {
    /// Version of this document's format: 1.
    pub format: u32,
    /// Current and next keys.
    pub keys: Vec<OnlineKey>,
}

/// One online key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnlineKey {
    /// 64 hexadecimal digits: the Ed25519 public key.
    pub public: String,
    /// What it may sign.
    pub uses: Vec<Use>,
}

/// What an online key may sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Use {
    /// Desired documents and site plans.
    Desired,
    /// Commands.
    Command,
    /// Dashboard tokens.
    Dashboard,
}

impl OnlineKeys {
    /// The TUF target's name.
    pub const TARGET: &'static str = "trust/online.json";

    /// The keys for `wanted`; malformed ones are left out.
    pub fn keys_for(&self, wanted: Use) -> Vec<PublicKey> {
        let decode = |key: &OnlineKey| {
            let bytes = data_encoding::HEXLOWER.decode(key.public.as_bytes()).ok()?;
            PublicKey::from_bytes(&bytes).ok()
        };
        self.keys
            .iter()
            .filter(|key| key.uses.contains(&wanted))
            .filter_map(decode)
            .collect()
    }

    /// An entry for `key`.
    pub fn entry(key: &PublicKey, uses: Vec<Use>) -> OnlineKey {
        OnlineKey {
            public: data_encoding::HEXLOWER.encode(key.as_bytes()),
            uses,
        }
    }
}
