//! Dumps of LightGBM, XGBoost and scikit-learn, and what these programs themselves answered
//! (`scripts/peers/small_dumps.py` wrote both): the imported model answers the same.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::fs;
use std::path::{Path, PathBuf};

use noroshi_tiny::forest::Votes;
use noroshi_tiny::import::import;
use noroshi_tiny::{Family, Intake, Model, Scale};
use proptest::prelude::*;

const NAMES: [&str; 10] = [
    "lightgbm_two",
    "lightgbm_three",
    "xgboost_two",
    "xgboost_three",
    "gradient_two",
    "gradient_three",
    "histogram_two",
    "histogram_three",
    "forest_two",
    "forest_three",
];
const COLUMNS: usize = 4;

fn path(name: &str, end: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dumps");
    folder.join(format!("{name}.{end}"))
}

fn dump(name: &str) -> Vec<u8> {
    fs::read(path(name, "dump")).unwrap()
}

fn model(dump: &[u8]) -> noroshi_tiny::Result<Model> {
    import(dump, &Intake::Bytes, Votes::Soft)
}

/// The bytes of each row, the class and the raw scores that the program answered.
fn answered(name: &str) -> Vec<(Vec<u8>, u16, Vec<f64>)> {
    let text = fs::read_to_string(path(name, "csv")).unwrap();
    let one = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        let row = fields[..COLUMNS].iter().map(|field| field.parse().unwrap());
        let scores = fields[COLUMNS + 1..].iter();
        (
            row.collect(),
            fields[COLUMNS].parse().unwrap(),
            scores.map(|field| field.parse().unwrap()).collect(),
        )
    };
    text.lines().map(one).collect()
}

/// By how much rounding to bytes may move a score, and what a score of 1 stands for.
fn rounding(model: &Model) -> (f64, f64) {
    match &model.family {
        // What floating point rounds comes on top.
        Family::Boosted(boosted) => (boosted.rounding() + 1e-5, 1.0),
        Family::Forest(forest) => {
            let trees = forest.inner().len() as f64;
            (0.5 / 127.0 + 1e-6, 1.0 / 127.0 / trees)
        }
        _ => unreachable!("trees were imported"),
    }
}

#[test]
fn imported_trees_answer_as_their_program_does() {
    for name in NAMES {
        let model = model(&dump(name)).unwrap();
        let (moved, unit) = rounding(&model);
        let rows = answered(name);
        assert!(rows.len() >= 50, "{name}");
        for (row, label, raw) in rows {
            let answer = model.answer(&row).unwrap();
            let ours: Vec<f64> = answer.scores.iter().map(|score| score * unit).collect();
            let theirs = if raw.len() == 1 {
                vec![-raw[0], raw[0]]
            } else {
                raw
            };
            for (ours, theirs) in ours.iter().zip(&theirs) {
                assert!(
                    (ours - theirs).abs() <= moved,
                    "{name}: {ours} {theirs} {moved}"
                );
            }
            let mut sorted = theirs.clone();
            sorted.sort_by(f64::total_cmp);
            let margin = sorted[sorted.len() - 1] - sorted[sorted.len() - 2];
            assert!(
                answer.label == label || margin <= 2.0 * moved,
                "{name}: {row:?}"
            );
        }
    }
}

#[test]
fn an_imported_model_is_written_read_and_explained() {
    for name in NAMES {
        let model = model(&dump(name)).unwrap();
        let bytes = model.to_bytes();
        assert!(bytes.len() < dump(name).len() / 4, "{name}");
        assert_eq!(Model::from_bytes(&bytes).unwrap(), model);
        for (row, ..) in answered(name) {
            let explanation = model.explain(&row).unwrap();
            let sum: f64 = explanation.terms.iter().map(|term| term.value).sum();
            assert!(
                (sum - explanation.score).abs() < 1e-6,
                "{name}: {explanation:?}"
            );
        }
    }
}

