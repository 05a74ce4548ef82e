//! How the numbers of each weight are spread.

use noroshi_onnx::{DataType, ModelProto, TensorProto};
use rayon::prelude::*;
use serde::Serialize;

use super::constants;
use crate::Result;

/// Fewest numbers of a weight that is worth a histogram.
const FEWEST: usize = 16;

/// How the numbers of a weight are spread.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WeightHistogram {
    /// The weight's name.
    pub tensor: String,
    /// How many numbers it has.
    pub elements: u64,
    /// The least number.
    pub low: f32,
    /// The greatest.
    pub high: f32,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation.
    pub deviation: f64,
    /// How many are zero.
    pub zeros: u64,
    /// How many are no finite numbers; they count nowhere else.
    pub not_finite: u64,
    /// How many lie in each of the equal parts of `low..=high`.
    pub counts: Vec<u64>,
}

/// Histograms with `bins` bars of every weight of at least sixteen numbers, in the order of their
/// names. Weights are read where they lie, not copied.
pub fn histograms(model: &ModelProto, bins: usize) -> Result<Vec<WeightHistogram>> {
    let weights: Vec<&TensorProto> = constants(model.graph()?)
        .into_values()
        .filter(|tensor| is_weight(tensor))
        .collect();
    weights
        .into_par_iter()
        .map(|tensor| histogram(tensor, bins.max(1)))
        .collect()
}

fn is_weight(tensor: &TensorProto) -> bool {
    let number = matches!(
        DataType::from_number(tensor.data_type),
        Some(
            DataType::F32
                | DataType::F16
                | DataType::Bf16
                | DataType::F64
                | DataType::I8
                | DataType::U8
                | DataType::I4
                | DataType::U4
        )
    );
    number && tensor.elements().is_ok_and(|count| count >= FEWEST)
}

fn histogram(tensor: &TensorProto, bins: usize) -> Result<WeightHistogram> {
    let mut seen = WeightHistogram {
        tensor: tensor.name.clone(),
        elements: tensor.elements()? as u64,
        low: f32::INFINITY,
        high: f32::NEG_INFINITY,
        mean: 0.0,
        deviation: 0.0,
        zeros: 0,
        not_finite: 0,
        counts: vec![0; bins],
    };
    let (mut sum, mut squares) = (0.0, 0.0);
    tensor.visit(|value| {
        if value.is_finite() {
            seen.low = seen.low.min(value);
            seen.high = seen.high.max(value);
            seen.zeros += u64::from(value == 0.0);
            sum += f64::from(value);
            squares += f64::from(value) * f64::from(value);
        } else {
            seen.not_finite += 1;
        }
    })?;
    let finite = (seen.elements - seen.not_finite) as f64;
    if finite == 0.0 {
        (seen.low, seen.high) = (0.0, 0.0);
        return Ok(seen);
    }
    seen.mean = sum / finite;
    seen.deviation = (squares / finite - seen.mean * seen.mean).max(0.0).sqrt();
    let (low, width) = (
        f64::from(seen.low),
        f64::from(seen.high) - f64::from(seen.low),
    );
    let counts = &mut seen.counts;
    tensor.visit(|value| {
        if value.is_finite() {
            let place = (f64::from(value) - low) / width.max(f64::MIN_POSITIVE) * bins as f64;
            counts[(place as usize).min(bins - 1)] += 1;
        }
    })?;
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finite_number_is_in_one_bar() {
        let values: Vec<f32> = (0..100).map(|value| value as f32).collect();
        let seen = histogram(&TensorProto::new("w", &[100], &values), 10).unwrap();
        assert_eq!(seen.counts, [10; 10]);
        assert_eq!((seen.low, seen.high, seen.zeros), (0.0, 99.0, 1));
        assert!((seen.mean - 49.5).abs() < 1e-9 && (seen.deviation - 28.866).abs() < 1e-3);
    }

    #[test]
    fn equal_and_broken_numbers_are_no_trouble() {
        let seen = histogram(&TensorProto::new("w", &[3], &[2.0f32; 3]), 4).unwrap();
        assert_eq!(seen.counts, [3, 0, 0, 0]);
        let odd = [f32::NAN, f32::INFINITY, f32::MAX, f32::MIN];
        let seen = histogram(&TensorProto::new("w", &[4], &odd), 2).unwrap();
        assert_eq!((seen.not_finite, seen.counts), (2, vec![1, 1]));
        let seen = histogram(&TensorProto::new("w", &[1], &[f32::NAN]), 2).unwrap();
        assert_eq!((seen.low, seen.not_finite), (0.0, 1));
    }
}
