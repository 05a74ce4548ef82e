//! What a packed network is made of, and what pictures become for it.

use std::fmt;
use std::path::Path;

use noroshi_engine::binary::{Element, Figures, Layout as Order, Network, Outline};
use noroshi_model::{
    Activation, ColorOrder, ElementType, InputSpec, Layout, Normalization, OutputSpec, Resize,
};
use serde::Serialize;

use super::packed;
use crate::inspect::grouped;
use crate::release::blob_of;
use crate::{Error, Result};

/// What was read from the file of a packed network.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// Always `nbin`.
    pub format: &'static str,
    /// Bytes of the file.
    pub bytes: u64,
    /// Bytes of the weights in it.
    pub weight_bytes: u64,
    /// Name of the input.
    pub input: String,
    /// Type of its numbers.
    pub element: ElementType,
    /// Its shape, without the batch.
    pub shape: Vec<usize>,
    /// A number x of the input is the byte `round(x / scale) + zero`.
    pub scale: f32,
    /// The byte that means 0.
    pub zero: u8,
    /// Name of the output.
    pub output: String,
    /// Numbers of the output.
    pub outputs: usize,
    /// Weights, thresholds, scales and biases.
    pub parameters: u64,
    /// Weights of one bit.
    pub one_bit_weights: u64,
    /// Weights of eight bits.
    pub eight_bit_weights: u64,
    /// Multiply-accumulate operations of one inference, of whatever width.
    pub macs: u64,
    /// Those by the bits of weight and activation, most first.
    pub operations: Vec<Operations>,
    /// Bytes of weights and activations while one sample runs.
    pub peak_memory: u64,
    /// The layers, in order.
    pub layers: Vec<Layer>,
}

/// Operations of one width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Operations {
    /// Bits of a weight.
    pub weight_bits: u8,
    /// Bits of what it is multiplied with.
    pub activation_bits: u8,
    /// How many.
    pub macs: u64,
}

/// One layer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Layer {
    /// What it is, such as `conv 3x3`.
    pub what: String,
    /// Bits of a weight; none where there are none.
    pub weight_bits: Option<u8>,
    /// Bits of what goes in.
    pub activation_bits: u8,
    /// Bits of what comes out.
    pub output_bits: u8,
    /// Channels, rows and columns of what comes out.
    pub output: [usize; 3],
    /// Weights, thresholds, scales and biases.
    pub parameters: u64,
    /// Bytes of the weights in the file.
    pub weight_bytes: u64,
    /// Multiply-accumulate operations.
    pub macs: u64,
}

/// Inspects the file at `path`; nothing if it is no packed network.
pub fn inspect(path: &Path) -> Result<Option<Inspection>> {
    let Some(network) = packed(path)? else {
        return Ok(None);
    };
    let Figures {
        parameters,
        sign_weights,
        byte_weights,
        macs,
        weight_bytes,
        peak_memory,
        outputs,
    } = network.figures()?;
    let outline = network.outline()?;
    let input = &network.input;
    Ok(Some(Inspection {
        format: "nbin",
        bytes: blob_of(path)?.length,
        weight_bytes,
        input: input.name.clone(),
        element: element(&network),
        shape: shape(&network),
        scale: input.scale,
        zero: input.zero,
        output: network.output.clone(),
        outputs,
        parameters,
        one_bit_weights: sign_weights,
        eight_bit_weights: byte_weights,
        macs,
        operations: operations(&outline),
        peak_memory,
        layers: outline.iter().map(Layer::from).collect(),
    }))
}

/// How pictures become the input of `network`: their own bytes, 0 to 255, are the bytes that its
/// first layer takes, which is how `noroshi model binarize` teaches.
pub fn picture_input(network: &Network) -> Result<InputSpec> {
    let input = &network.input;
    let color = match (input.layout, input.channels) {
        (Order::Nchw | Order::Nhwc, 1) => ColorOrder::Gray,
        (Order::Nchw | Order::Nhwc, 3) => ColorOrder::Rgb,
        _ => {
            return Err(Error::Compare(format!(
                "the network takes numbers of the shape {:?}; pictures need 1 or 3 channels with \
                 rows and columns",
                shape(network)
            )));
        }
    };
    let pixels = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
    Ok(InputSpec {
        name: input.name.clone(),
        height: pixels(input.height),
        width: pixels(input.width),
        dtype: element(network),
        layout: match input.layout {
            Order::Nhwc => Layout::Nhwc,
            Order::Nchw | Order::Flat => Layout::Nchw,
        },
        color,
        resize: Resize::Stretch,
        features: None,
        normalization: match input.element {
            Element::U8 => Normalization::NONE,
            Element::F32 => Normalization {
                scale: input.scale,
                mean: [f32::from(input.zero) * input.scale; 3],
                ..Normalization::NONE
            },
        },
    })
}

