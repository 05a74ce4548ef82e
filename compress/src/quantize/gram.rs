//! What a layer's inputs have in common: the Gram matrix of the columns that each output is a
//! product of (im2col), on which closed-form rounding rests.

use std::collections::HashMap;

use candle_core::{Device, Tensor as Matrix};
use noroshi_engine::{Options, Tensor};
use noroshi_onnx::{GraphProto, Index, ModelProto, NodeProto};
use rayon::prelude::*;

use super::plan::{Plan, Role};
use super::{Progress, calibrate};
use crate::{Error, Result};

/// Most columns of a Gram matrix: 64 MB of numbers.
const COLUMNS: usize = 4096;

/// Most positions of one input that are looked at: neighbours tell little new.
const POSITIONS: usize = 256;

/// Below so many columns a plain loop beats a general matrix product.
const FEW: usize = 24;

/// Sums over what a layer saw, for each of its groups.
#[derive(Debug, Clone)]
pub(super) struct Gram {
    /// Numbers in a row of the weight.
    pub(super) columns: usize,
    pub(super) groups: Vec<Group>,
    samples: u64,
}

/// Sums over the columns that the rows of one group are multiplied with.
#[derive(Debug, Clone)]
pub(super) struct Group {
    /// `columns` times `columns` sums of products.
    products: Vec<f32>,
    sums: Vec<f64>,
}

impl Gram {
    fn new(columns: usize, groups: usize) -> Self {
        let group = Group {
            products: vec![0.0; columns * columns],
            sums: vec![0.0; columns],
        };
        Self {
            columns,
            groups: vec![group; groups],
            samples: 0,
        }
    }

    /// The mean of each column, group after group.
    pub(super) fn means(&self) -> Vec<f64> {
        let samples = self.samples.max(1) as f64;
        let sums = self.groups.iter().flat_map(|group| &group.sums);
        sums.map(|sum| sum / samples).collect()
    }

    /// The mean of the products of a group's columns; less the product of the means where the
    /// mean error is made up for by biases.
    pub(super) fn moments(&self, group: usize, centred: bool) -> Vec<f32> {
        let samples = self.samples.max(1) as f64;
        let Group { products, sums } = &self.groups[group];
        let rows = products.chunks(self.columns).zip(sums);
        rows.flat_map(|(row, sum)| {
            let own = if centred { sum / samples } else { 0.0 };
            row.iter().zip(sums).map(move |(product, other)| {
                (f64::from(*product) / samples - own * other / samples) as f32
            })
        })
        .collect()
    }

    /// Adds one input.
    fn add(&mut self, window: &Window, tensor: &Tensor) -> Result<()> {
        let values = tensor.to_f32();
        let picture = Picture::new(window, &values, tensor.shape())?;
        let places = picture.places();
        self.samples += places.len() as u64;
        let columns = self.columns;
        self.groups
            .par_iter_mut()
            .enumerate()
            .try_for_each(|(number, group)| {
                let panel = picture.panel(window, number, columns, &places);
                for row in panel.chunks(columns) {
                    let sums = group.sums.iter_mut().zip(row);
                    sums.for_each(|(sum, value)| *sum += f64::from(*value));
                }
                group.add(panel, columns)
            })
    }
}

impl Group {
    fn add(&mut self, panel: Vec<f32>, columns: usize) -> Result<()> {
        if columns < FEW {
            for row in panel.chunks(columns) {
                for (sums, left) in self.products.chunks_mut(columns).zip(row) {
                    let pairs = sums.iter_mut().zip(row);
                    pairs.for_each(|(sum, right)| *sum += left * right);
                }
            }
            return Ok(());
        }
        let failed =
            |error: candle_core::Error| Error::Quantize(format!("the Gram matrix: {error}"));
        let rows = panel.len() / columns;
        let matrix = Matrix::from_vec(panel, (rows, columns), &Device::Cpu).map_err(failed)?;
        let product = matrix.t().and_then(|turned| turned.matmul(&matrix));
        let product = product.and_then(|product| product.flatten_all()?.to_vec1::<f32>());
        let pairs = self.products.iter_mut().zip(product.map_err(failed)?);
        pairs.for_each(|(sum, value)| *sum += value);
        Ok(())
    }
}

/// How a layer moves over its input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Window {
    kernel: [usize; 2],
    strides: [usize; 2],
    dilations: [usize; 2],
    /// Before the first row and column.
    begin: [usize; 2],
    end: [usize; 2],
    /// SAME padding: the odd pixel goes before instead of behind.
    same: Option<bool>,
    groups: usize,
    channels_per_group: usize,
    flat: bool,
}

