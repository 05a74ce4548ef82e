//! Why a model answered as it did: the text of a reply to *explain*, as JSON.

use noroshi_model::{ModelId, VariantName};
use serde::{Deserialize, Serialize};

/// Terms that are named one by one, at most; the others are summed.
pub const TERMS_AT_MOST: usize = 64;
const NAME_BYTES: usize = 64;

/// An answer as a sum: the terms and the rest give the score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The model.
    pub model: ModelId,
    /// Its version.
    pub version: u32,
    /// The variant that ran.
    pub variant: VariantName,
    /// The slug of the label that was answered.
    pub label: String,
    /// Its score as the model computes it, in units of its family: what the terms sum to.
    pub score: f64,
    /// The greatest by absolute value first, at most [`TERMS_AT_MOST`].
    pub terms: Vec<Term>,
    /// What the terms that are not named sum to.
    pub rest: Rest,
}

/// A part of a score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Term {
    /// Where it comes from.
    pub part: Part,
    /// Which of them; 0 of the base.
    pub index: u32,
    /// For people, such as `column 7` or `pixel 3,2`.
    pub name: String,
    /// How much it adds.
    pub value: f64,
}

/// Where a term comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// What holds for every input.
    Base,
    /// A number of the input.
    Column,
    /// Closeness to a prototype.
    Prototype,
    /// A node on the way through a tree.
    Node,
}

/// Terms that are not named.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Rest {
    /// How many.
    pub count: u32,
    /// Their sum.
    pub value: f64,
}

impl Explanation {
    /// What terms and rest sum to.
    pub fn sum(&self) -> f64 {
        self.terms.iter().map(|term| term.value).sum::<f64>() + self.rest.value
    }

    /// A broken rule, if any: too many terms or long names, numbers that are none, a sum that is
    /// not the score within a millionth of the numbers' size.
    pub fn fault(&self) -> Option<String> {
        if self.terms.len() > TERMS_AT_MOST {
            return Some(format!("an explanation has at most {TERMS_AT_MOST} terms"));
        }
        if self.terms.iter().any(|term| term.name.len() > NAME_BYTES) {
            return Some(format!("a term's name has at most {NAME_BYTES} bytes"));
        }
        let size: f64 = (self.terms.iter()).map(|term| term.value.abs()).sum();
        let size = size + self.rest.value.abs();
        let apart = (self.sum() - self.score).abs();
        // Not the other way round: NaN must be a fault.
        let sound = size.is_finite() && apart <= 1e-6 * size.max(1.0);
        (!sound).then(|| format!("the terms sum to {}, not to {}", self.sum(), self.score))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explanation(values: &[f64], score: f64) -> Explanation {
        let term = |(index, value): (usize, &f64)| Term {
            part: Part::Column,
            index: index as u32,
            name: format!("column {index}"),
            value: *value,
        };
        Explanation {
            model: "m".parse().unwrap(),
            version: 1,
            variant: "v".parse().unwrap(),
            label: "a".into(),
            score,
            terms: values.iter().enumerate().map(term).collect(),
            rest: Rest {
                count: 2,
                value: 0.5,
            },
        }
    }

    #[test]
    fn terms_must_sum_to_the_score() {
        assert_eq!(explanation(&[1.0, -0.25], 1.25).fault(), None);
        for bad in [
            explanation(&[1.0], 1.6),
            explanation(&[f64::NAN], 1.0),
            explanation(&[f64::INFINITY], f64::INFINITY),
            explanation(&[0.0; 65], 0.5),
        ] {
            assert!(bad.fault().is_some());
        }
        let mut long = explanation(&[1.0], 1.5);
        long.terms[0].name = "x".repeat(65);
        assert!(long.fault().is_some());
    }

    #[test]
    fn it_is_plain_json() {
        let text = serde_json::to_string(&explanation(&[1.0], 1.5)).unwrap();
        assert!(text.contains(r#"{"part":"column","index":0,"name":"column 0","value":1.0}"#));
        let read: Explanation = serde_json::from_str(&text).unwrap();
        assert_eq!(read, explanation(&[1.0], 1.5));
    }
}
