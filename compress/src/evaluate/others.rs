//! Samples of several classes, and figures to come close to.

use noroshi_train::data::{Array, Labels};
use serde::Serialize;

use super::answers::Answers;
use super::classes::{Figure, threshold};
use super::ranking::Ranking;
use super::{Groups, Options};
use crate::statistics::{Interval, mean};
use crate::{Error, Result};

/// How well several classes of each sample are told.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Labelling {
    /// Mean average precision of the classes that have samples.
    pub mean_average_precision: Figure,
    /// Mean area under the ROC curve of the classes that have samples and do not have all.
    pub roc_auc: Option<Figure>,
    /// F1 over all samples and classes, from a half for probabilities, from zero for other numbers.
    pub micro_f1: f64,
    /// Mean F1 of the classes that have samples.
    pub macro_f1: f64,
}

pub(super) fn labels(
    answers: &Answers,
    labels: &Labels,
    groups: &Groups,
    options: &Options,
) -> Result<Labelling> {
    let width = labels.width;
    if answers.width != width {
        let found = answers.width;
        return Err(Error::Compare(format!(
            "the data have {width} labels a sample, the model's answer has {found} numbers"
        )));
    }
    let is = |place: usize, class: usize| labels.values[place * width + class];
    let rankings: Vec<Ranking> = (0..width)
        .map(|class| {
            let scores: Vec<f32> = answers.rows().map(|row| row[class]).collect();
            Ranking::new(&scores, |place| is(place, class))
        })
        .collect();
    let ones = vec![1.0; answers.len()];
    let figure = |of: &dyn Fn(&[f64]) -> Option<f64>| -> Option<Figure> {
        Some(Figure {
            value: of(&ones)?,
            interval: groups.interval(of, options),
        })
    };
    let average = |of: &dyn Fn(&Ranking) -> Option<f64>| -> Option<f64> {
        mean(&rankings.iter().filter_map(of).collect::<Vec<_>>())
    };
    let precision = figure(&|weights| average(&|ranking| ranking.average_precision(weights)));
    let from = threshold(&answers.values);
    let mut counts = vec![(0u64, 0u64); width];
    for (place, row) in answers.rows().enumerate() {
        for (class, &value) in row.iter().enumerate() {
            let (said, is) = (value >= from, is(place, class));
            counts[class].0 += u64::from(said && is);
            counts[class].1 += u64::from(said) + u64::from(is);
        }
    }
    let f1 = |(right, all): (u64, u64)| 2.0 * right as f64 / all.max(1) as f64;
    let whole = counts
        .iter()
        .fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
    let present = (0..width).filter(|&class| (0..answers.len()).any(|place| is(place, class)));
    let each: Vec<f64> = present.map(|class| f1(counts[class])).collect();
    Ok(Labelling {
        mean_average_precision: precision.ok_or_else(|| {
            Error::Compare("no sample has any label, so there is nothing to rank".into())
        })?,
        roc_auc: figure(&|weights| average(&|ranking| ranking.roc_auc(weights))),
        micro_f1: f1(whole),
        macro_f1: mean(&each).unwrap_or(0.0),
    })
}

/// How close answers come to figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Closeness {
    /// Root of the mean squared error.
    pub rmse: Figure,
    /// Mean absolute error.
    pub mae: f64,
    /// Largest error.
    pub worst: f64,
    /// Share of the variance that is explained; none if the figures are all equal.
    pub r_squared: Option<f64>,
    /// Mean squared error of each sample.
    #[serde(skip)]
    pub squared_errors: Vec<f64>,
}

pub(super) fn figures(
    answers: &Answers,
    targets: &Array,
    groups: &Groups,
    options: &Options,
) -> Result<Closeness> {
    let width = targets.sample_len();
    if answers.width != width {
        let found = answers.width;
        return Err(Error::Compare(format!(
            "the data have {width} figures a sample, the model's answer has {found} numbers"
        )));
    }
    let wanted: Vec<f64> = targets.to_f32().into_iter().map(f64::from).collect();
    let errors: Vec<f64> = answers
        .values
        .iter()
        .zip(&wanted)
        .map(|(&value, wanted)| f64::from(value) - wanted)
        .collect();
    let square = |value: &f64| value * value;
    let squared_errors: Vec<f64> = errors
        .chunks_exact(width.max(1))
        .map(|chunk| chunk.iter().map(square).sum::<f64>() / width as f64)
        .collect();
    let interval = groups.mean_interval_always(&squared_errors, options);
    let absolute: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
    let centres: Vec<f64> = (0..width)
        .map(|figure| {
            let of: Vec<f64> = wanted.iter().skip(figure).step_by(width).copied().collect();
            mean(&of).unwrap_or(0.0)
        })
        .collect();
    let spread = |(place, value): (usize, &f64)| (value - centres[place % width]).powi(2);
    let variance: f64 = wanted.iter().enumerate().map(spread).sum();
    let whole: f64 = errors.iter().map(square).sum();
    Ok(Closeness {
        rmse: Figure {
            value: (whole / errors.len().max(1) as f64).sqrt(),
            interval: interval.map(|Interval { low, high }| Interval {
                low: low.max(0.0).sqrt(),
                high: high.sqrt(),
            }),
        },
        mae: mean(&absolute).unwrap_or(0.0),
        worst: absolute.iter().copied().fold(0.0, f64::max),
        r_squared: (variance > 0.0).then(|| 1.0 - whole / variance),
        squared_errors,
    })
}

#[cfg(test)]
mod tests {
    use noroshi_train::data::Numbers;

    use super::*;

    #[test]
    fn labels_by_hand() {
        let answers = Answers {
            values: vec![0.9, 0.2, 0.8, 0.7, 0.1, 0.6],
            width: 2,
        };
        let truth = Labels {
            values: vec![true, false, false, true, true, true],
            width: 2,
        };
        let seen = labels(&answers, &truth, &Groups::each(3), &Options::default()).unwrap();
        // First class: ranks of the right ones 1 and 3: (1 + 2/3) / 2; the second is perfect.
        let expected = f64::midpoint(f64::midpoint(1.0, 2.0 / 3.0), 1.0);
        assert!((seen.mean_average_precision.value - expected).abs() < 1e-12);
        assert!((seen.roc_auc.unwrap().value - 0.75).abs() < 1e-12);
        // Right 3, said 4, are 4.
        assert!((seen.micro_f1 - 0.75).abs() < 1e-12);
        assert!((seen.macro_f1 - 0.75).abs() < 1e-12);
    }

    #[test]
    fn errors_by_hand() {
        let answers = Answers {
            values: vec![1.0, 2.0, 6.0],
            width: 1,
        };
        let targets = Array::new(vec![3, 1], Numbers::F32(vec![1.0, 3.0, 5.0])).unwrap();
        let seen = figures(&answers, &targets, &Groups::each(3), &Options::default()).unwrap();
        assert!((seen.rmse.value - (2.0f64 / 3.0).sqrt()).abs() < 1e-12);
        assert!((seen.mae - 2.0 / 3.0).abs() < 1e-12 && (seen.worst - 1.0).abs() < 1e-12);
        assert!((seen.r_squared.unwrap() - 0.75).abs() < 1e-12);
        assert!(seen.rmse.interval.unwrap().contains(seen.rmse.value));
    }
}