impl Window {
    /// That of `node` with a weight of `shape`; `None` if it has more than two directions.
    pub(super) fn new(node: &NodeProto, shape: &[usize]) -> Option<Self> {
        let pair = |values: Option<&[i64]>, other: usize| -> Option<[usize; 2]> {
            let sized = |value: i64| usize::try_from(value).ok();
            match values {
                None => Some([other; 2]),
                Some([one]) => Some([other, sized(*one)?]),
                Some([first, second]) => Some([sized(*first)?, sized(*second)?]),
                Some(_) => None,
            }
        };
        let groups = usize::try_from(node.int("group").unwrap_or(1)).ok()?.max(1);
        if node.is("Gemm") {
            let columns_first = node.int("transB").unwrap_or(0) == 0;
            let inputs = shape[usize::from(!columns_first)];
            return Some(Self::over_rows(inputs));
        }
        let kernel = match shape[2..] {
            [width] => [1, width],
            [height, width] => [height, width],
            _ => return None,
        };
        let (begin, end) = match node.ints("pads") {
            None => ([0; 2], [0; 2]),
            Some([left, right]) => (pair(Some(&[0, *left]), 0)?, pair(Some(&[0, *right]), 0)?),
            Some([top, left, bottom, right]) => (
                pair(Some(&[*top, *left]), 0)?,
                pair(Some(&[*bottom, *right]), 0)?,
            ),
            Some(_) => return None,
        };
        let same = match node.text("auto_pad") {
            Some("SAME_UPPER") => Some(false),
            Some("SAME_LOWER") => Some(true),
            _ => None,
        };
        Some(Self {
            kernel,
            strides: pair(node.ints("strides"), 1)?.map(|stride| stride.max(1)),
            dilations: pair(node.ints("dilations"), 1)?.map(|dilation| dilation.max(1)),
            begin,
            end,
            same,
            groups,
            channels_per_group: shape[1],
            flat: false,
        })
    }

    fn over_rows(inputs: usize) -> Self {
        Self {
            kernel: [1; 2],
            strides: [1; 2],
            dilations: [1; 2],
            begin: [0; 2],
            end: [0; 2],
            same: None,
            groups: 1,
            channels_per_group: inputs,
            flat: true,
        }
    }

    fn columns(&self) -> usize {
        self.channels_per_group * self.kernel[0] * self.kernel[1]
    }
}

/// An input as a layer sees it.
struct Picture<'a> {
    values: &'a [f32],
    channels: usize,
    size: [usize; 2],
    begin: [usize; 2],
    output: [usize; 2],
    batch: usize,
}

impl<'a> Picture<'a> {
    fn new(window: &Window, values: &'a [f32], shape: &[usize]) -> Result<Self> {
        let unfit = || {
            Error::Quantize(format!(
                "an activation of shape {shape:?} does not fit the layer that reads it"
            ))
        };
        let channels = window.groups * window.channels_per_group;
        let (batch, size) = match (window.flat, shape) {
            (true, [rows, _]) => (*rows, [1; 2]),
            (false, [batch, _, width]) => (*batch, [1, *width]),
            (false, [batch, _, height, width]) => (*batch, [*height, *width]),
            _ => return Err(unfit()),
        };
        if batch * channels * size[0] * size[1] != values.len() || values.is_empty() {
            return Err(unfit());
        }
        let mut begin = window.begin;
        let mut output = [0; 2];
        for way in 0..2 {
            let reach = (window.kernel[way] - 1) * window.dilations[way] + 1;
            if let Some(before) = window.same {
                output[way] = size[way].div_ceil(window.strides[way]);
                let needed = ((output[way] - 1) * window.strides[way] + reach).max(size[way]);
                let missing = needed - size[way];
                begin[way] = if before {
                    missing.div_ceil(2)
                } else {
                    missing / 2
                };
            } else {
                let padded = size[way] + begin[way] + window.end[way];
                let room = padded.checked_sub(reach).ok_or_else(unfit)?;
                output[way] = room / window.strides[way] + 1;
            }
        }
        Ok(Self {
            values,
            channels,
            size,
            begin,
            output,
            batch,
        })
    }

    /// The output positions that are looked at, spread evenly and away from any grid.
    fn places(&self) -> Vec<usize> {
        let all = self.batch * self.output[0] * self.output[1];
        if all <= POSITIONS {
            return (0..all).collect();
        }
        let golden = (5f64.sqrt() - 1.0) / 2.0;
        (0..POSITIONS)
            .map(|number| ((number as f64 * golden).fract() * all as f64) as usize)
            .collect()
    }

