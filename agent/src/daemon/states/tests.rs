use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;

use super::*;

fn pipeline(name: &str) -> PipelineId {
    name.parse().unwrap()
}

fn learned(samples: u32) -> Learned {
    Learned {
        samples,
        alarms: 0,
        wall_ms: 5,
        origin: Origin::Learned,
        content: Some(vec![samples as u8; 19_232]),
    }
}

fn shelf() -> (tempfile::TempDir, States, Shelf) {
    let folder = tempfile::tempdir().unwrap();
    let states = States::open(folder.path().join("learned")).unwrap();
    let shelf = states.of(&pipeline("door"), Digest::of(b"model"));
    (folder, states, shelf)
}

#[test]
fn versions_count_up_and_few_are_kept() {
    let (_folder, _, shelf) = shelf();
    assert!(shelf.newest().unwrap().state.is_none());
    for samples in 1..=50 {
        assert_eq!(
            shelf.keep(learned(samples)).unwrap().version,
            u64::from(samples)
        );
        assert!(shelf.versions().unwrap().len() <= VERSIONS);
    }
    let newest = shelf.newest().unwrap().state.unwrap();
    assert_eq!((newest.version, newest.samples), (50, 50));
    assert_eq!(shelf.read(1).unwrap().content.unwrap().len(), 19_232);
    assert_eq!(shelf.all().unwrap().len(), VERSIONS);
    let missing = shelf.read(51).unwrap_err().to_string();
    assert!(missing.contains("there is no state 51"), "{missing}");
    let mode = std::fs::metadata(shelf.path(50)).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
}

#[test]
fn a_damaged_file_is_moved_aside_for_the_one_before() {
    let (_folder, _, shelf) = shelf();
    for samples in 1..=3 {
        shelf.keep(learned(samples)).unwrap();
    }
    let mut bytes = std::fs::read(shelf.path(3)).unwrap();
    bytes[100] ^= 1;
    std::fs::write(shelf.path(3), &bytes).unwrap();
    std::fs::write(shelf.path(9), vec![0; 40 << 10]).unwrap();
    // A file of another version under this name is not believed either.
    std::fs::copy(shelf.path(1), shelf.path(4)).unwrap();
    let found = shelf.newest().unwrap();
    assert_eq!(found.state.unwrap().version, 2);
    assert_eq!(found.damaged.len(), 3, "{:?}", found.damaged);
    assert_eq!(shelf.versions().unwrap(), [1, 2]);
    assert_eq!(shelf.keep(learned(7)).unwrap().version, 3);
}

#[test]
fn a_state_too_large_is_not_kept() {
    let (_folder, _, shelf) = shelf();
    let large = Learned {
        content: Some(vec![0; 33 << 10]),
        ..learned(1)
    };
    assert!(shelf.keep(large).is_err());
    assert!(shelf.versions().unwrap().is_empty());
}

#[test]
fn states_belong_to_a_pipeline_and_a_model() {
    let (_folder, states, shelf) = shelf();
    shelf.keep(learned(1)).unwrap();
    let other = states.of(&pipeline("door"), Digest::of(b"another model"));
    assert!(other.newest().unwrap().state.is_none());
    other.keep(learned(2)).unwrap();
    states
        .of(&pipeline("yard"), Digest::of(b"model"))
        .keep(learned(3))
        .unwrap();
    let freed = states
        .keep_only(&[(pipeline("door"), Digest::of(b"model"))])
        .unwrap();
    assert!(freed > 2 * 19_232);
    assert_eq!(shelf.versions().unwrap(), [1]);
    assert!(other.versions().unwrap().is_empty());
    assert!(!states.folder.join("yard").exists());
}

proptest! {
    #[test]
    fn garbage_is_no_state(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(State::from_bytes(&bytes).is_err());
        // Nor with a digest that fits.
        let signed = [bytes.as_slice(), Digest::of(&bytes).as_bytes()].concat();
        prop_assert!(State::from_bytes(&signed).is_err());
    }
}
