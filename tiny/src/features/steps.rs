//! A feature of 16 bits becomes a byte.

use crate::error::Result;
use crate::format::bytes::{Reader, Writer};

/// 256 steps from a low bound; what lies beyond the ends is taken as the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The greatest feature that is 0.
    pub low: i16,
    /// Steps of 1/65536 that one of the feature makes; at most one step.
    pub factor: u16,
}

impl Step {
    /// From the least to the greatest of `values`, without one in two hundred at either end: what
    /// is rare should not make the rest coarse.
    pub fn over(mut values: Vec<i16>) -> Self {
        values.sort_unstable();
        let Some(last) = values.len().checked_sub(1) else {
            return Self { low: 0, factor: 0 };
        };
        let rare = values.len() / 200;
        let (low, high) = (values[rare], values[last - rare]);
        let span = f64::from(high) - f64::from(low);
        let factor = (65_536.0 * 255.0 / span.max(1.0)).round().min(65_535.0);
        Self {
            low,
            factor: if span > 0.0 { factor as u16 } else { 0 },
        }
    }

    /// The byte: (feature − low) · factor / 65536 to the nearest: 65,535² and a
    /// half have 32 bits.
    pub fn byte(self, feature: i16) -> u8 {
        if feature <= self.low {
            return 0;
        }
        let above = u32::from(feature.wrapping_sub(self.low).cast_unsigned());
        let byte = (above * u32::from(self.factor) + 0x8000) >> 16;
        byte.min(255) as u8
    }

    pub(crate) fn write(self, writer: &mut Writer) {
        writer.u16(self.low.cast_unsigned());
        writer.u16(self.factor);
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let low = reader.u16()?.cast_signed();
        let factor = reader.u16()?;
        Ok(Self { low, factor })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_rise_and_never_overflow(low: i16, factor: u16, a: i16, b: i16) {
            let step = Step { low, factor };
            prop_assert!(step.byte(a.min(b)) <= step.byte(a.max(b)));
        }
    }

    #[test]
    fn the_ends_are_the_ends() {
        let step = Step::over((-1000..=1000).collect());
        assert!(step.byte(-1000) == 0 && step.byte(i16::MIN) == 0);
        assert!(step.byte(995) >= 254 && step.byte(i16::MAX) == 255);
        assert!(step.byte(0).abs_diff(127) <= 1);
        let few = Step::over(vec![3, 5, 9]);
        assert_eq!([3, 4, 5, 9].map(|feature| few.byte(feature)), [0, 1, 2, 6]);
        assert_eq!(Step::over(vec![7; 9]).byte(100), 0);
    }
}
