//! Starts and stops the programs of a fleet.

mod config;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::api::Api;
use crate::eventually::eventually_within;
use crate::process::{Process, program};
use crate::proxy::Proxy;
pub use config::Source;

/// How long a program may take until it listens.
const START: Duration = Duration::from_secs(60);
/// The administrator's password in every test fleet.
pub const PASSWORD: &str = "correct horse battery staple";

/// A cloud, gateways and agents, each its own process, in one folder.
#[derive(Debug)]
pub struct Fleet {
    folder: Folder,
    environment: Vec<(String, String)>,
    programs: Option<PathBuf>,
    cloud_ports: Option<CloudPorts>,
    // Dropped in this order: devices first, so that nobody sees a link break.
    agents: Vec<Member>,
    gateways: Vec<Member>,
    cloud: Option<Process>,
}

/// An agent or a gateway with the link above it.
#[derive(Debug)]
pub struct Member {
    /// Its folder's name.
    pub name: String,
    /// The site.
    pub site: String,
    /// Its id in the cloud; `gateway` for a gateway.
    pub id: String,
    process: Option<Process>,
    program: &'static str,
    folder: PathBuf,
    /// The link to the holder above for HTTPS.
    pub https: Proxy,
    /// The link to the holder above for MQTT.
    pub mqtts: Proxy,
}

#[derive(Debug)]
enum Folder {
    Temporary(Option<tempfile::TempDir>),
    Given(PathBuf),
}

impl Folder {
    fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder
                .as_ref()
                .map_or(Path::new("."), tempfile::TempDir::path),
            Self::Given(path) => path,
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Self::Temporary(folder) = self
            && std::thread::panicking()
            && let Some(folder) = folder.take()
        {
            eprintln!("the fleet's folder is kept: {}", folder.keep().display());
        }
    }
}

/// Where the cloud listens.
#[derive(Debug, Clone, Copy)]
struct CloudPorts {
    http: u16,
    device_https: u16,
    mqtts: u16,
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

impl Fleet {
    /// A fleet in a temporary folder that is kept when the test fails: the cloud, initialized
    /// and listening, and nothing else yet.
    pub async fn start() -> Result<Self> {
        Self::start_in(Folder::Temporary(Some(tempfile::tempdir()?)), Vec::new(), 0).await
    }

    /// A fleet with more environment for every program.
    pub async fn start_with(environment: Vec<(String, String)>) -> Result<Self> {
        Self::start_in(
            Folder::Temporary(Some(tempfile::tempdir()?)),
            environment,
            0,
        )
        .await
    }

    /// A fleet in `folder`, which is emptied first, with the console on `http` (0: any).
    pub async fn start_at(
        folder: &Path,
        environment: Vec<(String, String)>,
        http: u16,
    ) -> Result<Self> {
        if folder.exists() {
            std::fs::remove_dir_all(folder)?;
        }
        std::fs::create_dir_all(folder)?;
        Self::start_in(Folder::Given(folder.to_owned()), environment, http).await
    }

    async fn start_in(
        folder: Folder,
        environment: Vec<(String, String)>,
        http: u16,
    ) -> Result<Self> {
        let mut fleet = Self {
            folder,
            environment,
            programs: None,
            cloud_ports: None,
            agents: Vec::new(),
            gateways: Vec::new(),
            cloud: None,
        };
        fleet.initialize_cloud(http)?;
        fleet.start_cloud().await?;
        Ok(fleet)
    }

    /// What programs that start from now on find in their environment beside this process's.
    pub fn set_environment(&mut self, environment: Vec<(String, String)>) {
        self.environment = environment;
    }

    /// Programs that start from now on are taken from `folder` where it has them.
    pub fn set_programs(&mut self, folder: PathBuf) {
        self.programs = Some(folder);
    }

    /// The fleet's folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self, name: &str) -> Result<Command> {
        let preferred = self.programs.iter().map(|folder| folder.join(name));
        let mut command = match preferred.into_iter().find(|path| path.is_file()) {
            Some(path) => Command::new(path),
            None => Command::new(program(name)?),
        };
        command.env("ORT_DISABLE_TELEMETRY", "1");
        let library = crate::assets::asset("onnxruntime/libonnxruntime.so")?;
        command.env("NOROSHI_ONNXRUNTIME", library);
        command.envs(self.environment.iter().map(|(key, value)| (key, value)));
        Ok(command)
    }

