//! Global pruning (Ren and others, CVPR 2015, section 4): the siblings whose scores matter least
//! become one leaf, the scores are learned again, and so on.

use serde::{Deserialize, Serialize};

use crate::error::{Result, settings};
use crate::forest::refine::{Machines, RefineSettings};
use crate::forest::trees::Branch;
use crate::forest::{Forest, Grown};
use crate::table::Table;

/// How a refined forest is pruned.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PruneSettings {
    /// How scores are learned.
    pub refine: RefineSettings,
    /// Leaves that may stay.
    pub leaves: usize,
    /// The share of leaves that goes in one round; the paper takes a tenth.
    pub share: f64,
}

/// Two leaves below one node.
struct Siblings {
    weight: f64,
    tree: usize,
    at: usize,
}

/// Refines, and prunes until at most so many leaves are left. The forest and the trees of it.
pub fn refine_and_prune(
    mut grown: Grown,
    table: &Table,
    prune: &PruneSettings,
) -> Result<(Forest, Grown)> {
    prune.refine.check()?;
    if !(0.01..=0.5).contains(&prune.share) || prune.leaves < grown.trees.len() {
        return Err(settings(
            "pruning takes a share of 0.01 to 0.5, and leaves one leaf to each tree",
        ));
    }
    let mut machines = Machines::new(&grown, table)?;
    machines.learn(table, &prune.refine);
    while machines.leaf_count > prune.leaves {
        let too_many = machines.leaf_count - prune.leaves;
        let round = ((machines.leaf_count as f64 * prune.share) as usize).clamp(1, too_many);
        merge(&mut grown, &mut machines, round, table.labels());
        machines.learn(table, &prune.refine);
    }
    let forest = grown.with_scores(machines.scores())?;
    Ok((forest, grown))
}

fn merge(grown: &mut Grown, machines: &mut Machines, count: usize, labels: &[u16]) {
    let numbers = grown.leaf_numbers();
    let mut siblings = siblings(grown, &numbers, machines);
    siblings.sort_by(|a, b| a.weight.total_cmp(&b.weight));
    siblings.truncate(count);
    // The old number of the leaf that takes the place of each.
    let mut stands_for: Vec<usize> = (0..machines.leaf_count).collect();
    for one in &siblings {
        let tree = &mut grown.trees[one.tree];
        if let Branch::Split { left, right, .. } = tree[one.at]
            && let (Branch::Leaf(a), Branch::Leaf(b)) = (&tree[left], &tree[right])
        {
            let counts = a.iter().zip(b).map(|(a, b)| a + b).collect();
            let (left, right) = (numbers[one.tree][left], numbers[one.tree][right]);
            stands_for[right] = left;
            tree[one.at] = Branch::Leaf(counts);
        }
    }
    // From left to right leaves keep their order, so the new numbers count those that stay.
    let mut next = 0;
    let mut renumbered = vec![0u32; stands_for.len()];
    for old in 0..stands_for.len() {
        if stands_for[old] == old {
            renumbered[old] = next;
            next += 1;
        } else {
            renumbered[old] = renumbered[stands_for[old]];
        }
    }
    machines.renumber(&renumbered, next as usize, labels);
}

fn siblings(grown: &Grown, numbers: &[Vec<usize>], machines: &Machines) -> Vec<Siblings> {
    let mut found = Vec::new();
    for (number, tree) in grown.trees.iter().enumerate() {
        let mut open = vec![0];
        while let Some(at) = open.pop() {
            let Branch::Split { left, right, .. } = tree[at] else {
                continue;
            };
            let leaf = |at: usize| matches!(tree[at], Branch::Leaf(_));
            if leaf(left) && leaf(right) {
                let weight = |at: usize| machines.weight(numbers[number][at]);
                found.push(Siblings {
                    weight: weight(left) + weight(right),
                    tree: number,
                    at,
                });
            } else {
                open.extend([left, right]);
            }
        }
    }
    found
}
