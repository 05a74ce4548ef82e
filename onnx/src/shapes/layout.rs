//! Operators that lay values out anew.

use super::Shapes;
use crate::NodeProto;
use crate::{Error, Result};

/// An axis counted from the end if it is negative.
pub(super) fn axis_of(axis: i64, rank: usize) -> Option<usize> {
    let axis = if axis < 0 {
        axis.checked_add(rank as i64)?
    } else {
        axis
    };
    usize::try_from(axis).ok().filter(|&axis| axis <= rank)
}

pub(super) fn flatten(node: &NodeProto, first: &[usize]) -> Option<Vec<usize>> {
    let axis = axis_of(node.int("axis").unwrap_or(1), first.len())?;
    Some(vec![
        first[..axis].iter().product(),
        first[axis..].iter().product(),
    ])
}

pub(super) fn reshape(
    node: &NodeProto,
    first: &[usize],
    shapes: &Shapes,
) -> Result<Option<Vec<usize>>> {
    let Some(target) = node.input(1).and_then(|name| shapes.integers.get(name)) else {
        return Ok(None);
    };
    let keep_zero = node.int("allowzero").unwrap_or(0) == 0;
    let total: usize = first.iter().product();
    let mut result = Vec::with_capacity(target.len());
    for (axis, &size) in target.iter().enumerate() {
        result.push(match size {
            0 if keep_zero => first.get(axis).copied().unwrap_or(0),
            -1 => usize::MAX,
            size => usize::try_from(size).unwrap_or(0),
        });
    }
    let mut known = result.iter().filter(|&&size| size != usize::MAX);
    let known = known
        .try_fold(1usize, |product, &size| product.checked_mul(size))
        .unwrap_or(0);
    for size in &mut result {
        if *size == usize::MAX {
            *size = total.checked_div(known).unwrap_or(0);
        }
    }
    if result
        .iter()
        .try_fold(1usize, |product, &size| product.checked_mul(size))
        != Some(total)
    {
        let output = &node.output[0];
        return Err(Error::model(format!(
            "{output:?} reshapes {first:?} to {target:?}"
        )));
    }
    Ok(Some(result))
}

pub(super) fn transpose(node: &NodeProto, first: &[usize]) -> Option<Vec<usize>> {
    match node.ints("perm") {
        None => Some(first.iter().rev().copied().collect()),
        Some(order) => order
            .iter()
            .map(|&axis| {
                usize::try_from(axis)
                    .ok()
                    .and_then(|axis| first.get(axis).copied())
            })
            .collect(),
    }
}

pub(super) fn concat(node: &NodeProto, first: &[usize], shapes: &Shapes) -> Option<Vec<usize>> {
    let axis = axis_of(node.int("axis")?, first.len())?;
    let mut result = first.to_vec();
    *result.get_mut(axis)? = 0;
    for place in 0..node.input.len() {
        let size = *shapes.of(node.input(place)?)?.get(axis)?;
        result[axis] = result[axis].checked_add(size)?;
    }
    Some(result)
}

/// The axes of an operator: an attribute before opset 13, an input since.
fn axes(node: &NodeProto, shapes: &Shapes) -> Option<Vec<i64>> {
    let from_input = || {
        node.input(1)
            .and_then(|name| shapes.integers.get(name))
            .cloned()
    };
    node.ints("axes").map(<[i64]>::to_vec).or_else(from_input)
}

pub(super) fn squeeze(node: &NodeProto, first: &[usize], shapes: &Shapes) -> Option<Vec<usize>> {
    let gone: Vec<usize> = match axes(node, shapes) {
        Some(axes) => axes
            .iter()
            .map(|&axis| axis_of(axis, first.len()))
            .collect::<Option<_>>()?,
        None if node.input(1).is_some() => return None,
        None => (0..first.len()).filter(|&axis| first[axis] == 1).collect(),
    };
    let kept = first
        .iter()
        .enumerate()
        .filter(|(axis, _)| !gone.contains(axis));
    Some(kept.map(|(_, &size)| size).collect())
}

pub(super) fn unsqueeze(node: &NodeProto, first: &[usize], shapes: &Shapes) -> Option<Vec<usize>> {
    let axes = axes(node, shapes)?;
    let rank = first.len() + axes.len();
    let new: Vec<_> = axes
        .iter()
        .map(|&axis| axis_of(axis, rank))
        .collect::<Option<_>>()?;
    let mut old = first.iter().copied();
    (0..rank)
        .map(|axis| {
            if new.contains(&axis) {
                Some(1)
            } else {
                old.next()
            }
        })
        .collect()
}

pub(super) fn reduce(node: &NodeProto, first: &[usize], shapes: &Shapes) -> Option<Vec<usize>> {
    let all: Vec<i64> = (0..first.len() as i64).collect();
    let axes = match axes(node, shapes) {
        Some(axes) => axes,
        None if node.input(1).is_some() => return None,
        None => all,
    };
    let gone: Vec<_> = axes
        .iter()
        .map(|&axis| axis_of(axis, first.len()))
        .collect::<Option<_>>()?;
    let keep = node.int("keepdims").unwrap_or(1) != 0;
    let sizes = first
        .iter()
        .enumerate()
        .filter(|(axis, _)| keep || !gone.contains(axis));
    Some(
        sizes
            .map(|(axis, &size)| if gone.contains(&axis) { 1 } else { size })
            .collect(),
    )
}
