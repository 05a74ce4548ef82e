//! From a model's output to labels with scores. Pure.

use noroshi_model::Activation;

use crate::error::{EngineError, Result};
use crate::tensor::Tensor;

/// How far probabilities may stray from 0..=1: int8 outputs are coarse.
const SLACK: f32 = 0.01;

/// One label's score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// Index of the label in the manifest.
    pub index: usize,
    /// 0..=1.
    pub score: f32,
}

/// What a model says about a frame: the best labels, best first.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// At least one score.
    pub ranked: Vec<Score>,
}

impl Answer {
    /// The best label.
    pub fn best(&self) -> Score {
        self.ranked[0]
    }
}

/// The `top` best of `labels` labels in `output`, which holds one number a label, in a batch
/// of one. Equal scores rank by index. NaN, infinity and other counts are errors.
pub fn classify(
    output: &Tensor,
    activation: Activation,
    labels: usize,
    top: usize,
) -> Result<Answer> {
    let mut numbers = output.to_f32().into_owned();
    if labels == 0 || numbers.len() != labels {
        return Err(EngineError::Output(format!(
            "{} numbers came out, the manifest has {labels} labels",
            numbers.len()
        )));
    }
    if let Some(bad) = numbers.iter().find(|number| !number.is_finite()) {
        return Err(EngineError::Output(format!("a score is {bad}")));
    }
    match activation {
        Activation::Logits => softmax(&mut numbers),
        Activation::Probabilities => {
            let sound = -SLACK..=1.0 + SLACK;
            if let Some(bad) = numbers.iter().find(|number| !sound.contains(number)) {
                return Err(EngineError::Output(format!(
                    "a probability is {bad}; if the model gives logits, the manifest must say so"
                )));
            }
            numbers.iter_mut().for_each(|x| *x = x.clamp(0.0, 1.0));
        }
    }
    Ok(Answer {
        ranked: best(&numbers, top.clamp(1, labels)),
    })
}

/// The `top` best numbers, without sorting the rest.
fn best(numbers: &[f32], top: usize) -> Vec<Score> {
    let mut ranked: Vec<Score> = Vec::with_capacity(top + 1);
    for (index, &score) in numbers.iter().enumerate() {
        if ranked.len() == top && ranked[top - 1].score >= score {
            continue;
        }
        let at = ranked.partition_point(|better| better.score >= score);
        ranked.insert(at, Score { index, score });
        ranked.truncate(top);
    }
    ranked
}

/// Makes probabilities of logits in place; the largest is subtracted so that nothing overflows.
pub(crate) fn softmax(numbers: &mut [f32]) {
    let largest = numbers.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0_f64;
    for number in numbers.iter_mut() {
        *number = (*number - largest).exp();
        sum += f64::from(*number);
    }
    for number in numbers {
        *number = (f64::from(*number) / sum) as f32;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tensor(numbers: &[f32]) -> Tensor {
        Tensor::f32(vec![1, numbers.len()], numbers.to_vec()).unwrap()
    }

    #[test]
    fn logits_become_probabilities() {
        let answer = classify(&tensor(&[1.0, 3.0, 2.0]), Activation::Logits, 3, 2).unwrap();
        assert_eq!(answer.ranked.len(), 2);
        assert_eq!(answer.best().index, 1);
        assert!((answer.best().score - 0.665_24).abs() < 1e-4);
        assert_eq!(answer.ranked[1].index, 2);
    }

    #[test]
    fn huge_logits_do_not_overflow() {
        let answer = classify(&tensor(&[3.0e38, -3.0e38]), Activation::Logits, 2, 2).unwrap();
        assert!((answer.best().score - 1.0).abs() < f32::EPSILON);
    }

    #[test]
    fn equal_scores_rank_by_index() {
        let answer = classify(&tensor(&[0.5, 0.5, 0.0]), Activation::Probabilities, 3, 9).unwrap();
        let order: Vec<usize> = answer.ranked.iter().map(|score| score.index).collect();
        assert_eq!(order, [0, 1, 2]);
    }

    #[test]
    fn answers_that_make_no_sense_are_errors() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(classify(&tensor(&[0.0, bad]), Activation::Logits, 2, 1).is_err());
        }
        assert!(classify(&tensor(&[0.0, 7.0]), Activation::Probabilities, 2, 1).is_err());
        assert!(classify(&tensor(&[0.0]), Activation::Logits, 2, 1).is_err());
        assert!(classify(&tensor(&[]), Activation::Logits, 0, 1).is_err());
    }

    proptest! {
        #[test]
        fn scores_are_probabilities_in_order(
            numbers in proptest::collection::vec(-1e6_f32..1e6, 1..60), top in 0_usize..70
        ) {
            let answer =
                classify(&tensor(&numbers), Activation::Logits, numbers.len(), top).unwrap();
            prop_assert_eq!(answer.ranked.len(), top.clamp(1, numbers.len()));
            prop_assert!(answer.ranked.iter().all(|s| (0.0..=1.0).contains(&s.score)));
            prop_assert!(answer.ranked.is_sorted_by(|a, b| a.score >= b.score));
        }
    }
}
