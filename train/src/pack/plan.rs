//! Layer by layer: products wait for the activation that follows them.

use super::finish::After;
use super::{
    Activation, Border, Finish, Flow, Layer, Node, Packed, PackedPool, PackedWeights, Pending,
    Pool, Pooling, Result, Role, SMALLEST_STEP, Shape, Weights, Window, eight_bits, pack_signs,
    refuse, round,
};
use crate::Error;
use crate::export::affine;
use crate::weights;

/// Largest whole number of eight bits, and of four levels.
const MOST_BYTE: i64 = 255;
const MOST_LEVEL: i64 = 3;

pub(super) struct Packer {
    pub(super) layers: Vec<Packed>,
    pub(super) flow: Flow,
    pub(super) pending: Option<Pending>,
    /// Whether the flow has planes, in the order rows, columns, channels.
    pub(super) spatial: bool,
    /// What a vector was before it was flattened: its weights are in that order.
    pub(super) image: Option<Shape>,
}

impl Packer {
    /// Takes the next layer, into which values of `shape` flow.
    pub(super) fn step(&mut self, node: &Node, shape: Shape) -> Result<()> {
        match &node.layer {
            Layer::Dense(_) | Layer::Conv(_) => self.product(node, shape),
            Layer::Normalize(_) => {
                let (factors, offsets) =
                    affine(node).ok_or_else(|| refuse(node, "it has no statistics"))?;
                self.after(node, After::Affine(factors, offsets))
            }
            Layer::Activation(Activation::Relu) => self.after(node, After::Relu),
            Layer::Activation(function) => self.activation(node, *function),
            Layer::Pool(pool) => self.pool(node, pool),
            Layer::Flatten => self.flatten(node, shape),
            Layer::Dropout { .. } => Ok(()),
            _ => Err(refuse(node, "a packed network has no such layer")),
        }
    }

    /// The last product gives the answer.
    pub(super) fn end(&mut self) -> Result<()> {
        let pending = self.pending.take().filter(|pending| {
            pending.pool.is_none() && pending.late_pools.is_empty() && !pending.has_relu()
        });
        let pending = pending
            .ok_or_else(|| Error::layer("the last", "a packed network ends in a product"))?;
        let (scale, bias) = pending.affine(1.0);
        let (product, _) = pending.product(Finish::Numbers { scale, bias });
        self.layers.push(Packed::Product(product));
        Ok(())
    }

    fn product(&mut self, node: &Node, shape: Shape) -> Result<()> {
        if self.pending.is_some() {
            return Err(refuse(node, "an activation must stand before it"));
        }
        let window = match &node.layer {
            Layer::Conv(conv) => {
                let ([size, other], [stride, across]) = (conv.kernel, conv.stride);
                let padding = conv.padding[0];
                let square = size == other && stride == across && conv.padding == [padding; 4];
                if !square || conv.groups != 1 {
                    return Err(refuse(
                        node,
                        "only square convolutions of one group are packed",
                    ));
                }
                Window {
                    size,
                    stride,
                    padding,
                    border: Border::Zero,
                }
            }
            _ => Window::ONE,
        };
        let dense = matches!(node.layer, Layer::Dense(_));
        if dense && self.spatial {
            self.layers.push(Packed::Flatten);
            self.spatial = false;
        }
        // The packed order is rows, columns, channels; so is that of a flattened image.
        let places = places(self.image.take().unwrap_or(shape), &node.layer);
        let inputs = places.len();
        let (weights, scales, most) = whole_weights(node, &places)?;
        let (unit, largest) = match self.flow {
            Flow::Signs => (1.0, 1),
            Flow::Whole(unit) => (unit, MOST_BYTE),
        };
        let mut pending = Pending {
            weights,
            outputs: node.output.channels,
            window,
            pool: None,
            most: (inputs as i64 * most * largest).min(i64::from(i32::MAX) - 1),
            unit,
            scales,
            after: Vec::new(),
            late_pools: Vec::new(),
        };
        if let Some(bias) = node.parameter(Role::Bias) {
            pending.after.push(After::Bias(bias.values.clone()));
        }
        self.pending = Some(pending);
        Ok(())
    }

    fn after(&mut self, node: &Node, function: After) -> Result<()> {
        let pending = self.pending.as_mut();
        let pending = pending.ok_or_else(|| refuse(node, "it must follow a product"))?;
        if !pending.late_pools.is_empty() && matches!(function, After::Affine(..)) {
            return Err(refuse(
                node,
                "a pool must not stand between two normalizations",
            ));
        }
        pending.after.push(function);
        Ok(())
    }

