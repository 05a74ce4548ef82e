//! The proofs' fixed data sets: what `make data` laid under `.cache/data`.
//!
//! Splits are those of the table in `tests/assets/datasets.toml`; settings are chosen on rows cut
//! from the training part ([`Part::holdout`]), never on the test part.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

use crate::assets::workspace;
use crate::npy::{self, Array, Values};

/// Axes of the watch: three of acceleration, three of rotation.
pub const WATCH_AXES: usize = 6;

/// Rows to learn from and rows to be judged by.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// What it is called.
    pub name: String,
    /// How many classes there are; labels are below.
    pub classes: usize,
    /// Rows to learn from.
    pub train: Part,
    /// Rows to be judged by.
    pub test: Part,
}

/// Rows with their labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// How many numbers a row has.
    pub columns: usize,
    /// The numbers, a row after the other.
    pub rows: Rows,
    /// A class for each row.
    pub labels: Vec<u16>,
}

/// The numbers of rows, in the data set's own type.
#[derive(Debug, Clone, PartialEq)]
pub enum Rows {
    /// Pixels, bits, small counts.
    U8(Vec<u8>),
    /// Anything else.
    F32(Vec<f32>),
}

/// One recording of the watch.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// Samples at 50 Hz, each of [`WATCH_AXES`] numbers.
    pub samples: Vec<f32>,
    /// Which of the seven exercises.
    pub label: u16,
    /// Which of the ten people, from 1.
    pub subject: u16,
}

/// A piece of a recording.
#[derive(Debug, Clone, Copy)]
pub struct Window<'a> {
    /// Samples, each of [`WATCH_AXES`] numbers.
    pub samples: &'a [f32],
    /// Which of the seven exercises.
    pub label: u16,
    /// Which of the ten people, from 1.
    pub subject: u16,
}

/// The data set `name`: mnist10k, letter, satellite, dna, shuttle or fashion.
pub fn load(name: &str) -> Result<Dataset> {
    let train = part(name, "train")?;
    let test = part(name, "test")?;
    ensure!(
        train.columns == test.columns,
        "{name}: the parts differ in columns"
    );
    let labels = train.labels.iter().chain(&test.labels);
    let classes = usize::from(*labels.max().context("no rows")?) + 1;
    Ok(Dataset {
        name: name.to_owned(),
        classes,
        train,
        test,
    })
}

/// The watch's recordings, in the order of the file.
pub fn watch() -> Result<Vec<Recording>> {
    let Values::F32(samples) = array("watch", "samples")?.values else {
        bail!("the watch's samples are no floats");
    };
    let Values::U32(starts) = array("watch", "starts")?.values else {
        bail!("the watch's starts are no u32");
    };
    let labels = labels("watch", "labels")?;
    let subjects = self::labels("watch", "subjects")?;
    ensure!(
        starts.len() == labels.len() + 1 && labels.len() == subjects.len(),
        "the watch's arrays do not fit together"
    );
    let recordings = starts.windows(2).zip(labels.iter().zip(subjects));
    recordings
        .map(|(bounds, (&label, subject))| {
            let range = bounds[0] as usize * WATCH_AXES..bounds[1] as usize * WATCH_AXES;
            let samples = samples.get(range).context("a recording beyond the end")?;
            Ok(Recording {
                samples: samples.to_vec(),
                label,
                subject,
            })
        })
        .collect()
}

impl Recording {
    /// Pieces of `length` samples, each `step` after the one before; a shorter rest is left out.
    pub fn windows(&self, length: usize, step: usize) -> impl Iterator<Item = Window<'_>> {
        let count = self.samples.len() / WATCH_AXES;
        let starts = (0..(count + 1).saturating_sub(length)).step_by(step);
        starts.map(move |start| Window {
            samples: &self.samples[start * WATCH_AXES..(start + length) * WATCH_AXES],
            label: self.label,
            subject: self.subject,
        })
    }
}

