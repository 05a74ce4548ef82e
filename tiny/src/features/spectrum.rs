//! The power spectrum of real samples in 16 bits: a transform of half as many complex points
//! (radix 2, decimation in time) with one exponent for the whole block.
//!
//! Ranges: before each stage numbers are brought to 14 bits and a sign, |z| ≤ 2^14. A stage
//! halves: z ← a/2 ± b·w/2, at most 2^13 + √2·2^13 + 2 < 2^15. So does the step from half as many
//! complex points to real ones; a power, the sum of two squares of what it gives, has 31 bits.
//! What rounding adds lies about 60 dB below the loudest: tests hold bands within 30 dB of it to
//! half a dB of a transform in floating point.

use super::fixed::{Spread, mean};
use super::tables;

/// Bits taken off a power, so that powers of a whole spectrum sum in 32.
pub(super) const POWER_SHIFT: i16 = 8;

/// A transform of so many points.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Transform {
    points: u16,
    sines: Vec<i16>,
    /// Hann's window, its first half, over so many samples.
    samples: u16,
    hann: Vec<i16>,
}

/// A spectrum: powers are those of the numbers times 4^exponent.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spectrum<'a> {
    transform: &'a Transform,
    work: Vec<i16>,
    pub exponent: i16,
}

impl Transform {
    pub(super) fn new(points: u16, samples: u16) -> Self {
        Self {
            points,
            sines: tables::sines(points),
            samples,
            hann: tables::hann(samples),
        }
    }

    /// Of `thin` samples each one number, under Hann's window.
    pub(super) fn of(
        &self,
        spread: Spread,
        thin: u8,
        mut samples: impl Iterator<Item = i16>,
    ) -> Spectrum<'_> {
        let mut work = vec![0i16; usize::from(self.points)];
        let count = usize::from(self.samples);
        let (thinned, mut sum) = (thin.trailing_zeros(), 0i32);
        for number in &mut work[..count] {
            let some = samples.by_ref().take(usize::from(thin));
            let all: i32 = some.map(|sample| i32::from(spread.of(sample))).sum();
            *number = (all >> thinned) as i16;
            sum += i32::from(*number);
        }
        // The spread's middle is a whole number: of quiet samples something is left of the mean.
        let rest = i32::from(mean(sum, self.samples));
        for (place, number) in work[..count].iter_mut().enumerate() {
            let weight = i32::from(self.hann[place.min(count - 1 - place)]);
            // 17 bits by 15: the furthest, 65,534 · 32,767, is below 2^31.
            *number = (((i32::from(*number) - rest) * weight) >> 16) as i16;
        }
        let mut spectrum = Spectrum {
            transform: self,
            work,
            // The window halves.
            exponent: spread.exponent + 1,
        };
        spectrum.transform();
        spectrum
    }

    fn wave(&self, at: usize) -> (i32, i32) {
        let quarter = usize::from(self.points) / 4;
        (
            i32::from(self.sines[at + quarter]),
            i32::from(self.sines[at]),
        )
    }
}

/// The upper half of a product of 15 and 16 bits, to the nearest.
fn half(product: i32) -> i16 {
    ((product + 0x8000) >> 16) as i16
}

impl Spectrum<'_> {
    fn transform(&mut self) {
        let count = self.work.len() / 2;
        self.reverse();
        let mut span = 1;
        while span < count {
            self.level();
            let step = count / span;
            for first in 0..span {
                let wave = self.transform.wave(first * step);
                let mut at = first;
                while at < count {
                    self.butterfly(at, at + span, wave);
                    at += 2 * span;
                }
            }
            self.exponent += 1;
            span *= 2;
        }
        self.level();
        self.exponent += 1;
    }

    fn reverse(&mut self) {
        let count = self.work.len() / 2;
        let mut other = 0;
        for at in 1..count {
            let mut bit = count / 2;
            while other & bit != 0 {
                other ^= bit;
                bit /= 2;
            }
            other |= bit;
            if at < other {
                self.work.swap(2 * at, 2 * other);
                self.work.swap(2 * at + 1, 2 * other + 1);
            }
        }
    }

    /// Brings the numbers to 14 bits and a sign.
    fn level(&mut self) {
        // The bits that any number has; one's complement, so that none is left out.
        let mut bits = 0i16;
        for &number in &self.work {
            bits |= if number < 0 { !number } else { number };
        }
        if bits >= 1 << 14 {
            for number in &mut self.work {
                *number >>= 1;
            }
            self.exponent += 1;
        } else if bits != 0 {
            let mut left = 0;
            while bits < 1 << 13 {
                bits <<= 1;
                left += 1;
            }
            if left != 0 {
                for number in &mut self.work {
                    *number <<= left;
                }
                self.exponent -= left;
            }
        }
    }

    fn butterfly(&mut self, a: usize, b: usize, (cosine, sine): (i32, i32)) {
        let number = |at: usize| i32::from(self.work[at]);
        let (real, imaginary) = (number(2 * b), number(2 * b + 1));
        let turned_real = half(real * cosine + imaginary * sine);
        let turned_imaginary = half(imaginary * cosine - real * sine);
        let real = self.work[2 * a] >> 1;
        let imaginary = self.work[2 * a + 1] >> 1;
        self.work[2 * a] = real + turned_real;
        self.work[2 * a + 1] = imaginary + turned_imaginary;
        self.work[2 * b] = real - turned_real;
        self.work[2 * b + 1] = imaginary - turned_imaginary;
    }

    /// The power of a bin from 1 up to, not including, half the points.
    pub(super) fn power(&self, bin: usize) -> u32 {
        let other = self.work.len() / 2 - bin;
        let number = |at: usize| i32::from(self.work[at]);
        let (a, b) = (number(2 * bin), number(2 * bin + 1));
        let (c, d) = (number(2 * other), number(2 * other + 1));
        let (odd_real, odd_imaginary) = ((b + d) >> 1, (c - a) >> 1);
        let (cosine, sine) = self.transform.wave(bin);
        let real = ((a + c) >> 2) as i16 + half(odd_real * cosine + odd_imaginary * sine);
        let imaginary = ((b - d) >> 2) as i16 + half(odd_imaginary * cosine - odd_real * sine);
        let square = |number: i16| (i32::from(number) * i32::from(number)) as u32;
        square(real) + square(imaginary)
    }
}
