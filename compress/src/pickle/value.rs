//! What a pickle can make here, and the names that it may mention.

use super::machine::fault;
use crate::Result;

/// Longest name of a tensor or storage, in bytes: names are copied, the rest is not.
pub(super) const NAME_LIMIT: usize = 512;

/// Most dimensions of a tensor.
pub(super) const RANK_LIMIT: usize = 16;

/// A value's place in the list.
pub(super) type Place = u32;

/// What a pickle can make here.
#[derive(Debug, Clone)]
pub(super) enum Value {
    None,
    Bool,
    Int(i64),
    /// A whole number beyond 64 bits, little-endian.
    Long(Vec<u8>),
    Float,
    Text(String),
    Global(Global),
    Tuple(Vec<Place>),
    List(Vec<Place>),
    Dict(Vec<(Place, Place)>),
    Storage(StorageName),
    Tensor(TensorView),
}

/// The names that a pickle may mention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Size,
    Storage(ElementKind),
}

/// Element types of storages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ElementKind {
    F64,
    F32,
    F16,
    Bf16,
    I64,
    I32,
    I16,
    I8,
    U8,
    Bool,
}

impl ElementKind {
    /// Bytes of one element.
    pub(super) const fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::F16 | Self::Bf16 | Self::I16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }
}

/// A storage as the pickle mentions it; its bytes are elsewhere in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StorageName {
    pub(super) key: String,
    pub(super) kind: ElementKind,
    pub(super) elements: usize,
}

/// A tensor as a part of a storage.
#[derive(Debug, Clone)]
pub(super) struct TensorView {
    pub(super) storage: StorageName,
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

/// What one pickle made.
#[derive(Debug)]
pub(super) struct Outcome {
    values: Vec<Value>,
    top: Place,
}

impl Outcome {
    /// The values of a pickle, and the place of the one that it stands for.
    pub(super) fn new(values: Vec<Value>, top: Place) -> Self {
        Self { values, top }
    }

    /// The place of the value that the pickle stands for.
    pub(super) fn top(&self) -> Place {
        self.top
    }

    /// The value at `place`.
    pub(super) fn value(&self, place: Place) -> &Value {
        &self.values[place as usize]
    }

    /// The entries of the dictionary at `place` whose keys are texts.
    pub(super) fn items(&self, place: Place) -> Option<Vec<(String, Place)>> {
        let Value::Dict(entries) = self.value(place) else {
            return None;
        };
        let named = entries
            .iter()
            .filter_map(|&(key, value)| match self.value(key) {
                Value::Text(text) if text.len() <= NAME_LIMIT => Some((text.clone(), value)),
                _ => None,
            });
        Some(named.collect())
    }

    /// The texts of the list at `place`.
    pub(super) fn texts(&self, place: Place) -> Option<Vec<String>> {
        let Value::List(items) = self.value(place) else {
            return None;
        };
        items
            .iter()
            .map(|&item| match self.value(item) {
                Value::Text(text) if text.len() <= NAME_LIMIT => Some(text.clone()),
                _ => None,
            })
            .collect()
    }

    /// All values that were made.
    pub(super) fn values(&self) -> impl Iterator<Item = &Value> {
        self.values.iter()
    }
}

/// The global that a pickle names; an error unless a state dict needs it.
pub(super) fn known_global(module: &str, name: &str) -> Result<Global> {
    let kind = match name {
        "DoubleStorage" => Some(ElementKind::F64),
        "FloatStorage" => Some(ElementKind::F32),
        "HalfStorage" => Some(ElementKind::F16),
        "BFloat16Storage" => Some(ElementKind::Bf16),
        "LongStorage" => Some(ElementKind::I64),
        "IntStorage" => Some(ElementKind::I32),
        "ShortStorage" => Some(ElementKind::I16),
        "CharStorage" => Some(ElementKind::I8),
        "ByteStorage" => Some(ElementKind::U8),
        "BoolStorage" => Some(ElementKind::Bool),
        _ => None,
    };
    match (module, name, kind) {
        ("torch", _, Some(kind)) => Ok(Global::Storage(kind)),
        ("torch", "Size", _) => Ok(Global::Size),
        ("collections", "OrderedDict", _) => Ok(Global::OrderedDict),
        ("torch._utils", "_rebuild_tensor_v2", _) => Ok(Global::RebuildTensor),
        ("torch._utils", "_rebuild_parameter", _) => Ok(Global::RebuildParameter),
        _ => Err(fault(format!(
            "it asks for {module}.{name}, which a state dict has no need of; save only the \
             model's state_dict()"
        ))),
    }
}
