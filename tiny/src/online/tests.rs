use proptest::prelude::*;

use super::*;

/// A line of two features in regression, a quadrant in classification, and what follows a change.
fn sample(step: u32, features: usize) -> Vec<f32> {
    let mut state = u64::from(step) * 2 + 1;
    let mut number = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / 16_777_216.0
    };
    number();
    (0..features).map(|_| number()).collect()
}

fn class(sample: &[f32], turned: bool) -> u8 {
    let class = u8::from(sample[0] > 0.4) * 2 + u8::from(sample[1] > 0.6);
    if turned { (class + 1) % 4 } else { class }
}

fn taught(samples: u32, settings: Settings) -> OnlineForest {
    let mut forest = OnlineForest::new(settings).unwrap();
    for step in 0..samples {
        let row = sample(step, 5);
        let label = match settings.task {
            Task::Regression => Label::Number(3.0 * row[0] + if row[1] > 0.5 { 2.0 } else { 0.0 }),
            Task::Classification { .. } => Label::Class(class(&row, false)),
        };
        forest.learn(&row, label).unwrap();
    }
    forest
}

fn right(forest: &OnlineForest, turned: bool) -> usize {
    let rows = (900_000..901_000).map(|step| sample(step, 5));
    rows.filter(|row| {
        let answer = forest.answer(row).unwrap();
        matches!(answer, Answer::Class { class: found, .. } if found == class(row, turned))
    })
    .count()
}

#[test]
fn classes_are_learned_and_learned_anew_after_a_change() {
    let mut forest = taught(2_000, Settings::classification(5, 4, 1));
    assert!(right(&forest, false) > 930, "{}", right(&forest, false));
    assert_eq!(forest.counters().alarms, 0);
    for step in 5_000..5_400 {
        let row = sample(step, 5);
        forest.learn(&row, Label::Class(class(&row, true))).unwrap();
    }
    assert_eq!(forest.counters().alarms, 1);
    assert!(right(&forest, true) > 900, "{}", right(&forest, true));
}

#[test]
fn numbers_are_learned() {
    let forest = taught(3_000, Settings::regression(5, 1));
    let rows = (900_000..900_500).map(|step| sample(step, 5));
    let errors = rows.map(|row| {
        let Answer::Number(said) = forest.answer(&row).unwrap() else {
            panic!("a class")
        };
        (said - 3.0 * row[0] - if row[1] > 0.5 { 2.0 } else { 0.0 }).abs()
    });
    let mean = errors.sum::<f32>() / 500.0;
    // A line alone leaves 5/12.
    assert!(mean < 0.3, "{mean}");
}

#[test]
fn the_arena_never_grows_and_equal_seeds_give_equal_forests() {
    let settings = Settings::classification(5, 4, 9);
    let (few, many) = (taught(100, settings), taught(20_000, settings));
    assert_eq!(few.arena_bytes(), 19_200);
    assert_eq!(many.arena_bytes(), 19_200);
    assert!(many.to_bytes().len() <= STATE_BYTES_AT_MOST);
    assert_eq!(many.to_bytes(), taught(20_000, settings).to_bytes());
    let other = Settings {
        seed: 10,
        ..settings
    };
    assert_ne!(many.to_bytes(), taught(20_000, other).to_bytes());
}

#[test]
fn a_state_that_is_read_back_goes_on_as_if_nothing_had_been() {
    for settings in [
        Settings::classification(5, 4, 2),
        Settings::regression(5, 2),
    ] {
        let mut forest = taught(3_000, settings);
        let mut back = OnlineForest::from_bytes(&forest.to_bytes()).unwrap();
        assert_eq!(back, forest);
        for step in 3_000..3_500 {
            let row = sample(step, 5);
            let label = match settings.task {
                Task::Regression => Label::Number(row[0]),
                Task::Classification { .. } => Label::Class(class(&row, true)),
            };
            assert_eq!(forest.learn(&row, label), back.learn(&row, label));
        }
        assert_eq!(back.to_bytes(), forest.to_bytes());
    }
}

#[test]
fn an_explanation_sums_to_the_answer_and_names_what_matters() {
    for settings in [
        Settings::classification(5, 4, 3),
        Settings::regression(5, 3),
    ] {
        let forest = taught(3_000, settings);
        for step in 0..200 {
            let row = sample(700_000 + step, 5);
            let told = forest.explain(&row).unwrap();
            let sum: f64 = told.terms.iter().map(|term| term.value).sum();
            assert!((sum + told.ordinary - told.answer).abs() < 1e-6);
        }
        let told = forest.explain(&[0.95, 0.95, 0.5, 0.5, 0.5]).unwrap();
        assert!(told.terms[0].feature < 2, "{told:?}");
    }
}

