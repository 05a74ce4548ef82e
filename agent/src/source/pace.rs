//! When the next frame is due. Pure.

use std::time::Duration;

/// Keeps an even pace, and does not rush to catch up after a stall.
#[derive(Debug)]
pub(super) struct Pace {
    period: Duration,
    due: Duration,
}

impl Pace {
    /// `frames_per_second` from `start`, an instant of any clock that only goes forward.
    pub(super) fn new(frames_per_second: f64, start: Duration) -> Self {
        Self {
            period: Duration::from_secs_f64(1.0 / frames_per_second),
            due: start,
        }
    }

    /// How long until the next frame is due.
    pub(super) fn wait(&self, now: Duration) -> Duration {
        self.due.saturating_sub(now)
    }

    /// A frame was taken: the next is due one period after this one was, or after now if this
    /// one came more than a second late.
    pub(super) fn taken(&mut self, now: Duration) {
        if now.saturating_sub(self.due) > Duration::from_secs(1) {
            self.due = now;
        }
        self.due += self.period;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn jitter_does_not_shift_the_pace_but_a_stall_does() {
        let mut pace = Pace::new(10.0, ms(1_000));
        assert_eq!(pace.wait(ms(1_000)), ms(0));
        pace.taken(ms(1_030));
        assert_eq!(pace.wait(ms(1_030)), ms(70));
        pace.taken(ms(9_000));
        assert_eq!(pace.wait(ms(9_000)), ms(100));
    }
}
