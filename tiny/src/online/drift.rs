//! Whether errors rose: at the root, and in every subtree.

use super::arena::NODE_HEAD;
use super::{Answer, DETECTOR, OnlineForest, Target};

/// Words of the root's detector: samples since its start, slow mean, slow variance, quick mean.
pub(super) const DETECTOR_WORDS: usize = 4;
/// The quick mean covers about so many samples.
const QUICK: f32 = 20.0;
/// The slow mean covers at most so many samples.
const SLOW: f32 = 800.0;
/// So many samples must have been seen before an alarm.
const WARM: f32 = 150.0;
/// An alarm is a quick mean so many of its own deviations above the slow one.
const DEVIATIONS: f32 = 7.0;
/// Page-Hinkley: a rise below this is none, and so much rise in all is an alarm.
const TOLERATED: f32 = 0.1;
const RISE: f32 = 25.0;
/// An error of so many mean errors is the greatest that a subtree notes.
const GREATEST: f32 = 4.0;

impl OnlineForest {
    /// Notes the whole forest's error; whether it rose.
    pub(super) fn watch_root(&mut self, answer: Answer, target: Target) -> bool {
        let error = match (answer, target) {
            (Answer::Number(answer), Target::Number(truth)) => (answer - truth).abs(),
            (Answer::Class { class, .. }, Target::Class(truth)) => {
                f32::from(u8::from(class != truth))
            }
            _ => 0.0,
        };
        let error = error.min(1e18);
        let seen = self.arena.real(DETECTOR) + 1.0;
        let slow = self.arena.real(DETECTOR + 1);
        let variance = self.arena.real(DETECTOR + 2);
        let quick = self.arena.real(DETECTOR + 3);
        let quick = quick + (error - quick) / QUICK.min(seen);
        let weight = 1.0 / seen.min(SLOW);
        let delta = error - slow;
        let slow_now = slow + delta * weight;
        let variance_now = (1.0 - weight) * (variance + weight * delta * delta);
        self.arena.set_real(DETECTOR, seen.min(1e6));
        self.arena.set_real(DETECTOR + 1, slow_now);
        self.arena.set_real(DETECTOR + 2, variance_now);
        self.arena.set_real(DETECTOR + 3, quick);
        let deviation = (variance.max(1e-6 + 0.02 * slow * slow) / (2.0 * QUICK - 1.0)).sqrt();
        seen > WARM && quick - slow > DEVIATIONS * deviation
    }

    pub(super) fn forget_root_errors(&mut self) {
        self.arena.clear(DETECTOR, DETECTOR_WORDS);
    }

    /// What a regression's errors are measured by in subtrees.
    pub(super) fn error_scale(&self) -> f32 {
        (GREATEST * self.arena.real(DETECTOR + 1)).max(1e-9)
    }

    /// Notes an error of 0 to 1 of the subtree at `node`; whether they rose (Page-Hinkley).
    pub(super) fn watch_node(&mut self, node: u16, error: f32) -> bool {
        const { assert!(NODE_HEAD == 6) };
        let at = self.layout.node(node);
        let mean = self.arena.real(at + 4);
        let weight = 1.0 / (self.arena.real(at + 3) + 1.0).min(500.0);
        self.arena
            .set_real(at + 4, mean + (error - mean) * weight.max(0.002));
        let risen = (self.arena.real(at + 5) + error - mean - TOLERATED).max(0.0);
        let warm = self.arena.real(at + 3) > 30.0;
        self.arena.set_real(at + 5, if warm { risen } else { 0.0 });
        warm && risen > RISE
    }
}
