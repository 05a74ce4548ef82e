//! The kill proof: whatever is killed, whenever, and wherever the power goes: no result that
//! existed is lost, no frame is stored twice, and everything works again within seconds.
//!
//! A fleet whose sources keep logs of their own is killed by a plan that a seed decides; then
//! every frame of the logs is looked for in the cloud's database. A control run does the same
//! with syncing turned off, and must lose results: a proof that can't fail proves nothing.

mod database;
mod deeds;
mod ledger;
mod outbox;
mod powercut;
mod report;
mod schedule;
mod stage;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::assets::workspace;
use crate::claims::{self, Claim};
use deeds::Journal;
use ledger::{Evidence, Verdict, judge, lost_within, read_log};
use schedule::{Amounts, Role, Store};
use stage::{Stage, boottime_ms};

/// Devices of the run: two behind the gateway, one without.
const DEVICES: [(&str, &str); 3] = [("a", stage::SITE), ("b", stage::SITE), ("d", "direct")];
/// How long each store of the control run works without syncing.
const UNSYNCED: Duration = Duration::from_secs(4);

/// What to do.
#[derive(Debug, Clone)]
pub struct Options {
    /// Decides what is killed when.
    pub seed: u64,
    /// Only a few of each.
    pub quick: bool,
    /// Only what is done to this role or store, without the control: to look into something.
    pub only: Option<String>,
}

impl Options {
    /// From the command line: `[--quick] [--seed N] [--only WORD]`.
    pub fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self {
            seed: seed()?,
            quick: false,
            only: None,
        };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--quick" => options.quick = true,
                "--seed" => {
                    let text = arguments.next().context("--seed needs a number")?;
                    options.seed = text.parse().context("--seed needs a number")?;
                }
                "--only" => options.only = Some(arguments.next().context("--only needs a word")?),
                other => bail!("unknown argument {other}; known: --quick, --seed N, --only WORD"),
            }
        }
        Ok(options)
    }
}

/// A seed short enough to type.
fn seed() -> Result<u64> {
    let mut bytes = [0; 4];
    aws_lc_rs::rand::fill(&mut bytes)
        .ok()
        .context("random numbers")?;
    Ok(u64::from(u32::from_be_bytes(bytes)))
}

/// What a run left behind.
struct Run {
    journal: Journal,
    evidence: Vec<Evidence>,
    stored: database::Stored,
    lasted: Duration,
}

/// Runs the proof and prints its claims; whether all hold.
pub async fn run(options: Options) -> Result<bool> {
    let amounts = if options.quick {
        Amounts::QUICK
    } else {
        Amounts::WHOLE
    };
    eprintln!("proof-kill: seed {} (--seed sets it)", options.seed);
    let whole = in_folder(async |folder| {
        let run = killed(folder, &options, amounts).await?;
        let keep = !verdict(&run).lost.is_empty();
        Ok((run, keep))
    })
    .await?;
    let claims = report::claims(&whole, amounts, options.seed);
    let mut all_hold = claims::print(&claims);
    eprint!("{}", claims::table(&claims));
    if options.only.is_some() {
        return Ok(all_hold);
    }
    eprintln!("proof-kill: control with syncing turned off");
    let lost = in_folder(async |folder| Ok((control(folder).await?, false))).await?;
    let claims: Vec<Claim> = lost
        .into_iter()
        .map(|(store, lost)| {
            let name = format!("control: results lost without syncing the {}", store.word());
            Claim::new(&name, lost, "more than 0: the proof must notice", lost > 0)
        })
        .collect();
    all_hold &= claims::print(&claims);
    eprint!("{}", claims::table(&claims));
    Ok(all_hold)
}

/// Runs `play` in a folder on a real disk, which is kept if that fails or asks for it.
async fn in_folder<T>(play: impl AsyncFnOnce(&Path) -> Result<(T, bool)>) -> Result<T> {
    let parent = workspace().join("target");
    std::fs::create_dir_all(&parent)?;
    let folder = tempfile::Builder::new()
        .prefix("proof-kill-")
        .tempdir_in(parent)?;
    match play(folder.path()).await {
        Ok((result, false)) => Ok(result),
        Ok((result, true)) => {
            eprintln!("proof-kill: {} is kept", folder.keep().display());
            Ok(result)
        }
        Err(error) => Err(error.context(format!("{} is kept", folder.keep().display()))),
    }
}

