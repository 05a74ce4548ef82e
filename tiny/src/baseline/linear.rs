//! Linear models: one score a class, learned against the rest by squares or the squared hinge.

use super::matrix::{Factor, RIGHT, product, transposed_product};
use super::{BaselineError, Samples};

/// How a linear model is learned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// How strongly weights are held small, as a share of the rows.
    pub lambda: f64,
    /// Steps from the least squares towards the squared hinge; 0: least squares.
    pub rounds: usize,
}

/// One score a class.
#[derive(Debug, Clone, PartialEq)]
pub struct Linear {
    /// Numbers of a row.
    pub columns: usize,
    /// A score for a row of zeros, one a class.
    pub bias: Vec<f32>,
    /// A row of `columns` weights for each class.
    pub weights: Vec<f32>,
}

impl Linear {
    /// The score of each class.
    pub fn scores(&self, row: &[f32]) -> Vec<f32> {
        let rows = self.weights.chunks_exact(self.columns).zip(&self.bias);
        rows.map(|(weights, bias)| {
            let products = weights.iter().zip(row).map(|(a, b)| f64::from(a * b));
            (products.sum::<f64>() + f64::from(*bias)) as f32
        })
        .collect()
    }

    /// The class with the highest score, the first of equals.
    pub fn class(&self, row: &[f32]) -> u16 {
        let scores = self.scores(row);
        let best = (1..scores.len()).fold(
            0,
            |best, at| if scores[at] > scores[best] { at } else { best },
        );
        best as u16
    }
}

/// Equations that every choice of targets shares: solving again costs little.
#[derive(Debug, Clone)]
struct Equations {
    rows: Vec<f32>,
    columns: usize,
    factor: Factor,
}

/// Learns a linear model.
///
/// The squared hinge Σ max(0, 1 − y·f)² lies below squares that touch it where the weights are:
/// a row beyond its margin asks for what it has, the others for ±1. The squares' equations are
/// always the same, so they are factored once; steps are accelerated (Beck and Teboulle, 2009).
pub fn fit(samples: &Samples<'_>, settings: &Settings) -> Result<Linear, BaselineError> {
    samples.check()?;
    let equations = Equations::new(samples, settings.lambda)?;
    let width = samples.classes.next_multiple_of(RIGHT);
    let signs = signs(samples, width);
    let mut weights = equations.solve(&signs, width);
    let mut ahead = weights.clone();
    let mut momentum = 1.0_f32;
    for _ in 0..settings.rounds {
        let mut targets = product(&equations.rows, equations.columns, &ahead);
        for (target, sign) in targets.iter_mut().zip(&signs) {
            if *target * sign < 1.0 {
                *target = *sign;
            }
        }
        let next = equations.solve(&targets, width);
        let faster = f32::midpoint(1.0, (1.0 + 4.0 * momentum * momentum).sqrt());
        let push = (momentum - 1.0) / faster;
        let pairs = next.iter().zip(&weights);
        ahead = pairs.map(|(new, old)| new + push * (new - old)).collect();
        weights = next;
        momentum = faster;
    }
    Ok(linear(samples, &weights, width))
}

impl Equations {
    fn new(samples: &Samples<'_>, lambda: f64) -> Result<Self, BaselineError> {
        // A column of ones for the bias; zeros up to whole panels.
        let columns = (samples.columns + 1).next_multiple_of(RIGHT);
        let mut rows = vec![0.0; samples.labels.len() * columns];
        let pairs = rows
            .chunks_exact_mut(columns)
            .zip(samples.rows.chunks_exact(samples.columns));
        for (target, row) in pairs {
            target[..samples.columns].copy_from_slice(row);
            target[samples.columns] = 1.0;
        }
        let below = |row: usize, column: usize| column <= row + 3;
        let mut matrix = transposed_product((&rows, columns), (&rows, columns), below);
        let least = lambda.max(1e-12) * samples.labels.len() as f64;
        for diagonal in (0..columns).map(|index| index * (columns + 1)) {
            matrix[diagonal] += least;
        }
        let factor = Factor::new(matrix, columns).ok_or(BaselineError::Singular)?;
        Ok(Self {
            rows,
            columns,
            factor,
        })
    }

    /// The weights whose scores come closest to `targets`.
    fn solve(&self, targets: &[f32], width: usize) -> Vec<f32> {
        let mut right =
            transposed_product((&self.rows, self.columns), (targets, width), |_, _| true);
        self.factor.solve(&mut right, width);
        right.into_iter().map(|number| number as f32).collect()
    }
}

fn signs(samples: &Samples<'_>, width: usize) -> Vec<f32> {
    let mut signs = vec![0.0; samples.labels.len() * width];
    for (row, label) in signs.chunks_exact_mut(width).zip(samples.labels) {
        row[..samples.classes].fill(-1.0);
        row[usize::from(*label)] = 1.0;
    }
    signs
}

fn linear(samples: &Samples<'_>, weights: &[f32], width: usize) -> Linear {
    let row =
        |class: usize| (0..samples.columns).map(move |column| weights[column * width + class]);
    Linear {
        columns: samples.columns,
        bias: weights[samples.columns * width..][..samples.classes].to_vec(),
        weights: (0..samples.classes).flat_map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two classes on a line, one row far out: squares are drawn to it, the hinge isn't.
    #[test]
    fn the_hinge_leaves_rows_beyond_their_margin_alone() {
        let rows = [-1.0, -0.5, -0.2, 0.2, 0.5, 60.0];
        let samples = Samples {
            rows: &rows,
            columns: 1,
            labels: &[0, 0, 0, 1, 1, 1],
            classes: 2,
        };
        let errors = |rounds| {
            let settings = Settings {
                lambda: 1e-6,
                rounds,
            };
            let model = fit(&samples, &settings).unwrap();
            let wrong = |(row, label): (&f32, &u16)| model.class(&[*row]) != *label;
            rows.iter()
                .zip(samples.labels)
                .filter(|pair| wrong(*pair))
                .count()
        };
        assert!(errors(0) > 0);
        assert_eq!(errors(400), 0);
    }

    #[test]
    fn rows_that_say_nothing_are_refused() {
        let samples = Samples {
            rows: &[1.0, f32::NAN],
            columns: 1,
            labels: &[0, 1],
            classes: 2,
        };
        let settings = Settings {
            lambda: 1e-3,
            rounds: 0,
        };
        assert_eq!(fit(&samples, &settings), Err(BaselineError::NotFinite(1)));
        let beyond = Samples {
            labels: &[0, 2],
            rows: &[1.0, 2.0],
            ..samples
        };
        assert_eq!(fit(&beyond, &settings), Err(BaselineError::Label(2)));
    }
}
