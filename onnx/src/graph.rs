//! Graphs: versions, order, who makes and who reads a value.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::proto::{GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto};
use crate::{Error, Result};

/// Newest operator set of ONNX that is known here.
pub const NEWEST_OPSET: i64 = 28;

/// Newest version of the format that is known here.
pub const NEWEST_IR: i64 = 14;

/// Most nodes that a graph may have.
const NODE_LIMIT: usize = 200_000;

impl ModelProto {
    /// A model of one graph for the given version of ONNX's operators.
    pub fn new(graph: GraphProto, opset: i64, ir_version: i64) -> Self {
        Self {
            ir_version,
            producer_name: "noroshi".into(),
            producer_version: env!("CARGO_PKG_VERSION").into(),
            opset_import: vec![OperatorSetIdProto {
                domain: String::new(),
                version: opset,
            }],
            graph: Some(graph),
            ..Self::default()
        }
    }

    /// The graph.
    pub fn graph(&self) -> Result<&GraphProto> {
        self.graph
            .as_ref()
            .ok_or_else(|| Error::model("the file holds no graph"))
    }

    /// The graph, to change it.
    pub fn graph_mut(&mut self) -> Result<&mut GraphProto> {
        self.graph
            .as_mut()
            .ok_or_else(|| Error::model("the file holds no graph"))
    }

    /// The version of ONNX's own operators that the model relies on.
    pub fn opset(&self) -> Result<i64> {
        self.opset_import
            .iter()
            .find(|set| set.domain.is_empty() || set.domain == "ai.onnx")
            .map(|set| set.version)
            .ok_or_else(|| Error::model("the file does not say which operator set it uses"))
    }

    /// Refuses a model that is newer than what is known here, or whose graph contradicts itself.
    pub fn check(&self) -> Result<()> {
        let newer = |what, found, known| Err(Error::TooNew { what, found, known });
        if self.ir_version > NEWEST_IR {
            return newer("IR version", self.ir_version, NEWEST_IR);
        }
        if self.ir_version < 3 {
            let found = self.ir_version;
            return Err(Error::model(format!(
                "IR version {found} is not an ONNX version in use"
            )));
        }
        let opset = self.opset()?;
        if opset > NEWEST_OPSET {
            return newer("opset", opset, NEWEST_OPSET);
        }
        if opset < 1 {
            return Err(Error::model(format!("opset {opset} does not exist")));
        }
        self.graph()?.check()
    }
}

impl GraphProto {
    /// The constant called `name`.
    pub fn initializer(&self, name: &str) -> Option<&TensorProto> {
        self.initializer.iter().find(|tensor| tensor.name == name)
    }

    /// Names of the inputs that a caller must give: those that are no constants.
    pub fn free_inputs(&self) -> Vec<&str> {
        let constants: HashSet<_> = self.initializer.iter().map(|t| t.name.as_str()).collect();
        let names = self.input.iter().map(|input| input.name.as_str());
        names.filter(|name| !constants.contains(name)).collect()
    }

    /// Refuses a graph with a missing or doubled value, a cycle, or a constant of the wrong size.
    pub fn check(&self) -> Result<()> {
        for tensor in &self.initializer {
            tensor.elements()?;
        }
        if self.output.is_empty() {
            return Err(Error::model("the graph has no output"));
        }
        self.order().map(|_| ())
    }

    /// Puts the nodes into an order in which each follows those whose values it reads.
    pub fn sort(&mut self) -> Result<()> {
        let order = self.order()?;
        let mut nodes: Vec<_> = std::mem::take(&mut self.node)
            .into_iter()
            .map(Some)
            .collect();
        self.node = order
            .into_iter()
            .filter_map(|place| nodes[place].take())
            .collect();
        Ok(())
    }

    /// The places of the nodes in an order of execution, the given one where that is possible.
    pub fn order(&self) -> Result<Vec<usize>> {
        if self.node.len() > NODE_LIMIT {
            return Err(Error::TooLarge {
                what: "the number of nodes".into(),
                actual: self.node.len() as u64,
                limit: NODE_LIMIT as u64,
            });
        }
        let known = self.known_values();
        let makers = self.makers(&known)?;
        let mut waiting = vec![0usize; self.node.len()];
        let mut readers: Vec<Vec<usize>> = vec![Vec::new(); self.node.len()];
        for (place, node) in self.node.iter().enumerate() {
            for name in reads(node) {
                match makers.get(name) {
                    Some(&maker) => {
                        waiting[place] += 1;
                        readers[maker].push(place);
                    }
                    None if known.contains(name) => {}
                    None => {
                        let operator = node.operator();
                        return Err(Error::model(format!(
                            "a {operator} node reads {name:?}, which nothing makes"
                        )));
                    }
                }
            }
        }
        for output in &self.output {
            if !makers.contains_key(output.name.as_str()) && !known.contains(output.name.as_str()) {
                return Err(Error::model(format!(
                    "nothing makes the output {:?}",
                    output.name
                )));
            }
        }
        first_come_order(waiting, &readers)
    }

    fn known_values(&self) -> HashSet<&str> {
        let sparse = self
            .sparse_initializer
            .iter()
            .filter_map(|sparse| sparse.values.as_ref());
        let inputs = self.input.iter().map(|input| input.name.as_str());
        let constants = self
            .initializer
            .iter()
            .chain(sparse)
            .map(|tensor| tensor.name.as_str());
        inputs.chain(constants).collect()
    }

