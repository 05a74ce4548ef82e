//! Which channels can only go together: those that a sum, a product, a depthwise convolution, a
//! normalization or a pool ties to each other.

use crate::layer::{Conv, Layer};
use crate::net::{Net, Node, Value};
use crate::shape::Shape;

/// The channels of all values of a network, tied into units.
pub(super) struct Units {
    /// Where the channels of each value begin.
    first: Vec<usize>,
    /// The unit of each channel of each value.
    of: Vec<usize>,
    /// What belongs to each unit.
    pub(super) all: Vec<Unit>,
}

/// Channels that stay or go together.
#[derive(Debug, Clone, Default)]
pub(super) struct Unit {
    /// Layers and their channels that make it: rows of linear layers and of convolutions that are
    /// not depthwise.
    pub(super) makers: Vec<(usize, usize)>,
    /// Normalizations and their channels that scale it.
    pub(super) scales: Vec<(usize, usize)>,
    /// Whether it must stay: it enters, leaves, or meets a convolution of groups.
    pub(super) pinned: bool,
    /// Units with one number share a layer, or layers that a sum ties.
    pub(super) group: usize,
}

impl Units {
    pub(super) fn of(net: &Net) -> Self {
        let mut first = vec![0];
        for value in 0..=net.layers().len() {
            let channels = net.shape_of(Value(value)).channels;
            first.push(first[value] + channels);
        }
        let mut ties = Ties::new(first[net.layers().len() + 1]);
        for (place, node) in net.layers().iter().enumerate() {
            tie(net, node, place, &first, &mut ties);
        }
        let (of, count) = ties.numbered();
        let mut units = Self {
            first,
            of,
            all: vec![Unit::default(); count],
        };
        units.fill(net);
        units.group(net.layers().len());
        units
    }

    /// The unit of a channel.
    pub(super) fn unit(&self, value: Value, channel: usize) -> usize {
        self.of[self.first[value.0] + channel]
    }

    /// The channels of a value whose units stay.
    pub(super) fn left(&self, value: Value, stays: &[bool]) -> Vec<usize> {
        let channels = self.first[value.0 + 1] - self.first[value.0];
        let left = |channel: &usize| stays[self.unit(value, *channel)];
        (0..channels).filter(left).collect()
    }

    fn fill(&mut self, net: &Net) {
        let values = [Value::INPUT, net.last()];
        for value in values {
            self.pin(value, net);
        }
        for (place, node) in net.layers().iter().enumerate() {
            let input = net.shape_of(node.inputs[0]);
            match &node.layer {
                Layer::Conv(conv) if in_groups(conv, input) => {
                    self.pin(node.inputs[0], net);
                    self.pin(Value::of(place), net);
                }
                Layer::Conv(conv) if is_depthwise(conv, input) => {}
                Layer::Dense(_) | Layer::Conv(_) => {
                    self.each(place, node, |unit, channel| {
                        unit.makers.push((place, channel));
                    });
                }
                Layer::Normalize(_) => {
                    self.each(place, node, |unit, channel| {
                        unit.scales.push((place, channel));
                    });
                }
                _ => {}
            }
        }
    }

    fn each(&mut self, place: usize, node: &Node, mut act: impl FnMut(&mut Unit, usize)) {
        for channel in 0..node.output.channels {
            let unit = self.unit(Value::of(place), channel);
            act(&mut self.all[unit], channel);
        }
    }

    fn pin(&mut self, value: Value, net: &Net) {
        for channel in 0..net.shape_of(value).channels {
            let unit = self.unit(value, channel);
            self.all[unit].pinned = true;
        }
    }

    /// Layers that share a unit share a group.
    fn group(&mut self, layers: usize) {
        let mut ties = Ties::new(layers);
        for unit in &self.all {
            for pair in unit.makers.windows(2) {
                ties.join(pair[0].0, pair[1].0);
            }
        }
        for unit in &mut self.all {
            if let Some(&(layer, _)) = unit.makers.first() {
                unit.group = ties.root(layer);
            }
        }
    }
}

/// A convolution whose outputs each see one channel.
pub(super) const fn is_depthwise(conv: &Conv, input: Shape) -> bool {
    conv.groups > 1 && conv.groups == input.channels
}

/// A convolution of groups of several channels: they can't lose channels one by one.
const fn in_groups(conv: &Conv, input: Shape) -> bool {
    conv.groups > 1 && conv.groups != input.channels
}

fn tie(net: &Net, node: &Node, place: usize, first: &[usize], ties: &mut Ties) {
    let source = |input: usize| first[node.inputs[input].0];
    let target = first[place + 1];
    let input = net.shape_of(node.inputs[0]);
    match &node.layer {
        Layer::Dense(_) => {}
        Layer::Conv(conv) if is_depthwise(conv, input) => {
            let each = conv.outputs / conv.groups;
            (0..conv.outputs).for_each(|c| ties.join(target + c, source(0) + c / each));
        }
        Layer::Conv(_) => {}
        Layer::Flatten => {
            let plane = input.plane();
            (0..input.len()).for_each(|c| ties.join(target + c, source(0) + c / plane));
        }
        Layer::Concat => {
            let mut start = target;
            for (place, &value) in node.inputs.iter().enumerate() {
                let channels = net.shape_of(value).channels;
                (0..channels).for_each(|c| ties.join(start + c, source(place) + c));
                start += channels;
            }
        }
        Layer::Normalize(_)
        | Layer::Activation(_)
        | Layer::Pool(_)
        | Layer::GlobalAverage
        | Layer::Dropout { .. }
        | Layer::Add
        | Layer::Multiply => {
            for place in 0..node.inputs.len() {
                (0..node.output.channels).for_each(|c| ties.join(target + c, source(place) + c));
            }
        }
    }
}

/// Disjoint sets.
struct Ties(Vec<usize>);

impl Ties {
    fn new(count: usize) -> Self {
        Self((0..count).collect())
    }

    fn root(&mut self, mut place: usize) -> usize {
        while self.0[place] != place {
            self.0[place] = self.0[self.0[place]];
            place = self.0[place];
        }
        place
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        let (low, high) = (one.min(other), one.max(other));
        self.0[high] = low;
    }

    /// The set of each place, counted from 0 in the order of their first places; how many.
    fn numbered(mut self) -> (Vec<usize>, usize) {
        let mut numbers = vec![usize::MAX; self.0.len()];
        let mut count = 0;
        let mut of = Vec::with_capacity(self.0.len());
        for place in 0..self.0.len() {
            let root = self.root(place);
            if numbers[root] == usize::MAX {
                numbers[root] = count;
                count += 1;
            }
            of.push(numbers[root]);
        }
        (of, count)
    }
}
