//! The fleet that is killed: a cloud, a gateway with agents, an agent without one.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use image::imageops::FilterType;
use serde_json::json;

use super::powercut::PowerCuts;
use super::schedule::{Role, Store};
use crate::api::Api;
use crate::assets::{Role as PhotoRole, photos};
use crate::eventually::eventually_within;
use crate::fleet::{Fleet, Source};
use crate::process::signal;
use crate::{children, tiny};

/// Frames a second of each device: the promise is twenty, and a killed source takes none.
pub(super) const FRAMES_PER_SECOND: f64 = 25.0;
/// The site with a gateway.
pub(super) const SITE: &str = "osaka";
/// How long anything may take before the proof gives up on it.
pub(super) const PATIENCE: Duration = Duration::from_secs(90);
/// Pixels of a side: pictures decode in no time.
const PICTURE: u32 = 96;

/// One agent.
#[derive(Debug, Clone)]
pub(super) struct Device {
    pub(super) name: String,
    pub(super) site: String,
    pub(super) id: String,
}

/// The fleet with everything that belongs to it.
pub(super) struct Stage {
    pub(super) fleet: Fleet,
    pub(super) api: Api,
    pub(super) cuts: PowerCuts,
    pub(super) devices: Vec<Device>,
}

/// `CLOCK_BOOTTIME`, as the devices' records have it.
pub(super) fn boottime_ms() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    now.tv_sec.cast_unsigned() * 1000 + now.tv_nsec.cast_unsigned() / 1_000_000
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A few small pictures.
fn pictures(folder: &Path) -> Result<PathBuf> {
    let folder = folder.join("pictures");
    std::fs::create_dir_all(&folder)?;
    for photo in photos(PhotoRole::Measured)?.iter().take(5) {
        let picture = image::open(photo.file()?)?;
        let small = picture.resize_exact(PICTURE, PICTURE, FilterType::Triangle);
        small
            .to_rgb8()
            .save(folder.join(format!("{}.png", photo.name)))?;
    }
    Ok(folder)
}

impl Stage {
    /// Brings up `devices` (name and site) in `folder` and waits until each has a result in the
    /// cloud.
    pub(super) async fn raise(folder: &Path, devices: &[(&str, &str)]) -> Result<Self> {
        let at = folder.join("fleet");
        let mut stores: Vec<PathBuf> = devices
            .iter()
            .map(|(name, _)| at.join(name).join("state/outbox/"))
            .collect();
        stores.push(at.join(format!("gateway-{SITE}/state/spool/")));
        stores.push(at.join("cloud/state/cloud.db"));
        let cuts = PowerCuts::build(folder, stores)?;
        let source = Source {
            pictures: pictures(folder)?,
            frames_per_second: FRAMES_PER_SECOND,
            live: false,
        };
        let fleet = Fleet::start_at(&at, cuts.environment(), free_port()?).await?;
        let api = fleet.api().await?;
        let mut stage = Self {
            fleet,
            api,
            cuts,
            devices: Vec::new(),
        };
        stage
            .populate(devices, &source)
            .await
            .map_err(|error| error.context(stage.fleet.tails()))?;
        Ok(stage)
    }

    async fn populate(&mut self, devices: &[(&str, &str)], source: &Source) -> Result<()> {
        tiny::version(self.fleet.path(), 1)?.push(&self.api).await?;
        self.fleet.add_gateway(SITE).await?;
        for (name, site) in devices {
            let id = self.fleet.add_agent(name, site, source).await?;
            self.devices.push(Device {
                name: (*name).to_owned(),
                site: (*site).to_owned(),
                id,
            });
        }
        for device in &self.devices {
            self.is_online(device).await?;
        }
        let pipeline = json!({
            "source": "camera", "model": tiny::MODEL, "version": 1, "filters": [], "top": 2,
            "devices": { "all": true },
        });
        self.api.put("/pipelines/door", pipeline).await?;
        for device in 0..self.devices.len() {
            self.is_back(Role::Agent, device, 0).await?;
            self.is_off_trial(device).await?;
        }
        Ok(())
    }

    /// Waits until a device's pipeline has stood its trial: a crash within that rightly ends it.
    async fn is_off_trial(&self, device: usize) -> Result<()> {
        let device = &self.devices[device];
        let path = format!("/events?device={}&kind=update-active", device.id);
        eventually_within(
            &format!("{} is off trial", device.name),
            PATIENCE,
            || async {
                let page = self.api.get(&path).await;
                let page = page.map_err(|error| format!("{error:#}"))?;
                match page["items"].as_array().map(Vec::len) {
                    Some(1..) => Ok(()),
                    _ => Err(page.to_string()),
                }
            },
        )
        .await
    }

    async fn is_online(&self, device: &Device) -> Result<()> {
        eventually_within(&format!("{} is online", device.name), PATIENCE, || async {
            let shown = self.api.get(&format!("/devices/{}", device.id)).await;
            let shown = shown.map_err(|error| format!("{error:#}"))?;
            match shown["status"].as_str() {
                Some("online") => Ok(()),
                _ => Err(shown["status"].to_string()),
            }
        })
        .await
    }

    /// Waits until a result that was made after `since_ms` is in the cloud, of every device whose
    /// results go by way of `role`.
    pub(super) async fn is_back(
        &self,
        role: Role,
        device: usize,
        since_ms: u64,
    ) -> Result<Duration> {
        let began = Instant::now();
        let numbers = 0..self.devices.len();
        let concerned = numbers.filter(|number| match role {
            Role::Cloud => true,
            Role::Gateway => self.devices[*number].site == SITE,
            Role::Agent | Role::Worker | Role::Source => *number == device,
        });
        for number in concerned {
            self.has_result(role, &self.devices[number], since_ms)
                .await?;
        }
        Ok(began.elapsed())
    }

