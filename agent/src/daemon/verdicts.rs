//! From a worker's numbers to a result, believing none of them. Pure.

use noroshi_engine::{Decision, FilterChain, Observation};
use noroshi_protocol::Scored;

/// What becomes of an answer.
#[derive(Debug, PartialEq)]
pub(super) enum Judged {
    /// A result with these labels.
    Result(Vec<Scored>),
    /// A filter held it back.
    Held,
    /// The worker gave numbers that make no sense.
    Malformed(String),
}

/// Checks `ranked` against the labels and asks the filters.
pub(super) fn judge(
    ranked: &[(u32, f32)],
    labels: &[String],
    filters: &mut FilterChain,
    at_ms: u64,
) -> Judged {
    if ranked.is_empty() || ranked.len() > 16 {
        return Judged::Malformed(format!("{} labels in an answer", ranked.len()));
    }
    let mut top = Vec::with_capacity(ranked.len());
    for (index, score) in ranked {
        let Some(label) = labels.get(*index as usize) else {
            return Judged::Malformed(format!("label {index} of {}", labels.len()));
        };
        if !(0.0..=1.0).contains(score) {
            return Judged::Malformed(format!("a score of {score}"));
        }
        top.push(Scored {
            label: label.clone(),
            score: *score,
        });
    }
    let (label, score) = ranked[0];
    let seen = Observation {
        label: label as usize,
        score,
        at_ms,
    };
    match filters.admit(seen) {
        Decision::Pass => Judged::Result(top),
        Decision::Drop(_) => Judged::Held,
    }
}

#[cfg(test)]
mod tests {
    use noroshi_model::Filter;

    use super::*;

    #[test]
    fn numbers_are_checked_and_filters_asked() {
        let labels = vec!["cat".to_owned(), "dog".to_owned()];
        let mut filters = FilterChain::new(&[Filter::Threshold { min_score: 0.5 }]).unwrap();
        let mut judge = |ranked: &[(u32, f32)]| judge(ranked, &labels, &mut filters, 1);
        assert_eq!(judge(&[(1, 0.4)]), Judged::Held);
        let Judged::Result(top) = judge(&[(1, 0.9), (0, 0.1)]) else {
            panic!()
        };
        assert_eq!(top[0].label, "dog");
        for bad in [&[(2, 0.9)][..], &[(0, f32::NAN)], &[(0, 1.5)], &[]] {
            assert!(matches!(judge(bad), Judged::Malformed(_)));
        }
    }
}
