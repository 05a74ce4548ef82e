//! One model in ONNX Runtime.

use noroshi_model::ElementType;
use ort::ep;
use ort::logging::LogLevel;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::session::{Session, SessionInputValue};
use ort::value::{DynValue, Outlet, TensorElementType, TensorRef, ValueType};

use super::library::environment;
use crate::compiled::Bytes;
use crate::engine::{Engine, Optimization, Options, TensorDescription, check_inputs, guarded};
use crate::error::{EngineError, Result};
use crate::tensor::{Tensor, TensorData, element_count};

/// Most inputs or outputs of a model.
const MAX_OUTLETS: usize = 64;

/// A model opened in ONNX Runtime.
pub(crate) struct OnnxEngine {
    // Before the bytes that it may read from: fields are dropped in their order.
    session: Session,
    inputs: Vec<TensorDescription>,
    outputs: Vec<TensorDescription>,
    /// What the session reads its weights from; nothing if it has copied them.
    _bytes: Option<Bytes>,
}

impl OnnxEngine {
    /// Opens the model in `bytes`, which are not needed afterwards.
    pub(crate) fn open(bytes: &[u8], options: &Options) -> Result<Self> {
        let environment = environment(&options.library)?;
        guarded(|| {
            let model = |e: ort::Error| EngineError::Model(e.to_string());
            let mut builder = configure(&environment, options).map_err(model)?;
            let session = builder.commit_from_memory(bytes).map_err(model)?;
            Self::new(session, None)
        })
    }

    /// Opens the model in the runtime's own format in `bytes` from `start` on, without rewriting
    /// the graph and without copying its weights; `packed` lets kernels copy theirs as they like
    /// them best.
    pub(crate) fn open_as_it_is(
        bytes: Bytes,
        start: usize,
        packed: bool,
        options: &Options,
    ) -> Result<Self> {
        let environment = environment(&options.library)?;
        let options = Options {
            optimization: Optimization::None,
            ..options.clone()
        };
        guarded(|| {
            let model = |e: ort::Error| EngineError::Compiled(e.to_string());
            let mut builder = configure(&environment, &options).map_err(model)?;
            for (key, value) in [
                ("session.use_ort_model_bytes_directly", "1"),
                ("session.use_ort_model_bytes_for_initializers", "1"),
                ("session.disable_prepacking", if packed { "0" } else { "1" }),
            ] {
                builder = builder
                    .with_config_entry(key, value)
                    .map_err(|e| model(e.into()))?;
            }
            // The session reads weights from the bytes as long as it lives; it gets them, and
            // they are neither moved nor changed: they stay where they are.
            let session = builder.commit_from_memory(&bytes[start..]).map_err(model)?;
            if packed {
                bytes.let_go();
            }
            Self::new(session, Some(bytes))
        })
    }

    fn new(session: Session, bytes: Option<Bytes>) -> Result<Self> {
        Ok(Self {
            inputs: describe(session.inputs())?,
            outputs: describe(session.outputs())?,
            session,
            _bytes: bytes,
        })
    }
}

pub(super) fn configure(
    environment: &ort::environment::Environment,
    options: &Options,
) -> ort::Result<SessionBuilder> {
    let level = match options.optimization {
        Optimization::None => GraphOptimizationLevel::Disable,
        Optimization::Basic => GraphOptimizationLevel::Level1,
        Optimization::Extended => GraphOptimizationLevel::Level2,
        Optimization::All => GraphOptimizationLevel::All,
    };
    // With its arena a session is quicker and stays smaller: without, every inference breaks the
    // heap into pieces or maps and unmaps its activations.
    let cpu = ep::CPU::default().with_arena_allocator(true).build();
    let builder = Session::builder(environment)?
        // Errors come back as values and are logged where they are handled.
        .with_log_level(LogLevel::Fatal)?
        .with_optimization_level(level)?
        .with_intra_threads(options.threads.max(1))?
        .with_inter_threads(1)?
        // A waiting thread sleeps: the device has other work for the core.
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?
        .with_memory_pattern(true)?
        .with_execution_providers([cpu])?;
    Ok(builder)
}

impl Engine for OnnxEngine {
    fn inputs(&self) -> &[TensorDescription] {
        &self.inputs
    }

