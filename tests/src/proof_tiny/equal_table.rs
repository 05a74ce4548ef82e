//! The table of equal bytes: which family is best for so many bytes of a file, and whether the
//! search finds it.
//!
//! The long form searches each column once (`noroshi model train`'s search, LightGBM beside it on
//! the same rows set aside), takes the best of each family by the rows set aside, teaches it all
//! rows with each of the five seeds, and checks that in; it goes on where it was stopped. The
//! short form teaches what is checked in.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, Result, ensure};
use noroshi_tiny::search::{Budget, Candidate, Effort, SearchSettings, search, set_aside};
use noroshi_tiny::{Intake, Model, Table};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::boosted_bytes::Boosted;
use super::learned::{accuracy, mean, table};
use crate::claims::{Claim, rounded};
use crate::datasets;
use crate::rows::seeds::SEEDS;
use crate::rows::{Context, Row};

pub(super) const ROW: Row = Row {
    name: "equal",
    settings: "search 1: 2,000 rows at first, 2 of each family in full",
    run,
};

const DATA: [&str; 4] = ["letter", "satellite", "dna", "mnist10k"];
const SIZES: [usize; 3] = [2048, 8192, 16_384];
const BOOSTED: &str = "boosted";
/// The table's columns, in its order.
const FAMILIES: [&str; 8] = [
    "ProtoNN",
    "Bonsai",
    "tree",
    "forest",
    "refined forest",
    BOOSTED,
    "linear",
    "Fastfood",
];
/// The seed of the search.
const SEARCHED: u64 = 1;
/// How far from the best cell the pick may be.
const NEAR: f64 = 0.01;
/// In how many columns of twelve it must be as near.
const COLUMNS: f64 = 11.0;
/// By how many rows of the test part a cell may differ when it is trained again.
const REPRODUCED: f64 = 4.0;
/// How much worse than the mean a seed that nobody chose may be.
const WORSE: f64 = 0.025;

/// A family's best within the bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Cell {
    family: String,
    /// A [`Candidate`]; of boosted trees the name of LightGBM's settings.
    settings: Value,
    /// Its accuracy on the rows set aside.
    chosen: f64,
    /// What it reached, taught all rows; one a seed, one in all where nothing is left to chance.
    #[serde(default)]
    reached: Vec<Reached>,
}

/// What one seed came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Reached {
    seed: u64,
    accuracy: f64,
    bytes: usize,
    digest: String,
}

/// What is checked in.
type Record = BTreeMap<String, Vec<Cell>>;

/// A data set and bytes of a file.
struct Column<'a> {
    context: &'a Context,
    data: &'static str,
    bytes: usize,
    train: &'a Table,
    test: &'a Table,
}

fn run(context: &Context) -> Result<Vec<Claim>> {
    let mut record = read(context)?;
    let mut claims = Vec::new();
    // All columns with one seed before any with the others: a run that is stopped tells most.
    let rounds: &[&[u64]] = if context.full() {
        &[&SEEDS[..1], &SEEDS]
    } else {
        &[&SEEDS[..1]]
    };
    for (round, seeds) in rounds.iter().enumerate() {
        for data in DATA {
            let set = datasets::load(data)?;
            let train = table(&set.train, set.classes, |label| label)?;
            let test = table(&set.test, set.classes, |label| label)?;
            for bytes in SIZES {
                let column = Column {
                    context,
                    data,
                    bytes,
                    train: &train,
                    test: &test,
                };
                if context.full() {
                    record.insert(column.name(), column.searched(seeds)?);
                    write(context, &record)?;
                } else {
                    let cells = record.get(&column.name()).context(MISSING)?;
                    claims.extend(column.again(cells)?);
                }
                if context.full() && round == 0 {
                    eprintln!("{}", line(&column.name(), &record[&column.name()]));
                }
            }
        }
    }
    eprint!("{}", told(&record));
    claims.extend(judged(&record));
    Ok(claims)
}

const MISSING: &str =
    "nothing is checked in: run `make proof-tiny ONLY=equal FULL=1` and commit its record";

