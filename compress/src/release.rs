//! A release: a manifest whose figures come from the files themselves, and the blobs it names.

mod binary;
mod tiny;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use noroshi_engine::{Classifier, Frame, GoldenSet, ModelSource, Options, open};
use noroshi_model::{
    Blob, Digest, EngineKind, Golden, InputSpec, Manifest, Measured, ModelId, OutputSpec,
    Precision, Provenance, Requirements, Task, Variant, VariantName,
};

use crate::binary::packed;
use crate::compile::kind_of;
use crate::inspect::{Inspection, inspect_file};
use crate::views::Photo;
use crate::{Error, Result};

/// Largest share of the largest golden number by which a device may differ: float kernels add in
/// another order, integer kernels of another instruction set round some sums differently.
const FLOAT_TOLERANCE: f32 = 0.002;
const INTEGER_TOLERANCE: f32 = 0.05;
/// The same for a compiled file, which runs with the same kernels wherever it runs at all, and for
/// whole-number models: those of a few kilobytes and those of one-bit weights.
const EXACT_TOLERANCE: f32 = 1e-4;

/// What a release is, apart from its files.
#[derive(Debug, Clone)]
pub struct Description {
    /// The model.
    pub model: ModelId,
    /// Which version of it, from 1.
    pub version: u32,
    /// What it does.
    pub task: Task,
    /// What goes in.
    pub input: InputSpec,
    /// What comes out.
    pub output: OutputSpec,
}

/// A file that becomes a variant.
#[derive(Debug, Clone)]
pub struct Source {
    /// The variant's name.
    pub name: VariantName,
    /// The file: ONNX, compiled, a model of a few kilobytes, or a packed network of one-bit
    /// weights.
    pub path: PathBuf,
    /// Agreement and latency; parameters and MACs are read from the file.
    pub measured: Measured,
    /// How it was made, in words or as a command.
    pub recipe: String,
    /// Digest of the file that it was made from; its own if none.
    pub source: Option<Digest>,
    /// Largest difference of a golden number; a share of the largest one if none.
    pub tolerance: Option<f32>,
}

/// Where a blob's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// In a file.
    File(PathBuf),
    /// Here.
    Bytes(Vec<u8>),
}

/// A manifest and the blobs that it names.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The manifest, checked.
    pub manifest: Manifest,
    /// Its blobs: for each variant the model and its golden set.
    pub blobs: Vec<(Blob, Content)>,
}

/// Makes a release of files, best variant first. Every variant gets a golden set of its own,
/// from the photos, each made as small as the input allows.
pub fn prepare(
    description: Description,
    sources: &[Source],
    golden: &[Photo],
    options: &Options,
) -> Result<Prepared> {
    let short_side = description.input.height.min(description.input.width);
    let photos: Vec<Photo> = golden
        .iter()
        .map(|photo| photo.shrunk(short_side))
        .collect();
    let frames = photos
        .iter()
        .map(Photo::frame)
        .collect::<Result<Vec<_>>>()?;
    prepare_on(description, sources, &frames, options)
}