    fn makers<'a>(&'a self, known: &HashSet<&str>) -> Result<HashMap<&'a str, usize>> {
        let mut makers = HashMap::new();
        for (place, node) in self.node.iter().enumerate() {
            for name in node.output.iter().filter(|name| !name.is_empty()) {
                if known.contains(name.as_str()) || makers.insert(name.as_str(), place).is_some() {
                    return Err(Error::model(format!("the value {name:?} is made twice")));
                }
            }
        }
        Ok(makers)
    }
}

/// Names of the values that a node reads, also those that the graphs inside it take from outside.
pub fn reads(node: &NodeProto) -> Vec<&str> {
    let mut names: Vec<_> = node
        .input
        .iter()
        .map(String::as_str)
        .filter(|name| !name.is_empty())
        .collect();
    for graph in node.subgraphs() {
        let mut own = graph.known_values();
        own.extend(
            graph
                .node
                .iter()
                .flat_map(|node| &node.output)
                .map(String::as_str),
        );
        let inner = graph.node.iter().flat_map(reads);
        let outputs = graph.output.iter().map(|output| output.name.as_str());
        names.extend(inner.chain(outputs).filter(|name| !own.contains(name)));
    }
    names
}

fn first_come_order(mut waiting: Vec<usize>, readers: &[Vec<usize>]) -> Result<Vec<usize>> {
    let mut ready: std::collections::BinaryHeap<_> = waiting
        .iter()
        .enumerate()
        .filter(|(_, waits)| **waits == 0)
        .map(|(place, _)| std::cmp::Reverse(place))
        .collect();
    let mut order = Vec::with_capacity(waiting.len());
    while let Some(std::cmp::Reverse(place)) = ready.pop() {
        order.push(place);
        for &reader in &readers[place] {
            waiting[reader] -= 1;
            if waiting[reader] == 0 {
                ready.push(std::cmp::Reverse(reader));
            }
        }
    }
    if order.len() < waiting.len() {
        return Err(Error::model("the graph has a cycle"));
    }
    Ok(order)
}

/// Who makes and who reads each value of a graph; the graph can't change meanwhile.
pub struct Index<'a> {
    initializers: HashMap<&'a str, &'a TensorProto>,
    makers: HashMap<&'a str, usize>,
    readers: HashMap<&'a str, Vec<usize>>,
    outputs: HashSet<&'a str>,
}

impl<'a> Index<'a> {
    /// Looks through `graph` once.
    pub fn new(graph: &'a GraphProto) -> Self {
        let mut makers = HashMap::new();
        let mut readers: HashMap<_, Vec<_>> = HashMap::new();
        for (place, node) in graph.node.iter().enumerate() {
            makers.extend(node.output.iter().map(|name| (name.as_str(), place)));
            for name in reads(node) {
                readers.entry(name).or_default().push(place);
            }
        }
        Self {
            initializers: graph
                .initializer
                .iter()
                .map(|t| (t.name.as_str(), t))
                .collect(),
            makers,
            readers,
            outputs: graph
                .output
                .iter()
                .map(|output| output.name.as_str())
                .collect(),
        }
    }

    /// The constant called `name`.
    pub fn initializer(&self, name: &str) -> Option<&'a TensorProto> {
        self.initializers.get(name).copied()
    }

    /// The place of the node that makes `name`.
    pub fn maker(&self, name: &str) -> Option<usize> {
        self.makers.get(name).copied()
    }

    /// The places of the nodes that read `name`, once for each use.
    pub fn readers(&self, name: &str) -> &[usize] {
        self.readers.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether `name` is an output of the graph.
    pub fn is_output(&self, name: &str) -> bool {
        self.outputs.contains(name)
    }

    /// The place of the only node that reads `name`, if there is just one use and it is no output.
    pub fn only_reader(&self, name: &str) -> Option<usize> {
        match self.readers(name) {
            [place] if !self.is_output(name) => Some(*place),
            _ => None,
        }
    }
}

/// Removes constants and nodes that no output depends on.
pub fn prune(graph: &mut GraphProto) {
    let makers: HashMap<String, usize> = graph
        .node
        .iter()
        .enumerate()
        .flat_map(|(place, node)| node.output.iter().map(move |name| (name.clone(), place)))
        .collect();
    let mut wanted: VecDeque<String> = graph
        .output
        .iter()
        .map(|output| output.name.clone())
        .collect();
    let mut used: HashSet<String> = HashSet::new();
    let mut keep = vec![false; graph.node.len()];
    while let Some(name) = wanted.pop_front() {
        if let Some(&place) = makers.get(&name)
            && !std::mem::replace(&mut keep[place], true)
        {
            wanted.extend(reads(&graph.node[place]).into_iter().map(String::from));
        }
        used.insert(name);
    }
    let mut kept = keep.into_iter();
    graph.node.retain(|_| kept.next().unwrap_or(true));
    // Old files list their constants as inputs too: without its constant one would become real.
    let constants: HashSet<_> = graph.initializer.iter().map(|t| t.name.clone()).collect();
    graph
        .input
        .retain(|input| used.contains(&input.name) || !constants.contains(&input.name));
    graph
        .initializer
        .retain(|tensor| used.contains(&tensor.name));
    graph.sparse_initializer.retain(|sparse| {
        sparse
            .values
            .as_ref()
            .is_some_and(|values| used.contains(&values.name))
    });
}
