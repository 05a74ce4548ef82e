//! What small models are held against: nearest neighbours and linear models.

pub mod linear;
mod matrix;
pub mod nearest;

/// What can be wrong with rows or settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BaselineError {
    /// Rows, columns and labels do not fit together.
    #[error("{numbers} numbers are not {rows} rows of {columns}")]
    Shape {
        /// How many numbers there are.
        numbers: usize,
        /// How many labels.
        rows: usize,
        /// How many columns.
        columns: usize,
    },
    /// A label that is no class.
    #[error("label {0} is beyond the classes")]
    Label(u16),
    /// A number that says nothing.
    #[error("row {0} holds a number that isn't finite")]
    NotFinite(usize),
    /// Nothing to learn from.
    #[error("there are fewer than two rows or two classes")]
    TooFew,
    /// The equations can't be solved.
    #[error("the weights can't be solved for: raise lambda")]
    Singular,
}

/// Labelled rows.
#[derive(Debug, Clone, Copy)]
pub struct Samples<'a> {
    /// The numbers, a row after the other.
    pub rows: &'a [f32],
    /// Numbers of a row.
    pub columns: usize,
    /// A class for each row.
    pub labels: &'a [u16],
    /// How many classes there are.
    pub classes: usize,
}

impl Samples<'_> {
    /// Whether something can be learned from them.
    pub fn check(&self) -> Result<(), BaselineError> {
        let (numbers, rows, columns) = (self.rows.len(), self.labels.len(), self.columns);
        if columns == 0 || rows.checked_mul(columns) != Some(numbers) {
            return Err(BaselineError::Shape {
                numbers,
                rows,
                columns,
            });
        }
        if rows < 2 || self.classes < 2 {
            return Err(BaselineError::TooFew);
        }
        let beyond = |label: &&u16| usize::from(**label) >= self.classes;
        if let Some(label) = self.labels.iter().find(beyond) {
            return Err(BaselineError::Label(*label));
        }
        match self.rows.iter().position(|number| !number.is_finite()) {
            Some(at) => Err(BaselineError::NotFinite(at / columns)),
            None => Ok(()),
        }
    }
}
