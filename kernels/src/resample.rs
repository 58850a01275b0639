//! Samples at another rate.
//!
//! ```text
//! samples ──▶ halved by a short filter while what is wanted lies far below ──▶ one filter per phase of the ratio ──▶ samples at the new rate
//! ```
//!
//! That is for the rates that music comes in, made lower; for every other ratio the FFT resampler of rubato does the same in three times the time.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use multiversion::multiversion;
use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler};

/// Rates that are halved and filtered; a table of filters is kept for each of them.
const USUAL_HZ: [u32; 12] =
    [11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200, 96_000, 192_000];
/// More filters than this are no table.
const PHASES_MAX: usize = 640;
/// What is to pass may reach up to this share of the new rate: a steeper slope takes a longer filter.
const PASS_MAX: f64 = 0.475;
/// How much is left of what is gone, dB below.
const GONE_DB: f64 = 70.0;
/// Halved only as long as the rate then is so many times the wanted one: the last filter is the shorter the more room it has.
const ROOM: f64 = 1.25;
/// Numbers that a processor adds at once.
const LANES: usize = 8;
/// Frames that rubato takes at a time; its transition band is about 1 % of the lower rate wide.
const RUBATO_CHUNK: usize = 4096;

/// The samples at another rate: `ceil(samples x to / from)` of them, without delay. What lies below `pass_hz`, which is less than half the lower rate, is
/// there as it was, and nothing else; between it and half the rate there is a slope. At their own rate they are borrowed.
///
/// On the processor, whatever the device: it goes before all kernels, and one recording is no batch.
///
/// # Panics
/// When a rate is 0.
pub fn resampled(samples: &[f32], from_hz: u32, to_hz: u32, pass_hz: u32) -> Cow<'_, [f32]> {
    if from_hz == to_hz || samples.is_empty() {
        return Cow::Borrowed(samples);
    }
    Cow::Owned(match plan(from_hz, to_hz, pass_hz) {
        Some(plan) => plan.resample(samples),
        None => by_rubato(samples, from_hz, to_hz),
    })
}

/// Plans by their rates and what is to pass.
type Plans = HashMap<(u32, u32, u32), Arc<Plan>>;

/// The plan of a usual rate made lower.
fn plan(from_hz: u32, to_hz: u32, pass_hz: u32) -> Option<Arc<Plan>> {
    static PLANS: LazyLock<Mutex<Plans>> = LazyLock::new(Mutex::default);
    let are_usual = USUAL_HZ.contains(&from_hz) && (USUAL_HZ.contains(&to_hz) || to_hz == 8_000);
    if !are_usual || to_hz >= from_hz || f64::from(pass_hz) > PASS_MAX * f64::from(to_hz) {
        return None;
    }
    let mut plans = PLANS.lock().unwrap_or_else(PoisonError::into_inner);
    let plan = plans.entry((from_hz, to_hz, pass_hz)).or_insert_with(|| Arc::new(Plan::new(from_hz, to_hz, pass_hz)));
    (plan.phases.len() <= PHASES_MAX).then(|| Arc::clone(plan))
}

/// How to get from one rate to a lower one.
struct Plan {
    from_hz: u32,
    to_hz: u32,
    /// The halvings: what of a filter stands on one side at odd places.
    halvings: Vec<Vec<f32>>,
    /// Samples that go in, and come out, until both meet again, when all is halved.
    every: (usize, usize),
    /// The filter of each phase: weights of the samples from `before` ahead of its place on.
    phases: Vec<Vec<f32>>,
    before: usize,
}

