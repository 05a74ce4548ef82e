//! What a device can run: reported at enrolment and whenever it changes.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::EngineKind;

/// Instruction set architecture, as Rust names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Architecture {
    X86_64,
    Aarch64,
    Arm,
    #[serde(other)]
    Other,
}

impl Architecture {
    /// The architecture named as in `std::env::consts::ARCH`.
    pub fn from_rust(name: &str) -> Self {
        match name {
            "x86_64" => Self::X86_64,
            "aarch64" => Self::Aarch64,
            "arm" => Self::Arm,
            _ => Self::Other,
        }
    }
}

/// What a device has. Unknown fields are ignored: a newer agent may say more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Architecture of the CPU.
    pub architecture: Architecture,
    /// CPU features found, such as `avx512vnni`, `asimddp`.
    pub cpu_features: BTreeSet<String>,
    /// The CPU's name, as the kernel gives it.
    pub chip: String,
    /// Operating system, for people.
    pub os: String,
    /// Version of the C library; empty if unknown.
    pub glibc: String,
    /// Bytes of memory in all.
    pub memory: u64,
    /// Version of the agent.
    pub agent: String,
    /// Engines that can run here.
    pub runtimes: Vec<Runtime>,
}

/// One engine on a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runtime {
    /// Which engine.
    pub engine: EngineKind,
    /// Its version.
    pub version: String,
    /// Newest ONNX operator set it reads; 0 where that means nothing.
    pub max_opset: u32,
    /// Newest ONNX intermediate representation it reads; 0 likewise.
    pub max_ir: u32,
}