    async fn has_result(&self, role: Role, device: &Device, since_ms: u64) -> Result<()> {
        let path = format!("/results?limit=20&device={}", device.id);
        let fact = format!("the {} works again, seen from {}", role.word(), device.name);
        eventually_within(&fact, PATIENCE, || async {
            let page = self.api.get(&path).await;
            let page = page.map_err(|error| format!("{error:#}"))?;
            let newest = page["items"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|row| row["monotonic_ms"].as_u64())
                .max();
            match newest {
                Some(made) if made > since_ms => Ok(()),
                other => Err(format!("newest of {other:?}, wanted after {since_ms}")),
            }
        })
        .await
    }

    /// What programs that start from now on have in their environment beside the usual.
    pub(super) fn arm(&mut self, more: &[(&str, &str)]) {
        let mut environment = self.cuts.environment();
        environment.extend(
            more.iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        self.fleet.set_environment(environment);
    }

    /// Starts a role's program.
    pub(super) async fn start(&mut self, role: Role, device: usize) -> Result<()> {
        match role {
            Role::Cloud => self.fleet.start_cloud().await,
            Role::Gateway => self.fleet.start_gateway(SITE).await,
            Role::Agent | Role::Worker | Role::Source => {
                let name = self.devices[device].name.clone();
                self.fleet.start_agent(&name)
            }
        }
    }

    /// `kill -9`; when it was dead.
    pub(super) async fn kill(&mut self, role: Role, device: usize) -> Result<u64> {
        match role {
            Role::Cloud => self.fleet.cloud()?.kill()?,
            Role::Gateway => self.fleet.gateway_mut(SITE)?.process()?.kill()?,
            Role::Agent => {
                let name = self.devices[device].name.clone();
                self.fleet.agent_mut(&name)?.process()?.kill()?;
            }
            Role::Worker | Role::Source => {
                let child = self.child(role, device).await?;
                signal(child, rustix::process::Signal::KILL)?;
                children::wait_for_end(child).await?;
            }
        }
        Ok(boottime_ms())
    }

    /// The worker or source process of a device, as soon as there is one.
    pub(super) async fn child(&mut self, role: Role, device: usize) -> Result<u32> {
        let name = self.devices[device].name.clone();
        let agent = self.agent_id(device)?;
        let fact = format!("{name} has a {}", role.word());
        eventually_within(&fact, PATIENCE, || async {
            children::of(agent, role.word())
                .into_iter()
                .next()
                .ok_or("none")
        })
        .await
    }

    /// The process of a device's agent.
    pub(super) fn agent_id(&mut self, device: usize) -> Result<u32> {
        let name = self.devices[device].name.clone();
        Ok(self.fleet.agent_mut(&name)?.process()?.id())
    }

    /// Whether the role's own program has ended.
    pub(super) fn has_ended(&mut self, role: Role, device: usize) -> Result<bool> {
        let name = self.devices[device].name.clone();
        let process = match role {
            Role::Cloud => self.fleet.cloud()?,
            Role::Gateway => self.fleet.gateway_mut(SITE)?.process()?,
            Role::Agent | Role::Worker | Role::Source => self.fleet.agent_mut(&name)?.process()?,
        };
        Ok(process.ended()?.is_some())
    }

    /// Where a store is, as its power cut names it.
    pub(super) fn store(&self, store: Store, device: usize) -> Result<PathBuf> {
        Ok(match store {
            Store::Outbox => self.device_folder(device)?.join("state/outbox/"),
            Store::Spool => self.fleet.gateway(SITE)?.folder().join("state/spool/"),
            Store::Database => self.database(),
        })
    }

    /// The cloud's database.
    pub(super) fn database(&self) -> PathBuf {
        self.fleet.path().join("cloud/state/cloud.db")
    }

    pub(super) fn device_folder(&self, device: usize) -> Result<PathBuf> {
        let name = &self.devices[device].name;
        Ok(self.fleet.agent(name)?.folder().to_owned())
    }

    /// Cuts or mends the link above a store's program.
    pub(super) fn silence(&self, store: Store, device: usize, cut: bool) -> Result<()> {
        let member = match store {
            Store::Outbox => self.fleet.agent(&self.devices[device].name)?,
            Store::Spool => self.fleet.gateway(SITE)?,
            Store::Database => return Ok(()),
        };
        if cut {
            member.mqtts.cut();
        } else {
            member.mqtts.mend();
        }
        Ok(())
    }

    /// Stops the agents, lets their sources write another log at a snail's pace, and starts them
    /// again, so that what is on its way arrives and nothing else is judged.
    pub(super) async fn wind_down(&mut self) -> Result<Vec<u64>> {
        self.arm(&[]);
        let mut stopped = Vec::new();
        for device in 0..self.devices.len() {
            let name = self.devices[device].name.clone();
            let agent = self.fleet.agent_mut(&name)?;
            agent.process()?.stop(Duration::from_secs(20)).await?;
            stopped.push(boottime_ms());
            let path = agent.folder().join("agent.toml");
            let text = std::fs::read_to_string(&path)?;
            let pace = format!("frames_per_second = {FRAMES_PER_SECOND:?}");
            anyhow::ensure!(text.contains(&pace), "no `{pace}` in agent.toml");
            let text = text
                .replace(&pace, "frames_per_second = 0.2")
                .replace("frames.log", "after.log");
            std::fs::write(&path, text)?;
            self.fleet.start_agent(&name)?;
        }
        Ok(stopped)
    }

    /// Results that the cloud counts.
    pub(super) async fn results(&self) -> Result<u64> {
        let counted = self.api.get("/statistics").await?;
        counted["results"].as_u64().context("a count of results")
    }
}
