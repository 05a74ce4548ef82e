//! The file that a user writes.

use std::path::{Path, PathBuf};

use noroshi_engine::compiled::Level;
use noroshi_train::{BLOCK_OF_CHANNELS, ChannelCriterion, Recipe};
use serde::{Deserialize, Serialize};

use super::decide::{Limits, Size};
use crate::{Error, Result};

/// Most choices of one step.
const MOST: usize = 32;
/// Most epochs, steps and timed runs.
const MOST_COUNT: usize = 1 << 20;

/// A chain of steps with the choices of each, and what has to be reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The .onnx file in float.
    pub model: PathBuf,
    /// Samples to learn from.
    pub data: Data,
    /// Samples on which everything is chosen; else some of `data` are held out for that.
    #[serde(default)]
    pub validation: Option<Data>,
    /// Samples that the figures of the end are measured on: nothing is chosen by them.
    #[serde(default)]
    pub measured: Option<Data>,
    /// What has to be reached.
    pub limits: Limits,
    /// How networks are taught.
    #[serde(default)]
    pub teach: Recipe,
    /// Channels go.
    #[serde(default)]
    pub prune: Option<Prune>,
    /// The original teaches what is smaller.
    #[serde(default)]
    pub distil: Option<Distil>,
    /// Fewer bits.
    #[serde(default)]
    pub quantize: Option<Quantize>,
    /// The graph rewritten for this machine.
    #[serde(default)]
    pub compile: Option<Compile>,
    /// How choices are searched.
    #[serde(default)]
    pub search: Search,
}

/// Where samples are, as `noroshi model evaluate` takes them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// A .npy array, a .csv table, a folder of pictures with a folder for each class, or a folder
    /// with x.npy and y.npy.
    pub samples: PathBuf,
    /// Targets of a .npy array.
    #[serde(default)]
    pub targets: Option<PathBuf>,
    /// How pictures become inputs.
    #[serde(default)]
    pub preset: Option<String>,
    /// The classes' names.
    #[serde(default)]
    pub labels: Option<PathBuf>,
    /// The target column of a table.
    #[serde(default)]
    pub column: Option<String>,
    /// Numbers of arrays and tables are multiplied by this.
    #[serde(default)]
    pub scale: Option<f32>,
    /// Which samples belong together.
    #[serde(default)]
    pub groups: Option<PathBuf>,
}

/// Channels go, and the rest is taught again: by labels, or by the original if the plan distils.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prune {
    /// Shares of the channels that stay.
    pub keep: Vec<f32>,
    /// Which channels go.
    #[serde(default = "by_norm")]
    pub by: ChannelCriterion,
    /// Steps in which they go, each followed by a training.
    #[serde(default = "one")]
    pub steps: usize,
    /// Layers that keep theirs.
    #[serde(default)]
    pub spare: Vec<String>,
    /// Layers with so many channels or more keep a multiple of it.
    #[serde(default = "block")]
    pub multiple: usize,
}

/// The original's answers are learned (Hinton, Vinyals and Dean 2015).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Distil {
    /// Softens both answers.
    pub temperature: f32,
    /// Weight of the original's answers beside the labels, 0 to 1.
    pub alpha: f32,
    /// Widths of students that start anew, as shares of the original's channels.
    pub widths: Vec<f32>,
    /// Whether pruned networks are taught by labels alone as well: each step may then be left out.
    pub optional: bool,
}

impl Default for Distil {
    fn default() -> Self {
        Self {
            temperature: 4.0,
            alpha: 0.9,
            widths: Vec::new(),
            optional: true,
        }
    }
}

/// Weights and activations get fewer bits, with ranges from samples to learn from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantize {
    /// Bits of the weights, each 2 to 8; activations have 8.
    pub bits: Vec<u8>,
    /// Samples that ranges come from.
    #[serde(default = "calibration")]
    pub samples: usize,
}

/// The runtime's rewriting of the graph is done ahead of time; the file runs on machines like this
/// one only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compile {
    /// How much is rewritten.
    #[serde(default = "all_levels")]
    pub levels: Vec<Level>,
    /// Whether kernels copy weights into an order of their own at the start.
    #[serde(default = "yes")]
    pub packed: bool,
}

/// How choices are searched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Search {
    /// Share of the samples that is held out, in whole groups where there are groups.
    pub held: f32,
    /// A chain is left out if a gentler one loses so many points more than the limit.
    pub slack: f64,
    /// Timed runs of each model, taking turns with the original.
    pub rounds: usize,
}

impl Default for Search {
    fn default() -> Self {
        Self {
            held: 0.2,
            slack: 2.0,
            rounds: 100,
        }
    }
}

const fn by_norm() -> ChannelCriterion {
    ChannelCriterion::Norm
}

const fn one() -> usize {
    1
}

const fn block() -> usize {
    BLOCK_OF_CHANNELS
}

const fn yes() -> bool {
    true
}

fn all_levels() -> Vec<Level> {
    vec![Level::All]
}

const fn calibration() -> usize {
    512
}

/// Longest file that is read.
const MAX_BYTES: u64 = 1 << 20;

