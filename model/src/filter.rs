//! Filters between a model's answer and a result: what is worth sending.

use serde::{Deserialize, Serialize};

/// One step of a pipeline's filter chain; a frame becomes a result if every step lets it pass.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Filter {
    /// Only answers whose best score reaches `min_score`.
    Threshold {
        /// 0..=1.
        min_score: f32,
    },
    /// Only answers whose top label differs from the last one that passed, and one
    /// anyway after `heartbeat_ms` of silence.
    OnChange {
        /// Milliseconds of silence; none means silence may last for ever.
        #[serde(default)]
        heartbeat_ms: Option<u64>,
    },
    /// At most one answer in `interval_ms`.
    RateLimit {
        /// Milliseconds between results.
        interval_ms: u64,
    },
}

impl Filter {
    /// What is wrong with the settings, if anything.
    pub fn fault(&self) -> Option<&'static str> {
        match *self {
            Self::Threshold { min_score } if !(0.0..=1.0).contains(&min_score) => {
                Some("threshold.min_score must be between 0 and 1")
            }
            Self::OnChange {
                heartbeat_ms: Some(0),
            } => Some("on_change.heartbeat_ms must be above 0; leave it out for none"),
            Self::RateLimit { interval_ms: 0 } => Some("rate_limit.interval_ms must be above 0"),
            _ => None,
        }
    }
}
