//! k nearest neighbours, by every distance there is: slow, large, and hard to beat.

use rayon::prelude::*;

use super::{BaselineError, Samples};

/// The classes of `rows` by the `k` nearest of `samples` (squared Euclidean distance, computed in
/// f32; of equal distances the earlier row counts; of equal votes the class whose vote came first).
pub fn classes(samples: &Samples<'_>, rows: &[f32], k: usize) -> Result<Vec<u16>, BaselineError> {
    samples.check()?;
    let rows = rows.par_chunks_exact(samples.columns);
    Ok(rows.map(|row| class(samples, row, k.max(1))).collect())
}

fn class(samples: &Samples<'_>, row: &[f32], k: usize) -> u16 {
    let mut nearest: Vec<(f32, u16)> = Vec::with_capacity(k + 1);
    for (known, label) in samples
        .rows
        .chunks_exact(samples.columns)
        .zip(samples.labels)
    {
        let distance = distance(known, row);
        if nearest.len() == k && distance >= nearest[k - 1].0 {
            continue;
        }
        let at = nearest.partition_point(|(other, _)| *other <= distance);
        nearest.insert(at, (distance, *label));
        nearest.truncate(k);
    }
    vote(&nearest, samples.classes)
}

fn distance(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut sums = [0.0; LANES];
    let (wide_a, rest_a) = a.as_chunks::<LANES>();
    let (wide_b, rest_b) = b.as_chunks::<LANES>();
    for (a, b) in wide_a.iter().zip(wide_b) {
        for lane in 0..LANES {
            let apart = a[lane] - b[lane];
            sums[lane] += apart * apart;
        }
    }
    let rest = rest_a.iter().zip(rest_b).map(|(a, b)| (a - b) * (a - b));
    sums.iter().sum::<f32>() + rest.sum::<f32>()
}

fn vote(nearest: &[(f32, u16)], classes: usize) -> u16 {
    let mut votes = vec![0_usize; classes];
    for (_, label) in nearest {
        votes[usize::from(*label)] += 1;
    }
    let most = votes.iter().max().copied().unwrap_or(0);
    let first = nearest
        .iter()
        .find(|(_, label)| votes[usize::from(*label)] == most);
    first.map_or(0, |(_, label)| *label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_decide() {
        let samples = Samples {
            rows: &[0.0, 1.0, 1.1, 5.0],
            columns: 1,
            labels: &[0, 1, 1, 2],
            classes: 3,
        };
        let answers = |k| classes(&samples, &[0.2, 4.0], k).unwrap();
        assert_eq!(answers(1), [0, 2]);
        assert_eq!(answers(3), [1, 1]);
        let wrong = Samples {
            columns: 3,
            ..samples
        };
        assert!(classes(&wrong, &[0.0], 1).is_err());
    }
}
