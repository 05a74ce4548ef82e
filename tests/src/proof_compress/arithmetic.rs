//! The networks of the survey: exact integers from the exported files, which run in the agent's
//! engine.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use noroshi_engine::{ModelSource, Options, Tensor, open};
use noroshi_model::EngineKind;
use serde_json::Value;

use crate::assets::engine_options;
use crate::claims::Claim;
use crate::process::program;
use crate::rows::Context;

/// A network, its side in pixels, parameters and multiplications.
struct Expected {
    network: &'static str,
    side: usize,
    parameters: u64,
    macs: u64,
}

const fn expected(network: &'static str, side: usize, parameters: u64, macs: u64) -> Expected {
    Expected {
        network,
        side,
        parameters,
        macs,
    }
}

const NETWORKS: [Expected; 10] = [
    expected("mobilenet-v1", 224, 4_231_976, 568_740_352),
    expected("mobilenet-v2", 224, 3_504_872, 300_774_272),
    expected("mobilenet-v3-large", 224, 5_483_032, 216_589_760),
    expected("mobilenet-v3-small", 224, 2_542_856, 56_510_400),
    expected("squeezenet-1.0", 227, 1_248_424, 832_667_936),
    expected("squeezenet-1.1", 227, 1_235_496, 387_747_520),
    expected("shufflenet-g3", 224, 1_865_728, 137_460_672),
    expected("vgg16", 224, 138_357_544, 15_470_264_320),
    expected("googlenet", 224, 6_998_552, 1_582_671_872),
    expected("alexnet", 227, 60_965_224, 724_406_816),
];

/// Parameters of MobileNet V2 once batch normalization is folded.
const FOLDED: u64 = 3_487_816;

/// Kilobytes of its own that inspecting the largest file, 553 MB, may take.
const INSPECTION_KILOBYTES: u64 = 128 << 10;

/// What was read from one exported file.
struct Seen {
    parameters: u64,
    folded: u64,
    macs: u64,
    weight_bytes: u64,
}

/// The row.
pub(super) fn run(context: &Context) -> Result<Vec<Claim>> {
    let folder = context.folder()?;
    let mut claims = Vec::new();
    let mut all = Vec::new();
    for network in &NETWORKS {
        let path = folder.join(format!("{}.onnx", network.network));
        let seen = export_and_inspect(network.network, &path)?;
        claims.push(
            exact(
                network.network,
                "parameters",
                seen.parameters,
                network.parameters,
            )
            .with("folded", seen.folded),
        );
        claims.push(exact(network.network, "MACs", seen.macs, network.macs));
        claims.push(runs(network, &path)?);
        std::fs::remove_file(&path)?;
        all.push(seen);
    }
    let [v1, v2, vgg, googlenet] = [0, 1, 7, 8].map(|place: usize| &all[place]);
    claims.push(exact(
        "mobilenet-v2",
        "parameters, folded",
        v2.folded,
        FOLDED,
    ));
    let ratio = |of: u64, to: u64| of as f64 / to as f64;
    for (name, found, wanted) in [
        (
            "VGG16 over MobileNet V1: parameters",
            ratio(vgg.parameters, v1.parameters),
            32.69,
        ),
        (
            "VGG16 over MobileNet V1: MACs",
            ratio(vgg.macs, v1.macs),
            27.20,
        ),
        (
            "MobileNet V1 over GoogLeNet: parameters",
            ratio(v1.parameters, googlenet.parameters),
            0.605,
        ),
        (
            "MobileNet V1 over GoogLeNet: MACs",
            ratio(v1.macs, googlenet.macs),
            0.359,
        ),
    ] {
        let near = (found / wanted - 1.0).abs() < 1.5e-3;
        claims.push(Claim::new(
            name,
            found,
            &format!("{wanted}, the survey's"),
            near,
        ));
    }
    // The control: counting running statistics as parameters is the usual mistake.
    let mistaken = v1.weight_bytes / 4;
    claims.push(Claim::new(
        "control: MobileNet V1 with running statistics counted",
        mistaken,
        "another number than the parameters",
        mistaken != v1.parameters && mistaken > v1.parameters,
    ));
    Ok(claims)
}

fn exact(network: &str, what: &str, found: u64, wanted: u64) -> Claim {
    let name = format!("{network}: {what}");
    Claim::new(&name, found, &format!("exactly {wanted}"), found == wanted)
}

/// Exports a network by the command, and inspects the file by the command, within a limit of
/// memory that the larger files exceed.
fn export_and_inspect(network: &str, path: &PathBuf) -> Result<Seen> {
    let noroshi = program("noroshi")?;
    let mut export = Command::new(&noroshi);
    export
        .args([
            "--json",
            "model",
            "export",
            "--network",
            network,
            "--output",
        ])
        .arg(path);
    json(&mut export)?;
    let limited = format!("ulimit -d {INSPECTION_KILOBYTES}; exec \"$0\" \"$@\"");
    let mut inspect = Command::new("sh");
    inspect
        .args(["-c", &limited])
        .arg(&noroshi)
        .args(["--json", "model", "inspect"])
        .arg(path);
    let seen = json(&mut inspect)?;
    let number = |name: &str| {
        let number = seen[name].as_u64();
        number.with_context(|| format!("inspect tells no {name}"))
    };
    ensure!(
        seen["unknown_shapes"] == 0,
        "{network} has values of unknown size"
    );
    Ok(Seen {
        parameters: number("parameters")?,
        folded: number("folded_parameters")?,
        macs: number("macs")?,
        weight_bytes: number("weight_bytes")?,
    })
}

fn json(command: &mut Command) -> Result<Value> {
    let output = command.stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        bail!("{command:?} ended with {}", output.status);
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// One answer from the agent's engine.
fn runs(network: &Expected, path: &Path) -> Result<Claim> {
    let options = Options {
        threads: 2,
        ..engine_options()?
    };
    let mut engine = open(EngineKind::OnnxRuntime, ModelSource::Path(path), &options)?;
    let side = network.side;
    let pixels: Vec<f32> = (0..3 * side * side)
        .map(|pixel| (pixel % 255) as f32 / 255.0)
        .collect();
    let input = Tensor::f32(vec![1, 3, side, side], pixels)?;
    let outputs = engine.run(&[input])?;
    let answer = outputs[0].to_f32();
    let sound = outputs[0].shape() == [1, 1000] && answer.iter().all(|value| value.is_finite());
    Ok(Claim::new(
        &format!("{}: runs in the agent's engine", network.network),
        outputs[0].shape().to_vec(),
        "1,000 finite numbers",
        sound,
    ))
}
