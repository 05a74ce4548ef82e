//! Carries out the plan, and keeps a journal of what died and how long it was away.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::ledger::IN_FLIGHT;
use super::outbox;
use super::schedule::{Planned, Role, Step, Store};
use super::stage::{PATIENCE, Stage, boottime_ms};
use crate::children;

/// How often the dead are looked for.
const GLANCE: Duration = Duration::from_millis(20);
/// An armed failpoint must be reached within this.
const REACHED: Duration = Duration::from_secs(60);
/// So long nothing more than the last trickle arrives before everything counts as arrived.
const QUIET: Duration = Duration::from_secs(8);

/// How something died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Killed,
    Failpoint,
    PowerCut(Store),
    /// At a failpoint that was not disarmed yet: not counted.
    Again,
    /// The proof's own end.
    Stopped,
}

/// One death.
#[derive(Debug, Clone)]
pub(super) struct Death {
    pub(super) role: Role,
    pub(super) device: usize,
    pub(super) at_ms: u64,
    pub(super) how: How,
    /// From the death to the first result made after it; none where it was armed to die again.
    pub(super) back: Option<Duration>,
}

/// Everything that was done.
#[derive(Debug, Default)]
pub(super) struct Journal {
    pub(super) deaths: Vec<Death>,
    /// By device: frames whose results were in an outbox when its agent was dead.
    pub(super) persisted: Vec<BTreeSet<String>>,
}

impl Journal {
    pub(super) fn new(devices: usize) -> Self {
        Self {
            deaths: Vec::new(),
            persisted: vec![BTreeSet::new(); devices],
        }
    }

    /// A line a death, for whoever looks into a run.
    pub(super) fn text(&self) -> String {
        let lines = self.deaths.iter().map(|death| format!("{death:?}\n"));
        lines.collect()
    }

    /// Notes a kill whose return nobody waits for.
    pub(super) fn noted(&mut self, role: Role, device: usize, at_ms: u64) {
        note(self, role, device, at_ms, How::Killed, None);
    }
}

impl Stage {
    /// Does one step and waits until everything works again.
    pub(super) async fn perform(&mut self, journal: &mut Journal, planned: &Planned) -> Result<()> {
        tokio::time::sleep(planned.pause).await;
        match &planned.step {
            Step::Kill { role, device } => self.kill_and_start(journal, *role, *device).await,
            Step::Failpoint {
                role: role @ (Role::Worker | Role::Source),
                device,
                armed,
            } => self.fail_child(journal, *role, *device, armed).await,
            Step::Failpoint {
                role,
                device,
                armed,
            } => self.fail_daemon(journal, *role, *device, armed).await,
            Step::PowerCut {
                store,
                device,
                silence,
            } => self.cut_power(journal, *store, *device, *silence).await,
        }
        .with_context(|| format!("{:?}", planned.step))
    }

    async fn kill_and_start(
        &mut self,
        journal: &mut Journal,
        role: Role,
        device: usize,
    ) -> Result<()> {
        let (at_ms, began) = self.kill_noted(journal, role, device).await?;
        if matches!(role, Role::Cloud | Role::Gateway | Role::Agent) {
            self.start(role, device).await?;
        }
        let back = self.back_since(began, role, device, at_ms).await?;
        note(journal, role, device, at_ms, How::Killed, Some(back));
        Ok(())
    }

    /// Kills, and looks into the outbox of a dead agent.
    async fn kill_noted(
        &mut self,
        journal: &mut Journal,
        role: Role,
        device: usize,
    ) -> Result<(u64, Instant)> {
        let at_ms = self.kill(role, device).await?;
        let began = Instant::now();
        if role == Role::Agent {
            self.look_into_outbox(journal, device).await?;
        }
        Ok((at_ms, began))
    }

    async fn look_into_outbox(&self, journal: &mut Journal, device: usize) -> Result<()> {
        let outbox = self.store(Store::Outbox, device)?;
        journal.persisted[device].extend(outbox::frames(&outbox).await?);
        Ok(())
    }

    async fn back_since(
        &self,
        began: Instant,
        role: Role,
        device: usize,
        at_ms: u64,
    ) -> Result<Duration> {
        // What was made just before may be stamped just after.
        self.is_back(role, device, at_ms + 20).await?;
        Ok(began.elapsed())
    }

    /// A daemon is started so that it kills itself, and then as it should be.
    async fn fail_daemon(
        &mut self,
        journal: &mut Journal,
        role: Role,
        device: usize,
        armed: &str,
    ) -> Result<()> {
        let (at_ms, _) = self.kill_noted(journal, role, device).await?;
        note(journal, role, device, at_ms, How::Killed, None);
        self.arm(&[("NOROSHI_FAILPOINT", armed)]);
        let started = self.start(role, device).await;
        // It may be too soon dead to be called started.
        if let Err(error) = started
            && !self.has_ended(role, device)?
        {
            return Err(error);
        }
        let limit = Instant::now() + REACHED;
        while !self.has_ended(role, device)? {
            if Instant::now() > limit {
                bail!("{armed} was never reached");
            }
            tokio::time::sleep(GLANCE).await;
        }
        let (at_ms, began) = (boottime_ms(), Instant::now());
        if role == Role::Agent {
            self.look_into_outbox(journal, device).await?;
        }
        self.arm(&[]);
        self.start(role, device).await?;
        let back = self.back_since(began, role, device, at_ms).await?;
        note(journal, role, device, at_ms, How::Failpoint, Some(back));
        Ok(())
    }

