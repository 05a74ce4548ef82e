//! The recipe's front beside those of its single methods.
//!
//! Each method alone is among the chains, taught as long and by the same seed: a recipe of that
//! step alone makes the same files.

use noroshi_compress::plot::{self, Candidate};
use noroshi_compress::recipe::{Body, Chain, Outcome as Found};

use crate::claims::rounded;
use crate::rows::seeds::Outcome;

/// Pruning with retraining on labels, a narrow student of the original, fewer bits.
pub(super) const METHODS: [&str; 3] = ["pruning", "distillation", "quantization"];

/// Whether a file is made by the method at this place of [`METHODS`] and by nothing else.
fn is_alone(method: usize, chain: &Chain) -> bool {
    let alone = match chain.body {
        Body::Original => 2,
        Body::Pruned {
            distilled: false, ..
        } => 0,
        Body::Student { .. } => 1,
        Body::Pruned { .. } => return false,
    };
    let float = chain.bits.is_none();
    alone == method && (method == 2) != float
}

/// The outcome with how far each method is ahead somewhere, in points, and at how many places of
/// its front it is beaten: on the samples held out, then on the test part, where `tests` are the
/// accuracies of the files.
pub(super) fn compared(outcome: Outcome, found: &Found, tests: &[f64]) -> Outcome {
    let held: Vec<f64> = found.tried.iter().map(|one| one.figures.quality).collect();
    let mut outcome = outcome;
    for (part, qualities) in [("", held.as_slice()), (", test", tests)] {
        let points: Vec<Point> = found
            .tried
            .iter()
            .zip(qualities)
            .map(|(one, &quality)| Point {
                bytes: one.figures.bytes as f64,
                quality,
            })
            .collect();
        // Both fronts are what the samples held out say, wherever they are measured.
        let whole = border(found, &held, |_| true);
        for (method, name) in METHODS.into_iter().enumerate() {
            let own = border(found, &held, |chain| is_alone(method, chain));
            let (mut ahead, mut beaten) = (f64::NEG_INFINITY, 0);
            for one in own.iter().map(|&place| points[place]) {
                let fits = whole.iter().map(|&place| points[place]);
                let fits: Vec<Point> = fits.filter(|other| other.bytes <= one.bytes).collect();
                let best = fits.iter().map(|other| other.quality);
                ahead = f64::max(ahead, one.quality - best.fold(f64::NEG_INFINITY, f64::max));
                let beats = |other: &Point| other.quality >= one.quality && other.bytes < one.bytes;
                beaten += usize::from(fits.iter().any(beats));
            }
            outcome = outcome
                .with(&format!("{name} ahead{part}"), rounded(100.0 * ahead))
                .with(&format!("{name} beaten{part}"), beaten);
        }
    }
    outcome
}

#[derive(Debug, Clone, Copy)]
struct Point {
    bytes: f64,
    quality: f64,
}

/// Places of the files that no other of those wanted beats in bytes and quality.
fn border(found: &Found, qualities: &[f64], wanted: impl Fn(&Chain) -> bool) -> Vec<usize> {
    let places: Vec<usize> = (0..found.tried.len())
        .filter(|&place| wanted(&found.tried[place].chain))
        .collect();
    let candidates: Vec<Candidate> = places
        .iter()
        .map(|&place| Candidate {
            name: found.tried[place].name.clone(),
            cost: found.tried[place].figures.bytes as f64,
            quality: qualities[place],
            interval: None,
        })
        .collect();
    let front = plot::front(&candidates);
    front.into_iter().map(|place| places[place]).collect()
}
