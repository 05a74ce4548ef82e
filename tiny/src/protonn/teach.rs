//! Training: projection, prototypes and scores together (ProtoNN, ICML 2017, algorithm 1, with
//! Adam and cross-entropy), from principal directions and k-means; hard thresholding of the
//! scores in the second half.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::descend::{Adam, Standardized, add_scaled, cosine, dot, gradient, principal, shuffled};
use crate::error::{Result, TinyError, settings};
use crate::model::first_of_highest;
use crate::protonn::pass::{Pass, Shape};
use crate::protonn::{ProtoNn, ProtoNnFloat};
use crate::random::Random;
use crate::table::Table;

/// Rows that the guard asks.
const GUARD_ROWS: usize = 800;
/// How much worse than its nearest neighbours a model may be.
const GUARD_MARGIN: f64 = 0.03;
/// Where a byte's range may end, in parts of the largest number of a prototype: before it where
/// one prototype wandered off, which must not take the steps from all others; behind it where
/// rows lie farther out than prototypes, and their distances would all become the same.
const RANGES: [f32; 8] = [1.0, 1.5, 2.0, 3.0, 5.0, 0.7, 0.5, 0.33];
/// How often training is tried again at half the rate.
const TRIES: usize = 3;

/// How a ProtoNN is trained.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ProtoNnSettings {
    /// Numbers of a projected row.
    pub dimensions: usize,
    /// Prototypes.
    pub prototypes: usize,
    /// Scores that each prototype keeps; 0: one for each class.
    pub entries: usize,
    /// Passes over the rows.
    pub epochs: usize,
    /// Rows of a step.
    pub batch: usize,
    /// Where the rate starts.
    pub rate: f32,
    /// Closeness falls off at this many parts of the median distance; the paper's 2.5.
    pub gamma: f32,
    /// See the trainers' standardization: 0.45 suits pixels.
    pub damping: f32,
    /// Pull of the projection and prototypes toward 0.
    pub decay: f32,
    /// Where chance starts.
    pub seed: u64,
}

/// A trained ProtoNN.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// In floating point.
    pub float: ProtoNnFloat,
    /// In whole numbers.
    pub integer: ProtoNn,
    /// Share of the guard's rows that it knows.
    pub guarded: f64,
    /// Share that the nearest neighbour in the projection knows, of rows left out one by one.
    pub neighbours: f64,
}

impl ProtoNnSettings {
    /// Settings that suit data of some thousand rows.
    pub fn new(dimensions: usize, prototypes: usize, seed: u64) -> Self {
        Self {
            dimensions,
            prototypes,
            entries: 0,
            epochs: 40,
            batch: 128,
            rate: 0.02,
            gamma: 2.5,
            damping: 0.0,
            decay: 0.0,
            seed,
        }
    }

    fn check(&self, table: &Table) -> Result<()> {
        if !(1..=256).contains(&self.dimensions) {
            return Err(settings("ProtoNN projects to 1 to 256 dimensions"));
        }
        if self.prototypes < table.classes() || self.prototypes > table.len() {
            return Err(settings(format!(
                "{} prototypes: at least one a class ({}) and at most one a row ({}) are needed",
                self.prototypes,
                table.classes(),
                table.len()
            )));
        }
        if self.prototypes > usize::from(u16::MAX) || self.batch == 0 || self.epochs == 0 {
            return Err(settings(
                "prototypes up to 65,535, a batch and an epoch at least",
            ));
        }
        Ok(())
    }

