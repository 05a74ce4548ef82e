//! Random forests on letter: global refinement and pruning.

use anyhow::Result;
use noroshi_tiny::Family;
use noroshi_tiny::forest::{
    ForestSettings, PruneSettings, RefineSettings, refine, refine_and_prune,
};
use serde_json::json;

use super::learned::{accuracy, classic, figures, mean, model, most, outcome, source, table, told};
use crate::claims::Claim;
use crate::datasets;
use crate::rows::Context;

/// The cost was chosen on every fifth row of the training part, of 0.02, 0.05, 0.15 and 0.5.
pub(super) const SETTINGS: &str = "50 trees, cost 0.15, 60 passes, tolerance 0.02";
const TREES: usize = 50;

fn scores(seed: u64) -> RefineSettings {
    RefineSettings {
        tolerance: 0.02,
        ..RefineSettings::new(0.15, seed)
    }
}

pub(super) fn run(context: &Context) -> Result<Vec<Claim>> {
    let set = datasets::load("letter")?;
    let train = table(&set.train, set.classes, |label| label)?;
    let test = table(&set.test, set.classes, |label| label)?;
    let grow = |leaves, seed| ForestSettings::forest(TREES, leaves, seed).grow(&train);
    let mut compiled = Vec::new();
    let small = context.judge("64 leaves, refined", &json!(SETTINGS), |seed| {
        let grown = grow(64, seed)?;
        let plain = model(&train, Family::Forest(grown.scoring()?));
        let refined = refine(&grown, &train, &scores(seed))?;
        let refined = model(&train, Family::Forest(refined));
        compiled = vec![source(
            context,
            "forest of 50 x 64 leaves",
            &refined,
            &test,
        )?];
        Ok(outcome(seed, &refined, &test)?.with("plain", accuracy(&plain, &test)?))
    })?;
    let middle = context.judge("256 leaves, refined", &json!(SETTINGS), |seed| {
        let refined = refine(&grow(256, seed)?, &train, &scores(seed))?;
        let plain = model(&train, Family::Forest(grow(1024, seed)?.scoring()?));
        Ok(
            outcome(seed, &model(&train, Family::Forest(refined)), &test)?
                .with("plain", accuracy(&plain, &test)?)
                .with("plain bytes", plain.to_bytes().len()),
        )
    })?;
    let pruned = context.judge("all leaves, pruned", &json!(SETTINGS), |seed| {
        let grown = grow(0, seed)?;
        let plain = model(&train, Family::Forest(grown.scoring()?));
        let before = grown.leaf_count();
        let whole = model(
            &train,
            Family::Forest(refine(&grown, &train, &scores(seed))?),
        );
        let prune = PruneSettings {
            refine: scores(seed),
            leaves: 36_000,
            share: 0.3,
        };
        let (forest, _) = refine_and_prune(grown, &train, &prune)?;
        let leaves = forest.leaf_count();
        Ok(
            outcome(seed, &model(&train, Family::Forest(forest)), &test)?
                .with("plain", accuracy(&plain, &test)?)
                .with("plain bytes", plain.to_bytes().len())
                .with("refined", accuracy(&whole, &test)?)
                .with("leaves before", before)
                .with("leaves", leaves),
        )
    })?;
    let plain = |judged| mean(&figures(judged, "plain"));
    let gain = middle.mean() - plain(&middle);
    let whole = mean(&figures(&pruned, "refined"));
    let loss = plain(&pruned).max(whole) - pruned.mean();
    let mut claims = vec![
        small
            .at_least("forest of 50 x 64 leaves, refined", 0.91)
            .with("plain", plain(&small))
            .with("bytes", small.bytes()),
        Claim::at_most("control: the same forest, plain", plain(&small), 0.80),
        Claim::at_least("12,800 leaves refined less 51,200 plain", gain, 0.0)
            .with("refined", middle.mean())
            .with("bytes", middle.bytes())
            .with("plain bytes", most(&figures(&middle, "plain bytes"))),
        Claim::at_most(
            "leaves after pruning",
            most(&figures(&pruned, "leaves")),
            36_000.0,
        )
        .with("before", most(&figures(&pruned, "leaves before")))
        .with("bytes", pruned.bytes())
        .with("plain bytes", most(&figures(&pruned, "plain bytes"))),
        Claim::at_most("accuracy lost by pruning", loss, 0.003)
            .with("pruned", pruned.mean())
            .with("all leaves, plain", plain(&pruned))
            .with("all leaves, refined", whole),
        told(
            "scikit-learn's forests of 50 trees, plain: all leaves",
            &classic(&["forest"])?,
            "all",
        )?,
    ];
    claims.extend(compiled);
    for judged in [small, middle, pruned] {
        claims.extend(judged.claims);
    }
    Ok(claims)
}
