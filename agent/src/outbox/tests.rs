use std::path::Path;

use noroshi_protocol::Event;

use super::*;

fn start(number: u64) -> Start {
    Start {
        number,
        boot: BootId::from_bytes([number as u8; 16]),
        os_boot: OsBoot::from_bytes([9; 16]),
    }
}

const ROOMY: Quota = Quota {
    result_bytes: 1 << 20,
    event_bytes: 1 << 20,
};

fn stamp(ms: u64) -> Stamp {
    Stamp {
        monotonic_ms: ms,
        wall_ms: ms,
        clock: ClockSource::None,
    }
}

fn result(text: &str) -> NewRecord {
    NewRecord {
        stream: Stream::Result,
        name: "door".into(),
        stamp: stamp(1),
        body: text.as_bytes().to_vec(),
    }
}

fn open(folder: &Path, quota: Quota, number: u64) -> SledOutbox {
    // sled lets go of its lock a moment after its last handle is gone.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        match SledOutbox::open(folder, quota, start(number)) {
            Ok(outbox) => return outbox,
            Err(e) => assert!(std::time::Instant::now() < deadline, "{e}"),
        }
    }
}

fn range(from: u64, to: u64) -> SequenceRange {
    SequenceRange { from, to }
}

fn all(outbox: &SledOutbox, stream: Stream) -> Vec<Held> {
    let mut all: Vec<Held> = Vec::new();
    loop {
        let after = all.last().map(|held| held.place);
        let more = outbox.read(stream, after, 10, 10_000).unwrap();
        if more.is_empty() {
            return all;
        }
        all.extend(more);
    }
}

#[test]
fn records_stay_until_they_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = open(folder.path(), ROOMY, 1);
    assert_eq!(outbox.append(&[result("a"), result("b")]).unwrap(), [0, 1]);
    assert_eq!(outbox.append(&[result("c")]).unwrap(), [2]);
    let event = crate::event::record(&crate::event::event("started", "hi"), stamp(2));
    assert_eq!(outbox.append(&[event]).unwrap(), [0]);
    let none = outbox.settle(Stream::Result, start(7).boot, &[range(0, 9)]);
    assert_eq!(none.unwrap(), 0);
    let settled = outbox.settle(
        Stream::Result,
        start(1).boot,
        &[range(1, 1), range(5, u64::MAX)],
    );
    assert_eq!(settled.unwrap(), 1);
    let left: Vec<u64> = all(&outbox, Stream::Result)
        .iter()
        .map(|held| held.place.sequence)
        .collect();
    assert_eq!(left, [0, 2]);
    assert_eq!(outbox.holdings().held, 3);
}

#[test]
fn a_new_start_counts_from_zero_and_keeps_the_old_records() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = open(folder.path(), ROOMY, 1);
    outbox.append(&[result("a"), result("b")]).unwrap();
    let bytes = outbox.holdings().bytes;
    drop(outbox);
    let mut outbox = open(folder.path(), ROOMY, 2);
    assert_eq!(outbox.holdings().bytes, bytes);
    assert_eq!(outbox.append(&[result("c")]).unwrap(), [0]);
    let first = outbox.read(Stream::Result, None, 10, 10_000).unwrap();
    assert_eq!(first.len(), 2, "one start a read");
    assert_eq!(outbox.start(1).unwrap(), Some(start(1)));
    outbox
        .settle(Stream::Result, start(1).boot, &[range(0, 1)])
        .unwrap();
    drop(outbox);
    let outbox = open(folder.path(), ROOMY, 3);
    assert_eq!(outbox.start(1).unwrap(), None);
    assert_eq!(all(&outbox, Stream::Result)[0].body, b"c");
    assert_eq!(outbox.holdings().held, 1);
}

