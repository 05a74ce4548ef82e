use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use bytes::Bytes;
use noroshi_protocol::{
    Ack, Answer, Batch, BootId, Channel, ClockSource, Event, FrameId, Message as _, OsBoot, Record,
    Refusal, RefusalReason, Scored, SequenceRange, Stream, Topic,
};
use noroshi_service::clock::{ClockOptions, SessionClock};

use super::*;
use crate::delivery::{Holder as _, Incoming, Kept};
use crate::start::Start;

const CHILD: &str = "NOROSHI_SPOOL_TEST_FOLDER";

fn clock() -> std::sync::Arc<SessionClock> {
    SessionClock::system(ClockOptions {
        floor_ms: 0,
        trust_system_clock: true,
    })
    .into()
}

fn start() -> Start {
    Start {
        org: "o".parse().unwrap(),
        site: "s".parse().unwrap(),
        number: 1,
        boot: BootId::from_bytes([200; 16]),
        os_boot: OsBoot::from_bytes([0; 16]),
    }
}

async fn open(folder: &Path, options: SpoolOptions) -> Spool {
    Spool::open(folder, options, start(), clock(), Probe::Here)
        .await
        .unwrap()
}

fn incoming(boot: u8, sequences: std::ops::Range<u64>, label: &str) -> std::sync::Arc<Incoming> {
    let record = |sequence| Record {
        sequence,
        monotonic_ms: 0,
        wall_ms: 0,
        clock: ClockSource::None,
        body: Answer {
            frame: FrameId {
                source: 1,
                number: sequence,
            },
            revision: 1,
            model: "m".parse().unwrap(),
            version: 1,
            variant: "v".parse().unwrap(),
            top: vec![Scored {
                label: label.into(),
                score: 0.5,
            }],
            cpu_us: 0,
        },
    };
    let batch = Batch {
        boot: BootId::from_bytes([boot; 16]),
        start: 1,
        os_boot: OsBoot::from_bytes([0; 16]),
        records: sequences.map(record).collect(),
    };
    let topic: Topic = "noroshi/v1/o/s/d/result/p".parse().unwrap();
    Incoming::read(topic, batch.to_cbor().into(), 0)
        .unwrap()
        .unwrap()
        .into()
}

fn ack(boot: u8, from: u64, to: u64, store: &str) -> Ack {
    Ack {
        boot: BootId::from_bytes([boot; 16]),
        store: store.parse().unwrap(),
        settled: vec![SequenceRange { from, to }],
        refused: vec![],
    }
}

async fn waiting(spool: &Spool) -> Vec<u64> {
    let waiting = spool.waiting(None, 10_000).await.unwrap();
    waiting.into_iter().map(|waiting| waiting.number).collect()
}

#[tokio::test]
async fn batches_wait_in_order_over_a_reopen_until_they_are_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path(), SpoolOptions::default()).await;
    let first = incoming(1, 0..200, "cat");
    let kept = spool
        .keep(vec![first.clone(), incoming(1, 200..210, "dog")])
        .await
        .unwrap();
    assert_eq!(
        kept[0],
        Kept {
            settled: first.sequences(),
            refused: vec![]
        }
    );
    let store = spool.store();
    // A duplicate is acknowledged again and not kept twice.
    let again = spool.keep(vec![first.clone()]).await.unwrap();
    assert_eq!(again[0], kept[0]);
    assert_eq!(waiting(&spool).await, [0, 1]);
    spool.close().await;
    let spool = open(folder.path(), SpoolOptions::default()).await;
    assert_eq!(spool.store(), store);
    let all = spool.waiting(None, 9).await.unwrap();
    assert_eq!(
        (all[0].number, Bytes::from(all[0].payload.clone())),
        (0, first.payload.clone())
    );
    assert_eq!(spool.waiting(Some(0), 9).await.unwrap().len(), 1);

    let settled = spool
        .settle("d", Stream::Result, ack(1, 0, 199, "x"))
        .await
        .unwrap();
    assert_eq!(
        settled,
        Settled {
            done: vec![0],
            replaced: false
        }
    );
    let settled = spool
        .settle("other", Stream::Result, ack(1, 0, 999, "x"))
        .await
        .unwrap();
    assert!(settled.done.is_empty());
    spool.close().await;
    let spool = open(folder.path(), SpoolOptions::default()).await;
    assert_eq!(waiting(&spool).await, [1]);
    let settled = spool
        .settle("d", Stream::Result, ack(1, 200, 209, "y"))
        .await
        .unwrap();
    assert!(
        settled.replaced,
        "the acknowledged one is sent to the new store"
    );
    assert_eq!(settled.done, [1]);
    assert_eq!(waiting(&spool).await, [0]);
}

