//! What a wrong answer costs.

use serde::{Deserialize, Serialize};

/// The cost that training lowers: the mean over a batch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Loss {
    /// Cross entropy of the classes.
    CrossEntropy {
        /// Probability that is shared among all classes, 0 for none.
        #[serde(default)]
        smoothing: f32,
    },
    /// max(0, 1 − t·y)² with t = ±1, the mean over outputs (BinaryConnect, 3.1).
    SquaredHinge,
    /// (1 − α)·cross entropy + α·T²·cross entropy with the teacher's softened answer (Hinton,
    /// Vinyals and Dean 2015, 2). Needs a teacher; with α = 1 no labels.
    Distill {
        /// Softens both answers, more than 0.
        temperature: f32,
        /// Weight of the teacher, 0..=1.
        alpha: f32,
    },
    /// ½·mean squared difference from the values, or from the teacher's answer where there is a
    /// teacher (FitNets, Romero et al. 2015, equation 3).
    MeanSquared,
}

/// What a batch should have answered.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wanted<'a> {
    /// A class a sample, or none.
    pub(crate) classes: &'a [u32],
    /// Rows as wide as the answers: values, or the teacher's answers.
    pub(crate) rows: &'a [f32],
}

impl Loss {
    /// The mean cost of the answers `[samples, width]`; writes its gradient.
    pub(crate) fn cost(
        self,
        answers: &[f32],
        width: usize,
        wanted: Wanted<'_>,
        gradient: &mut [f32],
    ) -> f32 {
        let samples = answers.len() / width;
        let mut sum = 0.0f64;
        let rows = answers
            .chunks_exact(width)
            .zip(gradient.chunks_exact_mut(width));
        for (place, (answer, gradient)) in rows.enumerate() {
            let class = wanted.classes.get(place).map(|&class| class as usize);
            let row = wanted.rows.get(place * width..(place + 1) * width);
            sum += f64::from(self.row(answer, class, row, gradient));
        }
        let share = 1.0 / samples.max(1) as f32;
        gradient.iter_mut().for_each(|g| *g *= share);
        (sum / samples.max(1) as f64) as f32
    }

    fn row(
        self,
        answer: &[f32],
        class: Option<usize>,
        row: Option<&[f32]>,
        gradient: &mut [f32],
    ) -> f32 {
        let width = answer.len() as f32;
        match self {
            Self::CrossEntropy { smoothing } => {
                let base = smoothing / width;
                let target = |place| {
                    base + if Some(place) == class {
                        1.0 - smoothing
                    } else {
                        0.0
                    }
                };
                entropy(answer, 1.0, target, gradient)
            }
            Self::SquaredHinge => {
                let mut sum = 0.0;
                for (place, (y, g)) in answer.iter().zip(gradient).enumerate() {
                    let t = if Some(place) == class { 1.0 } else { -1.0 };
                    let gap = (1.0 - t * y).max(0.0);
                    sum += gap * gap;
                    *g = -2.0 * t * gap / width;
                }
                sum / width
            }
            Self::Distill { temperature, alpha } => {
                let Some(row) = row else { return 0.0 };
                let mut soft = row.to_vec();
                softmax(&mut soft, temperature);
                // d/dy of T²·H(p, softmax(y/T)) is T·(softmax(y/T) − p).
                let taught = entropy(answer, temperature, |place| soft[place], gradient);
                gradient.iter_mut().for_each(|g| *g *= alpha * temperature);
                let taught = alpha * temperature * temperature * taught;
                if alpha >= 1.0 {
                    return taught;
                }
                let mut hard = vec![0.0; answer.len()];
                let one = |place| if Some(place) == class { 1.0 } else { 0.0 };
                let told = entropy(answer, 1.0, one, &mut hard);
                gradient
                    .iter_mut()
                    .zip(&hard)
                    .for_each(|(g, h)| *g += (1.0 - alpha) * h);
                taught + (1.0 - alpha) * told
            }
            Self::MeanSquared => {
                let Some(row) = row else { return 0.0 };
                let mut sum = 0.0;
                for ((y, t), g) in answer.iter().zip(row).zip(gradient) {
                    *g = (y - t) / width;
                    sum += 0.5 * (y - t) * (y - t);
                }
                sum / width
            }
        }
    }
}

/// exp(x/T) over its sum.
fn softmax(values: &mut [f32], temperature: f32) {
    let most = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    values
        .iter_mut()
        .for_each(|v| *v = ((*v - most) / temperature).exp());
    let total: f32 = values.iter().sum();
    values.iter_mut().for_each(|v| *v /= total);
}

/// Cross entropy with softmax(answer / T); the gradient is that of answer / T.
fn entropy(
    answer: &[f32],
    temperature: f32,
    target: impl Fn(usize) -> f32,
    gradient: &mut [f32],
) -> f32 {
    gradient.copy_from_slice(answer);
    softmax(gradient, temperature);
    let mut sum = 0.0;
    for (place, g) in gradient.iter_mut().enumerate() {
        let t = target(place);
        if t > 0.0 {
            sum -= t * g.max(1e-30).ln();
        }
        *g -= t;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agrees_with_differences(loss: Loss) {
        let answers = [0.3f32, -1.2, 0.8, 2.0, 0.1, -0.4];
        let rows = [1.0f32, 0.0, -2.0, 0.5, 0.5, 3.0];
        let wanted = Wanted {
            classes: &[2, 0],
            rows: &rows,
        };
        let mut gradient = [0.0; 6];
        loss.cost(&answers, 3, wanted, &mut gradient);
        for place in 0..6 {
            let moved = |by: f32| {
                let mut answers = answers;
                answers[place] += by;
                loss.cost(&answers, 3, wanted, &mut [0.0; 6])
            };
            let slope = (moved(5e-3) - moved(-5e-3)) / 1e-2;
            assert!(
                (slope - gradient[place]).abs() < 2e-3,
                "{loss:?} {place}: {slope} {gradient:?}"
            );
        }
    }

    #[test]
    fn gradients_agree_with_differences() {
        agrees_with_differences(Loss::CrossEntropy { smoothing: 0.1 });
        agrees_with_differences(Loss::SquaredHinge);
        agrees_with_differences(Loss::MeanSquared);
        for alpha in [0.3, 1.0] {
            agrees_with_differences(Loss::Distill {
                temperature: 3.0,
                alpha,
            });
        }
    }
}
