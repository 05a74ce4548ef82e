//! Rows from a CSV, in one pass and bounded memory.
//!
//! | what is in the file | what happens |
//! |---|---|
//! | a first line that is no numbers | names of the columns |
//! | a missing value (empty, `?`, `NA`, `NaN`, `null`) | refused with its place; or the row is left out and counted, if asked for |
//! | an infinite value, text in a column of numbers | refused with its place |
//! | a line with more or fewer fields than the first | refused with its place |
//! | a constant column | kept, named in [`Read::constant`]; no model gets anything from it |
//! | one class, one row, no column | refused |
//! | more rows than are kept | a fair sample of them (reservoir), ranges of all |

mod line;
mod recordings;

use std::collections::BTreeMap;
use std::io::BufRead;

use crate::error::{Result, data};
use crate::model::{Intake, Scale};
use crate::random::Random;
use crate::table::Table;
use line::{Field, Lines};
pub use recordings::{ReadWindows, WindowSettings, read_windows};

/// What one table of numbers takes at most while it is read.
const MAX_BYTES: usize = 1 << 30;
/// More classes than a model has.
const MAX_CLASSES: usize = 256;

/// How a CSV is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvSettings {
    /// The column with the class, by name or by number from 0; the last if not said.
    pub label: Option<String>,
    /// Whether rows with missing values are left out; else they are refused.
    pub drop_missing: bool,
    /// Rows that are kept at most.
    pub rows: usize,
    /// Which sample of them.
    pub seed: u64,
}

impl Default for CsvSettings {
    fn default() -> Self {
        Self {
            label: None,
            drop_missing: false,
            rows: 200_000,
            seed: 1,
        }
    }
}

/// What a CSV holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    /// The rows.
    pub table: Table,
    /// How its numbers became bytes.
    pub intake: Intake,
    /// Names of the classes, in the order of their numbers: by number where all are, else by name.
    pub classes: Vec<String>,
    /// Names of the columns, without the class.
    pub columns: Vec<String>,
    /// Rows in the file that could be used.
    pub rows: u64,
    /// Rows left out because a value was missing.
    pub dropped: u64,
    /// Columns that never change.
    pub constant: Vec<String>,
}

/// Reads all of it.
pub fn read(source: impl BufRead, settings: &CsvSettings) -> Result<Read> {
    let mut lines = Lines::new(source);
    let first = lines.next()?.ok_or_else(|| data("the CSV is empty"))?;
    let first = first
        .split(',')
        .map(|field| line::unquoted(field).to_owned())
        .collect::<Vec<_>>();
    if first.len() < 2 {
        return Err(data(
            "the CSV's first line has one field: numbers and a class, parted by commas, are needed",
        ));
    }
    let label = label_column(&first, settings.label.as_deref())?;
    let mut fields = first
        .iter()
        .enumerate()
        .filter(|(column, _)| *column != label);
    let named = fields.any(|(_, text)| matches!(line::field(text), Field::Text));
    let mut gathering = Gathering::new(first.len(), label, settings)?;
    if !named {
        gathering.add(&first.join(","), 1)?;
    }
    while let Some(text) = lines.next()? {
        gathering.add(&text, lines.number)?;
    }
    let name = |column: usize| {
        if named {
            first[column].clone()
        } else {
            format!("column {column}")
        }
    };
    let names = (0..first.len()).filter(|&column| column != label).map(name);
    gathering.finish(names.collect())
}

fn label_column(first: &[String], asked: Option<&str>) -> Result<usize> {
    let Some(asked) = asked else {
        return Ok(first.len() - 1);
    };
    let named = first.iter().position(|name| name == asked);
    let numbered = asked
        .parse()
        .ok()
        .filter(|&number: &usize| number < first.len());
    named.or(numbered).ok_or_else(|| {
        data(format!(
            "there is no column {asked}; the first line is: {}",
            first.join(", ")
        ))
    })
}

struct Gathering<'a> {
    settings: &'a CsvSettings,
    fields: usize,
    label: usize,
    keep: usize,
    random: Random,
    /// Numbers of the kept rows.
    values: Vec<f32>,
    /// Numbers of classes in the order of first sight.
    labels: Vec<u16>,
    classes: BTreeMap<String, u16>,
    bounds: Vec<(f32, f32)>,
    /// Whether every number was a byte.
    bytes: bool,
    rows: u64,
    dropped: u64,
    row: Vec<f32>,
}

