//! Equalizes channels between layers, which changes no answer (Nagel et al., "Data-Free
//! Quantization Through Weight Equalization and Bias Correction", 2019, §4.1).
//!
//! Where everything that makes and everything that reads a channel is a layer with constant
//! weights, or an operator that a positive factor passes through, the makers' weights are divided
//! by a factor and the readers' multiplied. The paper's pairs of layers are the simplest case;
//! here all values tied by sums, pools and ReLUs move together, so residual streams take part. A
//! ReLU6 is no such operator: its upper end would move.

use std::collections::{HashMap, HashSet};

use noroshi_onnx::{DataType, GraphProto, Index, NodeProto, Shapes, TensorProto, infer};

use super::fold::is_plain_gemm;
use crate::Result;

/// Passes over all groups at most; a few are enough.
const PASSES: usize = 20;

/// A pass whose factors are all nearer to one than this ends the work.
const SETTLED: f32 = 1e-3;

/// Largest factor of one pass, either way.
const LARGEST: f32 = 1e3;

/// Equalizes `graph`, whose nodes are in order; the number of groups that took part.
pub(super) fn equalize(graph: &mut GraphProto) -> Result<usize> {
    let (mut layers, groups) = {
        let index = Index::new(graph);
        let shapes = infer(graph)?;
        let layers = layers(graph, &index)?;
        let groups = Ties::new(graph, &index, &shapes, &layers).groups(&layers);
        (layers, groups)
    };
    for _ in 0..PASSES {
        let mut farthest = 0f32;
        for group in &groups {
            farthest = farthest.max(level_out(group, &mut layers));
        }
        if farthest < SETTLED {
            break;
        }
    }
    write_back(graph, layers);
    Ok(groups.len())
}

/// A layer's weights with the order of their axes.
struct Layer {
    weight_name: String,
    bias_name: Option<String>,
    values: Vec<f32>,
    bias: Vec<f32>,
    shape: Vec<usize>,
    rows: usize,
    /// Input channels that one row reads.
    per_row: usize,
    pixels: usize,
    groups: usize,
    columns_first: bool,
}

impl Layer {
    fn at(&self, row: usize, column: usize, pixel: usize) -> usize {
        if self.columns_first {
            column * self.rows + row
        } else {
            (row * self.per_row + column) * self.pixels + pixel
        }
    }

    fn channels(&self) -> usize {
        self.per_row * self.groups
    }

    /// The places of the numbers that make output channel `row`.
    fn row(&self, row: usize) -> impl Iterator<Item = usize> + '_ {
        (0..self.per_row)
            .flat_map(move |column| (0..self.pixels).map(move |pixel| self.at(row, column, pixel)))
    }

    /// The places of the numbers that read input channel `channel`.
    fn column(&self, channel: usize) -> impl Iterator<Item = usize> + '_ {
        let (group, column) = (channel / self.per_row, channel % self.per_row);
        let per_group = self.rows / self.groups;
        (group * per_group..(group + 1) * per_group)
            .flat_map(move |row| (0..self.pixels).map(move |pixel| self.at(row, column, pixel)))
    }

    fn largest(&self, places: impl Iterator<Item = usize>) -> f32 {
        places.fold(0.0, |largest, place| largest.max(self.values[place].abs()))
    }

    fn multiply(&mut self, places: &[usize], factor: f32) {
        for &place in places {
            self.values[place] *= factor;
        }
    }
}

/// The layers whose weights and biases are constants of their own, by the place of their node.
fn layers(graph: &GraphProto, index: &Index<'_>) -> Result<HashMap<usize, Layer>> {
    let mut layers = HashMap::new();
    for (place, node) in graph.node.iter().enumerate() {
        if !(node.is("Conv") || node.is("Gemm") && is_plain_gemm(node)) {
            continue;
        }
        if let Some(layer) = layer(node, index)? {
            layers.insert(place, layer);
        }
    }
    Ok(layers)
}

