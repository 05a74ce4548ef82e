//! Restarts, connections and clones.

use noroshi_fleet::order::{Seen, Sightings, Starts};
use noroshi_protocol::{BootId, Presence, Status};
use proptest::prelude::*;

fn boot(n: u8) -> BootId {
    BootId::from_bytes([n; 16])
}

fn status(start: u64, connection: u64, boot_: u8, presence: Presence) -> Status {
    Status {
        status: presence,
        start,
        connection,
        boot: boot(boot_),
        since_ms: 0,
        version: "0.1.0".into(),
    }
}

#[test]
fn an_old_will_does_not_hide_a_new_connection() {
    let mut sightings = Sightings::default();
    let steps = [
        (status(1, 1, 1, Presence::Online), Seen::Newer),
        (status(1, 2, 1, Presence::Online), Seen::Newer),
        (status(1, 1, 1, Presence::Lost), Seen::Stale),
        (status(1, 2, 1, Presence::Lost), Seen::Newer),
        (status(2, 1, 2, Presence::Online), Seen::Newer),
        (status(1, 9, 1, Presence::Lost), Seen::Stale),
        (status(2, 1, 2, Presence::Online), Seen::Newer),
    ];
    for (status, seen) in steps {
        assert_eq!(sightings.observe(&status), seen, "{status:?}");
    }
    assert_eq!(sightings.newest(), Some(&status(2, 1, 2, Presence::Online)));
}

#[test]
fn a_cloned_card_is_found_by_its_start() {
    let mut starts = Starts::default();
    assert_eq!(starts.observe(7, boot(1)), Seen::Newer);
    assert_eq!(starts.observe(8, boot(2)), Seen::Newer);
    assert_eq!(
        starts.observe(8, boot(3)),
        Seen::Clone,
        "a clone starts for the eighth time"
    );
    assert_eq!(starts.observe(7, boot(4)), Seen::Clone, "a restored card");
    assert_eq!(starts.observe(7, boot(1)), Seen::Stale);
    assert_eq!(starts.newest(), Some((8, boot(2))));

    let mut sightings = Sightings::default();
    sightings.observe(&status(8, 1, 2, Presence::Online));
    assert_eq!(
        sightings.observe(&status(8, 9, 3, Presence::Online)),
        Seen::Clone
    );
    assert_eq!(sightings.newest().map(|newest| newest.boot), Some(boot(2)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_newest_never_goes_back(seen in prop::collection::vec((0_u64..12, 0_u64..4, 0_u8..3), 0..80)) {
        let mut sightings = Sightings::default();
        let mut newest = None;
        for (start, connection, boot) in seen {
            let status = status(start, connection, boot, Presence::Online);
            let before = sightings.clone();
            match sightings.observe(&status) {
                Seen::Newer => {
                    prop_assert!(Some((start, connection)) >= newest);
                    newest = Some((start, connection));
                }
                // Starts may be noted, presence may not change.
                Seen::Stale | Seen::Clone => {
                    prop_assert_eq!(sightings.newest(), before.newest());
                }
            }
        }
    }
}
