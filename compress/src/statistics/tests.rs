use proptest::prelude::*;

use super::*;

fn near(actual: f64, expected: f64, tolerance: f64) {
    assert!(
        (actual - expected).abs() <= tolerance,
        "{actual} is not {expected}"
    );
}

#[test]
fn wilson_intervals_are_the_known_ones() {
    for (count, of, low, high) in [
        (98, 100, 0.9300, 0.9945),
        (100, 100, 0.9630, 1.0),
        (0, 10, 0.0, 0.2775),
        (1974, 2000, 0.9810, 0.9911),
    ] {
        let interval = wilson(count, of);
        near(interval.low, low, 5e-5);
        near(interval.high, high, 5e-5);
    }
    assert!(wilson(0, 0).contains(0.0) && wilson(0, 0).contains(1.0));
}

#[test]
fn mcnemars_exact_test_has_its_known_values() {
    let p = |only_first, only_second| {
        let of = 10_000;
        let counts = Discordant {
            only_first,
            only_second,
            of,
        };
        counts.p_value()
    };
    near(p(0, 0), 1.0, 1e-12);
    near(p(5, 5), 1.0, 1e-12);
    // 2 * (1 + 10) / 1024.
    near(p(1, 9), 22.0 / 1024.0, 1e-12);
    near(p(9, 1), 22.0 / 1024.0, 1e-12);
    // 2 * 0.5^10.
    near(p(0, 10), 2.0 / 1024.0, 1e-12);
    // Large counts, against the normal approximation with continuity correction: z = 9.9 / sqrt(1000).
    near(p(450, 550), 0.00174, 5e-5);
    assert!(p(0, 5_000) < 1e-300);
}

#[test]
fn one_sided_tests_look_to_one_side() {
    let counts = Discordant {
        only_first: 1,
        only_second: 9,
        of: 100,
    };
    near(counts.p_second_better(), 11.0 / 1024.0, 1e-12);
    let turned = Discordant {
        only_first: 9,
        only_second: 1,
        of: 100,
    };
    near(turned.p_second_better(), 1.0 - 1.0 / 1024.0, 1e-12);
}

#[test]
fn paired_differences_are_those_of_the_accuracies() {
    let first = [true, true, true, false, false];
    let second = [true, false, false, true, false];
    let counts = Discordant::count(&first, &second).unwrap();
    assert_eq!(
        (counts.only_first, counts.only_second, counts.of),
        (2, 1, 5)
    );
    let test = counts.test();
    near(test.difference, -0.2, 1e-12);
    assert!(test.low < -0.2 && test.high > 0.0);
    assert_eq!(Discordant::count(&first, &second[1..]), None);
    assert_eq!(counts.plus(counts).of, 10);
}

#[test]
fn bonett_and_price_give_the_interval_by_hand() {
    // n = 98: pseudo-shares 3/100 and 8/100, centre .05, variance (.11 - .0025) / 100.
    let counts = Discordant {
        only_first: 2,
        only_second: 7,
        of: 98,
    };
    let half = Z * (0.1075f64 / 100.0).sqrt();
    near(counts.difference().low, 0.05 - half, 1e-12);
    near(counts.difference().high, 0.05 + half, 1e-12);
}

