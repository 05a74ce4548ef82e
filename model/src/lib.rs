//! What a model *is*: its manifest, inputs and outputs, requirements, and whether it will run.
//!
//! Pure: no files, no clock, no network. Bytes come in as slices and leave as vectors.

mod capability;
mod digest;
mod features;
mod filter;
mod input;
mod manifest;
mod name;
mod output;
mod variant;
mod verdict;

pub use capability::{Architecture, Capabilities, Runtime, TINY_VERSION, isa_of};
pub use digest::{Digest, DigestError};
pub use features::{Bands, Cepstrum, FeaturePart, Features, Statistic};
pub use filter::Filter;
pub use input::{ColorOrder, InputSpec, Layout, Normalization, Resize};
pub use manifest::{MAX_MANIFEST_BYTES, MAX_MODEL_BYTES, Manifest, ManifestError, Provenance};
pub use name::{ModelId, NameError, VariantName, is_id};
pub use output::{Activation, Label, OutputSpec, Task};
pub use variant::{
    Agreement, Blob, ElementType, EngineKind, Golden, Latency, Measured, Precision, Requirements,
    Target, Variant,
};
pub use verdict::{Obstacle, Verdict, choose_variant, verdict};
