//! The gradient of a ProtoNN: cross-entropy over the scores of a row.

use crate::descend::{Standardized, add_scaled, dot, softmax};

/// Scores are multiplied by this before they become probabilities: closeness is at most 1.
const LOUDNESS: f32 = 8.0;
/// A prototype whose exponent is beyond this is too far to matter in training.
const FAR: f32 = 12.0;
/// How many numbers of each kind there are.
pub(super) struct Shape {
    pub columns: usize,
    pub dimensions: usize,
    pub prototypes: usize,
    pub classes: usize,
}

impl Shape {
    /// Where prototypes begin, where scores do, and the length, in the flat parameters.
    pub(super) fn bounds(&self) -> (usize, usize, usize) {
        let prototypes = self.dimensions * self.columns;
        let scores = prototypes + self.prototypes * self.dimensions;
        (prototypes, scores, scores + self.prototypes * self.classes)
    }
}

/// Parameters laid out for one batch.
pub(super) struct Pass<'a> {
    shape: &'a Shape,
    sharpness: f32,
    projection: &'a [f32],
    prototypes: &'a [f32],
    /// `[dimension][prototype]`.
    turned: Vec<f32>,
    scores: &'a [f32],
}

impl<'a> Pass<'a> {
    pub(super) fn new(parameters: &'a [f32], shape: &'a Shape, sharpness: f32) -> Self {
        let (first, scores, _) = shape.bounds();
        let prototypes = &parameters[first..scores];
        let turned = (0..shape.dimensions)
            .flat_map(|dimension| prototypes.iter().skip(dimension).step_by(shape.dimensions))
            .copied()
            .collect();
        Self {
            shape,
            sharpness,
            projection: &parameters[..first],
            prototypes,
            turned,
            scores: &parameters[scores..],
        }
    }

    /// Adds the gradient of the cross-entropy of each row.
    pub(super) fn add(&self, part: &[u32], rows: &Standardized, labels: &[u16], sum: &mut [f32]) {
        let Shape {
            columns,
            dimensions,
            prototypes,
            classes,
        } = *self.shape;
        let (first, scores_at, _) = self.shape.bounds();
        let mut exponents = vec![0f32; prototypes];
        for &index in part {
            let row = rows.row(index as usize);
            let projected: Vec<f32> = self
                .projection
                .chunks(columns)
                .map(|weights| dot(weights, row))
                .collect();
            exponents.fill(0.0);
            for (turned, &value) in self.turned.chunks(prototypes).zip(&projected) {
                for (exponent, &other) in exponents.iter_mut().zip(turned) {
                    *exponent += (value - other) * (value - other);
                }
            }
            let near: Vec<(usize, f32)> = exponents
                .iter()
                .enumerate()
                .filter(|(_, square)| **square * self.sharpness < FAR)
                .map(|(prototype, square)| (prototype, (-self.sharpness * square).exp()))
                .collect();
            let mut errors = vec![0f32; classes];
            for &(prototype, close) in &near {
                let values = &self.scores[prototype * classes..][..classes];
                add_scaled(&mut errors, close * LOUDNESS, values);
            }
            softmax(&mut errors);
            errors[usize::from(labels[index as usize])] -= 1.0;
            errors.iter_mut().for_each(|error| *error *= LOUDNESS);
            let mut back = vec![0f32; dimensions];
            for &(prototype, close) in &near {
                let values = &self.scores[prototype * classes..][..classes];
                let pull = -2.0 * self.sharpness * close * dot(values, &errors);
                let place = scores_at + prototype * classes;
                add_scaled(&mut sum[place..place + classes], close, &errors);
                let prototype = prototype * dimensions;
                for dimension in 0..dimensions {
                    let difference = projected[dimension] - self.prototypes[prototype + dimension];
                    back[dimension] += pull * difference;
                    sum[first + prototype + dimension] -= pull * difference;
                }
            }
            for (weights, &back) in sum[..first].chunks_mut(columns).zip(&back) {
                add_scaled(weights, back, row);
            }
        }
    }
}