#[test]
fn wrong_settings_and_samples_are_refused() {
    let good = Settings::classification(5, 4, 1);
    let refused = |settings| OnlineForest::new(settings).unwrap_err();
    assert_eq!(
        refused(Settings {
            features: 0,
            ..good
        }),
        SettingsError::Features(0)
    );
    assert_eq!(
        refused(Settings {
            bytes: 19_204,
            ..good
        }),
        SettingsError::Bytes(19_204)
    );
    assert_eq!(
        refused(Settings { bytes: 400, ..good }),
        SettingsError::Room(400)
    );
    let one = Task::Classification { classes: 1 };
    assert_eq!(
        refused(Settings { task: one, ..good }),
        SettingsError::Classes(1)
    );

    let mut forest = OnlineForest::new(good).unwrap();
    let row = [0.0; 5];
    let found = forest.answer(&row[..4]).unwrap_err();
    assert_eq!(
        found,
        SampleError::Features {
            found: 4,
            expected: 5
        }
    );
    let broken = [0.0, f32::NAN, 0.0, 0.0, 0.0];
    assert_eq!(
        forest.learn(&broken, Label::Class(0)),
        Err(SampleError::Feature(1))
    );
    for label in [Label::Class(4), Label::Number(1.0)] {
        assert_eq!(forest.learn(&row, label), Err(SampleError::Label));
    }
}

#[test]
fn extreme_numbers_are_survived() {
    let mut forest = OnlineForest::new(Settings::regression(3, 1)).unwrap();
    for step in 0..2_000_u32 {
        let huge = if step.is_multiple_of(2) {
            NUMBER_AT_MOST
        } else {
            -NUMBER_AT_MOST
        };
        let row = [huge, step as f32, -huge];
        forest.learn(&row, Label::Number(huge)).unwrap();
    }
    let back = OnlineForest::from_bytes(&forest.to_bytes()).unwrap();
    let Answer::Number(number) = back.answer(&[0.0; 3]).unwrap() else {
        panic!("a class")
    };
    assert!(number.is_finite());
    let beyond = [0.0, f32::MAX, 0.0];
    assert_eq!(forest.answer(&beyond), Err(SampleError::Feature(1)));
    OnlineForest::new(Settings::regression(128, 1)).unwrap();
}

/// With a checksum that matches, so that what follows is looked at.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let at = bytes.len() - 4;
    let sum = state::checksum(&bytes[..at]);
    bytes[at..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

#[test]
fn damaged_states_are_refused() {
    let bytes = taught(1_000, Settings::classification(5, 4, 4)).to_bytes();
    let mut flipped = bytes.clone();
    flipped[100] ^= 1;
    assert_eq!(
        OnlineForest::from_bytes(&flipped),
        Err(StateError::Checksum)
    );
    let cut = OnlineForest::from_bytes(&bytes[..bytes.len() - 1]).unwrap_err();
    assert!(matches!(cut, StateError::Length { .. }));
    let mut newer = bytes.clone();
    newer[4] = 2;
    assert_eq!(
        OnlineForest::from_bytes(&newer),
        Err(StateError::Version(2))
    );
    assert_eq!(OnlineForest::from_bytes(b"PK"), Err(StateError::Magic));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn hostile_states_never_panic(
        changes in prop::collection::vec((28_usize..19_228, any::<u8>()), 1..20),
        steps in 1_u32..40,
    ) {
        let mut bytes = taught(300, Settings::classification(5, 4, 5)).to_bytes();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        if let Ok(mut forest) = OnlineForest::from_bytes(&sealed(bytes)) {
            for step in 0..steps {
                let row = sample(step, 5);
                let _ = forest.explain(&row);
                let _ = forest.learn(&row, Label::Class(class(&row, false)));
            }
        }
    }

    #[test]
    fn any_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = OnlineForest::from_bytes(&bytes);
    }
}

#[test]
fn a_table_teaches_in_any_order_of_its_rows() {
    use crate::model::{Intake, Scale};
    use crate::table::Table;

    // Sorted by class, as files often are.
    let rows: Vec<Vec<u8>> = (0..600)
        .map(|row| {
            vec![
                (row * 7 % 50) as u8 + if row < 300 { 0 } else { 100 },
                (row * 13 % 256) as u8,
            ]
        })
        .collect();
    let labels = (0..600).map(|row| u16::from(row >= 300)).collect();
    let table = Table::new(2, 2, rows.concat(), labels).unwrap();
    let taught = teach(&table, &Intake::Bytes, 3).unwrap();
    assert!(taught.right > 0.95, "{}", taught.right);
    assert_eq!(taught.forest.counters().alarms, 0);
    assert_eq!(taught, teach(&table, &Intake::Bytes, 3).unwrap());
    let shares = taught.forest.shares(&[120.0, 5.0]).unwrap();
    assert!(shares[1] > 0.8 && (shares.iter().sum::<f32>() - 1.0).abs() < 1e-5);
    // The numbers behind the bytes are what is learned.
    let scaled = Intake::Scaled(vec![Scale::over([-10.0, 245.0]); 2]);
    let scaled = teach(&table, &scaled, 3).unwrap();
    assert!(scaled.forest.shares(&[110.0, 5.0]).unwrap()[1] > 0.8);
    let wide = Table::new(129, 2, vec![0; 129 * 2], vec![0, 1]).unwrap();
    assert!(teach(&wide, &Intake::Bytes, 1).is_err());
}
