//! The pictures that people ask for.

use super::{Axis, Mark, Plot, Point, Scale, Series};
use crate::inspect::WeightHistogram;

/// Layers that a picture of sensitivities shows.
const ROWS: usize = 24;

/// A model that could be chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Its name.
    pub name: String,
    /// What it costs: bytes, milliseconds.
    pub cost: f64,
    /// How good it is, such as its accuracy.
    pub quality: f64,
    /// Ends of the interval of that.
    pub interval: Option<(f64, f64)>,
}

/// Quality against cost, with the border of those that no other beats in both.
///
/// `cost` and `quality` are what the axes are called. Costs lie on a logarithmic axis if they
/// differ by a factor of four or more.
pub fn pareto(title: &str, cost: &str, quality: &str, candidates: &[Candidate]) -> Plot {
    let costs = || candidates.iter().map(|candidate| candidate.cost);
    let (least, most) = (
        costs().fold(f64::INFINITY, f64::min),
        costs().fold(0.0, f64::max),
    );
    let scale = if least > 0.0 && most / least >= 4.0 {
        Scale::Log
    } else {
        Scale::Linear
    };
    let points = candidates.iter().map(|candidate| Point {
        x: candidate.cost,
        y: candidate.quality,
        interval: candidate.interval,
        label: candidate.name.clone(),
    });
    let border = front(candidates);
    Plot {
        title: title.into(),
        x: Axis::new(cost, scale),
        y: Axis::new(quality, Scale::Linear),
        series: vec![
            Series {
                name: "best for its cost".into(),
                mark: Mark::Steps,
                points: border
                    .into_iter()
                    .map(|place| Point::new(candidates[place].cost, candidates[place].quality))
                    .collect(),
            },
            Series {
                name: "candidates".into(),
                mark: Mark::Points,
                points: points.collect(),
            },
        ],
    }
}

/// Places of the candidates that no other beats in cost and quality, the cheapest first.
pub fn front(candidates: &[Candidate]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.sort_by(|&left, &right| {
        let (left, right) = (&candidates[left], &candidates[right]);
        let by_cost = left.cost.total_cmp(&right.cost);
        by_cost.then(right.quality.total_cmp(&left.quality))
    });
    let mut best = f64::NEG_INFINITY;
    order.retain(|&place| {
        let better = candidates[place].quality > best;
        best = best.max(candidates[place].quality);
        better
    });
    order
}

/// Quality at each number of bits, one way of making it.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// The way, such as "post-training" or "learned step size".
    pub name: String,
    /// Bits, quality, and the ends of its interval.
    pub points: Vec<(u32, f64, Option<(f64, f64)>)>,
}

/// Quality against bits, from many to few: the survey's figure 1 for one's own model.
pub fn bit_widths(title: &str, quality: &str, curves: &[Curve]) -> Plot {
    let mut widths: Vec<u32> = curves
        .iter()
        .flat_map(|curve| curve.points.iter().map(|point| point.0))
        .collect();
    widths.sort_unstable_by(|left, right| right.cmp(left));
    widths.dedup();
    let place = |bits: u32| widths.iter().position(|&width| width == bits);
    let series = curves.iter().map(|curve| Series {
        name: curve.name.clone(),
        mark: Mark::Line,
        points: curve
            .points
            .iter()
            .filter_map(|&(bits, quality, interval)| {
                Some(Point {
                    interval,
                    ..Point::new(place(bits)? as f64, quality)
                })
            })
            .collect(),
    });
    Plot {
        title: title.into(),
        x: Axis {
            names: widths.iter().map(u32::to_string).collect(),
            ..Axis::new("bits", Scale::Linear)
        },
        y: Axis::new(quality, Scale::Linear),
        series: series.collect(),
    }
}

/// What it costs to change each layer alone, the most sensitive first; the others are left out.
pub fn sensitivity(title: &str, loss: &str, layers: &[(String, f64)]) -> Plot {
    let mut layers = layers.to_vec();
    layers.sort_by(|left, right| right.1.total_cmp(&left.1));
    layers.truncate(ROWS);
    Plot {
        title: title.into(),
        x: Axis::new(loss, Scale::Linear),
        y: Axis {
            names: layers.iter().map(|layer| layer.0.clone()).collect(),
            ..Axis::new("", Scale::Linear)
        },
        series: vec![Series {
            name: String::new(),
            mark: Mark::Rows,
            points: layers
                .iter()
                .map(|(_, loss)| Point::new(*loss, 0.0))
                .collect(),
        }],
    }
}

/// How the numbers of a weight are spread.
pub fn weights(histogram: &WeightHistogram) -> Plot {
    let (low, high) = (f64::from(histogram.low), f64::from(histogram.high));
    let step = (high - low) / histogram.counts.len().max(1) as f64;
    let bars = histogram.counts.iter().enumerate();
    let points =
        bars.map(|(place, &count)| Point::new(low + (place as f64 + 0.5) * step, count as f64));
    Plot {
        title: format!("{}: {} weights", histogram.tensor, histogram.elements),
        x: Axis::new("value", Scale::Linear).with(low).with(high),
        y: Axis::new("weights", Scale::Linear).with(0.0),
        series: vec![Series {
            name: String::new(),
            mark: Mark::Bars,
            points: points.collect(),
        }],
    }
}
