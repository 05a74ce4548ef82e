//! Support vector machines with a Gaussian kernel, one for every two classes, over bytes.
//!
//! The kernel is computed in whole numbers: d = Σ (x − v)², then exp(−γd) as a product of two
//! table entries of 16 bits. A vector has a coefficient of a byte for each other class. Two
//! classes fight a duel, which counts at most ±1; a class's score is the sum of its duels. So the
//! scores are the same on every machine. For hosts: the vectors are most of the training rows.

mod teach;

pub use teach::SvmSettings;

use crate::by_columns::{self, Walked};
use crate::error::{Result, file};
use crate::format::bytes::{Reader, Writer};
use crate::model::Term;

/// Indices of the kernel's table: an exponent of ln 65,535 ends it.
const INDICES: f64 = 65_536.0;
/// The least closeness that is not 0 is one unit of 65,535.
const REACH: f64 = 11.090_339_630_053_647;
/// 65,535 · exp(−REACH · 256 · index / INDICES) and the same without the 256.
const HIGH: [u16; 256] = exponentials(0.957_603_337_776_614_2);
const LOW: [u16; 256] = exponentials(0.999_830_789_164_722_1);

/// Powers of `ratio`, times 65,535.
const fn exponentials(ratio: f64) -> [u16; 256] {
    let mut table = [0; 256];
    let mut value = 65_535.0;
    let mut index = 0;
    while index < 256 {
        table[index] = (value + 0.5) as u16;
        value *= ratio;
        index += 1;
    }
    table
}

/// A support vector machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Svm {
    columns: usize,
    /// Where the vectors of each class begin, and where the last end.
    starts: Vec<usize>,
    /// `[vector][column]`, class after class.
    vectors: Vec<u8>,
    /// `[vector][other class]`, of which its own is left out.
    coefficients: Vec<i8>,
    /// One for every two classes: 0 and 1, 0 and 2, …, 1 and 2, …
    duels: Vec<Duel>,
    /// Distance · factor ≫ shift is the index.
    factor: u16,
    shift: u8,
}

/// What tells two classes apart: above 0 it is the first.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Duel {
    /// What a closeness of one unit with a coefficient of 1 stands for.
    unit: f32,
    bias: f32,
}

impl Svm {
    /// How many vectors.
    pub fn vector_count(&self) -> usize {
        self.vectors.len() / self.columns
    }

    /// Coefficients, one for each vector and other class.
    pub fn coefficient_count(&self) -> usize {
        self.coefficients.len()
    }

    fn classes(&self) -> usize {
        self.starts.len() - 1
    }

    /// exp(−γ · distance) in units of 1 / 65,535.
    fn close(&self, distance: u32) -> i64 {
        let index = (u64::from(distance) * u64::from(self.factor)) >> self.shift;
        let Ok(index) = u16::try_from(index) else {
            return 0;
        };
        let product =
            u32::from(HIGH[usize::from(index >> 8)]) * u32::from(LOW[usize::from(index & 255)]);
        i64::from(product >> 16)
    }

    /// The first class's side of the duel with the second.
    fn duel(&self, first: usize, second: usize, close: &[i64]) -> f64 {
        let sum = |class: usize, against: usize| {
            let each = self.classes() - 1;
            let at = against - usize::from(against > class);
            let vectors = self.starts[class]..self.starts[class + 1];
            vectors
                .map(|vector| close[vector] * i64::from(self.coefficients[vector * each + at]))
                .sum::<i64>()
        };
        let sum = sum(first, second) + sum(second, first);
        let duel = self.duels[duel_at(first, second, self.classes())];
        (f64::from(duel.bias) + f64::from(duel.unit) * sum as f64).clamp(-1.0, 1.0)
    }

    /// The score of each class: the sum of its duels.
    pub(crate) fn scores(&self, row: &[u8]) -> Vec<f32> {
        let vectors = self.vectors.chunks(self.columns);
        let close: Vec<i64> = vectors
            .map(|vector| self.close(distance(vector, row)))
            .collect();
        let mut scores = vec![0f64; self.classes()];
        for first in 0..self.classes() {
            for second in first + 1..self.classes() {
                let duel = self.duel(first, second, &close);
                scores[first] += duel;
                scores[second] -= duel;
            }
        }
        scores.into_iter().map(|score| score as f32).collect()
    }

    pub(crate) fn explain(&self, row: &[u8], label: usize) -> Vec<Term> {
        by_columns::explain(row, || Walk {
            model: self,
            label,
            row: vec![0; row.len()],
            distances: (self.vectors.chunks(self.columns))
                .map(|vector| vector.iter().map(|&one| square(one, 0)).sum())
                .collect(),
        })
    }

