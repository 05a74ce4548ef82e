//! The injected clock.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use noroshi_protocol::ClockSource;
use rustls::time_provider::TimeProvider;
use rustls_pki_types::UnixTime;

use super::system::SystemReadings;

/// What the operating system says. Tests bring their own.
pub trait Readings: Send + Sync {
    /// Milliseconds since the kernel started, sleep included.
    fn monotonic_ms(&self) -> u64;
    /// Unix milliseconds of the system's clock, right or wrong.
    fn wall_ms(&self) -> u64;
    /// Whether the system's clock says it is synchronized.
    fn is_synchronized(&self) -> bool;
}

/// How a clock starts.
#[derive(Debug, Clone, Copy, Default)]
pub struct ClockOptions {
    /// The persisted floor, Unix milliseconds; the build's own time is added by itself.
    pub floor_ms: u64,
    /// Believe the system's clock even if the kernel does not say it is synchronized: for
    /// containers and machines whose host keeps the time.
    pub trust_system_clock: bool,
}

/// One look at the clock, as a record carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Milliseconds since the kernel started.
    pub monotonic_ms: u64,
    /// Unix milliseconds.
    pub wall_ms: u64,
    /// Where `wall_ms` comes from.
    pub source: ClockSource,
}

/// A clock with a floor; shared by everything in a daemon that asks the time.
pub struct SessionClock {
    readings: Box<dyn Readings>,
    trust_system_clock: bool,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    floor_ms: u64,
    gateway: Option<GatewayTime>,
}

/// A gateway's answer: at `monotonic_ms` it was `wall_ms`.
#[derive(Debug, Clone, Copy)]
struct GatewayTime {
    monotonic_ms: u64,
    wall_ms: u64,
}

impl SessionClock {
    /// A clock over the system's readings.
    pub fn system(options: ClockOptions) -> Self {
        Self::new(Box::new(SystemReadings), options)
    }

    /// A clock over other readings.
    pub fn new(readings: Box<dyn Readings>, options: ClockOptions) -> Self {
        let floor_ms = options.floor_ms.max(build_ms());
        Self {
            readings,
            trust_system_clock: options.trust_system_clock,
            state: Mutex::new(State {
                floor_ms,
                gateway: None,
            }),
        }
    }

    /// The time for a record.
    pub fn now(&self) -> Reading {
        let monotonic_ms = self.readings.monotonic_ms();
        let gateway = self.state().gateway;
        let (wall_ms, source) = match gateway {
            _ if self.is_system_trusted() => (self.readings.wall_ms(), ClockSource::Ntp),
            Some(told) => {
                let since = monotonic_ms.saturating_sub(told.monotonic_ms);
                (told.wall_ms.saturating_add(since), ClockSource::Gateway)
            }
            None => (self.readings.wall_ms(), ClockSource::None),
        };
        Reading {
            monotonic_ms,
            wall_ms,
            source,
        }
    }

    /// Unix milliseconds at which certificates and expiry dates are judged.
    pub fn trusted_ms(&self) -> u64 {
        self.now().wall_ms.max(self.floor_ms())
    }

    /// The floor, Unix milliseconds: persist it when it has risen.
    pub fn floor_ms(&self) -> u64 {
        self.state().floor_ms
    }

    /// Raises the floor to the issue time inside a document whose signature was verified.
    /// Answers whether it rose.
    pub fn raise_floor(&self, issued_ms: u64) -> bool {
        let mut state = self.state();
        let rises = issued_ms > state.floor_ms;
        state.floor_ms = state.floor_ms.max(issued_ms);
        rises
    }

    /// Takes a gateway's signed answer. `asked_ms` and `answered_ms` are monotonic readings
    /// around the question; the answer is taken to be from the middle.
    pub fn set_from_gateway(&self, wall_ms: u64, asked_ms: u64, answered_ms: u64) {
        let monotonic_ms = asked_ms.midpoint(answered_ms.max(asked_ms));
        self.state().gateway = Some(GatewayTime {
            monotonic_ms,
            wall_ms,
        });
    }

    /// Whether the wall time comes from somewhere that may be believed.
    pub fn is_synchronized(&self) -> bool {
        self.now().source != ClockSource::None
    }

    fn is_system_trusted(&self) -> bool {
        self.trust_system_clock || self.readings.is_synchronized()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // The state is two numbers: whole even if a holder panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SessionClock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SessionClock")
            .field("now", &self.now())
            .field("floor_ms", &self.floor_ms())
            .finish_non_exhaustive()
    }
}

impl TimeProvider for SessionClock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(unix_time(self.trusted_ms()))
    }
}

