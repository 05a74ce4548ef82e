//! Room for what comes: the oldest goes.

use std::collections::BTreeMap;

use noroshi_protocol::{DeviceId, DropReason, Dropped, Event, RangeSet};
use noroshi_service::files;

use super::change::Change;
use super::{RESERVE_BYTES, Store};
use crate::GatewayError;
use crate::spool::index::{Flow, Stage};
use crate::spool::own::Own;

impl Store {
    /// Lets the oldest go: acknowledged batches silently, others with an event that says so.
    pub(super) fn make_room(&mut self, change: &mut Change) -> Result<(), GatewayError> {
        let quota = self.options.quota_bytes;
        let wanted = self.index.bytes() + change.bytes;
        let scarce = change.bytes > 0
            && files::free_space(&self.folder).is_ok_and(|free| free < RESERVE_BYTES);
        let (to_free, reason) = if wanted > quota {
            (wanted.saturating_sub(quota / 8 * 7), DropReason::Quota)
        } else if scarce {
            (change.bytes, DropReason::DiskFull)
        } else {
            return Ok(());
        };
        let gateway = DeviceId::gateway();
        let victims = self
            .index
            .victims(to_free, |entry| entry.flow.device != gateway.as_str());
        self.drop_entries(change, &victims, reason)
    }

    fn drop_entries(
        &mut self,
        change: &mut Change,
        victims: &[u64],
        reason: DropReason,
    ) -> Result<(), GatewayError> {
        let mut lost: BTreeMap<Flow, RangeSet> = BTreeMap::new();
        for number in victims {
            self.remove_pieces(change, *number)?;
            let Some(entry) = self.index.entry(*number) else {
                continue;
            };
            if entry.stage == Stage::Pending {
                let ranges = lost.entry(entry.flow.clone()).or_default();
                entry
                    .sequences
                    .iter()
                    .for_each(|range| ranges.insert(*range));
            }
        }
        change.removed.extend_from_slice(victims);
        let events: Vec<Event> = lost
            .iter()
            .flat_map(|(flow, ranges)| {
                ranges.ranges().iter().map(move |range| {
                    let (boot, stream) = (flow.boot, flow.stream);
                    let dropped = Dropped {
                        boot,
                        stream,
                        range: *range,
                        reason,
                    };
                    Own::drop_event(&flow.device, dropped)
                })
            })
            .collect();
        self.dropped += lost.values().map(RangeSet::count).sum::<u64>();
        self.add_own(change, events)
    }
}
