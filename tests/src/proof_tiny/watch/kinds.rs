//! What a model may be.

use anyhow::Result;
use noroshi_tiny::bonsai::BonsaiSettings;
use noroshi_tiny::forest::{
    ForestSettings, PruneSettings, RefineSettings, Votes, refine_and_prune,
};
use noroshi_tiny::protonn::ProtoNnSettings;
use noroshi_tiny::{Family, Table};

/// A family with settings that make a file of at most 8 KB with the watch's features.
pub(super) struct Kind {
    /// For people.
    pub name: &'static str,
    /// Trains it.
    pub train: fn(&Table, u64) -> Result<Family>,
}

pub(super) const KINDS: [Kind; 10] = [
    Kind {
        name: "forest, 16 trees of 110 leaves",
        train: |table, seed| {
            let forest = ForestSettings {
                votes: Votes::Hard,
                ..ForestSettings::forest(16, 110, seed)
            };
            Ok(Family::Forest(forest.train(table)?))
        },
    },
    Kind {
        name: "pruned forest, 40 trees of 60 leaves to 740",
        train: |table, seed| {
            let grown = ForestSettings::forest(40, 60, seed).grow(table)?;
            let prune = PruneSettings {
                refine: RefineSettings::new(0.02, seed),
                leaves: 740,
                share: 0.3,
            };
            Ok(Family::Forest(refine_and_prune(grown, table, &prune)?.0))
        },
    },
    Kind {
        name: "ProtoNN, 15 dimensions, 100 prototypes",
        train: |table, seed| protonn(table, (15, 100), 0.0, seed),
    },
    Kind {
        name: "ProtoNN, 20 dimensions, 80 prototypes",
        train: |table, seed| protonn(table, (20, 80), 0.0, seed),
    },
    Kind {
        name: "ProtoNN, 20 dimensions, 80 prototypes, decay 0.03",
        train: |table, seed| protonn(table, (20, 80), 0.03, seed),
    },
    Kind {
        name: "ProtoNN, 20 dimensions, 80 prototypes, decay 0.1",
        train: |table, seed| protonn(table, (20, 80), 0.1, seed),
    },
    Kind {
        name: "ProtoNN, 30 dimensions, 60 prototypes, decay 0.1",
        train: |table, seed| protonn(table, (30, 60), 0.1, seed),
    },
    Kind {
        name: "ProtoNN, 20 dimensions, 80 prototypes, decay 0.3",
        train: |table, seed| protonn(table, (20, 80), 0.3, seed),
    },
    Kind {
        name: "Bonsai, 20 dimensions, depth 1, decay 3e-4",
        train: |table, seed| bonsai(table, (20, 1), 3e-4, seed),
    },
    Kind {
        name: "Bonsai, 20 dimensions, depth 1, decay 3e-3",
        train: |table, seed| bonsai(table, (20, 1), 3e-3, seed),
    },
];

fn protonn(
    table: &Table,
    (dimensions, prototypes): (usize, usize),
    decay: f32,
    seed: u64,
) -> Result<Family> {
    let settings = ProtoNnSettings {
        damping: 0.0,
        decay,
        ..ProtoNnSettings::new(dimensions, prototypes, seed)
    };
    Ok(Family::ProtoNn(settings.train(table)?.integer))
}

fn bonsai(
    table: &Table,
    (dimensions, depth): (usize, usize),
    decay: f32,
    seed: u64,
) -> Result<Family> {
    let entries = dimensions * table.columns();
    let settings = BonsaiSettings {
        damping: 0.0,
        decay,
        ..BonsaiSettings::new(dimensions, depth, entries, seed)
    };
    Ok(Family::Bonsai(settings.train(table)?.integer))
}
