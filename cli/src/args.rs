//! The command line.

mod binarize;
mod codegen;
mod compile;
mod compress;
mod lesson;
mod measure;
mod quantize;
mod recipe;
mod results;
mod state;
mod teach;
mod train;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

pub(crate) use binarize::{Binarize, Body, Inner};
pub(crate) use codegen::{Codegen, CodegenTarget, Layout};
pub(crate) use compile::{Compile, Level};
pub(crate) use compress::{Compress, Work};
pub(crate) use quantize::{Blocks, Calibration, Mode, Quantize, Rounding};
pub(crate) use recipe::Recipe;
pub(crate) use results::{Label, ResultName, Results};
pub(crate) use state::{DeviceState, StatePlace};
pub(crate) use train::Train;

pub(crate) use lesson::{Lesson, Small};
pub(crate) use measure::{Convention, Data, Evaluate, Export, Inspect, Report};
pub(crate) use teach::{By, Finetune, Prune, Teach, What};

/// Noroshi: models on devices, results on dashboards.
#[derive(Debug, Parser)]
#[command(name = "noroshi", version)]
pub(crate) struct Arguments {
    /// Print JSON for programs instead of tables for people.
    #[arg(long, global = true)]
    pub json: bool,
    /// The cloud's address; else the one of `noroshi login`.
    #[arg(long, global = true, env = "NOROSHI_URL")]
    pub url: Option<String>,
    /// An API token (`nrs_api_…`); else the one of `noroshi login`.
    #[arg(long, global = true, env = "NOROSHI_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Sign in once; an API token is kept in a file that only you can read.
    Login(Login),
    /// What the cloud and this organisation are.
    Status,
    /// Models: make them smaller, look at them, push them.
    #[command(subcommand)]
    Model(Model),
    /// Devices.
    #[command(subcommand)]
    Device(Device),
    /// Sites and their gateways.
    #[command(subcommand)]
    Site(Site),
    /// Tokens that let devices and gateways join.
    #[command(subcommand)]
    EnrolToken(EnrolToken),
    /// Pipelines: a source, a model, filters.
    #[command(subcommand)]
    Pipeline(Pipeline),
    /// Rollouts of model versions.
    #[command(subcommand)]
    Rollout(Rollout),
    /// Show results as they arrive.
    Watch(Watch),
    /// Results that are stored, newest first.
    Results(Results),
    /// Why a device answered as it did: terms that sum to the answer.
    Explain {
        /// The result: its id, DEVICE/PIPELINE/SEQUENCE, or DEVICE/PIPELINE for the newest.
        result: ResultName,
    },
    /// Tell a device what is true of a result: its model learns from it, if it learns there.
    Label(Label),
    /// What happened: of devices, gateways and the records that nobody took, newest first.
    Events(Events),
    /// Change your password; the one until now has to be shown.
    Password(Password),
}

#[derive(Debug, Args)]
pub(crate) struct Events {
    /// Only of this device; `SITE/gateway` is a site's gateway.
    #[arg(long)]
    pub device: Option<String>,
    /// Only of this site.
    #[arg(long)]
    pub site: Option<String>,
    /// Only of this kind, such as `records-refused`.
    #[arg(long)]
    pub kind: Option<String>,
    /// How many at most.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub limit: u32,
}

