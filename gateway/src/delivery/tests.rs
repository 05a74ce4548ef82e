use noroshi_protocol::{Batch, ClockSource, Event, OsBoot, Record, RefusalReason, SequenceRange};

use super::*;

fn incoming(boot: u8, sequences: impl IntoIterator<Item = u64>) -> Arc<Incoming> {
    let record = |sequence| Record {
        sequence,
        monotonic_ms: 0,
        wall_ms: 0,
        clock: ClockSource::None,
        body: Event {
            kind: "k".parse().unwrap(),
            message: String::new(),
            details: BTreeMap::new(),
            dropped: None,
        },
    };
    let batch = Batch {
        boot: BootId::from_bytes([boot; 16]),
        start: 1,
        os_boot: OsBoot::from_bytes([0; 16]),
        records: sequences.into_iter().map(record).collect(),
    };
    let topic = "noroshi/v1/o/s/d/event/k".parse().unwrap();
    Incoming::read(topic, batch.to_cbor().into(), 0)
        .unwrap()
        .unwrap()
        .into()
}

fn all(batch: &Arc<Incoming>) -> Kept {
    Kept {
        settled: batch.sequences(),
        refused: vec![],
    }
}

#[test]
fn neighbours_are_acknowledged_together_and_many_ranges_apart() {
    let store = "x".parse().unwrap();
    let batches = [incoming(1, 0..5), incoming(2, 0..1), incoming(1, 5..9)];
    let kept = batches.iter().map(all).collect();
    let acks = acks(&batches, kept, &store);
    assert_eq!(acks.len(), 2);
    assert_eq!(acks[0].0.to_string(), "noroshi/v1/o/s/d/ack/event");
    assert_eq!(acks[0].1.settled, [SequenceRange { from: 0, to: 8 }]);

    let odd: Vec<_> = [1, 3]
        .map(|from| incoming(1, (from..256).step_by(4)))
        .into();
    let acks = super::acks(&odd, odd.iter().map(all).collect(), &store);
    assert_eq!(acks.len(), 2, "128 ranges are two acknowledgements");
    assert!(
        acks.iter()
            .all(|(_, ack)| ack.settled.len() == limits::ACK_RANGES)
    );
}

#[test]
fn a_refusal_is_told_even_if_nothing_was_settled() {
    let batches = [incoming(1, 0..5)];
    let range = SequenceRange { from: 0, to: 4 };
    let refusal = Refusal {
        range,
        reason: RefusalReason::Unknown,
    };
    let kept = vec![Kept {
        settled: RangeSet::default(),
        refused: vec![refusal],
    }];
    let acks = acks(&batches, kept, &"x".parse().unwrap());
    assert_eq!(acks.len(), 1);
    assert_eq!((acks[0].1.settled.len(), acks[0].1.refused.len()), (0, 1));
}