#[test]
fn students_factors_are_those_of_the_tables() {
    // An interval of the values 0 and 2 has the half width t(1) * 1; of 1, 2, 3, 4, 5 t(4) * .7071.
    let interval = mean_interval(&[0.0, 2.0]).unwrap();
    near(interval.high - 1.0, 12.7062, 1e-4);
    let interval = mean_interval(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
    near(interval.high - 3.0, 2.776_445 * 0.5f64.sqrt(), 1e-5);
    let many: Vec<f64> = (0..1_000).map(|place| f64::from(place % 2)).collect();
    let interval = mean_interval(&many).unwrap();
    near(
        interval.high - 0.5,
        1.96234 * (0.25f64 / 999.0).sqrt(),
        1e-6,
    );
    assert_eq!(mean_interval(&[1.0]), None);
}

#[test]
fn medians_are_in_the_middle() {
    assert_eq!(median(&[]), None);
    assert_eq!(median(&[3.0]), Some(3.0));
    assert_eq!(median(&[9.0, 1.0, 2.0, 4.0]), Some(3.0));
}

#[test]
fn groups_widen_the_interval_of_copies() {
    // Ten photos with forty equal views each are ten samples, not four hundred.
    let values: Vec<f64> = (0..400).map(|place| f64::from(place / 40)).collect();
    let photos: Vec<usize> = (0..400).map(|place| place / 40).collect();
    let views: Vec<usize> = (0..400).collect();
    let by_photo = bootstrap_mean_by_group(&values, &photos, RESAMPLES, 1).unwrap();
    let by_view = bootstrap_mean_by_group(&values, &views, RESAMPLES, 1).unwrap();
    // The standard error of ten samples of a deviation of 2.872 is .908, of four hundred .144.
    near(by_photo.high - by_photo.low, 2.0 * Z * 0.908, 0.2);
    near(by_view.high - by_view.low, 2.0 * Z * 0.1436, 0.03);
    assert_eq!(
        bootstrap_mean_by_group(&values, &vec![0; 400], 100, 1),
        None
    );
    assert_eq!(bootstrap_mean_by_group(&values, &[0; 3], 100, 1), None);
}

#[test]
fn ratios_of_runs_in_turns_ignore_what_slows_both() {
    let first: Vec<f64> = (0..40).map(|run| 10.0 * (1.0 + f64::from(run))).collect();
    let second: Vec<f64> = first.iter().map(|time| time * 0.6).collect();
    let (ratio, interval) = bootstrap_ratio(&first, &second, RESAMPLES, 7).unwrap();
    near(ratio, 0.6, 1e-12);
    near(interval.high, 0.6, 1e-12);
    assert_eq!(bootstrap_ratio(&[0.0, 1.0], &[1.0, 1.0], 10, 7), None);
}

#[test]
fn draws_are_even_and_repeat() {
    let mut draws = Draws::new(5);
    let mut counts = [0u32; 7];
    for _ in 0..70_000 {
        counts[draws.below(7)] += 1;
    }
    assert!(counts.iter().all(|&count| (9_600..10_400).contains(&count)));
    assert_eq!(Draws::new(5).bits(), Draws::new(5).bits());
    assert!((0.0..1.0).contains(&draws.unit()));
}

/// The coin's tail, summed term by term from Pascal's triangle.
fn tail_by_pascal(heads: u64, thrown: u64) -> f64 {
    let mut row = vec![1.0f64];
    for _ in 0..thrown {
        let padded = |place: usize| row.get(place).copied().unwrap_or(0.0);
        let next = |place: usize| padded(place) + place.checked_sub(1).map_or(0.0, padded);
        row = (0..=row.len()).map(next).collect();
    }
    row[..=heads as usize].iter().sum::<f64>() / 2f64.powi(thrown as i32)
}

proptest! {
    #[test]
    fn p_values_are_those_of_pascals_triangle(only_first in 0u64..60, only_second in 0u64..60) {
        let counts = Discordant { only_first, only_second, of: 200 };
        let fewer = only_first.min(only_second);
        let expected = (2.0 * tail_by_pascal(fewer, only_first + only_second)).min(1.0);
        prop_assert!((counts.p_value() - expected).abs() < 1e-9);
        let turned = Discordant { only_first: only_second, only_second: only_first, of: 200 };
        prop_assert!((counts.p_value() - turned.p_value()).abs() < 1e-12);
        let interval = counts.difference();
        prop_assert!(interval.low <= interval.high && interval.low >= -1.0);
    }

    #[test]
    fn wilson_holds_the_share(count in 0u64..5_000, more in 0u64..5_000) {
        let proportion = Proportion::new(count, count + more);
        let Proportion { share, low, high, of, .. } = proportion;
        prop_assert!(0.0 <= low && high <= 1.0);
        if of > 0 {
            prop_assert!(low <= share + 1e-12 && share <= high + 1e-12);
        }
        let opposite = wilson(more, of);
        prop_assert!((opposite.low - (1.0 - high)).abs() < 1e-9);
    }

    #[test]
    fn bootstrap_stays_within_what_was_measured(
        values in proptest::collection::vec(-5.0f64..5.0, 2..40), seed in any::<u64>(),
    ) {
        let places: Vec<usize> = (0..values.len()).collect();
        let interval = bootstrap_mean_by_group(&values, &places, 50, seed).unwrap();
        let again = bootstrap_mean_by_group(&values, &places, 50, seed).unwrap();
        prop_assert_eq!(interval, again);
        let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        prop_assert!(lowest - 1e-9 <= interval.low && interval.high <= highest + 1e-9);
    }
}
