//! The daemon as its own process: it says what is wrong, stays small, stops when asked, and loses
//! nothing that it acknowledged when it is killed.

mod common;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::cloud::Cloud;
use common::{PATIENCE, World, arrived, eventually, send};
use noroshi_service::files::{self, Ports};

const BINARY: &str = env!("CARGO_BIN_EXE_noroshi-gateway");

struct Daemon {
    child: Child,
    ports: Ports,
}

fn write_config(state: &Path, https: SocketAddr, mqtts: SocketAddr, own: Ports) -> PathBuf {
    let path = state.join("gateway.toml");
    let port = |port: Option<u16>| port.unwrap_or(0);
    let mut file = std::fs::File::create(&path).unwrap();
    write!(
        file,
        "state_dir = {state:?}\ntrust_system_clock = true\n[cloud]\ndevice_https = \"{https}\"\n\
         mqtts = \"{mqtts}\"\n[listen]\ndevice_https = \"127.0.0.1:{}\"\nmqtts = \"127.0.0.1:{}\"\n",
        port(own.device_https),
        port(own.mqtts),
    )
    .unwrap();
    path
}

impl Daemon {
    async fn start(config: &Path, state: &Path, failpoint: Option<&str>) -> Self {
        let child = spawn(config, failpoint);
        let observe = || async { files::read_ports(state).unwrap() };
        let ports = eventually("it listens", observe, Option::is_some)
            .await
            .unwrap();
        Self { child, ports }
    }

    /// On the same ports; it may die again before it is ready.
    fn restart(&mut self, config: &Path, failpoint: Option<&str>) {
        self.child = spawn(config, failpoint);
    }

    /// Completes when the process has ended.
    async fn ended(&mut self) -> std::process::ExitStatus {
        let mut pace = tokio::time::interval(Duration::from_millis(5));
        loop {
            pace.tick().await;
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
        }
    }
}

fn spawn(config: &Path, failpoint: Option<&str>) -> Child {
    let mut command = Command::new(BINARY);
    command
        .arg("run")
        .arg("--config")
        .arg(config)
        .env("RUST_LOG", "error");
    if let Some(failpoint) = failpoint {
        command.env(noroshi_service::failpoint::VARIABLE, failpoint);
    }
    command.spawn().unwrap()
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_at_any_failpoint_and_it_stays_small_and_stops() {
    let world = World::new();
    let cloud = Cloud::start(&world.organisation, world.cloud_folder.clone()).await;
    let mqtts = cloud.broker.mqtts().unwrap();
    let config = write_config(&world.state, cloud.https, mqtts, Ports::default());
    let mut daemon = Daemon::start(&config, &world.state, Some("spool.before_sync=kill@5")).await;
    let ports = daemon.ports;
    write_config(&world.state, cloud.https, mqtts, ports);
    let mut points = [
        "delivery.before_ack=kill@3",
        "spool.after_sync=kill@4",
        "bridge.before_settle=kill@2",
        "spool.before_write=kill@6",
    ]
    .into_iter();
    let mut one = world.device("one", ports.mqtts.unwrap());
    one.connected().await;
    for boot in 1..=5 {
        // It may die while records come in or while they go on.
        let sending = async {
            send(&mut one, "one", boot, 0..200).await;
            arrived(&cloud, "one", 200 * usize::from(boot)).await;
        };
        tokio::pin!(sending);
        loop {
            tokio::select! {
                () = &mut sending => break,
                _ = daemon.ended() => {
                    daemon.restart(&config, points.next());
                }
            }
        }
    }
    // Exactly those: 0 lost; a record may come twice, and the store counts it once.
    assert_eq!(cloud.door.store.count("one"), 1000);

    let pid = daemon.child.id();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let resident = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap();
    let kilobytes: u64 = resident.split_whitespace().nth(1).unwrap().parse().unwrap();
    println!("{resident}");
    assert!(kilobytes <= 60 << 10, "{resident}");

    let stopped = Command::new("kill").arg(pid.to_string()).status().unwrap();
    assert!(stopped.success());
    let ended = tokio::time::timeout(PATIENCE, daemon.ended())
        .await
        .unwrap();
    assert_eq!(ended.code(), Some(0));
}

fn run(arguments: &[&str], path: &Path) -> (Option<i32>, String) {
    let output = Command::new(BINARY)
        .args(arguments)
        .arg(path)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

#[test]
fn it_says_what_is_wrong_with_its_config_its_identity_and_its_token() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere: SocketAddr = "127.0.0.1:1".parse().unwrap();
    let config = write_config(folder.path(), nowhere, nowhere, Ports::default());
    let (code, text) = run(&["run", "--check", "--config"], &config);
    assert_eq!((code, text.trim().ends_with(": valid")), (Some(0), true));
    let (code, text) = run(&["run", "--config"], &config);
    assert_eq!(code, Some(1));
    assert!(
        text.contains("not enrolled") && text.contains("--token-file"),
        "{text}"
    );
    let token = folder.path().join("token");
    std::fs::write(&token, "nrs_enrol_what_ever").unwrap();
    let config_text = config.to_str().unwrap();
    let (code, text) = run(&["enrol", "--config", config_text, "--token-file"], &token);
    assert_eq!(code, Some(1));
    assert!(
        text.contains("not a enrolment token") || text.contains("copied whole"),
        "{text}"
    );
    let (code, _) = run(&["enrol", "--config", config_text], Path::new("--nonsense"));
    assert_eq!(code, Some(2));
    std::fs::write(&config, "state_dri = 1\n").unwrap();
    let (code, text) = run(&["run", "--check", "--config"], &config);
    assert_eq!(code, Some(1));
    assert!(text.contains("state_dri"), "{text}");
}
