//! Which desired document counts: its sequence, for whom it is, whether it came too late.

use noroshi_protocol::{Desired, DeviceId, OrgId, SiteDesired, SiteId};

/// The sequence of the next document: greater than the last, and at least the time in Unix
/// milliseconds, so that devices listen to a cloud that was restored from an old copy.
pub const fn next_sequence(last: u64, now_ms: u64) -> u64 {
    let next = last.saturating_add(1);
    if next > now_ms { next } else { now_ms }
}

/// What a receiver knows of the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// Unix milliseconds of a synced clock.
    Synced(u64),
    /// Not synced: Unix milliseconds that have passed for certain, such as the clock's floor.
    AtLeast(u64),
}

impl Clock {
    /// Whether `expires_ms` is over for certain. A clock that may be wrong bars nothing.
    pub const fn is_past(self, expires_ms: u64) -> bool {
        match self {
            Self::Synced(now_ms) | Self::AtLeast(now_ms) => now_ms > expires_ms,
        }
    }
}

/// What a device knows when a verified document arrives.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Its organisation.
    pub org: &'a OrgId,
    /// Its id.
    pub device: &'a DeviceId,
    /// The document taken last.
    pub last: Option<&'a Desired>,
    /// The sequence of the newest document ever taken; 0 before the first. May be ahead of
    /// `last` if that was lost.
    pub last_sequence: u64,
    /// The time.
    pub clock: Clock,
}

/// What to do with a document that is not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// Newer: take it.
    New,
    /// The one that is taken already.
    Known,
}

/// Why a document is not taken; its text is for the device's report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefusedReason {
    /// It is for someone else.
    #[error("the document is for {0}, not for us")]
    Foreign(String),
    /// It is older than one that was taken, or another one under the same sequence.
    #[error("replayed: sequence {sequence} is not newer than {last}, which was taken before")]
    Replayed {
        /// The document's.
        sequence: u64,
        /// The newest taken.
        last: u64,
    },
    /// It assigns something new, but may not any more.
    #[error("expired {late_s} s ago: the cloud must issue it again")]
    Expired {
        /// Seconds since its expiry.
        late_s: u64,
    },
}

/// Whether a device takes a document whose signature and targets it has verified. Expiry bars
/// new assignments only: a document that asks for what is taken already is accepted late too.
pub fn accept(desired: &Desired, facts: &Facts<'_>) -> Result<Accepted, RefusedReason> {
    if desired.org != *facts.org || desired.device != *facts.device {
        let whom = format!("{}/device/{}", desired.org, desired.device);
        return Err(RefusedReason::Foreign(whom));
    }
    if facts.last == Some(desired) {
        return Ok(Accepted::Known);
    }
    newer(desired.sequence, facts.last_sequence)?;
    let same = facts
        .last
        .is_some_and(|last| last.pipelines == desired.pipelines && last.plan == desired.plan);
    if !same {
        in_time(desired.expires_ms, facts.clock)?;
    }
    Ok(Accepted::New)
}

/// Whether a gateway takes a site plan whose signature it has verified. An expired one is
/// taken, for what it stops or reverts; [`chooser::in_force`](crate::chooser::in_force) sends
/// no new *go* for it.
pub fn accept_site(
    desired: &SiteDesired,
    org: &OrgId,
    site: &SiteId,
    last: Option<&SiteDesired>,
) -> Result<Accepted, RefusedReason> {
    if desired.org != *org || desired.site != *site {
        let whom = format!("{}/site/{}", desired.org, desired.site);
        return Err(RefusedReason::Foreign(whom));
    }
    if last == Some(desired) {
        return Ok(Accepted::Known);
    }
    newer(desired.sequence, last.map_or(0, |last| last.sequence))?;
    Ok(Accepted::New)
}

const fn newer(sequence: u64, last: u64) -> Result<(), RefusedReason> {
    if sequence > last {
        Ok(())
    } else {
        Err(RefusedReason::Replayed { sequence, last })
    }
}

const fn in_time(expires_ms: u64, clock: Clock) -> Result<(), RefusedReason> {
    if !clock.is_past(expires_ms) {
        return Ok(());
    }
    let (Clock::Synced(now_ms) | Clock::AtLeast(now_ms)) = clock;
    Err(RefusedReason::Expired {
        late_s: now_ms.saturating_sub(expires_ms) / 1000,
    })
}