    fn outputs(&self) -> &[TensorDescription] {
        &self.outputs
    }

    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        check_inputs(&self.inputs, inputs)?;
        let session = &mut self.session;
        guarded(|| {
            let failed = |e: ort::Error| EngineError::Run(e.to_string());
            let values = inputs
                .iter()
                .map(lend)
                .collect::<ort::Result<Vec<_>>>()
                .map_err(failed)?;
            let answers = session.run(values.as_slice()).map_err(failed)?;
            answers.values().map(|value| take(&value)).collect()
        })
    }
}

/// The tensor as ONNX Runtime sees it, without copying.
fn lend(tensor: &Tensor) -> ort::Result<SessionInputValue<'_>> {
    let shape = tensor.shape();
    Ok(match tensor.data() {
        TensorData::F32(data) => TensorRef::from_array_view((shape, data.as_slice()))?.into(),
        TensorData::U8(data) => TensorRef::from_array_view((shape, data.as_slice()))?.into(),
        TensorData::I8(data) => TensorRef::from_array_view((shape, data.as_slice()))?.into(),
        TensorData::I32(data) => TensorRef::from_array_view((shape, data.as_slice()))?.into(),
        TensorData::I64(data) => TensorRef::from_array_view((shape, data.as_slice()))?.into(),
    })
}

/// A copy of an answer.
fn take(value: &DynValue) -> Result<Tensor> {
    macro_rules! copy {
        ($kind:ident) => {{
            let (_, data) = value
                .try_extract_tensor()
                .map_err(|e| EngineError::Run(e.to_string()))?;
            TensorData::$kind(data.to_vec())
        }};
    }
    let ValueType::Tensor { ty, shape, .. } = value.dtype() else {
        return Err(EngineError::Output("an output is not a tensor".into()));
    };
    let shape: Vec<usize> = shape
        .iter()
        .map(|&side| usize::try_from(side))
        .collect::<Result<_, _>>()
        .map_err(|_| EngineError::Output("an output has a negative side".into()))?;
    // Before anything is copied: the model decides how large its answer is.
    element_count(&shape, 8)?;
    let data = match ty {
        TensorElementType::Float32 => copy!(F32),
        TensorElementType::Uint8 => copy!(U8),
        TensorElementType::Int8 => copy!(I8),
        TensorElementType::Int32 => copy!(I32),
        TensorElementType::Int64 => copy!(I64),
        other => {
            return Err(EngineError::Output(format!(
                "outputs of type {other} are not supported"
            )));
        }
    };
    Tensor::new(shape, data)
}

fn describe(outlets: &[Outlet]) -> Result<Vec<TensorDescription>> {
    if outlets.len() > MAX_OUTLETS {
        return Err(EngineError::Model(format!(
            "it has {} inputs or outputs, at most {MAX_OUTLETS} are supported",
            outlets.len()
        )));
    }
    outlets.iter().map(describe_one).collect()
}

fn describe_one(outlet: &Outlet) -> Result<TensorDescription> {
    let ValueType::Tensor { ty, shape, .. } = outlet.dtype() else {
        return Err(EngineError::Model(format!(
            "{} is not a tensor; sequences and maps are not supported",
            outlet.name()
        )));
    };
    Ok(TensorDescription {
        name: outlet.name().to_owned(),
        element: element_type(*ty).ok_or_else(|| {
            EngineError::Model(format!("{} has unsupported type {ty}", outlet.name()))
        })?,
        shape: shape
            .iter()
            .map(|&side| usize::try_from(side).ok())
            .collect(),
    })
}

const fn element_type(ty: TensorElementType) -> Option<ElementType> {
    Some(match ty {
        TensorElementType::Float64 => ElementType::F64,
        TensorElementType::Float32 => ElementType::F32,
        TensorElementType::Float16 => ElementType::F16,
        TensorElementType::Bfloat16 => ElementType::Bf16,
        TensorElementType::Int64 => ElementType::I64,
        TensorElementType::Int32 => ElementType::I32,
        TensorElementType::Int16 => ElementType::I16,
        TensorElementType::Int8 => ElementType::I8,
        TensorElementType::Uint64 => ElementType::U64,
        TensorElementType::Uint32 => ElementType::U32,
        TensorElementType::Uint16 => ElementType::U16,
        TensorElementType::Uint8 => ElementType::U8,
        TensorElementType::Bool => ElementType::Bool,
        TensorElementType::String => ElementType::Text,
        _ => return None,
    })
}
