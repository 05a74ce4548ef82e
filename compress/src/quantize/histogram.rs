//! What is kept of an activation's values: how often which value came.

/// Most bins. A bin is never wider than a thousandth of the range that was seen.
const BINS: usize = 4096;

/// Counts of values in bins of equal width; zero is always a border between two bins.
#[derive(Debug, Clone)]
pub(super) struct Histogram {
    width: f64,
    /// Number of the first bin: it begins at `first * width`.
    first: i64,
    counts: Vec<u64>,
    low: f32,
    high: f32,
    seen: u64,
}

impl Histogram {
    pub(super) fn new() -> Self {
        Self {
            width: 0.0,
            first: 0,
            counts: Vec::new(),
            low: f32::INFINITY,
            high: f32::NEG_INFINITY,
            seen: 0,
        }
    }

    /// The smallest and the largest value; nothing if none was seen.
    pub(super) fn extremes(&self) -> Option<(f32, f32)> {
        (self.seen > 0).then_some((self.low, self.high))
    }

    /// Counts `values`; false, and nothing counted, if one is not a number.
    pub(super) fn add(&mut self, values: &[f32]) -> bool {
        let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
        let mut sound = true;
        for &value in values {
            low = low.min(value);
            high = high.max(value);
            sound &= value.is_finite();
        }
        if !sound {
            return false;
        }
        if values.is_empty() {
            return true;
        }
        self.low = self.low.min(low);
        self.high = self.high.max(high);
        self.make_room();
        let (inverse, first) = ((1.0 / self.width) as f32, self.first);
        let last = self.counts.len() - 1;
        for &value in values {
            let bin = ((value * inverse).floor() as i64 - first).clamp(0, last as i64);
            self.counts[bin as usize] += 1;
        }
        self.seen += values.len() as u64;
        true
    }

    /// Widens the bins, two into one, until they cover the range.
    fn make_room(&mut self) {
        if self.width == 0.0 {
            let span = f64::from(self.high.max(0.0)) - f64::from(self.low.min(0.0));
            self.width = (span / (BINS / 2) as f64).max(f64::from(f32::MIN_POSITIVE));
        }
        while self.last_bin() - self.first_bin() >= BINS as i64 {
            self.halve();
        }
        let (first, last) = (self.first_bin(), self.last_bin());
        if self.counts.is_empty() {
            self.first = first;
        }
        let before = (self.first - first).max(0) as usize;
        self.counts.splice(0..0, std::iter::repeat_n(0, before));
        self.first -= before as i64;
        let needed = (last - self.first + 1) as usize;
        self.counts.resize(self.counts.len().max(needed), 0);
    }

    fn first_bin(&self) -> i64 {
        (f64::from(self.low.min(0.0)) / self.width).floor() as i64
    }

    fn last_bin(&self) -> i64 {
        (f64::from(self.high.max(0.0)) / self.width).floor() as i64
    }

    fn halve(&mut self) {
        self.width *= 2.0;
        let first = self.first.div_euclid(2);
        let mut counts = Vec::with_capacity(self.counts.len() / 2 + 1);
        for (place, &count) in self.counts.iter().enumerate() {
            let bin = ((self.first + place as i64).div_euclid(2) - first) as usize;
            counts.resize(counts.len().max(bin + 1), 0);
            counts[bin] += count;
        }
        self.first = first;
        self.counts = counts;
    }

    /// The middle of each bin that holds something, and its count.
    pub(super) fn bins(&self) -> impl Iterator<Item = (f32, u64)> + '_ {
        self.counts
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
            .map(|(place, &count)| {
                let middle = (self.first + place as i64) as f64 + 0.5;
                ((middle * self.width) as f32, count)
            })
    }

    /// The values between which `share` of all lie, the rest cut off evenly at both ends.
    pub(super) fn percentile(&self, share: f64) -> Option<(f32, f32)> {
        let (low, high) = self.extremes()?;
        let cut = ((1.0 - share) / 2.0 * self.seen as f64) as u64;
        let bins: Vec<_> = self.bins().collect();
        let half = (self.width / 2.0) as f32;
        let bottom = beyond(cut, bins.iter()).map_or(low, |middle| middle - half);
        let top = beyond(cut, bins.iter().rev()).map_or(high, |middle| middle + half);
        Some((bottom.max(low), top.min(high)))
    }
}

/// The middle of the bin with which more than `cut` values are passed.
fn beyond<'a>(cut: u64, mut bins: impl Iterator<Item = &'a (f32, u64)>) -> Option<f32> {
    let mut passed = 0;
    let bin = bins.find(|(_, count)| {
        passed += count;
        passed > cut
    });
    bin.map(|(middle, _)| *middle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_survive_a_growing_range() {
        let mut histogram = Histogram::new();
        for step in 0..12 {
            let size = 3f32.powi(step);
            assert!(histogram.add(&[size, -size / 7.0, 0.0]));
        }
        assert_eq!(histogram.bins().map(|(_, count)| count).sum::<u64>(), 36);
        assert_eq!(
            histogram.extremes(),
            Some((-(3f32.powi(11)) / 7.0, 3f32.powi(11)))
        );
        assert!(histogram.counts.len() <= BINS + 1);
    }

    #[test]
    fn percentiles_cut_outliers_only() {
        let mut histogram = Histogram::new();
        let mut values: Vec<f32> = (0..100_000).map(|place| place as f32 / 100_000.0).collect();
        values.push(100.0);
        assert!(histogram.add(&values));
        let (low, high) = histogram.percentile(0.999).unwrap();
        assert!(
            (0.0..0.06).contains(&low) && (0.9..1.2).contains(&high),
            "{low} {high}"
        );
        assert_eq!(histogram.percentile(1.0), Some((0.0, 100.0)));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let mut histogram = Histogram::new();
        assert!(!histogram.add(&[1.0, f32::NAN]));
        assert!(!histogram.add(&[f32::INFINITY]));
        assert_eq!(histogram.extremes(), None);
    }
}
