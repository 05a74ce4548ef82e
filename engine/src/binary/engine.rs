//! Runs a [`Network`].

use noroshi_model::ElementType;

use super::finish::Finisher;
use super::kernels::{COLUMNS, Kernels};
use super::network::{Border, Element, Input, Layer, Layout, Network, Pool, Product, Weights};
use super::pack::{BitMatrix, ByteMatrix};
use super::rows::Geometry;
use super::shape::{Figures, Kind, Shape, bytes_of};
use super::value::{Bytes, Planes, Value};
use crate::engine::{Engine, TensorDescription, batch_of};
use crate::error::Result;
use crate::tensor::{Tensor, TensorData};

/// Bytes between two layers that samples which run together may take.
const TOGETHER: u64 = 1 << 20;
/// Rows whose sums are made and finished together, so that they stay in the nearest cache.
const BLOCK: usize = 32;

/// A packed network, ready to run on one thread.
pub(crate) struct BinaryEngine {
    input: TensorDescription,
    output: TensorDescription,
    source: Input,
    steps: Vec<Step>,
    /// Samples that run together.
    together: usize,
    kernels: Kernels,
    room: Room,
}

/// Memory that every product uses again.
#[derive(Default)]
pub(super) struct Room {
    bit_rows: Vec<u64>,
    byte_rows: Vec<u8>,
    base: Vec<i32>,
    sums: Vec<i32>,
    reached: [Vec<u64>; 3],
}

enum Step {
    Product(Box<Loaded>),
    Pool(Pool),
    Flatten,
}

/// A product with its weights as the kernels want them.
pub(super) struct Loaded {
    geometry: Geometry,
    matrix: Matrix,
    /// What is added to every row of sums, where anything is.
    offset: Option<Vec<i32>>,
    border: Option<Corrections>,
    finish: Finisher,
}

enum Matrix {
    Bits(BitMatrix),
    Bytes(ByteMatrix),
}

/// What a border of zeros takes back: a pixel that isn't there was counted as −1.
struct Corrections {
    /// For each position, which of `sums`; 0 for none.
    which: Vec<u16>,
    /// The missing weights' sums, one row of outputs each.
    sums: Vec<Vec<i32>>,
}

impl BinaryEngine {
    /// Opens the network in `bytes` with the fastest kernels of this CPU.
    pub(crate) fn open(bytes: &[u8]) -> Result<Self> {
        Self::new(&Network::read(bytes)?, Kernels::best())
    }

    /// Prepares `network` for `kernels`.
    pub(super) fn new(network: &Network, kernels: Kernels) -> Result<Self> {
        let figures = network.figures()?;
        let source = network.input.clone();
        let mut shape = source.shape()?;
        let mut kind = Kind::Bytes { zero: source.zero };
        let mut largest = bytes_of(shape, kind);
        let mut steps = Vec::with_capacity(network.layers.len());
        for layer in &network.layers {
            steps.push(match layer {
                Layer::Product(product) => {
                    Step::Product(Box::new(Loaded::new(product, shape, kind)))
                }
                Layer::Pool(pool) => Step::Pool(*pool),
                Layer::Flatten => Step::Flatten,
            });
            (shape, kind) = layer.after(shape, kind, &mut Figures::default())?;
            largest = largest.max(bytes_of(shape, kind));
        }
        Ok(Self {
            input: source.description(),
            output: TensorDescription {
                name: network.output.clone(),
                element: ElementType::F32,
                shape: vec![None, Some(figures.outputs)],
            },
            source,
            steps,
            together: usize::try_from(TOGETHER / largest).map_or(1, |count| count.max(1)),
            kernels,
            room: Room::default(),
        })
    }

    fn forward(&mut self, input: Bytes) -> Vec<f32> {
        let mut value = Value::Bytes(input);
        for step in &self.steps {
            value = match (step, value) {
                (Step::Product(product), value) => product.run(value, self.kernels, &mut self.room),
                (Step::Pool(pool), Value::Signs(planes)) => Value::Signs(planes.pool(*pool)),
                (Step::Pool(pool), Value::Levels(planes)) => Value::Levels(planes.pool(*pool)),
                (Step::Pool(pool), Value::Bytes(bytes)) => Value::Bytes(bytes.pool(*pool)),
                (Step::Flatten, Value::Signs(planes)) => Value::Signs(planes.flatten()),
                (Step::Flatten, Value::Levels(planes)) => Value::Levels(planes.flatten()),
                (Step::Flatten, Value::Bytes(bytes)) => Value::Bytes(Bytes {
                    shape: bytes.shape.flat(),
                    ..bytes
                }),
                (_, Value::Numbers(_)) => unreachable!("nothing follows a network's answer"),
            };
        }
        match value {
            Value::Numbers(numbers) => numbers,
            _ => unreachable!("the last layer answers numbers"),
        }
    }
}

impl Engine for BinaryEngine {
    fn inputs(&self) -> &[TensorDescription] {
        std::slice::from_ref(&self.input)
    }

