//! What a network takes, known before anything is compiled.

use super::network::{Network, Weighted};
use super::overlap::lead;
use super::plan::{Sharing, plan};

/// What a network takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Bytes of the arena in which steps write over their inputs.
    pub arena_bytes: usize,
    /// Bytes of the arena without that.
    pub apart_bytes: usize,
    /// Bytes of weights, biases and factors in flash.
    pub constant_bytes: usize,
    /// Multiplications of one run.
    pub macs: u64,
    /// Each step.
    pub steps: Vec<StepSummary>,
}

/// What a step takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepSummary {
    /// The name of its node.
    pub name: String,
    /// What it does, in words.
    pub operation: &'static str,
    /// Rows, columns and channels of its output.
    pub output: [usize; 3],
    /// Bytes of its first input and its output.
    pub bytes: [usize; 2],
    /// Bytes by which its output starts before its first input where it is written over it.
    pub lead: usize,
    /// Its weights.
    pub weights: usize,
    /// Its multiplications.
    pub macs: u64,
}

impl Network {
    /// What the network takes.
    pub fn summary(&self) -> Summary {
        let steps = self.steps.iter().map(|step| {
            let (input, output) = (&self.values[step.inputs[0]], &self.values[step.output]);
            let layer = step.operation.weighted();
            StepSummary {
                name: step.name.clone(),
                operation: step.operation.word(),
                output: [
                    output.shape.height,
                    output.shape.width,
                    output.shape.channels,
                ],
                bytes: [input.bytes(), output.bytes()],
                lead: lead(self, step, 0),
                weights: layer.map_or(0, |layer| layer.weights.len()),
                macs: layer.map_or(0, Weighted::macs),
            }
        });
        Summary {
            arena_bytes: plan(self, Sharing::InPlace).bytes,
            apart_bytes: plan(self, Sharing::Apart).bytes,
            constant_bytes: self.constant_bytes(),
            macs: self.macs(),
            steps: steps.collect(),
        }
    }
}
