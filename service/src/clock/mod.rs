//! What time it is, and how far that can be trusted.
//!
//! Three things are kept apart:
//!
//! - **monotonic**: milliseconds since the kernel started, sleep included. Never wrong.
//! - **wall**: the time of records. It comes from the system's clock when that says it is
//!   synchronized, else from a gateway's signed answer, else from the system's clock unbelieved.
//!   It may go back.
//! - **floor**: no moment before the newest proof of time that we hold: the build, and what a
//!   verified document says it was issued at. It only rises, and neither a gateway nor NTP moves
//!   it, so a lying gateway cannot lock a device out for ever. The caller persists it.
//!
//! TLS and document expiry are judged at `max(wall, floor)`.

mod session_clock;
mod system;

pub(crate) use session_clock::unix_time;
pub use session_clock::{ClockOptions, Reading, Readings, SessionClock};
pub use system::{SystemReadings, os_boot};
