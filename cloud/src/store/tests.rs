use std::collections::{BTreeMap, BTreeSet};

use noroshi_protocol::{
    Answer, Batch, BootId, CertificateSerial, ClockSource, DeviceId, DropReason, Dropped, Event,
    FrameId, OsBoot, PipelineId, PublicKey, RangeSet, Record, RefusalReason, Scored, SequenceRange,
    SigningKey, SiteId, Stream,
};
use proptest::prelude::*;
use tempfile::TempDir;

use super::ingest::ingest_into;
use super::*;

/// A store in a folder of its own, with a device of the site `direct`.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) device: DeviceId,
    pub(crate) site: SiteId,
    folder: TempDir,
}

pub(crate) fn public_key(seed: u8) -> PublicKey {
    SigningKey::from_seed(&[seed; 32]).unwrap().public().clone()
}

/// A certificate of another serial each time.
pub(super) fn issued(_: &Enrolled) -> Result<Issued> {
    let serial: [u8; 16] = crate::random::bytes();
    let parsed = CertificateSerial::from_bytes(&serial);
    Ok(Issued {
        certificate: serial.to_vec(),
        serial: parsed.map_err(|error| crate::Error::corrupt("serial", error))?,
        expires_ms: 1_000,
    })
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder).await;
        store
            .create_site(&SiteId::direct(), "direct", 1)
            .await
            .unwrap();
        let world = Self {
            store,
            device: "cam".parse().unwrap(),
            site: SiteId::direct(),
            folder,
        };
        world.enrol("cam", 1).await;
        world
    }

    async fn enrol(&self, device: &str, seed: u8) {
        let token = NewEnrolmentToken {
            id: format!("token-{device}").parse().unwrap(),
            public_key: public_key(200),
            site: self.site.clone(),
            kind: PeerKind::Device,
            uses: 1,
            expires_ms: 1000,
        };
        self.store.create_enrolment_token(&token, 1).await.unwrap();
        let redemption = Redemption {
            token: token.id,
            public_key: public_key(seed),
            device: device.parse().unwrap(),
            name: String::new(),
            capabilities: None,
        };
        self.store.redeem(&redemption, 1, issued).await.unwrap();
    }

    fn delivered<'a>(&'a self, records: Records<'a>) -> Delivered<'a> {
        Delivered {
            site: &self.site,
            device: &self.device,
            records,
        }
    }

    async fn sequences(&self) -> Vec<(Vec<u8>, i64)> {
        let page = PageRequest::new(Some(500), None).unwrap();
        let rows = self
            .store
            .results(&RecordFilter::default(), &page)
            .await
            .unwrap();
        rows.items
            .into_iter()
            .map(|row| (row.boot, row.sequence))
            .collect()
    }
}

async fn open(folder: &TempDir) -> Store {
    Store::open(&folder.path().join("cloud.db"), Durability::Synced)
        .await
        .unwrap()
}

fn answers(boot: u8, clock: ClockSource, sequences: &[u64]) -> Batch<Answer> {
    let record = |sequence: &u64| Record {
        sequence: *sequence,
        monotonic_ms: 1000_u64.saturating_add(*sequence),
        wall_ms: if clock == ClockSource::None {
            5
        } else {
            900_000_u64.saturating_add(*sequence)
        },
        clock,
        body: Answer {
            frame: FrameId {
                source: u64::MAX,
                number: *sequence,
            },
            revision: 1,
            model: "m".parse().unwrap(),
            version: 1,
            variant: "int8".parse().unwrap(),
            top: vec![Scored {
                label: "cat".into(),
                score: 0.5,
            }],
            cpu_us: 100,
        },
    };
    Batch {
        boot: BootId::from_bytes([boot; 16]),
        start: u64::from(boot),
        os_boot: OsBoot::from_bytes([9; 16]),
        records: sequences.iter().map(record).collect(),
    }
}

fn pipeline() -> PipelineId {
    "door".parse().unwrap()
}