#[derive(Debug, Args)]
pub(crate) struct Password {
    /// The user's name.
    #[arg(long)]
    pub user: String,
    /// A file with the password until now; `-` reads standard input.
    #[arg(long)]
    pub current_file: PathBuf,
    /// A file with the new password, 10 characters or more; `-` reads standard input.
    #[arg(long)]
    pub password_file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Login {
    /// The user's name.
    #[arg(long)]
    pub user: String,
    /// A file with the password; `-` reads standard input.
    #[arg(long)]
    pub password_file: PathBuf,
    /// What the kept token may do.
    #[arg(long, value_enum, default_value_t = Scope::Operate)]
    pub scope: Scope,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Scope {
    Read,
    Operate,
    Admin,
}

impl Scope {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Model {
    /// Models of the organisation.
    List,
    /// Versions of a model with their variants.
    Show {
        /// The model's id.
        model: String,
    },
    /// What a model file is: operators, sizes, work, memory, what it needs.
    Inspect(Inspect),
    /// How good a model is on your data, and how it differs from another one there.
    Evaluate(Evaluate),
    /// A model and what was made of it: bytes, work, memory, time, quality; a table, a page,
    /// pictures.
    Report(Report),
    /// Write a network of the survey as ONNX, with weights from a PyTorch state dict or random ones.
    Export(Export),
    /// Make a model of 2 to 8 bits of an ONNX network, within a limit on its loss.
    Quantize(Box<Quantize>),
    /// Rewrite a network's graph ahead of time for this machine's ONNX Runtime and CPU.
    Compile(Compile),
    /// Take channels or weights out of a network and teach the rest again.
    Prune(Box<Prune>),
    /// Teach a small new network, or go on with a file's: alone, by a teacher, or in few bits.
    Teach(Box<Lesson>),
    /// Teach a network other classes: a new last layer, on a frozen or unfrozen backbone.
    Finetune(Box<Finetune>),
    /// Search a chain of pruning, distillation, quantization and compilation for the best models
    /// within limits; a run that was stopped goes on.
    Recipe(Recipe),
    /// Compare two models on pictures: agreement, bytes, time.
    Compare(Compare),
    /// Prepare a version of a model from its files and push it to the cloud.
    Push(Push),
    /// Upload a float model and have the cloud make a version with 8-bit integers of it.
    Compress(Compress),
    /// Compressions in the cloud, newest first: what waits, what came of it.
    Compressions {
        /// Only this model's.
        #[arg(long)]
        model: Option<String>,
    },
    /// Check a model file against its manifest, within limits. Used by the cloud.
    Check(Check),
    /// Search the best model of a few kilobytes within a budget, of the rows of a CSV.
    Train(Train),
    /// Teach a network of one-bit weights beside its float twin, and pack it.
    Binarize(Box<Binarize>),
    /// Write source for a microcontroller, and tell what it will take there.
    Codegen(Codegen),
    /// Compress what a folder orders, within limits. Used by the cloud.
    #[command(hide = true)]
    Work(Work),
}

/// How pictures become inputs, for the networks that we export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Preset {
    /// 224 pixels, centre of 256, torchvision's mean and deviation.
    Imagenet,
    /// 224 pixels, centre of 256, (value − 127) / 128.
    EfficientnetLite,
}

#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// The reference .onnx file.
    pub reference: PathBuf,
    /// The .onnx file that is compared with it.
    pub other: PathBuf,
    /// Pictures: files, or folders of PNG and JPEG.
    #[arg(long, required = true, num_args = 1..)]
    pub pictures: Vec<PathBuf>,
    /// How pictures become inputs.
    #[arg(long, value_enum)]
    pub preset: Preset,
    /// Views of each picture: crops and mirror images.
    #[arg(long, default_value_t = 10)]
    pub views: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Push {
    /// The model's id, such as `mobilenet-v2`.
    #[arg(long)]
    pub model: String,
    /// The version's number; else the next one.
    #[arg(long)]
    pub version: Option<u32>,
    /// A variant as NAME=FILE, best first; may be given several times.
    #[arg(long = "variant", required = true, value_parser = variant)]
    pub variants: Vec<(String, PathBuf)>,
    /// How pictures become inputs; the model says their size, and .nbin files say all of it.
    #[arg(long, value_enum)]
    pub preset: Option<Convention>,
    /// Pictures become gray ones of this size, such as 28x28, pixel after pixel: for the .ntm
    /// files of `noroshi model train`.
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = size, conflicts_with = "preset")]
    pub gray: Option<(u32, u32)>,
    /// The model takes rows of numbers, as sources of rows bring them: for the .ntm files of
    /// `noroshi model train`. `--golden` is then a CSV of such rows; a column more than the model
    /// takes, the last one, is the class and left out.
    #[arg(long, conflicts_with_all = ["preset", "gray", "measured"])]
    pub rows: bool,
    /// The classes' names: a JSON array, a text file with one a line, or the .json file that
    /// `noroshi model train` and `noroshi model binarize` write.
    #[arg(long)]
    pub labels: PathBuf,
    /// Pictures that every device must answer as this machine does, before it goes live.
    #[arg(long, required = true, num_args = 1..)]
    pub golden: Vec<PathBuf>,
    /// Pictures on which each variant is compared with its source; else the golden ones.
    #[arg(long, num_args = 1..)]
    pub measured: Vec<PathBuf>,
    /// How the variants were made of their source, for the record.
    #[arg(long, default_value = "static int8, per channel")]
    pub made_by: String,
    /// The file that the others were made from, for the record; else the first variant's.
    #[arg(long)]
    pub source: Option<PathBuf>,
    /// Only write the manifest and the golden blob to this folder; nothing is sent.
    #[arg(long)]
    pub dry_run: Option<PathBuf>,
}

fn size(text: &str) -> Result<(u32, u32), String> {
    let sides = text.split_once('x').and_then(|(width, height)| {
        let side = |text: &str| text.parse().ok().filter(|side| (1..=4096).contains(side));
        Some((side(width)?, side(height)?))
    });
    sides.ok_or_else(|| "write WIDTHxHEIGHT in pixels up to 4096, such as 28x28".to_owned())
}

