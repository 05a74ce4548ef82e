//! The oldest record that is held: it alone shows whether everything that was sent arrives.

use std::time::Duration;

use tokio::time::Instant;

use crate::outbox::Place;

/// How long which record has been the oldest.
#[derive(Debug)]
pub(super) struct Oldest {
    place: Option<Place>,
    since: Instant,
}

impl Oldest {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            place: None,
            since: now,
        }
    }

    /// Notes which record is the oldest, and up to which all were sent; whether another is the
    /// oldest than before. Acknowledgements of others say nothing about this one.
    pub(super) fn see(&mut self, place: Option<Place>, sent: Option<Place>, now: Instant) -> bool {
        let moved = self.place.is_some() && self.place != place;
        let is_sent = place.is_some() && place <= sent;
        if self.place != place || !is_sent {
            self.since = now;
        }
        self.place = place;
        moved
    }

    /// How long it has been waiting for its acknowledgement.
    pub(super) fn waits(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(sequence: u64) -> Place {
        Place { start: 1, sequence }
    }

    #[test]
    fn acknowledgements_of_later_records_do_not_hide_one_that_never_comes() {
        let begin = Instant::now();
        let at = |s| begin + Duration::from_secs(s);
        let mut oldest = Oldest::new(begin);
        // Not sent yet: it waits for nothing.
        assert!(!oldest.see(Some(place(0)), None, at(40)));
        assert_eq!(oldest.waits(at(40)), Duration::ZERO);
        assert!(!oldest.see(Some(place(0)), Some(place(9)), at(41)));
        // Others come and go behind it.
        for s in 42..75 {
            assert!(!oldest.see(Some(place(0)), Some(place(s)), at(s)));
        }
        assert_eq!(oldest.waits(at(75)), Duration::from_secs(35));
        // Acknowledged: the next one begins to wait.
        assert!(oldest.see(Some(place(5)), Some(place(90)), at(76)));
        assert_eq!(oldest.waits(at(77)), Duration::from_secs(1));
        assert!(oldest.see(None, Some(place(90)), at(78)));
    }
}
