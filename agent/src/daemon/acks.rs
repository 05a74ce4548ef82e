//! What acknowledgements tell the senders.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use noroshi_protocol::StoreId;
use tokio::sync::watch;

use super::records::Records;

/// Shared by the receiver of acknowledgements and the senders.
#[derive(Clone)]
pub(super) struct Acks {
    /// Changes of the holder's store.
    changes: Arc<AtomicU64>,
    store: Arc<watch::Sender<Option<StoreId>>>,
    records: Records,
}

impl Acks {
    pub(super) fn new(records: Records) -> Self {
        let known = records.holder().ok().flatten();
        Self {
            changes: Arc::default(),
            store: Arc::new(watch::channel(known).0),
            records,
        }
    }

    /// The next holder's store, as of its last acknowledgement.
    pub(super) fn store(&self) -> watch::Receiver<Option<StoreId>> {
        self.store.subscribe()
    }

    /// How often the holder's store was another one: whoever sends begins anew then.
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }

    /// An acknowledgement came from that store.
    pub(super) fn came(&self, store: StoreId) {
        if self.store.borrow().as_ref() == Some(&store) {
            return;
        }
        if self.store.borrow().is_some() {
            tracing::info!(store.id = %store, "the next holder has another store: sending again");
            self.changes.fetch_add(1, Ordering::Relaxed);
        }
        if let Err(e) = self.records.keep_holder(&store) {
            tracing::warn!(error = %e, "the holder's store could not be noted");
        }
        self.store.send_replace(Some(store));
    }
}
