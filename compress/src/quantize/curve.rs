//! Loss against bits, as a table and as data for a plot.

use std::fmt;

use noroshi_onnx::encode;
use serde::Serialize;

use super::bits::Bits;
use super::judge::{Goal, Judge, Loss};
use super::study::Study;
use super::{Options, Progress};
use crate::Result;

/// Loss against bits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Curve {
    /// In the order that was asked for.
    pub points: Vec<Point>,
}

/// A model of a curve.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Point {
    /// Bits of its weights.
    pub weight_bits: Bits,
    /// Bits of its activations.
    pub activation_bits: Bits,
    /// What it lost.
    pub loss: Loss,
    /// Whether that is refused.
    pub refused: bool,
    /// Signal-to-noise ratio of its outputs on calibration inputs, in decibels.
    pub decibels: f64,
    /// Bytes of its file.
    pub bytes: u64,
}

impl Study<'_> {
    /// Quantizes with each pair of bits, of weights and of activations, and measures the loss.
    pub fn curve(
        &self,
        pairs: &[(Bits, Bits)],
        goal: &Goal<'_>,
        options: &Options,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Curve> {
        let judge = Judge::new(self.float(), goal, &options.engine)?;
        let mut points = Vec::with_capacity(pairs.len());
        for (done, &(weight_bits, activation_bits)) in pairs.iter().enumerate() {
            let options = Options {
                weight_bits,
                activation_bits,
                ..options.clone()
            };
            let quantized = self.quantize(&options, &mut |_| {})?;
            let loss = judge.loss(&quantized.model)?;
            points.push(Point {
                weight_bits,
                activation_bits,
                loss,
                refused: loss.is_refused(),
                decibels: quantized.report.decibels.unwrap_or(f64::NAN),
                bytes: encode(&quantized.model)?.len() as u64,
            });
            progress(Progress {
                stage: "curve",
                done: done + 1,
                of: pairs.len(),
            });
        }
        Ok(Curve { points })
    }
}

impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, " bits   bytes      dB   lost  95 %             ")?;
        for point in &self.points {
            let Loss {
                loss, low, high, ..
            } = point.loss;
            writeln!(
                f,
                "W{}A{}  {:>8}  {:>5.1}  {:>6.2}  {:.2} to {:.2} points{}",
                point.weight_bits,
                point.activation_bits,
                point.bytes,
                point.decibels,
                100.0 * loss,
                100.0 * low,
                100.0 * high,
                if point.refused { ", refused" } else { "" }
            )?;
        }
        Ok(())
    }
}
