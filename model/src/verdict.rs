//! Will it run? Answered before anything is sent.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Capabilities, EngineKind, Manifest, Runtime, Target, Variant, isa_of};

/// Why a variant can't run on a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Obstacle {
    /// The engine isn't there.
    EngineMissing(EngineKind),
    /// The file's operator set is newer than the engine reads.
    OpsetTooNew {
        /// The file's.
        needed: u32,
        /// The newest the engine reads.
        supported: u32,
    },
    /// The file's intermediate representation is newer than the engine reads.
    IrTooNew {
        /// The file's.
        needed: u32,
        /// The newest the engine reads.
        supported: u32,
    },
    /// Built for other architectures.
    WrongArchitecture,
    /// Compiled for another version of the runtime.
    WrongRuntime {
        /// The file's.
        needed: String,
        /// The device's.
        found: String,
    },
    /// Compiled for another instruction set.
    WrongIsa {
        /// The file's.
        needed: String,
        /// The device's.
        found: String,
    },
    /// The CPU lacks a feature.
    CpuFeatureMissing(String),
    /// The device's memory can't hold it.
    NotEnoughMemory {
        /// Bytes while running.
        needed: u64,
        /// Bytes of the device that models may use.
        available: u64,
    },
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EngineMissing(engine) => {
                write!(
                    f,
                    "the engine {} is not installed on the device",
                    engine.word()
                )
            }
            Self::OpsetTooNew { needed, supported } => write!(
                f,
                "the model uses operator set {needed}, the device's engine reads up to {supported}: \
                 export it for an older one or upgrade the engine"
            ),
            Self::IrTooNew { needed, supported } => write!(
                f,
                "the model has IR version {needed}, the device's engine reads up to {supported}: \
                 export it for an older one or upgrade the engine"
            ),
            Self::WrongArchitecture => f.write_str("the file is built for another architecture"),
            Self::WrongRuntime { needed, found } => write!(
                f,
                "it is compiled for ONNX Runtime {needed}, the device has {found}: compile it for \
                 that, or add the .onnx file as another variant"
            ),
            Self::WrongIsa { needed, found } => write!(
                f,
                "it is compiled for {needed}, the device's best instruction set is {found}: \
                 compile it on such a machine, or add the .onnx file as another variant"
            ),
            Self::CpuFeatureMissing(feature) => write!(f, "the CPU lacks {feature}"),
            Self::NotEnoughMemory { needed, available } => {
                write!(
                    f,
                    "it needs {needed} bytes of memory, {available} are available to models"
                )
            }
        }
    }
}

/// The answer for one variant on one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing stands in the way.
    Runs,
    /// Everything that stands in the way.
    Refused(Vec<Obstacle>),
}

/// Share of a device's memory that models may use.
const MEMORY_SHARE: u64 = 2;

/// Whether `variant` runs on a device with `capabilities`.
pub fn verdict(variant: &Variant, capabilities: &Capabilities) -> Verdict {
    let needs = &variant.requirements;
    let mut obstacles = Vec::new();
    match capabilities
        .runtimes
        .iter()
        .find(|runtime| runtime.engine == variant.engine.installed())
    {
        None => obstacles.push(Obstacle::EngineMissing(variant.engine.installed())),
        Some(runtime) => {
            obstacles.extend(wrong_target(needs.target.as_ref(), runtime, capabilities));
            if needs.opset > runtime.max_opset {
                obstacles.push(Obstacle::OpsetTooNew {
                    needed: needs.opset,
                    supported: runtime.max_opset,
                });
            }
            if needs.ir > runtime.max_ir {
                obstacles.push(Obstacle::IrTooNew {
                    needed: needs.ir,
                    supported: runtime.max_ir,
                });
            }
        }
    }
    if !needs.architectures.is_empty() && !needs.architectures.contains(&capabilities.architecture)
    {
        obstacles.push(Obstacle::WrongArchitecture);
    }
    let missing = needs.cpu_features.difference(&capabilities.cpu_features);
    obstacles.extend(missing.cloned().map(Obstacle::CpuFeatureMissing));
    let available = capabilities.memory / MEMORY_SHARE;
    if needs.peak_memory > available {
        obstacles.push(Obstacle::NotEnoughMemory {
            needed: needs.peak_memory,
            available,
        });
    }
    if obstacles.is_empty() {
        Verdict::Runs
    } else {
        Verdict::Refused(obstacles)
    }
}