/// What comes out of `network`.
pub fn output_spec(network: &Network) -> OutputSpec {
    OutputSpec {
        name: network.output.clone(),
        activation: Activation::Logits,
    }
}

pub(crate) const fn element(network: &Network) -> ElementType {
    match network.input.element {
        Element::F32 => ElementType::F32,
        Element::U8 => ElementType::U8,
    }
}

fn shape(network: &Network) -> Vec<usize> {
    let input = &network.input;
    match input.layout {
        Order::Flat => vec![input.channels],
        Order::Nchw => vec![input.channels, input.height, input.width],
        Order::Nhwc => vec![input.height, input.width, input.channels],
    }
}

fn operations(outline: &[Outline]) -> Vec<Operations> {
    let mut all: Vec<Operations> = Vec::new();
    for layer in outline {
        let Some(weight_bits) = layer.weight_bits else {
            continue;
        };
        let (activation_bits, macs) = (layer.from.bits(), layer.figures.macs);
        let known = all
            .iter_mut()
            .find(|one| one.weight_bits == weight_bits && one.activation_bits == activation_bits);
        match known {
            Some(known) => known.macs += macs,
            None => all.push(Operations {
                weight_bits,
                activation_bits,
                macs,
            }),
        }
    }
    all.sort_by_key(|one| std::cmp::Reverse(one.macs));
    all
}

impl From<&Outline> for Layer {
    fn from(layer: &Outline) -> Self {
        let Outline {
            what,
            weight_bits,
            from,
            to,
            shape,
            figures,
        } = layer;
        Self {
            what: what.clone(),
            weight_bits: *weight_bits,
            activation_bits: from.bits(),
            output_bits: to.bits(),
            output: [shape.channels, shape.height, shape.width],
            parameters: figures.parameters,
            weight_bytes: figures.weight_bytes,
            macs: figures.macs,
        }
    }
}

impl fmt::Display for Inspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = grouped;
        writeln!(f, "format       packed network of one-bit weights (.nbin)")?;
        writeln!(
            f,
            "size         {} bytes, weights {}",
            count(self.bytes),
            count(self.weight_bytes)
        )?;
        let element = format!("{:?}", self.element).to_lowercase();
        let Self { input, shape, .. } = self;
        writeln!(
            f,
            "input        {input} {element}{shape:?}, as bytes: x / {} + {}",
            self.scale, self.zero
        )?;
        writeln!(f, "output       {} {} numbers", self.output, self.outputs)?;
        let [ones, eights] = [self.one_bit_weights, self.eight_bit_weights];
        writeln!(
            f,
            "parameters   {}, of them weights of 1 bit {} and of 8 bits {}",
            count(self.parameters),
            count(ones),
            count(eights)
        )?;
        writeln!(f, "MACs         {}", count(self.macs))?;
        for one in &self.operations {
            let Operations {
                weight_bits,
                activation_bits,
                macs,
            } = one;
            let share = 100.0 * *macs as f64 / self.macs.max(1) as f64;
            writeln!(
                f,
                "             {weight_bits} by {activation_bits} bits: {} ({share:.0} %)",
                count(*macs)
            )?;
        }
        writeln!(f, "peak memory  {} bytes", count(self.peak_memory))?;
        writeln!(
            f,
            "\n{:<24} {:>8} {:>14} {:>12} {:>14}  OUTPUT",
            "LAYER", "BITS", "PARAMETERS", "BYTES", "MACS"
        )?;
        for layer in &self.layers {
            let bits = layer.weight_bits.map_or(String::new(), |bits| {
                format!("{bits} by {}", layer.activation_bits)
            });
            let [channels, height, width] = layer.output;
            let bits_out = match layer.output_bits {
                32 => "numbers".to_owned(),
                1 => "of 1 bit".to_owned(),
                many => format!("of {many} bits"),
            };
            writeln!(
                f,
                "{:<24} {bits:>8} {:>14} {:>12} {:>14}  {channels}x{height}x{width} {bits_out}",
                layer.what,
                count(layer.parameters),
                count(layer.weight_bytes),
                count(layer.macs)
            )?;
        }
        Ok(())
    }
}
