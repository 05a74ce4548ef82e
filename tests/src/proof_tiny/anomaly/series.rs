//! A hundred series, each with one spike, one shift, one drift and one flat line in it.

use anyhow::Result;
use noroshi_tiny::anomaly::{WINDOW, Watch};

use crate::claims::{Claim, rounded};
use crate::proof_tiny::online::streams::Chance;

const SERIES: u64 = 100;
const CLEAN: usize = 20_000;
/// False alarms a sample that the threshold is set for; the bar on what is measured is twice it.
const RATE: f64 = 1e-4;
const RECALL: f64 = 0.9;
/// Clean samples between two anomalies: more than any window.
const BETWEEN: usize = 600;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Anomaly {
    Spike,
    Shift,
    Drift,
    Flat,
}

const ALL: [(Anomaly, &str, usize); 4] = [
    (Anomaly::Spike, "spikes", 1),
    (Anomaly::Shift, "shifts", 300),
    (Anomaly::Drift, "drifts", 600),
    (Anomaly::Flat, "flat lines", 100),
];

/// Two waves and noise that remembers its last value.
struct Source {
    level: f64,
    waves: [(f64, f64, f64); 2],
    memory: f64,
    noise: f64,
    last: f64,
    at: usize,
    chance: Chance,
}

impl Source {
    fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed ^ 0x005e_11e5);
        let mut between = |low: f64, high: f64| low + (high - low) * chance.part();
        let noise = between(0.1, 2.0);
        let mut wave = || {
            let period = between(12.0, 100.0);
            (noise * between(0.0, 3.0), period, between(0.0, 6.0))
        };
        let waves = [wave(), wave()];
        Self {
            level: between(-50.0, 50.0),
            waves,
            memory: between(0.0, 0.7),
            noise,
            last: 0.0,
            at: 0,
            chance,
        }
    }

    /// The spread of what it gives.
    fn spread(&self) -> f64 {
        let waves = self.waves.iter().map(|(height, ..)| height * height / 2.0);
        (waves.sum::<f64>() + self.noise_spread().powi(2)).sqrt()
    }

    fn noise_spread(&self) -> f64 {
        self.noise / (1.0 - self.memory * self.memory).sqrt()
    }

    fn next(&mut self) -> f64 {
        self.last = self.memory * self.last + self.noise * self.chance.bell();
        self.at += 1;
        let wave = |(height, period, phase): (f64, f64, f64)| {
            height * (std::f64::consts::TAU * self.at as f64 / period + phase).sin()
        };
        self.level + self.waves.map(wave).iter().sum::<f64>() + self.last
    }

    fn clean(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.next() as f32).collect()
    }

    /// `count` samples with an anomaly in them from beginning to end.
    fn anomalous(&mut self, kind: Anomaly, count: usize) -> Vec<f32> {
        let sign = if self.chance.below(2) == 0 { -1.0 } else { 1.0 };
        let size = sign * (1.0 + self.chance.part());
        let (spread, noise) = (self.spread(), self.noise_spread());
        let still = self.next();
        let value = |at: usize, clean: f64| match kind {
            Anomaly::Spike => clean + 6.0 * size * noise,
            Anomaly::Shift => clean + 2.0 * size * spread,
            Anomaly::Drift => clean + 3.0 * size * spread * (at + 1) as f64 / count as f64,
            Anomaly::Flat => still,
        };
        (0..count).map(|at| value(at, self.next()) as f32).collect()
    }
}

pub(super) fn claims() -> Result<Vec<Claim>> {
    let mut found = [0_u32; ALL.len()];
    let (mut alarms, mut clean, mut bytes) = (0_u32, 0_u32, 0);
    for seed in 1..=SERIES {
        let mut source = Source::new(seed);
        let mut watch = Watch::fit(&source.clean(CLEAN), RATE)?;
        bytes = bytes.max(watch.bytes());
        for value in source.clean(CLEAN) {
            if let Some((score, _)) = watch.next(value) {
                alarms += u32::from(score > 1.0);
                clean += 1;
            }
        }
        for (found, (kind, _, count)) in found.iter_mut().zip(ALL) {
            // What a window still holds of the last anomaly is left behind first.
            for value in source.clean(BETWEEN) {
                watch.next(value);
            }
            let seen = source.anomalous(kind, count);
            let scores = seen.iter().filter_map(|value| watch.next(*value));
            *found += u32::from(scores.filter(|(score, _)| *score > 1.0).count() > 0);
        }
    }
    let recall = |count: u32| f64::from(count) / SERIES as f64;
    let all = f64::from(found.iter().sum::<u32>()) / (SERIES * ALL.len() as u64) as f64;
    let mut told = Claim::at_least("series: anomalies found", all, RECALL).with("window", WINDOW);
    for (count, (_, name, _)) in found.iter().zip(ALL) {
        told = told.with(name, rounded(recall(*count)));
    }
    let rate = f64::from(alarms) / f64::from(clean);
    let measured = "series: false alarms in 10,000 clean samples, threshold set for 1";
    Ok(vec![
        told,
        Claim::at_most(measured, rate * 10_000.0, 2.0).with("samples", clean),
        Claim::at_most(
            "series: bytes of a watch, window included",
            bytes as f64,
            8_000.0,
        ),
    ])
}
