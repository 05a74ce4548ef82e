//! Training of all nodes together (Bonsai, ICML 2017, section 4): a soft path that hardens; dense
//! for a third of the epochs, then hard thresholding of the projection every so often, then with
//! what is left. What is measured and shipped takes the hard path.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::bonsai::{Bonsai, BonsaiFloat, MAX_DEPTH, Sparse, node_count, output_count};
use crate::descend::{
    Adam, Standardized, add_scaled, cosine, dot, gradient, principal, shuffled, softmax,
};
use crate::error::{Result, TinyError, settings};
use crate::random::Random;
use crate::table::Table;

/// Steps between two thresholdings.
const THRESHOLD_STEPS: usize = 20;

/// How a Bonsai tree is trained.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BonsaiSettings {
    /// Numbers of a projected row, 1 to 255.
    pub dimensions: usize,
    /// Levels below the root.
    pub depth: usize,
    /// Entries of the projection that stay.
    pub entries: usize,
    /// Passes over the rows.
    pub epochs: usize,
    /// Rows of a step.
    pub batch: usize,
    /// Where the rate starts.
    pub rate: f32,
    /// σ of the gates.
    pub gate: f32,
    /// Pull toward 0.
    pub decay: f32,
    /// See the trainers' standardization: 0.45 suits pixels.
    pub damping: f32,
    /// Where chance starts.
    pub seed: u64,
}

/// A trained Bonsai tree.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// In floating point.
    pub float: BonsaiFloat,
    /// In whole numbers.
    pub integer: Bonsai,
}

struct Shape {
    columns: usize,
    dimensions: usize,
    depth: usize,
    outputs: usize,
}

/// Where parts begin in the flat parameters: projection at 0, then these.
struct Bounds {
    bias: usize,
    weights: usize,
    gates: usize,
    branches: usize,
    length: usize,
}

impl Shape {
    fn bounds(&self) -> Bounds {
        let nodes = node_count(self.depth);
        let values = nodes * self.outputs * self.dimensions;
        let bias = self.dimensions * self.columns;
        let weights = bias + self.dimensions;
        let gates = weights + values;
        let branches = gates + values;
        Bounds {
            bias,
            weights,
            gates,
            branches,
            length: branches + (nodes / 2) * self.dimensions,
        }
    }
}

impl BonsaiSettings {
    /// Settings that suit data of some thousand rows.
    pub fn new(dimensions: usize, depth: usize, entries: usize, seed: u64) -> Self {
        Self {
            dimensions,
            depth,
            entries,
            epochs: 60,
            batch: 128,
            rate: 0.01,
            gate: 1.0,
            decay: 1e-4,
            damping: 0.0,
            seed,
        }
    }

    fn check(&self, table: &Table) -> Result<()> {
        if !(1..=255).contains(&self.dimensions) || self.depth > MAX_DEPTH {
            return Err(settings(format!(
                "a Bonsai tree has 1 to 255 dimensions and a depth of {MAX_DEPTH} at most"
            )));
        }
        let all = self.dimensions * table.columns();
        if self.entries == 0 || self.entries > all || self.batch == 0 || self.epochs < 3 {
            return Err(settings(format!(
                "the projection keeps 1 to {all} entries; three epochs at least"
            )));
        }
        Ok(())
    }

    /// Trains; the same for any number of threads.
    pub fn train(&self, table: &Table) -> Result<Trained> {
        self.check(table)?;
        let rows = Standardized::new(table, self.damping);
        let shape = Shape {
            columns: table.columns(),
            dimensions: self.dimensions,
            depth: self.depth,
            outputs: output_count(table.classes()),
        };
        let mut random = Random::new(self.seed, 2);
        let mut parameters = start(&rows, &shape, &mut random);
        self.descend(&mut parameters, &rows, table.labels(), &shape, &mut random);
        if !parameters.iter().all(|value| value.is_finite()) {
            return Err(TinyError::Diverged(
                "numbers grew beyond all bounds: a smaller rate is needed".into(),
            ));
        }
        let float = self.folded(&parameters, &rows, table, &shape);
        let most = most_projected(&parameters, &rows, &shape);
        let integer = Bonsai::quantize(&float, shape.columns, most)?;
        Ok(Trained { float, integer })
    }

