//! A device of its own for a test: enrolled, with a model on its disk, without any network.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part")]

mod onnx;

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use noroshi_agent::outbox::{Held, Outbox, Quota, SledOutbox, Start};
use noroshi_engine::candle::{Graph, Input, Layer, Quantization, Weight, write_gguf};
use noroshi_engine::{Classifier, Frame, GoldenSet, ModelSource, Options};
use noroshi_fleet::update::{Event, Step, Update};
use noroshi_model::{
    Activation, Blob, ColorOrder, Digest, ElementType, EngineKind, Golden, InputSpec, Label,
    Layout, Manifest, Measured, Normalization, OutputSpec, Precision, Provenance, Requirements,
    Resize, Task, Variant,
};
use noroshi_protocol::{
    Anchor, Assignment, BootId, Desired, Identity as Peer, Message as _, ModelChoice, OsBoot,
    SigningKey, Stream,
};
use noroshi_service::tls::{
    CertificateAuthority, Identity, IdentityFile, Leaf, install_provider, new_device_key,
};
use serde_json::Value;

pub const BINARY: &str = env!("CARGO_BIN_EXE_noroshi-agent");
const ISSUED_MS: u64 = 1_790_000_000_000;

/// A device's folder.
pub struct World {
    folder: tempfile::TempDir,
}

impl World {
    /// An enrolled device whose assignment `door` is active: a folder with two pictures, at
    /// `frames_per_second`, and a model that tells red from blue.
    pub fn new(frames_per_second: f64, more_config: &str) -> Self {
        Self::with(model_files(1), frames_per_second, more_config)
    }

    /// The same with a model for ONNX Runtime, which must be there.
    pub fn on_onnx_runtime(frames_per_second: f64) -> Self {
        let library = std::env::var_os("NOROSHI_ONNXRUNTIME").map_or_else(
            || {
                Path::new(env!("CARGO_MANIFEST_DIR"))
                    .join("../.cache/assets/onnxruntime/libonnxruntime.so")
            },
            PathBuf::from,
        );
        let missing = format!("{} is missing: run make setup", library.display());
        let library = library.canonicalize().expect(&missing);
        let config = format!("[onnxruntime]\nlibrary = {library:?}\n");
        let files = with_golden(onnx_manifest(), onnx::means());
        Self::with(files, frames_per_second, &config)
    }

    /// A device whose model needs more memory than its workers may have.
    pub fn with_too_large_a_model() -> Self {
        const SIDE: u16 = 1_200;
        let (mut manifest, _) = model_files(1);
        (manifest.input.height, manifest.input.width) = (SIDE.into(), SIDE.into());
        let side = usize::from(SIDE);
        let model = linear(side, vec![0.0; 2 * 3 * side * side]);
        let files = finish(manifest, model, Vec::new());
        Self::with(files, 20.0, "[worker]\nmemory_bytes = 33554432\n")
    }

