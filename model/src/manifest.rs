//! The manifest of a model version: JSON, signed as a TUF target, at most 1 MiB.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{Digest, EngineKind, InputSpec, ModelId, OutputSpec, Task, Variant, VariantName};

/// Largest manifest that is read, in bytes.
pub const MAX_MANIFEST_BYTES: usize = 1 << 20;
/// Largest model file, in bytes.
pub const MAX_MODEL_BYTES: u64 = 2 << 30;
const FORMAT: u32 = 1;
const MAX_VARIANTS: usize = 32;
const MAX_LABELS: usize = 65_536;

/// A model version: what goes in, what comes out, and the files that compute it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this document's format.
    pub format: u32,
    /// Which model.
    pub model: ModelId,
    /// Which version of it, from 1.
    pub version: u32,
    /// What it does.
    pub task: Task,
    /// What goes in.
    pub input: InputSpec,
    /// What comes out.
    pub output: OutputSpec,
    /// Files to choose from, best first.
    pub variants: Vec<Variant>,
}

/// Where a file comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Digest of the file it was made from; its own if it was not derived.
    pub source: Digest,
    /// How: the recipe in words or a command line.
    pub recipe: String,
    /// What made it, with its version.
    pub tool: String,
}

/// A manifest that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Larger than [`MAX_MANIFEST_BYTES`].
    #[error("the manifest has {0} bytes; at most {MAX_MANIFEST_BYTES} are read")]
    TooLarge(usize),
    /// Not a manifest's JSON.
    #[error("the manifest can't be read: {0}")]
    Malformed(String),
    /// Written by a newer tool.
    #[error("the manifest has format {0}, this version reads {FORMAT}: upgrade Noroshi")]
    NewerFormat(u32),
    /// A rule is broken.
    #[error("the manifest is not sound: {0}")]
    Unsound(String),
}

impl Manifest {
    /// The format that this version writes.
    pub const FORMAT: u32 = FORMAT;

    /// Reads and checks a manifest.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ManifestError> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        if bytes.len() > MAX_MANIFEST_BYTES {
            return Err(ManifestError::TooLarge(bytes.len()));
        }
        let malformed = |e: serde_json::Error| ManifestError::Malformed(e.to_string());
        let Format { format } = serde_json::from_slice(bytes).map_err(malformed)?;
        if format != FORMAT {
            return Err(ManifestError::NewerFormat(format));
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(malformed)?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The manifest as JSON: the bytes that are signed.
    pub fn to_json(&self) -> Result<Vec<u8>, ManifestError> {
        self.check()?;
        let bytes =
            serde_json::to_vec(self).map_err(|e| ManifestError::Malformed(e.to_string()))?;
        if bytes.len() > MAX_MANIFEST_BYTES {
            return Err(ManifestError::TooLarge(bytes.len()));
        }
        Ok(bytes)
    }

    /// The variant called `name`.
    pub fn variant(&self, name: &VariantName) -> Option<&Variant> {
        self.variants.iter().find(|variant| variant.name == *name)
    }

    /// The TUF target's name for this version.
    pub fn target_name(model: &ModelId, version: u32) -> String {
        format!("models/{model}/{version}.json")
    }

    /// Whether every rule holds.
    pub fn check(&self) -> Result<(), ManifestError> {
        match self.fault() {
            None => Ok(()),
            Some(fault) => Err(ManifestError::Unsound(fault)),
        }
    }

    fn fault(&self) -> Option<String> {
        let labels = self.task.labels();
        if self.version == 0 {
            return Some("version counts from 1".into());
        }
        if let Some(fault) = self.input.fault() {
            return Some(fault);
        }
        if self.output.name.is_empty() || self.output.name.len() > 256 {
            return Some("output.name must have 1 to 256 bytes".into());
        }
        if labels.is_empty() || labels.len() > MAX_LABELS {
            return Some(format!("there must be 1 to {MAX_LABELS} labels"));
        }
        if let Some(bad) = labels.iter().find(|label| !label.is_sound()) {
            return Some(format!(
                "label slug {:?} is not [a-z0-9_]{{1,32}}",
                bad.slug
            ));
        }
        if self.variants.is_empty() || self.variants.len() > MAX_VARIANTS {
            return Some(format!("there must be 1 to {MAX_VARIANTS} variants"));
        }
        let names: BTreeSet<_> = self.variants.iter().map(|variant| &variant.name).collect();
        if names.len() != self.variants.len() {
            return Some("two variants have the same name".into());
        }
        self.variants.iter().find_map(variant_fault)
    }
}

fn variant_fault(variant: &Variant) -> Option<String> {
    let name = &variant.name;
    if variant.blob.length == 0 || variant.blob.length > MAX_MODEL_BYTES {
        return Some(format!(
            "variant {name}: a file has 1 to {MAX_MODEL_BYTES} bytes"
        ));
    }
    if !variant.golden.tolerance.is_finite() || variant.golden.tolerance < 0.0 {
        return Some(format!(
            "variant {name}: the golden tolerance must be zero or more"
        ));
    }
    let compiled = variant.engine == EngineKind::OnnxCompiled;
    if compiled != variant.requirements.target.is_some() {
        return Some(format!(
            "variant {name}: a compiled file, and no other, names its target"
        ));
    }
    if variant.requirements.peak_memory > 1 << 40 {
        return Some(format!("variant {name}: peak_memory is beyond any device"));
    }
    None
}

#[cfg(test)]
pub(crate) mod tests;
