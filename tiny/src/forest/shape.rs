//! The shape of trees: inner nodes in preorder, without pointers.

use std::collections::BTreeMap;

use crate::error::{Result, file, settings};
use crate::forest::Node;
use crate::format::bytes::{Reader, Writer};
use crate::model::{Part, Term};

/// Trees without what their leaves say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Trees {
    /// Inner nodes of each tree; a tree has one leaf more.
    pub inner: Vec<u16>,
    pub nodes: Vec<Node>,
}

/// A node of a tree with pointers; the root is the first of its tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Branch<L> {
    Split {
        column: u16,
        threshold: u8,
        left: usize,
        right: usize,
    },
    Leaf(L),
}

/// A node passed on the way down.
struct Step {
    node: usize,
    /// First leaf below it and one past the last.
    leaves: (usize, usize),
}

impl Trees {
    /// Adds a tree; `leaf` is called for each leaf from left to right.
    pub(crate) fn push<L>(&mut self, tree: &[Branch<L>], mut leaf: impl FnMut(&L)) -> Result<()> {
        let below = below(tree);
        let count = u16::try_from(below[0])
            .map_err(|_| settings("a tree has more than 65,535 nodes: limit its leaves"))?;
        self.inner.push(count);
        let mut open = vec![0];
        while let Some(at) = open.pop() {
            match &tree[at] {
                Branch::Leaf(content) => leaf(content),
                &Branch::Split {
                    column,
                    threshold,
                    left,
                    right,
                } => {
                    self.nodes.push(Node {
                        column,
                        threshold,
                        skip: below[left] as u16,
                    });
                    open.push(right);
                    open.push(left);
                }
            }
        }
        Ok(())
    }

    pub(crate) fn leaf_count(&self) -> usize {
        self.nodes.len() + self.inner.len()
    }

    /// Calls `visit` with each tree and the leaf that it reaches.
    pub(crate) fn walk(&self, row: &[u8], mut visit: impl FnMut(usize, usize)) {
        let (mut first_node, mut first_leaf) = (0, 0);
        for (tree, &inner) in self.inner.iter().enumerate() {
            let (mut node, mut leaf, mut left) = (first_node, first_leaf, usize::from(inner));
            while left > 0 {
                let at = self.nodes[node];
                let skip = usize::from(at.skip);
                if row[usize::from(at.column)] > at.threshold {
                    node += 1 + skip;
                    leaf += 1 + skip;
                    left -= 1 + skip;
                } else {
                    node += 1;
                    left = skip;
                }
            }
            visit(tree, leaf);
            first_node += usize::from(inner);
            first_leaf += usize::from(inner) + 1;
        }
    }

    /// For each column the change of the mean of `value(tree, leaf)` at its nodes on the way; the
    /// base is `base` and the mean over all leaves of every tree. The sum telescopes to the score.
    pub(crate) fn explain(
        &self,
        row: &[u8],
        mut base: f64,
        value: impl Fn(usize, usize) -> f64,
    ) -> Vec<Term> {
        let mean = |tree: usize, (first, end): (usize, usize)| {
            (first..end).map(|leaf| value(tree, leaf)).sum::<f64>() / (end - first) as f64
        };
        let mut columns = BTreeMap::<u16, f64>::new();
        let (mut first_node, mut first_leaf) = (0, 0);
        for (tree, &inner) in self.inner.iter().enumerate() {
            let inner = usize::from(inner);
            let mut before = mean(tree, (first_leaf, first_leaf + inner + 1));
            base += before;
            for step in self.steps(row, first_node, first_leaf, inner) {
                let after = mean(tree, step.leaves);
                *columns.entry(self.nodes[step.node].column).or_default() += after - before;
                before = after;
            }
            first_node += inner;
            first_leaf += inner + 1;
        }
        let base = Term {
            part: Part::Base,
            value: base,
        };
        let columns = columns.into_iter().map(|(column, value)| Term {
            part: Part::Column(column),
            value,
        });
        std::iter::once(base).chain(columns).collect()
    }