    fn with(files: (Manifest, Vec<Vec<u8>>), frames_per_second: f64, more_config: &str) -> Self {
        install_provider();
        let world = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        world.enrol();
        world.pictures();
        let assignment = world.model(&files);
        world.activate(assignment);
        let path = world.path("");
        let path = path.display();
        let config = format!(
            "state_dir = \"{path}state\"\n\
             [endpoint]\nhttps = \"https://127.0.0.1:1\"\nmqtts = \"127.0.0.1:1\"\n\
             [sources.door]\nframes_per_second = {frames_per_second}\n\
             log = \"{path}frames.log\"\nmax_pixels = 10000\n\
             folder = {{ path = \"{path}pictures\" }}\n{more_config}"
        );
        std::fs::write(world.path("agent.toml"), config).unwrap();
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn state(&self, name: &str) -> PathBuf {
        self.path("state").join(name)
    }

    fn enrol(&self) {
        let org = "acme".parse().unwrap();
        let (ca_key, ca) = CertificateAuthority::create(&org, ISSUED_MS).unwrap();
        let authority = CertificateAuthority::open(org.clone(), &ca_key, ca.clone()).unwrap();
        let key = new_device_key().unwrap();
        let signing = SigningKey::from_pkcs8(&key).unwrap();
        let certificate = authority
            .issue(&Leaf {
                peer: Peer::Device {
                    org: org.clone(),
                    device: "d1".parse().unwrap(),
                },
                public_key: signing.public().clone(),
                issued_ms: ISSUED_MS,
                lifetime: Duration::from_secs(86_400 * 365 * 10),
            })
            .unwrap();
        let anchor = Anchor {
            format: 1,
            org: org.clone(),
            ca: vec![serde_bytes::ByteBuf::from(ca.to_vec())],
            root: b"{}".to_vec(),
            answer_key: signing.public().clone(),
            development: true,
        };
        let file = IdentityFile {
            org,
            site: "site-1".parse().unwrap(),
            device: "d1".parse().unwrap(),
            enrolment: 1,
        };
        Identity::store(
            &self.state("identity"),
            &key,
            &[certificate],
            &anchor.to_cbor(),
            &file,
        )
        .unwrap();
    }

    fn pictures(&self) {
        let folder = self.path("pictures");
        std::fs::create_dir_all(&folder).unwrap();
        for (name, colour) in [("a.png", [200, 10, 10]), ("b.png", [10, 10, 200])] {
            image::RgbImage::from_pixel(16, 12, image::Rgb(colour))
                .save(folder.join(name))
                .unwrap();
        }
    }

    /// Puts a model's files into the store and returns what would assign it.
    fn model(&self, (manifest, blobs): &(Manifest, Vec<Vec<u8>>)) -> Assignment {
        let models = self.state("models");
        std::fs::create_dir_all(&models).unwrap();
        for bytes in blobs {
            std::fs::write(models.join(Digest::of(bytes).to_string()), bytes).unwrap();
        }
        assignment(manifest, &blobs[0])
    }

    fn activate(&self, assignment: Assignment) {
        let mut update = Update::new();
        begin_trial(&mut update, 7, assignment);
        update.step(Event::Tick, 60_000);
        assert_eq!(update.report().unwrap().phase.word(), "active");
        self.keep(&update);
    }

    /// Version 2 was being tried when the agent stopped; `spoil` changes its files.
    pub fn try_version_2(&self, spoil: impl FnOnce(&mut Vec<Vec<u8>>)) {
        let (mut manifest, mut blobs) = model_files(2);
        spoil(&mut blobs);
        if blobs.len() == 3 {
            manifest.variants[0].blob = blob(&blobs[1]);
            blobs[0] = manifest.to_json().unwrap();
        }
        let assignment = self.model(&(manifest, blobs));
        let bytes = std::fs::read(self.state("state").join("update.cbor")).unwrap();
        let mut update: Update = serde_cbor::from_slice(&bytes).unwrap();
        update.step(Event::Restarted, 0);
        begin_trial(&mut update, 8, assignment);
        self.keep(&update);
    }

    fn keep(&self, update: &Update) {
        let records = self.state("state");
        std::fs::create_dir_all(&records).unwrap();
        let bytes = serde_cbor::to_vec(update).unwrap();
        std::fs::write(records.join("update.cbor"), bytes).unwrap();
    }

    /// Starts the agent.
    pub fn start(&self, environment: &[(&str, &str)]) -> Agent<'_> {
        let child = Command::new(BINARY)
            .args(["run", "--config"])
            .arg(self.path("agent.toml"))
            .env("RUST_LOG", "warn")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        Agent { world: self, child }
    }

    /// What the outbox of a stopped agent holds.
    pub fn results(&self) -> Vec<Held> {
        self.held(Stream::Result)
    }

    pub fn held(&self, stream: Stream) -> Vec<Held> {
        let quota = Quota {
            result_bytes: u64::MAX,
            event_bytes: u64::MAX,
        };
        let start = Start {
            number: 1_000,
            boot: BootId::from_bytes([0; 16]),
            os_boot: OsBoot::from_bytes([0; 16]),
        };
        // sled lets go of its lock a moment after the last handle is gone.
        let outbox = eventually("the outbox is free", || {
            SledOutbox::open(&self.state("outbox"), quota, start).ok()
        });
        let mut all: Vec<Held> = Vec::new();
        loop {
            let after = all.last().map(|held| held.place);
            let more = outbox.read(stream, after, 100, 1 << 20).unwrap();
            if more.is_empty() {
                return all;
            }
            all.extend(more);
        }
    }

