//! Bonsai in whole numbers: the arithmetic that a microcontroller does, bit for bit.
//!
//! 1. pᵢ = ((Σ Zᵢⱼ xⱼ + biasᵢ) · multiplierᵢ) ≫ shift, held within ±127.
//! 2. g = ((Vₖ·p) · gate) ≫ gate_shift, held within ±127; t = tanh table, with the sign of g.
//! 3. ŷ += (Wₖ·p) · t.
//! 4. To the right child where θₖ·p > 0.

use crate::bonsai::{
    BonsaiFloat, Sparse, check_columns, node_count, output_count, read_shape, signed, sums, walk,
};
use crate::error::{Result, file};
use crate::format::bytes::{Reader, Writer};
use crate::model::{Part, Term};
use crate::quantize;

/// Entries of the table for one unit of the gate's argument.
const GATE_STEPS: f32 = 32.0;

/// 127 · tanh(index / 32), rounded: the same for all models.
pub const TANH: [i8; 128] = hyperbolic_tangents();

/// A Bonsai tree in whole numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Bonsai {
    pub(crate) depth: usize,
    pub(crate) classes: usize,
    pub(crate) shift: u8,
    pub(crate) gate: u16,
    pub(crate) gate_shift: u8,
    /// What one unit of a score is.
    pub(crate) unit: f32,
    pub(crate) projection: Sparse<i8>,
    pub(crate) bias: Vec<i32>,
    pub(crate) multipliers: Vec<u16>,
    /// `[node][output][dimension]`.
    pub(crate) weights: Vec<i8>,
    /// `[node][output][dimension]`.
    pub(crate) gates: Vec<i8>,
    /// `[inner node][dimension]`.
    pub(crate) branches: Vec<i8>,
}

impl Bonsai {
    /// The integer model of one in floating point. `most` is the largest absolute value that
    /// projected numbers have on the rows at hand.
    pub fn quantize(model: &BonsaiFloat, columns: usize, most: f32) -> Result<Self> {
        let unit = most.max(1e-6) / 127.0;
        let dimensions = model.bias.len();
        let mut dense = vec![0f32; dimensions * columns];
        for (number, row) in model.projection.rows().enumerate() {
            for &(column, value) in row {
                dense[number * columns + usize::from(column)] = value;
            }
        }
        let rows = quantize::rows(&dense, &model.bias, columns, unit)?;
        let entries = model
            .projection
            .rows()
            .enumerate()
            .flat_map(|(number, row)| {
                let weights = &rows.weights[number * columns..][..columns];
                row.iter()
                    .map(move |&(column, _)| (column, weights[usize::from(column)]))
            });
        let projection = Sparse {
            counts: model.projection.counts.clone(),
            entries: entries.collect(),
        };
        let weight = quantize::largest(&model.weights) / 127.0;
        let gate_unit = quantize::largest(&model.gates) / 127.0;
        let ratio = f64::from(gate_unit) * f64::from(unit) * f64::from(GATE_STEPS);
        let bits = gate_bits(dimensions);
        let (gate, gate_shift) = quantize::multiplier(ratio, bits)?;
        let branches = model.branches.chunks(dimensions);
        let made = Self {
            depth: model.depth,
            classes: model.classes,
            shift: rows.shift,
            gate,
            gate_shift,
            unit: weight * unit / 127.0,
            projection,
            bias: rows.bias,
            multipliers: rows.multipliers,
            weights: quantize::bytes(&model.weights, weight),
            gates: quantize::bytes(&model.gates, gate_unit),
            // Only the sign of a branch is asked: each takes all of its bits.
            branches: branches
                .flat_map(|row| quantize::bytes(row, quantize::largest(row) / 127.0))
                .collect(),
        };
        made.check()?;
        Ok(made)
    }

    pub(crate) fn unit(&self) -> f64 {
        f64::from(self.unit)
    }

    fn project(&self, row: &[u8]) -> Vec<i32> {
        let scales = self.bias.iter().zip(&self.multipliers);
        self.projection
            .rows()
            .zip(scales)
            .map(|(entries, (&bias, &multiplier))| {
                let sum = entries.iter().fold(bias, |sum, &(column, weight)| {
                    sum + i32::from(weight) * i32::from(row[usize::from(column)])
                });
                quantize::scaled(sum, multiplier, self.shift).clamp(-127, 127)
            })
            .collect()
    }

    /// What each node on the way adds to each output.
    fn path(&self, row: &[u8]) -> Vec<(usize, Vec<i32>)> {
        let projected = self.project(row);
        let dimensions = projected.len();
        let outputs = output_count(self.classes);
        let product = |weights: &[i8]| {
            let pairs = weights.iter().zip(&projected);
            pairs
                .map(|(&weight, value)| i32::from(weight) * value)
                .sum::<i32>()
        };
        let said = |node: usize, output: usize| {
            let at = (node * outputs + output) * dimensions;
            let gate = product(&self.gates[at..at + dimensions]);
            let gate = quantize::scaled(gate, self.gate, self.gate_shift).clamp(-127, 127);
            let open = i32::from(TANH[gate.unsigned_abs() as usize]) * gate.signum();
            product(&self.weights[at..at + dimensions]) * open
        };
        walk(self.depth, outputs, said, |node| {
            product(&self.branches[node * dimensions..][..dimensions]) > 0
        })
    }

