//! Products of bits beside those of floats and bytes, on this machine.

use std::process::{Command, Stdio};

use anyhow::{Result, ensure};
use noroshi_compress::binary::{Comparison, Work, compare};
use noroshi_engine::{LibraryOptions, Options};

use crate::assets::{asset, workspace};
use crate::claims::{Claim, rounded};
use crate::rows::Context;

const WORKS: [Work; 2] = [
    Work::Product {
        rows: 64,
        inputs: 1024,
        outputs: 1024,
    },
    Work::Convolution {
        side: 56,
        channels: 64,
    },
];

pub(super) fn run(_: &Context) -> Result<Vec<Claim>> {
    let options = Options {
        threads: 1,
        library: LibraryOptions {
            path: Some(asset("onnxruntime/libonnxruntime.so")?),
            ..LibraryOptions::default()
        },
        ..Options::default()
    };
    let mut claims = Vec::new();
    for work in WORKS {
        let comparison = compare(work, &options)?;
        eprint!("{comparison}");
        claims.extend(gain(&comparison, "W1A1 popcnt", 2.0));
        claims.extend(gain(&comparison, "W1A1 avx512_vpopcntdq", 6.0));
        claims.push(told(&comparison));
    }
    claims.push(on_arm()?);
    Ok(claims)
}

/// NEON beside the plain loops, under an emulator.
fn on_arm() -> Result<Claim> {
    let output = Command::new(workspace().join("scripts/prove-neon"))
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(output.status.success(), "scripts/prove-neon failed");
    Claim::from_line(String::from_utf8(output.stdout)?.trim())
}

/// How many times faster than floats; nothing where the CPU lacks the instruction set.
fn gain(comparison: &Comparison, name: &str, limit: f64) -> Option<Claim> {
    let gain = comparison.gain(name, "f32 gemm")?;
    let claim = Claim::at_least(
        &format!("{}: {name}, times f32 gemm", comparison.work),
        gain,
        limit,
    );
    let mut claim = claim.with("isa", comparison.isa);
    for timing in &comparison.timings {
        let microseconds = rounded(timing.microseconds);
        claim = claim.with(&format!("{}, µs", timing.name), microseconds);
    }
    Some(claim)
}

/// That the tool names bytes wherever they are faster.
fn told(comparison: &Comparison) -> Claim {
    let verdicts = comparison.verdicts();
    let right = ["W1A1", "W1A2"].iter().zip(&verdicts).all(|(bits, said)| {
        let best = comparison.best(bits).map_or(0.0, |best| best.microseconds);
        let bytes = comparison.of("int8 onnxruntime").unwrap_or(f64::MAX);
        said.contains("int8 is faster here") == (bytes < best)
    });
    Claim::new(
        &format!("{}: what is said of int8", comparison.work),
        verdicts.clone(),
        "int8 is named where it is faster",
        right && verdicts.len() == 2,
    )
}
