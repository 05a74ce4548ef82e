//! Normalizations' statistics, measured anew.

use crate::examples::Examples;
use crate::net::Net;
use crate::pass::{Mode, Pass};

/// Replaces the running statistics of every normalization by their means over all batches.
pub fn measure_statistics(net: &mut Net, data: &Examples, batch: usize) {
    let mut pass = Pass::default();
    let mut sums: Vec<(Vec<f64>, Vec<f64>)> = vec![Default::default(); net.layers().len()];
    let mut count = 0usize;
    let size = data.shape().len();
    for block in data.inputs().chunks(batch.max(2) * size) {
        // A lone sample has no variance.
        if block.len() == size && count > 0 {
            continue;
        }
        pass.set_input(block);
        // Dropout's noise would be measured as well, but for its mean it changes nothing.
        let seed = count as u64;
        pass.forward(net, block.len() / size, Mode::teach(seed));
        count += 1;
        for (place, (means, variances)) in sums.iter_mut().enumerate() {
            let (mean, variance) = pass.seen_statistics(place);
            for (sum, values) in [(means, mean), (variances, variance)] {
                sum.resize(values.len(), 0.0);
                sum.iter_mut()
                    .zip(values)
                    .for_each(|(s, v)| *s += f64::from(*v));
            }
        }
    }
    for (node, (means, variances)) in net.layers_mut().iter_mut().zip(sums) {
        let Some(statistics) = node.statistics.as_mut().filter(|_| !node.frozen) else {
            continue;
        };
        let mean = |sums: Vec<f64>| sums.iter().map(|s| (s / count as f64) as f32).collect();
        (statistics.mean, statistics.variance) = (mean(means), mean(variances));
    }
}
