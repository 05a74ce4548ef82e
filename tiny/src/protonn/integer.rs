//! ProtoNN in whole numbers: the arithmetic that a microcontroller does, bit for bit.
//!
//! 1. uᵢ = ((Σⱼ Wᵢⱼ xⱼ + biasᵢ) · multiplierᵢ) ≫ shift, held within ±512.
//! 2. d = Σᵢ min(|uᵢ − bⱼᵢ|, 255)²; a prototype with d ≥ cutoff is too far to matter.
//! 3. e = table[(d · factor) ≫ factor_shift].
//! 4. score\[class] += e · value, for the entries of the prototype.
//!
//! Ranges are proven when a model is made or read, by intervals: see [`ProtoNn::check`].

use crate::error::{Result, file};
use crate::format::bytes::{Reader, Writer};
use crate::model::{Part, Term};
use crate::protonn::{ProtoNnFloat, read_shape};
use crate::quantize;

/// Projected numbers are held within plus and minus this.
const PROJECTED: i32 = 512;
/// A difference of one dimension counts as this at most, so that its square has 16 bits.
const DIFFERENCE: i32 = 255;
/// ln 510 / 255: the last entry of the table is half a unit.
const STEP: f64 = 0.024_448_669_512_621_063;

/// 255 · exp(−step · index), rounded: the same for all models.
pub const EXPONENTIALS: [u8; 256] = exponentials();

/// One score of a prototype.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// For which class.
    pub class: u8,
    /// How much, times closeness.
    pub value: i8,
}

/// A ProtoNN in whole numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct ProtoNn {
    pub(crate) dimensions: usize,
    pub(crate) classes: usize,
    /// Entries of each prototype; as many as classes: then the classes are not stored.
    pub(crate) entries_each: usize,
    pub(crate) shift: u8,
    pub(crate) factor: u16,
    pub(crate) factor_shift: u8,
    pub(crate) cutoff: u32,
    /// What one unit of a score is.
    pub(crate) unit: f32,
    /// `[dimension][column]`.
    pub(crate) projection: Vec<i8>,
    pub(crate) bias: Vec<i32>,
    pub(crate) multipliers: Vec<u16>,
    /// `[prototype][dimension]`.
    pub(crate) prototypes: Vec<i8>,
    /// `[prototype][entry]`.
    pub(crate) entries: Vec<Entry>,
}

impl ProtoNn {
    /// The integer model of one in floating point. Only the `entries_each` largest scores of each
    /// prototype are kept.
    pub fn quantize(model: &ProtoNnFloat, columns: usize, entries_each: usize) -> Result<Self> {
        Self::within(model, columns, entries_each, 1.0)
    }

    /// The same, where numbers of prototypes beyond `range` of the largest are held there.
    pub(crate) fn within(
        model: &ProtoNnFloat,
        columns: usize,
        entries_each: usize,
        range: f32,
    ) -> Result<Self> {
        let entries_each = entries_each.clamp(1, model.classes);
        let space = quantize::largest(&model.prototypes) * range / 127.0;
        let rows = quantize::rows(&model.projection, &model.bias, columns, space)?;
        // d is in units of space²: exponent = γ² · space² · d = STEP · index.
        let ratio = f64::from(model.sharpness) * f64::from(space).powi(2) / STEP;
        let (factor, factor_shift) = factor(ratio, model.dimensions)?;
        let scores = quantize::largest(&model.scores) / 127.0;
        let entries = model
            .scores
            .chunks(model.classes)
            .flat_map(|row| strongest(row, scores, entries_each))
            .collect();
        let made = Self {
            dimensions: model.dimensions,
            classes: model.classes,
            entries_each,
            shift: rows.shift,
            factor,
            factor_shift,
            cutoff: cutoff(factor, factor_shift),
            unit: scores / 255.0,
            projection: rows.weights,
            bias: rows.bias,
            multipliers: rows.multipliers,
            prototypes: quantize::bytes(&model.prototypes, space),
            entries,
        };
        made.check(columns)?;
        Ok(made)
    }

    /// What one unit of a score is, in those of the model in floating point.
    pub(crate) fn unit(&self) -> f64 {
        f64::from(self.unit)
    }

    /// How many prototypes.
    pub fn prototype_count(&self) -> usize {
        self.prototypes.len() / self.dimensions
    }

