//! What the cloud refuses for good: told by events of the gateway, and counted.

use std::collections::BTreeMap;

use noroshi_protocol::{DeviceId, RangeSet};

use super::Store;
use crate::GatewayError;
use crate::spool::index::Flow;
use crate::spool::own::Own;

/// Refusals of one flow for one reason are told at once, and again not before this, so that a
/// revoked device's backlog is not answered with an event a batch.
const TOLD_EVERY_MS: u64 = 10_000;
/// Flows that are remembered for that.
const FLOWS: usize = 1_000;

/// What was refused of one flow for one reason.
#[derive(Debug, Default)]
struct Untold {
    sequences: RangeSet,
    told_ms: Option<u64>,
}

/// Refusals that no event has told yet.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    untold: BTreeMap<(Flow, String), Untold>,
    /// Records since the start.
    pub(super) count: u64,
}

impl Store {
    /// Notes refused sequences; tells of them if that was not done just now.
    pub(super) fn note_refused(
        &mut self,
        flow: &Flow,
        reason: &str,
        sequences: &RangeSet,
        now_ms: u64,
    ) -> Result<(), GatewayError> {
        if sequences.is_empty() {
            return Ok(());
        }
        self.refusals.count += sequences.count();
        tracing::warn!(
            device.id = flow.device,
            count = sequences.count(),
            reason,
            "the cloud refuses records"
        );
        // The gateway's own events are not reported about, or one refusal would make another.
        if flow.device == DeviceId::gateway().as_str() {
            return Ok(());
        }
        let untold = self
            .refusals
            .untold
            .entry((flow.clone(), reason.to_owned()))
            .or_default();
        for range in sequences.ranges() {
            untold.sequences.insert(*range);
        }
        self.tell_refused(
            |told_ms| now_ms.saturating_sub(told_ms) >= TOLD_EVERY_MS,
            now_ms,
        )
    }

    /// Tells of everything that was refused.
    pub(super) fn tell_all_refused(&mut self, now_ms: u64) -> Result<(), GatewayError> {
        self.tell_refused(|_| true, now_ms)?;
        self.refusals.untold.clear();
        Ok(())
    }

    fn tell_refused(
        &mut self,
        is_due: impl Fn(u64) -> bool,
        now_ms: u64,
    ) -> Result<(), GatewayError> {
        let mut events = Vec::new();
        for ((flow, reason), untold) in &mut self.refusals.untold {
            if untold.told_ms.is_some_and(|told_ms| !is_due(told_ms)) || untold.sequences.is_empty()
            {
                continue;
            }
            events.push(Own::refusal_event(flow, reason, &untold.sequences));
            *untold = Untold {
                sequences: RangeSet::default(),
                told_ms: Some(now_ms),
            };
        }
        if self.refusals.untold.len() > FLOWS {
            self.refusals
                .untold
                .retain(|_, untold| !untold.sequences.is_empty());
        }
        if events.is_empty() {
            return Ok(());
        }
        self.report(events)
    }
}
