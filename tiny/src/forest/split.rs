//! The best threshold of one column: the least Gini impurity on both sides.

use crate::table::Table;

/// Where to cut.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    pub column: usize,
    pub threshold: u8,
    /// How much weighted impurity falls, in rows.
    pub gain: f64,
}

/// Counts by value and class, reused from node to node.
pub(super) struct Counter<'a> {
    table: &'a Table,
    /// `[value][class]` of the column at hand; all 0 between calls.
    counts: Vec<u32>,
    /// How often each value occurs; all 0 between calls.
    present: Vec<u32>,
    left: Vec<f64>,
}

impl<'a> Counter<'a> {
    pub(super) fn new(table: &'a Table) -> Self {
        Self {
            table,
            counts: vec![0; 256 * table.classes()],
            present: vec![0; 256],
            left: vec![0.0; table.classes()],
        }
    }

    /// The best cut of `column` for `rows`, whose classes are counted in `whole`.
    pub(super) fn best(&mut self, rows: &[u32], column: usize, whole: &[u32]) -> Option<Cut> {
        let (classes, columns) = (self.table.classes(), self.table.columns());
        let (values, labels) = (self.table.values(), self.table.labels());
        let (mut low, mut high) = (255usize, 0usize);
        for &row in rows {
            let row = row as usize;
            let value = usize::from(values[row * columns + column]);
            self.counts[value * classes + usize::from(labels[row])] += 1;
            self.present[value] += 1;
            (low, high) = (low.min(value), high.max(value));
        }
        let cut = self.sweep(low, high, rows.len(), whole, column);
        self.counts[low * classes..(high + 1) * classes].fill(0);
        self.present[low..=high].fill(0);
        cut
    }

    /// Moves values from right to left in ascending order. With sums of squares S and counts n of
    /// both sides the weighted impurity is n − S/n, so S/n of both sides is to be greatest.
    fn sweep(
        &mut self,
        low: usize,
        high: usize,
        rows: usize,
        whole: &[u32],
        column: usize,
    ) -> Option<Cut> {
        let classes = self.table.classes();
        let total = rows as f64;
        let squares = |counts: &[u32]| counts.iter().map(|&n| f64::from(n).powi(2)).sum::<f64>();
        let (mut on_left, mut left_squares, mut right_squares) = (0.0, 0.0, squares(whole));
        let before = right_squares / total;
        self.left.fill(0.0);
        let mut best: Option<(f64, usize, usize)> = None;
        let mut previous = low;
        for value in low..=high {
            if self.present[value] == 0 {
                continue;
            }
            if value > low {
                let purity = left_squares / on_left + right_squares / (total - on_left);
                if best.is_none_or(|(known, _, _)| purity > known) {
                    best = Some((purity, previous, value));
                }
            }
            previous = value;
            for (class, &whole) in whole.iter().enumerate() {
                let moved = f64::from(self.counts[value * classes + class]);
                if moved > 0.0 {
                    let left = self.left[class];
                    let right = f64::from(whole) - left;
                    left_squares += moved * (2.0 * left + moved);
                    right_squares -= moved * (2.0 * right - moved);
                    self.left[class] = left + moved;
                    on_left += moved;
                }
            }
        }
        let (purity, below, above) = best?;
        let gain = purity - before;
        (gain > 1e-9).then_some(Cut {
            column,
            threshold: below.midpoint(above) as u8,
            gain,
        })
    }
}
