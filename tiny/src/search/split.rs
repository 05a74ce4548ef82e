//! Rows to learn from and rows to choose on, and samples of rows.

use crate::error::{Result, data};
use crate::random::Random;
use crate::table::Table;

/// One row of so many chooses.
const EVERY: usize = 5;

/// The rows to learn from and those to choose on: of each class a fifth, by chance. A class with
/// one row is learned from and never chosen on.
pub(super) fn split(table: &Table, seed: u64) -> Result<(Table, Table)> {
    let mut of_class = vec![Vec::new(); table.classes()];
    for (row, &label) in table.labels().iter().enumerate() {
        of_class[usize::from(label)].push(row);
    }
    if of_class.iter().filter(|rows| rows.len() > 1).count() < 2 {
        return Err(data(
            "a search needs two rows at least of two classes, better hundreds: a part is learned \
             from, the other is chosen on",
        ));
    }
    let mut random = Random::new(seed, 11);
    let (mut learned, mut chosen) = (Vec::new(), Vec::new());
    for rows in &mut of_class {
        random.shuffle(rows);
        let count = match rows.len() {
            0 | 1 => 0,
            count => (count / EVERY).max(1),
        };
        chosen.extend_from_slice(&rows[..count]);
        learned.extend_from_slice(&rows[count..]);
    }
    learned.sort_unstable();
    chosen.sort_unstable();
    Ok((table.select(&learned)?, table.select(&chosen)?))
}

/// At most `count` rows by chance; all of them where few have one class only.
pub(super) fn sample(table: &Table, count: usize, seed: u64) -> Table {
    if table.len() <= count {
        return table.clone();
    }
    let mut rows: Vec<usize> = (0..table.len()).collect();
    Random::new(seed, 12).shuffle(&mut rows);
    rows.truncate(count);
    rows.sort_unstable();
    table.select(&rows).unwrap_or_else(|_| table.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_is_on_both_sides_and_no_row_twice() {
        // Sorted by class, one of them rare.
        let labels: Vec<u16> = [vec![0; 50], vec![1; 50], vec![2; 2]].concat();
        let values: Vec<u8> = (0..102).collect();
        let table = Table::new(1, 3, values, labels).unwrap();
        let (learned, chosen) = split(&table, 1).unwrap();
        assert_eq!((learned.len(), chosen.len()), (81, 21));
        for class in 0..3 {
            assert!(learned.labels().contains(&class) && chosen.labels().contains(&class));
        }
        let mut all = [learned.values(), chosen.values()].concat();
        all.sort_unstable();
        assert!(all.iter().copied().eq(0..102));
        assert_ne!(split(&table, 2).unwrap().1, chosen);
    }

    #[test]
    fn too_few_rows_are_refused() {
        let table = Table::new(1, 2, vec![1, 2, 3], vec![0, 0, 1]).unwrap();
        let refused = split(&table, 1).unwrap_err().to_string();
        assert!(
            refused.contains("two rows at least of two classes"),
            "{refused}"
        );
    }
}
