//! How long to wait for a broker that went away.
//!
//! A broker that is restarted is back in seconds, and what is measured must not wait longer than
//! that; one that stays away is asked less often. Every wait is spread evenly, so that the devices
//! of a broker do not return as one.

use std::time::Duration;

use tokio::time::Instant;

use crate::backoff::{self, Backoff, BackoffLimits};

/// As long as nobody is away for longer, nobody waits longer than [`EAGER`] between two attempts.
const SOON: Duration = Duration::from_secs(120);
/// The highest ceiling until then.
const EAGER: Duration = Duration::from_secs(4);

/// The waits of one session.
#[derive(Debug)]
pub(super) struct Patience {
    eager: Backoff,
    patient: Backoff,
    /// Since when there has been no connection that counts.
    away_since: Option<Instant>,
}

impl Patience {
    pub(super) fn new(limits: BackoffLimits) -> Self {
        let eager = BackoffLimits {
            longest: limits.longest.min(EAGER.max(limits.shortest)),
            ..limits
        };
        Self {
            eager: Backoff::new(eager),
            patient: Backoff::new(limits),
            away_since: None,
        }
    }

    /// A connection ended that was complete for `lasted`, and over which a publish was
    /// acknowledged if `proven`; how long to wait.
    pub(super) fn after(&mut self, lasted: Duration, proven: bool, now: Instant) -> Duration {
        self.wait(lasted, proven, now, backoff::random())
    }

    fn wait(&mut self, lasted: Duration, proven: bool, now: Instant, random: u64) -> Duration {
        self.eager.settled(lasted);
        if proven {
            self.eager.succeeded();
        }
        if self.eager.failures() == 0 {
            self.patient.succeeded();
            self.away_since = None;
        }
        let away_since = *self.away_since.get_or_insert(now);
        let eager = self.eager.failed(random);
        if now.saturating_duration_since(away_since) < SOON {
            return eager;
        }
        self.patient.failed(random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Duration = Duration::ZERO;

    /// The waits of attempts that fail at once, from `begin` until `end` seconds later, at the
    /// worst.
    fn away(patience: &mut Patience, begin: Instant, end: u64) -> Vec<Duration> {
        let mut now = begin;
        let mut waits = Vec::new();
        while now < begin + Duration::from_secs(end) {
            let wait = patience.wait(NONE, false, now, u64::MAX);
            waits.push(wait);
            now += wait;
        }
        waits
    }

    #[test]
    fn a_broker_that_is_back_within_two_minutes_is_found_within_seconds() {
        let mut patience = Patience::new(BackoffLimits::default());
        let begin = Instant::now();
        let waits = away(&mut patience, begin, 119);
        assert!(waits.iter().all(|wait| *wait <= EAGER));
        let later = away(&mut patience, begin + SOON, 600);
        assert_eq!(later.last(), Some(&Duration::from_secs(30)));
        assert!(later.is_sorted());
    }

    #[test]
    fn an_acknowledged_publish_or_a_lasting_connection_starts_over() {
        let begin = Instant::now();
        for (lasted, proven) in [(NONE, true), (Duration::from_secs(5), false)] {
            let mut patience = Patience::new(BackoffLimits::default());
            away(&mut patience, begin, 600);
            let now = begin + Duration::from_secs(700);
            let wait = patience.wait(lasted, proven, now, u64::MAX);
            assert_eq!(wait, Duration::from_secs(1));
            assert!(
                away(&mut patience, now, 119)
                    .iter()
                    .all(|wait| *wait <= EAGER)
            );
        }
    }

    #[test]
    fn who_only_accepts_and_drops_is_asked_less_and_less() {
        let mut patience = Patience::new(BackoffLimits::default());
        let begin = Instant::now();
        let waits: Vec<Duration> = (0..300)
            .map(|at| {
                let now = begin + Duration::from_secs(at);
                patience.wait(Duration::from_secs(1), false, now, u64::MAX)
            })
            .collect();
        assert_eq!(waits.last(), Some(&Duration::from_secs(30)));
    }

    #[test]
    fn waits_are_spread() {
        let wait = |random| {
            let mut patience = Patience::new(BackoffLimits::default());
            let now = Instant::now();
            for _ in 0..5 {
                patience.wait(NONE, false, now, 0);
            }
            patience.wait(NONE, false, now, random)
        };
        assert_eq!(wait(0), EAGER / 10);
        assert_eq!(wait(u64::MAX), EAGER);
    }
}
