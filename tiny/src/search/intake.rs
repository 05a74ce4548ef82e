//! What the intake takes beside the model: see [`super::cost::Cost`].

use noroshi_model::{Bands, Cepstrum, FeaturePart, Features, Statistic};

use crate::model::Intake;

/// Bytes in the file; bytes in flash and memory and cycles of a row on an ATmega328P.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    pub file: u64,
    pub flash: u64,
    pub ram: u64,
    pub cycles: u64,
}

const NOTHING: Taken = Taken {
    file: 0,
    flash: 0,
    ram: 0,
    cycles: 0,
};

/// Bytes in the file, flash, memory and cycles that making a row takes.
pub(super) fn taken(intake: &Intake) -> Taken {
    match intake {
        Intake::Bytes => NOTHING,
        Intake::Scaled(scales) => {
            let columns = scales.len() as u64;
            Taken {
                file: 8 * columns,
                flash: 8 * columns + 1100,
                ram: 4 * columns + 24,
                // A subtraction, a division and an addition in soft floating point.
                cycles: 1000 * columns,
            }
        }
        Intake::Windows(windowed) => windows(windowed.features()),
    }
}

/// Samples come one by one; the cycles are those of a whole window, all that is done between two.
fn windows(features: &Features) -> Taken {
    let (channels, length) = (u64::from(features.channels), u64::from(features.length));
    let columns = features.columns() as u64;
    let numbers = features.numbers() as u64;
    let mut cost = Taken {
        file: 6 + 4 * channels + 4 * columns,
        flash: 900 + 4 * columns,
        ram: 2 * numbers + 9 * channels + 60,
        // A ring's samples, and each channel's ends and mean.
        cycles: u64::from(features.hop) * 300 + 60 * numbers + 3000 * channels + 160 * columns,
    };
    let mut points = 0;
    for part in &features.parts {
        let of = part_taken(part, features, channels, length);
        points = points.max(part_points(part));
        cost.file += of.file;
        cost.flash += of.flash;
        cost.cycles += of.cycles;
        cost.ram += of.ram;
    }
    cost.ram += 2 * points;
    if points > 0 {
        cost.flash += 1700;
    }
    cost
}

fn part_points(part: &FeaturePart) -> u64 {
    match part {
        FeaturePart::Statistics(_) | FeaturePart::Correlation => 0,
        FeaturePart::Bands(Bands { points, .. })
        | FeaturePart::Cepstrum(Cepstrum { points, .. }) => u64::from(*points),
    }
}

fn part_taken(part: &FeaturePart, features: &Features, channels: u64, length: u64) -> Taken {
    match part {
        FeaturePart::Statistics(which) => {
            let squares = [
                Statistic::Deviation,
                Statistic::RootMeanSquare,
                Statistic::Energy,
            ];
            let squares = which.iter().filter(|one| squares.contains(one)).count() as u64;
            let crossings = [Statistic::ZeroCrossings, Statistic::MeanCrossings];
            let crossings = which.iter().filter(|one| crossings.contains(one)).count() as u64;
            Taken {
                file: 2 + which.len() as u64,
                flash: 300 + 120 * which.len() as u64 + 600 * squares.min(1),
                ram: 0,
                cycles: channels * (squares * (130 * length + 6000) + crossings * 70 * length),
            }
        }
        FeaturePart::Correlation => {
            let pairs = channels * (channels - 1) / 2;
            Taken {
                file: 1,
                flash: 1300,
                ram: 4 * channels,
                cycles: (channels * 130 + pairs * 180) * length + pairs * 4500,
            }
        }
        FeaturePart::Bands(bands) => Taken {
            file: 5 + 2 * bands.edges.len() as u64,
            flash: 300
                + table_bytes(bands.points, length / u64::from(bands.thin))
                + 2 * bands.edges.len() as u64,
            ram: 0,
            cycles: channels
                * (100 * length + transformed(bands.points) + 900 * bands.edges.len() as u64),
        },
        FeaturePart::Cepstrum(one) => {
            let filters = one.filters() as u64;
            let coefficients = u64::from(one.coefficients);
            let frames = one.frames(features.length) as u64;
            let frame = 200 * u64::from(one.frame)
                + transformed(one.points)
                + 1000 * u64::from(one.points / 2)
                + filters * (1800 + 60 * coefficients);
            Taken {
                file: 9 + 2 * one.edges.len() as u64,
                flash: 1300
                    + table_bytes(one.points, u64::from(one.frame))
                    + 2 * (filters * coefficients + one.edges.len() as u64),
                ram: 48 + 2 * filters + coefficients * if frames > 1 { 10 } else { 4 },
                cycles: channels * frames * frame + channels * coefficients * 1500,
            }
        }
    }
}

/// Sines and Hann's window.
fn table_bytes(points: u16, samples: u64) -> u64 {
    3 * u64::from(points) / 2 + samples + 1
}

/// Cycles of a transform and the powers of its bins.
fn transformed(points: u16) -> u64 {
    let half = u64::from(points / 2);
    let stages = u64::from(points.trailing_zeros());
    half * (210 * stages + 620)
}
