//! Making nodes and values, and reading their attributes.

use crate::proto::tensor_shape_proto::{Dimension, Size};
use crate::proto::{
    AttributeProto, GraphProto, NodeProto, TensorProto, TensorShapeProto, TypeProto,
    ValueInfoProto, type_proto,
};
use crate::tensor::DataType;

/// Kinds of attributes, by their number in the format.
const FLOAT: i32 = 1;
const INT: i32 = 2;
const TENSOR: i32 = 4;
const INTS: i32 = 7;

impl AttributeProto {
    /// A floating-point attribute.
    pub fn float(name: &str, value: f32) -> Self {
        Self {
            name: name.into(),
            r#type: FLOAT,
            f: Some(value),
            ..Self::default()
        }
    }

    /// An integer attribute.
    pub fn int(name: &str, value: i64) -> Self {
        Self {
            name: name.into(),
            r#type: INT,
            i: Some(value),
            ..Self::default()
        }
    }

    /// A list of integers.
    pub fn ints(name: &str, values: &[i64]) -> Self {
        Self {
            name: name.into(),
            r#type: INTS,
            ints: values.to_vec(),
            ..Self::default()
        }
    }

    /// A tensor.
    pub fn tensor(name: &str, value: TensorProto) -> Self {
        Self {
            name: name.into(),
            r#type: TENSOR,
            t: Some(value),
            ..Self::default()
        }
    }
}

impl NodeProto {
    /// An operator of the default domain. The node is named after its first output.
    pub fn new<'a>(
        op_type: &str,
        input: impl IntoIterator<Item = &'a str>,
        output: &str,
        attribute: Vec<AttributeProto>,
    ) -> Self {
        Self {
            op_type: op_type.into(),
            name: output.into(),
            input: input.into_iter().map(String::from).collect(),
            output: vec![output.into()],
            attribute,
            ..Self::default()
        }
    }

    /// Whether this is `op_type` of ONNX itself.
    pub fn is(&self, op_type: &str) -> bool {
        self.op_type == op_type && self.is_standard()
    }

    /// Whether the operator belongs to ONNX itself.
    pub fn is_standard(&self) -> bool {
        self.domain.is_empty() || self.domain == "ai.onnx"
    }

    /// The operator's name, with its domain if it is not ONNX's own.
    pub fn operator(&self) -> String {
        if self.is_standard() {
            self.op_type.clone()
        } else {
            format!("{}::{}", self.domain, self.op_type)
        }
    }

    /// The attribute called `name`.
    pub fn attribute(&self, name: &str) -> Option<&AttributeProto> {
        self.attribute
            .iter()
            .find(|attribute| attribute.name == name)
    }

    /// The integer attribute, if it is there.
    pub fn int(&self, name: &str) -> Option<i64> {
        self.attribute(name)
            .map(|attribute| attribute.i.unwrap_or(0))
    }

    /// The floating-point attribute, if it is there.
    pub fn float(&self, name: &str) -> Option<f32> {
        self.attribute(name)
            .map(|attribute| attribute.f.unwrap_or(0.0))
    }

    /// The list of integers, if it is there.
    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        self.attribute(name)
            .map(|attribute| attribute.ints.as_slice())
    }

    /// The text, if it is there and readable.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.attribute(name)
            .and_then(|attribute| attribute.s.as_deref())
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    /// The input at `place`; `None` if it is absent or left out.
    pub fn input(&self, place: usize) -> Option<&str> {
        self.input
            .get(place)
            .map(String::as_str)
            .filter(|name| !name.is_empty())
    }

    /// The graphs inside this node.
    pub fn subgraphs(&self) -> impl Iterator<Item = &GraphProto> {
        self.attribute
            .iter()
            .flat_map(|attribute| attribute.g.iter().chain(&attribute.graphs))
    }
}

impl ValueInfoProto {
    /// A tensor value of fixed dimensions.
    pub fn tensor(name: &str, element: DataType, dims: &[usize]) -> Self {
        let dim = dims
            .iter()
            .map(|&dim| Dimension {
                value: Some(Size::DimValue(dim as i64)),
                denotation: String::new(),
            })
            .collect();
        let tensor = type_proto::Tensor {
            elem_type: element as i32,
            shape: Some(TensorShapeProto { dim }),
        };
        Self {
            name: name.into(),
            r#type: Some(TypeProto {
                value: Some(type_proto::Value::TensorType(tensor)),
                denotation: String::new(),
            }),
            ..Self::default()
        }
    }

    /// A tensor value of unsaid dimensions.
    pub fn tensor_of_any_shape(name: &str, element: DataType) -> Self {
        let mut value = Self::tensor(name, element, &[]);
        if let Some(type_proto::Value::TensorType(tensor)) =
            value.r#type.as_mut().and_then(|kind| kind.value.as_mut())
        {
            tensor.shape = None;
        }
        value
    }

    /// The tensor's type, if it is a tensor.
    pub fn tensor_type(&self) -> Option<&type_proto::Tensor> {
        match self.r#type.as_ref()?.value.as_ref()? {
            type_proto::Value::TensorType(tensor) => Some(tensor),
            _ => None,
        }
    }

    /// The dimensions, `None` for those that are free; `None` altogether if unsaid or not a tensor.
    pub fn dims(&self) -> Option<Vec<Option<usize>>> {
        let shape = self.tensor_type()?.shape.as_ref()?;
        let size = |dim: &Dimension| match &dim.value {
            Some(Size::DimValue(size)) => usize::try_from(*size).ok(),
            _ => None,
        };
        Some(shape.dim.iter().map(size).collect())
    }
}
