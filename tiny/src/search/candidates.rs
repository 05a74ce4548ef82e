//! A family with settings: how it is trained, and how people are told of it.

use serde::{Deserialize, Serialize};

use crate::bonsai::BonsaiSettings;
use crate::error::Result;
use crate::fastfood::CompactSettings;
use crate::forest::{
    ForestSettings, PruneSettings, RefineSettings, Votes, refine, refine_and_prune,
};
use crate::linear::LinearSettings;
use crate::model::{Family, Intake, Model};
use crate::protonn::ProtoNnSettings;
use crate::table::Table;

/// A family with settings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Candidate {
    /// A decision tree.
    Tree(ForestSettings),
    /// A forest whose leaves vote or have shares.
    Forest(ForestSettings),
    /// A forest whose leaves were learned together.
    Refined(ForestSettings, RefineSettings),
    /// The same, pruned.
    Pruned(ForestSettings, PruneSettings),
    /// Prototypes, integer.
    ProtoNn(ProtoNnSettings),
    /// A Bonsai tree, integer.
    Bonsai(BonsaiSettings),
    /// A linear model, integer.
    Linear(LinearSettings),
    /// Random features under a linear head.
    Fastfood(CompactSettings),
}

/// How much is spent on a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
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
    pub fn family(&self) -> &'static str {
        match self {
            Self::Tree(_) => "tree",
            Self::Forest(_) => "forest",
            Self::Refined(..) => "refined forest",
            Self::Pruned(..) => "pruned forest",
            Self::ProtoNn(_) => "ProtoNN",
            Self::Bonsai(_) => "Bonsai",
            Self::Linear(_) => "linear",
            Self::Fastfood(_) => "Fastfood",
        }
    }

    /// The same with another seed.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        match self {
            Self::Tree(one) => Self::Tree(ForestSettings { seed, ..one }),
            Self::Forest(one) => Self::Forest(ForestSettings { seed, ..one }),
            Self::Refined(forest, refine) => Self::Refined(
                ForestSettings { seed, ..forest },
                RefineSettings { seed, ..refine },
            ),
            Self::Pruned(forest, prune) => Self::Pruned(
                ForestSettings { seed, ..forest },
                PruneSettings {
                    refine: RefineSettings {
                        seed,
                        ..prune.refine
                    },
                    ..prune
                },
            ),
            Self::ProtoNn(one) => Self::ProtoNn(ProtoNnSettings { seed, ..one }),
            Self::Bonsai(one) => Self::Bonsai(BonsaiSettings { seed, ..one }),
            Self::Linear(one) => Self::Linear(one),
            Self::Fastfood(one) => Self::Fastfood(CompactSettings { seed, ..one }),
        }
    }

    /// Its settings, for people.
    pub fn settings(&self) -> String {
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
            Self::Linear(one) if one.columns == 0 => format!("lambda {}", one.lambda),
            Self::Linear(one) => format!("{} columns, lambda {}", one.columns, one.lambda),
            Self::Fastfood(one) => format!(
                "{} features, width {}, lambda {}",
                2 * one.pairs,
                one.width,
                one.lambda
            ),
        }
    }

    /// Trains it on all rows of `table`.
    pub fn train(&self, table: &Table, intake: &Intake, effort: Effort) -> Result<Model> {
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
            Self::Linear(settings) => Family::Linear(settings.train(table)?),
            Self::Fastfood(settings) => Family::Fastfood(settings.train(table)?),
        };
        Ok(Model {
            intake: intake.clone(),
            columns: table.columns() as u16,
            classes: table.classes() as u16,
            family,
        })
    }
}
