//! Which documents are taken.

use noroshi_fleet::assignment::{
    Accepted, Clock, Facts, RefusedReason, accept, accept_site, next_sequence,
};
use noroshi_protocol::{Desired, SiteDesired};
use proptest::prelude::*;

use crate::world::{desired, device, org, plan, site};

#[test]
fn sequences_rise_and_survive_a_restored_cloud() {
    assert_eq!(next_sequence(5, 3), 6);
    assert_eq!(next_sequence(5, 1_700_000_000_000), 1_700_000_000_000);
    assert_eq!(next_sequence(u64::MAX, 3), u64::MAX);
}

fn decided(new: &Desired, last: Option<&Desired>, clock: Clock) -> Result<Accepted, String> {
    let (org, device) = (org(), device("d1"));
    let facts = Facts {
        org: &org,
        device: &device,
        last,
        last_sequence: last.map_or(0, |last| last.sequence),
        clock,
    };
    accept(new, &facts).map_err(|reason| reason.to_string())
}

#[test]
fn a_document_is_taken_if_it_is_ours_newer_and_in_time() {
    let now = Clock::Synced(2000);
    let last = desired(100, 1, None);
    let newer = desired(200, 2, Some(plan("p", 3)));
    assert_eq!(decided(&newer, None, now), Ok(Accepted::New));
    assert_eq!(decided(&newer, Some(&last), now), Ok(Accepted::New));
    assert_eq!(decided(&last, Some(&last), now), Ok(Accepted::Known));
    assert_eq!(
        decided(&last, Some(&newer), now).unwrap_err(),
        "replayed: sequence 100 is not newer than 200, which was taken before"
    );
    let forged = desired(200, 7, None);
    assert!(
        decided(&forged, Some(&newer), now)
            .unwrap_err()
            .starts_with("replayed")
    );

    let mut foreign = newer.clone();
    foreign.device = device("d2");
    assert_eq!(
        decided(&foreign, None, now).unwrap_err(),
        "the document is for acme/device/d2, not for us"
    );
}

#[test]
fn expiry_bars_only_what_is_new() {
    let last = desired(100, 1, None);
    let newer = desired(200, 2, None);
    let late = Clock::Synced(newer.expires_ms + 5000);
    assert_eq!(
        decided(&newer, Some(&last), late).unwrap_err(),
        "expired 5 s ago: the cloud must issue it again"
    );
    let again = desired(200, 1, None);
    assert_eq!(decided(&again, Some(&last), late), Ok(Accepted::New));
    assert_eq!(decided(&last, Some(&last), late), Ok(Accepted::Known));
    // A clock that may be wrong bars nothing; a floor that is past does.
    assert_eq!(
        decided(&newer, Some(&last), Clock::AtLeast(0)),
        Ok(Accepted::New)
    );
    assert!(decided(&newer, Some(&last), Clock::AtLeast(newer.expires_ms + 1)).is_err());
}

#[test]
fn a_site_takes_its_own_newer_plans() {
    let document = |sequence| SiteDesired {
        format: 1,
        org: org(),
        site: site("s1"),
        sequence,
        issued_ms: 0,
        expires_ms: 1,
        plans: Vec::new(),
        revoked: Vec::new(),
    };
    let taken = |new: u64, last: Option<u64>, at: &str| {
        accept_site(
            &document(new),
            &org(),
            &site(at),
            last.map(document).as_ref(),
        )
    };
    assert_eq!(taken(2, None, "s1"), Ok(Accepted::New));
    assert_eq!(taken(2, Some(2), "s1"), Ok(Accepted::Known));
    assert_eq!(
        taken(1, Some(2), "s1"),
        Err(RefusedReason::Replayed {
            sequence: 1,
            last: 2
        })
    );
    assert!(matches!(
        taken(2, None, "s2"),
        Err(RefusedReason::Foreign(_))
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_sequence_taken_never_falls(documents in prop::collection::vec((0_u64..50, 0_u32..4), 1..40), now: u64) {
        let mut last: Option<Desired> = None;
        for (sequence, version) in documents {
            let new = desired(sequence, version, None);
            if decided(&new, last.as_ref(), Clock::Synced(now)) == Ok(Accepted::New) {
                prop_assert!(new.sequence > last.as_ref().map_or(0, |last| last.sequence));
                last = Some(new);
            }
        }
    }

    #[test]
    fn the_next_sequence_is_always_taken(last in 0..u64::MAX / 2, now in 0..u64::MAX / 2) {
        let (old, new) = (desired(last, 1, None), desired(next_sequence(last, now), 2, None));
        prop_assert_eq!(decided(&new, Some(&old), Clock::Synced(now)), Ok(Accepted::New));
    }
}
