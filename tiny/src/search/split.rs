//! Rows to learn from and rows to choose on, and samples of rows.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Result, data};
use crate::random::Random;
use crate::table::Table;

/// One row of so many chooses.
const EVERY: usize = 5;

/// The rows to learn from and those to choose on: see [`set_aside`].
pub(super) fn split(table: &Table, seed: u64) -> Result<(Table, Table)> {
    let chosen = set_aside(table, seed)?;
    let learned: Vec<usize> = (0..table.len())
        .filter(|row| chosen.binary_search(row).is_err())
        .collect();
    Ok((table.select(&learned)?, table.select(&chosen)?))
}

/// The rows that a search with this seed sets aside to choose on, in order: of each class a
/// fifth, by chance. A class with one row is learned from and never chosen on.
pub fn set_aside(table: &Table, seed: u64) -> Result<Vec<usize>> {
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
    let mut chosen = Vec::new();
    for rows in &mut of_class {
        random.shuffle(rows);
        let count = match rows.len() {
            0 | 1 => 0,
            count => (count / EVERY).max(1),
        };
        chosen.extend_from_slice(&rows[..count]);
    }
    chosen.sort_unstable();
    Ok(chosen)
}

/// The same with whole groups: about a fifth of the rows, of groups by chance, so that no row to
/// choose on is of a group that was learned from. A group that has all rows of a class is learned
/// from.
pub(super) fn by_group(table: &Table, groups: &[u16], seed: u64) -> Result<(Table, Table)> {
    let mut of_group = BTreeMap::<u16, Vec<usize>>::new();
    for (row, &group) in groups.iter().enumerate() {
        of_group.entry(group).or_default().push(row);
    }
    let mut order: Vec<u16> = of_group.keys().copied().collect();
    Random::new(seed, 14).shuffle(&mut order);
    let mut left = vec![0usize; table.classes()];
    for &label in table.labels() {
        left[usize::from(label)] += 1;
    }
    let (mut learned, mut chosen) = (Vec::new(), Vec::new());
    let mut classes = BTreeSet::new();
    for group in order {
        let rows = &of_group[&group];
        let mut without = left.clone();
        for &row in rows {
            without[usize::from(table.labels()[row])] -= 1;
        }
        let loses = without
            .iter()
            .zip(&left)
            .any(|(&now, &was)| now == 0 && was > 0);
        let of_rows: BTreeSet<u16> = rows.iter().map(|&row| table.labels()[row]).collect();
        let news = !of_rows.is_subset(&classes);
        // Rows of one class choose nothing: then one of another class is waited for.
        let enough = chosen.len() >= table.len() / EVERY && (classes.len() > 1 || !news);
        let half = 2 * (chosen.len() + rows.len()) > table.len();
        if loses || enough || half {
            learned.extend_from_slice(rows);
        } else {
            chosen.extend_from_slice(rows);
            classes.extend(of_rows);
            left = without;
        }
    }
    learned.sort_unstable();
    chosen.sort_unstable();
    let tables = (table.select(&learned), table.select(&chosen));
    match tables {
        (Ok(learned), Ok(chosen)) => Ok((learned, chosen)),
        _ => Err(data(
            "no groups can be set aside to choose on: of each class rows of two groups at least, \
             better five, are needed",
        )),
    }
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
    fn groups_are_never_on_both_sides() {
        let groups: Vec<u16> = (0..100).map(|row| row / 10).collect();
        let labels: Vec<u16> = (0..100).map(|row| row % 2).collect();
        let table = Table::new(1, 2, (0..100).collect(), labels).unwrap();
        let (learned, chosen) = by_group(&table, &groups, 1).unwrap();
        assert_eq!((learned.len(), chosen.len()), (80, 20));
        let of = |table: &Table| {
            let groups = table.values().iter().map(|&row| groups[usize::from(row)]);
            groups.collect::<std::collections::BTreeSet<_>>()
        };
        assert!(of(&learned).is_disjoint(&of(&chosen)));
        assert_ne!(by_group(&table, &groups, 2).unwrap().1, chosen);
    }

    #[test]
    fn a_class_of_one_group_is_learned_from() {
        let groups: Vec<u16> = (0..60).map(|row| row / 10).collect();
        let labels: Vec<u16> = groups
            .iter()
            .map(|&group| group.saturating_sub(1) / 2)
            .collect();
        // Groups 0 to 2 have class 0, 3 and 4 class 1, 5 alone class 2.
        let table = Table::new(1, 3, (0..60).collect(), labels).unwrap();
        let (learned, chosen) = by_group(&table, &groups, 3).unwrap();
        assert!((0..3).all(|class| learned.labels().contains(&class)));
        assert!(!chosen.labels().contains(&2));
        let refused = by_group(&table, &[7; 60], 1).unwrap_err().to_string();
        assert!(refused.contains("two groups at least"), "{refused}");
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
