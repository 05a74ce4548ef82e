//! The recipe's front beside those of its single methods.
//!
//! Each method alone is among the chains, taught as long and by the same seed: a recipe of that
//! step alone makes the same files.

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

/// The outcome with how far each method is ahead somewhere, in points, and at how many places it is
/// beaten: on the samples held out, then on the test part, where `tests` are the accuracies of the
/// files. A place is the size of one of the method's own files; there, either side has the file of
/// that size or less that the samples held out prefer.
pub(super) fn compared(outcome: Outcome, found: &Found, tests: &[f64]) -> Outcome {
    let held: Vec<f64> = found.tried.iter().map(|one| one.figures.quality).collect();
    let all: Vec<usize> = (0..found.tried.len()).collect();
    let mut outcome = outcome;
    for (part, qualities) in [("", held.as_slice()), (", test", tests)] {
        for (method, name) in METHODS.into_iter().enumerate() {
            let own: Vec<usize> = all
                .iter()
                .copied()
                .filter(|&place| is_alone(method, &found.tried[place].chain))
                .collect();
            let (mut ahead, mut beaten) = (f64::NEG_INFINITY, 0);
            for &place in &own {
                let size = found.tried[place].figures.bytes;
                let [alone, whole] = [&own, &all].map(|files| preferred(found, files, size));
                let difference = qualities[alone] - qualities[whole];
                ahead = ahead.max(difference);
                beaten += usize::from(difference < 0.0);
            }
            outcome = outcome
                .with(&format!("{name} ahead{part}"), rounded(100.0 * ahead))
                .with(&format!("{name} beaten{part}"), beaten);
        }
    }
    outcome
}

/// The best of the files on the samples held out that are no larger than `size`, which one is; of
/// equals the smallest.
fn preferred(found: &Found, files: &[usize], size: u64) -> usize {
    let figures = |place: usize| &found.tried[place].figures;
    let fits = files
        .iter()
        .copied()
        .filter(|&place| figures(place).bytes <= size);
    let best = fits.max_by(|&one, &other| {
        let (one, other) = (figures(one), figures(other));
        let quality = one.quality.total_cmp(&other.quality);
        quality.then(other.bytes.cmp(&one.bytes))
    });
    best.expect("the file of this size is among them")
}