    /// Bits of a number, factor, shift, vectors of each class, duels, vectors in so many bits a
    /// number, coefficients.
    pub(crate) fn write(&self, writer: &mut Writer) {
        let most = self.vectors.iter().copied().max().unwrap_or(0);
        let bits = (8 - most.leading_zeros()).max(1);
        writer.u8(bits as u8);
        writer.u16(self.factor);
        writer.u8(self.shift);
        for ends in self.starts.windows(2) {
            writer.u16((ends[1] - ends[0]) as u16);
        }
        for duel in &self.duels {
            writer.f32(duel.unit);
            writer.f32(duel.bias);
        }
        writer.bytes(&packed(&self.vectors, bits));
        writer.i8s(&self.coefficients);
    }

    pub(crate) fn read(reader: &mut Reader<'_>, columns: u16, classes: u16) -> Result<Self> {
        let bits = u32::from(reader.u8()?);
        let (factor, shift) = (reader.u16()?, reader.u8()?);
        if !(1..=8).contains(&bits) || factor == 0 || shift > 63 {
            return Err(file(format!(
                "vectors of {bits} bits, distances times {factor} / 2^{shift}"
            )));
        }
        let (columns, classes) = (usize::from(columns), usize::from(classes));
        let mut starts = vec![0];
        for _ in 0..classes {
            let last = starts[starts.len() - 1];
            starts.push(last + usize::from(reader.u16()?));
        }
        let duels = reader.many(classes * (classes - 1) / 2, |reader| {
            Ok(Duel {
                unit: reader.f32()?,
                bias: reader.f32()?,
            })
        })?;
        let count = starts[classes];
        // At most 256 · 65,535 vectors of 65,535 numbers of 8 bits: no overflow in 64 bits.
        let numbers = count * columns;
        let packed = reader.take((numbers * bits as usize).div_ceil(8))?;
        Ok(Self {
            columns,
            starts,
            vectors: unpacked(packed, bits, numbers),
            coefficients: reader.i8s(count * (classes - 1))?,
            duels,
            factor,
            shift,
        })
    }
}

/// The place of a duel among all; `first` is below `second`.
fn duel_at(first: usize, second: usize, classes: usize) -> usize {
    first * (2 * classes - first - 1) / 2 + second - first - 1
}

fn square(a: u8, b: u8) -> u32 {
    let apart = u32::from(a.abs_diff(b));
    apart * apart
}

/// Of at most 65,535 columns: within 32 bits.
fn distance(a: &[u8], b: &[u8]) -> u32 {
    a.iter().zip(b).map(|(&a, &b)| square(a, b)).sum()
}

/// Numbers of `bits` bits each, the lowest first.
fn packed(numbers: &[u8], bits: u32) -> Vec<u8> {
    let mut bytes = vec![0u8; (numbers.len() * bits as usize).div_ceil(8)];
    for (index, &number) in numbers.iter().enumerate() {
        let at = index * bits as usize;
        let wide = u16::from(number) << (at % 8);
        bytes[at / 8] |= wide as u8;
        if wide > 255 {
            bytes[at / 8 + 1] |= (wide >> 8) as u8;
        }
    }
    bytes
}

fn unpacked(bytes: &[u8], bits: u32, count: usize) -> Vec<u8> {
    let mask = ((1u16 << bits) - 1) as u8;
    (0..count)
        .map(|index| {
            let at = index * bits as usize;
            let next = bytes.get(at / 8 + 1).copied().unwrap_or(0);
            let wide = u16::from_le_bytes([bytes[at / 8], next]);
            (wide >> (at % 8)) as u8 & mask
        })
        .collect()
}

/// A row on its way from zeros, and how far it is from each vector.
struct Walk<'a> {
    model: &'a Svm,
    label: usize,
    row: Vec<u8>,
    distances: Vec<u32>,
}

impl Walked for Walk<'_> {
    fn score(&self) -> f64 {
        let model = self.model;
        let close: Vec<i64> = self.distances.iter().map(|&one| model.close(one)).collect();
        (0..model.classes())
            .map(|other| match other.cmp(&self.label) {
                std::cmp::Ordering::Less => -model.duel(other, self.label, &close),
                std::cmp::Ordering::Equal => 0.0,
                std::cmp::Ordering::Greater => model.duel(self.label, other, &close),
            })
            .sum()
    }

    fn set(&mut self, column: usize, value: u8) {
        let vectors = self.model.vectors.iter().skip(column);
        let numbers = vectors.step_by(self.model.columns);
        for (distance, &number) in self.distances.iter_mut().zip(numbers) {
            *distance = *distance + square(number, value) - square(number, self.row[column]);
        }
        self.row[column] = value;
    }
}

#[cfg(test)]
mod tests;
