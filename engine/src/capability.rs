//! What this machine and process can run.

use std::collections::BTreeSet;

use noroshi_model::{Architecture, Capabilities, EngineKind, Runtime, TINY_VERSION, isa_of};

use crate::error::EngineError;
use crate::onnx::{LibraryOptions, limits, warm};

/// The engines that were found, and why the others were not.
#[derive(Debug)]
pub struct Runtimes {
    /// Engines that can run.
    pub found: Vec<Runtime>,
    /// Why an engine can't, with the cure.
    pub missing: Vec<EngineError>,
}

/// Tries every engine. Loads ONNX Runtime to do so: an agent that has to stay small calls this
/// in a process that ends.
pub fn runtimes(options: &LibraryOptions) -> Runtimes {
    let mut runtimes = Runtimes {
        found: vec![
            built_in(EngineKind::Candle, crate::candle::VERSION),
            built_in(EngineKind::Binary, crate::binary::VERSION),
            built_in(EngineKind::Tiny, &TINY_VERSION.to_string()),
        ],
        missing: Vec::new(),
    };
    match warm(options).and_then(|library| Ok((library, limits(options)?))) {
        Ok((library, limits)) => runtimes.found.insert(
            0,
            Runtime {
                engine: EngineKind::OnnxRuntime,
                version: library.version,
                max_opset: limits.opset,
                max_ir: limits.ir,
            },
        ),
        Err(error) => runtimes.missing.push(error),
    }
    runtimes
}

/// An engine that is part of this program.
fn built_in(engine: EngineKind, version: &str) -> Runtime {
    Runtime {
        engine,
        version: version.to_owned(),
        max_opset: 0,
        max_ir: 0,
    }
}

/// The report on this machine. What can't be found out stays empty or zero.
pub fn detect(agent: &str, runtimes: Vec<Runtime>) -> Capabilities {
    Capabilities {
        architecture: Architecture::from_rust(std::env::consts::ARCH),
        cpu_features: cpu_features(),
        chip: chip(),
        os: os(),
        glibc: glibc().unwrap_or_default(),
        memory: memory().unwrap_or(0),
        agent: agent.to_owned(),
        runtimes,
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The text after `key` in the first line that begins with it, up to 128 characters.
fn value_of(text: &str, key: &str, separator: char) -> Option<String> {
    text.lines()
        .find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix(separator))
        .map(|value| value.trim().trim_matches('"').chars().take(128).collect())
}

fn chip() -> String {
    let cpu = read("/proc/cpuinfo");
    value_of(&cpu, "model name", ':')
        .or_else(|| value_of(&cpu, "Model", ':'))
        .or_else(|| {
            let board = read("/proc/device-tree/model");
            let board = board.trim_matches(['\0', '\n', ' ']);
            (!board.is_empty()).then(|| board.chars().take(128).collect())
        })
        .or_else(|| value_of(&cpu, "CPU part", ':').map(|part| format!("CPU part {part}")))
        .unwrap_or_default()
}

fn os() -> String {
    value_of(&read("/etc/os-release"), "PRETTY_NAME", '=').unwrap_or_default()
}

fn memory() -> Option<u64> {
    let total = value_of(&read("/proc/meminfo"), "MemTotal", ':')?;
    let kilobytes: u64 = total.strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn glibc() -> Option<String> {
    crate::allocator::glibc_version()
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn glibc() -> Option<String> {
    None
}

/// The CPU's features that matter to models: on x86 as Rust names them (`avx512vnni`), on ARM
/// as the kernel does (`asimddp`).
pub fn cpu_features() -> BTreeSet<String> {
    let mut features = detected();
    // Neither Rust's detection nor every kernel knows these; the kernel's word is enough.
    let cpu = read("/proc/cpuinfo");
    let flags = value_of_flags(&cpu);
    for extra in ["amx_int8", "amx_bf16", "amx_tile"] {
        if flags.contains(extra) {
            features.insert(extra.to_owned());
        }
    }
    if features.is_empty() {
        features.extend(flags.into_iter().take(128).map(str::to_owned));
    }
    features
}

/// The first line of flags in `/proc/cpuinfo`.
fn value_of_flags(cpu: &str) -> BTreeSet<&str> {
    cpu.lines()
        .find_map(|line| {
            let (key, flags) = line.split_once(':')?;
            matches!(key.trim(), "flags" | "Features").then_some(flags)
        })
        .map(|flags| flags.split_whitespace().collect())
        .unwrap_or_default()
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! found {
    ($detect:ident, $($feature:tt => $name:literal),+ $(,)?) => {{
        let mut found = BTreeSet::new();
        $(if std::arch::$detect!($feature) {
            found.insert(String::from($name));
        })+
        found
    }};
}

#[cfg(target_arch = "x86_64")]
fn detected() -> BTreeSet<String> {
    found!(is_x86_feature_detected,
        "sse2" => "sse2", "ssse3" => "ssse3", "sse4.1" => "sse4.1", "sse4.2" => "sse4.2",
        "avx" => "avx", "avx2" => "avx2", "fma" => "fma", "f16c" => "f16c",
        "avxvnni" => "avxvnni", "avx512f" => "avx512f", "avx512bw" => "avx512bw",
        "avx512dq" => "avx512dq", "avx512vl" => "avx512vl", "avx512vnni" => "avx512vnni",
        "avx512bf16" => "avx512bf16", "avx512vpopcntdq" => "avx512vpopcntdq", "popcnt" => "popcnt",
    )
}

#[cfg(target_arch = "aarch64")]
fn detected() -> BTreeSet<String> {
    found!(is_aarch64_feature_detected,
        "neon" => "asimd", "dotprod" => "asimddp", "i8mm" => "i8mm", "fp16" => "asimdhp",
        "bf16" => "bf16", "sve" => "sve", "sve2" => "sve2",
    )
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn detected() -> BTreeSet<String> {
    BTreeSet::new()
}

/// The best instruction set for 8-bit models that this CPU has: what `isa` in reports says.
pub fn isa() -> &'static str {
    isa_of(&cpu_features())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::testing::library;

    #[test]
    fn this_machine_says_what_it_is() {
        let found = detect("0.1.0", Vec::new());
        assert!(found.memory > 64 << 20, "{found:?}");
        assert!(!found.cpu_features.is_empty() && !found.os.is_empty());
        #[cfg(target_env = "gnu")]
        assert!(found.glibc.starts_with("2."), "{}", found.glibc);
    }

    #[test]
    fn both_engines_are_found() {
        let found = runtimes(&library());
        assert!(found.missing.is_empty(), "{:?}", found.missing);
        assert_eq!(found.found[0].engine, EngineKind::OnnxRuntime);
        assert!(found.found[0].version.starts_with("1."), "{found:?}");
        assert_eq!(found.found[1].engine, EngineKind::Candle);
        assert_eq!(found.found[2].engine, EngineKind::Binary);
        assert_eq!(found.found[3].engine, EngineKind::Tiny);
    }
}
