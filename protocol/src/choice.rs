//! Choices: within a signed plan, the gateway says when to go and when to go back.

use serde::{Deserialize, Serialize};

use crate::{Message, PlanId, limits};

/// What `choice/plan` carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The plan that it is about; another one than the device's is ignored.
    pub plan: PlanId,
    /// What to do.
    pub which: Which,
}

/// Ordered: accepted only forward; two choosers merge by the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Which {
    /// Prepare, and stay on what runs.
    Wait,
    /// Switch to the plan's target.
    Go,
    /// Return to what was active when *go* was accepted.
    Revert,
}

impl Message for Choice {
    const WORD: &'static str = "choice";
    const LIMIT: usize = limits::SMALL;
}