impl Plan {
    fn new(from_hz: u32, to_hz: u32, pass_hz: u32) -> Plan {
        let (mut rate_hz, mut halvings) = (from_hz, Vec::new());
        let to = f64::from(to_hz);
        let pass = f64::from(pass_hz);
        while rate_hz.is_multiple_of(2) && f64::from(rate_hz) / 2.0 >= ROOM * to {
            // It lets pass what the last filter does, and stops what would come to lie there.
            let rate = f64::from(rate_hz);
            let half = taps((rate / 2.0 - 2.0 * pass) / rate).div_ceil(4).max(1);
            let reach = (2 * half) as f64;
            let weights: Vec<f64> =
                (0..half).map(|n| (2 * n + 1) as f64).map(|at| 0.5 * sinc(0.5 * at) * kaiser(at / reach)).collect();
            // Both sides and the middle, which is a half, add up to one.
            let sum: f64 = 4.0 * weights.iter().sum::<f64>();
            halvings.push(weights.iter().map(|weight| (weight / sum) as f32).collect());
            rate_hz /= 2;
        }
        let shared = gcd(rate_hz, to_hz);
        let (into, out) = ((rate_hz / shared) as usize, (to_hz / shared) as usize);
        let rate = f64::from(rate_hz);
        let width = (to / rate).min(1.0);
        let half = taps((to - 2.0 * pass) / rate).div_ceil(2).next_multiple_of(LANES / 2);
        let phase = |phase: usize| -> Vec<f32> {
            let place = |tap: usize| phase as f64 / out as f64 - (tap as f64 - (half as f64 - 1.0));
            let weights: Vec<f64> =
                (0..2 * half).map(place).map(|at| sinc(width * at) * kaiser(at / half as f64)).collect();
            let sum: f64 = weights.iter().sum();
            weights.iter().map(|weight| (weight / sum) as f32).collect()
        };
        let phases = if out <= PHASES_MAX { (0..out).map(phase).collect() } else { vec![Vec::new(); out] };
        Plan { from_hz, to_hz, halvings, every: (into, out), phases, before: half - 1 }
    }

    fn resample(&self, samples: &[f32]) -> Vec<f32> {
        let count = (samples.len() as u64 * u64::from(self.to_hz)).div_ceil(u64::from(self.from_hz)) as usize;
        let mut halved: Option<Vec<f32>> = None;
        for weights in &self.halvings {
            halved = Some(halve(halved.as_deref().unwrap_or(samples), weights));
        }
        // Nothing before the beginning, and nothing behind the end: as far as the filters reach.
        let samples = halved.as_deref().unwrap_or(samples);
        let long = self.phases.first().map_or(0, Vec::len);
        let mut padded = Vec::with_capacity(self.before + samples.len() + long);
        padded.resize(self.before, 0.0);
        padded.extend_from_slice(samples);
        padded.resize(self.before + samples.len() + long, 0.0);
        let mut resampled = vec![0.0; count];
        through_phases(&mut resampled, &padded, &self.phases, self.every);
        resampled
    }
}

/// Each output is the sum of the samples around its place, weighted by the filter of its phase, whose length is a multiple of [`LANES`].
///
/// More sums at once, or two outputs, made it two to three times slower (rustc 1.95).
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn through_phases(outputs: &mut [f32], samples: &[f32], phases: &[Vec<f32>], (into, out): (usize, usize)) {
    let (mut place, mut phase) = (0, 0);
    for output in outputs {
        let weights = &phases[phase];
        let around = samples.get(place..).and_then(|rest| rest.get(..weights.len())).unwrap_or_default();
        let mut sums = [0.0_f32; LANES];
        for (samples, weights) in around.as_chunks::<LANES>().0.iter().zip(weights.as_chunks::<LANES>().0) {
            for lane in 0..LANES {
                sums[lane] += samples[lane] * weights[lane];
            }
        }
        *output = sums.iter().sum::<f32>();
        phase += into;
        place += phase / out;
        phase %= out;
    }
}

