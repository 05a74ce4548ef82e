//! How far an output may lie over the input that it is made from.
//!
//! Kernels go through an output from its first pixel to its last. By the time a pixel is written,
//! the rows of the input above its window are not needed any more, so the output may be written
//! over them: a depthwise convolution of 3x3 runs in place if its output starts one row and two
//! pixels before its input. That distance, the *lead*, is exact here: the most by which a write
//! ever runs ahead of the first byte that is still to be read.

use super::network::{Network, Operation, Step, Window};

/// Bytes by which the step's output must start before its input `place`, so that no byte is
/// overwritten that is still to be read.
pub fn lead(network: &Network, step: &Step, place: usize) -> usize {
    let output = &network.values[step.output];
    match &step.operation {
        // Each level is read before the one in its place is written.
        Operation::Add(_) | Operation::ChangeScale(_) => 0,
        // Every output reads the whole input.
        Operation::Linear(_) => output.bytes(),
        Operation::MaxPool(window) | Operation::AveragePool(window, _) => {
            window_lead(window, false)
        }
        Operation::Depthwise(layer) => window_lead(&layer.window, false),
        Operation::Convolution(layer) => {
            debug_assert_eq!(place, 0);
            // What a pixel sees of all channels is gathered before the pixel is written.
            window_lead(&layer.window, layer.gathers() && layer.groups == 1)
        }
    }
}

/// The lead of a window, in bytes; with `gathered`, a pixel's own input is safe when it is written.
fn window_lead(window: &Window, gathered: bool) -> usize {
    let (depth, width) = (window.output.channels, window.output.width);
    let mut needed = usize::MAX;
    let mut most = 0;
    for pixel in (0..window.output.pixels()).rev() {
        let later = needed;
        if let Some(first) = first_seen(window, pixel / width, pixel % width) {
            needed = needed.min(first);
        }
        let needed = if gathered { later } else { needed };
        if needed != usize::MAX {
            most = most.max(((pixel + 1) * depth).saturating_sub(needed));
        }
    }
    most
}

/// The first byte of the input that an output pixel sees.
fn first_seen(window: &Window, row: usize, column: usize) -> Option<usize> {
    let first = |axis: usize, place: usize| {
        (0..window.kernel[axis]).find_map(|cell| window.position(axis, place, cell))
    };
    let (y, x) = (first(0, row)?, first(1, column)?);
    Some((y * window.input.width + x) * window.input.channels)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::network::Shape;
    use super::*;

    fn window(
        size: [usize; 2],
        channels: [usize; 2],
        kernel: [usize; 2],
        stride: usize,
        before: [usize; 2],
    ) -> Window {
        let [input, output] = channels;
        let out = |axis: usize| (size[axis] + 2 * before[axis] - kernel[axis]) / stride + 1;
        let shape = |channels, height, width| Shape {
            channels,
            height,
            width,
        };
        Window {
            input: shape(input, size[0], size[1]),
            output: shape(output, out(0), out(1)),
            kernel,
            stride: [stride, stride],
            dilation: [1, 1],
            before,
        }
    }

    #[test]
    fn known_leads() {
        let depthwise = window([14, 14], [32, 32], [3, 3], 1, [1, 1]);
        assert_eq!(window_lead(&depthwise, false), (14 + 2) * 32);
        let expand = window([14, 14], [16, 96], [1, 1], 1, [0, 0]);
        assert_eq!(window_lead(&expand, false), 14 * 14 * (96 - 16) + 16);
        let project = window([14, 14], [96, 16], [1, 1], 1, [0, 0]);
        assert_eq!(window_lead(&project, false), 16);
    }

    /// Goes through reads and writes and says whether one reads what was overwritten.
    fn spoils(window: &Window, gathered: bool, lead: usize) -> bool {
        let depth = window.output.channels;
        let mut written = 0;
        for pixel in 0..window.output.pixels() {
            let (row, column) = (pixel / window.output.width, pixel % window.output.width);
            let own = if gathered { written } else { written + depth };
            // The output starts at 0, the input at `lead`.
            if first_seen(window, row, column).is_some_and(|first| lead + first < own) {
                return true;
            }
            written += depth;
        }
        false
    }

    proptest! {
        #[test]
        fn a_lead_is_enough_and_no_less_is(
            height in 1usize..9, width in 1usize..9, input in 1usize..5, output in 1usize..9,
            kernel in 1usize..4, stride in 1usize..4, gathered in any::<bool>(),
        ) {
            let before = [kernel / 2, kernel / 2];
            let kernel = [kernel.min(height), kernel.min(width)];
            let window = window([height, width], [input, output], kernel, stride, before);
            let lead = window_lead(&window, gathered);
            prop_assert!(!spoils(&window, gathered, lead));
            prop_assert!(lead == 0 || spoils(&window, gathered, lead - 1));
        }
    }
}