impl Plan {
    /// Reads a plan's file; what it names is taken from the file's own folder.
    pub fn read(path: &Path) -> Result<Self> {
        let length = std::fs::metadata(path).map_err(Error::file(path))?.len();
        if length > MAX_BYTES {
            return Err(Error::too_large("the recipe's bytes", length, MAX_BYTES));
        }
        let bytes = std::fs::read(path).map_err(Error::file(path))?;
        let text = String::from_utf8(bytes).map_err(|error| Error::Plan(error.to_string()))?;
        let mut plan = Self::parse(&text)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let model = &mut plan.model;
        *model = folder.join(&*model);
        let data = [
            Some(&mut plan.data),
            plan.validation.as_mut(),
            plan.measured.as_mut(),
        ];
        for data in data.into_iter().flatten() {
            data.samples = folder.join(&data.samples);
            let others = [&mut data.targets, &mut data.labels, &mut data.groups];
            for path in others.into_iter().flatten() {
                *path = folder.join(&*path);
            }
        }
        Ok(plan)
    }

    /// Reads a plan; an error names the key that is wrong.
    pub fn parse(text: &str) -> Result<Self> {
        let plan: Self = toml::from_str(text).map_err(|error| Error::Plan(error.to_string()))?;
        plan.check()?;
        Ok(plan)
    }

    fn check(&self) -> Result<()> {
        self.check_choices()?;
        self.check_numbers()?;
        let teach = self.teach.check();
        teach.map_err(|error| Error::Plan(format!("[teach]: {error}")))
    }

    fn check_choices(&self) -> Result<()> {
        let refuse = |text: String| Err(Error::Plan(text));
        let keep = self.prune.as_ref().map_or(&[][..], |prune| &prune.keep);
        let widths = self
            .distil
            .as_ref()
            .map_or(&[][..], |distil| &distil.widths);
        let quantize = self.quantize.as_ref();
        let bits = quantize.map_or(&[][..], |quantize| &quantize.bits);
        let levels = self
            .compile
            .as_ref()
            .map_or(&[][..], |compile| &compile.levels);
        for (name, shares) in [("prune.keep", keep), ("distil.widths", widths)] {
            let wrong = |share: &f32| !(*share > 0.0 && *share < 1.0);
            if shares.len() > MOST || shares.iter().any(wrong) {
                return refuse(format!("{name} takes up to {MOST} shares between 0 and 1"));
            }
        }
        if bits.len() > MOST || bits.iter().any(|bits| !(2..=8).contains(bits)) {
            return refuse(format!(
                "quantize.bits takes up to {MOST} numbers of 2 to 8"
            ));
        }
        if levels.len() > MOST {
            return refuse(format!("compile.levels takes up to {MOST} levels"));
        }
        if keep.is_empty() && widths.is_empty() && bits.is_empty() && levels.is_empty() {
            let text = "there is nothing to do: give [prune] keep, [distil] widths, [quantize] \
                        bits or [compile] levels";
            return refuse(text.into());
        }
        if self.distil.is_some() && keep.is_empty() && widths.is_empty() {
            let text = "[distil] has nobody to teach: give it widths, or [prune] keep";
            return refuse(text.into());
        }
        Ok(())
    }

    fn check_numbers(&self) -> Result<()> {
        let refuse = |text: String| Err(Error::Plan(text));
        let (prune, quantize) = (self.prune.as_ref(), self.quantize.as_ref());
        let counts = [
            ("prune.steps", prune.map_or(1, |prune| prune.steps), 1000),
            (
                "prune.multiple",
                prune.map_or(1, |prune| prune.multiple),
                1024,
            ),
            (
                "quantize.samples",
                quantize.map_or(1, |q| q.samples),
                MOST_COUNT,
            ),
            ("search.rounds", self.search.rounds, MOST_COUNT),
        ];
        for (name, count, most) in counts {
            if !(1..=most).contains(&count) {
                return refuse(format!("{name} = {count} must be in 1..={most}"));
            }
        }
        let (limits, distil) = (&self.limits, self.distil.clone().unwrap_or_default());
        let numbers = [
            ("search.held", f64::from(self.search.held), 0.01, 0.9),
            ("search.slack", self.search.slack, 0.0, 100.0),
            ("limits.loss", limits.loss, 0.0, 100.0),
            ("limits.time", limits.time.unwrap_or(1.0), 1e-6, 1e6),
            (
                "limits.milliseconds",
                limits.milliseconds.unwrap_or(1.0),
                1e-6,
                1e9,
            ),
            (
                "distil.temperature",
                f64::from(distil.temperature),
                0.01,
                1e3,
            ),
            ("distil.alpha", f64::from(distil.alpha), 0.0, 1.0),
        ];
        for (name, number, least, most) in numbers {
            if !(least..=most).contains(&number) {
                return refuse(format!("{name} = {number} must be in {least}..={most}"));
            }
        }
        if let Some(Size::Share(share)) = limits.bytes
            && !(share > 0.0 && share <= 1.0)
        {
            return refuse(format!(
                "limits.bytes = {share} must be a share of the original"
            ));
        }
        Ok(())
    }
}
