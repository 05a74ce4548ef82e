//! Runs a [`Graph`] with candle's quantized matrices.

use std::collections::BTreeMap;

use candle_core::quantized::QMatMul;
use candle_core::{Device, Module};
use noroshi_model::ElementType;

use super::graph::{Graph, Layer};
use super::weight::Stored;
use super::{gguf, safetensors};
use crate::engine::{Engine, TensorDescription, batch_of, guarded};
use crate::error::{EngineError, Result};
use crate::tensor::Tensor;

/// A model opened in candle.
pub(crate) struct CandleEngine {
    input: TensorDescription,
    output: TensorDescription,
    steps: Vec<Step>,
}

/// A layer with its weights at hand.
enum Step {
    Linear(Linear),
    Each(fn(f32) -> f32),
    Softmax,
}

struct Linear {
    weight: QMatMul,
    bias: Vec<f32>,
    /// Numbers that arrive.
    given: usize,
    /// Numbers in a row of the weight: those given, padded to whole blocks.
    padded: usize,
    outputs: usize,
}

impl CandleEngine {
    /// Opens the model in `bytes`, which are not needed afterwards.
    pub(crate) fn open(bytes: &[u8]) -> Result<Self> {
        guarded(|| {
            if bytes.starts_with(gguf::MAGIC) {
                let (graph, tensors) = gguf::read(bytes)?;
                Self::build(&Graph::from_json(graph)?, &tensors)
            } else {
                let (graph, tensors) = safetensors::read(bytes)?;
                Self::build(&graph, &tensors)
            }
        })
    }

    fn build(graph: &Graph, tensors: &BTreeMap<String, Stored<'_>>) -> Result<Self> {
        let mut width = graph.features()?;
        let mut steps = Vec::with_capacity(graph.layers.len());
        for layer in &graph.layers {
            steps.push(match layer {
                Layer::Linear { weight, bias } => {
                    let linear = Linear::load(tensors, weight, bias.as_deref(), width)?;
                    width = linear.outputs;
                    Step::Linear(linear)
                }
                Layer::Relu => Step::Each(|x| x.max(0.0)),
                Layer::Relu6 => Step::Each(|x| x.clamp(0.0, 6.0)),
                Layer::Tanh => Step::Each(f32::tanh),
                Layer::Sigmoid => Step::Each(|x| 1.0 / (1.0 + (-x).exp())),
                Layer::Softmax => Step::Softmax,
            });
        }
        let describe = |name: &str, shape: &mut dyn Iterator<Item = usize>| TensorDescription {
            name: name.to_owned(),
            element: ElementType::F32,
            shape: std::iter::once(None).chain(shape.map(Some)).collect(),
        };
        Ok(Self {
            input: describe(&graph.input.name, &mut graph.input.shape.iter().copied()),
            output: describe(&graph.output, &mut std::iter::once(width)),
            steps,
        })
    }
}

impl Linear {
    fn load(
        tensors: &BTreeMap<String, Stored<'_>>,
        weight: &str,
        bias: Option<&str>,
        given: usize,
    ) -> Result<Self> {
        let find = |name: &str| {
            tensors
                .get(name)
                .ok_or_else(|| EngineError::Model(format!("it has no tensor {name}")))
        };
        let stored = find(weight)?;
        let [outputs, padded] = stored.shape[..] else {
            return Err(EngineError::Model(format!(
                "tensor {weight} has shape {:?}, a linear layer's weight is [outputs, inputs]",
                stored.shape
            )));
        };
        if outputs == 0 || padded != given.next_multiple_of(stored.quantization.block()) {
            return Err(EngineError::Model(format!(
                "tensor {weight} takes {padded} numbers, {given} arrive"
            )));
        }
        let failed = |e: candle_core::Error| EngineError::Model(format!("tensor {weight}: {e}"));
        let bias = bias
            .map(|name| {
                let numbers = find(name)?.load(name)?.dequantize(&Device::Cpu);
                numbers.and_then(|n| n.to_vec1::<f32>()).map_err(failed)
            })
            .transpose()?
            .unwrap_or_else(|| vec![0.0; outputs]);
        if bias.len() != outputs {
            return Err(EngineError::Model(format!(
                "the bias of {weight} has {} numbers, not {outputs}",
                bias.len()
            )));
        }
        Ok(Self {
            weight: QMatMul::from_qtensor(stored.load(weight)?).map_err(failed)?,
            bias,
            given,
            padded,
            outputs,
        })
    }

    fn apply(&self, numbers: &[f32], batch: usize) -> Result<Vec<f32>> {
        let failed = |e: candle_core::Error| EngineError::Run(e.to_string());
        let mut padded = Vec::with_capacity(batch * self.padded);
        for sample in numbers.chunks_exact(self.given) {
            padded.extend_from_slice(sample);
            padded.resize(padded.len() + self.padded - self.given, 0.0);
        }
        let input = candle_core::Tensor::from_vec(padded, (batch, self.padded), &Device::Cpu);
        let product = self.weight.forward(&input.map_err(failed)?);
        let mut numbers = product
            .and_then(|product| product.flatten_all()?.to_vec1::<f32>())
            .map_err(failed)?;
        for sample in numbers.chunks_exact_mut(self.outputs) {
            for (number, bias) in sample.iter_mut().zip(&self.bias) {
                *number += bias;
            }
        }
        Ok(numbers)
    }
}

impl Engine for CandleEngine {
    fn inputs(&self) -> &[TensorDescription] {
        std::slice::from_ref(&self.input)
    }

    fn outputs(&self) -> &[TensorDescription] {
        std::slice::from_ref(&self.output)
    }

    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let batch = batch_of(self.inputs(), inputs)?;
        guarded(|| {
            let mut numbers = inputs[0].to_f32().into_owned();
            for step in &self.steps {
                match step {
                    Step::Linear(linear) => numbers = linear.apply(&numbers, batch)?,
                    Step::Each(function) => {
                        numbers.iter_mut().for_each(|x| *x = function(*x));
                    }
                    Step::Softmax => {
                        let width = numbers.len() / batch;
                        numbers
                            .chunks_exact_mut(width)
                            .for_each(crate::postprocess::softmax);
                    }
                }
            }
            let width = numbers.len() / batch;
            Ok(vec![Tensor::f32(vec![batch, width], numbers)?])
        })
    }
}