    /// Trains; a model that is worse than plain nearest neighbours in its own first projection
    /// went astray: it is trained again at half the rate, and refused in the end.
    pub fn train(&self, table: &Table) -> Result<Trained> {
        self.check(table)?;
        let rows = Standardized::new(table, self.damping);
        let neighbours = self.neighbours(&rows, table);
        let mut rate = self.rate;
        let mut worst = 0.0;
        for _ in 0..TRIES {
            let trained = self.attempt(&rows, table, rate, neighbours)?;
            if trained.guarded + GUARD_MARGIN >= neighbours {
                return Ok(trained);
            }
            worst = trained.guarded;
            rate /= 2.0;
        }
        Err(TinyError::Diverged(format!(
            "this ProtoNN knows {worst:.3} of its own rows, nearest neighbours {neighbours:.3}: \
             more epochs, prototypes or dimensions are needed"
        )))
    }

    fn attempt(
        &self,
        rows: &Standardized,
        table: &Table,
        rate: f32,
        neighbours: f64,
    ) -> Result<Trained> {
        let shape = Shape {
            columns: table.columns(),
            dimensions: self.dimensions,
            prototypes: self.prototypes,
            classes: table.classes(),
        };
        let mut random = Random::new(self.seed, 1);
        let mut parameters = start(rows, table, &shape, &mut random);
        let sharpness = self.sharpness(&parameters, rows, &shape, &mut random);
        self.descend(
            &mut parameters,
            rows,
            table,
            &shape,
            sharpness,
            rate,
            &mut random,
        );
        let float = folded(&parameters, rows, &shape, sharpness);
        if !parameters.iter().all(|value| value.is_finite()) {
            return Err(TinyError::Diverged("numbers grew beyond all bounds".into()));
        }
        let integer = self.quantized(&float, table)?;
        let guard: Vec<usize> = guard_rows(table.len()).collect();
        let right = guard.par_iter().filter(|&&row| {
            let label = first_of_highest(&integer.scores(table.row(row)));
            label == table.labels()[row]
        });
        let guarded = right.count() as f64 / guard.len() as f64;
        Ok(Trained {
            float,
            integer,
            guarded,
            neighbours,
        })
    }

    /// The integer model that answers most of the guard's rows as `float` does.
    fn quantized(&self, float: &ProtoNnFloat, table: &Table) -> Result<ProtoNn> {
        let guard: Vec<usize> = guard_rows(table.len()).collect();
        let label = |row: &usize| first_of_highest(&float.scores(table.row(*row)));
        let wanted: Vec<u16> = guard.par_iter().map(label).collect();
        let mut best: Option<(usize, ProtoNn)> = None;
        let mut refused = None;
        for range in RANGES {
            let made =
                match ProtoNn::within(float, table.columns(), self.kept(table.classes()), range) {
                    Ok(made) => made,
                    Err(error) => {
                        refused = Some(error);
                        continue;
                    }
                };
            let rows = guard.par_iter().zip(&wanted);
            let same = rows.filter(|(row, wanted)| {
                first_of_highest(&made.scores(table.row(**row))) == **wanted
            });
            let same = same.count();
            if best.as_ref().is_none_or(|(known, _)| same > *known) {
                best = Some((same, made));
            }
        }
        match (best, refused) {
            (Some((_, made)), _) => Ok(made),
            (None, Some(error)) => Err(error),
            (None, None) => Err(TinyError::Diverged("there is no range to try".into())),
        }
    }

    fn kept(&self, classes: usize) -> usize {
        match self.entries {
            0 => classes,
            given => given.min(classes),
        }
    }

