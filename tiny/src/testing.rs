//! Data for tests.

use crate::model::Model;
use crate::random::Random;
use crate::table::Table;

/// Clouds of points: `classes` centres that are the same for every seed.
pub(crate) fn blobs(rows: usize, classes: usize, columns: usize, seed: u64) -> Table {
    let mut places = Random::new(99, 0);
    let centres: Vec<f32> = (0..classes * columns)
        .map(|_| 40.0 + 175.0 * places.unit())
        .collect();
    let mut random = Random::new(seed, 5);
    let mut values = Vec::with_capacity(rows * columns);
    let mut labels = Vec::with_capacity(rows);
    for row in 0..rows {
        let class = row % classes;
        let centre = &centres[class * columns..][..columns];
        values.extend(
            centre
                .iter()
                .map(|centre| (centre + 30.0 * random.normal()) as u8),
        );
        labels.push(class as u16);
    }
    Table::new(columns, classes, values, labels).unwrap()
}

/// Four fields of a square, two of each class across: what no line can part.
pub(crate) fn quadrants(rows: usize, seed: u64) -> Table {
    let mut random = Random::new(seed, 6);
    let mut values = Vec::new();
    let mut labels = Vec::new();
    for _ in 0..rows {
        let (x, y) = (random.below(256) as u8, random.below(256) as u8);
        values.extend([x, y]);
        labels.push(2 * u16::from(x > 90) + u16::from(y > 150));
    }
    Table::new(2, 4, values, labels).unwrap()
}

pub(crate) fn accuracy(model: &Model, test: &Table) -> f64 {
    let labels = model.labels(test.values()).unwrap();
    let right = labels.iter().zip(test.labels()).filter(|(a, b)| a == b);
    right.count() as f64 / test.len() as f64
}

pub(crate) fn assert_explained(model: &Model, test: &Table) {
    for row in 0..test.len().min(50) {
        let explanation = model.explain(test.row(row)).unwrap();
        let sum: f64 = explanation.terms.iter().map(|term| term.value).sum();
        let apart = (sum - explanation.score).abs();
        assert!(
            apart < 1e-5 * explanation.score.abs().max(1.0),
            "{explanation:?}"
        );
    }
}
