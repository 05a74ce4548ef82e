//! A result becomes a step when it is rounded: factors, bounds, and the proof of its ranges.

use noroshi_onnx::NodeProto;

use super::super::error::{Result, refused};
use super::super::fixed::Scaling;
use super::super::network::{Element, Operation, Shape, Step, Value, Weighted, Window};
use super::Importer;
use super::layout::View;
use super::levels::Steps;

/// Largest magnitude of an 8-bit level less its zero point, with one to spare.
const LEVEL_LIMIT: i64 = 256;

/// Highest magnitude of a 32-bit output.
const WIDE_LIMIT: f64 = 1_073_741_824.0;

/// Largest factor between two scales.
const CHANGE_LIMIT: f64 = 1_048_576.0;

/// A result that is not rounded yet.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    name: String,
    inputs: Vec<usize>,
    shape: Shape,
    /// Whether the graph sees one row of numbers.
    pub(super) flat: bool,
    work: Work,
    /// Bounds of clips that follow, in numbers.
    pub(super) low: f64,
    pub(super) high: f64,
}

/// What computes a result.
#[derive(Debug, Clone)]
pub(super) enum Work {
    Weighted(Sum),
    Max(Window),
    Average(Window),
    Add,
    Copy,
}

/// A weighted sum.
#[derive(Debug, Clone)]
pub(super) struct Sum {
    pub(super) window: Window,
    pub(super) groups: usize,
    pub(super) depthwise: bool,
    pub(super) weights: Vec<i8>,
    pub(super) biases: Vec<i32>,
    /// The step of each output's sum.
    pub(super) scales: Vec<f64>,
}

impl Pending {
    pub(super) fn new(name: String, inputs: Vec<usize>, shape: Shape, work: Work) -> Self {
        Self {
            name,
            inputs,
            shape,
            flat: shape.pixels() == 1,
            work,
            low: f64::NEG_INFINITY,
            high: f64::INFINITY,
        }
    }
}

impl Sum {
    /// The highest magnitude that a sum can reach on the way, whatever the input.
    fn reach(&self) -> impl Iterator<Item = i64> + '_ {
        let cells = self.weights.len() / self.biases.len().max(1);
        let outputs = self.biases.len();
        self.biases.iter().enumerate().map(move |(output, &bias)| {
            let weight = |place: usize| {
                let place = if self.depthwise {
                    place * outputs + output
                } else {
                    output * cells + place
                };
                i64::from(self.weights[place]).abs()
            };
            let weights: i64 = (0..cells).map(weight).sum();
            // Once for the zero point that the source adds to the bias, once for the levels.
            i64::from(bias).abs() + 2 * LEVEL_LIMIT * weights
        })
    }

    /// Refuses a layer whose sums could leave 32 bits.
    fn check(&self, name: &str) -> Result<()> {
        if self.reach().any(|reach| reach > i64::from(i32::MAX)) {
            return refused(
                name,
                "can sum up to more than 32 bits hold",
                "use a smaller kernel or fewer input channels, or calibrate again",
            );
        }
        Ok(())
    }

    fn weighted(self, scaling: Scaling) -> Weighted {
        Weighted {
            window: self.window,
            groups: self.groups,
            weights: self.weights,
            biases: self.biases,
            scaling,
        }
    }
}