    /// γ² for γ = 2.5 / the median distance of rows to prototypes.
    fn sharpness(
        &self,
        parameters: &[f32],
        rows: &Standardized,
        shape: &Shape,
        random: &mut Random,
    ) -> f32 {
        let (first, scores, _) = shape.bounds();
        let prototypes: Vec<&[f32]> = parameters[first..scores].chunks(shape.dimensions).collect();
        let mut distances: Vec<f32> = (0..4000)
            .map(|_| {
                let row = rows.row(random.below(rows.len()));
                let prototype = prototypes[random.below(prototypes.len())];
                let weights = parameters[..first].chunks(shape.columns);
                let differences = weights.zip(prototype).map(|(w, b)| dot(w, row) - b);
                differences.map(|d| d * d).sum::<f32>().sqrt()
            })
            .collect();
        distances.sort_by(f32::total_cmp);
        (self.gamma / distances[distances.len() / 2].max(1e-6)).powi(2)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one training's parts, used here only"
    )]
    fn descend(
        &self,
        parameters: &mut [f32],
        rows: &Standardized,
        table: &Table,
        shape: &Shape,
        sharpness: f32,
        rate: f32,
        random: &mut Random,
    ) {
        let (_, scores, length) = shape.bounds();
        let mut adam = Adam::new(length);
        let mut gone: Vec<usize> = Vec::new();
        for epoch in 0..self.epochs {
            if epoch == self.epochs / 2 && self.kept(shape.classes) < shape.classes {
                gone = weakest(&parameters[scores..], shape.classes, self.entries);
                gone.iter_mut().for_each(|index| *index += scores);
                adam.forget(gone.iter().copied());
            }
            gone.iter().for_each(|&index| parameters[index] = 0.0);
            for batch in shuffled(rows.len(), random).chunks(self.batch) {
                let model = Pass::new(parameters, shape, sharpness);
                let mut slope = gradient(batch, length, |part, sum| {
                    model.add(part, rows, table.labels(), sum);
                });
                for (slope, parameter) in slope[..scores].iter_mut().zip(&*parameters) {
                    *slope += self.decay * parameter;
                }
                gone.iter().for_each(|&index| slope[index] = 0.0);
                let rate = cosine(rate, epoch as f32 / self.epochs as f32);
                adam.step(parameters, &slope, rate);
                gone.iter().for_each(|&index| parameters[index] = 0.0);
            }
        }
    }

    /// What share of the guard's rows their nearest neighbour among the others knows, after the
    /// projection that training starts from.
    fn neighbours(&self, rows: &Standardized, table: &Table) -> f64 {
        let mut random = Random::new(self.seed, 1);
        let directions = principal(rows, self.dimensions, &mut random);
        let projected = project_all(&directions, rows, self.dimensions);
        let row = |index: usize| &projected[index * self.dimensions..][..self.dimensions];
        let guard: Vec<usize> = guard_rows(table.len()).collect();
        let right = guard.par_iter().filter(|&&asked| {
            let others = (0..table.len()).filter(|&other| other != asked);
            let nearest = others.min_by(|&a, &b| {
                distance(row(a), row(asked)).total_cmp(&distance(row(b), row(asked)))
            });
            nearest.is_some_and(|nearest| table.labels()[nearest] == table.labels()[asked])
        });
        right.count() as f64 / guard.len() as f64
    }
}

/// Projection by principal directions, prototypes by k-means of each class, scores 1 for the
/// prototype's class.
fn start(rows: &Standardized, table: &Table, shape: &Shape, random: &mut Random) -> Vec<f32> {
    let mut parameters = principal(rows, shape.dimensions, random);
    let projected = project_all(&parameters, rows, shape.dimensions);
    let classes = assigned(table, shape);
    let mut scores = vec![0f32; shape.prototypes * shape.classes];
    let mut first = 0;
    for (class, &count) in classes.iter().enumerate() {
        let members: Vec<&[f32]> = projected
            .chunks(shape.dimensions)
            .zip(table.labels())
            .filter(|(_, label)| usize::from(**label) == class)
            .map(|(row, _)| row)
            .collect();
        parameters.extend(means(&members, count, shape.dimensions, random));
        for prototype in first..first + count {
            scores[prototype * shape.classes + class] = 1.0;
        }
        first += count;
    }
    parameters.extend(scores);
    parameters
}

fn project_all(directions: &[f32], rows: &Standardized, dimensions: usize) -> Vec<f32> {
    let all: Vec<Vec<f32>> = (0..rows.len())
        .into_par_iter()
        .map(|row| {
            let directions = directions.chunks(rows.columns).take(dimensions);
            directions
                .map(|direction| dot(direction, rows.row(row)))
                .collect()
        })
        .collect();
    all.concat()
}