    /// The ids of the frames that the source announced, by its own log.
    pub fn log(&self) -> Vec<String> {
        std::fs::read_to_string(self.path("frames.log"))
            .unwrap_or_default()
            .lines()
            .filter_map(|line| Some(line.split_once('\t')?.0.to_owned()))
            .collect()
    }
}

/// Takes a document that assigns nothing else, until its trial.
fn begin_trial(update: &mut Update, sequence: u64, assignment: Assignment) {
    let desired = Desired {
        format: 1,
        org: "acme".parse().unwrap(),
        device: "d1".parse().unwrap(),
        sequence,
        issued_ms: ISSUED_MS,
        expires_ms: ISSUED_MS,
        pipelines: vec![assignment],
        plan: None,
    };
    update.step(Event::Desired(Box::new(desired)), 0);
    let job = update.job().unwrap().number();
    for step in Step::ALL {
        update.step(Event::Done { job, step }, 1);
    }
    assert_eq!(update.report().unwrap().phase.word(), "trial");
}

/// The manifest of version `version`, and its files: manifest, model, golden inputs.
pub fn model_files(version: u32) -> (Manifest, Vec<Vec<u8>>) {
    let mut numbers = vec![0.0; 24];
    for pixel in 0..4 {
        // One row per label: red minus blue, and blue minus red.
        numbers[pixel] = 1.0;
        numbers[8 + pixel] = -1.0;
        numbers[12 + pixel] = -1.0;
        numbers[20 + pixel] = 1.0;
    }
    let model = linear(2, numbers);
    let manifest = Manifest {
        format: Manifest::FORMAT,
        model: "colours".parse().unwrap(),
        version,
        task: Task::Classification {
            labels: vec![Label::from_name("red"), Label::from_name("blue")],
        },
        input: InputSpec {
            name: "input".into(),
            height: 2,
            width: 2,
            dtype: ElementType::F32,
            layout: Layout::Nchw,
            color: ColorOrder::Rgb,
            resize: Resize::Stretch,
            features: None,
            normalization: Normalization {
                scale: 1.0 / 255.0,
                ..Normalization::NONE
            },
        },
        output: OutputSpec {
            name: "output".into(),
            activation: Activation::Logits,
        },
        variants: vec![Variant {
            name: "f32".parse().unwrap(),
            engine: EngineKind::Candle,
            precision: Precision::Fp32,
            blob: blob(b"?"),
            requirements: Requirements {
                opset: 0,
                ir: 0,
                operators: Default::default(),
                dtypes: Default::default(),
                peak_memory: 1 << 20,
                architectures: Default::default(),
                cpu_features: Default::default(),
                target: None,
            },
            measured: Measured::default(),
            golden: Golden {
                blob: blob(b"?"),
                tolerance: 0.001,
            },
            provenance: Provenance {
                source: Digest::of(b"source"),
                recipe: "by hand".into(),
                tool: "test".into(),
            },
        }],
    };
    let mut classifier = Classifier::open(
        &manifest,
        &manifest.variants[0],
        ModelSource::Bytes(&model),
        &Options::default(),
    )
    .unwrap();
    let pixels = [200u8; 48];
    let frame = Frame::rgb(4, 4, &pixels).unwrap();
    let golden = GoldenSet::record(&mut classifier, &[frame]).unwrap();
    finish(manifest, model, golden.to_cbor().unwrap())
}

/// A layer from a square picture of that side to two labels.
fn linear(side: usize, numbers: Vec<f32>) -> Vec<u8> {
    let graph = Graph::new(
        Input {
            name: "input".into(),
            shape: vec![3, side, side],
        },
        "output",
        vec![Layer::Linear {
            weight: "w".into(),
            bias: None,
        }],
    );
    let weight = Weight {
        name: "w".into(),
        shape: vec![2, 3 * side * side],
        numbers,
        quantization: Quantization::F32,
    };
    let mut model = Cursor::new(Vec::new());
    write_gguf(&mut model, &graph, &[weight]).unwrap();
    model.into_inner()
}

