//! Exponential backoff with full jitter. Pure: time and randomness are arguments.

use std::time::Duration;

/// The bounds of a backoff.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackoffLimits {
    /// The ceiling after the first failure.
    pub shortest: Duration,
    /// The highest ceiling, reached by doubling.
    pub longest: Duration,
    /// A success that lasted this long makes the next failure the first one again. A shorter
    /// one does not: a peer that accepts and drops at once must not be asked every second. A
    /// longer bound would punish the devices of a gateway that was restarted a few times.
    pub settled_after: Duration,
}

impl Default for BackoffLimits {
    /// 1 s to 30 s, settled after 5 s.
    fn default() -> Self {
        Self {
            shortest: Duration::from_secs(1),
            longest: Duration::from_secs(30),
            settled_after: Duration::from_secs(5),
        }
    }
}

/// How many failures in a row there were, and so how long to wait next.
#[derive(Debug, Clone)]
pub struct Backoff {
    limits: BackoffLimits,
    failures: u32,
}

impl Backoff {
    /// No failures yet.
    pub fn new(limits: BackoffLimits) -> Self {
        Self {
            limits,
            failures: 0,
        }
    }

    /// Failures in a row so far.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Counts a failure and answers how long to wait: evenly spread between a tenth of the
    /// ceiling and the ceiling, so that a fleet that lost the same peer does not return as one.
    /// `random` is any evenly distributed number.
    pub fn failed(&mut self, random: u64) -> Duration {
        let ceiling = ceiling(self.limits, self.failures);
        self.failures = self.failures.saturating_add(1);
        let floor = ceiling / 10;
        let share = random as f64 / u64::MAX as f64;
        floor + (ceiling - floor).mul_f64(share)
    }

    /// Tells that the peer proved itself: the next failure is the first one again.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Tells how long the last success lasted; starts over if that was long enough.
    pub fn settled(&mut self, lasted: Duration) {
        if lasted >= self.limits.settled_after {
            self.succeeded();
        }
    }
}

fn ceiling(limits: BackoffLimits, failures: u32) -> Duration {
    let factor = 1_u32.checked_shl(failures.min(31)).unwrap_or(u32::MAX);
    limits.shortest.saturating_mul(factor).min(limits.longest)
}

/// An evenly distributed number from the operating system's generator, for [`Backoff::failed`].
pub fn random() -> u64 {
    let mut bytes = [0; 8];
    // A generator that fails leaves the middle of the range: worse spread, still a backoff.
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        return u64::MAX / 2;
    }
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_wait_is_never_longer_than_the_longest_nor_absent(
            randoms in proptest::collection::vec(any::<u64>(), 1..80),
        ) {
            let limits = BackoffLimits::default();
            let mut backoff = Backoff::new(limits);
            for random in randoms {
                let wait = backoff.failed(random);
                prop_assert!(wait <= limits.longest);
                prop_assert!(wait >= limits.shortest / 10);
            }
        }

        #[test]
        fn the_ceiling_never_falls_and_reaches_the_longest(failures in 0_u32..200) {
            let limits = BackoffLimits::default();
            prop_assert!(ceiling(limits, failures) <= ceiling(limits, failures + 1));
            if failures >= 9 {
                prop_assert_eq!(ceiling(limits, failures), limits.longest);
            }
        }

        #[test]
        fn a_greater_random_number_waits_longer(failures in 0_u32..40, a: u64, b: u64) {
            let mut one = Backoff { limits: BackoffLimits::default(), failures };
            let mut two = one.clone();
            prop_assert_eq!(one.failed(a.min(b)) <= two.failed(a.max(b)), true);
        }
    }

    #[test]
    fn only_a_settled_success_starts_over() {
        let mut backoff = Backoff::new(BackoffLimits::default());
        for _ in 0..5 {
            backoff.failed(u64::MAX);
        }
        backoff.settled(Duration::from_secs(2));
        assert_eq!(backoff.failures(), 5);
        backoff.settled(Duration::from_secs(30));
        assert_eq!(backoff.failed(u64::MAX), Duration::from_secs(1));
    }
}