    /// The columns of a group at `places`, a row each.
    fn panel(&self, window: &Window, group: usize, columns: usize, places: &[usize]) -> Vec<f32> {
        let mut panel = vec![0.0; places.len() * columns];
        let [height, width] = self.size;
        let pixels = self.output[0] * self.output[1];
        for (row, &place) in panel.chunks_mut(columns).zip(places) {
            let (sample, pixel) = (place / pixels, place % pixels);
            let corner = [pixel / self.output[1], pixel % self.output[1]];
            for own in 0..window.channels_per_group {
                let channel = sample * self.channels + group * window.channels_per_group + own;
                let plane = &self.values[channel * height * width..(channel + 1) * height * width];
                for y in 0..window.kernel[0] {
                    let Some(top) = self.at(window, 0, corner[0], y) else {
                        continue;
                    };
                    for x in 0..window.kernel[1] {
                        if let Some(left) = self.at(window, 1, corner[1], x) {
                            let column = (own * window.kernel[0] + y) * window.kernel[1] + x;
                            row[column] = plane[top * width + left];
                        }
                    }
                }
            }
        }
        panel
    }

    /// Where in the input tap `tap` of the window at `corner` lies; `None` in the padding.
    fn at(&self, window: &Window, way: usize, corner: usize, tap: usize) -> Option<usize> {
        let place = corner * window.strides[way] + tap * window.dilations[way];
        place
            .checked_sub(self.begin[way])
            .filter(|&place| place < self.size[way])
    }
}

/// The Gram matrices of the layers with weights, by the place of their node. Layers with too many
/// columns or more than two directions are left out.
pub(super) fn observe(
    model: &ModelProto,
    plan: &Plan,
    inputs: &[Tensor],
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<HashMap<usize, Gram>> {
    let graph = model.graph()?;
    let windows = windows(graph, plan)?;
    let mut wanted: Vec<String> = windows
        .keys()
        .map(|place| graph.node[*place].input[0].clone())
        .collect();
    wanted.sort();
    wanted.dedup();
    let mut grams: HashMap<usize, Gram> = windows
        .iter()
        .map(|(place, window)| (*place, Gram::new(window.columns(), window.groups)))
        .collect();
    calibrate::each_run(model, &wanted, inputs, options, progress, &mut |values| {
        let by_name: HashMap<&str, &Tensor> = values
            .iter()
            .map(|(name, tensor)| (name.as_str(), *tensor))
            .collect();
        grams.par_iter_mut().try_for_each(|(place, gram)| {
            match by_name.get(graph.node[*place].input[0].as_str()) {
                Some(tensor) => gram.add(&windows[place], tensor),
                None => Ok(()),
            }
        })
    })?;
    Ok(grams)
}

fn windows(graph: &GraphProto, plan: &Plan) -> Result<HashMap<usize, Window>> {
    let index = Index::new(graph);
    let mut windows = HashMap::new();
    for (place, node) in graph.node.iter().enumerate() {
        let is_weighted = matches!(plan.roles[place], Role::Weighted { .. });
        let weight = node.input(1).and_then(|name| index.initializer(name));
        let (true, Some(weight)) = (is_weighted, weight) else {
            continue;
        };
        let window = Window::new(node, &weight.shape()?);
        if let Some(window) = window.filter(|window| window.columns() <= COLUMNS) {
            windows.insert(place, window);
        }
    }
    Ok(windows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use noroshi_onnx::AttributeProto;

    #[test]
    fn a_window_with_a_border_sees_zeros_there() {
        let attributes = vec![AttributeProto::ints("pads", &[1, 1, 1, 1])];
        let node = NodeProto::new("Conv", ["x", "w"], "y", attributes);
        let window = Window::new(&node, &[1, 1, 3, 3]).unwrap();
        let values: Vec<f32> = (1..=4u8).map(f32::from).collect();
        let picture = Picture::new(&window, &values, &[1, 1, 2, 2]).unwrap();
        assert_eq!(picture.output, [2, 2]);
        let panel = picture.panel(&window, 0, 9, &[0, 3]);
        assert_eq!(panel[..9], [0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 0.0, 3.0, 4.0]);
        assert_eq!(panel[9..], [1.0, 2.0, 0.0, 3.0, 4.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn large_and_small_matrices_are_summed_alike() {
        let columns = FEW + 3;
        let values: Vec<f32> = (0..columns * 5).map(|n| (n as f32).sin()).collect();
        let window = Window::over_rows(columns);
        let tensor = Tensor::f32(vec![5, columns], values.clone()).unwrap();
        let mut gram = Gram::new(columns, 1);
        gram.add(&window, &tensor).unwrap();
        let moments = gram.moments(0, true);
        let mean = |column: usize| {
            (0..5)
                .map(|row| values[row * columns + column])
                .sum::<f32>()
                / 5.0
        };
        let expected: f32 = (0..5)
            .map(|row| {
                (values[row * columns + 1] - mean(1)) * (values[row * columns + 7] - mean(7))
            })
            .sum();
        assert!((moments[columns + 7] - expected / 5.0).abs() < 1e-5);
    }
}
