//! From the arrays of a dump to a tree of which no index is wrong.

use super::wrong;
use crate::error::Result;
use crate::forest::shape::Branch;
use crate::model::Intake;

/// Nodes of a tree at most: as many leaves as the format holds.
const NODES_AT_MOST: usize = 2 << 16;

/// A node as a dump has it.
pub(super) enum Raw<L> {
    Split {
        column: usize,
        threshold: f64,
        left: usize,
        right: usize,
    },
    Leaf(L),
}

/// Which numbers go left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// Those up to the threshold.
    UpTo,
    /// Those below it, compared as f32.
    Below,
}

/// The tree of `raw`, whose root is the first. Splits that every byte passes on one side are left
/// out. Whatever is not a tree (a circle, a node with two parents) is refused.
pub(super) fn build<L: Clone>(
    raw: &[Raw<L>],
    rule: Rule,
    columns: u16,
    intake: &Intake,
) -> Result<Vec<Branch<L>>> {
    if raw.is_empty() || raw.len() > NODES_AT_MOST {
        return Err(wrong(format!(
            "a tree with {} nodes: 1 to {NODES_AT_MOST} are possible",
            raw.len()
        )));
    }
    let mut made = vec![None];
    let mut seen = vec![false; raw.len()];
    let mut open = vec![(0, 0)];
    while let Some((mut from, to)) = open.pop() {
        made[to] = Some(loop {
            let node = raw
                .get(from)
                .ok_or_else(|| wrong(format!("a node points to {from} of {}", raw.len())))?;
            if std::mem::replace(&mut seen[from], true) {
                return Err(wrong(format!("node {from} has two parents or is its own")));
            }
            let (column, limit, left, right) = match node {
                Raw::Leaf(content) => break Branch::Leaf(content.clone()),
                &Raw::Split {
                    column,
                    threshold,
                    left,
                    right,
                } => (column, threshold, left, right),
            };
            if column >= usize::from(columns) {
                return Err(wrong(format!(
                    "a node asks for column {column} of {columns}"
                )));
            }
            match greatest_left(limit, rule, column, intake)? {
                None => from = right,
                Some(u8::MAX) => from = left,
                Some(threshold) => {
                    let first = made.len();
                    made.extend([None, None]);
                    open.extend([(right, first + 1), (left, first)]);
                    break Branch::Split {
                        column: column as u16,
                        threshold,
                        left: first,
                        right: first + 1,
                    };
                }
            }
        });
    }
    Ok(made.into_iter().flatten().collect())
}

/// The greatest byte that goes left; none if every one goes right.
fn greatest_left(limit: f64, rule: Rule, column: usize, intake: &Intake) -> Result<Option<u8>> {
    if !limit.is_finite() {
        return Err(wrong(format!("a threshold of {limit}")));
    }
    let number = |byte: u8| match intake {
        // Features of windows: the dump was trained on the bytes that become of them.
        Intake::Bytes | Intake::Windows(_) => f64::from(byte),
        Intake::Scaled(scales) => {
            let scale = scales[column];
            f64::from(scale.low()) + f64::from(byte) * f64::from(scale.step())
        }
    };
    let goes_left = |byte: &u8| match rule {
        Rule::UpTo => number(*byte) <= limit,
        Rule::Below => (number(*byte) as f32) < limit as f32,
    };
    Ok((0..=u8::MAX).rev().find(goes_left))
}