fn blob(bytes: &[u8]) -> Blob {
    Blob {
        sha256: Digest::of(bytes),
        length: bytes.len() as u64,
    }
}

fn finish(mut manifest: Manifest, model: Vec<u8>, golden: Vec<u8>) -> (Manifest, Vec<Vec<u8>>) {
    manifest.variants[0].blob = blob(&model);
    manifest.variants[0].golden.blob = blob(&golden);
    let json = manifest.to_json().unwrap();
    (manifest, vec![json, model, golden])
}

/// A manifest for [`onnx::means`].
fn onnx_manifest() -> Manifest {
    let (mut manifest, _) = model_files(1);
    manifest.task = Task::Classification {
        labels: ["red", "green", "blue"].map(Label::from_name).to_vec(),
    };
    manifest.variants[0].engine = EngineKind::OnnxRuntime;
    manifest
}

/// Golden outputs that need no engine here: the mean of each channel of an even picture.
fn with_golden(manifest: Manifest, model: Vec<u8>) -> (Manifest, Vec<Vec<u8>>) {
    let case = noroshi_engine::GoldenCase {
        width: 4,
        height: 4,
        rgb: vec![51; 48],
        numbers: false,
        output: vec![0.2; 3],
    };
    let golden = GoldenSet { cases: vec![case] }.to_cbor().unwrap();
    finish(manifest, model, golden)
}

pub fn assignment(manifest: &Manifest, json: &[u8]) -> Assignment {
    Assignment {
        pipeline: "door".parse().unwrap(),
        revision: manifest.version,
        source: "door".into(),
        model: ModelChoice {
            model: manifest.model.clone(),
            version: manifest.version,
            manifest: Blob {
                sha256: Digest::of(json),
                length: json.len() as u64,
            },
            variant: manifest.variants[0].name.clone(),
        },
        filters: Vec::new(),
        top: 2,
    }
}

/// A running agent; killed at the end of the test.
pub struct Agent<'a> {
    world: &'a World,
    pub child: Child,
}

impl Agent<'_> {
    /// What `noroshi-agent status --json` says, once the agent answers.
    pub fn status(&self) -> Option<Value> {
        let output = Command::new(BINARY)
            .args(["status", "--json", "--config"])
            .arg(self.world.path("agent.toml"))
            .output()
            .unwrap();
        serde_json::from_slice(&output.stdout).ok()
    }

    /// The only pipeline's report.
    pub fn pipeline(&self) -> Option<Value> {
        let status = self.status()?;
        status["reported"]["pipelines"].as_array()?.first().cloned()
    }

    pub fn frames(&self) -> u64 {
        self.pipeline()
            .and_then(|pipeline| pipeline["figures"]["frames"].as_u64())
            .unwrap_or(0)
    }

    /// Processes that the agent started with that subcommand.
    pub fn children(&self, subcommand: &str) -> Vec<u32> {
        let agent = self.child.id();
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else {
                continue;
            };
            let read = |name: &str| std::fs::read_to_string(entry.path().join(name));
            let (Ok(stat), Ok(line)) = (read("stat"), read("cmdline")) else {
                continue;
            };
            let parent = stat
                .rsplit_once(')')
                .and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
            if parent == Some(agent) && line.split('\0').nth(1) == Some(subcommand) {
                found.push(pid);
            }
        }
        found
    }

    /// Sends a signal to the agent itself.
    pub fn signal(&self, signal: rustix::process::Signal) {
        send(self.child.id(), signal);
    }

    /// Stops it as an operator would.
    pub fn stop(mut self) {
        self.signal(rustix::process::Signal::TERM);
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
    }
}

impl Drop for Agent<'_> {
    fn drop(&mut self) {
        // Already waited for, or gone now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn send(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// Waits for a fact.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(fact) = look() {
            return fact;
        }
        assert!(Instant::now() < deadline, "not within 30 s: {what}");
        std::thread::yield_now();
    }
}

/// Whether every file of a folder can be read by anybody but its owner.
pub fn is_private(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o077 == 0
}
