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
    Sample,
    Cast,
    Member,
    Sound,
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

/// A place in [0, 1) for the thing of this number, in each of three dimensions: any few things in a row lie evenly, where
/// chance would leave gaps. So a small world has its few heavy listeners too, and in proportion.
///
/// An additive recurrence; its steps are powers of the root of x^4 = x + 1 (M. Roberts, "The unreasonable effectiveness of
/// quasirandom sequences", 2018).
pub(super) fn spread(seed: u64, purpose: Purpose, number: u64) -> [f64; 3] {
    const ROOT: f64 = 1.220_744_084_605_759_5;
    let mut offset = Chance::of(seed, purpose, 0, 0);
    [1, 2, 3].map(|power| (offset.unit() + number as f64 * ROOT.powi(-power)).fract())
}

/// The value below which this share of a Beta law with whole parameters lies, to a millionth.
pub(super) fn beta_quantile(a: i32, b: i32, share: f64) -> f64 {
    let n = a + b - 1;
    // Among n uniform values at least `a` lie below x: the binomial form of the law.
    let below = |x: f64| {
        let mut term = (1.0 - x).powi(n);
        let mut missed = 0.0;
        for hits in 0..a {
            missed += term;
            term *= f64::from(n - hits) / f64::from(hits + 1) * x / (1.0 - x);
        }
        1.0 - missed
    };
    let (mut low, mut high) = (0.0, 1.0);
    while high - low > 1e-6 {
        let middle = (low + high) / 2.0;
        if below(middle) < share { low = middle } else { high = middle }
    }
    low
}

/// The standard normal value below which this share of all values lies: P. J. Acklam's rational approximation (2003), good
/// to 1.2e-9.
pub(super) fn normal_quantile(share: f64) -> f64 {
    const LOW: f64 = 0.024_25;
    let ratio = |x: f64, above: &[f64], below: &[f64]| {
        let sum = |terms: &[f64]| terms.iter().fold(0.0, |sum, term| sum * x + term);
        sum(above) / (sum(below) * x + 1.0)
    };
    let tail = |share: f64| {
        let above = [
            -7.784_894_002_430_293e-3,
            -0.322_396_458_041_136_5,
            -2.400_758_277_161_838,
            -2.549_732_539_343_734,
            4.374_664_141_464_968,
            2.938_163_982_698_783,
        ];
        let below = [7.784_695_709_041_462e-3, 0.322_467_129_070_039_8, 2.445_134_137_142_996, 3.754_408_661_907_416];
        ratio((-2.0 * share.max(f64::MIN_POSITIVE).ln()).sqrt(), &above, &below)
    };
    if share < LOW {
        return tail(share);
    }
    if share > 1.0 - LOW {
        return -tail(1.0 - share);
    }
    let above = [
        -39.696_830_286_653_76,
        220.946_098_424_520_5,
        -275.928_510_446_968_7,
        138.357_751_867_269,
        -30.664_798_066_147_16,
        2.506_628_277_459_239,
    ];
    let below = [
        -54.476_098_798_224_06,
        161.585_836_858_040_9,
        -155.698_979_859_886_6,
        66.801_311_887_719_72,
        -13.280_681_552_885_72,
    ];
    let middle = share - 0.5;
    middle * ratio(middle * middle, &above, &below)
}

/// The index of the weight at a place of [0, 1), when the weights lie side by side.
pub(super) fn at(place: f64, weights: &[f64]) -> usize {
    let mut left = place * weights.iter().sum::<f64>();
    for (index, weight) in weights.iter().enumerate() {
        left -= weight;
        if left < 0.0 {
            return index;
        }
    }
    weights.len() - 1
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

    /// The bits of a number, well mixed: equal numbers give equal bits.
    pub fn mixed(number: u64) -> u64 {
        finalize(number.wrapping_add(GOLDEN))
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

    /// A whole number in 0..n; 0 where n is 0.
    pub fn below_u64(&mut self, n: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(n)) >> 64) as u64
    }

    /// True with the probability.
    pub fn happens(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// The index of one weight, with a probability in proportion to it.
    pub fn pick(&mut self, weights: &[f64]) -> usize {
        at(self.unit(), weights)
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
    fn quantiles_and_places_are_what_they_say() {
        for (share, value) in [(0.5, 0.0), (0.975, 1.959_964), (0.841_344_746, 1.0), (0.01, -2.326_348)] {
            assert!((normal_quantile(share) - value).abs() < 1e-5, "{share}");
        }
        // Beta(3, 9): mean .25, median .236.
        assert!((beta_quantile(3, 9, 0.5) - 0.235_86).abs() < 1e-4, "{}", beta_quantile(3, 9, 0.5));
        for seed in 0..20 {
            let mut places: Vec<f64> = (0..150).map(|n| spread(seed, Purpose::Person, n)[0]).collect();
            places.sort_by(f64::total_cmp);
            assert!(places.windows(2).all(|pair| pair[1] - pair[0] < 3.0 / 150.0), "{seed}");
        }
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
