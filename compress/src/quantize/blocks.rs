//! Weights only: layers compute in floats with weights that are restored as they are needed.
//!
//! A matrix of at most 4 bits gets a scale for each block of inputs, which is what ONNX Runtime's
//! 4-bit matrix product reads as it is; all other weights get one a channel.

use std::collections::{BTreeSet, HashMap};

use noroshi_engine::Tensor;
use noroshi_onnx::{AttributeProto, DataType, GraphProto, ModelProto, NodeProto, TensorProto};

use super::bits::{Mode, Rounding};
use super::dynamic::{plan, tidy};
use super::evaluate::Evaluation;
use super::layers::{self, Float};
use super::plan::Plan;
use super::report::Report;
use super::search::weighted;
use super::study::float;
use super::weights::{self, Rows};
use super::{Options, Progress, Quantized, calibrate, gram, upgrade};
use crate::{Error, Result};

/// Inputs that share a scale with an output.
const BLOCK: usize = 32;

/// Quantizes the weights of `model`; with `inputs` the errors are measured, and weights may be
/// rounded by what the layers see.
pub(super) fn quantize(
    model: &ModelProto,
    inputs: &[Tensor],
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Quantized> {
    let (prepared, equalized) = float(model, options)?;
    let (plan, layers) = read(&prepared, inputs, options, progress)?;
    let mut made = prepared.clone();
    let narrow = layers.iter().any(|layer| layer.steps.bits.packs());
    let packs = narrow && upgrade::raise(&mut made, upgrade::NARROW_OPSET).is_ok();
    let graph = made.graph_mut()?;
    let nodes = std::mem::take(&mut graph.node);
    let matrices = layers
        .iter()
        .filter(|layer| layer.is_aware() && is_matrix(&nodes[layer.place()], layer, options))
        .count();
    for (place, node) in nodes.into_iter().enumerate() {
        match layers.iter().find(|layer| layer.place() == place) {
            Some(layer) if packs && is_matrix(&node, layer, options) => {
                matrix(graph, &node, layer);
            }
            Some(layer) => restored(graph, node, layer, packs),
            None => graph.node.push(node),
        }
    }
    let aware = layers.iter().filter(|layer| layer.is_aware()).count();
    let aware = aware - if packs { matrices } else { 0 };
    finish(&prepared, made, &plan, inputs, options, equalized, aware)
}

/// The layers with their integers, without fixed ranges of activations.
pub(super) fn read(
    prepared: &ModelProto,
    inputs: &[Tensor],
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Plan, Vec<Float>)> {
    let graph = prepared.graph()?;
    let plan = plan(graph, &options.keep_float)?;
    if weighted(&plan).is_empty() {
        return Err(Error::Quantize(
            "the model has no Conv or Gemm with constant 32-bit float weights".into(),
        ));
    }
    let grams = match options.rounding {
        Rounding::Nearest => HashMap::new(),
        Rounding::Hessian if inputs.is_empty() => {
            return Err(Error::Quantize(
                "rounding by what layers see needs calibration inputs: give some".into(),
            ));
        }
        Rounding::Hessian => gram::observe(prepared, &plan, inputs, &options.engine, progress)?,
    };
    let corrects = options.correct_biases && !inputs.is_empty();
    let options = Options {
        correct_biases: corrects,
        ..options.clone()
    };
    let mut layers = layers::read(graph, &plan, &grams, &options)?;
    if corrects {
        let wanted: BTreeSet<String> = layers.iter().map(|layer| layer.input.clone()).collect();
        let wanted: Vec<String> = wanted.into_iter().collect();
        let seen = calibrate::observe(prepared, &wanted, inputs, &options.engine, progress)?;
        for layer in &mut layers {
            layer.remember(&seen[&layer.input]);
            if !is_matrix(&graph.node[layer.place()], layer, &options) {
                layer.correct();
            }
        }
    }
    Ok((plan, layers))
}

/// Whether the layer becomes a product with a matrix in blocks, which are rounded on their own.
fn is_matrix(node: &NodeProto, layer: &Float, options: &Options) -> bool {
    options.mode == Mode::Weights && layer.steps.bits.packs() && node.is("Gemm")
}

/// The model with its report.
pub(super) fn finish(
    prepared: &ModelProto,
    mut made: ModelProto,
    plan: &Plan,
    inputs: &[Tensor],
    options: &Options,
    equalized: usize,
    aware: usize,
) -> Result<Quantized> {
    tidy(made.graph_mut()?)?;
    made.producer_name = "noroshi".into();
    made.producer_version = env!("CARGO_PKG_VERSION").into();
    let graph = prepared.graph()?;
    let mut report = Report::without_ranges(graph, plan, &made, options).equalized(equalized);
    report.aware = aware;
    if !inputs.is_empty() {
        let evaluation = Evaluation::new(prepared, inputs, &options.engine)?;
        report.decibels = Some(evaluation.decibels(&made, &options.engine)?);
        report.inputs = inputs.len();
    }
    Ok(Quantized {
        model: made,
        report,
    })
}

/// A layer whose weights are restored by one node before it.
fn restored(graph: &mut GraphProto, mut node: NodeProto, layer: &Float, packs: bool) {
    let base = format!("{}.weight", node.output[0]);
    let made = layer.quantized(1.0, None);
    let shared = made.weight.scales.len() < layer.weight.rows;
    let of = if shared {
        vec![]
    } else {
        vec![layer.weight.rows]
    };
    let narrow = packs && layer.steps.bits.packs();
    let levels = if narrow {
        TensorProto::of_halves("", &made.shape, &made.weight.levels)
    } else {
        TensorProto::new("", &made.shape, &made.weight.levels)
    };
    let steps = TensorProto::new(format!("{base}.steps"), &of, &made.weight.scales);
    let axis = AttributeProto::int("axis", made.axis as i64);
    let attributes = if shared { vec![] } else { vec![axis] };
    restore(graph, &base, levels, steps, attributes);
    node.input.truncate(1);
    node.input.push(format!("{base}.restored"));
    if let Some(bias) = &layer.bias {
        let name = format!("{}.corrected.bias", node.output[0]);
        node.input.push(name.clone());
        let bias = TensorProto::new(name, &[bias.len()], bias);
        graph.initializer.push(bias);
    }
    graph.node.push(node);
}

/// A linear layer as a product with a matrix of 4 bits in blocks, and the sum with its bias.
fn matrix(graph: &mut GraphProto, node: &NodeProto, layer: &Float) {
    let output = node.output[0].clone();
    let base = format!("{output}.weight");
    let rows = layer.weight.rows;
    let columns = layer.weight.values.len() / rows.max(1);
    let blocks = columns.div_ceil(BLOCK);
    let mut levels = vec![0i8; rows * columns];
    let mut steps = vec![0f32; rows * blocks];
    let mut restored = Vec::with_capacity(rows * columns);
    for (row, values) in layer.weight.iter().enumerate() {
        for (block, values) in values.chunks(BLOCK).enumerate() {
            let own = Rows {
                values: values.to_vec(),
                rows: 1,
            };
            let scales = weights::row_scales(&own, layer.steps);
            let found = weights::nearest(&own, &scales, layer.steps.bits);
            let step = scales[0].max(weights::SMALLEST);
            steps[block * rows + row] = step;
            restored.extend(found.iter().map(|&level| f32::from(level) * step));
            for (place, level) in found.into_iter().enumerate() {
                levels[(block * BLOCK + place) * rows + row] = level;
            }
        }
    }
    let levels = TensorProto::of_halves("", &[columns, rows], &levels);
    let steps = TensorProto::new(format!("{base}.steps"), &[blocks, rows], &steps);
    let attributes = vec![
        AttributeProto::int("axis", 0),
        AttributeProto::int("block_size", BLOCK as i64),
    ];
    restore(graph, &base, levels, steps, attributes);
    let matrix = format!("{base}.restored");
    let inputs = [node.input[0].as_str(), &matrix];
    let Some(bias) = layer.bias_for(&restored) else {
        let product = NodeProto::new("MatMul", inputs, &output, vec![]);
        graph.node.push(product);
        return;
    };
    let [product, name] = ["product", "corrected.bias"].map(|part| format!("{output}.{part}"));
    let bias = TensorProto::new(&name, &[bias.len()], &bias);
    graph.initializer.push(bias);
    let product_node = NodeProto::new("MatMul", inputs, &product, vec![]);
    let sum = NodeProto::new("Add", [product.as_str(), &name], &output, vec![]);
    graph.node.extend([product_node, sum]);
}

fn restore(
    graph: &mut GraphProto,
    base: &str,
    levels: TensorProto,
    steps: TensorProto,
    attributes: Vec<AttributeProto>,
) {
    let name = format!("{base}.levels");
    let inputs = [name.as_str(), &steps.name];
    let output = format!("{base}.restored");
    let node = NodeProto::new("DequantizeLinear", inputs, &output, attributes);
    graph.node.push(node);
    debug_assert!([DataType::I8 as i32, DataType::I4 as i32].contains(&levels.data_type));
    graph
        .initializer
        .extend([TensorProto { name, ..levels }, steps]);
}