pub(crate) fn unix_time(ms: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_millis(ms))
}

/// When this program was built, Unix milliseconds: `SOURCE_DATE_EPOCH` of the build where it was
/// set, else the day this rule was written, which is early enough to be true.
fn build_ms() -> u64 {
    const WRITTEN_S: u64 = 1_764_028_800; // 2025-11-25
    option_env!("SOURCE_DATE_EPOCH")
        .and_then(|seconds| seconds.parse::<u64>().ok())
        .unwrap_or(WRITTEN_S)
        .saturating_mul(1_000)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    use super::*;

    /// Readings that a test sets.
    #[derive(Debug, Default)]
    pub(crate) struct FakeReadings {
        pub(crate) monotonic_ms: AtomicU64,
        pub(crate) wall_ms: AtomicU64,
        pub(crate) synchronized: AtomicBool,
    }

    impl Readings for Arc<FakeReadings> {
        fn monotonic_ms(&self) -> u64 {
            self.monotonic_ms.load(Ordering::Relaxed)
        }

        fn wall_ms(&self) -> u64 {
            self.wall_ms.load(Ordering::Relaxed)
        }

        fn is_synchronized(&self) -> bool {
            self.synchronized.load(Ordering::Relaxed)
        }
    }

    const YEAR_1970_MS: u64 = 5_000;
    const YEAR_2026_MS: u64 = 1_795_000_000_000;
    const YEAR_2040_MS: u64 = 2_208_988_800_000;

    fn clock(wall_ms: u64) -> (Arc<FakeReadings>, SessionClock) {
        let readings = Arc::new(FakeReadings::default());
        readings.wall_ms.store(wall_ms, Ordering::Relaxed);
        let options = ClockOptions {
            floor_ms: YEAR_2026_MS,
            trust_system_clock: false,
        };
        (
            readings.clone(),
            SessionClock::new(Box::new(readings), options),
        )
    }

    #[test]
    fn a_clock_of_1970_is_judged_at_the_floor() {
        let (_, clock) = clock(YEAR_1970_MS);
        assert_eq!(clock.now().wall_ms, YEAR_1970_MS);
        assert_eq!(clock.now().source, ClockSource::None);
        assert_eq!(clock.trusted_ms(), YEAR_2026_MS);
        assert_eq!(
            clock.current_time().unwrap().as_secs(),
            YEAR_2026_MS / 1_000
        );
    }

    #[test]
    fn a_gateway_corrects_a_clock_of_2040_and_moves_on_with_the_monotonic_one() {
        let (readings, clock) = clock(YEAR_2040_MS);
        assert_eq!(clock.trusted_ms(), YEAR_2040_MS);
        clock.set_from_gateway(YEAR_2026_MS + 10_000, 100, 300);
        readings.monotonic_ms.store(1_200, Ordering::Relaxed);
        let now = clock.now();
        assert_eq!(
            (now.wall_ms, now.source),
            (YEAR_2026_MS + 11_000, ClockSource::Gateway)
        );
        assert_eq!(
            clock.floor_ms(),
            YEAR_2026_MS,
            "a gateway never raises the floor"
        );
    }

    #[test]
    fn a_lying_gateway_is_corrected_by_the_next_answer_and_by_ntp() {
        let (readings, clock) = clock(YEAR_2026_MS + 7);
        clock.set_from_gateway(YEAR_2040_MS, 0, 0);
        assert_eq!(clock.trusted_ms(), YEAR_2040_MS);
        clock.set_from_gateway(YEAR_2026_MS + 5, 0, 0);
        assert_eq!(clock.trusted_ms(), YEAR_2026_MS + 5);
        readings.synchronized.store(true, Ordering::Relaxed);
        let now = clock.now();
        assert_eq!(
            (now.wall_ms, now.source),
            (YEAR_2026_MS + 7, ClockSource::Ntp)
        );
    }

    #[test]
    fn the_floor_only_rises() {
        let (_, clock) = clock(YEAR_1970_MS);
        assert!(clock.raise_floor(YEAR_2026_MS + 1));
        assert!(!clock.raise_floor(YEAR_2026_MS));
        assert_eq!(clock.floor_ms(), YEAR_2026_MS + 1);
        assert!(!clock.is_synchronized());
    }

    #[test]
    fn the_system_is_readable() {
        let options = ClockOptions {
            floor_ms: 0,
            trust_system_clock: true,
        };
        let clock = SessionClock::system(options);
        let now = clock.now();
        assert!(now.monotonic_ms > 0);
        assert_eq!(now.source, ClockSource::Ntp);
        assert!(clock.floor_ms() >= 1_764_028_800_000);
    }
}
