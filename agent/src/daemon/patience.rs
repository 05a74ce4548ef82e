//! What a worker's end says about its frame and its model. Pure.
//!
//! A frame that was merely in flight when somebody killed the worker is tried again. One that
//! takes a few workers down by itself is poison and is skipped. Only a model that gets nowhere
//! makes waiting frames be given up.

use std::time::Duration;

/// A frame that took so many workers down in a row is skipped.
const POISON: u32 = 3;
/// The same if they were killed from outside. Nobody kills that often between two answers but the
/// kernel when memory runs out, which can't be told from a person.
const UNLUCKY: u32 = 10;
/// Starts that failed and frames that were poison, in a row: the model can't answer at all.
const HOPELESS: u32 = 3;
/// A worker that lives this long is in no crash loop.
const SETTLED: Duration = Duration::from_secs(5);

/// What becomes of a frame whose worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Another worker tries it.
    Again,
    /// It is skipped.
    Skip,
}

/// Whose doing the end of a worker was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    /// Its own: a crash, a hang, a model that can't be loaded.
    Own,
    /// Somebody's who killed it.
    Others,
}

/// What a pipeline has seen of its workers.
#[derive(Debug, Default)]
pub(super) struct Patience {
    /// Workers that the frame in hand took down itself.
    own: u32,
    /// Workers that were killed over the frame in hand.
    others: u32,
    hopeless: u32,
    /// Whether the present worker answered anything.
    proven: bool,
}

impl Patience {
    /// A worker is there with its model loaded.
    pub(super) fn began(&mut self) {
        self.proven = false;
    }

    /// The worker dealt with the frame in hand.
    pub(super) fn answered(&mut self) {
        *self = Self {
            proven: true,
            ..Self::default()
        };
    }

    /// The worker could not start.
    pub(super) fn failed_to_start(&mut self, doing: Doing) {
        self.proven = false;
        if doing == Doing::Own {
            self.hopeless = self.hopeless.saturating_add(1);
        }
    }

    /// The worker ended with a frame in hand.
    pub(super) fn lost_worker(&mut self, doing: Doing) -> Fate {
        match doing {
            Doing::Own => self.own += 1,
            Doing::Others => self.others += 1,
        }
        if self.own < POISON && self.others < UNLUCKY {
            return Fate::Again;
        }
        (self.own, self.others) = (0, 0);
        self.hopeless = self.hopeless.saturating_add(1);
        Fate::Skip
    }

    /// Whether the end of a worker that lived so long is the first failure again.
    pub(super) fn has_settled(&self, lived: Duration, doing: Doing) -> bool {
        lived >= SETTLED || (self.proven && doing == Doing::Others)
    }

    /// Whether frames are held for nothing, while others who share the source wait for slots.
    pub(super) fn is_exhausted(&self) -> bool {
        self.hopeless >= HOPELESS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn killed_workers_cost_no_frame() {
        let mut patience = Patience::default();
        for _ in 0..1_000 {
            patience.began();
            assert_eq!(patience.lost_worker(Doing::Others), Fate::Again);
            patience.failed_to_start(Doing::Others);
            patience.began();
            patience.answered();
            assert!(patience.has_settled(Duration::ZERO, Doing::Others));
            assert!(!patience.is_exhausted());
        }
    }

    #[test]
    fn a_frame_that_kills_three_workers_is_skipped_and_the_next_is_not() {
        let mut patience = Patience::default();
        let fates: Vec<Fate> = (0..4).map(|_| patience.lost_worker(Doing::Own)).collect();
        assert_eq!(fates, [Fate::Again, Fate::Again, Fate::Skip, Fate::Again]);
        assert!(!patience.is_exhausted());
        let ends = (0..UNLUCKY).map(|_| patience.lost_worker(Doing::Others));
        assert_eq!(ends.last(), Some(Fate::Skip));
    }

    #[test]
    fn only_a_model_that_gets_nowhere_exhausts_it() {
        let mut patience = Patience::default();
        for _ in 0..HOPELESS {
            assert!(!patience.is_exhausted());
            patience.failed_to_start(Doing::Own);
        }
        assert!(patience.is_exhausted());
        patience.answered();
        assert!(!patience.is_exhausted());
        for _ in 0..HOPELESS * POISON {
            patience.lost_worker(Doing::Own);
        }
        assert!(patience.is_exhausted());
    }

    #[test]
    fn a_crash_soon_after_an_answer_is_still_a_crash_loop() {
        let mut patience = Patience::default();
        patience.began();
        patience.answered();
        assert!(!patience.has_settled(Duration::from_secs(1), Doing::Own));
        assert!(patience.has_settled(Duration::from_secs(5), Doing::Own));
        patience.began();
        assert!(!patience.has_settled(Duration::from_secs(1), Doing::Others));
    }
}
