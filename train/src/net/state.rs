//! A network as bytes: a description in JSON, and safetensors of what it has learned.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use candle_core::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};

use super::{Ends, Net, Value};
use crate::layer::Layer;
use crate::random::Random;
use crate::shape::Shape;
use crate::{Error, Result};

/// Most numbers of one layer's weights.
pub(crate) const MAX_NUMBERS: usize = 1 << 28;
/// Largest file that is read.
const MAX_BYTES: u64 = 4 << 30;
/// Most layers of a description that is read.
const MAX_LAYERS: usize = 10_000;
/// The tensor that holds the description.
const DESCRIPTION: &str = "description";

/// What a network is made of, without what it has learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Description {
    input: Shape,
    /// Left out where they are what they always were, so that older files and digests hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ends: Option<Ends>,
    layers: Vec<LayerDescription>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LayerDescription {
    name: String,
    layer: Layer,
    inputs: Vec<Value>,
    frozen: bool,
    rates: Vec<f32>,
    bounds: Vec<Option<f32>>,
}

/// Named tensors on their way to or from a file.
pub(crate) type Tensors = HashMap<String, Tensor>;

impl Net {
    /// What it is made of.
    pub(crate) fn description(&self) -> Description {
        let layer = |node: &super::Node| LayerDescription {
            name: node.name.clone(),
            layer: node.layer.clone(),
            inputs: node.inputs.clone(),
            frozen: node.frozen,
            rates: node.parameters.iter().map(|p| p.rate).collect(),
            bounds: node.parameters.iter().map(|p| p.bound).collect(),
        };
        Description {
            input: self.input,
            ends: (self.ends != Ends::default()).then(|| self.ends.clone()),
            layers: self.nodes.iter().map(layer).collect(),
        }
    }

    /// A network made as described, with arbitrary weights.
    pub(crate) fn of_description(description: Description) -> Result<Self> {
        if description.layers.len() > MAX_LAYERS || description.layers.is_empty() {
            let count = description.layers.len();
            return Err(Error::layer(
                count,
                format!("there must be 1 to {MAX_LAYERS} layers"),
            ));
        }
        let mut net = Self::new(description.input);
        net.ends = description.ends.unwrap_or_default();
        let mut random = Random::new(0);
        for layer in description.layers {
            net.push(layer.name, layer.layer, layer.inputs, &mut random)?;
            let node = net.nodes.last_mut().expect("a layer was just pushed");
            node.frozen = layer.frozen;
            let settings = layer.rates.into_iter().zip(layer.bounds);
            for (parameter, (rate, bound)) in node.parameters.iter_mut().zip(settings) {
                (parameter.rate, parameter.bound) = (rate, bound);
            }
        }
        Ok(net)
    }

    /// Every list of learned numbers with its name, in a fixed order.
    fn numbers(&self) -> impl Iterator<Item = (String, &[f32])> {
        self.nodes.iter().enumerate().flat_map(|(place, node)| {
            let parameters = node.parameters.iter().flat_map(move |parameter| {
                let name = format!("{place}.{}", word(parameter.role));
                let mask = parameter
                    .mask
                    .as_deref()
                    .map(|mask| (format!("{name}.mask"), mask));
                std::iter::once((name, parameter.values.as_slice())).chain(mask)
            });
            let statistics = node.statistics.iter().flat_map(move |statistics| {
                [
                    (format!("{place}.mean"), statistics.mean.as_slice()),
                    (format!("{place}.variance"), statistics.variance.as_slice()),
                ]
            });
            parameters.chain(statistics)
        })
    }

    /// Adds what was learned to `tensors`, under `prefix`.
    pub(crate) fn store(&self, prefix: &str, tensors: &mut Tensors) -> candle_core::Result<()> {
        for (name, values) in self.numbers() {
            tensors.insert(format!("{prefix}{name}"), vector(values)?);
        }
        Ok(())
    }

    /// Takes what was learned from `tensors`, under `prefix`; the reason if something is missing.
    pub(crate) fn restore(&mut self, prefix: &str, tensors: &Tensors) -> Result<(), String> {
        for (place, node) in self.nodes.iter_mut().enumerate() {
            for parameter in &mut node.parameters {
                let name = format!("{prefix}{place}.{}", word(parameter.role));
                parameter.values = numbers(tensors, &name, parameter.values.len())?;
                let mask = format!("{name}.mask");
                parameter.mask = if tensors.contains_key(&mask) {
                    Some(numbers(tensors, &mask, parameter.values.len())?)
                } else {
                    None
                };
            }
            if let Some(statistics) = &mut node.statistics {
                let channels = statistics.mean.len();
                statistics.mean = numbers(tensors, &format!("{prefix}{place}.mean"), channels)?;
                statistics.variance =
                    numbers(tensors, &format!("{prefix}{place}.variance"), channels)?;
            }
        }
        Ok(())
    }