impl Column<'_> {
    fn name(&self) -> String {
        format!("{}, {} KB", self.data, self.bytes / 1024)
    }

    /// The best of each family, taught with these seeds.
    fn searched(&self, seeds: &[u64]) -> Result<Vec<Cell>> {
        let name = self.name();
        let mut cells: Vec<Cell> = self
            .context
            .remember(&format!("{name}: search"), || self.search())?;
        cells.push(
            self.context
                .remember(&format!("{name}: {BOOSTED}"), || self.boosted())?,
        );
        for cell in &mut cells {
            let drawn = cell.family != BOOSTED && cell.family != "linear";
            for &seed in if drawn { seeds } else { &seeds[..1] } {
                let part = format!("{name}: {}, seed {seed}, {}", cell.family, cell.settings);
                let reached = self.context.remember(&part, || self.reach(cell, seed))?;
                cell.reached.push(reached);
            }
        }
        Ok(cells)
    }

    fn search(&self) -> Result<Vec<Cell>> {
        let budget: Budget = format!("{} B on the agent", self.bytes).parse()?;
        let asked = SearchSettings::new(SEARCHED);
        let found = search(self.train, &Intake::Bytes, &budget, &asked, &mut |_, _| ())?;
        let mut cells: Vec<Cell> = Vec::new();
        for one in &found.best {
            let family = match one.family {
                "pruned forest" => "refined forest",
                other => other,
            };
            if cells.iter().all(|cell| cell.family != family) {
                cells.push(Cell {
                    family: family.to_owned(),
                    settings: serde_json::to_value(one.candidate)?,
                    chosen: one.accuracy,
                    reached: Vec::new(),
                });
            }
        }
        Ok(cells)
    }

    fn lightgbm(&self) -> Result<Boosted> {
        Ok(Boosted {
            folder: self.context.folder()?.join(self.data),
            data: self.data,
            bytes: self.bytes,
        })
    }

    fn boosted(&self) -> Result<Cell> {
        let aside = set_aside(self.train, SEARCHED)?;
        let lightgbm = self.lightgbm()?;
        for (name, chosen) in lightgbm.chosen(self.train, &aside)? {
            if lightgbm.taught_all(&name, &aside)?.is_some() {
                return Ok(Cell {
                    family: BOOSTED.to_owned(),
                    settings: json!(name),
                    chosen,
                    reached: Vec::new(),
                });
            }
        }
        anyhow::bail!("{}: no boosted trees have so few bytes", self.name())
    }

    /// Taught all rows with this seed.
    fn reach(&self, cell: &Cell, seed: u64) -> Result<Reached> {
        let model = if cell.family == BOOSTED {
            let name = cell.settings.as_str().context("LightGBM's settings")?;
            let aside = set_aside(self.train, SEARCHED)?;
            let taught = self.lightgbm()?.taught_all(name, &aside)?;
            taught.context("LightGBM's trees take more bytes than before")?
        } else {
            let candidate: Candidate = serde_json::from_value(cell.settings.clone())?;
            let candidate = candidate.with_seed(seed);
            candidate.train(self.train, &Intake::Bytes, Effort::Full)?
        };
        let file = model.to_bytes();
        Ok(Reached {
            seed,
            accuracy: accuracy(&Model::from_bytes(&file)?, self.test)?,
            bytes: file.len(),
            digest: noroshi_model::Digest::of(&file).to_string(),
        })
    }

    /// Seed 1 of each cell again, and a drawn seed of the pick.
    fn again(&self, cells: &[Cell]) -> Result<Vec<Claim>> {
        let rows = self.test.len() as f64;
        let mut apart: (f64, &str) = (0.0, "");
        for cell in cells {
            let kept = cell.reached.first().context(MISSING)?;
            let again = self.reach(cell, kept.seed)?;
            let rows = ((again.accuracy - kept.accuracy) * rows).abs().round();
            if rows > apart.0 {
                apart = (rows, &cell.family);
            }
        }
        let name = self.name();
        let pick = pick(cells.iter()).context(MISSING)?;
        let drawn = self.reach(pick, self.context.drawn_seed()?)?;
        let accuracies: Vec<f64> = pick.reached.iter().map(|one| one.accuracy).collect();
        let limit = mean(&accuracies) - WORSE.max(4.0 * deviation(&accuracies));
        Ok(vec![
            Claim::at_most(
                &format!("{name}: seed 1 trained again, most rows apart"),
                apart.0,
                REPRODUCED,
            )
            .with("family", apart.1),
            Claim::at_least(
                &format!("{name}: a drawn seed of {}", pick.family),
                drawn.accuracy,
                rounded(limit),
            )
            .with("seed", drawn.seed),
        ])
    }
}

fn deviation(values: &[f64]) -> f64 {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (values.len() as f64 - 1.0).max(1.0)).sqrt()
}

