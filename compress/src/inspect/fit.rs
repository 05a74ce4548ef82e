//! Which engines run a file, as far as the file tells.

use std::collections::BTreeSet;
use std::fmt;

use noroshi_model::EngineKind;
use noroshi_onnx::{GraphProto, ModelProto, NodeProto};
use serde::Serialize;

/// Whether an engine runs a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fit {
    /// The engine, as manifests call it.
    pub engine: &'static str,
    /// Whether nothing in the file stands in the way.
    pub runs: bool,
    /// What stands in the way, or what to know.
    pub reasons: Vec<String>,
}

/// Sets of operators that every build of ONNX Runtime has.
const OWN_DOMAINS: [&str; 4] = ["", "ai.onnx", "ai.onnx.ml", "com.microsoft"];

/// Operators that ONNX Runtime writes into a file when it optimizes it for one kind of CPU.
const ONE_CPU: [&str; 2] = ["com.microsoft.nchwc", "com.ms.internal.nhwc"];

/// What a chain of layers for candle may be made of.
const CHAIN: [&str; 14] = [
    "Gemm", "MatMul", "Add", "Relu", "Clip", "Tanh", "Sigmoid", "Softmax", "Flatten", "Reshape",
    "Identity", "Dropout", "Squeeze", "Constant",
];

/// Looks at every operator of a model, also inside other nodes.
pub(super) fn engines(model: &ModelProto, graph: &GraphProto) -> Vec<Fit> {
    let mut nodes = Vec::new();
    collect(graph, &mut nodes);
    vec![onnx_runtime(model, &nodes), candle(&nodes)]
}

fn collect<'a>(graph: &'a GraphProto, nodes: &mut Vec<&'a NodeProto>) {
    for node in &graph.node {
        nodes.push(node);
        node.subgraphs().for_each(|inner| collect(inner, nodes));
    }
}

fn onnx_runtime(model: &ModelProto, nodes: &[&NodeProto]) -> Fit {
    let own: BTreeSet<&str> = model
        .functions
        .iter()
        .map(|function| function.domain.as_str())
        .collect();
    let mut reasons = BTreeSet::new();
    for node in nodes {
        let domain = node.domain.as_str();
        if ONE_CPU.contains(&domain) {
            reasons.insert(format!(
                "{} was written for one kind of CPU; export the model without optimizing it",
                node.operator()
            ));
        } else if !OWN_DOMAINS.contains(&domain) && !own.contains(domain) {
            reasons.insert(format!(
                "{} is an operator of another program; replace it by ONNX's own",
                node.operator()
            ));
        }
    }
    Fit {
        engine: EngineKind::OnnxRuntime.word(),
        runs: reasons.is_empty(),
        reasons: reasons.into_iter().collect(),
    }
}

fn candle(nodes: &[&NodeProto]) -> Fit {
    let others: BTreeSet<String> = nodes
        .iter()
        .filter(|node| !node.is_standard() || !CHAIN.contains(&node.op_type.as_str()))
        .map(|node| node.operator())
        .collect();
    let reason = if others.is_empty() {
        "reads GGUF and safetensors, not ONNX; this chain of linear layers can be written as such"
            .into()
    } else {
        let others: Vec<_> = others.into_iter().collect();
        format!(
            "runs chains of linear layers from GGUF and safetensors; in the way: {}",
            others.join(", ")
        )
    };
    Fit {
        engine: EngineKind::Candle.word(),
        runs: false,
        reasons: vec![reason],
    }
}

impl fmt::Display for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            engine,
            runs,
            reasons,
        } = self;
        let verdict = if *runs { "yes" } else { "no" };
        write!(f, "{engine}: {verdict}")?;
        reasons
            .iter()
            .try_for_each(|reason| write!(f, "; {reason}"))
    }
}
