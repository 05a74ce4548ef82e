//! Signed documents: `{payload, key_id, signature}` over a domain prefix and exactly those bytes.

use serde::{Deserialize, Serialize};

use crate::{DecodeError, KeyId, Message, PublicKey, SigningKey, limits};

/// What a signature is for. A signature made for one can't be passed off as another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Domain {
    /// A device's desired document.
    Desired,
    /// A site's plans, for its gateway.
    SitePlan,
    /// A command.
    Command,
    /// A device's reported document.
    Reported,
    /// The answer to an enrolment.
    Enrolment,
    /// The time, for a device's nonce.
    Time,
    /// A dashboard token.
    Dashboard,
}

impl Domain {
    /// The bytes signed before the payload.
    pub const fn prefix(self) -> &'static [u8] {
        match self {
            Self::Desired => b"noroshi/v1/desired\0",
            Self::SitePlan => b"noroshi/v1/site-plan\0",
            Self::Command => b"noroshi/v1/command\0",
            Self::Reported => b"noroshi/v1/reported\0",
            Self::Enrolment => b"noroshi/v1/enrolment\0",
            Self::Time => b"noroshi/v1/time\0",
            Self::Dashboard => b"noroshi/v1/dashboard\0",
        }
    }

    /// `message` behind the prefix: what is signed.
    pub(crate) fn wrap(self, message: &[u8]) -> Vec<u8> {
        [self.prefix(), message].concat()
    }
}

/// A payload with its signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Exactly the bytes that were signed behind the domain's prefix.
    #[serde(with = "serde_bytes")]
    pub payload: Vec<u8>,
    /// Which key signed.
    pub key_id: KeyId,
    /// Ed25519, 64 bytes.
    #[serde(with = "serde_bytes")]
    pub signature: Vec<u8>,
}

impl Message for Envelope {
    const WORD: &'static str = "signed document";
    // The anchor-sized limit serves enrolment answers; the payload's own limit is narrower.
    const LIMIT: usize = limits::ANCHOR;
}

/// An envelope that is not believed.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// Nobody we know has that key.
    #[error("signed with key {0}, which is not trusted for this")]
    UnknownKey(KeyId),
    /// The signature does not fit.
    #[error("the signature of key {0} does not fit the document")]
    BadSignature(KeyId),
    /// Signed, but not the document it should be.
    #[error(transparent)]
    Payload(#[from] DecodeError),
}

impl Envelope {
    /// Signs `message` for `domain`.
    pub fn seal<M: Message>(domain: Domain, message: &M, key: &SigningKey) -> Self {
        let payload = message.to_cbor();
        let signature = key.sign(&domain.wrap(&payload));
        Self {
            payload,
            key_id: key.public().id(),
            signature,
        }
    }

    /// The message, if one of `keys` signed it for `domain`.
    pub fn open<'a, M: Message>(
        &self,
        domain: Domain,
        keys: impl IntoIterator<Item = &'a PublicKey>,
    ) -> Result<M, EnvelopeError> {
        let key = keys
            .into_iter()
            .find(|key| key.id() == self.key_id)
            .ok_or_else(|| EnvelopeError::UnknownKey(self.key_id.clone()))?;
        if !key.verifies(&domain.wrap(&self.payload), &self.signature) {
            return Err(EnvelopeError::BadSignature(self.key_id.clone()));
        }
        Ok(M::from_cbor(&self.payload)?)
    }
}