    fn cloud_folder(&self) -> PathBuf {
        self.path().join("cloud")
    }

    fn initialize_cloud(&self, http: u16) -> Result<()> {
        let folder = self.cloud_folder();
        std::fs::create_dir_all(&folder)?;
        let config = folder.join("cloud.toml");
        std::fs::write(&config, config::cloud(&folder.join("state"), http))?;
        let password = folder.join("password");
        std::fs::write(&password, PASSWORD)?;
        let mut command = self.command("noroshi-cloud")?;
        command
            .args(["init", "--org", "demo", "--admin", "admin", "--config"])
            .arg(config);
        command.arg("--password-file").arg(password);
        run(&mut command, "noroshi-cloud init").map(|_| ())
    }

    /// Starts the cloud (again).
    pub async fn start_cloud(&mut self) -> Result<()> {
        let folder = self.cloud_folder();
        let ports = folder.join("state/ports.json");
        let _ = std::fs::remove_file(&ports);
        let mut command = self.command("noroshi-cloud")?;
        command
            .arg("run")
            .arg("--config")
            .arg(folder.join("cloud.toml"));
        let mut process = Process::start("cloud", &mut command, &folder.join("log"))?;
        let ports = wait_for_ports(&mut process, &ports).await?;
        self.cloud = Some(process);
        self.cloud_ports = Some(CloudPorts {
            http: port(&ports, "http")?,
            device_https: port(&ports, "device_https")?,
            mqtts: port(&ports, "mqtts")?,
        });
        // The ports are new: links that lead to the cloud follow.
        for at in 0..self.gateways.len() {
            let ports = self.ports();
            self.gateways[at]
                .https
                .retarget(loopback(ports.device_https));
            self.gateways[at].mqtts.retarget(loopback(ports.mqtts));
        }
        let ports = self.ports();
        for agent in self.agents.iter().filter(|agent| agent.site == "direct") {
            agent.https.retarget(loopback(ports.device_https));
            agent.mqtts.retarget(loopback(ports.mqtts));
        }
        Ok(())
    }

    fn ports(&self) -> CloudPorts {
        self.cloud_ports.expect("the cloud was started")
    }

    /// The cloud's process.
    pub fn cloud(&mut self) -> Result<&mut Process> {
        self.cloud.as_mut().context("the cloud does not run")
    }

