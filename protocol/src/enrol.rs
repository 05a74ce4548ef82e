//! First contact: a token's seed signs the device's key; the answer is signed back.

use noroshi_model::Capabilities;
use serde::{Deserialize, Serialize};

use crate::envelope::Domain;
use crate::{DeviceId, Message, OrgId, PublicKey, SigningKey, SiteId, TokenId, limits};

/// What a device or gateway sends to enrol. A relay learns nothing that it could use again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolRequest {
    /// Which token.
    pub token: TokenId,
    /// The key made on the device; the private half never leaves it.
    pub public_key: PublicKey,
    /// 32 random bytes: ties the answer to this request.
    #[serde(with = "serde_bytes")]
    pub nonce: Vec<u8>,
    /// By the token's seed, over token id, public key and nonce.
    #[serde(with = "serde_bytes")]
    pub signature: Vec<u8>,
    /// What people call it, at most 100 bytes.
    pub name: String,
    /// What it can run; a gateway sends none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,
}

impl EnrolRequest {
    /// A signed request.
    pub fn sign(
        token: TokenId,
        seed: &SigningKey,
        public_key: PublicKey,
        nonce: [u8; 32],
        name: String,
        capabilities: Option<Capabilities>,
    ) -> Self {
        let signature = seed.sign(&signed_bytes(&token, &public_key, &nonce));
        Self {
            token,
            public_key,
            nonce: nonce.to_vec(),
            signature,
            name,
            capabilities,
        }
    }

    /// Whether the holder of the token's seed made it.
    pub fn is_signed_by(&self, seed: &PublicKey) -> bool {
        let bytes = signed_bytes(&self.token, &self.public_key, &self.nonce);
        seed.verifies(&bytes, &self.signature)
    }
}

fn signed_bytes(token: &TokenId, key: &PublicKey, nonce: &[u8]) -> Vec<u8> {
    // Fixed lengths last, so that no two requests give the same bytes.
    let parts = [token.as_str().as_bytes(), b"\0", key.as_bytes(), nonce];
    Domain::Enrolment.wrap(&parts.concat())
}

impl Message for EnrolRequest {
    const WORD: &'static str = "enrolment request";
    const LIMIT: usize = limits::SMALL;

    fn fault(&self) -> Option<String> {
        if self.nonce.len() != 32 {
            return Some("the nonce has 32 bytes".into());
        }
        (self.name.len() > 100).then(|| "the name has at most 100 bytes".into())
    }
}

/// What was enrolled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnrolKind {
    /// A device, with its new id.
    Device(DeviceId),
    /// The gateway of the site.
    Gateway,
}

/// The answer, in an envelope of [`Domain::Enrolment`] by the organisation's answer key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrolAnswer {
    /// The organisation.
    pub org: OrgId,
    /// The site that it belongs to now.
    pub site: SiteId,
    /// Who it is.
    pub kind: EnrolKind,
    /// Counts the enrolments of this device.
    pub enrolment: u32,
    /// The request's key: an answer to another key is not ours.
    pub public_key: PublicKey,
    /// The request's nonce.
    #[serde(with = "serde_bytes")]
    pub nonce: Vec<u8>,
    /// Certificate chain, leaf first, DER.
    pub chain: Vec<serde_bytes::ByteBuf>,
    /// Unix milliseconds.
    pub issued_ms: u64,
}

impl Message for EnrolAnswer {
    const WORD: &'static str = "enrolment answer";
    const LIMIT: usize = limits::ANCHOR;
}
