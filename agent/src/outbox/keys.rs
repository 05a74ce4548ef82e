//! How records are stored. Pure.

use noroshi_protocol::Stream;
use serde::{Deserialize, Serialize};

use super::{Held, NewRecord, Place, Stamp};
use crate::AgentError;

/// Key of the number of records dropped so far.
pub(super) const DROPPED: &[u8] = &[0, b'd'];
const BOOT: u8 = 1;

fn lane(stream: Stream) -> u8 {
    match stream {
        Stream::Event => 2,
        Stream::Result => 3,
    }
}

/// Key of a start's description.
pub(super) fn boot_key(start: u64) -> [u8; 9] {
    let mut key = [BOOT; 9];
    key[1..].copy_from_slice(&start.to_be_bytes());
    key
}

/// All keys of starts.
pub(super) const BOOTS: &[u8] = &[BOOT];

/// The start that a key of [`BOOTS`] is about.
pub(super) fn start_of(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(1..)?.try_into().ok()?))
}

/// Key of a record: sorts by stream, start and sequence.
pub(super) fn record_key(stream: Stream, place: Place) -> [u8; 17] {
    let mut key = [lane(stream); 17];
    key[1..9].copy_from_slice(&place.start.to_be_bytes());
    key[9..].copy_from_slice(&place.sequence.to_be_bytes());
    key
}

/// All keys of a stream's records.
pub(super) fn stream_prefix(stream: Stream) -> [u8; 1] {
    [lane(stream)]
}

/// Where the record of that key stands.
pub(super) fn place_of(key: &[u8]) -> Result<Place, AgentError> {
    let number = |range| {
        let bytes: Option<[u8; 8]> = key
            .get(range)
            .and_then(|bytes: &[u8]| bytes.try_into().ok());
        bytes
            .map(u64::from_be_bytes)
            .ok_or_else(|| AgentError::Outbox("a record has a malformed key".into()))
    };
    Ok(Place {
        start: number(1..9)?,
        sequence: number(9..17)?,
    })
}

#[derive(Serialize, Deserialize)]
struct Stored {
    name: String,
    stamp: Stamp,
    #[serde(with = "serde_bytes")]
    body: Vec<u8>,
}

/// A record's value. Its first byte tells whether it speaks of dropped records and so must not
/// be dropped itself.
pub(super) fn encode(record: &NewRecord, keep: bool) -> Result<Vec<u8>, AgentError> {
    let mut bytes = vec![u8::from(keep)];
    let stored = Stored {
        name: record.name.clone(),
        stamp: record.stamp,
        body: record.body.clone(),
    };
    serde_cbor::to_writer(&mut bytes, &stored)
        .map_err(|e| AgentError::Outbox(format!("can't encode a record: {e}")))?;
    Ok(bytes)
}

/// Whether a value must not be dropped.
pub(super) fn must_stay(value: &[u8]) -> bool {
    value.first() == Some(&1)
}

/// Reads a value back.
pub(super) fn decode(place: Place, value: &[u8]) -> Result<Held, AgentError> {
    let unreadable = || AgentError::Outbox("a record can't be read back".into());
    let bytes = value.get(1..).ok_or_else(unreadable)?;
    let stored: Stored = serde_cbor::from_slice(bytes).map_err(|_| unreadable())?;
    Ok(Held {
        place,
        name: stored.name,
        stamp: stored.stamp,
        body: stored.body,
    })
}
