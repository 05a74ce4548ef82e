//! Families and settings that could be within a budget: of each kind the largest, and smaller
//! ones where the largest may learn its rows by heart.

use crate::bonsai::BonsaiSettings;
use crate::error::Result;
use crate::forest::{
    ForestSettings, PruneSettings, RefineSettings, Votes, refine, refine_and_prune,
};
use crate::model::{Family, Intake, Model};
use crate::protonn::ProtoNnSettings;
use crate::search::budget::Budget;
use crate::search::cost::{Cost, Kind, Shape};
use crate::search::intake::taken;
use crate::table::Table;

/// Leaves of one tree, prototypes and entries that are tried at most.
const MOST_LEAVES: u64 = 1024;
const MOST_PROTOTYPES: u64 = 400;
const MOST_ENTRIES: u64 = 4000;
/// A forest is grown so much larger than what pruning leaves of it.
const GROWN: usize = 3;

/// A family with settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Candidate {
    Tree(ForestSettings),
    Forest(ForestSettings),
    Refined(ForestSettings, RefineSettings),
    Pruned(ForestSettings, PruneSettings),
    ProtoNn(ProtoNnSettings),
    Bonsai(BonsaiSettings),
}

/// How much is spent on a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effort {
    /// Enough to see which are worth more.
    Glance,
    /// What settings of the family usually take.
    Full,
}

impl Effort {
    fn passes(self, full: usize) -> usize {
        match self {
            Self::Glance => full.div_ceil(4).max(3),
            Self::Full => full,
        }
    }
}

impl Candidate {
    /// The family's name.
    pub(super) fn family(&self) -> &'static str {
        match self {
            Self::Tree(_) => "tree",
            Self::Forest(_) => "forest",
            Self::Refined(..) => "refined forest",
            Self::Pruned(..) => "pruned forest",
            Self::ProtoNn(_) => "ProtoNN",
            Self::Bonsai(_) => "Bonsai",
        }
    }

    /// Its settings, for people.
    pub(super) fn settings(&self) -> String {
        match self {
            Self::Tree(tree) => format!("{} leaves", tree.leaves),
            Self::Forest(forest) => {
                let votes = match forest.votes {
                    Votes::Hard => "votes",
                    Votes::Soft => "shares",
                };
                format!(
                    "{} trees of {} leaves, {votes}",
                    forest.trees, forest.leaves
                )
            }
            Self::Refined(forest, refine) => format!(
                "{} trees of {} leaves, cost {}",
                forest.trees, forest.leaves, refine.cost
            ),
            Self::Pruned(forest, prune) => format!(
                "{} trees of {} leaves, pruned to {} in all, cost {}",
                forest.trees, forest.leaves, prune.leaves, prune.refine.cost
            ),
            Self::ProtoNn(one) => format!(
                "{} dimensions, {} prototypes, {}",
                one.dimensions,
                one.prototypes,
                match one.entries {
                    0 => "a score for each class".to_owned(),
                    entries => format!("{entries} scores each"),
                }
            ),
            Self::Bonsai(one) => format!(
                "{} dimensions, depth {}, {} entries",
                one.dimensions, one.depth, one.entries
            ),
        }
    }

    /// Trains it.
    pub(super) fn train(&self, table: &Table, intake: &Intake, effort: Effort) -> Result<Model> {
        let refining = |settings: RefineSettings| RefineSettings {
            passes: effort.passes(settings.passes),
            ..settings
        };
        let family = match *self {
            Self::Tree(settings) | Self::Forest(settings) => Family::Forest(settings.train(table)?),
            Self::Refined(forest, settings) => {
                Family::Forest(refine(&forest.grow(table)?, table, &refining(settings))?)
            }
            Self::Pruned(forest, prune) => {
                let prune = PruneSettings {
                    refine: refining(prune.refine),
                    ..prune
                };
                Family::Forest(refine_and_prune(forest.grow(table)?, table, &prune)?.0)
            }
            Self::ProtoNn(settings) => {
                let rows = (table.len() / 2).max(table.classes());
                let settings = ProtoNnSettings {
                    epochs: effort.passes(settings.epochs),
                    prototypes: settings.prototypes.min(rows),
                    ..settings
                };
                Family::ProtoNn(settings.train(table)?.integer)
            }
            Self::Bonsai(settings) => {
                let settings = BonsaiSettings {
                    epochs: effort.passes(settings.epochs),
                    ..settings
                };
                Family::Bonsai(settings.train(table)?.integer)
            }
        };
        Ok(Model {
            intake: intake.clone(),
            columns: table.columns() as u16,
            classes: table.classes() as u16,
            family,
        })
    }
}

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
        budget,
        seed,
    };
    let mut found = Vec::new();
    plan.trees(&mut found);
    plan.refined(&mut found);
    plan.protonn(&mut found);
    plan.bonsai(&mut found);
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
    intake: Cost,
    budget: &'a Budget,
    seed: u64,
}

/// Trees of so many leaves each, as flat as can be.
fn trees(trees: u64, leaves: u64, leaf: u64) -> Kind {
    Kind::Trees {
        trees,
        nodes: trees * (leaves - 1),
        skip: 1,
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
                    found.push(Candidate::Bonsai(BonsaiSettings::new(
                        dimensions as usize,
                        depth as usize,
                        largest as usize,
                        self.seed,
                    )));
                }
            }
        }
    }
}

/// The largest, half of it, a quarter of it, …: `count` of them, none below `least`.
fn smaller(largest: u64, least: u64, count: u32) -> impl Iterator<Item = u64> {
    (0..count)
        .map(move |halvings| largest >> halvings)
        .filter(move |size| *size >= least)
}
