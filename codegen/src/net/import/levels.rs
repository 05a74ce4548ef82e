//! `QuantizeLinear` and `DequantizeLinear`: scales, zero points, constant levels.

use noroshi_onnx::{DataType, NodeProto, TensorProto};

use super::super::error::{Result, refused};
use super::super::network::{Element, Shape, Value};
use super::layout::{View, shape_of};
use super::{Importer, Known, label};

/// Constant levels: weights, or biases.
#[derive(Debug, Clone)]
pub(super) struct Levels {
    /// Row-major; the zero point is taken off already.
    pub(super) levels: Vec<i64>,
    pub(super) shape: Vec<usize>,
    /// One for all, or one for each place along `axis`.
    pub(super) scales: Vec<f32>,
    pub(super) axis: usize,
}

impl Levels {
    /// The scale of each of `count` rows along `axis`.
    pub(super) fn row_scales(&self, axis: usize, count: usize) -> Option<Vec<f32>> {
        match self.scales.as_slice() {
            [scale] => Some(vec![*scale; count]),
            scales => (self.axis == axis && scales.len() == count).then(|| scales.to_vec()),
        }
    }
}

/// How levels stand for numbers: scale, and zero point of a signed level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Steps {
    pub(super) scale: f64,
    pub(super) zero: i8,
}

impl Importer<'_> {
    pub(super) fn quantize(&mut self, node: &NodeProto) -> Result<Known> {
        let steps = self.steps_of(node)?;
        let view = match self.known_input(node, 0)?.clone() {
            Known::Input => self.rounded_input(node, steps)?,
            Known::Restored(view) if self.steps_of_value(view) == steps => view,
            Known::Restored(view) => {
                let pending = Self::copy(node, view);
                self.finish(pending, node, steps)?
            }
            Known::Pending(pending) => {
                if self.index.readers(&node.input[0]).len() > 1 {
                    return refused(
                        label(node),
                        format!("rounds {:?}, which others read too", node.input[0]),
                        "let each result be rounded once",
                    );
                }
                self.finish(pending, node, steps)?
            }
            Known::Levels(_) | Known::Constant(_) => {
                return refused(
                    label(node),
                    "rounds what is no activation",
                    "quantize weights when exporting, as integers with a DequantizeLinear",
                );
            }
        };
        Ok(Known::Levels(view))
    }

    pub(super) fn dequantize(&mut self, node: &NodeProto) -> Result<Known> {
        let name = node.input(0).unwrap_or_default();
        if let Some(tensor) = self.constant(name) {
            return Ok(Known::Constant(self.constant_levels(node, tensor)?));
        }
        let Known::Levels(view) = *self.known_input(node, 0)? else {
            return refused(label(node), "reads what is not 8-bit", super::QUANTIZE);
        };
        if self.steps_of(node)? != self.steps_of_value(view) {
            return refused(
                label(node),
                "has another scale or zero point than the QuantizeLinear before it",
                super::QUANTIZE,
            );
        }
        Ok(Known::Restored(view))
    }

    fn steps_of_value(&self, view: View) -> Steps {
        let value = &self.values[view.value];
        Steps {
            scale: value.scale,
            zero: value.zero_point,
        }
    }

    /// The graph's input as 8-bit levels.
    fn rounded_input(&mut self, node: &NodeProto, steps: Steps) -> Result<View> {
        if self.input.is_some() {
            return refused(
                label(node),
                "rounds the input a second time",
                "round it once",
            );
        }
        let name = node.input[0].clone();
        let dims = self.shapes.of(&name).unwrap_or_default();
        let (shape, flat) = shape_of(dims).map_or_else(
            || {
                refused(
                    format!("the input {name:?}"),
                    format!("has the sizes {dims:?}"),
                    "export with a batch of 1 and sizes that are known",
                )
            },
            Ok,
        )?;
        let view = self
            .value(&name, shape, steps)
            .map(|value| View { value, shape, flat })?;
        self.input = Some(view.value);
        Ok(view)
    }

    pub(super) fn value(&mut self, name: &str, shape: Shape, steps: Steps) -> Result<usize> {
        self.add_value(Value {
            name: name.to_owned(),
            shape,
            element: Element::I8,
            scale: steps.scale,
            zero_point: steps.zero,
        })
    }

    /// Scale and zero point of an activation.
    fn steps_of(&self, node: &NodeProto) -> Result<Steps> {
        let missing = || {
            refused(
                label(node),
                "has no constant scale",
                "quantize statically, with calibration",
            )
        };
        let scale = node.input(1).and_then(|name| self.constant(name));
        let Some(scale) = scale else { return missing() };
        let [scale] = scale.to_f32()?[..] else {
            return refused(
                label(node),
                "has a scale for each channel of an activation",
                "use one scale for each activation",
            );
        };
        if !(scale.is_normal() && scale > 0.0) {
            return refused(
                label(node),
                format!("has the scale {scale}"),
                "calibrate again",
            );
        }
        let zero = match node.input(2) {
            None => -128,
            Some(name) => {
                let Some(tensor) = self.constant(name) else {
                    return missing();
                };
                let offset = offset(node, tensor)?;
                let [zero] = tensor.to_i64()?[..] else {
                    return missing();
                };
                zero - offset
            }
        };
        let zero = zero.clamp(i64::from(i8::MIN), i64::from(i8::MAX)) as i8;
        Ok(Steps {
            scale: f64::from(scale),
            zero,
        })
    }

    fn constant_levels(&self, node: &NodeProto, tensor: &TensorProto) -> Result<Levels> {
        let scales = node.input(1).and_then(|name| self.constant(name));
        let Some(scales) = scales else {
            return refused(label(node), "has no constant scale", super::QUANTIZE);
        };
        if node.int("block_size").unwrap_or(0) != 0 {
            return refused(
                label(node),
                "has a scale for each block",
                "use a scale for each channel",
            );
        }
        if !matches!(
            tensor.element()?,
            DataType::I8 | DataType::U8 | DataType::I32
        ) {
            return refused(
                label(node),
                format!("holds levels of type {:?}", tensor.element()?),
                "quantize weights to 8 bits and biases to 32",
            );
        }
        let shape = tensor.shape()?;
        let axis = node.int("axis").unwrap_or(1);
        let axis = if axis < 0 {
            axis + shape.len() as i64
        } else {
            axis
        };
        let mut levels = tensor.to_i64()?;
        let zeros = match node.input(2).map(|name| self.constant(name)) {
            None => vec![0],
            Some(Some(zeros)) => zeros.to_i64()?,
            Some(None) => return refused(label(node), "has no constant zero", super::QUANTIZE),
        };
        // Weights around another level than zero are rare: only one for all is taken off.
        let Some(&zero) = zeros
            .first()
            .filter(|zero| zeros.iter().all(|other| other == *zero))
        else {
            return refused(
                label(node),
                "has weights with a zero point for each channel",
                "quantize weights symmetrically (zero point 0)",
            );
        };
        levels.iter_mut().for_each(|level| *level -= zero);
        Ok(Levels {
            levels,
            shape,
            scales: scales.to_f32()?,
            axis: axis.max(0) as usize,
        })
    }
}

/// What is taken off a level of the file to make it signed.
fn offset(node: &NodeProto, zero: &TensorProto) -> Result<i64> {
    match zero.element()? {
        DataType::U8 => Ok(128),
        DataType::I8 => Ok(0),
        other => refused(
            label(node),
            format!("rounds to {other:?}"),
            "quantize activations to 8 bits",
        ),
    }
}
