//! Windows of the watch as other people would have made them: at another pace, with more or less
//! strength, the watch turned on the wrist, or on the other arm.

use crate::datasets::WATCH_AXES;

/// Largest change of the pace and of the strength, as shares.
const PACE: f32 = 0.25;
const STRENGTH: f32 = 0.1;
/// Largest turn about each axis, in radians.
const TURN: f32 = 0.5;

/// Draws variations, the same for the same seed.
pub(super) struct Variation(u64);

impl Variation {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// In -1..1.
    fn number(&mut self) -> f32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 ^ self.0 >> 29) >> 40 & 0x00ff_ffff) as f32 / (1u64 << 23) as f32 - 1.0
    }

    /// A window of `length` samples from anywhere in a recording; `None` if it is too short.
    pub(super) fn window(&mut self, samples: &[f32], length: usize) -> Option<Vec<f32>> {
        let pace = 1.0 + self.number() * PACE;
        let strength = 1.0 + self.number() * STRENGTH;
        let angles = [(); 3].map(|()| self.number() * TURN);
        let taken = (pace * length as f32).ceil() as usize + 1;
        let room = (samples.len() / WATCH_AXES).checked_sub(taken + 1)?;
        let start = ((self.number() + 1.0) * 0.5 * room as f32) as usize;
        let other_arm = self.number() > 0.0;
        let mut window = Vec::with_capacity(length * WATCH_AXES);
        for place in 0..length {
            let at = place as f32 * pace;
            let here = &samples[(start + at as usize) * WATCH_AXES..][..2 * WATCH_AXES];
            let between = |axis: usize| {
                let (before, after) = (here[axis], here[axis + WATCH_AXES]);
                strength * (before + (after - before) * at.fract())
            };
            let mut sample: [f32; WATCH_AXES] = std::array::from_fn(between);
            if other_arm {
                mirror(&mut sample);
            }
            sample.chunks_exact_mut(3).for_each(|one| turn(one, angles));
            // Whoever does it in less time turns faster.
            sample[3..].iter_mut().for_each(|speed| *speed /= pace);
            window.extend(sample);
        }
        Some(window)
    }
}

/// The same movement by the other arm. The first axis lies along the arm, from one side of the body
/// to the other: accelerations along it change their sign, and rotations about the two others.
fn mirror(sample: &mut [f32; WATCH_AXES]) {
    for axis in [0, 4, 5] {
        sample[axis] = -sample[axis];
    }
}

/// Turns a direction about the three axes, one after the other.
fn turn(direction: &mut [f32], angles: [f32; 3]) {
    for (axis, angle) in angles.iter().enumerate() {
        let (first, second) = ((axis + 1) % 3, (axis + 2) % 3);
        let (sine, cosine) = angle.sin_cos();
        let (x, y) = (direction[first], direction[second]);
        direction[first] = x * cosine - y * sine;
        direction[second] = x * sine + y * cosine;
    }
}
