//! Against floating point: the textbook's formulas, a transform term by term.

use std::f64::consts::PI;

use noroshi_model::{Bands, Cepstrum, FeaturePart, Features, Statistic};
use proptest::prelude::*;

use super::*;
use crate::model::{Intake, Model};
use crate::random::Random;

fn features(channels: u8, length: u16, parts: Vec<FeaturePart>) -> Features {
    Features {
        channels,
        length,
        hop: length,
        units: vec![1.0; usize::from(channels)],
        parts,
    }
}

fn bands(thin: u8, points: u16, edges: &[u16]) -> FeaturePart {
    FeaturePart::Bands(Bands {
        thin,
        points,
        edges: edges.to_vec(),
    })
}

fn cepstrum(frame: u16, hop: u16, points: u16, filters: usize, coefficients: u8) -> FeaturePart {
    FeaturePart::Cepstrum(Cepstrum {
        frame,
        hop,
        points,
        edges: mel(8000.0, (100.0, 4000.0), filters, points).unwrap(),
        coefficients,
    })
}

/// Tones, a drift and noise, as loud as `loud`.
fn sound(length: usize, loud: f64, seed: u64) -> Vec<i16> {
    let mut random = Random::new(seed, 1);
    let tones: Vec<(f64, f64, f64)> = (0..4)
        .map(|_| {
            let unit = |random: &mut Random| f64::from(random.unit());
            (
                unit(&mut random) * PI,
                unit(&mut random),
                unit(&mut random) * PI,
            )
        })
        .collect();
    let middle = loud * 0.3 * f64::from(random.normal());
    let at = |time: usize| {
        let tone =
            |&(turn, size, phase): &(f64, f64, f64)| size * (turn * time as f64 + phase).sin();
        tones.iter().map(tone).sum::<f64>()
    };
    (0..length)
        .map(|time| {
            let noise = 0.1 * f64::from(random.normal());
            (middle + loud * 0.3 * (at(time) + noise)).round() as i16
        })
        .collect()
}

fn interleaved(channels: &[Vec<i16>]) -> Vec<i16> {
    (0..channels[0].len())
        .flat_map(|time| channels.iter().map(move |channel| channel[time]))
        .collect()
}

fn mean_of(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len() as f64
}

fn floats(samples: &[i16]) -> Vec<f64> {
    samples.iter().copied().map(f64::from).collect()
}

/// Powers of the bins of a naive transform: thinned, mean off, Hann's window.
fn powers(samples: &[f64], thin: usize, points: usize) -> Vec<f64> {
    let mut thinned: Vec<f64> = samples.chunks_exact(thin).map(mean_of).collect();
    let mean = mean_of(&thinned);
    thinned.iter_mut().for_each(|one| *one -= mean);
    let count = thinned.len() as f64;
    let hann = |at: usize| 0.5 - 0.5 * (2.0 * PI * (at as f64 + 0.5) / count).cos();
    (0..points / 2)
        .map(|bin| {
            let (mut real, mut imaginary) = (0.0, 0.0);
            for (time, sample) in thinned.iter().enumerate() {
                let angle = 2.0 * PI * (bin * time) as f64 / points as f64;
                real += sample * hann(time) * angle.cos();
                imaginary -= sample * hann(time) * angle.sin();
            }
            real * real + imaginary * imaginary
        })
        .collect()
}

fn log(power: f64) -> f64 {
    (256.0 * power.max(1.0).log2()).max(0.0)
}

fn near(name: &str, own: i16, exact: f64, bound: f64) {
    let apart = (f64::from(own) - exact).abs();
    assert!(apart <= bound, "{name}: {own}, exactly {exact}");
}

fn statistic_in_floats(which: Statistic, samples: &[f64]) -> f64 {
    let mean = mean_of(samples);
    let square = |middle: f64| {
        let squares = samples.iter().map(|sample| (sample - middle).powi(2));
        squares.sum::<f64>() / samples.len() as f64
    };
    let least = samples.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = samples.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let crossings = |level: f64| {
        let pairs = samples.windows(2);
        let crossed = pairs.filter(|pair| (pair[0] > level) != (pair[1] > level));
        crossed.count() as f64
    };
    match which {
        Statistic::Mean => mean,
        Statistic::Deviation => square(mean).sqrt(),
        Statistic::Least => least,
        Statistic::Greatest => greatest,
        Statistic::HalfRange => (greatest - least) / 2.0,
        Statistic::RootMeanSquare => square(0.0).sqrt(),
        Statistic::Energy => log(square(0.0)),
        Statistic::ZeroCrossings => crossings(0.0),
        Statistic::MeanCrossings => crossings(mean.round()),
    }
}