fn layer(node: &NodeProto, index: &Index<'_>) -> Result<Option<Layer>> {
    let own = |name: &str| {
        let tensor = index.initializer(name)?;
        let alone = index.readers(name).len() == 1 && !index.is_output(name);
        (alone && tensor.data_type == DataType::F32 as i32).then_some(tensor)
    };
    let Some(weight) = node.input(1).and_then(own) else {
        return Ok(None);
    };
    let shape = weight.shape()?;
    if shape.len() < 2 || weight.elements()? == 0 {
        return Ok(None);
    }
    let columns_first = node.is("Gemm") && node.int("transB").unwrap_or(0) == 0;
    let (rows, per_row) = if columns_first {
        (shape[1], shape[0])
    } else {
        (shape[0], shape[1])
    };
    let bias = match node.input(2) {
        None => vec![0.0; rows],
        Some(name) => match own(name).map(TensorProto::to_f32).transpose()? {
            Some(bias) if bias.len() == rows => bias,
            _ => return Ok(None),
        },
    };
    let groups = usize::try_from(node.int("group").unwrap_or(1))
        .unwrap_or(1)
        .max(1);
    Ok((rows % groups == 0).then(|| Layer {
        weight_name: node.input[1].clone(),
        bias_name: node.input(2).map(str::to_owned),
        values: weight.to_f32().unwrap_or_default(),
        bias,
        pixels: shape[2..].iter().product(),
        shape,
        rows,
        per_row,
        groups,
        columns_first,
    }))
}

/// Which values must be scaled alike.
struct Ties<'a> {
    graph: &'a GraphProto,
    /// A value's number.
    numbers: HashMap<&'a str, usize>,
    /// For each value one that it is tied to, itself at the root.
    parents: Vec<usize>,
    /// Values that may not be scaled.
    fixed: HashSet<usize>,
}

impl<'a> Ties<'a> {
    fn new(
        graph: &'a GraphProto,
        index: &Index<'_>,
        shapes: &Shapes,
        layers: &HashMap<usize, Layer>,
    ) -> Self {
        let mut ties = Self {
            graph,
            numbers: HashMap::new(),
            parents: Vec::new(),
            fixed: HashSet::new(),
        };
        let outside = graph.input.iter().chain(&graph.output);
        for value in outside {
            ties.fix(&value.name);
        }
        for (place, node) in graph.node.iter().enumerate() {
            let values = node.input.iter().chain(&node.output);
            if layers.contains_key(&place) {
                ties.number(&node.input[0]);
                ties.number(&node.output[0]);
            } else if passes(node, index, shapes) {
                for name in &node.input[1..] {
                    ties.tie(&node.input[0], name);
                }
                ties.tie(&node.input[0], &node.output[0]);
            } else {
                values.for_each(|name| ties.fix(name));
            }
        }
        ties
    }

    fn number(&mut self, name: &'a str) -> usize {
        let next = self.parents.len();
        let number = *self.numbers.entry(name).or_insert(next);
        if number == next {
            self.parents.push(next);
        }
        number
    }

    fn root(&self, mut number: usize) -> usize {
        while self.parents[number] != number {
            number = self.parents[number];
        }
        number
    }

    fn fix(&mut self, name: &'a str) {
        let number = self.number(name);
        self.fixed.insert(number);
    }

    fn tie(&mut self, one: &'a str, other: &'a str) {
        let (one, other) = (self.number(one), self.number(other));
        let (one, other) = (self.root(one), self.root(other));
        self.parents[one] = other;
    }

    /// The groups of channels that can be scaled.
    fn groups(&self, layers: &HashMap<usize, Layer>) -> Vec<Group> {
        let fixed: HashSet<usize> = self.fixed.iter().map(|&number| self.root(number)).collect();
        let mut groups: HashMap<usize, Group> = HashMap::new();
        for place in 0..self.graph.node.len() {
            let Some(layer) = layers.get(&place) else {
                continue;
            };
            let node = &self.graph.node[place];
            let root = |name: &str| self.root(self.numbers[name]);
            let reads = groups.entry(root(&node.input[0])).or_default();
            reads.readers.push(place);
            reads.sizes.insert(layer.channels());
            let makes = groups.entry(root(&node.output[0])).or_default();
            makes.makers.push(place);
            makes.sizes.insert(layer.rows);
        }
        let mut usable: Vec<_> = groups
            .into_iter()
            .filter(|(root, group)| !fixed.contains(root) && group.is_closed())
            .collect();
        usable.sort_by_key(|(root, _)| *root);
        usable.into_iter().map(|(_, group)| group).collect()
    }
}

