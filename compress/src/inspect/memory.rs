//! The most activation memory that is needed at one time.

use std::collections::HashMap;

use crate::Result;
use noroshi_onnx::{GraphProto, Index, NodeProto, Shapes, reads};

/// Operators that can write their result over their first input.
const IN_PLACE: [&str; 20] = [
    "Relu",
    "Clip",
    "BatchNormalization",
    "Identity",
    "Dropout",
    "Reshape",
    "Flatten",
    "Squeeze",
    "Unsqueeze",
    "Add",
    "Mul",
    "Sub",
    "Sigmoid",
    "HardSigmoid",
    "HardSwish",
    "LeakyRelu",
    "Softmax",
    "QuantizeLinear",
    "DequantizeLinear",
    "Cast",
];

/// A piece of memory that one value after another uses.
#[derive(Debug, Clone, Copy)]
struct Buffer {
    bytes: u64,
    /// Uses of the values in it that are still to come.
    uses: usize,
}

/// Bytes alive at the worst moment, nodes in the order of the file, results written over inputs
/// that nobody else needs. Between a `DequantizeLinear` and a `QuantizeLinear` values are 8-bit,
/// as in the kernels that an engine makes of them.
///
/// With the name of the node that needs them.
pub(super) fn peak(graph: &GraphProto, shapes: &Shapes) -> Result<(u64, String)> {
    let mut plan = Liveness::new(graph, shapes);
    for input in graph.free_inputs() {
        plan.make(input, None);
    }
    let mut peak = (plan.peak, String::new());
    for place in graph.order()? {
        let node = &graph.node[place];
        plan.run(node);
        if plan.peak > peak.0 {
            let output = node.output.first().cloned().unwrap_or_default();
            let name = Some(node.name.clone()).filter(|name| !name.is_empty());
            peak = (plan.peak, name.unwrap_or(output));
        }
    }
    Ok(peak)
}

struct Liveness<'a> {
    index: Index<'a>,
    graph: &'a GraphProto,
    shapes: &'a Shapes,
    buffers: Vec<Buffer>,
    buffer_of: HashMap<&'a str, usize>,
    alive: u64,
    peak: u64,
}

impl<'a> Liveness<'a> {
    fn new(graph: &'a GraphProto, shapes: &'a Shapes) -> Self {
        Self {
            index: Index::new(graph),
            graph,
            shapes,
            buffers: Vec::new(),
            buffer_of: HashMap::new(),
            alive: 0,
            peak: 0,
        }
    }

    fn run(&mut self, node: &'a NodeProto) {
        let first = node
            .input(0)
            .and_then(|name| self.buffer_of.get(name))
            .copied();
        let over = first.filter(|&buffer| {
            IN_PLACE.contains(&node.op_type.as_str()) && self.may_overwrite(node, buffer)
        });
        for (place, output) in node
            .output
            .iter()
            .enumerate()
            .filter(|(_, n)| !n.is_empty())
        {
            self.make(output, over.filter(|_| place == 0));
        }
        for name in reads(node) {
            if let Some(&buffer) = self.buffer_of.get(name) {
                self.release(buffer);
            }
        }
        for output in &node.output {
            // What nobody reads is gone at once.
            if let Some(&buffer) = self.buffer_of.get(output.as_str())
                && self.buffers[buffer].uses == 0
            {
                self.alive -= std::mem::take(&mut self.buffers[buffer].bytes);
            }
        }
    }

    fn may_overwrite(&self, node: &NodeProto, buffer: usize) -> bool {
        let own = reads(node)
            .iter()
            .filter(|n| self.buffer_of.get(**n) == Some(&buffer))
            .count();
        self.buffers[buffer].uses == own || node.is("DequantizeLinear")
    }

    fn make(&mut self, name: &'a str, over: Option<usize>) {
        let uses = self.index.readers(name).len() + usize::from(self.index.is_output(name));
        let bytes = self.bytes(name);
        let buffer = over.unwrap_or_else(|| {
            self.buffers.push(Buffer { bytes: 0, uses: 0 });
            self.buffers.len() - 1
        });
        let grown = self.buffers[buffer].bytes.max(bytes);
        self.alive = self
            .alive
            .saturating_add(grown - self.buffers[buffer].bytes);
        self.buffers[buffer].bytes = grown;
        self.buffers[buffer].uses += uses;
        self.buffer_of.insert(name, buffer);
        self.peak = self.peak.max(self.alive);
    }

    fn release(&mut self, buffer: usize) {
        let buffer = &mut self.buffers[buffer];
        buffer.uses = buffer.uses.saturating_sub(1);
        if buffer.uses == 0 {
            self.alive -= std::mem::take(&mut buffer.bytes);
        }
    }

    fn bytes(&self, name: &str) -> u64 {
        let whole = self.shapes.bytes(name).unwrap_or(0);
        let is = |place: Option<usize>, operator: &str| {
            place.is_some_and(|place| self.graph.node[place].is(operator))
        };
        let rounded = |name: &str| {
            let readers = self.index.readers(name);
            !readers.is_empty() && readers.iter().all(|&r| is(Some(r), "QuantizeLinear"))
        };
        if is(self.index.maker(name), "DequantizeLinear")
            || rounded(name) && self.index.maker(name).is_some()
        {
            self.shapes.count(name).unwrap_or(0) as u64
        } else {
            whole
        }
    }
}