    /// SHA-256 over the description and every learned bit, in hexadecimal.
    pub fn digest(&self) -> String {
        let mut context = Context::new(&SHA256);
        let description = serde_json::to_vec(&self.description());
        context.update(&description.expect("a description has string keys and finite numbers"));
        for (name, values) in self.numbers() {
            context.update(name.as_bytes());
            values
                .iter()
                .for_each(|value| context.update(&value.to_le_bytes()));
        }
        data_encoding::HEXLOWER.encode(context.finish().as_ref())
    }

    /// Writes the network into a safetensors file.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut tensors = Tensors::new();
        let stored = self
            .store("", &mut tensors)
            .and_then(|()| describe(DESCRIPTION, &self.description(), &mut tensors));
        stored.map_err(|error| Error::file(path, error))?;
        write(path, &tensors)
    }

    /// Reads a network that [`Net::save`] wrote.
    pub fn load(path: &Path) -> Result<Self> {
        let tensors = read(path)?;
        let mut net = Self::of_description(described(DESCRIPTION, &tensors, path)?)?;
        net.restore("", &tensors)
            .map_err(|reason| Error::file(path, reason))?;
        Ok(net)
    }
}

const fn word(role: super::Role) -> &'static str {
    match role {
        super::Role::Weight => "weight",
        super::Role::Bias => "bias",
        super::Role::Scale => "scale",
        super::Role::Shift => "shift",
        super::Role::Step => "step",
    }
}

/// A list of numbers as a tensor.
pub(crate) fn vector(values: &[f32]) -> candle_core::Result<Tensor> {
    Tensor::from_slice(values, values.len(), &Device::Cpu)
}

/// The list of `length` numbers with this name.
pub(crate) fn numbers(tensors: &Tensors, name: &str, length: usize) -> Result<Vec<f32>, String> {
    let tensor = tensors
        .get(name)
        .ok_or_else(|| format!("it has no {name}"))?;
    if tensor.dtype() != DType::F32 || tensor.elem_count() != length {
        return Err(format!("{name} must hold {length} numbers of 32 bits"));
    }
    tensor
        .flatten_all()
        .and_then(|flat| flat.to_vec1())
        .map_err(|error| error.to_string())
}

/// Adds a value as JSON.
pub(crate) fn describe<T: Serialize>(
    name: &str,
    value: &T,
    tensors: &mut Tensors,
) -> candle_core::Result<()> {
    let text = serde_json::to_vec(value).map_err(candle_core::Error::wrap)?;
    let length = text.len();
    tensors.insert(name.into(), Tensor::from_vec(text, length, &Device::Cpu)?);
    Ok(())
}

/// The value that [`describe`] added.
pub(crate) fn described<T: for<'a> Deserialize<'a>>(
    name: &str,
    tensors: &Tensors,
    path: &Path,
) -> Result<T> {
    let text = tensors.get(name).map(candle_core::Tensor::to_vec1::<u8>);
    match text {
        Some(Ok(text)) => serde_json::from_slice(&text).map_err(|error| Error::file(path, error)),
        _ => Err(Error::file(path, "it was not written by this program")),
    }
}

/// Writes beside `path`, then renames: a crash leaves the old file or the new one.
pub(crate) fn write(path: &Path, tensors: &Tensors) -> Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    candle_core::safetensors::save(tensors, &part).map_err(|error| Error::file(path, error))?;
    let synced = fs::File::open(&part).and_then(|file| file.sync_all());
    synced
        .and_then(|()| fs::rename(&part, path))
        .map_err(|error| Error::file(path, error))
}

/// Reads a safetensors file of bounded size.
pub(crate) fn read(path: &Path) -> Result<Tensors> {
    let size = fs::metadata(path)
        .map_err(|error| Error::file(path, error))?
        .len();
    if size > MAX_BYTES {
        return Err(Error::file(
            path,
            format!("it has {size} bytes, at most {MAX_BYTES} are read"),
        ));
    }
    candle_core::safetensors::load(path, &Device::Cpu).map_err(|error| Error::file(path, error))
}
