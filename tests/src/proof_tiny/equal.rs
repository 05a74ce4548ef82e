//! ProtoNN against the best tree, forest and boosted trees of the same bytes. Every setting is
//! chosen on every fifth row of the training part; LightGBM trains the boosted trees in the same
//! run, and its dumps are imported with leaves of a byte.

use anyhow::{Context as _, Result, bail};
use noroshi_tiny::forest::{ForestSettings, Votes};
use noroshi_tiny::protonn::ProtoNnSettings;
use noroshi_tiny::{Family, Model, Table};
use serde_json::json;

use super::boosted_bytes::Boosted;
use super::learned::{accuracy, figures, mean, model, outcome, table};
use crate::claims::Claim;
use crate::datasets;
use crate::rows::Context;

/// Every n-th row of the training part chooses.
const CHOOSING: usize = 5;
/// How many trees a forest may have.
const TREES: [usize; 6] = [2, 3, 5, 8, 12, 20];

/// A comparison at equal bytes.
struct Column {
    data: &'static str,
    bytes: usize,
    /// What ProtoNN must be better by.
    gain: f64,
    protonn: fn(u64) -> ProtoNnSettings,
    settings: &'static str,
}

const COLUMNS: [Column; 2] = [
    Column {
        data: "letter",
        bytes: 8192,
        gain: 0.05,
        protonn: |seed| ProtoNnSettings {
            entries: 4,
            epochs: 60,
            ..ProtoNnSettings::new(15, 330, seed)
        },
        settings: "15 dimensions, 330 prototypes, 4 scores each, 60 epochs",
    },
    Column {
        data: "dna",
        bytes: 2048,
        // Red against LightGBM: its trees reach .9587 here, more than the Gaussian machine's
        // .9562 in hundreds of kilobytes; .03 beyond that is .989, where nothing has been. The
        // figure that the bar came from was held against a forest.
        gain: 0.03,
        // Chosen of 3 to 10 dimensions, 9 to 60 prototypes, pulls of 0.1 to 3, 30 and 60 passes.
        protonn: |seed| ProtoNnSettings {
            decay: 0.3,
            epochs: 30,
            ..ProtoNnSettings::new(8, 45, seed)
        },
        settings: "8 dimensions, 45 prototypes, 3 scores each, 30 epochs, decay 0.3",
    },
];

pub(super) fn claims(context: &Context) -> Result<Vec<Claim>> {
    let mut claims = Vec::new();
    for column in COLUMNS {
        claims.extend(column.claims(context)?);
    }
    Ok(claims)
}

impl Column {
    fn claims(&self, context: &Context) -> Result<Vec<Claim>> {
        let set = datasets::load(self.data)?;
        let train = table(&set.train, set.classes, |label| label)?;
        let test = table(&set.test, set.classes, |label| label)?;
        let name = format!("{}, {} bytes", self.data, self.bytes);
        let judged = context.judge(&name, &json!(self.settings), |seed| {
            let trained = (self.protonn)(seed).train(&train)?;
            let protonn = model(&train, Family::ProtoNn(trained.integer));
            let tree = self.trees(&train, &test, &[1], seed)?;
            let forest = self.trees(&train, &test, &TREES, seed)?;
            Ok(outcome(seed, &protonn, &test)?
                .with("tree", tree)
                .with("forest", forest))
        })?;
        let boosted = self.boosted(context, &train, &test)?;
        let (tree, forest) = (
            mean(&figures(&judged, "tree")),
            mean(&figures(&judged, "forest")),
        );
        let better = |than: &str, best: f64| {
            let name = format!("ProtoNN, {name}: better than the best {than} by");
            Claim::at_least(&name, judged.mean() - best, self.gain).with("ProtoNN", judged.mean())
        };
        let mut claims = vec![
            better("tree or forest", tree.max(forest))
                .with("tree", tree)
                .with("forest", forest),
            better("boosted trees", boosted).with("boosted by LightGBM", boosted),
            Claim::at_most(
                &format!("ProtoNN, {name}: bytes of the file"),
                judged.bytes() as f64,
                self.bytes as f64,
            ),
        ];
        claims.extend(judged.claims);
        Ok(claims)
    }

    /// The accuracy of the trees that the choosing rows prefer, taught all rows.
    fn trees(&self, train: &Table, test: &Table, counts: &[usize], seed: u64) -> Result<f64> {
        let (kept, choosing) = train.holdout(CHOOSING)?;
        let mut best: Option<(f64, ForestSettings)> = None;
        for &trees in counts {
            for votes in [Votes::Hard, Votes::Soft] {
                let settings = ForestSettings {
                    votes,
                    ..if trees == 1 {
                        ForestSettings::tree(0, seed)
                    } else {
                        ForestSettings::forest(trees, 0, seed)
                    }
                };
                let Some((settings, fitted)) = self.fitted(settings, &kept)? else {
                    continue;
                };
                let found = accuracy(&fitted, &choosing)?;
                if best.as_ref().is_none_or(|(known, _)| found > *known) {
                    best = Some((found, settings));
                }
            }
        }
        let (_, settings) = best.context("no trees have so few bytes")?;
        let (_, fitted) = self
            .fitted(settings, train)?
            .context("all rows make larger trees")?;
        accuracy(&fitted, test)
    }

    /// The most leaves for which the file has no more bytes.
    fn fitted(
        &self,
        settings: ForestSettings,
        table: &Table,
    ) -> Result<Option<(ForestSettings, Model)>> {
        let leaf = match settings.votes {
            Votes::Hard => 4,
            Votes::Soft => 3 + table.classes(),
        };
        let mut leaves = self.bytes / leaf / settings.trees + 1;
        while leaves >= 2 {
            let settings = ForestSettings { leaves, ..settings };
            let fitted = model(table, Family::Forest(settings.train(table)?));
            let too_many = fitted.to_bytes().len().saturating_sub(self.bytes);
            if too_many == 0 {
                return Ok(Some((settings, fitted)));
            }
            leaves -= (too_many / leaf / settings.trees).max(1);
        }
        Ok(None)
    }

    /// The accuracy of LightGBM's trees, of those that the choosing rows prefer.
    fn boosted(&self, context: &Context, train: &Table, test: &Table) -> Result<f64> {
        let boosted = Boosted {
            folder: context.folder()?.join(self.data),
            data: self.data,
            bytes: self.bytes,
        };
        let aside: Vec<usize> = (0..train.len()).step_by(CHOOSING).collect();
        let mut chosen = boosted.chosen(train, &aside)?;
        // What is within the bytes with a part of the rows may be beyond with all of them.
        chosen.reverse();
        while let Some((name, _)) = chosen.pop() {
            if let Some(model) = boosted.taught_all(&name, &aside)? {
                return accuracy(&model, test);
            }
        }
        bail!("no boosted trees have so few bytes")
    }
}
