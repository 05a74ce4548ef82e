//! Parts of values, values stretched, and values made of one another step by step.

use super::Shapes;
use super::layout::axis_of;
use crate::NodeProto;

/// Output shape of a choice of entries along an axis.
pub(super) fn gather(node: &NodeProto, input: &[usize], shapes: &Shapes) -> Option<Vec<usize>> {
    let places = shapes.of(node.input(1)?)?;
    let axis = axis_of(node.int("axis").unwrap_or(0), input.len())?;
    let after = input.get(axis + 1..)?;
    Some([&input[..axis], places, after].concat())
}

/// Output shape of a range along some axes.
pub(super) fn slice(node: &NodeProto, input: &[usize], shapes: &Shapes) -> Option<Vec<usize>> {
    let numbers = |attribute: &str, place: usize| -> Option<Vec<i64>> {
        match node.ints(attribute) {
            Some(numbers) => Some(numbers.to_vec()),
            None => shapes.integers.get(node.input(place)?).cloned(),
        }
    };
    let (starts, ends) = (numbers("starts", 1)?, numbers("ends", 2)?);
    let axes = match (node.ints("axes"), node.input(3)) {
        (Some(axes), _) => axes.to_vec(),
        (None, Some(_)) => numbers("axes", 3)?,
        (None, None) => (0..starts.len() as i64).collect(),
    };
    let steps = match node.input(4) {
        Some(_) => numbers("steps", 4)?,
        None => vec![1; starts.len()],
    };
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return None;
    }
    let mut result = input.to_vec();
    for (place, &axis) in axes.iter().enumerate() {
        let axis = axis_of(axis, input.len())?;
        let size = i64::try_from(*input.get(axis)?).ok()?;
        result[axis] = range(starts[place], ends[place], steps[place], size)?;
    }
    Some(result)
}

/// How many entries a range has, as Python counts them.
fn range(start: i64, end: i64, step: i64, size: i64) -> Option<usize> {
    let (low, high) = if step > 0 { (0, size) } else { (-1, size - 1) };
    let clamped = |at: i64| {
        let at = if at < 0 { at.saturating_add(size) } else { at };
        at.clamp(low, high)
    };
    let length = if step > 0 {
        clamped(end) - clamped(start)
    } else {
        clamped(start) - clamped(end)
    };
    let step = step.checked_abs().filter(|&step| step > 0)?;
    usize::try_from(length.max(0).checked_add(step - 1)? / step).ok()
}

/// Output shapes of a value cut into pieces.
pub(super) fn split(node: &NodeProto, input: &[usize], shapes: &Shapes) -> Option<Vec<Vec<usize>>> {
    let axis = axis_of(node.int("axis").unwrap_or(0), input.len())?;
    let size = *input.get(axis)?;
    let sizes: Vec<usize> = match (node.ints("split"), node.input(1)) {
        (Some(sizes), _) => whole(sizes)?,
        (None, Some(name)) => whole(shapes.integers.get(name)?)?,
        (None, None) => {
            let pieces = node.output.len().max(1);
            let each = size.div_ceil(pieces);
            let of = |piece: usize| size.saturating_sub(piece * each).min(each);
            (0..pieces).map(of).collect()
        }
    };
    let piece = |size: usize| {
        let mut piece = input.to_vec();
        piece[axis] = size;
        piece
    };
    Some(sizes.into_iter().map(piece).collect())
}

fn whole(numbers: &[i64]) -> Option<Vec<usize>> {
    numbers.iter().map(|&n| usize::try_from(n).ok()).collect()
}

/// Output shape of a value that is repeated to reach a shape.
pub(super) fn expand(node: &NodeProto, input: &[usize], shapes: &Shapes) -> Option<Vec<usize>> {
    let wanted = whole(shapes.integers.get(node.input(1)?)?)?;
    let rank = wanted.len().max(input.len());
    let at = |sides: &[usize], axis: usize| {
        (axis + sides.len())
            .checked_sub(rank)
            .map_or(1, |axis| sides[axis])
    };
    let sides = (0..rank).map(|axis| match (at(input, axis), at(&wanted, axis)) {
        (1, side) | (side, 1) => Some(side),
        (left, right) => (left == right).then_some(left),
    });
    sides.collect()
}

