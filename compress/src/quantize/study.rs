//! A model that was looked at once and is then quantized in as many ways as one likes.

use std::collections::{BTreeSet, HashMap};

use noroshi_engine::Tensor;
use noroshi_onnx::ModelProto;

use super::bits::Rounding;
use super::calibrate::Seen;
use super::evaluate::Evaluation;
use super::gram::Gram;
use super::plan::{Plan, Role};
use super::report::Report;
use super::search::{Search, weighted};
use super::{Options, Progress, Quantized, calibrate, equalize, gram, prepare};
use crate::{Error, Result};

/// Most calibration inputs.
const INPUT_LIMIT: usize = 100_000;

/// A model with all that calibration inputs tell of it.
pub struct Study<'a> {
    pub(super) prepared: ModelProto,
    pub(super) seen: HashMap<String, Seen>,
    pub(super) grams: HashMap<usize, Gram>,
    pub(super) equalized: usize,
    inputs: usize,
    evaluation: Evaluation<'a>,
}

impl<'a> Study<'a> {
    /// Runs the float model on `inputs`, tensors of its only input. Equalization, the engine and
    /// whether rounding looks at the layers' inputs are settled here by `options`.
    pub fn new(
        model: &ModelProto,
        inputs: &'a [Tensor],
        options: &Options,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Self> {
        if inputs.is_empty() || inputs.len() > INPUT_LIMIT {
            let count = inputs.len();
            return Err(Error::Quantize(format!(
                "there are {count} calibration inputs; give 1 to {INPUT_LIMIT}, best a few hundred"
            )));
        }
        let (prepared, equalized) = float(model, options)?;
        let graph = prepared.graph()?;
        let plan = Plan::new(graph, &BTreeSet::new())?;
        let mut wanted: BTreeSet<String> = plan.scales.keys().cloned().collect();
        let places = weighted(&plan);
        wanted.extend(
            places
                .iter()
                .map(|&place| graph.node[place].input[0].clone()),
        );
        let wanted: Vec<String> = wanted.into_iter().collect();
        let seen = calibrate::observe(&prepared, &wanted, inputs, &options.engine, progress)?;
        let grams = match options.rounding {
            Rounding::Nearest => HashMap::new(),
            Rounding::Hessian => {
                gram::observe(&prepared, &plan, inputs, &options.engine, progress)?
            }
        };
        let evaluation = Evaluation::new(&prepared, inputs, &options.engine)?;
        Ok(Self {
            prepared,
            seen,
            grams,
            equalized,
            inputs: inputs.len(),
            evaluation,
        })
    }

    /// The float model that is quantized: normalization folded, and equalized if that was asked.
    pub fn float(&self) -> &ModelProto {
        &self.prepared
    }

    /// Quantizes with fixed ranges.
    pub fn quantize(
        &self,
        options: &Options,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Quantized> {
        let plan = self.plan(options)?;
        let search = Search::new(self, &plan, &self.evaluation, options)?;
        let (best, tried) = search.run(progress)?;
        let report = Report::new(&search, &plan, &best, options)
            .tried(tried)
            .calibrated(self.inputs)
            .equalized(self.equalized);
        Ok(Quantized {
            model: best.model,
            report,
        })
    }

    /// What the options make of each node.
    pub(super) fn plan(&self, options: &Options) -> Result<Plan> {
        let plan = Plan::new(self.prepared.graph()?, &options.keep_float)?;
        if weighted(&plan).is_empty() {
            return Err(Error::Quantize(
                "the model has no Conv or Gemm with constant 32-bit float weights".into(),
            ));
        }
        Ok(plan)
    }

    /// The calibration inputs that candidates are compared on.
    pub(super) fn evaluation(&self) -> &Evaluation<'a> {
        &self.evaluation
    }

    /// The names of the layers that get integer weights, in the order of the graph.
    pub(super) fn layers(&self, options: &Options) -> Result<Vec<String>> {
        let plan = self.plan(options)?;
        let graph = self.prepared.graph()?;
        let roles = graph.node.iter().zip(&plan.roles);
        Ok(roles
            .filter(|(_, role)| matches!(role, Role::Weighted { .. }))
            .map(|(node, _)| node.name.clone())
            .collect())
    }
}

/// The model in the form that is quantized, and how many groups of channels were equalized.
pub(super) fn float(model: &ModelProto, options: &Options) -> Result<(ModelProto, usize)> {
    let mut prepared = prepare::prepare(model)?;
    let equalized = if options.equalize {
        equalize::equalize(prepared.graph_mut()?)?
    } else {
        0
    };
    Ok((prepared, equalized))
}