#[test]
fn statistics_are_those_of_floating_point() {
    for (length, loud) in [
        (100u16, 20.0),
        (100, 900.0),
        (511, 9e3),
        (4000, 3e4),
        (7, 5e3),
    ] {
        let part = FeaturePart::Statistics(Statistic::ALL.to_vec());
        let extractor = Extractor::new(&features(1, length, vec![part])).unwrap();
        for seed in 0..20 {
            let samples = sound(usize::from(length), loud, seed);
            let own = extractor.extract(&samples).unwrap();
            for (which, own) in Statistic::ALL.into_iter().zip(own) {
                let exact = statistic_in_floats(which, &floats(&samples));
                // Half a step for what is rounded, a step for what is rounded down; the mean is
                // rounded before deviations are taken from it.
                let bound = match which {
                    Statistic::Energy => 2.0,
                    Statistic::Deviation | Statistic::RootMeanSquare => 1.0 + exact * 2e-4,
                    _ => 0.51,
                };
                near(which.word(), own, exact, bound);
            }
        }
    }
}

#[test]
fn correlations_are_those_of_floating_point() {
    let description = features(3, 100, vec![FeaturePart::Correlation]);
    let extractor = Extractor::new(&description).unwrap();
    for seed in 0..40 {
        let loud = [30.0, 900.0, 3e4][seed as usize % 3];
        let a = sound(100, loud, seed);
        let b = sound(100, 500.0, 100 + seed);
        let c: Vec<i16> = a.iter().zip(&b).map(|(a, b)| a / 4 - b / 2).collect();
        let channels = [a, b, c];
        let own = extractor.extract(&interleaved(&channels)).unwrap();
        let centred: Vec<Vec<f64>> = channels
            .iter()
            .map(|one| {
                let numbers = floats(one);
                let mean = mean_of(&numbers);
                numbers.iter().map(|number| number - mean).collect()
            })
            .collect();
        let dot = |a: usize, b: usize| {
            let pairs = centred[a].iter().zip(&centred[b]);
            pairs.map(|(a, b)| a * b).sum::<f64>()
        };
        for (own, (a, b)) in own.into_iter().zip([(0, 1), (0, 2), (1, 2)]) {
            let exact = 16_384.0 * dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
            // The mean is rounded: of quiet channels that is seen.
            near("correlation", own, exact, 16_384.0 * 2e-3);
        }
    }
}

#[test]
fn bands_are_those_of_a_transform_term_by_term() {
    for (length, thin, points) in [
        (100u16, 1u8, 128u16),
        (100, 2, 64),
        (64, 1, 64),
        (512, 1, 512),
        (90, 4, 32),
    ] {
        let edges: Vec<u16> = [1, 2, 3, 5, 8, 12, 16, 32, 64, 128, 256]
            .into_iter()
            .filter(|&edge| edge <= points / 2)
            .collect();
        let description = features(1, length, vec![bands(thin, points, &edges)]);
        let extractor = Extractor::new(&description).unwrap();
        for seed in 0..20 {
            let samples = sound(
                usize::from(length),
                [60.0, 2e3, 3e4][seed as usize % 3],
                seed,
            );
            let own = extractor.extract(&samples).unwrap();
            let numbers = floats(&samples);
            let exact = powers(&numbers, thin.into(), points.into());
            let loudest = edges.windows(2).map(|ends| {
                let bins = usize::from(ends[0])..usize::from(ends[1]);
                exact[bins].iter().sum::<f64>()
            });
            let sums: Vec<f64> = loudest.collect();
            let loudest = sums.iter().copied().fold(1.0, f64::max);
            for (own, exact) in own.into_iter().zip(sums) {
                // Within 30 dB of the loudest to half a dB; of what is quieter only that it is.
                let quiet = log(loudest / 1e3);
                if exact > loudest / 1e3 {
                    near("band", own, log(exact), 256.0 * 0.15);
                } else {
                    assert!(f64::from(own) <= quiet + 256.0 * 0.1, "{own} {quiet}");
                }
            }
        }
    }
}

