//! Families and settings that could be within a budget: of each kind the largest, and smaller
//! ones where the largest may learn its rows by heart.

use super::budget::Budget;
use super::candidates::Candidate;
use super::cost::{Kind, Shape};
use super::intake::{Taken, taken};
use crate::bonsai::BonsaiSettings;
use crate::descend::Standardized;
use crate::fastfood::{CompactSettings, MOST_COLUMNS};
use crate::forest::{ForestSettings, PruneSettings, RefineSettings, Votes};
use crate::linear::LinearSettings;
use crate::model::Intake;
use crate::protonn::ProtoNnSettings;
use crate::table::Table;

/// Leaves of one tree, prototypes and entries that are tried at most.
const MOST_LEAVES: u64 = 4096;
const MOST_PROTOTYPES: u64 = 700;
const MOST_ENTRIES: u64 = 4000;
/// Random features that are tried at most: their equations take the cube of it.
const MOST_PAIRS: u64 = 1000;
/// Strengths of linear heads.
const LAMBDAS: [f64; 3] = [1e-4, 1e-3, 1e-2];
/// Widths of kernels, as shares of the distance of two rows.
const WIDTHS: [f32; 3] = [0.25, 0.4, 0.6];
/// What is added to deviations where some columns are almost never set, as pixels at a border.
const DAMPING: f32 = 0.45;
/// A forest is grown so much larger than what pruning leaves of it.
const GROWN: usize = 3;

/// All that could be within the budget, by what is known before training.
pub(super) fn candidates(
    table: &Table,
    intake: &Intake,
    budget: &Budget,
    seed: u64,
) -> Vec<Candidate> {
    let plan = Plan {
        rows: table.len() as u64,
        columns: table.columns() as u64,
        classes: table.classes() as u64,
        intake: taken(intake),
        damping: damping(table),
        budget,
        seed,
    };
    let mut found = Vec::new();
    plan.trees(&mut found);
    plan.refined(&mut found);
    plan.protonn(&mut found);
    plan.bonsai(&mut found);
    plan.linear(&mut found);
    plan.fastfood(&mut found);
    found
}

/// The smallest model that there is: a tree of two leaves.
pub(super) fn smallest(columns: usize, classes: usize, intake: &Intake) -> Shape {
    Shape {
        columns: columns as u64,
        classes: classes as u64,
        intake: taken(intake),
        kind: trees(1, 2, 1),
    }
}

struct Plan<'a> {
    rows: u64,
    columns: u64,
    classes: u64,
    intake: Taken,
    damping: f32,
    budget: &'a Budget,
    seed: u64,
}

/// 0, or what suits pixels if one changing column in eight deviates by less than a tenth of what
/// the loudest does.
fn damping(table: &Table) -> f32 {
    let rows = Standardized::new(table, 0.0);
    let changing: Vec<f32> = rows.factors.into_iter().filter(|one| *one > 0.0).collect();
    let loudest = changing.iter().copied().fold(f32::INFINITY, f32::min);
    let quiet = changing.iter().filter(|one| **one > 10.0 * loudest).count();
    if 8 * quiet > changing.len() {
        DAMPING
    } else {
        0.0
    }
}

/// Trees of so many leaves each, as flat as can be.
fn trees(trees: u64, leaves: u64, leaf: u64) -> Kind {
    Kind::Trees {
        trees,
        nodes: trees * (leaves - 1),
        // Up to 256 leaves, no node has more than 255 inner nodes on its left.
        skip: 1 + u64::from(leaves > 256),
        leaf,
        path: trees * u64::from(leaves.next_power_of_two().trailing_zeros()),
        more: 0,
    }
}

