//! Explanations of models that mix all columns in every term: what each column's number does to
//! the score on the way from a row of zeros to the row.
//!
//! The way goes column by column, once from the first to the last and once back, and a column's
//! term is the mean of the two steps: terms sum to the score, and of two columns that say the
//! same neither takes all. This is the Shapley value over two orders instead of all. Of very many
//! columns neighbours take their step together and share its term.

use crate::model::{Part, Term};

/// Steps of one way at most.
const MOST_STEPS: usize = 1024;

/// What the walk asks of a model.
pub(crate) trait Walked {
    /// The score of the class that is explained, for the row as it stands.
    fn score(&self) -> f64;
    /// Sets one column.
    fn set(&mut self, column: usize, value: u8);
}

/// The terms of `row`; `start` makes the model stand at a row of zeros.
pub(crate) fn explain<W: Walked>(row: &[u8], start: impl Fn() -> W) -> Vec<Term> {
    let base = start().score();
    let together = row.len().div_ceil(MOST_STEPS);
    let groups = row.len().div_ceil(together);
    let mut steps = vec![0f64; row.len()];
    for back in [false, true] {
        let mut model = start();
        let mut before = base;
        for index in 0..groups {
            let group = if back { groups - 1 - index } else { index };
            let columns = group * together..row.len().min((group + 1) * together);
            let changed = columns.filter(|&column| row[column] != 0);
            let changed: Vec<usize> = changed.collect();
            if changed.is_empty() {
                continue;
            }
            for &column in &changed {
                model.set(column, row[column]);
            }
            let after = model.score();
            for &column in &changed {
                steps[column] += (after - before) / 2.0 / changed.len() as f64;
            }
            before = after;
        }
    }
    let base = Term {
        part: Part::Base,
        value: base,
    };
    let columns = steps.into_iter().enumerate().map(|(column, value)| Term {
        part: Part::Column(column as u16),
        value,
    });
    std::iter::once(base).chain(columns).collect()
}