    fn descend(
        &self,
        parameters: &mut [f32],
        rows: &Standardized,
        labels: &[u16],
        shape: &Shape,
        random: &mut Random,
    ) {
        let bounds = shape.bounds();
        let mut adam = Adam::new(bounds.length);
        let mut kept: Option<Vec<bool>> = None;
        let steps = rows.len().div_ceil(self.batch) * self.epochs;
        let mut step = 0;
        for _ in 0..self.epochs {
            for batch in shuffled(rows.len(), random).chunks(self.batch) {
                let done = step as f32 / steps as f32;
                let pass = Pass {
                    shape,
                    bounds: shape.bounds(),
                    parameters,
                    gate: self.gate,
                    // From .3 to 300: at first every node sees every row, in the end one path does.
                    sharpness: 0.3 * 1000f32.powf(done),
                };
                let mut slope = gradient(batch, bounds.length, |part, sum| {
                    pass.add(part, rows, labels, sum);
                });
                add_scaled(&mut slope, self.decay, parameters);
                // Each third starts anew, as each has to find its own bottom.
                let rate = cosine(self.rate, (done * 3.0).fract() * 0.9);
                let fixed = done > 2.0 / 3.0;
                if let (true, Some(kept)) = (fixed, &kept) {
                    silence(&mut slope, kept);
                }
                adam.step(parameters, &slope, rate);
                step += 1;
                let thresholding = done > 1.0 / 3.0 && step % THRESHOLD_STEPS == 0;
                if (thresholding && !fixed) || (fixed && kept.is_none()) {
                    kept = Some(strongest(&parameters[..bounds.bias], self.entries));
                    let kept = kept.as_deref().unwrap_or_default();
                    silence(parameters, kept);
                    adam.forget((0..bounds.bias).filter(|&index| !kept[index]));
                }
                if let (true, Some(kept)) = (fixed, &kept) {
                    silence(parameters, kept);
                }
            }
        }
        let kept = strongest(&parameters[..bounds.bias], self.entries);
        silence(parameters, &kept);
    }

    /// The model for bytes: means and deviations go into projection and bias.
    fn folded(
        &self,
        parameters: &[f32],
        rows: &Standardized,
        table: &Table,
        shape: &Shape,
    ) -> BonsaiFloat {
        let bounds = shape.bounds();
        let mut bias = parameters[bounds.bias..bounds.weights].to_vec();
        let mut projection = Sparse {
            counts: Vec::new(),
            entries: Vec::new(),
        };
        let weights = parameters[..bounds.bias].chunks(shape.columns);
        for (bias, weights) in bias.iter_mut().zip(weights) {
            let before = projection.entries.len();
            for (column, &weight) in weights.iter().enumerate() {
                let weight = weight * rows.factors[column];
                if weight != 0.0 {
                    *bias -= weight * rows.means[column];
                    projection.entries.push((column as u16, weight));
                }
            }
            projection
                .counts
                .push((projection.entries.len() - before) as u16);
        }
        let gates = parameters[bounds.gates..bounds.branches].iter();
        BonsaiFloat {
            depth: shape.depth,
            classes: table.classes(),
            projection,
            bias,
            weights: parameters[bounds.weights..bounds.gates].to_vec(),
            gates: gates.map(|value| value * self.gate).collect(),
            branches: parameters[bounds.branches..].to_vec(),
        }
    }
}

/// Principal directions of deviation about 1, small nodes by chance.
fn start(rows: &Standardized, shape: &Shape, random: &mut Random) -> Vec<f32> {
    let bounds = shape.bounds();
    let mut parameters = principal(rows, shape.dimensions, random);
    for direction in parameters.chunks_mut(shape.columns) {
        let sample = (0..rows.len()).step_by(rows.len().div_ceil(500));
        let squares: Vec<f32> = sample
            .map(|row| dot(direction, rows.row(row)).powi(2))
            .collect();
        let deviation = (squares.iter().sum::<f32>() / squares.len() as f32).sqrt();
        let factor = 1.0 / deviation.max(1e-3);
        direction.iter_mut().for_each(|value| *value *= factor);
    }
    let rest = bounds.length - bounds.bias;
    parameters.extend((0..rest).map(|_| 0.3 * random.normal()));
    parameters[bounds.bias..bounds.weights].fill(0.0);
    parameters
}

fn silence(values: &mut [f32], kept: &[bool]) {
    let places = values.iter_mut().zip(kept);
    places
        .filter(|(_, kept)| !**kept)
        .for_each(|(value, _)| *value = 0.0);
}

fn strongest(values: &[f32], count: usize) -> Vec<bool> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].abs().total_cmp(&values[a].abs()));
    let mut kept = vec![false; values.len()];
    order[..count].iter().for_each(|&index| kept[index] = true);
    kept
}

/// What 999 of 1,000 projected numbers stay below.
fn most_projected(parameters: &[f32], rows: &Standardized, shape: &Shape) -> f32 {
    let bounds = shape.bounds();
    let bias = &parameters[bounds.bias..bounds.weights];
    let mut values: Vec<f32> = (0..rows.len())
        .into_par_iter()
        .flat_map_iter(|row| {
            let weights = parameters[..bounds.bias].chunks(shape.columns).zip(bias);
            weights.map(move |(weights, bias)| (dot(weights, rows.row(row)) + bias).abs())
        })
        .collect();
    values.sort_by(f32::total_cmp);
    values[(values.len() - 1) * 999 / 1000]
}

/// Parameters of one batch.
struct Pass<'a> {
    shape: &'a Shape,
    bounds: Bounds,
    parameters: &'a [f32],
    gate: f32,
    sharpness: f32,
}

