//! What people look at beside a compression: loss against bits, and how weights are spread.

use noroshi_compress::inspect::{WeightHistogram, histograms};
use noroshi_compress::quantize::{Bits, Goal, Method, Options, Study};
use noroshi_onnx::ModelProto;
use serde_json::{Value, json};

use crate::error::{Failure, Tried};

/// Bits of weights that are tried, activations have eight.
const WIDTHS: [u8; 5] = [8, 6, 4, 3, 2];
/// Most views that the loss of each is measured on.
const VIEWS: usize = 64;
/// Histograms, those of the largest weights, and bars of each.
const HISTOGRAMS: usize = 6;
const BARS: usize = 48;

/// Agreement with the float model at each width: the survey's figure 1 for one's own model.
pub(super) fn bits(
    study: &Study<'_>,
    goal: &Goal<'_>,
    options: &Options,
) -> Result<Value, Failure> {
    let pair = |width: u8| Ok((Bits::new(width).tried("the bits")?, Bits::EIGHT));
    let pairs = WIDTHS.into_iter().map(pair);
    let pairs = pairs.collect::<Result<Vec<_>, Failure>>()?;
    let goal = Goal {
        inputs: &goal.inputs[..goal.inputs.len().min(VIEWS)],
        labels: None,
        ..*goal
    };
    // Whole ranges for all: what is shown is what bits do, and a search takes several times longer.
    let options = Options {
        method: Method::MinMax,
        ..options.clone()
    };
    let curve = study
        .curve(&pairs, &goal, &options, &mut |_| {})
        .tried("fewer bits")?;
    let points = curve.points.iter().map(|point| {
        let after = point.loss.after;
        json!({
            "bits": point.weight_bits, "bytes": point.bytes, "agreement": after.share,
            "low": after.low, "high": after.high, "refused": point.refused,
        })
    });
    Ok(points.collect())
}

/// How the largest weights of a model are spread.
pub(super) fn weights(model: &ModelProto) -> Result<Value, Failure> {
    let mut all = histograms(model, BARS).tried("the weights")?;
    all.sort_by(|one, other| {
        other
            .elements
            .cmp(&one.elements)
            .then(one.tensor.cmp(&other.tensor))
    });
    let told = |one: &WeightHistogram| {
        json!({
            "tensor": one.tensor, "elements": one.elements, "low": one.low, "high": one.high,
            "counts": one.counts,
        })
    };
    Ok(all.iter().take(HISTOGRAMS).map(told).collect())
}
