//! Which publish an acknowledgement belongs to. Pure.
//!
//! `rumqttc` numbers packets from 1 up to its window and starts over, publishes and subscriptions
//! alike; it tells the number only when it takes a request from its channel, in the order the
//! requests were handed over. If the next number is still open at the broker (brokers need not
//! acknowledge in order), the library stashes the publish and may never send it (trap 9). So the
//! distance between the oldest open packet and the next one is kept below the window.

use std::collections::{BTreeMap, VecDeque};

use tokio::sync::oneshot;

use super::types::{PublishOutcome, Qos};

/// Publishes without an acknowledgement that may wait in the library's channel at once.
const UNNUMBERED_AT_ONCE: usize = 16;

type Reply = oneshot::Sender<PublishOutcome>;

/// Open publishes of one connection.
#[derive(Debug)]
pub(super) struct Window {
    /// The numbers the library goes through: 1 to `width`.
    width: u64,
    /// The index of the next numbered packet, counted from 0 without starting over.
    next: u64,
    /// Handed over and not yet numbered, in order.
    handed: VecDeque<Handed>,
    /// Numbered and not yet acknowledged, by index.
    open: BTreeMap<u64, (u16, Reply)>,
}

#[derive(Debug)]
struct Handed {
    index: Option<u64>,
    reply: Reply,
}

impl Window {
    /// For packet ids from 1 to `packet_ids`.
    pub(super) fn new(packet_ids: u16) -> Self {
        Self {
            width: packet_ids.max(1).into(),
            next: 0,
            handed: VecDeque::new(),
            open: BTreeMap::new(),
        }
    }

    /// Whether another publish may be handed over.
    pub(super) fn has_room(&self) -> bool {
        let unnumbered = self
            .handed
            .iter()
            .filter(|handed| handed.index.is_none())
            .count();
        let oldest = self
            .open
            .keys()
            .next()
            .copied()
            .into_iter()
            .chain(self.handed.iter().find_map(|handed| handed.index))
            .min();
        let distance = oldest.map_or(0, |oldest| self.next - oldest);
        // One id stays unused: at `width` open publishes the library stops reading its channel,
        // and with it our acknowledgements of incoming messages.
        unnumbered < UNNUMBERED_AT_ONCE && distance < (self.width - 1).max(1)
    }

    /// Publishes that are not settled yet.
    pub(super) fn unsettled(&self) -> usize {
        self.handed.len() + self.open.len()
    }

    /// A subscription took the next number.
    pub(super) fn subscribed(&mut self) {
        self.next += 1;
    }

    /// A publish was handed over.
    pub(super) fn handed_over(&mut self, qos: Qos, reply: Reply) {
        let index = match qos {
            Qos::AtMostOnce => None,
            Qos::AtLeastOnce => {
                self.next += 1;
                Some(self.next - 1)
            }
        };
        self.handed.push_back(Handed { index, reply });
    }

    /// The library wrote the oldest handed publish, with this number (0 for none).
    pub(super) fn written(&mut self, packet_id: u16) {
        let Some(Handed { index, reply }) = self.handed.pop_front() else {
            return;
        };
        match index {
            Some(index) => {
                self.open.insert(index, (packet_id, reply));
            }
            None => settle(reply, PublishOutcome::Acked),
        }
    }

    /// The broker acknowledged a number.
    pub(super) fn acknowledged(&mut self, packet_id: u16, outcome: PublishOutcome) {
        let index = self
            .open
            .iter()
            .find(|(_, (id, _))| *id == packet_id)
            .map(|(index, _)| *index);
        if let Some((_, reply)) = index.and_then(|index| self.open.remove(&index)) {
            settle(reply, outcome);
        }
    }

    /// The connection ended: everything open is lost.
    pub(super) fn lose_all(self) {
        for (_, (_, reply)) in self.open {
            settle(reply, PublishOutcome::Lost);
        }
        for handed in self.handed {
            settle(handed.reply, PublishOutcome::Lost);
        }
    }
}

fn settle(reply: Reply, outcome: PublishOutcome) {
    // Whoever dropped the ticket does not want to know.
    let _ = reply.send(outcome);
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    type Ticket = oneshot::Receiver<PublishOutcome>;

    fn hand_over(window: &mut Window, qos: Qos) -> Ticket {
        let (reply, ticket) = oneshot::channel();
        window.handed_over(qos, reply);
        ticket
    }

    #[test]
    fn an_acknowledgement_settles_the_publish_with_its_number() {
        let mut window = Window::new(4);
        let mut first = hand_over(&mut window, Qos::AtLeastOnce);
        let mut plain = hand_over(&mut window, Qos::AtMostOnce);
        let mut second = hand_over(&mut window, Qos::AtLeastOnce);
        window.written(1);
        window.written(0);
        window.written(2);
        assert_eq!(plain.try_recv(), Ok(PublishOutcome::Acked));
        window.acknowledged(2, PublishOutcome::Acked);
        assert_eq!(second.try_recv(), Ok(PublishOutcome::Acked));
        window.acknowledged(7, PublishOutcome::Acked);
        window.lose_all();
        assert_eq!(first.try_recv(), Ok(PublishOutcome::Lost));
    }

    /// The library's own numbering, to check the window against.
    struct Numbering {
        width: u16,
        last: u16,
        open: HashSet<u16>,
    }

    impl Numbering {
        fn take(&mut self) -> u16 {
            self.last = if self.last == self.width {
                1
            } else {
                self.last + 1
            };
            self.last
        }
    }

    proptest! {
        #[test]
        fn a_number_never_comes_round_to_an_open_one_and_nothing_hangs(
            width in 1_u16..9,
            steps in proptest::collection::vec(any::<(bool, u8)>(), 0..200),
        ) {
            let mut window = Window::new(width);
            let mut library = Numbering { width, last: 0, open: HashSet::new() };
            library.take();
            window.subscribed();
            let mut tickets = Vec::new();
            for (publish, pick) in steps {
                if publish && window.has_room() {
                    tickets.push(hand_over(&mut window, Qos::AtLeastOnce));
                    let number = library.take();
                    window.written(number);
                    prop_assert!(library.open.insert(number), "collision");
                } else if let Some(number) =
                    library.open.iter().copied().nth(usize::from(pick) % library.open.len().max(1))
                {
                    library.open.remove(&number);
                    window.acknowledged(number, PublishOutcome::Acked);
                }
            }
            for number in library.open.drain() {
                window.acknowledged(number, PublishOutcome::Acked);
            }
            prop_assert!(window.has_room());
            prop_assert_eq!(window.unsettled(), 0);
            for mut ticket in tickets {
                prop_assert_eq!(ticket.try_recv(), Ok(PublishOutcome::Acked));
            }
        }
    }
}