/// What a row does at each node.
struct Forward {
    projected: Vec<f32>,
    /// How much of the row is at each node.
    shares: Vec<f32>,
    /// tanh of each inner node's branch.
    turns: Vec<f32>,
    /// `[node][output]`: W·p and tanh(σV·p).
    said: Vec<f32>,
    open: Vec<f32>,
    outputs: Vec<f32>,
}

impl Pass<'_> {
    fn add(&self, part: &[u32], rows: &Standardized, labels: &[u16], sum: &mut [f32]) {
        for &index in part {
            let row = rows.row(index as usize);
            let forward = self.forward(row);
            let errors = errors(forward.outputs.clone(), labels[index as usize]);
            let back = self.backward(&forward, &errors, sum);
            for (weights, &back) in sum[..self.bounds.bias]
                .chunks_mut(self.shape.columns)
                .zip(&back)
            {
                add_scaled(weights, back, row);
            }
            add_scaled(&mut sum[self.bounds.bias..self.bounds.weights], 1.0, &back);
        }
    }

    fn forward(&self, row: &[f32]) -> Forward {
        let Shape {
            columns,
            dimensions,
            depth,
            outputs,
        } = *self.shape;
        let (bounds, parameters) = (&self.bounds, self.parameters);
        let bias = &parameters[bounds.bias..bounds.weights];
        let weights = parameters[..bounds.bias].chunks(columns).zip(bias);
        let projected: Vec<f32> = weights
            .map(|(weights, bias)| dot(weights, row) + bias)
            .collect();
        let nodes = node_count(depth);
        let mut shares = vec![1f32; nodes];
        let mut turns = Vec::with_capacity(nodes / 2);
        for node in 0..nodes / 2 {
            let branch = &parameters[bounds.branches + node * dimensions..][..dimensions];
            let turn = (self.sharpness * dot(branch, &projected)).tanh();
            shares[2 * node + 1] = shares[node] * (1.0 - turn) / 2.0;
            shares[2 * node + 2] = shares[node] * f32::midpoint(1.0, turn);
            turns.push(turn);
        }
        let product = |first: usize, place: usize| {
            dot(
                &parameters[first + place * dimensions..][..dimensions],
                &projected,
            )
        };
        let places = 0..nodes * outputs;
        let said: Vec<f32> = places
            .clone()
            .map(|place| product(bounds.weights, place))
            .collect();
        let open: Vec<f32> = places
            .map(|place| (self.gate * product(bounds.gates, place)).tanh())
            .collect();
        let mut sums = vec![0f32; outputs];
        for place in 0..nodes * outputs {
            sums[place % outputs] += shares[place / outputs] * said[place] * open[place];
        }
        Forward {
            projected,
            shares,
            turns,
            said,
            open,
            outputs: sums,
        }
    }

    /// Adds the gradient of nodes; that of the projected numbers is returned.
    fn backward(&self, forward: &Forward, errors: &[f32], sum: &mut [f32]) -> Vec<f32> {
        let Shape {
            dimensions,
            depth,
            outputs,
            ..
        } = *self.shape;
        let (bounds, parameters) = (&self.bounds, self.parameters);
        let nodes = node_count(depth);
        let mut back = vec![0f32; dimensions];
        let mut shares = vec![0f32; nodes];
        for place in 0..nodes * outputs {
            let (node, error) = (place / outputs, errors[place % outputs]);
            let (said, open) = (forward.said[place], forward.open[place]);
            shares[node] += error * said * open;
            let share = forward.shares[node];
            if share < 1e-6 {
                continue;
            }
            let weight = share * error * open;
            let gate = share * error * said * (1.0 - open * open) * self.gate;
            for (first, slope) in [(bounds.weights, weight), (bounds.gates, gate)] {
                let at = first + place * dimensions;
                add_scaled(&mut sum[at..at + dimensions], slope, &forward.projected);
                add_scaled(&mut back, slope, &parameters[at..at + dimensions]);
            }
        }
        for node in (0..nodes / 2).rev() {
            let (left, right) = (shares[2 * node + 1], shares[2 * node + 2]);
            let turn = forward.turns[node];
            shares[node] += left * (1.0 - turn) / 2.0 + right * f32::midpoint(1.0, turn);
            let turned = forward.shares[node] * (right - left) / 2.0;
            let slope = turned * (1.0 - turn * turn) * self.sharpness;
            let at = bounds.branches + node * dimensions;
            add_scaled(&mut sum[at..at + dimensions], slope, &forward.projected);
            add_scaled(&mut back, slope, &parameters[at..at + dimensions]);
        }
        back
    }
}

/// The slope of the cross-entropy; one output means class 1 by its sign.
fn errors(mut outputs: Vec<f32>, label: u16) -> Vec<f32> {
    if let [one] = outputs[..] {
        return vec![1.0 / (1.0 + (-one).exp()) - f32::from(label)];
    }
    softmax(&mut outputs);
    outputs[usize::from(label)] -= 1.0;
    outputs
}
