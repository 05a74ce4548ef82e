//! The integer arithmetic on shapes that exporters leave in a graph.

use super::Shapes;
use super::layout::axis_of;
use crate::{Index, NodeProto};

/// Most numbers that are followed through a graph.
const LIMIT: usize = 64;

/// Notes the integers that `node` makes, if they follow from what is known.
pub(super) fn follow(node: &NodeProto, index: &Index<'_>, shapes: &mut Shapes) {
    for name in node.input.iter().filter(|name| !name.is_empty()) {
        if let Some(tensor) = index.initializer(name)
            && !shapes.integers.contains_key(name)
            && tensor.dims.iter().product::<i64>() <= LIMIT as i64
            && let Ok(values) = tensor.to_i64()
        {
            shapes.integers.insert(name.clone(), values);
        }
        if let Some(tensor) = index.initializer(name)
            && !shapes.floats.contains_key(name)
            && tensor.dims.len() == 1
            && tensor.dims[0] <= LIMIT as i64
            && let Ok(values) = tensor.to_f32()
        {
            shapes.floats.insert(name.clone(), values);
        }
    }
    if let Some(tensor) = node
        .is("Constant")
        .then(|| node.attribute("value"))
        .flatten()
        && let Some(tensor) = &tensor.t
        && tensor.dims.len() == 1
        && tensor.dims[0] <= LIMIT as i64
        && let (Some(output), Ok(values)) = (node.output.first(), tensor.to_f32())
    {
        shapes.floats.insert(output.clone(), values);
    }
    let Some(output) = node.output.first() else {
        return;
    };
    if let Some(values) = values(node, shapes)
        && values.len() <= LIMIT
    {
        shapes.integers.insert(output.clone(), values);
    }
}

fn values(node: &NodeProto, shapes: &Shapes) -> Option<Vec<i64>> {
    let of = |place: usize| node.input(place).and_then(|name| shapes.integers.get(name));
    match node.op_type.as_str() {
        "Constant" => {
            let tensor = node.attribute("value")?.t.as_ref()?;
            let small = tensor.dims.len() <= 1 && tensor.dims.iter().all(|&d| d <= LIMIT as i64);
            small.then(|| tensor.to_i64().ok())?
        }
        "Shape" => {
            let shape = shapes.of(node.input(0)?)?;
            Some(shape.iter().map(|&size| size as i64).collect())
        }
        "Identity" | "Cast" | "Unsqueeze" | "Squeeze" => of(0).cloned(),
        "Gather" => {
            let data = of(0)?;
            of(1)?
                .iter()
                .map(|&at| data.get(axis_of(at, data.len())?).copied())
                .collect()
        }
        "Concat" => {
            let parts: Option<Vec<_>> = (0..node.input.len()).map(of).collect();
            Some(parts?.into_iter().flatten().copied().collect())
        }
        "Slice" => {
            let (data, starts, ends) = (of(0)?, of(1)?, of(2)?);
            let (&[start], &[end]) = (starts.as_slice(), ends.as_slice()) else {
                return None;
            };
            if of(4).is_some_and(|steps| steps != &[1]) {
                return None;
            }
            let length = data.len();
            let clamp = |at: i64| axis_of(at.clamp(-(length as i64), length as i64), length);
            Some(data.get(clamp(start)?..clamp(end)?)?.to_vec())
        }
        "Mul" => pairwise(of(0)?, of(1)?, i64::checked_mul),
        "Add" => pairwise(of(0)?, of(1)?, i64::checked_add),
        "Sub" => pairwise(of(0)?, of(1)?, i64::checked_sub),
        "Div" => pairwise(of(0)?, of(1)?, i64::checked_div),
        _ => None,
    }
}

fn pairwise(
    left: &[i64],
    right: &[i64],
    operation: impl Fn(i64, i64) -> Option<i64>,
) -> Option<Vec<i64>> {
    let length = left.len().max(right.len());
    let at = |values: &[i64], place: usize| match values {
        [value] => Some(*value),
        values => values.get(place).copied(),
    };
    (0..length)
        .map(|place| operation(at(left, place)?, at(right, place)?))
        .collect()
}