impl Plan<'_> {
    fn allows(&self, kind: Kind) -> bool {
        let shape = Shape {
            columns: self.columns,
            classes: self.classes,
            intake: self.intake,
            kind,
        };
        self.budget.allows(&shape.cost())
    }

    /// The largest of `least` to `most` that the budget allows.
    fn largest(&self, least: u64, most: u64, kind: impl Fn(u64) -> Kind) -> Option<u64> {
        if least > most || !self.allows(kind(least)) {
            return None;
        }
        let (mut good, mut bad) = (least, most + 1);
        while good + 1 < bad {
            let middle = u64::midpoint(good, bad);
            if self.allows(kind(middle)) {
                good = middle;
            } else {
                bad = middle;
            }
        }
        Some(good)
    }

    fn most_leaves(&self) -> u64 {
        MOST_LEAVES.min(self.rows)
    }

    fn trees(&self, found: &mut Vec<Candidate>) {
        if let Some(largest) = self.largest(2, self.most_leaves(), |leaves| trees(1, leaves, 1)) {
            let sizes = smaller(largest, 2, 3);
            let tree = |leaves| ForestSettings::tree(leaves as usize, self.seed);
            found.extend(sizes.map(tree).map(Candidate::Tree));
        }
        for count in [3, 5, 10, 20] {
            for (votes, leaf) in [(Votes::Hard, 1), (Votes::Soft, self.classes)] {
                let kind = |leaves| trees(count, leaves, leaf);
                let Some(largest) = self.largest(2, self.most_leaves(), kind) else {
                    continue;
                };
                // Trees come out deeper than the flattest: the smaller one is for tight cycles.
                found.extend(smaller(largest, 2, 2).map(|leaves| {
                    let forest = ForestSettings::forest(count as usize, leaves as usize, self.seed);
                    Candidate::Forest(ForestSettings { votes, ..forest })
                }));
            }
        }
    }

    fn refined(&self, found: &mut Vec<Candidate>) {
        for count in [5, 10, 20, 40] {
            let kind = |leaves| trees(count, leaves, self.classes);
            let Some(largest) = self.largest(2, self.most_leaves(), kind) else {
                continue;
            };
            let (count, leaves) = (count as usize, largest as usize);
            let forest = |leaves| ForestSettings::forest(count, leaves, self.seed);
            let refine = |cost| RefineSettings::new(cost, self.seed);
            for cost in [0.02, 0.15] {
                found.push(Candidate::Refined(forest(leaves), refine(cost)));
            }
            found.push(Candidate::Refined(
                forest((leaves / 2).max(2)),
                refine(0.02),
            ));
            let prune = PruneSettings {
                refine: refine(0.02),
                leaves: count * leaves,
                share: 0.3,
            };
            found.push(Candidate::Pruned(forest(GROWN * leaves), prune));
        }
    }

    fn protonn(&self, found: &mut Vec<Candidate>) {
        let most = MOST_PROTOTYPES.min(self.rows / 2);
        let few: &[u64] = if self.classes > 5 { &[0, 4] } else { &[0] };
        for dimensions in [3, 5, 8, 10, 15, 20] {
            for &entries in few {
                let kind = |prototypes| Kind::ProtoNn {
                    dimensions,
                    prototypes,
                    entries: if entries == 0 { self.classes } else { entries },
                };
                if dimensions > self.columns {
                    continue;
                }
                if let Some(largest) = self.largest(self.classes, most, kind) {
                    let settings =
                        ProtoNnSettings::new(dimensions as usize, largest as usize, self.seed);
                    found.push(Candidate::ProtoNn(ProtoNnSettings {
                        entries: entries as usize,
                        damping: self.damping,
                        ..settings
                    }));
                }
            }
        }
    }

    fn bonsai(&self, found: &mut Vec<Candidate>) {
        for dimensions in [3, 5, 10, 20] {
            for depth in 0..4 {
                let kind = |entries| Kind::Bonsai {
                    dimensions,
                    depth,
                    entries,
                    packed: 2 * entries,
                };
                let most = MOST_ENTRIES.min(dimensions * self.columns);
                let least = dimensions.min(most);
                if let Some(largest) = self.largest(least, most, kind) {
                    let settings = BonsaiSettings::new(
                        dimensions as usize,
                        depth as usize,
                        largest as usize,
                        self.seed,
                    );
                    found.push(Candidate::Bonsai(BonsaiSettings {
                        damping: self.damping,
                        ..settings
                    }));
                }
            }
        }
    }

    fn linear(&self, found: &mut Vec<Candidate>) {
        let kind = |counting| Kind::Linear { counting };
        let Some(largest) = self.largest(1, self.columns, kind) else {
            return;
        };
        found.extend(LAMBDAS.map(|lambda| {
            Candidate::Linear(LinearSettings {
                columns: if largest < self.columns {
                    largest as usize
                } else {
                    0
                },
                damping: self.damping,
                ..LinearSettings::new(lambda)
            })
        }));
    }

    fn fastfood(&self, found: &mut Vec<Candidate>) {
        if self.columns > MOST_COLUMNS as u64 {
            return;
        }
        let most = MOST_PAIRS.min(self.rows);
        let Some(pairs) = self.largest(self.classes, most, |pairs| Kind::Fastfood { pairs }) else {
            return;
        };
        for width in WIDTHS {
            found.extend([1e-5, 1e-4].map(|lambda| {
                Candidate::Fastfood(CompactSettings {
                    pairs: pairs as usize,
                    width,
                    lambda,
                    rounds: 30,
                    seed: self.seed,
                })
            }));
        }
    }
}

/// The largest, half of it, a quarter of it, …: `count` of them, none below `least`.
fn smaller(largest: u64, least: u64, count: u32) -> impl Iterator<Item = u64> {
    (0..count)
        .map(move |halvings| largest >> halvings)
        .filter(move |size| *size >= least)
}
