//! A network of signs and small levels as a packed network of the engine.
//!
//! Whatever stands between two products (bias, normalization, the activation) becomes integer
//! thresholds: for each output the least sum at which the network's own floating-point functions
//! change their answer. Where the network's sums are exact, which they are for signs, for levels
//! whose unit is a power of two, and for inputs of the form whole number times a power of two, the
//! packed network answers bit by bit the same.

mod finish;
mod plan;

use noroshi_engine::binary::{
    Border, Element, Finish, Input, Layer as Packed, Layout, Network, Pool as PackedPool,
    Weights as PackedWeights, Window, pack_signs,
};

use crate::layer::{Activation, Layer, Pool, Pooling};
use crate::net::{Net, Node, Role};
use crate::shape::Shape;
use crate::weights::{SMALLEST_STEP, Weights, round};
use crate::{Error, Result};
use finish::Pending;
use plan::Packer;

/// How numbers enter a packed network.
#[derive(Debug, Clone, PartialEq)]
pub struct PackedInput {
    /// The input's name.
    pub name: String,
    /// Whether bytes or numbers arrive.
    pub element: Element,
    /// Order of the dimensions.
    pub layout: Layout,
    /// A number is (byte − zero) · scale.
    pub scale: f32,
    /// The byte that means 0.
    pub zero: u8,
}

impl Default for PackedInput {
    /// Numbers −1, −127/128, … 127/128, as bytes around 128.
    fn default() -> Self {
        Self {
            name: crate::INPUT.into(),
            element: Element::F32,
            layout: Layout::Nchw,
            scale: 1.0 / 128.0,
            zero: 128,
        }
    }
}

/// What flows between two products.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Flow {
    /// Whole numbers times a unit.
    Whole(f32),
    /// Signs.
    Signs,
}

impl Net {
    /// The packed network. It must be a chain of products with weights of signs or of learned
    /// steps, pools, normalizations and activations (signs, four levels, eight unsigned learned
    /// bits); the last product gives the answer. If the first layer is an activation of eight
    /// unsigned learned bits, its step is the input's scale.
    pub fn pack(&self, input: &PackedInput) -> Result<Network> {
        let mut packer = Packer {
            layers: Vec::new(),
            flow: Flow::Whole(input.scale),
            pending: None,
            spatial: self.input().plane() > 1,
            image: None,
        };
        let (mut scale, mut zero, mut first) = (input.scale, input.zero, 0);
        if let Some((node, step)) = self.layers().first().and_then(eight_bits) {
            (scale, zero, first) = (step, 0, 1);
            debug_assert_eq!(node.inputs.len(), 1);
            packer.flow = Flow::Whole(step);
        }
        for (place, node) in self.layers().iter().enumerate().skip(first) {
            let chained = node.inputs.len() == 1 && node.inputs[0].place() == place.checked_sub(1);
            if !chained {
                return Err(refuse(node, "a packed network has no branches"));
            }
            packer.step(node, self.shape_of(node.inputs[0]))?;
        }
        packer.end()?;
        let shape = self.input();
        let flat = shape.plane() == 1;
        Ok(Network {
            input: Input {
                name: input.name.clone(),
                element: input.element,
                layout: if flat { Layout::Flat } else { input.layout },
                channels: shape.channels,
                height: shape.height,
                width: shape.width,
                scale,
                zero,
            },
            output: crate::OUTPUT.into(),
            layers: packer.layers,
        })
    }
}

/// The step of an activation of eight unsigned learned bits.
fn eight_bits(node: &Node) -> Option<(&Node, f32)> {
    let Layer::Activation(Activation::LearnedStep {
        bits: 8,
        signed: false,
    }) = node.layer
    else {
        return None;
    };
    Some((node, node.values(Role::Step).first()?.max(SMALLEST_STEP)))
}

fn refuse(node: &Node, reason: impl Into<String>) -> Error {
    Error::layer(&node.name, reason)
}