    /// Each node passed, with the leaves below the child that was taken.
    fn steps(&self, row: &[u8], mut node: usize, mut leaf: usize, mut left: usize) -> Vec<Step> {
        let mut steps = Vec::new();
        while left > 0 {
            let (passed, at) = (node, self.nodes[node]);
            let skip = usize::from(at.skip);
            if row[usize::from(at.column)] > at.threshold {
                (node, leaf, left) = (node + 1 + skip, leaf + 1 + skip, left - 1 - skip);
            } else {
                (node, left) = (node + 1, skip);
            }
            steps.push(Step {
                node: passed,
                leaves: (leaf, leaf + left + 1),
            });
        }
        steps
    }

    /// Bytes of a node's column and of its skip in file and flash.
    pub(crate) fn widths(&self, columns: u16) -> (usize, usize) {
        let wide = self.nodes.iter().any(|node| node.skip > 255);
        (1 + usize::from(columns > 256), 1 + usize::from(wide))
    }

    /// The nodes; how many there are in each tree is written before, by the family.
    pub(crate) fn write_nodes(&self, writer: &mut Writer, columns: u16) {
        let (column_bytes, skip_bytes) = self.widths(columns);
        for node in &self.nodes {
            writer.bytes(&node.column.to_le_bytes()[..column_bytes]);
            writer.u8(node.threshold);
            writer.bytes(&node.skip.to_le_bytes()[..skip_bytes]);
        }
    }

    /// The trees whose sizes are `inner`: no walk can leave its tree.
    pub(crate) fn read(
        reader: &mut Reader<'_>,
        inner: Vec<u16>,
        columns: u16,
        wide: bool,
    ) -> Result<Self> {
        let count = inner.iter().copied().map(usize::from).sum();
        let nodes = reader.many(count, |reader| read_node(reader, columns, wide))?;
        check_shape(&inner, &nodes)?;
        Ok(Self { inner, nodes })
    }
}

fn read_node(reader: &mut Reader<'_>, columns: u16, wide: bool) -> Result<Node> {
    let column = if columns > 256 {
        reader.u16()?
    } else {
        u16::from(reader.u8()?)
    };
    if column >= columns {
        return Err(file(format!(
            "a tree asks for column {column} of {columns}"
        )));
    }
    Ok(Node {
        column,
        threshold: reader.u8()?,
        skip: if wide {
            reader.u16()?
        } else {
            u16::from(reader.u8()?)
        },
    })
}

/// Whether every `skip` stays inside its tree: then no walk can leave it.
fn check_shape(inner: &[u16], nodes: &[Node]) -> Result<()> {
    let mut open = Vec::new();
    let mut next = nodes.iter();
    for &inner in inner {
        open.push(usize::from(inner));
        while let Some(below) = open.pop() {
            if below == 0 {
                continue;
            }
            let skip = usize::from(next.next().map_or(u16::MAX, |node| node.skip));
            let right = (below - 1)
                .checked_sub(skip)
                .ok_or_else(|| file("a node of a tree points beyond it"))?;
            // Preorder: the left side comes first, so that it is popped first.
            open.push(right);
            open.push(skip);
        }
    }
    Ok(())
}

/// Inner nodes at and below each node.
pub(crate) fn below<L>(tree: &[Branch<L>]) -> Vec<usize> {
    let mut below = vec![0; tree.len()];
    let mut order = Vec::with_capacity(tree.len());
    let mut open = vec![0];
    while let Some(at) = open.pop() {
        order.push(at);
        if let Branch::Split { left, right, .. } = tree[at] {
            open.extend([left, right]);
        }
    }
    for at in order.into_iter().rev() {
        if let Branch::Split { left, right, .. } = tree[at] {
            below[at] = 1 + below[left] + below[right];
        }
    }
    below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_points_beyond_its_tree_is_refused() {
        let node = |skip| Node {
            column: 0,
            threshold: 1,
            skip,
        };
        assert!(check_shape(&[2, 1], &[node(1), node(0), node(0)]).is_ok());
        assert!(check_shape(&[2, 1], &[node(0), node(0), node(0)]).is_ok());
        assert!(check_shape(&[2, 1], &[node(1), node(1), node(0)]).is_err());
        assert!(check_shape(&[2, 1], &[node(0), node(0), node(1)]).is_err());
    }
}
