//! Random features whose inner products approach the Gaussian kernel exp(−‖x − y‖² / 2σ²).
//!
//! Both maps turn a row x of d numbers into 2n: [cos Vx, sin Vx] / √n. Random kitchen sinks
//! (Rahimi and Recht, 2007, algorithm 1) draw all of V from a normal distribution of deviation
//! 1/σ. Fastfood (Le, Sarlós and Smola, 2013, section 3.1) multiplies by S·H·G·Π·H·B / (σ√d)
//! instead, a block for every d rows of V: log d steps instead of d, and 10 bytes a row instead of
//! 4d. Nothing but the seed need be stored.

use serde::{Deserialize, Serialize};

use super::FastfoodError;
use super::random::Random;
use super::vectors::{flip, hadamard, pick, scale, times, turn};

/// Most numbers of a row: an order is stored in 16 bits.
pub const MOST_INPUTS: usize = 1 << 15;
/// Most rows of V.
pub const MOST_PAIRS: usize = 1 << 20;
/// Most numbers that kitchen sinks may draw: 1 GiB of them.
const MOST_DRAWN: usize = 1 << 28;

/// How V is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Every entry is drawn.
    KitchenSinks,
    /// A product of structured matrices.
    Fastfood,
}

/// All that a map is made of: the same plan is the same map.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// How V is made.
    pub kind: Kind,
    /// What is drawn from.
    pub seed: u64,
    /// Numbers of a row, d.
    pub inputs: usize,
    /// Rows of V, n; the map gives 2n numbers.
    pub pairs: usize,
    /// The kernel's width σ.
    pub sigma: f32,
}

/// A map that can be applied.
#[derive(Debug, Clone, PartialEq)]
pub enum Map {
    /// Random kitchen sinks.
    KitchenSinks(KitchenSinks),
    /// Fastfood.
    Fastfood(Fastfood),
}

/// V, entry by entry.
#[derive(Debug, Clone, PartialEq)]
pub struct KitchenSinks {
    inputs: usize,
    rows: Vec<f32>,
}

/// V as blocks of structured matrices.
#[derive(Debug, Clone, PartialEq)]
pub struct Fastfood {
    inputs: usize,
    pairs: usize,
    /// d, the next power of two.
    width: usize,
    blocks: Vec<Block>,
}

/// d rows of V.
#[derive(Debug, Clone, PartialEq)]
struct Block {
    /// B: a bit for each −1.
    signs: Vec<u64>,
    /// Π.
    order: Vec<u16>,
    /// G.
    gains: Vec<f32>,
    /// S / (σ√d), with G's length taken out.
    scales: Vec<f32>,
}

/// Room for applying a map, so that no row allocates.
#[derive(Debug, Clone, Default)]
pub struct Room {
    padded: Vec<f32>,
    picked: Vec<f32>,
    angles: Vec<f32>,
}

fn plan(text: String) -> FastfoodError {
    FastfoodError::Plan(text)
}

impl Plan {
    /// Whether the sizes are ones that a map can have; says what is wrong.
    pub fn check(&self) -> Result<(), FastfoodError> {
        let drawn = self.inputs.saturating_mul(self.pairs);
        if self.inputs == 0 || self.inputs > MOST_INPUTS {
            return Err(plan(format!(
                "{} inputs: 1 to {MOST_INPUTS} are possible",
                self.inputs
            )));
        }
        if self.pairs == 0 || self.pairs > MOST_PAIRS {
            return Err(plan(format!(
                "{} pairs: 1 to {MOST_PAIRS} are possible",
                self.pairs
            )));
        }
        if self.kind == Kind::KitchenSinks && drawn > MOST_DRAWN {
            return Err(plan(format!(
                "kitchen sinks of {drawn} numbers: use Fastfood"
            )));
        }
        if !(self.sigma.is_finite() && self.sigma > 0.0) {
            return Err(plan(format!(
                "a width of {}: it must be above 0",
                self.sigma
            )));
        }
        Ok(())
    }

    /// Numbers that the map gives.
    pub fn outputs(&self) -> usize {
        2 * self.pairs
    }