    fn activation(&mut self, node: &Node, function: Activation) -> Result<()> {
        let pending = self
            .pending
            .take()
            .ok_or_else(|| refuse(node, "it must follow a product"))?;
        let (finish, flow) = match function {
            Activation::Sign => (pending.signs(), Flow::Signs),
            Activation::Levels { bits: 2, limit } => {
                let up = MOST_LEVEL as f32 / limit;
                let level = |x: f32| round(x.max(0.0).min(limit) * up) as u8;
                (
                    pending.levels(level),
                    Flow::Whole(limit / MOST_LEVEL as f32),
                )
            }
            Activation::LearnedStep {
                bits: 2,
                signed: false,
            } => {
                let step = node
                    .values(Role::Step)
                    .first()
                    .map_or(0.0, |s| s.max(SMALLEST_STEP));
                let inverse = 1.0 / step;
                let level = |x: f32| round((x * inverse).clamp(0.0, 3.0)) as u8;
                (pending.levels(level), Flow::Whole(step))
            }
            _ => {
                let (_, step) = eight_bits(node)
                    .ok_or_else(|| refuse(node, "such an activation is not packed"))?;
                if pending.pool.is_some() {
                    return Err(refuse(
                        node,
                        "a pool must follow eight bits, not precede them",
                    ));
                }
                let (scale, bias) = pending.affine(step);
                (Finish::Bytes { scale, bias }, Flow::Whole(step))
            }
        };
        self.flow = flow;
        let (product, pools) = pending.product(finish);
        self.layers.push(Packed::Product(product));
        self.layers.extend(pools.into_iter().map(Packed::Pool));
        Ok(())
    }

    fn pool(&mut self, node: &Node, pool: &Pool) -> Result<()> {
        let ([size, other], [stride, across]) = (pool.kernel, pool.stride);
        let square = size == other && stride == across && pool.padding == [0; 4];
        if !square || pool.pooling != Pooling::Max {
            return Err(refuse(
                node,
                "only square pools of the largest number are packed",
            ));
        }
        let pool = PackedPool { size, stride };
        match &mut self.pending {
            None => self.layers.push(Packed::Pool(pool)),
            // Scales of weights are positive, those of a normalization may turn the order round.
            Some(pending) if pending.pool.is_none() && pending.is_rising() => {
                pending.pool = Some(pool);
            }
            Some(pending) => pending.late_pools.push(pool),
        }
        Ok(())
    }

    fn flatten(&mut self, node: &Node, shape: Shape) -> Result<()> {
        if self.pending.is_some() {
            return Err(refuse(node, "an activation must stand before it"));
        }
        if self.spatial {
            self.layers.push(Packed::Flatten);
            self.image = Some(shape);
        }
        self.spatial = false;
        Ok(())
    }
}

/// For each weight of a filter in the packed order, its place in the network's own.
fn places(shape: Shape, layer: &Layer) -> Vec<usize> {
    let [channels, height, width] = match layer {
        Layer::Conv(conv) => [shape.channels, conv.kernel[0], conv.kernel[1]],
        _ => [shape.channels, shape.height, shape.width],
    };
    let mut places = Vec::with_capacity(channels * height * width);
    for pixel in 0..height * width {
        places.extend((0..channels).map(|channel| channel * height * width + pixel));
    }
    places
}

/// Whole weights in the packed order, what they stand for, and the largest.
fn whole_weights(node: &Node, places: &[usize]) -> Result<(PackedWeights, Vec<f32>, i64)> {
    let real = node.values(Role::Weight);
    let outputs = node.output.channels;
    let view = node.weights().unwrap_or_default();
    let steps = node.values(Role::Step);
    let mut whole = vec![0.0; real.len()];
    weights::whole(view, real, steps, outputs, &mut whole);
    let rows = whole.chunks_exact((real.len() / outputs).max(1));
    let picked = rows.map(|row| places.iter().map(|&place| row[place]).collect::<Vec<_>>());
    let (packed, most) = match view {
        Weights::Sign | Weights::ScaledSign => {
            let bytes = picked.flat_map(|row| pack_signs(&row)).collect();
            (PackedWeights::Signs(bytes), 1)
        }
        Weights::LearnedStep { bits } => {
            let bytes = picked.flatten().map(|level| level as i8).collect();
            (PackedWeights::Bytes(bytes), Weights::steps(bits) as i64)
        }
        Weights::Float => {
            return Err(refuse(
                node,
                "its weights are numbers: choose signs or learned steps",
            ));
        }
    };
    let scales = weights::scales(view, real, steps, outputs);
    Ok((packed, scales, most))
}
