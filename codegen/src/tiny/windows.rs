//! Features of windows as source: the pieces that a description needs, filled in.

mod c;
mod rust;

use noroshi_model::{FeaturePart, Features, Statistic};
use noroshi_tiny::Model;
use noroshi_tiny::features::{Windowed, product_shift};

use super::{SourceError, line};

pub(super) use c::c;
pub(super) use rust::rust;

/// The pieces that some parts need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a piece of source on its own"
)]
struct Needs {
    /// Sums of squares, and roots of their means.
    squares: bool,
    root_mean: bool,
    energy: bool,
    crossings: bool,
    correlation: bool,
    /// Points of the largest transform; 0 for none.
    points: u16,
}

impl Needs {
    fn of(features: &Features) -> Self {
        let statistics = |which: &[Statistic]| {
            features.parts.iter().any(|part| match part {
                FeaturePart::Statistics(named) => named.iter().any(|one| which.contains(one)),
                _ => false,
            })
        };
        let points = features.parts.iter().map(|part| match part {
            FeaturePart::Bands(bands) => bands.points,
            FeaturePart::Cepstrum(one) => one.points,
            FeaturePart::Statistics(_) | FeaturePart::Correlation => 0,
        });
        let correlation = features.parts.contains(&FeaturePart::Correlation);
        let root_mean = statistics(&[Statistic::Deviation, Statistic::RootMeanSquare]);
        let energy = statistics(&[Statistic::Energy]);
        Self {
            squares: correlation || root_mean || energy,
            root_mean,
            energy,
            crossings: statistics(&[Statistic::ZeroCrossings, Statistic::MeanCrossings]),
            correlation,
            points: points.max().unwrap_or(0),
        }
    }

    /// Which of the pieces: numbers lifted, roots, roots of means, logarithms, squares, energy,
    /// crossings, correlation, transforms.
    fn pieces(self, all: [&'static str; 9]) -> String {
        let wanted = [
            self.squares,
            self.root_mean || self.correlation,
            self.root_mean,
            self.energy || self.points > 0,
            self.squares,
            self.energy,
            self.crossings,
            self.correlation,
            self.points > 0,
        ];
        let pieces = all.into_iter().zip(wanted);
        pieces
            .filter(|(_, wanted)| *wanted)
            .map(|(piece, _)| piece)
            .collect()
    }
}

/// What all pieces are filled with.
fn values(features: &Features, needs: Needs) -> Vec<(&'static str, String)> {
    let shift = product_shift(features.length);
    vec![
        ("channels", features.channels.to_string()),
        ("length", features.length.to_string()),
        ("hop", features.hop.to_string()),
        ("numbers", features.numbers().to_string()),
        (
            "last",
            (features.numbers() - usize::from(features.channels)).to_string(),
        ),
        ("shift", shift.to_string()),
        ("half", (1u32 << (shift - 1)).to_string()),
        ("most_points", needs.points.to_string()),
    ]
}

/// Whether the figure is of the samples about 0.
fn about_zero(which: &[Statistic]) -> bool {
    let squares = [Statistic::RootMeanSquare, Statistic::Energy];
    which.iter().any(|one| squares.contains(one))
}

/// Windows of noise that grows and is still at times, and what the model says to them: lines of
/// samples, then the class, then the scores.
pub(super) fn answered(
    model: &Model,
    windowed: &Windowed,
    count: usize,
) -> Result<String, SourceError> {
    let mut state = 2u64;
    let mut number = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 48) as u16
    };
    let mut text = String::new();
    for place in 0..count {
        let quiet = 15 - 2 * (place % 8);
        let mut level = 0i16;
        let window: Vec<i16> = (0..windowed.features().numbers())
            .map(|_| {
                if number() % 16 != 0 {
                    level = number().cast_signed() >> quiet;
                }
                level
            })
            .collect();
        text.push_str(&line(model, &window, &model.answer_window(&window)?));
    }
    Ok(text)
}
