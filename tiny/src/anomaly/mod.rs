//! What is not as it was: rows unlike those learned from, and series that misbehave.
//!
//! [`IsolationForest`] scores rows of several numbers in at most 8 KB. [`Envelope`] is the
//! one-class option: how far a row lies outside what every feature was, each feature's limit set
//! by its own tail. [`Watch`] turns a series into features over windows and holds them against an
//! envelope, one value at a time. All thresholds come from clean data and a stated rate of false
//! alarms ([`limit`]).

mod envelope;
mod isolation;
mod series;
mod tail;

pub use envelope::Envelope;
pub use isolation::{ISOLATION_BYTES_AT_MOST, IsolationForest};
pub use series::{FEATURES, WINDOW, Watch};
pub use tail::limit;

/// Why nothing can be learned or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnomalyError {
    /// Too few for what is asked.
    #[error("{found} clean rows are too few, at least {needed} are needed")]
    Rows {
        /// Handed over.
        found: usize,
        /// Needed.
        needed: usize,
    },
    /// None, too many, or not dividing what was handed over.
    #[error("the numbers don't form rows of {0} columns (1 to 64)")]
    Columns(usize),
    /// NaN or infinite.
    #[error("value {0} is no finite number: leave its row out or fill it in")]
    Value(usize),
    /// Between the two nothing can be set.
    #[error("a rate of false alarms lies above 0 and below 0.5")]
    Rate,
    /// Bytes that are no model of this kind and version, or damaged ones.
    #[error("these bytes are no model of anomalies of this version, or they were damaged")]
    Bytes,
}

/// No row has more numbers.
const COLUMNS_AT_MOST: usize = 64;

/// Whether `rows` are rows of `columns` finite numbers; how many.
fn checked(rows: &[f32], columns: usize) -> Result<usize, AnomalyError> {
    if !(1..=COLUMNS_AT_MOST).contains(&columns) || !rows.len().is_multiple_of(columns) {
        return Err(AnomalyError::Columns(columns));
    }
    match rows.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(AnomalyError::Value(at)),
        None => Ok(rows.len() / columns),
    }
}

#[cfg(test)]
mod tests;