/// Layers that make the same channels and layers that read them.
#[derive(Default)]
struct Group {
    makers: Vec<usize>,
    readers: Vec<usize>,
    sizes: HashSet<usize>,
}

impl Group {
    fn is_closed(&self) -> bool {
        !self.makers.is_empty() && !self.readers.is_empty() && self.sizes.len() == 1
    }
}

/// Whether a positive factor of a channel passes through `node` to the same channel.
fn passes(node: &NodeProto, index: &Index<'_>, shapes: &Shapes) -> bool {
    let constant = |name: &String| index.initializer(name).is_some();
    if node.output.len() > 1 && !node.output[1].is_empty() || node.input.iter().any(constant) {
        return false;
    }
    let shape = |name: &str| shapes.of(name);
    match node.op_type.as_str() {
        _ if !node.is_standard() => false,
        "Relu" | "LeakyRelu" | "MaxPool" | "AveragePool" | "GlobalAveragePool"
        | "GlobalMaxPool" => node.input.len() == 1,
        "Add" => {
            let first = shape(&node.input[0]);
            first.is_some() && node.input[1..].iter().all(|name| shape(name) == first)
        }
        // Channels stay channels only where each has one pixel.
        "Flatten" => {
            let pixels = shape(&node.input[0])
                .and_then(|shape| shape.get(2..))
                .map(|pixels| pixels.iter().product::<usize>());
            node.int("axis").unwrap_or(1) == 1 && pixels == Some(1)
        }
        _ => false,
    }
}

/// Gives each channel of a group the same range on both sides; the farthest that a factor was
/// from one, as a logarithm.
fn level_out(group: &Group, layers: &mut HashMap<usize, Layer>) -> f32 {
    let channels = group.sizes.iter().copied().next().unwrap_or(0);
    let mut farthest = 0f32;
    for channel in 0..channels {
        let over = |places: &[usize], row: bool| {
            let largest = places.iter().map(|place| {
                let layer = &layers[place];
                if row {
                    layer.largest(layer.row(channel))
                } else {
                    layer.largest(layer.column(channel))
                }
            });
            largest.fold(0f32, f32::max)
        };
        let (made, read) = (over(&group.makers, true), over(&group.readers, false));
        if made <= 0.0 || read <= 0.0 {
            continue;
        }
        let factor = (made / read).sqrt().clamp(1.0 / LARGEST, LARGEST);
        farthest = farthest.max(factor.ln().abs());
        for place in &group.makers {
            if let Some(layer) = layers.get_mut(place) {
                let row: Vec<usize> = layer.row(channel).collect();
                layer.multiply(&row, 1.0 / factor);
                layer.bias[channel] /= factor;
            }
        }
        for place in &group.readers {
            if let Some(layer) = layers.get_mut(place) {
                let column: Vec<usize> = layer.column(channel).collect();
                layer.multiply(&column, factor);
            }
        }
    }
    farthest
}

fn write_back(graph: &mut GraphProto, layers: HashMap<usize, Layer>) {
    let mut tensors = HashMap::new();
    for layer in layers.into_values() {
        let weight = TensorProto::new(&layer.weight_name, &layer.shape, &layer.values);
        tensors.insert(layer.weight_name, weight);
        if let Some(name) = layer.bias_name {
            let bias = TensorProto::new(&name, &[layer.rows], &layer.bias);
            tensors.insert(name, bias);
        }
    }
    for tensor in &mut graph.initializer {
        if let Some(changed) = tensors.remove(&tensor.name) {
            *tensor = changed;
        }
    }
}
