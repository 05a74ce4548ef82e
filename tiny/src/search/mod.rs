//! Search for a model within a budget: families × settings, chosen on rows set aside.
//!
//! 1. A fifth of each class is set aside by chance; nothing is learned from it.
//! 2. Every candidate that could be within the budget is trained for a short time on a sample.
//! 3. The best few of each family are trained in full, and the best of them, by the rows set
//!    aside, is the answer. What turns out to be beyond the budget is left out.
//!
//! The same rows, budget and seed give the same models on every machine: nothing depends on time
//! or on the number of threads.

mod budget;
mod candidates;
mod cost;
mod intake;
mod plan;
mod split;

pub use budget::Budget;
pub use candidates::{Candidate, Effort};
pub use cost::{Controller, Cost, Work};
pub use split::set_aside;

use rayon::prelude::*;

use crate::error::{Result, TinyError, data, settings};
use crate::model::{Intake, Model};
use crate::table::Table;

/// How a search is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchSettings {
    /// Where chance starts.
    pub seed: u64,
    /// Rows of the first, short training at most.
    pub rows_at_first: usize,
    /// How many of each family are trained in full.
    pub kept: usize,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Those trained in full that are within the budget, the best first: by accuracy, then by
    /// bytes of the file. There is one at least.
    pub best: Vec<Ranked>,
    /// How many settings were tried.
    pub tried: usize,
    /// Settings that no model came of, and why.
    pub failed: Vec<Failed>,
    /// Rows learned from, and rows set aside.
    pub rows: (usize, usize),
    /// The share of the rows set aside that have the class most of them have: what is to be had
    /// without any model.
    pub majority: f64,
}

/// A model within the budget.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranked {
    /// The model.
    pub model: Model,
    /// Its family.
    pub family: &'static str,
    /// Its settings, for people.
    pub settings: String,
    /// The same, to train it again: on all rows, with another seed.
    pub candidate: Candidate,
    /// The share of the rows set aside that it answers right, 0 to 1. These rows chose it: of
    /// rows that nobody has seen it may answer fewer.
    pub accuracy: f64,
    /// What it takes.
    pub cost: Cost,
}

/// Settings that no model came of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The family.
    pub family: &'static str,
    /// The settings, for people.
    pub settings: String,
    /// Why.
    pub reason: String,
}

impl SearchSettings {
    /// Settings that suit tables of some thousand rows.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            rows_at_first: 2000,
            kept: 2,
        }
    }
}

/// A candidate and what it is worth.
struct Tried {
    candidate: Candidate,
    model: Model,
    accuracy: f64,
    cost: Cost,
}

