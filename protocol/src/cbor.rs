//! Bounded CBOR: how every machine message is read and written.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A message of a machine channel.
///
/// Written with the numbers of fields and variants instead of their names: a result costs half
/// the bytes. So a message's fields and variants keep their order for ever, and new ones come
/// last; the golden vectors hold that fast. Names are read as well. Fields that a reader does
/// not know are skipped, so a newer peer may say more; what must survive unknown to us travels
/// as the bytes of an [`Envelope`](crate::Envelope).
pub trait Message: Serialize + DeserializeOwned {
    /// What it is called in errors.
    const WORD: &'static str;
    /// Largest encoding that is read, in bytes.
    const LIMIT: usize;

    /// A broken rule of the message, if any; asked after decoding.
    fn fault(&self) -> Option<String> {
        None
    }

    /// The message as CBOR.
    fn to_cbor(&self) -> Vec<u8> {
        serde_cbor::ser::to_vec_packed(self).expect("our messages have no failing parts")
    }

    /// The message in `bytes`, which must hold it and nothing else.
    fn from_cbor(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > Self::LIMIT {
            return Err(DecodeError::TooLarge {
                word: Self::WORD,
                length: bytes.len(),
                limit: Self::LIMIT,
            });
        }
        let message: Self =
            serde_cbor::from_slice(bytes).map_err(|source| DecodeError::Malformed {
                word: Self::WORD,
                source,
            })?;
        match message.fault() {
            None => Ok(message),
            Some(fault) => Err(DecodeError::Unsound {
                word: Self::WORD,
                fault,
            }),
        }
    }
}

/// The fault of a document whose format this version does not know.
pub(crate) fn newer_format(format: u32) -> Option<String> {
    (format != 1).then(|| format!("format {format} is newer than this version: upgrade"))
}

/// Bytes that are not the message they should be.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Longer than allowed; nothing was read.
    #[error("a {word} has at most {limit} bytes, this one has {length}")]
    TooLarge {
        /// The message.
        word: &'static str,
        /// Bytes given.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Not the message's CBOR.
    #[error("not a {word}: {source}")]
    Malformed {
        /// The message.
        word: &'static str,
        /// What the decoder says.
        source: serde_cbor::Error,
    },
    /// Decoded, but a rule is broken.
    #[error("the {word} is not sound: {fault}")]
    Unsound {
        /// The message.
        word: &'static str,
        /// Which rule.
        fault: String,
    },
}
