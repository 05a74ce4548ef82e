//! A kernel machine over bytes in few of them: the map is its plan, the head has a byte for each
//! weight and a unit for each class. For hosts: cosines and sines are floating point.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::map::{Kind, Map, Plan, Room};
use crate::baseline::{Samples, linear};
use crate::by_columns::{self, Walked};
use crate::error::{Result, file, settings};
use crate::format::bytes::{Reader, Writer};
use crate::linear::output_count;
use crate::model::Term;
use crate::quantize;
use crate::table::Table;

/// Columns at most: an explanation takes an answer for each of them.
pub(crate) const MOST_COLUMNS: usize = 4096;

/// A Fastfood machine with a head of bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Compact {
    plan: Plan,
    map: Map,
    /// A score for each class, or one for two classes, which is above 0 for the second.
    bias: Vec<f32>,
    /// What a weight of 1 stands for, for each output.
    units: Vec<f32>,
    /// `[output][feature]`: cosines, then sines.
    weights: Vec<i8>,
}

/// How it is trained.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CompactSettings {
    /// Rows of V; twice as many features.
    pub pairs: usize,
    /// The kernel's width, as a share of the root mean square distance of two rows.
    pub width: f32,
    /// How strongly weights are held small, as a share of the rows.
    pub lambda: f64,
    /// Steps from least squares toward the squared hinge.
    pub rounds: usize,
    /// What the map is drawn from.
    pub seed: u64,
}

impl CompactSettings {
    /// Trains; the seed draws the map and nothing else is left to chance.
    pub fn train(&self, table: &Table) -> Result<Compact> {
        if table.columns() > MOST_COLUMNS {
            return Err(settings(format!(
                "{} columns: Fastfood takes up to {MOST_COLUMNS}",
                table.columns()
            )));
        }
        let plan = Plan {
            kind: Kind::Fastfood,
            seed: self.seed,
            inputs: table.columns(),
            pairs: self.pairs,
            sigma: self.width * table.distance() as f32,
        };
        let map = plan.draw().map_err(|error| settings(error.to_string()))?;
        let features = features(&map, table);
        let samples = Samples {
            rows: &features,
            columns: plan.outputs(),
            labels: table.labels(),
            classes: table.classes(),
        };
        let asked = linear::Settings {
            lambda: self.lambda,
            rounds: self.rounds,
        };
        let head = linear::fit(&samples, &asked).map_err(|error| settings(error.to_string()))?;
        Ok(Compact::new(plan, map, &head, table.classes()))
    }
}

fn features(map: &Map, table: &Table) -> Vec<f32> {
    let width = 2 * map.pairs();
    let mut features = vec![0.0; table.len() * width];
    features
        .par_chunks_exact_mut(width)
        .zip(table.values().par_chunks_exact(table.columns()))
        .for_each_init(Room::default, |room, (target, row)| {
            let row: Vec<f32> = row.iter().copied().map(f32::from).collect();
            map.apply(&row, room, target);
        });
    features
}

impl Compact {
    fn new(plan: Plan, map: Map, head: &linear::Linear, classes: usize) -> Self {
        let (mut weights, mut bias) = (head.weights.clone(), head.bias.clone());
        if output_count(classes) == 1 {
            let (first, second) = weights.split_at(plan.outputs());
            weights = (second.iter().zip(first))
                .map(|(b, a)| (b - a) / 2.0)
                .collect();
            bias = vec![(bias[1] - bias[0]) / 2.0];
        }
        let outputs = weights.chunks(plan.outputs());
        let units: Vec<f32> = outputs
            .clone()
            .map(|weights| quantize::largest(weights) / 127.0)
            .collect();
        let weights = outputs
            .zip(&units)
            .flat_map(|(weights, &unit)| quantize::bytes(weights, unit))
            .collect();
        Self {
            plan,
            map,
            bias,
            units,
            weights,
        }
    }

    /// Random features.
    pub fn features(&self) -> usize {
        self.plan.outputs()
    }

    /// Bytes that it takes in memory, the map included.
    pub fn memory(&self) -> usize {
        self.map.bytes() + self.weights.len() + 8 * self.bias.len()
    }