    fn project(&self, row: &[u8]) -> Vec<i32> {
        let weights = self.projection.chunks(row.len());
        let scales = self.bias.iter().zip(&self.multipliers);
        weights
            .zip(scales)
            .map(|(weights, (&bias, &multiplier))| {
                let products = weights.iter().zip(row);
                let sum = products.fold(bias, |sum, (&weight, &value)| {
                    sum + i32::from(weight) * i32::from(value)
                });
                quantize::scaled(sum, multiplier, self.shift).clamp(-PROJECTED, PROJECTED)
            })
            .collect()
    }

    /// The closeness of each prototype that is near enough.
    fn near(&self, row: &[u8]) -> impl Iterator<Item = (usize, i32)> {
        let projected = self.project(row);
        let prototypes = self.prototypes.chunks(self.dimensions).enumerate();
        prototypes.filter_map(move |(number, prototype)| {
            let mut square = 0u32;
            for (&a, &b) in projected.iter().zip(prototype) {
                let difference = (a - i32::from(b)).abs().min(DIFFERENCE);
                square += (difference * difference) as u32;
            }
            if square >= self.cutoff {
                return None;
            }
            let index = (square * u32::from(self.factor)) >> self.factor_shift;
            Some((number, i32::from(EXPONENTIALS[index as usize])))
        })
    }

    pub(crate) fn scores(&self, row: &[u8]) -> Vec<i32> {
        let mut scores = vec![0; self.classes];
        for (prototype, close) in self.near(row) {
            let entries = &self.entries[prototype * self.entries_each..][..self.entries_each];
            for entry in entries {
                scores[usize::from(entry.class)] += close * i32::from(entry.value);
            }
        }
        scores
    }

    pub(crate) fn explain(&self, row: &[u8], label: usize) -> Vec<Term> {
        self.near(row)
            .map(|(prototype, close)| {
                let entries = &self.entries[prototype * self.entries_each..][..self.entries_each];
                let of_label = entries
                    .iter()
                    .filter(|entry| usize::from(entry.class) == label);
                let value: i32 = of_label.map(|entry| close * i32::from(entry.value)).sum();
                Term {
                    part: Part::Prototype(prototype as u16),
                    value: f64::from(value) * self.unit(),
                }
            })
            .collect()
    }