#[test]
fn votes_are_a_byte_a_leaf() {
    let model = import(&dump("forest_three"), &Intake::Bytes, Votes::Hard).unwrap();
    let soft = self::model(&dump("forest_three")).unwrap();
    assert!(model.to_bytes().len() < soft.to_bytes().len());
    let (row, ..) = &answered("forest_three")[0];
    assert_eq!(model.answer(row).unwrap().integers.iter().sum::<i32>(), 3);
}

#[test]
fn thresholds_follow_the_intake() {
    // Half of every number, so that each byte stands for two: the same trees on twice the scale.
    let halves = Intake::Scaled(vec![Scale::over([0.0, 510.0]); COLUMNS]);
    for name in NAMES {
        let scaled = import(&dump(name), &halves, Votes::Soft).unwrap();
        let plain = model(&dump(name)).unwrap();
        for (row, ..) in answered(name) {
            let even: Vec<f32> = row.iter().map(|byte| f32::from(byte & !1)).collect();
            let bytes: Vec<u8> = row.iter().map(|byte| byte & !1).collect();
            let answer = scaled.answer_numbers(&even).unwrap();
            assert_eq!(
                answer.scores,
                plain.answer(&bytes).unwrap().scores,
                "{name}"
            );
        }
    }
}

fn refused(dump: &str, why: &str) {
    let error = model(dump.as_bytes()).unwrap_err().to_string();
    assert!(error.contains(why), "{error}");
}

#[test]
fn what_the_family_cannot_express_is_refused() {
    let text = |name| String::from_utf8(dump(name)).unwrap();
    let lightgbm = text("lightgbm_two");
    refused(
        &lightgbm.replace("objective=binary", "objective=regression"),
        "objective",
    );
    refused(
        &lightgbm.replacen("decision_type=2", "decision_type=1", 1),
        "categories",
    );
    refused(
        &lightgbm.replacen("decision_type=2", "decision_type=6", 1),
        "zeros",
    );
    refused(
        &lightgbm.replacen("is_linear=0", "is_linear=1", 1),
        "linear",
    );
    refused(
        &lightgbm.replacen("left_child=", "left_child=0 ", 1),
        "lists",
    );
    refused(
        &lightgbm.replace("max_feature_idx=3", "max_feature_idx=0"),
        "column",
    );
    refused(&lightgbm[..lightgbm.len() / 2], "cut");
    refused("{}", "neither");
    refused("import pickle", "begins");
    let xgboost = text("xgboost_two");
    refused(
        &xgboost.replace("binary:logistic", "reg:squarederror"),
        "objective",
    );
    refused(
        &xgboost.replacen("\"left_children\":[1,", "\"left_children\":[0,", 1),
        "parents",
    );
    refused(
        &xgboost.replacen("\"left_children\":[1,", "\"left_children\":[99,", 1),
        "points to",
    );
    refused(
        &xgboost.replacen("\"left_children\":[1,", "\"left_children\":[1,1,", 1),
        "lists",
    );
    refused(
        &xgboost.replace("\"num_feature\":\"4\"", "\"num_feature\":\"9e9\""),
        "num_feature",
    );
    let forest = text("forest_two");
    refused(
        &forest.replace("\"classes\": 2", "\"classes\": 3"),
        "a leaf says",
    );
    refused(
        &forest.replace("\"columns\": 4", "\"columns\": 1"),
        "column",
    );
    refused(
        &forest.replace("\"trees\": [", "\"trees\": [], \"x\": ["),
        "0 trees",
    );
}

proptest! {
    #[test]
    fn hostile_dumps_never_panic(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        digits in any::<bool>(),
    ) {
        for name in NAMES {
            let mut dump = dump(name);
            for (place, byte) in &changes {
                let place = place.index(dump.len());
                // Other digits keep it readable, so that the numbers are what is wrong.
                if !digits || dump[place].is_ascii_digit() {
                    dump[place] = if digits { b'0' + byte % 10 } else { *byte };
                }
            }
            if let Ok(model) = model(&dump) {
                if model.columns as usize == COLUMNS {
                    model.answer(&[0, 90, 128, 255]).unwrap();
                }
                prop_assert!(Model::from_bytes(&model.to_bytes()).is_ok());
            }
        }
    }
}
