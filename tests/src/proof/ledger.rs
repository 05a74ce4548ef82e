//! What is missing, by the source's own log, and whether a kill explains it. Pure.

use std::collections::{BTreeMap, BTreeSet};

/// Frames in a source's ring, as the proof's agents are configured.
pub(super) const RING: usize = 8;
/// Frames whose results may be on their way to the disk: half a second's.
pub(super) const IN_FLIGHT: usize = 12;

/// A frame that the source logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Logged {
    /// Its id.
    pub(super) frame: String,
    /// Milliseconds of `CLOCK_BOOTTIME`.
    pub(super) at_ms: u64,
}

/// One device's side of the story.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// Every frame, in order.
    pub(super) logged: Vec<Logged>,
    /// When its agent, worker or source died, rising.
    pub(super) deaths_ms: Vec<u64>,
    /// Frames whose results were seen in the outbox on the disk.
    pub(super) persisted: BTreeSet<String>,
    /// Rows in the cloud by frame.
    pub(super) stored: BTreeMap<String, u64>,
}

/// What came out.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Results that existed, or frames that no kill explains, and that are not in the cloud.
    pub(super) lost: Vec<String>,
    /// How many of these were seen in an outbox: they surely existed.
    pub(super) existed: u64,
    /// Rows beyond the first for a frame.
    pub(super) twice: u64,
    /// Rows of frames that no source logged.
    pub(super) unknown: u64,
    /// Frames that a kill explains.
    pub(super) never_inferred: u64,
    /// The most of them that one kill explains.
    pub(super) most_a_kill: u64,
    /// Frames in the log.
    pub(super) frames: u64,
}

impl Verdict {
    /// Both together.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.lost.extend(other.lost);
        self.existed += other.existed;
        self.twice += other.twice;
        self.unknown += other.unknown;
        self.never_inferred += other.never_inferred;
        self.most_a_kill = self.most_a_kill.max(other.most_a_kill);
        self.frames += other.frames;
        self
    }
}

/// Judges one device.
///
/// A frame may be missing only if a death of its agent, worker or source came while it was in
/// the ring or in flight: if it is among the last [`RING`] + [`IN_FLIGHT`] frames logged before
/// that. Whatever was seen in the outbox existed, and may not be missing at all.
pub(super) fn judge(evidence: &Evidence) -> Verdict {
    let known: BTreeSet<&str> = evidence
        .logged
        .iter()
        .map(|logged| logged.frame.as_str())
        .collect();
    let mut verdict = Verdict {
        frames: evidence.logged.len() as u64,
        twice: evidence.stored.values().map(|rows| rows - 1).sum(),
        unknown: evidence
            .stored
            .keys()
            .filter(|frame| !known.contains(frame.as_str()))
            .count() as u64,
        ..Verdict::default()
    };
    let mut explained: BTreeMap<u64, u64> = BTreeMap::new();
    for (place, logged) in evidence.logged.iter().enumerate() {
        if evidence.stored.contains_key(&logged.frame) {
            continue;
        }
        let death = explanation(evidence, place);
        match death {
            Some(death) if !evidence.persisted.contains(&logged.frame) => {
                *explained.entry(death).or_default() += 1;
            }
            _ => {
                verdict.existed += u64::from(evidence.persisted.contains(&logged.frame));
                verdict.lost.push(logged.frame.clone());
            }
        }
    }
    verdict.never_inferred = explained.values().sum();
    verdict.most_a_kill = explained.values().copied().max().unwrap_or(0);
    verdict
}

/// The first death that can have taken the frame at `place`.
fn explanation(evidence: &Evidence, place: usize) -> Option<u64> {
    let at_ms = evidence.logged[place].at_ms;
    evidence
        .deaths_ms
        .iter()
        .copied()
        .filter(|death| *death >= at_ms)
        .find(|death| {
            let before = evidence
                .logged
                .partition_point(|logged| logged.at_ms <= *death);
            before - place <= RING + IN_FLIGHT
        })
}

/// Frames that were lost although logged within [from, to].
pub(super) fn lost_within(evidence: &Evidence, verdict: &Verdict, from: u64, to: u64) -> u64 {
    let lost: BTreeSet<&str> = verdict.lost.iter().map(String::as_str).collect();
    evidence
        .logged
        .iter()
        .filter(|logged| (from..=to).contains(&logged.at_ms))
        .filter(|logged| lost.contains(logged.frame.as_str()))
        .count() as u64
}

/// Reads a source's log: id, picture, milliseconds; a torn last line is left out.
pub(super) fn read_log(text: &str) -> Vec<Logged> {
    text.lines()
        .filter_map(|line| {
            let mut parts = line.split('\t');
            let (frame, _picture, at) = (parts.next()?, parts.next()?, parts.next()?);
            Some(Logged {
                frame: frame.to_owned(),
                at_ms: at.parse().ok()?,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(frames: u64, missing: &[u64], deaths_ms: &[u64]) -> Evidence {
        let frame = |number: u64| format!("f-{number}");
        Evidence {
            logged: (0..frames)
                .map(|number| Logged {
                    frame: frame(number),
                    at_ms: number * 40,
                })
                .collect(),
            deaths_ms: deaths_ms.to_vec(),
            persisted: BTreeSet::new(),
            stored: (0..frames)
                .filter(|number| !missing.contains(number))
                .map(|number| (frame(number), 1))
                .collect(),
        }
    }

    #[test]
    fn nothing_missing_is_nothing_lost() {
        let verdict = judge(&evidence(100, &[], &[2000]));
        assert_eq!(
            verdict,
            Verdict {
                frames: 100,
                ..Verdict::default()
            }
        );
    }

    #[test]
    fn a_kill_explains_what_was_in_the_ring() {
        // The death at 2000 ms comes just after frame 50: frames 31 to 50 are explained.
        let verdict = judge(&evidence(100, &[30, 31, 50, 51], &[2000]));
        assert_eq!(verdict.lost, ["f-30", "f-51"]);
        assert_eq!((verdict.never_inferred, verdict.most_a_kill), (2, 2));
    }

    #[test]
    fn what_was_on_the_disk_has_no_excuse() {
        let mut evidence = evidence(100, &[49, 50], &[2000]);
        evidence.persisted.insert("f-49".into());
        let verdict = judge(&evidence);
        assert_eq!(verdict.lost, ["f-49"]);
        assert_eq!(verdict.existed, 1);
        assert_eq!(lost_within(&evidence, &verdict, 1900, 2000), 1);
        assert_eq!(lost_within(&evidence, &verdict, 1970, 2000), 0);
    }

    #[test]
    fn rows_are_counted() {
        let mut evidence = evidence(10, &[], &[]);
        evidence.stored.insert("f-1".into(), 3);
        evidence.stored.insert("ghost".into(), 1);
        let verdict = judge(&evidence);
        assert_eq!((verdict.twice, verdict.unknown), (2, 1));
    }

    #[test]
    fn a_torn_line_is_left_out() {
        let logged = read_log("a\tx.png\t5\nb\ty.png\t6\nc\tz.p");
        assert_eq!(logged.len(), 2);
        assert_eq!(logged[1].at_ms, 6);
    }
}
