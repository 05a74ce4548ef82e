use super::*;
use crate::model::{Family, Intake, Model};
use crate::table::Table;
use crate::testing;

fn trained(table: &Table, width: f32) -> Model {
    let settings = SvmSettings { width, cost: 10.0 };
    Model {
        intake: Intake::Bytes,
        columns: table.columns() as u16,
        classes: table.classes() as u16,
        family: Family::Svm(settings.train(table).unwrap()),
    }
}

#[test]
fn what_no_line_parts_is_learned_and_explained() {
    let (table, test) = (testing::quadrants(400, 1), testing::quadrants(300, 2));
    let model = trained(&table, 0.3);
    let accuracy = testing::accuracy(&model, &test);
    assert!(accuracy > 0.95, "{accuracy}");
    testing::assert_explained(&model, &test);
    let Family::Svm(svm) = &model.family else {
        unreachable!()
    };
    assert!(svm.vector_count() < 250, "{}", svm.vector_count());
}

#[test]
fn two_classes_fight_one_duel() {
    let model = trained(&testing::blobs(120, 2, 5, 1), 0.5);
    assert!(testing::accuracy(&model, &testing::blobs(120, 2, 5, 2)) > 0.95);
    let scores = model.answer(&[9; 5]).unwrap().scores;
    assert!((scores[0] + scores[1]).abs() < 1e-9);
}

#[test]
fn the_tables_are_the_exponential() {
    let svm = Svm {
        columns: 1,
        starts: vec![0, 1, 1],
        vectors: vec![0],
        coefficients: vec![1],
        duels: vec![Duel {
            unit: 1.0,
            bias: 0.0,
        }],
        factor: 1,
        shift: 0,
    };
    for index in (0..65_536).step_by(97) {
        let exact = 65_535.0 * (-REACH * f64::from(index) / INDICES).exp();
        let found = svm.close(index) as f64;
        assert!((found - exact).abs() < 3.0, "{index}: {found} {exact}");
    }
    assert_eq!(svm.close(65_536), 0);
}

#[test]
fn numbers_of_few_bits_take_few() {
    for bits in 1..=8 {
        let numbers: Vec<u8> = (0..37u32)
            .map(|one| (one * 77 % (1 << bits)) as u8)
            .collect();
        let bytes = packed(&numbers, bits);
        assert_eq!(bytes.len(), (37 * bits as usize).div_ceil(8));
        assert_eq!(unpacked(&bytes, bits, 37), numbers);
    }
}

#[test]
fn duels_have_places_of_their_own() {
    let mut next = 0;
    for first in 0..6 {
        for second in first + 1..6 {
            assert_eq!(duel_at(first, second, 6), next);
            next += 1;
        }
    }
}

#[test]
fn too_many_rows_are_refused() {
    let labels = [0, 1].repeat(6_001);
    let table = Table::new(1, 2, vec![3; 12_002], labels).unwrap();
    let settings = SvmSettings {
        width: 0.5,
        cost: 1.0,
    };
    assert!(settings.train(&table).is_err());
}
