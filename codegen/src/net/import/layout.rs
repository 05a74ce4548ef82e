//! Sizes of values, and operators that only change how they are seen.
//!
//! ONNX counts channels, rows, columns; in memory the channels of a pixel lie together. A flattened
//! image stays where it is: the linear layer that reads it gets its weights in the order of memory.

use noroshi_onnx::NodeProto;

use super::super::error::{Result, refused};
use super::super::network::Shape;
use super::{Importer, Known, label};

/// A value as a part of the graph sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct View {
    pub(super) value: usize,
    /// The sizes before flattening.
    pub(super) shape: Shape,
    /// Whether the graph sees one row of numbers, in ONNX's order.
    pub(super) flat: bool,
}

impl Shape {
    /// Whether ONNX's order and that of memory are the same.
    pub(super) const fn is_plain(self) -> bool {
        self.channels == 1 || self.pixels() == 1
    }
}

/// The shape that dimensions of ONNX with a batch of 1 mean, and whether they are one row.
pub(super) fn shape_of(dims: &[usize]) -> Option<(Shape, bool)> {
    let shape = |channels, height, width| Shape {
        channels,
        height,
        width,
    };
    match *dims {
        [1, count] => Some((Shape::vector(count), true)),
        [1, channels, width] => Some((shape(channels, 1, width), false)),
        [1, channels, height, width] => Some((shape(channels, height, width), false)),
        _ => None,
    }
}

impl Importer<'_> {
    pub(super) fn reshape(&mut self, node: &NodeProto) -> Result<Known> {
        let known = self.known_input(node, 0)?.clone();
        let (Known::Levels(view) | Known::Restored(view)) = known else {
            return refused(label(node), "changes the sizes of floats", super::QUANTIZE);
        };
        let dims = self.shapes.of(&node.output[0]).unwrap_or_default().to_vec();
        let seen = shape_of(&dims)
            .filter(|(shape, _)| shape.count() == view.shape.count())
            .and_then(|(shape, flat)| self.seen_as(view, shape, flat));
        let Some(view) = seen else {
            return refused(
                label(node),
                format!("makes the sizes {dims:?}, which would move numbers in memory"),
                "only flatten images, or add and remove sizes of 1",
            );
        };
        Ok(match known {
            Known::Levels(_) => Known::Levels(view),
            _ => Known::Restored(view),
        })
    }

    fn seen_as(&mut self, view: View, shape: Shape, flat: bool) -> Option<View> {
        let View { value, .. } = view;
        if flat {
            return Some(View { flat, ..view });
        }
        let only_turned = shape.channels == view.shape.channels
            && !view.flat
            && (shape == view.shape || shape.height.min(shape.width) == 1)
            && (view.shape.height.min(view.shape.width) == 1 || shape == view.shape);
        let unflattened = view.flat && shape == view.shape;
        if only_turned || unflattened || view.shape.is_plain() && shape.is_plain() {
            return Some(View { value, shape, flat });
        }
        // The caller writes the input: it may as well write it in this order.
        if self.input == Some(value) && self.steps.is_empty() && view.shape.is_plain() {
            self.values[value].shape = shape;
            return Some(View { value, shape, flat });
        }
        None
    }
}
