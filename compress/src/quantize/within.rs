//! Quantization within a limit on the loss: the layers that suffer most get more bits or stay
//! float until the limit is met, and what can't meet it is refused. A limit counts as broken when
//! that is sure at 95 %: on few samples chance alone would break any.

use serde::Serialize;

use super::bits::Bits;
use super::judge::{Goal, Judge, Loss};
use super::sensitivity::Sensitivity;
use super::study::Study;
use super::{Options, Progress, Quantized};
use crate::Result;

/// A quantized model within its limit.
#[derive(Debug, Clone)]
pub struct Within {
    /// The model and what was done.
    pub quantized: Quantized,
    /// What it lost.
    pub loss: Loss,
    /// The layers that were spared, the worst first.
    pub spared: Vec<Spared>,
    /// What each layer's quantization alone does, if that had to be asked.
    pub sensitivity: Vec<Sensitivity>,
}

/// A layer that got more bits than asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Spared {
    /// Its node.
    pub layer: String,
    /// The bits of its weights; none if it stayed float.
    pub weight_bits: Option<Bits>,
}

impl Study<'_> {
    /// Quantizes so that the loss on the goal's samples is within its limit, sparing at most
    /// `spare` layers: more and more of the worst get 8-bit weights if fewer were asked for, else
    /// stay float. A loss whose 95 % lower bound is beyond the limit after all is an error.
    pub fn within(
        &self,
        goal: &Goal<'_>,
        spare: usize,
        options: &Options,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Within> {
        let judge = Judge::new(self.float(), goal, &options.engine)?;
        let quantized = self.quantize(options, progress)?;
        let loss = judge.loss(&quantized.model)?;
        let mut best = Within {
            quantized,
            loss,
            spared: Vec::new(),
            sensitivity: Vec::new(),
        };
        if best.loss.is_refused() && spare > 0 {
            best.sensitivity = self.sensitivity(goal.inputs, options, progress)?;
            self.rescue(&mut best, &judge, spare, options, progress)?;
        }
        best.loss.admitted()?;
        Ok(best)
    }

    fn rescue(
        &self,
        best: &mut Within,
        judge: &Judge<'_>,
        spare: usize,
        options: &Options,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<()> {
        let most = spare.min(best.sensitivity.len());
        let mut steps: Vec<usize> = (0..usize::BITS).map(|power| 1 << power).collect();
        steps.retain(|&count| count < most);
        steps.push(most);
        for count in steps {
            let worst: Vec<Sensitivity> = best.sensitivity[..count].to_vec();
            // Something must be left to quantize.
            let all = count == best.sensitivity.len();
            for spared in ways(&worst, all) {
                let mut options = options.clone();
                for Spared { layer, weight_bits } in &spared {
                    match weight_bits {
                        Some(bits) => {
                            options.node_bits.insert(layer.clone(), *bits);
                        }
                        None => {
                            options.keep_float.insert(layer.clone());
                        }
                    }
                }
                let quantized = self.quantize(&options, progress)?;
                let loss = judge.loss(&quantized.model)?;
                if loss.loss < best.loss.loss {
                    (best.quantized, best.loss, best.spared) = (quantized, loss, spared);
                }
                if !best.loss.is_refused() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// How layers can be spared: with eight bits where they had fewer, then in float.
fn ways(worst: &[Sensitivity], all: bool) -> Vec<Vec<Spared>> {
    let with = |bits: fn(Bits) -> Option<Bits>| -> Vec<Spared> {
        let layers = worst.iter().map(|layer| Spared {
            layer: layer.layer.clone(),
            weight_bits: bits(layer.weight_bits),
        });
        layers.collect()
    };
    let mut ways = Vec::new();
    if worst.iter().any(|layer| layer.weight_bits < Bits::EIGHT) {
        ways.push(with(|_| Some(Bits::EIGHT)));
    }
    if !all {
        ways.push(with(|_| None));
    }
    ways
}