impl Importer<'_> {
    /// The step that computes `pending` and rounds it to `steps`, as `node` asks.
    pub(super) fn finish(
        &mut self,
        pending: Pending,
        node: &NodeProto,
        steps: Steps,
    ) -> Result<View> {
        let Pending {
            name,
            inputs,
            shape,
            flat,
            work,
            low,
            high,
        } = pending;
        let scale = |place: usize| self.values[inputs[place]].scale;
        let own = Steps {
            scale: scale(0),
            zero: self.values[inputs[0]].zero_point,
        };
        let bound = |number: f64| level(number, steps);
        let (low, high) = (bound(low), bound(high));
        let operation = match work {
            Work::Weighted(sum) => {
                sum.check(&name)?;
                let factors: Vec<f64> = sum.scales.iter().map(|s| s / steps.scale).collect();
                let scaling = usable(Scaling::new(&factors), &name)?;
                let beyond = |(reach, factor): (i64, &f64)| reach as f64 * factor > WIDE_LIMIT;
                if sum.reach().zip(&factors).any(beyond) {
                    return refused(name, "has an output scale far too small", "calibrate again");
                }
                if sum.depthwise {
                    Operation::Depthwise(sum.weighted(scaling))
                } else {
                    Operation::Convolution(sum.weighted(scaling))
                }
            }
            Work::Max(window) if own == steps && (low, high) == (i8::MIN, i8::MAX) => {
                Operation::MaxPool(window)
            }
            Work::Max(window) => {
                // The highest is chosen in the input's steps, then it changes its own.
                let value = self.value(&format!("{name}.max"), shape, own)?;
                self.steps.push(Step {
                    name: name.clone(),
                    operation: Operation::MaxPool(window),
                    inputs,
                    output: value,
                    low: i8::MIN,
                    high: i8::MAX,
                });
                let copy = Pending {
                    low: f64::NEG_INFINITY,
                    high: f64::INFINITY,
                    flat,
                    ..Pending::new(name, vec![value], shape, Work::Copy)
                };
                let view = self.finish(copy, node, steps)?;
                if let Some(step) = self.steps.last_mut() {
                    (step.low, step.high) = (low, high);
                }
                return Ok(view);
            }
            Work::Average(window) => {
                let cells = window.kernel.iter().product::<usize>();
                if cells as i64 * LEVEL_LIMIT > i64::from(i32::MAX) {
                    return refused(name, "takes a mean of too many cells", "pool in two steps");
                }
                let factor = change(scale(0), steps, &name)? / cells as f64;
                Operation::AveragePool(window, usable(Scaling::new(&[factor]), &name)?)
            }
            Work::Add => {
                let left = change(scale(0), steps, &name)?;
                let right = change(scale(1), steps, &name)?;
                Operation::Add(usable(Scaling::of_sum(left, right), &name)?)
            }
            Work::Copy => {
                let factor = change(scale(0), steps, &name)?;
                Operation::ChangeScale(usable(Scaling::new(&[factor]), &name)?)
            }
        };
        let output = self.value(&node.output[0], shape, steps)?;
        self.steps.push(Step {
            name,
            operation,
            inputs,
            output,
            low,
            high,
        });
        Ok(View {
            value: output,
            shape,
            flat,
        })
    }

    /// The last linear layer, whose outputs nothing rounds: 32-bit outputs of one scale, as fine
    /// as their range allows.
    pub(super) fn finish_wide(&mut self, pending: Pending) -> Result<View> {
        let Pending {
            name,
            inputs,
            shape,
            work,
            low,
            high,
            ..
        } = pending;
        let clipped = low > f64::NEG_INFINITY || high < f64::INFINITY;
        let sum = match work {
            Work::Weighted(sum)
                if sum.window.input.pixels() == 1 && !clipped && sum.groups == 1 =>
            {
                sum
            }
            _ => {
                return refused(
                    name,
                    "makes the output, and nothing rounds it",
                    "let the quantizer round the output, or end with a Gemm",
                );
            }
        };
        sum.check(&name)?;
        let reach = sum.reach().zip(&sum.scales);
        let most = reach
            .map(|(reach, scale)| reach as f64 * scale)
            .fold(0.0, f64::max);
        let scale = most / WIDE_LIMIT;
        let factors: Vec<f64> = sum.scales.iter().map(|s| s / scale).collect();
        let scaling = usable(Scaling::new(&factors), &name)?;
        let output = self.add_value(Value {
            name: self.graph.output[0].name.clone(),
            shape,
            element: Element::I32,
            scale,
            zero_point: 0,
        })?;
        self.steps.push(Step {
            name,
            operation: Operation::Linear(sum.weighted(scaling)),
            inputs,
            output,
            low: i8::MIN,
            high: i8::MAX,
        });
        Ok(View {
            value: output,
            shape,
            flat: true,
        })
    }
}

/// The level that `number` is rounded to.
fn level(number: f64, steps: Steps) -> i8 {
    let level = (number / steps.scale).round_ties_even() + f64::from(steps.zero);
    level.clamp(f64::from(i8::MIN), f64::from(i8::MAX)) as i8
}

/// The factor from one scale to another, small enough for a level's product with it.
fn change(from: f64, to: Steps, name: &str) -> Result<f64> {
    let factor = Some(from / to.scale).filter(|&factor| factor <= CHANGE_LIMIT);
    factor.map_or_else(|| usable(None, name).map(|_| 0.0), Ok)
}

fn usable(scaling: Option<Scaling>, name: &str) -> Result<Scaling> {
    scaling.map_or_else(
        || {
            refused(
                name,
                "changes scales by a factor beyond 2^20",
                "calibrate again with inputs like those it will see",
            )
        },
        Ok,
    )
}
