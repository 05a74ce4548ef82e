use super::*;
use crate::model::{Family, Intake, Model};
use crate::table::Table;
use crate::testing;

fn model(table: &Table, linear: Linear) -> Model {
    Model {
        intake: Intake::Bytes,
        columns: table.columns() as u16,
        classes: table.classes() as u16,
        family: Family::Linear(linear),
    }
}

#[test]
fn clouds_are_told_apart_and_answers_explained() {
    for classes in [2, 5] {
        let (table, test) = (
            testing::blobs(400, classes, 8, 1),
            testing::blobs(400, classes, 8, 2),
        );
        let trained = LinearSettings::new(1e-3).train(&table).unwrap();
        assert_eq!(trained.bias().len(), if classes == 2 { 1 } else { 5 });
        let model = model(&table, trained);
        assert!(testing::accuracy(&model, &test) > 0.9, "{classes}");
        testing::assert_explained(&model, &test);
    }
}

/// Of sixteen columns, six tell something.
#[test]
fn columns_that_say_nothing_are_left_out() {
    let told = testing::blobs(400, 3, 6, 1);
    let noise = testing::blobs(400, 3, 9, 3);
    let values = (0..told.len())
        .flat_map(|row| {
            let other = noise.row((row * 7 + row / 3) % 400);
            [told.row(row), other, &[9]].concat()
        })
        .collect();
    let table = Table::new(16, 3, values, told.labels().to_vec()).unwrap();
    let few = LinearSettings {
        columns: 5,
        ..LinearSettings::new(1e-3)
    };
    let few = few.train(&table).unwrap();
    assert_eq!(few.columns().len(), 5);
    let right = few.columns().iter().filter(|column| **column < 6).count();
    assert!(right >= 4, "{:?}", few.columns());
    // The constant one is left out however many may count.
    let all = LinearSettings::new(1e-3).train(&table).unwrap();
    assert_eq!(all.columns(), (0..15).collect::<Vec<u16>>());
    let (few, all) = (model(&table, few), model(&table, all));
    assert!(testing::accuracy(&few, &table) > 0.85);
    assert!(few.to_bytes().len() < all.to_bytes().len());
}

#[test]
fn a_sum_that_could_leave_its_bits_is_refused() {
    let over = Linear {
        columns: (0..60_000).collect(),
        bias: vec![1 << 30],
        weights: vec![127; 60_000],
        unit: 1.0,
    };
    assert!(over.check().is_err());
}