fn variant(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, file)) if noroshi_model::is_id(name) && !file.is_empty() => {
            Ok((name.to_owned(), PathBuf::from(file)))
        }
        _ => Err("write NAME=FILE, such as int8=model.int8.onnx".to_owned()),
    }
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The manifest's JSON.
    #[arg(long)]
    pub manifest: PathBuf,
    /// The model file.
    #[arg(long)]
    pub blob: PathBuf,
    /// Bytes of memory that the check may use.
    #[arg(long)]
    pub memory_limit: Option<u64>,
    /// Seconds of CPU that the check may use.
    #[arg(long)]
    pub cpu_seconds: Option<u64>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Device {
    /// Devices with their status and what runs.
    List {
        /// Only this site's.
        #[arg(long)]
        site: Option<String>,
        /// Only these: online, stopped, lost, unknown, never.
        #[arg(long)]
        status: Option<String>,
    },
    /// One device: what it is, what it runs, why it is where it is.
    Show {
        /// The device's id.
        device: String,
    },
    /// Revoke a device for ever: it is cut off from the cloud and from every gateway.
    Revoke {
        /// The device's id.
        device: String,
    },
    /// Let a device do something once: diag, purge or restart-worker.
    Command {
        /// The device's id.
        device: String,
        /// What to do.
        #[arg(value_enum)]
        kind: DeviceCommand,
        /// The pipeline of restart-worker.
        #[arg(long)]
        pipeline: Option<String>,
    },
    /// What a pipeline's model learned on a device: versions, to pull and to go back to.
    #[command(subcommand)]
    State(DeviceState),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DeviceCommand {
    /// Answer with a diagnosis.
    Diag,
    /// Delete models that nothing needs.
    Purge,
    /// Restart a pipeline's worker.
    RestartWorker,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Site {
    /// Sites with their gateways.
    List,
    /// Add a site.
    Create {
        /// What people call it.
        name: String,
        /// Its id; else made from the name.
        #[arg(long)]
        id: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum EnrolToken {
    /// Make a token; it is shown once.
    Create {
        /// The site that it leads to; `direct` for devices without a gateway.
        #[arg(long)]
        site: String,
        /// For the site's gateway instead of a device.
        #[arg(long)]
        gateway: bool,
        /// How many may enrol with it.
        #[arg(long, default_value_t = 1)]
        uses: u32,
        /// Seconds until it expires.
        #[arg(long, default_value_t = 3600)]
        ttl_s: u64,
    },
    /// Tokens that were made; never their secrets.
    List,
}

/// Devices meant by a command: the union of all that is named.
#[derive(Debug, Args)]
pub(crate) struct Selection {
    /// A device's id; may be given several times.
    #[arg(long = "device")]
    pub devices: Vec<String>,
    /// Every device of this site; may be given several times.
    #[arg(long = "site")]
    pub sites: Vec<String>,
    /// Every device with this pipeline; may be given several times.
    #[arg(long = "on-pipeline")]
    pub pipelines: Vec<String>,
    /// Every device.
    #[arg(long)]
    pub all: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Pipeline {
    /// Pipelines of the organisation.
    List,
    /// Create or change a pipeline and put it on devices.
    Apply(Apply),
}

#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// The pipeline's id, such as `door`.
    pub pipeline: String,
    /// The name of a source in the devices' agent.toml.
    #[arg(long)]
    pub source: String,
    /// The model's id.
    #[arg(long)]
    pub model: String,
    /// The model's version; else the latest.
    #[arg(long)]
    pub version: Option<u32>,
    /// Only answers whose best score reaches this.
    #[arg(long)]
    pub min_score: Option<f32>,
    /// Only answers with another label than the last.
    #[arg(long)]
    pub on_change: bool,
    /// With --on-change: one anyway after so many milliseconds of silence.
    #[arg(long, requires = "on_change")]
    pub heartbeat_ms: Option<u64>,
    /// At most one answer in so many milliseconds.
    #[arg(long)]
    pub every_ms: Option<u64>,
    /// Labels in a result.
    #[arg(long, default_value_t = 3)]
    pub top: u8,
    #[command(flatten)]
    pub selection: Selection,
    /// Only say what would happen.
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Rollout {
    /// Rollouts, newest first.
    List,
    /// Bring a model version to devices, in waves.
    Create(CreateRollout),
    /// Follow a rollout until it ends; exit 0 only if it succeeds.
    Watch {
        /// The rollout's id.
        rollout: String,
    },
    /// Send no device on.
    Pause {
        /// The rollout's id.
        rollout: String,
    },
    /// Go on.
    Resume {
        /// The rollout's id.
        rollout: String,
    },
    /// Bring every device back to what it ran before.
    Revert {
        /// The rollout's id.
        rollout: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CreateRollout {
    /// The model's id.
    #[arg(long)]
    pub model: String,
    /// The version to bring.
    #[arg(long)]
    pub version: u32,
    /// Rising percentages of the devices, the last 100.
    #[arg(long, value_delimiter = ',', default_values_t = [10, 50, 100])]
    pub waves: Vec<u32>,
    /// Percent of the devices that may fail before everything goes back.
    #[arg(long, default_value_t = 10)]
    pub max_failures_percent: u32,
    /// Seconds between the end of a wave and the next.
    #[arg(long, default_value_t = 0)]
    pub soak_s: u64,
    /// Seconds that one device may take.
    #[arg(long, default_value_t = 600)]
    pub deadline_s: u64,
    /// Seconds that a device runs the new version on trial.
    #[arg(long, default_value_t = 10)]
    pub trial_s: u64,
    #[command(flatten)]
    pub selection: Selection,
    /// Follow it until it ends.
    #[arg(long)]
    pub watch: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// Only this site's.
    #[arg(long)]
    pub site: Option<String>,
    /// Only this device's.
    #[arg(long)]
    pub device: Option<String>,
    /// End after so many results.
    #[arg(long)]
    pub count: Option<u64>,
}