    /// An agent is started with children that kill themselves; then it is killed to disarm them.
    async fn fail_child(
        &mut self,
        journal: &mut Journal,
        role: Role,
        device: usize,
        armed: &str,
    ) -> Result<()> {
        self.arm(&[("NOROSHI_FAILPOINT", armed)]);
        let (at_ms, began) = self.kill_noted(journal, Role::Agent, device).await?;
        self.start(Role::Agent, device).await?;
        self.arm(&[]);
        let agent = self.agent_id(device)?;
        // They may die again before everything works again: each death explains missing frames.
        let deaths = RefCell::new(Vec::new());
        let (back, failed_back) = tokio::select! {
            never = watch(agent, role, &deaths) => match never {},
            backs = async {
                let back = self.back_since(began, Role::Agent, device, at_ms).await?;
                let reached = Instant::now() + REACHED;
                while deaths.borrow().is_empty() {
                    if Instant::now() > reached {
                        bail!("{armed} was never reached");
                    }
                    tokio::time::sleep(GLANCE).await;
                }
                let (failed_ms, failed) = deaths.borrow()[0];
                let failed_back = self.back_since(failed, role, device, failed_ms).await?;
                Ok((back, failed_back))
            } => backs?,
        };
        note(journal, Role::Agent, device, at_ms, How::Killed, Some(back));
        for (number, (at_ms, _)) in deaths.into_inner().into_iter().enumerate() {
            let (how, back) = match number {
                0 => (How::Failpoint, Some(failed_back)),
                _ => (How::Again, None),
            };
            note(journal, role, device, at_ms, how, back);
        }
        self.kill_and_start(journal, Role::Agent, device).await
    }

    /// A program is killed, and its store gets what was synced.
    pub(super) async fn cut_power(
        &mut self,
        journal: &mut Journal,
        store: Store,
        device: usize,
        silence: Duration,
    ) -> Result<()> {
        let role = match store {
            Store::Outbox => Role::Agent,
            Store::Spool => Role::Gateway,
            Store::Database => Role::Cloud,
        };
        if !silence.is_zero() {
            self.silence(store, device, true)?;
            tokio::time::sleep(silence).await;
        }
        let at_ms = self.kill(role, device).await?;
        let began = Instant::now();
        let path = self.store(store, device)?;
        if store == Store::Outbox {
            let after = self.cut_outbox(&path, at_ms).await?;
            journal.persisted[device].extend(after);
        } else {
            self.cuts.cut(&path)?;
        }
        if !silence.is_zero() {
            self.silence(store, device, false)?;
        }
        self.start(role, device).await?;
        let back = self.back_since(began, role, device, at_ms).await?;
        note(
            journal,
            role,
            device,
            at_ms,
            How::PowerCut(store),
            Some(back),
        );
        Ok(())
    }

    /// Cuts the power of a dead agent's outbox; what is in there now. A copy from before the cut
    /// is kept if more is gone than can have been in flight.
    async fn cut_outbox(&self, path: &Path, at_ms: u64) -> Result<BTreeSet<String>> {
        let aside = self.fleet.path().join(format!("outbox-before-{at_ms}"));
        outbox::copy_folder(path, &aside)?;
        let before = outbox::frames(&aside).await?;
        self.cuts.cut(path)?;
        let after = outbox::frames(path).await?;
        let gone = before.difference(&after).count();
        if gone > IN_FLIGHT {
            let held = before.len();
            eprintln!("proof-kill: {gone} of {held} results in the outbox were not synced");
        } else {
            std::fs::remove_dir_all(&aside)?;
        }
        Ok(after)
    }

    /// Lets everything that is on its way arrive.
    pub(super) async fn settle(&mut self, journal: &mut Journal) -> Result<()> {
        for (device, at_ms) in self.wind_down().await?.into_iter().enumerate() {
            note(journal, Role::Agent, device, at_ms, How::Stopped, None);
        }
        let began = Instant::now();
        let (mut results, mut changed) = (0, Instant::now());
        while changed.elapsed() < QUIET {
            if began.elapsed() > PATIENCE {
                bail!("results are still coming after {PATIENCE:?}");
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
            let now = self.results().await?;
            // The sources still take a frame now and then.
            if now > results + 2 {
                changed = Instant::now();
            }
            results = now;
        }
        Ok(())
    }
}

/// Notes when children of `agent` end, for ever.
async fn watch(
    agent: u32,
    role: Role,
    deaths: &RefCell<Vec<(u64, Instant)>>,
) -> std::convert::Infallible {
    let mut alive = Vec::new();
    loop {
        let now = children::of(agent, role.word());
        for _ in alive.iter().filter(|child| !now.contains(child)) {
            deaths.borrow_mut().push((boottime_ms(), Instant::now()));
        }
        alive = now;
        tokio::time::sleep(GLANCE).await;
    }
}

fn note(
    journal: &mut Journal,
    role: Role,
    device: usize,
    at_ms: u64,
    how: How,
    back: Option<Duration>,
) {
    journal.deaths.push(Death {
        role,
        device,
        at_ms,
        how,
        back,
    });
}