/// Every second sample, low-pass filtered by weights at odd places on both sides and a half in the middle.
fn halve(samples: &[f32], weights: &[f32]) -> Vec<f32> {
    let count = samples.len().div_ceil(2);
    let reach = weights.len();
    let (mut even, mut odd) = (vec![0.0; count], vec![0.0; count + 2 * reach]);
    let (pairs, last) = samples.as_chunks::<2>();
    for ((pair, even), odd) in pairs.iter().zip(&mut even).zip(&mut odd[reach..]) {
        [*even, *odd] = *pair;
    }
    if let ([last], Some(even)) = (last, even.last_mut()) {
        *even = *last;
    }
    add_sides(&mut even, &odd, weights);
    even
}

/// Brings each value to its half and the weighted odd ones on both sides, of which so many as there are weights stand before the first.
#[multiversion(targets("x86_64+avx2+fma", "aarch64+neon"))]
fn add_sides(values: &mut [f32], odd: &[f32], weights: &[f32]) {
    const BLOCK: usize = 4 * LANES;
    let reach = weights.len();
    for (block, values) in values.chunks_mut(BLOCK).enumerate() {
        let at = block * BLOCK + reach;
        let mut sums = [0.0_f32; BLOCK];
        for (n, weight) in weights.iter().enumerate() {
            let (before, after) = (&odd[at - 1 - n..][..values.len()], &odd[at + n..][..values.len()]);
            for ((sum, before), after) in sums.iter_mut().zip(before).zip(after) {
                *sum += weight * (before + after);
            }
        }
        values.iter_mut().zip(&sums).for_each(|(value, sum)| *value = 0.5 * *value + sum);
    }
}

/// How many taps a filter needs whose transition is so wide, of the rate (Kaiser's estimate).
fn taps(transition: f64) -> usize {
    ((GONE_DB - 7.95) / (2.285 * std::f64::consts::TAU * transition)).ceil() as usize + 1
}

fn sinc(x: f64) -> f64 {
    let turn = std::f64::consts::PI * x;
    if turn == 0.0 { 1.0 } else { turn.sin() / turn }
}

/// Kaiser's window, from -1 to 1, for [`GONE_DB`].
fn kaiser(x: f64) -> f64 {
    let beta = 0.1102 * (GONE_DB - 8.7);
    if x.abs() >= 1.0 { 0.0 } else { bessel(beta * (1.0 - x * x).sqrt()) / bessel(beta) }
}

/// The modified Bessel function of the first kind and order 0, by its series.
fn bessel(x: f64) -> f64 {
    let terms = (1..40).scan(1.0, |term, n| {
        *term *= (x / (2.0 * f64::from(n))).powi(2);
        Some(*term)
    });
    1.0 + terms.sum::<f64>()
}

fn by_rubato(samples: &[f32], from_hz: u32, to_hz: u32) -> Vec<f32> {
    // An even number of the shortest blocks: the delay that the resampler takes off is half of one, and must be whole.
    let two_blocks = 2 * (from_hz / gcd(from_hz, to_hz)) as usize;
    let chunk = RUBATO_CHUNK.next_multiple_of(two_blocks);
    let mut resampler =
        Fft::<f32>::new(from_hz as usize, to_hz as usize, chunk, 1, FixedSync::Both).expect("both rates are positive");
    let input = InterleavedSlice::new(samples, 1, samples.len()).expect("one channel");
    let output = resampler.process_all(&input, samples.len(), None).expect("the input is as long as it says");
    output.take_data()
}

