use super::*;
use crate::onnx::testing::color_classifier;

fn set() -> GoldenSet {
    let (red, blue) = ([250, 10, 0].repeat(64), [0, 10, 250].repeat(30));
    let frames = [
        Frame::rgb(8, 8, &red).unwrap(),
        Frame::rgb(5, 6, &blue).unwrap(),
    ];
    GoldenSet::record(&mut color_classifier(), &frames).unwrap()
}

#[test]
fn a_model_passes_its_own_golden_set() {
    let set = GoldenSet::from_cbor(&set().to_cbor().unwrap()).unwrap();
    let report = set.check(&mut color_classifier(), 0.0).unwrap();
    assert!(report.passed, "{report:?}");
    assert_eq!((report.cases, report.same_top), (2, 2));
    assert!((report.min_cosine - 1.0).abs() < 1e-6);
}

#[test]
fn a_model_that_answers_otherwise_fails() {
    let mut set = set();
    set.cases[1].output[0] += 2.0;
    let report = set.check(&mut color_classifier(), 0.1).unwrap();
    assert!(!report.passed && report.max_abs_diff > 1.9, "{report:?}");
    assert_eq!(report.same_top, 1);
    assert!(set.check(&mut color_classifier(), 2.1).unwrap().passed);
    set.cases[1].output.push(0.0);
    assert!(set.check(&mut color_classifier(), 9.0).is_err());
}

#[test]
fn an_answer_that_is_not_finite_never_passes() {
    let mut report = GoldenReport {
        cases: 0,
        max_abs_diff: 0.0,
        min_cosine: 1.0,
        same_top: 0,
        passed: false,
    };
    report.add(&[1.0, 2.0], &[f32::NAN, 2.0]);
    assert!(report.max_abs_diff.is_infinite() && report.same_top == 0);
    report.add(&[1.0, 2.0], &[1.0, 2.0]);
    assert!(report.max_abs_diff.is_infinite());
}

#[test]
fn unsound_sets_are_refused() {
    assert!(GoldenSet { cases: vec![] }.to_cbor().is_err());
    let mut lies = set();
    lies.cases[0].width = 9;
    assert!(lies.to_cbor().is_err());
    let mut lies = set();
    lies.cases[0].output[0] = f32::NAN;
    assert!(lies.to_cbor().is_err());
    let bytes = set().to_cbor().unwrap();
    for length in 0..bytes.len() {
        assert!(GoldenSet::from_cbor(&bytes[..length]).is_err());
    }
    assert!(GoldenSet::from_cbor(&vec![0; MAX_GOLDEN_BYTES + 1]).is_err());
}