#[tokio::test]
async fn beyond_the_quota_acknowledged_ones_go_first_and_dropped_ones_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let options = SpoolOptions {
        quota_bytes: 24_000,
        ..SpoolOptions::default()
    };
    let spool = open(folder.path(), options).await;
    spool.keep(vec![incoming(1, 0..100, "a")]).await.unwrap();
    spool
        .settle("d", Stream::Result, ack(1, 0, 99, "x"))
        .await
        .unwrap();
    for at in 1..8 {
        spool
            .keep(vec![incoming(1, at * 100..at * 100 + 100, "a")])
            .await
            .unwrap();
    }
    let stats = spool.stats().await.unwrap();
    assert!(stats.bytes <= 26_000, "{stats:?}");
    assert!(
        stats.dropped >= 100 && stats.dropped % 100 == 0,
        "{stats:?}"
    );
    let all = spool.waiting(None, 99).await.unwrap();
    let events: Vec<Event> = all
        .iter()
        .filter(|waiting| waiting.topic.ends_with("gateway/event/records-dropped"))
        .flat_map(|waiting| Batch::<Event>::from_cbor(&waiting.payload).unwrap().records)
        .map(|record| record.body)
        .collect();
    let told: u64 = events
        .iter()
        .map(|event| event.dropped.unwrap().range.count())
        .sum();
    assert_eq!(told, stats.dropped);
    assert_eq!(events[0].details["device"], "d");
    // Nobody sends them again: they were acknowledged to the device and are settled by the event.
    let kept = spool.keep(vec![incoming(1, 100..200, "a")]).await.unwrap();
    assert_eq!(kept[0].settled.count(), 100);
    assert_eq!(spool.waiting(None, 99).await.unwrap().len(), all.len());
}

fn refusals(all: &[Waiting]) -> Vec<Event> {
    all.iter()
        .filter(|waiting| waiting.topic.ends_with("gateway/event/records-refused"))
        .flat_map(|waiting| Batch::<Event>::from_cbor(&waiting.payload).unwrap().records)
        .map(|record| record.body)
        .collect()
}

#[tokio::test]
async fn records_that_the_cloud_refuses_are_counted_and_an_event_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path(), SpoolOptions::default()).await;
    let batches = (0..5).map(|at| incoming(1, at * 10..at * 10 + 10, "a"));
    spool.keep(batches.collect()).await.unwrap();
    let refuse = |from, to| Ack {
        settled: vec![],
        refused: vec![Refusal {
            range: SequenceRange { from, to },
            reason: RefusalReason::Unknown,
        }],
        ..ack(1, 0, 0, "cloud")
    };
    let settle = |ack| spool.settle("d", Stream::Result, ack);
    settle(ack(1, 0, 4, "cloud")).await.unwrap();
    let done = settle(refuse(0, 9)).await.unwrap().done;
    assert_eq!(done, [0], "it waits no more");
    let told = refusals(&spool.waiting(None, 99).await.unwrap());
    assert_eq!(told.len(), 1);
    assert_eq!(
        told[0].message,
        "the cloud refuses 5 records of d: the device is not known there, or was revoked"
    );
    let detail = |name: &str| told[0].details[name].as_str();
    assert_eq!(
        (detail("device"), detail("from"), detail("to")),
        ("d", "5", "9")
    );
    // The same again says nothing new; a whole backlog is one more event, not one a batch.
    settle(refuse(0, 9)).await.unwrap();
    for from in [10, 20, 30, 40] {
        settle(refuse(from, from + 9)).await.unwrap();
    }
    assert_eq!(refusals(&spool.waiting(None, 99).await.unwrap()).len(), 1);
    assert_eq!(spool.stats().await.unwrap().refused, 45);
    spool.tidy().await.unwrap();
    let told = refusals(&spool.waiting(None, 99).await.unwrap());
    assert_eq!((told.len(), told[1].details["count"].as_str()), (2, "40"));
}

