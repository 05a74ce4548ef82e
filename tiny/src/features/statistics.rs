//! Figures of one channel's window, and how channels go together.

use noroshi_model::Statistic;

use super::fixed::{Spread, correlation, lifted, log_within, mean, product_shift, root_mean};

/// What one pass over a channel's window tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Measures {
    pub least: i16,
    pub greatest: i16,
    pub mean: i16,
    /// About the mean.
    pub spread: Spread,
}

impl Measures {
    pub(super) fn of(samples: &[i16]) -> Self {
        let (mut least, mut greatest, mut sum) = (i16::MAX, i16::MIN, 0i32);
        for &sample in samples {
            least = least.min(sample);
            greatest = greatest.max(sample);
            sum += i32::from(sample);
        }
        let mean = mean(sum, samples.len() as u16);
        Self {
            least,
            greatest,
            mean,
            spread: Spread::new(least, greatest, mean),
        }
    }
}

/// One figure.
pub(super) fn statistic(which: Statistic, samples: &[i16], measures: &Measures) -> i16 {
    let Measures {
        least,
        greatest,
        mean,
        spread,
    } = *measures;
    let count = samples.len() as u16;
    let exponent = |spread: Spread| product_shift(count) + 2 * spread.exponent;
    match which {
        Statistic::Mean => mean,
        Statistic::Least => least,
        Statistic::Greatest => greatest,
        Statistic::HalfRange => ((i32::from(greatest) - i32::from(least)) >> 1) as i16,
        Statistic::Deviation => root_mean(squares(samples, spread), count, exponent(spread)),
        Statistic::RootMeanSquare => {
            let spread = Spread::new(least, greatest, 0);
            root_mean(squares(samples, spread), count, exponent(spread))
        }
        Statistic::Energy => {
            let spread = Spread::new(least, greatest, 0);
            let mut exponent = exponent(spread);
            let sum = lifted(squares(samples, spread), &mut exponent);
            log_within(sum / u32::from(count), exponent, i16::MAX)
        }
        Statistic::ZeroCrossings => crossings(samples, 0),
        Statistic::MeanCrossings => crossings(samples, mean),
    }
}

/// The sum of squares, in 31 bits.
pub(super) fn squares(samples: &[i16], spread: Spread) -> u32 {
    products(samples, samples, [spread; 2]) as u32
}

/// The sum of products of two channels.
fn products(a: &[i16], b: &[i16], spreads: [Spread; 2]) -> i32 {
    let shift = product_shift(a.len() as u16);
    let half = 1 << (shift - 1);
    let product = |(&a, &b)| i32::from(spreads[0].of(a)) * i32::from(spreads[1].of(b));
    let pairs = a.iter().zip(b);
    pairs.map(|pair| (product(pair) + half) >> shift).sum()
}

/// Pearson's correlation in 1/16384; 0 where a channel is constant.
pub(super) fn together(samples: [&[i16]; 2], spreads: [Spread; 2], squares: [u32; 2]) -> i16 {
    correlation(products(samples[0], samples[1], spreads), squares)
}

/// How often the samples go from above `level` to it or below, or back.
fn crossings(samples: &[i16], level: i16) -> i16 {
    let pairs = samples.windows(2);
    pairs
        .filter(|pair| (pair[0] > level) != (pair[1] > level))
        .count() as i16
}
