//! Why a forest answers as it does.

use super::{OnlineForest, SampleError, Task, best};

/// What one feature adds to an answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Term {
    /// Which feature.
    pub feature: u16,
    /// By how much the answer is greater than without it.
    pub value: f64,
}

/// An answer as a sum.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// For classification, the class whose share is explained.
    pub class: Option<u8>,
    /// The answer: the number, or the class's share.
    pub answer: f64,
    /// The answer to a sample whose features are all at their medians.
    pub ordinary: f64,
    /// A term for each feature that is used, the greatest first. `ordinary` and the terms sum to
    /// `answer`.
    pub terms: Vec<Term>,
}

impl OnlineForest {
    /// A term for each feature: what the answer loses when that feature alone is put at its
    /// median. What features do only together is shared between them in proportion.
    pub fn explain(&self, sample: &[f32]) -> Result<Explanation, SampleError> {
        self.check(sample)?;
        let scores = self.scores(sample);
        let (class, index) = match self.settings.task {
            Task::Regression => (None, 0),
            Task::Classification { .. } => {
                let index = best(&scores[..self.classes()]);
                (Some(index as u8), index)
            }
        };
        let value = |sample: &[f32]| f64::from(self.scores(sample)[index]);
        let answer = f64::from(scores[index]);
        let medians: Vec<f32> = (0..sample.len()).map(|one| self.median(one)).collect();
        let ordinary = value(&medians);
        let used = self.used(sample, &medians);
        let mut changed = sample.to_vec();
        let mut terms = Vec::with_capacity(used.len());
        for &feature in &used {
            let place = usize::from(feature);
            changed[place] = medians[place];
            let alone = answer - value(&changed);
            changed[place] = sample[place];
            terms.push(Term {
                feature,
                value: alone,
            });
        }
        share_rest(&mut terms, answer - ordinary);
        terms.sort_by(|one, other| other.value.abs().total_cmp(&one.value.abs()));
        Ok(Explanation {
            class,
            answer,
            ordinary,
            terms,
        })
    }

    /// Features that a test on the sample's or the medians' paths looks at, and all with a weight.
    fn used(&self, sample: &[f32], medians: &[f32]) -> Vec<u16> {
        let mut used = vec![self.settings.task == Task::Regression; sample.len()];
        for tree in 0..self.settings.trees {
            for row in [sample, medians] {
                let path = self.path(tree, row);
                for &node in path.nodes() {
                    if self.children(node).is_some() {
                        let feature = self.arena.low(self.layout.node(node) + 1);
                        used[usize::from(feature)] = true;
                    }
                }
            }
        }
        let features = used.iter().enumerate().filter(|(_, used)| **used);
        features.map(|(feature, _)| feature as u16).collect()
    }
}

/// Lets the terms sum to `sum`, each moved in proportion to its size.
fn share_rest(terms: &mut [Term], sum: f64) {
    let rest = sum - terms.iter().map(|term| term.value).sum::<f64>();
    let size: f64 = terms.iter().map(|term| term.value.abs()).sum();
    let count = terms.len() as f64;
    for term in terms {
        let part = if size > 1e-9 {
            term.value.abs() / size
        } else {
            1.0 / count
        };
        term.value += rest * part;
    }
}
