//! Kernels, strides and paddings of convolutions and pools.

use noroshi_onnx::NodeProto;

use crate::shape::Shape;

/// How windows lie over an image.
pub(super) struct Windows {
    pub(super) kernel: [usize; 2],
    pub(super) stride: [usize; 2],
    pub(super) padding: [usize; 4],
}

/// Attributes of one or two spatial axes; a series is an image of one row.
pub(super) fn windows(node: &NodeProto, shape: Shape, kernel: &[usize]) -> Result<Windows, String> {
    let kernel = pair(kernel, 1)?;
    if node
        .ints("dilations")
        .is_some_and(|dilations| dilations.iter().any(|&d| d != 1))
    {
        return Err("dilated windows can't be taught".into());
    }
    if node.int("ceil_mode").unwrap_or(0) != 0 {
        return Err("windows that reach beyond the edge (ceil_mode) can't be taught".into());
    }
    let stride = pair(&sizes(node, "strides")?.unwrap_or_else(|| vec![1, 1]), 1)?;
    let padding = match node.text("auto_pad").unwrap_or("NOTSET") {
        "NOTSET" => match sizes(node, "pads")?.as_deref() {
            None => [0; 4],
            Some(&[before, after]) => [0, before, 0, after],
            Some(&[top, left, bottom, right]) => [top, left, bottom, right],
            Some(other) => return Err(format!("paddings of {other:?}")),
        },
        "VALID" => [0; 4],
        automatic @ ("SAME_UPPER" | "SAME_LOWER") => {
            same(shape, kernel, stride, automatic == "SAME_UPPER")
        }
        other => return Err(format!("the padding {other}")),
    };
    Ok(Windows {
        kernel,
        stride,
        padding,
    })
}

/// So much padding that there are size / stride windows, an odd pixel after or before.
fn same(shape: Shape, kernel: [usize; 2], stride: [usize; 2], upper: bool) -> [usize; 4] {
    let mut padding = [0; 4];
    for (axis, size) in [shape.height, shape.width].into_iter().enumerate() {
        let stride = stride[axis].max(1);
        let needed = (size.div_ceil(stride) - 1) * stride + kernel[axis];
        let total = needed.saturating_sub(size);
        let before = if upper { total / 2 } else { total - total / 2 };
        (padding[axis], padding[axis + 2]) = (before, total - before);
    }
    padding
}

/// The list of sizes called `name`, none of them negative.
pub(super) fn sizes(node: &NodeProto, name: &str) -> Result<Option<Vec<usize>>, String> {
    let Some(values) = node.ints(name) else {
        return Ok(None);
    };
    let sizes: Option<Vec<usize>> = values
        .iter()
        .map(|&value| usize::try_from(value).ok())
        .collect();
    sizes
        .map(Some)
        .ok_or_else(|| format!("{name} of {values:?}"))
}

fn pair(sizes: &[usize], row: usize) -> Result<[usize; 2], String> {
    match sizes {
        [only] => Ok([row, *only]),
        [height, width] => Ok([*height, *width]),
        other => Err(format!(
            "windows of {other:?}: one or two axes can be taught"
        )),
    }
}
