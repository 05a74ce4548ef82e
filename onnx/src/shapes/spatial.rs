//! Windows that slide over images: convolutions and pools, and the borders they get.

use super::Shapes;
use crate::NodeProto;
use crate::{Error, Result};

/// The stride, dilation and padding of one spatial axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Axis {
    kernel: usize,
    stride: usize,
    dilation: usize,
    before: usize,
    after: usize,
}

/// Output shape of a convolution or pool.
pub(super) fn window(
    node: &NodeProto,
    input: &[usize],
    shapes: &Shapes,
) -> Result<Option<Vec<usize>>> {
    let [batch, channels, sizes @ ..] = input else {
        return Ok(None);
    };
    let weight_place = if node.op_type == "QLinearConv" { 3 } else { 1 };
    let weight = match node.op_type.as_str() {
        "Conv" | "ConvInteger" | "QLinearConv" => {
            let Some(weight) = node.input(weight_place).and_then(|name| shapes.of(name)) else {
                return Ok(None);
            };
            Some(weight)
        }
        _ => None,
    };
    let kernel: Vec<usize> = match (node.ints("kernel_shape"), weight) {
        (Some(kernel), _) => kernel
            .iter()
            .map(|&k| usize::try_from(k).unwrap_or(0))
            .collect(),
        (None, Some(weight)) => weight.iter().skip(2).copied().collect(),
        (None, None) => return Ok(None),
    };
    if kernel.len() != sizes.len() || sizes.is_empty() {
        return Err(impossible(node));
    }
    let outputs = match weight {
        Some(weight) => {
            let groups = usize::try_from(node.int("group").unwrap_or(1)).unwrap_or(0);
            let per_group = weight.get(1).copied().unwrap_or(0);
            if weight.len() != input.len() || per_group.checked_mul(groups) != Some(*channels) {
                return Err(impossible(node));
            }
            weight[0]
        }
        None => *channels,
    };
    let mut result = vec![*batch, outputs];
    for (axis, &size) in sizes.iter().enumerate() {
        let axis = axis_settings(node, axis, sizes.len(), kernel[axis]);
        let axis = axis.ok_or_else(|| impossible(node))?;
        result.push(output_size(node, size, axis).ok_or_else(|| impossible(node))?);
    }
    Ok(Some(result))
}

fn axis_settings(node: &NodeProto, axis: usize, axes: usize, kernel: usize) -> Option<Axis> {
    let at = |name: &str, place: usize, default: usize| match node.ints(name) {
        None | Some([]) => Some(default),
        Some(values) => usize::try_from(*values.get(place)?)
            .ok()
            .filter(|&v| v <= 1 << 24),
    };
    Some(Axis {
        kernel,
        stride: at("strides", axis, 1)?,
        dilation: at("dilations", axis, 1)?,
        before: at("pads", axis, 0)?,
        after: at("pads", axis + axes, 0)?,
    })
    .filter(|axis| axis.stride > 0 && axis.dilation > 0 && axis.kernel > 0)
}

fn output_size(node: &NodeProto, size: usize, axis: Axis) -> Option<usize> {
    let reach = (axis.kernel - 1)
        .checked_mul(axis.dilation)?
        .checked_add(1)?;
    match node.text("auto_pad").unwrap_or("NOTSET") {
        "SAME_UPPER" | "SAME_LOWER" => Some(size.div_ceil(axis.stride)),
        "VALID" => Some(size.checked_sub(reach)? / axis.stride + 1),
        _ => {
            let padded = size.checked_add(axis.before)?.checked_add(axis.after)?;
            let room = padded.checked_sub(reach)?;
            if node.int("ceil_mode").unwrap_or(0) == 0 {
                return Some(room / axis.stride + 1);
            }
            let count = room.div_ceil(axis.stride) + 1;
            // A window may not begin in the padding after the image.
            let beyond = (count - 1) * axis.stride >= size + axis.before;
            Some(if beyond { count - 1 } else { count })
        }
    }
}

fn impossible(node: &NodeProto) -> Error {
    let (operator, output) = (node.operator(), node.output.first());
    Error::model(format!(
        "the sizes of the {operator} node that makes {output:?} do not fit"
    ))
}

/// Output shape of a pool over whole images.
pub(super) fn global(input: &[usize]) -> Option<Vec<usize>> {
    (input.len() > 2).then(|| {
        let spatial = std::iter::repeat_n(1, input.len() - 2);
        input[..2].iter().copied().chain(spatial).collect()
    })
}

/// Output shape of a padding.
pub(super) fn pad(
    node: &NodeProto,
    input: &[usize],
    shapes: &Shapes,
) -> Result<Option<Vec<usize>>> {
    let from_input = || {
        node.input(1)
            .and_then(|name| shapes.integers.get(name))
            .cloned()
    };
    let Some(pads) = node.ints("pads").map(<[i64]>::to_vec).or_else(from_input) else {
        return Ok(None);
    };
    if node.input(3).is_some() {
        return Ok(None);
    }
    if pads.len() != 2 * input.len() {
        return Err(impossible(node));
    }
    let padded = input.iter().enumerate().map(|(axis, &size)| {
        let added = pads[axis].checked_add(pads[axis + input.len()])?;
        usize::try_from(i64::try_from(size).ok()?.checked_add(added)?).ok()
    });
    padded
        .collect::<Option<Vec<_>>>()
        .map(Some)
        .ok_or_else(|| impossible(node))
}
