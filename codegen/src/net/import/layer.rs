//! `Conv`, `Gemm`, pools, `Add`, `Relu` and `Clip`: what each computes, before it is rounded.

use noroshi_onnx::{NodeProto, TensorProto};

use super::super::error::{Result, refused};
use super::super::network::{Shape, Window};
use super::finish::{Pending, Sum, Work};
use super::layout::View;
use super::levels::Levels;
use super::window::window;
use super::{Importer, Known, label};

/// By how much a bias's scale may differ from that of the products and still be taken as theirs:
/// it is their product, rounded to 32 bits.
const SAME_SCALE: f64 = 1e-5;

impl Importer<'_> {
    pub(super) fn convolution(&mut self, node: &NodeProto) -> Result<Pending> {
        let view = self.image(node)?;
        let weights = self.weights(node)?.clone();
        let groups = usize::try_from(node.int("group").unwrap_or(1)).unwrap_or(0);
        let ([outputs, depth, ..], true) = (weights.shape.as_slice(), groups > 0) else {
            return refused(
                label(node),
                "has no groups or no weights",
                "export it again",
            );
        };
        let (outputs, depth, kernel) = (*outputs, *depth, &weights.shape[2..]);
        if depth * groups != view.shape.channels || outputs % groups != 0 {
            return refused(
                label(node),
                format!(
                    "has {groups} groups of {depth} channels, but its input has {}",
                    view.shape.channels
                ),
                "export the model again",
            );
        }
        let window = window(node, view.shape, outputs, kernel)?;
        let cells: usize = kernel.iter().product();
        let depthwise = depth == 1 && groups == outputs && groups > 1;
        let mut rows = vec![0; weights.levels.len()];
        for (place, &level) in weights.levels.iter().enumerate() {
            let (output, rest) = (place / (depth * cells), place % (depth * cells));
            let (channel, cell) = (rest / cells, rest % cells);
            let target = if depthwise {
                cell * outputs + output
            } else {
                (output * cells + cell) * depth + channel
            };
            rows[target] = self.weight_level(node, level)?;
        }
        let (scales, biases) = self.scales_and_biases(node, view, &weights, 0, outputs)?;
        Ok(Pending::new(
            label(node),
            vec![view.value],
            window.output,
            Work::Weighted(Sum {
                window,
                groups,
                depthwise,
                weights: rows,
                biases,
                scales,
            }),
        ))
    }

    pub(super) fn linear(&mut self, node: &NodeProto) -> Result<Pending> {
        let view = self.restored(node, 0)?;
        let unit = |name| (node.float(name).unwrap_or(1.0) - 1.0).abs() < f32::EPSILON;
        if node.int("transA").unwrap_or(0) != 0 || !unit("alpha") || !unit("beta") {
            return refused(
                label(node),
                "is more than a linear layer (transA, alpha or beta)",
                "export it as y = x · W + b",
            );
        }
        let weights = self.weights(node)?.clone();
        let transposed = node.int("transB").unwrap_or(0) != 0;
        let (&[first, second], count) = (weights.shape.as_slice(), view.shape.count()) else {
            return refused(
                label(node),
                "has weights of no two sizes",
                "export it again",
            );
        };
        let (inputs, outputs) = if transposed {
            (second, first)
        } else {
            (first, second)
        };
        if inputs != count || !(view.flat || view.shape.pixels() == 1) {
            return refused(
                label(node),
                format!("takes {inputs} numbers, but its input has {count}"),
                "flatten before it",
            );
        }
        let mut rows = vec![0; inputs * outputs];
        for output in 0..outputs {
            for input in 0..inputs {
                let from = if transposed {
                    output * inputs + input
                } else {
                    input * outputs + output
                };
                let to = output * inputs + in_memory(view.shape, input);
                rows[to] = self.weight_level(node, weights.levels[from])?;
            }
        }
        let axis = usize::from(!transposed);
        let (scales, biases) = self.scales_and_biases(node, view, &weights, axis, outputs)?;
        Ok(Pending::new(
            label(node),
            vec![view.value],
            Shape::vector(outputs),
            Work::Weighted(Sum {
                window: Window::linear(inputs, outputs),
                groups: 1,
                depthwise: false,
                weights: rows,
                biases,
                scales,
            }),
        ))
    }

    pub(super) fn pool(&mut self, node: &NodeProto) -> Result<Pending> {
        let view = self.image(node)?;
        let whole = node.is("GlobalAveragePool");
        let kernel: Vec<usize> = if whole {
            vec![view.shape.height, view.shape.width]
        } else {
            let kernel = node.ints("kernel_shape").unwrap_or_default();
            kernel
                .iter()
                .map(|&size| usize::try_from(size).unwrap_or(0))
                .collect()
        };
        let window = window(node, view.shape, view.shape.channels, &kernel)?;
        if node.is("MaxPool") {
            let work = Work::Max(window);
            return Ok(Pending::new(
                label(node),
                vec![view.value],
                window.output,
                work,
            ));
        }
        let padded = node
            .ints("pads")
            .is_some_and(|pads| pads.iter().any(|&pad| pad != 0))
            || window.before != [0, 0];
        let excluded = node.int("count_include_pad").unwrap_or(0) == 0;
        if padded && excluded || window.dilation != [1, 1] {
            return refused(
                label(node),
                "takes means of windows of different sizes at the border",
                "export it with count_include_pad 1, or without pads and dilations",
            );
        }
        let work = Work::Average(window);
        Ok(Pending::new(
            label(node),
            vec![view.value],
            window.output,
            work,
        ))
    }

    pub(super) fn add(&mut self, node: &NodeProto) -> Result<Pending> {
        let (left, right) = (self.restored(node, 0)?, self.restored(node, 1)?);
        let flat_alike = left.flat == right.flat || left.shape.pixels() == 1;
        if left.shape != right.shape || !flat_alike {
            return refused(
                label(node),
                "adds values of different sizes",
                "add two activations of the same sizes",
            );
        }
        let inputs = vec![left.value, right.value];
        let mut pending = Pending::new(label(node), inputs, left.shape, Work::Add);
        pending.flat = left.flat;
        Ok(pending)
    }

    pub(super) fn clip(&mut self, node: &NodeProto) -> Result<Pending> {
        let mut pending = match self.known_input(node, 0)? {
            Known::Pending(_) if self.index.readers(&node.input[0]).len() > 1 => {
                return refused(
                    label(node),
                    format!("clips {:?}, which others read unclipped", node.input[0]),
                    "let the value be rounded before it is used twice",
                );
            }
            Known::Pending(pending) => pending.clone(),
            _ => {
                let view = self.restored(node, 0)?;
                Self::copy(node, view)
            }
        };
        let (low, high) = if node.is("Relu") {
            (0.0, f64::INFINITY)
        } else {
            (
                self.bound(node, 1, "min", f64::NEG_INFINITY)?,
                self.bound(node, 2, "max", f64::INFINITY)?,
            )
        };
        // A clip of a clip: what the later one says holds.
        pending.low = pending.low.max(low).min(high);
        pending.high = pending.high.min(high).max(low);
        Ok(pending)
    }

    /// The same numbers, to be rounded to other steps.
    pub(super) fn copy(node: &NodeProto, view: View) -> Pending {
        let mut pending = Pending::new(label(node), vec![view.value], view.shape, Work::Copy);
        pending.flat = view.flat;
        pending
    }

    fn bound(&self, node: &NodeProto, place: usize, name: &str, unbounded: f64) -> Result<f64> {
        let bound = match node.input(place) {
            None => return Ok(node.float(name).map_or(unbounded, f64::from)),
            Some(bound) => self.constant(bound).map(TensorProto::to_f32).transpose()?,
        };
        match bound.as_deref() {
            Some(&[bound]) if !bound.is_nan() => Ok(f64::from(bound)),
            _ => refused(
                label(node),
                format!("has no constant {name}"),
                "export it with constant bounds",
            ),
        }
    }

    /// The image or signal that `node` slides over.
    fn image(&self, node: &NodeProto) -> Result<View> {
        let view = self.restored(node, 0)?;
        if view.flat && view.shape.pixels() > 1 {
            return refused(
                label(node),
                "slides over one row of numbers",
                "give it channels and columns, or channels, rows and columns",
            );
        }
        Ok(view)
    }

    fn weights(&self, node: &NodeProto) -> Result<&Levels> {
        match node.input(1).and_then(|name| self.known.get(name)) {
            Some(Known::Constant(levels)) => Ok(levels),
            _ => refused(
                label(node),
                "has weights that are not constant 8-bit levels",
                super::QUANTIZE,
            ),
        }
    }

    #[expect(clippy::unused_self, reason = "reads beside its neighbours")]
    fn weight_level(&self, node: &NodeProto, level: i64) -> Result<i8> {
        i8::try_from(level).or_else(|_| {
            refused(
                label(node),
                format!("has the weight level {level}"),
                "quantize weights symmetrically to signed 8 bits",
            )
        })
    }

    /// The step of each output's products, and the biases in such steps.
    fn scales_and_biases(
        &self,
        node: &NodeProto,
        view: View,
        weights: &Levels,
        axis: usize,
        outputs: usize,
    ) -> Result<(Vec<f64>, Vec<i32>)> {
        let Some(scales) = weights.row_scales(axis, outputs) else {
            return refused(
                label(node),
                "has weight scales along another axis than its outputs",
                "use one scale, or one for each output channel",
            );
        };
        let input = self.values[view.value].scale;
        let usable = |scale: &f32| scale.is_finite() && *scale > 0.0;
        if !scales.iter().all(usable) {
            return refused(label(node), "has a weight scale of 0", "calibrate again");
        }
        let scales: Vec<f64> = scales
            .iter()
            .map(|&scale| f64::from(scale) * input)
            .collect();
        let Some(name) = node.input(2) else {
            return Ok((scales, vec![0; outputs]));
        };
        let numbers: Option<Vec<f64>> = match (self.known.get(name), self.constant(name)) {
            (Some(Known::Constant(bias)), _) => bias_steps(bias, &scales),
            (_, Some(bias)) => {
                let bias = bias.to_f32()?;
                let steps = bias.iter().zip(&scales);
                let steps = steps
                    .map(|(&bias, scale)| f64::from(bias) / scale)
                    .collect();
                (bias.len() == outputs).then_some(steps)
            }
            _ => None,
        };
        let Some(numbers) = numbers else {
            return refused(
                label(node),
                "has biases that are not constant, one for each output",
                super::QUANTIZE,
            );
        };
        let mut biases = Vec::with_capacity(outputs);
        for number in numbers {
            let rounded = number.round_ties_even();
            if rounded.abs() > f64::from(i32::MAX) {
                return refused(
                    label(node),
                    "has a bias beyond 32 bits",
                    "calibrate again: the input's scale is too small",
                );
            }
            biases.push(rounded as i32);
        }
        Ok((scales, biases))
    }
}

/// Biases in the steps of the products.
fn bias_steps(bias: &Levels, scales: &[f64]) -> Option<Vec<f64>> {
    let own = bias.row_scales(bias.axis, bias.levels.len())?;
    let same_count = bias.levels.len() == scales.len();
    let steps = bias.levels.iter().zip(own).zip(scales);
    let steps = steps.map(|((&level, own), scale)| {
        let ratio = f64::from(own) / scale;
        let ratio = if (ratio - 1.0).abs() < SAME_SCALE {
            1.0
        } else {
            ratio
        };
        level as f64 * ratio
    });
    same_count.then(|| steps.collect())
}

/// Where number `place` of a flattened image lies in memory.
fn in_memory(shape: Shape, place: usize) -> usize {
    let (channel, pixel) = (place / shape.pixels(), place % shape.pixels());
    pixel * shape.channels + channel
}