impl Cell {
    /// The mean accuracy of its seeds.
    fn accuracy(&self) -> f64 {
        let all: Vec<f64> = self.reached.iter().map(|one| one.accuracy).collect();
        mean(&all)
    }
}

/// The best by the rows set aside.
fn pick<'a>(cells: impl Iterator<Item = &'a Cell>) -> Option<&'a Cell> {
    cells.max_by(|a, b| a.chosen.total_cmp(&b.chosen))
}

/// How far the chosen cell of a column is from its best.
fn behind<'a>(cells: &'a [Cell], chosen: Option<&'a Cell>) -> f64 {
    let best = cells.iter().map(Cell::accuracy).fold(f64::NAN, f64::max);
    chosen.map_or(f64::INFINITY, |chosen| best - chosen.accuracy())
}

fn judged(record: &Record) -> Vec<Claim> {
    let near = |choose: &dyn Fn(&Vec<Cell>) -> f64| {
        let count = record
            .values()
            .filter(|cells| choose(cells) <= NEAR)
            .count();
        count as f64
    };
    let picked = near(&|cells| behind(cells, pick(cells.iter())));
    let own = near(&|cells| {
        let own = cells.iter().filter(|cell| cell.family != BOOSTED);
        behind(cells, pick(own))
    });
    let forest = near(&|cells| {
        let forest = cells.iter().find(|cell| cell.family == "forest");
        behind(cells, forest)
    });
    let what = |who: &str| format!("{who} within {NEAR} of the best cell: columns of 12");
    let mut claims = vec![
        Claim::at_least(&what("the search's pick"), picked, COLUMNS),
        Claim::new(
            &what("the pick of our own families alone"),
            own,
            "told",
            true,
        ),
        Claim::at_most(&what("always a forest (control)"), forest, COLUMNS - 1.0),
    ];
    for (name, cells) in record {
        let beyond = cells.iter().flat_map(|cell| &cell.reached);
        let bytes = beyond.map(|one| one.bytes).max().unwrap_or(usize::MAX);
        let limit = SIZES
            .iter()
            .find(|size| name.ends_with(&format!(", {} KB", *size / 1024)));
        let claim = Claim::at_most(
            &format!("{name}: bytes of the largest file"),
            bytes as f64,
            limit.copied().unwrap_or(0) as f64,
        );
        let picked = pick(cells.iter());
        let claim = claim
            .with("pick", picked.map_or("", |cell| &cell.family))
            .with("behind the best", rounded(behind(cells, picked)));
        claims.push(cells.iter().fold(claim, |claim, cell| {
            claim.with(&cell.family, rounded(cell.accuracy()))
        }));
    }
    claims
}

/// The table for people: a star at the pick, brackets around what the rows set aside said.
fn told(record: &Record) -> String {
    let mut text = format!("{:<17}", "");
    for family in FAMILIES {
        let _ = write!(text, "{family:>16}");
    }
    text.push('\n');
    // As in the list of data, not of the alphabet.
    for data in DATA {
        for size in SIZES {
            let name = format!("{data}, {} KB", size / 1024);
            if let Some(cells) = record.get(&name) {
                text.push_str(&line(&name, cells));
                text.push('\n');
            }
        }
    }
    text
}

fn line(name: &str, cells: &[Cell]) -> String {
    let picked = pick(cells.iter());
    let mut text = format!("{name:<17}");
    for family in FAMILIES {
        let cell = cells.iter().find(|cell| cell.family == family);
        let shown = cell.map_or_else(
            || "–".to_owned(),
            |cell| {
                let star = if picked == Some(cell) { "*" } else { "" };
                format!("{star}{:.4} ({:.3})", cell.accuracy(), cell.chosen)
            },
        );
        let _ = write!(text, "{shown:>16}");
    }
    text
}

fn read(context: &Context) -> Result<Record> {
    let path = context.record();
    if !path.exists() {
        ensure!(context.full(), MISSING);
        return Ok(Record::new());
    }
    let text = std::fs::read_to_string(&path)?;
    serde_json::from_str(&text).with_context(|| format!("{}", path.display()))
}

fn write(context: &Context, record: &Record) -> Result<()> {
    let path = context.record();
    std::fs::create_dir_all(path.parent().context("a record lies in a folder")?)?;
    Ok(std::fs::write(
        &path,
        serde_json::to_string_pretty(record)? + "\n",
    )?)
}