    /// Draws the map.
    pub fn draw(&self) -> Result<Map, FastfoodError> {
        self.check()?;
        Ok(match self.kind {
            Kind::KitchenSinks => Map::KitchenSinks(KitchenSinks::draw(self)),
            Kind::Fastfood => Map::Fastfood(Fastfood::draw(self)),
        })
    }
}

impl Map {
    /// The map's 2n numbers for `row`: cosines, then sines.
    ///
    /// # Panics
    /// If `row` or `target` is not of the plan's size.
    pub fn apply(&self, row: &[f32], room: &mut Room, target: &mut [f32]) {
        let pairs = self.pairs();
        assert_eq!(target.len(), 2 * pairs, "the map's outputs");
        let mut angles = std::mem::take(&mut room.angles);
        angles.resize(self.angles_length(), 0.0);
        self.project(row, room, &mut angles);
        let (cosines, sines) = target.split_at_mut(pairs);
        turn(
            &angles[..pairs],
            (pairs as f32).sqrt().recip(),
            cosines,
            sines,
        );
        room.angles = angles;
    }

    /// Vx. `angles` has n numbers, rounded up to whole blocks for Fastfood.
    ///
    /// # Panics
    /// If `row` or `angles` is not of that size.
    pub fn project(&self, row: &[f32], room: &mut Room, angles: &mut [f32]) {
        assert_eq!(angles.len(), self.angles_length(), "room for the angles");
        match self {
            Self::KitchenSinks(map) => {
                assert_eq!(row.len(), map.inputs, "the map's inputs");
                times(&map.rows, row, angles);
            }
            Self::Fastfood(map) => {
                assert_eq!(row.len(), map.inputs, "the map's inputs");
                map.project(row, room, angles);
            }
        }
    }

    /// How many numbers [`Self::project`] writes.
    pub fn angles_length(&self) -> usize {
        match self {
            Self::KitchenSinks(map) => map.rows.len() / map.inputs,
            Self::Fastfood(map) => map.blocks.len() * map.width,
        }
    }

    /// n.
    pub fn pairs(&self) -> usize {
        match self {
            Self::KitchenSinks(map) => map.rows.len() / map.inputs,
            Self::Fastfood(map) => map.pairs,
        }
    }

    /// Bytes that V takes in memory.
    pub fn bytes(&self) -> usize {
        match self {
            Self::KitchenSinks(map) => size_of_val(&map.rows[..]),
            Self::Fastfood(map) => map.blocks.iter().map(Block::bytes).sum(),
        }
    }

    /// V of random kitchen sinks, a row after the other; nothing for Fastfood.
    pub fn matrix(&self) -> Option<&[f32]> {
        match self {
            Self::KitchenSinks(map) => Some(&map.rows),
            Self::Fastfood(_) => None,
        }
    }
}

impl KitchenSinks {
    fn draw(plan: &Plan) -> Self {
        let mut random = Random::new(plan.seed, 0);
        let deviation = 1.0 / f64::from(plan.sigma);
        let count = plan.inputs * plan.pairs;
        Self {
            inputs: plan.inputs,
            rows: (0..count)
                .map(|_| (random.normal() * deviation) as f32)
                .collect(),
        }
    }
}

impl Fastfood {
    fn draw(plan: &Plan) -> Self {
        let width = plan.inputs.next_power_of_two();
        let count = plan.pairs.div_ceil(width);
        let block = |index| {
            Block::draw(
                &mut Random::new(plan.seed, 1 + index as u64),
                width,
                plan.sigma,
            )
        };
        Self {
            inputs: plan.inputs,
            pairs: plan.pairs,
            width,
            blocks: (0..count).map(block).collect(),
        }
    }

    fn project(&self, row: &[f32], room: &mut Room, angles: &mut [f32]) {
        room.padded.clear();
        room.padded.extend_from_slice(row);
        room.padded.resize(self.width, 0.0);
        room.picked.resize(self.width, 0.0);
        for (block, angles) in self.blocks.iter().zip(angles.chunks_exact_mut(self.width)) {
            block.project(&room.padded, &mut room.picked, angles);
        }
    }
}

