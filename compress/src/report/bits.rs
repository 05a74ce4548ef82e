//! What fewer bits would cost a model, on somebody's data: the survey's figure 1 for one's own
//! network, and which layers would suffer most.

use std::fmt;
use std::path::Path;

use noroshi_engine::Tensor;
use noroshi_onnx as onnx;
use noroshi_train::data::{Dataset, Targets};
use serde::Serialize;

use crate::evaluate::{self, Model};
use crate::plot::{self, Plot};
use crate::quantize::{Bits, Curve, Goal, Options, Progress, Sensitivity, Study};
use crate::{Error, Result};

/// Bits that are tried, from many to few.
const WIDTHS: [u8; 6] = [8, 6, 5, 4, 3, 2];
/// Of so many samples one is calibrated with; the loss is measured on the others.
const CALIBRATED: usize = 4;
/// Most samples that are calibrated with, and most that the loss is measured on.
const MOST_CALIBRATED: usize = 256;
const MOST_MEASURED: usize = 2_000;
/// Samples that each layer alone is measured on.
const FEW: usize = 32;
/// Fewest samples of which any is left to measure on.
const FEWEST: usize = 2 * CALIBRATED;
/// A loss beyond it is refused, once it is sure.
const LIMIT: f64 = 0.02;

/// Loss against bits, and layers alone.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BitWidths {
    /// Samples that ranges were found with.
    pub calibrated: usize,
    /// Other samples, on which the loss was measured.
    pub measured: usize,
    /// Weights of so many bits, activations of eight.
    pub weights: Curve,
    /// Weights and activations of so many bits.
    pub both: Curve,
    /// Each layer alone with eight bits, the worst first.
    pub layers: Vec<Sensitivity>,
}

/// Quantizes the float ONNX file at `path` with 8 to 2 bits, and each layer of it alone, on samples
/// that it was not calibrated with.
pub fn bit_widths(
    path: &Path,
    data: &Dataset,
    options: &evaluate::Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<BitWidths> {
    if data.len() < FEWEST {
        let count = data.len();
        return Err(Error::Compare(format!(
            "{count} samples are too few to calibrate with some and measure on others: give \
             {FEWEST} or more, best hundreds"
        )));
    }
    let float = onnx::read(path)?;
    let mut model = Model::open(path, data, &options.engine)?;
    let mut take = |places: &[usize]| -> Result<Vec<Tensor>> {
        let inputs = places.iter().map(|&place| model.input(data, place));
        inputs.collect()
    };
    let (calibrated, measured) = halves(data.len());
    let (calibration, inputs) = (take(&calibrated)?, take(&measured)?);
    let labels: Option<Vec<usize>> = match data.targets() {
        Targets::Classes(classes) => {
            let labels = measured.iter().map(|&place| classes.of[place] as usize);
            Some(labels.collect())
        }
        _ => None,
    };
    let goal = Goal {
        inputs: &inputs,
        labels: labels.as_deref(),
        max_loss: LIMIT,
    };
    let how = Options {
        engine: options.engine.clone(),
        ..Options::default()
    };
    let study = Study::new(&float, &calibration, &how, progress)?;
    let pairs = |activations: fn(u8) -> u8| -> Result<Vec<(Bits, Bits)>> {
        let pair = |width: u8| Ok((Bits::new(width)?, Bits::new(activations(width))?));
        WIDTHS.into_iter().map(pair).collect()
    };
    let few = &inputs[..inputs.len().min(FEW)];
    Ok(BitWidths {
        calibrated: calibrated.len(),
        measured: measured.len(),
        weights: study.curve(&pairs(|_| 8)?, &goal, &how, progress)?,
        both: study.curve(&pairs(|width| width)?, &goal, &how, progress)?,
        layers: study.sensitivity(few, &how, progress)?,
    })
}

/// Places of the samples that are calibrated with, and of those that are measured on: spread over
/// all, because files are often sorted by class.
fn halves(count: usize) -> (Vec<usize>, Vec<usize>) {
    let (first, rest): (Vec<usize>, Vec<usize>) =
        (0..count).partition(|place| place % CALIBRATED == 0);
    let spread = |places: Vec<usize>, most: usize| -> Vec<usize> {
        let step = places.len().div_ceil(most).max(1);
        places.into_iter().step_by(step).collect()
    };
    (spread(first, MOST_CALIBRATED), spread(rest, MOST_MEASURED))
}

/// The noise at the outputs as a share of the signal, from their ratio in decibels.
pub fn noise(decibels: f64) -> f64 {
    10f64.powf(-decibels / 20.0)
}

impl BitWidths {
    /// The pictures, with names that are fit for files.
    pub fn pictures(&self, name: &str) -> [(String, Plot); 2] {
        let curve = |called: &str, curve: &Curve, bits: fn(&crate::quantize::Point) -> Bits| {
            let points = curve.points.iter().map(|point| {
                let after = point.loss.after;
                (
                    u32::from(bits(point).count()),
                    after.share,
                    Some((after.low, after.high)),
                )
            });
            plot::Curve {
                name: called.into(),
                points: points.collect(),
            }
        };
        let labelled = self
            .both
            .points
            .first()
            .is_some_and(|point| point.loss.labelled);
        let quality = if labelled {
            "accuracy"
        } else {
            "agreement with the float model"
        };
        let curves = [
            curve("weights alone", &self.weights, |point| point.weight_bits),
            curve("activations too", &self.both, |point| point.weight_bits),
        ];
        let layers: Vec<(String, f64)> = self
            .layers
            .iter()
            .map(|layer| (layer.layer.clone(), 100.0 * noise(layer.decibels)))
            .collect();
        [
            (
                "bits".into(),
                plot::bit_widths(&format!("{name}: fewer bits"), quality, &curves),
            ),
            (
                "layers".into(),
                plot::sensitivity(
                    &format!("{name}: one layer alone with eight bits"),
                    "noise at the outputs, % of the signal",
                    &layers,
                ),
            ),
        ]
    }
}

impl fmt::Display for BitWidths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Layers that a table shows.
        const SHOWN: usize = 5;
        let (calibrated, measured) = (self.calibrated, self.measured);
        writeln!(
            f,
            "fewer bits after training, calibrated with {calibrated} samples, measured on \
             {measured} others"
        )?;
        write!(f, "{}{}", self.weights, self.both)?;
        writeln!(f, "the layers that suffer most, alone with eight bits")?;
        for layer in self.layers.iter().take(SHOWN) {
            writeln!(f, "{:>8.1} dB  {}", layer.decibels, layer.layer)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_on_was_not_calibrated_with() {
        for count in [8, 9, 1000, 50_000] {
            let (calibrated, measured) = halves(count);
            assert!(calibrated.len() <= MOST_CALIBRATED && measured.len() <= MOST_MEASURED);
            assert!(!calibrated.is_empty() && measured.len() >= FEWEST - CALIBRATED / 2);
            assert!(measured.iter().all(|place| !calibrated.contains(place)));
            assert!(*measured.last().unwrap() > count * 9 / 10 - 2);
        }
    }

    #[test]
    fn forty_decibels_are_a_hundredth() {
        assert!((noise(40.0) - 0.01).abs() < 1e-12);
    }
}
