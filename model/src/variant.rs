//! Variants: one model version, several files, each for some devices.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{Architecture, Digest, Provenance, VariantName};

/// A file named by its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blob {
    /// SHA-256 of the whole file.
    pub sha256: Digest,
    /// Length in bytes.
    pub length: u64,
}

/// What runs the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EngineKind {
    /// ONNX Runtime, for .onnx files.
    OnnxRuntime,
    /// candle, for GGUF and safetensors files with quantized weights.
    Candle,
    /// Noroshi's own kernels for weights of one bit, for .nbin files.
    Binary,
    /// ONNX Runtime, for files that were compiled ahead of time for one target.
    OnnxCompiled,
    /// Models of a few kilobytes, for .ntm files.
    Tiny,
}

impl EngineKind {
    /// The word used in manifests, tables and errors.
    pub const fn word(self) -> &'static str {
        match self {
            Self::OnnxRuntime => "onnx_runtime",
            Self::Candle => "candle",
            Self::Binary => "binary",
            Self::OnnxCompiled => "onnx_compiled",
            Self::Tiny => "tiny",
        }
    }

    /// The engine that a device must have for it: compiled files run in ONNX Runtime too.
    #[must_use]
    pub const fn installed(self) -> Self {
        match self {
            Self::OnnxCompiled => Self::OnnxRuntime,
            other => other,
        }
    }
}

/// The widest arithmetic that most of the model's weights use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floating point.
    Fp32,
    /// 16-bit floating point.
    Fp16,
    /// 8-bit integers.
    Int8,
    /// 4-bit integers.
    Int4,
    /// One bit a weight.
    Binary,
}

/// Type of a tensor's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum ElementType {
    F64,
    F32,
    F16,
    Bf16,
    I64,
    I32,
    I16,
    I8,
    I4,
    U64,
    U32,
    U16,
    U8,
    U4,
    Bool,
    Text,
}

/// What a device must have to run the file; read from the file itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirements {
    /// ONNX operator set of the default domain; 0 for other formats.
    pub opset: u32,
    /// ONNX intermediate representation version; 0 for other formats.
    pub ir: u32,
    /// Operators used, `domain::Name` outside the default domain.
    pub operators: BTreeSet<String>,
    /// Element types used.
    pub dtypes: BTreeSet<ElementType>,
    /// Bytes of memory for weights and activations while running, from a liveness plan.
    pub peak_memory: u64,
    /// Architectures it runs on; empty means any.
    #[serde(default)]
    pub architectures: BTreeSet<Architecture>,
    /// CPU features it cannot run without, such as `avx2`.
    #[serde(default)]
    pub cpu_features: BTreeSet<String>,
    /// The only runtime and instruction set that a compiled file runs on; none for all others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
}

/// What a file was compiled for. Both must be met exactly: the graph is cut to the kernels of
/// one version, and blocks of memory to the width of one instruction set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Version of ONNX Runtime, such as `1.32.0`.
    pub runtime: String,
    /// The word of [`isa_of`](crate::isa_of), such as `avx512_vnni`.
    pub isa: String,
}

/// Figures measured when the variant was made.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// Parameters of the network.
    pub parameters: u64,
    /// Multiply-accumulate operations of one inference (Conv and Gemm).
    pub macs: u64,
    /// Top-1 agreement with the source model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement: Option<Agreement>,
    /// CPU time of one inference per chip.
    #[serde(default)]
    pub latency: Vec<Latency>,
}

/// How often two models give the same top label.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    /// Inputs with the same top label.
    pub same: u64,
    /// Inputs compared.
    pub of: u64,
    /// Lower end of the 95 % Wilson interval, 0..=1.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// CPU time of one inference, one thread, batch of one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Latency {
    /// What was measured on: the CPU's name or best instruction set.
    pub chip: String,
    /// Median CPU milliseconds.
    pub cpu_ms: f64,
}

/// Inputs with the answers that a device must reproduce before it goes live.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// The set of frames and expected outputs.
    pub blob: Blob,
    /// Largest allowed absolute difference of an output number.
    pub tolerance: f32,
}

/// One way to run a model version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Unique within the version.
    pub name: VariantName,
    /// What runs it.
    pub engine: EngineKind,
    /// Its arithmetic.
    pub precision: Precision,
    /// Its file.
    pub blob: Blob,
    /// What a device must have.
    pub requirements: Requirements,
    /// What was measured.
    #[serde(default)]
    pub measured: Measured,
    /// The inputs it must answer before it goes live.
    pub golden: Golden,
    /// Where it comes from.
    pub provenance: Provenance,
}
