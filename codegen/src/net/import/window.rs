//! Kernels, strides, dilations and borders of a node.

use noroshi_onnx::NodeProto;

use super::super::error::{Result, refused};
use super::super::network::{Shape, Window};
use super::{SIDE_LIMIT, label};

/// The window of `node` over `input`. `kernel` has an entry for each spatial axis, one or two.
pub(super) fn window(
    node: &NodeProto,
    input: Shape,
    outputs: usize,
    kernel: &[usize],
) -> Result<Window> {
    let axes = kernel.len();
    let signal = axes == 1 && input.height == 1;
    if !(signal || axes == 2) {
        return refused(
            label(node),
            format!("slides along {axes} axes"),
            "use one axis for signals, two for images",
        );
    }
    let list = |name: &str, places: usize, default: usize| -> Result<Vec<usize>> {
        let values = match node.ints(name) {
            None | Some([]) => vec![default; places],
            Some(values) => values
                .iter()
                .map(|&value| usize::try_from(value).unwrap_or(usize::MAX))
                .collect(),
        };
        if values.len() != places || values.iter().any(|&value| value > SIDE_LIMIT) {
            return refused(
                label(node),
                format!("has {name} of {:?}", node.ints(name).unwrap_or(&[])),
                format!("use {places} numbers of 0 to {SIDE_LIMIT}"),
            );
        }
        Ok(values)
    };
    let strides = list("strides", axes, 1)?;
    let dilations = list("dilations", axes, 1)?;
    let pads = list("pads", 2 * axes, 0)?;
    let sizes = [input.height, input.width];
    let mut window = Window {
        input,
        output: Shape::vector(outputs),
        kernel: [1, 1],
        stride: [1, 1],
        dilation: [1, 1],
        before: [0, 0],
    };
    let mut made = [1, 1];
    for axis in 0..axes {
        let place = axis + usize::from(signal);
        let (stride, dilation, cells) = (strides[axis], dilations[axis], kernel[axis]);
        if stride == 0 || dilation == 0 || cells == 0 || cells > SIDE_LIMIT {
            return refused(
                label(node),
                "has a stride, dilation or kernel of 0",
                "export the model again",
            );
        }
        let reach = (cells - 1) * dilation + 1;
        let (before, after) = borders(
            node,
            sizes[place],
            stride,
            reach,
            (pads[axis], pads[axis + axes]),
        )?;
        let whole = sizes[place] + before + after;
        // Each window must see a cell: borders of a whole window would see nothing.
        if reach > whole || before >= reach || after >= reach {
            return refused(
                label(node),
                format!(
                    "has a window of {reach} over {} with its borders",
                    sizes[place]
                ),
                "make the kernel or the borders smaller",
            );
        }
        let beyond = (whole - reach) % stride;
        if node.int("ceil_mode").unwrap_or(0) != 0 && beyond != 0 {
            return refused(
                label(node),
                "counts windows that are cut off (ceil_mode)",
                "export it with ceil_mode 0",
            );
        }
        made[place] = (whole - reach) / stride + 1;
        window.kernel[place] = cells;
        window.stride[place] = stride;
        window.dilation[place] = dilation;
        window.before[place] = before;
    }
    [window.output.height, window.output.width] = made;
    Ok(window)
}

/// The border before and after along one axis.
fn borders(
    node: &NodeProto,
    size: usize,
    stride: usize,
    reach: usize,
    pads: (usize, usize),
) -> Result<(usize, usize)> {
    let missing = (size.div_ceil(stride) - 1) * stride + reach;
    let missing = missing.saturating_sub(size);
    match node.text("auto_pad") {
        None | Some("NOTSET" | "") => Ok(pads),
        Some("VALID") => Ok((0, 0)),
        Some("SAME_UPPER") => Ok((missing / 2, missing - missing / 2)),
        Some("SAME_LOWER") => Ok((missing - missing / 2, missing / 2)),
        Some(other) => refused(
            label(node),
            format!("has auto_pad {other:?}"),
            "export it with pads",
        ),
    }
}