    /// The console's address.
    pub fn console(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports().http)
    }

    /// The API, signed in as the administrator.
    pub async fn api(&self) -> Result<Api> {
        Api::sign_in(&self.console(), "admin", PASSWORD).await
    }

    /// Adds a site with its gateway, enrolled and listening.
    pub async fn add_gateway(&mut self, site: &str) -> Result<()> {
        let api = self.api().await?;
        api.post("/sites", json!({ "name": site, "id": site }))
            .await?;
        let token = api
            .post(
                "/enrolment-tokens",
                json!({ "site": site, "kind": "gateway", "uses": 1 }),
            )
            .await?;
        let ports = self.ports();
        let name = format!("gateway-{site}");
        let record = self.path().join(&name).join("recorded");
        let member = Member {
            folder: self.path().join(&name),
            site: site.to_owned(),
            id: "gateway".to_owned(),
            process: None,
            program: "noroshi-gateway",
            https: Proxy::start(loopback(ports.device_https), Some(record.join("https"))).await?,
            mqtts: Proxy::start(loopback(ports.mqtts), Some(record.join("mqtts"))).await?,
            name,
        };
        std::fs::create_dir_all(&member.folder)?;
        let text = config::gateway(
            &member.folder.join("state"),
            member.https.address(),
            member.mqtts.address(),
        );
        std::fs::write(member.folder.join("gateway.toml"), text)?;
        self.enrol(&member, &token)?;
        self.gateways.push(member);
        self.start_gateway(site).await
    }

    /// Starts the gateway of a site (again).
    pub async fn start_gateway(&mut self, site: &str) -> Result<()> {
        let command = self.run_command("noroshi-gateway")?;
        let member = self
            .gateways
            .iter_mut()
            .find(|gateway| gateway.site == site);
        let member = member.with_context(|| format!("no gateway at {site}"))?;
        let ports = member.folder.join("state/ports.json");
        let _ = std::fs::remove_file(&ports);
        let process = member.start(command)?;
        let ports = wait_for_ports(process, &ports).await?;
        let (https, mqtts) = (port(&ports, "device_https")?, port(&ports, "mqtts")?);
        for agent in self.agents.iter().filter(|agent| agent.site == site) {
            agent.https.retarget(loopback(https));
            agent.mqtts.retarget(loopback(mqtts));
        }
        Ok(())
    }

    fn run_command(&self, name: &str) -> Result<Command> {
        let mut command = self.command(name)?;
        command.arg("run").arg("--config");
        Ok(command)
    }

    /// Adds an agent, enrolled and running; its id.
    pub async fn add_agent(&mut self, name: &str, site: &str, source: &Source) -> Result<String> {
        let api = self.api().await?;
        let token = api
            .post(
                "/enrolment-tokens",
                json!({ "site": site, "kind": "device", "uses": 1 }),
            )
            .await?;
        let (https, mqtts) = self.above(site)?;
        let folder = self.path().join(name);
        let record = folder.join("recorded");
        let mut member = Member {
            name: name.to_owned(),
            site: site.to_owned(),
            id: String::new(),
            process: None,
            program: "noroshi-agent",
            https: Proxy::start(https, Some(record.join("https"))).await?,
            mqtts: Proxy::start(mqtts, Some(record.join("mqtts"))).await?,
            folder,
        };
        std::fs::create_dir_all(&member.folder)?;
        let text = config::agent(
            name,
            &member.folder,
            member.https.address(),
            member.mqtts.address(),
            source,
        )?;
        std::fs::write(member.folder.join("agent.toml"), text)?;
        self.enrol(&member, &token)?;
        let identity = std::fs::read(member.folder.join("state/identity/identity.json"))?;
        let identity: Value = serde_json::from_slice(&identity)?;
        let id = identity["device"].as_str();
        let id = id.context("the identity has a device")?.to_owned();
        member.id.clone_from(&id);
        self.agents.push(member);
        self.start_agent(name)?;
        Ok(id)
    }

    /// Starts an agent (again).
    pub fn start_agent(&mut self, name: &str) -> Result<()> {
        let command = self.run_command("noroshi-agent")?;
        self.agent_mut(name)?.start(command).map(|_| ())
    }

    fn above(&self, site: &str) -> Result<(SocketAddr, SocketAddr)> {
        if site == "direct" {
            let ports = self.ports();
            return Ok((loopback(ports.device_https), loopback(ports.mqtts)));
        }
        let gateway = self.gateway(site)?;
        let text = std::fs::read(gateway.folder.join("state/ports.json"))?;
        let ports: Value = serde_json::from_slice(&text)?;
        Ok((
            loopback(port(&ports, "device_https")?),
            loopback(port(&ports, "mqtts")?),
        ))
    }

    fn enrol(&self, member: &Member, token: &Value) -> Result<()> {
        let file = member.folder.join("token");
        std::fs::write(&file, token["token"].as_str().context("the token")?)?;
        let mut command = self.command(member.program)?;
        command.arg("enrol").arg("--config").arg(member.config());
        command.arg("--token-file").arg(file);
        run(&mut command, &format!("{} enrol", member.program)).map(|_| ())
    }

    /// The gateway of a site.
    pub fn gateway(&self, site: &str) -> Result<&Member> {
        let found = self.gateways.iter().find(|gateway| gateway.site == site);
        found.with_context(|| format!("no gateway at {site}"))
    }

    /// The gateway of a site.
    pub fn gateway_mut(&mut self, site: &str) -> Result<&mut Member> {
        let found = self
            .gateways
            .iter_mut()
            .find(|gateway| gateway.site == site);
        found.with_context(|| format!("no gateway at {site}"))
    }

    /// An agent by its name.
    pub fn agent(&self, name: &str) -> Result<&Member> {
        let found = self.agents.iter().find(|agent| agent.name == name);
        found.with_context(|| format!("no agent {name}"))
    }

    /// An agent by its name.
    pub fn agent_mut(&mut self, name: &str) -> Result<&mut Member> {
        let found = self.agents.iter_mut().find(|agent| agent.name == name);
        found.with_context(|| format!("no agent {name}"))
    }

    /// Every agent and gateway.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.agents.iter().chain(&self.gateways)
    }

    /// Runs the `noroshi` command as the administrator; its JSON.
    pub async fn noroshi(&self, arguments: &[&str]) -> Result<Value> {
        let output = self.noroshi_output(arguments).await?;
        if !output.status.success() {
            bail!(
                "noroshi {arguments:?}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("noroshi {arguments:?} printed no JSON"))
    }

    /// Runs the `noroshi` command as the administrator, whatever comes of it.
    pub async fn noroshi_output(&self, arguments: &[&str]) -> Result<std::process::Output> {
        let home = self.path().join("home");
        if !home.join("noroshi/credentials.json").exists() {
            std::fs::create_dir_all(&home)?;
            let mut login = self.command("noroshi")?;
            login.env("XDG_CONFIG_HOME", &home);
            login.args([
                "login",
                "--url",
                &self.console(),
                "--user",
                "admin",
                "--scope",
                "admin",
            ]);
            login
                .arg("--password-file")
                .arg(self.cloud_folder().join("password"));
            run(&mut login, "noroshi login")?;
        }
        let mut command = tokio::process::Command::from(self.command("noroshi")?);
        command
            .env("XDG_CONFIG_HOME", &home)
            .env("NOROSHI_URL", self.console());
        command.arg("--json").args(arguments).kill_on_drop(true);
        Ok(command.output().await?)
    }

    /// The ends of all logs, for errors.
    pub fn tails(&self) -> String {
        let processes = self.cloud.iter().chain(
            self.gateways
                .iter()
                .chain(&self.agents)
                .filter_map(|m| m.process.as_ref()),
        );
        processes.map(Process::tail).collect::<Vec<_>>().join("\n")
    }
}

impl Member {
    fn config(&self) -> PathBuf {
        let file = if self.program == "noroshi-agent" {
            "agent.toml"
        } else {
            "gateway.toml"
        };
        self.folder.join(file)
    }

    fn start(&mut self, mut command: Command) -> Result<&mut Process> {
        command.arg(self.config());
        let process = Process::start(&self.name, &mut command, &self.folder.join("log"))?;
        Ok(self.process.insert(process))
    }

    /// Its process.
    pub fn process(&mut self) -> Result<&mut Process> {
        self.process
            .as_mut()
            .with_context(|| format!("{} does not run", self.name))
    }

    /// Its folder: configuration, state, log, the source's own log of frames.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Frames that its source's own log names, in order.
    pub fn frames_logged(&self) -> Result<Vec<String>> {
        let frames = self.log_of_frames().into_iter();
        Ok(frames.map(|(frame, _)| frame).collect())
    }

    /// The picture of each frame that its source's own log names.
    pub fn pictures_logged(&self) -> Result<BTreeMap<String, String>> {
        Ok(self.log_of_frames().into_iter().collect())
    }

    /// Frames with their pictures; none before the first.
    fn log_of_frames(&self) -> Vec<(String, String)> {
        let path = self.folder.join("frames.log");
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let whole = text.lines().filter(|line| line.matches('\t').count() == 2);
        let fields = whole.filter_map(|line| {
            let mut fields = line.split('\t').map(str::to_owned);
            Some((fields.next()?, fields.next()?))
        });
        fields.collect()
    }
}

fn run(command: &mut Command, name: &str) -> Result<Vec<u8>> {
    let output = command
        .output()
        .with_context(|| format!("{name} could not be started"))?;
    if !output.status.success() {
        bail!("{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(output.stdout)
}

async fn wait_for_ports(process: &mut Process, path: &Path) -> Result<Value> {
    let waited = eventually_within(&format!("{} is written", path.display()), START, || {
        let ended = process.ended().ok().flatten();
        let read = std::fs::read(path)
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok());
        async move {
            match (ended, read) {
                (Some(status), _) => Ok(Err(status)),
                (None, Some(ports)) => Ok(Ok(ports)),
                (None, None) => Err("no ports yet"),
            }
        }
    })
    .await;
    match waited {
        Ok(Ok(ports)) => Ok(ports),
        Ok(Err(status)) => bail!("ended with {status}:\n{}", process.tail()),
        Err(error) => Err(error.context(process.tail())),
    }
}

fn port(ports: &Value, name: &str) -> Result<u16> {
    let port = ports[name]
        .as_u64()
        .and_then(|port| u16::try_from(port).ok());
    port.with_context(|| format!("ports.json has no {name}"))
}
