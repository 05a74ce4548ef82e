//! What is worth sending: state machines over a pipeline's answers. Time is an argument.

use noroshi_model::Filter;

use crate::error::{EngineError, Result};

/// Most filters of a pipeline.
const MAX_FILTERS: usize = 16;

/// What filters look at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// Index of the best label.
    pub label: usize,
    /// Its score, 0..=1.
    pub score: f32,
    /// When, in milliseconds of a clock that never goes back.
    pub at_ms: u64,
}

/// Whether an answer becomes a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// It does.
    Pass,
    /// The filter with this word held it back.
    Drop(&'static str),
}

/// A pipeline's filters in order. An answer passes if all of them let it; only an answer that
/// passed is remembered, so a filter never holds something back on account of a result that
/// another filter held back.
#[derive(Debug, Clone)]
pub struct FilterChain {
    filters: Vec<Filter>,
    passed: Option<Observation>,
}

impl FilterChain {
    /// A chain that has seen nothing yet.
    pub fn new(filters: &[Filter]) -> Result<Self> {
        if filters.len() > MAX_FILTERS {
            return Err(EngineError::Input(format!(
                "a pipeline has at most {MAX_FILTERS} filters, this one {}",
                filters.len()
            )));
        }
        if let Some(fault) = filters.iter().find_map(Filter::fault) {
            return Err(EngineError::Input(fault.to_owned()));
        }
        Ok(Self {
            filters: filters.to_vec(),
            passed: None,
        })
    }

    /// Decides about the next answer.
    pub fn admit(&mut self, seen: Observation) -> Decision {
        for filter in &self.filters {
            if !lets_pass(filter, self.passed, seen) {
                return Decision::Drop(word(filter));
            }
        }
        self.passed = Some(seen);
        Decision::Pass
    }
}

/// Whether `filter` lets `seen` pass, given the last answer that passed the whole chain.
fn lets_pass(filter: &Filter, passed: Option<Observation>, seen: Observation) -> bool {
    match *filter {
        // Written so that NaN does not pass.
        Filter::Threshold { min_score } => seen.score >= min_score,
        Filter::OnChange { heartbeat_ms } => passed.is_none_or(|last| {
            last.label != seen.label || heartbeat_ms.is_some_and(|beat| silence(last, seen) >= beat)
        }),
        Filter::RateLimit { interval_ms } => {
            passed.is_none_or(|last| silence(last, seen) >= interval_ms)
        }
    }
}

const fn silence(last: Observation, seen: Observation) -> u64 {
    seen.at_ms.saturating_sub(last.at_ms)
}

const fn word(filter: &Filter) -> &'static str {
    match filter {
        Filter::Threshold { .. } => "threshold",
        Filter::OnChange { .. } => "on_change",
        Filter::RateLimit { .. } => "rate_limit",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seen(label: usize, score: f32, at_ms: u64) -> Observation {
        Observation {
            label,
            score,
            at_ms,
        }
    }

    fn chain(filters: &[Filter]) -> FilterChain {
        FilterChain::new(filters).unwrap()
    }

    #[test]
    fn no_filter_lets_everything_pass() {
        assert_eq!(chain(&[]).admit(seen(1, 0.0, 0)), Decision::Pass);
    }

    #[test]
    fn a_threshold_admits_its_own_value() {
        let mut chain = chain(&[Filter::Threshold { min_score: 0.5 }]);
        assert_eq!(chain.admit(seen(1, 0.5, 0)), Decision::Pass);
        assert_eq!(chain.admit(seen(1, 0.49, 1)), Decision::Drop("threshold"));
        assert_eq!(
            chain.admit(seen(1, f32::NAN, 2)),
            Decision::Drop("threshold")
        );
    }

    #[test]
    fn on_change_speaks_on_change_and_on_the_heartbeat() {
        let mut chain = chain(&[Filter::OnChange {
            heartbeat_ms: Some(1_000),
        }]);
        assert_eq!(chain.admit(seen(1, 0.9, 0)), Decision::Pass);
        assert_eq!(chain.admit(seen(1, 0.9, 999)), Decision::Drop("on_change"));
        assert_eq!(chain.admit(seen(1, 0.9, 1_000)), Decision::Pass);
        assert_eq!(chain.admit(seen(2, 0.9, 1_001)), Decision::Pass);
        assert_eq!(chain.admit(seen(1, 0.9, 1_002)), Decision::Pass);
    }

    #[test]
    fn a_change_that_is_held_back_is_told_later() {
        let mut chain = chain(&[
            Filter::OnChange { heartbeat_ms: None },
            Filter::RateLimit { interval_ms: 100 },
        ]);
        assert_eq!(chain.admit(seen(1, 0.9, 0)), Decision::Pass);
        assert_eq!(chain.admit(seen(2, 0.9, 50)), Decision::Drop("rate_limit"));
        assert_eq!(chain.admit(seen(2, 0.9, 100)), Decision::Pass);
        assert_eq!(chain.admit(seen(2, 0.9, 900)), Decision::Drop("on_change"));
    }

    #[test]
    fn senseless_settings_are_refused() {
        assert!(FilterChain::new(&[Filter::Threshold { min_score: 1.5 }]).is_err());
        assert!(FilterChain::new(&[Filter::RateLimit { interval_ms: 0 }]).is_err());
        assert!(FilterChain::new(&[Filter::RateLimit { interval_ms: 1 }; 17]).is_err());
    }

    proptest! {
        #[test]
        fn a_rate_limit_holds_whatever_the_clock_does(
            times in proptest::collection::vec(0_u64..10_000, 1..80), interval in 1_u64..2_000
        ) {
            let mut chain = chain(&[Filter::RateLimit { interval_ms: interval }]);
            let mut last: Option<u64> = None;
            for at in times {
                if chain.admit(seen(0, 1.0, at)) == Decision::Pass {
                    prop_assert!(last.is_none_or(|last| at >= last + interval));
                    last = Some(at);
                }
            }
        }
    }
}
