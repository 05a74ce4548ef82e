//! The columns of a CSV of samples.

use super::WindowSettings;
use crate::csv::label_column;
use crate::csv::line::{self, Field};
use crate::error::{Result, data};

/// Which column is what.
pub(super) struct Columns {
    count: usize,
    label: usize,
    group: Option<usize>,
    time: Option<usize>,
    /// What they are called, if the first line says so.
    pub names: Option<Vec<String>>,
}

/// A row of the file.
#[derive(Default)]
pub(super) struct Sample {
    pub numbers: Vec<f32>,
    pub label: String,
    pub group: String,
    pub time: Option<f64>,
    pub missing: Option<usize>,
}

impl Columns {
    pub(super) fn new(first: &str, settings: &WindowSettings) -> Result<Self> {
        let fields: Vec<String> = first
            .split(',')
            .map(|field| line::unquoted(field).to_owned())
            .collect();
        let label = label_column(&fields, settings.csv.label.as_deref())?;
        let named = |asked: &Option<String>| {
            let asked = asked.as_deref();
            asked
                .map(|asked| label_column(&fields, Some(asked)))
                .transpose()
        };
        let (group, time) = (named(&settings.group)?, named(&settings.time)?);
        let special = [Some(label), group, time];
        for (at, column) in special.iter().enumerate() {
            if column.is_some() && special[..at].contains(column) {
                return Err(data(
                    "class, group and time are columns of their own: name another (--label, \
                     --group, --time)",
                ));
            }
        }
        let channels = |column: &usize| !special.contains(&Some(*column));
        let mut numbers = (0..fields.len()).filter(channels);
        let text = numbers.any(|column| matches!(line::field(&fields[column]), Field::Text));
        let columns = Self {
            count: fields.len(),
            label,
            group,
            time,
            names: text.then_some(fields),
        };
        if columns.channels().is_empty() {
            return Err(data("there is no column of samples"));
        }
        Ok(columns)
    }

    /// Names of the channels.
    pub(super) fn channels(&self) -> Vec<String> {
        let special = [Some(self.label), self.group, self.time];
        let name = |column: usize| match &self.names {
            Some(names) => names[column].clone(),
            None => format!("column {column}"),
        };
        (0..self.count)
            .filter(|column| !special.contains(&Some(*column)))
            .map(name)
            .collect()
    }

    /// Reads a line; whether there is anything in it.
    pub(super) fn read(&self, text: &str, number: u64, sample: &mut Sample) -> Result<bool> {
        if text.trim().is_empty() {
            return Ok(false);
        }
        let count = text.split(',').count();
        if count != self.count {
            return Err(data(format!(
                "line {number} has {count} fields, the first has {}",
                self.count
            )));
        }
        sample.numbers.clear();
        sample.missing = None;
        sample.time = None;
        sample.group.clear();
        for (column, raw) in text.split(',').enumerate() {
            let raw = line::unquoted(raw);
            let field = line::field(raw);
            if matches!(field, Field::Missing) {
                sample.missing.get_or_insert(column);
            }
            if column == self.label {
                raw.clone_into(&mut sample.label);
            } else if Some(column) == self.group {
                raw.clone_into(&mut sample.group);
            } else if Some(column) == self.time {
                sample.time = Some(time(raw, &field, number, column)?);
            } else {
                sample
                    .numbers
                    .push(self::number(raw, &field, number, column)?);
            }
        }
        Ok(true)
    }
}

fn time(raw: &str, field: &Field, line: u64, column: usize) -> Result<f64> {
    match (field, raw.parse::<f64>()) {
        (Field::Missing, _) => Ok(0.0),
        (_, Ok(time)) if time.is_finite() => Ok(time),
        _ => Err(data(format!(
            "line {line}, field {column}: {} is no time: numbers that rise are needed, or leave \
             --time out if rows lie evenly",
            line::short(raw)
        ))),
    }
}

fn number(raw: &str, field: &Field, line: u64, column: usize) -> Result<f32> {
    match field {
        Field::Number(value) => Ok(*value),
        Field::Missing => Ok(0.0),
        Field::Infinite => Err(data(format!(
            "line {line}, field {column}: {raw} is infinite"
        ))),
        Field::Text => Err(data(format!(
            "line {line}, field {column}: {} is no number; name the columns that are no samples \
             (--label, --group, --time)",
            line::short(raw)
        ))),
    }
}