async fn killed(folder: &Path, options: &Options, amounts: Amounts) -> Result<Run> {
    let mut stage = Stage::raise(folder, &DEVICES).await?;
    let mut plan = schedule::plan(options.seed, amounts, DEVICES.len());
    if let Some(word) = &options.only {
        plan.retain(|planned| planned.step.concerns(word));
    }
    let mut journal = Journal::new(DEVICES.len());
    let began = Instant::now();
    for (number, planned) in plan.iter().enumerate() {
        eprintln!(
            "proof-kill: {:>3} of {}  {:>5.0} s  {:?}",
            number + 1,
            plan.len(),
            began.elapsed().as_secs_f64(),
            planned.step
        );
        let done = stage.perform(&mut journal, planned).await;
        done.map_err(|error| error.context(stage.fleet.tails()))?;
    }
    let lasted = began.elapsed();
    stage.settle(&mut journal).await?;
    std::fs::write(folder.join("journal.txt"), journal.text())?;
    let (evidence, stored) = conclude(stage, &journal).await?;
    Ok(Run {
        journal,
        evidence,
        stored,
        lasted,
    })
}

/// Ends the fleet and gathers what is to be judged.
async fn conclude(
    mut stage: Stage,
    journal: &Journal,
) -> Result<(Vec<Evidence>, database::Stored)> {
    let mut evidence = Vec::new();
    for (number, device) in stage.devices.iter().enumerate() {
        let log = stage.device_folder(number)?.join("frames.log");
        let deaths = journal.deaths.iter().filter(|death| {
            death.device == number
                && matches!(death.role, Role::Agent | Role::Worker | Role::Source)
        });
        evidence.push((
            device.id.clone(),
            Evidence {
                logged: read_log(&std::fs::read_to_string(log)?),
                deaths_ms: deaths.map(|death| death.at_ms).collect(),
                persisted: journal.persisted[number].clone(),
                ..Evidence::default()
            },
        ));
    }
    stage.fleet.cloud()?.stop(Duration::from_secs(20)).await?;
    let stored = database::read(&stage.database()).await?;
    for ((device, evidence), number) in evidence.iter_mut().zip(0..) {
        let after = stage.device_folder(number)?.join("after.log");
        let after = read_log(&std::fs::read_to_string(after).unwrap_or_default());
        let mut rows = stored.rows.get(device).cloned().unwrap_or_default();
        rows.retain(|frame, _| !after.iter().any(|logged| logged.frame == *frame));
        evidence.stored = rows;
    }
    let evidence = evidence.into_iter().map(|(_, evidence)| evidence).collect();
    Ok((evidence, stored))
}

/// Turns syncing off, store by store, and cuts the power: results lost by each.
async fn control(folder: &Path) -> Result<Vec<(Store, u64)>> {
    let mut stage = Stage::raise(folder, &DEVICES[..1]).await?;
    let mut journal = Journal::new(1);
    let mut windows = Vec::new();
    for store in Store::ALL {
        let (role, switch) = match store {
            Store::Outbox => (Role::Agent, ("NOROSHI_SYNC", "off")),
            Store::Spool => (Role::Gateway, ("NOROSHI_SYNC", "off")),
            Store::Database => (Role::Cloud, ("NOROSHI_UNSAFE_NO_SYNC", "1")),
        };
        stage.arm(&[switch]);
        let at_ms = stage.kill(role, 0).await?;
        if role == Role::Agent {
            journal.noted(role, 0, at_ms);
        }
        stage.start(role, 0).await?;
        stage.is_back(role, 0, at_ms).await?;
        stage.arm(&[]);
        let from = boottime_ms();
        stage.cut_power(&mut journal, store, 0, UNSYNCED).await?;
        windows.push((store, from, boottime_ms()));
    }
    stage.settle(&mut journal).await?;
    let (evidence, _) = conclude(stage, &journal).await?;
    let evidence = &evidence[0];
    let verdict = judge(evidence);
    let lost = |from, to| lost_within(evidence, &verdict, from, to);
    Ok(windows
        .into_iter()
        .map(|(store, from, to)| (store, lost(from, to)))
        .collect())
}

/// Everything judged together.
fn verdict(run: &Run) -> Verdict {
    run.evidence
        .iter()
        .map(judge)
        .fold(Verdict::default(), Verdict::and)
}
