//! Rows to learn from.

use crate::error::{Result, data};

/// Rows of bytes with a class each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    columns: usize,
    classes: usize,
    values: Vec<u8>,
    labels: Vec<u16>,
}

impl Table {
    /// `values` row after row; labels are below `classes`. What nothing can be learned from is
    /// refused: fewer than two rows or classes that occur, columns beyond 65,535.
    pub fn new(columns: usize, classes: usize, values: Vec<u8>, labels: Vec<u16>) -> Result<Self> {
        if columns == 0 || columns > usize::from(u16::MAX) {
            return Err(data(format!("{columns} columns: 1 to 65,535 are possible")));
        }
        if values.len() != columns * labels.len() {
            return Err(data(format!(
                "{} numbers do not make {} rows of {columns}",
                values.len(),
                labels.len()
            )));
        }
        if labels.len() < 2 {
            return Err(data("a model needs two rows at least, better hundreds"));
        }
        if !(2..=256).contains(&classes) {
            return Err(data(format!("{classes} classes: 2 to 256 are possible")));
        }
        if let Some(label) = labels.iter().find(|&&label| usize::from(label) >= classes) {
            return Err(data(format!("class {label} of {classes}")));
        }
        if labels.iter().all(|label| *label == labels[0]) {
            return Err(data(
                "all rows have the same class: there is nothing to learn",
            ));
        }
        Ok(Self {
            columns,
            classes,
            values,
            labels,
        })
    }

    /// Numbers of a row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Classes, whether they occur or not.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// How many rows.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Never: a table has two rows at least.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// One row.
    pub fn row(&self, index: usize) -> &[u8] {
        &self.values[index * self.columns..(index + 1) * self.columns]
    }

    /// All rows, one after the other.
    pub fn values(&self) -> &[u8] {
        &self.values
    }

    /// The class of each row.
    pub fn labels(&self) -> &[u16] {
        &self.labels
    }

    /// The root mean square distance of two rows: √2 Σ variances.
    pub(crate) fn distance(&self) -> f64 {
        let count = self.len() as f64;
        let mut sums = vec![(0f64, 0f64); self.columns];
        for row in self.values.chunks(self.columns) {
            for ((sum, square), &value) in sums.iter_mut().zip(row) {
                *sum += f64::from(value);
                *square += f64::from(value).powi(2);
            }
        }
        let variances = sums
            .iter()
            .map(|(sum, square)| square / count - (sum / count).powi(2));
        (2.0 * variances.sum::<f64>()).max(0.0).sqrt()
    }

    /// The rows at `indices`.
    pub fn select(&self, indices: &[usize]) -> Result<Self> {
        let values = indices
            .iter()
            .flat_map(|&index| self.row(index))
            .copied()
            .collect();
        let labels = indices.iter().map(|&index| self.labels[index]).collect();
        Self::new(self.columns, self.classes, values, labels)
    }

    /// The rows to learn from and those to choose settings on: every `every`-th.
    pub fn holdout(&self, every: usize) -> Result<(Self, Self)> {
        let (chosen, kept) =
            (0..self.len()).partition::<Vec<_>, _>(|index| index % every.max(2) == 0);
        Ok((self.select(&kept)?, self.select(&chosen)?))
    }
}