/// Searches. `progress` is told how many trainings are done, and of how many.
///
/// Refused: columns that are all constant, too few rows to set some aside, and a budget that no
/// model is within; then the error says what the smallest takes.
pub fn search(
    table: &Table,
    intake: &Intake,
    budget: &Budget,
    asked: &SearchSettings,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Found> {
    let parts = split_or_refuse(table, || split::split(table, asked.seed))?;
    searched(table, parts, None, intake, budget, asked, progress)
}

/// The same where rows belong to groups, such as people or recordings: those of some groups are
/// set aside, so that what is chosen is what is right about groups that nobody has seen. The best
/// are then taught all rows; their `accuracy` is still that of before.
pub fn search_groups(
    table: &Table,
    groups: &[u16],
    intake: &Intake,
    budget: &Budget,
    asked: &SearchSettings,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Found> {
    if groups.len() != table.len() {
        return Err(settings(format!(
            "{} groups for {} rows",
            groups.len(),
            table.len()
        )));
    }
    let parts = split_or_refuse(table, || split::by_group(table, groups, asked.seed))?;
    searched(table, parts, Some(table), intake, budget, asked, progress)
}

fn split_or_refuse(
    table: &Table,
    split: impl FnOnce() -> Result<(Table, Table)>,
) -> Result<(Table, Table)> {
    let first = table.row(0);
    if (1..table.len()).all(|row| table.row(row) == first) {
        return Err(data(
            "every column is constant: there is nothing to learn from",
        ));
    }
    split()
}

/// Searches with rows to learn from and rows to choose on; the best are taught `all` at the end,
/// if there are any such.
fn searched(
    table: &Table,
    (learned, chosen): (Table, Table),
    all_rows: Option<&Table>,
    intake: &Intake,
    budget: &Budget,
    asked: &SearchSettings,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Found> {
    let sample = split::sample(&learned, asked.rows_at_first, asked.seed);
    let candidates = plan::candidates(&learned, intake, budget, asked.seed);
    let mut searching = Searching {
        intake,
        budget,
        chosen: &chosen,
        failed: Vec::new(),
    };
    let tried = candidates.len();
    // How many finals there are isn't known before the first round: as many as there can be.
    let all = tried + FAMILIES * asked.kept.max(1);
    let mut glanced = Vec::new();
    for (done, &candidate) in candidates.iter().enumerate() {
        progress(done, all);
        glanced.extend(searching.attempt(candidate, &sample, Effort::Glance));
    }
    searching.failed.clear();
    let finals = finalists(glanced, asked.kept.max(1));
    let all = tried + finals.len();
    let mut best = Vec::new();
    for (done, &candidate) in finals.iter().enumerate() {
        progress(tried + done, all);
        best.extend(searching.attempt(candidate, &learned, Effort::Full));
    }
    if best.is_empty() {
        return Err(searching.nothing(table));
    }
    best.sort_by(better);
    if let Some(rows) = all_rows {
        best.iter_mut().for_each(|one| searching.teach(one, rows));
    }
    progress(all, all);
    Ok(Found {
        best: best.into_iter().map(ranked).collect(),
        tried,
        failed: searching.failed,
        rows: (learned.len(), chosen.len()),
        majority: majority(&chosen),
    })
}

/// How many families there are.
const FAMILIES: usize = 8;

struct Searching<'a> {
    intake: &'a Intake,
    budget: &'a Budget,
    chosen: &'a Table,
    failed: Vec<Failed>,
}

impl Searching<'_> {
    /// Trains a candidate; `None`, with the reason kept, if no model within the budget comes of it.
    fn attempt(&mut self, candidate: Candidate, table: &Table, effort: Effort) -> Option<Tried> {
        match self.tried(candidate, table, effort) {
            Ok(tried) => Some(tried),
            Err(error) => {
                self.failed.push(Failed {
                    family: candidate.family(),
                    settings: candidate.settings(),
                    reason: error.to_string(),
                });
                None
            }
        }
    }

    fn tried(&self, candidate: Candidate, table: &Table, effort: Effort) -> Result<Tried> {
        let model = candidate.train(table, self.intake, effort)?;
        let cost = model.cost();
        if !self.budget.allows(&cost) {
            return Err(settings(format!("beyond the budget: {}", told(&cost))));
        }
        Ok(Tried {
            accuracy: accuracy(&model, self.chosen)?,
            candidate,
            model,
            cost,
        })
    }

    /// Teaches all rows to a model that was chosen. It stays as it is if that makes it too large.
    fn teach(&self, tried: &mut Tried, rows: &Table) {
        let Ok(model) = tried.candidate.train(rows, self.intake, Effort::Full) else {
            return;
        };
        let cost = model.cost();
        if self.budget.allows(&cost) {
            (tried.model, tried.cost) = (model, cost);
        }
    }

    fn nothing(&self, table: &Table) -> TinyError {
        let smallest = plan::smallest(table.columns(), table.classes(), self.intake).cost();
        if !self.budget.allows(&smallest) {
            return settings(format!(
                "no model is within the budget: a tree of two leaves would take {}",
                told(&smallest)
            ));
        }
        let reasons = self.failed.iter().map(|one| {
            let Failed {
                family,
                settings,
                reason,
            } = one;
            format!("{family} ({settings}): {reason}")
        });
        let reasons: Vec<String> = reasons.take(3).collect();
        settings(format!(
            "no model within the budget came of the search; allow more. {}",
            reasons.join("; ")
        ))
    }
}

fn told(cost: &Cost) -> String {
    let file = cost.file;
    let Some(Controller { flash, ram, cycles }) = cost.controller else {
        return format!("a file of {file} B, for hosts only");
    };
    format!("{ram} B of RAM, {flash} B of flash, {cycles} cycles, a file of {file} B")
}

/// The better first: more right answers, then fewer bytes.
fn better(a: &Tried, b: &Tried) -> std::cmp::Ordering {
    let accuracy = b.accuracy.total_cmp(&a.accuracy);
    accuracy.then(a.cost.file.cmp(&b.cost.file))
}

/// The best of each family.
fn finalists(mut tried: Vec<Tried>, kept: usize) -> Vec<Candidate> {
    // A stable order: of equals the one that was tried first.
    tried.sort_by(better);
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    let keeps = |one: &Tried| {
        let count = counts.entry(one.candidate.family()).or_default();
        *count += 1;
        *count <= kept
    };
    tried.retain(keeps);
    tried.into_iter().map(|one| one.candidate).collect()
}

fn ranked(tried: Tried) -> Ranked {
    Ranked {
        family: tried.candidate.family(),
        settings: tried.candidate.settings(),
        candidate: tried.candidate,
        model: tried.model,
        accuracy: tried.accuracy,
        cost: tried.cost,
    }
}

fn accuracy(model: &Model, table: &Table) -> Result<f64> {
    let right = (0..table.len())
        .into_par_iter()
        .map(|row| {
            Ok(usize::from(
                model.answer(table.row(row))?.label == table.labels()[row],
            ))
        })
        .sum::<Result<usize>>()?;
    Ok(right as f64 / table.len() as f64)
}

fn majority(table: &Table) -> f64 {
    let mut counts = vec![0usize; table.classes()];
    for &label in table.labels() {
        counts[usize::from(label)] += 1;
    }
    counts.into_iter().max().unwrap_or(0) as f64 / table.len() as f64
}

#[cfg(test)]
mod tests;