    fn outputs(&self) -> &[TensorDescription] {
        std::slice::from_ref(&self.output)
    }

    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
        let batch = batch_of(self.inputs(), inputs)?;
        let shape = self.source.shape()?;
        let length = shape.pixels() * shape.channels;
        let mut answer = Vec::new();
        for first in (0..batch).step_by(self.together) {
            let last = batch.min(first + self.together);
            let range = first * length..last * length;
            let bytes = match inputs[0].data() {
                TensorData::F32(numbers) => self.source.quantize(&numbers[range], shape),
                TensorData::U8(bytes) => self.source.order(&bytes[range], shape),
                _ => unreachable!("the input's type was checked"),
            };
            answer.extend(self.forward(bytes));
        }
        let width = answer.len() / batch;
        Ok(vec![Tensor::f32(vec![batch, width], answer)?])
    }
}

impl Input {
    fn description(&self) -> TensorDescription {
        let sides = match self.layout {
            Layout::Flat => vec![self.channels],
            Layout::Nchw => vec![self.channels, self.height, self.width],
            Layout::Nhwc => vec![self.height, self.width, self.channels],
        };
        TensorDescription {
            name: self.name.clone(),
            element: match self.element {
                Element::F32 => ElementType::F32,
                Element::U8 => ElementType::U8,
            },
            shape: std::iter::once(None)
                .chain(sides.into_iter().map(Some))
                .collect(),
        }
    }

    fn quantize(&self, numbers: &[f32], shape: Shape) -> Bytes {
        let zero = f32::from(self.zero);
        let bytes: Vec<u8> = numbers
            .iter()
            .map(|x| ((x / self.scale).round_ties_even() + zero) as u8)
            .collect();
        self.order(&bytes, shape)
    }

    /// Pixel after pixel, each with all of its channels.
    fn order(&self, bytes: &[u8], shape: Shape) -> Bytes {
        let pixels = shape.pixels();
        let bytes = if self.layout == Layout::Nchw && shape.channels > 1 {
            let samples = bytes.chunks(pixels * shape.channels);
            samples
                .flat_map(|sample| {
                    (0..pixels * shape.channels).map(move |at| {
                        let (pixel, channel) = (at / shape.channels, at % shape.channels);
                        sample[channel * pixels + pixel]
                    })
                })
                .collect()
        } else {
            bytes.to_vec()
        };
        Bytes {
            shape,
            zero: self.zero,
            bytes,
        }
    }
}

impl Loaded {
    /// From a product that was checked for `from` of `kind`.
    pub(super) fn new(product: &Product, from: Shape, kind: Kind) -> Self {
        let geometry = Geometry {
            from,
            to: from.summed(product).expect("the network was checked"),
            window: product.window,
        };
        let (inputs, outputs) = (geometry.inputs(), product.outputs);
        let zero = match kind {
            Kind::Bytes { zero } => i32::from(zero),
            // As bytes signs are 0 and 2 around 1.
            Kind::Signs => 1,
            Kind::Levels | Kind::Numbers => 0,
        };
        let (matrix, weight_sums): (_, Vec<i32>) = match &product.weights {
            Weights::Signs(bytes) => {
                let matrix = BitMatrix::new(bytes, inputs, outputs);
                let sums = (0..outputs).map(|output| matrix.weight_sum(output, 0, inputs));
                let sums = sums.collect();
                (Matrix::Bits(matrix), sums)
            }
            Weights::Bytes(weights) => {
                let rows = weights.chunks(inputs);
                let sums = rows.map(|row| row.iter().map(|w| i32::from(*w)).sum());
                let sums = sums.collect();
                let matrix = ByteMatrix::new(weights, inputs, outputs);
                (Matrix::Bytes(matrix), sums)
            }
        };
        let signs_by_signs = kind == Kind::Signs && matches!(matrix, Matrix::Bits(_));
        let offset = (zero != 0 && !signs_by_signs).then(|| {
            let sums = weight_sums.iter();
            sums.map(|sum| sum.wrapping_mul(-zero)).collect()
        });
        let border = match &matrix {
            Matrix::Bits(matrix) if signs_by_signs => Corrections::new(&geometry, matrix),
            _ => None,
        };
        Self {
            geometry,
            matrix,
            offset,
            border,
            finish: Finisher::new(&product.finish, product.pool),
        }
    }

    fn run(&self, value: Value, kernels: Kernels, room: &mut Room) -> Value {
        match (&self.matrix, value) {
            (_, Value::Signs(planes) | Value::Levels(planes)) => {
                self.run_planes(&planes, kernels, room)
            }
            (Matrix::Bits(matrix), Value::Bytes(bytes)) => {
                self.bits(matrix, &bytes.to_planes(), false, kernels, room)
            }
            (Matrix::Bytes(matrix), Value::Bytes(bytes)) => {
                self.bytes(matrix, &bytes, kernels, room)
            }
            (_, Value::Numbers(_)) => unreachable!("nothing follows a network's answer"),
        }
    }

