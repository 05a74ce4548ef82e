//! From floating point to whole numbers, with ranges proven.

use crate::error::{Result, TinyError, file, settings};

/// The largest absolute value, never 0.
pub(crate) fn largest(values: &[f32]) -> f32 {
    values
        .iter()
        .fold(1e-12, |largest, value| largest.max(value.abs()))
}

/// `value` in units of `unit`, within ±127.
pub(crate) fn byte(value: f32, unit: f32) -> i8 {
    (value / unit).round().clamp(-127.0, 127.0) as i8
}

/// Many values.
pub(crate) fn bytes(values: &[f32], unit: f32) -> Vec<i8> {
    values.iter().map(|&value| byte(value, unit)).collect()
}

/// `ratio` as multiplier · 2^−shift with a multiplier of at most `bits` bits.
pub(crate) fn multiplier(ratio: f64, bits: u32) -> Result<(u16, u8)> {
    if !(ratio.is_finite() && ratio > 0.0) {
        return Err(TinyError::Diverged(format!("a scale came out as {ratio}")));
    }
    let limit = f64::from((1u32 << bits) - 1);
    for shift in (0..=31u8).rev() {
        let scaled = (ratio * f64::from(1u32 << shift)).round();
        if scaled <= limit {
            if scaled < 1.0 {
                break;
            }
            return Ok((scaled as u16, shift));
        }
    }
    Err(settings(format!(
        "a scale of {ratio:e} is beyond what whole numbers can do: other settings are needed"
    )))
}

/// (sum · multiplier) ≫ shift, rounded down: the multiplication is of 32 by 16 bits, and the
/// product fits 32 (see [`check_rows`]).
pub(crate) fn scaled(sum: i32, multiplier: u16, shift: u8) -> i32 {
    (sum * i32::from(multiplier)) >> shift
}

/// A matrix of bytes whose rows are brought to one unit by a multiplier each and one shift.
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    pub weights: Vec<i8>,
    pub bias: Vec<i32>,
    pub multipliers: Vec<u16>,
    pub shift: u8,
}

/// Makes [`Rows`] of a float matrix for inputs of a byte: a result of 1 stands for `unit`.
/// The half of the last bit that the shift
/// rounds down is added to the bias.
pub(crate) fn rows(weights: &[f32], bias: &[f32], columns: usize, unit: f32) -> Result<Rows> {
    let rows: Vec<&[f32]> = weights.chunks(columns).collect();
    // A row of next to nothing but a bias is kept from a unit so small that the bias overflows.
    let own_unit = |(row, bias): (&&[f32], &f32)| {
        (largest(row) / 127.0)
            .max(bias.abs() / 16_777_216.0)
            .max(unit / 4096.0)
    };
    let units: Vec<f32> = rows.iter().zip(bias).map(own_unit).collect();
    let ratios: Vec<f64> = units
        .iter()
        .map(|own| f64::from(*own) / f64::from(unit))
        .collect();
    let most = ratios.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let quantized: Vec<Vec<i8>> = rows
        .iter()
        .zip(&units)
        .map(|(row, &own)| bytes(row, own))
        .collect();
    // The greatest shift for which every multiplier has 15 bits and every product 31.
    for shift in (0..=30u8).rev() {
        let factor = f64::from(1u32 << shift);
        if most * factor > 32_767.0 {
            continue;
        }
        let multipliers: Vec<u16> = ratios
            .iter()
            .map(|ratio| (ratio * factor).round().max(1.0) as u16)
            .collect();
        let biases = bias.iter().zip(&units).zip(&multipliers);
        let bias: Vec<i32> = biases
            .map(|((&bias, &own), &multiplier)| {
                let half = factor / 2.0 / f64::from(multiplier);
                (f64::from(bias) / f64::from(own) + half).round() as i32
            })
            .collect();
        let made = Rows {
            weights: quantized.concat(),
            bias,
            multipliers,
            shift,
        };
        if check_rows(&made.weights, &made.bias, &made.multipliers, columns).is_ok() {
            return Ok(made);
        }
    }
    Err(settings(
        "no whole numbers suit this projection: train with fewer dimensions or columns",
    ))
}

/// Intervals: for any bytes, no partial sum of a row and no product leaves 32 bits.
pub(crate) fn check_rows(
    weights: &[i8],
    bias: &[i32],
    multipliers: &[u16],
    columns: usize,
) -> Result<()> {
    let rows = weights.chunks(columns).zip(bias.iter().zip(multipliers));
    for (number, (row, (&bias, &multiplier))) in rows.enumerate() {
        if !fits(row.iter().copied(), bias, multiplier) {
            return Err(file(format!(
                "row {number} of the projection could leave its 32 bits"
            )));
        }
    }
    Ok(())
}

/// Whether bias + Σ weight · byte, in any order, times the multiplier has 32 bits.
pub(crate) fn fits(weights: impl Iterator<Item = i8>, bias: i32, multiplier: u16) -> bool {
    let (mut low, mut high) = (i64::from(bias.min(0)), i64::from(bias.max(0)));
    for weight in weights {
        low += 255 * i64::from(weight.min(0));
        high += 255 * i64::from(weight.max(0));
    }
    let product = low.abs().max(high) * i64::from(multiplier);
    product <= i64::from(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_keeps_its_bits() {
        for ratio in [1e-6, 0.001, 0.3, 1.0, 77.0] {
            let (multiplier, shift) = multiplier(ratio, 15).unwrap();
            let back = f64::from(multiplier) / f64::from(1u32 << shift);
            assert!((back / ratio - 1.0).abs() < 1e-3, "{ratio}: {back}");
        }
        assert!(multiplier(f64::NAN, 15).is_err());
        assert!(multiplier(1e9, 15).is_err());
    }

    #[test]
    fn intervals_find_what_would_overflow() {
        assert!(fits([127; 100].into_iter(), 0, 600));
        assert!(!fits([127; 100].into_iter(), 0, 700));
        assert!(!fits([0; 1].into_iter(), i32::MIN, 2));
    }

    #[test]
    fn rows_come_out_as_they_went_in() {
        let weights = [0.01f32, -0.02, 0.03, 0.5, 0.25, -0.125];
        let rows = rows(&weights, &[1.0, -3.0], 3, 0.05).unwrap();
        let input = [200u8, 100, 50];
        for row in 0..2 {
            let exact: f32 = (0..3)
                .map(|column| weights[row * 3 + column] * f32::from(input[column]))
                .sum::<f32>()
                + [1.0, -3.0][row];
            let sum = rows.bias[row]
                + (0..3)
                    .map(|column| {
                        i32::from(rows.weights[row * 3 + column]) * i32::from(input[column])
                    })
                    .sum::<i32>();
            let own = scaled(sum, rows.multipliers[row], rows.shift);
            assert!((exact / 0.05 - own as f32).abs() < 12.0, "{exact} {own}");
        }
    }
}