/// The textbook's coefficients, in our units.
fn cepstrum_in_floats(settings: &Cepstrum, samples: &[i16]) -> Vec<f64> {
    let numbers = floats(samples);
    let filters = settings.filters();
    let triangle = |filter: usize, bin: f64| {
        let [left, centre, right] = [0, 1, 2].map(|at| f64::from(settings.edges[filter + at]));
        let place = 16.0 * bin;
        let rise = (place - left) / (centre - left);
        let fall = (right - place) / (right - centre);
        rise.min(fall).max(0.0)
    };
    let frame = |number: usize| {
        let start = number * usize::from(settings.hop);
        let frame = &numbers[start..start + usize::from(settings.frame)];
        let powers = powers(frame, 1, settings.points.into());
        let energy = |filter: usize| {
            let bins = powers.iter().enumerate();
            let sum: f64 = bins
                .map(|(bin, power)| triangle(filter, bin as f64) * power)
                .sum();
            sum.max(1.0).log2()
        };
        let logs: Vec<f64> = (0..filters).map(energy).collect();
        (0..usize::from(settings.coefficients))
            .map(|j| {
                let turn = |i: usize| (PI * j as f64 * (i as f64 + 0.5) / filters as f64).cos();
                let sum: f64 = logs.iter().enumerate().map(|(i, log)| log * turn(i)).sum();
                512.0 * sum / filters as f64
            })
            .collect::<Vec<f64>>()
    };
    let frames: Vec<Vec<f64>> = (0..settings.frames(samples.len() as u16))
        .map(frame)
        .collect();
    let column = |at: usize| {
        frames
            .iter()
            .map(move |frame| frame[at])
            .collect::<Vec<f64>>()
    };
    let count = usize::from(settings.coefficients);
    let mut features: Vec<f64> = (0..count).map(|at| mean_of(&column(at))).collect();
    if frames.len() > 1 {
        features.extend((0..count).map(|at| {
            let changes: Vec<f64> = column(at)
                .windows(2)
                .map(|pair| (pair[1] - pair[0]).abs())
                .collect();
            mean_of(&changes)
        }));
    }
    features
}

#[test]
fn cepstra_are_those_of_the_textbook() {
    for part in [
        cepstrum(200, 80, 256, 26, 13),
        cepstrum(128, 128, 128, 16, 10),
        cepstrum(400, 200, 512, 32, 12),
    ] {
        let FeaturePart::Cepstrum(settings) = &part else {
            unreachable!("made so");
        };
        let length = 3 * settings.frame;
        let extractor = Extractor::new(&features(1, length, vec![part.clone()])).unwrap();
        for seed in 0..6 {
            // Noise in every band: logarithms of next to nothing are no figures.
            let mut random = Random::new(seed, 7);
            let mut samples = sound(usize::from(length), 8e3, seed);
            samples
                .iter_mut()
                .for_each(|one| *one += (600.0 * random.normal()) as i16);
            let own = extractor.extract(&samples).unwrap();
            let exact = cepstrum_in_floats(settings, &samples);
            assert_eq!(own.len(), exact.len());
            for (own, exact) in own.into_iter().zip(exact) {
                near("coefficient", own, exact, 512.0 * 0.05);
            }
        }
    }
}

fn everything(length: u16) -> Features {
    let parts = vec![
        FeaturePart::Statistics(Statistic::ALL.to_vec()),
        FeaturePart::Correlation,
        bands(1, 128, &[1, 2, 4, 8, 64]),
        bands(8, 16, &[1, 2, 8]),
        cepstrum(32, 10, 32, 8, 8),
    ];
    features(2, length, parts)
}

fn extremes() -> impl Strategy<Value = i16> {
    prop_oneof![
        Just(i16::MIN),
        Just(i16::MAX),
        Just(0),
        Just(1),
        any::<i16>(),
        -3i16..3
    ]
}

