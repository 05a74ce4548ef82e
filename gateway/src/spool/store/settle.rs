//! What the cloud says about batches.

use noroshi_protocol::{Ack, RangeSet, StoreId, Stream};

use super::{CLOUD_STORE, Store};
use crate::GatewayError;
use crate::spool::index::Flow;

impl Store {
    /// Takes the cloud's acknowledgement; answers the batches that need not be sent any more.
    pub(in crate::spool) fn settle(
        &mut self,
        device: &str,
        stream: Stream,
        ack: &Ack,
        now_ms: u64,
    ) -> Result<Settled, GatewayError> {
        let replaced = self.note_cloud_store(&ack.store)?;
        let flow = Flow {
            device: device.to_owned(),
            boot: ack.boot,
            stream,
        };
        let ranges = ack
            .settled
            .iter()
            .copied()
            .chain(ack.refused.iter().map(|refusal| refusal.range));
        let refused = ack.refused.iter().map(|refusal| {
            let sequences = self.index.unsettled(&flow, refusal.range);
            (refusal.reason.word(), sequences)
        });
        let refused: Vec<_> = refused.collect();
        let done = self.index.settle(&flow, ranges, now_ms);
        noroshi_service::failpoint::pass("spool.before_settle");
        for number in &done {
            self.mark(*number, now_ms)?;
        }
        for (reason, sequences) in refused {
            self.note_refused(&flow, reason, &sequences, now_ms)?;
        }
        Ok(Settled { done, replaced })
    }

    /// Not synced: after a power cut the batch is sent again and acknowledged again.
    fn mark(&self, number: u64, now_ms: u64) -> Result<(), GatewayError> {
        self.acknowledged
            .insert(number.to_be_bytes(), &now_ms.to_be_bytes())
            .map(drop)
            .map_err(|error| self.broken(error))
    }

    /// A batch that the cloud never takes does not wait any more.
    pub(in crate::spool) fn park(
        &mut self,
        number: u64,
        reason: &str,
        now_ms: u64,
    ) -> Result<(), GatewayError> {
        let Some(entry) = self.index.entry(number).cloned() else {
            return Ok(());
        };
        self.index.acknowledge(number, now_ms);
        self.mark(number, now_ms)?;
        let sequences: RangeSet = entry.sequences.iter().copied().collect();
        self.note_refused(&entry.flow, reason, &sequences, now_ms)
    }

    fn note_cloud_store(&mut self, store: &StoreId) -> Result<bool, GatewayError> {
        let known = self
            .database
            .get(CLOUD_STORE)
            .map_err(|error| self.broken(error))?;
        if known.as_deref() == Some(store.as_str().as_bytes()) {
            return Ok(false);
        }
        let replaced = known.is_some();
        if replaced {
            self.acknowledged
                .clear()
                .map_err(|error| self.broken(error))?;
            self.index.all_pending();
        }
        self.database
            .insert(CLOUD_STORE, store.as_str().as_bytes())
            .map_err(|error| self.broken(error))?;
        self.sync()?;
        Ok(replaced)
    }
}

/// What an acknowledgement did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settled {
    /// Batches that wait no more.
    pub done: Vec<u64>,
    /// The cloud's store is another one than before: everything kept waits again.
    pub replaced: bool,
}
