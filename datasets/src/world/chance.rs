//! Chance that depends on the seed and on what it is for, never on who asked first.
//!
//! Every account, day and slot has its own stream, keyed by `(seed, purpose, a, b)`: any thread can draw any of them in
//! any order and gets the same numbers. The generator is SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): one addition and
//! one finalizer per number, a full period of 2^64, and a finalizer good enough to make keys of neighbouring streams unlike.

use std::f64::consts::TAU;

/// What a stream is for; two purposes never share numbers.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
pub(super) enum Purpose {
    Artist = 1,
    Track,
    Person,
    Day,
    Delivery,
    Favourite,
    Slot,
    Playlist,
    Family,
    Bot,
    Schedule,
    Trip,
}

/// A stream of numbers.
#[derive(Clone, Debug)]
pub(super) struct Chance {
    state: u64,
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

fn finalize(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Chance {
    /// The stream of `purpose` for the pair `(a, b)`.
    pub fn of(seed: u64, purpose: Purpose, a: u64, b: u64) -> Chance {
        let mut state = finalize(seed.wrapping_add(GOLDEN));
        for part in [purpose as u64, a, b] {
            state = finalize(state.wrapping_add(part.wrapping_mul(GOLDEN)).wrapping_add(GOLDEN));
        }
        Chance { state }
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        finalize(self.state)
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in [low, high).
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// A whole number in 0..n; 0 where n is 0.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }

    /// True with the probability.
    pub fn happens(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// The index of one weight, with a probability in proportion to it.
    pub fn pick(&mut self, weights: &[f64]) -> usize {
        let mut left = self.unit() * weights.iter().sum::<f64>();
        for (index, weight) in weights.iter().enumerate() {
            left -= weight;
            if left < 0.0 {
                return index;
            }
        }
        weights.len() - 1
    }

    /// Standard normal (Box-Muller; the second value is not kept, so that a draw has no history).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (TAU * self.unit()).cos()
    }

    /// Lognormal with this median.
    pub fn lognormal(&mut self, median: f64, sigma: f64) -> f64 {
        median * (sigma * self.normal()).exp()
    }

    /// Exponential with this mean.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// Gamma with unit scale (Marsaglia and Tsang, 2000), for shape >= 1.
    fn gamma(&mut self, shape: f64) -> f64 {
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && (1.0 - self.unit()).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }

    /// Beta with both parameters >= 1.
    pub fn beta(&mut self, a: f64, b: f64) -> f64 {
        let x = self.gamma(a);
        x / (x + self.gamma(b))
    }

    /// A rank in 0..n with a weight of about (rank + 1 + shift)^-exponent: Zipf-Mandelbrot, by the inverse of the continuous law.
    pub fn rank(&mut self, n: usize, exponent: f64, shift: f64) -> usize {
        let power = if (exponent - 1.0).abs() < 1e-6 { 1e-6 } else { 1.0 - exponent };
        let low = (1.0 + shift).powf(power);
        let high = (n as f64 + 1.0 + shift).powf(power);
        let x = (low + self.unit() * (high - low)).powf(1.0 / power) - shift - 1.0;
        (x.max(0.0) as usize).min(n.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_two_keys_are_unlike_and_one_key_repeats() {
        let draw = |a, b| Chance::of(7, Purpose::Day, a, b).bits();
        assert_eq!(draw(1, 2), draw(1, 2));
        assert_ne!(draw(1, 2), draw(2, 1));
        assert_ne!(draw(1, 2), Chance::of(7, Purpose::Slot, 1, 2).bits());
    }

    #[test]
    fn means_are_what_the_names_say() {
        let mut chance = Chance::of(1, Purpose::Day, 0, 0);
        let mut mean =
            |draw: &mut dyn FnMut(&mut Chance) -> f64| (0..20_000).map(|_| draw(&mut chance)).sum::<f64>() / 20_000.0;
        assert!((mean(&mut |c| c.beta(3.0, 9.0)) - 0.25).abs() < 0.01);
        assert!((mean(&mut |c| c.exponential(0.6)) - 0.6).abs() < 0.02);
        assert!(mean(&mut |c| c.normal()).abs() < 0.03);
        assert!((mean(&mut |c| f64::from(u8::from(c.rank(10, 1.0, 0.0) == 0))) - 0.289).abs() < 0.02);
    }
}
