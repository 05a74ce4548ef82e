//! Weights as the kernels want them: in panels.

use super::kernels::{BIT_LANES, BYTE_GROUP, BYTE_LANES, BitProduct, ByteProduct, Kernels};

/// The signs of `numbers` as bits, the first in the lowest bit of the first byte: 1 where a
/// number is 0 or more. The last byte is filled up with 0.
pub fn pack_signs(numbers: &[f32]) -> Vec<u8> {
    let byte = |eight: &[f32]| {
        let bits = eight.iter().enumerate();
        bits.fold(0, |byte, (place, x)| byte | (u8::from(*x >= 0.0) << place))
    };
    numbers.chunks(8).map(byte).collect()
}

/// A matrix of ±1, `[outputs, inputs]`, in panels of eight outputs.
#[derive(Debug, Clone)]
pub struct BitMatrix {
    inputs: usize,
    outputs: usize,
    panels: Vec<u64>,
}

impl BitMatrix {
    /// From rows of whole bytes, one an output; bits beyond `inputs` are ignored.
    pub fn new(bytes: &[u8], inputs: usize, outputs: usize) -> Self {
        let words = inputs.div_ceil(64);
        let row_bytes = inputs.div_ceil(8);
        assert_eq!(
            bytes.len(),
            row_bytes * outputs,
            "one row of bytes an output"
        );
        let mut panels = vec![0; outputs.div_ceil(BIT_LANES) * words * BIT_LANES];
        for output in 0..outputs {
            let row = &bytes[output * row_bytes..(output + 1) * row_bytes];
            for (word, chunk) in row.chunks(8).enumerate() {
                let mut eight = [0; 8];
                eight[..chunk.len()].copy_from_slice(chunk);
                let bits = u64::from_le_bytes(eight) & mask(inputs - word * 64);
                let (panel, lane) = (output / BIT_LANES, output % BIT_LANES);
                panels[(panel * words + word) * BIT_LANES + lane] = bits;
            }
        }
        Self {
            inputs,
            outputs,
            panels,
        }
    }

    /// Words of one plane of a row of inputs.
    pub const fn words(&self) -> usize {
        self.inputs.div_ceil(64)
    }

    /// Number of outputs.
    pub const fn outputs(&self) -> usize {
        self.outputs
    }

    /// Number of inputs.
    pub const fn inputs(&self) -> usize {
        self.inputs
    }

    /// The sum of an output's weights at the inputs `from..to`.
    pub(super) fn weight_sum(&self, output: usize, from: usize, to: usize) -> i32 {
        let (panel, lane) = (output / BIT_LANES, output % BIT_LANES);
        let ones = (from..to).filter(|input| {
            let word = (panel * self.words() + input / 64) * BIT_LANES + lane;
            self.panels[word] >> (input % 64) & 1 == 1
        });
        2 * ones.count() as i32 - (to - from) as i32
    }

    /// The sums of rows of signs: `[row][word]`, bits beyond the inputs 0. `base` holds the
    /// number of inputs once a row.
    pub fn times_signs(
        &self,
        kernels: Kernels,
        rows: &[u64],
        base: &[i32],
        sums: &mut [i32],
        stride: usize,
    ) {
        kernels.differ(&self.product(rows, 1, base, stride), sums);
    }

    /// The sums of rows of levels: `[row][plane][word]`. `base` holds minus the sum of each
    /// row's levels.
    pub fn times_levels(
        &self,
        kernels: Kernels,
        (rows, planes): (&[u64], usize),
        base: &[i32],
        sums: &mut [i32],
        stride: usize,
    ) {
        kernels.meet(&self.product(rows, planes, base, stride), sums);
    }

    fn product<'a>(
        &'a self,
        rows: &'a [u64],
        planes: usize,
        base: &'a [i32],
        stride: usize,
    ) -> BitProduct<'a> {
        BitProduct {
            rows,
            planes,
            words: self.words(),
            panels: &self.panels,
            base,
            stride,
        }
    }
}

/// The lowest `count` bits, all of them from 64.
pub(super) const fn mask(count: usize) -> u64 {
    if count >= 64 {
        u64::MAX
    } else {
        (1 << count) - 1
    }
}

/// A matrix of 8-bit integers, `[outputs, inputs]`, in panels of sixteen outputs.
#[derive(Debug, Clone)]
pub struct ByteMatrix {
    inputs: usize,
    outputs: usize,
    panels: Vec<i8>,
}

impl ByteMatrix {
    /// From rows, one an output.
    pub fn new(weights: &[i8], inputs: usize, outputs: usize) -> Self {
        assert_eq!(weights.len(), inputs * outputs, "one row an output");
        let groups = inputs.div_ceil(BYTE_GROUP);
        let panel_count = outputs.div_ceil(BYTE_LANES);
        let mut panels = vec![0; panel_count * groups * BYTE_LANES * BYTE_GROUP];
        for (output, row) in weights.chunks(inputs).enumerate() {
            let (panel, lane) = (output / BYTE_LANES, output % BYTE_LANES);
            for (input, weight) in row.iter().enumerate() {
                let (group, place) = (input / BYTE_GROUP, input % BYTE_GROUP);
                let lanes = (panel * groups + group) * BYTE_LANES + lane;
                panels[lanes * BYTE_GROUP + place] = *weight;
            }
        }
        Self {
            inputs,
            outputs,
            panels,
        }
    }

    /// Bytes of a row of inputs, filled up to whole groups with 0.
    pub const fn row_bytes(&self) -> usize {
        self.inputs.next_multiple_of(BYTE_GROUP)
    }

    /// Number of outputs.
    pub const fn outputs(&self) -> usize {
        self.outputs
    }

    /// The sums of `count` rows of bytes.
    pub fn times_bytes(
        &self,
        kernels: Kernels,
        rows: &[u8],
        count: usize,
        sums: &mut [i32],
        stride: usize,
    ) {
        let product = ByteProduct {
            rows,
            groups: self.row_bytes() / BYTE_GROUP,
            panels: &self.panels,
            count,
            stride,
        };
        kernels.bytes(&product, sums);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_are_packed_from_the_lowest_bit() {
        let numbers = [1.0, -1.0, 0.0, -0.5, -1.0, -1.0, -1.0, 2.0, 3.0];
        assert_eq!(pack_signs(&numbers), [0b1000_0101, 1]);
    }

    #[test]
    fn bits_beyond_the_inputs_are_dropped() {
        let matrix = BitMatrix::new(&[0xff, 0xff, 0, 0xff], 9, 2);
        assert_eq!(matrix.panels[..2], [0x1ff, 0x100]);
        assert_eq!(matrix.weight_sum(0, 0, 9), 9);
        assert_eq!(matrix.weight_sum(1, 0, 9), -7);
    }
}