    /// Whether no sum can leave 32 bits, whatever bytes come in.
    pub(crate) fn check(&self, columns: usize) -> Result<()> {
        quantize::check_rows(&self.projection, &self.bias, &self.multipliers, columns)?;
        let beyond = |what: &str| Err(file(format!("{what} could leave its 32 bits")));
        let squares = self.dimensions as u64 * 255 * 255;
        if squares > u64::from(u32::MAX) || self.shift > 31 || self.factor_shift > 31 {
            return beyond("a distance");
        }
        let last = last_exponent(self.factor, self.factor_shift, self.dimensions);
        if last > u64::from(u32::MAX) || (last >> self.factor_shift) > 255 {
            return beyond("an exponent");
        }
        if self.entries.len() as u64 * 255 * 128 > i32::MAX as u64 {
            return beyond("a score");
        }
        Ok(())
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.u16(self.dimensions as u16);
        writer.u16(self.prototype_count() as u16);
        writer.u16(self.entries_each as u16);
        writer.u8(self.shift);
        writer.u8(self.factor_shift);
        writer.u16(self.factor);
        writer.f32(self.unit);
        writer.i8s(&self.projection);
        self.bias.iter().for_each(|&bias| writer.i32(bias));
        self.multipliers.iter().for_each(|&one| writer.u16(one));
        writer.i8s(&self.prototypes);
        for entry in &self.entries {
            if self.entries_each < self.classes {
                writer.u8(entry.class);
            }
            writer.u8(entry.value as u8);
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>, columns: u16, classes: u16) -> Result<Self> {
        let (dimensions, prototypes) = read_shape(reader)?;
        let entries_each = usize::from(reader.u16()?);
        if entries_each == 0 || entries_each > usize::from(classes) {
            return Err(file(format!(
                "{entries_each} scores of a prototype for {classes} classes"
            )));
        }
        let (shift, factor_shift) = (reader.u8()?, reader.u8()?);
        let factor = reader.u16()?;
        if factor == 0 || factor_shift > 31 {
            return Err(file("distances are scaled by nothing"));
        }
        let unit = reader.f32()?;
        let columns = usize::from(columns);
        let projection = reader.i8s(dimensions * columns)?;
        let bias = reader.many(dimensions, Reader::i32)?;
        let multipliers = reader.many(dimensions, Reader::u16)?;
        let prototypes_read = reader.i8s(prototypes * dimensions)?;
        let mut number = 0;
        let entries = reader.many(prototypes * entries_each, |reader| {
            let class = if entries_each < usize::from(classes) {
                reader.u8()?
            } else {
                (number % entries_each) as u8
            };
            number += 1;
            if u16::from(class) >= classes {
                return Err(file(format!(
                    "a prototype scores class {class} of {classes}"
                )));
            }
            let value = reader.u8()? as i8;
            Ok(Entry { class, value })
        })?;
        let read = Self {
            dimensions,
            classes: usize::from(classes),
            entries_each,
            shift,
            factor,
            factor_shift,
            cutoff: cutoff(factor, factor_shift),
            unit,
            projection,
            bias,
            multipliers,
            prototypes: prototypes_read,
            entries,
        };
        read.check(columns)?;
        Ok(read)
    }
}

/// `ratio` with as many of twelve bits as leave every exponent 32.
fn factor(ratio: f64, dimensions: usize) -> Result<(u16, u8)> {
    let mut found = quantize::multiplier(ratio, 12);
    for bits in (4..12).rev() {
        match found {
            Ok((factor, shift))
                if last_exponent(factor, shift, dimensions) > u64::from(u32::MAX) =>
            {
                found = quantize::multiplier(ratio, bits);
            }
            _ => break,
        }
    }
    found
}

/// The largest distance that is not too far, times the factor.
fn last_exponent(factor: u16, factor_shift: u8, dimensions: usize) -> u64 {
    let farthest = (dimensions as u64).saturating_mul(DIFFERENCE.pow(2) as u64);
    let nearer = u64::from(cutoff(factor, factor_shift).saturating_sub(1));
    nearer.min(farthest) * u64::from(factor)
}

/// The least distance whose index is beyond the table.
fn cutoff(factor: u16, factor_shift: u8) -> u32 {
    let end = 256u64 << factor_shift;
    end.div_ceil(u64::from(factor)).min(u64::from(u32::MAX)) as u32
}

/// The entries with the largest scores, in the order of classes.
fn strongest(row: &[f32], unit: f32, count: usize) -> Vec<Entry> {
    let mut order: Vec<usize> = (0..row.len()).collect();
    order.sort_by(|&a, &b| row[b].abs().total_cmp(&row[a].abs()));
    order.truncate(count);
    order.sort_unstable();
    let entry = |class: usize| Entry {
        class: class as u8,
        value: quantize::byte(row[class], unit),
    };
    order.into_iter().map(entry).collect()
}

/// By repeated multiplication: `exp` is not to be had in constants. Off by less than 1e-9.
const fn exponentials() -> [u8; 256] {
    let mut table = [0; 256];
    // 510^(−1/255), so that entry 255 is exactly half a unit and is rounded up to one.
    let ratio = 0.975_847_778_374_909_9_f64;
    let mut value = 255.0;
    let mut index = 0;
    while index < 256 {
        table[index] = (value + 0.5) as u8;
        value *= ratio;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_the_exponential() {
        for (index, &entry) in EXPONENTIALS.iter().enumerate() {
            let exact = 255.0 * (-STEP * index as f64).exp();
            assert!(
                (f64::from(entry) - exact).abs() < 0.51,
                "{index}: {entry} {exact}"
            );
        }
    }

    #[test]
    fn the_last_distance_before_the_cutoff_is_the_last_entry() {
        let last = u64::from(cutoff(3001, 20) - 1) * 3001;
        assert_eq!(last >> 20, 255);
        assert_eq!((last + 3001) >> 20, 256);
    }

    #[test]
    fn a_factor_keeps_every_exponent_within_its_bits() {
        for exponent in 0..24 {
            for dimensions in [1, 8, 60, 256] {
                let ratio = 0.7 / f64::from(1u32 << exponent);
                let (factor, shift) = factor(ratio, dimensions).unwrap();
                let last = last_exponent(factor, shift, dimensions);
                assert!(u32::try_from(last).is_ok() && last >> shift <= 255);
                let back = f64::from(factor) / f64::from(1u32 << shift);
                assert!(
                    (back / ratio - 1.0).abs() < 0.05,
                    "{ratio} {dimensions}: {back}"
                );
            }
        }
    }
}
