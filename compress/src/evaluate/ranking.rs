//! How well scores rank samples: the areas under two curves, with samples counted several times
//! as a bootstrap draws them.

/// Samples in the order of one class's scores, sorted once and weighed many times.
#[derive(Debug, Clone)]
pub(super) struct Ranking {
    /// Places of the samples, the highest score first.
    order: Vec<u32>,
    /// Whether the sample at that rank belongs to the class.
    positive: Vec<bool>,
    /// Whether the sample at that rank has the score of the one before it.
    tied: Vec<bool>,
}

impl Ranking {
    /// Ranks samples by `scores`; a score that is no number is the lowest.
    pub(super) fn new(scores: &[f32], positive: impl Fn(usize) -> bool) -> Self {
        let key = |place: usize| {
            let score = scores[place];
            if score.is_nan() {
                f32::NEG_INFINITY
            } else {
                score
            }
        };
        let mut order: Vec<u32> = (0..scores.len() as u32).collect();
        order.sort_by(|&left, &right| {
            let (left, right) = (key(left as usize), key(right as usize));
            right
                .partial_cmp(&left)
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        let score = |rank: usize| key(order[rank] as usize).to_bits();
        let tied = (0..order.len())
            .map(|rank| rank > 0 && score(rank) == score(rank - 1))
            .collect();
        Self {
            positive: order
                .iter()
                .map(|&place| positive(place as usize))
                .collect(),
            tied,
            order,
        }
    }

    /// Area under the receiver operating characteristic, ties counted half; `None` unless there
    /// are samples inside and outside the class.
    pub(super) fn roc_auc(&self, weights: &[f64]) -> Option<f64> {
        let (mut inside, mut outside, mut area) = (0.0, 0.0, 0.0);
        self.groups(weights, |more_inside, more_outside| {
            area += more_outside * (inside + more_inside / 2.0);
            inside += more_inside;
            outside += more_outside;
        });
        (inside > 0.0 && outside > 0.0).then(|| area / (inside * outside))
    }

    /// Average precision: the mean of the precision at the rank of each sample of the class, tied
    /// samples at the rank of their last; `None` if the class has no sample.
    pub(super) fn average_precision(&self, weights: &[f64]) -> Option<f64> {
        let (mut inside, mut seen, mut sum) = (0.0, 0.0, 0.0);
        self.groups(weights, |more_inside, more_outside| {
            inside += more_inside;
            seen += more_inside + more_outside;
            if more_inside > 0.0 {
                sum += more_inside * inside / seen;
            }
        });
        (inside > 0.0).then(|| sum / inside)
    }

    /// Hands over the weight inside and outside the class of each group of equal scores.
    fn groups(&self, weights: &[f64], mut see: impl FnMut(f64, f64)) {
        let (mut inside, mut outside) = (0.0, 0.0);
        for (rank, &place) in self.order.iter().enumerate() {
            if !self.tied[rank] && rank > 0 {
                see(inside, outside);
                (inside, outside) = (0.0, 0.0);
            }
            let weight = weights[place as usize];
            if self.positive[rank] {
                inside += weight;
            } else {
                outside += weight;
            }
        }
        see(inside, outside);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ranking(scores: &[f32], positive: &[bool]) -> (Ranking, Vec<f64>) {
        let ranking = Ranking::new(scores, |place| positive[place]);
        (ranking, vec![1.0; scores.len()])
    }

    #[test]
    fn areas_are_those_of_the_textbooks() {
        // The example of scikit-learn's documentation: AUC .75, average precision .8333.
        let (ranked, weights) = ranking(&[0.1, 0.4, 0.35, 0.8], &[false, false, true, true]);
        assert!((ranked.roc_auc(&weights).unwrap() - 0.75).abs() < 1e-12);
        assert!((ranked.average_precision(&weights).unwrap() - 5.0 / 6.0).abs() < 1e-12);
        let (ranked, weights) = ranking(&[1.0; 4], &[false, false, true, true]);
        assert!(
            (ranked.roc_auc(&weights).unwrap() - 0.5).abs() < 1e-12,
            "all tied"
        );
        assert!((ranked.average_precision(&weights).unwrap() - 0.5).abs() < 1e-12);
        let (ranked, weights) = ranking(&[1.0, 2.0], &[true, true]);
        assert_eq!(ranked.roc_auc(&weights), None);
        let (ranked, weights) = ranking(&[f32::NAN, 2.0], &[false, true]);
        assert!((ranked.roc_auc(&weights).unwrap() - 1.0).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn weights_count_samples_as_often(
            samples in proptest::collection::vec((0u8..6, any::<bool>(), 0u8..4), 1..30)
        ) {
            let scores: Vec<f32> = samples.iter().map(|s| f32::from(s.0)).collect();
            let positive: Vec<bool> = samples.iter().map(|s| s.1).collect();
            let weights: Vec<f64> = samples.iter().map(|s| f64::from(s.2)).collect();
            let repeated: Vec<_> = samples
                .iter()
                .flat_map(|s| std::iter::repeat_n((f32::from(s.0), s.1), s.2 as usize))
                .collect();
            let weighed = Ranking::new(&scores, |place| positive[place]);
            let scores: Vec<f32> = repeated.iter().map(|s| s.0).collect();
            let (plain, ones) = ranking(&scores, &repeated.iter().map(|s| s.1).collect::<Vec<_>>());
            let near = |left: Option<f64>, right: Option<f64>| match (left, right) {
                (Some(left), Some(right)) => (left - right).abs() < 1e-9,
                (left, right) => left == right,
            };
            prop_assert!(near(weighed.roc_auc(&weights), plain.roc_auc(&ones)));
            let both = [weighed.average_precision(&weights), plain.average_precision(&ones)];
            prop_assert!(near(both[0], both[1]));
            // The direct definition: pairs in the right order, ties half.
            let pairs = repeated.iter().flat_map(|a| repeated.iter().map(move |b| (a, b)));
            let (mut right, mut all) = (0.0, 0.0);
            for (inside, outside) in pairs.filter(|(a, b)| a.1 && !b.1) {
                all += 1.0;
                right += if inside.0 > outside.0 { 1.0 } else { 0.0 };
                right += if (inside.0 - outside.0).abs() < 1e-9 { 0.5 } else { 0.0 };
            }
            if all > 0.0 {
                prop_assert!(near(plain.roc_auc(&ones), Some(right / all)));
            }
        }
    }
}