/// Output shape of an image made larger or smaller.
pub(super) fn resize(node: &NodeProto, input: &[usize], shapes: &Shapes) -> Option<Vec<usize>> {
    if let Some(sizes) = node.input(3).and_then(|name| shapes.integers.get(name)) {
        return whole(sizes).filter(|sizes| sizes.len() == input.len());
    }
    let place = if node.op_type == "Upsample" { 1 } else { 2 };
    let scales = shapes.floats.get(node.input(place)?)?;
    let scaled = |(&side, &scale): (&usize, &f32)| {
        let scaled = (side as f64 * f64::from(scale)).floor();
        (0.0..1e12).contains(&scaled).then_some(scaled as usize)
    };
    if scales.len() != input.len() {
        return None;
    }
    input.iter().zip(scales).map(scaled).collect()
}

/// Output shape of a convolution turned around.
pub(super) fn transposed_convolution(
    node: &NodeProto,
    input: &[usize],
    shapes: &Shapes,
) -> Option<Vec<usize>> {
    let weight = shapes.of(node.input(1)?)?;
    let ([batch, _, sizes @ ..], [_, per_group, kernel @ ..]) = (input, weight) else {
        return None;
    };
    let named = node.text("auto_pad").is_some_and(|pad| pad != "NOTSET");
    if kernel.len() != sizes.len() || named || node.ints("output_shape").is_some() {
        return None;
    }
    let groups = usize::try_from(node.int("group").unwrap_or(1)).ok()?;
    let setting = |name: &str, place: usize, default: usize| match node.ints(name) {
        None | Some([]) => Some(default),
        Some(values) => usize::try_from(*values.get(place)?)
            .ok()
            .filter(|&value| value <= 1 << 24),
    };
    let mut result = vec![*batch, per_group.checked_mul(groups)?];
    for (axis, (&size, &kernel)) in sizes.iter().zip(kernel).enumerate() {
        let stride = setting("strides", axis, 1)?;
        let reach = kernel
            .checked_sub(1)?
            .checked_mul(setting("dilations", axis, 1)?)?
            .checked_add(1)?;
        let pads = setting("pads", axis, 0)? + setting("pads", axis + sizes.len(), 0)?;
        let whole = size
            .checked_sub(1)?
            .checked_mul(stride)?
            .checked_add(reach)?
            .checked_add(setting("output_padding", axis, 0)?)?;
        result.push(whole.checked_sub(pads)?);
    }
    Some(result)
}

/// Output shapes of a recurrent layer: all steps, then the last states.
pub(super) fn recurrent(
    node: &NodeProto,
    input: &[usize],
    shapes: &Shapes,
) -> Option<Vec<Vec<usize>>> {
    let [directions, _, hidden] = *shapes.of(node.input(2)?)? else {
        return None;
    };
    let &[first, second, _] = input else {
        return None;
    };
    Some(if node.int("layout").unwrap_or(0) == 0 {
        let last = vec![directions, second, hidden];
        vec![vec![first, directions, second, hidden], last.clone(), last]
    } else {
        let last = vec![first, directions, hidden];
        vec![vec![first, second, directions, hidden], last.clone(), last]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_count_as_in_python() {
        assert_eq!(range(0, i64::MAX, 1, 10), Some(10));
        assert_eq!(range(-3, -1, 1, 10), Some(2));
        assert_eq!(range(1, 8, 3, 10), Some(3));
        assert_eq!(range(-1, i64::MIN, -1, 10), Some(10));
        assert_eq!(range(8, 2, 1, 10), Some(0));
        assert_eq!(range(0, 10, 0, 10), None);
        assert_eq!(range(0, 10, i64::MIN, 10), None);
    }
}
