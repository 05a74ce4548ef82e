//! How a batch lies in the store. Pure.
//!
//! An entry is cut into pieces of at most 4 KiB: sled keeps up to 17 values in one page, and a
//! page beyond 128 KiB would go to a file of its own that nobody syncs.

use noroshi_protocol::{BootId, SequenceRange, Stream};
use serde::{Deserialize, Serialize};

/// Largest piece in bytes.
const PIECE: usize = 4096;
/// Bytes of a key: the entry's number and the piece's.
pub(super) const KEY: usize = 9;

/// One batch with what must be known about it without decoding it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Stored {
    /// Topic as text.
    pub(super) topic: String,
    pub(super) device: String,
    pub(super) boot: BootId,
    pub(super) stream: Stream,
    pub(super) sequences: Vec<SequenceRange>,
    /// Unix milliseconds.
    pub(super) received_ms: u64,
    #[serde(with = "serde_bytes")]
    pub(super) payload: Vec<u8>,
}

impl Stored {
    /// Keys and values of the entry `number`. The first value begins with the number of pieces.
    pub(super) fn pieces(&self, number: u64) -> Option<Vec<([u8; KEY], Vec<u8>)>> {
        let bytes = serde_cbor::to_vec(self).ok()?;
        let count = u8::try_from(bytes.len().div_ceil(PIECE)).ok()?;
        let mut pieces = Vec::with_capacity(count.into());
        for (at, piece) in bytes.chunks(PIECE).enumerate() {
            let mut value = Vec::with_capacity(piece.len() + 1);
            if at == 0 {
                value.push(count);
            }
            value.extend_from_slice(piece);
            pieces.push((key(number, at as u8), value));
        }
        Some(pieces)
    }

    /// Puts an entry together again; `None` if it is not whole.
    pub(super) fn join<V: AsRef<[u8]>>(pieces: &[V]) -> Option<Self> {
        let (count, first) = pieces.first()?.as_ref().split_first()?;
        if usize::from(*count) != pieces.len() {
            return None;
        }
        let mut bytes = first.to_vec();
        for piece in &pieces[1..] {
            bytes.extend_from_slice(piece.as_ref());
        }
        serde_cbor::from_slice(&bytes).ok()
    }
}

/// The key of a piece; sorts by entry, then piece.
pub(super) fn key(number: u64, piece: u8) -> [u8; KEY] {
    let mut key = [piece; KEY];
    key[..8].copy_from_slice(&number.to_be_bytes());
    key
}

/// The entry that a key belongs to.
pub(super) fn number_of(key: &[u8]) -> Option<u64> {
    (key.len() == KEY).then(|| u64::from_be_bytes(key[..8].try_into().expect("eight bytes")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_cut_and_joined() {
        for length in [0, 1, 4000, 4096, 32 << 10] {
            let stored = Stored {
                topic: "noroshi/v1/o/s/d/result/p".into(),
                device: "d".into(),
                boot: BootId::from_bytes([7; 16]),
                stream: Stream::Result,
                sequences: vec![SequenceRange { from: 3, to: 9 }],
                received_ms: 5,
                payload: vec![1; length],
            };
            let pieces = stored.pieces(258).unwrap();
            assert!(pieces.iter().all(|(_, value)| value.len() <= PIECE + 1));
            assert!(pieces.iter().all(|(key, _)| number_of(key) == Some(258)));
            assert!(pieces.is_sorted_by_key(|(key, _)| *key));
            let values: Vec<_> = pieces.into_iter().map(|(_, value)| value).collect();
            assert_eq!(Stored::join(&values), Some(stored));
            assert_eq!(Stored::join(&values[1..]), None);
        }
    }
}