impl<'a> Gathering<'a> {
    fn new(fields: usize, label: usize, settings: &'a CsvSettings) -> Result<Self> {
        let keep = settings.rows.min(MAX_BYTES / 4 / fields);
        if keep < 2 {
            return Err(data(format!(
                "rows of {fields} numbers are too long to learn from"
            )));
        }
        Ok(Self {
            settings,
            fields,
            label,
            keep,
            random: Random::new(settings.seed, 3),
            values: Vec::new(),
            labels: Vec::new(),
            classes: BTreeMap::new(),
            bounds: vec![(f32::INFINITY, f32::NEG_INFINITY); fields - 1],
            bytes: true,
            rows: 0,
            dropped: 0,
            row: Vec::with_capacity(fields),
        })
    }

    fn add(&mut self, text: &str, number: u64) -> Result<()> {
        if text.trim().is_empty() {
            return Ok(());
        }
        let count = text.split(',').count();
        if count != self.fields {
            return Err(data(format!(
                "line {number} has {count} fields, the first has {}",
                self.fields
            )));
        }
        self.row.clear();
        let mut class = "";
        let mut missing = None;
        for (column, raw) in text.split(',').enumerate() {
            let raw = line::unquoted(raw);
            if column == self.label {
                class = raw;
                if matches!(line::field(raw), Field::Missing) {
                    missing = Some(column);
                }
                continue;
            }
            match line::field(raw) {
                Field::Number(value) => self.row.push(value),
                Field::Missing => {
                    missing = Some(column);
                    self.row.push(0.0);
                }
                Field::Infinite => {
                    return Err(data(format!(
                        "line {number}, field {column}: {raw} is infinite"
                    )));
                }
                Field::Text => {
                    return Err(data(format!(
                        "line {number}, field {column}: {} is no number; make columns of 0 and 1 \
                         of categories, one for each",
                        line::short(raw)
                    )));
                }
            }
        }
        match missing {
            Some(column) if !self.settings.drop_missing => Err(data(format!(
                "line {number}, field {column}: a value is missing; fill it in, or have such rows \
                 left out (--drop-missing)"
            ))),
            Some(_) => {
                self.dropped += 1;
                Ok(())
            }
            None => self.keep(class),
        }
    }

    fn keep(&mut self, class: &str) -> Result<()> {
        let next = self.classes.len();
        let label = match self.classes.get(class) {
            Some(&label) => label,
            None if next == MAX_CLASSES => {
                return Err(data(
                    "there are more than 256 classes; is it the right column? (--label)",
                ));
            }
            None => {
                self.classes.insert(class.to_owned(), next as u16);
                next as u16
            }
        };
        for (&value, (low, high)) in self.row.iter().zip(&mut self.bounds) {
            (*low, *high) = (low.min(value), high.max(value));
            self.bytes &= value.fract() == 0.0 && (0.0..=255.0).contains(&value);
        }
        self.rows += 1;
        if self.labels.len() < self.keep {
            self.values.extend_from_slice(&self.row);
            self.labels.push(label);
            return Ok(());
        }
        let place = self.random.below(self.rows as usize);
        if place < self.keep {
            let columns = self.row.len();
            self.values[place * columns..][..columns].copy_from_slice(&self.row);
            self.labels[place] = label;
        }
        Ok(())
    }

    fn finish(self, columns: Vec<String>) -> Result<Read> {
        let scales = self
            .bounds
            .iter()
            .map(|&(low, high)| Scale::over([low, high]));
        let intake = if self.bytes {
            Intake::Bytes
        } else {
            Intake::Scaled(scales.collect())
        };
        let mut values = Vec::with_capacity(self.values.len());
        for row in self.values.chunks(columns.len()) {
            values.extend(intake.bytes(row)?);
        }
        let (classes, order) = ordered(&self.classes);
        let labels = self
            .labels
            .iter()
            .map(|&label| order[usize::from(label)])
            .collect();
        let constant = columns.iter().zip(&self.bounds);
        let constant = constant.filter(|(_, (low, high))| low >= high);
        Ok(Read {
            constant: constant.map(|(name, _)| name.clone()).collect(),
            table: Table::new(columns.len(), classes.len().max(2), values, labels)?,
            intake,
            classes,
            columns,
            rows: self.rows,
            dropped: self.dropped,
        })
    }
}

/// Names in order, and the new number of each old one.
fn ordered(classes: &BTreeMap<String, u16>) -> (Vec<String>, Vec<u16>) {
    let mut names: Vec<(&String, u16)> = classes.iter().map(|(name, &old)| (name, old)).collect();
    let number = |name: &str| name.parse::<f64>().ok();
    if names.iter().all(|(name, _)| number(name).is_some()) {
        let key = |name: &str| number(name).unwrap_or_default();
        names.sort_by(|a, b| key(a.0).total_cmp(&key(b.0)));
    }
    let mut order = vec![0; names.len()];
    for (new, (_, old)) in names.iter().enumerate() {
        order[usize::from(*old)] = new as u16;
    }
    (
        names.into_iter().map(|(name, _)| name.clone()).collect(),
        order,
    )
}

#[cfg(test)]
mod tests;
