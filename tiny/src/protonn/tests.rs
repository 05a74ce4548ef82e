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
        model(Family::ProtoNnFloat(trained.float)),
        model(Family::ProtoNn(trained.integer)),
    ]
}

#[test]
fn it_learns_and_whole_numbers_lose_little() {
    let (table, test) = (testing::blobs(900, 6, 8, 1), testing::blobs(900, 6, 8, 2));
    let settings = ProtoNnSettings {
        entries: 2,
        epochs: 15,
        ..ProtoNnSettings::new(5, 24, 1)
    };
    let trained = settings.train(&table).unwrap();
    assert_eq!(trained, settings.train(&table).unwrap());
    let models = models(trained, &table);
    let [float, integer] = models
        .each_ref()
        .map(|model| testing::accuracy(model, &test));
    assert!(float > 0.9, "{float}");
    assert!(integer > float - 0.02, "{integer} {float}");
    for model in &models {
        testing::assert_explained(model, &test);
    }
}

#[test]
fn settings_that_cannot_be_are_refused() {
    let table = testing::blobs(50, 3, 4, 1);
    for (dimensions, prototypes) in [(0, 10), (300, 10), (3, 2), (3, 51)] {
        let settings = ProtoNnSettings::new(dimensions, prototypes, 1);
        assert!(settings.train(&table).is_err(), "{dimensions} {prototypes}");
    }
}

#[test]
fn rows_beyond_the_prototypes_survive_whole_numbers() {
    let (table, test) = (testing::blobs(600, 4, 12, 1), testing::blobs(600, 4, 12, 2));
    // A strong pull draws prototypes together, and rows lie far outside them.
    let settings = ProtoNnSettings {
        decay: 1.0,
        epochs: 30,
        ..ProtoNnSettings::new(4, 12, 1)
    };
    let models = models(settings.train(&table).unwrap(), &table);
    let [float, integer] = models
        .each_ref()
        .map(|model| testing::accuracy(model, &test));
    assert!(integer > float - 0.03, "{integer} {float}");
}
