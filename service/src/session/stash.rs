//! What waits for a place in the event queue. Pure.

use std::collections::VecDeque;

use super::types::{Message, SessionEvent};

/// Messages without acknowledgement that may wait; newer ones are dropped.
const UNACKNOWLEDGED_AT_ONCE: usize = 256;

/// An event, and the packet to acknowledge once it is in the queue.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) event: SessionEvent,
    pub(super) packet_id: Option<u16>,
}

/// Events of a session that nobody has taken yet. Bounded: one `Disconnected`, one denial and one
/// `Connected`, messages with acknowledgement up to the broker's window, and a fixed number of
/// those without.
#[derive(Debug, Default)]
pub(super) struct Stash {
    waiting: VecDeque<Waiting>,
    unacknowledged: usize,
    dropped: u64,
    /// Messages are held until their connection's `Connected` is in front of them.
    open: bool,
}

impl Stash {
    /// Whether something may be delivered now.
    pub(super) fn is_ready(&self) -> bool {
        match self.waiting.front() {
            Some(Waiting {
                event: SessionEvent::Message(_),
                ..
            }) => self.open,
            Some(_) => true,
            None => false,
        }
    }

    /// Takes the next event to deliver.
    pub(super) fn take(&mut self) -> Option<Waiting> {
        let waiting = self.waiting.pop_front()?;
        if is_message(&waiting.event) && waiting.packet_id.is_none() {
            self.unacknowledged -= 1;
        }
        Some(waiting)
    }

    /// Keeps a message until there is a place for it. Answers whether it was kept.
    pub(super) fn message(&mut self, message: Message, packet_id: Option<u16>) -> bool {
        if packet_id.is_none() {
            if self.unacknowledged >= UNACKNOWLEDGED_AT_ONCE {
                self.dropped += 1;
                return false;
            }
            self.unacknowledged += 1;
        }
        self.waiting.push_back(Waiting {
            event: SessionEvent::Message(message),
            packet_id,
        });
        true
    }

    /// Messages dropped since the session began.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Messages that wait for a place.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// A connection is complete: its `Connected`, and the denials before it, go in front of the
    /// messages that came early.
    pub(super) fn connected(&mut self, denied: Option<SessionEvent>, connected: SessionEvent) {
        let at = self
            .waiting
            .iter()
            .take_while(|waiting| !is_message(&waiting.event))
            .count();
        for event in denied.into_iter().chain([connected]).rev() {
            self.waiting.insert(
                at,
                Waiting {
                    event,
                    packet_id: None,
                },
            );
        }
        self.open = true;
    }

    /// A connection ended. Its messages that nobody took are forgotten: those that asked for an
    /// acknowledgement did not get it, so a broker that keeps the session sends them again.
    pub(super) fn disconnected(&mut self, disconnected: SessionEvent) {
        self.waiting.clear();
        self.unacknowledged = 0;
        self.open = false;
        self.waiting.push_back(Waiting {
            event: disconnected,
            packet_id: None,
        });
    }
}

fn is_message(event: &SessionEvent) -> bool {
    matches!(event, SessionEvent::Message(_))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::session::types::{DisconnectReason, Properties, Qos};

    fn message(topic: &str, qos: Qos) -> Message {
        Message {
            topic: topic.to_owned(),
            payload: Bytes::new(),
            qos,
            retain: false,
            duplicate: false,
            properties: Properties::default(),
        }
    }

    fn connected(epoch: u64) -> SessionEvent {
        SessionEvent::Connected {
            epoch,
            session_present: false,
        }
    }

    fn disconnected(epoch: u64) -> SessionEvent {
        let reason = DisconnectReason::Stopping;
        SessionEvent::Disconnected {
            epoch,
            reason,
            retry_in: Duration::ZERO,
        }
    }

    #[test]
    fn messages_wait_for_their_connected() {
        let mut stash = Stash::default();
        stash.disconnected(disconnected(1));
        stash.message(message("early", Qos::AtLeastOnce), Some(3));
        assert_eq!(stash.take().unwrap().event, disconnected(1));
        assert!(!stash.is_ready());
        let denied = SessionEvent::SubscriptionsDenied {
            epoch: 2,
            denied: Vec::new(),
        };
        stash.connected(Some(denied.clone()), connected(2));
        assert_eq!(stash.take().unwrap().event, denied);
        assert_eq!(stash.take().unwrap().event, connected(2));
        assert!(stash.is_ready());
        assert_eq!(stash.take().unwrap().packet_id, Some(3));
        assert!(!stash.is_ready());
    }

    #[test]
    fn the_stash_is_bounded_without_a_reader() {
        let mut stash = Stash::default();
        for epoch in 1..1_000 {
            stash.connected(None, connected(epoch));
            for _ in 0..300 {
                stash.message(message("metric", Qos::AtMostOnce), None);
            }
            stash.disconnected(disconnected(epoch));
        }
        assert_eq!(stash.len(), 1);
        assert!(stash.dropped() > 0);
    }
}