fn dropped_event(sequence: u64, dropped: Option<Dropped>) -> Batch<Event> {
    Batch {
        boot: BootId::from_bytes([1; 16]),
        start: 1,
        os_boot: OsBoot::from_bytes([9; 16]),
        records: vec![Record {
            sequence,
            monotonic_ms: 0,
            wall_ms: 0,
            clock: ClockSource::None,
            body: Event {
                kind: "records-dropped".parse().unwrap(),
                message: "quota".into(),
                details: BTreeMap::new(),
                dropped,
            },
        }],
    }
}

/// Batches in any order, with repeats, some of whose transactions are lost by a crash before the
/// commit and sent again.
#[derive(Debug, Clone)]
struct Delivery {
    boot: u8,
    sequences: BTreeSet<u64>,
    crashes: bool,
}

fn deliveries() -> impl Strategy<Value = Vec<Vec<Delivery>>> {
    let sequences = proptest::collection::btree_set(0_u64..30, 1..8);
    let one = (1_u8..3, sequences, proptest::bool::weighted(0.3)).prop_map(
        |(boot, sequences, crashes)| Delivery {
            boot,
            sequences,
            crashes,
        },
    );
    proptest::collection::vec(proptest::collection::vec(one, 1..4), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_comes_is_stored_exactly_once(groups in deliveries()) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(exactly_once(groups))?;
    }
}

async fn exactly_once(groups: Vec<Vec<Delivery>>) -> std::result::Result<(), TestCaseError> {
    let world = World::new().await;
    let mut sent: BTreeMap<u8, BTreeSet<u64>> = BTreeMap::new();
    let mut arrived = 0;
    let pipeline = pipeline();
    for group in groups {
        let batches: Vec<_> = group
            .iter()
            .map(|one| {
                let sequences: Vec<_> = one.sequences.iter().copied().collect();
                answers(one.boot, ClockSource::Ntp, &sequences)
            })
            .collect();
        let delivered: Vec<_> = batches
            .iter()
            .map(|batch| world.delivered(Records::Answers(&pipeline, batch)))
            .collect();
        if group.iter().any(|one| one.crashes) {
            // Everything but the commit; nobody is acknowledged, so it is sent again.
            let mut transaction = world.store.begin().await.unwrap();
            ingest_into(&mut transaction, &delivered, 10).await.unwrap();
            drop(transaction);
        }
        let acks = world.store.ingest(&delivered, 10).await.unwrap();
        for (one, ack) in group.iter().zip(acks) {
            let all: RangeSet = one
                .sequences
                .iter()
                .map(|n| SequenceRange { from: *n, to: *n })
                .collect();
            prop_assert_eq!(&ack.settled, &all, "all of it is acknowledged, new or not");
            prop_assert!(ack.refused.is_empty());
            sent.entry(one.boot).or_default().extend(&one.sequences);
            arrived += one.sequences.len();
        }
    }
    let stored = world.sequences().await;
    let unique: BTreeSet<_> = stored.iter().cloned().collect();
    let expected: usize = sent.values().map(BTreeSet::len).sum();
    prop_assert_eq!(stored.len(), unique.len());
    prop_assert_eq!(stored.len(), expected);
    let totals = world.store.delivery_totals().await.unwrap();
    prop_assert_eq!(totals.results as usize, expected);
    prop_assert_eq!(totals.duplicates as usize, arrived - expected);
    let gaps: u64 = sent
        .values()
        .map(|all| {
            let set: RangeSet = all
                .iter()
                .map(|n| SequenceRange { from: *n, to: *n })
                .collect();
            set.gaps().count()
        })
        .sum();
    prop_assert_eq!(totals.lost as u64, gaps);
    Ok(())
}

#[tokio::test]
async fn what_was_acknowledged_survives_and_is_known_after_a_restart() {
    let world = World::new().await;
    let pipeline = pipeline();
    let batch = answers(1, ClockSource::Ntp, &[0, 1, 2]);
    let delivered = [world.delivered(Records::Answers(&pipeline, &batch))];
    world.store.ingest(&delivered, 10).await.unwrap();
    world.store.close().await;
    let reopened = open(&world.folder).await;
    let acks = reopened.ingest(&delivered, 20).await.unwrap();
    assert_eq!(acks[0].settled.count(), 3);
    let totals = reopened.delivery_totals().await.unwrap();
    assert_eq!((totals.results, totals.duplicates, totals.lost), (3, 3, 0));
}

