//! A kernel machine as bytes: the map is its plan, so the head is nearly all of them.
//!
//! `NFF` 1, kind, seed u64, inputs u32, pairs u32, width f32, classes u16; then f32 (all numbers
//! little-endian): mean and factor of each column, bias of each class, weights class by class;
//! then the FNV-1a hash of everything before.

use super::FastfoodError;
use super::map::{Kind, Plan};
use super::model::Model;
use crate::baseline::linear::Linear;

const MAGIC: &[u8; 4] = b"NFF\x01";
const HASH_BYTES: usize = 8;

impl Model {
    /// The model's file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.push(match self.plan.kind {
            Kind::KitchenSinks => 0,
            Kind::Fastfood => 1,
        });
        bytes.extend(self.plan.seed.to_le_bytes());
        bytes.extend((self.plan.inputs as u32).to_le_bytes());
        bytes.extend((self.plan.pairs as u32).to_le_bytes());
        bytes.extend(self.plan.sigma.to_le_bytes());
        bytes.extend((self.head.bias.len() as u16).to_le_bytes());
        let standard = self
            .standard
            .iter()
            .flat_map(|(mean, factor)| [mean, factor]);
        let numbers = standard.chain(&self.head.bias).chain(&self.head.weights);
        bytes.extend(numbers.flat_map(|number| number.to_le_bytes()));
        bytes.extend(hash(&bytes).to_le_bytes());
        bytes
    }

    /// The model of a file: sizes, hash and numbers are checked before anything is drawn.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FastfoodError> {
        let (content, found) = bytes
            .split_last_chunk::<HASH_BYTES>()
            .ok_or(FastfoodError::File("it is cut off"))?;
        let mut reader = Reader(content);
        if reader.take::<4>()? != *MAGIC {
            return Err(FastfoodError::File("it doesn't start as one of version 1"));
        }
        if hash(content) != u64::from_le_bytes(*found) {
            return Err(FastfoodError::File("its hash is another: it is damaged"));
        }
        let plan = reader.plan()?;
        plan.check()?;
        let classes = usize::from(u16::from_le_bytes(reader.take()?));
        let head = classes * (1 + plan.outputs());
        if classes < 2 || reader.0.len() != 4 * (2 * plan.inputs + head) {
            return Err(FastfoodError::File("its length isn't what its sizes need"));
        }
        let standard = reader.numbers(2 * plan.inputs)?;
        let (pairs, _) = standard.as_chunks::<2>();
        Ok(Self {
            standard: pairs
                .iter()
                .map(|[mean, factor]| (*mean, *factor))
                .collect(),
            head: Linear {
                columns: plan.outputs(),
                bias: reader.numbers(classes)?,
                weights: reader.numbers(classes * plan.outputs())?,
            },
            map: plan.draw()?,
            plan,
        })
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], FastfoodError> {
        let (taken, rest) = self
            .0
            .split_first_chunk()
            .ok_or(FastfoodError::File("it is cut off"))?;
        self.0 = rest;
        Ok(*taken)
    }

    fn plan(&mut self) -> Result<Plan, FastfoodError> {
        let kind = match self.take::<1>()? {
            [0] => Kind::KitchenSinks,
            [1] => Kind::Fastfood,
            _ => return Err(FastfoodError::File("its map is of a kind that isn't known")),
        };
        Ok(Plan {
            kind,
            seed: u64::from_le_bytes(self.take()?),
            inputs: u32::from_le_bytes(self.take()?) as usize,
            pairs: u32::from_le_bytes(self.take()?) as usize,
            sigma: f32::from_le_bytes(self.take()?),
        })
    }

    fn numbers(&mut self, count: usize) -> Result<Vec<f32>, FastfoodError> {
        let numbers: Result<Vec<f32>, FastfoodError> = (0..count)
            .map(|_| Ok(f32::from_le_bytes(self.take()?)))
            .collect();
        let numbers = numbers?;
        if numbers.iter().all(|number| number.is_finite()) {
            return Ok(numbers);
        }
        Err(FastfoodError::File("a number in it isn't finite"))
    }
}

fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::Samples;
    use crate::fastfood::model::{Settings, train};

    #[test]
    fn damaged_files_are_refused() {
        let samples = Samples {
            rows: &[0.0, 1.0, 2.0, 3.0],
            columns: 1,
            labels: &[0, 0, 1, 1],
            classes: 2,
        };
        let settings = Settings {
            kind: Kind::Fastfood,
            pairs: 4,
            sigma: 1.0,
            lambda: 1e-3,
            rounds: 0,
        };
        let bytes = train(&samples, &settings, 3).unwrap().to_bytes();
        assert!(Model::from_bytes(&bytes).is_ok());
        for length in 0..bytes.len() {
            assert!(Model::from_bytes(&bytes[..length]).is_err());
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            assert!(Model::from_bytes(&damaged).is_err(), "byte {at}");
        }
    }
}
