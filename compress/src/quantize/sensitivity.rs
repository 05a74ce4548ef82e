//! Which layers suffer most: each is quantized alone while all others stay float.

use noroshi_engine::Tensor;
use serde::Serialize;

use super::bits::Bits;
use super::evaluate::Evaluation;
use super::layers::bits_of;
use super::search::{Choice, Search};
use super::study::Study;
use super::{Options, Progress};
use crate::Result;

/// What quantizing one layer alone does to the outputs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sensitivity {
    /// The layer's node.
    pub layer: String,
    /// The bits that its weights got.
    pub weight_bits: Bits,
    /// Signal-to-noise ratio of the outputs, in decibels: the lower, the worse.
    pub decibels: f64,
}

impl Study<'_> {
    /// The signal-to-noise ratio that each layer's quantization alone leaves at the outputs for
    /// `selection`, inputs that calibration did not see; the worst layer first.
    pub fn sensitivity(
        &self,
        selection: &[Tensor],
        options: &Options,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Vec<Sensitivity>> {
        let plan = self.plan(options)?;
        let search = Search::new(self, &plan, self.evaluation(), options)?;
        let (best, _) = search.run(progress)?;
        let names = self.layers(options)?;
        let evaluation = Evaluation::new(self.float(), selection, &options.engine)?;
        let mut found = Vec::with_capacity(names.len());
        for (done, name) in names.iter().enumerate() {
            found.push(self.alone(name, &names, &evaluation, best.choice, options)?);
            progress(Progress {
                stage: "sensitivity",
                done: done + 1,
                of: names.len(),
            });
        }
        found.sort_by(|one, other| one.decibels.total_cmp(&other.decibels));
        Ok(found)
    }

    fn alone(
        &self,
        layer: &str,
        all: &[String],
        evaluation: &Evaluation<'_>,
        choice: Choice,
        options: &Options,
    ) -> Result<Sensitivity> {
        let mut options = options.clone();
        let others = all.iter().filter(|name| *name != layer).cloned();
        options.keep_float.extend(others);
        let plan = self.plan(&options)?;
        let search = Search::new(self, &plan, evaluation, &options)?;
        let nodes = search.graph().node.iter();
        let mut bits = nodes
            .filter(|node| node.name == layer)
            .map(|node| bits_of(node, &options));
        Ok(Sensitivity {
            layer: layer.to_owned(),
            weight_bits: bits.next_back().unwrap_or(options.weight_bits),
            decibels: search.candidate(choice)?.decibels,
        })
    }
}
