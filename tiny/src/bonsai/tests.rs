use super::*;
use crate::model::{Family, Intake, Model};
use crate::table::Table;
use crate::testing;

fn models(trained: Trained, table: &Table) -> [Model; 2] {
    let model = |family| Model {
        intake: Intake::Bytes,
        columns: table.columns() as u16,
        classes: table.classes() as u16,
        family,
    };
    [
        model(Family::BonsaiFloat(trained.float)),
        model(Family::Bonsai(trained.integer)),
    ]
}

fn check(table: &Table, test: &Table, settings: &BonsaiSettings, floor: f64) {
    let trained = settings.train(table).unwrap();
    assert!(trained.float.entry_count() <= settings.entries);
    assert_eq!(trained, settings.train(table).unwrap());
    let models = models(trained, table);
    let [float, integer] = models
        .each_ref()
        .map(|model| testing::accuracy(model, test));
    assert!(float > floor, "{float}");
    assert!(integer > float - 0.02, "{integer} {float}");
    for model in &models {
        testing::assert_explained(model, test);
    }
}

#[test]
fn it_learns_many_classes_from_few_entries() {
    let (table, test) = (testing::blobs(900, 6, 8, 1), testing::blobs(900, 6, 8, 2));
    check(&table, &test, &BonsaiSettings::new(6, 2, 30, 1), 0.9);
}

#[test]
fn two_classes_take_one_output() {
    let (table, test) = (
        testing::blobs(600, 2, 300, 1),
        testing::blobs(600, 2, 300, 2),
    );
    let settings = BonsaiSettings {
        epochs: 90,
        ..BonsaiSettings::new(3, 1, 12, 1)
    };
    // A dozen entries for 300 columns: all that fit.
    check(&table, &test, &settings, 0.85);
}