#[test]
fn the_quota_drops_the_oldest_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let quota = Quota {
        result_bytes: 4_000,
        event_bytes: 1 << 20,
    };
    let mut outbox = open(folder.path(), quota, 1);
    for _ in 0..100 {
        outbox.append(&[result(&"x".repeat(100))]).unwrap();
        assert!(outbox.holdings().bytes < 4_000 + 20_000);
    }
    let left = all(&outbox, Stream::Result);
    let first = left[0].place.sequence;
    assert!(first > 0 && left.last().unwrap().place.sequence == 99);
    assert_eq!(outbox.holdings().dropped, first);
    // The events name exactly what is gone.
    let mut next = 0;
    for held in all(&outbox, Stream::Event) {
        let event: Event = serde_cbor::from_slice(&held.body).unwrap();
        let dropped = event.dropped.unwrap();
        assert_eq!((dropped.boot, dropped.range.from), (start(1).boot, next));
        next = dropped.range.to + 1;
    }
    assert_eq!(next, first);
    drop(outbox);
    assert_eq!(open(folder.path(), quota, 2).holdings().dropped, first);
}

#[test]
fn events_of_drops_outlive_the_quota_of_events() {
    let folder = tempfile::tempdir().unwrap();
    let quota = Quota {
        result_bytes: 1_000,
        event_bytes: 3_000,
    };
    let mut outbox = open(folder.path(), quota, 1);
    let mut gone = 0;
    for round in 0..60 {
        let event =
            crate::event::record(&crate::event::event("noise", "n".repeat(80)), stamp(round));
        outbox.append(&[result(&"x".repeat(100)), event]).unwrap();
    }
    for held in all(&outbox, Stream::Event) {
        let event: Event = serde_cbor::from_slice(&held.body).unwrap();
        if let Some(dropped) = event.dropped {
            gone += dropped.range.count();
        }
    }
    assert_eq!(gone, outbox.holdings().dropped);
}

#[tokio::test(flavor = "current_thread")]
async fn many_writers_share_a_write() {
    let folder = tempfile::tempdir().unwrap();
    let linger = std::time::Duration::from_millis(5);
    let pen = super::open(folder.path().join("o"), ROOMY, start(1), linger).unwrap();
    let mut waiting = Vec::new();
    for _ in 0..50 {
        waiting.push(pen.submit(result("r")).await.unwrap());
    }
    let mut got = Vec::new();
    for written in waiting {
        got.push(written.await.unwrap().unwrap());
    }
    assert_eq!(got, (0..50).collect::<Vec<u64>>());
    assert!(pen.account().borrow().writes < 10);
    let settled = pen.settle(Stream::Result, start(1).boot, vec![range(0, 48)]);
    assert_eq!(settled.await.unwrap(), 49);
    let left = pen.read(Stream::Result, None, 9, 999).await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(pen.account().borrow().holdings.held, 1);
    assert_eq!(pen.start_of(1).await.unwrap(), Some(start(1)));
}

#[test]
fn large_records_are_kept_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let mut outbox = open(folder.path(), ROOMY, 1);
    let large = "l".repeat(15_000);
    for _ in 0..30 {
        outbox.append(&[result(&large)]).unwrap();
    }
    drop(outbox);
    let outbox = open(folder.path(), ROOMY, 2);
    let held = all(&outbox, Stream::Result);
    assert_eq!(held.len(), 30);
    assert!(held.iter().all(|held| held.body == large.as_bytes()));
}

#[tokio::test(flavor = "current_thread")]
async fn a_disk_that_refuses_costs_records_but_neither_the_store_nor_a_sequence() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("o");
    // What can't be a store for now, as a full disk is none.
    std::fs::write(&store, b"").unwrap();
    let linger = std::time::Duration::ZERO;
    let pen = super::open(store.clone(), ROOMY, start(1), linger).unwrap();
    assert!(pen.append(result("a")).await.is_err());
    let account = pen.account().borrow().clone();
    assert_eq!(account.unwritten, 1);
    assert!(account.fault.is_some());
    assert!(store.is_file(), "nothing was moved or made anew");
}

#[test]
fn a_full_disk_is_no_damage() {
    let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
    let fault = super::store::fault(sled::Error::Io(full));
    assert!(matches!(fault, crate::AgentError::Io { .. }), "{fault}");
    let damage = super::store::fault(sled::Error::Corruption { at: None, bt: () });
    assert!(matches!(damage, crate::AgentError::Outbox(_)), "{damage}");
}