    /// Over bits: signs if there is one plane.
    pub(super) fn run_planes(&self, value: &Planes, kernels: Kernels, room: &mut Room) -> Value {
        match &self.matrix {
            Matrix::Bits(matrix) => self.bits(matrix, value, value.planes == 1, kernels, room),
            Matrix::Bytes(matrix) => {
                self.bytes(matrix, &value.to_bytes(value.planes == 1), kernels, room)
            }
        }
    }

    fn bits(
        &self,
        matrix: &BitMatrix,
        value: &Planes,
        signs: bool,
        kernels: Kernels,
        room: &mut Room,
    ) -> Value {
        let samples = value.samples();
        let rows = samples * self.geometry.to.pixels();
        let row_words = value.planes * matrix.words();
        let mut made = self.finish.begin(self.geometry.to, samples);
        for first in (0..rows).step_by(BLOCK) {
            let count = BLOCK.min(rows - first);
            let block = if self.geometry.is_plain() {
                &value.words[first * row_words..(first + count) * row_words]
            } else {
                let rows = &mut room.bit_rows;
                self.geometry.bit_rows(value, first, count, rows);
                rows
            };
            room.base.clear();
            if signs {
                room.base.resize(count, matrix.inputs() as i32);
            } else {
                let levels = block.chunks(row_words);
                room.base
                    .extend(levels.map(|row| -level_sum(kernels, row, value.planes)));
            }
            let stride = matrix.outputs().next_multiple_of(COLUMNS);
            room.sums.resize(count * stride, 0);
            if signs {
                matrix.times_signs(kernels, block, &room.base, &mut room.sums, stride);
            } else {
                let block = (block, value.planes);
                matrix.times_levels(kernels, block, &room.base, &mut room.sums, stride);
            }
            self.finish_block(first, kernels, &mut room.sums, &mut room.reached, &mut made);
        }
        self.finish.end(made)
    }

    fn bytes(
        &self,
        matrix: &ByteMatrix,
        value: &Bytes,
        kernels: Kernels,
        room: &mut Room,
    ) -> Value {
        let samples = value.samples();
        let rows = samples * self.geometry.to.pixels();
        let row_bytes = matrix.row_bytes();
        let mut made = self.finish.begin(self.geometry.to, samples);
        for first in (0..rows).step_by(BLOCK) {
            let count = BLOCK.min(rows - first);
            self.geometry
                .byte_rows(value, first, count, row_bytes, &mut room.byte_rows);
            let stride = matrix.outputs().next_multiple_of(COLUMNS);
            room.sums.resize(count * stride, 0);
            matrix.times_bytes(kernels, &room.byte_rows, count, &mut room.sums, stride);
            self.finish_block(first, kernels, &mut room.sums, &mut room.reached, &mut made);
        }
        self.finish.end(made)
    }

    /// Corrects the sums of the positions from `first` on and makes of them what follows.
    fn finish_block(
        &self,
        first: usize,
        kernels: Kernels,
        sums: &mut [i32],
        reached: &mut [Vec<u64>; 3],
        made: &mut Value,
    ) {
        let stride = self.geometry.to.channels.next_multiple_of(COLUMNS);
        let pixels = self.geometry.to.pixels();
        for (at, row) in sums.chunks_mut(stride).enumerate() {
            if let Some(offset) = &self.offset {
                add(row, offset);
            }
            if let Some(border) = &self.border {
                let which = border.which[(first + at) % pixels];
                if which > 0 {
                    add(row, &border.sums[usize::from(which) - 1]);
                }
            }
        }
        self.finish.block(kernels, sums, reached, made);
    }
}

fn add(row: &mut [i32], offset: &[i32]) {
    for (sum, offset) in row.iter_mut().zip(offset) {
        *sum = sum.wrapping_add(*offset);
    }
}

/// The sum of a row's levels.
fn level_sum(kernels: Kernels, row: &[u64], planes: usize) -> i32 {
    let planes = row.chunks(row.len() / planes).enumerate();
    planes
        .map(|(plane, words)| (kernels.ones(words) << plane) as i32)
        .sum()
}

impl Corrections {
    fn new(geometry: &Geometry, matrix: &BitMatrix) -> Option<Self> {
        if geometry.window.padding == 0 || geometry.window.border == Border::MinusOne {
            return None;
        }
        let mut masks: Vec<u64> = Vec::new();
        let mut which = Vec::with_capacity(geometry.to.pixels());
        for position in 0..geometry.to.pixels() {
            let mask = geometry.missing(position);
            which.push(if mask == 0 {
                0
            } else {
                let known = masks.iter().position(|known| *known == mask);
                known.unwrap_or_else(|| {
                    masks.push(mask);
                    masks.len() - 1
                }) as u16
                    + 1
            });
        }
        let channels = geometry.from.channels;
        let taps = geometry.window.size * geometry.window.size;
        let sums = masks.iter().map(|mask| {
            let sum = |output| {
                let missing = (0..taps).filter(|tap| mask >> tap & 1 == 1);
                let sums = missing
                    .map(|tap| matrix.weight_sum(output, tap * channels, (tap + 1) * channels));
                sums.sum()
            };
            (0..matrix.outputs()).map(sum).collect()
        });
        let sums = sums.collect();
        Some(Self { which, sums })
    }
}
