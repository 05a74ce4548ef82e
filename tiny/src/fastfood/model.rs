//! A kernel machine: standardized rows, random features, a linear head.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::FastfoodError;
use super::map::{Kind, Map, Plan, Room};
use crate::baseline::linear::{self, Linear};
use crate::baseline::{BaselineError, Samples};

/// How a kernel machine is learned.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// How features are drawn.
    pub kind: Kind,
    /// Rows of V; twice as many features.
    pub pairs: usize,
    /// The kernel's width, in standard deviations of the columns.
    pub sigma: f32,
    /// See [`linear::Settings`].
    pub lambda: f64,
    /// See [`linear::Settings`].
    pub rounds: usize,
}

/// A kernel machine.
#[derive(Debug, Clone)]
pub struct Model {
    pub(super) plan: Plan,
    pub(super) map: Map,
    pub(super) standard: Vec<(f32, f32)>,
    pub(super) head: Linear,
}

/// Each column's mean and the factor that makes its deviation 1; constant columns become 0.
pub fn standard(rows: &[f32], columns: usize) -> Vec<(f32, f32)> {
    let count = (rows.len() / columns) as f64;
    let column = |column: usize| {
        rows.iter()
            .skip(column)
            .step_by(columns)
            .copied()
            .map(f64::from)
    };
    (0..columns)
        .map(|index| {
            let mean = column(index).sum::<f64>() / count;
            let square = column(index)
                .map(|value| (value - mean).powi(2))
                .sum::<f64>()
                / count;
            let factor = if square > 0.0 {
                square.sqrt().recip()
            } else {
                0.0
            };
            (mean as f32, factor as f32)
        })
        .collect()
}

/// The features of every row, standardized first.
pub fn features(map: &Map, standard: &[(f32, f32)], rows: &[f32]) -> Vec<f32> {
    let width = 2 * map.pairs();
    let mut features = vec![0.0; rows.len() / standard.len() * width];
    let pairs = features
        .par_chunks_exact_mut(width)
        .zip(rows.par_chunks_exact(standard.len()));
    pairs.for_each_init(Room::default, |room, (target, row)| {
        map.apply(&standardized(standard, row), room, target);
    });
    features
}

fn standardized(standard: &[(f32, f32)], row: &[f32]) -> Vec<f32> {
    let pairs = row.iter().zip(standard);
    pairs
        .map(|(value, (mean, factor))| (value - mean) * factor)
        .collect()
}

/// Learns a kernel machine; `seed` draws its features and nothing else is left to chance.
pub fn train(
    samples: &Samples<'_>,
    settings: &Settings,
    seed: u64,
) -> Result<Model, FastfoodError> {
    samples.check()?;
    let plan = Plan {
        kind: settings.kind,
        seed,
        inputs: samples.columns,
        pairs: settings.pairs,
        sigma: settings.sigma,
    };
    let map = plan.draw()?;
    let standard = standard(samples.rows, samples.columns);
    let features = features(&map, &standard, samples.rows);
    let lifted = Samples {
        rows: &features,
        columns: plan.outputs(),
        ..*samples
    };
    let head = linear::Settings {
        lambda: settings.lambda,
        rounds: settings.rounds,
    };
    let head = linear::fit(&lifted, &head)?;
    Ok(Model {
        plan,
        map,
        standard,
        head,
    })
}

impl Model {
    /// What the map is made of.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The score of each class.
    pub fn scores(&self, row: &[f32]) -> Result<Vec<f32>, FastfoodError> {
        if row.len() != self.plan.inputs {
            return Err(FastfoodError::Rows(BaselineError::Shape {
                numbers: row.len(),
                rows: 1,
                columns: self.plan.inputs,
            }));
        }
        if row.iter().any(|number| !number.is_finite()) {
            return Err(FastfoodError::Rows(BaselineError::NotFinite(0)));
        }
        Ok(self.head.scores(&features(&self.map, &self.standard, row)))
    }

    /// The classes of rows, one after the other.
    pub fn classes(&self, rows: &[f32]) -> Result<Vec<u16>, FastfoodError> {
        rows.par_chunks(self.plan.inputs)
            .map(|row| Ok(best(&self.scores(row)?)))
            .collect()
    }

    /// How much the score of `class` falls when each column is set to its mean. These are answers
    /// to one question a column; they do not sum to the score.
    pub fn effects(&self, row: &[f32], class: u16) -> Result<Vec<f32>, FastfoodError> {
        let class = usize::from(class);
        let score = |row: &[f32]| {
            let scores = self.scores(row)?;
            let beyond = BaselineError::Label(class as u16);
            scores
                .get(class)
                .copied()
                .ok_or(FastfoodError::Rows(beyond))
        };
        let whole = score(row)?;
        (0..row.len())
            .map(|column| {
                let mut changed = row.to_vec();
                changed[column] = self.standard[column].0;
                Ok(whole - score(&changed)?)
            })
            .collect()
    }
}

fn best(scores: &[f32]) -> u16 {
    (1..scores.len()).fold(
        0,
        |best, at| if scores[at] > scores[best] { at } else { best },
    ) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fastfood::random::Random;

    /// Inside and outside a circle: no line tells them apart.
    fn rings(count: usize, seed: u64) -> (Vec<f32>, Vec<u16>) {
        let mut random = Random::new(seed, 9);
        let mut rows = Vec::new();
        let mut labels = Vec::new();
        for _ in 0..count {
            let (x, y) = (4.0 * random.uniform() - 2.0, 4.0 * random.uniform() - 2.0);
            rows.extend([x as f32, y as f32, 7.0]);
            labels.push(u16::from(x * x + y * y < 2.0));
        }
        (rows, labels)
    }

    #[test]
    fn what_no_line_divides_is_learned_stored_and_explained() {
        let (rows, labels) = rings(600, 1);
        let samples = Samples {
            rows: &rows,
            columns: 3,
            labels: &labels,
            classes: 2,
        };
        let (unseen, expected) = rings(400, 2);
        for kind in [Kind::KitchenSinks, Kind::Fastfood] {
            let settings = Settings {
                kind,
                pairs: 50,
                sigma: 1.0,
                lambda: 1e-5,
                rounds: 10,
            };
            let model = train(&samples, &settings, 1).unwrap();
            let answers = model.classes(&unseen).unwrap();
            let right = answers
                .iter()
                .zip(&expected)
                .filter(|(a, b)| a == b)
                .count();
            assert!(right > 370, "{kind:?}: {right} of 400");

            let again = Model::from_bytes(&model.to_bytes()).unwrap();
            assert_eq!(again.classes(&unseen).unwrap(), answers);
            let effects = model.effects(&[0.0, 1.9, 7.0], 0).unwrap();
            assert!(effects[1] > 0.0 && effects[2].abs() < 1e-6, "{effects:?}");
        }
    }
}
