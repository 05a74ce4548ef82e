//! What bits are measured against: the same work in floats and in bytes.
#![expect(unsafe_code, reason = "gemm takes pointers and strides")]

use std::hint::black_box;

use noroshi_engine::{Engine, ModelSource, Options, Tensor, TensorData, open};
use noroshi_model::EngineKind;
use noroshi_onnx::{
    AttributeProto, DataType, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto,
    encode,
};

use super::speed::Work;
use crate::Result;

/// Bytes that look random and always are the same.
pub(super) struct Noise(u64);

impl Noise {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub(super) const fn word(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub(super) fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| (self.word() >> 40) as u8).collect()
    }

    fn floats(&mut self, count: usize) -> Vec<f32> {
        let bytes = self.bytes(count);
        bytes
            .iter()
            .map(|byte| f32::from(*byte) / 128.0 - 1.0)
            .collect()
    }
}

/// The work in floats, by the kernels of `gemm`; a convolution's windows are laid out first, as
/// its runtimes do.
pub(super) fn gemm(work: Work) -> Box<dyn FnMut() -> Result<()>> {
    let mut noise = Noise::new(2);
    let (shape, inputs, outputs) = (work.shape(), work.inputs(), work.outputs());
    let pixels = noise.floats(shape.pixels() * shape.channels);
    let weights = noise.floats(inputs * outputs);
    let mut rows = vec![0.0; shape.pixels() * inputs];
    let mut sums = vec![0.0; shape.pixels() * outputs];
    let plain = matches!(work, Work::Product { .. });
    Box::new(move || {
        let left = if plain {
            &pixels
        } else {
            windows(&pixels, shape.height, shape.channels, &mut rows);
            &rows
        };
        multiply(left, &weights, &mut sums, [shape.pixels(), inputs, outputs]);
        black_box(&sums);
        Ok(())
    })
}

/// Each pixel's 3 by 3 neighbours as a row, zeros beyond the edge.
fn windows(pixels: &[f32], side: usize, channels: usize, rows: &mut [f32]) {
    for (position, row) in rows.chunks_exact_mut(9 * channels).enumerate() {
        let (top, left) = (position / side, position % side);
        for (tap, part) in row.chunks_exact_mut(channels).enumerate() {
            let (down, right) = (top + tap / 3, left + tap % 3);
            if (1..=side).contains(&down) && (1..=side).contains(&right) {
                let from = ((down - 1) * side + right - 1) * channels;
                part.copy_from_slice(&pixels[from..from + channels]);
            } else {
                part.fill(0.0);
            }
        }
    }
}

/// `sums = left · right` for row-major `[m, k]` and `[k, n]`, on this thread.
fn multiply(left: &[f32], right: &[f32], sums: &mut [f32], [m, k, n]: [usize; 3]) {
    assert!(left.len() >= m * k && right.len() >= k * n && sums.len() >= m * n);
    // SAFETY: with rows one after the other, every index lies inside its slice by the lengths
    // just checked; `sums` is borrowed alone, so it overlaps neither operand.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            sums.as_mut_ptr(),
            1,
            n as isize,
            false,
            left.as_ptr(),
            1,
            k as isize,
            right.as_ptr(),
            1,
            n as isize,
            0.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// The work in floats by ONNX Runtime.
pub(super) fn float(work: Work, options: &Options) -> Result<Box<dyn FnMut() -> Result<()>>> {
    let mut noise = Noise::new(3);
    let weights = noise.floats(work.inputs() * work.outputs());
    let (shape, weight_shape) = shapes(work);
    let weight = TensorProto::new("w", &weight_shape, &weights);
    let node = match work {
        Work::Product { .. } => NodeProto::new("MatMul", ["x", "w"], "y", vec![]),
        Work::Convolution { .. } => NodeProto::new("Conv", ["x", "w"], "y", border()),
    };
    let engine = session(node, vec![weight], [DataType::F32; 2], &shape, options)?;
    let input = Tensor::f32(shape.clone(), noise.floats(shape.iter().product()))?;
    Ok(contender(engine, input))
}

/// The work in 8-bit integers by ONNX Runtime: `MatMulInteger`, `QLinearConv`.
pub(super) fn bytes(work: Work, options: &Options) -> Result<Box<dyn FnMut() -> Result<()>>> {
    let mut noise = Noise::new(4);
    let weights = noise.bytes(work.inputs() * work.outputs());
    let weights: Vec<i8> = weights.iter().map(|byte| (*byte as i8).max(-127)).collect();
    let (shape, weight_shape) = shapes(work);
    let weight = TensorProto::new("w", &weight_shape, &weights);
    let (node, output, mut constants) = match work {
        Work::Product { .. } => (
            NodeProto::new("MatMulInteger", ["x", "w"], "y", vec![]),
            DataType::I32,
            Vec::new(),
        ),
        Work::Convolution { .. } => {
            let names = ["x", "s", "z", "w", "s", "zw", "t", "z"];
            let constants = vec![
                TensorProto::new("s", &[], &[1.0_f32]),
                TensorProto::new("t", &[], &[4_096.0_f32]),
                TensorProto::new("z", &[], &[128_u8]),
                TensorProto::new("zw", &[], &[0_i8]),
            ];
            let node = NodeProto::new("QLinearConv", names, "y", border());
            (node, DataType::U8, constants)
        }
    };
    constants.push(weight);
    let engine = session(node, constants, [DataType::U8, output], &shape, options)?;
    let data = TensorData::U8(noise.bytes(shape.iter().product()));
    Ok(contender(engine, Tensor::new(shape, data)?))
}

fn contender(mut engine: Box<dyn Engine>, input: Tensor) -> Box<dyn FnMut() -> Result<()>> {
    let inputs = [input];
    Box::new(move || {
        black_box(engine.run(&inputs)?);
        Ok(())
    })
}

fn border() -> Vec<AttributeProto> {
    vec![AttributeProto::ints("pads", &[1; 4])]
}

/// Shapes of the input and of the weights.
fn shapes(work: Work) -> (Vec<usize>, Vec<usize>) {
    let shape = work.shape();
    match work {
        Work::Product {
            rows,
            inputs,
            outputs,
        } => (vec![rows, inputs], vec![inputs, outputs]),
        Work::Convolution { side, channels } => (
            vec![1, channels, side, side],
            vec![work.outputs(), shape.channels, 3, 3],
        ),
    }
}

fn session(
    node: NodeProto,
    constants: Vec<TensorProto>,
    [input, output]: [DataType; 2],
    shape: &[usize],
    options: &Options,
) -> Result<Box<dyn Engine>> {
    let graph = GraphProto {
        name: "single".into(),
        node: vec![node],
        initializer: constants,
        input: vec![ValueInfoProto::tensor("x", input, shape)],
        output: vec![ValueInfoProto::tensor_of_any_shape("y", output)],
        ..GraphProto::default()
    };
    let model = encode(&ModelProto::new(graph, 17, 8))?;
    let source = ModelSource::Bytes(&model);
    Ok(open(EngineKind::OnnxRuntime, source, options)?)
}