/// The greatest common divisor (Euclid).
fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate_hz: u32, hz: f64, count: usize) -> Vec<f32> {
        (0..count).map(|n| (std::f64::consts::TAU * hz * n as f64 / f64::from(rate_hz)).sin() as f32).collect()
    }

    /// The largest value away from the edges, of what is left of one when the other is taken off.
    fn largest(samples: &[f32], less: &[f32]) -> f32 {
        let edge = samples.len() / 8;
        let pairs = samples.iter().zip(less).skip(edge).take(samples.len() - 2 * edge);
        pairs.fold(0.0, |largest, (a, b)| largest.max((a - b).abs()))
    }

    #[test]
    fn what_passes_is_the_tone_and_what_does_not_is_gone() {
        for (from_hz, to_hz) in
            USUAL_HZ.into_iter().flat_map(|from| [8_000, 11_025, 16_000, 44_100].map(|to| (from, to)))
        {
            if to_hz >= from_hz {
                continue;
            }
            let pass_hz = (PASS_MAX * f64::from(to_hz)) as u32;
            assert!(
                plan(from_hz, to_hz, pass_hz).is_some_and(|plan| !plan.phases[0].is_empty()),
                "{from_hz} to {to_hz}"
            );
            let count = from_hz as usize / 4;
            for share in [0.01, 0.3, PASS_MAX - 0.002] {
                let hz = share * f64::from(to_hz);
                let there = resampled(&tone(from_hz, hz, count), from_hz, to_hz, pass_hz).into_owned();
                let off = largest(&there, &tone(to_hz, hz, there.len()));
                assert!(off < 2e-3, "{from_hz} to {to_hz}: {hz} Hz is off by {off}");
            }
            let mut hz = (1.0 - PASS_MAX) * f64::from(to_hz) + 20.0;
            while hz < f64::from(from_hz) / 2.0 {
                let there = resampled(&tone(from_hz, hz, count), from_hz, to_hz, pass_hz).into_owned();
                // Nothing of it where the music is; what lies in the transition may keep a trace of what is above.
                let left = largest(&there, &vec![0.0; there.len()]);
                let folded = (hz / f64::from(to_hz)).fract();
                let folded = folded.min(1.0 - folded);
                assert!(left < 1e-3 || folded > PASS_MAX, "{from_hz} to {to_hz}: {hz} Hz comes through at {left}");
                hz *= 1.3;
            }
        }
    }

    #[test]
    fn a_tone_stays_the_tone_at_every_rate() {
        for from_hz in [8_000, 22_050, 44_100, 192_000, 44_056] {
            for to_hz in [8_000, 16_000, 44_100] {
                let tone_at = |hz: u32| tone(hz, 440.0, hz as usize / 2);
                let there = resampled(&tone_at(from_hz), from_hz, to_hz, to_hz.min(from_hz) / 5 * 2).into_owned();
                assert_eq!(there.len(), to_hz as usize / 2, "{from_hz} to {to_hz}");
                let off = largest(&there, &tone_at(to_hz));
                assert!(off < 2e-3, "{from_hz} to {to_hz}: off by {off}");
            }
        }
    }

    #[test]
    fn both_ways_agree() {
        let mut state = 1_u32;
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state as f32 / u32::MAX as f32 - 0.5
        };
        for (from_hz, to_hz) in [(44_100, 16_000), (48_000, 8_000), (22_050, 8_000)] {
            // Noise without what lies in either transition.
            let slow: Vec<f32> = (0..3_000).map(|_| noise()).collect();
            let heard = by_rubato(&slow, to_hz / 4 * 3, from_hz);
            let (ours, theirs) =
                (resampled(&heard, from_hz, to_hz, to_hz / 5 * 2).into_owned(), by_rubato(&heard, from_hz, to_hz));
            assert_eq!(ours.len(), theirs.len());
            assert!(largest(&ours, &theirs) < 1e-3, "{from_hz} to {to_hz}: {}", largest(&ours, &theirs));
        }
    }

    #[test]
    fn short_ones_are_as_long_as_they_must_be() {
        for count in [0, 1, 2, 3, 100, 441] {
            for (from_hz, to_hz) in [(44_100, 16_000), (44_100, 8_000), (192_000, 8_000), (12_000, 11_025)] {
                let expected = (count as u64 * u64::from(to_hz)).div_ceil(u64::from(from_hz)) as usize;
                assert_eq!(
                    resampled(&vec![0.5; count], from_hz, to_hz, to_hz / 5 * 2).len(),
                    expected,
                    "{count}, {from_hz} to {to_hz}"
                );
            }
        }
    }
}
