//! Frames on lease: who still wants one keeps its slot from being written.

use std::collections::{HashMap, VecDeque};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use noroshi_protocol::FrameId;
use tokio::sync::{Notify, mpsc};

use crate::ring::Geometry;

/// A ring of a source process, checked.
pub(super) struct SharedRing {
    /// The agent's number for it.
    pub(super) id: u64,
    pub(super) geometry: Geometry,
    /// Read-only.
    pub(super) memory: OwnedFd,
}

/// One frame in a ring. Its slot goes back to the source when the last holder drops it.
pub(super) struct Lease {
    pub(super) ring: Arc<SharedRing>,
    pub(super) slot: u32,
    pub(super) generation: u64,
    pub(super) frame: FrameId,
    pub(super) release: mpsc::UnboundedSender<u32>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        // A source that is gone needs no slot back.
        let source_lives = self.release.send(self.slot).is_ok();
        tracing::trace!(frame.id = %self.frame, source_lives, "frame released");
    }
}

/// Frames that wait for one pipeline.
#[derive(Default)]
pub(super) struct Inbox {
    waiting: Mutex<VecDeque<Arc<Lease>>>,
    arrived: Notify,
    skipped: AtomicU64,
}

impl Inbox {
    /// Puts a frame in. From a live source only the newest waits: the one before is skipped.
    pub(super) fn push(&self, lease: Arc<Lease>, live: bool) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if live {
            self.skipped
                .fetch_add(waiting.len() as u64, Ordering::Relaxed);
            waiting.clear();
        }
        waiting.push_back(lease);
        drop(waiting);
        self.arrived.notify_one();
    }

    /// The next frame; safe to drop while it waits.
    pub(super) async fn next(&self) -> Arc<Lease> {
        loop {
            let lease = self
                .waiting
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop_front();
            match lease {
                Some(lease) => return lease,
                None => self.arrived.notified().await,
            }
        }
    }

    /// Gives every waiting frame up: nobody can infer it.
    pub(super) fn give_up(&self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        self.skipped
            .fetch_add(waiting.len() as u64, Ordering::Relaxed);
        waiting.clear();
    }

    /// A frame that was taken but never answered.
    pub(super) fn count_skipped(&self, frames: u64) {
        self.skipped.fetch_add(frames, Ordering::Relaxed);
    }

    /// Frames that were never inferred.
    pub(super) fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }
}

/// Which pipelines want the frames of which source.
#[derive(Default)]
pub(super) struct Switchboard {
    wanted: Mutex<HashMap<String, Vec<Weak<Inbox>>>>,
}

impl Switchboard {
    /// From now on `inbox` gets the frames of `source`, and of no other.
    pub(super) fn connect(&self, source: &str, inbox: &Arc<Inbox>) {
        self.disconnect(inbox);
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        wanted
            .entry(source.to_owned())
            .or_default()
            .push(Arc::downgrade(inbox));
    }

    /// `inbox` gets no more frames.
    pub(super) fn disconnect(&self, inbox: &Arc<Inbox>) {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        for inboxes in wanted.values_mut() {
            inboxes
                .retain(|other| other.as_ptr() != Arc::as_ptr(inbox) && other.strong_count() > 0);
        }
    }

    /// Hands a frame to everybody who wants it.
    pub(super) fn deliver(&self, source: &str, lease: &Arc<Lease>, live: bool) {
        let inboxes: Vec<Arc<Inbox>> = {
            let wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
            wanted
                .get(source)
                .map(|inboxes| inboxes.iter().filter_map(Weak::upgrade).collect())
                .unwrap_or_default()
        };
        for inbox in inboxes {
            inbox.push(Arc::clone(lease), live);
        }
    }

    /// Frames that the source itself had to skip were meant for everybody who listens.
    pub(super) fn count_skipped(&self, source: &str, frames: u64) {
        let wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        let inboxes = wanted.get(source).into_iter().flatten();
        for inbox in inboxes.filter_map(Weak::upgrade) {
            inbox.count_skipped(frames);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;
    use crate::ring::Writer;

    fn lease(slot: u32, release: &mpsc::UnboundedSender<u32>) -> Arc<Lease> {
        let writer = Writer::create(Geometry::new(2, 64).unwrap()).unwrap();
        Arc::new(Lease {
            ring: Arc::new(SharedRing {
                id: 1,
                geometry: writer.geometry(),
                memory: writer.memory().as_fd().try_clone_to_owned().unwrap(),
            }),
            slot,
            generation: 2,
            frame: FrameId {
                source: 1,
                number: u64::from(slot),
            },
            release: release.clone(),
        })
    }

    #[tokio::test]
    async fn a_slot_goes_back_when_the_last_holder_is_done() {
        let (release, mut released) = mpsc::unbounded_channel();
        let board = Switchboard::default();
        let (a, b) = (Arc::new(Inbox::default()), Arc::new(Inbox::default()));
        board.connect("door", &a);
        board.connect("door", &b);
        board.connect("yard", &b);
        board.connect("door", &b);
        board.deliver("door", &lease(0, &release), false);
        board.deliver("door", &lease(1, &release), false);
        drop(a.next().await);
        assert!(released.try_recv().is_err());
        drop(b.next().await);
        assert_eq!(released.try_recv(), Ok(0));
        board.disconnect(&a);
        a.give_up();
        assert_eq!((a.skipped(), b.skipped()), (1, 0));
        board.deliver("door", &lease(0, &release), true);
        assert_eq!(b.skipped(), 1, "live: the newest replaces what waits");
        assert_eq!(b.next().await.slot, 0);
    }
}
