//! Learning on the device: what the commands say, and the JSON texts of their replies.

use noroshi_model::{Digest, ModelId};
use serde::{Deserialize, Serialize};

use crate::{FrameId, PipelineId};

/// Labels in one command, at most.
pub const LABELS_AT_MOST: usize = 64;
/// Bytes of a label's slug, at most.
const LABEL_BYTES: usize = 32;

/// What is true of frames that a pipeline answered: its model learns from them, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labels {
    /// The pipeline.
    pub pipeline: PipelineId,
    /// 1 to [`LABELS_AT_MOST`].
    pub labels: Vec<Labelled>,
}

/// A frame and what is true of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labelled {
    /// The frame.
    pub frame: FrameId,
    /// The label's slug.
    pub label: String,
}

/// A version of what a pipeline's model learned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateOf {
    /// The pipeline.
    pub pipeline: PipelineId,
    /// Which version; to roll back to nothing is to roll back to the model as it was released, to
    /// pull nothing is to pull the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
}

impl Labels {
    /// A broken rule, if any.
    pub(crate) fn fault(&self) -> Option<String> {
        if self.labels.is_empty() || self.labels.len() > LABELS_AT_MOST {
            return Some(format!("a command has 1 to {LABELS_AT_MOST} labels"));
        }
        let sound = |one: &Labelled| (1..=LABEL_BYTES).contains(&one.label.len());
        (!self.labels.iter().all(sound)).then(|| format!("a label has 1 to {LABEL_BYTES} bytes"))
    }
}

/// The reply to labels: what came of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lessons {
    /// The model.
    pub model: ModelId,
    /// Its released version.
    pub version: u32,
    /// The version of the state that they led to.
    pub state: u64,
    /// Labels that were learned.
    pub learned: u32,
    /// How many of them the model had answered right just before.
    pub right: u32,
    /// Whether the drift detector alarmed: errors rose, and what was learned began anew.
    pub drift: bool,
    /// Samples learned since the release.
    pub samples: u32,
    /// Labels that were not, by their place in the command, and why.
    pub skipped: Vec<Skipped>,
}

/// A label that was not learned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Its place in the command.
    pub place: u32,
    /// Why, for people.
    pub why: String,
}

/// The reply to *states*: what a pipeline's model learned, version by version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateList {
    /// The model.
    pub model: ModelId,
    /// Its released version.
    pub version: u32,
    /// Digest of the released file, to which all of these belong.
    pub file: Digest,
    /// The oldest first; the last is what runs. None: the model runs as it was released.
    pub states: Vec<StateEntry>,
}

/// One version of what a model learned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateEntry {
    /// Counts from 1.
    pub version: u64,
    /// Samples learned since the release.
    pub samples: u32,
    /// Alarms of the drift detector since then.
    pub alarms: u32,
    /// When it was made, Unix milliseconds, as far as the device knew.
    pub made_ms: u64,
    /// Its bytes; 0 of the model as it was released.
    pub bytes: u32,
    /// Whether it is a return to an earlier one.
    pub rolled_back: bool,
    /// To which; nothing is the release.
    pub to: Option<u64>,
}

/// The reply to *`pull_state`*: one version with its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PulledState {
    /// The model.
    pub model: ModelId,
    /// Its released version.
    pub version: u32,
    /// Digest of the released file.
    pub file: Digest,
    /// Which state.
    pub state: StateEntry,
    /// SHA-256 of its bytes.
    pub sha256: Digest,
    /// Its bytes in base64: a file that can be released.
    pub content: String,
}

impl PulledState {
    /// The bytes, if they are what the digest says.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        let bytes = data_encoding::BASE64.decode(self.content.as_bytes()).ok()?;
        (Digest::of(&bytes) == self.sha256).then_some(bytes)
    }

    /// As [`Self::content`].
    pub fn encode(bytes: &[u8]) -> String {
        data_encoding::BASE64.encode(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_bounded() {
        let labels = |count, label: &str| Labels {
            pipeline: "door".parse().unwrap(),
            labels: vec![
                Labelled {
                    frame: FrameId {
                        source: 1,
                        number: 2
                    },
                    label: label.to_owned(),
                };
                count
            ],
        };
        assert_eq!(labels(64, "left").fault(), None);
        assert!(labels(65, "left").fault().is_some());
        assert!(labels(0, "left").fault().is_some());
        assert!(labels(1, "").fault().is_some());
        assert!(labels(1, &"x".repeat(33)).fault().is_some());
    }

    #[test]
    fn a_pulled_state_is_checked() {
        let mut pulled = PulledState {
            model: "m".parse().unwrap(),
            version: 1,
            file: Digest::of(b"file"),
            state: StateEntry {
                version: 3,
                samples: 9,
                alarms: 0,
                made_ms: 1,
                bytes: 5,
                rolled_back: false,
                to: None,
            },
            sha256: Digest::of(b"bytes"),
            content: PulledState::encode(b"bytes"),
        };
        assert_eq!(pulled.bytes().as_deref(), Some(&b"bytes"[..]));
        pulled.content = PulledState::encode(b"other");
        assert_eq!(pulled.bytes(), None);
        pulled.content = "?".into();
        assert_eq!(pulled.bytes(), None);
    }
}