impl Block {
    fn draw(random: &mut Random, width: usize, sigma: f32) -> Self {
        let signs = (0..width.div_ceil(64)).map(|_| random.bits()).collect();
        let order = random.permutation(width as u16);
        let gains: Vec<f64> = (0..width).map(|_| random.normal()).collect();
        let length = gains.iter().map(|gain| gain * gain).sum::<f64>().sqrt();
        // A row of H·G·Π·H·B has the length √d · ‖G‖; S makes it a normal vector's.
        let factor = 1.0 / (length * f64::from(sigma) * (width as f64).sqrt());
        Self {
            signs,
            order,
            scales: (0..width)
                .map(|_| (random.chi(width) * factor) as f32)
                .collect(),
            gains: gains.into_iter().map(|gain| gain as f32).collect(),
        }
    }

    fn project(&self, row: &[f32], picked: &mut [f32], angles: &mut [f32]) {
        flip(row, &self.signs, angles);
        hadamard(angles);
        pick(angles, &self.order, &self.gains, picked);
        hadamard(picked);
        angles.copy_from_slice(picked);
        scale(angles, &self.scales);
    }

    fn bytes(&self) -> usize {
        size_of_val(&self.signs[..])
            + size_of_val(&self.order[..])
            + size_of_val(&self.gains[..])
            + size_of_val(&self.scales[..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(kind: Kind, seed: u64) -> Plan {
        Plan {
            kind,
            seed,
            inputs: 10,
            pairs: 200,
            sigma: 2.0,
        }
    }

    /// Mean over seeds of the features' inner product.
    fn mean_product(kind: Kind, a: &[f32], b: &[f32]) -> f64 {
        const SEEDS: u64 = 200;
        let mut room = Room::default();
        let total: f64 = (0..SEEDS)
            .map(|seed| {
                let map = plan(kind, seed).draw().unwrap();
                let mut features = [vec![0.0; 400], vec![0.0; 400]];
                let [one, two] = &mut features;
                map.apply(a, &mut room, one);
                map.apply(b, &mut room, two);
                one.iter()
                    .zip(two)
                    .map(|(x, y)| f64::from(*x * *y))
                    .sum::<f64>()
            })
            .sum();
        total / SEEDS as f64
    }

    #[test]
    fn inner_products_are_the_kernel_on_average() {
        let a: Vec<f32> = (0..10).map(|i| (i as f32 * 0.7).sin()).collect();
        let b: Vec<f32> = (0..10).map(|i| (i as f32 * 1.3).cos()).collect();
        let square: f32 = a.iter().zip(&b).map(|(a, b)| (a - b).powi(2)).sum();
        let kernel = f64::from((-square / 8.0).exp());
        assert!(
            kernel > 0.2 && kernel < 0.8,
            "a pair that tells something: {kernel}"
        );
        for kind in [Kind::KitchenSinks, Kind::Fastfood] {
            let found = mean_product(kind, &a, &b);
            assert!(
                (found - kernel).abs() < 0.01,
                "{kind:?}: {found}, not {kernel}"
            );
        }
    }

    #[test]
    fn a_map_is_its_plan() {
        let row: Vec<f32> = (0..10).map(|i| i as f32).collect();
        for kind in [Kind::KitchenSinks, Kind::Fastfood] {
            let apply = |seed| {
                let mut target = vec![0.0; 400];
                let map = plan(kind, seed).draw().unwrap();
                map.apply(&row, &mut Room::default(), &mut target);
                target
            };
            assert_eq!(apply(1), apply(1));
            assert_ne!(apply(1), apply(2));
        }
    }

    #[test]
    fn impossible_plans_are_refused() {
        let possible = plan(Kind::KitchenSinks, 1);
        for wrong in [
            Plan {
                inputs: 0,
                ..possible
            },
            Plan {
                pairs: 0,
                ..possible
            },
            Plan {
                sigma: 0.0,
                ..possible
            },
            Plan {
                sigma: f32::NAN,
                ..possible
            },
            Plan {
                inputs: 1 << 15,
                pairs: 1 << 20,
                ..possible
            },
        ] {
            assert!(wrong.draw().is_err(), "{wrong:?}");
        }
    }
}
