//! Numbers on an axis: its ends, its ticks, and what they are called.

/// How numbers lie on an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Evenly.
    Linear,
    /// By their logarithm.
    Log,
}

/// Ticks that an axis has about.
const TICKS: f64 = 6.0;

/// Room beyond the outermost points, as a share of the axis.
const MARGIN: f64 = 0.06;

/// Larger numbers can't be on an axis: their differences, and the room beyond, would overflow.
const LARGEST: f64 = 1e300;

/// Where an axis has room beyond the outermost numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// At both ends.
    Both,
    /// Not where zero is the outermost number: bars stand there.
    NotBelowZero,
    /// Nowhere.
    None,
}

/// An axis that knows where numbers lie.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ruler {
    scale: Scale,
    low: f64,
    high: f64,
}

impl Ruler {
    /// An axis for these numbers; `None` if there are none that can be on it.
    pub(super) fn new(
        numbers: impl Iterator<Item = f64>,
        scale: Scale,
        room: Room,
    ) -> Option<Self> {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for number in numbers.filter(|&number| fits(number, scale)) {
            let place = place(number, scale);
            low = low.min(place);
            high = high.max(place);
        }
        if low > high {
            return None;
        }
        if high - low < 1e-12 * low.abs().max(1e-9) {
            let room = if scale == Scale::Log {
                0.5
            } else {
                (low.abs() * 0.1).max(0.5)
            };
            (low, high) = (low - room, high + room);
        } else if room != Room::None {
            let margin = (high - low) * MARGIN;
            let stands = |end: f64| room == Room::NotBelowZero && end == 0.0;
            (low, high) = (
                if stands(low) { low } else { low - margin },
                if stands(high) { high } else { high + margin },
            );
        }
        Some(Self { scale, low, high })
    }

    /// Where a number lies, 0 to 1; `None` if it can't be on the axis.
    pub(super) fn at(&self, number: f64) -> Option<f64> {
        fits(number, self.scale)
            .then(|| (place(number, self.scale) - self.low) / (self.high - self.low))
    }

    /// Where the axis would have zero: its lower end if that is beyond.
    pub(super) fn zero(&self) -> f64 {
        self.at(0.0).map_or(0.0, |at| at.clamp(0.0, 1.0))
    }

    /// Round numbers along the axis, with what they are called.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        let numbers = match self.scale {
            Scale::Linear => self.even_ticks(),
            Scale::Log => self.log_ticks(),
        };
        let step = match numbers.as_slice() {
            [first, second, ..] => (second - first).abs(),
            _ => 1.0,
        };
        let named = |number: f64| {
            let name = match self.scale {
                Scale::Linear => decimal(number, step),
                Scale::Log => short(number),
            };
            Some((self.at(number)?, name))
        };
        numbers.into_iter().filter_map(named).collect()
    }

    fn even_ticks(&self) -> Vec<f64> {
        let step = round_step((self.high - self.low) / TICKS);
        let first = (self.low / step).ceil();
        let count = ((self.high / step).floor() - first).clamp(0.0, 40.0) as usize;
        (0..=count)
            .map(|tick| (first + tick as f64) * step)
            .collect()
    }

    fn log_ticks(&self) -> Vec<f64> {
        let decades = self.high - self.low;
        let factors: &[f64] = if decades > 4.0 {
            &[1.0]
        } else if decades > 1.2 {
            &[1.0, 2.0, 5.0]
        } else {
            return self.dense_log_ticks();
        };
        let decade = |power: i32| factors.iter().map(move |factor| factor * 10f64.powi(power));
        let powers = self.low.floor() as i32..=self.high.ceil() as i32;
        powers
            .flat_map(decade)
            .filter(|&n| self.inside(n))
            .collect()
    }

    /// Even ticks where less than about one power of ten is shown.
    fn dense_log_ticks(&self) -> Vec<f64> {
        let (low, high) = (10f64.powf(self.low), 10f64.powf(self.high));
        let even = Self {
            scale: Scale::Linear,
            low,
            high,
        };
        even.even_ticks()
            .into_iter()
            .filter(|&n| self.inside(n))
            .collect()
    }

    fn inside(&self, number: f64) -> bool {
        self.at(number)
            .is_some_and(|at| (-1e-9..=1.0 + 1e-9).contains(&at))
    }
}

fn fits(number: f64, scale: Scale) -> bool {
    number.abs() <= LARGEST && (scale == Scale::Linear || number > 0.0)
}

fn place(number: f64, scale: Scale) -> f64 {
    match scale {
        Scale::Linear => number,
        Scale::Log => number.log10(),
    }
}

/// The next larger of 1, 2 and 5 times a power of ten.
fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .find(|factor| factor * power >= step * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

/// A number with as many decimals as steps of this size need.
fn decimal(number: f64, step: f64) -> String {
    if number.abs() >= 1e4 || step >= 1e4 {
        return short(number);
    }
    let decimals = (-step.log10().floor()).clamp(0.0, 9.0) as usize;
    let number = if number.abs() < step * 1e-6 {
        0.0
    } else {
        number
    };
    format!("{number:.decimals$}")
}

/// A number with thousands as k, millions as M and so on.
pub(super) fn short(number: f64) -> String {
    let (divisor, letter) = match number.abs() {
        size if size >= 1e9 => (1e9, "G"),
        size if size >= 1e6 => (1e6, "M"),
        size if size >= 1e3 => (1e3, "k"),
        _ => (1.0, ""),
    };
    let scaled = number / divisor;
    let text = if scaled != 0.0 && scaled.abs() < 1e-3 {
        format!("{scaled:.0e}")
    } else {
        format!("{scaled:.3}")
    };
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    format!("{text}{letter}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(ruler: &Ruler) -> Vec<String> {
        ruler.ticks().into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        let ruler = Ruler::new([0.0, 1.0].into_iter(), Scale::Linear, Room::None).unwrap();
        assert_eq!(names(&ruler), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        let ruler = Ruler::new([2e4, 1.4e7].into_iter(), Scale::Log, Room::None).unwrap();
        assert_eq!(
            names(&ruler),
            [
                "20k", "50k", "100k", "200k", "500k", "1M", "2M", "5M", "10M"
            ]
        );
        let ruler = Ruler::new([0.981, 0.987].into_iter(), Scale::Linear, Room::None).unwrap();
        assert_eq!(names(&ruler)[0], "0.981");
        let ruler = Ruler::new([3e6, 4e6].into_iter(), Scale::Log, Room::None).unwrap();
        assert!(names(&ruler).len() >= 4, "{:?}", names(&ruler));
    }

    #[test]
    fn odd_numbers_make_no_odd_axes() {
        assert_eq!(
            Ruler::new([f64::NAN].into_iter(), Scale::Linear, Room::None),
            None
        );
        assert_eq!(
            Ruler::new([0.0, -1.0].into_iter(), Scale::Log, Room::None),
            None
        );
        let ruler = Ruler::new([5.0, 5.0].into_iter(), Scale::Linear, Room::None).unwrap();
        assert!((ruler.at(5.0).unwrap() - 0.5).abs() < 1e-9);
        assert!(!ruler.ticks().is_empty());
        let ruler = Ruler::new([-1e300, 1e300].into_iter(), Scale::Linear, Room::None).unwrap();
        assert!(ruler.ticks().len() < 60);
    }

    #[test]
    fn large_numbers_are_short() {
        assert_eq!(short(3_504_872.0), "3.505M");
        assert_eq!(short(0.25), "0.25");
        assert_eq!(short(0.0), "0");
        assert_eq!(short(1000.0), "1k");
    }
}