#[tokio::test]
async fn dropped_records_are_settled_and_counted_once() {
    let world = World::new().await;
    let pipeline = pipeline();
    let batch = answers(1, ClockSource::Ntp, &[0, 9]);
    let records = world.delivered(Records::Answers(&pipeline, &batch));
    world.store.ingest(&[records], 10).await.unwrap();
    assert_eq!(world.store.delivery_totals().await.unwrap().lost, 8);
    let dropped = Dropped {
        boot: BootId::from_bytes([1; 16]),
        stream: Stream::Result,
        range: SequenceRange { from: 1, to: 6 },
        reason: DropReason::Quota,
    };
    let event = dropped_event(0, Some(dropped));
    let event = world.delivered(Records::Events(&event));
    world.store.ingest(&[event, event], 11).await.unwrap();
    let totals = world.store.delivery_totals().await.unwrap();
    assert_eq!(
        (
            totals.lost,
            totals.dropped,
            totals.events,
            totals.duplicates
        ),
        (2, 6, 1, 1)
    );
}

#[tokio::test]
async fn records_without_a_clock_are_stamped_by_a_later_one_of_the_same_start() {
    let world = World::new().await;
    let pipeline = pipeline();
    let before = answers(1, ClockSource::None, &[0, 1]);
    let before = world.delivered(Records::Answers(&pipeline, &before));
    world.store.ingest(&[before], 77).await.unwrap();
    let times = || async {
        let page = PageRequest::new(None, None).unwrap();
        let rows = world
            .store
            .results(&RecordFilter::default(), &page)
            .await
            .unwrap();
        rows.items
            .into_iter()
            .map(|row| row.at_ms)
            .collect::<Vec<_>>()
    };
    assert_eq!(times().await, [77, 77], "received then, for want of better");
    let synced = answers(1, ClockSource::Gateway, &[2]);
    let synced = world.delivered(Records::Answers(&pipeline, &synced));
    world.store.ingest(&[synced], 78).await.unwrap();
    assert_eq!(times().await, [900_002, 900_001, 900_000]);
    let late = answers(2, ClockSource::None, &[5]);
    let late = world.delivered(Records::Answers(&pipeline, &late));
    world.store.ingest(&[late], 79).await.unwrap();
    assert_eq!(
        times().await[0],
        900_005,
        "the same start of the system, so known at once"
    );
}

#[tokio::test]
async fn strangers_and_impossible_sequences_are_refused_not_stored() {
    let world = World::new().await;
    let pipeline = pipeline();
    let huge = answers(1, ClockSource::Ntp, &[3, u64::MAX]);
    let acks = world
        .store
        .ingest(&[world.delivered(Records::Answers(&pipeline, &huge))], 1)
        .await
        .unwrap();
    assert_eq!(acks[0].settled.count(), 1);
    assert_eq!(acks[0].refused[0].reason, RefusalReason::Malformed);
    let (stranger, elsewhere) = ("nobody".parse().unwrap(), "hall".parse().unwrap());
    let batch = answers(1, ClockSource::Ntp, &[4]);
    let records = Records::Answers(&pipeline, &batch);
    for delivered in [
        Delivered {
            site: &world.site,
            device: &stranger,
            records,
        },
        Delivered {
            site: &elsewhere,
            device: &world.device,
            records,
        },
    ] {
        let acks = world.store.ingest(&[delivered], 1).await.unwrap();
        assert_eq!(acks[0].refused[0].reason, RefusalReason::Unknown);
        assert!(acks[0].settled.is_empty());
    }
    world.store.revoke_peer("cam", 5).await.unwrap();
    let acks = world
        .store
        .ingest(&[world.delivered(records)], 6)
        .await
        .unwrap();
    assert_eq!(acks[0].refused[0].reason, RefusalReason::Unknown);
    assert_eq!(world.sequences().await.len(), 1);
}

mod peers;
