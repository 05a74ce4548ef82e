//! An engine's explanation in the words of the wire, its small terms summed. Pure.

use noroshi_engine::Explanation;
use noroshi_model::InputSpec;
use noroshi_protocol::{Part, Rest, TERMS_AT_MOST, Term};

use super::Why;

/// The explanation of an answer to an input like `spec`.
pub(super) fn why(explanation: &Explanation, spec: &InputSpec) -> Why {
    let named = explanation.terms.len().min(TERMS_AT_MOST);
    let (named, others) = explanation.terms.split_at(named);
    Why {
        label: explanation.label.into(),
        score: explanation.score,
        terms: named.iter().map(|one| term(one, spec)).collect(),
        rest: Rest {
            count: others.len() as u32,
            value: others.iter().map(|term| term.value).sum(),
        },
    }
}

fn term(term: &noroshi_engine::Term, spec: &InputSpec) -> Term {
    use noroshi_engine::Part as From;
    let (part, index, name) = match term.part {
        From::Base => (Part::Base, 0, "base".to_owned()),
        From::Column(index) => (Part::Column, index, column(index, spec)),
        From::Prototype(index) => (Part::Prototype, index, format!("prototype {index}")),
        From::Node(index) => (Part::Node, index, format!("node {index}")),
    };
    Term {
        part,
        index: index.into(),
        name,
        value: term.value,
    }
}

/// Of a picture a column is a pixel, of a row it is a column.
fn column(index: u16, spec: &InputSpec) -> String {
    let index = u32::from(index);
    match spec.height {
        1 => format!("column {index}"),
        _ => format!("pixel {},{}", index % spec.width, index / spec.width),
    }
}

#[cfg(test)]
mod tests {
    use noroshi_model::{ColorOrder, ElementType, Layout, Normalization, Resize};

    use super::*;

    fn spec(width: u32, height: u32) -> InputSpec {
        InputSpec {
            name: "row".into(),
            height,
            width,
            dtype: ElementType::U8,
            layout: Layout::Nchw,
            color: ColorOrder::Gray,
            resize: Resize::Stretch,
            features: None,
            normalization: Normalization::NONE,
        }
    }

    #[test]
    fn small_terms_are_summed_and_places_named() {
        let terms = (0..100_u16).map(|index| noroshi_engine::Term {
            part: noroshi_engine::Part::Column(index),
            value: 1.0 / f64::from(index + 1),
        });
        let explanation = Explanation {
            label: 2,
            score: (1..=100).map(|index| 1.0 / f64::from(index)).sum(),
            terms: terms.collect(),
        };
        let picture = why(&explanation, &spec(10, 10));
        assert_eq!(
            (picture.terms.len(), picture.rest.count),
            (TERMS_AT_MOST, 36)
        );
        assert_eq!(picture.terms[23].name, "pixel 3,2");
        let named: f64 = picture.terms.iter().map(|term| term.value).sum();
        assert!((named + picture.rest.value - explanation.score).abs() < 1e-9);
        let row = why(&explanation, &spec(100, 1));
        assert_eq!(
            (row.terms[23].index, row.terms[23].name.as_str()),
            (23, "column 23")
        );
    }
}