    /// The score of each class; where one output tells two apart, it and its opposite.
    pub(crate) fn scores(&self, row: &[u8]) -> Vec<f32> {
        let row: Vec<f32> = row.iter().copied().map(f32::from).collect();
        self.scores_of(&row, &mut Room::default())
    }

    fn scores_of(&self, row: &[f32], room: &mut Room) -> Vec<f32> {
        let mut features = vec![0.0; self.plan.outputs()];
        self.map.apply(row, room, &mut features);
        let outputs = self.weights.chunks(features.len());
        let scores: Vec<f32> = outputs
            .zip(self.bias.iter().zip(&self.units))
            .map(|(weights, (bias, unit))| {
                let products = weights.iter().zip(&features);
                let sum: f64 = products
                    .map(|(&weight, feature)| f64::from(weight) * f64::from(*feature))
                    .sum();
                (f64::from(*bias) + sum * f64::from(*unit)) as f32
            })
            .collect();
        if let [score] = scores[..] {
            return vec![-score, score];
        }
        scores
    }

    pub(crate) fn explain(&self, row: &[u8], label: usize) -> Vec<Term> {
        by_columns::explain(row, || Walk {
            model: self,
            label,
            row: vec![0.0; row.len()],
        })
    }

    /// Seed, pairs, width, then bias and unit of each output, then weights.
    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.bytes(&self.plan.seed.to_le_bytes());
        writer.u16(self.plan.pairs as u16);
        writer.f32(self.plan.sigma);
        writer.f32s(&self.bias);
        writer.f32s(&self.units);
        writer.i8s(&self.weights);
    }

    pub(crate) fn read(reader: &mut Reader<'_>, columns: u16, classes: u16) -> Result<Self> {
        let seed = reader.take(8)?.try_into().expect("as long as was taken");
        let plan = Plan {
            kind: Kind::Fastfood,
            seed: u64::from_le_bytes(seed),
            inputs: usize::from(columns),
            pairs: usize::from(reader.u16()?),
            sigma: reader.f32()?,
        };
        plan.check().map_err(|error| file(error.to_string()))?;
        if plan.inputs > MOST_COLUMNS {
            return Err(file(format!(
                "{columns} columns: Fastfood takes up to {MOST_COLUMNS}"
            )));
        }
        let outputs = output_count(usize::from(classes));
        let bias = reader.many(outputs, Reader::f32)?;
        let units = reader.many(outputs, Reader::f32)?;
        // Before the map is drawn: its size is believed only where its head is there.
        let weights = reader.i8s(outputs * plan.outputs())?;
        let map = plan.draw().map_err(|error| file(error.to_string()))?;
        Ok(Self {
            plan,
            map,
            bias,
            units,
            weights,
        })
    }
}

/// A row on its way from zeros.
struct Walk<'a> {
    model: &'a Compact,
    label: usize,
    row: Vec<f32>,
}

impl Walked for Walk<'_> {
    fn score(&self) -> f64 {
        f64::from(self.model.scores_of(&self.row, &mut Room::default())[self.label])
    }

    fn set(&mut self, column: usize, value: u8) {
        self.row[column] = f32::from(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Family, Intake, Model};
    use crate::testing;

    #[test]
    fn what_no_line_parts_is_learned_and_explained() {
        let (table, test) = (testing::quadrants(600, 1), testing::quadrants(300, 2));
        let settings = CompactSettings {
            pairs: 60,
            width: 0.4,
            lambda: 1e-5,
            rounds: 20,
            seed: 1,
        };
        let trained = settings.train(&table).unwrap();
        assert_eq!(trained.features(), 120);
        let model = Model {
            intake: Intake::Bytes,
            columns: 2,
            classes: 4,
            family: Family::Fastfood(trained),
        };
        let accuracy = testing::accuracy(&model, &test);
        assert!(accuracy > 0.93, "{accuracy}");
        testing::assert_explained(&model, &test);
    }

    #[test]
    fn one_output_tells_two_classes_apart() {
        let table = testing::blobs(200, 2, 5, 1);
        let settings = CompactSettings {
            pairs: 20,
            width: 0.7,
            lambda: 1e-4,
            rounds: 10,
            seed: 1,
        };
        let trained = settings.train(&table).unwrap();
        assert_eq!(trained.weights.len(), 40);
        let scores = trained.scores(table.row(0));
        assert!((scores[0] + scores[1]).abs() < 1e-9);
    }
}
