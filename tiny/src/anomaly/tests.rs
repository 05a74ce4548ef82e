use proptest::prelude::*;

use super::*;

fn numbers(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed * 2 + 1;
    move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / 16_777_216.0
    }
}

/// About normal: the sum of twelve.
fn bell(next: &mut impl FnMut() -> f32) -> f32 {
    (0..12).map(|_| next()).sum::<f32>() - 6.0
}

fn series(seed: u64, length: usize) -> Vec<f32> {
    let mut next = numbers(seed);
    let wave = |at: usize| (at as f32 * 0.2).sin();
    (0..length)
        .map(|at| 20.0 + wave(at) + 0.3 * bell(&mut next))
        .collect()
}

#[test]
fn a_limit_is_passed_as_rarely_as_asked() {
    let mut next = numbers(3);
    let scores: Vec<f32> = (0..20_000).map(|_| bell(&mut next)).collect();
    let limit = limit(&scores, 1e-3).unwrap();
    let passed = (0..100_000).filter(|_| bell(&mut next) > limit).count();
    assert!((30..200).contains(&passed), "{passed} passed {limit}");
    assert_eq!(super::limit(&scores, 0.0), Err(AnomalyError::Rate));
    let few = super::limit(&scores[..10], 1e-3);
    assert!(matches!(few, Err(AnomalyError::Rows { found: 10, .. })));
}

#[test]
fn rows_apart_score_higher_and_the_file_says_the_same() {
    let mut next = numbers(4);
    let rows: Vec<f32> = (0..6_000).map(|_| bell(&mut next)).collect();
    let forest = IsolationForest::fit(&rows, 3, 8_000, 1).unwrap();
    assert!(forest.score(&[6.0, -6.0, 6.0]) > forest.score(&[0.0, 0.1, -0.1]) + 0.1);
    assert!(forest.score(&[f32::NAN, 0.0, 0.0]) >= 1.0);
    let bytes = forest.to_bytes();
    assert!(bytes.len() <= ISOLATION_BYTES_AT_MOST);
    assert_eq!(IsolationForest::from_bytes(&bytes).unwrap(), forest);
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x10;
        assert_eq!(
            IsolationForest::from_bytes(&flipped),
            Err(AnomalyError::Bytes)
        );
    }
    assert_eq!(
        IsolationForest::fit(&rows, 7, 8_000, 1),
        Err(AnomalyError::Columns(7))
    );
    let constant = IsolationForest::fit(&[2.0; 60], 3, 8_000, 1).unwrap();
    assert!(constant.score(&[2.0; 3]).is_finite());
}

#[test]
fn an_envelope_holds_what_it_saw() {
    let mut next = numbers(5);
    let rows: Vec<f32> = (0..8_000).map(|_| bell(&mut next)).collect();
    let envelope = Envelope::fit(&rows, 2, 1e-3).unwrap();
    let outside = rows
        .chunks(2)
        .filter(|row| envelope.score(row) > 1.0)
        .count();
    assert!(outside < 20, "{outside}");
    assert!(envelope.score(&[0.0, 9.0]) > 1.0);
    assert_eq!(envelope.worst(&[f32::NAN, 0.0]), (0, f32::INFINITY));
}

#[test]
fn a_watch_says_what_is_wrong() {
    let mut watch = Watch::fit(&series(1, 10_000), 1e-4).unwrap();
    assert!(watch.bytes() < 8_000);
    let alarms = |watch: &mut Watch, values: &[f32]| {
        watch.restart();
        let scores: Vec<_> = values
            .iter()
            .filter_map(|value| watch.next(*value))
            .collect();
        scores.iter().filter(|(score, _)| *score > 1.0).count()
    };
    let clean = series(2, 5_000);
    assert!(alarms(&mut watch, &clean) < 5);
    let mut spike = clean.clone();
    spike[1_000] += 5.0;
    assert!(alarms(&mut watch, &spike) > 0);
    let mut still = clean.clone();
    still[2_000..2_100].fill(20.0);
    assert!(alarms(&mut watch, &still) > 10);
    assert_eq!(watch.next(f32::NAN), Some((f32::INFINITY, "no number")));
    assert!(Watch::fit(&clean[..100], 1e-4).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut named = b"NRIF\x01".to_vec();
        named.extend(&bytes);
        let _ = IsolationForest::from_bytes(&bytes);
        let _ = IsolationForest::from_bytes(&named);
    }
}
