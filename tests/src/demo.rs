//! The demo: a real model goes from a weights file to results on a console, and is replaced.

mod answers;
mod egress;
mod results;
mod stage;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::account::account;
use crate::assets::{Role, asset, photos, workspace};
use crate::fleet::{Fleet, PASSWORD, Source};
use crate::models::{self, Prepared};

/// The model that the fleet runs: version 1 is MobileNetV2, version 2 EfficientNet-Lite0.
const MODEL: &str = "photo-classifier";
const SITE: &str = "osaka";
/// The port of the console, so that a bookmark keeps working.
const CONSOLE_PORT: u16 = 8080;
/// Pictures a second and device.
const PACE: f64 = 2.0;
/// Seconds over which steady traffic is counted.
const STEADY_S: u64 = 60;

struct Demo {
    fleet: Fleet,
    devices: Vec<(String, String)>,
    /// The networks of versions 1 and 2 with their files.
    versions: [(&'static str, Prepared); 2],
    once: bool,
}

const NETWORKS: [&str; 2] = ["mobilenet-v2", "efficientnet-lite0"];

/// Runs the demo; `once` is headless and ends by itself.
pub async fn run(once: bool) -> Result<()> {
    let make = |network| {
        let files = stage::step(&format!("{network}: export and int8"), || {
            models::prepared(network)
        })?;
        anyhow::Ok((network, files))
    };
    let versions = [make(NETWORKS[0])?, make(NETWORKS[1])?];
    let folder = workspace().join(".demo");
    let environment = egress::environment(&folder);
    let port = if once { 0 } else { CONSOLE_PORT };
    stage::say("starting the cloud");
    let fleet = Fleet::start_at(&folder, environment, port).await?;
    let mut demo = Demo {
        fleet,
        devices: Vec::new(),
        versions,
        once,
    };
    let stop = noroshi_service::run::stop_signal()?;
    let result = tokio::select! {
        result = demo.play() => result,
        () = stop => Ok(()),
    };
    if result.is_err() {
        eprintln!("{}", demo.fleet.tails());
    }
    result
}

impl Demo {
    async fn play(&mut self) -> Result<()> {
        self.join().await?;
        self.release(1).await?;
        self.apply().await?;
        let setup_bytes = egress::wan_bytes(&self.fleet);
        // Its lines end when the demo is dropped.
        let _watching = (!self.once)
            .then(|| stage::watch(&self.fleet))
            .transpose()?;
        let steady = Instant::now();
        let counted = results::count(&self.fleet.api().await?).await?;
        self.release(2).await?;
        self.roll_out().await?;
        if !self.once {
            self.tell();
            // Until Ctrl-C, which ends everything that was started.
            return std::future::pending().await;
        }
        let summary = self.summary(steady, counted, setup_bytes).await?;
        println!("{summary}");
        check(&summary)
    }

    /// The gateway and the devices enrol.
    async fn join(&mut self) -> Result<()> {
        stage::say("a gateway and three devices join");
        let pictures = self.pictures()?;
        let source = Source {
            pictures,
            frames_per_second: PACE,
            live: false,
        };
        self.fleet.add_gateway(SITE).await?;
        for (name, site) in [("line-1", SITE), ("line-2", SITE), ("kiosk", "direct")] {
            let id = self.fleet.add_agent(name, site, &source).await?;
            self.devices.push((name.to_owned(), id));
        }
        results::online(&self.fleet.api().await?, self.devices.len()).await
    }

    /// The measured photos, in a folder of their own.
    fn pictures(&self) -> Result<PathBuf> {
        let folder = self.fleet.path().join("photos");
        std::fs::create_dir_all(&folder)?;
        for photo in photos(Role::Measured)? {
            let file = photo.file()?;
            let name = file.file_name().context("a file")?;
            std::fs::copy(&file, folder.join(name))?;
        }
        Ok(folder)
    }

    /// Pushes a version of the model, int8 first.
    async fn release(&self, version: usize) -> Result<()> {
        let (network, prepared) = &self.versions[version - 1];
        let preset = models::preset(network)?;
        stage::say(&format!("version {version} is pushed: {network}"));
        let files = |role, most| -> Result<Vec<String>> {
            let pictures = models::pictures(role)?;
            Ok(pictures
                .iter()
                .take(most)
                .map(|file| file.display().to_string())
                .collect())
        };
        let (golden, measured) = (files(Role::Selection, 3)?, files(Role::Measured, 100)?);
        let labels = asset("labels/imagenet.json")?.display().to_string();
        let int8 = format!("int8={}", prepared.int8.display());
        let fp32 = format!("fp32={}", prepared.fp32.display());
        let source = prepared.fp32.display().to_string();
        let mut arguments = vec!["model", "push", "--model", MODEL, "--preset", preset];
        arguments.extend(["--labels", &labels, "--variant", &int8, "--variant", &fp32]);
        arguments.extend(["--source", &source, "--golden"]);
        arguments.extend(golden.iter().map(String::as_str));
        arguments.push("--measured");
        arguments.extend(measured.iter().map(String::as_str));
        self.fleet.noroshi(&arguments).await.map(|_| ())
    }

    /// Version 1 runs on every device.
    async fn apply(&self) -> Result<()> {
        stage::say("version 1 goes to every device");
        self.fleet
            .noroshi(&[
                "pipeline",
                "apply",
                "photos",
                "--source",
                "camera",
                "--model",
                MODEL,
                "--version",
                "1",
                "--all",
            ])
            .await?;
        results::from_each(&self.fleet.api().await?, &self.devices, 1).await
    }

    /// Version 2 takes over, wave by wave.
    async fn roll_out(&self) -> Result<()> {
        stage::say("version 2 rolls out");
        self.fleet
            .noroshi(&[
                "rollout",
                "create",
                "--model",
                MODEL,
                "--version",
                "2",
                "--all",
                "--waves",
                "34,100",
                "--trial-s",
                "5",
                "--watch",
            ])
            .await?;
        results::from_each(&self.fleet.api().await?, &self.devices, 2).await
    }

    fn tell(&self) {
        let url = self.fleet.console();
        eprintln!("\nThe fleet is up: {url}\n  user      admin\n  password  {PASSWORD}\n");
        eprintln!("Try: push a version back in three clicks under Models; or by hand:");
        eprintln!(
            "  export XDG_CONFIG_HOME={}",
            self.fleet.path().join("home").display()
        );
        eprintln!("  target/debug/noroshi device list");
        eprintln!("  target/debug/noroshi rollout list");
        eprintln!("  target/debug/noroshi watch\n\nCtrl-C ends everything.");
    }

    async fn summary(&self, steady: Instant, before: u64, setup_bytes: u64) -> Result<Value> {
        let api = self.fleet.api().await?;
        let first = &self.versions[0].1;
        let measured = answers::measure(&self.fleet, first).await?;
        stage::say("steady traffic is counted");
        let rest = std::time::Duration::from_secs(STEADY_S).saturating_sub(steady.elapsed());
        tokio::time::sleep(rest).await;
        let steady_s = steady.elapsed().as_secs_f64();
        let egress_bytes = egress::wan_bytes(&self.fleet) - setup_bytes;
        let (mut lost, mut duplicates) = (0, 0);
        for (name, _) in &self.devices {
            let account = account(&self.fleet, &api, name).await?;
            lost += account.lost;
            duplicates += account.duplicates;
        }
        let results = results::count(&api).await?;
        let raw = egress::search(&self.fleet).await?;
        let steady_results = results - before;
        Ok(json!({
            "devices": self.devices.len(),
            "running": results::running(&api, MODEL).await?,
            "results": results,
            "lost": lost,
            "duplicates": duplicates,
            "int8_bytes": first.int8.metadata()?.len(),
            "fp32_bytes": first.fp32.metadata()?.len(),
            "int8_cpu_ms": measured.int8_cpu_ms,
            "fp32_cpu_ms": measured.fp32_cpu_ms,
            "isa": measured.isa,
            "agreement": measured.agreement,
            "agreement_views": measured.views,
            "photos": measured.photos,
            "setup_bytes": setup_bytes,
            "egress_bytes": egress_bytes,
            "steady_s": (steady_s * 10.0).round() / 10.0,
            "steady_results": steady_results,
            "links": egress::WAN_LINKS,
            "raw_bytes": raw.found,
            "raw_control": raw.control,
        }))
    }
}

/// What must hold however slow the machine is.
fn check(summary: &Value) -> Result<()> {
    let zero = |name: &str| summary[name] == 0;
    let photos = summary["photos"].as_object().context("photos")?;
    anyhow::ensure!(
        zero("lost") && zero("duplicates"),
        "results were lost or stored twice"
    );
    anyhow::ensure!(zero("raw_bytes"), "a piece of a picture left the site");
    anyhow::ensure!(
        !zero("raw_control"),
        "the search for pictures does not find one"
    );
    anyhow::ensure!(
        summary["running"] == "2",
        "version 2 does not run everywhere"
    );
    anyhow::ensure!(
        photos.values().all(|photo| photo["right"] == true),
        "a photo is misread"
    );
    let (int8, fp32) = (&summary["int8_bytes"], &summary["fp32_bytes"]);
    let share = int8.as_f64().context("bytes")? / fp32.as_f64().context("bytes")?;
    anyhow::ensure!(share <= 0.30, "int8 has {share:.2} of the bytes");
    Ok(())
}