/// Prototypes of each class: one at least, the rest by its share of the rows.
fn assigned(table: &Table, shape: &Shape) -> Vec<usize> {
    let mut counts = vec![0usize; shape.classes];
    table
        .labels()
        .iter()
        .for_each(|&label| counts[usize::from(label)] += 1);
    let free = shape.prototypes - shape.classes;
    let mut given: Vec<usize> = counts
        .iter()
        .map(|count| 1 + free * count / table.len())
        .collect();
    let mut left = shape.prototypes - given.iter().sum::<usize>();
    for class in (0..shape.classes).cycle() {
        if left == 0 {
            break;
        }
        given[class] += 1;
        left -= 1;
    }
    given
}

/// The means of k-means over `members`: at most 1,500 of them, eight rounds.
fn means(members: &[&[f32]], count: usize, dimensions: usize, random: &mut Random) -> Vec<f32> {
    if members.is_empty() {
        return (0..count * dimensions).map(|_| random.normal()).collect();
    }
    let mut order: Vec<usize> = (0..members.len()).collect();
    random.shuffle(&mut order);
    // Small steps off the row keep two prototypes of one row apart.
    let mut means: Vec<f32> = (0..count)
        .flat_map(|number| members[order[number % order.len()]].iter().copied())
        .map(|value| value + 1e-3 * random.normal())
        .collect();
    order.truncate(1500);
    for _ in 0..8 {
        let mut sums = vec![0f32; count * dimensions];
        let mut sizes = vec![0f32; count];
        for &member in &order {
            let distances = means
                .chunks(dimensions)
                .map(|mean| distance(mean, members[member]));
            let nearest = distances.enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
            let nearest = nearest.map_or(0, |(number, _)| number);
            add_scaled(
                &mut sums[nearest * dimensions..][..dimensions],
                1.0,
                members[member],
            );
            sizes[nearest] += 1.0;
        }
        let groups = means.chunks_mut(dimensions).zip(sums.chunks(dimensions));
        for ((mean, sum), &size) in groups.zip(&sizes) {
            if size > 0.0 {
                mean.iter_mut()
                    .zip(sum)
                    .for_each(|(mean, sum)| *mean = sum / size);
            }
        }
    }
    means
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// Places of all scores but the `kept` largest of each prototype.
fn weakest(scores: &[f32], classes: usize, kept: usize) -> Vec<usize> {
    let mut gone = Vec::new();
    for (prototype, row) in scores.chunks(classes).enumerate() {
        let mut order: Vec<usize> = (0..classes).collect();
        order.sort_by(|&a, &b| row[b].abs().total_cmp(&row[a].abs()));
        gone.extend(
            order[kept..]
                .iter()
                .map(|class| prototype * classes + class),
        );
    }
    gone
}

fn guard_rows(count: usize) -> impl Iterator<Item = usize> {
    (0..count).step_by(count.div_ceil(GUARD_ROWS).max(1))
}

/// The model for bytes: means and deviations go into projection and bias.
fn folded(parameters: &[f32], rows: &Standardized, shape: &Shape, sharpness: f32) -> ProtoNnFloat {
    let (first, scores, _) = shape.bounds();
    let mut projection = Vec::with_capacity(first);
    let mut bias = Vec::with_capacity(shape.dimensions);
    for weights in parameters[..first].chunks(shape.columns) {
        let scaled: Vec<f32> = weights
            .iter()
            .zip(&rows.factors)
            .map(|(weight, factor)| weight * factor)
            .collect();
        bias.push(-dot(&scaled, &rows.means));
        projection.extend(scaled);
    }
    ProtoNnFloat {
        dimensions: shape.dimensions,
        classes: shape.classes,
        sharpness,
        projection,
        bias,
        prototypes: parameters[first..scores].to_vec(),
        scores: parameters[scores..].to_vec(),
    }
}