/// What a compiled file misses on the device.
fn wrong_target(
    target: Option<&Target>,
    runtime: &Runtime,
    capabilities: &Capabilities,
) -> Vec<Obstacle> {
    let mut obstacles = Vec::new();
    let Some(Target {
        runtime: version,
        isa,
    }) = target
    else {
        return obstacles;
    };
    if *version != runtime.version {
        obstacles.push(Obstacle::WrongRuntime {
            needed: version.clone(),
            found: runtime.version.clone(),
        });
    }
    let found = isa_of(&capabilities.cpu_features);
    if isa != found {
        obstacles.push(Obstacle::WrongIsa {
            needed: isa.clone(),
            found: found.to_owned(),
        });
    }
    obstacles
}

/// The first variant of `manifest` (they stand best first) that runs on the device, or why
/// none does: the obstacles of each, in order.
pub fn choose_variant<'a>(
    manifest: &'a Manifest,
    capabilities: &Capabilities,
) -> Result<&'a Variant, Vec<(&'a Variant, Vec<Obstacle>)>> {
    let mut refused = Vec::new();
    for variant in &manifest.variants {
        match verdict(variant, capabilities) {
            Verdict::Runs => return Ok(variant),
            Verdict::Refused(obstacles) => refused.push((variant, obstacles)),
        }
    }
    Err(refused)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::Architecture;
    use crate::manifest::tests::sample;

    fn pi() -> Capabilities {
        Capabilities {
            architecture: Architecture::Aarch64,
            cpu_features: BTreeSet::from(["asimddp".into()]),
            chip: "Cortex-A76".into(),
            os: "Debian 12".into(),
            glibc: "2.36".into(),
            memory: 4 << 30,
            agent: "0.1.0".into(),
            runtimes: vec![Runtime {
                engine: EngineKind::OnnxRuntime,
                version: "1.32.0".into(),
                max_opset: 23,
                max_ir: 11,
            }],
        }
    }

    #[test]
    fn a_fitting_variant_runs() {
        assert_eq!(verdict(&sample().variants[0], &pi()), Verdict::Runs);
    }

    #[test]
    fn every_obstacle_is_named() {
        let mut variant = sample().variants.remove(0);
        variant.requirements.opset = 99;
        variant.requirements.ir = 99;
        variant.requirements.architectures = BTreeSet::from([Architecture::X86_64]);
        variant.requirements.cpu_features = BTreeSet::from(["avx2".into()]);
        variant.requirements.peak_memory = 3 << 30;
        let Verdict::Refused(obstacles) = verdict(&variant, &pi()) else {
            panic!("runs")
        };
        assert_eq!(obstacles.len(), 5);
        variant.engine = EngineKind::Candle;
        let Verdict::Refused(obstacles) = verdict(&variant, &pi()) else {
            panic!("runs")
        };
        assert_eq!(obstacles[0], Obstacle::EngineMissing(EngineKind::Candle));
    }

    #[test]
    fn a_compiled_file_runs_on_its_target_only() {
        let mut variant = sample().variants.remove(0);
        variant.engine = EngineKind::OnnxCompiled;
        let target = |runtime: &str, isa: &str| {
            Some(Target {
                runtime: runtime.into(),
                isa: isa.into(),
            })
        };
        variant.requirements.target = target("1.32.0", "dotprod");
        assert_eq!(verdict(&variant, &pi()), Verdict::Runs);
        variant.requirements.target = target("1.30.0", "avx2");
        let Verdict::Refused(obstacles) = verdict(&variant, &pi()) else {
            panic!("runs")
        };
        assert!(matches!(
            obstacles[..],
            [Obstacle::WrongRuntime { .. }, Obstacle::WrongIsa { .. }]
        ));
        assert!(obstacles[1].to_string().contains("dotprod"));
    }

    #[test]
    fn the_first_that_runs_is_chosen() {
        let mut manifest = sample();
        let mut heavy = manifest.variants[0].clone();
        heavy.name = "fp32".parse().unwrap();
        heavy.requirements.peak_memory = 8 << 30;
        manifest.variants.insert(0, heavy);
        assert_eq!(
            choose_variant(&manifest, &pi()).unwrap().name.as_str(),
            "int8"
        );
        manifest.variants.truncate(1);
        assert_eq!(choose_variant(&manifest, &pi()).unwrap_err().len(), 1);
    }
}
