//! Windows of recordings from a CSV of raw samples: a row a sample, in the order of time.
//!
//! The file is read twice, in bounded memory: first every row is checked and the ranges of the
//! channels are found, then features are computed while it is read.
//!
//! A recording is a run of rows with one class and one group. It ends too where time goes back or
//! leaps, and where a row is left out because a value is missing: no window goes across its end.

mod columns;
mod cutting;

use std::io::BufRead;

use noroshi_model::{FeaturePart, Features};

use super::CsvSettings;
use super::line::Lines;
use crate::error::{Result, data};
use crate::features::Extractor;
use crate::model::Intake;
use crate::table::Table;
use columns::{Columns, Sample};
use cutting::Cutting;

/// How windows are cut and what is computed of them.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowSettings {
    /// The class, what is done with missing values, how many windows are kept.
    pub csv: CsvSettings,
    /// The column that says whose a row is, by name or number: such as a subject.
    pub group: Option<String>,
    /// The column of time, by name or number; else rows lie evenly.
    pub time: Option<String>,
    /// Samples of a window.
    pub length: u16,
    /// Samples from one window to the next.
    pub hop: u16,
    /// What is computed.
    pub parts: Vec<FeaturePart>,
}

/// What windows of a CSV hold.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadWindows {
    /// A row a window.
    pub table: Table,
    /// How windows become rows.
    pub intake: Intake,
    /// Whose each window is: the number of a group, or of a recording if no column names groups.
    pub groups: Vec<u16>,
    /// Names of the groups; none if they are recordings.
    pub group_names: Vec<String>,
    /// Names of the classes, in the order of their numbers.
    pub classes: Vec<String>,
    /// Names of the channels.
    pub channels: Vec<String>,
    /// Samples in the file that could be used.
    pub samples: u64,
    /// Rows left out because a value was missing.
    pub dropped: u64,
    /// Recordings.
    pub recordings: usize,
    /// Windows in all; more than the table has if a sample of them was taken.
    pub windows: u64,
}

/// What the first reading finds.
struct Survey {
    columns: Columns,
    /// Greatest absolute number of each channel, and whether all were whole.
    most: Vec<f32>,
    whole: Vec<bool>,
    first: Option<String>,
}

/// Reads both: `sources` are two readings of the same file.
pub fn read_windows<R: BufRead>(sources: [R; 2], settings: &WindowSettings) -> Result<ReadWindows> {
    let [first, second] = sources;
    let survey = survey(first, settings)?;
    let channels = survey.columns.channels();
    let units = survey.most.iter().zip(&survey.whole);
    let features = Features {
        channels: u8::try_from(channels.len())
            .map_err(|_| data(format!("{} channels are too many", channels.len())))?,
        length: settings.length,
        hop: settings.hop,
        units: units.map(|(&most, &whole)| unit(most, whole)).collect(),
        parts: settings.parts.clone(),
    };
    let extractor = Extractor::new(&features)?;
    let mut cutting = Cutting::new(extractor, settings);
    let mut lines = Lines::new(second);
    if survey.first.is_none() {
        lines.next()?;
    }
    let mut sample = Sample::default();
    while let Some(text) = lines.next()? {
        if survey.columns.read(&text, lines.number, &mut sample)? {
            cutting.add(&sample)?;
        }
    }
    cutting.finish(channels)
}

/// Whole numbers of 16 bits are samples as they are; else a power of two that leaves a quarter of
/// room above the greatest.
fn unit(most: f32, whole: bool) -> f32 {
    if whole && most <= 32_767.0 {
        return 1.0;
    }
    let wanted = f64::from(most) * 1.25 / 32_767.0;
    wanted.log2().ceil().exp2() as f32
}

fn survey(source: impl BufRead, settings: &WindowSettings) -> Result<Survey> {
    let mut lines = Lines::new(source);
    let first = lines.next()?.ok_or_else(|| data("the CSV is empty"))?;
    let columns = Columns::new(&first, settings)?;
    let channels = columns.channels().len();
    let mut survey = Survey {
        first: columns.names.is_none().then(|| first.clone()),
        columns,
        most: vec![0.0; channels],
        whole: vec![true; channels],
    };
    let mut sample = Sample::default();
    let mut next = match survey.first.clone() {
        Some(first) => Some(first),
        None => lines.next()?,
    };
    while let Some(text) = next {
        if survey.columns.read(&text, lines.number, &mut sample)? {
            if let (Some(column), false) = (sample.missing, settings.csv.drop_missing) {
                return Err(data(format!(
                    "line {}, field {column}: a value is missing; fill it in, or have recordings \
                     end there (--drop-missing)",
                    lines.number
                )));
            }
            let ranges = survey.most.iter_mut().zip(&mut survey.whole);
            for (&number, (most, whole)) in sample.numbers.iter().zip(ranges) {
                *most = most.max(number.abs());
                *whole &= number.fract() == 0.0;
            }
        }
        next = lines.next()?;
    }
    Ok(survey)
}

#[cfg(test)]
mod tests;
