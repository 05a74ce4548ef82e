//! Which versions are kept: close together lately, ever further apart before. Pure.

/// The version of `versions`, rising, that is missed least when more than `most` are there: the
/// ages of its neighbours are the most alike, as one is to the other. The newest and the oldest stay.
pub(super) fn surplus(versions: &[u64], most: usize) -> Option<u64> {
    if versions.len() <= most {
        return None;
    }
    let newest = *versions.last()?;
    let age = |version: u64| (newest - version + 1) as f64;
    let gap = |window: &&[u64]| age(window[0]) / age(window[2]);
    let least = versions
        .windows(3)
        .min_by(|one, other| gap(one).total_cmp(&gap(other)));
    Some(least.map_or(versions[0], |window| window[1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_reaches_far_back_and_is_dense_lately() {
        let mut kept = vec![1];
        for version in 2..=1_000_u64 {
            kept.push(version);
            if let Some(surplus) = surplus(&kept, 8) {
                kept.retain(|version| *version != surplus);
            }
            assert!(kept.len() <= 8);
            assert_eq!((kept[0], *kept.last().unwrap()), (1, version));
            let before = version.saturating_sub(8).max(1);
            assert!(
                kept.iter().filter(|&&kept| kept >= before).count() >= 2,
                "{kept:?}"
            );
        }
        let ages: Vec<u64> = kept.iter().map(|version| 1_000 - version).collect();
        for pair in ages.windows(2) {
            assert!(pair[0] <= 8 * pair[1].max(2), "{ages:?}");
        }
    }

    #[test]
    fn few_are_all_kept() {
        assert_eq!(surplus(&[3, 9], 8), None);
        assert_eq!(surplus(&[], 8), None);
        assert_eq!(surplus(&[1, 2], 1), Some(1));
    }
}
