//! Where a network's weights come from.

use std::collections::HashSet;

use crate::pickle::StateDict;
use crate::{Error, Result};
use noroshi_onnx::{DataType, TensorProto};

/// Where the weights of a network come from.
#[derive(Debug, Clone, Copy)]
pub enum Weights<'a> {
    /// A trained network's state dict.
    Trained(&'a StateDict),
    /// Numbers that keep activations within bounds, the same for the same seed.
    Random(u64),
    /// Zero everywhere, variances one.
    Zero,
}

/// What a weight is for; decides its random value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Multiplied with `fan_in` inputs and summed.
    Kernel { fan_in: usize },
    /// Added.
    Shift,
    /// A factor of a batch normalization.
    Scale,
    /// A running mean.
    Mean,
    /// A running variance.
    Variance,
}

/// Hands out weights and remembers which were taken.
pub(super) struct WeightSource<'a> {
    weights: Weights<'a>,
    taken: HashSet<String>,
    state: u64,
}

impl<'a> WeightSource<'a> {
    pub(super) fn new(weights: Weights<'a>) -> Self {
        let state = match weights {
            Weights::Random(seed) => seed,
            Weights::Trained(_) | Weights::Zero => 0,
        };
        Self {
            weights,
            taken: HashSet::new(),
            state,
        }
    }

    /// The weight called `name`.
    pub(super) fn take(&mut self, name: &str, shape: &[usize], role: Role) -> Result<TensorProto> {
        let count: usize = shape.iter().product();
        let values = match self.weights {
            Weights::Zero if matches!(role, Role::Variance) => vec![1.0f32; count],
            // Zeroed pages are asked for and never written: half a gigabyte for nothing.
            Weights::Zero => return Ok(zeros(name, shape)),
            Weights::Random(_) => (0..count).map(|_| self.random(role)).collect(),
            Weights::Trained(state) => {
                let array = state.array(name)?;
                if array.shape != shape {
                    let found = &array.shape;
                    return Err(Error::Weights(format!(
                        "{name} has the shape {found:?}, the network needs {shape:?}"
                    )));
                }
                self.taken.insert(name.to_owned());
                array.values
            }
        };
        Ok(TensorProto::new(name, shape, &values))
    }

    /// Refuses trained weights of which some were not needed.
    pub(super) fn finish(&self) -> Result<()> {
        let Weights::Trained(state) = self.weights else {
            return Ok(());
        };
        let needless = |name: &&String| !name.ends_with("num_batches_tracked");
        let left: Vec<_> = state
            .names()
            .iter()
            .filter(needless)
            .filter(|n| !self.taken.contains(*n))
            .collect();
        match left.first() {
            None => Ok(()),
            Some(first) => Err(Error::Weights(format!(
                "{} of its tensors have no place in it, such as {first}",
                left.len()
            ))),
        }
    }

    fn random(&mut self, role: Role) -> f32 {
        let unit = self.uniform();
        let signed = 2.0 * unit - 1.0;
        match role {
            // Uniform of variance 2 / fan_in, which keeps the scale through a ReLU.
            Role::Kernel { fan_in } => signed * (6.0 / fan_in as f32).sqrt(),
            Role::Shift | Role::Mean => 0.2 * signed,
            Role::Scale | Role::Variance => 0.5 + unit,
        }
    }

    /// The next number in 0..1 of splitmix64.
    fn uniform(&mut self) -> f32 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed >> 40) as f32 / (1u64 << 24) as f32
    }
}

fn zeros(name: &str, shape: &[usize]) -> TensorProto {
    let count: usize = shape.iter().product();
    TensorProto {
        name: name.into(),
        dims: shape.iter().map(|&side| side as i64).collect(),
        data_type: DataType::F32 as i32,
        raw_data: vec![0u8; count * size_of::<f32>()].into(),
        ..TensorProto::default()
    }
}