    pub(crate) fn scores(&self, row: &[u8]) -> Vec<i32> {
        sums(output_count(self.classes), self.path(row))
    }

    pub(crate) fn explain(&self, row: &[u8], label: usize) -> Vec<Term> {
        let path = self.path(row).into_iter();
        path.map(|(node, said)| Term {
            part: Part::Node(node as u16),
            value: self.unit() * signed(self.classes, label, |output| f64::from(said[output])),
        })
        .collect()
    }

    /// Whether no sum can leave 32 bits, whatever bytes come in.
    fn check(&self) -> Result<()> {
        let scales = self.bias.iter().zip(&self.multipliers);
        for (entries, (&bias, &multiplier)) in self.projection.rows().zip(scales) {
            let weights = entries.iter().map(|&(_, weight)| weight);
            if !quantize::fits(weights, bias, multiplier) {
                return Err(file("a row of the projection could leave its 32 bits"));
            }
        }
        // |V·p| and |W·p| are at most 128 · 127 for each dimension.
        let product = self.bias.len() as i64 * 128 * 127;
        let score = product * 127 * (self.depth as i64 + 1);
        let limit = i64::from(i32::MAX);
        if product * i64::from(self.gate) > limit || score > limit {
            return Err(file("a node of the tree could leave its 32 bits"));
        }
        if self.shift > 31 || self.gate_shift > 31 {
            return Err(file("a number is shifted by more bits than it has"));
        }
        Ok(())
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.u8(self.depth as u8);
        writer.u8(self.bias.len() as u8);
        writer.u8(self.shift);
        writer.u8(self.gate_shift);
        writer.u16(self.gate);
        writer.f32(self.unit);
        self.projection
            .counts
            .iter()
            .for_each(|&count| writer.u16(count));
        writer.bytes(&self.packed());
        self.bias.iter().for_each(|&bias| writer.i32(bias));
        self.multipliers.iter().for_each(|&one| writer.u16(one));
        for values in [&self.weights, &self.gates, &self.branches] {
            writer.i8s(values);
        }
    }

    /// The projection's entries as they lie in file and flash: how far the column is from the one
    /// before (from 0 at first), then the weight. A step of 255 has no weight: further steps follow.
    pub fn packed(&self) -> Vec<u8> {
        let mut packed = Vec::new();
        for row in self.projection.rows() {
            let mut before = 0;
            for &(column, weight) in row {
                let mut step = column - before;
                while step >= 255 {
                    packed.push(255);
                    step -= 255;
                }
                packed.extend([step as u8, weight as u8]);
                before = column;
            }
        }
        packed
    }

    pub(crate) fn read(reader: &mut Reader<'_>, columns: u16, classes: u16) -> Result<Self> {
        let (depth, dimensions) = read_shape(reader)?;
        let classes = usize::from(classes);
        let (shift, gate_shift) = (reader.u8()?, reader.u8()?);
        let gate = reader.u16()?;
        let unit = reader.f32()?;
        let counts = reader.many(dimensions, Reader::u16)?;
        let mut entries = Vec::new();
        for &count in &counts {
            let mut column = 0u16;
            let row = reader.many(usize::from(count), |reader| {
                let mut step = reader.u8()?;
                while step == 255 {
                    column = further(column, step)?;
                    step = reader.u8()?;
                }
                column = further(column, step)?;
                Ok((column, reader.u8()? as i8))
            })?;
            check_columns(&row, columns)?;
            entries.extend(row);
        }
        let nodes = node_count(depth) * output_count(classes) * dimensions;
        let read = Self {
            depth,
            classes,
            shift,
            gate,
            gate_shift,
            unit,
            projection: Sparse { counts, entries },
            bias: reader.many(dimensions, Reader::i32)?,
            multipliers: reader.many(dimensions, Reader::u16)?,
            weights: reader.i8s(nodes)?,
            gates: reader.i8s(nodes)?,
            branches: reader.i8s((node_count(depth) / 2) * dimensions)?,
        };
        read.check()?;
        Ok(read)
    }
}

fn further(column: u16, step: u8) -> Result<u16> {
    column
        .checked_add(u16::from(step))
        .ok_or_else(|| file("a column beyond all"))
}

/// Bits of the gate's multiplier for which the product with |V·p| has 31.
fn gate_bits(dimensions: usize) -> u32 {
    let product = (dimensions as u32).next_power_of_two().trailing_zeros() + 14;
    (31 - product).min(12)
}

/// By the addition theorem: tanh(a + s) = (tanh a + tanh s) / (1 + tanh a · tanh s).
const fn hyperbolic_tangents() -> [i8; 128] {
    let mut table = [0; 128];
    // tanh(1/32).
    let step = 0.031_239_831_446_031_266_f64;
    let mut value = 0.0;
    let mut index = 0;
    while index < 128 {
        table[index] = (127.0 * value + 0.5) as i8;
        value = (value + step) / (1.0 + value * step);
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_hyperbolic_tangent() {
        for (index, &entry) in TANH.iter().enumerate() {
            let exact = 127.0 * (index as f64 / 32.0).tanh();
            assert!(
                (f64::from(entry) - exact).abs() < 0.51,
                "{index}: {entry} {exact}"
            );
        }
    }
}