proptest! {
    /// Overflow is checked in tests: that none is found on the wildest windows is what the
    /// ranges in the modules say.
    #[test]
    fn no_window_overflows(window in prop::collection::vec(extremes(), 200)) {
        let extractor = Extractor::new(&everything(100)).unwrap();
        let features = extractor.extract(&window).unwrap();
        prop_assert_eq!(features.len(), extractor.features().columns());
    }

    /// Squares and steps: the loudest of each frequency, phase and length.
    #[test]
    fn the_loudest_do_not_overflow(half in 1usize..80, phase in 0usize..80, length in 64u16..128) {
        let extractor = Extractor::new(&everything(length)).unwrap();
        let square = |time: usize| if ((time + phase) / half).is_multiple_of(2) { i16::MAX } else { i16::MIN };
        let window: Vec<i16> = (0..usize::from(length)).flat_map(|time| [square(time), square(time + half)]).collect();
        let features = extractor.extract(&window).unwrap();
        prop_assert_eq!(features.len(), extractor.features().columns());
    }
}

#[test]
fn a_long_window_does_not_overflow() {
    let part = FeaturePart::Statistics(Statistic::ALL.to_vec());
    let length = Features::MAX_LENGTH;
    let description = features(2, length, vec![part, FeaturePart::Correlation]);
    let extractor = Extractor::new(&description).unwrap();
    for ends in [
        [i16::MIN, i16::MIN],
        [i16::MAX, i16::MAX],
        [i16::MAX, i16::MIN],
    ] {
        let window: Vec<i16> = (0..2 * usize::from(length))
            .map(|at| ends[at / 2 % 2])
            .collect();
        let features = extractor.extract(&window).unwrap();
        let together = features.last().copied().unwrap();
        let wanted = if ends[0] == ends[1] { 0 } else { 16_384 };
        assert!(together.abs_diff(wanted) <= 2, "{together}");
    }
}

fn windowed_model() -> Model {
    let extractor = Extractor::new(&everything(100)).unwrap();
    let windows: Vec<Vec<i16>> = (0..40)
        .map(|seed| {
            interleaved(&[
                sound(100, 2e3, seed),
                sound(100, 200.0 + 300.0 * (seed % 2) as f64, 90 + seed),
            ])
        })
        .collect();
    let rows: Vec<Vec<i16>> = windows
        .iter()
        .map(|one| extractor.extract(one).unwrap())
        .collect();
    let columns = extractor.features().columns();
    let steps = (0..columns)
        .map(|column| Step::over(rows.iter().map(|row| row[column]).collect()))
        .collect();
    let windowed = Windowed::new(extractor, steps).unwrap();
    let values = rows.iter().flat_map(|row| windowed.bytes(row)).collect();
    let labels = (0..40).map(|seed| seed % 2).collect();
    let table = crate::Table::new(columns, 2, values, labels).unwrap();
    let forest = crate::forest::ForestSettings::forest(3, 4, 1)
        .train(&table)
        .unwrap();
    Model {
        intake: Intake::Windows(windowed),
        columns: columns as u16,
        classes: 2,
        family: crate::Family::Forest(forest),
    }
}

#[test]
fn a_model_carries_its_features() {
    let model = windowed_model();
    let file = model.to_bytes();
    let back = Model::from_bytes(&file).unwrap();
    assert_eq!(back, model);
    let window = interleaved(&[sound(100, 2e3, 3), sound(100, 500.0, 93)]);
    let numbers: Vec<f32> = window.iter().copied().map(f32::from).collect();
    let answer = back.answer_window(&window).unwrap();
    assert_eq!(answer, model.answer_numbers(&numbers).unwrap());
    assert_eq!(answer.label, 1);
    assert!(back.answer_window(&window[1..]).is_err());
    assert!(back.answer_numbers(&numbers[..10]).is_err());
    let mut broken = numbers;
    broken[7] = f32::NAN;
    let refused = back.answer_numbers(&broken).unwrap_err().to_string();
    assert!(
        refused.contains("number 7 of the window is NaN") || refused.contains("column 7"),
        "{refused}"
    );
}

#[test]
fn a_description_that_does_not_fit_is_refused() {
    let model = windowed_model();
    let file = model.to_bytes();
    // Every byte of the description changed, with a checksum that is right.
    for place in 10..60 {
        for change in [1u8, 0x80, 0xff] {
            let mut changed = file.clone();
            changed[place] ^= change;
            let end = changed.len() - 4;
            let checksum = crate::format::bytes::crc32(&changed[..end]);
            changed[end..].copy_from_slice(&checksum.to_le_bytes());
            if let Ok(model) = Model::from_bytes(&changed) {
                let Intake::Windows(windowed) = &model.intake else {
                    continue;
                };
                let window = vec![100; windowed.features().numbers()];
                assert!(model.answer_window(&window).is_ok());
            }
        }
    }
}