#[tokio::test]
async fn a_parked_batch_waits_no_more_and_an_event_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path(), SpoolOptions::default()).await;
    spool.keep(vec![incoming(1, 0..10, "a")]).await.unwrap();
    spool.park(0, "NotAuthorized".into()).await.unwrap();
    let all = spool.waiting(None, 9).await.unwrap();
    assert_eq!(all.len(), 1);
    let topic: Topic = all[0].topic.parse().unwrap();
    assert!(matches!(topic.channel, Channel::Event(kind) if kind.as_str() == "records-refused"));
    // The refusal of the event itself makes no other.
    spool
        .park(all[0].number, "NotAuthorized".into())
        .await
        .unwrap();
    assert!(waiting(&spool).await.is_empty());
}

#[tokio::test]
async fn a_damaged_store_is_moved_aside_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spool");
    let spool = open(&path, SpoolOptions::default()).await;
    for boot in 1..20 {
        spool.keep(vec![incoming(boot, 0..100, "a")]).await.unwrap();
    }
    spool.close().await;
    // Whatever the damage does, the gateway starts, and keeps records again.
    let mut bytes = std::fs::read(path.join("conf")).unwrap();
    bytes.iter_mut().for_each(|byte| *byte ^= 0x55);
    let write = || std::fs::write(path.join("conf"), &bytes).unwrap();
    write();
    let spool = open(&path, SpoolOptions::default()).await;
    spool.keep(vec![incoming(30, 0..10, "a")]).await.unwrap();
    let all = spool.waiting(None, 99).await.unwrap();
    assert_eq!(all.len(), 2, "an event and the new batch");
    assert!(all[0].topic.ends_with("gateway/event/spool-damaged"));
    let aside = std::fs::read_dir(folder.path()).unwrap();
    assert_eq!(aside.count(), 2);
}

#[tokio::test]
async fn a_snapshot_that_a_full_disk_cut_short_is_no_damage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spool");
    let spool = open(&path, SpoolOptions::default()).await;
    spool.keep(vec![incoming(1, 0..10, "a")]).await.unwrap();
    spool.close().await;
    std::fs::write(path.join("snap.00000000000000ff.generating"), [0; 7]).unwrap();
    let spool = open(&path, SpoolOptions::default()).await;
    assert_eq!(waiting(&spool).await.len(), 1);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// The child of the test below: writes until it is killed, and says what it was told is safe.
#[test]
fn child_that_is_killed() {
    let Some(folder) = std::env::var_os(CHILD).map(PathBuf::from) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let spool = open(&folder, SpoolOptions::default()).await;
        let boot = std::process::id() as u8;
        for group in 0..10_000_u64 {
            let from = group * 30;
            let batches = (0..3).map(|b| incoming(boot, from + b * 10..from + b * 10 + 10, "a"));
            spool.keep(batches.collect()).await.unwrap();
            println!("SAFE {boot} {}", from + 30);
        }
    });
}

#[tokio::test]
async fn what_was_acknowledged_survives_every_kill() {
    let folder = tempfile::tempdir().unwrap();
    let points = [
        "spool.before_write=kill@7",
        "spool.before_sync=kill@9",
        "spool.after_sync=kill@5",
        "spool.before_sync=kill@40",
    ];
    let mut safe: Vec<(u8, u64)> = Vec::new();
    for point in points {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "spool::tests::child_that_is_killed",
                "--nocapture",
            ])
            .env(CHILD, folder.path())
            .env(noroshi_service::failpoint::VARIABLE, point)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            let Some((_, told)) = line.split_once("SAFE ") else {
                continue;
            };
            let (boot, count) = told.split_once(' ').unwrap();
            let told = (boot.parse().unwrap(), count.parse().unwrap());
            safe.retain(|(boot, _)| *boot != told.0);
            safe.push(told);
        }
        assert!(!child.wait().unwrap().success(), "it was killed");
    }
    assert!(!safe.is_empty());
    let spool = open(folder.path(), SpoolOptions::default()).await;
    let all = spool.waiting(None, 100_000).await.unwrap();
    for (boot, count) in safe {
        let mut held = noroshi_protocol::RangeSet::default();
        for waiting in &all {
            let batch = Batch::<Answer>::from_cbor(&waiting.payload).unwrap();
            if batch.boot == BootId::from_bytes([boot; 16]) {
                for record in &batch.records {
                    held.insert_one(record.sequence);
                }
            }
        }
        let all = SequenceRange {
            from: 0,
            to: count - 1,
        };
        assert!(
            held.ranges()
                .first()
                .is_some_and(|range| range.from == 0 && range.to >= all.to)
        );
    }
}
