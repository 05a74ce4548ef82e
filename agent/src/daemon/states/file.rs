//! One state as a file: CBOR, then its SHA-256. Pure.

use noroshi_model::Digest;
use noroshi_protocol::PipelineId;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::Learned;

/// No file is longer.
pub(super) const LIMIT: u64 = 32 << 10;
const FORMAT: u32 = 1;
const DIGEST: usize = 32;

/// A version of what a model knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::daemon) struct State {
    format: u32,
    /// Whose.
    pub(super) pipeline: PipelineId,
    /// Digest of the released file that it goes on from: no other model takes it.
    pub(super) model: Digest,
    /// Counts from 1 for each pipeline and model.
    pub(in crate::daemon) version: u64,
    /// Samples learned since the release.
    pub(in crate::daemon) samples: u32,
    /// Alarms of the drift detector since then.
    pub(in crate::daemon) alarms: u32,
    /// When it was made, Unix milliseconds, as far as the device knew.
    pub(in crate::daemon) wall_ms: u64,
    /// Where it comes from.
    pub(in crate::daemon) origin: Origin,
    /// The engine's bytes; nothing for the model as it was released.
    pub(in crate::daemon) content: Option<ByteBuf>,
}

/// Where a state comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::daemon) enum Origin {
    /// Labels.
    Learned,
    /// An earlier version; nothing is the release.
    RolledBack(Option<u64>),
}

impl State {
    pub(super) fn new(pipeline: PipelineId, model: Digest, version: u64, learned: Learned) -> Self {
        Self {
            format: FORMAT,
            pipeline,
            model,
            version,
            samples: learned.samples,
            alarms: learned.alarms,
            wall_ms: learned.wall_ms,
            origin: learned.origin,
            content: learned.content.map(ByteBuf::from),
        }
    }

    /// The file; an error if it would be longer than is read.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, String> {
        let mut bytes = serde_cbor::to_vec(self).map_err(|e| e.to_string())?;
        bytes.extend_from_slice(Digest::of(&bytes).as_bytes());
        if bytes.len() as u64 > LIMIT {
            return Err(format!(
                "a state has at most {LIMIT} bytes, this one {}",
                bytes.len()
            ));
        }
        Ok(bytes)
    }

    /// The state in a file.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let body = bytes.len().checked_sub(DIGEST);
        let (body, digest) = bytes.split_at(body.ok_or("it was cut off")?);
        if Digest::of(body).as_bytes() != digest {
            return Err("its digest does not fit: it was cut off or changed".into());
        }
        let state: Self = serde_cbor::from_slice(body).map_err(|e| e.to_string())?;
        if state.format != FORMAT {
            return Err(format!("it has format {}, this is {FORMAT}", state.format));
        }
        Ok(state)
    }
}