impl Part {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// All numbers as floats.
    pub fn floats(&self) -> Vec<f32> {
        match &self.rows {
            Rows::U8(values) => values.iter().copied().map(f32::from).collect(),
            Rows::F32(values) => values.clone(),
        }
    }

    /// All numbers as bytes, where that is what they are.
    pub fn bytes(&self) -> Option<&[u8]> {
        match &self.rows {
            Rows::U8(values) => Some(values),
            Rows::F32(_) => None,
        }
    }

    /// The rows at `indices`, in that order.
    ///
    /// # Panics
    /// If an index is beyond the rows.
    #[must_use]
    pub fn select(&self, indices: &[usize]) -> Self {
        let columns = self.columns;
        let row = |index: usize| index * columns..(index + 1) * columns;
        let rows = match &self.rows {
            Rows::U8(values) => Rows::U8(picked(indices, |index| &values[row(index)])),
            Rows::F32(values) => Rows::F32(picked(indices, |index| &values[row(index)])),
        };
        let labels = indices.iter().map(|&index| self.labels[index]).collect();
        Self {
            columns,
            rows,
            labels,
        }
    }

    /// The rows to learn from and the rows to choose settings on: every `every`-th.
    pub fn holdout(&self, every: usize) -> (Self, Self) {
        let (chosen, kept) = (0..self.len()).partition::<Vec<_>, _>(|index| index % every == 0);
        (self.select(&kept), self.select(&chosen))
    }
}

fn picked<'a, T: Copy + 'a>(indices: &[usize], row: impl Fn(usize) -> &'a [T]) -> Vec<T> {
    indices
        .iter()
        .flat_map(|&index| row(index))
        .copied()
        .collect()
}

fn part(name: &str, part: &str) -> Result<Part> {
    let array = array(name, &format!("{part}_rows"))?;
    let labels = labels(name, &format!("{part}_labels"))?;
    let [rows, columns] = array.shape[..] else {
        bail!("{name}: {part}: not rows and columns: {:?}", array.shape);
    };
    ensure!(
        rows == labels.len(),
        "{name}: {part}: {rows} rows and {} labels",
        labels.len()
    );
    let rows = match array.values {
        Values::U8(values) => Rows::U8(values),
        Values::F32(values) => Rows::F32(values),
        Values::U16(_) | Values::U32(_) => bail!("{name}: {part}: rows of large integers"),
    };
    Ok(Part {
        columns,
        rows,
        labels,
    })
}

fn labels(name: &str, file: &str) -> Result<Vec<u16>> {
    match array(name, file)?.values {
        Values::U16(labels) => Ok(labels),
        _ => bail!("{name}: {file} are no u16"),
    }
}

fn array(name: &str, file: &str) -> Result<Array> {
    npy::read(&path(name, file)?)
}

fn path(name: &str, file: &str) -> Result<PathBuf> {
    let path = workspace().join(format!(".cache/data/{name}/{file}.npy"));
    ensure!(
        path.exists(),
        "{} is missing: run `make data NAME={name}`",
        path.display()
    );
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holdout_takes_every_so_many_rows() {
        let part = Part {
            columns: 2,
            rows: Rows::U8((0..8).collect()),
            labels: vec![0, 1, 2, 3],
        };
        let (kept, chosen) = part.holdout(3);
        assert_eq!(kept.labels, [1, 2]);
        assert_eq!(kept.bytes(), Some(&[2, 3, 4, 5][..]));
        assert_eq!(chosen.floats(), [0.0, 1.0, 6.0, 7.0]);
    }

    #[test]
    fn windows_stay_inside_a_recording() {
        let recording = Recording {
            samples: vec![0.0; 10 * WATCH_AXES],
            label: 1,
            subject: 2,
        };
        let count = |length, step| recording.windows(length, step).count();
        assert_eq!([count(4, 3), count(10, 1), count(11, 1)], [3, 1, 0]);
    }
}