/// The same with golden sets of any frames, such as rows of numbers.
pub fn prepare_on(
    description: Description,
    sources: &[Source],
    frames: &[Frame<'_>],
    options: &Options,
) -> Result<Prepared> {
    let mut variants = Vec::new();
    let mut blobs = Vec::new();
    for source in sources {
        let blob = blob_of(&source.path)?;
        let seen = Seen::read(&source.path)?;
        let set = golden_set(&description, seen.engine, &source.path, frames, options)?;
        let golden = set.to_cbor()?;
        let golden_blob = Blob {
            sha256: Digest::of(&golden),
            length: golden.len() as u64,
        };
        let tolerance = source.tolerance.unwrap_or_else(|| tolerance(&set, &seen));
        variants.push(Variant {
            name: source.name.clone(),
            engine: seen.engine,
            precision: seen.precision,
            blob,
            requirements: seen.requirements,
            measured: Measured {
                parameters: seen.parameters,
                macs: seen.macs,
                ..source.measured.clone()
            },
            golden: Golden {
                blob: golden_blob,
                tolerance,
            },
            provenance: Provenance {
                source: source.source.unwrap_or(blob.sha256),
                recipe: source.recipe.clone(),
                tool: format!("noroshi {}", env!("CARGO_PKG_VERSION")),
            },
        });
        blobs.push((blob, Content::File(source.path.clone())));
        blobs.push((golden_blob, Content::Bytes(golden)));
    }
    let Description {
        model,
        version,
        task,
        input,
        output,
    } = description;
    let format = Manifest::FORMAT;
    let manifest = Manifest {
        format,
        model,
        version,
        task,
        input,
        output,
        variants,
    };
    manifest
        .check()
        .map_err(|error| Error::Description(error.to_string()))?;
    for (variant, source) in manifest.variants.iter().zip(sources) {
        check_manifest(&manifest, &variant.name, &source.path)?;
    }
    Ok(Prepared { manifest, blobs })
}

/// What a file says of itself, whichever engine runs it.
struct Seen {
    engine: EngineKind,
    precision: Precision,
    requirements: Requirements,
    parameters: u64,
    macs: u64,
}

impl Seen {
    fn read(path: &Path) -> Result<Self> {
        if let Some(facts) = noroshi_engine::tiny::facts(path)? {
            return Ok(Self::from(&facts));
        }
        if let Some(network) = packed(path)? {
            return Self::of_packed(&network);
        }
        if let (engine, Some(header)) = kind_of(path)? {
            return Ok(Self {
                engine,
                precision: header.facts.precision,
                requirements: header.requirements(),
                parameters: header.facts.parameters,
                macs: header.facts.macs,
            });
        }
        Ok(Self::from(&inspect_file(path)?))
    }
}

impl From<&Inspection> for Seen {
    fn from(seen: &Inspection) -> Self {
        Self {
            engine: EngineKind::OnnxRuntime,
            precision: seen.precision,
            requirements: seen.requirements(),
            parameters: seen.parameters,
            macs: seen.macs,
        }
    }
}

fn golden_set(
    description: &Description,
    engine: EngineKind,
    path: &Path,
    frames: &[Frame<'_>],
    options: &Options,
) -> Result<GoldenSet> {
    let engine = open(engine, ModelSource::Path(path), options)?;
    let labels = description.task.labels().len();
    let mut classifier = Classifier::new(engine, &description.input, &description.output, labels)?;
    Ok(GoldenSet::record(&mut classifier, frames)?)
}

fn tolerance(set: &GoldenSet, seen: &Seen) -> f32 {
    let numbers = set.cases.iter().flat_map(|case| &case.output);
    let largest = numbers.fold(0f32, |largest, number| largest.max(number.abs()));
    let share = match (seen.engine, seen.precision) {
        (EngineKind::OnnxCompiled | EngineKind::Binary, _) => EXACT_TOLERANCE,
        (_, Precision::Fp32) => FLOAT_TOLERANCE,
        (EngineKind::Tiny, _) => EXACT_TOLERANCE,
        _ => INTEGER_TOLERANCE,
    };
    (largest * share).max(f32::EPSILON)
}

/// Length and digest of a file of at most 2 GiB.
pub fn blob_of(path: &Path) -> Result<Blob> {
    let mut file = File::open(path).map_err(Error::file(path))?;
    let (mut context, mut length) = (Context::new(&SHA256), 0u64);
    let mut buffer = vec![0; 1 << 18];
    loop {
        let read = file.read(&mut buffer).map_err(Error::file(path))?;
        if read == 0 {
            break;
        }
        length += read as u64;
        if length > noroshi_model::MAX_MODEL_BYTES {
            let limit = noroshi_model::MAX_MODEL_BYTES;
            let what = "the file's size in bytes";
            return Err(Error::too_large(what, length, limit));
        }
        context.update(&buffer[..read]);
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    Ok(Blob {
        sha256: Digest::from_bytes(digest),
        length,
    })
}

/// Refuses a manifest that says something else about the variant `name` than its file at `path`.
///
/// More memory than the file needs may be asked for, less may not.
pub fn check_manifest(manifest: &Manifest, name: &VariantName, path: &Path) -> Result<()> {
    let variant = manifest
        .variant(name)
        .ok_or_else(|| Error::Disagreement(format!("there is no variant {name}")))?;
    let mut faults = Vec::new();
    let blob = blob_of(path)?;
    if blob != variant.blob {
        let Blob { sha256, length } = blob;
        let said = variant.blob;
        faults.push(format!(
            "the file has {length} bytes and the digest {sha256}, the manifest says {} and {}",
            said.length, said.sha256
        ));
    } else if variant.engine == EngineKind::OnnxRuntime {
        faults.extend(disagreements(manifest, variant, &inspect_file(path)?));
    } else if variant.engine == EngineKind::Tiny {
        faults.extend(tiny::disagreements(manifest, variant, path)?);
    } else if variant.engine == EngineKind::OnnxCompiled {
        let seen = Seen::read(path)?;
        let mut compare = Comparison::default();
        compare.field("the engine", &variant.engine, &seen.engine);
        compare.variant(variant, &seen);
        faults.extend(compare.faults);
    } else if variant.engine == EngineKind::Binary {
        faults.extend(binary::disagreements(manifest, variant, path)?);
    }
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Error::Disagreement(faults.join("; ")))
    }
}

/// What a manifest says and a file does not.
#[derive(Default)]
struct Comparison {
    faults: Vec<String>,
}

impl Comparison {
    fn field(&mut self, what: &str, said: &dyn std::fmt::Debug, found: &dyn std::fmt::Debug) {
        let (said, found) = (format!("{said:?}"), format!("{found:?}"));
        if said != found {
            let fault = format!("{what} is {found}, the manifest says {said}");
            self.faults.push(fault);
        }
    }

    fn variant(&mut self, variant: &Variant, seen: &Seen) {
        let (said, found) = (&variant.requirements, &seen.requirements);
        self.field("the opset", &said.opset, &found.opset);
        self.field("the IR version", &said.ir, &found.ir);
        self.field("the set of operators", &said.operators, &found.operators);
        self.field("the set of element types", &said.dtypes, &found.dtypes);
        let least = said.peak_memory.max(found.peak_memory);
        self.field("the peak memory in bytes", &said.peak_memory, &least);
        if found.target.is_some() {
            self.field("the target", &said.target, &found.target);
            self.field(
                "the architecture",
                &said.architectures,
                &found.architectures,
            );
        }
        self.field("the precision", &variant.precision, &seen.precision);
        self.field(
            "the number of parameters",
            &variant.measured.parameters,
            &seen.parameters,
        );
        self.field("the number of MACs", &variant.measured.macs, &seen.macs);
    }
}

fn disagreements(manifest: &Manifest, variant: &Variant, seen: &Inspection) -> Vec<String> {
    let mut compare = Comparison::default();
    compare.variant(variant, &Seen::from(seen));
    let input = &manifest.input;
    match seen.inputs.as_slice() {
        [own] => {
            compare.field("the input's name", &input.name, &own.name);
            compare.field("the input's element type", &Some(input.dtype), &own.element);
            let shape = input.shape().map(Some);
            let fits = own.shape.len() == shape.len()
                && own
                    .shape
                    .iter()
                    .zip(shape)
                    .all(|(own, said)| own.is_none() || *own == said);
            if !own.shape.is_empty() && !fits {
                compare.field("the input's shape", &shape, &own.shape);
            }
        }
        inputs => compare.field("the number of inputs", &1, &inputs.len()),
    }
    let output = seen
        .outputs
        .iter()
        .find(|output| output.name == manifest.output.name);
    match output {
        None => {
            let names: Vec<_> = seen.outputs.iter().map(|output| &output.name).collect();
            compare.field("the list of outputs", &manifest.output.name, &names);
        }
        Some(output) => {
            let labels = manifest.task.labels().len();
            if let Some(&Some(last)) = output.shape.last() {
                compare.field("the number of labels", &labels, &last);
            }
        }
    }
    compare.faults
}
