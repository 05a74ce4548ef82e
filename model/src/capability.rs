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

/// What the engine of models of a few kilobytes can do, as its version in [`Runtime`]: 1 answers,
/// 2 explains, 3 learns.
pub const TINY_VERSION: u32 = 3;

impl Capabilities {
    /// Whether the device knows the command *explain*.
    pub fn explains(&self) -> bool {
        self.tiny_version() >= 2
    }

    /// Whether the device knows the commands about learning.
    pub fn learns(&self) -> bool {
        self.tiny_version() >= 3
    }

    fn tiny_version(&self) -> u32 {
        let tiny = |runtime: &&Runtime| runtime.engine == EngineKind::Tiny;
        let found = self.runtimes.iter().find(tiny);
        // A version that is no number is one that nothing is known of.
        found.map_or(0, |runtime| runtime.version.parse().unwrap_or(0))
    }
}

/// The best instruction set for 8-bit models among a CPU's `features`; `generic` if none is known.
pub fn isa_of(features: &BTreeSet<String>) -> &'static str {
    // From the best; the second word is what reports and compiled files say.
    const ORDER: [(&str, &str); 12] = [
        ("amx_int8", "amx_int8"),
        ("avx512vnni", "avx512_vnni"),
        ("avxvnni", "avx_vnni"),
        ("avx512f", "avx512"),
        ("avx2", "avx2"),
        ("avx", "avx"),
        ("sse4.1", "sse4_1"),
        ("sse2", "sse2"),
        ("i8mm", "i8mm"),
        ("asimddp", "dotprod"),
        ("asimd", "neon"),
        ("neon", "neon"),
    ];
    ORDER
        .iter()
        .find(|(feature, _)| features.contains(*feature))
        .map_or("generic", |(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_wins() {
        let set = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        assert_eq!(isa_of(&set(&["avx2", "avx512vnni", "sse2"])), "avx512_vnni");
        assert_eq!(isa_of(&set(&["asimd", "asimddp"])), "dotprod");
        assert_eq!(isa_of(&set(&[])), "generic");
    }
}
